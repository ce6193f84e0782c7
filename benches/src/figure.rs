//! One line of a table of figures: what was measured, its limit, the ratio, and whether that is good enough.

/// A figure.
pub struct Figure {
    name: &'static str,
    measured: String,
    limit: Option<Limit>,
}

struct Limit {
    text: String,
    ratio: f64,
    wanted: String,
    missed: bool,
}

impl Figure {
    /// One that has no limit.
    pub fn plain(name: &'static str, measured: String) -> Self {
        Self { name, measured, limit: None }
    }

    /// One that must reach its limit.
    pub fn at_least(name: &'static str, value: f64, limit: f64, show: impl Fn(f64) -> String) -> Self {
        let wanted = format!("≥ {}", show(limit));
        let limit = Limit { text: show(limit), ratio: value / limit, wanted, missed: value < limit };
        Self { name, measured: show(value), limit: Some(limit) }
    }

    /// One that must not pass its limit.
    pub fn at_most(name: &'static str, value: f64, limit: f64, show: impl Fn(f64) -> String) -> Self {
        let wanted = format!("≤ {}", show(limit));
        let limit = Limit { text: show(limit), ratio: value / limit, wanted, missed: value > limit };
        Self { name, measured: show(value), limit: Some(limit) }
    }

    /// As a row of the table.
    pub fn row(&self) -> Vec<String> {
        let (limit, ratio, wanted) = match &self.limit {
            Some(limit) => (limit.text.clone(), format!("{:.2}", limit.ratio), limit.wanted.clone()),
            None => (String::new(), String::new(), "–".to_owned()),
        };
        vec![self.name.to_owned(), self.measured.clone(), limit, ratio, wanted]
    }

    /// What is not as it was wanted.
    pub fn missed(&self) -> Option<String> {
        let limit = self.limit.as_ref().filter(|limit| limit.missed)?;
        Some(format!("{}: {}, wanted {}", self.name, self.measured, limit.wanted))
    }
}

//! A figure: what was measured, what it is measured by, and whether that is good enough.

use serde::{Deserialize, Serialize};

/// What a figure is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    Seconds,
    Milliseconds,
    PerSecond,
    Megabytes,
    Count,
    Ratio,
}

/// What must hold of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    AtLeast(f64),
    AtMost(f64),
}

/// A figure of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    pub name: String,
    pub unit: Unit,
    pub value: f64,
    pub wanted: Option<Wanted>,
}

/// The same figure of several runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Median {
    pub name: String,
    pub unit: Unit,
    pub median: f64,
    /// Of every run, the smallest first.
    pub values: Vec<f64>,
    pub wanted: Option<Wanted>,
    /// To what is wanted; more is better where it is a least.
    pub ratio: Option<f64>,
    pub missed: bool,
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::Seconds if value < 10.0 => format!("{value:.2} s"),
            Self::Seconds => format!("{value:.1} s"),
            Self::Milliseconds => format!("{value:.2} ms"),
            Self::PerSecond => format!("{value:.0}/s"),
            Self::Megabytes if value < 20.0 => format!("{value:.1} MB"),
            Self::Megabytes => format!("{value:.0} MB"),
            Self::Count => format!("{value:.0}"),
            Self::Ratio => format!("{value:.3}"),
        }
    }
}

impl Wanted {
    fn limit(self) -> f64 {
        match self {
            Self::AtLeast(limit) | Self::AtMost(limit) => limit,
        }
    }

    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(limit) => value >= limit,
            Self::AtMost(limit) => value <= limit,
        }
    }
}

impl Figure {
    /// One of which nothing is wanted.
    pub fn plain(name: impl Into<String>, unit: Unit, value: f64) -> Self {
        Self { name: name.into(), unit, value, wanted: None }
    }

    /// One that must reach a limit.
    pub fn at_least(name: impl Into<String>, unit: Unit, value: f64, limit: f64) -> Self {
        Self { wanted: Some(Wanted::AtLeast(limit)), ..Self::plain(name, unit, value) }
    }

    /// One that must not pass a limit.
    pub fn at_most(name: impl Into<String>, unit: Unit, value: f64, limit: f64) -> Self {
        Self { wanted: Some(Wanted::AtMost(limit)), ..Self::plain(name, unit, value) }
    }
}

impl Median {
    /// The medians of runs that took the same figures.
    pub fn of(runs: &[Vec<Figure>]) -> Vec<Self> {
        let Some(first) = runs.first() else { return Vec::new() };
        let values = |name: &str| {
            runs.iter().flatten().filter(|one| one.name == name).map(|one| one.value).collect::<Vec<f64>>()
        };
        first.iter().map(|figure| Self::new(figure, values(&figure.name))).collect()
    }

    fn new(figure: &Figure, mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let median = middle(&values);
        let wanted = figure.wanted;
        Self {
            name: figure.name.clone(),
            unit: figure.unit,
            median,
            values,
            wanted,
            ratio: wanted.map(|wanted| median / wanted.limit()),
            missed: wanted.is_some_and(|wanted| !wanted.holds(median)),
        }
    }

    /// As a row of the table.
    pub fn row(&self, plan: &str) -> Vec<String> {
        let show = |value: f64| self.unit.show(value);
        let spread = match (self.values.first(), self.values.last()) {
            (Some(least), Some(most)) if self.values.len() > 1 => format!("{} – {}", show(*least), show(*most)),
            _ => String::new(),
        };
        let ratio = self.ratio.map_or(String::new(), |ratio| format!("{ratio:.2}"));
        vec![plan.to_owned(), self.name.clone(), show(self.median), spread, self.wanted(), ratio]
    }

    fn wanted(&self) -> String {
        match self.wanted {
            None => "–".to_owned(),
            Some(Wanted::AtLeast(limit)) => format!("≥ {}", self.unit.show(limit)),
            Some(Wanted::AtMost(limit)) => format!("≤ {}", self.unit.show(limit)),
        }
    }

    /// What is not as it was wanted.
    pub fn told(&self, plan: &str) -> String {
        format!("{plan}: {} {}, wanted {}", self.name, self.unit.show(self.median), self.wanted())
    }
}

/// The one in the middle of values in order.
pub fn middle(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(value: f64) -> Vec<Figure> {
        vec![
            Figure::at_least("accepted", Unit::PerSecond, value, 5.0),
            Figure::at_most("memory", Unit::Megabytes, value, 5.0),
            Figure::plain("events", Unit::Count, value),
        ]
    }

    #[test]
    fn the_middle_run_is_judged_and_all_are_told() {
        let medians = Median::of(&[run(9.0), run(1.0), run(6.0)]);
        let missed: Vec<bool> = medians.iter().map(|one| one.missed).collect();
        assert_eq!(missed, [false, true, false]);
        assert!(medians.iter().all(|one| one.values == [1.0, 6.0, 9.0] && (one.median - 6.0).abs() < 1e-9));
        assert_eq!(medians[1].row("standard"), ["standard", "memory", "6.0 MB", "1.0 MB – 9.0 MB", "≤ 5.0 MB", "1.20"]);
        assert_eq!(Median::of(&[]), []);
    }
}

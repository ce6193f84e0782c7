//! API versions and the shapes of JSON that belong to them.

use std::fmt;

/// A dated version such as `2026-09-30.endive`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(String);

/// The shapes that differ in what a billing sync reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// Before 2025-03-31: the period on the subscription, `invoice.subscription`, `line.price`.
    PreBasil,
    /// From 2025-03-31: periods on items, `parent`, `pricing`, discounts as ids.
    Basil,
    /// From 2025-09-30: the coupon under `discount.source`.
    Clover,
    /// From 2026-09-30: trials of single items, `status_details`.
    Endive,
}

impl Version {
    /// The version whose shape is the simulation's own.
    pub fn pinned() -> Self {
        Self("2026-09-30.endive".to_owned())
    }

    /// A version's name is a date, followed by a release's name since 2024-09-30.
    pub fn parse(name: &str) -> Option<Self> {
        let (date, release) = match name.split_once('.') {
            Some((date, release)) => (date, Some(release)),
            None => (name, None),
        };
        date.parse::<jiff::civil::Date>().ok()?;
        let readable = release.is_none_or(|r| !r.is_empty() && r.bytes().all(|b| b.is_ascii_lowercase()));
        (readable && date.len() == 10).then(|| Self(name.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn shape(&self) -> Shape {
        match self.0.get(..10).unwrap_or_default() {
            date if date < "2025-03-31" => Shape::PreBasil,
            date if date < "2025-09-30" => Shape::Basil,
            date if date < "2026-09-30" => Shape::Clover,
            _ => Shape::Endive,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Shape, Version};

    #[test]
    fn versions_have_the_shape_of_their_date() {
        let cases = [
            ("2020-08-27", Shape::PreBasil),
            ("2025-02-24.acacia", Shape::PreBasil),
            ("2025-03-31.basil", Shape::Basil),
            ("2025-08-27.basil", Shape::Basil),
            ("2025-09-30.clover", Shape::Clover),
            ("2026-08-26.dahlia", Shape::Clover),
            ("2026-09-30.endive", Shape::Endive),
        ];
        for (name, shape) in cases {
            assert_eq!(Version::parse(name).map(|v| v.shape()), Some(shape), "{name}");
        }
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for name in ["", "latest", "2026-13-30", "2026-09-30.", "2026-9-30", "2026-09-30.Endive"] {
            assert_eq!(Version::parse(name), None, "{name}");
        }
    }
}

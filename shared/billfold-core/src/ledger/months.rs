//! Months, and what flowed in each of them.

use super::{Ledger, Movement, MovementKind};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A month of UTC, written `2026-11`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(
    feature = "openapi",
    derive(utoipa::ToSchema),
    schema(value_type = String, pattern = "^[0-9]{4}-[0-9]{2}$", examples("2026-11"))
)]
#[serde(try_from = "String", into = "String")]
pub struct Month(Date);

/// The text is not a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a month is written like 2026-11")]
pub struct MonthError;

impl Month {
    /// The month that holds a moment.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        Self(at.to_zoned(TimeZone::UTC).date().first_of_month())
    }

    /// The month that is so many months away; the last or first that there is where that is none.
    #[must_use]
    pub fn plus(self, months: i32) -> Self {
        Self(self.0.saturating_add(jiff::Span::new().months(months)))
    }

    /// When it begins.
    #[must_use]
    pub fn begins(self) -> Timestamp {
        self.0.to_zoned(TimeZone::UTC).map_or(Timestamp::MAX, |zoned| zoned.timestamp())
    }

    /// When it is over.
    #[must_use]
    pub fn ends(self) -> Timestamp {
        self.plus(1).begins()
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

impl FromStr for Month {
    type Err = MonthError;

    /// Takes `2026-11`, and a date in the month as well.
    fn from_str(text: &str) -> Result<Self, MonthError> {
        let day = if text.len() == 7 { format!("{text}-01") } else { text.to_owned() };
        let date: Date = day.parse().map_err(|_| MonthError)?;
        // Years from 1970 on: Stripe has none before, and a moment must exist for each.
        if text.len() > 10 || date.year() < 1970 { Err(MonthError) } else { Ok(Self(date.first_of_month())) }
    }
}

impl TryFrom<String> for Month {
    type Error = MonthError;

    fn try_from(text: String) -> Result<Self, MonthError> {
        text.parse()
    }
}

impl From<Month> for String {
    fn from(month: Month) -> Self {
        month.to_string()
    }
}

/// A range of months, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Months {
    /// The first.
    pub from: Month,
    /// The last.
    pub to: Month,
}

impl Months {
    /// How many months a report has unless it is told.
    pub const USUAL: i32 = 12;
    /// The most months of a report.
    pub const MAX: usize = 240;

    /// The months up to now.
    #[must_use]
    pub fn up_to(now: Timestamp) -> Self {
        let to = Month::of(now);
        Self { from: to.plus(1_i32.saturating_sub(Self::USUAL)), to }
    }

    /// Each month, oldest first; at most [`Months::MAX`].
    pub fn each(self) -> impl Iterator<Item = Month> {
        let next = move |month: &Month| Some(month.plus(1)).filter(|next| *next <= self.to && next > month);
        std::iter::successors(Some(self.from).filter(|from| *from <= self.to), next).take(Self::MAX)
    }
}

/// What a span of time did to an account, in minor units of the workspace's currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flows {
    /// The MRR when it began.
    pub opening: i128,
    /// Sums by kind, in the order of [`MovementKind::ALL`].
    pub sums: [i128; 7],
    /// How many movements of each kind.
    pub counts: [u64; 7],
    /// True when some of the movements are derived.
    pub derived: bool,
}

impl Flows {
    /// The flows of an account from one moment up to, not including, another.
    #[must_use]
    pub fn of(ledger: &Ledger, from: Timestamp, until: Timestamp) -> Self {
        let mut flows = Self::default();
        for movement in ledger.movements.iter().filter(|movement| movement.at < until) {
            if movement.at < from {
                flows.opening = flows.opening.saturating_add(converted(movement));
            } else {
                flows.add(movement);
            }
        }
        flows
    }

    fn add(&mut self, movement: &Movement) {
        let place = MovementKind::ALL.iter().position(|kind| *kind == movement.kind).unwrap_or(0);
        if let (Some(sum), Some(count)) = (self.sums.get_mut(place), self.counts.get_mut(place)) {
            *sum = sum.saturating_add(converted(movement));
            *count = count.saturating_add(1);
        }
        self.derived |= movement.basis == super::Basis::Derived;
    }

    /// The sum of one kind.
    #[must_use]
    pub fn of_kind(&self, kind: MovementKind) -> i128 {
        MovementKind::ALL.iter().zip(self.sums).find(|(one, _)| **one == kind).map_or(0, |(_, sum)| sum)
    }

    /// How many movements of one kind.
    #[must_use]
    pub fn count_of(&self, kind: MovementKind) -> u64 {
        MovementKind::ALL.iter().zip(self.counts).find(|(one, _)| **one == kind).map_or(0, |(_, count)| count)
    }

    /// The MRR at the end.
    #[must_use]
    pub fn closing(&self) -> i128 {
        self.sums.iter().fold(self.opening, |sum, flow| sum.saturating_add(*flow))
    }

    /// What is left at the end of what was there at the beginning, by what customers did: rates and rules are no merit.
    #[must_use]
    pub fn retained(&self) -> i128 {
        let done = MovementKind::ALL.into_iter().filter(|kind| kind.is_of_customer()).map(|kind| self.of_kind(kind));
        done.fold(self.opening, i128::saturating_add).max(0)
    }

    /// Adds another account's flows.
    pub fn plus(&mut self, other: &Self) {
        self.opening = self.opening.saturating_add(other.opening);
        for (sum, more) in self.sums.iter_mut().zip(other.sums) {
            *sum = sum.saturating_add(more);
        }
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count = count.saturating_add(more);
        }
        self.derived |= other.derived;
    }
}

fn converted(movement: &Movement) -> i128 {
    movement.converted.map_or(0, |money| i128::from(money.amount))
}

//! How much of what there was is left: net and gross retention, churn, quick ratio, as decimals.

use super::{Flows, MovementKind};
use serde::{Serialize, Serializer};
use std::fmt;

/// Decimals of a ratio.
const DECIMALS: u32 = 4;

/// A ratio as decimal text with four decimals, a tie going to the even one: `"1.0342"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(
    feature = "openapi",
    derive(utoipa::ToSchema),
    schema(value_type = String, pattern = r"^-?[0-9]+\.[0-9]{4}$", examples("1.0342"))
)]
pub struct Ratio(i128);

impl Ratio {
    /// `part / whole`; `None` where there is no whole.
    #[must_use]
    pub fn of(part: i128, whole: i128) -> Option<Self> {
        let scaled = part.checked_mul(10_i128.checked_pow(DECIMALS)?)?;
        let floor = scaled.checked_div_euclid(whole)?;
        let twice = scaled.checked_rem_euclid(whole)?.checked_mul(2)?;
        let odd = floor.checked_rem_euclid(2)? == 1;
        let up = twice > whole.checked_abs()? || (twice == whole.checked_abs()? && odd);
        floor.checked_add(i128::from(up)).map(Self)
    }

    /// What is missing to one.
    #[must_use]
    pub fn complement(self) -> Self {
        Self(10_i128.saturating_pow(DECIMALS).saturating_sub(self.0))
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = 10_u128.saturating_pow(DECIMALS);
        let sign = if self.0 < 0 { "-" } else { "" };
        let digits = self.0.unsigned_abs();
        let (whole, part) = (digits.checked_div(one).unwrap_or(0), digits.checked_rem(one).unwrap_or(0));
        write!(f, "{sign}{whole}.{part:04}")
    }
}

impl Serialize for Ratio {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The accounts that paid when a span of time began, and what became of them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cohort {
    accounts: u64,
    lost: u64,
    opening: i128,
    net: i128,
    gross: i128,
}

impl Cohort {
    /// Counts an account, if it paid at the beginning.
    pub(super) fn add(&mut self, flows: &Flows) {
        if flows.opening <= 0 {
            return;
        }
        self.accounts = self.accounts.saturating_add(1);
        self.lost = self.lost.saturating_add(u64::from(flows.closing() <= 0));
        self.opening = self.opening.saturating_add(flows.opening);
        self.net = self.net.saturating_add(flows.retained());
        self.gross = self.gross.saturating_add(flows.retained().min(flows.opening));
    }

    pub(super) fn net(&self) -> Option<Ratio> {
        Ratio::of(self.net, self.opening)
    }

    pub(super) fn gross(&self) -> Option<Ratio> {
        Ratio::of(self.gross, self.opening)
    }

    pub(super) fn customer_churn(&self) -> Option<Ratio> {
        Ratio::of(i128::from(self.lost), i128::from(self.accounts))
    }
}

/// What was gained for each unit that was lost; `None` where nothing was lost.
pub(super) fn quick_ratio(flows: &Flows) -> Option<Ratio> {
    let sum = |kinds: &[MovementKind]| kinds.iter().map(|kind| flows.of_kind(*kind)).fold(0, i128::saturating_add);
    let gained = sum(&[MovementKind::New, MovementKind::Expansion, MovementKind::Reactivation]);
    Ratio::of(gained, sum(&[MovementKind::Contraction, MovementKind::Churn]).saturating_neg())
}

//! A dated table of exchange rates into the workspace's currency (MRR.md §3).
//!
//! A currency that is not in it is never converted by a guess.

use crate::money::{Currency, Exact, Money, Overflow};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What one major unit of other currencies is worth in major units of the workspace's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// Whose rates they are.
    pub source: RateSource,
    /// The day that they are of.
    pub as_of: Date,
    /// By currency, as decimal text: `"eur": "1.08"` says that 1 EUR is 1.08 of the workspace's currency.
    pub per_unit: BTreeMap<Currency, String>,
}

/// Whose rates they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RateSource {
    /// The European Central Bank's reference rates.
    Ecb,
    /// The workspace's own.
    Manual,
}

/// Why a rate table cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RatesError {
    /// The code is not a currency that Billfold can count in.
    #[error("{0} is not a known currency")]
    Currency(Currency),
    /// The rate is not a decimal above zero.
    #[error("the rate of {0} must be a decimal number above zero, like \"1.08\"")]
    Rate(Currency),
}

impl Rates {
    /// Checks every rate.
    ///
    /// # Errors
    /// [`RatesError`] for the first that cannot be used.
    pub fn check(&self) -> Result<(), RatesError> {
        for (currency, text) in &self.per_unit {
            if currency.minor_digits().is_none() {
                return Err(RatesError::Currency(*currency));
            }
            rate(text).ok_or(RatesError::Rate(*currency))?;
        }
        Ok(())
    }

    /// Converts an amount, rounding half to even to the minor unit of `to` (MRR.md §3); `None` when there is no rate.
    ///
    /// # Errors
    /// [`Overflow`] when the amount does not fit.
    pub fn convert(&self, money: Money, to: Currency) -> Result<Option<Money>, Overflow> {
        let rate = self.per_unit.get(&money.currency).and_then(|text| rate(text));
        let (Some(rate), Some(from_unit), Some(to_unit)) = (rate, minor_units(money.currency), minor_units(to)) else {
            return Ok(None);
        };
        let exact = Exact::whole(money.amount).times(rate)?.times(to_unit)?.over(from_unit)?;
        Ok(Some(Money::new(exact.round_half_even()?, to)))
    }
}

fn rate(text: &str) -> Option<Exact> {
    Exact::from_decimal(text).ok().filter(|rate| !rate.is_zero() && !rate.is_negative())
}

/// Minor units in one major unit.
fn minor_units(currency: Currency) -> Option<Exact> {
    Some(Exact::whole(10i64.checked_pow(currency.minor_digits()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(code: &str, rate: &str) -> Rates {
        let per_unit = BTreeMap::from([(Currency::new(code).unwrap(), rate.to_owned())]);
        Rates { source: RateSource::Manual, as_of: "2026-11-20".parse().unwrap(), per_unit }
    }

    #[test]
    fn converts_between_minor_units_and_rounds_half_to_even() {
        let check = |amount: i64, from: &str, rate: &str, to: &str, expected: i64| {
            let (from, to) = (Currency::new(from).unwrap(), Currency::new(to).unwrap());
            let converted = rates(from.as_str(), rate).convert(Money::new(amount, from), to);
            assert_eq!(converted, Ok(Some(Money::new(expected, to))), "{amount} {from} at {rate}");
        };
        check(10_000, "eur", "1.08", "usd", 10_800);
        check(1_200, "jpy", "0.0065", "usd", 780);
        check(12_345, "kwd", "3.25", "usd", 4_012);
        check(100, "usd", "153.5", "jpy", 154);
        check(1, "eur", "0.5", "usd", 0);
        check(3, "eur", "0.5", "usd", 2);
        check(100, "usd", "0.307", "kwd", 307);
    }

    #[test]
    fn what_has_no_rate_or_no_room_is_not_converted() {
        let (eur, usd) = (Currency::new("eur").unwrap(), Currency::USD);
        let unknown = Currency::new("zzz").unwrap();
        assert_eq!(rates("gbp", "1.3").convert(Money::new(1, eur), usd), Ok(None));
        assert_eq!(rates("eur", "nonsense").convert(Money::new(1, eur), usd), Ok(None));
        assert_eq!(rates("zzz", "1").convert(Money::new(1, unknown), usd), Ok(None));
        assert_eq!(rates("eur", "2").convert(Money::new(i64::MAX, eur), usd), Err(Overflow));
    }

    #[test]
    fn a_table_is_checked_before_it_is_taken() {
        let eur = Currency::new("eur").unwrap();
        assert_eq!(rates("eur", "1.08").check(), Ok(()));
        for bad in ["0", "-1", "", "1,08", "1e3"] {
            assert_eq!(rates("eur", bad).check(), Err(RatesError::Rate(eur)), "{bad}");
        }
        assert_eq!(rates("zzz", "1").check(), Err(RatesError::Currency(Currency::new("zzz").unwrap())));
        let json = r#"{"source":"ecb","as_of":"2026-11-20","per_unit":{"eur":"1.08"}}"#;
        let read: Rates = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), json);
    }
}

//! Money: a currency, an amount in its minor unit, and exact fractions until the one rounding step.
//!
//! Nothing here is a floating-point number, and nothing overflows silently.

mod currency;
mod exact;

pub use currency::{Currency, CurrencyError};
pub use exact::{DecimalError, Exact, Overflow};

use serde::{Deserialize, Serialize};
use std::fmt;

/// An amount in the minor unit of its currency (cents for USD, yen for JPY, fils for KWD).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Money {
    /// Minor units; negative for credits.
    pub amount: i64,
    /// The currency that the amount is in.
    pub currency: Currency,
}

impl Money {
    /// An amount of minor units in a currency.
    #[must_use]
    pub fn new(amount: i64, currency: Currency) -> Self {
        Self { amount, currency }
    }
}

/// As people read it, in the major unit: `1,234.56 USD`. Of a code that is not a currency the minor units are shown, and
/// said to be.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.currency.as_str().to_uppercase();
        let sign = if self.amount < 0 { "-" } else { "" };
        let minor = self.amount.unsigned_abs();
        let digits = self.currency.minor_digits();
        let unit = digits.and_then(|digits| 10u64.checked_pow(digits)).unwrap_or(1);
        let (whole, part) = (minor.checked_div(unit).unwrap_or(minor), minor.checked_rem(unit).unwrap_or(0));
        let whole = grouped(whole);
        match digits {
            None => write!(f, "{sign}{whole} {code} (minor units)"),
            Some(0) => write!(f, "{sign}{whole} {code}"),
            Some(2) => write!(f, "{sign}{whole}.{part:02} {code}"),
            Some(_) => write!(f, "{sign}{whole}.{part:03} {code}"),
        }
    }
}

/// A number with its thousands apart: `1,234,567`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && digits.len().saturating_sub(place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Adds minor units of one currency, refusing to overflow.
///
/// # Errors
/// [`Overflow`] when the sum does not fit an `i64`.
pub fn sum_minor(amounts: impl IntoIterator<Item = i64>) -> Result<i64, Overflow> {
    amounts.into_iter().try_fold(0i64, i64::checked_add).ok_or(Overflow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_two_fields_in_json() {
        let usd = Currency::new("usd").unwrap();
        assert_eq!(serde_json::to_string(&Money::new(123_456, usd)).unwrap(), r#"{"amount":123456,"currency":"usd"}"#);
    }

    #[test]
    fn money_is_written_as_people_read_it() {
        let check = |amount, code, expected: &str| {
            assert_eq!(Money::new(amount, Currency::new(code).unwrap()).to_string(), expected);
        };
        check(123_456_789, "usd", "1,234,567.89 USD");
        check(-5, "usd", "-0.05 USD");
        check(1_200, "jpy", "1,200 JPY");
        check(12_345, "kwd", "12.345 KWD");
        check(100, "zzz", "100 ZZZ (minor units)");
        check(i64::MIN, "usd", "-92,233,720,368,547,758.08 USD");
    }

    #[test]
    fn a_sum_that_does_not_fit_is_refused() {
        assert_eq!(sum_minor([1, 2, 3]), Ok(6));
        assert_eq!(sum_minor([i64::MAX, 1]), Err(Overflow));
    }
}

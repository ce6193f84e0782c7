//! Money: a currency, an amount in its minor unit, and exact fractions until the one rounding step.
//!
//! Nothing here is a floating-point number, and nothing overflows silently.

mod currency;
mod exact;

pub use currency::{Currency, CurrencyError};
pub use exact::{DecimalError, Exact, Overflow};

use serde::{Deserialize, Serialize};

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
    fn a_sum_that_does_not_fit_is_refused() {
        assert_eq!(sum_minor([1, 2, 3]), Ok(6));
        assert_eq!(sum_minor([i64::MAX, 1]), Err(Overflow));
    }
}

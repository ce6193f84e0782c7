//! Exact fractions of a minor unit, with checked arithmetic.

use num_rational::Ratio;
use num_traits::{CheckedAdd, CheckedDiv, CheckedMul, CheckedSub, Zero};
use serde::{Serialize, Serializer};
use std::fmt;

/// An exact number of minor units (or a plain factor), as a reduced fraction of two `i128`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "openapi",
    derive(utoipa::ToSchema),
    schema(value_type = String, pattern = "^-?[0-9]+(/[0-9]+)?$", examples("5000/3"))
)]
pub struct Exact(Ratio<i128>);

/// A result does not fit: the caller reports the item as not computable instead of showing a wrong number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the amount is too large to compute exactly")]
pub struct Overflow;

/// Why a text is not a decimal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not digits with at most one point and an optional sign.
    #[error("not a decimal number")]
    Malformed,
    /// More digits than an exact fraction can hold.
    #[error("the amount is too large to compute exactly")]
    TooLong,
}

impl Exact {
    /// Zero.
    pub const ZERO: Self = Self(Ratio::new_raw(0, 1));
    /// One.
    pub const ONE: Self = Self(Ratio::new_raw(1, 1));

    /// A whole number.
    #[must_use]
    pub fn whole(value: i64) -> Self {
        Self(Ratio::from_integer(i128::from(value)))
    }

    /// `numerator / denominator`; `None` when the denominator is zero.
    #[must_use]
    pub fn fraction(numerator: i64, denominator: i64) -> Option<Self> {
        (denominator != 0).then(|| Self(Ratio::new(i128::from(numerator), i128::from(denominator))))
    }

    /// Reads a decimal such as Stripe's `unit_amount_decimal`: `"0.5"`, `"1200"`, `"-3.125"`, at most 30 digits.
    ///
    /// # Errors
    /// [`DecimalError`] for anything else.
    pub fn from_decimal(text: &str) -> Result<Self, DecimalError> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(part) || (digits.contains('.') && part.is_empty()) {
            return Err(DecimalError::Malformed);
        }
        let mut value: i128 = 0;
        let mut scale: i128 = 1;
        for (place, digit) in whole.bytes().chain(part.bytes()).enumerate() {
            let digit = i128::from(digit.saturating_sub(b'0'));
            value = value.checked_mul(10).and_then(|v| v.checked_add(digit)).ok_or(DecimalError::TooLong)?;
            if place >= whole.len() {
                scale = scale.checked_mul(10).ok_or(DecimalError::TooLong)?;
            }
        }
        let value = if negative { value.checked_neg().ok_or(DecimalError::TooLong)? } else { value };
        Ok(Self(Ratio::new(value, scale)))
    }

    /// `self + other`.
    ///
    /// # Errors
    /// [`Overflow`] when the sum does not fit.
    pub fn plus(self, other: Self) -> Result<Self, Overflow> {
        self.0.checked_add(&other.0).map(Self).ok_or(Overflow)
    }

    /// `self - other`.
    ///
    /// # Errors
    /// [`Overflow`] when the difference does not fit.
    pub fn minus(self, other: Self) -> Result<Self, Overflow> {
        self.0.checked_sub(&other.0).map(Self).ok_or(Overflow)
    }

    /// `self × other`.
    ///
    /// # Errors
    /// [`Overflow`] when the product does not fit.
    pub fn times(self, other: Self) -> Result<Self, Overflow> {
        self.0.checked_mul(&other.0).map(Self).ok_or(Overflow)
    }

    /// `self ÷ other`.
    ///
    /// # Errors
    /// [`Overflow`] when the quotient does not fit or `other` is zero.
    pub fn over(self, other: Self) -> Result<Self, Overflow> {
        self.0.checked_div(&other.0).map(Self).ok_or(Overflow)
    }

    /// True for exactly zero.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// True below zero.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.0 < Ratio::zero()
    }

    /// The numerator of the reduced fraction; carries the sign.
    #[must_use]
    pub fn numerator(self) -> i128 {
        *self.0.numer()
    }

    /// The denominator of the reduced fraction; above zero.
    #[must_use]
    pub fn denominator(self) -> i128 {
        *self.0.denom()
    }

    /// The nearest whole number, a tie going to the even one (MRR.md §3).
    ///
    /// # Errors
    /// [`Overflow`] when it does not fit an `i64`.
    pub fn round_half_even(self) -> Result<i64, Overflow> {
        let (numerator, denominator) = (self.numerator(), self.denominator());
        let floor = numerator.checked_div_euclid(denominator).ok_or(Overflow)?;
        let rest = numerator.checked_rem_euclid(denominator).ok_or(Overflow)?;
        let twice = rest.checked_mul(2).ok_or(Overflow)?;
        let floor_is_odd = floor.checked_rem_euclid(2) == Some(1);
        let up = twice > denominator || (twice == denominator && floor_is_odd);
        let rounded = floor.checked_add(i128::from(up)).ok_or(Overflow)?;
        i64::try_from(rounded).map_err(|_| Overflow)
    }
}

/// As text, `"5000/3"` or `"100"`: a JSON number would lose what is exact about it.
impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals_are_exact() {
        let check = |text: &str, expected: Result<(i64, i64), DecimalError>| {
            let expected = expected.map(|(n, d)| Exact::fraction(n, d).unwrap());
            assert_eq!(Exact::from_decimal(text), expected, "{text}");
        };
        check("0.5", Ok((1, 2)));
        check("1200", Ok((1200, 1)));
        check("-3.125", Ok((-25, 8)));
        check("0.000000000001", Ok((1, 1_000_000_000_000)));
        for bad in ["", ".", "-", "1.", ".5", "1e3", "+1", "1.2.3", " 1", "NaN"] {
            check(bad, Err(DecimalError::Malformed));
        }
        check(&"9".repeat(60), Err(DecimalError::TooLong));
    }

    #[test]
    fn a_tie_goes_to_the_even_neighbour() {
        let check =
            |n, d, expected| assert_eq!(Exact::fraction(n, d).unwrap().round_half_even(), Ok(expected), "{n}/{d}");
        check(5, 2, 2);
        check(7, 2, 4);
        check(15, 2, 8);
        check(-5, 2, -2);
        check(-7, 2, -4);
        check(1, 3, 0);
        check(2, 3, 1);
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let huge = Exact::whole(i64::MAX).times(Exact::whole(i64::MAX)).unwrap();
        assert_eq!(huge.times(huge), Err(Overflow));
        assert_eq!(huge.round_half_even(), Err(Overflow));
        assert_eq!(Exact::ONE.over(Exact::ZERO), Err(Overflow));
        assert_eq!(Exact::fraction(1, 0), None);
    }

    proptest! {
        #[test]
        fn rounding_is_never_off_by_more_than_half(n in -1_000_000i64..1_000_000, d in 1i64..10_000) {
            let exact = Exact::fraction(n, d).unwrap();
            let off = exact.minus(Exact::whole(exact.round_half_even().unwrap())).unwrap();
            let half = Exact::fraction(1, 2).unwrap();
            prop_assert!(off <= half && off >= Exact::ZERO.minus(half).unwrap());
        }
    }
}

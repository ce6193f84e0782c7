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
        if whole.len().saturating_add(part.len()) <= SMALL_DIGITS_MAX {
            return Ok(Self::small_decimal(negative, whole, part));
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

    /// A decimal whose digits fit 64 bits.
    fn small_decimal(negative: bool, whole: &str, part: &str) -> Self {
        let digit = |value: i64, byte: u8| value.wrapping_mul(10).wrapping_add(i64::from(byte.wrapping_sub(b'0')));
        let value = whole.bytes().chain(part.bytes()).fold(0_i64, digit);
        let scale = part.bytes().fold(1_u64, |scale, _| scale.wrapping_mul(10));
        let shared = gcd(value.unsigned_abs(), scale);
        let value = if negative { value.wrapping_neg() } else { value };
        Small { numerator: value, denominator: scale }.divided(shared, shared)
    }

    /// The fraction, if both parts fit 64 bits: nearly all do, and their greatest common divisor is found much faster.
    fn small(self) -> Option<Small> {
        let (numerator, denominator) = (i64::try_from(*self.0.numer()), u64::try_from(*self.0.denom()));
        Some(Small { numerator: numerator.ok()?, denominator: denominator.ok()? })
    }

    /// `self + other`.
    ///
    /// # Errors
    /// [`Overflow`] when the sum does not fit.
    pub fn plus(self, other: Self) -> Result<Self, Overflow> {
        if let (Some(a), Some(b)) = (self.small(), other.small())
            && let Some(sum) = a.plus(b)
        {
            return Ok(sum);
        }
        self.0.checked_add(&other.0).map(Self).ok_or(Overflow)
    }

    /// `self - other`.
    ///
    /// # Errors
    /// [`Overflow`] when the difference does not fit.
    pub fn minus(self, other: Self) -> Result<Self, Overflow> {
        if let (Some(a), Some(b)) = (self.small(), other.small())
            && let Some(difference) = b.negated().and_then(|b| a.plus(b))
        {
            return Ok(difference);
        }
        self.0.checked_sub(&other.0).map(Self).ok_or(Overflow)
    }

    /// `self × other`.
    ///
    /// # Errors
    /// [`Overflow`] when the product does not fit.
    pub fn times(self, other: Self) -> Result<Self, Overflow> {
        if let (Some(a), Some(b)) = (self.small(), other.small()) {
            return Ok(a.times(b));
        }
        self.0.checked_mul(&other.0).map(Self).ok_or(Overflow)
    }

    /// `self ÷ other`.
    ///
    /// # Errors
    /// [`Overflow`] when the quotient does not fit or `other` is zero.
    pub fn over(self, other: Self) -> Result<Self, Overflow> {
        if let (Some(a), Some(b)) = (self.small(), other.small().and_then(Small::inverted)) {
            return Ok(a.times(b));
        }
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
        self.0.numer().is_negative()
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
        if denominator == 1 {
            return i64::try_from(numerator).map_err(|_| Overflow);
        }
        let floor = numerator.checked_div_euclid(denominator).ok_or(Overflow)?;
        let rest = numerator.checked_rem_euclid(denominator).ok_or(Overflow)?;
        let twice = rest.checked_mul(2).ok_or(Overflow)?;
        let floor_is_odd = floor.checked_rem_euclid(2) == Some(1);
        let up = twice > denominator || (twice == denominator && floor_is_odd);
        let rounded = floor.checked_add(i128::from(up)).ok_or(Overflow)?;
        i64::try_from(rounded).map_err(|_| Overflow)
    }
}

/// Most decimals have no more digits than fit an `i64`.
const SMALL_DIGITS_MAX: usize = 18;

/// A reduced fraction whose parts fit 64 bits, so that no product of two of them overflows.
#[derive(Clone, Copy)]
struct Small {
    numerator: i64,
    denominator: u64,
}

impl Small {
    /// With the numerator and the denominator divided by numbers that divide them.
    fn divided(self, numerator_by: u64, denominator_by: u64) -> Exact {
        let numerator = i128::from(self.numerator).checked_div(i128::from(numerator_by)).unwrap_or(0);
        let denominator = i128::from(self.denominator.checked_div(denominator_by).unwrap_or(1));
        Exact(Ratio::new_raw(numerator, denominator))
    }

    fn negated(self) -> Option<Self> {
        Some(Self { numerator: self.numerator.checked_neg()?, ..self })
    }

    fn inverted(self) -> Option<Self> {
        let denominator = i64::try_from(self.denominator).ok()?;
        let numerator = if self.numerator < 0 { denominator.checked_neg()? } else { denominator };
        (self.numerator != 0).then_some(Self { numerator, denominator: self.numerator.unsigned_abs() })
    }

    /// `None` when a part of the sum would not fit.
    fn plus(self, other: Self) -> Option<Exact> {
        let shared = gcd(self.denominator, other.denominator);
        let (mine, theirs) = (self.denominator.checked_div(shared)?, other.denominator.checked_div(shared)?);
        let left = i128::from(self.numerator).checked_mul(i128::from(theirs))?;
        let right = i128::from(other.numerator).checked_mul(i128::from(mine))?;
        let sum = left.checked_add(right)?;
        if shared == 1 {
            let denominator = i128::from(mine).checked_mul(i128::from(theirs))?;
            return Some(Exact(Ratio::new_raw(sum, denominator)));
        }
        // What the sum still shares with the denominator, it shares with what the denominators shared.
        let rest = sum.unsigned_abs().checked_rem(u128::from(shared))?;
        let again = gcd(u64::try_from(rest).ok()?, shared);
        let sum = sum.checked_div(i128::from(again))?;
        let theirs = other.denominator.checked_div(again)?;
        Some(Exact(Ratio::new_raw(sum, i128::from(mine).checked_mul(i128::from(theirs))?)))
    }

    fn times(self, other: Self) -> Exact {
        if self.numerator == 0 || other.numerator == 0 {
            return Exact::ZERO;
        }
        let (a, b) = (
            gcd(self.numerator.unsigned_abs(), other.denominator),
            gcd(other.numerator.unsigned_abs(), self.denominator),
        );
        let (left, right) = (self.divided(a, b), other.divided(b, a));
        let numerator = left.numerator().wrapping_mul(right.numerator());
        Exact(Ratio::new_raw(numerator, left.denominator().wrapping_mul(right.denominator())))
    }
}

/// The greatest common divisor (Stein's way: no division).
fn gcd(mut a: u64, mut b: u64) -> u64 {
    if a == 0 || b == 0 {
        return a | b;
    }
    if a == 1 || b == 1 {
        return 1;
    }
    let twos = (a | b).trailing_zeros();
    a = a.wrapping_shr(a.trailing_zeros());
    while b != 0 {
        b = b.wrapping_shr(b.trailing_zeros());
        if a > b {
            std::mem::swap(&mut a, &mut b);
        }
        b = b.wrapping_sub(a);
    }
    a.wrapping_shl(twos)
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

    /// The same with fractions of any size, for comparison.
    fn slowly(a: Exact, b: Exact) -> [Option<Ratio<i128>>; 4] {
        let quotient = if b.is_zero() { None } else { a.0.checked_div(&b.0) };
        [a.0.checked_add(&b.0), a.0.checked_sub(&b.0), a.0.checked_mul(&b.0), quotient]
    }

    #[test]
    fn the_ends_of_the_range_are_exact_as_well() {
        let ends = [i64::MIN, i64::MIN + 1, -2, -1, 0, 1, 2, 3, i64::MAX - 1, i64::MAX];
        let all: Vec<Exact> = ends.iter().flat_map(|n| ends.iter().filter_map(|d| Exact::fraction(*n, *d))).collect();
        for a in &all {
            for b in &all {
                let quickly = [a.plus(*b), a.minus(*b), a.times(*b), a.over(*b)].map(|it| it.ok().map(|it| it.0));
                for (quick, slow) in quickly.iter().zip(slowly(*a, *b)) {
                    // What does not fit on the long way may fit on the short one.
                    assert!(slow.is_none() || *quick == slow, "{a} and {b}: {quick:?} {slow:?}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn small_fractions_are_reduced_and_right(n in -5_000i64..5_000, d in 1i64..500, m in -5_000i64..5_000, e in 1i64..500) {
            let (a, b) = (Exact::fraction(n, d).unwrap(), Exact::fraction(m, e).unwrap());
            let quickly = [a.plus(b), a.minus(b), a.times(b), a.over(b)].map(|it| it.ok().map(|it| it.0));
            for (quick, slow) in quickly.iter().zip(slowly(a, b)) {
                prop_assert_eq!(quick.map(|it| (*it.numer(), *it.denom())), slow.map(|it| (*it.numer(), *it.denom())));
            }
            let text = format!("{n}.{d:03}");
            let exact = Exact::from_decimal(&text).unwrap();
            let expected = if n < 0 || text.starts_with('-') { n * 1000 - d } else { n * 1000 + d };
            prop_assert_eq!(exact, Exact::fraction(expected, 1000).unwrap());
        }

        #[test]
        fn rounding_is_never_off_by_more_than_half(n in -1_000_000i64..1_000_000, d in 1i64..10_000) {
            let exact = Exact::fraction(n, d).unwrap();
            let off = exact.minus(Exact::whole(exact.round_half_even().unwrap())).unwrap();
            let half = Exact::fraction(1, 2).unwrap();
            prop_assert!(off <= half && off >= Exact::ZERO.minus(half).unwrap());
        }
    }
}

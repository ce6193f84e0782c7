//! Exact fractions, so that the truth about a business owes nothing to floating point nor to the
//! program under test. It never rounds except in [`Fraction::round_half_even`].

use std::cmp::Ordering;
use std::ops::{Add, Mul, Sub};

/// A reduced fraction with a positive denominator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fraction {
    numerator: i128,
    denominator: i128,
}

impl Fraction {
    pub const ZERO: Self = Self { numerator: 0, denominator: 1 };
    pub const ONE: Self = Self { numerator: 1, denominator: 1 };

    /// `numerator / denominator`, reduced. The denominator must be positive.
    pub fn new(numerator: i128, denominator: i128) -> Self {
        debug_assert!(denominator > 0, "a fraction's denominator is positive");
        let divisor = greatest_common_divisor(numerator.abs(), denominator).max(1);
        Self { numerator: numerator / divisor, denominator: denominator / divisor }
    }

    pub fn whole(value: i64) -> Self {
        Self::new(i128::from(value), 1)
    }

    pub fn is_zero(self) -> bool {
        self.numerator == 0
    }

    pub fn is_positive(self) -> bool {
        self.numerator > 0
    }

    /// The nearest whole number, a half going to the even neighbour.
    pub fn round_half_even(self) -> i64 {
        let floor = self.numerator.div_euclid(self.denominator);
        let twice_rest = 2 * self.numerator.rem_euclid(self.denominator);
        let up = match twice_rest.cmp(&self.denominator) {
            Ordering::Greater => 1,
            Ordering::Equal => floor.rem_euclid(2),
            Ordering::Less => 0,
        };
        i64::try_from(floor + up).unwrap_or(i64::MAX)
    }

    /// `self × other / whole`: the part of `other` that `self` has in `whole`.
    pub fn share_of(self, whole: Self, other: Self) -> Self {
        if whole.is_zero() {
            return Self::ZERO;
        }
        self * other * Self::new(whole.denominator * whole.numerator.signum(), whole.numerator.abs())
    }
}

impl Add for Fraction {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self::new(
            self.numerator * other.denominator + other.numerator * self.denominator,
            self.denominator * other.denominator,
        )
    }
}

impl Sub for Fraction {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self::new(
            self.numerator * other.denominator - other.numerator * self.denominator,
            self.denominator * other.denominator,
        )
    }
}

impl Mul for Fraction {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        // Reducing crosswise first keeps the products small.
        let left = Self::new(self.numerator, other.denominator);
        let right = Self::new(other.numerator, self.denominator);
        Self::new(left.numerator * right.numerator, left.denominator * right.denominator)
    }
}

impl PartialOrd for Fraction {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Fraction {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.numerator * other.denominator).cmp(&(other.numerator * self.denominator))
    }
}

impl std::iter::Sum for Fraction {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::ZERO, Add::add)
    }
}

fn greatest_common_divisor(mut a: i128, mut b: i128) -> i128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::Fraction;

    #[test]
    fn halves_go_to_the_even_neighbour() {
        let cases = [(1, 2, 0), (3, 2, 2), (5, 2, 2), (-1, 2, 0), (-3, 2, -2), (7, 3, 2), (8, 3, 3), (-7, 3, -2)];
        for (numerator, denominator, rounded) in cases {
            assert_eq!(Fraction::new(numerator, denominator).round_half_even(), rounded, "{numerator}/{denominator}");
        }
    }

    #[test]
    fn arithmetic_is_exact() {
        let third = Fraction::new(1, 3);
        assert_eq!(third + third + third, Fraction::ONE);
        assert_eq!(Fraction::new(365, 84) * Fraction::whole(1000), Fraction::new(91_250, 21));
        assert_eq!(third - third, Fraction::ZERO);
        assert!(Fraction::new(-1, 3) < Fraction::ZERO);
        assert!(third > Fraction::new(3, 10));
    }

    #[test]
    fn a_share_is_in_proportion_and_of_nothing_is_nothing() {
        let share = Fraction::whole(40).share_of(Fraction::whole(100), Fraction::whole(30));
        assert_eq!(share, Fraction::whole(12));
        assert_eq!(Fraction::whole(40).share_of(Fraction::ZERO, Fraction::whole(30)), Fraction::ZERO);
    }
}

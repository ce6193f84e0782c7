//! Chance for the generator and for random changes: the same seed, the same throws.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// A source of chance.
pub struct Dice(ChaCha8Rng);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number below `limit`; zero when there is none.
    pub fn below(&mut self, limit: u64) -> u64 {
        if limit == 0 {
            return 0;
        }
        // The bias of a 64-bit modulus is far too small to see.
        self.0.next_u64() % limit
    }

    /// A number in `low..high`; `low` when that is empty.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let width = high.saturating_sub(low).max(0).unsigned_abs();
        low + i64::try_from(self.below(width)).unwrap_or(0)
    }

    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.index(from.len())]
    }

    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    /// One of the choices, each as likely as its weight.
    pub fn weighted<T: Copy>(&mut self, choices: &[(u64, T)]) -> T {
        let mut throw = self.below(choices.iter().map(|&(weight, _)| weight).sum());
        for &(weight, choice) in choices {
            if throw < weight {
                return choice;
            }
            throw -= weight;
        }
        choices[choices.len() - 1].1
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;

    #[test]
    fn the_same_seed_throws_the_same() {
        let (mut one, mut two) = (Dice::new(5), Dice::new(5));
        for _ in 0..100 {
            assert_eq!(one.below(1_000), two.below(1_000));
        }
        assert_ne!(Dice::new(5).below(u64::MAX), Dice::new(6).below(u64::MAX));
    }

    #[test]
    fn throws_stay_within_their_bounds() {
        let mut dice = Dice::new(1);
        for _ in 0..1_000 {
            assert!((-3..4).contains(&dice.between(-3, 4)));
            assert_eq!(dice.between(4, 4), 4);
            assert_eq!(dice.weighted(&[(0, 'a'), (3, 'b')]), 'b');
        }
        assert_eq!(dice.below(0), 0);
        assert!(!dice.chance(0) && dice.chance(1_000));
    }
}

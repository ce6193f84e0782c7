//! How long to wait before trying again. Waits grow, are spread out by chance so that workers
//! do not come back in step, and are bounded. Nothing here sleeps.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How often and how patiently one call is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Requests that may fail by trouble (network, 5xx, locks) before the call gives up.
    pub tries: u32,
    /// Answers "too many requests" that are waited out before the call gives up. They are not
    /// failures: the budget slows down and the call goes on.
    pub refusals: u32,
    /// The longest possible wait after the first failure; it doubles with each further one.
    pub first_wait: Duration,
    /// Where the doubling ends.
    pub longest_wait: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { tries: 6, refusals: 60, first_wait: Duration::from_millis(500), longest_wait: Duration::from_secs(8) }
    }
}

impl Patience {
    /// The wait after the `failures`-th failure: exponential with full jitter. `chance` is in
    /// `0.0..1.0`.
    pub(crate) fn wait(&self, failures: u32, chance: f64) -> Duration {
        doubled(self.first_wait, failures, self.longest_wait).mul_f64(chance)
    }
}

/// `first`, doubled for each step after the first, but no more than `longest`.
pub(crate) fn doubled(first: Duration, step: u32, longest: Duration) -> Duration {
    let factor = 2_u32.saturating_pow(step.saturating_sub(1));
    first.saturating_mul(factor).min(longest)
}

/// A small seeded source of chance (splitmix64). Good enough to spread waits out, and the same
/// seed gives the same waits.
#[derive(Debug)]
pub(crate) struct Jitter(AtomicU64);

impl Jitter {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// A number in `0.0..1.0`.
    pub(crate) fn unit(&self) -> f64 {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let state = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let bits = (mixed ^ (mixed >> 31)) >> 11;
        bits as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let patience = Patience::default();
        let at_most: Vec<u128> = (1..=7).map(|n| patience.wait(n, 1.0).as_millis()).collect();
        assert_eq!(at_most, [500, 1000, 2000, 4000, 8000, 8000, 8000]);
        assert_eq!(patience.wait(3, 0.0), Duration::ZERO);
        assert_eq!(patience.wait(3, 0.25), Duration::from_millis(500));
        assert_eq!(patience.wait(u32::MAX, 1.0), Duration::from_secs(8));
    }

    #[test]
    fn chance_is_spread_evenly_over_the_unit() {
        let jitter = Jitter::new(7);
        let draws: Vec<f64> = (0..4000).map(|_| jitter.unit()).collect();
        assert!(draws.iter().all(|draw| (0.0..1.0).contains(draw)));
        for quarter in 0..4 {
            let low = f64::from(quarter) / 4.0;
            let count = draws.iter().filter(|draw| (low..low + 0.25).contains(*draw)).count();
            assert!((900..1100).contains(&count), "quarter {quarter}: {count}");
        }
    }

    #[test]
    fn a_seed_fixes_the_draws() {
        let draws = |seed| {
            let jitter = Jitter::new(seed);
            [jitter.unit(), jitter.unit(), jitter.unit()].map(f64::to_bits)
        };
        assert_eq!(draws(1), draws(1));
        assert_ne!(draws(1), draws(2));
    }
}

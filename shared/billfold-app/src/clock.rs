//! The clock and the dice: the only places where the use cases meet time and chance, so that a test can hold both.

use billfold_core::id::RunId;
use jiff::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The operating system gave no randomness; nothing can go on without.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct NoEntropy(#[from] getrandom::Error);

/// A number that nobody can guess.
///
/// # Errors
/// [`NoEntropy`] if the operating system has none.
pub fn random_u64() -> Result<u64, NoEntropy> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

/// The id of a run: ids of later runs sort after it.
pub(crate) fn run_id(now: Timestamp, random: u64) -> Result<RunId, billfold_core::id::IdError> {
    RunId::new(format!("run_{:011x}{random:016x}", now.as_millisecond().max(0)))
}

//! What goes wrong in a schedule: when the process dies, how the store is, how Stripe is.

use super::{Dies, Found, Simulation, Trouble};
use anyhow::Context as _;
use billfold_sim::{Dice, Fault, Faults};

/// Calls of a schedule, about.
const CALLS_TYPICAL: u64 = 1500;
/// Changes of a schedule in which the process dies at each call in turn.
const SHORT_STEPS: u32 = 6;
/// Runs a short schedule through in which the process dies at one call. The calls until silence, if it outlived them.
///
/// # Errors
/// What is not true in the end.
pub async fn run_and_die(seed: u64, dies_at: Option<(u64, Dies)>) -> anyhow::Result<u64> {
    let mut simulation = Simulation::new(seed, 3, billfold_core::fold::decide).await?;
    simulation.arm(Trouble { dies_at, ..Trouble::default() }, None);
    simulation.idle().await?;
    for _ in 0..SHORT_STEPS {
        simulation.sim.random_change(&mut simulation.dice);
        simulation.collect();
        simulation.sim.advance(1);
        for delivery in simulation.take_deliveries() {
            simulation.deliver(&delivery).await?;
        }
    }
    simulation.start_sync().await?;
    simulation.idle().await?;
    let calls = simulation.disarm().await?;
    simulation.fall_silent(Found::ByEvents).await?;
    simulation.compare().await.with_context(|| format!("seed {seed}, died at {dies_at:?}"))?;
    Ok(calls)
}

impl Simulation {
    /// Whether and when the process dies in this schedule, and how the store is.
    pub(super) fn arm_by_chance(&mut self) {
        let dies = if self.dice.chance(500) { Dies::Before } else { Dies::After };
        let at = |dice: &mut Dice| dice.chance(600).then(|| 1 + dice.below(CALLS_TYPICAL));
        let dies_at = at(&mut self.dice).map(|at| (at, dies));
        let next_death = at(&mut self.dice);
        let store_per_mille = if self.dice.chance(300) { 1 + self.dice.below(30) } else { 0 };
        self.arm(Trouble { dies_at, store_per_mille }, next_death);
        if self.dice.chance(60) {
            let kinds =
                vec![Fault::InternalError, Fault::BadGateway, Fault::Reset, Fault::LockTimeout, Fault::Truncated];
            let every = Some(12 + self.dice.below(30));
            self.sim.set_faults(Faults { every, kinds, ..Faults::default() });
        }
    }

    /// Something is to go wrong from now on; after a death, another process dies at `next_death`.
    pub fn arm(&mut self, trouble: Trouble, next_death: Option<u64>) {
        self.next_death = next_death;
        self.calls.arm(trouble);
    }

    /// All goes well from now on; calls that were made since something was to go wrong.
    ///
    /// # Errors
    /// If the dead cannot be buried.
    pub async fn disarm(&mut self) -> anyhow::Result<u64> {
        let count = self.calls.count();
        self.next_death = None;
        self.calls.arm(Trouble::default());
        self.sim.set_faults(Faults::default());
        if self.calls.is_dead() {
            self.crash().await?;
        }
        Ok(count)
    }
}

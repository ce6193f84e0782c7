//! Many schedules, by seed. A failing seed is printed; `cargo xtask simulate --seed N` runs it again.

use billfold_core::fold::{self, Decision, Incoming, Source, Stored};
use billfold_tests::simulation::{self, Dies};
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How many seeds, and from which on; `BILLFOLD_SEEDS` and `BILLFOLD_SEED` say otherwise.
const SEEDS: u64 = 150;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

fn run(seed: u64, rule: fold::Rule) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(Box::pin(simulation::run(seed, rule)));
    runtime.shutdown_timeout(Duration::from_millis(100));
    ended
}

#[test]
fn every_schedule_ends_in_the_truth() {
    let (first, count) = match number("BILLFOLD_SEED") {
        Some(seed) => (seed, number("BILLFOLD_SEEDS").unwrap_or(1)),
        None => (1, number("BILLFOLD_SEEDS").unwrap_or(SEEDS)),
    };
    let started = Instant::now();
    let (next, failed) = (AtomicU64::new(first), Mutex::new(Vec::new()));
    let run_some = || {
        loop {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            if seed >= first + count {
                return;
            }
            if let Err(error) = run(seed, fold::decide) {
                println!("seed {seed} failed; run it again with: cargo xtask simulate --seed {seed}\n{error:#}\n");
                failed.lock().unwrap().push(seed);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(run_some))));
    let failed = failed.into_inner().unwrap();
    println!("{count} seeds in {} s", started.elapsed().as_secs());
    assert!(failed.is_empty(), "seeds that failed: {failed:?}");
}

/// Calls between two at which the process dies; `BILLFOLD_DEATHS_EVERY` says otherwise, and 1 is each in turn.
const DEATHS_EVERY: u64 = 29;

fn die(seed: u64, at: Option<(u64, Dies)>) -> anyhow::Result<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(Box::pin(simulation::run_and_die(seed, at)));
    runtime.shutdown_timeout(Duration::from_millis(100));
    ended
}

#[test]
fn the_process_may_die_at_any_call_and_the_end_is_the_truth() {
    let seed = number("BILLFOLD_SEED").unwrap_or(3);
    let every = number("BILLFOLD_DEATHS_EVERY").unwrap_or(DEATHS_EVERY).max(1);
    let calls = die(seed, None).unwrap();
    let deaths = (1..=calls).step_by(usize::try_from(every).unwrap());
    let deaths: Vec<(u64, Dies)> = deaths.flat_map(|at| [(at, Dies::Before), (at, Dies::After)]).collect();
    let (next, failed) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let run_some = || {
        loop {
            let place = next.fetch_add(1, Ordering::SeqCst);
            let Some(death) = deaths.get(usize::try_from(place).unwrap()) else { return };
            if let Err(error) = die(seed, Some(*death)) {
                println!("seed {seed}, dead at {death:?}: {error:#}\n");
                failed.lock().unwrap().push(*death);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(run_some))));
    let failed = failed.into_inner().unwrap();
    println!("{} deaths at {calls} calls", deaths.len());
    assert!(failed.is_empty(), "deaths that were not survived, seed {seed}: {failed:?}");
}

/// The rule of the engines that lose the second update of a second.
fn by_created_alone(stored: Option<Stored>, incoming: Incoming) -> Decision {
    match stored {
        None => Decision::Store,
        Some(_) if incoming.source == Source::Fetched => Decision::Store,
        Some(stored) if stored.as_of < incoming.as_of => Decision::Store,
        Some(_) => Decision::Drop,
    }
}

#[test]
fn a_rule_that_compares_created_alone_is_found_within_a_hundred_seeds() {
    let found = (1..=100).find(|seed| run(*seed, by_created_alone).is_err());
    println!("found with seed {found:?}");
    assert!(found.is_some(), "a wrong rule went unnoticed for a hundred seeds");
}

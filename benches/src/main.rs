//! Benchmarks of the backfill, webhooks and the engine: each figure beside the limit that Stripe sets, as a ratio. The simulated Stripe is a process
//! of its own, so that memory is Billfold's alone; both share the machine.

#![expect(clippy::print_stdout, reason = "a benchmark speaks on the terminal")]

mod backfill;
mod cold;
mod cost;
mod deliveries;
mod figure;
mod money;
mod prices;
mod simulation;
mod webhooks;

use anyhow::{Context, bail};
use backfill::Plan;
use clap::Parser;
use comfy_table::Table;
use figure::Figure;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The plan that is about webhooks.
const WEBHOOKS: &str = "webhooks";
/// The plan that is about the engine.
const MONEY: &str = "money";
/// The plan that is about functions; it needs `cargo xtask package --arch x86_64` and is run only when it is named.
const COLD: &str = "cold";
/// The plan that is about money to be paid to AWS; it is run only when it is named.
const COST: &str = "cost";
/// Customers of its business: what one object or event costs does not depend on how many there are.
const COST_CUSTOMERS: u32 = 1000;
/// More customers would make no webhook larger.
const WEBHOOK_CUSTOMERS_MAX: u32 = 5000;

/// Backfills a simulated business under Stripe's limits and compares with what the limits allow.
#[derive(Parser)]
struct Arguments {
    /// Customers of the simulated business; 20,000 are about 100,000 objects.
    #[arg(long, default_value_t = 20_000)]
    customers: u32,
    /// Only the plan of this name: standard, sandbox, faults, unlimited, webhooks, money, cold, cost.
    #[arg(long)]
    plan: Option<String>,
    /// Also write the figures as JSON to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Webhooks that are sent as fast as they are taken.
    #[arg(long, default_value_t = 20_000)]
    events: usize,
    /// Be Stripe's side of the webhooks.
    #[arg(long, hide = true)]
    deliveries: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if arguments.deliveries {
        return deliveries::run(arguments.customers).await;
    }
    if arguments.plan.as_deref() == Some(COLD) {
        return cold(arguments.json.as_deref()).await;
    }
    if arguments.plan.as_deref() == Some(COST) {
        return cost(arguments.json.as_deref()).await;
    }
    let is_wanted = |name: &str| arguments.plan.as_ref().is_none_or(|plan| plan == name);
    let plans: Vec<Plan> = Plan::all().into_iter().filter(|plan| is_wanted(plan.name)).collect();
    if plans.is_empty() && !is_wanted(WEBHOOKS) && !is_wanted(MONEY) {
        bail!(
            "there is no such plan; the plans are: {}, {WEBHOOKS}, {MONEY}, {COLD}, {COST}",
            Plan::all().map(|plan| plan.name).join(", ")
        );
    }
    let (mut all, mut missed) = (Vec::new(), Vec::new());
    for plan in plans {
        println!("{}: {}", plan.name, plan.what);
        let figures = backfill::run(&plan, arguments.customers).await?;
        println!("{}\n", table(figures.rows()));
        missed.extend(figures.missed());
        all.push(serde_json::to_value(figures)?);
    }
    if is_wanted(WEBHOOKS) {
        println!("{WEBHOOKS}: signed deliveries, twenty at once, into a store on disk");
        let figures = webhooks::run(arguments.customers.min(WEBHOOK_CUSTOMERS_MAX), arguments.events).await?;
        println!("{}\n", table(figures.rows().iter().map(Figure::row).collect()));
        missed.extend(figures.rows().iter().filter_map(Figure::missed));
        all.push(serde_json::to_value(figures)?);
    }
    if is_wanted(MONEY) {
        println!("{MONEY}: MRR of a million subscriptions on one core, and of one account from the store on disk");
        let figures = money::run(arguments.customers.min(WEBHOOK_CUSTOMERS_MAX)).await?;
        println!("{}\n", table(figures.rows().iter().map(Figure::row).collect()));
        missed.extend(figures.rows().iter().filter_map(Figure::missed));
        all.push(serde_json::to_value(figures)?);
    }
    conclude(&all, arguments.json.as_deref(), &missed)
}

/// How long functions take to start.
async fn cold(json: Option<&Path>) -> anyhow::Result<()> {
    println!("{COLD}: functions from their start to the first call and the first answer, AWS answering at once");
    let all = cold::run(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).await?;
    let rows: Vec<Figure> = all.iter().flat_map(cold::Figures::rows).collect();
    println!("{}\n", table(rows.iter().map(Figure::row).collect()));
    let missed: Vec<String> = rows.iter().filter_map(Figure::missed).collect();
    conclude(&all.into_iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?, json, &missed)
}

/// What AWS would charge.
async fn cost(json: Option<&Path>) -> anyhow::Result<()> {
    println!(
        "{COST}: what AWS would charge; units, calls, invocations and GB·s are for each object, each event, a day"
    );
    let lines = cost::run(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), COST_CUSTOMERS).await?;
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
    table.set_header(cost::Line::HEADER);
    table.add_rows(lines.iter().map(cost::Line::row));
    println!("{table}\n");
    let missed: Vec<String> = lines.iter().filter_map(cost::Line::missed).collect();
    conclude(&lines.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?, json, &missed)
}

fn conclude(all: &[Value], json: Option<&Path>, missed: &[String]) -> anyhow::Result<()> {
    if let Some(path) = json {
        std::fs::write(path, serde_json::to_vec_pretty(all)?).with_context(|| path.display().to_string())?;
    }
    if missed.is_empty() { Ok(()) } else { bail!("missed: {}", missed.join("; ")) }
}

fn table(rows: Vec<Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
    table.set_header(["figure", "measured", "limit", "ratio", "wanted"]);
    table.add_rows(rows);
    table
}

//! Benchmarks of the backfill: each figure beside the limit that Stripe sets, as a ratio. The simulated Stripe is a process
//! of its own, so that memory is Billfold's alone; both share the machine.

#![expect(clippy::print_stdout, reason = "a benchmark speaks on the terminal")]

mod backfill;
mod simulation;

use anyhow::{Context, bail};
use backfill::{Figures, Plan};
use clap::Parser;
use comfy_table::Table;
use std::path::PathBuf;

/// Backfills a simulated business under Stripe's limits and compares with what the limits allow.
#[derive(Parser)]
struct Arguments {
    /// Customers of the simulated business; 20,000 are about 100,000 objects.
    #[arg(long, default_value_t = 20_000)]
    customers: u32,
    /// Only the plan of this name: standard, sandbox, faults, unlimited.
    #[arg(long)]
    plan: Option<String>,
    /// Also write the figures as JSON to this file.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let plans: Vec<Plan> =
        Plan::all().into_iter().filter(|plan| arguments.plan.as_ref().is_none_or(|p| p == plan.name)).collect();
    if plans.is_empty() {
        bail!("there is no such plan; the plans are: {}", Plan::all().map(|plan| plan.name).join(", "));
    }
    let mut all = Vec::new();
    for plan in plans {
        println!("{}: {}", plan.name, plan.what);
        let figures = backfill::run(&plan, arguments.customers).await?;
        println!("{}\n", table(&figures));
        all.push(figures);
    }
    if let Some(path) = arguments.json {
        std::fs::write(&path, serde_json::to_vec_pretty(&all)?).with_context(|| path.display().to_string())?;
    }
    match all.iter().flat_map(Figures::missed).collect::<Vec<_>>() {
        missed if missed.is_empty() => Ok(()),
        missed => bail!("missed: {}", missed.join("; ")),
    }
}

fn table(figures: &Figures) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
    table.set_header(["figure", "measured", "limit", "ratio", "wanted"]);
    for row in figures.rows() {
        table.add_row(row);
    }
    table
}

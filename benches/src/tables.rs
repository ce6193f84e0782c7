//! What a person waits for in a large workspace: pages of the table of accounts in every order, the Billing tab, search,
//! signals and the summary, over HTTP from the store on disk.

use crate::backfill::{Api, first_run, follow, local, peak_memory_mb, to_f64};
use crate::figure::{Figure, Unit, middle};
use crate::simulation::Simulation;
use anyhow::{Context as _, ensure};
use billfold_app::LimitsConfig;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Instant;

/// Times that each page is asked for.
const TIMES: usize = 20;
/// Pages that are walked through, and accounts that are opened.
const WALKED: usize = 40;
const OPENED: usize = 200;
const SUMMARIES: usize = 5;
const PAGE_MS: f64 = 10.0;
const SORTS: [&str; 8] = ["mrr", "-mrr", "arr", "-arr", "name", "-name", "payment_status", "-payment_status"];
const STATUSES: [&str; 5] = ["", "failed", "overdue", "paid", "none"];

/// Connects a business of so many customers, and looks at it.
pub async fn run(customers: u32) -> anyhow::Result<Vec<Figure>> {
    let simulation = Simulation::start(&[
        format!("--customers={customers}"),
        "--seed=20".into(),
        "--now=2026-09-21T12:00:00Z".into(),
        "--rps=0".into(),
        "--endpoint-rps=0".into(),
    ])?;
    let folder = tempfile::tempdir()?;
    let limits = LimitsConfig { share: Some(1.0), total_per_s: Some(1e5), endpoint_per_s: Some(1e5) };
    let (local, api) = local(&simulation, folder.path(), limits).await?;
    follow(&api, &first_run(&api).await?).await?;
    drop(simulation);
    let figures = Looking { api }.figures().await?;
    local.stop().await;
    Ok(figures)
}

struct Looking {
    api: Api,
}

impl Looking {
    async fn figures(&self) -> anyhow::Result<Vec<Figure>> {
        let ms = Unit::Milliseconds;
        let mut pages = Vec::new();
        for sort in SORTS {
            for status in STATUSES {
                let filter = if status.is_empty() { String::new() } else { format!("&payment_status={status}") };
                pages.push(self.median(&format!("/v1/accounts?limit=50&sort={sort}{filter}"), TIMES).await?);
            }
        }
        pages.sort_by(f64::total_cmp);
        let slowest = pages.last().copied().context("no page")?;
        let (walked, accounts) = self.walk().await?;
        let mut opened = Vec::with_capacity(OPENED);
        for id in accounts.iter().cycle().take(OPENED) {
            opened.push(self.timed(&format!("/v1/accounts/{id}/billing")).await?.0);
        }
        opened.sort_by(f64::total_cmp);
        let (_, summary) = self.timed("/v1/summary").await?;
        Ok(vec![
            Figure::plain("accounts", Unit::Count, to_f64(summary["accounts"].as_u64().context("no accounts")?)),
            Figure::at_most("page of 50, p50, slowest of 40 orders and filters", ms, slowest, PAGE_MS),
            Figure::at_most("page of 50, p50, further down", ms, walked, PAGE_MS),
            Figure::at_most("Billing tab, p50", ms, middle(&opened), PAGE_MS),
            Figure::plain("search through all names, p50", ms, self.median("/v1/accounts?limit=50&q=zephyr", 5).await?),
            Figure::plain("open signals, p50", ms, self.median("/v1/signals?state=open", TIMES).await?),
            Figure::plain("summary of all accounts, p50", ms, self.median("/v1/summary", SUMMARIES).await?),
            Figure::plain("peak memory", Unit::Megabytes, peak_memory_mb()?),
        ])
    }

    /// Goes down the table: how long a page takes, and some accounts.
    async fn walk(&self) -> anyhow::Result<(f64, Vec<String>)> {
        let (mut each, mut accounts, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
        let mut cursor = String::new();
        for _ in 0..WALKED {
            let (took, page) = self.timed(&format!("/v1/accounts?limit=50{cursor}")).await?;
            each.push(took);
            for row in page["data"].as_array().context("no data")? {
                let id = row["id"].as_str().context("no id")?.to_owned();
                ensure!(seen.insert(id.clone()), "{id} is on two pages");
                accounts.push(id);
            }
            cursor = format!("&cursor={}", page["next_cursor"].as_str().context("the table is short")?);
        }
        each.sort_by(f64::total_cmp);
        Ok((middle(&each), accounts))
    }

    async fn median(&self, path: &str, times: usize) -> anyhow::Result<f64> {
        let mut each = Vec::with_capacity(times);
        for _ in 0..times {
            each.push(self.timed(path).await?.0);
        }
        each.sort_by(f64::total_cmp);
        Ok(middle(&each))
    }

    async fn timed(&self, path: &str) -> anyhow::Result<(f64, Value)> {
        let started = Instant::now();
        let answer = self.api.get(path).await?;
        Ok((started.elapsed().as_secs_f64() * 1e3, answer))
    }
}

//! The engine by itself, on one core: a million subscriptions, and one account with everything that is stored of it.

use crate::backfill::to_f64;
use crate::figure::{Figure, Unit, middle};
use anyhow::{Context, bail};
use billfold_app::LimitsConfig;
use billfold_app::auth::Role;
use billfold_core::id::{AccountId, WorkspaceId};
use billfold_core::mrr::{self, Catalogue, Context as Judged, Policy};
use billfold_local::serve::{Data, Local, Options};
use billfold_sim::{Sim, Spec};
use billfold_store::{Direction, ListQuery, SortBy};
use jiff::Timestamp;
use serde_json::json;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Subscriptions of the figure.
const SUBSCRIPTIONS: usize = 1_000_000;
/// Times that each figure is taken; the middle one is told.
const TIMES: usize = 5;
/// Accounts that are computed one after the other.
const ACCOUNTS: usize = 200;
const NOW_S: i64 = 1_790_000_000;

/// Measures over a business of so many customers.
pub async fn run(customers: u32) -> anyhow::Result<Vec<Figure>> {
    let sim = Sim::generate(&Spec::new(20, customers, NOW_S));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://{}", listener.local_addr()?);
    tokio::spawn(sim.clone().serve(listener));
    let folder = tempfile::tempdir()?;
    let limits = LimitsConfig { share: Some(1.0), total_per_s: Some(1e4), endpoint_per_s: Some(1e4) };
    let data = Data::Folder(folder.path().to_owned());
    let options = Options { limits, data, ..Options::in_memory(base.parse()?) };
    let local = Local::start(options).await?;
    let ws = WorkspaceId::new("bench")?;
    connect(&local, &ws, sim.api_key()).await?;
    let app = &local.app;
    let lines = accounts(&local, &ws).await?;
    let mut each = Vec::with_capacity(ACCOUNTS);
    for id in lines.iter().cycle().take(ACCOUNTS) {
        let started = Instant::now();
        black_box(app.basis(&ws, id).await?.explain());
        each.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    let (engine_s, counted) = engine(&local, &ws, &lines).await?;
    each.sort_by(f64::total_cmp);
    Ok(vec![
        Figure::at_most("a million subscriptions, one core", Unit::Seconds, engine_s, 2.0),
        Figure::at_most("one account from the store, p50", Unit::Milliseconds, middle(&each), 5.0),
        Figure::plain("subscriptions that count", Unit::Count, to_f64(counted)),
    ])
}

/// The business' subscriptions over and over, as many as the figure has, without the store.
async fn engine(local: &Local, ws: &WorkspaceId, accounts: &[AccountId]) -> anyhow::Result<(f64, u64)> {
    let store = local.app.store();
    let catalogue = Catalogue::from_facts(store.catalogue_ever(ws).await?);
    let mut rows = Vec::new();
    for account in accounts {
        for customer in store.account_rows(ws, account).await?.customers {
            rows.push(store.customer_rows(ws, &customer).await?);
        }
    }
    let (policy, now) = (Policy::default(), Timestamp::from_second(NOW_S)?);
    let mut times = Vec::with_capacity(TIMES);
    let mut counted = 0;
    for _ in 0..TIMES {
        counted = 0;
        let started = Instant::now();
        let subscriptions = rows.iter().flat_map(|rows| rows.subscriptions.iter().map(move |one| (rows, one)));
        for (rows, subscription) in subscriptions.cycle().take(SUBSCRIPTIONS) {
            let judged = Judged {
                policy: &policy,
                now,
                catalogue: &catalogue,
                customer: rows.customer.as_ref(),
                invoices: &rows.invoices,
            };
            counted += u64::from(black_box(mrr::subscription(&judged, subscription)).counted);
        }
        times.push(started.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok((middle(&times), counted))
}

async fn connect(local: &Local, ws: &WorkspaceId, key: &str) -> anyhow::Result<()> {
    let token = local.token(ws, Role::Admin)?;
    let http = reqwest::Client::new();
    let connected = http.post(format!("{}/v1/stripe", local.url)).bearer_auth(&token).json(&json!({ "api_key": key }));
    connected.send().await?.error_for_status()?;
    loop {
        let run = local.app.sync_runs(ws, None, 1).await?.pop().context("there is no run")?;
        if !run.is_running() {
            return if run.error.is_none() { Ok(()) } else { bail!("the run failed: {:?}", run.error) };
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn accounts(local: &Local, ws: &WorkspaceId) -> anyhow::Result<Vec<AccountId>> {
    let mut query = ListQuery {
        sort: SortBy::Mrr,
        direction: Direction::Descending,
        payment_status: None,
        search: None,
        after: None,
        limit: 1000,
    };
    let mut found = Vec::new();
    loop {
        let (lines, next) = local.app.store().list_accounts(ws, &query).await?;
        found.extend(lines.into_iter().map(|line| line.id));
        query.after = next;
        if query.after.is_none() {
            return Ok(found);
        }
    }
}

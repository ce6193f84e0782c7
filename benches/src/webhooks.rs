//! Webhooks, measured: how many signed deliveries a second are accepted and how long each waits for its 200, how many are
//! applied with the accounts up to date, how long it takes from one to the other, and what memory a long queue costs.

use crate::backfill::{Api, compare, first_run, follow, peak_memory_mb, to_f64};
use crate::deliveries::{Order, Prepared, Sent};
use crate::figure::{Figure, Unit};
use crate::simulation::Simulation;
use anyhow::{Context, bail, ensure};
use billfold_app::auth::Role;
use billfold_app::{Clock, LimitsConfig};
use billfold_core::id::WorkspaceId;
use billfold_local::serve::{Data, Local, Options};
use billfold_stripe::Base;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// Stripe sends some at once.
const AT_ONCE: usize = 20;
/// Events that are sent as fast as they are taken.
const EVENTS: usize = 20_000;
/// Events that come alone, for the time from accepted to applied.
const ALONE: usize = 200;
/// Longest wait for a queue to drain. Only a fault of the program comes near it.
const DRAINED_WITHIN: Duration = Duration::from_secs(600);

const ACCEPTED_PER_S: f64 = 5000.0;
const APPLIED_PER_S: f64 = 2000.0;
const RECEIPT_P99_MS: f64 = 20.0;
const MEMORY_MB: f64 = 300.0;

/// Tells what it is set to.
struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap_or_default()
    }
}

/// Connects, floods, waits, sends one by one, compares.
pub async fn run(customers: u32) -> anyhow::Result<Vec<Figure>> {
    let mut stripe = Simulation::deliveries(customers)?;
    let clock = Arc::new(SetClock(AtomicI64::new(stripe.hello.now)));
    let folder = tempfile::tempdir()?;
    let options = Options {
        data: Data::Folder(folder.path().join("data")),
        limits: LimitsConfig { share: Some(1.0), total_per_s: Some(1e5), endpoint_per_s: Some(1e5) },
        clock: Arc::<SetClock>::clone(&clock),
        ..Options::in_memory(Base::parse(&stripe.hello.base)?)
    };
    let bench = Bench { local: Local::start(options).await?, ws: WorkspaceId::new("bench")? };
    let api = Api::new(&bench.local, bench.local.token(&bench.ws, Role::Owner)?)?;
    api.post("/v1/stripe", &json!({ "api_key": stripe.hello.api_key })).await?;
    follow(&api, &first_run(&api).await?).await?;
    let card = api.get("/v1/stripe").await?;
    let url = card["webhook"]["url"].as_str().context("no webhook URL")?.to_owned();
    let prepared: Prepared = stripe.order(&Order::Prepare { url, count: EVENTS + ALONE })?;
    clock.0.store(prepared.now, Ordering::SeqCst);
    // Time has passed, and the token with it.
    let api = Api::new(&bench.local, bench.local.token(&bench.ws, Role::Owner)?)?;
    let secret = json!({ "webhook_secret": prepared.secret });
    api.put("/v1/stripe/webhook-secret", &secret).await?;
    let before: Sent = stripe.order(&Order::Send { count: 0, at_once: 1 })?;
    let figures = bench.measure(stripe, &prepared, before.stripe_requests, &api).await?;
    bench.local.stop().await;
    Ok(figures)
}

struct Bench {
    local: Local,
    ws: WorkspaceId,
}

impl Bench {
    async fn measure(
        &self,
        mut stripe: Simulation,
        prepared: &Prepared,
        requests_before: u64,
        api: &Api,
    ) -> anyhow::Result<Vec<Figure>> {
        let started = Instant::now();
        let flood = tokio::task::spawn_blocking(move || {
            let sent = stripe.order::<Sent>(&Order::Send { count: EVENTS, at_once: AT_ONCE });
            (stripe, sent)
        });
        let (mut stripe, sent) = flood.await?;
        let (sent, accepted_s) = (sent?, started.elapsed());
        ensure!(sent.refused.is_empty(), "deliveries were refused, by status: {:?}", sent.refused);
        let queue_longest = self.waiting().await?;
        self.drained().await?;
        let applied_s = started.elapsed();
        let mut alone = Alone::default();
        for _ in 0..ALONE {
            let one: Sent = stripe.order(&Order::Send { count: 1, at_once: 1 })?;
            let accepted = Instant::now();
            self.drained().await?;
            alone.applied_ms.push(accepted.elapsed().as_secs_f64() * 1e3);
            alone.receipt_ms.extend(one.latencies_us.iter().map(|us| to_f64(*us) / 1e3));
        }
        let last: Sent = stripe.order(&Order::Send { count: 0, at_once: 1 })?;
        compare(api, &stripe.ask::<std::collections::BTreeMap<String, Value>>("accounts").await?).await?;
        let receipt_ms: Vec<f64> = sent.latencies_us.iter().map(|us| to_f64(*us) / 1e3).collect();
        let drained_s = applied_s.saturating_sub(accepted_s).as_secs_f64();
        let count = |number: usize| to_f64(u64::try_from(number).unwrap_or(u64::MAX));
        let applied_per_s = count(EVENTS) / applied_s.as_secs_f64();
        let fetches = to_f64(last.stripe_requests.saturating_sub(requests_before)) / count(EVENTS + ALONE);
        let (ms, per_s) = (Unit::Milliseconds, Unit::PerSecond);
        Ok(vec![
            Figure::plain("events", Unit::Count, count(EVENTS)),
            Figure::plain("bytes of an event", Unit::Count, count(prepared.bytes_mean)),
            Figure::at_least("accepted", per_s, count(sent.accepted) / sent.seconds, ACCEPTED_PER_S),
            Figure::plain("receipt, p50", ms, quantile(&receipt_ms, 0.5)),
            Figure::at_most("receipt, p99", ms, quantile(&receipt_ms, 0.99), RECEIPT_P99_MS),
            Figure::plain("receipt, longest", ms, quantile(&receipt_ms, 1.0)),
            Figure::at_least("applied, receiving included", per_s, applied_per_s, APPLIED_PER_S),
            Figure::plain("applied, while nothing comes", per_s, count(queue_longest) / drained_s.max(1e-9)),
            Figure::plain("longest queue", Unit::Count, count(queue_longest)),
            Figure::plain("one alone: receipt, p50", ms, alone.receipt(0.5)),
            Figure::plain("one alone: accepted to applied, p50", ms, alone.applied(0.5)),
            Figure::plain("one alone: accepted to applied, p99", ms, alone.applied(0.99)),
            Figure::plain("requests to Stripe per event", Unit::Ratio, fetches),
            Figure::at_most("peak memory", Unit::Megabytes, peak_memory_mb()?, MEMORY_MB),
        ])
    }

    /// Messages that are not done.
    async fn waiting(&self) -> anyhow::Result<usize> {
        Ok(self.local.waiting_events())
    }

    /// Waits until every event is applied and every account computed.
    async fn drained(&self) -> anyhow::Result<()> {
        let started = Instant::now();
        while self.waiting().await? > 0 || self.local.app.store().is_marked(&self.ws).await? {
            if started.elapsed() > DRAINED_WITHIN {
                bail!("the queue does not drain");
            }
            let long = started.elapsed() > Duration::from_millis(100);
            tokio::time::sleep(Duration::from_micros(if long { 20_000 } else { 300 })).await;
        }
        Ok(())
    }
}

#[derive(Default)]
struct Alone {
    receipt_ms: Vec<f64>,
    applied_ms: Vec<f64>,
}

impl Alone {
    fn receipt(&mut self, part: f64) -> f64 {
        self.receipt_ms.sort_by(f64::total_cmp);
        quantile(&self.receipt_ms, part)
    }

    fn applied(&mut self, part: f64) -> f64 {
        self.applied_ms.sort_by(f64::total_cmp);
        quantile(&self.applied_ms, part)
    }
}

/// Of values in order.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list of measurements")]
    let place = (to_f64(u64::try_from(last).unwrap_or(0)) * part).round() as usize;
    sorted.get(place).copied().unwrap_or(0.0)
}

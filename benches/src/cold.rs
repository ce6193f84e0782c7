//! Functions from the start of their process to the first call of Lambda's Runtime API, and to their first answer; and how
//! large they are. Each does what it is for, on a stack that has synced a small business. What AWS adds to it (a machine,
//! the network) is not in it: table, secrets, queues and Stripe answer at once, from the benchmark's own process.

mod stand_in;

use crate::backfill::to_f64;
use crate::cloud::Cloud;
use crate::figure::{Figure, Unit, middle};
use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use billfold_sim::{Delivery, Dice, Sim, Spec};
use billfold_store::inside::Table;
use serde_json::{Value, json};
use stand_in::{AUDIENCE, Did, StandIn};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Starts of each function; the middle one is told.
const STARTS: usize = 9;
/// Only a function that hangs comes near it.
const ANSWERED_WITHIN: Duration = Duration::from_secs(20);
/// A function, the sample that it is given, and its limit. What `webhook` puts into the queue is what `recompute` gets.
const FUNCTIONS: [(&str, &str, f64); 6] = [
    ("webhook", "http-webhook", 60.0),
    ("query", "http-query", 90.0),
    ("connect", "http-connect", 90.0),
    ("sync", "sqs-sync", 90.0),
    ("recompute", "sqs-recompute", 90.0),
    ("sweep", "schedule-sweep", 90.0),
];
const BINARY_MB: f64 = 15.0;
const MB: f64 = 1024.0 * 1024.0;

/// Packages every function for the processor of this machine, as it is deployed.
pub fn package(root: &Path) -> anyhow::Result<()> {
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    let mut cargo = Command::new(env!("CARGO"));
    let packaged = cargo.args(["xtask", "package", "--arch", arch]).current_dir(root).status()?;
    ensure!(packaged.success(), "cargo xtask package --arch {arch}: {packaged}");
    Ok(())
}

/// Starts every function that was packaged.
pub async fn run(root: &Path, customers: u32) -> anyhow::Result<Vec<Figure>> {
    let mut bench = Bench::synced(customers).await?;
    let mut figures = Vec::new();
    for (function, sample, limit_ms) in FUNCTIONS {
        let binary = root.join(format!("target/lambda/billfold-{function}/bootstrap"));
        ensure!(
            binary.exists(),
            "{} is not there: run `cargo xtask package` for this processor first",
            binary.display()
        );
        let sample = std::fs::read(root.join(format!("events/{sample}.json"))).with_context(|| sample.to_owned())?;
        let (mut calls, mut answers) = (Vec::new(), Vec::new());
        for _ in 0..STARTS {
            let event = bench.event(function, serde_json::from_slice(&sample)?)?;
            let (call, answer) = bench.start(&binary, event).await.with_context(|| function.to_owned())?;
            calls.push(call);
            answers.push(answer);
        }
        calls.sort_by(f64::total_cmp);
        answers.sort_by(f64::total_cmp);
        let (ms, mb) = (Unit::Milliseconds, to_f64(std::fs::metadata(&binary)?.len()) / MB);
        figures.push(Figure::plain(format!("{function}: start to first call"), ms, middle(&calls)));
        figures.push(Figure::at_most(format!("{function}: start to first answer"), ms, middle(&answers), limit_ms));
        figures.push(Figure::at_most(format!("{function}: binary, stripped"), Unit::Megabytes, mb, BINARY_MB));
    }
    Ok(figures)
}

struct Bench {
    cloud: Arc<Cloud>,
    /// One for each start, of different moments.
    deliveries: VecDeque<Delivery>,
    /// Messages about events that `webhook` has received.
    received: VecDeque<String>,
}

impl Bench {
    async fn synced(customers: u32) -> anyhow::Result<Self> {
        let sim = Sim::generate(&Spec::new(23, customers, now()?));
        let mut cloud = Cloud::connected(sim, Duration::ZERO).await?;
        cloud.settle().await?;
        let moments = cloud.moments(&mut Dice::new(7), STARTS * 10)?;
        let deliveries: VecDeque<_> = moments.into_iter().filter_map(|mut moment| moment.pop()).collect();
        ensure!(deliveries.len() >= STARTS, "only {} moments", deliveries.len());
        Ok(Self { cloud: Arc::new(cloud), deliveries, received: VecDeque::new() })
    }

    /// The sample, made one that there is something to do for.
    fn event(&mut self, function: &str, mut sample: Value) -> anyhow::Result<Value> {
        match function {
            "webhook" => {
                let delivery = self.deliveries.pop_front().context("no delivery")?.signed_at(now()?);
                let path = format!("/webhooks/stripe/{}", self.cloud.endpoint);
                sample["rawPath"] = json!(path);
                sample["requestContext"]["http"]["path"] = json!(path);
                sample["headers"]["stripe-signature"] = json!(delivery.signature);
                sample["body"] = json!(BASE64_STANDARD.encode(&delivery.body));
            }
            // The card. Connecting a key is mostly waiting for the next request that Stripe allows.
            "connect" => sample["requestContext"]["http"]["method"] = json!("GET"),
            "recompute" => {
                let body = self.received.pop_front().context("webhook put nothing into the queue")?;
                let mut record = sample["Records"][0].take();
                record["body"] = json!(body);
                sample["Records"] = json!([record]);
            }
            _ => {}
        }
        Ok(sample)
    }

    /// Milliseconds to the first call and to the first answer.
    async fn start(&mut self, binary: &PathBuf, event: Value) -> anyhow::Result<(f64, f64)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let url = format!("http://{address}");
        let (did, mut seen) = mpsc::unbounded_channel();
        let stand_in = StandIn::new(Arc::clone(&self.cloud), &url, event, did)?;
        let routes = Arc::clone(&stand_in).routes();
        let server = tokio::spawn(async move { axum::serve(listener, routes).await });
        let started = Instant::now();
        let mut process = Command::new(binary)
            .env_clear()
            .envs(environment(&address, &url, &self.cloud.base))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let both = tokio::time::timeout(ANSWERED_WITHIN, answered(&mut seen)).await;
        process.kill()?;
        process.wait()?;
        server.abort();
        self.received.extend(stand_in.sent());
        let (call, answer) = both.context("it never answered")??;
        let since = |at: Instant| at.duration_since(started).as_secs_f64() * 1000.0;
        Ok((since(call), since(answer)))
    }
}

/// When a function asked for its event, and when it had done what the event is about.
async fn answered(seen: &mut mpsc::UnboundedReceiver<Did>) -> anyhow::Result<(Instant, Instant)> {
    let Some(Did::Called(called)) = seen.recv().await else { bail!("it never asked for its event") };
    loop {
        match seen.recv().await.context("the stand-in ended")? {
            Did::Called(_) => {}
            Did::Answered(at, answer) => {
                let of_http = answer["statusCode"].as_u64().is_none_or(|status| (200..300).contains(&status));
                let of_queue = answer["batchItemFailures"].as_array().is_none_or(Vec::is_empty);
                ensure!(of_http && of_queue, "it answered {answer}");
                return Ok((called, at));
            }
            Did::Failed(error) => bail!("it failed: {error}"),
        }
    }
}

fn environment(address: &str, url: &str, stripe: &str) -> Vec<(&'static str, String)> {
    let plain = [
        ("AWS_LAMBDA_RUNTIME_API", address),
        ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "bench"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "bench"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "bench"),
        ("AWS_SECRET_ACCESS_KEY", "bench"),
        ("AWS_ENDPOINT_URL", url),
        ("STACK_NAME", "bench"),
        ("TABLE_NAME", Table::NAME),
        ("JWT_ISSUER", url),
        ("JWT_AUDIENCE", AUDIENCE),
        ("SECRETS_PREFIX", "billfold/bench"),
        ("PUBLIC_URL", url),
        ("STRIPE_API_BASE", stripe),
        ("RATES_URL", url),
    ];
    let queues = [("SYNC_QUEUE_URL", "sync"), ("RECOMPUTE_QUEUE_URL", "recompute")];
    let plain = plain.into_iter().map(|(name, value)| (name, value.to_owned()));
    plain.chain(queues.map(|(name, queue)| (name, format!("{url}/000000000000/{queue}")))).collect()
}

fn now() -> anyhow::Result<i64> {
    Ok(i64::try_from(std::time::UNIX_EPOCH.elapsed()?.as_secs())?)
}

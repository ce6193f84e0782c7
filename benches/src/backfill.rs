//! One backfill, measured from the connect to the end of the run, and compared with the truth; then a sync in which nothing
//! has changed.

use crate::figure::{Figure, Unit};
use crate::simulation::Simulation;
use anyhow::{Context, bail};
use billfold_app::auth::Role;
use billfold_app::http::limits::HEAD_TIME_MAX;
use billfold_app::{Clock, LimitsConfig};
use billfold_core::id::WorkspaceId;
use billfold_local::serve::{Data, Local, Options};
use billfold_sim::BACKFILL;
use billfold_stripe::Base;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Stripe's limits and troubles in one measurement, and what is wanted of it.
pub struct Plan {
    pub name: &'static str,
    total_rps: f64,
    endpoint_rps: f64,
    latency_ms: u64,
    fault_every: Option<u64>,
    wanted_ratio: Option<f64>,
    wanted_per_s: Option<f64>,
}

impl Plan {
    pub fn all() -> [Self; 4] {
        // What Stripe allows in live mode, at 100 ms.
        let standard = Self {
            name: "standard",
            total_rps: 100.0,
            endpoint_rps: 25.0,
            latency_ms: 100,
            fault_every: None,
            wanted_ratio: Some(0.9),
            wanted_per_s: None,
        };
        [
            Self { ..standard },
            Self { name: "sandbox", total_rps: 25.0, ..standard },
            Self { name: "faults", fault_every: Some(20), wanted_ratio: None, ..standard },
            Self {
                name: "unlimited",
                total_rps: 0.0,
                endpoint_rps: 0.0,
                latency_ms: 0,
                wanted_ratio: None,
                wanted_per_s: Some(5000.0),
                ..standard
            },
        ]
    }

    fn arguments(&self, customers: u32) -> Vec<String> {
        let mut arguments = vec![
            format!("--customers={customers}"),
            "--seed=20".into(),
            "--now=2026-09-21T12:00:00Z".into(),
            format!("--rps={}", self.total_rps),
            format!("--endpoint-rps={}", self.endpoint_rps),
            format!("--latency-ms={}", self.latency_ms),
        ];
        arguments.extend(self.fault_every.map(|every| format!("--fault-every={every}")));
        arguments
    }

    /// Seconds that the fewest possible requests take at full rate.
    fn ideal_s(&self, fewest: &BTreeMap<String, u64>) -> Option<f64> {
        if self.total_rps == 0.0 {
            return None;
        }
        let total: u64 = fewest.values().sum();
        let slowest = fewest.values().copied().max().unwrap_or(0);
        Some((to_f64(total) / self.total_rps).max(to_f64(slowest) / self.endpoint_rps))
    }
}

/// Memory that the issue of a backfill allows.
const MEMORY_MB_MAX: f64 = 300.0;
/// Requests over the fewest possible.
const REQUESTS_RATIO_MAX: f64 = 1.1;

/// Names that are looked up again.
pub mod name {
    pub const OBJECTS: &str = "objects";
    pub const WHOLE: &str = "with accounts computed";
    pub const MEMORY: &str = "peak memory";
}

pub fn to_f64(number: u64) -> f64 {
    number as f64
}

struct FixedClock(Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// A person at the API.
pub struct Api {
    url: String,
    token: String,
    http: reqwest::Client,
}

impl Api {
    pub fn new(local: &Local, token: String) -> anyhow::Result<Self> {
        // Given up before the server does so: a request that met that moment would fail.
        let http = reqwest::Client::builder().pool_idle_timeout(HEAD_TIME_MAX / 2).build()?;
        Ok(Self { url: local.url.clone(), token, http })
    }

    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let request = self.http.get(format!("{}{path}", self.url)).bearer_auth(&self.token);
        Ok(request.send().await?.error_for_status()?.json().await?)
    }

    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(self.http.post(format!("{}{path}", self.url)), path, body).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(self.http.put(format!("{}{path}", self.url)), path, body).await
    }

    async fn send(&self, request: reqwest::RequestBuilder, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = request.bearer_auth(&self.token).json(body);
        let answer = request.send().await?;
        let status = answer.status();
        let body: Value = answer.json().await?;
        if !status.is_success() {
            bail!("{path} answered {status}: {body}");
        }
        Ok(body)
    }
}

/// Billfold in this process, its store in a folder, and its owner at the API; time stands still at the simulation's.
pub async fn local(simulation: &Simulation, folder: &Path, limits: LimitsConfig) -> anyhow::Result<(Local, Api)> {
    let options = Options {
        data: Data::Folder(folder.join("data")),
        limits,
        clock: Arc::new(FixedClock(Timestamp::from_second(simulation.hello.now)?)),
        ..Options::in_memory(Base::parse(&simulation.hello.base)?)
    };
    let local = Local::start(options).await?;
    let api = Api::new(&local, local.token(&WorkspaceId::new("bench")?, Role::Owner)?)?;
    api.post("/v1/stripe", &json!({ "api_key": simulation.hello.api_key })).await?;
    Ok((local, api))
}

/// Connects, waits for the run, and measures.
pub async fn run(plan: &Plan, customers: u32) -> anyhow::Result<Vec<Figure>> {
    let simulation = Simulation::start(&plan.arguments(customers))?;
    let folder = tempfile::tempdir()?;
    let limits = LimitsConfig {
        share: Some(1.0),
        total_per_s: Some(if plan.total_rps == 0.0 { 100_000.0 } else { plan.total_rps }),
        endpoint_per_s: Some(if plan.endpoint_rps == 0.0 { 100_000.0 } else { plan.endpoint_rps }),
    };
    let (local, api) = local(&simulation, folder.path(), limits).await?;
    let (read_s, whole_s, run) = follow(&api, &first_run(&api).await?).await?;
    let memory_mb = peak_memory_mb()?;
    let truth: Value = simulation.ask("truth").await?;
    compare(&api, &simulation.ask("accounts").await?).await?;
    let mut fewest: BTreeMap<String, u64> = serde_json::from_value(truth["fewest_requests"].clone())?;
    fewest.retain(|resource, _| BACKFILL.contains(&resource.as_str()));
    let objects = to_f64(run["records"].as_u64().context("no records")?);
    let requests = to_f64(run["stripe_requests"].as_u64().context("no requests")?);
    let mut figures = vec![
        Figure::plain(name::OBJECTS, Unit::Count, objects),
        Figure::plain("reading from Stripe", Unit::Seconds, read_s),
    ];
    if let Some(ideal_s) = plan.ideal_s(&fewest) {
        let share = "reading: of what the limits allow";
        figures.push(Figure::plain("what the limits allow", Unit::Seconds, ideal_s));
        figures.push(match plan.wanted_ratio {
            Some(wanted) => Figure::at_least(share, Unit::Ratio, ideal_s / read_s, wanted),
            None => Figure::plain(share, Unit::Ratio, ideal_s / read_s),
        });
    }
    figures.push(Figure::plain(name::WHOLE, Unit::Seconds, whole_s));
    figures.push(match plan.wanted_per_s {
        Some(wanted) => Figure::at_least("objects read and stored", Unit::PerSecond, objects / read_s, wanted),
        None => Figure::plain("objects read and stored", Unit::PerSecond, objects / read_s),
    });
    let over_fewest = requests / to_f64(fewest.values().sum());
    figures.push(match plan.fault_every {
        Some(_) => Figure::plain("requests, of the fewest", Unit::Ratio, over_fewest),
        None => Figure::at_most("requests, of the fewest", Unit::Ratio, over_fewest, REQUESTS_RATIO_MAX),
    });
    figures.push(Figure::at_most(name::MEMORY, Unit::Megabytes, memory_mb, MEMORY_MB_MAX));
    let again = api.post("/v1/syncs", &json!({})).await?;
    let (_, again_s, _) = follow(&api, again["id"].as_str().context("no id")?).await?;
    figures.push(Figure::plain("sync without changes", Unit::Seconds, again_s));
    figures.push(Figure::plain("sync without changes, of the first", Unit::Ratio, again_s / whole_s));
    local.stop().await;
    Ok(figures)
}

/// The id of the run that connecting began.
pub async fn first_run(api: &Api) -> anyhow::Result<String> {
    let runs = api.get("/v1/syncs?limit=1").await?;
    Ok(runs["data"][0]["id"].as_str().context("no run")?.to_owned())
}

/// Follows a run to its end: seconds until everything was read, seconds in all, the run.
pub async fn follow(api: &Api, id: &str) -> anyhow::Result<(f64, f64, Value)> {
    let started = Instant::now();
    let mut read_s = None;
    loop {
        let run = api.get(&format!("/v1/syncs/{id}")).await?;
        let stages = run["stages"].as_array().context("no stages")?;
        if read_s.is_none() && stages.iter().take(5).all(|stage| stage["status"] == "done") {
            read_s = Some(started.elapsed().as_secs_f64());
        }
        match run["status"].as_str() {
            Some("running") => tokio::time::sleep(Duration::from_millis(50)).await,
            Some("succeeded") => {
                let whole_s = started.elapsed().as_secs_f64();
                return Ok((read_s.unwrap_or(whole_s), whole_s, run));
            }
            _ => bail!("the run did not succeed: {}", run["error"]),
        }
    }
}

/// Compares the sums over all accounts, and how many there are, with the simulation's own.
pub async fn compare(api: &Api, truth: &BTreeMap<String, Value>) -> anyhow::Result<()> {
    let mut rows: Vec<(String, i64)> = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = api.get(&format!("/v1/accounts?limit=100&sort=name{cursor}")).await?;
        for row in page["data"].as_array().context("no data")? {
            let status = row["payment_status"].as_str().context("no status")?.to_owned();
            rows.push((status, row["mrr"]["amount"].as_i64().context("no MRR")?));
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let mut expected: Vec<(String, i64)> = Vec::new();
    for account in truth.values() {
        let status = account["payment_status"].as_str().context("no status")?.to_owned();
        expected.push((status, account["mrr"]["usd"].as_i64().unwrap_or(0)));
    }
    rows.sort();
    expected.sort();
    let (stored, known) = (rows.len(), expected.len());
    let differs = rows.iter().zip(&expected).find(|(row, expected)| row != expected);
    if differs.is_some() || stored != known {
        bail!("{stored} accounts are stored and {known} are true; the first that differ, stored and true: {differs:?}");
    }
    Ok(())
}

pub fn peak_memory_mb() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).context("no VmHWM")?;
    let kilobytes: f64 = line.split_whitespace().nth(1).context("no figure")?.parse()?;
    Ok(kilobytes / 1024.0)
}

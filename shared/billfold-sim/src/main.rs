//! Runs the simulated Stripe as a process of its own. It prints one line of JSON once it listens
//! and nothing more.

use std::io::Write;
use std::net::SocketAddr;

use anyhow::Context;
use billfold_sim::{ApiKey, Fault, Faults, Limits, READING, Sim, Spec, Version};
use clap::Parser;

/// A simulated Stripe for tests, benchmarks and demonstrations.
#[derive(Parser)]
#[command(name = "billfold-sim", version)]
struct Options {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    #[arg(long, default_value_t = 250)]
    customers: u32,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where in time the business stands (RFC 3339); now when absent, and the clock then runs.
    #[arg(long)]
    now: Option<jiff::Timestamp>,
    /// Requests a second in all; 0 is no limit. Stripe's own limit when absent.
    #[arg(long)]
    rps: Option<f64>,
    /// Requests a second to one endpoint; 0 is no limit. Stripe's own limit when absent.
    #[arg(long)]
    endpoint_rps: Option<f64>,
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// Every n-th request fails, in all ways by turns.
    #[arg(long)]
    fault_every: Option<u64>,
    /// A key to accept beside the first one: `sk_…` may do all, `rk_…` read billing.
    #[arg(long)]
    key: Vec<String>,
    /// Serve a business in live mode.
    #[arg(long)]
    live: bool,
    /// The account's default API version.
    #[arg(long)]
    api_version: Option<String>,
    /// Where to deliver webhooks, once told to. Without it the first endpoint is disabled until
    /// `POST /_sim/endpoints` points it somewhere.
    #[arg(long)]
    webhook_url: Option<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let sim = simulation(&options)?;
    let nowhere = "http://127.0.0.1:9/unset";
    let url = options.webhook_url.as_deref().unwrap_or(nowhere);
    let endpoint = sim.add_endpoint(url, &["*"], Some(Version::pinned()));
    if options.webhook_url.is_none() {
        sim.disable_endpoint(&endpoint.id);
    }
    let listener = tokio::net::TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("cannot listen on {}", options.listen))?;
    let line = serde_json::json!({
        "base": format!("http://{}", listener.local_addr()?),
        "api_key": options.key.first().map_or(sim.api_key(), String::as_str),
        "account": sim.account_id(),
        "webhook_endpoint": endpoint.id,
        "webhook_secret": endpoint.secret,
        "now": sim.now(),
    });
    let mut out = std::io::stdout();
    writeln!(out, "{line}")?;
    out.flush()?;
    tokio::select! {
        served = sim.serve(listener) => match served.context("the listener failed")? {},
        signal = tokio::signal::ctrl_c() => signal.context("no signal handler"),
    }
}

fn simulation(options: &Options) -> anyhow::Result<Sim> {
    let mut spec = Spec::new(options.seed, options.customers, start(options).as_second());
    spec.livemode = options.live;
    if let Some(name) = &options.api_version {
        spec.api_version = Version::parse(name).context("not an API version")?;
    }
    let sim = Sim::generate(&spec);
    if options.now.is_none() {
        sim.run_clock();
    }
    for key in &options.key {
        sim.add_key(ApiKey::new(key, &READING));
    }
    let stripe = Limits::stripe(options.live);
    let chosen = |given: Option<f64>, usual| match given {
        None => usual,
        Some(rate) => (rate > 0.0).then_some(rate),
    };
    sim.set_limits(Limits {
        global_per_second: chosen(options.rps, stripe.global_per_second),
        endpoint_per_second: chosen(options.endpoint_rps, stripe.endpoint_per_second),
        ..stripe
    });
    sim.set_faults(Faults {
        latency_ms: options.latency_ms,
        every: options.fault_every,
        kinds: Fault::ALL.to_vec(),
        seed: options.seed,
        ..Faults::default()
    });
    Ok(sim)
}

#[expect(clippy::disallowed_methods, reason = "a simulation without a time of its own starts at the real one")]
fn start(options: &Options) -> jiff::Timestamp {
    options.now.unwrap_or_else(jiff::Timestamp::now)
}

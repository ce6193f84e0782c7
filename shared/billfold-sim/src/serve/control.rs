//! The routes under `/_sim/`, by which another process steers the simulation. They are never
//! limited, never fail on request, and are not counted.

use serde::{Deserialize, Serialize};

use super::{Answer, json};
use crate::change::Change;
use crate::faults::Faults;
use crate::generate::dice::Dice;
use crate::limits::Limits;
use crate::model::Unix;
use crate::sim::Sim;
use crate::version::Version;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockBody {
    advance_seconds: Option<Unix>,
    /// RFC 3339.
    now: Option<jiff::Timestamp>,
    /// Whether what falls due is done as well.
    #[serde(default)]
    settle: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyBody {
    /// The simulation's first key when absent.
    key: Option<String>,
    #[serde(default)]
    grant: Vec<String>,
    #[serde(default)]
    revoke: Vec<String>,
    #[serde(default)]
    expire: bool,
    #[serde(default)]
    remove: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EndpointBody {
    /// An endpoint to point elsewhere and enable; a new one is made when absent.
    id: Option<String>,
    url: String,
    #[serde(default)]
    enabled_events: Vec<String>,
    api_version: Option<String>,
}

#[derive(Serialize)]
struct Refused {
    error: String,
}

type Outcome = Result<serde_json::Value, String>;

pub async fn answer(sim: &Sim, method: &http::Method, route: &str, body: &[u8]) -> http::Response<Answer> {
    let outcome = match (method.as_str(), route) {
        ("GET", "truth") => value(sim.truth()),
        ("GET", "accounts") => value(sim.truth().accounts()),
        ("GET", "requests") => value(sim.requests()),
        ("DELETE", "requests") => {
            sim.clear_requests();
            value(sim.requests())
        }
        ("POST", "clock") => clock(sim, body),
        ("POST", "limits") => parse::<Limits>(body).and_then(|limits| {
            sim.set_limits(limits);
            value(sim.limits())
        }),
        ("POST", "faults") => parse::<Faults>(body).and_then(|faults| {
            sim.set_faults(faults);
            value(sim.faults())
        }),
        ("POST", "change") => change(sim, body),
        ("POST", "settle") => value(sim.settle()),
        ("POST", "keys") => keys(sim, body),
        ("POST", "endpoints") => endpoint(sim, body),
        ("POST", "deliver") => deliver(sim).await,
        _ => Err(format!("no control route {method} /_sim/{route}")),
    };
    match outcome {
        Ok(value) => json(200, value.to_string()),
        Err(error) => json(400, serde_json::to_string(&Refused { error }).unwrap_or_default()),
    }
}

fn value(of: impl Serialize) -> Outcome {
    serde_json::to_value(of).map_err(|error| error.to_string())
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, String> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

fn clock(sim: &Sim, body: &[u8]) -> Outcome {
    let wanted: ClockBody = parse(body)?;
    if let Some(now) = wanted.now {
        sim.set_now(now.as_second());
    }
    if let Some(seconds) = wanted.advance_seconds {
        sim.advance(seconds);
    }
    if wanted.settle {
        sim.settle();
    }
    value(serde_json::json!({ "now": sim.now() }))
}

fn keys(sim: &Sim, body: &[u8]) -> Outcome {
    let wanted: KeyBody = parse(body)?;
    let key = wanted.key.unwrap_or_else(|| sim.api_key().to_owned());
    let mut known = true;
    for permission in &wanted.grant {
        known &= sim.grant(&key, permission);
    }
    for permission in &wanted.revoke {
        known &= sim.revoke(&key, permission);
    }
    if wanted.expire {
        known &= sim.expire_key(&key);
    }
    if wanted.remove {
        known &= sim.remove_key(&key);
    }
    if known { value(serde_json::json!({})) } else { Err("no such key".to_owned()) }
}

fn endpoint(sim: &Sim, body: &[u8]) -> Outcome {
    let wanted: EndpointBody = parse(body)?;
    if let Some(id) = &wanted.id {
        if !sim.point_endpoint(id, &wanted.url) {
            return Err("no such endpoint".to_owned());
        }
        return value(serde_json::json!({ "id": id }));
    }
    let version = match &wanted.api_version {
        None => None,
        Some(name) => Some(Version::parse(name).ok_or("not an API version")?),
    };
    let events: Vec<&str> = match wanted.enabled_events.as_slice() {
        [] => vec!["*"],
        named => named.iter().map(String::as_str).collect(),
    };
    let made = sim.add_endpoint(&wanted.url, &events, version);
    value(serde_json::json!({ "id": made.id, "secret": made.secret }))
}

/// A change as it is named, or `{"kind": "random", "seed": 1, "count": 10}`.
fn change(sim: &Sim, body: &[u8]) -> Outcome {
    let named: serde_json::Value = parse(body)?;
    if named["kind"] != "random" {
        let change: Change = parse(body)?;
        let applied = sim.apply(&change).map_err(|error| error.to_string())?;
        return value(applied);
    }
    let mut dice = Dice::new(named["seed"].as_u64().unwrap_or(0));
    let count = named["count"].as_u64().unwrap_or(1);
    let mut done = Vec::new();
    for _ in 0..count {
        if let Some((change, applied)) = sim.random_change(&mut dice) {
            done.push(serde_json::json!({ "change": change, "applied": applied }));
        }
    }
    value(done)
}

async fn deliver(sim: &Sim) -> Outcome {
    let client = reqwest::Client::builder().no_proxy().build().map_err(|error| error.to_string())?;
    value(sim.deliver_all(&client).await)
}

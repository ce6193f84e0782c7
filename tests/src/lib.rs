//! A world for the tests: a simulated Stripe on a socket, all of Billfold in this process, and somebody who speaks HTTP.

pub mod contract;
pub mod simulation;
pub mod stand_in;

use billfold_app::auth::Role;
use billfold_app::{Clock, LimitsConfig};
use billfold_core::id::WorkspaceId;
use billfold_local::serve::{Data, Local, Options};
use billfold_sim::{Sim, Spec};
use billfold_stripe::Base;
use contract::Judge;
use jiff::Timestamp;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// When the simulated business stands.
pub const NOW: i64 = 1_790_000_000;

/// How often something is asked before a test gives up: minutes, on the slowest machine.
const ASKED_MAX: u32 = 5000;

/// Everything that a test needs.
pub struct World {
    pub sim: Sim,
    pub local: Local,
    http: reqwest::Client,
    judge: tokio::sync::OnceCell<Judge>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub content_type: String,
    pub body: Value,
}

/// Tells the simulation's time.
struct SimClock(Sim);

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.now()).unwrap_or_default()
    }
}

impl World {
    /// A business of so many customers, and a Billfold that knows nothing of it yet.
    ///
    /// # Errors
    /// Whatever keeps either from starting.
    pub async fn start(seed: u64, customers: u32) -> anyhow::Result<Self> {
        Self::around(Sim::generate(&Spec::new(seed, customers, NOW))).await
    }

    /// A Billfold around a simulation.
    ///
    /// # Errors
    /// Whatever keeps either from starting.
    pub async fn around(sim: Sim) -> anyhow::Result<Self> {
        Self::with_data(sim, Data::Memory).await
    }

    /// A Billfold around a simulation, with its state in a folder.
    ///
    /// # Errors
    /// Whatever keeps either from starting.
    pub async fn in_folder(sim: Sim, folder: &Path) -> anyhow::Result<Self> {
        Self::with_data(sim, Data::Folder(folder.to_owned())).await
    }

    async fn with_data(sim: Sim, data: Data) -> anyhow::Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://{}", listener.local_addr()?);
        tokio::spawn(sim.clone().serve(listener));
        let options = Options {
            data,
            limits: LimitsConfig { share: Some(1.0), total_per_s: Some(1e4), endpoint_per_s: Some(1e4) },
            clock: Arc::new(SimClock(sim.clone())),
            ..Options::in_memory(Base::parse(&base)?)
        };
        Ok(Self {
            sim,
            local: Local::start(options).await?,
            http: reqwest::Client::new(),
            judge: tokio::sync::OnceCell::new(),
        })
    }

    /// A token of a role in the workspace of the tests.
    ///
    /// # Errors
    /// If it cannot be signed.
    pub fn token(&self, role: Role) -> anyhow::Result<String> {
        Ok(self.local.token(&WorkspaceId::new("acme")?, role)?)
    }

    /// What holds answers against the document that is served.
    ///
    /// # Errors
    /// If there is no document.
    pub async fn judge(&self) -> anyhow::Result<&Judge> {
        let fetch = async || {
            let text = self.http.get(format!("{}/openapi.json", self.local.url)).send().await?.text().await?;
            anyhow::Ok(Judge::new(serde_json::from_str(&text)?))
        };
        self.judge.get_or_try_init(fetch).await
    }

    /// Asks as somebody, and holds the answer against the document.
    ///
    /// # Errors
    /// If there is no answer, or it is not as described.
    pub async fn ask(&self, token: Option<&str>, method: Method, path: &str, body: Body<'_>) -> anyhow::Result<Answer> {
        let judge = self.judge().await?;
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.local.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = answer(request, body).await?;
        judge
            .judge(method.as_str(), path, answer.status.as_u16(), &answer.content_type, &answer.body)
            .map_err(anyhow::Error::msg)?;
        Ok(answer)
    }

    /// Asks as the owner.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        Ok(self.ask(Some(&self.token(Role::Owner)?), Method::GET, path, Body::None).await?.body)
    }

    /// Tells as the owner.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn send(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.ask(Some(&self.token(Role::Owner)?), method, path, Body::Json(body)).await
    }

    /// Connects the simulation's own key.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn connect(&self) -> anyhow::Result<Answer> {
        self.send(Method::POST, "/v1/stripe", &json!({ "api_key": self.sim.api_key() })).await
    }

    /// Waits until no run is running; the newest one.
    ///
    /// # Errors
    /// If there is no answer, or it goes on and on.
    pub async fn synced(&self) -> anyhow::Result<Value> {
        let runs = self.until("/v1/syncs?limit=1", |runs| runs["data"][0]["status"] != "running").await?;
        Ok(runs["data"][0].clone())
    }

    /// Asks again and again until the answer is as wanted.
    ///
    /// # Errors
    /// If there is no answer, or it is never as wanted.
    pub async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        for _ in 0..ASKED_MAX {
            let answer = self.get(path).await?;
            if wanted(&answer) {
                return Ok(answer);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::bail!("{path} never came to what was wanted: {:#}", self.get(path).await?)
    }
}

/// What is sent.
pub enum Body<'a> {
    None,
    Json(&'a Value),
    Text(String, &'a str),
    /// A delivery of Stripe's: the body and its signature.
    Signed(String, String),
}

/// Sends a request with a body, and reads the answer.
async fn answer(request: reqwest::RequestBuilder, body: Body<'_>) -> anyhow::Result<Answer> {
    let request = match body {
        Body::None => request,
        Body::Json(json) => request.json(json),
        Body::Text(text, kind) => request.header("content-type", kind).body(text),
        Body::Signed(text, signature) => {
            request.header("content-type", "application/json").header("stripe-signature", signature).body(text)
        }
    };
    let answer = request.send().await?;
    let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
    let (status, text) = (answer.status(), answer.text().await?);
    let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(Value::String(text)) };
    Ok(Answer { status, content_type: kind, body })
}

//! Between the functions and the stand-in: writes down who called what, and throttles when it is told to. It never changes
//! what it lets through, so that signatures stay good.

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Longest body that is let through.
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// Who called what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// The access key, which a function has for itself.
    pub key: String,
    /// The action, as policies say it.
    pub action: String,
}

/// The proxy.
#[derive(Clone)]
pub struct Proxy {
    /// Where it is.
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    http: reqwest::Client,
    target: Mutex<String>,
    calls: Mutex<BTreeSet<Call>>,
    /// One call of so many is throttled; none if zero.
    throttle_one_in: AtomicU64,
    seen: AtomicU64,
    throttled: AtomicU64,
}

impl Proxy {
    /// Starts it; where it leads to is said later.
    ///
    /// # Errors
    /// If it cannot listen.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared {
            http: reqwest::Client::builder().no_proxy().build()?,
            target: Mutex::default(),
            calls: Mutex::default(),
            throttle_one_in: AtomicU64::new(0),
            seen: AtomicU64::new(0),
            throttled: AtomicU64::new(0),
        });
        let router = Router::new().fallback(pass).with_state(Arc::clone(&shared));
        tokio::spawn(axum::serve(listener, router).into_future());
        Ok(Self { url, shared })
    }

    /// Leads to a stand-in from now on.
    pub fn lead_to(&self, target: &str) {
        target.clone_into(&mut self.shared.target.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// From now on one call of so many is answered as AWS answers who asks too much; none if zero.
    pub fn throttle_one_in(&self, calls: u64) {
        self.shared.throttle_one_in.store(calls, Ordering::SeqCst);
    }

    /// How many calls were throttled.
    #[must_use]
    pub fn throttled(&self) -> u64 {
        self.shared.throttled.load(Ordering::SeqCst)
    }

    /// Everything that was called.
    #[must_use]
    pub fn calls(&self) -> BTreeSet<Call> {
        self.shared.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    match forward(&shared, request).await {
        Ok(response) => response,
        Err(error) => (StatusCode::BAD_GATEWAY, format!("{error:#}")).into_response(),
    }
}

async fn forward(shared: &Shared, request: Request) -> anyhow::Result<Response> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, BYTES_MAX).await?;
    let actions = actions(&parts.headers, &body);
    let key = credential(&parts.headers).unwrap_or_default();
    for action in actions {
        let call = Call { key: key.clone(), action };
        shared.calls.lock().unwrap_or_else(PoisonError::into_inner).insert(call);
    }
    let one_in = shared.throttle_one_in.load(Ordering::SeqCst);
    let seen = shared.seen.fetch_add(1, Ordering::SeqCst);
    if one_in > 0 && seen.is_multiple_of(one_in) {
        shared.throttled.fetch_add(1, Ordering::SeqCst);
        let problem = json!({ "__type": "ThrottlingException", "message": "Rate exceeded" });
        let kind = [("content-type", "application/x-amz-json-1.0"), ("x-amzn-errortype", "ThrottlingException")];
        return Ok((StatusCode::BAD_REQUEST, kind, problem.to_string()).into_response());
    }
    let target = shared.target.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let sent = shared.http.request(parts.method, format!("{target}{path}")).headers(parts.headers).body(body);
    let answer = sent.send().await?;
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers().iter().filter(|(name, _)| *name != "transfer-encoding") {
        response = response.header(name, value);
    }
    Ok(response.body(Body::from(answer.bytes().await?))?)
}

/// The access key that signed a request.
fn credential(headers: &HeaderMap) -> Option<String> {
    let value = headers.get("authorization")?.to_str().ok()?;
    Some(value.split_once("Credential=")?.1.split_once('/')?.0.to_owned())
}

/// What a request needs leave for. A transaction needs it for each of its parts.
fn actions(headers: &HeaderMap, body: &Bytes) -> Vec<String> {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some((service, operation)) = target.split_once('.') else { return Vec::new() };
    let service = match service {
        "DynamoDB_20120810" => "dynamodb",
        "AmazonSQS" => "sqs",
        other => other,
    };
    match operation {
        "TransactWriteItems" => parts(body).into_iter().map(|part| format!("{service}:{part}")).collect(),
        "SendMessageBatch" => vec![format!("{service}:SendMessage")],
        other => vec![format!("{service}:{other}")],
    }
}

fn parts(body: &Bytes) -> BTreeSet<&'static str> {
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    let items = request["TransactItems"].as_array().cloned().unwrap_or_default();
    let kinds = items.into_iter().filter_map(|item| item.as_object()?.keys().next().cloned());
    let action = |kind: String| match kind.as_str() {
        "Put" => "PutItem",
        "Update" => "UpdateItem",
        "Delete" => "DeleteItem",
        _ => "ConditionCheckItem",
    };
    kinds.map(action).collect()
}

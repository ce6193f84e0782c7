//! Functions from the start of their process to the first call of Lambda's Runtime API, and to their first answer; and how
//! large they are. What AWS adds to it (a machine, the network) is not in it: every call to AWS is answered at once, with
//! nothing found.

use crate::backfill::to_f64;
use crate::figure::{Figure, Unit, middle};
use anyhow::{Context as _, bail, ensure};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};

/// Starts of each function; the middle one is told.
const STARTS: usize = 9;
/// Only a function that hangs comes near it.
const ANSWERED_WITHIN: Duration = Duration::from_secs(20);
/// A function, the sample that it is given, and its limit.
const FUNCTIONS: [(&str, &str, f64); 6] = [
    ("webhook", "http-webhook", 60.0),
    ("query", "http-query", 90.0),
    ("connect", "http-connect", 90.0),
    ("sync", "sqs-sync", 90.0),
    ("recompute", "sqs-recompute", 90.0),
    ("sweep", "schedule-sweep", 90.0),
];
/// What tokens call Billfold.
const AUDIENCE: &str = "bench";
const BINARY_MB: f64 = 15.0;
const MB: f64 = 1024.0 * 1024.0;

/// The Runtime API and AWS, as one function sees them.
struct Lambda {
    event: Bytes,
    calls: mpsc::UnboundedSender<Instant>,
    answers: mpsc::UnboundedSender<Instant>,
    given: Mutex<bool>,
    issuer: Issuer,
}

/// Who issued the token of the request.
#[derive(Clone)]
struct Issuer {
    url: String,
    keys: Value,
}

async fn description(State(lambda): State<Arc<Lambda>>) -> Json<Value> {
    let url = &lambda.issuer.url;
    Json(json!({ "issuer": url, "jwks_uri": format!("{url}/keys") }))
}

async fn keys(State(lambda): State<Arc<Lambda>>) -> Json<Value> {
    Json(lambda.issuer.keys.clone())
}

/// A new key of an issuer at an address, and the sample with a token of it.
fn with_token(url: &str, sample: &[u8]) -> anyhow::Result<(Issuer, Bytes)> {
    let mut event: Value = serde_json::from_slice(sample)?;
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref())?;
    let (x, y) = pair.public_key().as_ref().get(1..).context("no public key")?.split_at(32);
    let [x, y] = [x, y].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
    let claims = json!({
        "iss": url, "aud": AUDIENCE, "sub": "ann", "exp": 99_999_999_999_u64,
        "billfold_workspace": "acme", "billfold_role": "admin",
    });
    let signing = EncodingKey::from_ec_der(der.as_ref());
    let token =
        jsonwebtoken::encode(&Header { kid: Some("a".into()), ..Header::new(Algorithm::ES256) }, &claims, &signing)?;
    if let Some(header) = event.pointer_mut("/headers/authorization") {
        *header = json!(format!("Bearer {token}"));
    }
    let key = json!({ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "a", "x": x, "y": y });
    Ok((Issuer { url: url.to_owned(), keys: json!({ "keys": [key] }) }, serde_json::to_vec(&event)?.into()))
}

async fn next(State(lambda): State<Arc<Lambda>>) -> Response {
    lambda.calls.send(Instant::now()).ok();
    if std::mem::replace(&mut *lambda.given.lock().await, true) {
        std::future::pending::<()>().await;
    }
    let arn = "arn:aws:lambda:eu-west-1:000000000000:function:bench";
    let headers = [
        ("lambda-runtime-aws-request-id", "bench"),
        ("lambda-runtime-deadline-ms", "99999999999999"),
        ("lambda-runtime-invoked-function-arn", arn),
        ("content-type", "application/json"),
    ];
    (headers, lambda.event.clone()).into_response()
}

async fn answered(State(lambda): State<Arc<Lambda>>) -> &'static str {
    lambda.answers.send(Instant::now()).ok();
    "{}"
}

/// Nothing is found, and everything is taken.
async fn aws(headers: HeaderMap) -> Response {
    let kind = headers.get("content-type").cloned();
    let mut answer = "{}".into_response();
    if let Some(kind) = kind {
        answer.headers_mut().insert("content-type", kind);
    }
    answer
}

/// Packages every function for the processor of this machine, as it is deployed.
pub fn package(root: &Path) -> anyhow::Result<()> {
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    let mut cargo = Command::new(env!("CARGO"));
    let packaged = cargo.args(["xtask", "package", "--arch", arch]).current_dir(root).status()?;
    ensure!(packaged.success(), "cargo xtask package --arch {arch}: {packaged}");
    Ok(())
}

/// Starts every function that was packaged.
pub async fn run(root: &Path) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (function, sample, limit_ms) in FUNCTIONS {
        let binary = root.join(format!("target/lambda/billfold-{function}/bootstrap"));
        ensure!(
            binary.exists(),
            "{} is not there: run `cargo xtask package` for this processor first",
            binary.display()
        );
        let event = std::fs::read(root.join(format!("events/{sample}.json"))).with_context(|| sample.to_owned())?;
        let (mut calls, mut answers) = (Vec::new(), Vec::new());
        for _ in 0..STARTS {
            let (call, answer) = start(&binary, &event).await.with_context(|| function.to_owned())?;
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

/// Milliseconds to the first call and to the first answer.
async fn start(binary: &PathBuf, sample: &[u8]) -> anyhow::Result<(f64, f64)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (calls, mut called) = mpsc::unbounded_channel();
    let (answers, mut answer) = mpsc::unbounded_channel();
    let url = format!("http://{address}");
    let (issuer, event) = with_token(&url, sample)?;
    let lambda = Arc::new(Lambda { event, calls, answers, given: Mutex::new(false), issuer });
    let routes = Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(answered))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(answered))
        .route("/.well-known/openid-configuration", get(description))
        .route("/keys", get(keys))
        .fallback(any(aws))
        .with_state(lambda);
    let server = tokio::spawn(async move { axum::serve(listener, routes).await });
    let started = Instant::now();
    let mut process = Command::new(binary)
        .env_clear()
        .envs([
            ("AWS_LAMBDA_RUNTIME_API", address.to_string().as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "bench"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "bench"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "bench"),
            ("AWS_SECRET_ACCESS_KEY", "bench"),
            ("AWS_ENDPOINT_URL", &url),
            ("STACK_NAME", "bench"),
            ("TABLE_NAME", "bench"),
            ("JWT_ISSUER", &url),
            ("JWT_AUDIENCE", AUDIENCE),
            ("SYNC_QUEUE_URL", &format!("{url}/000000000000/sync")),
            ("RECOMPUTE_QUEUE_URL", &format!("{url}/000000000000/recompute")),
            ("SECRETS_PREFIX", "billfold/bench"),
            ("PUBLIC_URL", &url),
            ("STRIPE_API_BASE", &url),
            ("RATES_URL", &url),
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let both = async { (called.recv().await, answer.recv().await) };
    let seen = tokio::time::timeout(ANSWERED_WITHIN, both).await;
    process.kill()?;
    process.wait()?;
    server.abort();
    let Ok((Some(call), Some(answer))) = seen else { bail!("it never answered") };
    let since = |at: Instant| at.duration_since(started).as_secs_f64() * 1000.0;
    Ok((since(call), since(answer)))
}

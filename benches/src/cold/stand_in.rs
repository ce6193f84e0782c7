//! What a function sees of Lambda and of AWS: the Runtime API with one event, the table and the secrets of a stack that is
//! there, queues that take everything, and whoever issues tokens.

use crate::cloud::Cloud;
use anyhow::Context as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header::CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::mpsc;

/// What tokens call Billfold.
pub const AUDIENCE: &str = "bench";

/// What a function did, and when.
pub enum Did {
    /// It asked for its event.
    Called(Instant),
    /// It answered its event.
    Answered(Instant, Value),
    /// It failed at its event.
    Failed(Value),
}

/// The side of one start of a function that is not the function.
pub struct StandIn {
    cloud: Arc<Cloud>,
    issuer: Issuer,
    /// Given once.
    event: Mutex<Option<Value>>,
    did: mpsc::UnboundedSender<Did>,
    /// Bodies of the messages that it put into queues.
    sent: Mutex<Vec<String>>,
}

impl StandIn {
    /// Has an event for the function; a request in it gets a token of an issuer at this address.
    pub fn new(
        cloud: Arc<Cloud>,
        url: &str,
        mut event: Value,
        did: mpsc::UnboundedSender<Did>,
    ) -> anyhow::Result<Arc<Self>> {
        let issuer = Issuer::new(url)?;
        if let Some(header) = event.pointer_mut("/headers/authorization") {
            *header = json!(format!("Bearer {}", issuer.token()?));
        }
        Ok(Arc::new(Self { cloud, issuer, event: Mutex::new(Some(event)), did, sent: Mutex::default() }))
    }

    /// The messages that were put into queues.
    pub fn sent(&self) -> Vec<String> {
        std::mem::take(&mut *self.sent.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Its routes.
    pub fn routes(self: Arc<Self>) -> Router {
        Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(answered))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(failed))
            .route("/.well-known/openid-configuration", get(description))
            .route("/keys", get(keys))
            .fallback(any(aws))
            .with_state(self)
    }
}

type Seen = State<Arc<StandIn>>;

async fn next(State(seen): Seen) -> Response {
    seen.did.send(Did::Called(Instant::now())).ok();
    let event = seen.event.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(event) = event else { std::future::pending().await };
    let headers = [
        ("lambda-runtime-aws-request-id", "bench"),
        ("lambda-runtime-deadline-ms", "99999999999999"),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-west-1:000000000000:function:bench"),
    ];
    (headers, Json(event)).into_response()
}

async fn answered(State(seen): Seen, body: Bytes) {
    let at = Instant::now();
    seen.did.send(Did::Answered(at, serde_json::from_slice(&body).unwrap_or_default())).ok();
}

async fn failed(State(seen): Seen, body: Bytes) {
    seen.did.send(Did::Failed(serde_json::from_slice(&body).unwrap_or_default())).ok();
}

async fn aws(State(seen): Seen, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let (status, answer) = match target {
        "secretsmanager.GetSecretValue" => secret(&seen.cloud, &body),
        "AmazonSQS.SendMessageBatch" => take(&seen, &body),
        of_table => seen.cloud.table.answer(of_table, &body),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(CONTENT_TYPE, "application/x-amz-json-1.0")], answer).into_response()
}

fn secret(cloud: &Cloud, asked: &[u8]) -> (u16, String) {
    let asked: Value = serde_json::from_slice(asked).unwrap_or_default();
    let name = asked["SecretId"].as_str().unwrap_or_default();
    let secret = name.rsplit('/').next().and_then(|which| cloud.secret(which));
    secret.map_or_else(
        || (400, json!({ "__type": "ResourceNotFoundException" }).to_string()),
        |text| (200, json!({ "Name": name, "SecretString": text }).to_string()),
    )
}

fn take(seen: &StandIn, asked: &[u8]) -> (u16, String) {
    let asked: Value = serde_json::from_slice(asked).unwrap_or_default();
    let entries = asked["Entries"].as_array().map(Vec::as_slice).unwrap_or_default();
    let bodies = entries.iter().filter_map(|entry| entry["MessageBody"].as_str()).map(str::to_owned);
    seen.sent.lock().unwrap_or_else(PoisonError::into_inner).extend(bodies);
    let taken = entries.iter().map(|entry| json!({ "Id": entry["Id"], "MessageId": "bench", "MD5OfMessageBody": "" }));
    (200, json!({ "Successful": taken.collect::<Vec<_>>(), "Failed": [] }).to_string())
}

/// Who issues the tokens of requests.
struct Issuer {
    url: String,
    key: EcdsaKeyPair,
    der: Vec<u8>,
}

impl Issuer {
    fn new(url: &str) -> anyhow::Result<Self> {
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())?;
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref())?;
        Ok(Self { url: url.to_owned(), key, der: der.as_ref().to_vec() })
    }

    fn token(&self) -> anyhow::Result<String> {
        let claims = json!({
            "iss": self.url, "aud": AUDIENCE, "sub": "ann", "exp": 99_999_999_999_u64,
            "billfold_workspace": Cloud::WORKSPACE, "billfold_role": "admin",
        });
        let header = Header { kid: Some("a".into()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ec_der(&self.der)).context("a token")
    }
}

async fn description(State(seen): Seen) -> Json<Value> {
    let url = &seen.issuer.url;
    Json(json!({ "issuer": url, "jwks_uri": format!("{url}/keys") }))
}

async fn keys(State(seen): Seen) -> Json<Value> {
    // A point of the curve: one byte, then both of its halves.
    let point = seen.issuer.key.public_key().as_ref().get(1..).unwrap_or_default();
    let (x, y) = point.split_at(point.len() / 2);
    let [x, y] = [x, y].map(|half| BASE64_URL_SAFE_NO_PAD.encode(half));
    let key = json!({ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "a", "x": x, "y": y });
    Json(json!({ "keys": [key] }))
}

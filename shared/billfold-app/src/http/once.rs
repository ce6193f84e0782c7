//! `Idempotency-Key`: a request that changes something and is sent again with the same key is answered as the first time,
//! and happens once.
//!
//! A key is the caller's own and holds for a day. Only what happened is kept: a no, or a failure, gives the key back. Not
//! for files of accounts and for erasing, which may be sent again as they are, and not for invitations, whose links are never
//! stored.

use super::limits::{IDEMPOTENCY_KEY_BYTES_MAX, IDEMPOTENCY_KEY_TIME, KEPT_ANSWER_BYTES_MAX, REQUEST_TIME_MAX};
use super::{Api, Problem, body};
use crate::auth::Caller;
use crate::refusal::Refusal;
use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use billfold_store::{Answered, Once};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::time::Duration;
use utoipa::openapi::OpenApi;

/// The header.
pub(super) const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Says that an answer is that of an earlier request.
const REPLAYED: &str = "idempotent-replayed";

/// Whether a route takes the key.
pub(super) fn takes_key(method: &Method, path: &str) -> bool {
    let changes = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(method);
    changes && path.starts_with("/v1/") && !["/v1/stripe/invites", "/v1/data"].contains(&path)
}

/// The methods and paths of a document that take the key; whatever else is asked is answered as if there were none.
pub(super) fn routes(described: &OpenApi) -> BTreeSet<(Method, String)> {
    let mut routes = BTreeSet::new();
    for (path, item) in &described.paths.paths {
        let operations = [
            (Method::POST, &item.post),
            (Method::PUT, &item.put),
            (Method::PATCH, &item.patch),
            (Method::DELETE, &item.delete),
        ];
        let there = operations.into_iter().filter(|(method, operation)| operation.is_some() && takes_key(method, path));
        routes.extend(there.map(|(method, _)| (method, path.clone())));
    }
    routes
}

/// Lets a request through once for each key.
pub(super) async fn once(State(api): State<Api>, request: Request, next: Next) -> Response {
    let Some(key) = request.headers().get(IDEMPOTENCY_KEY) else { return next.run(request).await };
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    if !api.described.once.contains(&(request.method().clone(), path.to_owned())) || is_file(&request) {
        return next.run(request).await;
    }
    let Some(key) = readable(key) else { return unusable().into_response() };
    let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Ok(caller) = api.tokens.verify(authorization, api.app.now()).await else {
        // Whoever answers says so.
        return next.run(request).await;
    };
    run(&api, &caller, &key, request, next).await.unwrap_or_else(Problem::into_response)
}

fn is_file(request: &Request) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let json = kind.is_empty() || kind.trim_start().to_ascii_lowercase().starts_with("application/json");
    request.uri().path() == "/v1/accounts" && !json
}

fn readable(key: &HeaderValue) -> Option<String> {
    let is_visible = key.as_bytes().iter().all(u8::is_ascii_graphic);
    (is_visible && (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len())).then(|| key.to_str().ok())?.map(str::to_owned)
}

fn unusable() -> Problem {
    let detail = format!("An Idempotency-Key has 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible ASCII characters.");
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_invalid", detail)
}

async fn run(api: &Api, caller: &Caller, key: &str, request: Request, next: Next) -> Result<Response, Problem> {
    let (parts, asked) = request.into_parts();
    let asked = body::read(asked).await?;
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let hash = digest(&[key.as_bytes(), caller.subject.as_bytes(), format!("{:?}", caller.role).as_bytes()]);
    let fingerprint = digest(&[parts.method.as_str().as_bytes(), target.as_bytes(), &asked]);
    let (store, ws, now) = (api.app.store(), &caller.workspace, api.app.now());
    // Whoever is stopped in the middle has given it back when no request can last any longer.
    let claim = Once { asked: fingerprint, until: after(now, REQUEST_TIME_MAX), answered: None };
    if let Some(first) = store.claim_once(ws, &hash, &claim, now).await.map_err(Refusal::from)? {
        return again(&first, &claim);
    }
    let answer = next.run(Request::from_parts(parts, Body::from(asked))).await;
    if !answer.status().is_success() {
        store.forget_once(ws, &hash).await.map_err(Refusal::from)?;
        return Ok(answer);
    }
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, usize::MAX).await.map_err(|error| Problem::internal(&error.to_string()))?;
    match kept(parts.status, &parts.headers, &body) {
        Some(answered) => {
            let done = Once { until: after(now, IDEMPOTENCY_KEY_TIME), answered: Some(answered), ..claim };
            store.keep_once(ws, &hash, &done).await.map_err(Refusal::from)?;
        }
        None => store.forget_once(ws, &hash).await.map_err(Refusal::from)?,
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn digest(parts: &[&[u8]]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    hex::encode(digest.finalize())
}

fn after(now: Timestamp, time: Duration) -> Timestamp {
    SignedDuration::try_from(time).ok().and_then(|time| now.checked_add(time).ok()).unwrap_or(Timestamp::MAX)
}

fn kept(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Option<Answered> {
    if body.len() > KEPT_ANSWER_BYTES_MAX {
        return None;
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let body = std::str::from_utf8(body).ok()?.to_owned();
    Some(Answered { status: status.as_u16(), content_type, body })
}

/// What the second request with a key is answered.
fn again(first: &Once, second: &Once) -> Result<Response, Problem> {
    if first.asked != second.asked {
        let detail = "This Idempotency-Key was used for another request. Use a new one for each request.";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail));
    }
    let Some(answered) = &first.answered else {
        let detail = "The first request with this Idempotency-Key is still being answered. Try again in a moment.";
        return Err(Problem::new(StatusCode::CONFLICT, "idempotency_key_in_use", detail));
    };
    let status = StatusCode::from_u16(answered.status).unwrap_or(StatusCode::OK);
    let mut answer = (status, answered.body.clone()).into_response();
    answer.headers_mut().remove(header::CONTENT_TYPE);
    if let Some(kind) = answered.content_type.as_deref().and_then(|kind| HeaderValue::from_str(kind).ok()) {
        answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    answer.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_visible_and_short() {
        let check = |key: &[u8], good| assert_eq!(readable(&HeaderValue::from_bytes(key).unwrap()).is_some(), good);
        check(b"a", true);
        check(&[b'x'; IDEMPOTENCY_KEY_BYTES_MAX], true);
        check(&[b'x'; IDEMPOTENCY_KEY_BYTES_MAX + 1], false);
        check(b"", false);
        check(b"a b", false);
        check("\u{e9}".as_bytes(), false);
    }

    #[test]
    fn parts_of_a_digest_do_not_run_into_each_other() {
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
    }

    #[test]
    fn what_only_reads_and_what_makes_links_takes_no_key() {
        assert!(takes_key(&Method::POST, "/v1/accounts") && takes_key(&Method::DELETE, "/v1/stripe"));
        assert!(!takes_key(&Method::GET, "/v1/accounts") && !takes_key(&Method::POST, "/v1/stripe/invites"));
        assert!(!takes_key(&Method::DELETE, "/v1/data"), "it would outlive what it erases");
        assert!(!takes_key(&Method::POST, "/webhooks/stripe/we_1") && !takes_key(&Method::POST, "/invites/token"));
    }
}

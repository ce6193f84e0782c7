//! Requests as API Gateway hands them over, hostile ones among them.

use super::*;
use axum::http::HeaderMap;
use axum::routing::any;
use billfold_app::auth::{LocalKeys, Role, Tokens};
use billfold_app::{Clock as _, SystemClock};
use billfold_core::id::WorkspaceId;
use lambda_http::Context;
use serde_json::{Value, json};
use std::sync::Arc;

/// Answers with what arrived.
fn echo(tokens: Tokens) -> Router {
    let tokens = Arc::new(tokens);
    let answer = async move |request: axum::extract::Request| {
        let (parts, body) = request.into_parts();
        let caller = caller(&tokens, &parts.headers).await;
        let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        json!({ "path": parts.uri.path(), "query": parts.uri.query(), "caller": caller, "body": text }).to_string()
    };
    Router::new().fallback(any(answer))
}

async fn caller(tokens: &Tokens, headers: &HeaderMap) -> Option<String> {
    let header = headers.get("authorization")?.to_str().ok()?;
    let caller = tokens.verify(Some(header), SystemClock.now()).await.ok()?;
    assert_eq!(caller.role, Role::Admin);
    Some(format!("{} of {}", caller.subject, caller.workspace))
}

async fn ask(change: impl FnOnce(&mut Value)) -> Value {
    let mut event: Value = serde_json::from_str(include_str!("../../../../events/http-query.json")).unwrap();
    change(&mut event);
    let folder = tempfile::tempdir().unwrap();
    let keys = LocalKeys::load_or_create(folder.path()).unwrap();
    let token = keys.issue(&WorkspaceId::new("acme").unwrap(), Role::Admin, "ann", SystemClock.now(), 60).unwrap();
    event["headers"]["authorization"] = json!(format!("Bearer {token}"));
    let request: LambdaRequest = serde_json::from_value(event).unwrap();
    let event = LambdaEvent { payload: prepare(request), context: Context::default() };
    let answer = Adapter::from(echo(keys.tokens())).oneshot(event).await.unwrap();
    let answer = serde_json::to_value(answer).unwrap();
    assert_eq!(answer["statusCode"], 200, "{answer}");
    serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn only_a_token_that_the_gateway_has_verified_is_looked_at() {
    let asked = ask(|_| {}).await;
    assert_eq!(asked["caller"], "ann of acme");
    assert_eq!((&asked["path"], &asked["query"]), (&json!("/v1/accounts"), &json!("sort=-mrr&limit=25")));
    let without = |event: &mut Value| drop(event["requestContext"].as_object_mut().unwrap().remove("authorizer"));
    assert_eq!(ask(without).await["caller"], Value::Null, "a route that lost its authorizer lets nobody in");
}

#[tokio::test]
async fn whatever_the_sender_writes_there_is_an_answer() {
    for host in ["127.0.0.1", "x.execute-api.127.0.0.1", "a b", "[", "", "http://", "0x7f.1.2.3.4.5"] {
        let asked = ask(|event| event["headers"]["host"] = json!(host)).await;
        assert_eq!(asked["path"], "/v1/accounts", "{host}");
    }
    for query in ["q=a b", "q=\u{7f}", "q=<>", "q=\"", "q=ü", "q=%zz"] {
        let asked = ask(|event| event["rawQueryString"] = json!(query)).await;
        assert!(asked["query"].as_str().unwrap().starts_with("q="), "{query}: {asked}");
    }
    for path in ["/v1/a b", "/v1/ü", "//", "/v1/..%2f", "v1"] {
        ask(|event| event["rawPath"] = json!(path)).await;
    }
    for scheme in ["javascript", ":", ""] {
        ask(|event| event["headers"]["x-forwarded-proto"] = json!(scheme)).await;
    }
}

#[tokio::test]
async fn a_body_arrives_as_it_was_sent() {
    let encoded = |event: &mut Value| {
        event["requestContext"]["http"]["method"] = json!("POST");
        event["body"] = json!("eyJhIjogMX0KCg==");
        event["isBase64Encoded"] = json!(true);
    };
    assert_eq!(ask(encoded).await["body"], "{\"a\": 1}\n\n");
}

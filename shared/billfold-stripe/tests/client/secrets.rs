//! The key goes to Stripe and nowhere else: not into logs, errors or debug forms. Nor do bodies
//! and queries.

use std::error::Error;

use billfold_stripe::{Endpoint, ListRequest, StripeError};

use crate::logged;
use crate::scripted::{Act, KEY, Stripe, error_body};

fn everything_said(error: &StripeError) -> String {
    let mut said = format!("{error} {error:?} {} ", error.fix());
    let mut source = error.source();
    while let Some(cause) = source {
        said.push_str(&format!("{cause} {cause:?} "));
        source = cause.source();
    }
    said
}

/// A Stripe that repeats the key and a body's words in every way it can.
fn telltales() -> Vec<Act> {
    let told = format!("Invalid API Key provided: {KEY}");
    let body = format!(r#"{{"object":"list","has_more":false,"data":"{KEY} PRIVATE"}}"#);
    vec![
        Act::status(400, &[], &error_body("parameter_invalid", &told)),
        Act::status(401, &[], &error_body("", &told)),
        Act::status(403, &[], &error_body("more_permissions_required", &told)),
        Act::status(404, &[], &error_body("resource_missing", &told)),
        Act::status(418, &[], &told),
        Act::ok(&body),
        Act::Cut(body.into_bytes()),
        Act::Reset,
        Act::status(500, &[], &told),
    ]
}

#[tokio::test]
async fn nothing_tells_the_key_the_body_or_the_query() {
    logged::forget();
    let request = ListRequest::new(Endpoint::Invoices).filter("customer", "cus_PRIVATE");
    for act in telltales() {
        let stripe = Stripe::plays([act.clone()]).await;
        let client = stripe.client();
        let error = client.list(&request).await.unwrap_err();
        let said = format!("{} {client:?}", everything_said(&error));
        for secret in [KEY, "SecretSecret", "PRIVATE"] {
            assert!(!said.contains(secret), "{act:?} told {secret}: {said}");
        }
    }
    let logged = logged::so_far();
    assert!(logged.contains("Stripe answered") && logged.contains("/v1/invoices"), "nothing was logged: {logged}");
    for secret in [KEY, "SecretSecret", "PRIVATE"] {
        assert!(!logged.contains(secret), "the log tells {secret}: {logged}");
    }
}

#[tokio::test]
async fn each_request_is_one_line_of_log() {
    logged::forget();
    let stripe = Stripe::plays([Act::error(500, "", "Oops"), Act::page(&[], false)]).await;
    stripe.client().list(&ListRequest::new(Endpoint::Products)).await.unwrap();
    let logged = logged::so_far();
    let lines: Vec<serde_json::Value> = logged
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &serde_json::Value| line["target"].as_str().is_some_and(|target| target.starts_with("billfold")))
        .map(|line| line["fields"].clone())
        .collect();
    assert_eq!(lines.len(), 2, "{logged}");
    let check = |line: &serde_json::Value, status: u64, request_id: &str, tries: u64| {
        assert_eq!(line["endpoint"], "/v1/products");
        assert_eq!((line["status"].as_u64(), line["tries"].as_u64()), (Some(status), Some(tries)));
        assert_eq!(line["request_id"], request_id);
        assert!(line["duration_ms"].is_number());
    };
    check(&lines[0], 500, "req_bad", 1);
    check(&lines[1], 200, "req_ok", 2);
}

//! Everything that passes by itself: what is tried again, how often, and what is not.

use std::sync::Arc;
use std::time::Duration;

use billfold_stripe::{
    Budget, Client, Disposition, Endpoint, Limits, ListRequest, Patience, RateLimitReason, Route, StripeError,
    Transport, Trouble,
};
use secrecy::SecretString;

use crate::scripted::{Act, DATE, KEY, Stripe, error_body, fast_budget};

fn products() -> ListRequest {
    ListRequest::new(Endpoint::Products)
}

/// Bytes of a good answer, without the last few.
fn cut_answer() -> Act {
    let Act::Answer(mut bytes) = Act::page(&["a", "b"], false) else { panic!("a page is an answer") };
    bytes.truncate(bytes.len() - 12);
    Act::Cut(bytes)
}

/// An answer without a length, so that only the JSON shows that it was cut.
fn cut_answer_of_no_length() -> Act {
    Act::Cut(format!("HTTP/1.1 200 OK\r\ndate: {DATE}\r\nconnection: close\r\n\r\n{{\"object\":\"li").into_bytes())
}

fn gzip_answer(keep: usize) -> Act {
    const PAGE: [u8; 64] = [
        31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 171, 86, 202, 79, 202, 74, 77, 46, 81, 178, 82, 202, 201, 44, 46, 81, 210, 81,
        202, 72, 44, 142, 207, 205, 47, 74, 85, 178, 74, 75, 204, 41, 78, 213, 81, 74, 73, 44, 73, 84, 178, 138, 142,
        173, 5, 0, 183, 8, 166, 218, 44, 0, 0, 0,
    ];
    let head =
        format!("HTTP/1.1 200 OK\r\ndate: {DATE}\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", PAGE.len());
    let bytes = [head.as_bytes(), &PAGE[..keep.min(PAGE.len())]].concat();
    if keep < PAGE.len() { Act::Cut(bytes) } else { Act::Answer(bytes) }
}

#[tokio::test]
async fn passing_trouble_is_waited_out() {
    let trouble = [
        Act::error(500, "", "Oops"),
        Act::status(502, &[], "<html>bad gateway</html>"),
        Act::error(503, "", "Oops"),
        Act::error(504, "", "Oops"),
        Act::error(409, "idempotency_key_in_use", "in progress"),
        Act::error(429, "lock_timeout", "This object cannot be accessed right now"),
        Act::Reset,
        Act::Cut(Vec::new()),
        cut_answer(),
        cut_answer_of_no_length(),
        gzip_answer(40),
    ];
    for act in trouble {
        let stripe = Stripe::plays([act.clone(), Act::page(&["a"], false)]).await;
        let page = stripe.client().list(&products()).await;
        let page = page.unwrap_or_else(|error| panic!("{act:?}: {error}"));
        assert_eq!((page.rows.len(), page.requests), (1, 2), "{act:?}");
    }
}

#[tokio::test]
async fn a_compressed_answer_is_read() {
    let stripe = Stripe::plays([gzip_answer(usize::MAX)]).await;
    let page = stripe.client().list(&products()).await.unwrap();
    assert_eq!((page.rows.len(), page.requests), (0, 1));
}

#[tokio::test]
async fn trouble_that_stays_is_given_up_after_six_tries() {
    let stripe = Stripe::plays([Act::error(500, "", "Oops")]).await;
    let error = stripe.client().list(&products()).await.unwrap_err();
    assert!(matches!(error, StripeError::Unavailable { requests: 6, trouble: Trouble::Status(500) }), "{error:?}");
    assert!(matches!(error.disposition(), Disposition::Retry { .. }));
    assert_eq!(stripe.asked().len(), 6);
}

#[tokio::test]
async fn stripes_word_on_trying_again_counts() {
    let no = [("stripe-should-retry", "false")];
    let stripe = Stripe::plays([Act::status(500, &no, &error_body("", "Oops"))]).await;
    let error = stripe.client().list(&products()).await.unwrap_err();
    assert!(matches!(error, StripeError::Unavailable { requests: 1, .. }), "{error:?}");

    let yes = [("stripe-should-retry", "true")];
    let again = Act::status(400, &yes, &error_body("x", "Once more"));
    let stripe = Stripe::plays([again, Act::page(&[], false)]).await;
    assert_eq!(stripe.client().list(&products()).await.unwrap().requests, 2);
}

#[tokio::test]
async fn a_silent_stripe_times_out() {
    let stripe = Stripe::plays([Act::Silence]).await;
    let transport = Transport::new(stripe.base.clone()).unwrap().with_timeout(Duration::from_millis(20));
    let key = SecretString::from(KEY.to_owned());
    let patience = Patience { tries: 2, first_wait: Duration::from_millis(1), ..Patience::default() };
    let client = Client::new(transport, &key, Arc::new(fast_budget()), 1).unwrap().with_patience(patience);
    let error = client.list(&products()).await.unwrap_err();
    assert!(matches!(error, StripeError::Unavailable { requests: 2, trouble: Trouble::TimedOut }), "{error:?}");
}

#[tokio::test]
async fn what_cannot_get_better_is_asked_once() {
    let hopeless = [
        (Act::error(401, "", "Invalid API Key provided: rk_test_****"), "invalid_api_key"),
        (Act::error(401, "api_key_expired", "Expired API Key provided: rk_test_***"), "api_key_expired"),
        (Act::lacking("rak_product_read"), "permissions_missing"),
        (Act::error(400, "parameter_unknown", "Received unknown parameter"), "stripe_refused"),
        (Act::error(404, "resource_missing", "No such thing"), "stripe_refused"),
        (Act::status(301, &[("location", "http://127.0.0.1:1/v1/products")], ""), "stripe_unreadable"),
        (Act::ok(r#"{"object":"account"}"#), "stripe_unreadable"),
        (
            Act::Answer(
                b"HTTP/1.1 200 OK\r\ncontent-length: 45\r\n\r\n{\"object\":\"list\",\"has_more\":false,\"data\":[]}  "
                    .to_vec(),
            ),
            "stripe_unreadable",
        ),
    ];
    for (act, code) in hopeless {
        let stripe = Stripe::plays([act.clone()]).await;
        let error = stripe.client().list(&products()).await.unwrap_err();
        assert_eq!(error.code(), code, "{act:?}");
        assert_eq!(stripe.asked().len(), 1, "{act:?}");
    }
}

fn refusal(reason: &str) -> Act {
    let headers = [("stripe-rate-limited-reason", reason)];
    Act::status(429, &headers, &error_body("rate_limit", "Request rate limit exceeded."))
}

#[tokio::test]
async fn too_many_requests_slow_the_budget_down_for_everyone() {
    let stripe = Stripe::plays([refusal("endpoint-rate"), Act::page(&["a"], false)]).await;
    let budget = Arc::new(fast_budget());
    let page = stripe.client_with(Arc::clone(&budget)).list(&products()).await.unwrap();
    assert_eq!(page.requests, 2);
    let pace = budget.pace(Route::list(Endpoint::Products));
    assert!(pace.endpoint_per_s < 0.99e6 && pace.total_per_s > 0.99e6, "{pace:?}");
}

#[tokio::test]
async fn refusals_do_not_count_as_failures() {
    let mut acts = vec![refusal("resource-specific"); 20];
    acts.push(Act::page(&["a"], false));
    let stripe = Stripe::plays(acts).await;
    assert_eq!(stripe.client().list(&products()).await.unwrap().requests, 21);
}

#[tokio::test]
async fn refusals_without_end_are_given_up() {
    let stripe = Stripe::plays([refusal("resource-specific")]).await;
    let patience = Patience { refusals: 3, first_wait: Duration::from_millis(1), ..Patience::default() };
    let error = stripe.client().with_patience(patience).list(&products()).await.unwrap_err();
    let StripeError::RateLimited { reason } = error else { panic!("{error:?}") };
    assert_eq!(reason, RateLimitReason::ResourceSpecific);
    assert_eq!(stripe.asked().len(), 4);
}

#[tokio::test]
async fn clients_of_one_account_share_its_budget() {
    let stripe = Stripe::plays([Act::page(&[], false)]).await;
    let budget = Arc::new(Budget::new(Limits { total_per_s: 40.0, endpoint_per_s: 40.0, share: 1.0 }, 0));
    let asked = tokio::time::Instant::now();
    let clients = [stripe.client_with(Arc::clone(&budget)), stripe.client_with(Arc::clone(&budget))];
    for _ in 0..14 {
        for client in &clients {
            client.list(&products()).await.unwrap();
        }
    }
    // 28 requests at 40 a second, of which 8 may come at once.
    assert!(asked.elapsed() >= Duration::from_millis(475), "{:?}", asked.elapsed());
}

//! The table of Stripe's answers, row by row.

use reqwest::header::{HeaderName, HeaderValue};

use super::*;
use crate::Disposition;

const DATE: (&str, &str) = ("date", "Sat, 21 Nov 2026 08:52:01 GMT");

fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Answer {
    let headers: HeaderMap =
        headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect();
    Answer { status, signs: Signs::of(&headers), body: Bytes::copy_from_slice(body.as_bytes()) }
}

fn judged(answer: &Answer) -> Verdict<()> {
    judge(Endpoint::Prices, answer, |body| match body.as_ref() {
        b"good" => Ok(()),
        b"odd" => Err(Flaw::Shape),
        _ => Err(Flaw::CutShort),
    })
}

fn error_body(code: Option<&str>, message: &str) -> String {
    let code = code.map_or_else(String::new, |code| format!(r#""code":"{code}","#));
    format!(r#"{{"error":{{{code}"message":"{message}","type":"invalid_request_error"}}}}"#)
}

fn stopped(status: u16, code: Option<&str>, message: &str) -> StripeError {
    match judged(&answer(status, &[DATE], &error_body(code, message))) {
        Verdict::Stop(error) => error,
        other => panic!("{status} {code:?} {message}: {other:?}"),
    }
}

#[test]
fn a_good_answer_is_done_as_of_its_date() {
    let Verdict::Done((), date) = judged(&answer(200, &[DATE], "good")) else { panic!("not done") };
    assert_eq!(date.to_string(), "2026-11-21T08:52:01Z");
}

#[test]
fn a_good_status_is_not_enough() {
    let check = |headers: &[(&'static str, &'static str)], body: &str, wanted: &str| {
        let verdict = judged(&answer(200, headers, body));
        assert!(format!("{verdict:?}").starts_with(wanted), "{verdict:?}");
    };
    check(&[DATE], "{\"object\":\"li", "Setback(CutShort)");
    check(&[DATE], "odd", "Stop(Unreadable");
    check(&[], "good", "Stop(Unreadable");
    check(&[("date", "yesterday")], "good", "Stop(Unreadable");
}

#[test]
fn a_key_that_does_not_work_stops_at_once() {
    let check = |status, code, message, wanted: &str| {
        let error = stopped(status, code, message);
        assert_eq!(error.code(), wanted, "{message}");
        assert_eq!(error.disposition(), Disposition::StopNeedsUser);
    };
    check(401, None, "You did not provide an API key. You need to …", "invalid_api_key");
    check(401, None, "Invalid API Key provided: rk_live_****1234", "invalid_api_key");
    check(401, Some("api_key_expired"), "Expired API Key provided: rk_test_***123", "api_key_expired");
    check(401, None, "Expired API Key provided: rk_test_***123", "api_key_expired");
    let ip = "The API key provided does not allow requests from your IP address.";
    check(401, None, ip, "ip_not_allowed");
    check(403, None, ip, "ip_not_allowed");
    check(403, None, "Only Stripe Connect platforms can work with other accounts.", "account_refused");
    let revoked = "The provided key 'rk_live_****' does not have access to account 'acct_1A2b3C4d' (or …)";
    check(403, Some("account_invalid"), revoked, "account_refused");
}

#[test]
fn a_missing_permission_is_named() {
    let check = |status, code, message, permission: &str, account: Option<&str>| {
        let StripeError::PermissionMissing { permission: found, account: of, endpoint } =
            stopped(status, code, message)
        else {
            panic!("{message}")
        };
        assert_eq!((found.as_str(), of.as_deref(), endpoint), (permission, account, Endpoint::Prices));
    };
    let now = "The provided key 'rk_live_****abcd' does not have the required permissions for this endpoint on \
        account 'acct_1032D82eZvKYlo2C'. Having the 'rak_subscription_read' permission would allow this request to continue.";
    let code = Some("more_permissions_required");
    check(403, code, now, "rak_subscription_read", Some("acct_1032D82eZvKYlo2C"));
    let older = "The provided key 'rk_live_****abcd' does not have the required permissions for this endpoint. \
        Having the 'rak_plan_read' permission would allow this request to continue.";
    check(403, None, older, "rak_plan_read", None);
    check(401, None, older, "rak_plan_read", None);
    check(403, code, "No.", "rak_plan_read", None);
    check(403, None, "", "rak_plan_read", None);
    check(403, code, "Having the 'rak_<b>' permission", "rak_plan_read", None);
}

#[test]
fn too_many_requests_slow_down_and_are_no_failure() {
    let check = |status, headers: &[(&'static str, &'static str)], code, wanted| {
        let verdict = judged(&answer(status, headers, &error_body(code, "Request rate limit exceeded.")));
        assert!(matches!(verdict, Verdict::Refused(reason) if reason == wanted), "{verdict:?}");
    };
    let reason = |value| [("stripe-rate-limited-reason", value)];
    check(429, &reason("global-rate"), Some("rate_limit"), RateLimitReason::GlobalRate);
    check(429, &reason("endpoint-rate"), Some("rate_limit"), RateLimitReason::EndpointRate);
    check(429, &reason("endpoint-concurrency"), None, RateLimitReason::EndpointConcurrency);
    check(429, &[], Some("rate_limit"), RateLimitReason::Unstated);
    check(400, &[], Some("rate_limit"), RateLimitReason::Unstated);
    check(429, &[("stripe-should-retry", "false")], Some("rate_limit"), RateLimitReason::Unstated);
}

#[test]
fn passing_trouble_is_tried_again_unless_stripe_says_no() {
    let check = |status, code, wanted: &str| {
        let body = error_body(code, "Something");
        let verdict =
            |headers: &[(&'static str, &'static str)]| format!("{:?}", judged(&answer(status, headers, &body)));
        assert_eq!(verdict(&[]), format!("Setback({wanted})"));
        assert_eq!(verdict(&[("stripe-should-retry", "true")]), format!("Setback({wanted})"));
        assert_eq!(verdict(&[("stripe-should-retry", "false")]), format!("GiveUp({wanted})"));
    };
    check(429, Some("lock_timeout"), "Locked");
    check(409, Some("idempotency_key_in_use"), "Status(409)");
    for status in [500, 502, 503, 504] {
        check(status, None, &format!("Status({status})"));
    }
}

#[test]
fn stripe_may_ask_to_try_a_refused_request_again_but_not_a_refused_key() {
    let again = [DATE, ("stripe-should-retry", "true")];
    let verdict = judged(&answer(400, &again, &error_body(None, "Try again")));
    assert!(matches!(verdict, Verdict::Setback(Trouble::Status(400))), "{verdict:?}");
    for status in [401, 403] {
        let verdict = judged(&answer(status, &again, &error_body(None, "No")));
        assert!(matches!(verdict, Verdict::Stop(_)), "{verdict:?}");
    }
}

#[test]
fn a_refused_request_carries_stripes_words_without_secrets() {
    let body = r#"{"error":{"type":"invalid_request_error","code":"parameter_unknown","param":"foo",
        "message":"Received unknown parameter: foo (rk_test_51Abcdefgh)","request_log_url":"https://dashboard.stripe.com/x"}}"#;
    let verdict = judged(&answer(400, &[DATE, ("request-id", "req_9")], body));
    let Verdict::Stop(StripeError::BadRequest(rejection)) = verdict else { panic!("{verdict:?}") };
    assert_eq!(rejection.message, "Received unknown parameter: foo (rk_…)");
    assert_eq!(rejection.code.as_deref(), Some("parameter_unknown"));
    assert_eq!(rejection.param.as_deref(), Some("foo"));
    assert_eq!(rejection.request_id.as_deref(), Some("req_9"));
    assert_eq!(rejection.request_log_url.as_deref(), Some("https://dashboard.stripe.com/x"));
    assert!(rejection.date.is_some());
}

#[test]
fn refusals_of_other_kinds_are_parked() {
    let check = |status, code, message, wanted: &str| {
        let error = stopped(status, code, message);
        assert_eq!((error.code(), error.disposition()), (wanted, Disposition::Park), "{message}");
    };
    check(404, Some("resource_missing"), "No such subscription: 'sub_x'", "stripe_refused");
    check(404, None, "Unrecognized request URL (GET: /v1/x). …", "stripe_refused");
    check(400, Some("parameter_missing"), "Missing required param: subscription.", "stripe_refused");
    check(402, Some("card_declined"), "Your card was declined.", "stripe_refused");
    check(404, Some("livemode_mismatch"), "", "other_mode");
    let other_mode = "No such price: 'price_1'; a similar object exists in live mode, but a test mode key was used";
    check(404, Some("resource_missing"), other_mode, "other_mode");
}

#[test]
fn words_that_are_not_stripes_are_not_believed() {
    for (status, body) in [(404, "<html>"), (403, "<html>"), (418, "{}"), (302, ""), (404, r#"{"error":"gone"}"#)] {
        let verdict = judged(&answer(status, &[DATE], body));
        assert!(matches!(verdict, Verdict::Stop(StripeError::Unreadable { .. })), "{status} {verdict:?}");
    }
    let verdict = judged(&answer(401, &[DATE], "<html>"));
    assert!(matches!(verdict, Verdict::Stop(StripeError::InvalidKey)), "{verdict:?}");
}

#[test]
fn an_account_id_is_a_whole_word_of_the_right_length() {
    let check = |text: &str, wanted: Option<&str>| assert_eq!(named_account(text), wanted, "{text}");
    check("on account 'acct_1032D82eZvKYlo2C'.", Some("acct_1032D82eZvKYlo2C"));
    check("acct_123456", Some("acct_123456"));
    check("acct_12345", None);
    check("xacct_1234567", None);
    check("acct_1234_567", None);
    check(&format!("acct_{}", "a".repeat(65)), None);
    check("acct_12 then acct_abcdefg", Some("acct_abcdefg"));
}

#[test]
fn a_wait_asked_for_is_bounded() {
    let after = |value| answer(429, &[("retry-after", value)], "").signs.retry_after;
    assert_eq!(after("7"), Some(Duration::from_secs(7)));
    assert_eq!(after("86400"), Some(Duration::from_secs(60)));
    assert_eq!(after("soon"), None);
}

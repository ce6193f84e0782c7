//! Error answers as a client meets them: status, body and headers.

use billfold_sim::{ApiKey, Sim, Spec};
use serde_json::Value;

use crate::client::{Client, NOW, read};

fn refused(answer: &crate::client::Answer, status: u16, code: Option<&str>, message: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(answer.error()["type"], "invalid_request_error");
    assert_eq!(answer.error()["code"].as_str(), code);
    let said = answer.error()["message"].as_str().expect("a message");
    assert!(said.contains(message), "{said}");
}

#[tokio::test]
async fn keys_that_do_not_work_are_told_apart() {
    let (sim, mut client) = Client::start(3).await;
    let bare = client.http.get(format!("{}/v1/customers", client.base));
    refused(&read(bare).await, 401, None, "You did not provide an API key.");
    client.key = "rk_test_not_a_key_1234".to_owned();
    refused(&client.get("/v1/customers").await, 401, None, "Invalid API Key provided: rk_test_****1234");
    sim.add_key(ApiKey::new("rk_test_old_old_9999", &["customer_read"]));
    client.key = "rk_test_old_old_9999".to_owned();
    client.ok("/v1/customers").await;
    assert!(sim.expire_key(&client.key));
    let expired = client.get("/v1/customers").await;
    refused(&expired, 401, Some("api_key_expired"), "Expired API Key provided: rk_test_****9999");
    assert!(sim.remove_key(&client.key));
    refused(&client.get("/v1/customers").await, 401, None, "Invalid API Key provided");
}

#[tokio::test]
async fn basic_authentication_works_as_well() {
    let (_, client) = Client::start(3).await;
    let request = client.http.get(format!("{}/v1/customers", client.base)).basic_auth(&client.key, None::<&str>);
    assert_eq!(read(request).await.status, 200);
}

#[tokio::test]
async fn permissions_come_and_go_while_it_runs() {
    let (sim, client) = Client::start(3).await;
    client.ok("/v1/invoices").await;
    assert!(sim.revoke(sim.api_key(), "rak_invoice_read"));
    let answer = client.get("/v1/invoices?limit=0").await;
    refused(&answer, 403, Some("more_permissions_required"), "Having the 'rak_invoice_read' permission would allow");
    let said = answer.error()["message"].as_str().expect("a message");
    assert!(said.contains(&format!("on account '{}'", sim.account_id())), "{said}");
    // It is checked before existence too.
    assert_eq!(client.get("/v1/invoices/in_none").await.status, 403);
    assert!(sim.grant(sim.api_key(), "rak_invoice_write"));
    client.ok("/v1/invoices").await;
}

#[tokio::test]
async fn a_restricted_key_cannot_see_the_account_but_learns_its_id() {
    let (sim, client) = Client::start(3).await;
    let answer = client.get("/v1/account").await;
    refused(&answer, 403, Some("more_permissions_required"), "'rak_accounts_kyc_basic_read'");
    refused(&answer, 403, Some("more_permissions_required"), &sim.account_id());
    sim.grant(sim.api_key(), "rak_accounts_kyc_basic_read");
    let account = client.ok("/v1/account").await.body;
    assert_eq!(account["id"], sim.account_id());
    assert_eq!(account.get("livemode"), None);
}

#[tokio::test]
async fn what_does_not_exist_is_missing() {
    let (_, client) = Client::start(3).await;
    for (path, noun) in [
        ("customers/cus_x", "customer"),
        ("subscriptions/sub_x", "subscription"),
        ("invoices/in_x", "invoice"),
        ("prices/price_x", "price"),
        ("coupons/NONE", "coupon"),
        ("events/evt_x", "event"),
    ] {
        let answer = client.get(&format!("/v1/{path}")).await;
        let id = path.split('/').next_back().expect("an id");
        refused(&answer, 404, Some("resource_missing"), &format!("No such {noun}: '{id}'"));
        assert_eq!(answer.error()["param"], "id");
    }
    let answer = client.get("/v1/subscriptions?customer=cus_x").await;
    refused(&answer, 400, Some("resource_missing"), "No such customer: 'cus_x'");
    assert_eq!(answer.error()["param"], "customer");
}

#[tokio::test]
async fn unknown_addresses_and_parameters_are_refused() {
    let (_, client) = Client::start(3).await;
    let unknown = client.get("/v1/nothing").await;
    refused(&unknown, 404, None, "Unrecognized request URL (GET: /v1/nothing).");
    refused(&client.post("/v1/customers", "").await, 404, None, "Unrecognized request URL (POST: /v1/customers).");
    for path in ["customers?colour=red", "invoices?updated[gte]=1", "coupons?active=true"] {
        let answer = client.get(&format!("/v1/{path}")).await;
        refused(&answer, 400, Some("parameter_unknown"), "Received unknown parameter");
    }
}

#[tokio::test]
async fn versions_are_named_in_the_answer_or_refused() {
    let (_, mut client) = Client::start(3).await;
    let answer = client.ok("/v1/customers").await;
    assert_eq!(answer.header("stripe-version"), "2026-09-30.endive");
    client.version = Some("2024-06-20".to_owned());
    assert_eq!(client.ok("/v1/customers").await.header("stripe-version"), "2024-06-20");
    client.version = Some("newest".to_owned());
    refused(&client.get("/v1/customers").await, 400, None, "Invalid Stripe API version: newest");
}

#[tokio::test]
async fn answers_carry_the_time_of_the_simulation_and_an_id() {
    let (sim, client) = Client::start(3).await;
    let first = client.ok("/v1/customers").await;
    assert_eq!(first.header("date"), "Sat, 21 Nov 2026 09:00:00 GMT");
    sim.advance(61);
    let second = client.get("/v1/nothing").await;
    assert_eq!(second.header("date"), "Sat, 21 Nov 2026 09:01:01 GMT");
    assert!(first.header("request-id").starts_with("req_"));
    assert_ne!(first.header("request-id"), second.header("request-id"));
    let log = second.error()["request_log_url"].as_str().expect("a log");
    assert!(log.ends_with(second.header("request-id")), "{log}");
}

#[tokio::test]
async fn the_other_mode_is_empty_and_hinted_at() {
    let mut spec = Spec::new(11, 10, NOW);
    spec.livemode = true;
    let sim = Sim::generate(&spec);
    assert!(sim.api_key().starts_with("rk_live_"));
    sim.add_key(ApiKey::new("sk_test_other_mode", &[]));
    let mut client = Client::of(&sim).await;
    let row = client.ok("/v1/customers?limit=1").await.data()[0].clone();
    assert_eq!(row["livemode"], true);
    client.key = "sk_test_other_mode".to_owned();
    assert!(client.ok("/v1/customers").await.data().is_empty());
    assert_eq!(client.ok("/v1/balance").await.body["livemode"], false);
    let id = row["id"].as_str().expect("an id");
    let answer = client.get(&format!("/v1/customers/{id}")).await;
    refused(
        &answer,
        404,
        Some("resource_missing"),
        "a similar object exists in live mode, but a test mode key was used",
    );
    assert_eq!(client.ok("/v1/account").await.body["id"], Value::from(sim.account_id()));
}

//! Every handler answers, on real data, as the document says: every member that is required and none that is not
//! described. [`World::ask`] judges each answer; here is somebody who asks everything.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use billfold_app::auth::Role;
use billfold_sim::signature;
use billfold_tests::{Body, World};
use reqwest::Method;
use serde_json::{Value, json};

const SECRET: &str = "whsec_0123456789abcdefghij";

async fn connection(world: &World) {
    let empty = json!({});
    assert_eq!(world.connect().await.unwrap().status.as_u16(), 201);
    world.get("/v1/stripe").await.unwrap();
    world.synced().await.unwrap();
    world.send(Method::POST, "/v1/stripe/check", &empty).await.unwrap();
    let secret = json!({ "webhook_secret": SECRET });
    let card = world.send(Method::PUT, "/v1/stripe/webhook-secret", &secret).await.unwrap().body;
    let url = card["webhook"]["url"].as_str().unwrap();
    let path = &url[url.find("/webhooks/").unwrap()..];
    let event = json!({"id": "evt_1", "object": "event", "type": "payout.paid", "created": billfold_tests::NOW,
        "livemode": false, "api_version": null, "data": { "object": { "id": "po_1", "object": "payout" } } });
    for secret in [SECRET, "whsec_another0000000"] {
        let signature = signature(secret, billfold_tests::NOW, event.to_string().as_bytes());
        world.ask(None, Method::POST, path, Body::Signed(event.to_string(), signature)).await.unwrap();
    }
    // The first is refused: the key may not.
    for permission in ["rak_webhook_read", "rak_webhook_write"] {
        world.send(Method::POST, "/v1/stripe/webhook-endpoint", &empty).await.unwrap();
        world.sim.grant(world.sim.api_key(), permission);
    }
    world.send(Method::POST, "/v1/stripe/webhook-endpoint", &empty).await.unwrap();
    world.send(Method::POST, "/v1/verify", &json!({ "sample": 5 })).await.unwrap();
}

async fn settings_and_syncs(world: &World) {
    world.get("/v1/settings").await.unwrap();
    let patch = json!({"mrr_policy": {"past_due": {"drop_after_days": 30}},
        "rates": {"source": "manual", "as_of": "2026-09-21", "per_unit": {"eur": "1.08"}}});
    assert_eq!(world.send(Method::PATCH, "/v1/settings", &patch).await.unwrap().status.as_u16(), 200);
    // A small sync may end before it can be stopped.
    for _ in 0..100 {
        world.sim.advance(60);
        let run = world.send(Method::POST, "/v1/syncs", &json!({})).await.unwrap().body;
        let path = format!("/v1/syncs/{}", run["id"].as_str().unwrap());
        let stopped = world.send(Method::DELETE, &path, &json!({})).await.unwrap();
        world.get(&path).await.unwrap();
        world.synced().await.unwrap();
        if stopped.status.as_u16() == 200 {
            break;
        }
    }
    world.get("/v1/syncs?limit=1").await.unwrap();
}

async fn accounts(world: &World) {
    let given = json!({"id": "big-co", "name": "Big \u{202e}<script>\u{1F600}", "domains": ["big.example"],
        "external_ids": {"crm": "=1+1"}, "custom": {"tier": [1, null, "gold"]}});
    assert_eq!(world.send(Method::POST, "/v1/accounts", &given).await.unwrap().status.as_u16(), 201);
    world.send(Method::PATCH, "/v1/accounts/big-co", &json!({"name": "Big"})).await.unwrap();
    let list = world.get("/v1/accounts?limit=100").await.unwrap();
    let rows: Vec<&Value> = list["data"].as_array().unwrap().iter().collect();
    for row in &rows {
        let path = format!("/v1/accounts/{}", row["id"].as_str().unwrap());
        world.get(&path).await.unwrap();
        world.get(&format!("{path}/billing")).await.unwrap();
    }
    let view = world.get(&format!("/v1/accounts/{}", rows[0]["id"].as_str().unwrap())).await.unwrap();
    let customer = format!("/v1/customers/{}/account", view["customers"][0].as_str().unwrap());
    world.send(Method::PUT, &customer, &json!({"account_id": "big-co"})).await.unwrap();
    world.send(Method::DELETE, &customer, &json!({})).await.unwrap();
    world.get("/v1/customers?matched=false").await.unwrap();
    world.send(Method::DELETE, "/v1/accounts/big-co", &json!({})).await.unwrap();
}

async fn revenue(world: &World) {
    world.get("/v1/summary").await.unwrap();
    world.get("/v1/audit").await.unwrap();
    let table = world.ask(Some(&world.token(Role::Owner).unwrap()), Method::GET, "/v1/accounts.csv", Body::None).await;
    assert_eq!(table.unwrap().status.as_u16(), 200);
    for row in world.get("/v1/accounts?limit=100").await.unwrap()["data"].as_array().unwrap() {
        let path = format!("/v1/accounts/{}/mrr", row["id"].as_str().unwrap());
        world.get(&path).await.unwrap();
        world.get(&format!("{path}/explain")).await.unwrap();
    }
    let signals = world.get("/v1/signals?limit=100").await.unwrap();
    let signal = signals["data"][0]["id"].as_str().unwrap();
    let path = format!("/v1/signals/{signal}/acknowledge");
    world.send(Method::POST, &path, &json!({})).await.unwrap();
}

async fn invites(world: &World) {
    let invite = world.send(Method::POST, "/v1/stripe/invites", &json!({})).await.unwrap().body;
    let url = invite["url"].as_str().unwrap();
    let path = &url[url.find("/invites/").unwrap()..];
    world.ask(None, Method::GET, path, Body::None).await.unwrap();
    let form = format!("api_key={}", world.sim.api_key());
    world.ask(None, Method::POST, path, Body::Text(form, "application/x-www-form-urlencoded")).await.unwrap();
    world.synced().await.unwrap();
    world.send(Method::DELETE, "/v1/stripe/invites", &json!({})).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_handler_answers_as_the_document_says() {
    let world = World::start(41, 40).await.unwrap();
    for path in ["/healthz", "/openapi.json"] {
        world.ask(None, Method::GET, path, Body::None).await.unwrap();
    }
    world.get("/v1/local/parked").await.unwrap();
    connection(&world).await;
    settings_and_syncs(&world).await;
    accounts(&world).await;
    revenue(&world).await;
    invites(&world).await;
    world.send(Method::DELETE, "/v1/stripe", &json!({})).await.unwrap();
    world.send(Method::DELETE, "/v1/data", &json!({"confirm": "acme"})).await.unwrap();
    let unanswered = world.judge().await.unwrap().unanswered();
    assert!(unanswered.is_empty(), "never answered with success: {unanswered:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_nonsense_is_answered_with_a_problem() {
    let world = World::start(42, 1).await.unwrap();
    let owner = world.token(Role::Owner).unwrap();
    let json = "application/json";
    for (method, path, body, expected) in [
        (Method::GET, "/nowhere", Body::None, 404),
        (Method::GET, "/v1", Body::None, 404),
        (Method::GET, "/v1/accounts/%ff%fe", Body::None, 404),
        (Method::GET, "/v1/accounts/a%23b", Body::None, 404),
        (Method::GET, "/v1/accounts/%00", Body::None, 404),
        (Method::PUT, "/v1/accounts", Body::None, 405),
        (Method::TRACE, "/healthz", Body::None, 405),
        (Method::GET, "/v1/accounts?limit=%ff", Body::None, 422),
        (Method::GET, "/v1/accounts?limit=1&limit=2", Body::None, 422),
        (Method::POST, "/v1/accounts", Body::Text(String::new(), json), 400),
        (Method::POST, "/v1/accounts", Body::Text("nonsense".into(), json), 400),
        (Method::POST, "/v1/accounts", Body::Text("{\"name\":\"\u{0}\"".into(), json), 400),
        (Method::POST, "/v1/accounts", Body::Text("[\"id\",\"name\"]".into(), json), 422),
        (Method::POST, "/v1/accounts", Body::Text("null".into(), json), 422),
        (Method::POST, "/v1/accounts", Body::Text("{\"nane\":1}".into(), json), 422),
        (Method::POST, "/v1/accounts", Body::Text("[".repeat(100_000), json), 422),
        (Method::POST, "/v1/accounts", Body::Text("{\"custom\":".repeat(100_000), json), 400),
        (Method::POST, "/v1/accounts", Body::Text("<a/>".into(), "text/xml"), 415),
        (Method::POST, "/v1/accounts", Body::Text(" ".repeat(1024 * 1024 + 1), json), 413),
    ] {
        let name = format!("{method} {path}");
        let answer = world.ask(Some(&owner), method, path, body).await.unwrap();
        assert_eq!(
            (answer.status.as_u16(), answer.content_type.as_str()),
            (expected, "application/problem+json"),
            "{name}"
        );
        assert!(answer.body["code"].is_string() && answer.body["status"] == expected, "{name}: {}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_method_is_told_the_right_ones() {
    let world = World::start(43, 1).await.unwrap();
    let answer = reqwest::Client::new().put(format!("{}/v1/settings", world.local.url)).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 405);
    let allowed = answer.headers()["allow"].to_str().unwrap();
    assert!(allowed.contains("GET") && allowed.contains("PATCH") && !allowed.contains("PUT"), "{allowed}");
}

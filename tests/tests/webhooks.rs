//! The webhook endpoint as Stripe and its enemies meet it, and the card beside it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use billfold_app::auth::Role;
use billfold_sim::{Change, Kind, signature};
use billfold_tests::{Body, World};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const SECRET: &str = "whsec_0123456789abcdefghij";
const NOW: i64 = billfold_tests::NOW;

/// Connected with a signing secret, and synced.
async fn connected(seed: u64) -> (World, String) {
    let world = World::start(seed, 12).await.unwrap();
    let body = json!({ "api_key": world.sim.api_key(), "webhook_secret": SECRET });
    assert_eq!(world.send(Method::POST, "/v1/stripe", &body).await.unwrap().status, StatusCode::CREATED);
    world.synced().await.unwrap();
    let card = world.get("/v1/stripe").await.unwrap();
    (world, card["webhook"]["url"].as_str().unwrap().to_owned())
}

async fn post(url: &str, header: Option<&str>, body: Vec<u8>) -> (u16, Value) {
    let mut request = reqwest::Client::new().post(url).body(body);
    if let Some(header) = header {
        request = request.header("stripe-signature", header);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or(Value::Null))
}

async fn signed(url: &str, secret: &str, at: i64, body: impl Into<Vec<u8>>) -> (u16, Value) {
    let body = body.into();
    post(url, Some(&signature(secret, at, &body)), body).await
}

async fn webhook(world: &World) -> Value {
    world.get("/v1/stripe").await.unwrap()["webhook"].clone()
}

fn event(object: &Value) -> String {
    let event = json!({
        "id": "evt_1", "object": "event", "type": "customer.updated", "created": NOW, "livemode": false,
        "api_version": "2026-09-30.endive", "data": { "object": object }
    });
    event.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_in_stripe_shows_on_its_account() {
    let (world, url) = connected(31).await;
    assert_eq!(webhook(&world).await["status"], "waiting");
    let made = world.sim.add_endpoint(&url, &["*"], Some(billfold_sim::Version::pinned()));
    let put = world.send(Method::PUT, "/v1/stripe/webhook-secret", &json!({ "webhook_secret": made.secret })).await;
    assert_eq!(put.unwrap().status, StatusCode::OK);
    world.sim.advance(60);
    let (customer, subscription) = world.sim.read(|business| {
        let runs = |row: &billfold_sim::model::Subscription| {
            row.status == billfold_sim::model::SubscriptionStatus::Active
                && !row.test_clock
                && row.items[0].quantity.is_some()
        };
        let (place, row) = business.subscriptions.iter().find(|(_, row)| runs(row)).unwrap();
        (business.id(Kind::Customer, row.customer), business.id(Kind::Subscription, place))
    });
    world.sim.apply(&Change::Cancel { subscription }).unwrap();
    let report = world.sim.deliver_all(&reqwest::Client::new()).await;
    assert!(report.delivered > 0 && report.failed == 0, "{report:?}");
    let truth = world.sim.truth().customers[&customer].clone();
    let ws = billfold_core::id::WorkspaceId::new("acme").unwrap();
    let id = billfold_core::id::CustomerId::new(customer.as_str()).unwrap();
    let store = world.local.app.store();
    loop {
        let rows = store.customer_rows(&ws, &id).await.unwrap();
        let canceled = rows.subscriptions.iter().filter(|one| one.status.is_terminal()).count();
        let ended = truth.subscriptions.values().filter(|one| one.status == "canceled").count();
        if canceled >= ended && !store.is_marked(&ws).await.unwrap() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let card = webhook(&world).await;
    assert_eq!((&card["status"], &card["managed"]), (&json!("receiving"), &json!(false)), "{card:#}");
    assert!(card["managed_needs"].as_str().unwrap().contains("write access to Webhook Endpoints"));
    assert!(card["last_event_at"].is_string() && card["events"].as_array().unwrap().len() > 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stripe_did_not_sign_is_refused_and_costs_nothing() {
    let (world, url) = connected(32).await;
    let body = event(&json!({ "id": "po_1", "object": "payout" }));
    let good = signature(SECRET, NOW, body.as_bytes());
    let other = url.rsplit_once('/').unwrap().0.to_owned() + "/whe_00000000000000000000000000000000";
    world.sim.clear_requests();
    for (header, status) in [
        (None, 400),
        (Some(String::new()), 400),
        (Some(signature("whsec_another0000000", NOW, body.as_bytes())), 400),
        (Some(signature(SECRET, NOW - 301, body.as_bytes())), 400),
        (Some(signature(SECRET, NOW + 301, body.as_bytes())), 400),
        (Some(good.replace("v1=", "v0=")), 400),
        (Some(format!("{good},v1=00")), 200),
    ] {
        let (got, answer) = post(&url, header.as_deref(), body.clone().into_bytes()).await;
        assert_eq!(got, status, "{header:?}");
        assert!(status == 200 || answer["code"] == "signature_invalid", "{answer}");
    }
    assert_eq!(post(&other, Some(&good), body.clone().into_bytes()).await.0, 404);
    for _ in 0..200 {
        post(&url, Some(&signature("whsec_forged000000000", NOW, body.as_bytes())), body.clone().into_bytes()).await;
    }
    assert_eq!(world.sim.requests().total, 0, "forged deliveries ask Stripe nothing");
    let card = webhook(&world).await;
    assert_eq!((&card["status"], &card["error"]["code"]), (&json!("signature_invalid"), &json!("signature_invalid")));
    assert!(card["error"]["fix"].as_str().unwrap().contains("rolled"));
    assert_eq!(signed(&url, SECRET, NOW, body.clone()).await.0, 200);
    assert_eq!(webhook(&world).await["status"], "receiving");
    let gone = world.ask(Some(&world.token(Role::Owner).unwrap()), Method::DELETE, "/v1/stripe", Body::None).await;
    assert_eq!(gone.unwrap().status, StatusCode::OK);
    assert_eq!(signed(&url, SECRET, NOW, body).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_bodies_have_an_answer_and_never_a_500() {
    let (world, url) = connected(33).await;
    let customer = json!({ "id": "cus_1", "object": "customer", "created": NOW });
    let large = |bytes: usize| {
        let empty = event(&json!({ "id": "cus_big", "object": "customer", "created": NOW, "name": "" }));
        let name = "x".repeat(bytes - empty.len());
        event(&json!({ "id": "cus_big", "object": "customer", "created": NOW, "name": name })).into_bytes()
    };
    let deep = |open: &str, close: &str, count: usize| {
        let (before, after) =
            (r#"{"id":"evt_d","type":"customer.updated","created":1,"livemode":false,"data":{"object":"#, "}}");
        format!("{before}{}{}{after}", open.repeat(count), close.repeat(count)).into_bytes()
    };
    let cases: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("a mebibyte and one", large(1024 * 1024 + 1), &[413]),
        ("a mebibyte", large(1024 * 1024), &[200]),
        ("nothing", Vec::new(), &[400]),
        ("null", b"null".to_vec(), &[400]),
        ("a list", b"[]".to_vec(), &[400]),
        ("not JSON", b"<html>".to_vec(), &[400]),
        ("cut", event(&customer).as_bytes()[..40].to_vec(), &[400]),
        ("invalid UTF-8", b"{\"id\":\"evt_\xff\xfe\",\"type\":\"a\",\"created\":1}".to_vec(), &[400]),
        ("deep lists", deep("[", "]", 200_000), &[200, 400]),
        ("deep objects", deep("{\"a\":", "}", 100_000), &[200, 400]),
        ("duplicate keys", br#"{"id":"a","id":"b","type":"x","created":1}"#.to_vec(), &[400]),
        ("duplicate keys inside", event(&customer).replace("\"cus_1\"", "\"cus_1\",\"id\":\"cus_2\"").into(), &[200]),
        ("no data", br#"{"id":"evt_1","type":"customer.updated","created":1}"#.to_vec(), &[200]),
        ("data that is null", br#"{"id":"evt_1","type":"customer.updated","created":1,"data":null}"#.to_vec(), &[200]),
        ("an object that is a number", event(&json!(7)).into(), &[200]),
        ("a time before time", br#"{"id":"evt_1","type":"a","created":-99999999999999999}"#.to_vec(), &[200]),
        ("an unknown type", event(&json!({ "id": "x", "object": "rocket" })).into(), &[200]),
        ("the other mode", event(&customer).replace("\"livemode\":false", "\"livemode\":true").into(), &[200]),
        ("an id with a line break", event(&json!({ "id": "cus\n1", "object": "customer" })).into(), &[200]),
        (
            "fields of other types",
            event(&json!({ "id": "cus_3", "object": "customer", "created": "x" })).into(),
            &[200],
        ),
    ];
    for (name, body, wanted) in cases {
        let (status, answer) = signed(&url, SECRET, NOW, body).await;
        assert!(wanted.contains(&status), "{name}: {status} {answer}");
    }
    assert_eq!(world.get("/v1/stripe").await.unwrap()["status"], "connected");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_before_stays_good_for_a_day() {
    let (world, url) = connected(34).await;
    let next = "whsec_next0123456789abcd";
    let body = || event(&json!({ "id": "po_1", "object": "payout" }));
    let put = |secret: Value| json!({ "webhook_secret": secret });
    world.send(Method::PUT, "/v1/stripe/webhook-secret", &put(json!(next))).await.unwrap();
    for secret in [next, SECRET] {
        assert_eq!(signed(&url, secret, NOW, body()).await.0, 200, "{secret}");
    }
    world.sim.advance(24 * 3600 + 1);
    assert_eq!(signed(&url, SECRET, NOW + 24 * 3600 + 1, body()).await.0, 400);
    assert_eq!(signed(&url, next, NOW + 24 * 3600 + 1, body()).await.0, 200);
    world.send(Method::PUT, "/v1/stripe/webhook-secret", &put(Value::Null)).await.unwrap();
    assert_eq!(signed(&url, next, NOW + 24 * 3600 + 1, body()).await.0, 400);
    assert_eq!(webhook(&world).await["status"], "not_configured");
}

#[tokio::test(flavor = "multi_thread")]
async fn billfold_makes_its_endpoint_uses_it_again_and_switches_it_off() {
    let (world, url) = connected(35).await;
    let nothing = json!({});
    let make = || world.send(Method::POST, "/v1/stripe/webhook-endpoint", &nothing);
    let refused = make().await.unwrap();
    assert_eq!((refused.status.as_u16(), &refused.body["code"]), (409, &json!("webhook_permission_missing")));
    for permission in ["rak_webhook_read", "rak_webhook_write"] {
        world.sim.grant(world.sim.api_key(), permission);
    }
    for _ in 0..2 {
        let made = make().await.unwrap();
        assert_eq!((made.status.as_u16(), &made.body["webhook"]["managed"]), (201, &json!(true)), "{:#}", made.body);
    }
    world.sim.advance(60);
    for seed in 1..20 {
        world.sim.random_change(&mut billfold_sim::Dice::new(seed));
    }
    assert!(world.sim.waiting_deliveries() > 0, "the endpoint asks for events");
    let deliveries = world.sim.take_deliveries();
    assert!(deliveries.iter().all(|one| one.url == url && one.kind != "invoice.created"));
    for delivery in &deliveries {
        assert_eq!(post(&url, Some(&delivery.signature), delivery.body.to_vec()).await.0, 200, "{}", delivery.kind);
    }
    world.ask(Some(&world.token(Role::Owner).unwrap()), Method::DELETE, "/v1/stripe", Body::None).await.unwrap();
    world.sim.random_change(&mut billfold_sim::Dice::new(99));
    assert_eq!(world.sim.take_deliveries().len(), 0, "a disconnected endpoint is switched off");
    world.connect().await.unwrap();
    world.synced().await.unwrap();
    assert_eq!(make().await.unwrap().status, StatusCode::CREATED);
    for seed in 100..120 {
        world.sim.random_change(&mut billfold_sim::Dice::new(seed));
    }
    let endpoints: std::collections::BTreeSet<String> =
        world.sim.take_deliveries().into_iter().map(|delivery| delivery.endpoint_id).collect();
    assert_eq!(endpoints.len(), 1, "one endpoint of Billfold's is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_found_named_and_repaired() {
    let (world, _) = connected(36).await;
    let world = &world;
    let check = |body: Value| async move { world.send(Method::POST, "/v1/verify", &body).await.unwrap().body };
    let report = check(json!({ "sample": null, "repair": false })).await;
    assert_eq!((&report["different"], &report["checked"]), (&json!(0), &report["stored"]), "{report:#}");
    let place = world.sim.edit(|business| {
        let place = business.customers.iter().find(|(_, row)| !row.deleted && !row.test_clock).unwrap().0;
        business.customers[place].name = Some("Changed behind our back".into());
        place
    });
    let id = world.sim.read(|business| business.id(Kind::Customer, place));
    world.sim.advance(60);
    let report = check(json!({ "sample": null, "repair": true })).await;
    let difference = &report["differences"][0];
    assert_eq!((&report["different"], &report["repaired"]), (&json!(1), &json!(1)), "{report:#}");
    assert_eq!((&difference["id"], &difference["field"]), (&json!(id), &json!("name")));
    assert_eq!(difference["stripe"], "Changed behind our back");
    assert_eq!(check(json!({ "sample": null, "repair": false })).await["different"], 0);
    assert_eq!(check(json!({ "sample": 5 })).await["checked"], 5);
    let member = world.token(Role::Member).unwrap();
    let refused = world.ask(Some(&member), Method::POST, "/v1/verify", Body::Json(&json!({}))).await.unwrap();
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

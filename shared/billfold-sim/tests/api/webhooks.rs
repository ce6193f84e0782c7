//! Webhook endpoints, events and deliveries, signatures included.

use std::sync::{Arc, Mutex};

use billfold_sim::{Change, Delivery, Version, signature};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::{Client, NOW, read, text};

fn rename(customer: &str) -> Change {
    Change::UpdateCustomer { customer: customer.to_owned(), name: Some("Renamed".to_owned()), email: None }
}

fn body(delivery: &Delivery) -> Value {
    serde_json::from_slice(&delivery.body).expect("JSON")
}

#[tokio::test]
async fn creating_an_endpoint_needs_writing_and_shows_its_secret_once() {
    let (sim, client) = Client::start(3).await;
    let form = "url=https%3A%2F%2Fexample.com%2Fhook&enabled_events[0]=invoice.paid&api_version=2026-09-30.endive&metadata[by]=billing";
    assert_eq!(client.post("/v1/webhook_endpoints", form).await.status, 403);
    sim.grant(sim.api_key(), "webhook_write");
    let made = client.post("/v1/webhook_endpoints", form).await;
    assert_eq!(made.status, 200, "{}", made.body);
    assert!(text(&made.body["secret"]).starts_with("whsec_"));
    assert_eq!(made.body["metadata"]["by"], "billing");
    let path = format!("/v1/webhook_endpoints/{}", text(&made.body["id"]));
    let shown = client.ok(&path).await.body;
    assert_eq!(shown.get("secret"), None);
    assert_eq!(shown["api_version"], "2026-09-30.endive");
    let off = client.post(&path, "disabled=true&enabled_events[]=*").await;
    assert_eq!((&off.body["status"], &off.body["enabled_events"][0]), (&"disabled".into(), &"*".into()));
    assert_eq!(client.post(&path, "api_version=2024-06-20").await.status, 400);
    let gone = client.delete(&path).await.body;
    assert_eq!(gone["deleted"], true);
    assert_eq!(client.get(&path).await.status, 404);
}

#[tokio::test]
async fn endpoints_that_make_no_sense_are_refused() {
    let (sim, client) = Client::start(3).await;
    sim.grant(sim.api_key(), "webhook_write");
    for (form, param) in [
        ("enabled_events[]=*", "url"),
        ("url=https://example.com", "enabled_events"),
        ("url=ftp://example.com&enabled_events[]=*", "url"),
        ("url=https://example.com&enabled_events[]=invoice.paid&enabled_events[]=no_such.event", "enabled_events[1]"),
        ("url=https://example.com&enabled_events[]=*&api_version=soon", "api_version"),
        ("url=https://example.com&enabled_events[]=*&color=red", "color"),
    ] {
        let answer = client.post("/v1/webhook_endpoints", form).await;
        assert_eq!((answer.status, answer.error()["param"].as_str()), (400, Some(param)), "{form}");
    }
    for _ in 0..16 {
        let made = client.post("/v1/webhook_endpoints", "url=https://example.com&enabled_events[]=*").await;
        assert_eq!(made.status, 200);
    }
    let answer = client.post("/v1/webhook_endpoints", "url=https://example.com&enabled_events[]=*").await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn an_idempotency_key_makes_one_endpoint() {
    let (sim, client) = Client::start(3).await;
    sim.grant(sim.api_key(), "webhook_write");
    let send = |form: &'static str| {
        let request = client.request(reqwest::Method::POST, "/v1/webhook_endpoints");
        read(request.header("idempotency-key", "one").body(form))
    };
    let first = send("url=https://example.com&enabled_events[]=*").await;
    let again = send("url=https://example.com&enabled_events[]=*").await;
    assert_eq!(first.body, again.body);
    assert_eq!((first.header("idempotent-replayed"), again.header("idempotent-replayed")), ("", "true"));
    assert_eq!(client.ok("/v1/webhook_endpoints").await.data().len(), 1);
    let other = send("url=https://example.org&enabled_events[]=*").await;
    assert_eq!((other.status, &other.error()["type"]), (400, &"idempotency_error".into()));
}

#[tokio::test]
async fn deliveries_are_signed_and_in_the_version_of_their_endpoint() {
    let (sim, client) = Client::start(60).await;
    let new = sim.add_endpoint("http://127.0.0.1:9/new", &["*"], Some(Version::pinned()));
    let old = sim.add_endpoint("http://127.0.0.1:9/old", &["*"], Version::parse("2024-06-20"));
    sim.add_endpoint("http://127.0.0.1:9/none", &["invoice.paid"], None);
    let subscription = client.ok("/v1/subscriptions?status=active&limit=1").await.ids().remove(0);
    sim.apply(&Change::SetQuantity { subscription, item: None, quantity: 77 }).expect("changed");
    let deliveries = sim.take_deliveries();
    assert_eq!(deliveries.len(), 2);
    for (delivery, endpoint, version) in
        [(&deliveries[0], &new, "2026-09-30.endive"), (&deliveries[1], &old, "2024-06-20")]
    {
        assert_eq!(delivery.endpoint_id, endpoint.id);
        assert_eq!(delivery.signature, signature(&endpoint.secret, NOW, &delivery.body));
        assert_eq!(body(delivery)["api_version"], version);
        assert_eq!(body(delivery)["type"], "customer.subscription.updated");
    }
    let (new, old) = (body(&deliveries[0]), body(&deliveries[1]));
    assert_eq!(new["id"], old["id"]);
    assert_eq!(new["data"]["object"].get("current_period_end"), None);
    assert!(old["data"]["object"]["current_period_end"].is_i64());
    assert_eq!(sim.waiting_deliveries(), 0);
}

#[tokio::test]
async fn previous_attributes_hold_what_was_before() {
    let (sim, client) = Client::start(10).await;
    let row = client.ok("/v1/customers?limit=1").await.data()[0].clone();
    sim.apply(&rename(&text(&row["id"]))).expect("renamed");
    let event = client.ok("/v1/events?limit=1").await.data()[0].clone();
    assert_eq!(event["data"]["object"]["name"], "Renamed");
    assert_eq!(event["data"]["previous_attributes"], serde_json::json!({"name": row["name"]}));
    // A change that changes nothing says nothing.
    let again = sim.apply(&rename(&text(&row["id"]))).expect("renamed again");
    assert_eq!(again.events, Vec::<String>::new());
}

#[tokio::test]
async fn events_stay_in_the_version_of_their_time() {
    let (sim, mut client) = Client::start(10).await;
    sim.edit(|business| business.account.api_version = Version::parse("2024-06-20").expect("a version"));
    let subscription = client.ok("/v1/subscriptions?status=active&limit=1").await.ids().remove(0);
    sim.apply(&Change::SetQuantity { subscription, item: None, quantity: 77 }).expect("changed");
    client.version = Some("2026-09-30.endive".to_owned());
    let event = client.ok("/v1/events?limit=1").await.data()[0].clone();
    assert_eq!(event["api_version"], "2024-06-20");
    assert!(event["data"]["object"]["current_period_end"].is_i64());
}

#[tokio::test]
async fn pending_webhooks_count_down_as_endpoints_take_them() {
    let (sim, client) = Client::start(10).await;
    sim.add_endpoint("http://127.0.0.1:9/", &["*"], None);
    let customer = client.ok("/v1/customers?limit=1").await.ids().remove(0);
    sim.apply(&rename(&customer)).expect("renamed");
    assert_eq!(client.ok("/v1/events").await.data()[0]["pending_webhooks"], 1);
    assert_eq!(client.ok("/v1/events?delivery_success=false").await.data().len(), 1);
    assert_eq!(sim.take_deliveries().len(), 1);
    assert_eq!(client.ok("/v1/events").await.data()[0]["pending_webhooks"], 0);
}

/// A receiver that answers with the statuses given, the last one for good, and keeps the bodies.
async fn receiver(statuses: Vec<u16>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    tokio::spawn(async move {
        let mut turn = 0;
        while let Ok((mut stream, _)) = listener.accept().await {
            let request = whole_request(&mut stream).await;
            kept.lock().expect("no panic").push(request);
            let status = statuses[turn.min(statuses.len() - 1)];
            turn += 1;
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.expect("written");
        }
    });
    (url, seen)
}

async fn whole_request(stream: &mut tokio::net::TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let mut part = [0; 4_096];
        let count = stream.read(&mut part).await.expect("read");
        bytes.extend_from_slice(&part[..count]);
        let request = String::from_utf8_lossy(&bytes).into_owned();
        let lower = request.to_lowercase();
        let length = lower.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
        let done = request.split_once("\r\n\r\n").is_some_and(|(_, body)| Some(body.len()) == length);
        if done || count == 0 {
            return request;
        }
    }
}

#[tokio::test]
async fn what_an_endpoint_does_not_take_is_sent_again() {
    let (sim, client) = Client::start(10).await;
    let (url, seen) = receiver(vec![500, 200]).await;
    let endpoint = sim.add_endpoint(&url, &["*"], None);
    let customer = client.ok("/v1/customers?limit=1").await.ids().remove(0);
    sim.apply(&rename(&customer)).expect("renamed");
    let first = sim.deliver_all(&client.http).await;
    assert_eq!((first.delivered, first.failed), (0, 1));
    sim.advance(60);
    let second = sim.deliver_all(&client.http).await;
    assert_eq!((second.delivered, second.failed), (1, 0));
    assert_eq!(sim.deliver_all(&client.http).await.delivered, 0);
    let seen = seen.lock().expect("no panic").clone();
    let (head, sent) = seen[1].split_once("\r\n\r\n").expect("a request");
    let expected = signature(&endpoint.secret, NOW + 60, sent.as_bytes());
    assert!(head.to_lowercase().contains(&format!("stripe-signature: {expected}")), "{head}");
}

#[tokio::test]
async fn nothing_is_delivered_to_an_endpoint_that_is_gone() {
    let (sim, client) = Client::start(10).await;
    sim.grant(sim.api_key(), "webhook_write");
    let endpoint = sim.add_endpoint("http://127.0.0.1:9/", &["*"], None);
    let customer = client.ok("/v1/customers?limit=1").await.ids().remove(0);
    sim.apply(&rename(&customer)).expect("renamed");
    client.delete(&format!("/v1/webhook_endpoints/{}", endpoint.id)).await;
    assert_eq!(sim.take_deliveries(), Vec::new());
}

#[tokio::test]
async fn an_endpoint_can_be_pointed_elsewhere_and_hears_nothing_while_disabled() {
    let (sim, client) = Client::start(10).await;
    let endpoint = sim.add_endpoint("http://127.0.0.1:9/", &["*"], None);
    let customer = client.ok("/v1/customers?limit=1").await.ids().remove(0);
    assert!(sim.disable_endpoint(&endpoint.id));
    sim.apply(&rename(&customer)).expect("renamed");
    assert_eq!(sim.waiting_deliveries(), 0);
    assert!(sim.point_endpoint(&endpoint.id, "http://127.0.0.1:10/"));
    sim.apply(&Change::DeleteCustomer { customer }).expect("deleted");
    let deliveries = sim.take_deliveries();
    assert!(!deliveries.is_empty());
    assert!(deliveries.iter().all(|delivery| delivery.url == "http://127.0.0.1:10/"));
    assert!(!sim.point_endpoint("we_none", "http://127.0.0.1:10/"));
}

//! What must hold after any number of changes: objects keep their shape, events tell the whole
//! story, and the truth can still be read.

use std::collections::BTreeMap;

use billfold_sim::{Dice, Sim, Version};
use serde_json::Value;

use crate::client::{Client, spec, text};
use crate::schema::Schema;

/// A business through which many changes have gone, some time apart.
async fn lively(seed: u64, changes: u32) -> (Sim, Client) {
    let (sim, client) = Client::start(150).await;
    let mut dice = Dice::new(seed);
    for _ in 0..changes {
        sim.advance(37);
        sim.random_change(&mut dice).expect("something happens");
    }
    (sim, client)
}

#[tokio::test]
async fn objects_keep_their_published_shape() {
    let (_, client) = lively(1, 500).await;
    let schema = Schema::read();
    for path in [
        "products",
        "prices",
        "coupons",
        "customers",
        "subscriptions?status=all",
        "invoices?expand[]=data.payments",
        "charges",
        "refunds",
        "disputes",
        "credit_notes",
        "invoice_payments",
        "events",
    ] {
        for row in client.all(&format!("/v1/{path}")).await {
            let faults = schema.faults(&row);
            assert!(faults.is_empty(), "{path}: {faults:#?}\n{row:#}");
        }
    }
}

/// What other objects' events speak for, and what no event speaks for.
fn without_embedded(mut row: Value) -> Value {
    row.as_object_mut().expect("an object").remove("next_invoice_sequence");
    for item in row["items"]["data"].as_array_mut().into_iter().flatten() {
        for key in ["price", "plan"] {
            item[key] = item[key]["id"].clone();
        }
    }
    row
}

#[tokio::test]
async fn the_newest_event_of_an_object_carries_it_as_it_is() {
    let (_, client) = lively(2, 400).await;
    let mut newest: BTreeMap<String, Value> = BTreeMap::new();
    for event in client.all("/v1/events").await {
        let object = event["data"]["object"].clone();
        newest.entry(text(&object["id"])).or_insert(object);
    }
    let mut checked = BTreeMap::new();
    for (id, object) in newest {
        let kind = text(&object["object"]);
        if !["customer", "subscription", "invoice"].contains(&kind.as_str()) {
            continue;
        }
        let now = client.ok(&format!("/v1/{kind}s/{id}")).await.body;
        if now["deleted"] == true {
            continue;
        }
        assert_eq!(without_embedded(object), without_embedded(now), "{id}");
        *checked.entry(kind).or_insert(0) += 1;
    }
    assert!(checked.len() == 3 && checked.values().all(|&count| count > 20), "{checked:?}");
}

#[tokio::test]
async fn what_an_event_says_was_before_was_so() {
    let (sim, client) = Client::start(80).await;
    sim.add_endpoint("http://127.0.0.1:9/", &["*"], Some(Version::pinned()));
    let mut dice = Dice::new(3);
    let mut seen: BTreeMap<String, Value> = BTreeMap::new();
    for row in client.all("/v1/customers").await {
        seen.insert(text(&row["id"]), row);
    }
    let mut checked = 0;
    for _ in 0..300 {
        sim.random_change(&mut dice).expect("something happens");
        for delivery in sim.take_deliveries() {
            let event: Value = serde_json::from_slice(&delivery.body).expect("JSON");
            let object = event["data"]["object"].clone();
            if event["type"] == "customer.updated" {
                let before = &seen[&text(&object["id"])];
                for (key, old) in event["data"]["previous_attributes"].as_object().expect("what changed") {
                    let whole = !old.is_object() || before[key].is_null();
                    assert!(!whole || &before[key] == old, "{key}: {old} was {}", before[key]);
                    assert_ne!(&object[key], old, "{key} did not change");
                    checked += 1;
                }
            }
            if object["object"] == "customer" {
                seen.insert(text(&object["id"]), object);
            }
        }
    }
    assert!(checked > 20, "only {checked} attributes were compared");
}

#[tokio::test]
async fn the_truth_after_changes_is_still_what_can_be_read() {
    let (sim, client) = lively(4, 400).await;
    let truth = sim.truth();
    for row in client.all("/v1/subscriptions?status=all").await {
        let customer = &truth.customers[&text(&row["customer"])];
        let own = &customer.subscriptions[&text(&row["id"])];
        assert_eq!((row["status"].as_str(), row["currency"].as_str()), (Some(own.status), Some(own.currency.as_str())));
        let counts = ["active", "past_due"].contains(&own.status) && row["pause_collection"].is_null();
        assert!(counts || (own.mrr, own.arr) == (0, 0), "{row:#}");
    }
    let by_hand: i64 =
        truth.customers.values().filter(|row| !row.test_clock).filter_map(|row| row.mrr.get("usd")).sum();
    assert_eq!(truth.mrr["usd"], by_hand);
    let accounts: i64 = truth.accounts().values().filter_map(|account| account.mrr.get("usd")).sum();
    assert_eq!(truth.mrr["usd"], accounts, "every paying customer belongs to an account");
}

#[tokio::test]
async fn the_same_changes_send_the_same_bytes() {
    let run = || {
        let sim = Sim::generate(&spec(60));
        sim.add_endpoint("http://127.0.0.1:9/", &["*"], Some(Version::pinned()));
        let mut dice = Dice::new(5);
        for _ in 0..100 {
            sim.advance(1);
            sim.random_change(&mut dice).expect("something happens");
        }
        sim.take_deliveries()
    };
    let (one, two) = (run(), run());
    assert!(one.len() > 100);
    assert_eq!(one, two);
}

#[tokio::test]
async fn time_passes_without_leaving_anything_overdue() {
    let (sim, client) = Client::start(150).await;
    sim.pass_days(40);
    let now = sim.now();
    for row in client.all("/v1/subscriptions").await {
        let live = ["active", "past_due", "trialing"].contains(&row["status"].as_str().expect("a status"));
        for item in row["items"]["data"].as_array().expect("items") {
            let end = item["current_period_end"].as_i64().expect("an end");
            assert!(!live || end > now, "{row:#}");
        }
    }
    let first = client.all(&format!("/v1/invoices?created[gte]={}", now - 40 * 86_400)).await;
    assert!(first.iter().filter(|row| row["status"] == "paid").count() > 20, "renewals were billed and paid");
}

//! Every kind of object, whole businesses of them, against Stripe's field lists.

use billfold_sim::{ApiKey, Change};
use serde_json::Value;

use crate::client::Client;
use crate::schema::Schema;

fn check(schema: &Schema, rows: &[Value], from: &str) {
    assert!(!rows.is_empty(), "{from} gave nothing to check");
    for row in rows {
        let faults = schema.faults(row);
        assert!(faults.is_empty(), "{from}: {faults:#?}\n{row:#}");
    }
}

#[tokio::test]
async fn every_list_has_exactly_the_published_fields() {
    let (_, client) = Client::start(400).await;
    let schema = Schema::read();
    for path in [
        "products",
        "prices",
        "prices?active=false",
        "prices?expand[]=data.tiers&expand[]=data.product",
        "coupons?expand[]=data.applies_to",
        "customers",
        "customers?expand[]=data.subscriptions&expand[]=data.discount.source.coupon",
        "subscriptions?status=all",
        "subscriptions?expand[]=data.discounts.source.coupon&expand[]=data.items.data.discounts",
        "subscriptions?expand[]=data.latest_invoice&expand[]=data.customer",
        "invoices",
        "invoices?expand[]=data.payments&expand[]=data.discounts&expand[]=data.subscription",
        "invoice_payments",
        "charges",
        "charges?expand[]=data.refunds",
        "refunds?expand[]=data.charge",
        "disputes",
        "credit_notes",
    ] {
        let rows = client.all(&format!("/v1/{path}")).await;
        check(&schema, &rows, path);
    }
}

#[tokio::test]
async fn single_objects_have_exactly_the_published_fields() {
    let (sim, mut client) = Client::start(30).await;
    let secret = "sk_test_everything_is_allowed";
    sim.add_key(ApiKey::new(secret, &[]));
    client.key = secret.to_owned();
    sim.add_endpoint("http://127.0.0.1:9/", &["*"], None);
    let schema = Schema::read();
    for path in ["account", "balance"] {
        let one = client.ok(&format!("/v1/{path}")).await.body;
        check(&schema, &[one], path);
    }
    let invoice = client.ok("/v1/invoices?limit=1").await.ids().remove(0);
    let lines = client.ok(&format!("/v1/invoices/{invoice}/lines")).await;
    check(&schema, lines.data(), "lines");
    let subscription = client.ok("/v1/subscriptions?limit=1").await.ids().remove(0);
    let items = client.ok(&format!("/v1/subscription_items?subscription={subscription}")).await;
    check(&schema, items.data(), "items");
    let endpoints = client.ok("/v1/webhook_endpoints").await;
    check(&schema, endpoints.data(), "webhook endpoints");
}

#[tokio::test]
async fn an_object_by_id_is_the_object_of_the_list() {
    let (_, client) = Client::start(60).await;
    for resource in [
        "products",
        "prices",
        "coupons",
        "customers",
        "subscriptions",
        "invoices",
        "invoice_payments",
        "charges",
        "refunds",
        "credit_notes",
    ] {
        for row in client.ok(&format!("/v1/{resource}?limit=3")).await.data() {
            let id = row["id"].as_str().expect("an id").replace('%', "%25").replace(' ', "%20").replace('/', "%2F");
            let one = client.ok(&format!("/v1/{resource}/{id}")).await;
            assert_eq!(&one.body, row, "{resource}/{id}");
        }
    }
}

#[tokio::test]
async fn events_have_the_published_fields_and_a_whole_object() {
    let (sim, client) = Client::start(30).await;
    let applied = sim.apply(&Change::CreateCustomer { name: Some("New".to_owned()), email: None }).expect("created");
    let events = client.ok("/v1/events").await;
    let schema = Schema::read();
    check(&schema, events.data(), "events");
    assert_eq!(events.ids(), applied.events);
    let object = events.data()[0]["data"]["object"].clone();
    check(&schema, std::slice::from_ref(&object), "customer.created");
    assert_eq!(object["id"].as_str(), applied.created.as_deref());
}

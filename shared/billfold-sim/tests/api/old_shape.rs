//! Versions from before 2025-03-31 and between: the same objects in the shapes of their time.

use serde_json::Value;

use crate::client::{Client, text};

async fn client(version: &str) -> Client {
    let (_, mut client) = Client::start(200).await;
    client.version = Some(version.to_owned());
    client
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

fn has(value: &Value, wanted: &[&str]) {
    let own = keys(value);
    for key in wanted {
        assert!(own.contains(key), "{key} is missing: {own:?}");
    }
}

fn lacks(value: &Value, unwanted: &[&str]) {
    let own = keys(value);
    for key in unwanted {
        assert!(!own.contains(key), "{key} is there: {own:?}");
    }
}

#[tokio::test]
async fn the_period_was_on_the_subscription() {
    let client = client("2024-06-20").await;
    for row in client.ok("/v1/subscriptions?limit=20").await.data() {
        has(row, &["current_period_start", "current_period_end", "discount", "plan", "quantity"]);
        lacks(row, &["billing_mode", "billing_schedules", "status_details"]);
        let item = &row["items"]["data"][0];
        lacks(item, &["current_period_start", "current_period_end", "current_trial"]);
        has(item, &["plan", "price"]);
        has(&item["price"]["recurring"], &["aggregate_usage"]);
        has(&row["items"], &["total_count"]);
    }
}

#[tokio::test]
async fn a_subscription_had_one_discount_with_its_coupon_in_it() {
    let client = client("2024-06-20").await;
    let rows = client.all("/v1/subscriptions").await;
    let discounted = rows.iter().find(|row| row["discount"].is_object()).expect("a discount");
    has(&discounted["discount"]["coupon"], &["id", "duration", "percent_off"]);
    lacks(&discounted["discount"], &["source"]);
}

#[tokio::test]
async fn the_invoice_named_its_subscription_charge_and_tax() {
    let client = client("2024-06-20").await;
    let rows = client.all("/v1/invoices").await;
    for row in &rows {
        has(
            row,
            &["subscription", "charge", "payment_intent", "paid", "tax", "total_tax_amounts", "discount", "quote"],
        );
        lacks(row, &["parent", "total_taxes"]);
        assert_eq!(row["paid"], Value::from(row["status"] == "paid"));
        let line = &row["lines"]["data"][0];
        has(line, &["price", "plan", "proration", "type", "tax_amounts"]);
        lacks(line, &["parent", "pricing", "taxes"]);
    }
    let paid = rows.iter().find(|row| row["charge"].is_string()).expect("a charged invoice");
    let charge = client.ok(&format!("/v1/charges/{}", text(&paid["charge"]))).await.body;
    assert_eq!(charge["invoice"], paid["id"]);
    assert_eq!(charge["payment_intent"], paid["payment_intent"]);
}

#[tokio::test]
async fn old_keys_that_were_recorded_are_all_there() {
    let client = client("2020-08-27").await;
    // The keys of answers recorded from Stripe in the shape of its time.
    let subscription = [
        "id",
        "object",
        "application_fee_percent",
        "billing_cycle_anchor",
        "billing_thresholds",
        "cancel_at",
        "cancel_at_period_end",
        "canceled_at",
        "collection_method",
        "created",
        "current_period_end",
        "current_period_start",
        "customer",
        "days_until_due",
        "default_payment_method",
        "default_source",
        "default_tax_rates",
        "discount",
        "ended_at",
        "items",
        "latest_invoice",
        "livemode",
        "metadata",
        "next_pending_invoice_item_invoice",
        "pause_collection",
        "pending_invoice_item_interval",
        "pending_setup_intent",
        "pending_update",
        "plan",
        "quantity",
        "schedule",
        "start_date",
        "status",
        "tax_percent",
        "transfer_data",
        "trial_end",
        "trial_start",
    ];
    let line = [
        "id",
        "object",
        "amount",
        "currency",
        "description",
        "discountable",
        "livemode",
        "metadata",
        "period",
        "plan",
        "price",
        "proration",
        "quantity",
        "subscription",
        "subscription_item",
        "tax_amounts",
        "tax_rates",
        "type",
    ];
    has(&client.ok("/v1/subscriptions?limit=1").await.data()[0], &subscription);
    let invoices = client.all("/v1/invoices").await;
    let recurring = invoices.iter().find(|row| row["subscription"].is_string()).expect("a recurring invoice");
    has(&recurring["lines"]["data"][0], &line);
}

#[tokio::test]
async fn between_basil_and_clover_the_coupon_was_in_the_discount() {
    let (_, mut client) = Client::start(200).await;
    for (version, old) in [("2025-03-31.basil", true), ("2025-09-30.clover", false)] {
        client.version = Some(version.to_owned());
        let rows = client.all("/v1/subscriptions?expand[]=data.discounts").await;
        let discounts: Vec<&Value> = rows.iter().flat_map(|row| row["discounts"].as_array().expect("a list")).collect();
        let discount = discounts.first().expect("a discount");
        assert_eq!(discount["coupon"].is_object(), old, "{version}");
        assert_eq!(discount["source"].is_object(), !old, "{version}");
        assert!(rows[0]["items"]["data"][0]["current_period_end"].is_i64(), "{version}");
        lacks(&rows[0]["items"]["data"][0], &["current_trial"]);
    }
}

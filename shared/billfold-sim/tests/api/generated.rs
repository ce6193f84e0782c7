//! What a generated business looks like from outside: reading it all gives what the truth says.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::client::{Client, NOW, text};

const WINDOW: i64 = 365 * 86_400;

#[tokio::test]
async fn a_full_read_finds_the_counts_and_needs_the_fewest_requests() {
    let (sim, client) = Client::start(500).await;
    let truth = sim.truth();
    let from = NOW - WINDOW;
    let lists = [
        ("products", vec!["products".to_owned()]),
        ("prices", vec!["prices?active=true".to_owned(), "prices?active=false".to_owned()]),
        ("coupons", vec!["coupons".to_owned()]),
        ("customers", vec!["customers".to_owned()]),
        ("subscriptions", vec!["subscriptions?status=all".to_owned()]),
        ("invoices", vec![format!("invoices?created[gte]={from}")]),
        ("charges", vec![format!("charges?created[gte]={from}")]),
        ("refunds", vec![format!("refunds?created[gte]={from}")]),
        ("disputes", vec![format!("disputes?created[gte]={from}")]),
        ("credit_notes", vec![format!("credit_notes?created[gte]={from}")]),
    ];
    for (resource, paths) in lists {
        sim.clear_requests();
        let mut rows = 0;
        for path in paths {
            rows += client.all(&format!("/v1/{path}")).await.len() as u64;
        }
        assert_eq!(rows, truth.counts[resource], "{resource}");
        assert_eq!(sim.requests().total, truth.fewest_requests[resource], "{resource}");
    }
}

#[tokio::test]
async fn invoices_of_the_truth_are_those_of_the_list() {
    let (sim, client) = Client::start(150).await;
    let mut by_customer: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in client.all(&format!("/v1/invoices?created[gte]={}", NOW - WINDOW)).await {
        by_customer.entry(text(&row["customer"])).or_default().push(text(&row["id"]));
    }
    for (id, customer) in &sim.truth().customers {
        if !customer.test_clock {
            let listed = by_customer.remove(id).unwrap_or_default();
            assert_eq!(listed, customer.invoices, "{id}");
        }
    }
    assert!(by_customer.is_empty(), "{by_customer:?}");
}

#[tokio::test]
async fn amounts_of_every_invoice_agree_with_each_other() {
    let (_, client) = Client::start(400).await;
    for row in client.all("/v1/invoices?expand[]=data.payments").await {
        let int = |value: &Value| value.as_i64().unwrap_or_else(|| panic!("no integer: {value}"));
        let lines = match row["lines"]["has_more"].as_bool() {
            Some(true) => client.all(row["lines"]["url"].as_str().expect("a url")).await,
            _ => row["lines"]["data"].as_array().expect("lines").clone(),
        };
        let sum = |of: &dyn Fn(&Value) -> i64| lines.iter().map(of).sum::<i64>();
        let off =
            sum(&|line| line["discount_amounts"].as_array().expect("a list").iter().map(|d| int(&d["amount"])).sum());
        let exclusive = sum(&|line| {
            let taxes = line["taxes"].as_array().expect("a list").iter();
            taxes.filter(|tax| tax["tax_behavior"] == "exclusive").map(|tax| int(&tax["amount"])).sum()
        });
        let gross = sum(&|line| int(&line["amount"]));
        assert_eq!(int(&row["total"]), gross - off + exclusive, "{row:#}");
        assert_eq!(int(&row["amount_remaining"]), int(&row["amount_due"]) - int(&row["amount_paid"]));
        let shown = row["total_discount_amounts"].as_array().expect("a list").iter().map(|d| int(&d["amount"]));
        assert_eq!(shown.sum::<i64>(), off);
        let payments = row["payments"]["data"].as_array().expect("payments").iter();
        let paid: i64 = payments.map(|payment| payment["amount_paid"].as_i64().unwrap_or(0)).sum();
        assert_eq!(paid, int(&row["amount_paid"]), "{row:#}");
        let settled = row["status"] == "paid";
        assert_eq!(row["status_transitions"]["paid_at"].is_i64(), settled);
        assert!(!settled || int(&row["amount_remaining"]) == 0);
        assert_eq!(row["number"].is_string(), row["status"] != "draft");
    }
}

#[tokio::test]
async fn nothing_lies_in_the_future_but_what_is_planned() {
    let (_, client) = Client::start(300).await;
    for path in ["customers", "subscriptions?status=all", "invoices", "charges", "refunds", "disputes", "credit_notes"]
    {
        for row in client.all(&format!("/v1/{path}")).await {
            assert!(row["created"].as_i64().is_some_and(|at| at <= NOW), "{path}: {row:#}");
        }
    }
    for row in client.all("/v1/invoices").await {
        for (name, at) in row["status_transitions"].as_object().expect("transitions") {
            assert!(at.as_i64().is_none_or(|at| at <= NOW), "{name}: {row:#}");
        }
    }
}

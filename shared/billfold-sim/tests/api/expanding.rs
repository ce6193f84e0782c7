//! Expansion: what stays an id, what becomes an object, and what that needs.

use billfold_sim::{Change, Sim};
use serde_json::Value;

use crate::client::{Client, NOW, business, text};

async fn one_subscription(sim: &Sim, client: &Client) -> String {
    let customer =
        sim.apply(&Change::CreateCustomer { name: None, email: None }).expect("a customer").created.expect("an id");
    let prices = client.ok("/v1/prices?currency=usd&type=recurring&limit=100").await;
    let price = prices.data().iter().find(|row| row["billing_scheme"] == "per_unit").expect("a price")["id"].clone();
    let change = Change::CreateSubscription {
        customer,
        price: text(&price),
        quantity: 2,
        trial_days: None,
        coupon: Some("PARTNER20".to_owned()),
    };
    sim.apply(&change).expect("subscribed").created.expect("an id")
}

#[tokio::test]
async fn discounts_are_ids_until_expanded_and_so_are_their_coupons() {
    let (sim, client) = Client::start(10).await;
    let id = one_subscription(&sim, &client).await;
    let path = format!("/v1/subscriptions/{id}");
    let plain = client.ok(&path).await.body;
    assert!(text(&plain["discounts"][0]).starts_with("di_"));
    let discount = client.ok(&format!("{path}?expand[]=discounts")).await.body["discounts"][0].clone();
    assert_eq!(discount["id"], plain["discounts"][0]);
    assert_eq!(discount["source"]["coupon"], "PARTNER20");
    assert_eq!(discount["subscription"], id.as_str());
    let deep = client.ok(&format!("{path}?expand[]=discounts.source.coupon")).await.body;
    assert_eq!(deep["discounts"][0]["source"]["coupon"]["percent_off"], 20.0);
}

#[tokio::test]
async fn tiers_and_currencies_appear_only_when_asked_for() {
    let (_, client) = Client::start(3).await;
    let is_tiered = |row: &&Value| row["billing_scheme"] == "tiered";
    let plain = client.all("/v1/prices").await;
    assert!(plain.iter().all(|row| row.get("tiers").is_none() && row.get("currency_options").is_none()));
    let asked = client.all("/v1/prices?expand[]=data.tiers&expand[]=data.currency_options").await;
    let tiered: Vec<&Value> = asked.iter().filter(is_tiered).collect();
    assert!(!tiered.is_empty());
    for row in tiered {
        let tiers = row["tiers"].as_array().expect("tiers");
        assert_eq!(tiers.last().expect("a last tier")["up_to"], Value::Null);
        assert!(row["unit_amount"].is_null() && row["unit_amount_decimal"].is_null());
        assert!(row["currency_options"][text(&row["currency"])].is_object());
    }
}

#[tokio::test]
async fn sub_cent_prices_have_only_a_decimal() {
    let (_, client) = Client::start(3).await;
    let prices = client.all("/v1/prices?type=recurring").await;
    let fine = prices.iter().find(|row| row["unit_amount_decimal"] == "0.5").expect("a sub-cent price");
    assert_eq!(fine["unit_amount"], Value::Null);
}

#[tokio::test]
async fn applies_to_and_further_currencies_of_a_coupon_are_expanded() {
    let (_, client) = Client::start(3).await;
    let plain = client.ok("/v1/coupons/TEAM10").await.body;
    assert_eq!(plain.get("applies_to"), None);
    let asked = client.ok("/v1/coupons/TEAM10?expand[]=applies_to").await.body;
    assert_eq!(asked["applies_to"]["products"].as_array().map(Vec::len), Some(1));
    let wide = client.ok("/v1/coupons/FIVEOFF?expand[]=currency_options").await.body;
    assert_eq!(wide["currency_options"]["eur"]["amount_off"], 450);
    assert_eq!((&wide["amount_off"], &wide["currency"]), (&500.into(), &"usd".into()));
}

#[tokio::test]
async fn four_levels_are_the_most() {
    let (_, client) = Client::start(10).await;
    client.ok("/v1/subscriptions?expand[]=data.items.data.discounts").await;
    let deep = client.get("/v1/subscriptions?expand[]=data.items.data.price.product").await;
    assert_eq!(deep.status, 400);
    let said = text(&deep.error()["message"]);
    assert!(said.contains("more than 4 levels"), "{said}");
    let wrong = client.get("/v1/subscriptions?expand[]=data.nonsense").await;
    assert_eq!(wrong.status, 400);
    let said = text(&wrong.error()["message"]);
    assert!(said.contains("cannot be expanded"), "{said}");
}

#[tokio::test]
async fn expansions_need_the_permission_of_what_they_show() {
    let (sim, client) = Client::start(10).await;
    sim.revoke(sim.api_key(), "coupon_read");
    client.ok("/v1/subscriptions?expand[]=data.discounts").await;
    let refused = client.get("/v1/subscriptions?expand[]=data.discounts.source.coupon").await;
    assert_eq!(refused.status, 403);
    let said = text(&refused.error()["message"]);
    assert!(said.contains("'rak_coupon_read'"), "{said}");
}

#[tokio::test]
async fn an_expanded_deleted_customer_is_a_stub() {
    let mut business = business(30);
    let place = business.customers.iter().find(|(_, row)| !row.subscriptions.is_empty()).expect("a customer").0;
    business.customers[place].deleted = true;
    let own = business.customers[place].subscriptions[0];
    let id = business.id(billfold_sim::Kind::Subscription, own);
    let client = Client::of(&Sim::new(business, 11, NOW)).await;
    let row = client.ok(&format!("/v1/subscriptions/{id}?expand[]=customer")).await.body;
    assert_eq!(row["customer"]["deleted"], true);
    assert_eq!(row["customer"].as_object().map(serde_json::Map::len), Some(3));
}

#[tokio::test]
async fn payments_of_an_invoice_are_expanded_in_place() {
    let (_, client) = Client::start(30).await;
    let paid = client.ok("/v1/invoices?status=paid&limit=100&expand[]=data.payments.data.invoice").await;
    let row = paid.data().iter().find(|row| row["amount_paid"] != 0).expect("a paid invoice");
    let payment = &row["payments"]["data"][0];
    assert_eq!(payment["amount_paid"], row["amount_paid"]);
    assert_eq!(payment["invoice"]["id"], row["id"]);
    let plain = client.ok("/v1/invoices?limit=1").await;
    assert_eq!(plain.data()[0].get("payments"), None);
}

//! The traps of list endpoints: what is left out by default, how cursors behave, what is refused.

use std::collections::BTreeSet;

use billfold_sim::{Change, Kind, Part, Sim};
use serde_json::Value;

use crate::client::{Client, NOW, business, text};

#[tokio::test]
async fn a_page_is_ten_rows_newest_first() {
    let (_, client) = Client::start(60).await;
    let page = client.ok("/v1/customers").await;
    assert_eq!(page.data().len(), 10);
    assert_eq!(page.body["object"], "list");
    assert_eq!(page.body["url"], "/v1/customers");
    assert_eq!(page.body["has_more"], true);
    let created: Vec<_> = page.data().iter().map(|row| row["created"].as_i64()).collect();
    assert!(created.is_sorted_by(|a, b| a >= b), "{created:?}");
}

#[tokio::test]
async fn limits_outside_one_to_a_hundred_are_refused() {
    let (_, client) = Client::start(5).await;
    for limit in ["0", "-1", "101", "all"] {
        let answer = client.get(&format!("/v1/customers?limit={limit}")).await;
        assert_eq!(answer.status, 400, "{limit}");
        assert_eq!(answer.error()["param"], "limit");
    }
}

#[tokio::test]
async fn cursors_walk_the_list_in_both_directions_without_a_gap() {
    let (sim, client) = Client::start(120).await;
    let all: Vec<String> = client.all("/v1/invoices").await.iter().map(|row| text(&row["id"])).collect();
    let distinct: BTreeSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len());
    let hidden = sim.read(|b| b.invoices.iter().filter(|(_, row)| row.test_clock).count());
    assert_eq!(all.len() + hidden, sim.read(|b| b.invoices.len()));
    let after = client.ok(&format!("/v1/invoices?limit=3&starting_after={}", all[4])).await;
    assert_eq!(after.ids(), all[5..8]);
    let before = client.ok(&format!("/v1/invoices?limit=3&ending_before={}", all[4])).await;
    assert_eq!(before.ids(), all[1..4]);
    assert_eq!(before.body["has_more"], true);
    let newest = client.ok(&format!("/v1/invoices?ending_before={}", all[2])).await;
    assert_eq!(newest.ids(), all[..2]);
    assert_eq!(newest.body["has_more"], false);
}

#[tokio::test]
async fn a_cursor_that_is_gone_is_a_bad_request() {
    let (sim, client) = Client::start(20).await;
    let second = client.ok("/v1/customers?limit=2").await.ids().remove(1);
    sim.apply(&Change::DeleteCustomer { customer: second.clone() }).expect("deleted");
    for (param, id) in
        [("starting_after", second.as_str()), ("ending_before", second.as_str()), ("starting_after", "cus_none")]
    {
        let answer = client.get(&format!("/v1/customers?{param}={id}")).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.error()["code"], "resource_missing");
        assert_eq!(answer.error()["param"], param);
        assert_eq!(answer.error()["message"], format!("No such customer: '{id}'"));
    }
    let both = client.get("/v1/customers?starting_after=a&ending_before=b").await;
    assert_eq!((both.status, &both.error()["code"]), (400, &Value::from("parameters_exclusive")));
}

#[tokio::test]
async fn created_bounds_a_list_at_both_ends() {
    let (_, client) = Client::start(120).await;
    let all = client.all("/v1/invoices").await;
    let times: Vec<i64> = all.iter().map(|row| row["created"].as_i64().expect("a time")).collect();
    let (low, high) = (times[times.len() / 2], times[3]);
    let expect = |keep: &dyn Fn(i64) -> bool| times.iter().filter(|&&time| keep(time)).count();
    let cases: [(String, usize); 4] = [
        (format!("created[gte]={low}&created[lte]={high}"), expect(&|t| t >= low && t <= high)),
        (format!("created[gt]={low}&created[lt]={high}"), expect(&|t| t > low && t < high)),
        (format!("created={high}"), expect(&|t| t == high)),
        (format!("created[gt]={NOW}"), 0),
    ];
    for (query, count) in cases {
        assert_eq!(client.all(&format!("/v1/invoices?{query}")).await.len(), count, "{query}");
    }
}

#[tokio::test]
async fn prices_are_active_and_never_inline_unless_asked() {
    let (sim, client) = Client::start(400).await;
    let listed: BTreeSet<String> = [client.all("/v1/prices").await, client.all("/v1/prices?active=false").await]
        .iter()
        .flatten()
        .map(|row| text(&row["id"]))
        .collect();
    let (shown, inline) = sim.read(|b| {
        let inline: Vec<String> =
            b.prices.iter().filter(|(_, p)| p.inline).map(|(i, _)| b.id(Kind::Price, i)).collect();
        (b.prices.len() - inline.len(), inline)
    });
    assert!(!inline.is_empty(), "the business has inline prices");
    assert_eq!(listed.len(), shown);
    assert!(inline.iter().all(|id| !listed.contains(id)));
    assert!(client.all("/v1/prices").await.iter().all(|row| row["active"] == true));
    let one = client.ok(&format!("/v1/prices/{}", inline[0])).await;
    assert_eq!(one.body["id"], inline[0].as_str());
}

#[tokio::test]
async fn subscriptions_hide_the_canceled_unless_asked() {
    let (sim, client) = Client::start(300).await;
    let count = |query: &'static str| {
        let client = &client;
        async move { client.all(&format!("/v1/subscriptions{query}")).await.len() }
    };
    let truth = |keep: &dyn Fn(&str) -> bool| {
        sim.read(|b| b.subscriptions.iter().filter(|(_, s)| !s.test_clock && keep(s.status.name())).count())
    };
    assert_eq!(count("").await, truth(&|s| s != "canceled"));
    assert_eq!(count("?status=all").await, truth(&|_| true));
    assert_eq!(count("?status=ended").await, truth(&|s| s == "canceled" || s == "incomplete_expired"));
    for status in ["active", "past_due", "trialing", "canceled", "unpaid", "incomplete_expired"] {
        let rows = client.all(&format!("/v1/subscriptions?status={status}")).await;
        assert_eq!(rows.len(), truth(&|s| s == status), "{status}");
        assert!(rows.iter().all(|row| row["status"] == status));
    }
    let wrong = client.get("/v1/subscriptions?status=dead").await;
    assert_eq!((wrong.status, &wrong.error()["param"]), (400, &Value::from("status")));
}

#[tokio::test]
async fn test_clock_objects_hide_unless_their_clock_or_customer_is_named() {
    let mut business = business(200);
    let place = business.customers.iter().find(|(_, c)| c.subscriptions.len() == 1 && !c.deleted).map(|(at, _)| at);
    let place = place.expect("a customer with one subscription");
    business.customers[place].test_clock = true;
    let own = business.customers[place].subscriptions[0];
    business.subscriptions[own].test_clock = true;
    let customer = business.id(Kind::Customer, place);
    let clock = business.ids.part(Part::TestClock, u64::from(place));
    let client = Client::of(&Sim::new(business, 11, NOW)).await;
    let customers = client.all("/v1/customers").await;
    assert!(customers.iter().all(|row| row["id"] != customer.as_str() && row["test_clock"].is_null()));
    let named = client.ok(&format!("/v1/customers?test_clock={clock}")).await;
    assert_eq!(named.ids(), [customer.as_str()]);
    for filter in [format!("customer={customer}"), format!("test_clock={clock}")] {
        let rows = client.ok(&format!("/v1/subscriptions?status=all&{filter}")).await;
        assert_eq!(rows.data().len(), 1, "{filter}");
        assert_eq!(rows.data()[0]["test_clock"], clock.as_str());
    }
    let all = client.all("/v1/subscriptions?status=all").await;
    assert!(all.iter().all(|row| row["customer"] != customer.as_str()));
}

#[tokio::test]
async fn deleted_objects_are_not_listed_but_leave_a_stub() {
    let (sim, client) = Client::start(20).await;
    let customer = client.ok("/v1/customers?limit=1").await.ids().remove(0);
    sim.apply(&Change::DeleteCustomer { customer: customer.clone() }).expect("deleted");
    let stub = client.ok(&format!("/v1/customers/{customer}")).await.body;
    assert_eq!(stub, serde_json::json!({"id": customer, "object": "customer", "deleted": true}));
    assert!(client.all("/v1/customers").await.iter().all(|row| row["id"] != customer.as_str()));
    sim.apply(&Change::DeleteCoupon { coupon: "PARTNER20".to_owned() }).expect("deleted");
    assert_eq!(client.get("/v1/coupons/PARTNER20").await.status, 404);
    assert!(client.all("/v1/coupons").await.iter().all(|row| row["id"] != "PARTNER20"));
}

#[tokio::test]
async fn nested_lists_show_ten_and_say_where_the_rest_is() {
    let (sim, client) = Client::start(800).await;
    let (invoice, lines) = sim.read(|b| {
        let long = b.invoices.iter().find(|(_, row)| row.lines.len() > 10).expect("a long invoice");
        (b.id(Kind::Invoice, long.0), long.1.lines.len())
    });
    let nested = client.ok(&format!("/v1/invoices/{invoice}")).await.body["lines"].clone();
    assert_eq!(nested["data"].as_array().map(Vec::len), Some(10));
    assert_eq!(nested["has_more"], true);
    assert_eq!(client.all(nested["url"].as_str().expect("a url")).await.len(), lines);
    let last = text(&nested["data"][9]["id"]);
    let rest = client.ok(&format!("/v1/invoices/{invoice}/lines?limit=100&starting_after={last}")).await;
    assert_eq!(rest.data().len(), lines - 10);

    let (subscription, items) = sim.read(|b| {
        let long = b.subscriptions.iter().find(|(_, row)| row.items.len() > 10).expect("a long subscription");
        (b.id(Kind::Subscription, long.0), long.1.items.len())
    });
    let whole = client.ok(&format!("/v1/subscriptions/{subscription}")).await.body;
    assert_eq!(whole["billing_mode"]["type"], "flexible");
    assert_eq!(whole["items"]["has_more"], true);
    assert_eq!(client.all(whole["items"]["url"].as_str().expect("a url")).await.len(), items);
}

#[tokio::test]
async fn filters_narrow_a_list() {
    let (sim, client) = Client::start(200).await;
    let (customer, subscriptions, invoices) = sim.read(|b| {
        let rich = b.customers.iter().max_by_key(|(_, row)| row.invoices.len() * row.subscriptions.len());
        let (at, row) = rich.expect("a customer");
        (b.id(Kind::Customer, at), row.subscriptions.len(), row.invoices.len())
    });
    let own = client.all(&format!("/v1/subscriptions?status=all&customer={customer}")).await;
    assert_eq!(own.len(), subscriptions);
    let all = client.all(&format!("/v1/invoices?customer={customer}")).await;
    assert_eq!(all.len(), invoices);
    let subscription = text(&own[0]["id"]);
    let of_one = client.all(&format!("/v1/invoices?subscription={subscription}")).await;
    let expected = all.iter().filter(|row| row["parent"]["subscription_details"]["subscription"] == own[0]["id"]);
    assert_eq!(of_one.len(), expected.count());
    let paid = client.all(&format!("/v1/invoices?status=paid&customer={customer}")).await;
    assert_eq!(paid.len(), all.iter().filter(|row| row["status"] == "paid").count());
    for (path, key, value) in [
        ("prices?currency=jpy", "currency", "jpy"),
        ("prices?type=one_time", "type", "one_time"),
        ("subscriptions?collection_method=send_invoice", "collection_method", "send_invoice"),
        ("invoice_payments?status=paid", "status", "paid"),
    ] {
        let rows = client.ok(&format!("/v1/{path}")).await;
        assert!(!rows.data().is_empty(), "{path}");
        assert!(rows.data().iter().all(|row| row[key] == value), "{path}");
    }
}

#[tokio::test]
async fn payments_join_invoices_and_charges() {
    let (_, client) = Client::start(60).await;
    let payment = client.ok("/v1/invoice_payments?status=paid&limit=1").await.data()[0].clone();
    let invoice = text(&payment["invoice"]);
    let of_invoice = client.ok(&format!("/v1/invoice_payments?invoice={invoice}")).await;
    assert!(of_invoice.ids().contains(&text(&payment["id"])));
    let intent = text(&payment["payment"]["payment_intent"]);
    let charges = client.ok(&format!("/v1/charges?payment_intent={intent}")).await;
    assert!(charges.data().iter().any(|charge| charge["amount"] == payment["amount_paid"]));
    let by_intent = format!("/v1/invoice_payments?payment[type]=payment_intent&payment[payment_intent]={intent}");
    assert_eq!(client.ok(&by_intent).await.ids(), [text(&payment["id"])]);
}

#[tokio::test]
async fn some_lists_need_a_filter_and_some_are_empty() {
    let (sim, client) = Client::start(5).await;
    sim.grant(sim.api_key(), "rak_active_entitlement_read");
    for (path, param) in [("subscription_items", "subscription"), ("entitlements/active_entitlements", "customer")] {
        let answer = client.get(&format!("/v1/{path}")).await;
        assert_eq!((answer.status, &answer.error()["code"]), (400, &Value::from("parameter_missing")));
        assert_eq!(answer.error()["param"], param);
    }
    let customer = client.ok("/v1/customers?limit=1").await.ids().remove(0);
    for path in [format!("entitlements/active_entitlements?customer={customer}"), "promotion_codes".to_owned()] {
        assert!(client.ok(&format!("/v1/{path}")).await.data().is_empty());
    }
}

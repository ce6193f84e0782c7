//! Money as its readers meet it: explanations that a stranger can check, months that lead to today, totals that agree with
//! the accounts, signals that come once.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use billfold_app::auth::Role;
use billfold_sim::model::{Decimal, Price, Scheme};
use billfold_sim::{Change, Dice, Kind, Sim, Spec};
use billfold_tests::{Body, NOW, World};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

async fn synced(seed: u64, customers: u32) -> World {
    let world = World::start(seed, customers).await.unwrap();
    world.connect().await.unwrap();
    assert_eq!(world.synced().await.unwrap()["status"], "succeeded");
    world
}

async fn every(world: &World, path: &str) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = world.get(&format!("{path}limit=100{cursor}")).await.unwrap();
        rows.extend(page["data"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return rows,
        }
    }
}

fn minor(money: &Value) -> i64 {
    money["amount"].as_i64().unwrap()
}

/// A re-sync, an hour later.
async fn resync(world: &World) {
    world.sim.advance(3600);
    world.send(Method::POST, "/v1/syncs", &json!({})).await.unwrap();
    assert_eq!(world.synced().await.unwrap()["status"], "succeeded");
}

/// Every account's movements sum to its MRR, and the summary is the sum of the accounts, month by month.
async fn assert_balanced(world: &World) -> Value {
    let accounts = every(world, "/v1/accounts?").await;
    let mut closings: BTreeMap<String, i64> = BTreeMap::new();
    let mut total = 0;
    for account in &accounts {
        let id = account["id"].as_str().unwrap();
        let path = format!("/v1/accounts/{id}/mrr?from=2007-01&to=2026-12");
        let trajectory = world.get(&path).await.unwrap();
        let billing = world.get(&format!("/v1/accounts/{id}/billing")).await.unwrap();
        let mut sums: BTreeMap<String, i64> = BTreeMap::new();
        let mut converted = 0;
        for movement in trajectory["movements"].as_array().unwrap() {
            let currency = movement["amount"]["currency"].as_str().unwrap();
            *sums.entry(currency.to_owned()).or_default() += minor(&movement["amount"]);
            converted += movement["converted"]["amount"].as_i64().unwrap_or(0);
        }
        sums.retain(|_, sum| *sum != 0);
        let by_currency: BTreeMap<String, i64> = billing["mrr_by_currency"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(code, money)| (code.clone(), minor(money)))
            .collect();
        assert_eq!(sums, by_currency, "{id}: {trajectory:#}");
        assert_eq!((converted, &trajectory["mrr"]), (minor(&account["mrr"]), &account["mrr"]), "{id}");
        for point in trajectory["points"].as_array().unwrap() {
            *closings.entry(point["month"].as_str().unwrap().to_owned()).or_default() += minor(&point["mrr"]);
        }
        total += minor(&account["mrr"]);
    }
    let summary = world.get("/v1/summary").await.unwrap();
    assert_eq!((minor(&summary["mrr"]), summary["accounts"].as_u64().unwrap()), (total, accounts.len() as u64));
    for month in summary["movements"].as_array().unwrap() {
        assert_eq!(closings[month["month"].as_str().unwrap()], minor(&month["closing"]), "{month:#}");
    }
    let verified = world.send(Method::POST, "/v1/verify", &json!({ "sample": 1 })).await.unwrap();
    assert_eq!(verified.body["unbalanced"], json!([]));
    summary
}

#[tokio::test(flavor = "multi_thread")]
async fn explanations_add_up_for_a_stranger() {
    let world = synced(7, 250).await;
    let mut lines = String::new();
    for account in every(&world, "/v1/accounts?").await {
        let path = format!("/v1/accounts/{}/mrr/explain", account["id"].as_str().unwrap());
        let answer = world.get(&path).await.unwrap();
        assert_eq!((&answer["mrr"], &answer["arr"]), (&account["mrr"], &account["arr"]));
        lines.push_str(&format!("{answer}\n"));
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/explain/check.py");
    let mut stranger =
        Command::new("python3").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    stranger.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let said = stranger.wait_with_output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    // The check can fail: one cent more, and it does.
    let wrong = lines.replacen("\"exact\":\"", "\"exact\":\"1", 1);
    let mut stranger = Command::new("python3").arg(script).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    stranger.stdin.take().unwrap().write_all(wrong.as_bytes()).ok();
    assert!(!stranger.wait().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_sync_works_out_the_past_and_what_comes_after_is_seen() {
    let world = synced(11, 120).await;
    assert_balanced(&world).await;
    let past = movements(&world).await;
    assert!(past.len() > 100 && past.values().all(|movement| movement["basis"] == "derived"));
    let mut dice = Dice::new(11);
    for _ in 0..60 {
        world.sim.random_change(&mut dice);
        world.sim.advance(600);
    }
    resync(&world).await;
    assert_balanced(&world).await;
    let now = movements(&world).await;
    let seen: Vec<&Value> =
        now.iter().filter(|(id, _)| !past.contains_key(*id)).map(|(_, movement)| movement).collect();
    assert!(seen.len() > 5 && seen.iter().all(|movement| movement["basis"] == "observed"), "{seen:#?}");
    let gone: Vec<&String> = past.keys().filter(|id| !now.contains_key(*id)).collect();
    assert!(gone.is_empty(), "history stays: {gone:?}");
}

/// Every movement of every account, by its id.
async fn movements(world: &World) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for account in every(world, "/v1/accounts?").await {
        let path = format!("/v1/accounts/{}/mrr?from=2007-01&to=2026-12", account["id"].as_str().unwrap());
        for movement in world.get(&path).await.unwrap()["movements"].as_array().unwrap() {
            let id = movement["id"].as_str().unwrap().to_owned();
            assert!(found.insert(id, movement.clone()).is_none(), "{movement:#} is there twice");
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn other_rules_and_rates_are_movements_of_their_own_and_go_back_to_the_cent() {
    let world = synced(12, 80).await;
    let before = assert_balanced(&world).await;
    let patch = async |body: Value| {
        assert_eq!(world.send(Method::PATCH, "/v1/settings", &body).await.unwrap().status, 200);
    };
    patch(json!({ "mrr_preset": "simple" })).await;
    let restated = |now: &Value| minor(&now["movements"][11]["restatement"]) != 0;
    let simple = world.until("/v1/summary", restated).await.unwrap();
    assert_eq!(simple["net_retention"], before["net_retention"], "rules are no merit");
    patch(json!({ "mrr_preset": "billfold" })).await;
    world.until("/v1/summary", |now| now["mrr"] == before["mrr"]).await.unwrap();
    let per_unit: BTreeMap<&str, &str> = [("eur", "1.08"), ("gbp", "1.27"), ("jpy", "0.0066")].into();
    let rates = |per_unit: &BTreeMap<&str, &str>| json!({ "rates": { "source": "manual", "as_of": "2026-09-20", "per_unit": per_unit } });
    patch(rates(&per_unit)).await;
    let converted = world.until("/v1/summary", |now| now["unconverted"] == json!([])).await.unwrap();
    assert!(minor(&converted["movements"][11]["fx"]) > 0, "{converted:#}");
    assert_balanced(&world).await;
}

/// A business of one customer with one subscription, and its id.
async fn one_subscription() -> (World, String, String) {
    let sim = Sim::generate(&Spec::new(5, 1, NOW));
    let price = sim.read(|business| {
        let plain = |price: &Price| {
            let per_unit = matches!(&price.scheme, Scheme::PerUnit(unit) if *unit != Decimal::whole(0));
            let usual = price.active && !price.deleted && !price.inline && price.transform.is_none();
            per_unit && usual && price.recurring.is_some() && !price.is_metered()
        };
        let found = business.prices.iter().find(|(_, price)| plain(price)).unwrap();
        business.id(Kind::Price, found.0)
    });
    let made = |change: Change| sim.apply(&change).unwrap().created.unwrap();
    let customer =
        made(Change::CreateCustomer { name: Some("Signals Ltd".into()), email: Some("a@signals.test".into()) });
    let subscription =
        made(Change::CreateSubscription { customer, price, quantity: 3, trial_days: None, coupon: None });
    let world = World::around(sim).await.unwrap();
    world.connect().await.unwrap();
    world.synced().await.unwrap();
    let found = world.get("/v1/accounts?q=signals").await.unwrap();
    let account = found["data"][0]["id"].as_str().unwrap().to_owned();
    (world, subscription, account)
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_come_once_resolve_themselves_and_are_acknowledged_by_a_person() {
    let (world, subscription, account) = one_subscription().await;
    let list = format!("/v1/signals?account_id={account}");
    assert_eq!(world.get(&list).await.unwrap()["data"], json!([]));
    world.sim.advance(60);
    world.sim.apply(&Change::SetQuantity { subscription: subscription.clone(), item: None, quantity: 2 }).unwrap();
    resync(&world).await;
    let found = world.get(&list).await.unwrap();
    let signal = &found["data"][0];
    assert_eq!((&signal["type"], &signal["state"]), (&json!("subscription_downgraded"), &json!("open")), "{found:#}");
    assert_eq!(signal["subscription_id"], json!(subscription));
    resync(&world).await;
    assert_eq!(every(&world, &format!("{list}&")).await.len(), 1, "nothing is raised twice");

    let path = format!("/v1/signals/{}/acknowledge", signal["id"].as_str().unwrap());
    let member = world.token(Role::Member).unwrap();
    assert_eq!(world.ask(Some(&member), Method::POST, &path, Body::None).await.unwrap().status, 403);
    let seen = world.send(Method::POST, &path, &json!({})).await.unwrap();
    assert_eq!((seen.status.as_u16(), &seen.body["state"]), (200, &json!("acknowledged")), "{:#}", seen.body);
    assert_eq!(
        world.get("/v1/signals?state=open").await.unwrap()["data"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["account_id"] == json!(account))
            .count(),
        0
    );
    let none = world.send(Method::POST, "/v1/signals/sig_none/acknowledge", &json!({})).await.unwrap();
    assert_eq!(none.status, 404);
    for wrong in ["type=nonsense", "state=closed"] {
        assert_eq!(world.get(&format!("/v1/signals?{wrong}")).await.unwrap()["code"], "filter_invalid");
    }

    world.sim.apply(&Change::CancelAtPeriodEnd { subscription: subscription.clone() }).unwrap();
    resync(&world).await;
    let canceled = world.get(&format!("{list}&type=subscription_canceled")).await.unwrap();
    assert_eq!(canceled["data"][0]["state"], "open", "{canceled:#}");
    world.sim.apply(&Change::WithdrawCancellation { subscription }).unwrap();
    resync(&world).await;
    let canceled = world.get(&format!("{list}&type=subscription_canceled")).await.unwrap();
    assert_eq!(canceled["data"][0]["state"], "resolved");
    let withdrawn = world.get("/v1/signals?type=cancellation_withdrawn&state=open").await.unwrap();
    assert_eq!(withdrawn["data"][0]["account_id"], json!(account));
}

#[tokio::test(flavor = "multi_thread")]
async fn months_that_make_no_sense_are_told_so() {
    let world = World::start(1, 1).await.unwrap();
    for (query, code) in [
        ("from=nonsense", "month_invalid"),
        ("from=2026-05&to=2026-04", "months_invalid"),
        ("from=1990-01&to=2026-04", "months_invalid"),
    ] {
        let answer = world.get(&format!("/v1/summary?{query}")).await.unwrap();
        assert_eq!((&answer["code"], &answer["status"]), (&json!(code), &json!(422)), "{query}: {answer:#}");
    }
    let empty = world.get("/v1/summary?from=2026-01&to=2026-03").await.unwrap();
    assert_eq!((empty["movements"].as_array().unwrap().len(), minor(&empty["mrr"])), (3, 0));
    assert_eq!(world.get("/v1/accounts/acc_none/mrr").await.unwrap()["code"], "not_found");
    assert_eq!(world.get("/v1/accounts/acc_none/mrr/explain").await.unwrap()["code"], "not_found");
}

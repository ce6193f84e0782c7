//! Many events at once, of more accounts than one task computes.

use crate::world::World;
use billfold_core::id::{AccountId, EndpointId};
use billfold_core::matching::account_of_domain;
use billfold_sim::model::{Customer, SubscriptionStatus};
use billfold_sim::{Change, Kind};
use billfold_store::embedded::Fate;
use futures::FutureExt as _;
use serde_json::json;
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Where everybody moves to; fewer than there are customers, so that many leave and come to each.
const COMPANIES: usize = 7;

/// Changes every subscription that runs, and receives what Stripe tells of it.
async fn change_everything(world: &World, endpoint: &EndpointId, quantity: u64) {
    let (subscriptions, customers) = world.sim.read(|business| {
        let runs = business.subscriptions.iter().filter(|(_, row)| {
            let fits = row.status == SubscriptionStatus::Active && !row.test_clock;
            fits && row.items.first().is_some_and(|item| item.quantity.is_some())
        });
        let of_whom = |(place, row): (u32, &billfold_sim::model::Subscription)| {
            (business.id(Kind::Subscription, place), row.customer)
        };
        runs.map(of_whom).unzip::<_, _, Vec<_>, BTreeSet<_>>()
    });
    assert!(customers.len() > 50, "enough for several tasks: {}", customers.len());
    world.sim.advance(60);
    for subscription in subscriptions {
        world.sim.apply(&Change::SetQuantity { subscription, item: None, quantity }).unwrap();
    }
    receive(world, endpoint).await;
}

/// Gives every customer an address of one of a few companies, each another than the one before.
async fn move_everybody(world: &World, endpoint: &EndpointId, round: usize) {
    let customers: Vec<String> = world.sim.read(|business| {
        let lives = business.customers.iter().filter(|(_, row)| !row.deleted && !row.test_clock);
        lives.map(|(place, _)| business.id(Kind::Customer, place)).collect()
    });
    assert!(customers.len() > 50, "enough for several tasks: {}", customers.len());
    world.sim.advance(60);
    for (place, customer) in customers.into_iter().enumerate() {
        let email = Some(format!("billing{place}@company-{}.com", (place + round) % COMPANIES));
        world.sim.apply(&Change::UpdateCustomer { customer, name: None, email }).unwrap();
    }
    receive(world, endpoint).await;
}

async fn receive(world: &World, endpoint: &EndpointId) {
    for delivery in world.sim.take_deliveries() {
        let signed = delivery.signed_at(world.sim.now());
        world.app.receive(endpoint, &signed.signature, &signed.body).await.unwrap();
    }
}

#[tokio::test]
async fn an_unambiguous_update_asks_stripe_nothing_and_a_burst_asks_once() {
    let (world, endpoint) = World::listening(24, 12).await;
    let customer = world.sim.read(|business| {
        let plain = |row: &Customer| !row.deleted && !row.test_clock && row.discount.is_none();
        let place = business.customers.iter().find(|(_, row)| plain(row)).map(|(place, _)| place).unwrap();
        business.id(Kind::Customer, place)
    });
    let rename = |n: u32| {
        let name = Some(format!("N{n}"));
        world.sim.apply(&Change::UpdateCustomer { customer: customer.clone(), name, email: None }).unwrap();
    };
    world.sim.clear_requests();
    rename(0);
    receive(&world, &endpoint).await;
    world.work_together().await;
    assert_eq!(world.sim.requests().total, 0, "an update that is clearly newer is stored as it came");
    world.assert_exact().await;
    world.sim.advance(60);
    (1..=10).for_each(rename);
    receive(&world, &endpoint).await;
    assert_eq!(world.messages_for().len(), 10);
    world.work_together().await;
    assert!(world.messages_for().is_empty());
    assert_eq!(world.sim.requests().total, 1, "{:?}", world.sim.requests().by_endpoint);
    world.assert_exact().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_of_a_burst_that_are_computed_side_by_side_are_exact() {
    let (world, endpoint) = World::listening(31, 150).await;
    for quantity in [41, 42] {
        change_everything(&world, &endpoint, quantity).await;
        world.work_together().await;
        assert!(world.messages_for().is_empty(), "everything is done");
        world.assert_exact().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_moves_between_accounts_that_are_computed_side_by_side_is_counted_once() {
    let (world, endpoint) = World::listening(33, 150).await;
    for round in 1..4 {
        move_everybody(&world, &endpoint, round).await;
        change_everything(&world, &endpoint, 40 + u64::try_from(round).unwrap()).await;
        world.work_together().await;
        assert!(world.messages_for().is_empty(), "everything is done");
        assert!(!world.app.store().is_marked(&world.ws).await.unwrap());
        world.assert_exact().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_everybody_leaves_while_others_come_keeps_what_was_given() {
    let (world, endpoint) = World::listening(34, 150).await;
    move_everybody(&world, &endpoint, 1).await;
    world.work_together().await;
    let accounts: Vec<AccountId> =
        (0..COMPANIES).map(|n| account_of_domain(&format!("company-{n}.com")).unwrap()).collect();
    for account in &accounts {
        let patch = serde_json::from_value(json!({ "custom": { "of": account } })).unwrap();
        world.app.change_account(&world.ws, account, patch).await.unwrap();
    }
    world.work_off().await;
    move_everybody(&world, &endpoint, 2).await;
    world.work_together().await;
    for account in &accounts {
        let kept = serde_json::to_value(world.app.account(&world.ws, account).await.unwrap()).unwrap();
        assert_eq!(kept["custom"]["of"], json!(account));
    }
    world.assert_exact().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_that_fails_or_panics_is_told_and_made_good() {
    let (world, endpoint) = World::listening(35, 150).await;
    for (quantity, panics) in [(41, false), (42, true)] {
        change_everything(&world, &endpoint, quantity).await;
        let queries = AtomicU64::new(0);
        let gate = move |operation: &str| match operation {
            "Query" if queries.fetch_add(1, Ordering::SeqCst) == 30 => {
                assert!(!panics, "as asked for");
                Fate::Throttled
            }
            _ => Fate::Served,
        };
        let gated = world.behind(Arc::new(gate));
        gated.take_messages_of(&world);
        let ended = AssertUnwindSafe(gated.work_together()).catch_unwind().await;
        assert_eq!(ended.is_err(), panics, "who counts panics hears of it");
        assert!(!gated.messages_for().is_empty(), "the events come again");
        gated.work_together().await;
        assert!(gated.messages_for().is_empty(), "everything is done");
        world.assert_exact().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_whose_worker_is_killed_is_made_good_by_the_next() {
    let (world, endpoint) = World::listening(32, 150).await;
    for (quantity, after_ms) in [(41, 5), (42, 20), (43, 60), (44, 120)] {
        change_everything(&world, &endpoint, quantity).await;
        // Whether it dies before the facts, before the accounts or between two of them is chance.
        let killed = tokio::time::timeout(Duration::from_millis(after_ms), world.work_together()).await;
        if killed.is_err() {
            world.work_together().await;
        }
        world.work_off().await;
        world.assert_exact().await;
    }
}

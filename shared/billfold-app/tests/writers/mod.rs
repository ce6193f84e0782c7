//! Writers who die between what they store and what follows from it: nothing is left as they left it.

mod slow;

use crate::world::World;
use billfold_app::{Handled, Message, SettingsPatch};
use billfold_core::id::{AccountId, CustomerId, EndpointId};
use billfold_core::matching::{Belongs, belongs};
use billfold_core::run::{RunStatus, Trigger};
use billfold_sim::model::{Subscription, SubscriptionStatus};
use billfold_sim::{Change, Delivery, Kind};
use billfold_store::embedded::Fate;
use billfold_store::{AccountRow, AccountRows, AccountSource, Erase, Intent, ListRow, Store, Subject};
use jiff::Timestamp;
use serde_json::json;
use slow::{is_intended, slow_worker, slowly};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;

const MINUTE: i64 = 60;

/// A subscription that is to have another quantity.
struct Changed {
    subscription: String,
    customer: CustomerId,
    quantity: i64,
}

impl Changed {
    fn before(&self) -> u64 {
        u64::try_from(self.quantity - 1).unwrap()
    }
}

/// Changes a subscription; what Stripe tells of it waits.
async fn change(world: &World, endpoint: &EndpointId) -> Changed {
    let changed = to_change(world);
    set_quantity(world, endpoint, &changed.subscription, changed.before() + 1).await;
    changed
}

/// A subscription that can be changed.
fn to_change(world: &World) -> Changed {
    let (subscription, customer, quantity) = world.sim.read(|business| {
        let sold = |row: &Subscription| {
            let active = row.status == SubscriptionStatus::Active && !row.test_clock;
            active && row.items.len() == 1 && row.items[0].quantity.is_some()
        };
        let (place, row) = business.subscriptions.iter().find(|(_, row)| sold(row)).unwrap();
        let quantity = row.items[0].quantity.unwrap() + 1;
        (business.id(Kind::Subscription, place), business.id(Kind::Customer, row.customer), quantity)
    });
    Changed { subscription, customer: CustomerId::new(customer).unwrap(), quantity: quantity.try_into().unwrap() }
}

async fn set_quantity(world: &World, endpoint: &EndpointId, subscription: &str, quantity: u64) {
    let updated = set_quantity_in_stripe(world, subscription, quantity);
    let signed = updated.signed_at(world.sim.now());
    world.app.receive(endpoint, &signed.signature, &signed.body).await.unwrap();
}

/// What Stripe would tell of it.
fn set_quantity_in_stripe(world: &World, subscription: &str, quantity: u64) -> Delivery {
    world.sim.apply(&Change::SetQuantity { subscription: subscription.to_owned(), item: None, quantity }).unwrap();
    let told = world.sim.take_deliveries();
    told.into_iter().find(|one| one.kind == "customer.subscription.updated").unwrap()
}

/// Changes the subscription back while a worker is slow. What it is changed to is stored already, so whoever hears of that finds
/// nothing that is not.
async fn change_back(world: &World, endpoint: &EndpointId, changed: &Changed) {
    let slow = slow_worker(world).await;
    world.sim.advance(2);
    set_quantity(world, endpoint, &changed.subscription, changed.before()).await;
    world.work_off().await;
    slow.goes_on().await;
    world.assert_exact().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_event_came_to_does_not_stay_after_a_change_back() {
    let (world, endpoint) = World::listening(41, 40).await;
    let changed = change(&world, &endpoint).await;
    change_back(&world, &endpoint, &changed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_settings_came_to_does_not_stay_after_they_are_changed_back() {
    let (world, _) = World::listening(43, 40).await;
    let own_currency = async |currency: &str| {
        let patch: SettingsPatch = serde_json::from_value(json!({ "currency": currency })).unwrap();
        world.app.change_settings(&world.ws, &patch).await.unwrap();
    };
    let before = world.accounts().await;
    own_currency("eur").await;
    let slow = slow_worker(&world).await;
    own_currency("usd").await;
    world.work_off().await;
    slow.goes_on().await;
    assert_eq!(world.accounts().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_mark_came_to_does_not_stay_after_a_change_back() {
    let (world, endpoint) = World::listening(42, 40).await;
    let changed = change_and_die(&world, &endpoint).await;
    world.sim.advance(16 * MINUTE);
    world.app.sweep().await.unwrap();
    world.lose_messages_but(|message| matches!(message, Message::Recompute { .. }));
    change_back(&world, &endpoint, &changed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_event_came_to_does_not_stay_after_a_sync() {
    let (world, endpoint) = World::listening(44, 40).await;
    let changed = change(&world, &endpoint).await;
    let slow = slow_worker(&world).await;
    world.sim.advance(2);
    set_quantity_in_stripe(&world, &changed.subscription, changed.before());
    world.app.start_sync(&world.ws, Trigger::Manual).await.unwrap();
    world.work_off().await;
    slow.goes_on().await;
    world.assert_exact().await;
}

/// Its lease runs out while it is about to write an account, and somebody else ends the run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_sync_came_to_does_not_stay_after_a_change_back() {
    let (world, endpoint) = World::listening(45, 40).await;
    let changed = to_change(&world);
    set_quantity_in_stripe(&world, &changed.subscription, changed.before() + 1);
    world.app.start_sync(&world.ws, Trigger::Manual).await.unwrap();
    let slow = slow_worker(&world).await;
    world.sim.advance(2);
    set_quantity(&world, &endpoint, &changed.subscription, changed.before()).await;
    world.work_off().await;
    world.app.recover().await.unwrap();
    world.work_off().await;
    let run = world.app.sync_runs(&world.ws, None, 1).await.unwrap().remove(0);
    assert_eq!(run.status, RunStatus::Succeeded);
    slow.goes_on().await;
    world.assert_exact().await;
}

/// Else an erasure would wait for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_last_stage_that_fails_in_a_shard_intends_nothing_any_more() {
    let world = World::new(47, 40).await;
    world.connect_without_worker().await.unwrap();
    let (is_intended, writes) = (is_intended(&world), AtomicU32::new(0));
    let gate = move |operation: &str| match operation {
        "TransactWriteItems" if is_intended() && writes.fetch_add(1, Ordering::SeqCst) == 0 => Fate::Throttled,
        _ => Fate::Served,
    };
    let gated = world.behind(Arc::new(gate));
    gated.take_messages_of(&world);
    assert!(matches!(gated.work_once().await, Handled::Again(_)));
    assert_eq!(world.app.store().intents(&world.ws, None).await.unwrap(), []);
    world.take_messages_of(&gated);
    world.work_off().await;
    world.assert_exact().await;
}

async fn account_of(world: &World, changed: &Changed) -> AccountId {
    let customer = BTreeSet::from([changed.customer.clone()]);
    world.app.store().accounts_of(&world.ws, &customer).await.unwrap().remove(&changed.customer).unwrap()
}

async fn keep_something_of(account: AccountId, world: &World) {
    let kept = serde_json::from_value(json!({"custom": {"tier": "gold"}})).unwrap();
    world.app.change_account(&world.ws, &account, kept).await.unwrap();
}

/// Whoever stored that it is changed back has died.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_event_came_to_does_not_stay_after_a_change_of_the_account() {
    let (world, endpoint) = World::listening(42, 40).await;
    let changed = change(&world, &endpoint).await;
    let slow = slow_worker(&world).await;
    world.sim.advance(2);
    set_quantity(&world, &endpoint, &changed.subscription, changed.before()).await;
    world.die_at(|operation| operation == "TransactWriteItems").await;
    world.lose_messages();
    keep_something_of(account_of(&world, &changed).await, &world).await;
    slow.goes_on().await;
    world.assert_exact().await;
}

/// Something is kept of an account while it is not what its facts say, and somebody else drains the mark of that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_change_of_an_account_came_to_does_not_stay_after_a_change_back() {
    let (world, endpoint) = World::listening(42, 40).await;
    let changed = change_and_die(&world, &endpoint).await;
    world.lose_messages();
    let store = world.app.store();
    let left = store.intents(&world.ws, None).await.unwrap();
    store.write_each(left.iter().map(Intent::forget).collect()).await.unwrap();
    let account = account_of(&world, &changed).await;
    let slow = slowly(&world, |slow| async move { keep_something_of(account, &slow).await }).await;
    world.sim.advance(2);
    set_quantity(&world, &endpoint, &changed.subscription, changed.before()).await;
    world.work_off().await;
    world.app.handle(&Message::Recompute { workspace: world.ws.clone() }, Duration::from_secs(60)).await;
    slow.goes_on().await;
    world.assert_exact().await;
}

/// A world in which somebody has died after an event was stored and before its account was computed.
async fn with_a_dead_writer() -> World {
    let (world, endpoint) = World::listening(11, 40).await;
    change_and_die(&world, &endpoint).await;
    world
}

async fn change_and_die(world: &World, endpoint: &EndpointId) -> Changed {
    let changed = change(world, endpoint).await;
    let before = world.accounts().await;
    world.die_at(|operation| operation == "TransactWriteItems").await;
    let store = world.app.store();
    let rows = store.customer_rows(&world.ws, &changed.customer).await.unwrap().subscriptions;
    let row = rows.iter().find(|row| row.id.as_str() == changed.subscription).unwrap();
    assert_eq!(row.items[0].quantity, Some(changed.quantity), "it died after the event was stored");
    assert_eq!(world.accounts().await, before, "it died before the account was written");
    assert_eq!(store.intents(&world.ws, None).await.unwrap().len(), 1);
    changed
}

#[tokio::test]
async fn whoever_gets_the_event_again_computes_the_account() {
    let world = with_a_dead_writer().await;
    world.work_once().await;
    world.assert_exact().await;
}

#[tokio::test]
async fn what_no_living_writer_can_have_intended_is_found_by_the_sweep() {
    let world = with_a_dead_writer().await;
    world.lose_messages();
    for (minutes, left) in [(14, 1), (2, 0)] {
        world.sim.advance(minutes * MINUTE);
        world.app.sweep().await.unwrap();
        // The list of events, which the sweep has read as well, would bring it back too.
        world.lose_messages_but(|message| matches!(message, Message::Recompute { .. }));
        world.work_off().await;
        assert_eq!(world.app.store().intents(&world.ws, None).await.unwrap().len(), left);
    }
    world.assert_exact().await;
}

/// What the sync has not read yet may be missing.
#[tokio::test]
async fn whom_an_event_changes_during_a_sync_is_left_to_its_last_stage_as_well() {
    let (world, endpoint) = World::listening(13, 40).await;
    let changed = change(&world, &endpoint).await;
    world.app.start_sync(&world.ws, Trigger::Manual).await.unwrap();
    world.work_once().await;
    let marks = world.app.store().marks_of(&world.ws, &BTreeSet::from([changed.customer.clone()])).await.unwrap();
    assert_eq!(marks.len(), 1);
    assert_eq!(world.app.store().intents(&world.ws, None).await.unwrap(), []);
    world.work_off().await;
    world.assert_exact().await;
}

#[tokio::test]
async fn a_process_that_is_alone_computes_at_its_start_what_another_intended() {
    let world = with_a_dead_writer().await;
    world.lose_messages();
    world.app.recover().await.unwrap();
    world.work_off().await;
    world.assert_exact().await;
    assert!(!world.app.store().is_marked(&world.ws).await.unwrap());
}

/// Of two customers of an account one moves who brought nothing, so the account comes to what it came to before. Whoever
/// has read it with that customer in it must not write any more.
#[tokio::test]
async fn who_computed_an_account_before_somebody_moved_loses() {
    let (world, _) = World::listening(14, 40).await;
    let (store, ws) = (world.app.store(), &world.ws);
    let accounts: Vec<AccountId> = world.accounts().await.into_keys().collect();
    let mut moves = None;
    for id in &accounts {
        let customers = store.account_rows(ws, id).await.unwrap().customers;
        for customer in customers.iter().skip(1) {
            let rows = store.customer_rows(ws, customer).await.unwrap();
            if rows.subscriptions.is_empty() && rows.invoices.is_empty() {
                moves = Some((id.clone(), customer.clone()));
            }
        }
    }
    let (left, customer) = moves.expect("a customer without anything beside another");
    let other = accounts.into_iter().find(|id| *id != left).unwrap();
    let [left_rows, other_rows] = [store.account_rows(ws, &left).await, store.account_rows(ws, &other).await];
    let (left_rows, other_rows) = (left_rows.unwrap(), other_rows.unwrap());
    world.app.match_by_hand(ws, &customer, Some(&other)).await.unwrap();
    for (id, before) in [(left, left_rows), (other, other_rows)] {
        let after = store.account_rows(ws, &id).await.unwrap();
        let billing = before.billing.as_ref().unwrap().row.clone();
        assert_eq!(after.billing.unwrap().row, billing, "it comes to the same");
        let late = [
            before.put_billing(ws, &id, billing).unwrap(),
            before.put_list(ws, &before.list.as_ref().unwrap().row).unwrap(),
        ];
        assert_eq!(store.write_each(late.to_vec()).await.unwrap(), [0, 1]);
    }
}

/// However far its maker came.
#[tokio::test]
async fn an_account_that_was_made_for_somebody_who_has_left_goes_away() {
    for steps in 1..=4 {
        let (world, _) = World::listening(12, 40).await;
        let (store, ws) = (world.app.store(), &world.ws);
        let (other, _) = world.accounts().await.pop_first().unwrap();
        let rows = store.account_rows(ws, &other).await.unwrap();
        let ledger = store.ledger(ws, &other).await.unwrap().unwrap().row;
        let id = AccountId::new("acc_left").unwrap();
        let account = AccountRow { id: id.clone(), source: AccountSource::Stripe, ..rows.account.unwrap().row };
        let list = ListRow { id: id.clone(), ..rows.list.unwrap().row };
        let empty = AccountRows::default();
        let made = [
            empty.put_account(ws, &account).unwrap(),
            empty.put_ledger(ws, &id, &ledger).unwrap().remove(0),
            empty.put_billing(ws, &id, rows.billing.unwrap().row).unwrap(),
            empty.put_list(ws, &list).unwrap(),
        ];
        let intent = Intent::new(ws, vec![Subject::Account(id.clone())], world.app.now(), 1);
        store.write_each(vec![intent.put()]).await.unwrap();
        store.write_each(made.into_iter().take(steps).collect()).await.unwrap();
        world.app.recover().await.unwrap();
        world.work_off().await;
        assert!(store.account_rows(ws, &id).await.unwrap().is_nothing(), "{steps}");
        assert!(store.ledger(ws, &id).await.unwrap().is_none(), "{steps}");
        world.assert_exact().await;
    }
}

/// Somebody drains the marks of earlier changes while an account is given a domain, and whoever gives it dies afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn whose_domain_is_given_away_finds_the_owner_whoever_drained_marks_before() {
    let (world, _) = World::listening(16, 40).await;
    let (store, ws) = (world.app.store().clone(), world.ws.clone());
    let mut domain = None;
    for id in world.accounts().await.into_keys() {
        for customer in store.account_rows(&ws, &id).await.unwrap().customers {
            let rows = store.customer_rows(&ws, &customer).await.unwrap();
            if let Some(Belongs::ToDomain { domain: owned, .. }) = rows.customer.as_ref().map(belongs) {
                domain = Some((owned, customer));
            }
        }
    }
    let (domain, customer) = domain.unwrap();
    let (app, recompute) = (world.app.clone(), Message::Recompute { workspace: ws.clone() });
    let gate = move |operation: &str| {
        if operation != "TransactWriteItems" {
            return Fate::Served;
        }
        let drained = async { app.handle(&recompute, Duration::from_secs(60)).await };
        tokio::task::block_in_place(|| Handle::current().block_on(drained));
        Fate::NeverAnswered
    };
    let dying = world.behind(Arc::new(gate));
    let given = serde_json::from_value(json!({"id": "acc_given", "name": "Given", "domain": domain})).unwrap();
    let giving = tokio::spawn(async move { dying.app.give_account(&dying.ws, given).await.map(|_| ()) });
    let id = AccountId::new("acc_given").unwrap();
    while store.account_rows(&ws, &id).await.unwrap().account.is_none() {
        tokio::task::yield_now().await;
    }
    giving.abort();
    assert!(giving.await.is_err());
    world.app.recover().await.unwrap();
    world.work_off().await;
    assert!(store.account_rows(&ws, &id).await.unwrap().customers.contains(&customer));
}

/// An account is taken away while somebody matches its customers by the rules.
#[tokio::test(flavor = "multi_thread")]
async fn taking_an_account_away_does_not_stop_half_way() {
    let (world, _) = World::listening(16, 40).await;
    let (store, ws) = (world.app.store().clone(), world.ws.clone());
    let given = serde_json::from_value(json!({"id": "acc_given", "name": "Given"})).unwrap();
    world.app.give_account(&ws, given).await.unwrap();
    let id = AccountId::new("acc_given").unwrap();
    let mut moved = Vec::new();
    for made in world.accounts().await.into_keys().filter(|made| *made != id).take(3) {
        moved.extend(store.account_rows(&ws, &made).await.unwrap().customers);
    }
    for customer in &moved {
        world.app.match_by_hand(&ws, customer, Some(&id)).await.unwrap();
    }
    // The first transaction gives up what the account owns, the second matches the first of its customers.
    let customer = store.account_rows(&ws, &id).await.unwrap().customers[0].clone();
    let (app, workspace, calls) = (world.app.clone(), ws.clone(), AtomicU32::new(0));
    let gate = move |operation: &str| {
        if operation == "TransactWriteItems" && calls.fetch_add(1, Ordering::SeqCst) == 1 {
            let matched = app.match_by_hand(&workspace, &customer, None);
            tokio::task::block_in_place(|| Handle::current().block_on(matched)).unwrap();
        }
        Fate::Served
    };
    world.behind(Arc::new(gate)).app.remove_account(&ws, &id).await.unwrap();
    world.work_off().await;
    assert!(store.account_rows(&ws, &id).await.unwrap().is_nothing());
    world.assert_exact().await;
}

/// Whoever erases finds no intent, because it is written in the next moment.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_read_before_an_erasure_leaves_nothing_after_it() {
    let (world, endpoint) = World::listening(17, 40).await;
    change(&world, &endpoint).await;
    let (app, ws, writes) = (world.app.clone(), world.ws.clone(), AtomicU32::new(0));
    let gate = move |operation: &str| {
        if operation == "PutItem" && writes.fetch_add(1, Ordering::SeqCst) == 0 {
            let erased = async {
                app.erase_workspace(&ws).await.unwrap();
                app.handle(&Message::Erase { workspace: ws.clone() }, Duration::from_secs(60)).await
            };
            let erased = tokio::task::block_in_place(|| Handle::current().block_on(erased));
            assert_eq!(erased, Handled::Done);
        }
        Fate::Served
    };
    let late = world.behind(Arc::new(gate));
    late.take_messages_of(&world);
    assert!(matches!(late.work_once().await, Handled::Again(_)));
    assert_eq!(late.work_once().await, Handled::Done);
    let left = world.app.store().erase(&world.ws, Erase::Everything, Timestamp::MAX).await.unwrap();
    assert_eq!(left, 0);
}

/// It says so before it reads anything, and is waited for.
#[tokio::test]
async fn an_erasure_waits_for_whoever_is_at_work() {
    let world = World::listening(18, 40).await.0;
    let (store, ws) = (world.app.store(), &world.ws);
    let at_work = Intent::new(ws, Vec::new(), world.app.now(), 1);
    store.write_each(vec![at_work.put()]).await.unwrap();
    world.app.erase_workspace(ws).await.unwrap();
    tokio::time::pause();
    assert!(matches!(world.work_once().await, Handled::Again(_)));
    let customer = CustomerId::new("cus_late").unwrap();
    store.write_each(vec![Store::mark(ws, &Subject::Customer(customer), 1), at_work.forget()]).await.unwrap();
    assert_eq!(world.work_once().await, Handled::Done);
    assert!(!store.is_marked(ws).await.unwrap());
}

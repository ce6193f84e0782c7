//! A change of the catalogue concerns every account: it is never stored without the mark of everything.

use crate::world::World;
use billfold_app::Handled;
use billfold_core::facts::Kind;
use billfold_core::run::Trigger;
use billfold_sim::model::{Subscription, SubscriptionStatus};
use billfold_sim::{self as sim, Change};
use billfold_store::FactPlace;
use billfold_store::embedded::Fate;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The new name of a product.
const NAME: &str = "Renamed";

/// The plans of all running subscriptions.
async fn plans(world: &World) -> Vec<String> {
    let accounts = world.accounts().await.into_values();
    let subscriptions = accounts.flat_map(|billing| billing["subscriptions"].as_array().unwrap().clone());
    subscriptions.filter_map(|one| one["plan"].as_str().map(str::to_owned)).collect()
}

/// A re-sync that is about to find a renamed product, and the place of that product.
async fn before_a_resync() -> (World, FactPlace) {
    let (world, _) = World::listening(23, 10).await;
    let product = world.sim.read(|business| {
        let is_sold = |row: &&Subscription| row.status == SubscriptionStatus::Active && !row.test_clock;
        let sold = business.subscriptions.iter().map(|(_, row)| row).find(is_sold).unwrap();
        business.id(sim::Kind::Product, business.prices[sold.items[0].price].product)
    });
    let place = FactPlace::by_id(&world.ws, Kind::Product, &product).unwrap();
    world.sim.apply(&Change::UpdateProduct { product, name: Some(NAME.into()), active: None }).unwrap();
    world.sim.advance(60);
    world.app.start_sync(&world.ws, Trigger::Manual).await.unwrap();
    (world, place)
}

/// Calls to the store of a whole re-sync.
async fn calls_of_a_resync() -> u64 {
    let (world, _) = before_a_resync().await;
    let calls = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&calls);
    let counting = world.behind(Arc::new(move |_: &str| {
        counted.fetch_add(1, Ordering::SeqCst);
        Fate::Served
    }));
    counting.take_messages_of(&world);
    assert_eq!(counting.work_once().await, Handled::Done);
    calls.load(Ordering::SeqCst)
}

/// The worker of a re-sync dies at every fifth call to the store in turn, and another one takes the run over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_the_catalogue_that_a_sync_finds_reaches_every_account() {
    // Calls under way at once come in any order, so the last few are left out.
    let calls = calls_of_a_resync().await * 9 / 10;
    let mut stored = 0;
    for last in (1..calls).step_by(5) {
        let (world, place) = before_a_resync().await;
        let before = world.app.store().stored_version(&place).await.unwrap();
        let count = AtomicU64::new(0);
        world.die_at(move |_| count.fetch_add(1, Ordering::SeqCst) + 1 == last).await;
        stored += u32::from(world.app.store().stored_version(&place).await.unwrap() != before);
        world.app.recover().await.unwrap();
        world.work_off().await;
        let plans = plans(&world).await;
        assert!(plans.iter().any(|plan| plan == NAME), "a worker that dies at call {last} leaves {plans:?}");
    }
    assert!(stored > 0, "no worker died after it had stored the product");
}

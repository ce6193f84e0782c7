//! The four cases that lose or revive data elsewhere: each with the events of one second in every order that
//! matters.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use billfold_core::fold;
use billfold_sim::{Change, Delivery, Kind};
use billfold_tests::simulation::{Found, Simulation};

/// A business that has been synced once, at rest, some time later.
async fn synced(seed: u64) -> Simulation {
    let mut simulation = Simulation::new(seed, 12, fold::decide).await.unwrap();
    simulation.idle().await.unwrap();
    simulation.sim.advance(60);
    simulation
}

/// A subscription that runs.
fn running(simulation: &Simulation) -> String {
    simulation.sim.read(|business| {
        let runs = |row: &billfold_sim::model::Subscription| {
            row.status == billfold_sim::model::SubscriptionStatus::Active
                && !row.test_clock
                && row.items[0].quantity.is_some()
        };
        let place = business.subscriptions.iter().find(|(_, row)| runs(row)).map(|(place, _)| place).unwrap();
        business.id(Kind::Subscription, place)
    })
}

async fn deliver_in_orders(change: impl Fn(&mut Simulation)) {
    for order in 0..4usize {
        let mut simulation = synced(21).await;
        change(&mut simulation);
        let mut deliveries = simulation.take_deliveries();
        match order {
            0 => {}
            1 => deliveries.reverse(),
            2 => deliveries.rotate_left(1),
            _ => deliveries.extend(deliveries.clone()),
        }
        for delivery in &deliveries {
            simulation.deliver(delivery).await.unwrap();
            if order != 1 {
                simulation.idle().await.unwrap();
            }
        }
        // Nothing is lost and nothing else tells: the deliveries alone must do.
        simulation.fall_silent(Found::NothingLost).await.unwrap();
        simulation.check().await.unwrap();
    }
}

#[tokio::test]
async fn canceled_right_after_active_is_canceled() {
    deliver_in_orders(|simulation| {
        let subscription = running(simulation);
        let quantity = Change::SetQuantity { subscription: subscription.clone(), item: None, quantity: 41 };
        simulation.change(&quantity).unwrap();
        simulation.change(&Change::Cancel { subscription }).unwrap();
    })
    .await;
}

#[tokio::test]
async fn paid_right_after_finalized_is_paid() {
    deliver_in_orders(|simulation| {
        let subscription = running(simulation);
        simulation.change(&Change::CreateInvoice { subscription }).unwrap();
        let invoice = simulation.sim.read(|business| {
            let place = business.invoices.iter().map(|(place, _)| place).last().unwrap();
            business.id(Kind::Invoice, place)
        });
        simulation.change(&Change::FinalizeInvoice { invoice: invoice.clone() }).unwrap();
        simulation.change(&Change::PayInvoice { invoice }).unwrap();
    })
    .await;
}

/// A product that nothing is sold of, renamed, and five seconds later deleted: both deliveries.
async fn renamed_and_deleted() -> (Simulation, Delivery, Delivery) {
    let mut simulation = synced(22).await;
    simulation.sim.edit(|business| {
        let row = business.products[0].clone();
        business.products.push(row);
    });
    simulation.start_sync().await.unwrap();
    simulation.idle().await.unwrap();
    simulation.sim.advance(60);
    let product = simulation.sim.read(|business| {
        let place = business.products.iter().map(|(place, _)| place).last().unwrap();
        business.id(Kind::Product, place)
    });
    let rename = Change::UpdateProduct { product: product.clone(), name: Some("Renamed".into()), active: None };
    simulation.change(&rename).unwrap();
    simulation.sim.advance(5);
    simulation.change(&Change::DeleteProduct { product }).unwrap();
    let mut deliveries = simulation.take_deliveries();
    let deleted = deliveries.pop().unwrap();
    (simulation, deliveries.pop().unwrap(), deleted)
}

#[tokio::test]
async fn a_deleted_product_does_not_come_back() {
    let (mut simulation, renamed, deleted) = renamed_and_deleted().await;
    assert_eq!((renamed.kind.as_str(), deleted.kind.as_str()), ("product.updated", "product.deleted"));
    for delivery in [&deleted, &renamed, &deleted, &renamed] {
        simulation.deliver(delivery).await.unwrap();
        simulation.idle().await.unwrap();
    }
    simulation.fall_silent(Found::NothingLost).await.unwrap();
    simulation.check().await.unwrap();
}

#[tokio::test]
async fn a_product_whose_deletion_was_lost_does_not_come_back_after_a_sync() {
    let (mut simulation, renamed, _) = renamed_and_deleted().await;
    simulation.fall_silent(Found::BySync).await.unwrap();
    simulation.deliver(&renamed).await.unwrap();
    simulation.idle().await.unwrap();
    simulation.check().await.unwrap();
}

#[tokio::test]
async fn an_old_page_does_not_overwrite_a_newer_webhook() {
    let mut simulation = synced(23).await;
    let subscription = running(&simulation);
    // Missed by everybody, so that the page has something to say.
    simulation.change(&Change::SetQuantity { subscription: subscription.clone(), item: None, quantity: 5 }).unwrap();
    simulation.take_deliveries();
    simulation.sim.advance(60);
    simulation.sim.clear_requests();
    simulation.hold_answers();
    simulation.start_sync().await.unwrap();
    while simulation.sim.requests().total < 7 {
        tokio::task::yield_now().await;
    }
    simulation.sim.advance(60);
    simulation.change(&Change::SetQuantity { subscription, item: None, quantity: 7 }).unwrap();
    for delivery in simulation.take_deliveries() {
        simulation.deliver(&delivery).await.unwrap();
    }
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    simulation.let_answers_go();
    simulation.fall_silent(Found::NothingLost).await.unwrap();
    simulation.check().await.unwrap();
}

//! Money that goes back, told by webhooks alone: it is taken off the right account and the right invoice, in any order,
//! and only who has refunds pays for finding out.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use billfold_core::fold;
use billfold_sim::{Change, Kind};
use billfold_tests::simulation::{Found, Simulation};
use std::collections::BTreeMap;

async fn synced(seed: u64) -> Simulation {
    let mut simulation = Simulation::new(seed, 12, fold::decide).await.unwrap();
    simulation.idle().await.unwrap();
    simulation.sim.advance(60);
    simulation
}

/// A charge that went through for an invoice: the newest that nothing went back of.
fn charge(simulation: &Simulation) -> String {
    simulation.sim.read(|business| {
        let fits = |row: &billfold_sim::model::Charge| row.failure.is_none() && row.refunded == 0 && !row.disputed;
        let place = business.charges.iter().filter(|(_, row)| fits(row)).map(|(place, _)| place).last().unwrap();
        business.id(Kind::Charge, place)
    })
}

/// An invoice that no list has shown: made, final and paid since the sync. Gives its charge.
fn paid_since(simulation: &mut Simulation) -> String {
    let subscription = simulation.sim.read(|business| {
        let runs = |row: &billfold_sim::model::Subscription| {
            row.status == billfold_sim::model::SubscriptionStatus::Active && !row.test_clock
        };
        let place = business.subscriptions.iter().find(|(_, row)| runs(row)).map(|(place, _)| place).unwrap();
        business.id(Kind::Subscription, place)
    });
    simulation.change(&Change::CreateInvoice { subscription }).unwrap();
    let invoice = simulation.sim.read(|business| {
        let place = business.invoices.iter().map(|(place, _)| place).last().unwrap();
        business.id(Kind::Invoice, place)
    });
    simulation.change(&Change::FinalizeInvoice { invoice: invoice.clone() }).unwrap();
    simulation.sim.advance(5);
    simulation.change(&Change::PayInvoice { invoice }).unwrap();
    simulation.sim.advance(5);
    charge(simulation)
}

#[tokio::test]
async fn a_refund_of_an_invoice_that_was_listed_asks_nothing() {
    let mut simulation = synced(31).await;
    let charge = charge(&simulation);
    simulation.change(&Change::Refund { charge, amount: 100 }).unwrap();
    assert_eq!(simulation.delivered().await.unwrap(), BTreeMap::new());
}

#[tokio::test]
async fn a_refund_of_an_invoice_that_only_webhooks_told_of_asks_whose_payment_it_was() {
    let mut simulation = synced(32).await;
    let charge = paid_since(&mut simulation);
    simulation.delivered().await.unwrap();
    simulation.change(&Change::Refund { charge: charge.clone(), amount: 100 }).unwrap();
    let asked = simulation.delivered().await.unwrap();
    let expected = [("GET /v1/invoice_payments", 1), ("GET /v1/invoices/{id}", 1)];
    assert_eq!(asked, expected.map(|(name, count)| (name.to_owned(), count)).into());
    simulation.change(&Change::Refund { charge, amount: 50 }).unwrap();
    assert_eq!(simulation.delivered().await.unwrap(), BTreeMap::new(), "now its payment is known");
}

#[tokio::test]
async fn what_goes_back_counts_in_any_order_of_deliveries() {
    for order in 0..4usize {
        let mut simulation = synced(33).await;
        let charge = paid_since(&mut simulation);
        simulation.change(&Change::Refund { charge: charge.clone(), amount: 100 }).unwrap();
        let refund = simulation.sim.read(|business| {
            let place = business.refunds.iter().map(|(place, _)| place).last().unwrap();
            business.id(Kind::Refund, place)
        });
        simulation.change(&Change::FailRefund { refund }).unwrap();
        simulation.change(&Change::Refund { charge: charge.clone(), amount: 70 }).unwrap();
        let invoice = simulation.sim.read(|business| {
            let place = business.invoices.iter().map(|(place, _)| place).last().unwrap();
            business.id(Kind::Invoice, place)
        });
        for refund in [true, false] {
            simulation.change(&Change::CreditNote { invoice: invoice.clone(), amount: 30, refund }).unwrap();
        }
        simulation.change(&Change::OpenDispute { charge }).unwrap();
        let dispute = simulation.sim.read(|business| {
            let place = business.disputes.iter().map(|(place, _)| place).last().unwrap();
            business.id(Kind::Dispute, place)
        });
        simulation.change(&Change::CloseDispute { dispute, won: order % 2 == 0 }).unwrap();
        let mut deliveries = simulation.take_deliveries();
        match order {
            0 => {}
            1 => deliveries.reverse(),
            2 => deliveries.rotate_left(7),
            _ => deliveries.extend(deliveries.clone()),
        }
        for delivery in &deliveries {
            simulation.deliver(delivery).await.unwrap();
            if order % 2 == 0 {
                simulation.idle().await.unwrap();
            }
        }
        simulation.delivered().await.unwrap();
    }
}

#[tokio::test]
async fn a_refund_whose_webhook_was_lost_is_found_by_a_sync_with_its_invoice() {
    let mut simulation = synced(34).await;
    let charge = paid_since(&mut simulation);
    simulation.delivered().await.unwrap();
    simulation.change(&Change::Refund { charge, amount: 100 }).unwrap();
    drop(simulation.take_deliveries());
    simulation.sim.revoke(simulation.sim.api_key(), "rak_event_read");
    simulation.fall_silent(Found::BySync).await.unwrap();
    simulation.check().await.unwrap();
}

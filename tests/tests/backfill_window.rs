//! Only the invoices of a window are read. What is older becomes known when something needs it, and then as a whole.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use billfold_core::fold;
use billfold_sim::model::{InvoiceStatus, TaxBehavior};
use billfold_sim::{Change, Kind, Sim};
use billfold_tests::simulation::{Setup, Simulation};

const DAYS: u32 = 30;

/// A business that has been synced once with a short window, at rest, some time later.
async fn synced(seed: u64, before: fn(&Sim)) -> Simulation {
    let setup = Setup { backfill_days: DAYS, before, ..Setup::default() };
    let mut simulation = Simulation::with(seed, 120, fold::decide, setup).await.unwrap();
    simulation.idle().await.unwrap();
    simulation.sim.advance(60);
    simulation
}

/// A charge of before the backfill, of which a part went back before it as well.
fn refunded_long_ago(simulation: &Simulation) -> Option<String> {
    let listed_after = simulation.sim.now() - i64::from(DAYS + 1) * 24 * 3600;
    simulation.sim.read(|business| {
        let long_ago = business.refunds.iter().map(|(_, row)| row).filter(|row| row.created < listed_after);
        let mut charges = long_ago.map(|row| (row.charge, &business.charges[row.charge]));
        let left = charges.find(|(_, row)| row.amount - row.refunded > 50 && !row.disputed);
        left.map(|(place, _)| business.id(Kind::Charge, place))
    })
}

#[tokio::test]
async fn an_older_invoice_is_known_with_all_that_went_back() {
    let mut simulation = synced(36, |_| {}).await;
    let charge = refunded_long_ago(&simulation).unwrap();
    simulation.change(&Change::Refund { charge, amount: 50 }).unwrap();
    let asked = simulation.delivered().await.unwrap();
    let lists = ["GET /v1/credit_notes", "GET /v1/disputes", "GET /v1/refunds", "GET /v1/invoice_payments"];
    let lists = lists.map(|name| (name.to_owned(), 1)).into_iter();
    let by_id = [("GET /v1/invoices/{id}", 2), ("GET /v1/refunds/{id}", 1)].map(|(name, n)| (name.to_owned(), n));
    assert_eq!(asked, lists.chain(by_id).collect());
}

#[tokio::test]
async fn the_tax_in_the_price_of_a_yearly_plan_is_known_from_its_invoice() {
    let mut simulation = synced(37, |_| {}).await;
    let by_id = |simulation: &Simulation| simulation.sim.requests().by_endpoint.get("GET /v1/invoices/{id}").copied();
    assert!(by_id(&simulation) > Some(0));
    simulation.check().await.unwrap();
    // What is stored is not asked for again.
    let before = by_id(&simulation);
    simulation.start_sync().await.unwrap();
    simulation.idle().await.unwrap();
    assert_eq!(by_id(&simulation), before);
    simulation.check().await.unwrap();
}

/// Drafts an invoice for every running subscription whose tax was said long ago, and which has it in a price.
fn draft_over_what_is_taxed(sim: &Sim) {
    let listed_after = sim.now() - i64::from(DAYS + 1) * 24 * 3600;
    let told_long_ago = sim.read(|business| {
        let running = business.subscriptions.iter().filter(|(_, row)| row.ended_at.is_none() && !row.test_clock);
        let told = running.filter(|(_, row)| {
            let latest = row.latest_invoice.map(|latest| &business.invoices[latest]);
            latest.is_some_and(|one| one.created < listed_after)
                && row.items.iter().any(|item| business.prices[item.price].tax_behavior == TaxBehavior::Inclusive)
        });
        told.map(|(place, _)| business.id(Kind::Subscription, place)).collect::<Vec<_>>()
    });
    assert!(!told_long_ago.is_empty(), "there is none");
    for subscription in told_long_ago {
        sim.apply(&Change::CreateInvoice { subscription }).unwrap();
    }
}

#[tokio::test]
async fn the_tax_in_a_price_is_known_also_when_the_latest_invoice_does_not_say_it() {
    let simulation = synced(37, draft_over_what_is_taxed).await;
    simulation.check().await.unwrap();
}

#[tokio::test]
async fn an_older_invoice_that_is_still_to_be_paid_is_read() {
    let simulation = synced(38, |_| {}).await;
    let listed_after = simulation.sim.now() - i64::from(DAYS + 1) * 24 * 3600;
    let owed = simulation.sim.read(|business| {
        let open = |row: &billfold_sim::model::Invoice| row.status == InvoiceStatus::Open && !row.test_clock;
        business.invoices.iter().filter(|(_, row)| open(row) && row.created < listed_after).count()
    });
    assert!(owed > 0, "there is none");
    // Every invoice that Stripe lists as open is stored, and the accounts that owe them are overdue.
    simulation.check().await.unwrap();
}

//! What Stripe no longer lists: stored customers, drafts and catalogue rows that a re-sync did not see. Each is asked for
//! by its id before it is buried, because a list can be wrong for a moment and a tombstone is for good.

use super::listing::Read;
use super::page::{endpoint_of, follow, reading};
use super::worker::{Stopped, Worker};
use crate::refusal::Refusal;
use billfold_core::facts::{Fact, Kind};
use billfold_core::run::{Run, Stage};
use billfold_core::stripe::Reading;
use billfold_store::{FactPlace, FactRow, StoreError};
use billfold_stripe::Retrieved;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use std::collections::{HashMap, HashSet};

/// Objects that are asked for at once.
const FETCHES_AT_ONCE: usize = 8;

/// Finds and buries what is gone.
pub(super) async fn bury_missing(worker: &Worker, run: &mut Run, read: &Read) -> Result<(), Stopped> {
    let missing = unseen_facts(worker, run, read).await?;
    let gone: Vec<bool> = stream::iter(missing.into_iter().map(|fact| check(worker, fact)))
        .buffer_unordered(FETCHES_AT_ONCE)
        .try_collect()
        .await?;
    let buried = gone.iter().filter(|gone| **gone).count();
    if buried > 0 {
        tracing::info!(workspace = %worker.fence.ws, run = %run.id, buried, "objects that Stripe has deleted");
    }
    Ok(())
}

/// Stored objects that can be deleted in Stripe, and that this run's lists should have shown but did not.
async fn unseen_facts(worker: &Worker, run: &Run, read: &Read) -> Result<Vec<Fact>, Stopped> {
    let (store, ws) = (worker.app.store(), &worker.fence.ws);
    let mut facts = store.catalogue(ws).await?;
    // Prices made for one subscription are never listed, and no price can be deleted.
    facts.retain(|fact| fact.kind() != Kind::Price && !read.skipped.contains_key(&Stage::Products));
    let in_window = |created| run.invoices_since.is_none_or(|since| created > since);
    let drafts = store.draft_invoices(ws).await?.into_iter().filter(|draft| in_window(draft.created));
    facts.extend(drafts.map(|draft| Fact::Invoice(Box::new(draft))));
    for kind in [Kind::Product, Kind::Coupon, Kind::Invoice] {
        let (of_kind, others): (Vec<Fact>, Vec<Fact>) = facts.into_iter().partition(|fact| fact.kind() == kind);
        let mut unseen: HashMap<String, Fact> = of_kind.into_iter().map(|fact| (fact.id().to_owned(), fact)).collect();
        store.seen_ids(ws, &run.id, kind.as_str(), |id| drop(unseen.remove(id))).await?;
        facts = others;
        facts.extend(unseen.into_values());
    }
    let mut seen = HashSet::new();
    store.seen_ids(ws, &run.id, Kind::Customer.as_str(), |id| seen.extend([id.to_owned()])).await?;
    for customer in worker.app.every_customer(ws).await? {
        if !seen.contains(customer.as_str()) {
            let stored = store.customer_rows(ws, &customer).await?.customer;
            facts.extend(stored.filter(|one| !one.test_clock).map(|one| Fact::Customer(Box::new(one))));
        }
    }
    Ok(facts)
}

/// Asks for one object and buries it if it is gone.
async fn check(worker: &Worker, fact: Fact) -> Result<bool, Stopped> {
    let store = worker.app.store();
    let ws = &worker.fence.ws;
    // Read before Stripe is asked: what is written meanwhile is newer than the answer.
    let place = FactPlace::of(ws, &fact);
    let stored = store.stored_version(&place).await?;
    let (as_of, found) = match worker.stripe.retrieve(endpoint_of(fact.kind()), fact.id()).await? {
        Retrieved::Found { row, date, .. } => (date, Some(row)),
        Retrieved::Deleted { date } | Retrieved::Missing { date } => (date, None),
    };
    let mark = worker.mark_of(&fact, worker.app.stamp()?);
    let row = FactRow::new(ws, fact, as_of)?;
    let written = match found {
        None => store.bury(ws, &row.fact, as_of, stored.as_ref(), mark).await,
        Some(body) => {
            let Ok(Reading::Live { mut fact, nested }) = reading(row.fact.kind(), &body) else { return Ok(false) };
            if let Some(nested) = nested {
                follow(&worker.stripe, &mut fact, nested).await?;
            }
            let fresh = FactRow::new(ws, fact, as_of)?;
            let writes = mark.into_iter().chain(fresh.writes(ws, stored.as_ref())?).collect();
            return match store.write_all(writes).await {
                Ok(()) | Err(StoreError::Conflict) => Ok(false),
                Err(error) => Err(error.into()),
            };
        }
    };
    match written {
        Ok(()) => Ok(true),
        // A webhook was first, and knows at least as much.
        Err(StoreError::Conflict) => Ok(false),
        Err(error) => Err(Stopped::Trouble(Refusal::from(error))),
    }
}

//! What accounts need and no list has shown. Whoever computes an account asks for it, by a message: a coupon that Stripe
//! deleted before it was read (`coupons`), and the invoice from before the backfill that says what a running subscription's
//! tax or usage is, which is the newest that has something to say and need not be the latest.

use crate::app::App;
use crate::queue::{Handled, Message};
use crate::refusal::Refusal;
use crate::sync::invoices_since;
use crate::sync::page::{follow, reading};
use crate::webhook::fold::{self, FoldError};
use billfold_core::facts::{Fact, Invoice, Kind, Subscription};
use billfold_core::id::{CustomerId, SubscriptionId, WorkspaceId};
use billfold_core::mrr;
use billfold_core::stripe::Reading;
use billfold_store::CustomerRows;
use billfold_stripe::{Client, Created, Endpoint, ListRequest};
use jiff::Timestamp;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Objects that a process remembers to have asked for.
const ASKED_MAX: usize = 1000;

/// Invoices of a subscription that are looked at before the next are asked for: mostly the first says it.
const LOOKED_AT_ONCE: u8 = 10;
/// And afterwards: where the first do not say it, perhaps none does.
const LOOKED_AT_ONCE_MAX: u8 = 100;

/// Objects that were asked for since the last sync. It may have been in vain: a permission may be missing.
#[derive(Default)]
pub(crate) struct Asked(Mutex<HashSet<(WorkspaceId, Kind, String)>>);

impl Asked {
    fn is_new(&self, ws: &WorkspaceId, kind: Kind, id: &str) -> bool {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.len() >= ASKED_MAX {
            asked.clear();
        }
        asked.insert((ws.clone(), kind, id.to_owned()))
    }

    /// A sync is worth another try, and so is what nobody was told.
    pub(crate) fn forget(&self, ws: &WorkspaceId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(of, ..)| of != ws);
    }
}

/// Asks for an object by a message, unless that was done.
pub(crate) async fn ask(app: &App, ws: &WorkspaceId, kind: Kind, id: &str, message: Message) -> Result<(), Refusal> {
    if app.asked().is_new(ws, kind, id) {
        let sent = app.queue().send(message, Duration::ZERO).await;
        sent.inspect_err(|_| app.asked().forget(ws))?;
    }
    Ok(())
}

/// Asks for the invoices from before the backfill that say what running subscriptions come to (MRR.md §2, tax and metered).
pub(crate) async fn ask_for_invoices(
    app: &App,
    ws: &WorkspaceId,
    backfill_days: u32,
    customers: impl IntoIterator<Item = &CustomerRows>,
) -> Result<(), Refusal> {
    let Some(listed_after) = invoices_since(app.now(), backfill_days) else { return Ok(()) };
    for rows in customers {
        for subscription in rows.subscriptions.iter().filter(|one| is_told_by_older(one, &rows.invoices, listed_after))
        {
            let (customer, id) = (subscription.customer.clone(), subscription.id.clone());
            let message = Message::Invoices { workspace: ws.clone(), customer, subscription: id.clone() };
            ask(app, ws, Kind::Subscription, id.as_str(), message).await?;
        }
    }
    Ok(())
}

/// Whether an invoice that is not listed may say what a running subscription comes to: none says it so far, or an older
/// one does and there are newer ones.
fn is_told_by_older(subscription: &Subscription, invoices: &[Invoice], listed_after: Timestamp) -> bool {
    let may_be_newer = |telling: &Invoice| {
        telling.created <= listed_after && subscription.latest_invoice.as_ref() != Some(&telling.id)
    };
    !subscription.status.is_terminal()
        && subscription.created <= listed_after
        && mrr::telling(subscription, invoices).any(|telling| telling.is_none_or(may_be_newer))
}

/// Reads the invoices from before the backfill that say what a subscription comes to.
pub(crate) async fn work(
    app: &App,
    ws: &WorkspaceId,
    customer: &CustomerId,
    subscription: &SubscriptionId,
) -> Result<Handled, Refusal> {
    let Some(stripe) = app.connected_stripe(ws).await? else { return Ok(Handled::Done) };
    match read_telling(app, ws, &stripe, customer, subscription).await {
        Ok(()) => Ok(Handled::Done),
        Err(error) => fold::failed(app, ws, subscription.as_str(), error).await,
    }
}

/// Looks at older invoices, newest first, until everything is told, and stores those that tell it.
async fn read_telling(
    app: &App,
    ws: &WorkspaceId,
    stripe: &Client,
    customer: &CustomerId,
    subscription: &SubscriptionId,
) -> Result<(), FoldError> {
    let rows = app.store().customer_rows(ws, customer).await?;
    let Some(subscription) = rows.subscriptions.iter().find(|one| one.id == *subscription) else { return Ok(()) };
    let days = app.settings(ws).await?.backfill_days();
    let Some(listed_after) = invoices_since(app.now(), days) else { return Ok(()) };
    let older = Created { lte: Some(listed_after.as_second()), ..Created::default() };
    let list = ListRequest::new(Endpoint::Invoices).filter("subscription", subscription.id.as_str()).created(older);
    let mut request = Some(list.limit(LOOKED_AT_ONCE));
    // What is stored may be of any age: only what is listed leaves nothing newer out.
    let mut seen: Vec<Invoice> = rows.invoices.iter().filter(|one| one.created > listed_after).cloned().collect();
    while let Some(asked) = request.take().filter(|_| mrr::telling(subscription, &seen).any(|one| one.is_none())) {
        let page = stripe.list(&asked).await?;
        for row in &page.rows {
            let Ok(Reading::Live { mut fact, nested }) = reading(Kind::Invoice, row) else { continue };
            if let Some(nested) = nested {
                follow(stripe, &mut fact, nested).await?;
            }
            if let Fact::Invoice(invoice) = fact {
                seen.push(*invoice);
            }
        }
        request = page.next_request(&asked).map(|next| next.limit(LOOKED_AT_ONCE_MAX));
    }
    for telling in mrr::telling(subscription, &seen).flatten() {
        if !rows.invoices.iter().any(|stored| stored.id == telling.id) {
            fold::fold_fetched(app, ws, Kind::Invoice, telling.id.as_str()).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_asked_for_once_and_the_memory_is_bounded() {
        let (asked, ws) = (Asked::default(), WorkspaceId::new("acme").unwrap());
        let new = |ws: &WorkspaceId, n: usize| asked.is_new(ws, Kind::Coupon, &format!("c{n}"));
        assert!(new(&ws, 0) && !new(&ws, 0) && asked.is_new(&ws, Kind::Invoice, "c0"));
        assert!(new(&WorkspaceId::new("other").unwrap(), 0));
        asked.forget(&ws);
        assert!(new(&ws, 0));
        for n in 0..ASKED_MAX * 2 {
            new(&ws, n);
        }
        assert!(asked.0.lock().unwrap().len() <= ASKED_MAX);
    }
}

//! What accounts need and no list has shown. Whoever computes an account asks for it, and it is folded like an event: a
//! coupon that Stripe deleted before it was read (`coupons`), and an invoice from before the backfill that says what a
//! running subscription's tax or usage is.

use crate::app::App;
use crate::queue::Message;
use crate::refusal::Refusal;
use crate::sync::invoices_since;
use crate::webhook::Delivered;
use billfold_core::facts::Kind;
use billfold_core::id::{InvoiceId, WorkspaceId};
use billfold_store::CustomerRows;
use jiff::Timestamp;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Objects that a process remembers to have asked for.
const ASKED_MAX: usize = 1000;

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

/// Asks for the latest invoice of each running subscription whose period began before the invoices that are listed, where
/// an invoice says what MRR is (MRR.md §2, tax and metered).
pub(crate) async fn ask_for_invoices(
    app: &App,
    ws: &WorkspaceId,
    backfill_days: u32,
    customers: impl IntoIterator<Item = &CustomerRows>,
) -> Result<(), Refusal> {
    let Some(listed_after) = invoices_since(app.now(), backfill_days) else { return Ok(()) };
    for invoice in customers.into_iter().flat_map(|rows| unlisted(rows, listed_after)) {
        let event = Box::new(Delivered::touched(app, Kind::Invoice, invoice.as_str()));
        ask(app, ws, Kind::Invoice, invoice.as_str(), Message::Event { workspace: ws.clone(), event }).await?;
    }
    Ok(())
}

fn unlisted(rows: &CustomerRows, listed_after: Timestamp) -> impl Iterator<Item = &InvoiceId> {
    let running = rows.subscriptions.iter().filter(|subscription| !subscription.status.is_terminal());
    let told_by_invoices = running.filter(move |subscription| {
        let mut items = subscription.items.iter().filter(|item| item.is_told_by_invoices());
        items.any(|item| item.period_start.is_some_and(|start| start <= listed_after))
    });
    let latest = told_by_invoices.filter_map(|subscription| subscription.latest_invoice.as_ref());
    latest.filter(|id| !rows.invoices.iter().any(|invoice| invoice.id == **id))
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

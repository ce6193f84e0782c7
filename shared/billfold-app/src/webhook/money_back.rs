//! Which invoice money that went back shows on.
//!
//! A refund or a dispute names a payment. Lists of invoices show their payments, webhooks do not; so where none of the
//! customer's stored invoices knows the payment, Stripe is asked which one it is of, and that invoice is read again. One
//! that is of no invoice is left alone. Nothing here is asked at a sync: only who has refunds pays for them.
//!
//! An invoice from before the backfill is not listed, and neither is what went back of it then. When something makes it
//! known, all of that is read before it is stored: what it brought in never stands without what it gave back.

use super::candidate::Candidate;
use super::fold::{FoldError, Folder};
use crate::app::App;
use crate::refusal::Refusal;
use crate::sync::invoices_since;
use billfold_core::facts::{Invoice, Kind, Payment};
use billfold_core::id::{CustomerId, WorkspaceId};
use billfold_core::stripe::read_invoice_of_payment;
use billfold_store::{CustomerRows, StoredFact};
use billfold_stripe::{Client, Endpoint, ListRequest, StripeError};
use jiff::SignedDuration;
use std::collections::BTreeSet;

/// A backfill reaches back at least as far.
const BACKFILL_MIN: SignedDuration = SignedDuration::from_hours(24);

/// The invoice that has to be read again after something that went back was folded; `None` if there is nothing to read.
pub(super) async fn shows_on(
    app: &App,
    ws: &WorkspaceId,
    stripe: Option<&Client>,
    kind: Kind,
    id: &str,
    customer: Option<&CustomerId>,
) -> Result<Option<String>, FoldError> {
    let Some(customer) = customer else { return Ok(None) };
    if !matches!(kind, Kind::Refund | Kind::Dispute | Kind::CreditNote) {
        return Ok(None);
    }
    let rows = app.store().customer_rows(ws, customer).await?;
    if kind == Kind::CreditNote {
        let note = rows.money_back.credit_notes.iter().find(|note| note.id.as_str() == id);
        // It changes the amounts of its invoice.
        return Ok(note.map(|note| note.invoice.as_str().to_owned()));
    }
    let payment = match payment(&rows, kind, id) {
        Some(payment) if !is_known(&rows, payment) => payment,
        _ => return Ok(None),
    };
    // A charge that was made without an intent cannot be asked about.
    let Some(intent) = &payment.payment_intent else { return Ok(None) };
    let Some(stripe) = app.stripe_for(ws, stripe).await? else { return Ok(None) };
    let request = ListRequest::new(Endpoint::InvoicePayments)
        .filter("payment[type]", "payment_intent")
        .filter("payment[payment_intent]", intent.as_str());
    let page = stripe.list(&request).await?;
    let Some(row) = page.rows.first() else { return Ok(None) };
    let text = std::str::from_utf8(row.as_bytes()).map_err(Refusal::internal)?;
    let invoice = read_invoice_of_payment(text).map_err(Refusal::internal)?;
    Ok(Some(invoice.as_str().to_owned()))
}

fn payment<'a>(rows: &'a CustomerRows, kind: Kind, id: &str) -> Option<&'a Payment> {
    let back = &rows.money_back;
    match kind {
        Kind::Refund => back.refunds.iter().find(|one| one.id.as_str() == id).map(|one| &one.payment),
        _ => back.disputes.iter().find(|one| one.id.as_str() == id).map(|one| &one.payment),
    }
}

fn is_known(rows: &CustomerRows, payment: &Payment) -> bool {
    payment.ids().any(|id| rows.invoices.iter().any(|invoice| invoice.payments.contains(id)))
}

/// Whether an invoice that nothing is stored of may be from before the backfill.
pub(super) fn may_be_older(candidate: &Candidate, is_stored: bool) -> bool {
    let known_for = |invoice: &Invoice| candidate.as_of.duration_since(invoice.created);
    !is_stored && candidate.invoice().is_some_and(|invoice| known_for(invoice) > BACKFILL_MIN)
}

/// The invoice, if nothing is stored of it because it is from before the backfill.
pub(super) async fn older(
    folder: &Folder<'_>,
    candidate: &Candidate,
    stored: Option<&StoredFact>,
) -> Result<Option<Box<Invoice>>, FoldError> {
    if !may_be_older(candidate, stored.is_some()) {
        return Ok(None);
    }
    let days = folder.app.settings(folder.ws).await?.backfill_days();
    // Earlier lists reached further back; what they have shown is stored.
    let Some(listed_after) = invoices_since(folder.app.now(), days) else { return Ok(None) };
    Ok(candidate.invoice().filter(|invoice| invoice.created <= listed_after).cloned().map(Box::new))
}

/// Folds all that went back of an invoice that was fetched, apart from what is stored.
pub(super) async fn read(folder: &Folder<'_>, invoice: &Invoice) -> Result<(), FoldError> {
    let Some(stripe) = folder.app.stripe_for(folder.ws, folder.stripe).await? else { return Ok(()) };
    let of_invoice = ListRequest::new(Endpoint::CreditNotes).filter("invoice", invoice.id.as_str());
    let mut lists = vec![(Kind::CreditNote, of_invoice)];
    for payment in &invoice.payments {
        let by = if payment.as_str().starts_with("pi_") { "payment_intent" } else { "charge" };
        let list = |endpoint| ListRequest::new(endpoint).filter(by, payment.as_str());
        lists.extend([(Kind::Refund, list(Endpoint::Refunds)), (Kind::Dispute, list(Endpoint::Disputes))]);
    }
    let back = folder.app.store().money_back(folder.ws, &invoice.customer).await?;
    let stored = back.ids();
    for (kind, list) in lists {
        for id in ids(&stripe, list).await? {
            if !stored.contains(id.as_str()) {
                let event = folder.event.touching(kind, id.clone());
                let of_it = Folder { event: &event, kind, id: &id, ..*folder };
                Box::pin(of_it.fold()).await?;
            }
        }
    }
    Ok(())
}

/// The ids of everything on a list; nothing, if the key may not read it.
async fn ids(stripe: &Client, list: ListRequest) -> Result<BTreeSet<String>, FoldError> {
    let mut ids = BTreeSet::new();
    let mut request = Some(ListRequest { expand: Vec::new(), ..list });
    while let Some(asked) = request.take() {
        let page = match stripe.list(&asked).await {
            Ok(page) => page,
            Err(StripeError::PermissionMissing { .. }) => break,
            Err(error) => return Err(error.into()),
        };
        ids.extend(page.rows.iter().filter_map(|row| row.key().ok()).map(|key| key.id));
        request = page.next_request(&asked);
    }
    Ok(ids)
}

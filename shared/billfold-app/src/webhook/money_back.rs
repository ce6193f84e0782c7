//! Which invoice money that went back shows on.
//!
//! A refund or a dispute names a payment. Lists of invoices show their payments, webhooks do not; so where none of the
//! customer's stored invoices knows the payment, Stripe is asked which one it is of, and that invoice is read again. One
//! that is of no invoice is left alone. Nothing here is asked at a sync: only who has refunds pays for them.

use super::fold::FoldError;
use crate::app::App;
use crate::refusal::Refusal;
use billfold_core::facts::{Kind, Payment};
use billfold_core::id::{CustomerId, WorkspaceId};
use billfold_core::stripe::read_invoice_of_payment;
use billfold_store::CustomerRows;
use billfold_stripe::{Client, Endpoint, ListRequest};

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
    let connected = match stripe {
        Some(stripe) => Some(stripe.clone()),
        None => app.connected_stripe(ws).await?,
    };
    let Some(stripe) = connected else { return Ok(None) };
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

//! An account's newest invoices, as rows.

use super::{INVOICES_SHOWN, Returned};
use crate::facts::{Invoice, InvoiceStatus};
use crate::id::InvoiceId;
use crate::money::Money;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An invoice as the Billing tab lists it. All amounts are in the invoice's own currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InvoiceRow {
    /// Stripe's id.
    pub id: InvoiceId,
    /// The number printed on it.
    pub number: Option<String>,
    /// Where it stands.
    pub status: InvoiceStatus,
    /// After discounts and tax.
    pub total: Money,
    /// What is asked.
    pub amount_due: Money,
    /// What was paid.
    pub amount_paid: Money,
    /// What is still owed.
    pub amount_remaining: Money,
    /// What was refunded, failed and cancelled refunds apart; `None` if refunds cannot be read.
    pub refunded: Option<Money>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was paid.
    pub paid_at: Option<Timestamp>,
    /// The page on which the customer can pay it.
    pub hosted_invoice_url: Option<String>,
}

impl InvoiceRow {
    fn of(invoice: &Invoice, returned: Option<&Returned<'_>>) -> Self {
        let money = |amount| Money::new(amount, invoice.currency);
        Self {
            id: invoice.id.clone(),
            number: invoice.number.clone(),
            status: invoice.status.clone(),
            total: money(invoice.total),
            amount_due: money(invoice.amount_due),
            amount_paid: money(invoice.amount_paid),
            amount_remaining: money(invoice.amount_remaining),
            refunded: returned.map(|returned| money(returned.refunded(&invoice.id))),
            created_at: invoice.created,
            paid_at: invoice.paid_at,
            hosted_invoice_url: invoice.hosted_invoice_url.clone(),
        }
    }
}

/// The newest invoices of an account, at most [`INVOICES_SHOWN`], with what was refunded of them if that can be read;
/// those of test clocks are left out.
#[must_use]
pub fn newest_invoices<'a>(
    invoices: impl IntoIterator<Item = &'a Invoice>,
    returned: Option<&Returned<'_>>,
) -> Vec<InvoiceRow> {
    let mut invoices: Vec<&Invoice> = invoices.into_iter().filter(|invoice| !invoice.test_clock).collect();
    invoices.sort_by(|a, b| (b.created, &b.id).cmp(&(a.created, &a.id)));
    invoices.into_iter().take(INVOICES_SHOWN).map(|invoice| InvoiceRow::of(invoice, returned)).collect()
}

//! An account's invoices: the newest as rows, and what all of them have brought in.

use super::totals::by_currency;
use super::{CustomerFacts, INVOICES_SHOWN};
use crate::facts::{Invoice, InvoiceStatus};
use crate::id::InvoiceId;
use crate::money::{Currency, Money};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

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
    /// What was paid back; `None` because refunds are not read yet.
    pub refunded: Option<Money>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was paid.
    pub paid_at: Option<Timestamp>,
    /// The page on which the customer can pay it.
    pub hosted_invoice_url: Option<String>,
}

impl InvoiceRow {
    fn of(invoice: &Invoice) -> Self {
        let money = |amount| Money::new(amount, invoice.currency);
        Self {
            id: invoice.id.clone(),
            number: invoice.number.clone(),
            status: invoice.status.clone(),
            total: money(invoice.total),
            amount_due: money(invoice.amount_due),
            amount_paid: money(invoice.amount_paid),
            amount_remaining: money(invoice.amount_remaining),
            refunded: None,
            created_at: invoice.created,
            paid_at: invoice.paid_at,
            hosted_invoice_url: invoice.hosted_invoice_url.clone(),
        }
    }
}

/// The newest invoices of an account, at most [`INVOICES_SHOWN`]; those of test clocks are left out.
#[must_use]
pub fn newest_invoices<'a>(invoices: impl IntoIterator<Item = &'a Invoice>) -> Vec<InvoiceRow> {
    let mut invoices: Vec<&Invoice> = invoices.into_iter().filter(|invoice| !invoice.test_clock).collect();
    invoices.sort_by(|a, b| (b.created, &b.id).cmp(&(a.created, &a.id)));
    invoices.into_iter().take(INVOICES_SHOWN).map(InvoiceRow::of).collect()
}

/// What was paid on invoices less what was credited after payment, for each currency, and the currencies in which that
/// does not fit (MRR.md §5, lifetime value, as far as refunds and disputes are not read yet).
pub(super) fn lifetime_value(customers: &[CustomerFacts]) -> (BTreeMap<Currency, Money>, BTreeSet<Currency>) {
    let mut too_large = BTreeSet::new();
    let paid = customers.iter().flat_map(CustomerFacts::real_invoices).flat_map(|invoice| {
        let credited = invoice.post_payment_credit.saturating_neg();
        [invoice.amount_paid, credited].map(|amount| Money::new(amount, invoice.currency))
    });
    let sums = by_currency(paid, &mut too_large);
    (sums, too_large)
}

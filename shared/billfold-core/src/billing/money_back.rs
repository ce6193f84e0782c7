//! What came in and what went back (MRR.md §5, lifetime value), and which invoice each refund and dispute is about.
//!
//! Only payments of invoices that are known count: a refund of anything else is not taken off what its invoice never
//! brought in.

use super::CustomerFacts;
use super::totals::by_currency;
use crate::facts::{CreditNote, CreditNoteStatus, Dispute, DisputeStatus, Invoice, MoneyBack, Payment, Refund};
use crate::id::{CustomerId, DisputeId, InvoiceId, PaymentId, RefundId};
use crate::money::{Currency, Money};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that went back to an account, with the invoices that it is about.
#[derive(Debug, Default)]
pub struct Returned<'a> {
    invoices: BTreeMap<&'a InvoiceId, &'a Invoice>,
    by_payment: BTreeMap<&'a PaymentId, &'a InvoiceId>,
    by_refund: BTreeMap<&'a RefundId, &'a InvoiceId>,
    refunds: Vec<&'a Refund>,
    disputes: Vec<&'a Dispute>,
    credit_notes: Vec<&'a CreditNote>,
}

/// A dispute that is not decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenDispute {
    /// Stripe's id.
    pub id: DisputeId,
    /// Who disputes.
    pub customer_id: CustomerId,
    /// The invoice whose payment is disputed; `None` if it is of none that is known.
    pub invoice_id: Option<InvoiceId>,
    /// What is disputed.
    pub amount: Money,
    /// Where it stands.
    pub status: DisputeStatus,
    /// When it was opened.
    pub created_at: Timestamp,
}

impl<'a> Returned<'a> {
    /// Finds the invoice of everything that went back. Where a payment was spread over several invoices, it is taken to
    /// be of the oldest.
    #[must_use]
    pub fn of(invoices: impl IntoIterator<Item = &'a Invoice>, back: impl IntoIterator<Item = &'a MoneyBack>) -> Self {
        let mut found = Self::default();
        let mut invoices: Vec<&Invoice> = invoices.into_iter().collect();
        invoices.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        for invoice in invoices {
            found.invoices.insert(&invoice.id, invoice);
            for payment in &invoice.payments {
                found.by_payment.entry(payment).or_insert(&invoice.id);
            }
        }
        for back in back {
            found.refunds.extend(&back.refunds);
            found.disputes.extend(&back.disputes);
            found.credit_notes.extend(&back.credit_notes);
        }
        for note in &found.credit_notes {
            found.by_refund.extend(note.paid_out.iter().map(|part| (&part.refund, &note.invoice)));
        }
        found
    }

    /// The same for all the customers of an account; what is of a test clock is left out.
    #[must_use]
    pub fn of_account(customers: &'a [CustomerFacts]) -> Self {
        let invoices = customers.iter().flat_map(CustomerFacts::real_invoices);
        Self::of(invoices, customers.iter().map(|facts| &facts.money_back))
    }

    fn invoice_of(&self, payment: &Payment) -> Option<&'a InvoiceId> {
        payment.ids().find_map(|id| self.by_payment.get(id).copied())
    }

    /// The invoice whose payment was refunded, if it is known.
    #[must_use]
    pub fn refunded_invoice(&self, refund: &Refund) -> Option<&'a InvoiceId> {
        let of_note = || self.by_refund.get(&refund.id).copied();
        self.invoice_of(&refund.payment).or_else(of_note).filter(|id| self.invoices.contains_key(*id))
    }

    /// The refunds of payments of an invoice, failed and cancelled ones too.
    pub fn refunds(&self, invoice: &InvoiceId) -> impl Iterator<Item = &'a Refund> {
        self.refunds.iter().copied().filter(move |refund| self.refunded_invoice(refund) == Some(invoice))
    }

    /// What was refunded of an invoice, in minor units of its currency: not failed and not cancelled.
    #[must_use]
    pub fn refunded(&self, invoice: &InvoiceId) -> i64 {
        let counted = self.refunds(invoice).filter(|refund| refund.status.counts());
        counted.fold(0i64, |sum, refund| sum.saturating_add(refund.amount))
    }

    /// The disputes that are not decided, the newest first.
    #[must_use]
    pub fn open_disputes(&self) -> Vec<OpenDispute> {
        let open = self.disputes.iter().filter(|dispute| dispute.status.is_open()).map(|dispute| OpenDispute {
            id: dispute.id.clone(),
            customer_id: dispute.customer.clone(),
            invoice_id: self.invoice_of(&dispute.payment).cloned(),
            amount: Money::new(dispute.amount, dispute.currency),
            status: dispute.status.clone(),
            created_at: dispute.created,
        });
        let mut open: Vec<OpenDispute> = open.collect();
        open.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        open
    }

    /// The refunds that lower lifetime value, by their ids.
    fn counted(&self) -> BTreeMap<&'a RefundId, &'a Refund> {
        let counted = self.refunds.iter().filter(|one| one.status.counts() && self.refunded_invoice(one).is_some());
        counted.map(|refund| (&refund.id, *refund)).collect()
    }

    /// What a credit note gave back beyond the refunds that are counted already.
    fn credited(&self, note: &CreditNote, counted: &BTreeMap<&RefundId, &Refund>) -> Option<Money> {
        if note.status == CreditNoteStatus::Void || !self.invoices.contains_key(&note.invoice) {
            return None;
        }
        let paid_out = note.paid_out.iter().filter(|part| counted.contains_key(&part.refund));
        let paid_out = paid_out.fold(0i64, |sum, part| sum.saturating_add(part.amount));
        Some(Money::new(note.after_payment.saturating_sub(paid_out).max(0), note.currency))
    }

    /// Lifetime value for each currency, and the currencies in which it does not fit (MRR.md §5): what was paid on
    /// invoices, less refunds of those payments, less disputes about them that were lost, less what credit notes gave
    /// back in other ways.
    pub(super) fn lifetime_value(&self) -> (BTreeMap<Currency, Money>, BTreeSet<Currency>) {
        let mut too_large = BTreeSet::new();
        let counted = self.counted();
        let paid = self.invoices.values().map(|invoice| Money::new(invoice.amount_paid, invoice.currency));
        let refunds = counted.values().map(|refund| Money::new(refund.amount, refund.currency));
        let lost = self.disputes.iter().filter(|dispute| dispute.status == DisputeStatus::Lost);
        let lost = lost.filter(|dispute| self.invoice_of(&dispute.payment).is_some());
        let lost = lost.map(|dispute| Money::new(dispute.amount, dispute.currency));
        let credited = self.credit_notes.iter().filter_map(|note| self.credited(note, &counted));
        let back = refunds.chain(lost).chain(credited);
        let back = back.map(|money| Money::new(money.amount.saturating_neg(), money.currency));
        let sums = by_currency(paid.chain(back), &mut too_large);
        (sums, too_large)
    }
}

//! What went back to a customer, and the payments by which it finds its invoice.
//!
//! An invoice's payments are known only from answers that show them, never from a webhook. They only ever become more,
//! so they are kept beside the fact and joined with what was known: no order of arrival can lose one.

use crate::client::{Range, Store};
use crate::error::StoreError;
use crate::facts::{CustomerRows, FactRow, StoredFact};
use crate::item::{Row, attribute};
use crate::key::{self, sort};
use billfold_core::facts::{Fact, Kind, MoneyBack};
use billfold_core::id::{CustomerId, PaymentId, WorkspaceId};
use jiff::Timestamp;
use std::collections::BTreeSet;

pub(crate) fn joined(payments: &[PaymentId]) -> String {
    payments.iter().map(PaymentId::as_str).collect::<Vec<_>>().join(" ")
}

/// The payments that a row of an invoice names; none for any other row.
pub(crate) fn split(row: &Row) -> Result<Vec<PaymentId>, StoreError> {
    let ids = row.text(attribute::PAYMENTS).unwrap_or_default().split_whitespace();
    ids.map(|id| PaymentId::new(id).map_err(|error| StoreError::corrupt(row.name(), error))).collect()
}

/// Reads a row and adds it to what went back.
pub(crate) fn take(back: &mut MoneyBack, row: &Row) -> Result<(), StoreError> {
    let of = |kind: Kind| {
        let name = row.sort_key().strip_prefix(sort::MONEY_BACK_PREFIX);
        name.and_then(|name| name.strip_prefix(kind.as_str())).is_some_and(|rest| rest.starts_with('#'))
    };
    match () {
        () if of(Kind::Refund) => back.refunds.push(row.body()?),
        () if of(Kind::Dispute) => back.disputes.push(row.body()?),
        () if of(Kind::CreditNote) => back.credit_notes.push(row.body()?),
        () => return Err(StoreError::corrupt(row.name(), "it is not a row of a customer")),
    }
    Ok(())
}

impl FactRow {
    fn payments(&self) -> &[PaymentId] {
        match &self.fact {
            Fact::Invoice(invoice) => &invoice.payments,
            _ => &[],
        }
    }

    /// Whether it says what is stored, but knows of a payment that is not: then it is worth a write, whatever its time.
    #[must_use]
    pub fn brings_payments(&self, stored: Option<&StoredFact>) -> bool {
        let news = |stored: &StoredFact| self.payments().iter().any(|payment| !stored.payments.contains(payment));
        stored.is_some_and(|stored| stored.version.digest == self.digest && news(stored))
    }

    /// Its payments and those that were known, each once.
    pub(crate) fn payments_beside(&self, stored: Option<&StoredFact>) -> Vec<PaymentId> {
        let known = stored.into_iter().flat_map(|stored| &stored.payments);
        let all: BTreeSet<&PaymentId> = self.payments().iter().chain(known).collect();
        all.into_iter().cloned().collect()
    }

    /// Its time; the later one where what is stored says the same.
    pub(crate) fn as_of_beside(&self, stored: Option<&StoredFact>) -> Timestamp {
        let same = stored.filter(|stored| stored.version.digest == self.digest);
        same.map_or(self.as_of, |stored| self.as_of.max(stored.version.as_of))
    }
}

impl CustomerRows {
    /// Every fact of the customer.
    pub fn into_facts(self) -> impl Iterator<Item = Fact> {
        let MoneyBack { refunds, disputes, credit_notes } = self.money_back;
        let own = self.customer.into_iter().map(|one| Fact::Customer(Box::new(one)));
        let subscriptions = self.subscriptions.into_iter().map(|one| Fact::Subscription(Box::new(one)));
        let invoices = self.invoices.into_iter().map(|one| Fact::Invoice(Box::new(one)));
        let refunds = refunds.into_iter().map(|one| Fact::Refund(Box::new(one)));
        let disputes = disputes.into_iter().map(|one| Fact::Dispute(Box::new(one)));
        let credit_notes = credit_notes.into_iter().map(|one| Fact::CreditNote(Box::new(one)));
        own.chain(subscriptions).chain(invoices).chain(refunds).chain(disputes).chain(credit_notes)
    }
}

impl Store {
    /// What went back to a customer.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn money_back(&self, ws: &WorkspaceId, customer: &CustomerId) -> Result<MoneyBack, StoreError> {
        let mut back = MoneyBack::default();
        let range = Range::prefix(key::customer_partition(ws, customer), sort::MONEY_BACK_PREFIX);
        for row in self.query(&range).await?.iter().filter(|row| !row.has(attribute::GONE)) {
            take(&mut back, row)?;
        }
        Ok(back)
    }
}

//! What each invoice brought in and what went back of it, booked charge by charge.

use super::ByCurrency;
use crate::business::Business;
use crate::model::{DisputeStatus, Idx, RefundStatus, Unix};
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};

/// The money of one invoice, in minor units of its currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InvoiceTruth {
    pub customer: Idx,
    pub currency: String,
    pub created: Unix,
    pub test_clock: bool,
    pub paid: i64,
    /// By refunds that neither failed nor were called off.
    pub refunded: i64,
    /// By disputes that were lost.
    pub lost: i64,
    /// By credit notes, in other ways than by those refunds.
    pub credited: i64,
}

impl InvoiceTruth {
    pub fn lifetime_value(&self) -> i64 {
        self.paid - self.refunded - self.lost - self.credited
    }
}

/// Every invoice, those of test clocks too.
pub fn by_invoice(business: &Business) -> BTreeMap<Idx, InvoiceTruth> {
    let all = business.invoices.iter().map(|(place, row)| {
        let money = InvoiceTruth {
            customer: row.customer,
            currency: row.currency.code().to_owned(),
            created: row.created,
            test_clock: row.test_clock,
            paid: row.amount_paid,
            refunded: 0,
            lost: 0,
            credited: 0,
        };
        (place, money)
    });
    let mut invoices: BTreeMap<Idx, InvoiceTruth> = all.collect();
    let invoice_of = |charge: Idx| business.payments[business.charges[charge].payment].invoice;
    let mut went_back = HashSet::new();
    for (place, refund) in business.refunds.iter() {
        if matches!(refund.status, RefundStatus::Pending | RefundStatus::Succeeded) {
            went_back.insert(place);
            invoices.entry(invoice_of(refund.charge)).and_modify(|money| money.refunded += refund.amount);
        }
    }
    for (_, dispute) in business.disputes.iter().filter(|(_, dispute)| dispute.status == DisputeStatus::Lost) {
        invoices.entry(invoice_of(dispute.charge)).and_modify(|money| money.lost += dispute.amount);
    }
    for (_, note) in business.credit_notes.iter() {
        let by_refund = note.refund.is_some_and(|refund| went_back.contains(&refund));
        if !note.pre_payment && note.voided_at.is_none() && !by_refund {
            invoices.entry(note.invoice).and_modify(|money| money.credited += note.amount);
        }
    }
    invoices
}

/// Lifetime value for each customer, of the invoices that a full sync reads.
pub fn by_customer(business: &Business, from: Unix) -> BTreeMap<Idx, ByCurrency> {
    let mut customers: BTreeMap<Idx, ByCurrency> = BTreeMap::new();
    for money in by_invoice(business).into_values().filter(|money| !money.test_clock && money.created >= from) {
        let sums = customers.entry(money.customer).or_default();
        *sums.entry(money.currency.clone()).or_default() += money.lifetime_value();
    }
    customers
}

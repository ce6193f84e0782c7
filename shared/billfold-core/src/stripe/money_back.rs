//! Refunds, disputes and credit notes, and which invoice a payment is of.

use super::read::whole;
use super::wire::{Expandable, List, Seconds};
use super::{Reading, Unreadable};
use crate::facts::{
    CreditNote, CreditNoteStatus, Dispute, DisputeStatus, Fact, PaidOut, Payment, Refund, RefundStatus,
};
use crate::id::{CreditNoteId, CustomerId, DisputeId, InvoiceId, PaymentId, RefundId};
use crate::money::Currency;
use serde::Deserialize;

#[derive(Deserialize)]
struct ReturnWire<Status> {
    id: String,
    amount: i64,
    currency: String,
    created: Seconds,
    status: Option<Status>,
    reason: Option<String>,
    payment_intent: Option<Expandable>,
    charge: Option<ChargeWire>,
    // Refunds name their customer in late versions, disputes in none: then the charge does, where it is expanded.
    customer: Option<Expandable>,
    customer_account: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ChargeWire {
    Id(String),
    Whole { id: String, customer: Option<Expandable> },
}

#[derive(Deserialize)]
struct CreditNoteWire {
    id: String,
    customer: Option<Expandable>,
    customer_account: Option<String>,
    invoice: Expandable,
    currency: String,
    created: Seconds,
    status: CreditNoteStatus,
    post_payment_amount: Option<i64>,
    refunds: Option<Vec<PaidOutWire>>,
}

#[derive(Deserialize)]
struct PaidOutWire {
    amount_refunded: Option<i64>,
    refund: Option<Expandable>,
}

/// A payment of an invoice, in the list that an invoice carries or by itself.
#[derive(Deserialize)]
pub(super) struct InvoicePaymentWire {
    invoice: Expandable,
    payment: Option<PaymentWire>,
}

#[derive(Deserialize)]
struct PaymentWire {
    payment_intent: Option<Expandable>,
    charge: Option<Expandable>,
}

impl ChargeWire {
    fn id(&self) -> &str {
        match self {
            Self::Id(id) | Self::Whole { id, .. } => id,
        }
    }

    fn customer(&self) -> Option<&str> {
        match self {
            Self::Id(_) => None,
            Self::Whole { customer, .. } => customer.as_ref().map(Expandable::id),
        }
    }
}

impl<Status> ReturnWire<Status> {
    fn customer(&self) -> Result<Option<CustomerId>, Unreadable> {
        let own = self.customer.as_ref().map(Expandable::id);
        let of_charge = || self.charge.as_ref().and_then(ChargeWire::customer);
        let id = own.or_else(of_charge).or(self.customer_account.as_deref());
        Ok(id.map(CustomerId::new).transpose()?)
    }

    fn payment(&self) -> Result<Payment, Unreadable> {
        Ok(Payment {
            payment_intent: self.payment_intent.as_ref().map(|intent| PaymentId::new(intent.id())).transpose()?,
            charge: self.charge.as_ref().map(|charge| PaymentId::new(charge.id())).transpose()?,
        })
    }
}

pub(super) fn refund(json: &str) -> Result<Reading, Unreadable> {
    let wire: ReturnWire<RefundStatus> = serde_json::from_str(json)?;
    let Some(customer) = wire.customer()? else {
        return Ok(Reading::Ignored { reason: "a refund without a customer" });
    };
    let fact = Refund {
        payment: wire.payment()?,
        id: RefundId::new(wire.id)?,
        customer,
        amount: wire.amount,
        currency: Currency::new(&wire.currency)?,
        created: wire.created.time()?,
        status: wire.status.unwrap_or(RefundStatus::Pending),
    };
    Ok(whole(Fact::Refund(Box::new(fact))))
}

pub(super) fn dispute(json: &str) -> Result<Reading, Unreadable> {
    let wire: ReturnWire<DisputeStatus> = serde_json::from_str(json)?;
    let Some(customer) = wire.customer()? else {
        return Ok(Reading::Ignored { reason: "a dispute whose charge has no customer, or is not shown" });
    };
    let fact = Dispute {
        payment: wire.payment()?,
        id: DisputeId::new(wire.id)?,
        customer,
        amount: wire.amount,
        currency: Currency::new(&wire.currency)?,
        created: wire.created.time()?,
        status: wire.status.ok_or(Unreadable::Missing("status"))?,
        reason: wire.reason,
    };
    Ok(whole(Fact::Dispute(Box::new(fact))))
}

pub(super) fn credit_note(json: &str) -> Result<Reading, Unreadable> {
    let wire: CreditNoteWire = serde_json::from_str(json)?;
    let Some(customer) = wire.customer.as_ref().map(Expandable::id).or(wire.customer_account.as_deref()) else {
        return Ok(Reading::Ignored { reason: "a credit note without a customer" });
    };
    let paid_out = wire.refunds.unwrap_or_default().into_iter().filter_map(|part| {
        // What was refunded outside of Stripe names no refund.
        let refund = RefundId::new(part.refund?.id());
        Some(refund.map(|refund| PaidOut { refund, amount: part.amount_refunded.unwrap_or(0) }))
    });
    let fact = CreditNote {
        customer: CustomerId::new(customer)?,
        id: CreditNoteId::new(wire.id)?,
        invoice: InvoiceId::new(wire.invoice.id())?,
        after_payment: wire.post_payment_amount.unwrap_or(0),
        currency: Currency::new(&wire.currency)?,
        created: wire.created.time()?,
        status: wire.status,
        paid_out: paid_out.collect::<Result<_, _>>()?,
    };
    Ok(whole(Fact::CreditNote(Box::new(fact))))
}

/// The ids of the payments of an invoice, each once, in order.
pub(super) fn payments(
    listed: Option<List<InvoicePaymentWire>>,
    before_basil: [Option<Expandable>; 2],
) -> Result<Vec<PaymentId>, Unreadable> {
    let listed = listed.into_iter().flat_map(|list| list.data).filter_map(|row| row.payment);
    let listed = listed.flat_map(|payment| [payment.payment_intent, payment.charge]);
    let ids = listed.chain(before_basil).flatten().map(|one| PaymentId::new(one.id()));
    let mut ids = ids.collect::<Result<Vec<_>, _>>()?;
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// Reads which invoice a payment is of, from a row of Stripe's list of invoice payments.
///
/// # Errors
/// [`Unreadable`] when it is not such a row.
pub fn read_invoice_of_payment(json: &str) -> Result<InvoiceId, Unreadable> {
    let wire: InvoicePaymentWire = serde_json::from_str(json)?;
    Ok(InvoiceId::new(wire.invoice.id())?)
}

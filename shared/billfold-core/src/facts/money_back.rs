//! Money that went back: refunds, disputes and credit notes.
//!
//! Since 2025-03-31.basil a refund and a dispute name a payment and not an invoice; which invoice a payment is of, the
//! invoice knows ([`super::Invoice::payments`]).

use super::open_enum;
use crate::id::{CreditNoteId, CustomerId, DisputeId, InvoiceId, PaymentId, RefundId};
use crate::money::Currency;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Everything that went back to one customer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MoneyBack {
    /// Its refunds, in any order.
    pub refunds: Vec<Refund>,
    /// The disputes about its payments, in any order.
    pub disputes: Vec<Dispute>,
    /// Its credit notes, in any order.
    pub credit_notes: Vec<CreditNote>,
}

impl MoneyBack {
    /// The ids of all of it.
    #[must_use]
    pub fn ids(&self) -> BTreeSet<&str> {
        let refunds = self.refunds.iter().map(|one| one.id.as_str());
        let disputes = self.disputes.iter().map(|one| one.id.as_str());
        refunds.chain(disputes).chain(self.credit_notes.iter().map(|one| one.id.as_str())).collect()
    }
}

/// Which payment something is about: the payment intent, the charge, or both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// `pi_…`; charges that were made without one have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_intent: Option<PaymentId>,
    /// `ch_…` or `py_…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge: Option<PaymentId>,
}

/// A payment that was paid back, whole or in part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// Stripe's id.
    pub id: RefundId,
    /// Who got it.
    pub customer: CustomerId,
    /// What was paid back.
    #[serde(flatten)]
    pub payment: Payment,
    /// Minor units of `currency`.
    pub amount: i64,
    /// The currency of the payment.
    pub currency: Currency,
    /// When it was made.
    pub created: Timestamp,
    /// Where it stands.
    pub status: RefundStatus,
}

/// A payment that its payer has called back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    /// Stripe's id.
    pub id: DisputeId,
    /// Who disputes.
    pub customer: CustomerId,
    /// What is disputed.
    #[serde(flatten)]
    pub payment: Payment,
    /// Minor units of `currency`.
    pub amount: i64,
    /// The currency of the payment.
    pub currency: Currency,
    /// When it was opened.
    pub created: Timestamp,
    /// Where it stands.
    pub status: DisputeStatus,
    /// What the payer says: `fraudulent`, `product_not_received`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A correction of an invoice that was final already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditNote {
    /// Stripe's id.
    pub id: CreditNoteId,
    /// Who is credited.
    pub customer: CustomerId,
    /// The invoice that it corrects.
    pub invoice: InvoiceId,
    /// What it gives back of what had been paid, in minor units of `currency`; what only lowers an amount due is not in it.
    pub after_payment: i64,
    /// The currency of the invoice.
    pub currency: Currency,
    /// When it was issued.
    pub created: Timestamp,
    /// Whether it stands.
    pub status: CreditNoteStatus,
    /// The part of `after_payment` that was paid out as refunds; the rest went to the balance or outside of Stripe.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paid_out: Vec<PaidOut>,
}

/// A refund that pays out a credit note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaidOut {
    /// The refund.
    pub refund: RefundId,
    /// What of it belongs to the note, in minor units.
    pub amount: i64,
}

open_enum! {
    /// Where a refund stands.
    RefundStatus {
        /// On its way.
        Pending = "pending",
        /// Somebody has to do something before it is on its way.
        RequiresAction = "requires_action",
        /// Paid.
        Succeeded = "succeeded",
        /// It came back.
        Failed = "failed",
        /// It was called off.
        Canceled = "canceled",
    }
}

open_enum! {
    /// Where a dispute stands.
    DisputeStatus {
        /// An inquiry that waits for an answer; no money has moved.
        WarningNeedsResponse = "warning_needs_response",
        /// An inquiry that was answered.
        WarningUnderReview = "warning_under_review",
        /// An inquiry that is over without a dispute.
        WarningClosed = "warning_closed",
        /// It waits for an answer.
        NeedsResponse = "needs_response",
        /// The bank decides.
        UnderReview = "under_review",
        /// Decided for the merchant.
        Won = "won",
        /// Decided for the payer.
        Lost = "lost",
        /// Settled before it became one.
        Prevented = "prevented",
    }
}

open_enum! {
    /// Whether a credit note stands.
    CreditNoteStatus {
        /// It does.
        Issued = "issued",
        /// It was taken back.
        Void = "void",
    }
}

impl RefundStatus {
    /// Whether money goes back (MRR.md §5): all but failed and cancelled ones.
    #[must_use]
    pub fn counts(&self) -> bool {
        !matches!(self, Self::Failed | Self::Canceled)
    }
}

impl DisputeStatus {
    /// Whether it is not decided yet, inquiries included.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self, Self::NeedsResponse | Self::UnderReview | Self::WarningNeedsResponse | Self::WarningUnderReview)
    }
}

impl Payment {
    /// The ids by which an invoice may know it.
    pub fn ids(&self) -> impl Iterator<Item = &PaymentId> {
        self.payment_intent.iter().chain(&self.charge)
    }
}

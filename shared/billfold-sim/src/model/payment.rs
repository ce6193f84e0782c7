//! Money that moved: payments of invoices, charges, and what went back.

use super::{Currency, Idx, Row, Unix};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentStatus {
    Open,
    Paid,
    Canceled,
}

impl PaymentStatus {
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Paid => "paid",
            Self::Canceled => "canceled",
        }
    }
}

/// One payment toward an invoice. Its payment intent has the same number.
#[derive(Clone, Debug, PartialEq)]
pub struct InvoicePayment {
    pub invoice: Idx,
    pub created: Unix,
    pub requested: i64,
    pub paid: Option<i64>,
    pub status: PaymentStatus,
    pub is_default: bool,
    pub settled_at: Option<Unix>,
    pub charges: Vec<Idx>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Charge {
    pub payment: Idx,
    pub customer: Idx,
    pub created: Unix,
    pub amount: i64,
    pub currency: Currency,
    /// Why it was declined; nothing for one that went through.
    pub failure: Option<&'static str>,
    pub refunded: i64,
    pub disputed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundStatus {
    Pending,
    Succeeded,
    Failed,
    Canceled,
}

impl RefundStatus {
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Refund {
    pub charge: Idx,
    pub created: Unix,
    pub amount: i64,
    pub reason: Option<&'static str>,
    pub status: RefundStatus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisputeStatus {
    NeedsResponse,
    UnderReview,
    Won,
    Lost,
}

impl DisputeStatus {
    pub fn name(self) -> &'static str {
        match self {
            Self::NeedsResponse => "needs_response",
            Self::UnderReview => "under_review",
            Self::Won => "won",
            Self::Lost => "lost",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Dispute {
    pub charge: Idx,
    pub created: Unix,
    pub amount: i64,
    pub reason: &'static str,
    pub status: DisputeStatus,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CreditNote {
    pub invoice: Idx,
    pub created: Unix,
    /// Its place among the invoice's credit notes, from one.
    pub sequence: u32,
    pub amount: i64,
    pub pre_payment: bool,
    pub refund: Option<Idx>,
    pub reason: Option<&'static str>,
    pub memo: Option<String>,
    pub voided_at: Option<Unix>,
}

impl Row for InvoicePayment {
    fn created(&self) -> Unix {
        self.created
    }
}

impl Row for Charge {
    fn created(&self) -> Unix {
        self.created
    }
}

impl Row for Refund {
    fn created(&self) -> Unix {
        self.created
    }
}

impl Row for Dispute {
    fn created(&self) -> Unix {
        self.created
    }
}

impl Row for CreditNote {
    fn created(&self) -> Unix {
        self.created
    }
}

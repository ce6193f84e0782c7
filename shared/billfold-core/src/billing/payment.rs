//! Whether an account pays, and the revenue pillar of its health (MRR.md §5).
//!
//! Judged from subscriptions and open invoices alone; Stripe's `delinquent` mark is not asked.

use super::CustomerFacts;
use crate::facts::{Invoice, InvoiceStatus, Subscription, SubscriptionStatus};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Whether an account pays. The worst comes last, and the worst of its parts is an account's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    /// No live subscription.
    None,
    /// At least one live subscription, and nothing wrong.
    Paid,
    /// Something is owed and may still come by itself.
    Overdue,
    /// Something is owed and will not come by itself.
    Failed,
}

/// The pillars of an account's health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Health {
    /// Whether it pays.
    pub revenue: Pillar,
}

/// One pillar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Pillar {
    /// 0 to 100; `None` where the pillar is not part of the score.
    pub score: Option<u8>,
    /// The score as a level.
    pub level: Level,
    /// What decided, as a sentence.
    pub reason: String,
}

/// A level of health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nothing is wrong.
    Good,
    /// To be watched.
    Warning,
    /// To be acted on.
    Red,
    /// Not part of the score.
    None,
}

/// A status with what decided it.
pub(super) struct Judged {
    pub(super) status: PaymentStatus,
    pub(super) reason: String,
}

impl PaymentStatus {
    /// The word for it: `none`, `paid`, `overdue` or `failed`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Paid => "paid",
            Self::Overdue => "overdue",
            Self::Failed => "failed",
        }
    }
}

impl Health {
    pub(super) fn of(judged: &Judged) -> Self {
        let (score, level) = match judged.status {
            PaymentStatus::Failed => (Some(0), Level::Red),
            PaymentStatus::Overdue => (Some(50), Level::Warning),
            PaymentStatus::Paid => (Some(100), Level::Good),
            PaymentStatus::None => (None, Level::None),
        };
        Self { revenue: Pillar { score, level, reason: judged.reason.clone() } }
    }
}

/// The worst of an account's subscriptions and open invoices; among equals the first decides. The open invoices of a
/// deleted customer are nobody's debt any more: Stripe collects nothing from it.
pub(super) fn judge(customers: &[CustomerFacts], now: Timestamp) -> Judged {
    let subscriptions = customers.iter().flat_map(CustomerFacts::real_subscriptions).map(of_subscription);
    let invoices = customers.iter().filter(|facts| facts.customer.is_some()).flat_map(CustomerFacts::real_invoices);
    let invoices = invoices.map(|invoice| of_invoice(invoice, now));
    let none = Judged { status: PaymentStatus::None, reason: "There is no live subscription.".to_owned() };
    subscriptions.chain(invoices).fold(none, |worst, one| if one.status > worst.status { one } else { worst })
}

fn of_subscription(subscription: &Subscription) -> Judged {
    let status = match &subscription.status {
        SubscriptionStatus::Unpaid | SubscriptionStatus::Incomplete => PaymentStatus::Failed,
        SubscriptionStatus::PastDue => PaymentStatus::Overdue,
        SubscriptionStatus::Active | SubscriptionStatus::Trialing => PaymentStatus::Paid,
        SubscriptionStatus::IncompleteExpired
        | SubscriptionStatus::Canceled
        | SubscriptionStatus::Paused
        | SubscriptionStatus::Other(_) => PaymentStatus::None,
    };
    let reason = match status {
        PaymentStatus::Paid => "Nothing is overdue.".to_owned(),
        _ => format!("Subscription {} is {}.", subscription.id, subscription.status.as_str()),
    };
    Judged { status, reason }
}

fn of_invoice(invoice: &Invoice, now: Timestamp) -> Judged {
    let name = invoice.number.as_deref().unwrap_or(invoice.id.as_str());
    let automatic = invoice.collection_method.as_deref() != Some("send_invoice");
    let declined = automatic && (invoice.attempted || invoice.attempt_count > 0);
    let past_due = invoice.due_date.is_some_and(|due| due < now);
    let (status, what) = match invoice.next_payment_attempt {
        _ if invoice.status != InvoiceStatus::Open => (PaymentStatus::None, "is not open"),
        None if declined => (PaymentStatus::Failed, "was declined and will not be tried again"),
        Some(_) if declined => (PaymentStatus::Overdue, "was declined and will be tried again"),
        _ if past_due => (PaymentStatus::Overdue, "is past its due date"),
        _ => (PaymentStatus::None, "is not due yet"),
    };
    Judged { status, reason: format!("Invoice {name} {what}.") }
}

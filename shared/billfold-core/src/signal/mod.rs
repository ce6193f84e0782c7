//! Signals: what a person should hear of (MRR.md §6). Each has an id that is a function of what happened, so that nothing
//! is raised twice, and each resolves itself when its cause goes away.
//!
//! Pure: the stored signals, the facts and the movements go in; the signals that must be written come out.

mod cause;
mod reconcile;
#[cfg(test)]
mod tests;

pub use reconcile::{Inputs, reconcile};

use crate::id::{AccountId, CustomerId, InvoiceId, SubscriptionId};
use crate::money::Money;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SignalType {
    /// An invoice's first automatic attempt was declined.
    PaymentFailed,
    /// A subscription became `past_due`.
    PaymentOverdue,
    /// A subscription was cancelled, at once or for later.
    SubscriptionCanceled,
    /// A subscription shrank through quantity, plan or price.
    SubscriptionDowngraded,
    /// A subscription grew through quantity, plan or price.
    SubscriptionUpgraded,
    /// A trial ends within three days.
    TrialEnding,
    /// An account that paid nothing any more pays again.
    Reactivated,
    /// A customer's bank was asked to take a payment back.
    DisputeOpened,
    /// A scheduled cancellation was taken back.
    CancellationWithdrawn,
}

/// Where a signal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SignalState {
    /// Nobody has seen to it.
    Open,
    /// A person has.
    Acknowledged,
    /// Its cause is gone.
    Resolved,
}

/// Something that a person should hear of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Signal {
    /// A function of what happened.
    pub id: String,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: SignalType,
    /// Whose account.
    pub account_id: AccountId,
    /// The Stripe customer.
    pub customer_id: Option<CustomerId>,
    /// The subscription that it is about.
    pub subscription_id: Option<SubscriptionId>,
    /// The invoice that it is about.
    pub invoice_id: Option<InvoiceId>,
    /// What it is about: the amount due, the MRR that is lost or gained.
    pub amount: Money,
    /// The name of what was bought.
    pub plan: Option<String>,
    /// What happened, as a sentence.
    pub message: String,
    /// Stripe's reason of a cancellation, and what the customer chose.
    #[serde(default)]
    pub reason: Option<String>,
    /// The object in Stripe's dashboard.
    pub link: String,
    /// When it happened, by Stripe's clock.
    pub occurred_at: Timestamp,
    /// When Billfold saw it.
    pub detected_at: Timestamp,
    /// Where it stands.
    pub state: SignalState,
    /// When its cause went away.
    pub resolved_at: Option<Timestamp>,
    /// When a person acknowledged it.
    pub acknowledged_at: Option<Timestamp>,
    /// Who did.
    pub acknowledged_by: Option<String>,
}

impl SignalType {
    /// The types.
    pub const ALL: [Self; 9] = [
        Self::PaymentFailed,
        Self::PaymentOverdue,
        Self::SubscriptionCanceled,
        Self::SubscriptionDowngraded,
        Self::SubscriptionUpgraded,
        Self::TrialEnding,
        Self::Reactivated,
        Self::DisputeOpened,
        Self::CancellationWithdrawn,
    ];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PaymentFailed => "payment_failed",
            Self::PaymentOverdue => "payment_overdue",
            Self::SubscriptionCanceled => "subscription_canceled",
            Self::SubscriptionDowngraded => "subscription_downgraded",
            Self::SubscriptionUpgraded => "subscription_upgraded",
            Self::TrialEnding => "trial_ending",
            Self::Reactivated => "reactivated",
            Self::DisputeOpened => "dispute_opened",
            Self::CancellationWithdrawn => "cancellation_withdrawn",
        }
    }

    /// True for what is so or is not so, and resolves when it is not; the others have happened, and stay.
    #[must_use]
    pub fn is_condition(self) -> bool {
        matches!(
            self,
            Self::PaymentFailed
                | Self::PaymentOverdue
                | Self::SubscriptionCanceled
                | Self::TrialEnding
                | Self::DisputeOpened
        )
    }
}

impl SignalState {
    /// The states.
    pub const ALL: [Self; 3] = [Self::Open, Self::Acknowledged, Self::Resolved];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
        }
    }
}

impl Signal {
    /// The signal after a person has seen to it; `None` if that changes nothing.
    #[must_use]
    pub fn acknowledged(&self, who: &str, now: Timestamp) -> Option<Self> {
        (self.acknowledged_at.is_none()).then(|| Self {
            state: if self.state == SignalState::Open { SignalState::Acknowledged } else { self.state },
            acknowledged_at: Some(now),
            acknowledged_by: Some(who.to_owned()),
            ..self.clone()
        })
    }

    fn resolved(&self, now: Timestamp) -> Self {
        Self { state: SignalState::Resolved, resolved_at: Some(now), ..self.clone() }
    }

    fn reopened(&self) -> Self {
        let state = if self.acknowledged_at.is_some() { SignalState::Acknowledged } else { SignalState::Open };
        Self { state, resolved_at: None, ..self.clone() }
    }
}

/// The id of what happened to something.
fn signal_id(kind: SignalType, what: &str) -> String {
    let digest = Sha256::digest(format!("signal:{}:{what}", kind.as_str()));
    format!("sig_{}", hex::encode(digest.get(..12).unwrap_or_default()))
}

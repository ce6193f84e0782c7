//! Where a subscription's trial stands (MRR.md §5).

use crate::facts::{Invoice, InvoiceStatus, Subscription, SubscriptionStatus};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A subscription's trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Trial {
    /// Where it stands.
    pub state: TrialState,
    /// When it ends or ended; `None` when there was none.
    pub ends_at: Option<Timestamp>,
}

/// Where a trial stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TrialState {
    /// It runs, and nothing was paid for it.
    TrialingUnpaid,
    /// It runs, and its latest invoice was paid with an amount above 0.
    TrialingPaid,
    /// Its end passed with the subscription alive.
    Converted,
    /// The subscription ended at or before the trial's end.
    Expired,
    /// There was none.
    None,
}

impl Trial {
    /// The trial of a subscription at a moment (MRR.md §5). `invoices` are its customer's.
    #[must_use]
    pub fn of(subscription: &Subscription, invoices: &[Invoice], now: Timestamp) -> Self {
        let state = match subscription.trial_end {
            _ if subscription.status == SubscriptionStatus::Trialing => trialing(subscription, invoices),
            None => TrialState::None,
            Some(end) => ended(subscription, end, now),
        };
        Self { state, ends_at: subscription.trial_end }
    }
}

fn trialing(subscription: &Subscription, invoices: &[Invoice]) -> TrialState {
    let in_trial = |invoice: &&Invoice| {
        invoice.subscription.as_ref() == Some(&subscription.id)
            && subscription.trial_start.is_none_or(|start| invoice.created >= start)
    };
    let latest = invoices.iter().filter(in_trial).max_by_key(|invoice| (invoice.created, &invoice.id));
    match latest {
        Some(invoice) if invoice.status == InvoiceStatus::Paid && invoice.amount_paid > 0 => TrialState::TrialingPaid,
        _ => TrialState::TrialingUnpaid,
    }
}

fn ended(subscription: &Subscription, trial_end: Timestamp, now: Timestamp) -> TrialState {
    let over = subscription.status.is_terminal();
    // A subscription that is over without saying since when ended with the cancellation at the latest.
    let ended_at = subscription.ended_at.or(subscription.canceled_at.filter(|_| over));
    match ended_at {
        Some(ended_at) if ended_at <= trial_end => TrialState::Expired,
        _ if trial_end <= now => TrialState::Converted,
        _ => TrialState::None,
    }
}

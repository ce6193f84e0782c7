//! Why a subscription is worth something else than before.

use super::Held;
use crate::facts::SubscriptionStatus;
use serde::{Deserialize, Serialize};

/// Why an MRR changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A subscription began to count.
    SubscriptionStarted,
    /// Its trial ended and it goes on.
    TrialConverted,
    /// It is over.
    SubscriptionEnded,
    /// It stopped counting without being over: unpaid, paused.
    SubscriptionStopped,
    /// It counts again after it had stopped.
    SubscriptionResumed,
    /// Collecting was paused.
    CollectionPaused,
    /// Collecting goes on.
    CollectionResumed,
    /// Other units of the same prices.
    QuantityChanged,
    /// Other prices.
    PlanChanged,
    /// The same units of the same prices, which ask something else now.
    PriceChanged,
    /// A discount began, ended or changed.
    DiscountChanged,
    /// The exchange rates changed.
    RatesChanged,
    /// The workspace's rules of MRR changed.
    RulesChanged,
}

impl Cause {
    /// Why a subscription that was worth one thing is worth another.
    pub(super) fn of(before: &Held, after: &Held) -> Self {
        if after.mrr.amount == 0 {
            return Self::of_nothing_left(before, after);
        }
        if before.mrr.amount == 0 {
            return match before.status {
                SubscriptionStatus::Trialing => Self::TrialConverted,
                _ if before.paused => Self::CollectionResumed,
                SubscriptionStatus::Active | SubscriptionStatus::PastDue if before.gross != after.gross => {
                    Self::of_what_was_sold(before, after)
                }
                SubscriptionStatus::Active | SubscriptionStatus::PastDue => Self::DiscountChanged,
                _ => Self::SubscriptionResumed,
            };
        }
        Self::of_what_was_sold(before, after)
    }

    fn of_nothing_left(before: &Held, after: &Held) -> Self {
        match after.status {
            SubscriptionStatus::Canceled | SubscriptionStatus::IncompleteExpired => Self::SubscriptionEnded,
            _ if after.paused && !before.paused => Self::CollectionPaused,
            SubscriptionStatus::Active | SubscriptionStatus::PastDue => Self::of_what_was_sold(before, after),
            _ => Self::SubscriptionStopped,
        }
    }

    fn of_what_was_sold(before: &Held, after: &Held) -> Self {
        let prices = |held: &Held| held.sold.iter().map(|sold| sold.price.clone()).collect::<Vec<_>>();
        if before.sold == after.sold {
            return if before.gross == after.gross { Self::DiscountChanged } else { Self::PriceChanged };
        }
        if before.gross == after.gross {
            return Self::DiscountChanged;
        }
        if prices(before) == prices(after) { Self::QuantityChanged } else { Self::PlanChanged }
    }
}

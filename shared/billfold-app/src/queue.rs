//! What use cases send to one another. A message is a hint: losing it loses nothing that is not found again (law 3).

use crate::webhook::Delivered;
use billfold_core::facts::Discounted;
use billfold_core::id::{CouponId, CustomerId, RunId, SubscriptionId, WorkspaceId};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::time::Duration;

/// Something to be done later, by whoever takes it from the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Message {
    /// Go on with a sync run.
    Sync {
        /// The tenant.
        workspace: WorkspaceId,
        /// The run.
        run: RunId,
    },
    /// Compute again what is marked.
    Recompute {
        /// The tenant.
        workspace: WorkspaceId,
    },
    /// Compute again what is marked in one shard, because there is much.
    RecomputeShard {
        /// The tenant.
        workspace: WorkspaceId,
        /// The shard.
        shard: u8,
    },
    /// Fold an event that Stripe has delivered.
    Event {
        /// The tenant.
        workspace: WorkspaceId,
        /// The event.
        event: Box<Delivered>,
    },
    /// Look for events that were never delivered.
    Events {
        /// The tenant.
        workspace: WorkspaceId,
    },
    /// Learn what a coupon took off that was deleted before it was read.
    Coupon {
        /// The tenant.
        workspace: WorkspaceId,
        /// The coupon.
        coupon: CouponId,
        /// What has a discount that the coupon left.
        holder: Discounted,
    },
    /// Read the invoices from before the backfill that say what a subscription comes to.
    Invoices {
        /// The tenant.
        workspace: WorkspaceId,
        /// Who pays.
        customer: CustomerId,
        /// The subscription.
        subscription: SubscriptionId,
    },
    /// Erase a workspace.
    Erase {
        /// The tenant.
        workspace: WorkspaceId,
    },
}

impl Message {
    /// Whom it is for.
    #[must_use]
    pub fn workspace(&self) -> &WorkspaceId {
        match self {
            Self::Sync { workspace, .. }
            | Self::Recompute { workspace }
            | Self::RecomputeShard { workspace, .. }
            | Self::Event { workspace, .. }
            | Self::Events { workspace }
            | Self::Coupon { workspace, .. }
            | Self::Invoices { workspace, .. }
            | Self::Erase { workspace } => workspace,
        }
    }
}

/// A message could not be handed over: nothing happened, and the caller must not say that it did.
#[derive(Debug, thiserror::Error)]
#[error("the queue did not take a message")]
pub struct QueueError(#[source] pub Box<dyn Error + Send + Sync>);

/// Takes messages and gives each to a worker at least once (SQS, or the local one).
pub trait Queue: Send + Sync {
    /// Returns once the message is durable. It is delivered after `delay`, at most 15 minutes.
    fn send(&self, message: Message, delay: Duration) -> BoxFuture<'_, Result<(), QueueError>>;
}

/// How a worker is done with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// Acknowledge it.
    Done,
    /// Deliver it again after this long.
    Again(Duration),
    /// The same, and count it: it failed in a way that waiting does not mend, and whoever counts may give it up.
    Failed(Duration),
}

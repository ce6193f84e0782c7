//! The queue on SQS: one queue of syncs, which take long, and one of everything else. A message that SQS would refuse is
//! refused before it is sent, and `send` returns only when SQS has said that it keeps the message.
//!
//! It never looks into a message beyond its kind.

mod batch;

use aws_sdk_sqs::Client;
use aws_types::SdkConfig;
use batch::{Batch, Entry};
use billfold_app::{Message, Queue, QueueError};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::time::Duration;

/// The longest body that SQS takes, and the longest batch, in bytes.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// The longest delay that SQS takes.
pub const DELAY_MAX: Duration = Duration::from_secs(15 * 60);

/// Which of the queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Syncs.
    Sync,
    /// Everything else: events, accounts, erasure.
    Recompute,
}

impl Lane {
    /// Where a message goes.
    #[must_use]
    pub fn of(message: &Message) -> Self {
        match message {
            Message::Sync { .. } => Self::Sync,
            Message::Recompute { .. }
            | Message::RecomputeShard { .. }
            | Message::Erase { .. }
            | Message::Event { .. }
            | Message::Coupon { .. }
            | Message::Invoices { .. }
            | Message::Events { .. } => Self::Recompute,
        }
    }

    /// Its name in logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Recompute => "recompute",
        }
    }
}

/// Why a message was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// SQS would refuse it.
    #[error("the message has {0} bytes, and SQS takes {BODY_BYTES_MAX}")]
    TooLong(usize),
    /// The function was not told of that queue.
    #[error("this function has no {0} queue")]
    NoQueue(&'static str),
    /// It cannot be written as JSON.
    #[error("the message cannot be written: {0}")]
    Unwritable(String),
    /// SQS refused it, or cannot be reached; the SDK has already tried again.
    #[error("SQS did not take it: {0}")]
    Sqs(String),
    /// Whoever was sending for all who waited was stopped.
    #[error("the sending was stopped")]
    Stopped,
}

/// The queue.
pub struct SqsQueue {
    client: Client,
    sync: Option<Batch>,
    recompute: Batch,
}

impl SqsQueue {
    /// Over the queues at these addresses.
    #[must_use]
    pub fn new(sdk: &SdkConfig, sync: Option<String>, recompute: String) -> Self {
        let client = Client::new(sdk);
        let batch = |url| Batch::new(client.clone(), url);
        Self { sync: sync.map(batch), recompute: batch(recompute), client }
    }

    fn batch(&self, lane: Lane) -> Result<&Batch, SendError> {
        match lane {
            Lane::Sync => self.sync.as_ref().ok_or(SendError::NoQueue(lane.as_str())),
            Lane::Recompute => Ok(&self.recompute),
        }
    }

    /// Sends a message; it is delivered after `delay`, at most [`DELAY_MAX`].
    ///
    /// # Errors
    /// [`SendError`]; nothing was sent.
    pub async fn put(&self, message: &Message, delay: Duration) -> Result<(), SendError> {
        let body = serde_json::to_string(message).map_err(|error| SendError::Unwritable(error.to_string()))?;
        if body.len() > BODY_BYTES_MAX {
            return Err(SendError::TooLong(body.len()));
        }
        self.batch(Lane::of(message))?.send(Entry { body, delay_s: whole_seconds(delay) }).await
    }

    /// Lets a message that failed come back after this long, instead of when its invocation could at the latest have ended.
    ///
    /// # Errors
    /// [`SendError::Sqs`]; it comes back all the same, later.
    pub async fn come_back(&self, lane: Lane, receipt: &str, after: Duration) -> Result<(), SendError> {
        let change = self.client.change_message_visibility().queue_url(self.batch(lane)?.url());
        let change = change.receipt_handle(receipt).visibility_timeout(whole_seconds(after));
        change.send().await.map(|_| ()).map_err(batch::from_sdk)
    }
}

impl Queue for SqsQueue {
    fn send(&self, message: Message, delay: Duration) -> BoxFuture<'_, Result<(), QueueError>> {
        async move { self.put(&message, delay).await.map_err(|error| QueueError(Box::new(error))) }.boxed()
    }
}

/// SQS counts whole seconds; a message never comes early.
fn whole_seconds(delay: Duration) -> i32 {
    let up = delay.as_secs().saturating_add(u64::from(delay.subsec_nanos() > 0));
    i32::try_from(up.min(DELAY_MAX.as_secs())).unwrap_or(i32::MAX)
}

#[cfg(test)]
pub(crate) mod tests;

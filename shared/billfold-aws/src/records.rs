//! SQS's glue: a batch of records is handled side by side, each in a task of its own, and what is not done is reported, so
//! that a record never takes its batch-mates with it. Only events are folded together, which costs a fraction; where that
//! goes wrong, each of them is handled by itself like any other record.
//!
//! A record that says "again" goes on as a new message, so that waiting never counts as failing. A record that fails comes
//! back later and later, and SQS, which counts, puts it into the dead-letter queue; why it failed is in the log each time.

use crate::deployment::StartError;
use crate::metrics::{Metric, Metrics, Unit};
use crate::queue::{Lane, SqsQueue};
use billfold_app::{App, Clock, Handled, Message, SystemClock, chain};
use futures::FutureExt as _;
use futures::future::{BoxFuture, join, join_all};
use jiff::Timestamp;
use lambda_runtime::{LambdaEvent, service_fn};
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::{JoinError, JoinHandle};
use tracing::Instrument as _;

/// Kept free at the end of an invocation, for the answers of what was started before.
const LAST_ANSWERS: Duration = Duration::from_secs(20);
/// Kept free after that, to report.
const REPORT: Duration = Duration::from_secs(5);
/// The wait after the first failure; it doubles.
const FIRST_WAIT: Duration = Duration::from_secs(10);
/// The longest wait after a failure.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// Does what messages say, within about the time that is given; what became of each, in their order.
pub type Handler = Arc<dyn Fn(Vec<Message>, Duration) -> BoxFuture<'static, Vec<Handled>> + Send + Sync>;

/// A batch, as Lambda hands it over.
#[derive(Debug, Deserialize)]
pub struct Batch {
    /// Its records.
    #[serde(rename = "Records")]
    pub records: Vec<Record>,
}

/// A message, as SQS tells of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    message_id: String,
    receipt_handle: String,
    #[serde(default)]
    body: String,
    #[serde(default)]
    attributes: Attributes,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attributes {
    #[serde(default)]
    approximate_receive_count: String,
}

/// Which records are to be delivered again.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    batch_item_failures: Vec<Failure>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    item_identifier: String,
}

/// A record, and the message that was read in it.
type Read<'a> = (&'a Record, Result<Message, serde_json::Error>);

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Done,
    /// It goes on as a new message.
    GoesOn,
    /// It comes back, and it counts.
    Failed,
    /// The invocation was too short to begin it.
    NotBegun,
}

/// Handles the records of one queue.
#[derive(Clone)]
pub struct Worker {
    queue: Arc<SqsQueue>,
    lane: Lane,
    handler: Handler,
    last_answers: Duration,
    report: Duration,
}

/// Handles batches, for as long as the process lives.
///
/// # Errors
/// [`StartError::Runtime`] when Lambda's runtime ends.
pub async fn serve(app: App, queue: Arc<SqsQueue>, lane: Lane) -> Result<(), StartError> {
    let metrics = Metrics::new(lane.as_str());
    let handler = move |messages: Vec<Message>, work_for| {
        let app = app.clone();
        async move { app.handle_all(&messages, work_for).await }.boxed()
    };
    let worker = Worker::new(queue, lane, Arc::new(handler));
    let (worker, metrics) = (&worker, &metrics);
    let batch = |event: LambdaEvent<Batch>| async move {
        let begun = SystemClock.now();
        let span = tracing::info_span!("batch", request_id = event.context.request_id);
        let left = until(event.context.deadline, begun);
        let (report, counted) = worker.handle(event.payload, left).instrument(span).await;
        metrics.write(begun, &counted.metrics(SystemClock.now().duration_since(begun).unsigned_abs()));
        Ok::<Report, std::convert::Infallible>(report)
    };
    lambda_runtime::run(service_fn(batch)).await.map_err(StartError::Runtime)
}

/// How long it is until a deadline in Unix milliseconds.
fn until(deadline_ms: u64, now: Timestamp) -> Duration {
    let now_ms = u64::try_from(now.as_millisecond()).unwrap_or(0);
    Duration::from_millis(deadline_ms.saturating_sub(now_ms))
}

/// How many records came to what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    done: u64,
    goes_on: u64,
    failed: u64,
    not_begun: u64,
}

impl Counted {
    fn of(fates: &[Fate]) -> Self {
        let count = |fate| u64::try_from(fates.iter().filter(|one| **one == fate).count()).unwrap_or(u64::MAX);
        Self {
            done: count(Fate::Done),
            goes_on: count(Fate::GoesOn),
            failed: count(Fate::Failed),
            not_begun: count(Fate::NotBegun),
        }
    }

    fn metrics(self, took: Duration) -> [Metric; 5] {
        let count = |name, value| Metric { name, unit: Unit::Count, value };
        let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        [
            count("MessagesDone", self.done),
            count("MessagesGoOn", self.goes_on),
            count("MessagesFailed", self.failed),
            count("MessagesNotBegun", self.not_begun),
            Metric { name: "BatchTook", unit: Unit::Milliseconds, value: took },
        ]
    }
}

impl Worker {
    /// A worker on a queue.
    #[must_use]
    pub fn new(queue: Arc<SqsQueue>, lane: Lane, handler: Handler) -> Self {
        Self { queue, lane, handler, last_answers: LAST_ANSWERS, report: REPORT }
    }

    /// Handles a batch in the time that is left; which records are to be delivered again, and how many came to what.
    pub async fn handle(&self, batch: Batch, left: Duration) -> (Report, Counted) {
        let read = batch.records.iter().map(|record| (record, serde_json::from_str(&record.body)));
        let is_event = |one: &(usize, Read<'_>)| matches!(one.1.1, Ok(Message::Event { .. }));
        let (events, others): (Vec<_>, Vec<_>) = read.enumerate().partition(is_event);
        let others =
            join_all(others.into_iter().map(async |(place, read)| (place, self.record(read, left, None).await)));
        let (events, others) = join(self.events(events, left), others).await;
        let fates: BTreeMap<usize, Fate> = events.into_iter().chain(others).collect();
        let fates: Vec<Fate> = fates.into_values().collect();
        let back = |fate: Fate| matches!(fate, Fate::Failed | Fate::NotBegun);
        let failures = batch.records.into_iter().zip(&fates).filter(|(_, fate)| back(**fate));
        let failures = failures.map(|(record, _)| Failure { item_identifier: record.message_id });
        (Report { batch_item_failures: failures.collect() }, Counted::of(&fates))
    }

    /// Handles the events of a batch.
    async fn events(&self, events: Vec<(usize, Read<'_>)>, left: Duration) -> Vec<(usize, Fate)> {
        let begun = Instant::now();
        let messages = events.iter().filter_map(|(_, (_, message))| message.as_ref().ok().cloned());
        let handled = self.together(messages.collect(), left).await;
        let left = left.saturating_sub(begun.elapsed());
        let fates = events
            .into_iter()
            .enumerate()
            .map(async |(nth, (place, read))| (place, self.record(read, left, handled.get(nth).copied()).await));
        join_all(fates).await
    }

    /// Folds events together; what became of each, or nothing where that went wrong.
    async fn together(&self, messages: Vec<Message>, left: Duration) -> Vec<Handled> {
        let work_for = left.checked_sub(self.last_answers).filter(|_| messages.len() > 1);
        let Some(work_for) = work_for else { return Vec::new() };
        // Half of the time, so that there is some left for each by itself.
        match self.work(messages, work_for, left / 2).await {
            Ok(handled) => handled,
            Err(Stopped::Panic(reason)) => {
                tracing::error!(reason, "folding events together panicked; each is folded by itself");
                Vec::new()
            }
            Err(Stopped::TimeOver) => {
                tracing::warn!("folding events together took too long; each is folded by itself");
                Vec::new()
            }
        }
    }

    /// Does what messages say, in a task of its own that ends after `most` at the latest.
    async fn work(&self, messages: Vec<Message>, work_for: Duration, most: Duration) -> Result<Vec<Handled>, Stopped> {
        let mut task = Task(tokio::spawn((self.handler)(messages, work_for).in_current_span()));
        match tokio::time::timeout(most, &mut task.0).await {
            Ok(Ok(handled)) => Ok(handled),
            Ok(Err(error)) => Err(Stopped::Panic(said(error))),
            Err(_) => Err(Stopped::TimeOver),
        }
    }

    /// Handles a record, unless it has been.
    async fn record(&self, (record, message): Read<'_>, left: Duration, handled: Option<Handled>) -> Fate {
        let span = tracing::info_span!("record", message_id = record.message_id);
        self.record_in_span(record, message, left, handled).instrument(span).await
    }

    async fn record_in_span(
        &self,
        record: &Record,
        message: Result<Message, serde_json::Error>,
        left: Duration,
        handled: Option<Handled>,
    ) -> Fate {
        let message = match message {
            Ok(message) => message,
            Err(error) => {
                // The place, and nothing of the body.
                let (line, column) = (error.line(), error.column());
                tracing::error!(line, column, lane = self.lane.as_str(), "a message cannot be read");
                return self.failed(record).await;
            }
        };
        let handled = match handled {
            Some(handled) => handled,
            None => {
                let Some(work_for) = left.checked_sub(self.last_answers) else {
                    tracing::warn!(?message, "an invocation was too short to begin a message");
                    return Fate::NotBegun;
                };
                match self.work(vec![message.clone()], work_for, left.saturating_sub(self.report)).await {
                    Ok(handled) => handled.first().copied().unwrap_or(Handled::Failed(Duration::ZERO)),
                    Err(Stopped::Panic(reason)) => {
                        tracing::error!(?message, reason, "a use case panicked");
                        Handled::Failed(Duration::ZERO)
                    }
                    Err(Stopped::TimeOver) => return self.cut_off(record, message).await,
                }
            }
        };
        match handled {
            Handled::Done => Fate::Done,
            Handled::Again(after) => self.goes_on(record, message, after).await,
            Handled::Failed(_) => self.failed(record).await,
        }
    }

    /// Work that is checkpointed goes on in another invocation; anything else should never take that long.
    async fn cut_off(&self, record: &Record, message: Message) -> Fate {
        tracing::warn!(?message, "an invocation ended in the middle of a message");
        match message {
            Message::Event { .. } => self.failed(record).await,
            Message::Sync { .. }
            | Message::Recompute { .. }
            | Message::RecomputeShard { .. }
            | Message::Events { .. }
            | Message::Coupon { .. }
            | Message::Invoices { .. }
            | Message::Erase { .. } => self.goes_on(record, message, Duration::ZERO).await,
        }
    }

    async fn goes_on(&self, record: &Record, message: Message, after: Duration) -> Fate {
        match self.queue.put(&message, after).await {
            Ok(()) => Fate::GoesOn,
            Err(error) => {
                tracing::warn!(error = chain(&error), "a message could not be sent on; it comes back itself");
                self.failed(record).await
            }
        }
    }

    async fn failed(&self, record: &Record) -> Fate {
        let received = record.attributes.approximate_receive_count.parse().unwrap_or(1);
        let wait = wait_after(received);
        tracing::warn!(received, wait_s = wait.as_secs(), "a message comes back");
        if let Err(error) = self.queue.come_back(self.lane, &record.receipt_handle, wait).await {
            tracing::warn!(
                error = chain(&error),
                "a message's time could not be set; it comes back when its queue says"
            );
        }
        Fate::Failed
    }
}

/// Why work did not come to its end.
enum Stopped {
    /// It panicked, and said this.
    Panic(String),
    /// The time for it is over.
    TimeOver,
}

/// A task that does not outlive its records.
struct Task(JoinHandle<Vec<Handled>>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn wait_after(received: u32) -> Duration {
    let doublings = received.saturating_sub(1).min(16);
    FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT)
}

/// Why a task did not end.
fn said(error: JoinError) -> String {
    error.try_into_panic().map_or("it was stopped".to_owned(), |panic| text(panic.as_ref()))
}

/// What a panic said.
fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it did not say why".to_owned())
}

#[cfg(test)]
mod tests;

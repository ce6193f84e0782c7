//! The local queue: messages are rows of the embedded store, delivered at least once, with visibility and redelivery like
//! SQS. One process at a time has it, so whatever was in flight when it opens was left there by a crash.
//!
//! It never looks into a message, and never gives one up silently: what keeps failing is parked, where it can be seen.

use billfold_app::{Clock, Message, Queue, QueueError};
use billfold_core::id::WorkspaceId;
use billfold_store::{LocalRow, LocalRows, Store, StoreError};
use events::EventLane;
pub use events::{Finished, TakenEvent};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, Notify};
use utoipa::ToSchema;

/// A worker that is silent this long has lost its message.
pub const VISIBILITY: Duration = Duration::from_secs(60);
/// A message that broke its worker this often is parked. That a process died with it in hand does not count: processes
/// are killed for all kinds of reasons.
pub const FAILURES_MAX: u32 = 6;
/// The longest wait before a message that broke its worker comes back.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// The longest sleep of a worker, because the wall clock may jump.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Messages of different lanes do not wait for one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Syncs, which take long.
    Sync,
    /// Everything else but events, which have a lane of their own.
    Recompute,
}

impl Lane {
    /// Every lane.
    pub const ALL: [Self; 2] = [Self::Sync, Self::Recompute];

    /// `None` for events.
    fn of(message: &Message) -> Option<Self> {
        match message {
            Message::Sync { .. } => Some(Self::Sync),
            Message::Recompute { .. }
            | Message::RecomputeShard { .. }
            | Message::Erase { .. }
            | Message::Coupon { .. }
            | Message::Invoices { .. }
            | Message::Events { .. } => Some(Self::Recompute),
            Message::Event { .. } => None,
        }
    }

    fn rows(self) -> &'static str {
        match self {
            Self::Sync => "queue-sync",
            Self::Recompute => "queue-recompute",
        }
    }
}

/// The body of a message's row.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Body {
    message: Message,
    /// How often it broke its worker, since it last did not.
    failures: u32,
    in_flight: bool,
}

/// A message in a worker's hands.
#[derive(Debug)]
pub struct Taken {
    /// What to do.
    pub message: Message,
    failures: u32,
    lane: Lane,
    row: LocalRow,
}

/// A message that broke its worker too often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Parked {
    /// The message.
    #[schema(value_type = Object)]
    pub message: Message,
    /// How often it broke its worker.
    pub failures: u32,
    /// When it was given up.
    pub parked_at: jiff::Timestamp,
}

struct LaneState {
    lane: Lane,
    rows: LocalRows,
    /// Held from looking at rows to changing them.
    turn: Mutex<()>,
    wake: Notify,
}

/// The queue.
pub struct LocalQueue {
    lanes: [LaneState; 2],
    events: EventLane,
    parked: LocalRows,
    clock: Arc<dyn Clock>,
    keys: Keys,
}

/// Makes the keys of rows: sorted by when a message is due, then by when it was made.
#[derive(Clone)]
struct Keys {
    clock: Arc<dyn Clock>,
    /// Orders messages of the same millisecond.
    count: Arc<AtomicU64>,
    /// Keeps the keys of this process apart from those of an earlier one whose clock was ahead.
    process: u64,
}

impl Keys {
    fn due_in(&self, after: Duration) -> String {
        let now_ms = u64::try_from(self.clock.now().as_millisecond()).unwrap_or(0);
        let due = now_ms.saturating_add(u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        format!("{due:015}#{count:012}#{:016x}", self.process)
    }
}

impl LocalQueue {
    /// Opens the queue of a store. Whatever was in flight is visible again at once.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn open(store: &Store, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let lane = |lane: Lane| LaneState {
            lane,
            rows: store.local_rows(lane.rows()),
            turn: Mutex::default(),
            wake: Notify::new(),
        };
        let lanes = Lane::ALL.map(lane);
        let process = RandomState::new().hash_one(());
        let keys = Keys { clock: Arc::clone(&clock), count: Arc::default(), process };
        let make = keys.clone();
        let parked = store.local_rows("queue-parked");
        let make: events::MakeKey = Box::new(move |after| make.due_in(after));
        let events = EventLane::open(store, Arc::clone(&clock), parked.clone(), make).await?;
        let queue = Self { lanes, events, parked, clock, keys };
        for lane in &queue.lanes {
            for row in lane.rows.all().await? {
                match serde_json::from_str::<Body>(&row.body) {
                    Ok(body) if body.in_flight => {
                        queue.put_back(lane, row, Body { in_flight: false, ..body }, Duration::ZERO).await?;
                    }
                    Ok(_) => {}
                    Err(error) => {
                        // Written by another version. Nothing is lost: the sweep finds what the message was about.
                        tracing::error!(key = row.key, %error, "a message in the queue cannot be read; it is dropped");
                        lane.rows.delete(&row.key).await?;
                    }
                }
            }
        }
        Ok(queue)
    }

    /// Waits for a message and takes it.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn next(&self, lane: Lane) -> Result<Taken, StoreError> {
        let state = self.lane(lane);
        loop {
            let woken = state.wake.notified();
            tokio::pin!(woken);
            // From here on no wake is missed, so that looking and then sleeping is safe.
            woken.as_mut().enable();
            let wait = match self.try_take(state).await? {
                Looked::Took(taken) => return Ok(*taken),
                Looked::DueIn(wait) => wait,
            };
            tokio::select! {
                () = woken => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Waits for events and takes as many as there are, up to a bound.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn next_events(&self) -> Result<Vec<TakenEvent>, StoreError> {
        self.events.next().await
    }

    /// Is done with events, each in its way. One that is dropped instead is there again at once.
    ///
    /// # Errors
    /// [`StoreError`] of the store; the events come back.
    pub async fn finish_events(&self, finished: Vec<(TakenEvent, Finished)>) -> Result<(), StoreError> {
        self.events.finish(finished).await
    }

    /// About how many events are not acknowledged.
    #[must_use]
    pub fn waiting_events(&self) -> usize {
        self.events.waiting()
    }

    /// Says that a worker is still at it.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn extend(&self, taken: &mut Taken) -> Result<(), StoreError> {
        let state = self.lane(taken.lane);
        let body = Body { message: taken.message.clone(), failures: taken.failures, in_flight: true };
        taken.row = self.put_back(state, taken.row.clone(), body, VISIBILITY).await?;
        Ok(())
    }

    /// Acknowledges a message.
    ///
    /// # Errors
    /// [`StoreError`] of the store; the message comes back.
    pub async fn done(&self, taken: Taken) -> Result<(), StoreError> {
        self.parked.delete(&parked_key(&taken.message)).await?;
        self.lane(taken.lane).rows.delete(&taken.row.key).await
    }

    /// Delivers a message again after a while, because it asked for that.
    ///
    /// # Errors
    /// [`StoreError`] of the store; the message comes back nevertheless.
    pub async fn again(&self, taken: Taken, after: Duration) -> Result<(), StoreError> {
        self.hand_back(taken, 0, after).await
    }

    /// Hands back a message that was not finished for no fault of its own.
    ///
    /// # Errors
    /// [`StoreError`] of the store; the message comes back nevertheless.
    pub async fn release(&self, taken: Taken) -> Result<(), StoreError> {
        let failures = taken.failures;
        self.hand_back(taken, failures, Duration::ZERO).await
    }

    /// A message broke its worker: it comes back after a growing while, and is parked at last.
    ///
    /// # Errors
    /// [`StoreError`] of the store; the message comes back nevertheless.
    pub async fn failed(&self, taken: Taken) -> Result<(), StoreError> {
        let failures = taken.failures.saturating_add(1);
        if failures >= FAILURES_MAX {
            return self.park(taken, failures).await;
        }
        let wait = Duration::from_secs(1 << failures).min(LONGEST_WAIT);
        tracing::warn!(message = ?taken.message, failures, again_s = wait.as_secs(), "a message broke its worker");
        self.hand_back(taken, failures, wait).await
    }

    /// The messages of a workspace that were given up.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn parked(&self, ws: &WorkspaceId) -> Result<Vec<Parked>, StoreError> {
        let rows = self.parked.all().await?;
        let parked = rows.iter().filter_map(|row| serde_json::from_str::<Parked>(&row.body).ok());
        Ok(parked.filter(|parked| workspace(&parked.message) == ws).collect())
    }

    fn lane(&self, lane: Lane) -> &LaneState {
        let [sync, recompute] = &self.lanes;
        match lane {
            Lane::Sync => sync,
            Lane::Recompute => recompute,
        }
    }

    async fn try_take(&self, state: &LaneState) -> Result<Looked<Taken>, StoreError> {
        loop {
            let _turn = state.turn.lock().await;
            let Some(row) = state.rows.below("~", 1).await?.into_iter().next() else {
                return Ok(Looked::DueIn(LONGEST_SLEEP));
            };
            let wait = due_ms(&row.key).saturating_sub(self.now_ms());
            if wait > 0 {
                return Ok(Looked::DueIn(Duration::from_millis(wait).min(LONGEST_SLEEP)));
            }
            let Ok(body) = serde_json::from_str::<Body>(&row.body) else {
                state.rows.delete(&row.key).await?;
                continue;
            };
            let body = Body { in_flight: true, ..body };
            let row = self.put_back(state, row, body.clone(), VISIBILITY).await?;
            let taken = Taken { message: body.message, failures: body.failures, lane: state.lane, row };
            return Ok(Looked::Took(Box::new(taken)));
        }
    }

    async fn park(&self, taken: Taken, failures: u32) -> Result<(), StoreError> {
        let message = &taken.message;
        tracing::error!(?message, failures, "a message broke its worker too often; it is parked");
        let parked = Parked { message: message.clone(), failures, parked_at: self.clock.now() };
        let row = LocalRow { key: parked_key(message), body: serde_json::json!(parked).to_string() };
        self.parked.put(&[row]).await?;
        self.lane(taken.lane).rows.delete(&taken.row.key).await
    }

    async fn hand_back(&self, taken: Taken, failures: u32, after: Duration) -> Result<(), StoreError> {
        let state = self.lane(taken.lane);
        let body = Body { message: taken.message, failures, in_flight: false };
        self.put_back(state, taken.row, body, after).await?;
        state.wake.notify_waiters();
        Ok(())
    }

    /// Moves a row to where it is due, with another body. A row that is gone stays gone.
    async fn put_back(
        &self,
        state: &LaneState,
        row: LocalRow,
        body: Body,
        after: Duration,
    ) -> Result<LocalRow, StoreError> {
        let key = self.keys.due_in(after);
        let row = LocalRow { body: serde_json::json!(body).to_string(), ..row };
        state.rows.rename(&row, &key).await?;
        Ok(LocalRow { key, ..row })
    }

    async fn add(&self, message: Message, delay: Duration) -> Result<(), StoreError> {
        let Some(lane) = Lane::of(&message) else { return self.events.add(message, delay).await };
        let state = self.lane(lane);
        let turn = state.turn.lock().await;
        let key = self.keys.due_in(delay);
        // Whoever takes the waiting one sees everything that was stored before this call, so a second adds nothing.
        let waiting = state.rows.all().await?.into_iter().find(|row| is_waiting(row, &message));
        match waiting {
            Some(row) if row.key <= key => {}
            Some(row) => {
                state.rows.rename(&row, &key).await?;
            }
            None => {
                let body = Body { message, failures: 0, in_flight: false };
                state.rows.put(&[LocalRow { key, body: serde_json::json!(body).to_string() }]).await?;
            }
        }
        drop(turn);
        state.wake.notify_waiters();
        Ok(())
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.clock.now().as_millisecond()).unwrap_or(0)
    }
}

impl Queue for LocalQueue {
    fn send(&self, message: Message, delay: Duration) -> BoxFuture<'_, Result<(), QueueError>> {
        async move { self.add(message, delay).await.map_err(|error| QueueError(Box::new(error))) }.boxed()
    }
}

enum Looked<T> {
    Took(Box<T>),
    DueIn(Duration),
}

fn is_waiting(row: &LocalRow, message: &Message) -> bool {
    serde_json::from_str::<Body>(&row.body).is_ok_and(|body| !body.in_flight && body.message == *message)
}

fn due_ms(key: &str) -> u64 {
    key.split('#').next().and_then(|due| due.parse().ok()).unwrap_or(0)
}

/// A message that was given up has one row however often it comes. The object of an event has no room in a key.
fn parked_key(message: &Message) -> String {
    match message {
        Message::Event { workspace, event } => format!("event {workspace} {}", event.id),
        other => serde_json::json!(other).to_string(),
    }
}

fn workspace(message: &Message) -> &WorkspaceId {
    match message {
        Message::Sync { workspace, .. }
        | Message::Recompute { workspace }
        | Message::RecomputeShard { workspace, .. }
        | Message::Erase { workspace }
        | Message::Coupon { workspace, .. }
        | Message::Invoices { workspace, .. }
        | Message::Event { workspace, .. }
        | Message::Events { workspace } => workspace,
    }
}

mod batch;
mod events;
#[cfg(test)]
mod tests;

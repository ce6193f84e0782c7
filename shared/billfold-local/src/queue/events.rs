//! The lane of events, which may come in thousands: written together, taken together, acknowledged together. What is in a
//! worker's hands is remembered in memory alone, because one process at a time has the queue: after a crash everything
//! that has a row is simply there.

use super::batch::Batch;
use super::{Body, LONGEST_SLEEP, LONGEST_WAIT, Looked, Parked, due_ms, parked_key};
use crate::queue::FAILURES_MAX;
use billfold_app::{Clock, Message};
use billfold_store::{LocalRow, LocalRows, Store, StoreError};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Mutex as Turn, Notify};

/// Events that a worker takes at once.
pub(super) const TAKEN_MAX: usize = 100;
/// How often the rows are looked through from the beginning: a row may come to be before one that was taken already.
const FROM_THE_BEGINNING_EVERY: usize = 16;
/// Below every key.
const BEGINNING: &str = " ";

/// Makes the key of a row that is due after a while.
pub(super) type MakeKey = Box<dyn Fn(Duration) -> String + Send + Sync>;

/// The lane.
pub(super) struct EventLane {
    rows: LocalRows,
    parked: LocalRows,
    parked_keys: Mutex<HashSet<String>>,
    clock: Arc<dyn Clock>,
    key_due_in: MakeKey,
    batch: Batch,
    /// Where the last looking ended.
    place: Turn<Place>,
    held: Arc<Held>,
    waiting: AtomicUsize,
    wake: Notify,
}

struct Place {
    after: String,
    looks: usize,
}

/// What is in workers' hands.
#[derive(Debug, Default)]
struct Held(Mutex<Keys>);

#[derive(Debug, Default)]
struct Keys {
    held: HashSet<String>,
    /// Rows taken away since the last look began: it may have read them before that.
    gone: HashSet<String>,
}

impl Held {
    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a key into a worker's hands, if it is in nobody's and its row is still there.
    fn take(self: &Arc<Self>, key: &str) -> Option<Hold> {
        let mut keys = self.keys();
        let free = !keys.gone.contains(key) && keys.held.insert(key.to_owned());
        free.then(|| Hold { key: key.to_owned(), held: Arc::clone(self) })
    }
}

/// A key in a worker's hands; whoever drops it lets the others have it.
#[derive(Debug)]
struct Hold {
    key: String,
    held: Arc<Held>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.held.keys().held.remove(&self.key);
    }
}

/// An event in a worker's hands.
#[derive(Debug)]
pub struct TakenEvent {
    /// What to do.
    pub message: Message,
    failures: u32,
    hold: Hold,
}

/// How a worker is done with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// Acknowledge it.
    Done,
    /// Deliver it again after this long, because it asked for that.
    Again(Duration),
    /// It was not finished for no fault of its own.
    Released,
    /// It broke its worker.
    Failed,
}

impl EventLane {
    pub(super) async fn open(
        store: &Store,
        clock: Arc<dyn Clock>,
        parked: LocalRows,
        key_due_in: MakeKey,
    ) -> Result<Self, StoreError> {
        let rows = store.local_rows("queue-event");
        let parked_keys = parked.all().await?.into_iter().map(|row| row.key).collect();
        let waiting = count(&rows).await?;
        Ok(Self {
            rows,
            parked,
            parked_keys: Mutex::new(parked_keys),
            clock,
            key_due_in,
            batch: Batch::default(),
            place: Turn::new(Place { after: BEGINNING.to_owned(), looks: 0 }),
            held: Arc::default(),
            waiting: AtomicUsize::new(waiting),
            wake: Notify::new(),
        })
    }

    /// About how many are not acknowledged.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    /// Returns once the event is durable.
    pub(super) async fn add(&self, message: Message, delay: Duration) -> Result<(), StoreError> {
        let body = text(&Body { message, failures: 0, in_flight: false })?;
        // Counted first: it may be taken and done before this goes on.
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let put = self.batch.put(&self.rows, &self.key_due_in, body, delay).await;
        if put.is_err() {
            self.waiting.fetch_sub(1, Ordering::SeqCst);
        }
        self.wake.notify_one();
        put
    }

    /// Waits for events and takes as many as there are, up to a bound.
    pub(super) async fn next(&self) -> Result<Vec<TakenEvent>, StoreError> {
        loop {
            let woken = self.wake.notified();
            tokio::pin!(woken);
            // From here on no wake is missed, so that looking and then sleeping is safe.
            woken.as_mut().enable();
            let wait = match self.try_take().await? {
                Looked::Took(taken) => return Ok(*taken),
                Looked::DueIn(wait) => wait,
            };
            tokio::select! {
                () = woken => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    pub(super) async fn try_take(&self) -> Result<Looked<Vec<TakenEvent>>, StoreError> {
        let mut place = self.place.lock().await;
        place.looks = place.looks.wrapping_add(1);
        if place.looks.is_multiple_of(FROM_THE_BEGINNING_EVERY) {
            BEGINNING.clone_into(&mut place.after);
        }
        loop {
            let from_the_beginning = place.after == BEGINNING;
            let (taken, wait) = self.look(&mut place.after).await?;
            if !taken.is_empty() {
                // There may be more than one worker can take.
                self.wake.notify_one();
                return Ok(Looked::Took(Box::new(taken)));
            }
            if from_the_beginning {
                return Ok(Looked::DueIn(wait));
            }
            BEGINNING.clone_into(&mut place.after);
        }
    }

    /// Takes what is due behind a place, and moves the place.
    async fn look(&self, after: &mut String) -> Result<(Vec<TakenEvent>, Duration), StoreError> {
        let rows = self.read(after).await?;
        self.take(rows, after).await
    }

    /// Enough rows behind a place that some of them are in nobody's hands.
    async fn read(&self, after: &str) -> Result<Vec<LocalRow>, StoreError> {
        let held = {
            let mut keys = self.held.keys();
            keys.gone.clear();
            keys.held.len()
        };
        let limit = i32::try_from(TAKEN_MAX.saturating_add(held)).unwrap_or(i32::MAX);
        self.rows.above(after, limit).await
    }

    /// Takes those of the rows that are due and still there.
    async fn take(&self, rows: Vec<LocalRow>, after: &mut String) -> Result<(Vec<TakenEvent>, Duration), StoreError> {
        let now_ms = u64::try_from(self.clock.now().as_millisecond()).unwrap_or(0);
        let mut taken = Vec::with_capacity(rows.len().min(TAKEN_MAX));
        for row in rows {
            let wait = due_ms(&row.key).saturating_sub(now_ms);
            if wait > 0 {
                return Ok((taken, Duration::from_millis(wait).min(LONGEST_SLEEP)));
            }
            if taken.len() == TAKEN_MAX {
                break;
            }
            row.key.clone_into(after);
            let Some(hold) = self.held.take(&row.key) else { continue };
            match serde_json::from_str::<Body>(&row.body) {
                Ok(body) => taken.push(TakenEvent { message: body.message, failures: body.failures, hold }),
                Err(error) => {
                    // Written by another version. Nothing is lost: the list of events has it.
                    tracing::error!(key = hold.key, %error, "an event in the queue cannot be read; it is dropped");
                    self.rows.delete(&hold.key).await?;
                    self.held.keys().gone.insert(hold.key.clone());
                    self.waiting.fetch_sub(1, Ordering::SeqCst);
                }
            }
        }
        Ok((taken, LONGEST_SLEEP))
    }

    /// Is done with events, each in its way.
    pub(super) async fn finish(&self, finished: Vec<(TakenEvent, Finished)>) -> Result<(), StoreError> {
        let (mut gone, mut new, mut holds, mut done) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for (taken, how) in finished {
            match self.back(&taken, how).await? {
                Some(row) => new.push(row),
                None if how == Finished::Released => continue,
                None => done += 1,
            }
            gone.push(taken.hold.key.clone());
            holds.push(taken.hold);
        }
        let woken = !new.is_empty();
        self.rows.change(&gone, new).await?;
        self.waiting.fetch_sub(done, Ordering::SeqCst);
        self.held.keys().gone.extend(gone);
        drop(holds);
        if woken {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// The row with which an event comes back, if it does by another than its own.
    async fn back(&self, taken: &TakenEvent, how: Finished) -> Result<Option<LocalRow>, StoreError> {
        let (failures, after) = match how {
            Finished::Released => return Ok(None),
            Finished::Done => {
                self.unpark(&taken.message).await?;
                return Ok(None);
            }
            Finished::Again(after) => (0, after),
            Finished::Failed => {
                let failures = taken.failures.saturating_add(1);
                if failures >= FAILURES_MAX {
                    self.park(taken, failures).await?;
                    return Ok(None);
                }
                (failures, Duration::from_secs(1 << failures).min(LONGEST_WAIT))
            }
        };
        let body = text(&Body { message: taken.message.clone(), failures, in_flight: false })?;
        Ok(Some(LocalRow { key: (self.key_due_in)(after), body }))
    }

    async fn park(&self, taken: &TakenEvent, failures: u32) -> Result<(), StoreError> {
        let message = &taken.message;
        tracing::error!(?message, failures, "an event broke its worker too often; it is parked");
        let parked = Parked { message: message.clone(), failures, parked_at: self.clock.now() };
        let row = LocalRow { key: parked_key(message), body: serde_json::json!(parked).to_string() };
        self.parked_keys().insert(row.key.clone());
        self.parked.put(&[row]).await
    }

    /// What was given up has come again, and all is well.
    async fn unpark(&self, message: &Message) -> Result<(), StoreError> {
        if self.parked_keys().is_empty() {
            return Ok(());
        }
        let key = parked_key(message);
        if self.parked_keys().remove(&key) {
            self.parked.delete(&key).await?;
        }
        Ok(())
    }

    fn parked_keys(&self) -> MutexGuard<'_, HashSet<String>> {
        self.parked_keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many rows there are, without holding more than some of them.
async fn count(rows: &LocalRows) -> Result<usize, StoreError> {
    let (mut count, mut after) = (0usize, BEGINNING.to_owned());
    loop {
        let some = rows.above(&after, 500).await?;
        let Some(last) = some.last() else { return Ok(count) };
        count = count.saturating_add(some.len());
        last.key.clone_into(&mut after);
    }
}

fn text(body: &Body) -> Result<String, StoreError> {
    serde_json::to_string(body).map_err(|error| StoreError::Refused(error.into()))
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;

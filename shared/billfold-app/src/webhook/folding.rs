//! What a process remembers while it folds: nothing that a row does not know as well, only what saves work. Everything
//! in it is bounded.

use super::Ticket;
use billfold_core::facts::Kind;
use billfold_core::id::{CustomerId, WorkspaceId};
use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::sync::Mutex as Turn;

/// Objects that can be folded side by side.
const TURNS: usize = 64;
/// Fetches that are remembered for each of them.
const FETCHES_MAX: usize = 256;
/// Events that are remembered as done.
const RECENT_MAX: usize = 4096;
pub(super) type ObjectKey = (WorkspaceId, Kind, String);

/// What a process remembers while it folds: nothing that a row does not know as well, only what saves work.
pub(crate) struct Folding {
    pub(super) process: u64,
    tickets: AtomicU64,
    hasher: RandomState,
    /// The last fetch of each object.
    turns: Vec<Turn<HashMap<ObjectKey, Fetched>>>,
    recent: Mutex<Recent>,
    /// Held by whoever folds many events together.
    pub(super) together: Turn<()>,
}

/// A fetch whose outcome is stored.
#[derive(Debug, Clone)]
pub(super) struct Fetched {
    /// Drawn before it began.
    pub(super) ticket: u64,
    /// Whose account it may have changed.
    pub(super) customer: Option<CustomerId>,
}

/// Remembers a fetch of an object whose turn it is.
pub(super) fn remember(fetches: &mut HashMap<ObjectKey, Fetched>, key: ObjectKey, fetched: Fetched) {
    if fetches.len() > FETCHES_MAX {
        fetches.clear();
    }
    fetches.insert(key, fetched);
}

#[derive(Default)]
struct Recent {
    known: HashSet<(WorkspaceId, String)>,
    order: VecDeque<(WorkspaceId, String)>,
}

impl Default for Folding {
    fn default() -> Self {
        let hasher = RandomState::new();
        Self {
            process: hasher.hash_one(()),
            tickets: AtomicU64::new(1),
            hasher,
            turns: std::iter::repeat_with(Turn::default).take(TURNS).collect(),
            recent: Mutex::default(),
            together: Turn::default(),
        }
    }
}

impl Folding {
    /// A ticket that no earlier one equals.
    pub(crate) fn ticket(&self) -> Ticket {
        Ticket { process: self.process, number: self.tickets.fetch_add(1, Ordering::SeqCst) }
    }

    pub(super) fn turn(&self, key: &ObjectKey) -> Option<&Turn<HashMap<ObjectKey, Fetched>>> {
        let place = usize::try_from(self.hasher.hash_one(key) % 64).unwrap_or(0);
        self.turns.get(place)
    }

    /// Whether a fetch began after an event was received, so that it has seen what the event is about.
    pub(super) fn covers(&self, fetched: &Fetched, event: Ticket) -> bool {
        event.process == self.process && fetched.ticket > event.number
    }

    /// Remembers a fetch whose outcome is stored.
    pub(super) async fn remember(&self, key: ObjectKey, fetched: Fetched) {
        let Some(turn) = self.turn(&key) else { return };
        remember(&mut *turn.lock().await, key, fetched);
    }

    /// The last fetch of an object, if it is remembered.
    pub(super) async fn fetched(&self, key: &ObjectKey) -> Option<Fetched> {
        self.turn(key)?.lock().await.get(key).cloned()
    }

    fn recent(&self) -> std::sync::MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_done(&self, ws: &WorkspaceId, event: &str) -> bool {
        self.recent().known.contains(&(ws.clone(), event.to_owned()))
    }

    pub(super) fn done(&self, ws: &WorkspaceId, event: &str) {
        let mut recent = self.recent();
        let key = (ws.clone(), event.to_owned());
        if recent.known.insert(key.clone()) {
            recent.order.push_back(key);
        }
        while recent.order.len() > RECENT_MAX {
            if let Some(oldest) = recent.order.pop_front() {
                recent.known.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_remembered_as_done_and_the_memory_is_bounded() {
        let folding = Folding::default();
        let ws = WorkspaceId::new("acme").unwrap();
        for n in 0..RECENT_MAX + 10 {
            folding.done(&ws, &format!("evt_{n}"));
        }
        assert!(!folding.is_done(&ws, "evt_9") && folding.is_done(&ws, "evt_10"));
        assert!(!folding.is_done(&WorkspaceId::new("other").unwrap(), "evt_10"));
        assert_eq!(folding.recent().known.len(), RECENT_MAX);
    }

    #[test]
    fn tickets_go_up_within_a_process_and_differ_between_two() {
        let (one, other) = (Folding::default(), Folding::default());
        assert!(one.ticket().number < one.ticket().number);
        assert_ne!(one.ticket().process, other.ticket().process);
    }
}

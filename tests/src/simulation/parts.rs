//! A queue that hands out its messages in any order and gives back what a killed worker had in hand, a vault of a few
//! lines, and the simulation's clock.

use billfold_app::{Clock, Message, Queue, QueueError, Secret, Vault, VaultError};
use billfold_core::id::WorkspaceId;
use billfold_sim::Sim;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;
use secrecy::SecretString;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Tells the simulation's time.
pub(super) struct SimClock(pub(super) Sim);

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.now()).unwrap_or_default()
    }
}

/// The queue.
#[derive(Default)]
pub(super) struct Mailbox(Mutex<Messages>);

#[derive(Default)]
struct Messages {
    waiting: Vec<Message>,
    /// In the hands of a worker, under the number it was taken with.
    taken: HashMap<u64, Message>,
    next: u64,
}

/// A message in a worker's hands.
pub(super) struct Taken {
    pub(super) message: Message,
    number: u64,
}

impl Mailbox {
    fn messages(&self) -> MutexGuard<'_, Messages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the message at a place of those that wait, which a die says.
    pub(super) fn take(&self, die: u64) -> Option<Taken> {
        let mut messages = self.messages();
        let count = u64::try_from(messages.waiting.len()).ok().filter(|count| *count > 0)?;
        let place = usize::try_from(die % count).ok()?;
        let message = messages.waiting.swap_remove(place);
        let number = messages.next;
        messages.next += 1;
        messages.taken.insert(number, message.clone());
        Some(Taken { message, number })
    }

    pub(super) fn done(&self, taken: &Taken) {
        self.messages().taken.remove(&taken.number);
    }

    pub(super) fn again(&self, taken: &Taken) {
        let mut messages = self.messages();
        let message = messages.taken.remove(&taken.number);
        messages.waiting.extend(message);
    }

    /// What killed workers had in hand comes back.
    pub(super) fn redeliver(&self) {
        let mut messages = self.messages();
        let taken: Vec<Message> = messages.taken.drain().map(|(_, message)| message).collect();
        messages.waiting.extend(taken);
    }

    pub(super) fn is_idle(&self) -> bool {
        let messages = self.messages();
        messages.waiting.is_empty() && messages.taken.is_empty()
    }
}

impl Queue for Mailbox {
    fn send(&self, message: Message, _: Duration) -> BoxFuture<'_, Result<(), QueueError>> {
        let mut messages = self.messages();
        if !messages.waiting.contains(&message) {
            messages.waiting.push(message);
        }
        async { Ok(()) }.boxed()
    }
}

/// The vault.
#[derive(Default)]
pub(super) struct Drawer(Mutex<HashMap<(WorkspaceId, &'static str), SecretString>>);

impl Drawer {
    fn secrets(&self) -> MutexGuard<'_, HashMap<(WorkspaceId, &'static str), SecretString>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Vault for Drawer {
    fn put<'a>(
        &'a self,
        ws: &'a WorkspaceId,
        which: Secret,
        text: SecretString,
    ) -> BoxFuture<'a, Result<(), VaultError>> {
        self.secrets().insert((ws.clone(), which.as_str()), text);
        async { Ok(()) }.boxed()
    }

    fn get<'a>(
        &'a self,
        ws: &'a WorkspaceId,
        which: Secret,
    ) -> BoxFuture<'a, Result<Option<SecretString>, VaultError>> {
        let found = self.secrets().get(&(ws.clone(), which.as_str())).cloned();
        async { Ok(found) }.boxed()
    }

    fn forget<'a>(&'a self, ws: &'a WorkspaceId, which: Secret) -> BoxFuture<'a, Result<(), VaultError>> {
        self.secrets().remove(&(ws.clone(), which.as_str()));
        async { Ok(()) }.boxed()
    }
}

//! A queue that hands out its messages in any order and gives back what a killed worker had in hand, a vault of a few
//! lines, the simulation's clock, and the program around them.

use super::calls::Calls;
use billfold_app::{App, Clock, Config, LimitsConfig, Message, Parts, Queue, QueueError, Secret, Vault, VaultError};
use billfold_core::fold::Rule;
use billfold_core::id::WorkspaceId;
use billfold_sim::Sim;
use billfold_store::Store;
use billfold_stripe::Base;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;
use secrecy::SecretString;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Tells the simulation's time.
struct SimClock(Sim);

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.now()).unwrap_or_default()
    }
}

/// The queue.
pub(super) struct Mailbox {
    messages: Mutex<Messages>,
    calls: Calls,
}

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
    pub(super) fn new(calls: Calls) -> Self {
        Self { messages: Mutex::default(), calls }
    }

    fn messages(&self) -> MutexGuard<'_, Messages> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes several messages at once, of those that wait; which, a die says.
    pub(super) async fn take(&self, mut die: impl FnMut() -> u64, most: usize) -> Vec<Taken> {
        if self.messages().waiting.is_empty() {
            return Vec::new();
        }
        let take = async { (0..most).map_while(|_| self.take_one(die())).collect() };
        self.calls.pass(take).await
    }

    fn take_one(&self, die: u64) -> Option<Taken> {
        let mut messages = self.messages();
        let count = u64::try_from(messages.waiting.len()).ok().filter(|count| *count > 0)?;
        let place = usize::try_from(die % count).ok()?;
        let message = messages.waiting.swap_remove(place);
        let number = messages.next;
        messages.next += 1;
        messages.taken.insert(number, message.clone());
        Some(Taken { message, number })
    }

    pub(super) async fn done(&self, taken: &Taken) {
        self.calls.pass(async { self.messages().taken.remove(&taken.number) }).await;
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
        let put = async move {
            let mut messages = self.messages();
            if !messages.waiting.contains(&message) {
                messages.waiting.push(message);
            }
            Ok(())
        };
        self.calls.pass(put).boxed()
    }
}

/// The vault.
pub(super) struct Drawer {
    secrets: Mutex<HashMap<(WorkspaceId, &'static str), SecretString>>,
    calls: Calls,
}

impl Drawer {
    pub(super) fn new(calls: Calls) -> Self {
        Self { secrets: Mutex::default(), calls }
    }

    fn secrets(&self) -> MutexGuard<'_, HashMap<(WorkspaceId, &'static str), SecretString>> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Vault for Drawer {
    fn put<'a>(
        &'a self,
        ws: &'a WorkspaceId,
        which: Secret,
        text: SecretString,
    ) -> BoxFuture<'a, Result<(), VaultError>> {
        let put = async move { self.secrets().insert((ws.clone(), which.as_str()), text) };
        async { self.calls.pass(put).await.map_or(Ok(()), |_| Ok(())) }.boxed()
    }

    fn get<'a>(
        &'a self,
        ws: &'a WorkspaceId,
        which: Secret,
    ) -> BoxFuture<'a, Result<Option<SecretString>, VaultError>> {
        let get = async move { Ok(self.secrets().get(&(ws.clone(), which.as_str())).cloned()) };
        self.calls.pass(get).boxed()
    }

    fn forget<'a>(&'a self, ws: &'a WorkspaceId, which: Secret) -> BoxFuture<'a, Result<(), VaultError>> {
        let forget = async move { self.secrets().remove(&(ws.clone(), which.as_str())) };
        async { self.calls.pass(forget).await.map_or(Ok(()), |_| Ok(())) }.boxed()
    }
}

/// How a business is set up.
#[derive(Debug)]
pub struct Setup {
    /// What webhooks look like.
    pub webhooks: billfold_sim::Version,
    /// How far back its invoices are read.
    pub backfill_days: u32,
    /// What happens before it is connected.
    pub before: fn(&Sim),
}

impl Default for Setup {
    fn default() -> Self {
        Self { webhooks: billfold_sim::Version::pinned(), backfill_days: 365, before: |_| {} }
    }
}

/// A process of the program.
pub(super) fn app(
    sim: &Sim,
    base: &str,
    store: &Store,
    mailbox: &Arc<Mailbox>,
    vault: &Arc<Drawer>,
    rule: Rule,
) -> anyhow::Result<App> {
    let parts = Parts {
        store: store.clone(),
        queue: Arc::<Mailbox>::clone(mailbox),
        vault: Arc::<Drawer>::clone(vault),
        clock: Arc::new(SimClock(sim.clone())),
        config: Config {
            stripe: Base::parse(base)?,
            limits: LimitsConfig { share: Some(1.0), total_per_s: Some(1e5), endpoint_per_s: Some(1e5) },
            public_url: "http://127.0.0.1".to_owned(),
            rates_url: billfold_app::ECB_DAILY_URL.to_owned(),
        },
    };
    Ok(App::with_rule(parts, rule)?)
}

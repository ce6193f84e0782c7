//! Events that wait together, folded together: read in one call, decided one after the other, announced in one intent,
//! their accounts computed in one go. One fetch serves all events of an object. What changes the catalogue,
//! shows on something else, or was lost to another writer is folded by itself.
//!
//! The rule is the same as for one event; an object's versions that are overtaken within the burst are not written.

use super::candidate::Candidate;
use super::fold::{FoldError, Folder, Listed, Told};
use super::folding::{Fetched, ObjectKey};
use super::{Delivered, money_back};
use crate::app::App;
use crate::queue::{Handled, Message};
use crate::recompute;
use crate::refusal;
use billfold_core::connection::Connection;
use billfold_core::event::About;
use billfold_core::facts::Kind;
use billfold_core::fold::{Decision, Source, Stored, decide_touched};
use billfold_core::id::{CustomerId, WorkspaceId};
use billfold_store::{FactPlace, Intent, State, StoreError, StoredFact, Subject, Write};
use futures::{StreamExt as _, stream};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::timeout;

/// Objects that are fetched, and events that are folded by themselves, side by side.
const SINGLY_AT_ONCE: usize = 8;
/// An object that takes longer keeps others waiting.
const FETCHED_WITHIN: Duration = Duration::from_secs(5);
/// Writes of one transaction.
const WRITES: usize = 99;
/// The wait after our own trouble.
const AFTER_TROUBLE: Duration = Duration::from_secs(10);

impl App {
    /// Does what messages say: events together, others one after the other. What became of each, in their order.
    pub async fn handle_all(&self, messages: &[Message], work_for: Duration) -> Vec<Handled> {
        let mut handled: Vec<Option<Handled>> = vec![None; messages.len()];
        let mut bursts: BTreeMap<&WorkspaceId, Vec<(usize, &Delivered)>> = BTreeMap::new();
        for (place, message) in messages.iter().enumerate() {
            if let Message::Event { workspace, event } = message {
                bursts.entry(workspace).or_default().push((place, event));
            }
        }
        // One alone is no burst: it takes no turn with others.
        for (ws, burst) in bursts.into_iter().filter(|(_, burst)| burst.len() > 1) {
            let events: Vec<&Delivered> = burst.iter().map(|(_, event)| *event).collect();
            for ((place, _), one) in burst.iter().zip(work(self, ws, &events).await) {
                if let Some(slot) = handled.get_mut(*place) {
                    *slot = Some(one);
                }
            }
        }
        let mut all = Vec::with_capacity(messages.len());
        for (message, handled) in messages.iter().zip(handled) {
            all.push(match handled {
                Some(handled) => handled,
                None => self.handle(message, work_for).await,
            });
        }
        all
    }
}

/// Folds the events of a workspace.
async fn work(app: &App, ws: &WorkspaceId, events: &[&Delivered]) -> Vec<Handled> {
    let left = match fold_together(app, ws, events).await {
        Ok(left) => left,
        Err(error) => {
            let (count, may_pass) = (events.len(), may_pass(&error));
            let error = refusal::chain(&error);
            tracing::error!(workspace = %ws, events = count, error, may_pass, "events could not be folded together");
            if may_pass {
                return vec![Handled::Again(AFTER_TROUBLE); count];
            }
            // Whichever of them it is about, the others have no part in it.
            (0..count).collect()
        }
    };
    let singly = left.into_iter().filter_map(|place| events.get(place).map(|event| (place, *event)));
    let one = |(place, event): (usize, &'_ Delivered)| {
        let message = Message::Event { workspace: ws.clone(), event: Box::new(event.clone()) };
        async move { (place, app.handle(&message, Duration::ZERO).await) }
    };
    let alone: Vec<_> = singly.map(one).collect();
    let mut handled = vec![Handled::Done; events.len()];
    let mut done = stream::iter(alone).buffer_unordered(SINGLY_AT_ONCE);
    while let Some((place, one)) = done.next().await {
        if let Some(slot) = handled.get_mut(place) {
            *slot = one;
        }
    }
    handled
}

fn may_pass(error: &FoldError) -> bool {
    match error {
        FoldError::Stripe(_) => true,
        FoldError::Trouble(refusal) => matches!(refusal.kind, refusal::Kind::Unavailable | refusal::Kind::Upstream),
    }
}

/// Folds what can be folded together and computes the accounts; the places of the events that are left.
async fn fold_together(app: &App, ws: &WorkspaceId, events: &[&Delivered]) -> Result<Vec<usize>, FoldError> {
    // One after the other: two at once would read and write the same accounts, and lose to each other.
    let _turn = app.folding().together.lock().await;
    let mut burst = Burst::read(app, ws, events).await?;
    let State { connection, lease, known, .. } = app.state(ws).await?;
    if connection.active_key().is_none() {
        return Ok(Vec::new());
    }
    burst.decide(&Listed::of(&lease, known));
    burst.fetch(&connection).await?;
    burst.write(&connection).await?;
    burst.remember().await;
    let intents = Vec::from_iter(burst.intent.take());
    recompute::work_on(app, ws, &intents, &burst.no_news_of()).await?;
    let left: BTreeSet<usize> = burst.left.iter().copied().collect();
    for (_, event) in events.iter().enumerate().filter(|(place, _)| !left.contains(place)) {
        app.folding().done(ws, &event.id);
    }
    Ok(burst.left)
}

struct Burst<'a> {
    app: &'a App,
    ws: &'a WorkspaceId,
    events: &'a [&'a Delivered],
    /// What the events say, in their order, with the place of each.
    told: Vec<(usize, Incomer)>,
    objects: BTreeMap<FactPlace, Object>,
    /// Places of the events that are folded by themselves.
    left: Vec<usize>,
    /// What is about to be written, once it is decided.
    intent: Option<Intent>,
}

/// What an event says of an object whose place is known.
enum Incomer {
    /// All of it.
    Whole(Candidate),
    /// Not all that is kept of it.
    Part(FactPlace, Option<CustomerId>),
}

/// An object that events of the burst are about.
#[derive(Default)]
struct Object {
    stored: Option<StoredFact>,
    /// The version that the next event is compared with.
    version: Option<Stored>,
    pending: Option<Pending>,
    customers: BTreeSet<CustomerId>,
    /// Places of its events that were folded here.
    events: Vec<usize>,
    /// Places of the event that could not be placed, and of those behind it.
    unclear: Vec<usize>,
    /// Whether its events are folded by themselves from here on.
    alone: bool,
    /// Drawn before it was fetched.
    ticket: Option<u64>,
    /// Whether something of it is stored that was not.
    is_news: bool,
}

/// What is to be written of an object.
struct Pending {
    writes: Vec<Write>,
    decision: Decision,
    subject: Option<Subject>,
}

impl<'a> Burst<'a> {
    /// Reads what the events say and what is stored.
    async fn read(app: &'a App, ws: &'a WorkspaceId, events: &'a [&'a Delivered]) -> Result<Self, FoldError> {
        let objects = BTreeMap::new();
        let mut burst = Self { app, ws, events, told: Vec::new(), objects, left: Vec::new(), intent: None };
        for (place, event) in events.iter().enumerate() {
            if !app.folding().is_done(ws, &event.id) {
                burst.take(place, event).await?;
                // Reading an event waits for nothing: the others have their turn.
                tokio::task::yield_now().await;
            }
        }
        let places: Vec<FactPlace> = burst.objects.keys().cloned().collect();
        let stored = app.store().stored_versions_at(&places).await?;
        for (object, stored) in burst.objects.values_mut().zip(stored) {
            object.version = stored.as_ref().map(|stored| stored.version);
            object.stored = stored;
        }
        Ok(burst)
    }

    async fn take(&mut self, place: usize, event: &Delivered) -> Result<(), FoldError> {
        let (kind, id) = match &event.about {
            About::Object(kind, id) | About::Deleted(kind, id) => (*kind, id),
            About::Touched(..) => {
                self.left.push(place);
                return Ok(());
            }
            About::Nothing => return Ok(()),
        };
        // Few change the catalogue, and everybody depends on it; what goes back shows on an invoice as well.
        if !matches!(kind, Kind::Customer | Kind::Subscription | Kind::Invoice) {
            self.left.push(place);
            return Ok(());
        }
        let folder = Folder { app: self.app, ws: self.ws, stripe: None, event, kind, id, intends: None };
        let incomer = match folder.told().await? {
            Told::Candidate(candidate) => Incomer::Whole(candidate),
            Told::Place(place, customer) => Incomer::Part(place, customer),
            Told::Touched => {
                self.left.push(place);
                return Ok(());
            }
            Told::Nothing => return Ok(()),
        };
        self.objects.entry(incomer.place().clone()).or_default();
        self.told.push((place, incomer));
        Ok(())
    }

    /// Decides on each event in turn, an object's later ones against what its earlier ones came to.
    fn decide(&mut self, listed: &Listed) {
        for (place, incomer) in std::mem::take(&mut self.told) {
            let Some(event) = self.events.get(place) else { continue };
            let (Some(object), Some((kind, _))) = (self.objects.get_mut(incomer.place()), event.about.object()) else {
                continue;
            };
            object.alone |= incomer.may_be_older(object.version.is_some());
            if object.alone {
                self.left.push(place);
                continue;
            }
            let decision = match &incomer {
                _ if !object.unclear.is_empty() => Decision::Fetch,
                Incomer::Part(..) => decide_touched(object.version, event.created),
                Incomer::Whole(candidate) => {
                    let source = Source::Event { listed_until: listed.until(kind) };
                    self.app.decide(object.version, candidate.incoming(source))
                }
            };
            match (decision, &incomer) {
                (Decision::Fetch, _) => object.unclear.push(place),
                (Decision::Store | Decision::Confirm, Incomer::Whole(candidate))
                    if object.take(self.ws, candidate, decision).is_none() =>
                {
                    object.alone = true;
                    self.left.push(place);
                    continue;
                }
                _ => object.events.push(place),
            }
            object.customers.extend(incomer.customer());
        }
    }

    /// Fetches what could not be placed, each object once: the answer is newer than all events of the burst, and than
    /// others that wait.
    async fn fetch(&mut self, connection: &Connection) -> Result<(), FoldError> {
        let (app, ws, folding) = (self.app, self.ws, self.app.folding());
        let mut wanted = Vec::new();
        for (place, object) in &mut self.objects {
            let events: Vec<&Delivered> =
                object.unclear.iter().filter_map(|place| self.events.get(*place).copied()).collect();
            let Some((event, key)) = events.first().and_then(|event| Some((*event, object_key(ws, event)?))) else {
                continue;
            };
            let seen = folding.fetched(&key).await;
            match seen.filter(|seen| events.iter().all(|event| folding.covers(seen, event.ticket))) {
                Some(seen) => {
                    object.customers.extend(seen.customer);
                    object.events.append(&mut object.unclear);
                }
                None => wanted.push((place.clone(), object.customers.first().cloned(), event)),
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        // Whatever keeps it from being fetched, or from being fetched soon, is dealt with where it is folded by itself.
        let stripe = app.stripe_of(ws, connection).await.ok().flatten();
        let fetch = |(place, customer, event): (FactPlace, Option<CustomerId>, &'a Delivered)| {
            let stripe = stripe.as_ref();
            async move {
                let ticket = folding.ticket().number;
                let (Some((kind, id)), true) = (event.about.object(), stripe.is_some()) else {
                    return (place, ticket, None);
                };
                let folder = Folder { app, ws, stripe, event, kind, id, intends: None };
                let fetched = timeout(FETCHED_WITHIN, folder.fetch(Some((place.clone(), customer)))).await;
                (place, ticket, fetched.ok().and_then(Result::ok).flatten())
            }
        };
        let fetches: Vec<_> = wanted.into_iter().map(fetch).collect();
        let fetched: Vec<_> = stream::iter(fetches).buffer_unordered(SINGLY_AT_ONCE).collect().await;
        for (place, ticket, candidate) in fetched {
            let Some(object) = self.objects.get_mut(&place) else { continue };
            let taken = candidate.and_then(|candidate| object.take_fetched(app, ws, candidate));
            if taken.is_some() {
                object.ticket = Some(ticket);
                object.events.append(&mut object.unclear);
            } else {
                self.left.append(&mut object.unclear);
            }
        }
        Ok(())
    }

    /// Remembers what was fetched, once it is stored.
    async fn remember(&self) {
        for object in self.objects.values() {
            let event = object.events.first().and_then(|place| self.events.get(*place));
            let key = event.and_then(|event| object_key(self.ws, event));
            if let (Some(ticket), Some(key)) = (object.ticket, key) {
                let customer = object.customers.first().cloned();
                self.app.folding().remember(key, Fetched { ticket, customer }).await;
            }
        }
    }

    /// Writes what was decided, after the intent that says whom it counts for. Whoever lost a race is left.
    async fn write(&mut self, connected: &Connection) -> Result<(), FoldError> {
        let mut pending: Vec<(FactPlace, Pending)> = Vec::new();
        for (place, object) in &mut self.objects {
            let Some(decided) = object.pending.take() else { continue };
            object.is_news = decided.decision == Decision::Store;
            pending.push((place.clone(), decided));
        }
        let stored = pending.iter().filter(|(_, pending)| pending.decision == Decision::Store);
        let subjects: BTreeSet<Subject> = stored.filter_map(|(_, pending)| pending.subject.clone()).collect();
        if !subjects.is_empty() {
            let subjects = subjects.into_iter().collect();
            self.intent = Some(recompute::announce_event(self.app, self.ws, subjects, connected).await?);
        }
        // A row by itself costs half of one in a transaction, which an invoice of several rows needs.
        let (alone, whole): (Vec<_>, Vec<_>) = pending.into_iter().partition(|(_, pending)| pending.writes.len() == 1);
        let (places, writes): (Vec<FactPlace>, Vec<Vec<Write>>) =
            alone.into_iter().map(|(place, pending)| (place, pending.writes)).unzip();
        let failed = self.app.store().write_each(writes.into_iter().flatten().collect()).await?;
        let mut lost: Vec<FactPlace> = failed.into_iter().filter_map(|failed| places.get(failed).cloned()).collect();
        for (place, pending) in whole {
            match self.app.store().write_all(pending.writes).await {
                Ok(()) => {}
                Err(StoreError::Conflict) => lost.push(place),
                Err(error) => return Err(error.into()),
            }
        }
        for place in lost {
            self.left.extend(self.objects.remove(&place).unwrap_or_default().events);
        }
        Ok(())
    }

    /// Of whom something was no news: perhaps somebody stored this very event and was stopped before the account.
    fn no_news_of(&self) -> BTreeSet<CustomerId> {
        let no_news = self.objects.values().filter(|object| !object.is_news);
        no_news.flat_map(|object| object.customers.iter().cloned()).collect()
    }
}

fn object_key(ws: &WorkspaceId, event: &Delivered) -> Option<ObjectKey> {
    event.about.object().map(|(kind, id)| (ws.clone(), kind, id.to_owned()))
}

impl Incomer {
    fn place(&self) -> &FactPlace {
        match self {
            Self::Whole(candidate) => &candidate.place,
            Self::Part(place, _) => place,
        }
    }

    fn customer(self) -> Option<CustomerId> {
        match self {
            Self::Whole(candidate) => candidate.customer,
            Self::Part(_, customer) => customer,
        }
    }

    fn may_be_older(&self, is_stored: bool) -> bool {
        match self {
            Self::Whole(candidate) => money_back::may_be_older(candidate, is_stored),
            // It is seen when it is fetched.
            Self::Part(..) => false,
        }
    }
}

impl Object {
    /// Takes a version as the newest; `None` if it cannot be written together with others.
    fn take(&mut self, ws: &WorkspaceId, candidate: &Candidate, decision: Decision) -> Option<()> {
        let writes = candidate.writes(ws, self.stored.as_ref()).ok()?;
        if writes.len() > WRITES {
            return None;
        }
        let stores = decision == Decision::Store
            || self.pending.as_ref().is_some_and(|pending| pending.decision == Decision::Store);
        let decision = if stores { Decision::Store } else { Decision::Confirm };
        self.pending = Some(Pending { writes, decision, subject: candidate.subject() });
        self.version = Some(Stored { as_of: candidate.as_of, digest: candidate.digest() });
        Some(())
    }

    /// The same with what was fetched after the stored version was read.
    fn take_fetched(&mut self, app: &App, ws: &WorkspaceId, candidate: Candidate) -> Option<()> {
        let stored = self.stored.as_ref();
        if money_back::may_be_older(&candidate, stored.is_some()) {
            return None;
        }
        let decided = app.decide(stored.map(|stored| stored.version), candidate.incoming(Source::Fetched));
        let decided = candidate.decided(decided, stored);
        if decided != Decision::Drop {
            self.take(ws, &candidate, decided)?;
        }
        self.customers.extend(candidate.customer);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Refusal;

    #[test]
    fn what_does_not_pass_is_not_sent_again_for_ever() {
        assert!(may_pass(&StoreError::Conflict.into()));
        assert!(may_pass(&StoreError::Unavailable("throttled".into()).into()));
        assert!(!may_pass(&StoreError::Refused("too large".into()).into()));
        assert!(!may_pass(&FoldError::Trouble(Refusal::internal(std::fmt::Error))));
    }
}

//! Events that wait together, folded together: read in one call, decided one after the other, written in few
//! transactions, their accounts computed in one go. What cannot be decided without asking Stripe, or was lost to another
//! writer, is folded by itself.
//!
//! The rule is the same as for one event; an object's versions that are overtaken within the burst are not written.

use super::fold::{Candidate, FoldError, Folder, Listed, Told};
use super::{Delivered, money_back};
use crate::app::App;
use crate::queue::{Handled, Message};
use crate::recompute;
use crate::refusal;
use billfold_core::event::About;
use billfold_core::facts::Kind;
use billfold_core::fold::{Decision, Incoming, Source, Stored};
use billfold_core::id::{CustomerId, WorkspaceId};
use billfold_store::{FactPlace, Store, StoreError, StoredFact, Subject, Write};
use futures::{StreamExt as _, stream};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Events that are folded by themselves side by side.
const SINGLY_AT_ONCE: usize = 8;
/// Writes of one transaction; the last may bring a mark along.
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

/// Folds what can be folded without Stripe and computes the accounts; the places of the events that are left.
async fn fold_together(app: &App, ws: &WorkspaceId, events: &[&Delivered]) -> Result<Vec<usize>, FoldError> {
    if app.store().connection(ws).await?.active_key().is_none() {
        return Ok(Vec::new());
    }
    // One after the other: two at once would read and write the same accounts, and lose to each other.
    let _turn = app.folding().together.lock().await;
    let mut burst = Burst::read(app, ws, events).await?;
    burst.decide(&Listed::read(app, ws).await?);
    burst.write().await?;
    recompute::work_on(app, ws, &burst.customers()).await?;
    let left: BTreeSet<usize> = burst.left.iter().copied().collect();
    for (_, event) in events.iter().enumerate().filter(|(place, _)| !left.contains(place)) {
        app.folding().done(ws, &event.id);
    }
    Ok(burst.left)
}

struct Burst<'a> {
    app: &'a App,
    ws: &'a WorkspaceId,
    /// What the events say, in their order, with the place of each.
    candidates: Vec<(usize, Kind, Candidate)>,
    objects: BTreeMap<FactPlace, Object>,
    /// Places of the events that are folded by themselves.
    left: Vec<usize>,
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
    state: State,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Clear,
    /// Some event could not be placed; those behind it are not looked at.
    Unclear,
}

/// What is to be written of an object.
struct Pending {
    writes: Vec<Write>,
    decision: Decision,
    customer: Option<CustomerId>,
}

impl<'a> Burst<'a> {
    /// Reads what the events say and what is stored.
    async fn read(app: &'a App, ws: &'a WorkspaceId, events: &[&Delivered]) -> Result<Self, FoldError> {
        let mut burst = Self { app, ws, candidates: Vec::new(), objects: BTreeMap::new(), left: Vec::new() };
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
        let folder = Folder { app: self.app, ws: self.ws, stripe: None, event, kind, id };
        match folder.told().await? {
            Told::Candidate(candidate) => {
                self.objects.entry(candidate.place.clone()).or_default();
                self.candidates.push((place, kind, candidate));
            }
            Told::Place(..) | Told::Touched => self.left.push(place),
            Told::Nothing => {}
        }
        Ok(())
    }

    /// Decides on each event in turn, an object's later ones against what its earlier ones came to.
    fn decide(&mut self, listed: &Listed) {
        for (place, kind, candidate) in std::mem::take(&mut self.candidates) {
            let Some(object) = self.objects.get_mut(&candidate.place) else { continue };
            let source = Source::Event { listed_until: listed.until(kind) };
            let incoming = Incoming { as_of: candidate.as_of, digest: candidate.digest(), source };
            let decision = match object.state {
                State::Unclear => Decision::Fetch,
                State::Clear if money_back::may_be_older(&candidate, object.version.is_some()) => Decision::Fetch,
                State::Clear => self.app.decide(object.version, incoming),
            };
            let taken = match decision {
                Decision::Fetch => None,
                Decision::Drop => Some(()),
                Decision::Store | Decision::Confirm => object.take(self.ws, &candidate, decision),
            };
            if taken.is_none() {
                object.state = State::Unclear;
                self.left.push(place);
                continue;
            }
            object.events.push(place);
            object.customers.extend(candidate.customer);
        }
    }

    /// Writes what was decided, with the marks of whom it counts for. Whoever lost a race is left.
    async fn write(&mut self) -> Result<(), FoldError> {
        let mut pending: Vec<(FactPlace, Pending)> = Vec::new();
        for (place, object) in &mut self.objects {
            pending.extend(object.pending.take().map(|pending| (place.clone(), pending)));
        }
        // Those of one customer beside each other, so that one mark does for them.
        pending.sort_by(|(_, a), (_, b)| a.customer.cmp(&b.customer));
        let stamp = self.app.stamp()?;
        let mut group = Group::default();
        for (place, pending) in pending {
            if group.writes.len().saturating_add(pending.writes.len()).saturating_add(1) > WRITES {
                self.write_group(std::mem::take(&mut group)).await?;
            }
            group.add(self.ws, place, pending, stamp);
        }
        self.write_group(group).await
    }

    async fn write_group(&mut self, group: Group) -> Result<(), FoldError> {
        match self.app.store().write_all(group.writes).await {
            Ok(()) => Ok(()),
            Err(StoreError::Conflict) => {
                for place in group.places {
                    let object = self.objects.remove(&place).unwrap_or_default();
                    self.left.extend(object.events);
                }
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whose accounts may have to be computed: also when nothing was new, because perhaps somebody stored this very event
    /// and was stopped before the account.
    fn customers(&self) -> BTreeSet<CustomerId> {
        self.objects.values().flat_map(|object| object.customers.iter().cloned()).collect()
    }
}

impl Object {
    /// Takes a version as the newest; `None` if it cannot be written together with others.
    fn take(&mut self, ws: &WorkspaceId, candidate: &Candidate, decision: Decision) -> Option<()> {
        let writes = candidate.writes(ws, self.stored.as_ref()).ok()?;
        if writes.len().saturating_add(1) > WRITES {
            return None;
        }
        let stores = decision == Decision::Store
            || self.pending.as_ref().is_some_and(|pending| pending.decision == Decision::Store);
        let decision = if stores { Decision::Store } else { Decision::Confirm };
        self.pending = Some(Pending { writes, decision, customer: candidate.customer.clone() });
        self.version = Some(Stored { as_of: candidate.as_of, digest: candidate.digest() });
        Some(())
    }
}

/// Writes of one transaction, and the objects that they are of.
#[derive(Default)]
struct Group {
    writes: Vec<Write>,
    places: Vec<FactPlace>,
    marked: Option<CustomerId>,
}

impl Group {
    fn add(&mut self, ws: &WorkspaceId, place: FactPlace, pending: Pending, stamp: i64) {
        self.writes.extend(pending.writes);
        self.places.push(place);
        let customer = pending.customer.filter(|_| pending.decision == Decision::Store);
        if let Some(customer) = customer.filter(|customer| self.marked.as_ref() != Some(customer)) {
            self.writes.push(Store::mark(ws, &Subject::Customer(customer.clone()), stamp));
            self.marked = Some(customer);
        }
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

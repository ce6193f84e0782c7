//! Folding an event into the object it is about: decided by `billfold_core::fold`, written with a condition on the row's
//! revision after the intent that says whom it counts for (during a sync, and in the catalogue, with a mark), then computed
//! at once.
//!
//! Every step may run twice. Events of one object are folded one after the other within a process, and share a fetch
//! that began after they were received.

use super::candidate::{Candidate, Version};
use super::folding::{Fetched, ObjectKey, remember};
use super::{Delivered, money_back};
use crate::app::App;
use crate::queue::{Handled, Message};
use crate::recompute;
use crate::refusal::{Refusal, chain};
use crate::sync::page::{endpoint_of, follow, reading};
use crate::sync::{Stopped, problem};
use billfold_core::connection::Connection;
use billfold_core::event::{About, is_complete};
use billfold_core::facts::{Fact, Invoice, Kind};
use billfold_core::fold::{Decision, Source, decide_touched};
use billfold_core::id::{CustomerId, WorkspaceId};
use billfold_core::stripe::{self, Reading};
use billfold_core::webhook::Known;
use billfold_store::{FactPlace, FactRow, Intent, Lease, State, Store, StoreError, StoredFact, Subject, Write};
use billfold_stripe::{Client, Disposition, Retrieved, StripeError};
use jiff::Timestamp;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;
use tokio::sync::Mutex;

/// How often an event is folded again because somebody else wrote the row.
const FOLDS_MAX: u32 = 16;
/// A change of the catalogue seldom comes alone.
const CATALOGUE_SETTLES_IN: Duration = Duration::from_secs(3);

/// Whether accounts are computed at once, or by the sync that is at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accounts {
    AtOnce,
    BySync,
}

/// Why an event could not be folded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FoldError {
    #[error(transparent)]
    Stripe(#[from] StripeError),
    #[error(transparent)]
    Trouble(#[from] Refusal),
}

impl From<StoreError> for FoldError {
    fn from(error: StoreError) -> Self {
        Self::Trouble(error.into())
    }
}

impl From<Stopped> for FoldError {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Refused(error) => Self::Stripe(error),
            Stopped::Trouble(refusal) => Self::Trouble(refusal),
            other => Self::Trouble(Refusal::internal(other)),
        }
    }
}

/// Folds a delivered event.
pub(crate) async fn work(app: &App, ws: &WorkspaceId, event: &Delivered) -> Result<Handled, Refusal> {
    match fold(app, ws, None, event, Accounts::AtOnce).await {
        Ok(()) => Ok(Handled::Done),
        Err(error) => failed(app, ws, &event.id, error).await,
    }
}

/// What becomes of a message about something that could not be folded.
pub(crate) async fn failed(app: &App, ws: &WorkspaceId, what: &str, error: FoldError) -> Result<Handled, Refusal> {
    let error = match error {
        FoldError::Trouble(refusal) => return Err(refusal),
        FoldError::Stripe(error) => error,
    };
    match error.disposition() {
        Disposition::Retry { after } => return Ok(Handled::Again(after.max(Duration::from_secs(1)))),
        // The next sync, which a new key or a new permission brings, finds what this event was about.
        Disposition::StopNeedsUser if !matches!(error, StripeError::PermissionMissing { .. }) => {
            app.store().change_connection(ws, |connection| connection.error = Some(problem(&error))).await?;
        }
        Disposition::StopNeedsUser | Disposition::RestartSlice | Disposition::Park => {}
    }
    tracing::warn!(workspace = %ws, what, error = chain(&error), "Stripe did not show what has changed");
    Ok(Handled::Done)
}

/// Folds an event, if anything is connected. `stripe` is asked where need be; the connected key if there is none.
pub(crate) async fn fold(
    app: &App,
    ws: &WorkspaceId,
    stripe: Option<&Client>,
    event: &Delivered,
    accounts: Accounts,
) -> Result<(), FoldError> {
    let Some((kind, id)) = event.about.object() else { return Ok(()) };
    if app.folding().is_done(ws, &event.id) {
        return Ok(());
    }
    let connected = app.store().connection(ws).await?;
    if connected.active_key().is_none() {
        return Ok(());
    }
    let intends = Intends { connected, intents: Mutex::default() };
    let intends = (accounts == Accounts::AtOnce).then_some(&intends);
    let folder = Folder { app, ws, stripe, event, kind, id, intends };
    let folded = folder.fold().await;
    let customer = folded.as_ref().ok().cloned().flatten();
    let shown = folder.fold_what_it_shows_on(customer.as_ref()).await;
    // Nobody knows what is stored, or will be in a moment. The event comes again, and finds what was intended.
    if matches!(folded, Err(FoldError::Trouble(_))) || matches!(shown, Err(FoldError::Trouble(_))) {
        return folded.and(shown).map(|_| ());
    }
    if let Some(intends) = intends {
        let intents = std::mem::take(&mut *intends.intents.lock().await);
        // Also when nothing was new: perhaps somebody stored this very event and was stopped before the account. And also
        // when Stripe did not show something, because nobody may come back to what is stored by now.
        let shown = shown.as_ref().ok().cloned().flatten();
        let mut no_news_of: BTreeSet<CustomerId> = customer.into_iter().chain(shown).collect();
        no_news_of.retain(|one| !intents.iter().any(|intent| intent.counts_for(one)));
        recompute::work_on(app, ws, &intents, &no_news_of).await?;
    }
    folded?;
    shown?;
    if accounts == Accounts::AtOnce {
        app.folding().done(ws, &event.id);
    }
    Ok(())
}

/// Folds a version that was fetched just now, whatever led to it.
pub(crate) async fn fold_fetched(app: &App, ws: &WorkspaceId, kind: Kind, id: &str) -> Result<(), FoldError> {
    fold(app, ws, None, &Delivered::touched(app, kind, id), Accounts::AtOnce).await
}

#[derive(Clone, Copy)]
pub(super) struct Folder<'a> {
    pub(super) app: &'a App,
    pub(super) ws: &'a WorkspaceId,
    pub(super) stripe: Option<&'a Client>,
    pub(super) event: &'a Delivered,
    pub(super) kind: Kind,
    pub(super) id: &'a str,
    /// What is intended, where the accounts are computed by whoever folds; else what is written is marked.
    pub(super) intends: Option<&'a Intends>,
}

/// What is intended with an event.
pub(super) struct Intends {
    /// What it was told to.
    connected: Connection,
    intents: Mutex<Vec<Intent>>,
}

/// Until when pages may have confirmed rows without writing them.
pub(super) enum Listed {
    /// A sync is reading.
    Now,
    /// None has since.
    Until(Known),
}

impl Listed {
    pub(super) fn of(lease: &Lease, known: Known) -> Self {
        if lease.run.is_some() { Self::Now } else { Self::Until(known) }
    }

    pub(super) fn until(&self, kind: Kind) -> Timestamp {
        match self {
            Self::Now => Timestamp::MAX,
            Self::Until(known) => known.listed_until.get(&kind).copied().unwrap_or(Timestamp::UNIX_EPOCH),
        }
    }
}

/// What an event tells of its object.
pub(super) enum Told {
    /// All of it.
    Candidate(Candidate),
    /// Where it belongs and for whom it counts, but not all that is kept of it.
    Place(FactPlace, Option<CustomerId>),
    /// That something happened to it.
    Touched,
    /// Nothing that is kept.
    Nothing,
}

/// What folding an event came to.
enum Folded {
    /// Whose account may have to be computed.
    For(Option<CustomerId>),
    /// An invoice from before everything that was listed: what went back of it has to be known first.
    Older(Box<Invoice>),
}

/// Whether what went back of an older invoice has been read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Back {
    Unread,
    Read,
}

impl Folder<'_> {
    /// Folds the event and nothing that follows from it; whose account may have to be computed.
    pub(super) async fn fold(&self) -> Result<Option<CustomerId>, FoldError> {
        let key = (self.ws.clone(), self.kind, self.id.to_owned());
        let Some(turn) = self.app.folding().turn(&key) else { return Ok(None) };
        let mut back = Back::Unread;
        loop {
            let mut fetches = turn.lock().await;
            match self.fold_in_turn(&mut fetches, key.clone(), back).await? {
                Folded::For(customer) => return Ok(customer),
                Folded::Older(invoice) => {
                    drop(fetches);
                    money_back::read(self, &invoice).await?;
                    back = Back::Read;
                }
            }
        }
    }

    async fn fold_in_turn(
        &self,
        fetches: &mut HashMap<ObjectKey, Fetched>,
        key: ObjectKey,
        back: Back,
    ) -> Result<Folded, FoldError> {
        let mut told = self.told().await?;
        for _ in 0..FOLDS_MAX {
            // Read before anything is fetched: a fetch is newer than whatever was stored before it.
            let (known, mut stored) = match &told {
                Told::Candidate(Candidate { place, customer, .. }) | Told::Place(place, customer) => {
                    (Some((place.clone(), customer.clone())), self.app.store().stored_version(place).await?)
                }
                Told::Touched => (None, None),
                Told::Nothing => return Ok(Folded::For(None)),
            };
            let decided = match &told {
                Told::Candidate(candidate) => self.decide(candidate, stored.as_ref()).await?,
                _ => self.touched(stored.as_ref()),
            };
            let (candidate, fetched) = match told {
                Told::Candidate(candidate) if decided != Decision::Fetch => (candidate, None),
                // Perhaps it was fetched for this very event.
                Told::Place(_, customer) if decided == Decision::Drop => return Ok(Folded::For(customer)),
                _ => {
                    if let Some(seen) = fetches.get(&key).filter(|seen| self.is_covered_by(seen)) {
                        return Ok(Folded::For(seen.customer.clone()));
                    }
                    let ticket = self.app.folding().ticket().number;
                    let Some(candidate) = self.fetch(known.clone()).await? else {
                        remember(fetches, key, Fetched { ticket, customer: None });
                        return Ok(Folded::For(None));
                    };
                    (candidate, Some(ticket))
                }
            };
            if known.is_none() {
                stored = self.app.store().stored_version(&candidate.place).await?;
                if candidate.is_unclear_beside(stored.as_ref()) {
                    told = Told::Place(candidate.place, candidate.customer);
                    continue;
                }
            }
            if let Some(invoice) = money_back::older(self, &candidate, stored.as_ref()).await? {
                // Only a fetch says how it was paid.
                if fetched.is_none() {
                    told = Told::Place(candidate.place, candidate.customer);
                    continue;
                }
                if back == Back::Unread {
                    return Ok(Folded::Older(invoice));
                }
            }
            let customer = candidate.customer.clone();
            let decided = if fetched.is_some() { self.decide(&candidate, stored.as_ref()).await? } else { decided };
            if self.write(decided, &candidate, stored.as_ref()).await? {
                // Only now: a fetch of which nothing was stored covers no event.
                if let Some(ticket) = fetched {
                    remember(fetches, key, Fetched { ticket, customer: customer.clone() });
                }
                return Ok(Folded::For(customer));
            }
            // Somebody else was first. What was fetched may be older than what they wrote.
            told = match candidate.source {
                Source::Fetched => Told::Place(candidate.place, customer),
                _ => Told::Candidate(candidate),
            };
        }
        Err(StoreError::Conflict.into())
    }

    /// Reads the invoice again on which it shows what went back; whose account may have to be computed.
    async fn fold_what_it_shows_on(&self, customer: Option<&CustomerId>) -> Result<Option<CustomerId>, FoldError> {
        let Self { app, ws, stripe, kind, id, .. } = *self;
        let Some(invoice) = money_back::shows_on(app, ws, stripe, kind, id, customer).await? else { return Ok(None) };
        let event = self.event.touching(Kind::Invoice, invoice.clone());
        Folder { event: &event, kind: Kind::Invoice, id: &invoice, ..*self }.fold().await
    }

    fn is_covered_by(&self, fetched: &Fetched) -> bool {
        self.app.folding().covers(fetched, self.event.ticket)
    }

    fn touched(&self, stored: Option<&StoredFact>) -> Decision {
        decide_touched(stored.map(|stored| stored.version), self.event.created)
    }

    async fn decide(&self, candidate: &Candidate, stored: Option<&StoredFact>) -> Result<Decision, FoldError> {
        let decide = |source| self.app.decide(stored.map(|stored| stored.version), candidate.incoming(source));
        match (decide(candidate.source), candidate.source) {
            // What was listed can only make an event unclear that would be stored otherwise.
            (Decision::Store, Source::Event { .. }) => {
                let State { lease, known, .. } = self.app.state(self.ws).await?;
                let listed = Listed::of(&lease, known);
                Ok(decide(Source::Event { listed_until: listed.until(self.kind) }))
            }
            (decision, _) => Ok(decision),
        }
    }

    /// What the event tells.
    pub(super) async fn told(&self) -> Result<Told, FoldError> {
        let payload = self.event.payload.as_deref();
        let read = payload.map(|text| stripe::read(self.kind, text));
        let fact = match read {
            Some(Ok(Reading::Live { fact, nested })) => Some((fact, nested.is_none())),
            Some(Ok(Reading::Ignored { .. })) => return Ok(Told::Nothing),
            Some(Ok(Reading::Deleted { .. }) | Err(_)) | None => None,
        };
        match (&self.event.about, fact) {
            (About::Nothing, _) => Ok(Told::Nothing),
            (About::Touched(..), _) | (About::Object(..), None) => Ok(Told::Touched),
            (About::Object(..), Some((fact, whole))) if whole && is_complete(&fact) => {
                let source = Source::Event { listed_until: Timestamp::UNIX_EPOCH };
                Ok(Told::Candidate(self.live(fact, self.event.created, source)?))
            }
            (About::Object(..), Some((fact, _))) => {
                Ok(Told::Place(FactPlace::of(self.ws, &fact), fact.customer().cloned()))
            }
            (About::Deleted(..), fact) => {
                let known = fact.map(|(fact, _)| (FactPlace::of(self.ws, &fact), fact.customer().cloned()));
                let source = Source::Event { listed_until: Timestamp::UNIX_EPOCH };
                let gone = self.gone(known, self.event.created, source).await?;
                Ok(gone.map_or(Told::Nothing, Told::Candidate))
            }
        }
    }

    fn live(&self, fact: Fact, as_of: Timestamp, source: Source) -> Result<Candidate, FoldError> {
        let place = FactPlace::of(self.ws, &fact);
        let customer = fact.customer().cloned();
        let row = FactRow::new(self.ws, fact, as_of)?;
        Ok(Candidate { place, customer, version: Version::Live(Box::new(row)), as_of, source })
    }

    /// A tombstone, where it belongs; `None` for an invoice that is not stored, which needs none.
    async fn gone(
        &self,
        known: Option<(FactPlace, Option<CustomerId>)>,
        as_of: Timestamp,
        source: Source,
    ) -> Result<Option<Candidate>, FoldError> {
        let place = match known.or_else(|| Some((FactPlace::by_id(self.ws, self.kind, self.id)?, None))) {
            Some(place) => Some(place),
            // Only drafts can be deleted.
            None => {
                let drafts = self.app.store().draft_invoices(self.ws).await?;
                let draft = drafts.into_iter().find(|draft| draft.id.as_str() == self.id);
                let fact = draft.map(|draft| Fact::Invoice(Box::new(draft)));
                fact.map(|fact| (FactPlace::of(self.ws, &fact), fact.customer().cloned()))
            }
        };
        let own = || CustomerId::new(self.id).ok().filter(|_| self.kind == Kind::Customer);
        Ok(place.map(|(place, customer)| {
            let customer = customer.or_else(own);
            Candidate { place, customer, version: Version::Gone, as_of, source }
        }))
    }

    /// What Stripe says of the object now.
    pub(super) async fn fetch(
        &self,
        known: Option<(FactPlace, Option<CustomerId>)>,
    ) -> Result<Option<Candidate>, FoldError> {
        let Some(stripe) = self.app.stripe_for(self.ws, self.stripe).await? else { return Ok(None) };
        let (date, found) = match stripe.retrieve(endpoint_of(self.kind), self.id).await? {
            Retrieved::Found { row, date, .. } => (date, Some(row)),
            Retrieved::Deleted { date } | Retrieved::Missing { date } => (date, None),
        };
        let reading = found.map(|row| reading(self.kind, &row));
        match reading {
            Some(Ok(Reading::Live { mut fact, nested })) => {
                if let Some(nested) = nested {
                    follow(&stripe, &mut fact, nested).await?;
                }
                Ok(Some(self.live(fact, date, Source::Fetched)?))
            }
            None | Some(Ok(Reading::Deleted { .. })) => self.gone(known, date, Source::Fetched).await,
            Some(Ok(Reading::Ignored { .. })) => Ok(None),
            Some(Err(reason)) => {
                tracing::error!(workspace = %self.ws, reason, "an object cannot be read");
                Ok(None)
            }
        }
    }

    /// Writes what was decided; false if somebody else was first.
    async fn write(
        &self,
        decision: Decision,
        candidate: &Candidate,
        stored: Option<&StoredFact>,
    ) -> Result<bool, FoldError> {
        let decision = candidate.decided(decision, stored);
        if !matches!(decision, Decision::Store | Decision::Confirm) {
            return Ok(decision == Decision::Drop);
        }
        let writes = candidate.writes(self.ws, stored)?;
        let subject = candidate.subject().filter(|_| decision == Decision::Store);
        match (subject, self.intends) {
            (None, _) => write_fact(self.app.store(), &candidate.place, writes).await,
            (Some(subject), Some(Intends { connected, intents })) if subject != Subject::Everything => {
                let mut intents = intents.lock().await;
                if !intents.iter().any(|intent| intent.subjects.contains(&subject)) {
                    intents.push(recompute::announce_event(self.app, self.ws, vec![subject], connected).await?);
                }
                write_fact(self.app.store(), &candidate.place, writes).await
            }
            (Some(subject), _) => self.write_marked(writes, subject).await,
        }
    }

    /// Writes facts with the mark of whom they count for.
    async fn write_marked(&self, mut writes: Vec<Write>, subject: Subject) -> Result<bool, FoldError> {
        if subject != Subject::Everything {
            writes.push(Store::mark(self.ws, &subject, self.app.stamp()?));
        }
        match self.app.store().write_all(writes).await {
            Ok(()) if subject == Subject::Everything => {
                let message = Message::Recompute { workspace: self.ws.clone() };
                self.app.queue().send(message, CATALOGUE_SETTLES_IN).await.map_err(Refusal::from)?;
                Ok(true)
            }
            Ok(()) => Ok(true),
            Err(StoreError::Conflict) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Writes the rows of one fact; false if somebody else was first.
async fn write_fact(store: &Store, place: &FactPlace, writes: Vec<Write>) -> Result<bool, FoldError> {
    // A row by itself costs half; one of the catalogue never is.
    if writes.len() == 1 && !place.is_of_catalogue() {
        return Ok(store.write_each(writes).await?.is_empty());
    }
    match store.write_all(writes).await {
        Ok(()) => Ok(true),
        Err(StoreError::Conflict) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

//! Accounts computed again: customers are matched to accounts, and each account's facts become its billing and its line
//! in the table. Derived rows only; throwing them away loses nothing (law 7).
//!
//! The order makes every step safe to repeat: whose a customer is, then the accounts, then the marks are taken away.

mod account;
mod books;
mod catalogue;
mod intents;
mod making;
mod matching;
mod several;

pub(crate) use catalogue::Catalogues;
pub(crate) use intents::{
    Writers, announce_all, announce_event, at_work, dead_before, forget, hand_over, others_at_work, take_up,
    writers_may_live,
};
pub(crate) use several::work_on;

use crate::app::App;
use crate::queue::{Handled, Message};
use crate::refusal::{Kind, Refusal};
use crate::settings::Settings;
use crate::{asked, coupons};
use account::Computed;
use billfold_core::billing;
use billfold_core::id::{AccountId, CustomerId, WorkspaceId};
use billfold_core::mrr::Catalogue;
use billfold_store::{AccountRows, CustomerRows, Intent, Mark, SHARDS, State, Store, StoreError, Subject, Write};
use books::Books;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Marks that are worked on together; where there are as many, the shard is worked on by a message of its own.
const MARKS: i32 = 96;
const MARKS_AT_ONCE: usize = 96;
/// Writes of one transaction.
const WRITES: usize = 99;
/// How often a batch is done again because somebody else wrote one of its rows.
const ATTEMPTS_MAX: u32 = 16;

/// Drains what is marked in a workspace, unless a sync is running, which does so itself at its end.
pub(crate) async fn work(app: &App, ws: &WorkspaceId) -> Result<Handled, Refusal> {
    if app.store().lease(ws).await?.run.is_some() {
        return Ok(Handled::Again(Duration::from_secs(5)));
    }
    take_up(app, ws, Writers::MayLive).await?;
    // A mark of everything becomes a mark of each, in shards that may have been drained already.
    let mut handed_over = BTreeSet::new();
    loop {
        expand_everything(app, ws).await?;
        let mut batch = Batch::new(app.clone(), ws.clone());
        let mut drained = Drained::Nothing;
        for shard in 0..SHARDS {
            if handed_over.contains(&shard) {
                continue;
            }
            if batch.marks(shard).await?.len() >= MARKS_AT_ONCE {
                let message = Message::RecomputeShard { workspace: ws.clone(), shard };
                app.queue().send(message, Duration::ZERO).await?;
                handed_over.insert(shard);
            } else if batch.drain_idle(shard).await? == Drained::Some {
                drained = Drained::Some;
            }
        }
        if app.store().lease(ws).await?.run.is_some() {
            return Ok(Handled::Again(Duration::from_secs(5)));
        }
        if drained == Drained::Nothing {
            return Ok(Handled::Done);
        }
    }
}

/// Drains one shard for at most about `work_for`, unless a sync is running.
pub(crate) async fn work_on_shard(
    app: &App,
    ws: &WorkspaceId,
    shard: u8,
    work_for: Duration,
) -> Result<Handled, Refusal> {
    let until = Instant::now() + work_for;
    let mut batch = Batch::new(app.clone(), ws.clone());
    while batch.drain_idle(shard).await? == Drained::Some {
        if Instant::now() >= until {
            return Ok(Handled::Again(Duration::ZERO));
        }
    }
    // A sync that has begun drains every shard at its end.
    Ok(Handled::Done)
}

/// Turns the mark of everything into a mark of each account and each unmatched customer.
pub(crate) async fn expand_everything(app: &App, ws: &WorkspaceId) -> Result<(), Refusal> {
    let Some(mark) = app.store().mark_of(ws, &Subject::Everything).await? else { return Ok(()) };
    app.mark_everything(ws).await?;
    app.store().write_each(vec![Store::unmark(ws, &mark)]).await?;
    Ok(())
}

/// What came of looking into a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Drained {
    /// Some accounts were computed.
    Some,
    /// There is nothing left, or a sync has begun that does it at its end.
    Nothing,
}

/// What batches of one workspace have in common.
pub(crate) struct Batch {
    app: App,
    ws: WorkspaceId,
    /// Customers that have been read for the batch at hand.
    customers: BTreeMap<CustomerId, CustomerRows>,
    moved: Moved,
    /// Whom others are about to change. Their accounts are written even if they come to what is stored: whoever has computed
    /// them from older facts, and not written them yet, must lose.
    at_work: Vec<Subject>,
    /// Of accounts that were made.
    intents: Vec<Intent>,
    /// Whether a sync was running when facts were read.
    syncing: bool,
}

/// What accounts are computed by.
struct Rules {
    ws: WorkspaceId,
    settings: Settings,
    billing: billing::Settings,
    catalogue: Arc<Catalogue>,
    books: Books,
    /// Whether a sync is running.
    syncing: bool,
}

/// Accounts that are to be computed because somebody was elsewhere before. Kept until that is done, because whose a
/// customer is is written first: the next attempt finds nobody moving.
#[derive(Default)]
struct Moved {
    /// Those that somebody left, with their marks.
    left: BTreeMap<AccountId, Mark>,
    /// Those that somebody came to, or was moved between by hand.
    arrived: BTreeSet<AccountId>,
}

/// What an attempt came to.
struct Tried {
    /// The accounts of the subjects.
    accounts: BTreeSet<AccountId>,
    /// Those of them that somebody else wrote first.
    lost: BTreeSet<AccountId>,
}

/// Who is where after a batch, and what follows.
#[derive(Default)]
struct Placed {
    /// What is computed.
    accounts: BTreeSet<AccountId>,
    /// Of which there may be anything.
    asked_for: BTreeSet<AccountId>,
    /// The customers of accounts, as far as they are in the batch.
    newcomers: BTreeMap<AccountId, Vec<CustomerId>>,
    /// Who is elsewhere now.
    leavers: BTreeSet<(AccountId, CustomerId)>,
}

/// What is read first of the customers of a batch, to find their accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    /// All that is theirs: most have no account yet, and it need not be read again.
    Everything,
    /// Who they are: most have one, and the rest is read after its rows.
    Heads,
}

impl Batch {
    pub(crate) fn new(app: App, ws: WorkspaceId) -> Self {
        let (customers, moved) = (BTreeMap::new(), Moved::default());
        Self { app, ws, customers, moved, at_work: Vec::new(), intents: Vec::new(), syncing: false }
    }

    /// The same beside others who may have older facts.
    pub(crate) fn beside(app: App, ws: WorkspaceId, at_work: Vec<Subject>) -> Self {
        Self { at_work, ..Self::new(app, ws) }
    }

    /// The same after somebody was moved between accounts.
    pub(crate) fn after_a_move(app: App, ws: WorkspaceId, between: BTreeSet<AccountId>) -> Self {
        let moved = Moved { arrived: between, ..Moved::default() };
        Self { moved, ..Self::new(app, ws) }
    }

    /// The part of it that is about some accounts, whose customers are placed.
    fn part(&self, accounts: &BTreeSet<AccountId>) -> Self {
        let left = self.moved.left.iter().filter(|(id, _)| accounts.contains(*id));
        let left = left.map(|(id, mark)| (id.clone(), mark.clone())).collect();
        let moved = Moved { left, arrived: &self.moved.arrived & accounts };
        Self { moved, ..Self::beside(self.app.clone(), self.ws.clone(), self.at_work.clone()) }
    }

    /// Computes the accounts of some marks; which, or `None` if there is no mark left in the shard.
    pub(crate) async fn drain_some(&mut self, shard: u8) -> Result<Option<BTreeSet<AccountId>>, Refusal> {
        let marks = self.marks(shard).await?;
        if marks.is_empty() {
            return Ok(None);
        }
        let computed = self.compute_announced(&subjects_of(&marks), intents::Others::AreKnown).await?;
        self.take_away(marks).await?;
        Ok(Some(computed))
    }

    /// The same outside of a sync: marks that a sync may have made since stay, because it counts on them.
    async fn drain_idle(&mut self, shard: u8) -> Result<Drained, Refusal> {
        let marks = self.marks(shard).await?;
        if marks.is_empty() || self.app.store().lease(&self.ws).await?.run.is_some() {
            return Ok(Drained::Nothing);
        }
        self.compute_beside_others(&subjects_of(&marks)).await?;
        self.take_away(marks).await?;
        Ok(Drained::Some)
    }

    async fn marks(&self, shard: u8) -> Result<Vec<Mark>, Refusal> {
        let mut marks = self.app.store().marks(&self.ws, shard, MARKS).await?;
        marks.retain(|mark| mark.subject != Subject::Everything);
        Ok(marks)
    }

    /// Matches and computes; what others wrote meanwhile again and again.
    async fn compute(&mut self, subjects: &[Subject]) -> Result<BTreeSet<AccountId>, Refusal> {
        let (mut left, mut accounts) = (subjects.to_vec(), BTreeSet::new());
        for _ in 0..ATTEMPTS_MAX {
            let Some(tried) = unless_lost(self.try_compute(&left).await)? else { continue };
            accounts.extend(tried.accounts);
            if tried.lost.is_empty() {
                intents::forget(&self.app, &std::mem::take(&mut self.intents)).await?;
                return Ok(accounts);
            }
            // Whose they are is written by now: the accounts themselves say who is in them.
            left = tried.lost.into_iter().map(Subject::Account).collect();
        }
        Err(StoreError::Conflict.into())
    }

    /// Says whose customers are, and computes nothing yet: the accounts that it has to be done for.
    async fn place(&mut self, subjects: &[Subject]) -> Result<BTreeSet<AccountId>, Refusal> {
        for _ in 0..ATTEMPTS_MAX {
            if let Some(placed) = unless_lost(self.try_place(subjects, First::Heads).await)? {
                return Ok(placed.accounts);
            }
        }
        Err(StoreError::Conflict.into())
    }

    async fn try_compute(&mut self, subjects: &[Subject]) -> Result<Tried, Refusal> {
        let placed = self.try_place(subjects, First::Everything).await?;
        let computed = self.compute_accounts(&placed).await?;
        let removed: Vec<AccountId> = computed.iter().filter(|one| one.removed).map(|one| one.id.clone()).collect();
        let mut lost = self.write_accounts(computed).await?;
        for id in removed {
            // Somebody may have come meanwhile and found the account as it should be.
            if !self.app.store().account_rows(&self.ws, &id).await?.customers.is_empty() {
                lost.insert(id);
            }
        }
        self.moved.arrived.retain(|id| lost.contains(id));
        let left = std::mem::take(&mut self.moved.left);
        let (left, done) = left.into_iter().partition(|(id, _)| lost.contains(id));
        self.moved.left = left;
        self.take_away(BTreeMap::into_values(done).collect()).await?;
        Ok(Tried { accounts: placed.accounts, lost })
    }

    async fn read_first(&mut self, ids: &[CustomerId], first: First) -> Result<(), Refusal> {
        match first {
            First::Everything => self.read_customers(ids).await,
            First::Heads => {
                let heads = self.app.store().customer_heads(&self.ws, ids).await?;
                self.customers.extend(heads);
                for id in ids {
                    self.customers.entry(id.clone()).or_default();
                }
                Ok(())
            }
        }
    }

    async fn read_customers(&mut self, ids: &[CustomerId]) -> Result<(), Refusal> {
        let (store, ws) = (self.app.store(), &self.ws);
        let missing: BTreeSet<&CustomerId> = ids.iter().filter(|id| !self.customers.contains_key(*id)).collect();
        let missing: Vec<CustomerId> = missing.into_iter().cloned().collect();
        let rows = store.customers_rows(ws, &missing).await?;
        self.customers.extend(missing.into_iter().zip(rows));
        Ok(())
    }

    async fn compute_accounts(&mut self, placed: &Placed) -> Result<Vec<Computed>, Refusal> {
        let accounts = &placed.accounts;
        let (store, ws) = (self.app.store().clone(), self.ws.clone());
        // Of one that somebody asks for there may be anything, whatever its first row says.
        let perhaps_new = accounts - &placed.asked_for;
        let existing = &store.existing_accounts(&ws, &perhaps_new).await? | &placed.asked_for;
        let new = accounts.difference(&existing).map(|id| (id.clone(), AccountRows::default()));
        let new: Vec<_> = new.collect();
        // Ledgers first: one that is older than its account's other rows cannot be written over.
        let mut ledgers = store.ledgers(&ws, &existing).await?;
        let existing: Vec<AccountId> = existing.into_iter().collect();
        let rows = store.accounts_rows(&ws, &existing).await?;
        let mut stored: Vec<(AccountId, AccountRows)> = existing.into_iter().zip(rows).collect();
        for (id, rows) in &mut stored {
            rows.ledger = ledgers.remove(id);
        }
        stored.extend(new);
        let mut members = BTreeMap::new();
        for (id, rows) in &stored {
            let mut customers: BTreeSet<CustomerId> = rows.customers.iter().cloned().collect();
            customers.extend(placed.newcomers.get(id).into_iter().flatten().cloned());
            customers.retain(|customer| !placed.leavers.contains(&(id.clone(), customer.clone())));
            members.insert(id.clone(), customers);
        }
        // Facts must be newer than the account rows that are written over: else somebody who computed with newer facts
        // in between would be overwritten, and the condition on the revision would not notice.
        for (id, _) in stored.iter().filter(|(_, rows)| rows.billing.is_some()) {
            for customer in members.get(id).into_iter().flatten() {
                self.customers.remove(customer);
            }
        }
        let all: Vec<CustomerId> = members.values().flatten().cloned().collect();
        // And so must what they are computed by. Whether a sync runs is asked before: what it stores after the facts were
        // read is computed by its marks.
        let rules = Rules::read(&self.app, &self.ws).await?;
        self.syncing |= rules.syncing;
        self.read_customers(&all).await?;
        // Before anything is written, so that it is asked for again if this is cut off.
        coupons::ask(&self.app, &self.ws, &rules.catalogue, self.customers.values()).await?;
        asked::ask_for_invoices(&self.app, &self.ws, rules.settings.backfill_days(), self.customers.values()).await?;
        let mut computed = Vec::with_capacity(stored.len());
        for (id, rows) in stored {
            let members = members.remove(&id).unwrap_or_default();
            // Computing waits for nothing, and there may be many accounts: the others have their turn.
            tokio::task::yield_now().await;
            computed.push(self.account(&rules, &id, &rows, &members)?);
        }
        Ok(computed)
    }

    /// Writes accounts; those that were lost to other writers.
    async fn write_accounts(&mut self, computed: Vec<Computed>) -> Result<BTreeSet<AccountId>, Refusal> {
        let (new, computed): (Vec<Computed>, Vec<Computed>) = computed.into_iter().partition(|one| one.new.is_some());
        let mut lost = self.make(new).await?;
        // Of most nothing but the billing is new, and a row by itself costs half.
        let is_alone = |one: &Computed| matches!(one.groups.as_slice(), [group] if group.len() == 1);
        let (alone, whole): (Vec<Computed>, Vec<Computed>) = computed.into_iter().partition(is_alone);
        let groups = |one: Computed| one.groups.into_iter().map(move |group| (one.id.clone(), group));
        let alone = alone.into_iter().flat_map(groups);
        let rows = alone.flat_map(|(id, group)| group.into_iter().map(move |write| (id.clone(), write))).collect();
        lost.extend(self.write_rows(rows).await?);
        lost.extend(self.write_groups(whole.into_iter().flat_map(groups)).await?);
        Ok(lost)
    }

    /// Writes groups, each whole, as many together as a transaction takes; whose were lost to other writers. Of those, what
    /// comes behind the group that was lost is not written.
    async fn write_groups<T: Clone + Ord>(
        &self,
        groups: impl IntoIterator<Item = (T, Vec<Write>)>,
    ) -> Result<BTreeSet<T>, Refusal> {
        let mut lost = BTreeSet::new();
        let (mut together, mut count) = (Vec::new(), 0usize);
        for (whose, group) in groups {
            if count.saturating_add(group.len()) > WRITES {
                self.write_together(std::mem::take(&mut together), &mut lost).await?;
                count = 0;
            }
            count = count.saturating_add(group.len());
            together.push((whose, group));
        }
        self.write_together(together, &mut lost).await?;
        Ok(lost)
    }

    /// In one transaction; in one each after a race was lost, because whoever else is in it has no part in that.
    async fn write_together<T: Clone + Ord>(
        &self,
        groups: Vec<(T, Vec<Write>)>,
        lost: &mut BTreeSet<T>,
    ) -> Result<(), Refusal> {
        let store = self.app.store();
        let all =
            || groups.iter().filter(|(whose, _)| !lost.contains(whose)).flat_map(|(_, group)| group.iter().cloned());
        match store.write_all(all().collect()).await {
            Ok(()) => return Ok(()),
            Err(StoreError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
        for (whose, group) in groups {
            if lost.contains(&whose) {
                continue;
            }
            match store.write_all(group).await {
                Ok(()) => {}
                Err(StoreError::Conflict) => {
                    lost.insert(whose);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Takes marks away; one that was made again meanwhile stays.
    async fn take_away(&self, marks: Vec<Mark>) -> Result<(), Refusal> {
        self.app.store().write_each(marks.iter().map(|mark| Store::unmark(&self.ws, mark)).collect()).await?;
        Ok(())
    }
}

impl Rules {
    /// As they are now.
    async fn read(app: &App, ws: &WorkspaceId) -> Result<Self, Refusal> {
        let State { connection, settings, lease, catalogue_revision, .. } = app.state(ws).await?;
        let catalogue = app.catalogue_since(ws, catalogue_revision).await?;
        let billing = settings.billing();
        let books = Books::of(&connection, &billing)?;
        Ok(Self { ws: ws.clone(), settings, billing, catalogue, books, syncing: lease.run.is_some() })
    }
}

fn subjects_of(marks: &[Mark]) -> Vec<Subject> {
    marks.iter().map(|mark| mark.subject.clone()).collect()
}

/// What was tried, or `None` if somebody else was first.
fn unless_lost<T>(tried: Result<T, Refusal>) -> Result<Option<T>, Refusal> {
    match tried {
        Err(refusal) if refusal.kind == Kind::Unavailable && is_conflict(&refusal) => Ok(None),
        tried => tried.map(Some),
    }
}

/// Whether somebody else was first.
pub(crate) fn is_conflict(refusal: &Refusal) -> bool {
    let source = refusal.source.as_ref().and_then(|source| source.downcast_ref::<StoreError>());
    matches!(source, Some(StoreError::Conflict))
}

fn customer(subject: &Subject) -> Option<&CustomerId> {
    match subject {
        Subject::Customer(customer) | Subject::Facts(customer) => Some(customer),
        Subject::Account(_) | Subject::Everything => None,
    }
}

fn account_of(subject: &Subject) -> Option<&AccountId> {
    match subject {
        Subject::Account(account) => Some(account),
        Subject::Customer(_) | Subject::Facts(_) | Subject::Everything => None,
    }
}

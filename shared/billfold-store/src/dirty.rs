//! What must be computed again (law 3: no change is ever overlooked).
//!
//! A mark says that somebody must be, and whoever finds it may do it. It is written with the facts that make it necessary,
//! or before them where nobody takes marks away meanwhile, and is deleted only as it was read.
//!
//! An intent says that its writer is about to change something and to compute it. It is written before, and only its
//! writer takes it away, or whoever finds it when no writer can live any more. So what follows it needs no transaction.

use crate::client::{Range, Sorted, Store, When, Write};
use crate::error::StoreError;
use crate::item::{NewRow, Row, Value, attribute};
use crate::key::{self, Key};
use billfold_core::id::{AccountId, CustomerId, WorkspaceId};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// Whom a mark is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// A Stripe customer, whose account is found by matching.
    Customer(CustomerId),
    /// A Stripe customer of whom anything else changed, and who is in the account where it was.
    Facts(CustomerId),
    /// An account.
    Account(AccountId),
    /// Everybody: the catalogue, which many depend on, has changed.
    Everything,
}

/// A mark as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Whom it is about.
    pub subject: Subject,
    /// What tells it from an older one.
    pub stamp: i64,
}

/// What a writer is about to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Whom it may come to count for; nobody, if it only says that somebody is at work.
    pub subjects: Vec<Subject>,
    key: Key,
}

fn subject_key(ws: &WorkspaceId, subject: &Subject) -> Key {
    match subject {
        Subject::Customer(customer) | Subject::Facts(customer) => key::dirty_customer(ws, customer),
        Subject::Account(account) => key::dirty_account(ws, account),
        Subject::Everything => key::dirty_everything(ws),
    }
}

impl Intent {
    /// Written now. `stamp` tells it from others: any number that is not used again.
    #[must_use]
    pub fn new(ws: &WorkspaceId, subjects: Vec<Subject>, now: Timestamp, stamp: i64) -> Self {
        Self { subjects, key: key::intent(ws, now, stamp) }
    }

    /// Whether it is about a customer.
    #[must_use]
    pub fn counts_for(&self, customer: &CustomerId) -> bool {
        let is = |subject: &Subject| matches!(subject, Subject::Customer(one) | Subject::Facts(one) if one == customer);
        self.subjects.iter().any(is)
    }

    /// The write that says it.
    #[must_use]
    pub fn put(&self) -> Write {
        let subjects: Vec<String> = self.subjects.iter().map(Subject::to_text).collect();
        Write::put(NewRow::bare(&self.key).body(subjects.join("\n")), When::Always)
    }

    /// The write that takes it away.
    #[must_use]
    pub fn forget(&self) -> Write {
        Write::delete(self.key.clone(), When::Always)
    }
}

impl Subject {
    fn to_text(&self) -> String {
        match self {
            Self::Customer(customer) => format!("C#{customer}"),
            Self::Facts(customer) => format!("F#{customer}"),
            Self::Account(account) => format!("A#{account}"),
            Self::Everything => "E#".to_owned(),
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        let (kind, id) = text.split_once('#')?;
        match kind {
            "C" => CustomerId::new(id).ok().map(Self::Customer),
            "F" => CustomerId::new(id).ok().map(Self::Facts),
            "A" => AccountId::new(id).ok().map(Self::Account),
            "E" => Some(Self::Everything),
            _ => None,
        }
    }
}

impl Store {
    /// The write that marks somebody. `stamp` tells this mark from an older one: any number that is not used again.
    #[must_use]
    pub fn mark(ws: &WorkspaceId, subject: &Subject, stamp: i64) -> Write {
        Write::put(NewRow::bare(&subject_key(ws, subject)).number(attribute::STAMP, stamp), When::Always)
    }

    /// The write that takes a mark away, if it is still the one that was read.
    #[must_use]
    pub fn unmark(ws: &WorkspaceId, mark: &Mark) -> Write {
        let stamp = Value::Number(mark.stamp.to_string());
        Write::delete(subject_key(ws, &mark.subject), When::Is(attribute::STAMP, stamp))
    }

    /// The mark of somebody, if there is one.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn mark_of(&self, ws: &WorkspaceId, subject: &Subject) -> Result<Option<Mark>, StoreError> {
        self.get(&subject_key(ws, subject)).await?.as_ref().map(mark).transpose()
    }

    /// The marks of customers, of those that are marked.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn marks_of(&self, ws: &WorkspaceId, customers: &BTreeSet<CustomerId>) -> Result<Vec<Mark>, StoreError> {
        let keys: Vec<Key> = customers.iter().map(|customer| key::dirty_customer(ws, customer)).collect();
        self.batch_get(&keys, &[attribute::STAMP]).await?.iter().map(mark).collect()
    }

    /// Whether anybody must be computed, or is about to be.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn is_marked(&self, ws: &WorkspaceId) -> Result<bool, StoreError> {
        let shards = (0..key::SHARDS).map(|shard| self.marks(ws, shard, 1));
        let intended = Range { limit: Some(1), ..Range::all(key::intents(ws)) };
        let is_marked = futures::future::try_join_all(shards).await?.iter().any(|marks| !marks.is_empty());
        Ok(is_marked || !self.query_page(&intended, None).await?.0.is_empty())
    }

    /// Some marks of a shard.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn marks(&self, ws: &WorkspaceId, shard: u8, limit: i32) -> Result<Vec<Mark>, StoreError> {
        let range = Range { limit: Some(limit), ..Range::all(key::dirty_partition(ws, shard)) };
        self.query_page(&range, None).await?.0.iter().map(mark).collect()
    }

    /// Writes marks for many.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn mark_all(&self, ws: &WorkspaceId, subjects: &[Subject], stamp: i64) -> Result<(), StoreError> {
        for some in subjects.chunks(crate::client::TRANSACTION_ACTIONS_MAX) {
            self.write_each(some.iter().map(|subject| Self::mark(ws, subject, stamp)).collect()).await?;
        }
        Ok(())
    }

    /// Whether somebody has intended something at a time or later.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn is_intended_since(&self, ws: &WorkspaceId, time: Timestamp) -> Result<bool, StoreError> {
        let sort = Sorted::Above(key::intent(ws, time, 0).sort);
        let range = Range { sort, limit: Some(1), ..Range::all(key::intents(ws)) };
        Ok(!self.query_page(&range, None).await?.0.is_empty())
    }

    /// What writers are about to change, the oldest first; of those only that were written before a time, if one is given.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn intents(&self, ws: &WorkspaceId, before: Option<Timestamp>) -> Result<Vec<Intent>, StoreError> {
        let all = Range::all(key::intents(ws));
        let range = match before {
            Some(before) => Range { sort: Sorted::Below(key::intent(ws, before, 0).sort), ..all },
            None => all,
        };
        self.query(&range).await?.iter().map(intent).collect()
    }
}

pub(crate) fn mark(row: &Row) -> Result<Mark, StoreError> {
    let corrupt = || StoreError::corrupt(row.name(), "it is not a mark");
    let stamp = row.number(attribute::STAMP).ok_or_else(corrupt)?;
    Ok(Mark { subject: Subject::from_text(row.sort_key()).ok_or_else(corrupt)?, stamp })
}

pub(crate) fn intent(row: &Row) -> Result<Intent, StoreError> {
    let corrupt = || StoreError::corrupt(row.name(), "it is not an intent");
    let partition = row.text(attribute::PK).ok_or_else(corrupt)?.to_owned();
    let key = Key { partition, sort: row.sort_key().to_owned() };
    let subjects = row
        .body_text()?
        .split('\n')
        .filter(|text| !text.is_empty())
        .map(|text| Subject::from_text(text).ok_or_else(corrupt));
    Ok(Intent { subjects: subjects.collect::<Result<_, _>>()?, key })
}

//! What must be computed again. A mark is written before or with the facts that make it necessary, and is deleted only
//! in the revision that was read, so no change is ever overlooked (law 3).

use crate::client::{Action, Range, Store, When, Write};
use crate::error::StoreError;
use crate::item::{NewRow, Row, Value, attribute};
use crate::key::{self, Key};
use billfold_core::id::{AccountId, CustomerId, WorkspaceId};
use std::collections::BTreeSet;

/// Whom a mark is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// A Stripe customer, whose account is found by matching.
    Customer(CustomerId),
    /// A Stripe customer of whom anything else changed, and who is in the account where it was. Its mark is the
    /// customer's, and may only stand in a transaction.
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

fn subject_key(ws: &WorkspaceId, subject: &Subject) -> Key {
    match subject {
        Subject::Customer(customer) | Subject::Facts(customer) => key::dirty_customer(ws, customer),
        Subject::Account(account) => key::dirty_account(ws, account),
        Subject::Everything => key::dirty_everything(ws),
    }
}

impl Store {
    /// The write that marks somebody. `stamp` tells this mark from an older one: any number that is not used again.
    #[must_use]
    pub fn mark(ws: &WorkspaceId, subject: &Subject, stamp: i64) -> Write {
        let row = NewRow::bare(&subject_key(ws, subject)).number(attribute::STAMP, stamp);
        match subject {
            // Beside what may be so already, that the customer is another.
            Subject::Facts(_) => Write(Action::Set(row, When::Always)),
            Subject::Customer(_) => Write::put(row.flag(attribute::WHO), When::Always),
            Subject::Account(_) | Subject::Everything => Write::put(row, When::Always),
        }
    }

    /// The write that takes a mark away, if it is still the one that was read or made; that of a customer who is only in
    /// the same account must not take along that it may be in another.
    #[must_use]
    pub fn unmark(ws: &WorkspaceId, mark: &Mark) -> Write {
        let stamp = Value::Number(mark.stamp.to_string());
        let when = match &mark.subject {
            Subject::Facts(_) => When::IsWithout(attribute::STAMP, stamp, attribute::WHO),
            _ => When::Is(attribute::STAMP, stamp),
        };
        Write::delete(subject_key(ws, &mark.subject), when)
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
        self.batch_get(&keys, &[attribute::STAMP, attribute::WHO]).await?.iter().map(mark).collect()
    }

    /// Whether anybody is marked.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn is_marked(&self, ws: &WorkspaceId) -> Result<bool, StoreError> {
        let shards = (0..key::SHARDS).map(|shard| self.marks(ws, shard, 1));
        Ok(futures::future::try_join_all(shards).await?.iter().any(|marks| !marks.is_empty()))
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
}

pub(crate) fn mark(row: &Row) -> Result<Mark, StoreError> {
    let corrupt = || StoreError::corrupt(row.name(), "it is not a mark");
    let stamp = row.number(attribute::STAMP).ok_or_else(corrupt)?;
    let (kind, id) = row.sort_key().split_once('#').ok_or_else(corrupt)?;
    let subject = match kind {
        "C" if row.has(attribute::WHO) => Subject::Customer(CustomerId::new(id).map_err(|_| corrupt())?),
        "C" => Subject::Facts(CustomerId::new(id).map_err(|_| corrupt())?),
        "A" => Subject::Account(AccountId::new(id).map_err(|_| corrupt())?),
        "E" => Subject::Everything,
        _ => return Err(corrupt()),
    };
    Ok(Mark { subject, stamp })
}

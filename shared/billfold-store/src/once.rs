//! Requests that are to happen once, however often they are sent: under the hash of whoever says so, what was asked and,
//! once it is known, what was answered. DynamoDB forgets them by itself.

use crate::client::{Store, Transacted, When, Write};
use crate::error::StoreError;
use crate::item::{NewRow, attribute};
use crate::key;
use billfold_core::id::WorkspaceId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A request that is to happen once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Once {
    /// Hash of what was asked.
    pub asked: String,
    /// Until when this holds.
    pub until: Timestamp,
    /// What was answered; `None` while it is being done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<Answered>,
}

/// An answer that is given again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// The type of the body, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The body.
    pub body: String,
}

impl Store {
    /// Claims a key for a request, unless somebody has it at `now`: that request, then.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn claim_once(
        &self,
        ws: &WorkspaceId,
        hash: &str,
        claim: &Once,
        now: Timestamp,
    ) -> Result<Option<Once>, StoreError> {
        let place = key::once(ws, hash);
        let row = self.get(&place).await?;
        let (found, when) = match &row {
            Some(row) => (Some(row.body::<Once>()?), When::Rev(row.rev())),
            None => (None, When::Absent),
        };
        if let Some(found) = found.filter(|found| found.until > now) {
            return Ok(Some(found));
        }
        let rev = row.map_or(1, |row| row.rev().saturating_add(1));
        let new = NewRow::new(&place, claim)?.rev(rev).number(attribute::EXPIRES, claim.until.as_second());
        match self.transact(vec![Write::put(new, when)]).await? {
            Transacted::Done => Ok(None),
            // Somebody else was first: with the same request, or with another.
            Transacted::Failed(_) => match self.get(&place).await? {
                Some(row) => row.body().map(Some),
                None => Err(StoreError::Conflict),
            },
        }
    }

    /// Keeps what was answered.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn keep_once(&self, ws: &WorkspaceId, hash: &str, done: &Once) -> Result<(), StoreError> {
        let row = NewRow::new(&key::once(ws, hash), done)?.number(attribute::EXPIRES, done.until.as_second());
        self.write(Write::put(row, When::Always)).await
    }

    /// Gives a key back: nothing happened.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn forget_once(&self, ws: &WorkspaceId, hash: &str) -> Result<(), StoreError> {
        self.write(Write::delete(key::once(ws, hash), When::Always)).await
    }
}

//! Invitations to connect Stripe. A row lies under the hash of the token, which nobody can turn back into the token; a
//! second row under the workspace finds it when the workspace is erased.

use crate::client::{Range, Store, Transacted, When, Write};
use crate::connection::replace;
use crate::error::StoreError;
use crate::item::{NewRow, attribute};
use crate::key::{self, sort};
use billfold_core::id::WorkspaceId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// Whose Stripe is to be connected.
    pub workspace: WorkspaceId,
    /// Who made it.
    pub invited_by: String,
    /// Until when it can be used.
    pub expires_at: Timestamp,
    /// Until when somebody is at it; a claim that was never given back ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_until: Option<Timestamp>,
}

/// An invitation as it was read, with the revision that a claim compares.
#[derive(Debug, Clone)]
pub struct FoundInvite {
    /// The invitation.
    pub invite: Invite,
    rev: u64,
}

impl Store {
    /// Keeps an invitation under the hash of its token.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn put_invite(&self, hash: &str, invite: &Invite) -> Result<(), StoreError> {
        let expires = invite.expires_at.as_second();
        let row = NewRow::new(&key::invite(hash), invite)?.number(attribute::EXPIRES, expires);
        let link = NewRow::new(&key::invite_link(&invite.workspace, hash), &invite.expires_at)?
            .number(attribute::EXPIRES, expires);
        self.write_all(vec![Write::put(row, When::Absent), Write::put(link, When::Always)]).await
    }

    /// The invitation under a hash: one read, whether or not there is one.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn invite(&self, hash: &str) -> Result<Option<FoundInvite>, StoreError> {
        let row = self.get(&key::invite(hash)).await?;
        row.map(|row| Ok(FoundInvite { invite: row.body()?, rev: row.rev() })).transpose()
    }

    /// Claims an invitation, or (`None`) gives it back; `None` if somebody else was first.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn claim_invite(
        &self,
        hash: &str,
        found: &FoundInvite,
        until: Option<Timestamp>,
    ) -> Result<Option<FoundInvite>, StoreError> {
        let invite = Invite { claimed_until: until, ..found.invite.clone() };
        let write = replace(&key::invite(hash), &invite, Some(found.rev))?;
        match self.transact(vec![write.number(attribute::EXPIRES, invite.expires_at.as_second())]).await? {
            Transacted::Done => Ok(Some(FoundInvite { invite, rev: found.rev.saturating_add(1) })),
            Transacted::Failed(_) => Ok(None),
        }
    }

    /// Uses an invitation up; nothing happens if it is gone already.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn forget_invite(&self, ws: &WorkspaceId, hash: &str) -> Result<(), StoreError> {
        let rows = [key::invite(hash), key::invite_link(ws, hash)];
        self.write_all(rows.into_iter().map(|key| Write::delete(key, When::Always)).collect()).await
    }

    /// The hashes of a workspace's invitations with the ends of their times.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn invites(&self, ws: &WorkspaceId) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let partition = key::connection(ws).partition;
        let rows = self.query(&Range::prefix(partition, sort::INVITE_PREFIX)).await?;
        let hash = |row: &crate::item::Row| row.sort_key().trim_start_matches(sort::INVITE_PREFIX).to_owned();
        rows.iter().map(|row| Ok((hash(row), row.body()?))).collect()
    }
}

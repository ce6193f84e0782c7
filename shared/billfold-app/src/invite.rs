//! Invitations: a link with which somebody who has no login connects Stripe, once. The token in it is 256 random bits,
//! leaves Billfold once, and is kept only as a hash; only a successful connect uses it up.

use crate::app::App;
use crate::card::Card;
use crate::clock::random_u64;
use crate::connect::{ConnectRequest, OtherData};
use crate::refusal::{Kind, Refusal};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use billfold_core::audit::{Action, Actor, Deed};
use billfold_core::id::WorkspaceId;
use billfold_store::{FoundInvite, Invite};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::fmt;

/// How long an invitation can be used, unless somebody says otherwise, in hours.
pub const INVITE_HOURS: u32 = 72;
/// The longest that can be said, in hours: two weeks.
pub const INVITE_HOURS_MAX: u32 = 336;
/// The most invitations of a workspace that are open at the same time.
pub const INVITES_OPEN_MAX: usize = 20;

/// Longer than a connect can take; a process that died at it no longer holds the invitation then.
const CLAIM: SignedDuration = SignedDuration::from_secs(120);

/// An invitation as whoever made it sees it, once.
pub struct MadeInvite {
    /// The link. Whoever has it can use it.
    pub url: SecretString,
    /// Until when.
    pub expires_at: Timestamp,
}

impl fmt::Debug for MadeInvite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MadeInvite").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// An invitation as whoever follows it sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invited {
    /// Whose Stripe is to be connected.
    pub workspace: WorkspaceId,
    /// Until when.
    pub expires_at: Timestamp,
}

/// What became of a key that came with an invitation.
pub enum Followed {
    /// There is no such invitation: unknown, used, withdrawn or too late, which is all the same.
    NoInvite,
    /// Somebody is at it just now.
    Busy,
    /// The key will not do; the invitation can be used again.
    Refused(Invited, Refusal),
    /// Connected; the invitation is used up.
    Connected(Box<Card>),
}

fn hash(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

fn token() -> Result<String, Refusal> {
    let mut bytes = Vec::with_capacity(32);
    for _ in 0..4 {
        bytes.extend_from_slice(&random_u64()?.to_le_bytes());
    }
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

impl App {
    /// Makes an invitation.
    ///
    /// # Errors
    /// [`Refusal`] if it is to last too long, or too many are open.
    pub async fn make_invite(&self, ws: &WorkspaceId, hours: Option<u32>) -> Result<MadeInvite, Refusal> {
        let hours = hours.unwrap_or(INVITE_HOURS);
        if hours == 0 || hours > INVITE_HOURS_MAX {
            let detail = format!("expires_in_hours must be from 1 to {INVITE_HOURS_MAX}");
            return Err(Refusal::invalid("expires_in_hours_invalid", "expires_in_hours", detail));
        }
        let now = self.now();
        let mut open = 0usize;
        for (hash, expires_at) in self.store().invites(ws).await? {
            if expires_at <= now {
                self.store().forget_invite(ws, &hash).await?;
            } else {
                open = open.saturating_add(1);
            }
        }
        if open >= INVITES_OPEN_MAX {
            let detail = format!(
                "{INVITES_OPEN_MAX} invitations are open already. Withdraw them with DELETE /v1/stripe/invites, or wait until \
                 they end."
            );
            return Err(Refusal::new(Kind::Conflict, "too_many_invites", detail));
        }
        let expires_at = now.checked_add(SignedDuration::from_hours(i64::from(hours))).map_err(Refusal::internal)?;
        let token = token()?;
        let invite =
            Invite { workspace: ws.clone(), invited_by: self.actor().subject, expires_at, claimed_until: None };
        self.store().put_invite(&hash(&token), &invite).await?;
        self.note(ws, Deed::new(Action::InviteCreated).after(json!({"expires_at": expires_at}))).await?;
        let url = format!("{}/invites/{token}", self.config().public_url.trim_end_matches('/'));
        Ok(MadeInvite { url: SecretString::from(url), expires_at })
    }

    /// Withdraws every invitation that is open.
    ///
    /// # Errors
    /// [`Refusal`] of the store.
    pub async fn withdraw_invites(&self, ws: &WorkspaceId) -> Result<(), Refusal> {
        for (hash, _) in self.store().invites(ws).await? {
            self.store().forget_invite(ws, &hash).await?;
        }
        self.note(ws, Deed::new(Action::InvitesWithdrawn)).await
    }

    async fn open_invite(&self, hash: &str) -> Result<Option<FoundInvite>, Refusal> {
        let found = self.store().invite(hash).await?;
        Ok(found.filter(|found| found.invite.expires_at > self.now()))
    }

    /// The invitation of a token. The same hash and the same single read for every token there could be.
    ///
    /// # Errors
    /// [`Refusal`] of the store.
    pub async fn invited(&self, token: &str) -> Result<Option<Invited>, Refusal> {
        Ok(self.open_invite(&hash(token)).await?.map(|found| invited(&found.invite)))
    }

    /// Connects a key that came with an invitation, as anybody else would connect it. Somebody else who comes with the
    /// same invitation at the same time has to wait, so that it works once.
    ///
    /// # Errors
    /// [`Refusal`] of the store; what is wrong with the key is [`Followed::Refused`].
    pub async fn follow_invite(
        &self,
        token: &str,
        api_key: SecretString,
        webhook_secret: Option<SecretString>,
    ) -> Result<Followed, Refusal> {
        let hash = hash(token);
        let Some(found) = self.open_invite(&hash).await? else { return Ok(Followed::NoInvite) };
        if found.invite.claimed_until.is_some_and(|until| until > self.now()) {
            return Ok(Followed::Busy);
        }
        let until = self.now().checked_add(CLAIM).map_err(Refusal::internal)?;
        let Some(claimed) = self.store().claim_invite(&hash, &found, Some(until)).await? else {
            return Ok(Followed::Busy);
        };
        let ws = &claimed.invite.workspace;
        let app = self.in_hands_of(Actor::invited(&claimed.invite.invited_by));
        let request = ConnectRequest { api_key, webhook_secret, other_data: OtherData::Keep };
        match app.connect(ws, request).await {
            Ok(()) => {
                self.store().forget_invite(ws, &hash).await?;
                Ok(Followed::Connected(Box::new(app.card(ws).await?)))
            }
            Err(refusal) => {
                // `None` means that the claim has ended and somebody else has it, or it was withdrawn.
                if self.store().claim_invite(&hash, &claimed, None).await?.is_none() {
                    tracing::info!(workspace = %ws, "an invitation was not given back: somebody else has it, or nobody");
                }
                Ok(Followed::Refused(invited(&claimed.invite), refusal))
            }
        }
    }
}

fn invited(invite: &Invite) -> Invited {
    Invited { workspace: invite.workspace.clone(), expires_at: invite.expires_at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_256_bits_and_is_never_the_same() {
        let (one, two) = (token().unwrap(), token().unwrap());
        assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(&one).unwrap().len(), 32);
        assert_ne!(one, two);
        assert!(hash(&one).len() == 64 && !hash(&one).contains(&one));
    }

    #[test]
    fn the_link_is_not_in_debug_output() {
        let made = MadeInvite { url: "http://b/invites/abcdef".into(), expires_at: Timestamp::UNIX_EPOCH };
        assert!(!format!("{made:?}").contains("abcdef"));
    }
}

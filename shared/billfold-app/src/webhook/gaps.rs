//! Events that never came: read from Stripe's own list, where the key may, and folded like those that did.

use super::Delivered;
use super::fold::{Accounts, FoldError, fold};
use crate::app::App;
use crate::queue::{Handled, Message};
use crate::refusal::{Refusal, chain};
use billfold_core::connection::{Access, Connection};
use billfold_core::event::{self, Event};
use billfold_core::facts::Kind;
use billfold_core::id::WorkspaceId;
use billfold_core::key::Mode;
use billfold_core::window::Checkpoint;
use billfold_store::Subject;
use billfold_stripe::{Client, Created, Disposition, Endpoint, ListRequest, StripeError};
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::time::Duration;

/// How far the next reading reaches back into the last: an event may show up in the list a little late.
const OVERLAP: SignedDuration = SignedDuration::from_secs(120);
/// How often the list is read when nothing asks for it. Reads are metered.
const READ_EVERY: SignedDuration = SignedDuration::from_mins(10);
/// How often every account is computed although nothing came.
const COMPUTE_EVERY: SignedDuration = SignedDuration::from_hours(24);

/// Why the list could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GapError {
    #[error(transparent)]
    Stripe(#[from] StripeError),
    #[error(transparent)]
    Trouble(#[from] Refusal),
}

impl From<FoldError> for GapError {
    fn from(error: FoldError) -> Self {
        match error {
            FoldError::Stripe(error) => Self::Stripe(error),
            FoldError::Trouble(refusal) => Self::Trouble(refusal),
        }
    }
}

fn may_read_events(connection: &Connection) -> bool {
    let of_events =
        |permission: &&billfold_core::connection::Permission| permission.permission == Endpoint::Events.permission();
    connection.permissions.iter().find(of_events).is_none_or(|permission| permission.access != Access::Missing)
}

/// Reads what was missed in a workspace.
pub(crate) async fn work(app: &App, ws: &WorkspaceId) -> Result<Handled, Refusal> {
    match app.fill_gaps(ws).await {
        Ok(_) => Ok(Handled::Done),
        Err(GapError::Trouble(refusal)) => Err(refusal),
        Err(GapError::Stripe(error)) => match error.disposition() {
            Disposition::Retry { after } => Ok(Handled::Again(after.max(Duration::from_secs(1)))),
            _ => {
                tracing::warn!(workspace = %ws, error = chain(&error), "the list of events cannot be read");
                Ok(Handled::Done)
            }
        },
    }
}

impl App {
    /// Reads the events since the last reading and folds them.
    pub(crate) async fn fill_gaps(&self, ws: &WorkspaceId) -> Result<u64, GapError> {
        let connection = self.store().connection(ws).await.map_err(Refusal::from)?;
        // Without a first reading there is nothing to go on from; the first sync makes it.
        let since = self.store().known(ws).await.map_err(Refusal::from)?.events_until;
        match (since, self.connected_stripe(ws).await?) {
            (Some(since), Some(stripe)) if may_read_events(&connection) => {
                self.read_events(ws, &stripe, since, Accounts::AtOnce).await
            }
            _ => Ok(0),
        }
    }

    /// The same at the end of a sync, whose last stage computes the accounts.
    pub(crate) async fn fold_events(
        &self,
        ws: &WorkspaceId,
        stripe: &Client,
        started: Timestamp,
    ) -> Result<u64, GapError> {
        let connection = self.store().connection(ws).await.map_err(Refusal::from)?;
        if !may_read_events(&connection) {
            return Ok(0);
        }
        let known = self.store().known(ws).await.map_err(Refusal::from)?;
        let since = known.events_until.map_or(started, |until| until.min(started));
        self.read_events(ws, stripe, since, Accounts::BySync).await
    }

    /// The list is newest first; within an object only events of its newest second or so can still matter.
    async fn read_events(
        &self,
        ws: &WorkspaceId,
        stripe: &Client,
        since: Timestamp,
        accounts: Accounts,
    ) -> Result<u64, GapError> {
        let from = since.checked_sub(OVERLAP).unwrap_or(since).as_second();
        let created = Created { gte: Some(from), ..Created::default() };
        let mode = self.store().connection(ws).await.map_err(Refusal::from)?.active_key().map(|key| key.mode);
        let mut request = Some(ListRequest::new(Endpoint::Events).created(created));
        let mut newest: HashMap<(Kind, String), Timestamp> = HashMap::new();
        let (mut until, mut folded) = (None, 0u64);
        while let Some(asked) = request.take() {
            let page = stripe.list(&asked).await?;
            until = until.or(Some(page.date));
            for row in &page.rows {
                let Ok(event) = event::read(row.as_bytes()) else { continue };
                if mode == Some(mode_of(&event)) && is_newest(&mut newest, &event) {
                    let event = Delivered::new(event, self.folding().ticket());
                    self.fold_listed(ws, stripe, &event, accounts).await?;
                    folded = folded.saturating_add(1);
                }
            }
            request = page.next_request(&asked);
        }
        if let Some(until) = until {
            let note = |known: &mut billfold_core::webhook::Known| {
                known.events_until = known.events_until.max(Some(until));
            };
            self.store().change_known(ws, note).await.map_err(Refusal::from)?;
        }
        Ok(folded)
    }

    /// An object that the key may not read is no reason to leave the others.
    async fn fold_listed(
        &self,
        ws: &WorkspaceId,
        stripe: &Client,
        event: &Delivered,
        accounts: Accounts,
    ) -> Result<(), GapError> {
        match fold(self, ws, Some(stripe), event, accounts).await {
            Ok(()) => Ok(()),
            Err(FoldError::Stripe(error))
                if matches!(error, StripeError::PermissionMissing { .. })
                    || error.disposition() == Disposition::Park =>
            {
                tracing::warn!(workspace = %ws, event = event.id, error = chain(&error), "an event could not be folded");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What an idle workspace may have lost: marks that nobody computes, events that never came.
    pub(crate) async fn sweep_idle(&self, ws: &WorkspaceId) -> Result<(), Refusal> {
        self.mark_daily(ws).await?;
        if self.store().is_marked(ws).await? {
            self.queue().send(Message::Recompute { workspace: ws.clone() }, Duration::ZERO).await?;
        }
        let known = self.store().known(ws).await?;
        let due = known.events_until.and_then(|until| until.checked_add(READ_EVERY).ok());
        let connection = self.store().connection(ws).await?;
        let readable = connection.active_key().is_some() && may_read_events(&connection);
        if readable && due.is_some_and(|due| due <= self.now()) {
            self.queue().send(Message::Events { workspace: ws.clone() }, Duration::ZERO).await?;
        }
        Ok(())
    }

    /// Marks everything once a day, because some of it changes by the clock alone. An account that is as it was is not
    /// written.
    async fn mark_daily(&self, ws: &WorkspaceId) -> Result<(), Refusal> {
        let now = self.now();
        let is_due = |at: Timestamp| at.checked_add(COMPUTE_EVERY).is_ok_and(|due| due <= now);
        match self.store().known(ws).await?.computed_at {
            Some(at) if !is_due(at) => return Ok(()),
            Some(_) => self.store().mark_all(ws, &[Subject::Everything], self.stamp()?).await?,
            // Nothing has had time to pass.
            None => {}
        }
        self.store().change_known(ws, |known| known.computed_at = Some(now)).await?;
        Ok(())
    }

    /// Notes when the pages of a run were answered, by kind.
    pub(crate) async fn note_listed(&self, ws: &WorkspaceId, checkpoints: &[Checkpoint]) -> Result<(), Refusal> {
        let note = |known: &mut billfold_core::webhook::Known| {
            for checkpoint in checkpoints {
                if let Checkpoint::List(window) = checkpoint
                    && let Some(at) = window.answered_at
                {
                    known.listed(window.listing.kind(), at);
                }
            }
        };
        self.store().change_known(ws, note).await?;
        Ok(())
    }
}

fn mode_of(event: &Event) -> Mode {
    if event.livemode { Mode::Live } else { Mode::Test }
}

/// Whether no event of the same object is clearly newer.
fn is_newest(newest: &mut HashMap<(Kind, String), Timestamp>, event: &Event) -> bool {
    let Some((kind, id)) = event.about.object() else { return false };
    // A touched object is fetched, and says nothing of itself that an older event might not say better.
    let first = newest.entry((kind, id.to_owned())).or_insert(event.created);
    let apart_s = first.as_second().saturating_sub(event.created.as_second());
    apart_s <= billfold_core::fold::CLEARLY_APART_S
}

#[cfg(test)]
mod tests {
    use super::*;
    use billfold_core::event::About;

    fn event(second: i64, id: &str) -> Event {
        Event {
            id: format!("evt_{second}"),
            name: "customer.updated".into(),
            created: Timestamp::from_second(second).unwrap(),
            livemode: false,
            api_version: None,
            object: String::new(),
            about: About::Object(Kind::Customer, id.into()),
        }
    }

    #[test]
    fn only_the_newest_events_of_an_object_are_folded() {
        let mut newest = HashMap::new();
        let fold: Vec<bool> = [(100, "a"), (99, "a"), (98, "a"), (98, "b"), (50, "a")]
            .map(|(second, id)| is_newest(&mut newest, &event(second, id)))
            .into();
        assert_eq!(fold, [true, true, false, true, false]);
        assert!(!is_newest(&mut newest, &Event { about: About::Nothing, ..event(1, "a") }));
    }
}

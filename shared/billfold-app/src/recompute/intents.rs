//! What writers say before they write: whoever dies between the facts and the accounts is found by it.

use super::Batch;
use crate::app::App;
use crate::refusal::{Kind, Refusal};
use billfold_core::connection::Connection;
use billfold_core::id::{AccountId, WorkspaceId};
use billfold_store::{Intent, Subject};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

/// No writer lives longer: AWS ends every function after 15 minutes.
const WRITERS_LIVE: SignedDuration = SignedDuration::from_mins(15);

/// Subjects of one intent, which is one row.
const SUBJECTS_MAX: usize = 1000;

/// Says what is about to be changed. It is for the writer to take the intent away once the accounts are computed.
pub(crate) async fn announce(app: &App, ws: &WorkspaceId, subjects: Vec<Subject>) -> Result<Intent, Refusal> {
    let intent = Intent::new(ws, subjects, app.now(), app.stamp()?);
    app.store().write_each(vec![intent.put()]).await?;
    Ok(intent)
}

/// Says that somebody is at work, and will write what it has still to read. An erasure waits for it.
pub(crate) async fn at_work(app: &App, ws: &WorkspaceId) -> Result<Intent, Refusal> {
    announce(app, ws, Vec::new()).await
}

/// Says what an event is about to change, if what it was told to is still connected: whoever erases a workspace or what
/// was read with another key disconnects first, and looks for intents afterwards.
pub(crate) async fn announce_event(
    app: &App,
    ws: &WorkspaceId,
    subjects: Vec<Subject>,
    connected: &Connection,
) -> Result<Intent, Refusal> {
    let intent = announce(app, ws, subjects).await?;
    let since = |connection: &Connection| connection.active_key().map(|key| key.connected_at);
    let now = since(&app.store().connection(ws).await?);
    if now.is_some() && now == since(connected) {
        return Ok(intent);
    }
    forget(app, &[intent]).await?;
    let detail = "Stripe was disconnected, or connected with another key, while an event was read.";
    Err(Refusal::new(Kind::Unavailable, "connection_changed", detail))
}

/// The same of many.
pub(crate) async fn announce_all(app: &App, ws: &WorkspaceId, subjects: &[Subject]) -> Result<Vec<Intent>, Refusal> {
    let mut intents = Vec::new();
    for some in subjects.chunks(SUBJECTS_MAX) {
        intents.push(announce(app, ws, some.to_vec()).await?);
    }
    Ok(intents)
}

/// Takes intents away whose accounts are computed.
pub(crate) async fn forget(app: &App, intents: &[Intent]) -> Result<(), Refusal> {
    app.store().write_each(intents.iter().map(Intent::forget).collect()).await?;
    Ok(())
}

/// Whom others than these are about to change. Asked for after the facts are written that one is to compute, and before accounts
/// are read: whoever has taken its intent away by then has written what it came to, and whoever has none yet will read these facts.
pub(crate) async fn others_at_work(app: &App, ws: &WorkspaceId, own: &[Intent]) -> Result<Vec<Subject>, Refusal> {
    let others = app.store().intents(ws, None).await?.into_iter().filter(|intent| !own.contains(intent));
    Ok(others.flat_map(|intent| intent.subjects).collect())
}

/// Whether others who are at work have been looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    AreKnown,
    MayBeNew,
}

impl Batch {
    /// Computes what was marked before, and writes in any case what others may be computing from older facts.
    pub(crate) async fn compute_beside_others(&mut self, subjects: &[Subject]) -> Result<(), Refusal> {
        self.compute_announced(subjects, Others::MayBeNew).await.map(|_| ())
    }

    /// Whoever hears of a change meanwhile sees by the intents that somebody is computing from older facts.
    pub(super) async fn compute_announced(
        &mut self,
        subjects: &[Subject],
        others: Others,
    ) -> Result<BTreeSet<AccountId>, Refusal> {
        let intents = announce_all(&self.app, &self.ws, subjects).await?;
        let computed = async {
            if others == Others::MayBeNew {
                self.at_work = others_at_work(&self.app, &self.ws, &intents).await?;
            }
            self.compute(subjects).await
        };
        let computed = computed.await;
        // After trouble as well: the marks are still there.
        let forgotten = forget(&self.app, &intents).await;
        let computed = computed?;
        forgotten.map(|()| computed)
    }
}

/// Whether writers may still be at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writers {
    MayLive,
    /// This process is the only one there is, and has just begun.
    AreGone,
}

/// Whether somebody may be about to write, and will not be stopped by what is read from now on.
pub(crate) async fn writers_may_live(app: &App, ws: &WorkspaceId) -> Result<bool, Refusal> {
    Ok(app.store().is_intended_since(ws, dead_before(app)).await?)
}

/// Marks whom writers have left behind.
pub(crate) async fn take_up(app: &App, ws: &WorkspaceId, writers: Writers) -> Result<(), Refusal> {
    let before = match writers {
        Writers::MayLive => Some(dead_before(app)),
        Writers::AreGone => None,
    };
    hand_over(app, ws, &app.store().intents(ws, before).await?).await
}

/// Whoever wrote an intent before this time is dead.
pub(crate) fn dead_before(app: &App) -> Timestamp {
    app.now().checked_sub(WRITERS_LIVE).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Marks whom intents are about, and takes the intents away.
pub(crate) async fn hand_over(app: &App, ws: &WorkspaceId, intents: &[Intent]) -> Result<(), Refusal> {
    let subjects: BTreeSet<Subject> = intents.iter().flat_map(|intent| &intent.subjects).map(may_be_another).collect();
    app.store().mark_all(ws, &subjects.into_iter().collect::<Vec<_>>(), app.stamp()?).await?;
    forget(app, intents).await
}

/// Nobody knows any more what of a customer has changed.
fn may_be_another(subject: &Subject) -> Subject {
    match subject {
        Subject::Facts(customer) => Subject::Customer(customer.clone()),
        other => other.clone(),
    }
}

//! Erasing: the secrets at once, the data by a worker, which can be stopped and goes on.

use crate::app::App;
use crate::queue::{Handled, Message};
use crate::recompute;
use crate::refusal::{Kind, Refusal};
use billfold_core::audit::{Action, Deed};
use billfold_core::connection::Connection;
use billfold_core::id::WorkspaceId;
use billfold_core::webhook::{Known, Webhook};
use billfold_store::Erase;
use std::time::Duration;

/// Passes over everything before a worker is given back, or whoever asks an answer.
const PASSES_MAX: u32 = 20;
/// How long whoever is at work is waited for before the next pass. A sync notices within 15 seconds that it is cancelled.
const WRITERS_ARE_DONE_IN: Duration = Duration::from_secs(1);

impl App {
    /// Erases everything that Billfold holds for a workspace: the key at once, the rest soon.
    ///
    /// # Errors
    /// [`Refusal`] of the vault, the store or the queue.
    pub async fn erase_workspace(&self, ws: &WorkspaceId) -> Result<(), Refusal> {
        self.disconnect(ws).await?;
        self.note(ws, Deed::new(Action::ErasureRequested).to(ws.as_str())).await?;
        Ok(self.queue().send(Message::Erase { workspace: ws.clone() }, Duration::ZERO).await?)
    }

    /// Erases what was read with another key, before a new one is kept.
    pub(crate) async fn erase_synced(&self, ws: &WorkspaceId) -> Result<(), Refusal> {
        self.disconnect(ws).await?;
        let Some(erased) = erase(self, ws, Erase::Synced).await? else {
            let detail = "Something is still at work with what is to be erased; send it again in a minute.";
            return Err(Refusal::new(Kind::Unavailable, "still_erasing", detail));
        };
        let forget = |connection: &mut Connection| *connection = Connection::default();
        self.store().change_connection(ws, forget).await?;
        self.store().change_known(ws, |known| *known = Known::default()).await?;
        let nothing_came = |webhook: &mut Webhook| (webhook.last_event_at, webhook.refused) = (None, 0);
        self.store().change_webhook(ws, nothing_came).await?;
        self.mark_everything(ws).await?;
        tracing::info!(workspace = %ws, erased, "what was synced was erased");
        let told = serde_json::json!({"rows": erased});
        self.note(ws, Deed::new(Action::SyncedDataErased).after(told)).await
    }
}

/// Erases a workspace, unless somebody has connected a key since it was asked for. The secrets were forgotten before it
/// was asked for: a worker may not write any.
pub(crate) async fn work(app: &App, ws: &WorkspaceId) -> Result<Handled, Refusal> {
    if app.store().connection(ws).await?.active_key().is_some() {
        tracing::warn!(workspace = %ws, "a workspace that was connected again is not erased");
        return Ok(Handled::Done);
    }
    if let Some(endpoint) = app.store().webhook(ws).await?.endpoint {
        app.store().delete_endpoint(&endpoint).await?;
        app.endpoints().forget(&endpoint);
    }
    let Some(erased) = erase(app, ws, Erase::Everything).await? else {
        tracing::warn!(workspace = %ws, "something is still being written; erasing goes on");
        return Ok(Handled::Again(Duration::from_secs(10)));
    };
    app.erase_trail(ws, erased).await?;
    tracing::info!(workspace = %ws, erased, "a workspace was erased");
    Ok(Handled::Done)
}

/// Erases again and again, until a whole pass finds nothing and nobody is left who could write: that is the proof. How many
/// rows that were, or `None` if there is no end to it now.
async fn erase(app: &App, ws: &WorkspaceId, what: Erase) -> Result<Option<u64>, Refusal> {
    let mut erased = 0u64;
    for _ in 0..PASSES_MAX {
        let rows = app.store().erase(ws, what, recompute::dead_before(app)).await?;
        erased = erased.saturating_add(rows);
        if recompute::writers_may_live(app, ws).await? {
            tokio::time::sleep(WRITERS_ARE_DONE_IN).await;
        } else if rows == 0 {
            return Ok(Some(erased));
        }
    }
    Ok(None)
}

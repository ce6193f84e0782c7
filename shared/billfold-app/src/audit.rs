//! Who is at work, and the trail that they leave. A use case writes its line of the trail in the transaction of what it
//! does, where there is one, and else right after; never a secret.

use crate::app::App;
use crate::auth::{Caller, Role};
use crate::clock::random_u64;
use crate::refusal::Refusal;
use billfold_core::audit::{Action, Actor, Deed, Entry};
use billfold_core::id::WorkspaceId;
use billfold_store::{Store, Write};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Entries that are looked through for who asked for an erasure.
const LOOKED_THROUGH: usize = 1000;

/// Lines of the trail that this process has written.
static WRITTEN: AtomicU32 = AtomicU32::new(0);

impl App {
    /// The same use cases, in the hands of somebody with a token.
    #[must_use]
    pub fn by(&self, caller: &Caller) -> Self {
        let role = match caller.role {
            Role::Member => "member",
            Role::Admin => "admin",
            Role::Owner => "owner",
        };
        self.in_hands_of(Actor::with_token(&caller.subject, role))
    }

    pub(crate) fn in_hands_of(&self, actor: Actor) -> Self {
        Self(Arc::clone(&self.0), Some(Arc::new(actor)))
    }

    pub(crate) fn actor(&self) -> Actor {
        self.1.as_deref().cloned().unwrap_or_else(Actor::billfold)
    }

    fn entry(&self, deed: Deed) -> Result<Entry, Refusal> {
        let at = self.now();
        // Within a millisecond, what this process wrote later sorts before what it wrote earlier.
        let newest_first = u64::from(u32::MAX.wrapping_sub(WRITTEN.fetch_add(1, Ordering::Relaxed)));
        let place = newest_first << 32 | random_u64()? >> 32;
        Ok(Entry { id: Store::audit_id(at, place), at, actor: self.actor(), deed })
    }

    /// The write of a line of the trail, for the transaction of what it tells.
    pub(crate) fn trail(&self, ws: &WorkspaceId, deed: Deed) -> Result<Write, Refusal> {
        Ok(Store::audit_write(ws, &self.entry(deed)?)?)
    }

    /// Writes a line of the trail.
    pub(crate) async fn note(&self, ws: &WorkspaceId, deed: Deed) -> Result<(), Refusal> {
        Ok(self.store().write_all(vec![self.trail(ws, deed)?]).await?)
    }

    /// The trail, newest first, from behind an entry on.
    ///
    /// # Errors
    /// [`Refusal`] of the store.
    pub async fn audit(&self, ws: &WorkspaceId, after: Option<&str>, limit: usize) -> Result<Vec<Entry>, Refusal> {
        Ok(self.store().audit(ws, after, limit).await?)
    }

    /// Erases the trail once everything else is erased, and leaves the one line that says so: by whom, and when. Done
    /// again it finds nothing to do.
    pub(crate) async fn erase_trail(&self, ws: &WorkspaceId, rows: u64) -> Result<(), Refusal> {
        let trail = self.store().audit(ws, None, LOOKED_THROUGH).await?;
        if let Some(asked) = trail.into_iter().find(|entry| entry.deed.action == Action::ErasureRequested) {
            // The id of who asked, so that a worker that begins again writes the same row.
            let deed = Deed::new(Action::Erased).to(ws.as_str()).after(json!({"requested_at": asked.at, "rows": rows}));
            let erased = Entry { id: format!("{}-erased", asked.id), at: self.now(), actor: asked.actor, deed };
            self.store().write_all(vec![Store::audit_write(ws, &erased)?]).await?;
        }
        let gone = self.store().erase_audit(ws).await?;
        tracing::info!(workspace = %ws, gone, "the audit trail was erased");
        Ok(())
    }
}

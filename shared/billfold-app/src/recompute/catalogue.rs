//! The catalogue of a workspace, kept in memory as long as its revision is the same: one small read instead of all of it
//! for every batch of accounts. It is never used without that read, so it may be kept for as long as there is room.

use crate::app::App;
use crate::refusal::Refusal;
use billfold_core::id::WorkspaceId;
use billfold_core::mrr::Catalogue;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Workspaces whose catalogue is kept.
const KEPT_MAX: usize = 16;

/// Catalogues that have been read, with the revision that they were read under.
#[derive(Default)]
pub(crate) struct Catalogues(Mutex<HashMap<WorkspaceId, (String, Arc<Catalogue>)>>);

impl Catalogues {
    fn all(&self) -> MutexGuard<'_, HashMap<WorkspaceId, (String, Arc<Catalogue>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, ws: &WorkspaceId, revision: &str) -> Option<Arc<Catalogue>> {
        let all = self.all();
        let (known, catalogue) = all.get(ws)?;
        (known == revision).then(|| Arc::clone(catalogue))
    }

    fn keep(&self, ws: &WorkspaceId, revision: String, catalogue: &Arc<Catalogue>) {
        let mut all = self.all();
        if all.len() >= KEPT_MAX && !all.contains_key(ws) {
            all.clear();
        }
        all.insert(ws.clone(), (revision, Arc::clone(catalogue)));
    }
}

impl App {
    /// The catalogue as it is now.
    pub(crate) async fn catalogue(&self, ws: &WorkspaceId) -> Result<Arc<Catalogue>, Refusal> {
        self.catalogue_since(ws, self.store().catalogue_revision(ws).await?).await
    }

    /// The catalogue as it was when that was its revision, or is now: what is written after the revision was read has a
    /// newer one.
    pub(crate) async fn catalogue_since(
        &self,
        ws: &WorkspaceId,
        revision: Option<String>,
    ) -> Result<Arc<Catalogue>, Refusal> {
        if let Some(known) = revision.as_ref().and_then(|revision| self.catalogues().known(ws, revision)) {
            return Ok(known);
        }
        let fresh = Arc::new(Catalogue::from_facts(self.store().catalogue_ever(ws).await?));
        if let Some(revision) = revision {
            self.catalogues().keep(ws, revision, &fresh);
        }
        Ok(fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalogue_is_known_under_its_revision_alone_and_few_are_kept() {
        let (catalogues, fresh) = (Catalogues::default(), Arc::new(Catalogue::default()));
        let ws = |n: usize| WorkspaceId::new(format!("ws{n}")).unwrap();
        catalogues.keep(&ws(0), "a".into(), &fresh);
        assert!(catalogues.known(&ws(0), "a").is_some() && catalogues.known(&ws(0), "b").is_none());
        assert!(catalogues.known(&ws(1), "a").is_none());
        for n in 0..KEPT_MAX * 3 {
            catalogues.keep(&ws(n), "c".into(), &fresh);
        }
        assert!(catalogues.all().len() <= KEPT_MAX);
    }
}

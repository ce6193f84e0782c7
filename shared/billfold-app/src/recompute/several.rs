//! The accounts of customers that events have just been folded for: read in few calls, written together, and one by one
//! only where somebody else writes the same rows.

use super::{Batch, First, is_conflict};
use crate::app::App;
use crate::refusal::Refusal;
use billfold_core::id::{CustomerId, WorkspaceId};
use billfold_store::{Mark, Subject};

/// Computes the accounts of those customers that are marked. A mark that is gone was somebody else's work.
pub(crate) async fn work_on(app: &App, ws: &WorkspaceId, customers: &[CustomerId]) -> Result<(), Refusal> {
    let marks = app.store().marks_of(ws, customers).await?;
    if marks.is_empty() {
        return Ok(());
    }
    // Asked after the marks were read: a sync marks a customer once, and counts on the mark until its end.
    let syncing = app.store().lease(ws).await?.run.is_some();
    let mut batch = Batch { first: First::Heads, ..Batch::new(app.clone(), ws.clone()).await? };
    batch.compute_marked(&marks).await?;
    if !syncing {
        batch.take_away(marks).await?;
    }
    Ok(())
}

impl Batch {
    /// Together; one by one after a race was lost, because many together would lose the next one as well.
    async fn compute_marked(&mut self, marks: &[Mark]) -> Result<(), Refusal> {
        let subjects: Vec<Subject> = marks.iter().map(|mark| mark.subject.clone()).collect();
        match self.try_compute(&subjects).await {
            Ok(_) => return Ok(()),
            Err(refusal) if is_conflict(&refusal) => {}
            Err(refusal) => return Err(refusal),
        }
        for subject in &subjects {
            self.compute(std::slice::from_ref(subject)).await?;
        }
        Ok(())
    }
}

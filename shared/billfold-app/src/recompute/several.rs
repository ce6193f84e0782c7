//! The accounts of customers that events have just been folded for.

use super::{Batch, First};
use crate::app::App;
use crate::refusal::Refusal;
use billfold_core::id::{CustomerId, WorkspaceId};
use billfold_store::Subject;
use std::collections::BTreeSet;

/// Computes the accounts of those customers that are marked. A mark that is gone was somebody else's work.
pub(crate) async fn work_on(app: &App, ws: &WorkspaceId, customers: &BTreeSet<CustomerId>) -> Result<(), Refusal> {
    let marks = app.store().marks_of(ws, customers).await?;
    if marks.is_empty() {
        return Ok(());
    }
    // Asked after the marks were read: a sync marks a customer once, and counts on the mark until its end.
    let syncing = app.store().lease(ws).await?.run.is_some();
    let mut batch = Batch { first: First::Heads, ..Batch::new(app.clone(), ws.clone()) };
    let subjects: Vec<Subject> = marks.iter().map(|mark| mark.subject.clone()).collect();
    batch.compute(&subjects).await?;
    if !syncing {
        batch.take_away(marks).await?;
    }
    Ok(())
}

//! The accounts of customers that events have just been folded for.

use super::{Batch, First};
use crate::app::App;
use crate::refusal::{Refusal, chain};
use billfold_core::id::{CustomerId, WorkspaceId};
use billfold_store::Subject;
use std::collections::BTreeSet;

/// Computes the accounts of customers. Nothing marks them: the events are there until this is done. If it cannot be done
/// they are marked, so that a sweep finds them whatever becomes of the events.
pub(crate) async fn work_on(app: &App, ws: &WorkspaceId, customers: &BTreeSet<CustomerId>) -> Result<(), Refusal> {
    if customers.is_empty() {
        return Ok(());
    }
    let subjects: Vec<Subject> = customers.iter().cloned().map(Subject::Customer).collect();
    let mut batch = Batch { first: First::Heads, ..Batch::new(app.clone(), ws.clone()) };
    let Err(refusal) = batch.compute(&subjects).await else { return Ok(()) };
    if let Err(error) = app.store().mark_all(ws, &subjects, app.stamp()?).await {
        tracing::warn!(workspace = %ws, error = chain(&error), "accounts could not be marked either");
    }
    Err(refusal)
}

//! The accounts of customers that events have just been folded for.

use super::{Batch, First, customer};
use crate::app::App;
use crate::refusal::Refusal;
use billfold_core::id::{CustomerId, WorkspaceId};
use billfold_store::{Mark, Subject};
use std::collections::BTreeSet;

/// Computes the accounts of marks that were just made, and of those customers that are marked: a mark that is gone was
/// somebody else's work.
pub(crate) async fn work_on(
    app: &App,
    ws: &WorkspaceId,
    made: Vec<Mark>,
    customers: &BTreeSet<CustomerId>,
) -> Result<(), Refusal> {
    let known: BTreeSet<&CustomerId> = made.iter().filter_map(|mark| customer(&mark.subject)).collect();
    let others = customers.iter().filter(|customer| !known.contains(customer)).cloned().collect();
    let marks = [app.store().marks_of(ws, &others).await?, made].concat();
    if marks.is_empty() {
        return Ok(());
    }
    let mut batch = Batch { first: First::Heads, ..Batch::new(app.clone(), ws.clone()) };
    let subjects = subjects(app, ws, &marks).await?;
    batch.compute(&subjects).await?;
    // A sync marks a customer once, and counts on the mark until its end.
    if !batch.syncing {
        batch.take_away(marks).await?;
    }
    Ok(())
}

/// Who is computed for marks. Who stays in an account needs not be matched; where it is is read after the facts were
/// written, and whoever moves it on reads them after that is written.
async fn subjects(app: &App, ws: &WorkspaceId, marks: &[Mark]) -> Result<Vec<Subject>, Refusal> {
    let stays = marks.iter().filter_map(|mark| match &mark.subject {
        Subject::Facts(customer) => Some(customer.clone()),
        _ => None,
    });
    let accounts = app.store().accounts_of(ws, &stays.collect()).await?;
    let subjects = marks.iter().map(|mark| match &mark.subject {
        Subject::Facts(customer) => match accounts.get(customer) {
            Some(account) => Subject::Account(account.clone()),
            None => Subject::Customer(customer.clone()),
        },
        other => other.clone(),
    });
    Ok(subjects.collect::<BTreeSet<Subject>>().into_iter().collect())
}

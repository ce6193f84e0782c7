//! The accounts of customers that events have just been folded for.

use super::intents::forget;
use super::{Batch, First, customer};
use crate::app::App;
use crate::refusal::Refusal;
use billfold_core::id::{CustomerId, WorkspaceId};
use billfold_store::{Intent, Subject};
use std::collections::BTreeSet;

/// Computes the accounts of whom facts were just stored as intended, and of those customers whom somebody else has marked
/// or intended to change: perhaps that was stopped before the account.
pub(crate) async fn work_on(
    app: &App,
    ws: &WorkspaceId,
    intents: &[Intent],
    customers: &BTreeSet<CustomerId>,
) -> Result<(), Refusal> {
    let mut subjects: BTreeSet<Subject> = intents.iter().flat_map(|intent| intent.subjects.iter().cloned()).collect();
    let known: BTreeSet<&CustomerId> = subjects.iter().filter_map(customer).collect();
    let others: BTreeSet<CustomerId> = customers.iter().filter(|customer| !known.contains(customer)).cloned().collect();
    let mut marks = Vec::new();
    if !others.is_empty() {
        marks = app.store().marks_of(ws, &others).await?;
        let intended = app.store().intents(ws, None).await?.into_iter().flat_map(|intent| intent.subjects);
        subjects.extend(intended.filter(|subject| customer(subject).is_some_and(|one| others.contains(one))));
        subjects.extend(marks.iter().map(|mark| mark.subject.clone()));
    }
    if subjects.is_empty() {
        return Ok(());
    }
    let mut batch = Batch { first: First::Heads, ..Batch::new(app.clone(), ws.clone()) };
    batch.compute(&placed(app, ws, subjects).await?).await?;
    forget(app, intents).await?;
    // A sync marks a customer once, and counts on the mark until its end.
    if !batch.syncing {
        batch.take_away(marks).await?;
    }
    Ok(())
}

/// Who is computed. Who stays in an account needs not be matched; where it is is read after the facts were written, and
/// whoever moves it on reads them after that is written.
async fn placed(app: &App, ws: &WorkspaceId, subjects: BTreeSet<Subject>) -> Result<Vec<Subject>, Refusal> {
    let stays = subjects.iter().filter_map(|subject| match subject {
        Subject::Facts(customer) => Some(customer.clone()),
        _ => None,
    });
    let accounts = app.store().accounts_of(ws, &stays.collect()).await?;
    let placed = subjects.into_iter().map(|subject| match subject {
        Subject::Facts(customer) => match accounts.get(&customer) {
            Some(account) => Subject::Account(account.clone()),
            None => Subject::Customer(customer),
        },
        other => other,
    });
    Ok(placed.collect::<BTreeSet<Subject>>().into_iter().collect())
}

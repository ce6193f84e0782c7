//! The accounts of customers that events have just been folded for.

use super::intents::{forget, hand_over};
use super::{Batch, First, customer};
use crate::app::App;
use crate::refusal::Refusal;
use billfold_core::id::{CustomerId, WorkspaceId};
use billfold_store::{Intent, Subject};
use std::collections::BTreeSet;

/// Computes the accounts of whom facts were just stored as intended, and of those customers of whom something was no news
/// and whom somebody else has marked or intended to change: perhaps that was stopped before the account.
pub(crate) async fn work_on(
    app: &App,
    ws: &WorkspaceId,
    intents: &[Intent],
    no_news_of: &BTreeSet<CustomerId>,
) -> Result<(), Refusal> {
    let mut subjects: BTreeSet<Subject> = intents.iter().flat_map(|intent| intent.subjects.iter().cloned()).collect();
    // Who may be in another account is matched again in any case.
    let is_intended = |customer: &CustomerId| subjects.contains(&Subject::Customer(customer.clone()));
    let others: BTreeSet<CustomerId> = no_news_of.iter().filter(|one| !is_intended(one)).cloned().collect();
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
    if batch.syncing {
        // What the sync has not read yet may be missing: its last stage computes them once more, and counts on marks.
        return hand_over(app, ws, intents).await;
    }
    forget(app, intents).await?;
    batch.take_away(marks).await
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

//! The accounts of customers that events have just been folded for.

use super::intents::{announce, forget, hand_over, others_at_work};
use super::{Batch, customer};
use crate::app::App;
use crate::refusal::Refusal;
use billfold_core::id::{AccountId, CustomerId, WorkspaceId};
use billfold_store::{Intent, Subject};
use std::collections::BTreeSet;
use tokio::task::JoinSet;

/// Accounts that are worth a task of their own: each reads the rules anew.
const HALF_MIN: usize = 16;

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
    if subjects.is_empty() && others.is_empty() {
        return Ok(());
    }
    let at_work = others_at_work(app, ws, intents).await?;
    let (mut intents, mut marks) = (intents.to_vec(), Vec::new());
    if !others.is_empty() {
        marks = app.store().marks_of(ws, &others).await?;
        let left = at_work.iter().filter(|subject| customer(subject).is_some_and(|one| others.contains(one)));
        let left: Vec<Subject> = left.chain(marks.iter().map(|mark| &mark.subject)).cloned().collect();
        if !left.is_empty() {
            intents.push(announce(app, ws, left.clone()).await?);
        }
        subjects.extend(left);
    }
    if subjects.is_empty() {
        return Ok(());
    }
    let subjects = where_they_are(app, ws, subjects).await?;
    if compute(Batch::beside(app.clone(), ws.clone(), at_work), &subjects).await? {
        // What the sync has not read yet may be missing: its last stage computes them once more, and counts on marks.
        return hand_over(app, ws, &intents).await;
    }
    forget(app, &intents).await?;
    Batch::new(app.clone(), ws.clone()).take_away(marks).await
}

/// Computes accounts, many of them in two halves side by side: once it is written whose everybody is, no account concerns
/// another. Whether a sync was seen to run.
async fn compute(mut batch: Batch, subjects: &[Subject]) -> Result<bool, Refusal> {
    let accounts = batch.place(subjects).await?;
    if accounts.len() < 2 * HALF_MIN {
        return compute_part(batch.part(&accounts), accounts).await;
    }
    let accounts: Vec<AccountId> = accounts.into_iter().collect();
    let mut at_work = JoinSet::new();
    for half in accounts.chunks(accounts.len().div_ceil(2)) {
        let half: BTreeSet<AccountId> = half.iter().cloned().collect();
        at_work.spawn(compute_part(batch.part(&half), half));
    }
    // Both end before one is told to have failed; a panic goes on.
    let ended = at_work.join_all().await;
    ended.into_iter().try_fold(false, |syncing, half| Ok(syncing | half?))
}

async fn compute_part(mut part: Batch, accounts: BTreeSet<AccountId>) -> Result<bool, Refusal> {
    let subjects: Vec<Subject> = accounts.into_iter().map(Subject::Account).collect();
    part.compute(&subjects).await?;
    Ok(part.syncing)
}

/// Who is computed. Who stays in an account needs not be matched; where it is is read after the facts were written, and
/// whoever moves it on reads them after that is written.
async fn where_they_are(app: &App, ws: &WorkspaceId, subjects: BTreeSet<Subject>) -> Result<Vec<Subject>, Refusal> {
    let stays = subjects.iter().filter_map(|subject| match subject {
        Subject::Facts(customer) => Some(customer.clone()),
        _ => None,
    });
    let accounts = app.store().accounts_of(ws, &stays.collect()).await?;
    let found = subjects.into_iter().map(|subject| match subject {
        Subject::Facts(customer) => match accounts.get(&customer) {
            Some(account) => Subject::Account(account.clone()),
            None => Subject::Customer(customer),
        },
        other => other,
    });
    Ok(found.collect::<BTreeSet<Subject>>().into_iter().collect())
}

//! The accounts of customers that events have just been folded for.

use super::intents::{forget, hand_over};
use super::{Batch, First, account_of, customer};
use crate::app::App;
use crate::refusal::Refusal;
use billfold_core::id::{AccountId, CustomerId, WorkspaceId};
use billfold_store::{Intent, Subject};
use std::collections::BTreeSet;
use tokio::task::JoinSet;

/// Subjects that are worth a task of their own: each reads the rules anew.
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
    if compute(app, ws, subjects).await? {
        // What the sync has not read yet may be missing: its last stage computes them once more, and counts on marks.
        return hand_over(app, ws, intents).await;
    }
    forget(app, intents).await?;
    Batch::new(app.clone(), ws.clone()).take_away(marks).await
}

/// Computes accounts, many of them in two halves side by side; whatever is in the same account now is in the same half. Who
/// moves from one half to the other is settled as between two processes. Whether a sync was seen to run.
async fn compute(app: &App, ws: &WorkspaceId, subjects: BTreeSet<Subject>) -> Result<bool, Refusal> {
    let in_halves = subjects.len() >= 2 * HALF_MIN;
    let mut placed = placed(app, ws, subjects, in_halves).await?;
    let second = if in_halves { placed.split_off(middle(&placed)) } else { Vec::new() };
    let mut at_work = JoinSet::new();
    for half in [placed, second].into_iter().filter(|half| !half.is_empty()) {
        let subjects = half.into_iter().map(|(_, subject)| subject).collect();
        at_work.spawn(compute_together(app.clone(), ws.clone(), subjects));
    }
    let mut syncing = false;
    while let Some(computed) = at_work.join_next().await {
        syncing |= computed.map_err(Refusal::internal)??;
    }
    Ok(syncing)
}

async fn compute_together(app: App, ws: WorkspaceId, subjects: Vec<Subject>) -> Result<bool, Refusal> {
    let mut batch = Batch { first: First::Heads, ..Batch::new(app, ws) };
    batch.compute(&subjects).await?;
    Ok(batch.syncing)
}

/// Who is computed, behind the account that it is in.
type Placed = (Option<AccountId>, Subject);

/// Where the second half begins: no account is in both.
fn middle(placed: &[Placed]) -> usize {
    let Some((last, _)) = placed.get(placed.len() / 2) else { return 0 };
    placed.partition_point(|(account, _)| account <= last)
}

/// Who is computed, in the order of accounts. Who stays in an account needs not be matched; where it is is read after the
/// facts were written, and whoever moves it on reads them after that is written. Where the others are is asked for `all`.
async fn placed(app: &App, ws: &WorkspaceId, subjects: BTreeSet<Subject>, all: bool) -> Result<Vec<Placed>, Refusal> {
    let asked = subjects.iter().filter(|subject| all || matches!(subject, Subject::Facts(_)));
    let accounts = app.store().accounts_of(ws, &asked.filter_map(customer).cloned().collect()).await?;
    let placed = subjects.into_iter().map(|subject| {
        let account = customer(&subject).and_then(|customer| accounts.get(customer)).or(account_of(&subject)).cloned();
        let subject = match (subject, &account) {
            (Subject::Facts(_), Some(account)) => Subject::Account(account.clone()),
            (Subject::Facts(customer), None) => Subject::Customer(customer),
            (other, _) => other,
        };
        (account, subject)
    });
    Ok(placed.collect::<BTreeSet<Placed>>().into_iter().collect())
}

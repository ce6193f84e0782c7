//! Files of accounts: each row is found (by id, by an id in another system, by domain, by name), compared, and written
//! whole or not at all, many rows together. A file that is sent again changes nothing.

mod plan;

use crate::app::App;
use crate::queue::Message;
use crate::recompute::{self, Batch};
use crate::refusal::Refusal;
use crate::rows::{Fault, Row, RowError};
use billfold_core::audit::{Action, Deed};
use billfold_core::id::{AccountId, CustomerId, WorkspaceId};
use billfold_store::{Intent, Store, StoreError, Subject, Write};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use plan::{Known, Plan, Planned};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

/// The most rows of one request.
pub const IMPORT_ROWS_MAX: u64 = 100_000;
/// The most errors that an answer lists; the others are counted.
pub const ERRORS_MAX: usize = 100;

/// Rows that are read and written together.
const BATCH: usize = 100;
/// Writes of one transaction.
const WRITES: usize = 99;
/// Transactions that are under way together.
const AT_ONCE: usize = 4;
/// How often a row is tried again because somebody else wrote the same rows.
const ATTEMPTS_MAX: u32 = 5;
/// Accounts and customers that are computed before the answer; more are left to a worker.
const COMPUTED_AT_ONCE_MAX: usize = 200;

/// What became of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ImportReport {
    /// Accounts that are new.
    pub created: u64,
    /// Accounts that were there and are different now.
    pub updated: u64,
    /// Accounts that were there and said the same.
    pub unchanged: u64,
    /// Rows that were not taken.
    pub failed: u64,
    /// What is wrong with them: the first [`ERRORS_MAX`].
    pub errors: Vec<RowError>,
    /// How many more there are.
    pub more_errors: u64,
}

impl ImportReport {
    fn fail(&mut self, row: &Row, fault: Fault) {
        self.failed = self.failed.saturating_add(1);
        if self.errors.len() < ERRORS_MAX {
            let Fault { field, message } = fault;
            self.errors.push(RowError { row: row.number, line: row.line, field, message });
        } else {
            self.more_errors = self.more_errors.saturating_add(1);
        }
    }

    fn count(&mut self, planned: &Planned) {
        let counter = if planned.is_new { &mut self.created } else { &mut self.updated };
        *counter = counter.saturating_add(1);
    }
}

/// A file that is being taken.
pub struct Import {
    app: App,
    ws: WorkspaceId,
    waiting: Vec<Row>,
    report: ImportReport,
    /// What is to be computed, as long as it is little.
    concerned: BTreeSet<Subject>,
    /// True once somebody gained a domain.
    takes_unmatched: bool,
}

impl App {
    /// Begins to take a file.
    #[must_use]
    pub fn import(&self, ws: &WorkspaceId) -> Import {
        Import {
            app: self.clone(),
            ws: ws.clone(),
            waiting: Vec::new(),
            report: ImportReport::default(),
            concerned: BTreeSet::new(),
            takes_unmatched: false,
        }
    }
}

impl Import {
    /// Takes rows. They are durable when [`Import::finish`] has returned, and most of them before.
    ///
    /// # Errors
    /// [`Refusal`] of the store; rows that were written stay written.
    pub async fn take(&mut self, rows: Vec<Row>) -> Result<(), Refusal> {
        for row in rows {
            match row.said.clone() {
                Ok(_) => self.waiting.push(row),
                Err(fault) => self.report.fail(&row, fault),
            }
            if self.waiting.len() >= BATCH {
                self.write_waiting().await?;
            }
        }
        Ok(())
    }

    /// Writes what is left, and sees to it that everything is computed.
    ///
    /// # Errors
    /// [`Refusal`] of the store or the queue; rows that were written stay written.
    pub async fn finish(mut self) -> Result<ImportReport, Refusal> {
        self.write_waiting().await?;
        self.report.errors.sort_by_key(|error| error.row);
        let Self { app, ws, report, mut concerned, takes_unmatched, .. } = self;
        let told = json!({
            "created": report.created, "updated": report.updated, "unchanged": report.unchanged, "failed": report.failed,
        });
        app.note(&ws, Deed::new(Action::AccountsImported).after(told)).await?;
        if concerned.is_empty() {
            return Ok(report);
        }
        if takes_unmatched {
            concerned.extend(app.mark_unmatched(&ws).await?);
        }
        if concerned.len() <= COMPUTED_AT_ONCE_MAX {
            let subjects: Vec<Subject> = concerned.into_iter().collect();
            Batch::new(app.clone(), ws.clone()).compute_beside_others(&subjects).await?;
        }
        app.queue().send(Message::Recompute { workspace: ws }, Duration::ZERO).await?;
        Ok(report)
    }

    /// What has become of the rows so far.
    #[must_use]
    pub fn so_far(&self) -> &ImportReport {
        &self.report
    }

    /// Plans and writes in rounds: a row that is about the same things as one before it waits for the next round.
    async fn write_waiting(&mut self) -> Result<(), Refusal> {
        let mut rows = std::mem::take(&mut self.waiting);
        while !rows.is_empty() {
            let mut known = Known::read(&self.app, &self.ws, &rows).await?;
            let (mut planned, mut later) = (Vec::new(), Vec::new());
            for row in rows {
                match known.plan(&self.app, &self.ws, &row)? {
                    Plan::Write(plan) => planned.push((row, plan)),
                    Plan::Later => later.push(row),
                    Plan::Unchanged => self.report.unchanged = self.report.unchanged.saturating_add(1),
                    Plan::Fault(fault) => self.report.fail(&row, fault),
                }
            }
            self.write_round(planned).await?;
            rows = later;
        }
        Ok(())
    }

    async fn write_round(&mut self, planned: Vec<(Row, Planned)>) -> Result<(), Refusal> {
        let (store, ws) = (self.app.store().clone(), self.ws.clone());
        let intents = self.announce_customers(&planned).await?;
        let written: Vec<(Vec<(Row, Planned)>, bool)> = stream::iter(transactions(planned))
            .map(|some| {
                let (store, writes) = (&store, some.iter().flat_map(|(_, plan)| plan.writes.clone()).collect());
                async move { Ok::<_, StoreError>((some, written(store, writes).await?)) }
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        for (some, done) in written {
            for (row, plan) in some {
                if done {
                    self.done(&plan);
                } else {
                    self.write_alone(&store, &ws, row).await?;
                }
            }
        }
        recompute::hand_over(&self.app, &ws, &intents).await
    }

    /// A row of a transaction that somebody else got in the way of.
    async fn write_alone(&mut self, store: &Store, ws: &WorkspaceId, row: Row) -> Result<(), Refusal> {
        for _ in 0..ATTEMPTS_MAX {
            match Known::read(&self.app, ws, std::slice::from_ref(&row)).await?.plan(&self.app, ws, &row)? {
                Plan::Write(plan) => {
                    if written(store, plan.writes.clone()).await? {
                        self.done(&plan);
                        return Ok(());
                    }
                }
                Plan::Unchanged | Plan::Later => {
                    self.report.unchanged = self.report.unchanged.saturating_add(1);
                    return Ok(());
                }
                Plan::Fault(fault) => {
                    self.report.fail(&row, fault);
                    return Ok(());
                }
            }
        }
        self.report.fail(&row, Fault::new("row", "Somebody else changes this account at the same time; send it again"));
        Ok(())
    }

    fn done(&mut self, plan: &Planned) {
        self.report.count(plan);
        self.takes_unmatched |= plan.handover.takes_unmatched();
        self.concern(Subject::Account(plan.id.clone()));
    }

    fn concern(&mut self, subject: Subject) {
        if self.concerned.len() <= COMPUTED_AT_ONCE_MAX {
            self.concerned.insert(subject);
        }
    }

    /// Says which customers have to find their account again, before what moves them is written.
    async fn announce_customers(&mut self, planned: &[(Row, Planned)]) -> Result<Vec<Intent>, Refusal> {
        let accounts: BTreeSet<AccountId> =
            planned.iter().flat_map(|(_, plan)| plan.handover.accounts(&plan.id)).collect();
        let named: BTreeSet<CustomerId> = planned.iter().flat_map(|(_, plan)| plan.handover.customers()).collect();
        let customers = self.app.concerned(&self.ws, &accounts, &named).await?;
        let intents = recompute::announce_all(&self.app, &self.ws, &customers).await?;
        customers.into_iter().for_each(|customer| self.concern(customer));
        Ok(intents)
    }
}

/// As many rows together as a transaction takes, each whole.
fn transactions(planned: Vec<(Row, Planned)>) -> Vec<Vec<(Row, Planned)>> {
    let mut all: Vec<Vec<(Row, Planned)>> = Vec::new();
    let mut size = WRITES;
    for (row, plan) in planned {
        size = size.saturating_add(plan.writes.len());
        if size > WRITES {
            size = plan.writes.len();
            all.push(Vec::new());
        }
        if let Some(last) = all.last_mut() {
            last.push((row, plan));
        }
    }
    all
}

/// Whether a transaction was written; `false` if somebody else was first.
async fn written(store: &Store, writes: Vec<Write>) -> Result<bool, StoreError> {
    match store.write_all(writes).await {
        Ok(()) => Ok(true),
        Err(StoreError::Conflict) => Ok(false),
        Err(error) => Err(error),
    }
}

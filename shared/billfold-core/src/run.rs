//! One pass over everything in Stripe: its stages, and what may follow what.
//!
//! A run never lies (DESIGN.md, law 4): it is `succeeded` only when every stage did all its work, and whatever was not
//! made good stands in it with what to do about it.

use crate::id::RunId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The stages in the order in which a reader sees them. Those that read from Stripe run side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Products, and the coupons that discounts refer to.
    Products,
    /// Prices, active and archived.
    Prices,
    /// Customers.
    Customers,
    /// Subscriptions of every status.
    Subscriptions,
    /// Invoices of the backfill window.
    Invoices,
    /// Accounts: matched, computed, written.
    AccountBilling,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; 6] =
        [Self::Products, Self::Prices, Self::Customers, Self::Subscriptions, Self::Invoices, Self::AccountBilling];

    /// The stage's name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Products => "products",
            Self::Prices => "prices",
            Self::Customers => "customers",
            Self::Subscriptions => "subscriptions",
            Self::Invoices => "invoices",
            Self::AccountBilling => "account_billing",
        }
    }
}

/// Why a run was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A key was connected.
    Connect,
    /// Somebody asked for it.
    Manual,
    /// The schedule.
    Schedule,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// At work, or waiting for Stripe.
    Running,
    /// Every page of every stage is stored.
    Succeeded,
    /// Something was not made good; `error` says what.
    Failed,
    /// Somebody stopped it.
    Cancelled,
}

/// Where a stage stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum StageStatus {
    /// Not begun.
    Pending,
    /// At work.
    Running,
    /// All its work is stored.
    Done,
    /// Not all its work could be done.
    Failed,
    /// A permission is missing that Billfold can live without.
    Skipped,
}

/// What went wrong and what to do about it, in words for the person who can.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// A stable word.
    pub code: String,
    /// What happened.
    pub message: String,
    /// What to do.
    pub fix: String,
}

/// One stage of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StageState {
    /// Which stage.
    pub name: Stage,
    /// Where it stands.
    pub status: StageStatus,
    /// Objects read (accounts computed, in the last stage).
    pub records: u64,
    /// Requests made to Stripe, repeated ones included.
    pub requests: u64,
    /// Why it failed, was skipped, or is waiting.
    pub error: Option<Problem>,
}

/// One pass over everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its id; ids sort by time.
    pub id: RunId,
    /// Why it was started.
    pub trigger: Trigger,
    /// Where it stands.
    pub status: RunStatus,
    /// When it was asked for.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Invoices created before this are not read; `None` reads all.
    pub invoices_since: Option<Timestamp>,
    /// The stages, in order.
    pub stages: Vec<StageState>,
    /// Why it failed, or what it is waiting for.
    pub error: Option<Problem>,
}

/// A transition that the state it starts from does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a run that is {from:?} cannot become {to:?}")]
pub struct InvalidTransition {
    /// Where the run stands.
    pub from: RunStatus,
    /// Where it was told to go.
    pub to: RunStatus,
}

impl Run {
    /// A run that has just been asked for.
    #[must_use]
    pub fn start(id: RunId, trigger: Trigger, now: Timestamp, invoices_since: Option<Timestamp>) -> Self {
        let pending = |name| StageState { name, status: StageStatus::Pending, records: 0, requests: 0, error: None };
        Self {
            id,
            trigger,
            status: RunStatus::Running,
            started_at: now,
            finished_at: None,
            invoices_since,
            stages: Stage::ALL.into_iter().map(pending).collect(),
            error: None,
        }
    }

    /// True until the run has ended.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.status == RunStatus::Running
    }

    /// One stage.
    #[must_use]
    pub fn stage(&self, name: Stage) -> Option<&StageState> {
        self.stages.iter().find(|stage| stage.name == name)
    }

    /// One stage, to be changed.
    pub fn stage_mut(&mut self, name: Stage) -> Option<&mut StageState> {
        self.stages.iter_mut().find(|stage| stage.name == name)
    }

    /// Objects read from Stripe by all stages; computed accounts are not objects.
    #[must_use]
    pub fn records(&self) -> u64 {
        let read = self.stages.iter().filter(|stage| stage.name != Stage::AccountBilling);
        read.fold(0, |sum, stage| sum.saturating_add(stage.records))
    }

    /// Requests made to Stripe by all stages.
    #[must_use]
    pub fn stripe_requests(&self) -> u64 {
        self.stages.iter().fold(0, |sum, stage| sum.saturating_add(stage.requests))
    }

    /// Ends the run after its last stage: `succeeded` only if every stage is done, else `failed` with the first
    /// stage's problem.
    ///
    /// # Errors
    /// [`InvalidTransition`] if it has already ended.
    pub fn finish(mut self, now: Timestamp) -> Result<Self, InvalidTransition> {
        let undone = self.stages.iter().find(|stage| stage.status != StageStatus::Done);
        let Some(undone) = undone else {
            self.error = None;
            return self.end(RunStatus::Succeeded, now);
        };
        let unfinished = || Problem {
            code: "stage_unfinished".into(),
            message: format!("The stage {} did not do all its work.", undone.name.as_str()),
            fix: "Start a re-sync.".into(),
        };
        let problem = undone.error.clone().unwrap_or_else(unfinished);
        self.error = Some(problem);
        self.end(RunStatus::Failed, now)
    }

    /// Ends the run because it cannot go on.
    ///
    /// # Errors
    /// [`InvalidTransition`] if it has already ended.
    pub fn fail(mut self, problem: Problem, now: Timestamp) -> Result<Self, InvalidTransition> {
        self.error = Some(problem);
        self.end(RunStatus::Failed, now)
    }

    /// Ends the run because somebody stopped it.
    ///
    /// # Errors
    /// [`InvalidTransition`] if it has already ended.
    pub fn cancel(self, now: Timestamp) -> Result<Self, InvalidTransition> {
        self.end(RunStatus::Cancelled, now)
    }

    fn end(mut self, status: RunStatus, now: Timestamp) -> Result<Self, InvalidTransition> {
        if !self.is_running() {
            return Err(InvalidTransition { from: self.status, to: status });
        }
        self.status = status;
        self.finished_at = Some(now);
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn run() -> Run {
        Run::start(RunId::new("run_1").unwrap(), Trigger::Connect, at(0), None)
    }

    fn all(mut run: Run, status: StageStatus) -> Run {
        run.stages.iter_mut().for_each(|stage| stage.status = status);
        run
    }

    fn problem() -> Problem {
        Problem { code: "permissions_missing".into(), message: "m".into(), fix: "f".into() }
    }

    #[test]
    fn only_a_run_that_did_everything_succeeds() {
        let done = all(run(), StageStatus::Done).finish(at(5)).unwrap();
        assert_eq!((done.status, done.finished_at, done.error), (RunStatus::Succeeded, Some(at(5)), None));
        for undone in [StageStatus::Pending, StageStatus::Running, StageStatus::Failed, StageStatus::Skipped] {
            for stage in Stage::ALL {
                let mut run = all(run(), StageStatus::Done);
                let state = run.stage_mut(stage).unwrap();
                (state.status, state.error) = (undone, Some(problem()));
                let run = run.finish(at(5)).unwrap();
                assert_eq!((run.status, run.error), (RunStatus::Failed, Some(problem())), "{stage:?} {undone:?}");
            }
        }
    }

    #[test]
    fn a_stage_that_just_did_not_run_is_named() {
        let error = run().finish(at(5)).unwrap().error.unwrap();
        assert_eq!(error.code, "stage_unfinished");
        assert!(error.message.contains("products"));
    }

    #[test]
    fn what_has_ended_does_not_end_again() {
        for ended in [run().cancel(at(1)).unwrap(), run().fail(problem(), at(1)).unwrap(), run().finish(at(1)).unwrap()]
        {
            let from = ended.status;
            assert_eq!(ended.clone().cancel(at(2)), Err(InvalidTransition { from, to: RunStatus::Cancelled }));
            assert_eq!(ended.clone().fail(problem(), at(2)), Err(InvalidTransition { from, to: RunStatus::Failed }));
            assert!(ended.finish(at(2)).is_err());
        }
    }

    #[test]
    fn sums_are_over_stages_and_accounts_are_not_objects() {
        let mut run = run();
        for stage in &mut run.stages {
            (stage.records, stage.requests) = (10, 2);
        }
        assert_eq!((run.records(), run.stripe_requests()), (50, 12));
    }
}

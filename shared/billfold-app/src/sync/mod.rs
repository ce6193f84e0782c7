//! The staged sync: started here, carried on by a worker for as long as its invocation lasts, then by the next, from the
//! checkpoints (DESIGN.md §5).

mod listing;
mod missing;
pub(crate) mod page;
mod worker;

pub(crate) use listing::endpoint;
pub(crate) use worker::{Stopped, problem};

use crate::app::App;
use crate::clock::{random_u64, run_id};
use crate::queue::{Handled, Message};
use crate::rates::DailyRates;
use crate::recompute::{self, Writers};
use crate::refusal::{Kind, Refusal, chain};
use crate::settings::BACKFILL_DAYS_MAX;
use billfold_core::audit::{Action, Deed};
use billfold_core::id::{RunId, WorkspaceId};
use billfold_core::run::{Run, Stage, StageStatus, Trigger};
use billfold_core::window::Checkpoint;
use billfold_store::{Started, StoreError};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

impl App {
    /// Starts a run, unless one is running.
    ///
    /// # Errors
    /// [`Refusal`] `sync_already_running` with the run that is in the way.
    pub async fn start_sync(&self, ws: &WorkspaceId, trigger: Trigger) -> Result<Run, Refusal> {
        if self.store().connection(ws).await?.active_key().is_none() {
            let detail = "Connect Stripe first: there is no API key to read with.";
            return Err(Refusal::new(Kind::Conflict, "not_connected", detail));
        }
        let days = self.settings(ws).await?.backfill_days();
        let now = self.now();
        let run = Run::start(run_id(now, random_u64()?)?, trigger, now, invoices_since(now, days));
        match self.store().start_run(ws, &run).await? {
            Started::AlreadyRunning(running) => {
                let busy = Refusal::new(Kind::Conflict, "sync_already_running", "sync already running");
                Err(Refusal { run: Some(running), ..busy })
            }
            Started::Started => {
                self.send_sync(ws, &run.id).await?;
                tracing::info!(workspace = %ws, run = %run.id, ?trigger, "a sync was started");
                if trigger == Trigger::Manual {
                    self.note(ws, Deed::new(Action::SyncStarted).to(run.id.as_str())).await?;
                }
                Ok(run)
            }
        }
    }

    async fn send_sync(&self, ws: &WorkspaceId, run: &RunId) -> Result<(), Refusal> {
        let message = Message::Sync { workspace: ws.clone(), run: run.clone() };
        Ok(self.queue().send(message, Duration::ZERO).await?)
    }

    /// Stops a run.
    ///
    /// # Errors
    /// [`Refusal`] if there is no such run or it has ended.
    pub async fn cancel_sync(&self, ws: &WorkspaceId, id: &RunId) -> Result<Run, Refusal> {
        let run = self.sync_run(ws, id).await?;
        let ended = || Refusal::new(Kind::Conflict, "sync_not_running", "The run has already ended.");
        let cancelled = run.cancel(self.now()).map_err(|_| ended())?;
        self.note_listed(ws, &self.store().checkpoints(ws, id).await?).await?;
        match self.store().end_run(ws, &cancelled, None).await {
            Ok(()) => {
                self.note(ws, Deed::new(Action::SyncCancelled).to(id.as_str())).await?;
                Ok(cancelled)
            }
            Err(StoreError::Fenced) => Err(ended()),
            Err(error) => Err(error.into()),
        }
    }

    /// A run with its progress.
    ///
    /// # Errors
    /// [`Refusal`] if there is no such run.
    pub async fn sync_run(&self, ws: &WorkspaceId, id: &RunId) -> Result<Run, Refusal> {
        let run = self.store().run(ws, id).await?.ok_or_else(|| Refusal::not_found("run"))?;
        self.with_progress(ws, run).await
    }

    /// Runs, newest first.
    ///
    /// # Errors
    /// [`Refusal`] of the store.
    pub async fn sync_runs(&self, ws: &WorkspaceId, before: Option<&str>, limit: usize) -> Result<Vec<Run>, Refusal> {
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let runs = self.store().runs(ws, before, limit).await?;
        let shown = runs.into_iter().map(|run| self.with_progress(ws, run));
        futures::future::try_join_all(shown).await
    }

    /// While a run is at work its progress is in its checkpoints; afterwards it is in its own row.
    async fn with_progress(&self, ws: &WorkspaceId, mut run: Run) -> Result<Run, Refusal> {
        if run.is_running() {
            let checkpoints = self.store().checkpoints(ws, &run.id).await?;
            add_up(&mut run, &checkpoints);
        }
        Ok(run)
    }

    /// Finds what was lost and sends it to a worker again (law 3): runs that nobody works on, marks that nobody computes,
    /// events that never came. Reads the rates once a day. Run it now and then. What goes wrong in one workspace is logged
    /// and keeps nobody from the others.
    ///
    /// # Errors
    /// [`Refusal`] of the store, or if a workspace or the rates were not swept.
    pub async fn sweep(&self) -> Result<(), Refusal> {
        let workspaces = self.store().workspaces().await?;
        let mut failed = 0_usize;
        let mut note = |ws: &WorkspaceId, swept: Result<(), Refusal>| {
            if let Err(error) = swept {
                tracing::error!(workspace = %ws, error = chain(&error), "a workspace was not swept; it is tried again");
                failed = failed.saturating_add(1);
            }
        };
        for ws in &workspaces {
            note(ws, self.sweep_workspace(ws).await);
        }
        // The bank may be slow, and nobody waits for it who does not want its rates.
        let rates = DailyRates::default();
        for ws in &workspaces {
            note(ws, self.sweep_rates(ws, &rates).await);
        }
        if failed == 0 {
            return Ok(());
        }
        let detail = format!("{failed} steps of the sweep failed; each is in the log.");
        Err(Refusal::new(Kind::Unavailable, "not_swept", detail))
    }

    async fn sweep_workspace(&self, ws: &WorkspaceId) -> Result<(), Refusal> {
        let lease = self.store().lease(ws).await?;
        let idle = lease.until.is_none_or(|until| until < self.now());
        match lease.run {
            Some(run) if idle => self.send_sync(ws, &run).await,
            Some(_) => Ok(()),
            None => self.sweep_idle(ws).await,
        }
    }

    /// What a process does first when it is the only one there is: nobody else can hold a lease or be at work.
    ///
    /// # Errors
    /// [`Refusal`] of the store or the queue.
    pub async fn recover(&self) -> Result<(), Refusal> {
        for ws in self.store().workspaces().await? {
            self.store().release_lease(&ws).await?;
            recompute::take_up(self, &ws, Writers::AreGone).await?;
        }
        self.sweep().await
    }

    /// Does what a message says, for at most about `work_for`. Never fails: what went wrong is in the run, or the message
    /// is to be delivered again.
    pub async fn handle(&self, message: &Message, work_for: Duration) -> Handled {
        self.try_handle(message, work_for).await.unwrap_or_else(|error| {
            if error.kind == Kind::Upstream {
                tracing::warn!(?message, error = %chain(&error), "a message waits for Stripe");
                return Handled::Again(Duration::from_secs(15));
            }
            let again = Duration::from_secs(10);
            tracing::error!(?message, error = %chain(&error), again_s = again.as_secs(), "a message could not be handled");
            if error.kind == Kind::Unavailable { Handled::Again(again) } else { Handled::Failed(again) }
        })
    }

    async fn try_handle(&self, message: &Message, work_for: Duration) -> Result<Handled, Refusal> {
        let ws = match message {
            Message::Erase { workspace } => return crate::erase::work(self, workspace).await,
            // It says what it is about to change.
            Message::Event { workspace, event } => return crate::webhook::fold::work(self, workspace, event).await,
            other => other.workspace(),
        };
        // Whoever erases waits for what this will write.
        let at_work = recompute::at_work(self, ws).await?;
        let done = match message {
            Message::Sync { workspace, run } => worker::work(self, workspace, run, work_for).await,
            Message::Recompute { workspace } => crate::recompute::work(self, workspace).await,
            Message::RecomputeShard { workspace, shard } => {
                crate::recompute::work_on_shard(self, workspace, *shard, work_for).await
            }
            Message::Erase { .. } | Message::Event { .. } => Ok(Handled::Done),
            Message::Coupon { workspace, coupon, holder } => {
                crate::coupons::work(self, workspace, coupon, holder).await
            }
            Message::Invoices { workspace, customer, subscription } => {
                crate::asked::work(self, workspace, customer, subscription).await
            }
            Message::Events { workspace } => crate::webhook::gaps::work(self, workspace).await,
        };
        let forgotten = recompute::forget(self, &[at_work]).await;
        let done = done?;
        forgotten.map(|()| done)
    }
}

pub(crate) fn invoices_since(now: Timestamp, days: u32) -> Option<Timestamp> {
    let back = SignedDuration::from_hours(i64::from(days.min(BACKFILL_DAYS_MAX)).saturating_mul(24));
    now.checked_sub(back).ok()
}

/// Sums the checkpoints into the stages of a run.
pub(crate) fn add_up(run: &mut Run, checkpoints: &[Checkpoint]) {
    for stage in Stage::ALL {
        let mut sum = (0u64, 0u64);
        for checkpoint in checkpoints {
            let part = match checkpoint {
                // A coupon is read with the products and a refund with the invoices, but it is not one.
                Checkpoint::List(window) if window.listing.stage() == stage => {
                    (if window.listing.is_beside() { 0 } else { window.records }, window.requests)
                }
                Checkpoint::Billing(shard) if stage == Stage::AccountBilling => (shard.records, 0),
                _ => continue,
            };
            sum = (sum.0.saturating_add(part.0), sum.1.saturating_add(part.1));
        }
        if let Some(state) = run.stage_mut(stage) {
            (state.records, state.requests) = sum;
            if state.status == StageStatus::Pending && sum.1 > 0 {
                state.status = StageStatus::Running;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use billfold_core::window::{BillingShard, Listing, Window};

    #[test]
    fn progress_is_the_sum_of_the_checkpoints_and_coupons_are_not_products() {
        let now = Timestamp::from_second(1_000_000_000).unwrap();
        let mut run = Run::start(RunId::new("run_1").unwrap(), Trigger::Manual, now, None);
        let window =
            |listing, records| Checkpoint::List(Window { records, requests: 2, ..Window::whole(listing, None) });
        let shard = |shard, records| Checkpoint::Billing(BillingShard { shard, done: false, records });
        let parts = [
            window(Listing::Products, 7),
            window(Listing::Coupons, 5),
            window(Listing::Customers, 100),
            shard(0, 3),
            shard(1, 4),
        ];
        add_up(&mut run, &parts);
        let check = |stage, records, requests, status| {
            let state = run.stage(stage).unwrap();
            assert_eq!((state.records, state.requests, state.status), (records, requests, status), "{stage:?}");
        };
        check(Stage::Products, 7, 4, StageStatus::Running);
        check(Stage::Customers, 100, 2, StageStatus::Running);
        check(Stage::AccountBilling, 7, 0, StageStatus::Pending);
        check(Stage::Invoices, 0, 0, StageStatus::Pending);
    }

    #[test]
    fn the_backfill_window_is_counted_in_days() {
        let now = Timestamp::from_second(1_000_000_000).unwrap();
        assert_eq!(invoices_since(now, 1), Timestamp::from_second(1_000_000_000 - 86_400).ok());
        assert!(invoices_since(now, u32::MAX).is_some());
    }
}

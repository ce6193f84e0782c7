//! One worker on one run: takes the lease, goes on from the checkpoints, and stops when it is done, fenced off, or out of
//! time. What it could not finish, the next worker does.

use super::listing::{self, Read};
use super::{add_up, missing};
use crate::app::App;
use crate::permissions;
use crate::queue::Handled;
use crate::recompute::{self, Writers};
use crate::refusal::{Refusal, chain};
use crate::vault::Secret;
use crate::webhook::GapError;
use billfold_core::connection::Connection;
use billfold_core::facts::Fact;
use billfold_core::id::{AccountId, RunId, WorkspaceId};
use billfold_core::run::{Problem, Run, RunStatus, Stage, StageStatus};
use billfold_core::window::{BillingShard, Checkpoint, Listing, Window};
use billfold_store::{Fence, LeaseHeld, PageRows, SHARDS, StoreError};
use billfold_stripe::{Client, Disposition, StripeError};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long a worker may be silent before another takes over.
const LEASE: SignedDuration = SignedDuration::from_secs(60);
/// How often a worker says that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What a worker has in its hands.
#[derive(Clone)]
pub(super) struct Worker {
    pub(super) app: App,
    pub(super) fence: Fence,
    pub(super) stripe: Client,
    pub(super) deadline: Instant,
}

/// Why a worker stops before the run is finished.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stopped {
    /// Out of time, or Stripe makes it wait: go on later, with what it is waiting for.
    #[error("the worker goes on later")]
    Later(Duration, Option<Problem>),
    /// Stripe refused, and asking again cannot help: somebody has to do something.
    #[error("Stripe refused")]
    Refused(#[source] StripeError),
    /// Another worker has taken over, or the run was stopped.
    #[error("another worker has taken over")]
    Fenced,
    /// Our own trouble.
    #[error(transparent)]
    Trouble(#[from] Refusal),
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Fenced => Self::Fenced,
            other => Self::Trouble(other.into()),
        }
    }
}

impl From<StripeError> for Stopped {
    fn from(error: StripeError) -> Self {
        match error.disposition() {
            Disposition::Retry { after } => Self::Later(after, Some(waiting(&error))),
            Disposition::StopNeedsUser | Disposition::RestartSlice | Disposition::Park => Self::Refused(error),
        }
    }
}

/// What a run is waiting for; it is not a failure.
fn waiting(error: &StripeError) -> Problem {
    Problem {
        code: error.code().to_owned(),
        message: format!("Waiting for Stripe: {}.", chain(error)),
        fix: "Nothing: Billfold tries again by itself.".to_owned(),
    }
}

/// What a person has to do about a refusal of Stripe's.
pub(crate) fn problem(error: &StripeError) -> Problem {
    Problem { code: error.code().to_owned(), message: format!("{error}."), fix: format!("{}.", error.fix()) }
}

/// Works on a run for at most about `work_for`.
pub(super) async fn work(app: &App, ws: &WorkspaceId, id: &RunId, work_for: Duration) -> Result<Handled, Refusal> {
    let deadline = Instant::now() + work_for;
    let now = app.now();
    let fence = match app.store().take_lease(ws, id, now, later(now)).await? {
        Ok(number) => Fence { ws: ws.clone(), run: id.clone(), number },
        Err(LeaseHeld::Ended) => return Ok(Handled::Done),
        Err(LeaseHeld::Until(until)) => {
            let wait = until.duration_since(now).unsigned_abs();
            return Ok(Handled::Again(wait.clamp(Duration::from_secs(1), Duration::from_secs(60))));
        }
    };
    app.store().raise_fences(ws, id, fence.number).await?;
    let Some(run) = app.store().run(ws, id).await? else { return Ok(Handled::Done) };
    let Some(stripe) = app.connected_stripe(ws).await? else {
        return end(app, &fence, run, Ending::Failed(no_key())).await;
    };
    let worker = Worker { app: app.clone(), fence: fence.clone(), stripe: stripe.with_deadline(deadline), deadline };
    let outcome = tokio::select! {
        outcome = Box::pin(worker.carry_on(run)) => outcome,
        fenced = worker.stay_alive() => Err(fenced),
    };
    worker.conclude(outcome).await
}

fn later(now: Timestamp) -> Timestamp {
    now.checked_add(LEASE).unwrap_or(Timestamp::MAX)
}

fn no_key() -> Problem {
    Problem {
        code: "not_connected".into(),
        message: "There is no API key any more.".into(),
        fix: "Connect Stripe again.".into(),
    }
}

enum Ending {
    Finished,
    Failed(Problem),
}

/// Ends the run, with what its checkpoints add up to.
async fn end(app: &App, fence: &Fence, mut run: Run, ending: Ending) -> Result<Handled, Refusal> {
    let checkpoints = app.store().checkpoints(&fence.ws, &run.id).await?;
    add_up(&mut run, &checkpoints);
    app.note_listed(&fence.ws, &checkpoints).await?;
    let now = app.now();
    let ended = match ending {
        Ending::Finished => run.finish(now),
        Ending::Failed(problem) => run.fail(problem, now),
    };
    let Ok(ended) = ended else { return Ok(Handled::Done) };
    // The card first: whoever sees that the run has ended finds the card up to date.
    app.note_run_on_card(&fence.ws, &ended).await?;
    match app.store().end_run(&fence.ws, &ended, Some(fence.number)).await {
        Ok(()) => {}
        Err(StoreError::Fenced) => return Ok(Handled::Done),
        Err(error) => return Err(error.into()),
    }
    let seconds = now.duration_since(ended.started_at).as_secs();
    match &ended.error {
        None => tracing::info!(
            workspace = %fence.ws, run = %ended.id, seconds, records = ended.records(), "a sync succeeded"
        ),
        Some(problem) => tracing::error!(
            workspace = %fence.ws, run = %ended.id, seconds, code = problem.code, problem = problem.message,
            "a sync failed"
        ),
    }
    Ok(Handled::Done)
}

impl Worker {
    /// Keeps the lease until somebody else has it.
    async fn stay_alive(&self) -> Stopped {
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            match self.app.store().extend_lease(&self.fence.ws, self.fence.number, Some(later(self.app.now()))).await {
                Ok(()) => {}
                Err(StoreError::Fenced) => return Stopped::Fenced,
                Err(error) => tracing::warn!(error = %chain(&error), "the lease could not be extended; trying again"),
            }
        }
    }

    /// Everything that is left of a run.
    async fn carry_on(&self, mut run: Run) -> Result<Run, Stopped> {
        let checkpoints = self.checkpoints(&run).await?;
        let windows: Vec<Window> = checkpoints.iter().filter_map(window).cloned().collect();
        let read = listing::read_all(self, &mut run, windows).await?;
        self.note_stages(&mut run, &read).await?;
        if self.is_resync().await? {
            missing::bury_missing(self, &mut run, &read).await?;
        }
        self.fill_gaps(&run).await?;
        self.app.asked().forget(&self.fence.ws);
        self.compute_accounts(&mut run, &checkpoints).await?;
        Ok(run)
    }

    /// Events that happened while the lists were read; without the permission for them nothing is missing but speed.
    async fn fill_gaps(&self, run: &Run) -> Result<(), Stopped> {
        match self.app.fold_events(&self.fence.ws, &self.stripe, run.started_at).await {
            Ok(_) => Ok(()),
            Err(GapError::Stripe(error)) if matches!(error, StripeError::PermissionMissing { .. }) => {
                tracing::info!(workspace = %self.fence.ws, error = chain(&error), "events are not read");
                Ok(())
            }
            Err(GapError::Stripe(error)) => Err(error.into()),
            Err(GapError::Trouble(refusal)) => Err(Stopped::Trouble(refusal)),
        }
    }

    pub(super) async fn is_resync(&self) -> Result<bool, Stopped> {
        Ok(self.app.store().connection(&self.fence.ws).await?.last_sync_at.is_some())
    }

    async fn checkpoints(&self, run: &Run) -> Result<Vec<Checkpoint>, Stopped> {
        let found = self.app.store().checkpoints(&self.fence.ws, &run.id).await?;
        let windows = Listing::ALL.into_iter().filter_map(|listing| listing.window(run.invoices_since));
        let shards = (0..SHARDS).map(|shard| Checkpoint::Billing(BillingShard { shard, done: false, records: 0 }));
        let all: Vec<Checkpoint> = windows.map(Checkpoint::List).chain(shards).collect();
        if found.len() >= all.len() {
            return Ok(found);
        }
        self.app.store().add_checkpoints(&self.fence, &all).await?;
        Ok(self.app.store().checkpoints(&self.fence.ws, &run.id).await?)
    }

    /// Writes down how the reading stages ended.
    async fn note_stages(&self, run: &mut Run, read: &Read) -> Result<(), Stopped> {
        for stage in Stage::ALL {
            let windows = read.windows.iter().filter(|window| window.listing.stage() == stage);
            let unreadable: Vec<&Window> = windows.filter(|window| window.unreadable_count > 0).collect();
            let Some(state) = run.stage_mut(stage).filter(|state| state.name != Stage::AccountBilling) else {
                continue;
            };
            if let Some(problem) = read.skipped.get(&stage) {
                (state.status, state.error) = (StageStatus::Skipped, Some(problem.clone()));
            } else if unreadable.is_empty() {
                (state.status, state.error) = (StageStatus::Done, None);
            } else {
                (state.status, state.error) = (StageStatus::Failed, Some(unreadable_problem(stage, &unreadable)));
            }
        }
        if let Some(state) = run.stage_mut(Stage::AccountBilling) {
            state.status = StageStatus::Running;
        }
        run.error = None;
        self.save(run).await
    }

    /// Writes the run's row.
    pub(super) async fn save(&self, run: &Run) -> Result<(), Stopped> {
        let any = Checkpoint::List(Window::whole(Listing::Products, None)).name();
        Ok(self.app.store().save_run(&self.fence, run, &any).await?)
    }

    /// The last stage: every account that something marked.
    async fn compute_accounts(&self, run: &mut Run, checkpoints: &[Checkpoint]) -> Result<(), Stopped> {
        recompute::take_up(&self.app, &self.fence.ws, Writers::MayLive).await?;
        recompute::expand_everything(&self.app, &self.fence.ws).await?;
        let shards: Vec<BillingShard> = checkpoints.iter().filter_map(shard).cloned().collect();
        // An account whose customers are marked in several shards is computed as often, but counted once.
        let counted = Arc::new(Mutex::default());
        // Everything that was read is stored: whoever holds what came before has an intent by now.
        let at_work = recompute::others_at_work(&self.app, &self.fence.ws, &[]).await?;
        // Those that were done too: a worker that was stopped after them read no events since, and this one has.
        let drain = |shard| {
            let batch = recompute::Batch::beside(self.app.clone(), self.fence.ws.clone(), at_work.clone());
            tokio::spawn(self.clone().drain(batch, shard, Arc::clone(&counted)))
        };
        let drained: Vec<_> = shards.into_iter().map(drain).collect();
        // All end before one is told to have failed, and their batches do if nobody waits any more: else their intents stay.
        for ended in join_all(drained).await {
            ended.map_err(|error| Stopped::Trouble(Refusal::internal(error)))??;
        }
        // Everything that was there is in the ledgers: what comes now is seen happening.
        let seen = |connection: &mut Connection| {
            connection.observed_since.get_or_insert(run.started_at);
        };
        self.app.store().change_connection(&self.fence.ws, seen).await?;
        if let Some(state) = run.stage_mut(Stage::AccountBilling) {
            state.status = StageStatus::Done;
        }
        Ok(())
    }

    async fn drain(
        self,
        mut batch: recompute::Batch,
        mut shard: BillingShard,
        counted: Arc<Mutex<HashSet<AccountId>>>,
    ) -> Result<(), Stopped> {
        loop {
            if Instant::now() >= self.deadline {
                return Err(Stopped::Later(Duration::ZERO, None));
            }
            match batch.drain_some(shard.shard).await? {
                Some(accounts) => {
                    let mut counted = counted.lock().unwrap_or_else(PoisonError::into_inner);
                    let new = accounts.into_iter().filter(|account| counted.insert(account.clone())).count();
                    shard.records = shard.records.saturating_add(u64::try_from(new).unwrap_or(0));
                }
                None => shard.done = true,
            }
            self.app.store().save_page(&self.fence, PageRows::default(), &Checkpoint::Billing(shard.clone())).await?;
            if shard.done {
                return Ok(());
            }
        }
    }

    /// What becomes of the message and the run.
    async fn conclude(&self, outcome: Result<Run, Stopped>) -> Result<Handled, Refusal> {
        let store = self.app.store();
        let (ws, id) = (&self.fence.ws, &self.fence.run);
        match outcome {
            Ok(run) => end(&self.app, &self.fence, run, Ending::Finished).await,
            Err(Stopped::Fenced) => Ok(Handled::Done),
            Err(Stopped::Refused(error)) if self.has_another_key(&error).await? => {
                self.give_back().await?;
                Ok(Handled::Again(Duration::ZERO))
            }
            Err(Stopped::Refused(error)) => {
                let Some(run) = store.run(ws, id).await? else { return Ok(Handled::Done) };
                self.app.note_refusal_on_card(ws, &error).await?;
                end(&self.app, &self.fence, mark_refused(run, &error), Ending::Failed(problem(&error))).await
            }
            Err(Stopped::Later(after, waiting_for)) => {
                if let (Some(problem), Some(mut run)) = (waiting_for, store.run(ws, id).await?) {
                    tracing::warn!(workspace = %ws, run = %id, problem = problem.message, "a sync waits");
                    run.error = Some(problem);
                    self.save_quietly(&run).await?;
                }
                self.give_back().await?;
                Ok(Handled::Again(after))
            }
            Err(Stopped::Trouble(refusal)) => {
                self.give_back().await?;
                Err(refusal)
            }
        }
    }

    /// A key that was refused may have been replaced since it was read from the vault.
    async fn has_another_key(&self, error: &StripeError) -> Result<bool, Refusal> {
        let about_the_key = error.disposition() == Disposition::StopNeedsUser;
        Ok(about_the_key && self.app.vault().refused(&self.fence.ws, Secret::ApiKey).await?)
    }

    async fn save_quietly(&self, run: &Run) -> Result<(), Refusal> {
        match self.save(run).await {
            Ok(()) | Err(Stopped::Fenced) => Ok(()),
            Err(Stopped::Trouble(refusal)) => Err(refusal),
            Err(other) => Err(Refusal::internal(other)),
        }
    }

    async fn give_back(&self) -> Result<(), Refusal> {
        match self.app.store().extend_lease(&self.fence.ws, self.fence.number, None).await {
            Ok(()) | Err(StoreError::Fenced) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// An object fetched by its id and stored, whatever it has become.
    pub(super) fn mark_of(&self, fact: &Fact, stamp: i64) -> Option<billfold_store::Write> {
        let customer = fact.customer()?.clone();
        Some(billfold_store::Store::mark(&self.fence.ws, &billfold_store::Subject::Customer(customer), stamp))
    }
}

/// The stages that a refusal stopped are failed; those that were done stay so.
fn mark_refused(mut run: Run, error: &StripeError) -> Run {
    let refused = match error {
        StripeError::PermissionMissing { endpoint, .. } => Some(*endpoint),
        _ => None,
    };
    for state in &mut run.stages {
        let concerned = refused.is_none_or(|endpoint| listing::stage_of(endpoint) == Some(state.name));
        if concerned && state.name != Stage::AccountBilling && state.status != StageStatus::Done {
            (state.status, state.error) = (StageStatus::Failed, Some(problem(error)));
        }
    }
    run
}

fn unreadable_problem(stage: Stage, windows: &[&Window]) -> Problem {
    let count = windows.iter().fold(0u64, |sum, window| sum.saturating_add(window.unreadable_count));
    let some: Vec<&str> = windows.iter().flat_map(|w| w.unreadable.iter().map(String::as_str)).take(5).collect();
    Problem {
        code: "objects_unreadable".into(),
        message: format!("{count} of the {} could not be read: {}", stage.as_str(), some.join("; ")),
        fix: "Report this to the developers of Billfold; everything else was stored.".into(),
    }
}

fn window(checkpoint: &Checkpoint) -> Option<&Window> {
    match checkpoint {
        Checkpoint::List(window) => Some(window),
        Checkpoint::Billing(_) => None,
    }
}

fn shard(checkpoint: &Checkpoint) -> Option<&BillingShard> {
    match checkpoint {
        Checkpoint::Billing(shard) => Some(shard),
        Checkpoint::List(_) => None,
    }
}

impl App {
    /// What a run that has ended means for the card.
    async fn note_run_on_card(&self, ws: &WorkspaceId, run: &Run) -> Result<(), Refusal> {
        let matched = self.customers_matched(ws).await?;
        let change = |connection: &mut Connection| {
            connection.customers_matched = matched;
            for stage in run.stages.iter().filter(|stage| stage.status == StageStatus::Done) {
                connection.records_synced.set(stage.name, stage.records);
            }
            if run.status == RunStatus::Succeeded {
                connection.last_sync_at = run.finished_at;
                connection.error = None;
            }
        };
        self.store().change_connection(ws, change).await?;
        Ok(())
    }

    /// What a refusal of Stripe's means for the card.
    async fn note_refusal_on_card(&self, ws: &WorkspaceId, error: &StripeError) -> Result<(), Refusal> {
        let change = |connection: &mut Connection| {
            connection.error = Some(problem(error));
            if let StripeError::PermissionMissing { endpoint, .. } = error {
                permissions::note_missing(&mut connection.permissions, *endpoint);
            }
        };
        self.store().change_connection(ws, change).await?;
        Ok(())
    }
}

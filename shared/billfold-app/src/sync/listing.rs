//! Reads all lists at once, each in windows, several windows of a list at once: Stripe allows 25 requests a second to an
//! endpoint, and one reader cannot make that many.

use super::page::{self, PageRead};
use super::worker::{Stopped, Worker, problem};
use crate::permissions;
use crate::refusal::{Refusal, chain};
use billfold_core::run::{Problem, Run, Stage, StageStatus};
use billfold_core::window::{Checkpoint, Listing, Window, split};
use billfold_stripe::{Disposition, Endpoint, StripeError};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Readers of one list: enough to keep 25 requests a second busy at a third of a second each.
const READERS_PER_LIST: usize = 8;

/// Where a list is guessed to begin while nothing older has been seen: five years back.
const GUESSED_AGE_S: i64 = 5 * 365 * 24 * 3600;

/// What reading came to.
pub(super) struct Read {
    /// Every window, read to its end.
    pub(super) windows: Vec<Window>,
    /// Stages that a permission keeps from being read.
    pub(super) skipped: BTreeMap<Stage, Problem>,
}

/// What the readers share.
pub(super) struct Shared {
    /// Customers that are already marked by this worker.
    pub(super) marked: Mutex<std::collections::HashSet<u64>>,
    /// True if the ids of every page are to be remembered.
    pub(super) remember_ids: bool,
}

/// The endpoint of a list.
pub(crate) fn endpoint(listing: Listing) -> Endpoint {
    match listing {
        Listing::Products => Endpoint::Products,
        Listing::Coupons => Endpoint::Coupons,
        Listing::ActivePrices | Listing::ArchivedPrices => Endpoint::Prices,
        Listing::Customers => Endpoint::Customers,
        Listing::Subscriptions => Endpoint::Subscriptions,
        Listing::Invoices | Listing::OlderOpenInvoices => Endpoint::Invoices,
        Listing::Refunds => Endpoint::Refunds,
        Listing::Disputes => Endpoint::Disputes,
        Listing::CreditNotes => Endpoint::CreditNotes,
    }
}

/// The stage that reads an endpoint.
pub(super) fn stage_of(endpoint: Endpoint) -> Option<Stage> {
    match endpoint {
        Endpoint::Products | Endpoint::Coupons => Some(Stage::Products),
        Endpoint::Prices => Some(Stage::Prices),
        Endpoint::Customers => Some(Stage::Customers),
        Endpoint::Subscriptions | Endpoint::SubscriptionItems => Some(Stage::Subscriptions),
        Endpoint::Invoices
        | Endpoint::InvoiceLines
        | Endpoint::Refunds
        | Endpoint::Disputes
        | Endpoint::CreditNotes => Some(Stage::Invoices),
        _ => None,
    }
}

/// The windows of a run while they are being read.
struct Reading<'a> {
    worker: &'a Worker,
    shared: Arc<Shared>,
    windows: HashMap<Listing, Vec<Window>>,
    busy: HashMap<Listing, Vec<u32>>,
    oldest: Timestamp,
    skipped: BTreeMap<Stage, Problem>,
    left_out: Vec<Listing>,
    pages: JoinSet<(Listing, u32, Result<PageRead, Stopped>)>,
}

/// Reads every window to its end.
pub(super) async fn read_all(worker: &Worker, run: &mut Run, windows: Vec<Window>) -> Result<Read, Stopped> {
    let shared = Shared { marked: Mutex::default(), remember_ids: worker.is_resync().await? };
    let oldest = run.started_at.as_second().saturating_sub(GUESSED_AGE_S);
    let mut reading = Reading {
        worker,
        shared: Arc::new(shared),
        windows: HashMap::new(),
        busy: HashMap::new(),
        oldest: Timestamp::from_second(oldest).unwrap_or(Timestamp::UNIX_EPOCH),
        skipped: BTreeMap::new(),
        left_out: Vec::new(),
        pages: JoinSet::new(),
    };
    for window in windows {
        reading.windows.entry(window.listing).or_default().push(window);
    }
    reading.start_stages(run).await?;
    let outcome = reading.read(run).await;
    // Pages that are on their way are let go: what they stored is in their checkpoints.
    reading.pages.shutdown().await;
    outcome?;
    worker.app.note_readable(&worker.fence.ws, &reading.left_out).await?;
    let windows = reading.windows.into_values().flatten().collect();
    Ok(Read { windows, skipped: reading.skipped })
}

impl Reading<'_> {
    async fn start_stages(&self, run: &mut Run) -> Result<(), Stopped> {
        for state in run.stages.iter_mut().filter(|state| state.name != Stage::AccountBilling) {
            if state.status == StageStatus::Pending {
                state.status = StageStatus::Running;
            }
        }
        run.error = None;
        self.worker.save(run).await
    }

    async fn read(&mut self, run: &mut Run) -> Result<(), Stopped> {
        loop {
            if Instant::now() >= self.worker.deadline {
                self.pages_under_way().await;
                return Err(Stopped::Later(Duration::ZERO, None));
            }
            for listing in Listing::ALL {
                self.start_readers(listing).await?;
            }
            let Some(joined) = self.pages.join_next().await else { return Ok(()) };
            let (listing, number, outcome) = joined.map_err(|error| Stopped::Trouble(Refusal::internal(error)))?;
            if let Some(busy) = self.busy.get_mut(&listing) {
                busy.retain(|one| *one != number);
            }
            match outcome {
                Ok(read) => self.page_done(run, read).await?,
                Err(Stopped::Refused(error)) => self.refused(listing, error)?,
                Err(other) => return Err(other),
            }
        }
    }

    /// Lets the pages that are on their way finish: their work is done and only has to be stored.
    async fn pages_under_way(&mut self) {
        let grace =
            tokio::time::timeout(Duration::from_secs(5), async { while self.pages.join_next().await.is_some() {} });
        if grace.await.is_err() {
            tracing::debug!("some pages did not finish in time and will be read again");
        }
    }

    /// Gives every window of a list a reader, and cuts windows while there are too few.
    async fn start_readers(&mut self, listing: Listing) -> Result<(), Stopped> {
        if self.skipped.contains_key(&listing.stage()) && listing != Listing::Products {
            return Ok(());
        }
        loop {
            let idle = self.idle_window(listing);
            if let Some(window) = idle {
                self.start(window);
                continue;
            }
            return Ok(());
        }
    }

    fn idle_window(&self, listing: Listing) -> Option<Window> {
        let busy = self.busy.get(&listing);
        let free = |window: &&Window| !window.done && busy.is_none_or(|busy| !busy.contains(&window.number));
        self.windows.get(&listing)?.iter().find(free).cloned()
    }

    fn start(&mut self, window: Window) {
        let (listing, number) = (window.listing, window.number);
        self.busy.entry(listing).or_default().push(number);
        let (worker, shared) = (self.worker.clone(), Arc::clone(&self.shared));
        self.pages.spawn(async move { (listing, number, page::read(&worker, &shared, window).await) });
    }

    async fn page_done(&mut self, run: &mut Run, read: PageRead) -> Result<(), Stopped> {
        let listing = read.window.listing;
        if let Some(oldest) = read.oldest_catalogue {
            self.oldest = self.oldest.max(Timestamp::UNIX_EPOCH).min(oldest);
        }
        let windows = self.windows.entry(listing).or_default();
        if let Some(place) = windows.iter_mut().find(|window| window.number == read.window.number) {
            *place = read.window;
        }
        let finished = windows.iter().all(|window| window.done);
        self.split(listing).await?;
        if finished {
            self.stage_progress(run, listing.stage()).await?;
        }
        Ok(())
    }

    /// Cuts a window of a list that has too few readers; never one that is being read.
    async fn split(&mut self, listing: Listing) -> Result<(), Stopped> {
        let busy = self.busy.get(&listing).cloned().unwrap_or_default();
        let Some(windows) = self.windows.get_mut(&listing) else { return Ok(()) };
        while let Some(cut) = split(windows, READERS_PER_LIST, self.oldest) {
            if busy.contains(&cut.newer.number) {
                return Ok(());
            }
            let (newer, older) = (Checkpoint::List(cut.newer.clone()), Checkpoint::List(cut.older.clone()));
            self.worker.app.store().save_split(&self.worker.fence, &newer, &older).await?;
            if let Some(place) = windows.iter_mut().find(|window| window.number == cut.newer.number) {
                *place = cut.newer;
            }
            windows.push(cut.older);
        }
        Ok(())
    }

    /// Writes down that a stage is done, so that whoever looks on sees it.
    async fn stage_progress(&self, run: &mut Run, stage: Stage) -> Result<(), Stopped> {
        let mut windows = self.windows.values().flatten().filter(|window| window.listing.stage() == stage);
        if !windows.all(|window| window.done && window.unreadable_count == 0) || self.skipped.contains_key(&stage) {
            return Ok(());
        }
        if let Some(state) = run.stage_mut(stage) {
            state.status = StageStatus::Done;
        }
        self.worker.save(run).await
    }

    /// A refusal of something that Billfold can live without skips what needs it; any other stops the run.
    fn refused(&mut self, listing: Listing, error: StripeError) -> Result<(), Stopped> {
        let only_this = match &error {
            StripeError::PermissionMissing { endpoint, .. } => !permissions::is_required(*endpoint),
            other => other.disposition() == Disposition::Park,
        };
        if !only_this || permissions::is_required(endpoint(listing)) {
            return Err(Stopped::Refused(error));
        }
        tracing::warn!(?listing, error = chain(&error), "a list is skipped");
        // What is no stage of its own only completes something; the card says that it is missing.
        self.left_out.extend(Some(listing).filter(|listing| listing.is_beside()));
        if !listing.is_beside() {
            self.skipped.insert(listing.stage(), problem(&error));
        }
        for window in self.windows.entry(listing).or_default() {
            window.done = true;
        }
        Ok(())
    }
}

//! The proof of convergence: a small business changes by chance while its webhooks are delivered in any order, twice,
//! late or never, syncs run, old pages arrive, and workers die. Then it falls silent, gaps are filled, and every row must
//! be what Stripe says.
//!
//! A seed decides everything that this driver decides.

mod calls;
mod compare;
mod deaths;
mod parts;
mod wire;

use anyhow::{Context as _, bail, ensure};
use billfold_app::{App, ConnectRequest, Handled, Kind, Message, OtherData, Unreceived};
use billfold_core::event::ENABLED_EVENTS;
use billfold_core::fold::Rule;
use billfold_core::id::{EndpointId, WorkspaceId};
use billfold_core::run::{Run, StageState, Trigger};
use billfold_sim::{Change, Delivery, Dice, Sim, Spec, Version};
use billfold_store::{Store, embedded, inside};
use billfold_stripe::Client;
use calls::Calls;
pub use calls::{Dies, Trouble};
pub use deaths::run_and_die;
pub use parts::Setup;
use parts::{Drawer, Mailbox, app};
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use wire::Wire;

/// When the simulated business stands.
const NOW: i64 = 1_790_000_000;
/// Versions in which webhooks come: the pinned one mostly, old ones, and one that is too old to be read.
const VERSIONS: [&str; 6] =
    ["2026-09-30.endive", "2026-09-30.endive", "2026-09-30.endive", "2025-08-27.basil", "2024-06-20", "2019-12-03"];
/// How far back invoices are read: a year mostly, and little more than what is going on.
const BACKFILL_DAYS: [u32; 3] = [365, 365, 90];
/// Customers at the beginning.
const CUSTOMERS: u32 = 5;
/// Companies that customers move between.
const COMPANIES: u64 = 3;
/// Workers at once.
const WORKERS: u64 = 2;
/// Messages that a worker takes at once.
const TAKEN_MAX: usize = 6;
/// So many looks make a minute of the simulation's time while a schedule falls silent.
const LOOKS_A_MINUTE: u32 = 2000;
/// How often something is tried again before it is plain that it never works.
const ATTEMPTS_MAX: u32 = 200;
/// Minutes of the simulation's time in which silence sets in. Only a fault of the program comes near it.
const SILENCE_MINUTES_MAX: u32 = 60;
/// How long it may take on a machine with a lot else to do.
const SILENCE_MAX: Duration = Duration::from_secs(600);

/// How what was lost is found in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// From Stripe's list of events.
    ByEvents,
    /// By another sync.
    BySync,
    /// Nothing was lost.
    NothingLost,
}

/// Where the workers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Processes {
    /// All in one, as on a laptop.
    One,
    /// Each in its own, as functions are: what one remembers no other knows.
    Several,
}

/// One world under one schedule.
pub struct Simulation {
    pub sim: Sim,
    pub ws: WorkspaceId,
    pub store: Store,
    app: App,
    stripe: Client,
    wire: Wire,
    mailbox: Arc<Mailbox>,
    vault: Arc<Drawer>,
    rule: Rule,
    processes: Processes,
    endpoint: EndpointId,
    workers: JoinSet<()>,
    dice: Dice,
    calls: Calls,
    /// When the process dies after its next birth.
    next_death: Option<u64>,
    /// On their way.
    couriers: Vec<Delivery>,
    /// Lost, unless they come after all.
    lost: Vec<Delivery>,
    invoices_since: i64,
}

/// Runs a seed through, with a rule for which version of an object wins.
///
/// # Errors
/// What is not true in the end.
pub async fn run(seed: u64, rule: Rule) -> anyhow::Result<()> {
    let webhooks = Version::parse(Dice::new(seed).pick::<&str>(&VERSIONS)).context("no such version")?;
    let backfill_days = *Dice::new(seed ^ 0xdab5).pick(&BACKFILL_DAYS);
    let setup = Setup { webhooks, backfill_days, ..Setup::default() };
    let mut simulation = Simulation::with(seed, CUSTOMERS, rule, setup).await?;
    simulation.arm_by_chance();
    let steps = 20 + simulation.dice.below(30);
    for _ in 0..steps {
        simulation.step().await?;
    }
    let found = *simulation.dice.pick(&[Found::ByEvents, Found::BySync]);
    simulation.fall_silent(found).await?;
    let compared = simulation.compare().await;
    let runs = simulation.app.sync_runs(&simulation.ws, None, 10).await?;
    compared.with_context(|| format!("seed {seed}, found {found:?}, runs {}", told(&runs)))
}

/// How runs ended, for whoever looks for what went wrong.
fn told(runs: &[Run]) -> String {
    let stage = |state: &StageState| format!("{}: {:?} {}", state.name.as_str(), state.status, state.records);
    let run = |run: &Run| {
        let stages: Vec<String> = run.stages.iter().map(stage).collect();
        let skipped = run.stages.iter().filter_map(|state| state.error.as_ref()).map(|error| error.message.clone());
        format!("{:?} ({}; {})", run.status, stages.join(", "), skipped.collect::<Vec<_>>().join("; "))
    };
    runs.iter().map(run).collect::<Vec<_>>().join("\n")
}

impl Simulation {
    /// A business that is connected, its first sync under way.
    ///
    /// # Errors
    /// Whatever keeps it from starting.
    pub async fn new(seed: u64, customers: u32, rule: Rule) -> anyhow::Result<Self> {
        Self::with(seed, customers, rule, Setup::default()).await
    }

    /// The same, set up in some way.
    ///
    /// # Errors
    /// Whatever keeps it from starting.
    pub async fn with(seed: u64, customers: u32, rule: Rule, setup: Setup) -> anyhow::Result<Self> {
        let sim = Sim::generate(&Spec::new(seed, customers, NOW));
        (setup.before)(&sim);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(sim.clone().serve(listener));
        let calls = Calls::new(seed);
        let wire = Wire::to(address, calls.clone()).await?;
        let dynamodb = Dice::new(seed ^ 0xd1a0).chance(500);
        let store = if dynamodb { inside::memory().await? } else { embedded::memory().await? };
        let store = embedded::behind(calls.gate(), &store);
        let (mailbox, vault) = (Arc::new(Mailbox::new(calls.clone())), Arc::new(Drawer::new(calls.clone())));
        let app = app(&sim, &wire.base, &store, &mailbox, &vault, rule)?;
        app.start_with_backfill_days(setup.backfill_days);
        let ws = WorkspaceId::new("acme")?;
        let stripe = compare::client(&format!("http://{address}"), sim.api_key())?;
        let mut simulation = Self {
            app,
            stripe,
            wire,
            mailbox,
            vault,
            rule,
            processes: if Dice::new(seed ^ 0xface).chance(500) { Processes::One } else { Processes::Several },
            endpoint: EndpointId::new("none")?,
            workers: JoinSet::new(),
            dice: Dice::new(seed ^ 0x5eed),
            calls,
            next_death: None,
            couriers: Vec::new(),
            lost: Vec::new(),
            invoices_since: NOW - i64::from(setup.backfill_days) * 86_400,
            sim,
            ws,
            store,
        };
        simulation.connect(setup.webhooks).await?;
        Ok(simulation)
    }

    async fn connect(&mut self, version: Version) -> anyhow::Result<()> {
        let made = self.sim.add_endpoint("http://127.0.0.1:9/", &ENABLED_EVENTS, Some(version));
        let request = ConnectRequest {
            api_key: SecretString::from(self.sim.api_key()),
            webhook_secret: Some(SecretString::from(made.secret)),
            other_data: OtherData::Keep,
        };
        self.app.connect(&self.ws, request).await?;
        let url = self.app.card(&self.ws).await?.webhook.url.context("no webhook URL")?;
        self.endpoint = EndpointId::new(url.rsplit('/').next().unwrap_or_default())?;
        self.work()
    }

    /// Where deliveries go.
    #[must_use]
    pub fn endpoint(&self) -> &EndpointId {
        &self.endpoint
    }

    /// The program as it runs now.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Makes something happen.
    ///
    /// # Errors
    /// If Stripe would refuse it.
    pub fn change(&mut self, change: &Change) -> anyhow::Result<()> {
        self.sim.apply(change)?;
        self.collect();
        Ok(())
    }

    /// What was sent is on its way.
    fn collect(&mut self) {
        self.couriers.extend(self.sim.take_deliveries());
    }

    /// The deliveries on their way, oldest first; whoever takes them delivers them.
    pub fn take_deliveries(&mut self) -> Vec<Delivery> {
        std::mem::take(&mut self.couriers)
    }

    /// Holds what Stripe answers, or lets it go.
    pub fn hold_answers(&self) {
        self.wire.hold();
    }

    /// Lets go what was held.
    pub fn let_answers_go(&self) {
        self.wire.let_go();
    }

    async fn step(&mut self) -> anyhow::Result<()> {
        if self.calls.is_dead() {
            self.crash().await?;
        }
        match self.dice.below(100) {
            0..40 => {
                for _ in 0..=self.dice.below(3) {
                    match self.dice.below(8) {
                        0 => self.somebody_moves()?,
                        _ => drop(self.sim.random_change(&mut self.dice)),
                    }
                }
                self.collect();
            }
            40..75 => self.deliver_some().await?,
            75..85 => self.sim.advance(i64::try_from(self.dice.below(3))?),
            85..90 => self.wire.hold(),
            90..94 => self.wire.let_go(),
            94..97 => self.crash().await?,
            _ => self.start_sync().await?,
        }
        for _ in 0..self.dice.below(40) {
            tokio::task::yield_now().await;
        }
        if self.dice.chance(200) {
            tokio::time::sleep(Duration::from_millis(self.dice.below(4))).await;
        }
        Ok(())
    }

    /// A customer goes to one of few companies, so that accounts gain and lose customers, and end.
    fn somebody_moves(&mut self) -> anyhow::Result<()> {
        let there = self.sim.truth().customers.into_iter().filter(|(_, customer)| !customer.deleted);
        let there: Vec<String> = there.map(|(id, _)| id).collect();
        if there.is_empty() {
            return Ok(());
        }
        let email = format!("somebody@company-{}.io", self.dice.below(COMPANIES));
        let customer = self.dice.pick(&there).clone();
        self.sim.apply(&Change::UpdateCustomer { customer, name: None, email: Some(email) })?;
        Ok(())
    }

    /// Some delivery arrives: once, or twice, or never, or in a bad moment.
    async fn deliver_some(&mut self) -> anyhow::Result<()> {
        for _ in 0..=self.dice.below(5) {
            if self.couriers.is_empty() {
                return Ok(());
            }
            let place = self.dice.index(self.couriers.len());
            let delivery = self.couriers.swap_remove(place);
            match self.dice.below(10) {
                0 => self.lost.push(delivery),
                1 => {
                    self.deliver(&delivery).await?;
                    self.couriers.push(delivery);
                }
                _ => self.deliver(&delivery).await?,
            }
        }
        Ok(())
    }

    /// One delivery arrives, signed as of now; again and again as long as it is our own trouble that it is not accepted.
    ///
    /// # Errors
    /// If it is refused.
    pub async fn deliver(&mut self, delivery: &Delivery) -> anyhow::Result<()> {
        for _ in 0..ATTEMPTS_MAX {
            let signed = delivery.clone().signed_at(self.sim.now());
            let received = tokio::select! {
                received = self.app.receive(&self.endpoint, &signed.signature, &signed.body) => received,
                () = self.calls.death() => {
                    self.crash().await?;
                    continue;
                }
            };
            match received {
                Ok(_) => return Ok(()),
                Err(Unreceived::Trouble(refusal)) if refusal.kind == Kind::Unavailable => {}
                Err(error) => bail!("{} was not accepted: {error}", signed.kind),
            }
        }
        bail!("{} was never accepted", delivery.kind)
    }

    /// Starts a sync, unless one is running.
    ///
    /// # Errors
    /// Whatever else keeps it from starting.
    pub async fn start_sync(&mut self) -> anyhow::Result<()> {
        for _ in 0..ATTEMPTS_MAX {
            let started = tokio::select! {
                started = self.app.start_sync(&self.ws, Trigger::Manual) => started,
                () = self.calls.death() => {
                    self.crash().await?;
                    continue;
                }
            };
            match started {
                Ok(_) => return Ok(()),
                Err(refusal) if refusal.code == "sync_already_running" => return Ok(()),
                Err(refusal) if refusal.kind == Kind::Unavailable => {}
                Err(refusal) => return Err(refusal.into()),
            }
        }
        bail!("a sync never started")
    }

    /// The process dies in the middle of whatever it does, and another takes up what it left.
    async fn crash(&mut self) -> anyhow::Result<()> {
        for _ in 0..ATTEMPTS_MAX {
            self.workers.shutdown().await;
            self.mailbox.redeliver();
            if self.calls.is_dead() {
                let dies = if self.dice.chance(500) { Dies::Before } else { Dies::After };
                self.calls
                    .arm(Trouble { dies_at: self.next_death.take().map(|at| (at, dies)), ..self.calls.trouble() });
            }
            self.calls.live_again();
            self.app = app(&self.sim, &self.wire.base, &self.store, &self.mailbox, &self.vault, self.rule)?;
            let recovered = tokio::select! {
                recovered = self.app.recover() => recovered,
                () = self.calls.death() => continue,
            };
            match recovered {
                Ok(()) => return self.work(),
                // A process that cannot start is started again.
                Err(refusal) if refusal.kind == Kind::Unavailable => {}
                Err(refusal) => return Err(refusal.into()),
            }
        }
        bail!("it never started")
    }

    fn work(&mut self) -> anyhow::Result<()> {
        for worker in 0..WORKERS {
            let app = match self.processes {
                Processes::One => self.app.clone(),
                Processes::Several => {
                    app(&self.sim, &self.wire.base, &self.store, &self.mailbox, &self.vault, self.rule)?
                }
            };
            let mailbox = Arc::clone(&self.mailbox);
            let mut dice = Dice::new(self.dice.below(u64::MAX) ^ worker);
            self.workers.spawn(async move {
                loop {
                    let most = dice.index(TAKEN_MAX) + 1;
                    let taken = mailbox.take(|| dice.below(u64::MAX), most).await;
                    if taken.is_empty() {
                        tokio::time::sleep(Duration::from_micros(300)).await;
                        continue;
                    }
                    let messages: Vec<Message> = taken.iter().map(|taken| taken.message.clone()).collect();
                    let handled = app.handle_all(&messages, Duration::from_secs(600)).await;
                    for (taken, handled) in taken.iter().zip(handled) {
                        match handled {
                            Handled::Done => mailbox.done(taken).await,
                            Handled::Again(_) | Handled::Failed(_) => mailbox.again(taken),
                        }
                    }
                    tokio::time::sleep(Duration::from_micros(300)).await;
                }
            });
        }
        Ok(())
    }

    /// Waits until nobody has anything to do.
    ///
    /// # Errors
    /// If it takes too long, or a run failed.
    pub async fn idle(&mut self) -> anyhow::Result<()> {
        let runs = loop {
            tokio::time::timeout(SILENCE_MAX, self.silence()).await.context("it does not fall silent")??;
            tokio::select! {
                runs = self.app.sync_runs(&self.ws, None, 1) => break runs?,
                // It may die with its last word.
                () = self.calls.death() => {}
            }
        };
        match runs.first().map(|run| (run.is_running(), &run.error)) {
            Some((true, _)) => bail!("a run was left behind"),
            Some((_, Some(problem))) => bail!("a run failed: {}", problem.message),
            _ => Ok(()),
        }
    }

    async fn silence(&mut self) -> anyhow::Result<()> {
        let mut looks = 0u32;
        while !self.mailbox.is_idle() || self.calls.is_dead() {
            if self.calls.is_dead() {
                self.crash().await?;
            }
            // A lease that could not be given back ends with time.
            looks += 1;
            if looks.is_multiple_of(LOOKS_A_MINUTE) {
                ensure!(looks / LOOKS_A_MINUTE <= SILENCE_MINUTES_MAX, "it does not fall silent");
                self.sim.advance(60);
            }
            tokio::time::sleep(Duration::from_micros(300)).await;
        }
        Ok(())
    }

    /// Everything that is on its way arrives, what was lost is found, and old deliveries come when nobody expects them.
    ///
    /// # Errors
    /// If anything fails.
    pub async fn fall_silent(&mut self, found: Found) -> anyhow::Result<()> {
        self.wire.let_go();
        self.disarm().await?;
        for delivery in self.take_deliveries() {
            self.deliver(&delivery).await?;
        }
        self.idle().await?;
        // What the process does every minute: marks that nobody computes, runs that nobody works on.
        self.app.sweep().await?;
        self.idle().await?;
        self.sim.advance(10);
        match found {
            Found::ByEvents => {
                let message = Message::Events { workspace: self.ws.clone() };
                billfold_app::Queue::send(&*self.mailbox, message, Duration::ZERO).await?;
            }
            Found::BySync => self.start_sync().await?,
            Found::NothingLost => {}
        }
        self.idle().await?;
        self.sim.advance(10);
        for delivery in std::mem::take(&mut self.lost) {
            if self.dice.chance(500) {
                self.deliver(&delivery).await?;
            }
        }
        self.idle().await
    }

    /// Compares every row and every account with the truth.
    ///
    /// # Errors
    /// What is not true.
    pub async fn check(&self) -> anyhow::Result<()> {
        self.compare().await
    }
}

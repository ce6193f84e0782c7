//! The demo: a simulated Stripe, the whole of Billfold in one process, a connection through the real API, a sync, and
//! every figure held against what the simulation knows to be true. Prints nothing; `billfold demo` shows it.

mod check;
mod rates;

use crate::client::accounts::AccountsWanted;
use crate::client::view::{AccountLine, CardView, RunView};
use crate::client::{Client, ClientError, Credentials, encoded};
use crate::serve::{Local, Options, StartError};
use billfold_app::auth::{LocalKeyError, Role};
use billfold_app::{Clock, LimitsConfig};
use billfold_core::billing::AccountBilling;
use billfold_core::connection::Records;
use billfold_core::id::{IdError, WorkspaceId};
use billfold_core::run::RunStatus;
use billfold_sim::{Business, Sim, Spec, Truth};
use billfold_stripe::{Base, BaseError};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::json;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How often the run is looked at; it is a short one.
const LOOK_EVERY: Duration = Duration::from_millis(40);
/// Accounts that are read side by side.
const READS_AT_ONCE: usize = 8;
/// The simulated Stripe has no limits, so that nobody has to wait for the demo.
const NO_LIMIT_PER_S: f64 = 100_000.0;
/// The workspace of the demo.
pub const WORKSPACE: &str = "demo";

/// What to show.
#[derive(Debug, Clone, Copy)]
pub struct DemoOptions {
    /// How many customers the simulated business has.
    pub customers: u32,
    /// Another number makes another business.
    pub seed: u64,
    /// Where in time the business stands.
    pub now: Timestamp,
}

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Billfold did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The simulation did not start.
    #[error("the simulated Stripe cannot listen")]
    Simulation(#[source] io::Error),
    /// The simulation's address is none, which cannot be.
    #[error(transparent)]
    Base(#[from] BaseError),
    /// The API said no, or nothing.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// No token could be made.
    #[error(transparent)]
    Token(#[from] LocalKeyError),
    /// The workspace's name is none, which cannot be.
    #[error(transparent)]
    Workspace(#[from] IdError),
    /// Connecting started no sync.
    #[error("connecting started no sync")]
    NoSync,
    /// The sync failed.
    #[error("the sync did not succeed: {0}")]
    Sync(String),
    /// What was seen could not be shown.
    #[error("the progress cannot be shown")]
    Show(#[from] io::Error),
}

/// A demo at work.
pub struct Demo {
    local: Local,
    sim: Sim,
    stripe: JoinHandle<io::Result<std::convert::Infallible>>,
    client: Client,
    token: String,
}

/// What the demo came to.
#[derive(Debug)]
pub struct Outcome {
    /// The accounts, largest MRR first.
    pub accounts: Vec<AccountLine>,
    /// The card at the end.
    pub card: CardView,
    /// The run.
    pub run: RunView,
    /// How many figures were compared.
    pub compared: u64,
    /// Where Billfold and the simulation disagree; empty when all is well.
    pub differences: Vec<String>,
}

/// The simulation's clock stands still while figures are compared, and so does Billfold's.
struct SimClock(Sim);

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.now()).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

impl Demo {
    /// Starts the simulated Stripe and Billfold.
    ///
    /// # Errors
    /// [`DemoError`].
    pub async fn start(options: DemoOptions) -> Result<Self, DemoError> {
        let sim = simulation(options);
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(DemoError::Simulation)?;
        let base = format!("http://{}", listener.local_addr().map_err(DemoError::Simulation)?);
        let stripe = tokio::spawn(sim.clone().serve(listener));
        let limits =
            LimitsConfig { share: None, total_per_s: Some(NO_LIMIT_PER_S), endpoint_per_s: Some(NO_LIMIT_PER_S) };
        let clock = Arc::new(SimClock(sim.clone()));
        let local = Local::start(Options { limits, clock, ..Options::in_memory(Base::parse(&base)?) }).await?;
        let token = local.token(&WorkspaceId::new(WORKSPACE)?, Role::Admin)?;
        let client = Client::new(&local.url, Credentials::Token(SecretString::from(token.clone())))?;
        Ok(Self { local, sim, stripe, client, token })
    }

    /// Where Billfold listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.local.url
    }

    /// A token for the API, good for 12 hours.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// How many records each stage will read, and how many accounts come out.
    #[must_use]
    pub fn expected(&self) -> (Records, u64) {
        let truth = self.sim.truth();
        (check::records(&truth), truth.accounts().len() as u64)
    }

    /// Connects, syncs, reads every account and compares. `seen` is shown the run while it runs.
    ///
    /// # Errors
    /// [`DemoError`].
    pub async fn run(&self, mut seen: impl FnMut(&RunView) -> io::Result<()>) -> Result<Outcome, DemoError> {
        self.client.patch("/v1/settings", json!({"currency": "usd", "rates": rates::table()})).await?;
        let card = self.client.post("/v1/stripe", Some(json!({"api_key": self.sim.api_key()}))).await?;
        let run = card.read::<CardView>()?.sync.ok_or(DemoError::NoSync)?.id;
        let followed = self.client.follow::<DemoError>(&run, LOOK_EVERY, |run| Ok(seen(run)?)).await?;
        if followed.run.status != RunStatus::Succeeded {
            let why = followed.run.error.map_or_else(|| "it was stopped".to_owned(), |error| error.message);
            return Err(DemoError::Sync(why));
        }
        self.compare(followed.run).await
    }

    async fn compare(&self, run: RunView) -> Result<Outcome, DemoError> {
        let card: CardView = self.client.get("/v1/stripe").await?.read()?;
        let accounts = self.client.accounts(&AccountsWanted::default()).await?.lines;
        let read = |line: &AccountLine| {
            let path = format!("/v1/accounts/{}/billing", encoded(&line.id));
            let id = line.id.clone();
            async move { Ok::<_, ClientError>((id, self.client.get(&path).await?.read::<AccountBilling>()?)) }
        };
        let reads: Vec<_> = accounts.iter().map(read).collect();
        let billing: BTreeMap<String, AccountBilling> =
            stream::iter(reads).buffer_unordered(READS_AT_ONCE).try_collect().await?;
        let truth: Truth = self.sim.truth();
        let checked = check::check(&truth, &card, &accounts, &billing);
        Ok(Outcome { accounts, card, run, compared: checked.compared, differences: checked.differences })
    }

    /// Lets time go on, for somebody who looks around.
    pub fn let_time_run(&self) {
        self.sim.run_clock();
    }

    /// Ends it.
    pub async fn stop(self) {
        self.local.stop().await;
        self.stripe.abort();
    }
}

/// A simulation in which exactly so many customers can be seen. Some that are generated cannot: they belong to a test
/// clock, or were deleted; of these, as many as are missing come back.
fn simulation(options: DemoOptions) -> Sim {
    let wanted = options.customers;
    let generate = |customers| Sim::generate(&Spec::new(options.seed, customers, options.now.as_second()));
    let seen = |sim: &Sim| u32::try_from(check::records(&sim.truth()).customers).unwrap_or(u32::MAX);
    // A few more than wanted, so that some stay deleted, as in life.
    let sim = generate(wanted.saturating_add(wanted / 50));
    if let Some(missing) = wanted.checked_sub(seen(&sim))
        && sim.edit(|business| bring_back(business, missing)) == missing
    {
        return sim;
    }
    // With everybody back, one customer more is seen at most for each that is generated more: this cannot go too far.
    let mut generated = wanted;
    loop {
        let sim = generate(generated);
        sim.edit(|business| bring_back(business, u32::MAX));
        match wanted.saturating_sub(seen(&sim)) {
            0 => return sim,
            missing => generated = generated.saturating_add(missing),
        }
    }
}

/// Brings back deleted customers, at most so many; how many.
fn bring_back(business: &mut Business, most: u32) -> u32 {
    let deleted = business.customers.iter().filter(|(_, row)| row.deleted && !row.test_clock).map(|(place, _)| place);
    let deleted: Vec<_> = deleted.take(most as usize).collect();
    for place in &deleted {
        business.customers[*place].deleted = false;
    }
    u32::try_from(deleted.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;

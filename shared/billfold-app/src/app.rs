//! What every use case stands on: the store, the ports, the way to Stripe.

use crate::asked::Asked;
use crate::clock::{Clock, random_u64};
use crate::queue::Queue;
use crate::recompute::Catalogues;
use crate::refusal::Refusal;
use crate::vault::{Secret, Vault};
use crate::webhook::{Endpoints, Folding};
use billfold_core::audit::Actor;
use billfold_core::connection::Connection;
use billfold_core::fold::{self, Decision, Incoming, Rule, Stored};
use billfold_core::id::WorkspaceId;
use billfold_core::key::Mode;
use billfold_store::Store;
use billfold_stripe::{Base, Budget, Client, Limits, Transport, TransportError};
use jiff::Timestamp;
use secrecy::SecretString;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What an [`App`] is made of.
pub struct Parts {
    /// The billing state.
    pub store: Store,
    /// Where messages go.
    pub queue: Arc<dyn Queue>,
    /// Where keys live.
    pub vault: Arc<dyn Vault>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The rest.
    pub config: Config,
}

/// What differs between deployments.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where Stripe is.
    pub stripe: Base,
    /// How fast it may be asked.
    pub limits: LimitsConfig,
    /// Where Billfold is, for the webhook URL: scheme and host, no path.
    pub public_url: String,
    /// Where the European Central Bank's rates are read: [`crate::ECB_DAILY_URL`], or a mirror of it.
    pub rates_url: String,
}

/// How fast Stripe may be asked; what is not said is Stripe's own limit for the key's mode, and four fifths of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct LimitsConfig {
    /// The part of the limits that Billfold takes, from 0 to 1.
    pub share: Option<f64>,
    /// Requests a second in all.
    pub total_per_s: Option<f64>,
    /// Requests a second to one endpoint.
    pub endpoint_per_s: Option<f64>,
}

impl LimitsConfig {
    fn limits(self, mode: Mode) -> Limits {
        let standard = match mode {
            Mode::Live => Limits::live(),
            Mode::Test => Limits::test(),
        };
        Limits {
            total_per_s: self.total_per_s.unwrap_or(standard.total_per_s),
            endpoint_per_s: self.endpoint_per_s.unwrap_or(standard.endpoint_per_s),
            share: self.share.unwrap_or(standard.share),
        }
    }
}

/// The use cases, over one set of parts, in the hands of somebody; of Billfold itself if nobody is named. Cloning is cheap.
#[derive(Clone)]
pub struct App(pub(crate) Arc<Inner>, pub(crate) Option<Arc<Actor>>);

pub(crate) struct Inner {
    parts: Parts,
    transport: Transport,
    /// One rate budget for each Stripe account in this process.
    budgets: Mutex<HashMap<(WorkspaceId, Mode), Arc<Budget>>>,
    /// Which version of an object wins.
    rule: Rule,
    endpoints: Endpoints,
    folding: Folding,
    catalogues: Catalogues,
    asked: Asked,
    /// The backfill of workspaces that connect and have not said otherwise.
    backfill_days: OnceLock<u32>,
}

/// The app could not be put together.
#[derive(Debug, thiserror::Error)]
#[error("the connection pool to Stripe could not be made")]
pub struct AppError(#[from] TransportError);

impl App {
    /// Puts the parts together.
    ///
    /// # Errors
    /// [`AppError`] if TLS cannot be set up.
    pub fn new(parts: Parts) -> Result<Self, AppError> {
        Self::with_rule(parts, fold::decide)
    }

    /// The same with another rule for which version of an object wins. For one purpose: to prove that a test would find
    /// a wrong one.
    ///
    /// # Errors
    /// [`AppError`] if TLS cannot be set up.
    #[doc(hidden)]
    pub fn with_rule(parts: Parts, rule: Rule) -> Result<Self, AppError> {
        let transport = Transport::new(parts.config.stripe.clone())?;
        let inner = Inner {
            parts,
            transport,
            budgets: Mutex::default(),
            rule,
            endpoints: Endpoints::default(),
            folding: Folding::default(),
            catalogues: Catalogues::default(),
            asked: Asked::default(),
            backfill_days: OnceLock::new(),
        };
        Ok(Self(Arc::new(inner), None))
    }

    /// Workspaces that connect from now on start with a backfill of so many days. What is said first holds.
    pub fn start_with_backfill_days(&self, days: u32) {
        self.0.backfill_days.get_or_init(|| days);
    }

    pub(crate) fn backfill_days(&self) -> Option<u32> {
        self.0.backfill_days.get().copied()
    }

    pub(crate) fn decide(&self, stored: Option<Stored>, incoming: Incoming) -> Decision {
        (self.0.rule)(stored, incoming)
    }

    pub(crate) fn endpoints(&self) -> &Endpoints {
        &self.0.endpoints
    }

    pub(crate) fn catalogues(&self) -> &Catalogues {
        &self.0.catalogues
    }

    pub(crate) fn asked(&self) -> &Asked {
        &self.0.asked
    }

    pub(crate) fn folding(&self) -> &Folding {
        &self.0.folding
    }

    /// The billing state.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.0.parts.store
    }

    pub(crate) fn queue(&self) -> &dyn Queue {
        self.0.parts.queue.as_ref()
    }

    pub(crate) fn vault(&self) -> &dyn Vault {
        self.0.parts.vault.as_ref()
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.parts.config
    }

    /// Now, by the app's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.parts.clock.now()
    }

    fn budget(&self, ws: &WorkspaceId, mode: Mode) -> Result<Arc<Budget>, Refusal> {
        let seed = random_u64()?;
        let mut budgets = self.0.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Arc::new(Budget::new(self.config().limits.limits(mode), seed));
        Ok(Arc::clone(budgets.entry((ws.clone(), mode)).or_insert_with(fresh)))
    }

    /// A way to Stripe with a key.
    pub(crate) fn stripe(&self, ws: &WorkspaceId, mode: Mode, key: &SecretString) -> Result<Client, Refusal> {
        let budget = self.budget(ws, mode)?;
        Client::new(self.0.transport.clone(), key, budget, random_u64()?).map_err(Refusal::internal)
    }

    /// The way to Stripe that is at hand, or one with the key that is connected.
    pub(crate) async fn stripe_for(
        &self,
        ws: &WorkspaceId,
        at_hand: Option<&Client>,
    ) -> Result<Option<Client>, Refusal> {
        match at_hand {
            Some(stripe) => Ok(Some(stripe.clone())),
            None => self.connected_stripe(ws).await,
        }
    }

    /// A way to Stripe with the key that is connected; `None` if there is none.
    pub(crate) async fn connected_stripe(&self, ws: &WorkspaceId) -> Result<Option<Client>, Refusal> {
        self.stripe_of(ws, &self.store().connection(ws).await?).await
    }

    /// The same, where the connection has been read.
    pub(crate) async fn stripe_of(&self, ws: &WorkspaceId, connection: &Connection) -> Result<Option<Client>, Refusal> {
        let Some(known) = connection.active_key() else { return Ok(None) };
        match self.vault().get(ws, Secret::ApiKey).await? {
            Some(key) => Ok(Some(self.stripe(ws, known.mode, &key)?)),
            None => Ok(None),
        }
    }
}

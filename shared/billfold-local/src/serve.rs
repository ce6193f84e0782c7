//! The whole of Billfold in one process: store, queue, vault, workers and HTTP, started in the order in which they depend
//! on one another and stopped in the other. Never decides anything about billing.

use crate::data_dir::{DataDir, DataDirError};
use crate::listen;
use crate::queue::LocalQueue;
use crate::vault::{LocalVault, MasterKey, VaultOpenError};
use crate::worker::Workers;
use billfold_app::auth::{IssuerConfig, IssuerError, LocalKeyError, LocalKeys, Role, Tokens};
use billfold_app::{
    App, AppError, Clock, Config, ECB_DAILY_URL, LimitsConfig, Parts, Refusal, SystemClock, chain, http,
};
use billfold_core::id::WorkspaceId;
use billfold_store::{Store, StoreError, embedded};
use billfold_stripe::Base;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// How long the requests under way may take when the process is to end.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

/// How long a token is good that [`Local::token`] makes.
pub const TOKEN_VALID_S: i64 = 12 * 3600;

/// Where the state is kept.
#[derive(Debug, Clone)]
pub enum Data {
    /// In memory; it is gone when the process is.
    Memory,
    /// In a folder that this process alone serves.
    Folder(PathBuf),
}

/// Whose word is taken for who a caller is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// Nobody's: every call is answered 401.
    None,
    /// Tokens of `billfold token`, made with the data folder's key.
    DevTokens,
    /// Tokens of an identity provider.
    Issuer(IssuerConfig),
}

/// Who can reach the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// This machine only, while its tokens are those of [`Identity::DevTokens`].
    ThisMachine,
    /// Whoever can reach the address.
    Anywhere,
}

/// How to start.
#[derive(Clone)]
pub struct Options {
    /// Where the state is kept.
    pub data: Data,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Who can reach it.
    pub exposure: Exposure,
    /// Whose word is taken.
    pub identity: Identity,
    /// Where Stripe is.
    pub stripe: Base,
    /// How fast it may be asked.
    pub limits: LimitsConfig,
    /// Where Billfold is seen from outside; where it listens, if not said.
    pub public_url: Option<String>,
    /// Where the European Central Bank's rates are read; at the bank, if not said.
    pub rates_url: Option<String>,
    /// The clock of the use cases.
    pub clock: Arc<dyn Clock>,
}

impl Options {
    /// In memory, on a free port of this machine, with dev tokens: for tests, benchmarks and the demo.
    #[must_use]
    pub fn in_memory(stripe: Base) -> Self {
        Self {
            data: Data::Memory,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            exposure: Exposure::ThisMachine,
            identity: Identity::DevTokens,
            stripe,
            limits: LimitsConfig::default(),
            public_url: None,
            rates_url: None,
            clock: Arc::new(SystemClock),
        }
    }
}

/// Why it did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Dev tokens are for one machine.
    #[error(
        "{0} can be reached from other machines, and --dev-tokens is meant for this one: listen on 127.0.0.1, or add \
         --listen-anywhere if you know what you do"
    )]
    Exposed(SocketAddr),
    /// The data folder.
    #[error(transparent)]
    Folder(#[from] DataDirError),
    /// The store.
    #[error("the store cannot be opened")]
    Store(#[from] StoreError),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultOpenError),
    /// The token keys.
    #[error(transparent)]
    Keys(#[from] LocalKeyError),
    /// The folder that token keys of a process in memory pass through.
    #[error("no temporary folder could be made")]
    Temporary(#[source] io::Error),
    /// The identity provider.
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    /// The way to Stripe.
    #[error(transparent)]
    App(#[from] AppError),
    /// What was unfinished could not be taken up again.
    #[error("what was unfinished could not be taken up again")]
    Recover(#[source] Refusal),
    /// The address.
    #[error("cannot listen on {0}: is another Billfold running there? Choose another address with --listen")]
    Listen(SocketAddr, #[source] io::Error),
}

/// A running Billfold. Call [`Local::stop`] to end it in good order; dropping it is like a crash, which is fine too.
pub struct Local {
    /// The use cases.
    pub app: App,
    /// Where it listens, as a URL without a path.
    pub url: String,
    queue: Arc<LocalQueue>,
    keys: LocalKeys,
    workers: Workers,
    stop_listening: oneshot::Sender<()>,
    /// One task; a set, because dropping it ends the task.
    server: JoinSet<()>,
    /// Unlocked last.
    folder: Option<DataDir>,
}

impl Local {
    /// Starts everything and takes up what was unfinished.
    ///
    /// # Errors
    /// [`StartError`], each saying what to do.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let reachable = !options.listen.ip().is_loopback();
        if reachable && options.identity == Identity::DevTokens && options.exposure == Exposure::ThisMachine {
            return Err(StartError::Exposed(options.listen));
        }
        let state = State::open(&options.data).await?;
        let tokens = match options.identity {
            Identity::None => Tokens::none(),
            Identity::DevTokens => state.keys.tokens(),
            Identity::Issuer(config) => Tokens::of_issuer(config)?,
        };
        // Bound before any work begins: an address that is taken is the likeliest trouble.
        let (listener, url) = bind(options.listen).await?;
        let queue = LocalQueue::open(&state.store, Arc::new(SystemClock)).await?;
        let queue = Arc::new(queue);
        let app = App::new(Parts {
            store: state.store,
            queue: Arc::<LocalQueue>::clone(&queue),
            vault: Arc::new(state.vault),
            clock: options.clock,
            config: Config {
                stripe: options.stripe,
                limits: options.limits,
                public_url: options.public_url.unwrap_or_else(|| url.clone()),
                rates_url: options.rates_url.unwrap_or_else(|| ECB_DAILY_URL.to_owned()),
            },
        })?;
        app.recover().await.map_err(StartError::Recover)?;
        let workers = Workers::start(&app, &queue);
        let tokens = Arc::new(tokens);
        let router = http::router(app.clone(), tokens, crate::parked::router(Arc::clone(&queue)));
        let (stop_listening, stopped) = oneshot::channel::<()>();
        let server = JoinSet::from_iter([listen::serve(listener, router, async { drop(stopped.await) })]);
        Ok(Self { app, url, queue, keys: state.keys, workers, stop_listening, server, folder: state.folder })
    }

    /// Makes a token for a workspace.
    ///
    /// # Errors
    /// [`LocalKeyError`] if the key cannot sign.
    pub fn token(&self, ws: &WorkspaceId, role: Role) -> Result<String, LocalKeyError> {
        self.keys.issue(ws, role, "local", self.app.now(), TOKEN_VALID_S)
    }

    /// How many events are accepted and not yet applied.
    #[must_use]
    pub fn waiting_events(&self) -> usize {
        self.queue.waiting_events()
    }

    /// Stops accepting, finishes the requests under way, stops the workers, closes the store.
    pub async fn stop(mut self) {
        // Dropping it tells the server as well, and does not fail when the server has ended by itself.
        drop(self.stop_listening);
        match tokio::time::timeout(LAST_REQUESTS, self.server.join_next()).await {
            Ok(None | Some(Ok(()))) => {}
            Ok(Some(Err(error))) => tracing::error!(error = chain(&error), "the server ended badly"),
            Err(_) => tracing::warn!("some requests were cut off"),
        }
        self.server.shutdown().await;
        self.workers.stop().await;
        drop(self.app);
        drop(self.folder);
    }
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, String), StartError> {
    let wrong = |error| StartError::Listen(address, error);
    let listener = TcpListener::bind(address).await.map_err(wrong)?;
    let url = format!("http://{}", listener.local_addr().map_err(wrong)?);
    Ok((listener, url))
}

/// What is kept.
struct State {
    store: Store,
    vault: LocalVault,
    keys: LocalKeys,
    folder: Option<DataDir>,
}

impl State {
    async fn open(data: &Data) -> Result<Self, StartError> {
        match data {
            Data::Memory => {
                let store = embedded::memory().await?;
                let vault = LocalVault::with_key(&store, MasterKey::random()?).await?;
                let passing = tempfile::tempdir().map_err(StartError::Temporary)?;
                let keys = LocalKeys::load_or_create(passing.path())?;
                Ok(Self { store, vault, keys, folder: None })
            }
            Data::Folder(path) => {
                let folder = DataDir::lock(path)?;
                let store = embedded::file(&folder.store_file()).await?;
                let vault = LocalVault::open(&store, folder.path()).await?;
                let keys = LocalKeys::load_or_create(folder.path())?;
                Ok(Self { store, vault, keys, folder: Some(folder) })
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! A stack in one process: the functions called as AWS calls them, one after the other, what they use counted.

use crate::cost::{Bill, month};
use anyhow::{Context as _, bail, ensure};
use billfold_app::{
    App, Clock, Config, ConnectRequest, ECB_DAILY_URL, Handled, LimitsConfig, Message, OtherData, Parts, Queue,
    QueueError, Secret, Vault, VaultError,
};
use billfold_core::event::ENABLED_EVENTS;
use billfold_core::id::{EndpointId, WorkspaceId};
use billfold_core::run::Trigger;
use billfold_sim::{Delivery, Dice, Sim, Version};
use billfold_store::inside::{self, Table};
use billfold_stripe::Base;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::{HashMap, VecDeque};
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Records that a function takes at once, as in the template.
const BATCH: usize = 10;
/// How long a sync works before it hands over to a new message.
const WORK_FOR: Duration = Duration::from_secs(240);
/// Between two changes of the business.
const APART_S: i64 = 2;
/// Messages that are handled before it is plain that they never end.
const HANDLED_MAX: u32 = 1_000_000;

/// The stack, connected to a business.
pub struct Cloud {
    /// Where the business answers.
    pub base: String,
    /// The endpoint that its events are sent to.
    pub endpoint: EndpointId,
    /// What the stack keeps.
    pub table: Table,
    sim: Sim,
    app: App,
    ws: WorkspaceId,
    queues: Arc<Queues>,
    vault: Arc<Drawer>,
    bill: Bill,
}

struct SimClock(Sim);

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.now()).unwrap_or_default()
    }
}

impl Cloud {
    /// The workspace.
    pub const WORKSPACE: &str = "acme";

    /// Connects, to a table that takes a while for each answer; the first sync waits in its queue.
    pub async fn connected(sim: Sim, table_latency: Duration) -> anyhow::Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://{}", listener.local_addr()?);
        tokio::spawn(sim.clone().serve(listener));
        let (store, table) = inside::metered(table_latency).await?;
        let (queues, vault) = (Arc::new(Queues::default()), Arc::new(Drawer::default()));
        let app = App::new(Parts {
            store,
            queue: Arc::<Queues>::clone(&queues),
            vault: Arc::<Drawer>::clone(&vault),
            clock: Arc::new(SimClock(sim.clone())),
            config: Config {
                stripe: Base::parse(&base)?,
                limits: LimitsConfig { share: Some(1.0), total_per_s: Some(1e5), endpoint_per_s: Some(1e5) },
                public_url: "http://127.0.0.1".to_owned(),
                rates_url: ECB_DAILY_URL.to_owned(),
            },
        })?;
        let ws = WorkspaceId::new(Self::WORKSPACE)?;
        let endpoint = sim.add_endpoint("http://127.0.0.1:9/", &ENABLED_EVENTS, Some(Version::pinned()));
        let request = ConnectRequest {
            api_key: SecretString::from(sim.api_key()),
            webhook_secret: Some(SecretString::from(endpoint.secret)),
            other_data: OtherData::Keep,
        };
        app.connect(&ws, request).await?;
        let url = app.card(&ws).await?.webhook.url.context("no webhook URL")?;
        let endpoint = EndpointId::new(url.rsplit('/').next().unwrap_or_default())?;
        let mut cloud = Self { base, endpoint, table, sim, app, ws, queues, vault, bill: Bill::default() };
        drop(cloud.take());
        Ok(cloud)
    }

    /// A secret of the workspace, by its name in the vault.
    pub fn secret(&self, name: &str) -> Option<String> {
        let secrets = self.vault.secrets();
        let found = secrets.iter().find(|((_, which), _)| *which == name);
        found.map(|(_, text)| text.expose_secret().to_owned())
    }

    /// What was used since this was asked last.
    pub fn take(&mut self) -> Bill {
        let sent = std::mem::take(&mut self.queues.lock().sent);
        let asked = std::mem::take(&mut *self.vault.asked.lock().unwrap_or_else(PoisonError::into_inner));
        let mut bill = std::mem::take(&mut self.bill);
        bill.table = self.table.take();
        bill.queue_requests += sent;
        bill.secret_requests += asked;
        bill
    }

    /// Starts another sync.
    pub async fn sync_again(&mut self) -> anyhow::Result<()> {
        self.app.start_sync(&self.ws, Trigger::Manual).await?;
        Ok(())
    }

    /// Makes the business change until so many deliveries wait, those of a moment together.
    pub fn moments(&self, dice: &mut Dice, count: usize) -> anyhow::Result<Vec<Vec<Delivery>>> {
        let (mut moments, mut deliveries) = (Vec::new(), 0);
        for _ in 0..HANDLED_MAX {
            self.sim.advance(APART_S);
            if let Some(change) = month::change(&self.sim, dice) {
                drop(self.sim.apply(&change));
            }
            let told = self.sim.take_deliveries();
            deliveries += told.len();
            moments.extend(month::moments(told));
            if deliveries >= count {
                return Ok(moments);
            }
        }
        bail!("the business does not change any more")
    }

    /// API Gateway hands a delivery to the webhook function.
    pub async fn deliver(&mut self, delivery: &Delivery) -> anyhow::Result<()> {
        let signed = delivery.clone().signed_at(self.sim.now());
        let started = Instant::now();
        self.app.receive(&self.endpoint, &signed.signature, &signed.body).await?;
        self.bill.http_requests += 1.0;
        self.bill.invoked("webhook", started.elapsed());
        Ok(())
    }

    /// A minute passes, and the schedule sweeps.
    pub async fn minute(&mut self) -> anyhow::Result<()> {
        self.sim.advance(60);
        let started = Instant::now();
        self.app.sweep().await?;
        self.bill.scheduled += 1.0;
        self.bill.figures_written += 1.0;
        self.bill.invoked("sweep", started.elapsed());
        self.settle().await
    }

    /// How many records the last run has read.
    pub async fn records(&self) -> anyhow::Result<f64> {
        let run = self.app.sync_runs(&self.ws, None, 1).await?.pop().context("there is no run")?;
        ensure!(!run.is_running() && run.error.is_none(), "the run failed: {:?}", run.error);
        Ok(crate::backfill::to_f64(run.records()))
    }

    /// Hands out messages until there are none.
    pub async fn settle(&mut self) -> anyhow::Result<()> {
        for _ in 0..HANDLED_MAX {
            let Some((function, batch)) = self.queues.take() else { return Ok(()) };
            // Received together, deleted together.
            self.bill.queue_requests += 2.0;
            let started = Instant::now();
            let handled = self.app.handle_all(&batch, WORK_FOR).await;
            self.bill.invoked(function, started.elapsed());
            self.bill.figures_written += 1.0;
            for (message, handled) in batch.into_iter().zip(handled) {
                match handled {
                    Handled::Done => {}
                    Handled::Again(after) | Handled::Failed(after) => {
                        // Its visibility is changed.
                        self.bill.queue_requests += 1.0;
                        self.sim.advance(i64::try_from(after.as_secs())?);
                        self.queues.lock().put(message);
                    }
                }
            }
        }
        bail!("the messages never end")
    }
}

/// The two queues, and the requests to put something into them.
#[derive(Default)]
struct Queues(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    sync: VecDeque<Message>,
    recompute: VecDeque<Message>,
    sent: f64,
}

impl Waiting {
    fn put(&mut self, message: Message) {
        match message {
            Message::Sync { .. } => self.sync.push_back(message),
            _ => self.recompute.push_back(message),
        }
    }
}

impl Queues {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a function is invoked with next.
    fn take(&self) -> Option<(&'static str, Vec<Message>)> {
        let mut waiting = self.lock();
        if let Some(message) = waiting.sync.pop_front() {
            return Some(("sync", vec![message]));
        }
        let count = waiting.recompute.len().min(BATCH);
        (count > 0).then(|| ("recompute", waiting.recompute.drain(..count).collect()))
    }
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Queue for Queues {
    fn send(&self, message: Message, _: Duration) -> Answer<'_, Result<(), QueueError>> {
        let mut waiting = self.lock();
        waiting.sent += 1.0;
        waiting.put(message);
        Box::pin(ready(Ok(())))
    }
}

/// The vault, and the requests to it. A function remembers a secret for five minutes; here it remembers it for good, as
/// where there is traffic.
#[derive(Default)]
struct Drawer {
    secrets: Mutex<HashMap<(WorkspaceId, &'static str), SecretString>>,
    asked: Mutex<f64>,
}

impl Drawer {
    fn secrets(&self) -> MutexGuard<'_, HashMap<(WorkspaceId, &'static str), SecretString>> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) += 1.0;
    }
}

impl Vault for Drawer {
    fn put<'a>(&'a self, ws: &'a WorkspaceId, which: Secret, text: SecretString) -> Answer<'a, Result<(), VaultError>> {
        self.count();
        self.secrets().insert((ws.clone(), which.as_str()), text);
        Box::pin(ready(Ok(())))
    }

    fn get<'a>(&'a self, ws: &'a WorkspaceId, which: Secret) -> Answer<'a, Result<Option<SecretString>, VaultError>> {
        Box::pin(ready(Ok(self.secrets().get(&(ws.clone(), which.as_str())).cloned())))
    }

    fn forget<'a>(&'a self, ws: &'a WorkspaceId, which: Secret) -> Answer<'a, Result<(), VaultError>> {
        self.count();
        self.secrets().remove(&(ws.clone(), which.as_str()));
        Box::pin(ready(Ok(())))
    }
}

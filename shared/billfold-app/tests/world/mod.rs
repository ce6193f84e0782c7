//! A small world: the simulated Stripe on a socket, the app on an in-memory store, a queue and a vault of a few lines.

use billfold_app::{
    App, Clock, Config, ConnectRequest, Handled, LimitsConfig, Message, OtherData, Parts, Queue, QueueError, Refusal,
    Secret, Vault, VaultError,
};
use billfold_core::event::ENABLED_EVENTS;
use billfold_core::id::{AccountId, CustomerId, EndpointId, WorkspaceId};
use billfold_core::run::{Run, Trigger};
use billfold_sim::{AccountTruth, Dice, InvoiceTruth, Sim, Spec, Truth, Version};
use billfold_store::embedded::{self, Fate, Gate};
use billfold_store::{Direction, ListQuery, SortBy};
use billfold_stripe::Base;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// When the simulated business stands.
const NOW: i64 = 1_790_000_000;

pub struct World {
    pub sim: Sim,
    pub sim_base: String,
    pub app: App,
    pub ws: WorkspaceId,
    mailbox: Arc<Mailbox>,
    vault: Arc<Drawer>,
}

/// Tells the simulation's time.
struct SimClock(Sim);

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.now()).unwrap()
    }
}

#[derive(Default)]
struct Mailbox {
    waiting: Mutex<VecDeque<Message>>,
    /// Nothing is taken for these.
    full_for: Mutex<Vec<WorkspaceId>>,
}

impl Queue for Mailbox {
    fn send(&self, message: Message, _: Duration) -> BoxFuture<'_, Result<(), QueueError>> {
        let full = self.full_for.lock().unwrap().contains(message.workspace());
        if !full {
            self.waiting.lock().unwrap().push_back(message);
        }
        async move { if full { Err(QueueError("the queue is full".into())) } else { Ok(()) } }.boxed()
    }
}

#[derive(Default)]
struct Drawer(Mutex<HashMap<(WorkspaceId, &'static str), SecretString>>);

impl Vault for Drawer {
    fn put<'a>(
        &'a self,
        ws: &'a WorkspaceId,
        which: Secret,
        text: SecretString,
    ) -> BoxFuture<'a, Result<(), VaultError>> {
        self.0.lock().unwrap().insert((ws.clone(), which.as_str()), text);
        async { Ok(()) }.boxed()
    }

    fn get<'a>(
        &'a self,
        ws: &'a WorkspaceId,
        which: Secret,
    ) -> BoxFuture<'a, Result<Option<SecretString>, VaultError>> {
        let found = self.0.lock().unwrap().get(&(ws.clone(), which.as_str())).cloned();
        async { Ok(found) }.boxed()
    }

    fn forget<'a>(&'a self, ws: &'a WorkspaceId, which: Secret) -> BoxFuture<'a, Result<(), VaultError>> {
        self.0.lock().unwrap().remove(&(ws.clone(), which.as_str()));
        async { Ok(()) }.boxed()
    }
}

/// Where the rest of the world is.
struct Elsewhere {
    stripe: String,
    rates_url: String,
}

impl World {
    pub async fn new(seed: u64, customers: u32) -> Self {
        let sim = Sim::generate(&Spec::new(seed, customers, NOW));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sim_base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(sim.clone().serve(listener));
        let store = embedded::memory().await.unwrap();
        let elsewhere = Elsewhere { stripe: sim_base, rates_url: billfold_app::ECB_DAILY_URL.to_owned() };
        Self::over(sim, elsewhere, store, Arc::default(), Arc::default())
    }

    /// After the first sync; what Stripe tells afterwards comes in at an endpoint.
    pub async fn listening(seed: u64, customers: u32) -> (Self, EndpointId) {
        let world = Self::new(seed, customers).await;
        let endpoint = world.sim.add_endpoint("http://127.0.0.1:9/", &ENABLED_EVENTS, Some(Version::pinned()));
        let request = ConnectRequest {
            api_key: SecretString::from(world.sim.api_key()),
            webhook_secret: Some(SecretString::from(endpoint.secret)),
            other_data: OtherData::Keep,
        };
        world.app.connect(&world.ws, request).await.unwrap();
        world.work_off().await;
        let url = world.app.card(&world.ws).await.unwrap().webhook.url.unwrap();
        world.sim.advance(60);
        world.sim.take_deliveries();
        (world, EndpointId::new(url.rsplit('/').next().unwrap()).unwrap())
    }

    fn over(
        sim: Sim,
        elsewhere: Elsewhere,
        store: billfold_store::Store,
        mailbox: Arc<Mailbox>,
        vault: Arc<Drawer>,
    ) -> Self {
        let config = Config {
            stripe: Base::parse(&elsewhere.stripe).unwrap(),
            limits: LimitsConfig { share: Some(1.0), total_per_s: Some(1e4), endpoint_per_s: Some(1e4) },
            public_url: "http://127.0.0.1:1".into(),
            rates_url: elsewhere.rates_url.clone(),
        };
        let clock = Arc::new(SimClock(sim.clone()));
        let parts = Parts { store, queue: mailbox.clone(), vault: vault.clone(), clock, config };
        let sim_base = elsewhere.stripe;
        Self { app: App::new(parts).unwrap(), sim, sim_base, ws: WorkspaceId::new("acme").unwrap(), mailbox, vault }
    }

    /// The same Billfold, with Stripe somewhere else.
    pub fn at(&self, sim_base: &str) -> Self {
        let rates_url = billfold_app::ECB_DAILY_URL.to_owned();
        self.with(Elsewhere { stripe: sim_base.to_owned(), rates_url })
    }

    /// The same Billfold, with the rates somewhere else.
    pub fn with_rates_at(&self, rates_url: &str) -> Self {
        self.with(Elsewhere { stripe: self.sim_base.clone(), rates_url: rates_url.to_owned() })
    }

    /// The same Billfold, whose calls to the store pass a gate.
    pub fn behind(&self, gate: Gate) -> Self {
        self.gated(gate, Arc::default())
    }

    fn gated(&self, gate: Gate, mailbox: Arc<Mailbox>) -> Self {
        let elsewhere = Elsewhere { stripe: self.sim_base.clone(), rates_url: billfold_app::ECB_DAILY_URL.to_owned() };
        let store = embedded::behind(gate, self.app.store());
        Self::over(self.sim.clone(), elsewhere, store, mailbox, self.vault.clone())
    }

    fn with(&self, elsewhere: Elsewhere) -> Self {
        Self::over(self.sim.clone(), elsewhere, self.app.store().clone(), Arc::default(), self.vault.clone())
    }

    pub async fn connect_with(&self, key: &str, other_data: OtherData) -> Result<(), Refusal> {
        let request = ConnectRequest { api_key: SecretString::from(key), webhook_secret: None, other_data };
        self.app.connect(&self.ws, request).await
    }

    pub async fn connect_without_worker(&self) -> Result<(), Refusal> {
        self.connect_with(self.sim.api_key(), OtherData::Keep).await
    }

    pub async fn connect(&self) -> Result<(), Refusal> {
        self.connect_without_worker().await?;
        self.work();
        Ok(())
    }

    /// Takes over what waits in another world's queue.
    pub fn take_messages_of(&self, other: &Self) {
        let waiting = std::mem::take(&mut *other.mailbox.waiting.lock().unwrap());
        self.mailbox.waiting.lock().unwrap().extend(waiting);
    }

    /// Starts a worker that takes messages until the test ends.
    pub fn work(&self) {
        let (app, mailbox) = (self.app.clone(), self.mailbox.clone());
        tokio::spawn(async move {
            loop {
                let message = mailbox.waiting.lock().unwrap().pop_front();
                match message {
                    None => tokio::time::sleep(Duration::from_millis(2)).await,
                    Some(message) => {
                        if let Handled::Again(_) = app.handle(&message, Duration::from_secs(600)).await {
                            mailbox.waiting.lock().unwrap().push_back(message);
                        }
                    }
                }
            }
        });
    }

    /// Handles one message and puts it back if it is to be delivered again.
    pub async fn work_once(&self) -> Handled {
        let message = self.mailbox.waiting.lock().unwrap().pop_front().unwrap();
        let handled = self.app.handle(&message, Duration::from_secs(600)).await;
        if let Handled::Again(_) = handled {
            self.mailbox.waiting.lock().unwrap().push_back(message);
        }
        handled
    }

    /// Handles messages until none is left.
    pub async fn work_off(&self) {
        while !self.mailbox.waiting.lock().unwrap().is_empty() {
            self.work_once().await;
        }
    }

    /// Handles all messages that wait together; those that are done are gone.
    pub async fn work_together(&self) {
        let messages: Vec<Message> = self.mailbox.waiting.lock().unwrap().iter().cloned().collect();
        let handled = self.app.handle_all(&messages, Duration::from_secs(600)).await;
        let mut waiting = self.mailbox.waiting.lock().unwrap();
        waiting.drain(..messages.len());
        let again = |(message, handled)| (handled != Handled::Done).then_some(message);
        waiting.extend(messages.into_iter().zip(handled).filter_map(again));
    }

    /// A worker dies when it has made so many requests, and its lease runs out.
    pub async fn die_at_request(&self, k: u64) {
        let (sim, last) = (self.sim.clone(), self.sim.requests().total + k);
        self.die_at(move |_| sim.requests().total >= last).await;
        self.app.recover().await.unwrap();
    }

    /// A worker on the first message dies at the first call to the store that is so.
    pub async fn die_at(&self, is_so: impl Fn(&str) -> bool + Send + Sync + 'static) {
        let there = Arc::new(Notify::new());
        let arrived = there.clone();
        let gate = move |operation: &str| {
            if !is_so(operation) {
                return Fate::Served;
            }
            arrived.notify_one();
            Fate::NeverArrives
        };
        let app = self.gated(Arc::new(gate), self.mailbox.clone()).app;
        let message = self.mailbox.waiting.lock().unwrap().front().cloned().unwrap();
        let mut worker = tokio::spawn(async move { app.handle(&message, Duration::from_secs(600)).await });
        tokio::select! {
            () = there.notified() => worker.abort(),
            done = &mut worker => panic!("the worker was done: {done:?}"),
        }
        assert!(worker.await.unwrap_err().is_cancelled());
    }

    /// The queue takes nothing for a workspace from now on.
    pub fn refuse_messages_for(&self, ws: &WorkspaceId) {
        self.mailbox.full_for.lock().unwrap().push(ws.clone());
    }

    /// Whom the messages that wait are for.
    pub fn messages_for(&self) -> Vec<WorkspaceId> {
        self.mailbox.waiting.lock().unwrap().iter().map(|message| message.workspace().clone()).collect()
    }

    /// Nobody gets the messages that wait.
    pub fn lose_messages(&self) {
        self.lose_messages_but(|_| false);
    }

    /// Nobody gets the messages that wait, but some.
    pub fn lose_messages_but(&self, stays: impl FnMut(&Message) -> bool) {
        self.mailbox.waiting.lock().unwrap().retain(stays);
    }

    /// Asks for a re-sync, a minute later.
    pub async fn resync(&self) -> Run {
        self.sim.advance(60);
        self.app.start_sync(&self.ws, Trigger::Manual).await.unwrap();
        self.finished().await
    }

    /// Waits until the newest run has ended.
    pub async fn finished(&self) -> Run {
        loop {
            let run = self.app.sync_runs(&self.ws, None, 1).await.unwrap().remove(0);
            if !run.is_running() {
                return run;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until nothing is left to be computed.
    pub async fn calm(&self) {
        while self.app.store().is_marked(&self.ws).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn random_change(&self, seed: u64) {
        self.sim.random_change(&mut Dice::new(seed));
    }

    /// Every account: its billing, by its id.
    pub async fn accounts(&self) -> BTreeMap<AccountId, Value> {
        let mut query = ListQuery {
            sort: SortBy::Mrr,
            direction: Direction::Descending,
            payment_status: None,
            search: None,
            after: None,
            limit: 100,
        };
        let mut accounts = BTreeMap::new();
        loop {
            let (rows, next) = self.app.store().list_accounts(&self.ws, &query).await.unwrap();
            for row in rows {
                let billing = self.app.account_billing(&self.ws, &row.id).await.unwrap();
                let mut billing = serde_json::to_value(billing).unwrap();
                billing.as_object_mut().unwrap().remove("as_of");
                accounts.insert(row.id, billing);
            }
            query.after = next;
            if query.after.is_none() {
                return accounts;
            }
        }
    }

    pub async fn assert_exact(&self) {
        self.assert_exact_for(&self.sim).await;
    }

    /// Compares every account with the truth, to the cent, and that there is none too many.
    pub async fn assert_exact_for(&self, sim: &Sim) {
        let truth = &sim.truth();
        let accounts = self.accounts().await;
        let expected = truth.accounts();
        let books = sim.invoice_money();
        for truth in expected.values() {
            let customer = CustomerId::new(truth.customers[0].as_str()).unwrap();
            let matched = self.app.store().customer_rows(&self.ws, &customer).await.unwrap().matched;
            let account =
                matched.and_then(|matched| matched.account).unwrap_or_else(|| panic!("{customer} has no account"));
            same(truth, accounts.get(&account).unwrap());
            self.assert_same_money(&books, &account, accounts.get(&account).unwrap()).await;
        }
        let only_deleted = self.only_deleted(truth, &accounts).await;
        assert_eq!(accounts.len(), expected.len() + only_deleted, "accounts");
    }

    /// Lifetime value and what was refunded, against the books of the invoices that are stored.
    async fn assert_same_money(&self, books: &BTreeMap<String, InvoiceTruth>, id: &AccountId, billing: &Value) {
        let store = self.app.store();
        let mut expected: BTreeMap<String, i64> = BTreeMap::new();
        for customer in store.account_rows(&self.ws, id).await.unwrap().customers {
            for invoice in store.customer_rows(&self.ws, &customer).await.unwrap().invoices {
                let Some(money) = books.get(invoice.id.as_str()).filter(|money| !money.test_clock) else { continue };
                *expected.entry(money.currency.clone()).or_default() += money.lifetime_value();
            }
        }
        expected.retain(|_, amount| *amount != 0);
        let ours = billing["lifetime_value"].as_object().unwrap().iter();
        let ours: BTreeMap<String, i64> =
            ours.map(|(c, money)| (c.clone(), money["amount"].as_i64().unwrap())).collect();
        assert_eq!(ours, expected, "lifetime value of {id}");
        for row in billing["invoices"].as_array().unwrap() {
            let refunded = books[row["id"].as_str().unwrap()].refunded;
            assert_eq!(row["refunded"]["amount"].as_i64(), Some(refunded), "{row:#}");
        }
    }

    /// Accounts whose customers have all been deleted since they were read: they stay, with their history.
    async fn only_deleted(&self, truth: &Truth, accounts: &BTreeMap<AccountId, Value>) -> usize {
        let mut count = 0;
        for id in accounts.keys() {
            let customers = self.app.store().account_rows(&self.ws, id).await.unwrap().customers;
            let gone = |customer: &CustomerId| truth.customers.get(customer.as_str()).is_none_or(|truth| truth.deleted);
            count += usize::from(customers.iter().all(gone));
        }
        count
    }
}

fn same(truth: &AccountTruth, billing: &Value) {
    let amounts = |field: &str| -> BTreeMap<String, i64> {
        let pair = |(code, money): (&String, &Value)| (code.clone(), money["amount"].as_i64().unwrap());
        billing[field].as_object().unwrap().iter().map(pair).collect()
    };
    let positive =
        |by: &BTreeMap<String, i64>| by.iter().filter(|(_, n)| **n != 0).map(|(c, n)| (c.clone(), *n)).collect();
    let expected: BTreeMap<String, i64> = positive(&truth.mrr);
    assert_eq!(amounts("mrr_by_currency"), expected, "MRR of {:?}: {billing:#}", truth.customers);
    let expected: BTreeMap<String, i64> = positive(&truth.arr);
    assert_eq!(amounts("arr_by_currency"), expected, "ARR of {:?}", truth.customers);
    let status = serde_json::to_value(truth.payment_status).unwrap();
    assert_eq!(billing["payment_status"], status, "payment status of {:?}: {billing:#}", truth.customers);
}

/// A server that gives every request the same answer, whatever it was, and closes.
pub async fn answer_everything(listener: tokio::net::TcpListener, answer: &'static str) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    while let Ok((mut socket, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut request = [0; 8192];
            if socket.read(&mut request).await.is_ok() {
                socket.write_all(answer.as_bytes()).await.ok();
            }
        });
    }
}

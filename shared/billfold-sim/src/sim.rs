//! The handle of a running simulation. Cheap to clone; every clone sees the same world.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::business::Business;
use crate::faults::{FaultPlan, Faults};
use crate::generate::Spec;
use crate::ids::{Part, secret_text};
use crate::keys::{ApiKey, KeyState, READING};
use crate::limits::{Limiter, Limits};
use crate::model::Unix;
use crate::requests::Requests;
use crate::truth::Truth;
use crate::version::Version;
use crate::webhooks::{Delivery, Endpoint};
use crate::world::World;

#[derive(Clone)]
pub struct Sim {
    shared: Arc<Shared>,
}

struct Shared {
    world: RwLock<World>,
    limiter: Mutex<Limiter>,
    faults: Mutex<FaultPlan>,
    requests: Mutex<Requests>,
    first_key: String,
}

/// A webhook endpoint as its maker gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEndpoint {
    pub id: String,
    pub secret: String,
}

impl Sim {
    /// A simulation of a generated business.
    pub fn generate(spec: &Spec) -> Self {
        Self::new(Business::generate(spec), spec.seed, spec.now)
    }

    /// A simulation of any business. It has one restricted key, which may read billing.
    pub fn new(business: Business, seed: u64, now: Unix) -> Self {
        let mode = if business.account.livemode { "live" } else { "test" };
        let key = format!("rk_{mode}_{}", secret_text(seed, 32));
        let mut world = World::new(business, seed, now);
        world.keys.push(ApiKey::new(&key, &READING));
        Self {
            shared: Arc::new(Shared {
                world: RwLock::new(world),
                limiter: Mutex::new(Limiter::default()),
                faults: Mutex::new(FaultPlan::default()),
                requests: Mutex::new(Requests::default()),
                first_key: key,
            }),
        }
    }

    /// The restricted key that every simulation starts with.
    pub fn api_key(&self) -> &str {
        &self.shared.first_key
    }

    pub fn account_id(&self) -> String {
        self.world().business.account.id.clone()
    }

    pub fn now(&self) -> Unix {
        self.world().now()
    }

    pub fn set_now(&self, now: Unix) {
        self.world_mut().clock.set(now);
    }

    /// Moves the clock only; what falls due is done by [`Sim::settle`].
    pub fn advance(&self, seconds: Unix) {
        let mut world = self.world_mut();
        let now = world.now() + seconds;
        world.clock.set(now);
    }

    /// From now on the clock runs with real time.
    pub fn run_clock(&self) {
        self.world_mut().clock.run();
    }

    pub fn add_key(&self, key: ApiKey) {
        self.world_mut().keys.push(key);
    }

    /// Gives a key a permission; `false` when there is no such key.
    pub fn grant(&self, secret: &str, permission: &str) -> bool {
        self.on_key(secret, |key| key.grant(permission))
    }

    pub fn revoke(&self, secret: &str, permission: &str) -> bool {
        self.on_key(secret, |key| key.revoke(permission))
    }

    pub fn expire_key(&self, secret: &str) -> bool {
        self.on_key(secret, |key| key.state = KeyState::Expired)
    }

    /// Deletes a key, as rolling does with the old one.
    pub fn remove_key(&self, secret: &str) -> bool {
        self.on_key(secret, |key| key.state = KeyState::Gone)
    }

    pub fn set_limits(&self, limits: Limits) {
        self.limiter().set(limits);
    }

    pub fn limits(&self) -> Limits {
        self.limiter().limits().clone()
    }

    /// Counting of requests for faults starts anew.
    pub fn set_faults(&self, faults: Faults) {
        self.fault_plan().set(faults);
    }

    pub fn faults(&self) -> Faults {
        self.fault_plan().faults().clone()
    }

    /// Makes a webhook endpoint, as a merchant does in the dashboard.
    pub fn add_endpoint(&self, url: &str, enabled_events: &[&str], api_version: Option<Version>) -> NewEndpoint {
        let events: Vec<String> = enabled_events.iter().map(|&name| name.to_owned()).collect();
        let mut world = self.world_mut();
        let endpoint = world.add_endpoint(url, &events, api_version);
        let (number, secret) = (endpoint.number, endpoint.secret.clone());
        NewEndpoint { id: world.business.ids.part(Part::WebhookEndpoint, number), secret }
    }

    /// Points an endpoint at another address and enables it; `false` when there is none.
    pub fn point_endpoint(&self, id: &str, url: &str) -> bool {
        self.on_endpoint(id, |endpoint| {
            endpoint.url = url.to_owned();
            endpoint.enabled = true;
        })
    }

    /// Events that happen while an endpoint is disabled never reach it.
    pub fn disable_endpoint(&self, id: &str) -> bool {
        self.on_endpoint(id, |endpoint| endpoint.enabled = false)
    }

    /// What is true now.
    pub fn truth(&self) -> Truth {
        let world = self.world();
        Truth::of(&world.business, world.now())
    }

    /// The money of every invoice, by its id.
    pub fn invoice_money(&self) -> std::collections::BTreeMap<String, crate::truth::InvoiceTruth> {
        let business = &self.world().business;
        let named = |(place, money)| (business.id(crate::ids::Kind::Invoice, place), money);
        crate::truth::by_invoice(business).into_iter().map(named).collect()
    }

    /// Looks at the business.
    pub fn read<T>(&self, look: impl FnOnce(&Business) -> T) -> T {
        look(&self.world().business)
    }

    /// Changes the business behind everybody's back: no event, no webhook.
    pub fn edit<T>(&self, change: impl FnOnce(&mut Business) -> T) -> T {
        change(&mut self.world_mut().business)
    }

    /// Takes what waits to be delivered, signed as of now. Whoever takes it delivers it.
    pub fn take_deliveries(&self) -> Vec<Delivery> {
        let mut world = self.world_mut();
        let world = &mut *world;
        let now = world.clock.now();
        world.webhooks.drop_undeliverable(&world.business.ids);
        let taken: Vec<Delivery> = world.webhooks.waiting.drain(..).map(|delivery| delivery.signed_at(now)).collect();
        for delivery in &taken {
            world.events.delivered(&world.business.ids, &delivery.event_id);
        }
        taken
    }

    /// How many deliveries wait.
    pub fn waiting_deliveries(&self) -> usize {
        self.world().webhooks.waiting.len()
    }

    pub fn requests(&self) -> Requests {
        self.request_log().clone()
    }

    pub fn clear_requests(&self) {
        self.request_log().clear();
    }

    fn on_endpoint(&self, id: &str, change: impl FnOnce(&mut Endpoint)) -> bool {
        let mut world = self.world_mut();
        let Some(at) = world.webhooks.find(&world.business.ids, id) else {
            return false;
        };
        change(&mut world.webhooks.endpoints[at]);
        true
    }

    fn on_key(&self, secret: &str, change: impl FnOnce(&mut ApiKey)) -> bool {
        match self.world_mut().key_mut(secret) {
            Some(key) => {
                change(key);
                true
            }
            None => false,
        }
    }

    // A panic while a lock is held leaves plain data behind, which stays readable.

    pub(crate) fn world(&self) -> RwLockReadGuard<'_, World> {
        self.shared.world.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn world_mut(&self) -> RwLockWriteGuard<'_, World> {
        self.shared.world.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn limiter(&self) -> MutexGuard<'_, Limiter> {
        self.shared.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn fault_plan(&self) -> MutexGuard<'_, FaultPlan> {
        self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn request_log(&self) -> MutexGuard<'_, Requests> {
        self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Workers who take their time between computing and writing.

use crate::world::World;
use billfold_store::embedded::Fate;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Whether somebody is about to be computed.
pub fn is_intended(world: &World) -> impl Fn() -> bool + Send + Sync + 'static {
    let (store, ws) = (world.app.store().clone(), world.ws.clone());
    move || {
        let intents = tokio::task::block_in_place(|| Handle::current().block_on(store.intents(&ws, None)));
        intents.unwrap().iter().any(|intent| !intent.subjects.is_empty())
    }
}

/// Somebody who is about to write what an account came to.
pub struct Slow {
    working: JoinHandle<()>,
    go_on: mpsc::Sender<()>,
}

impl Slow {
    pub async fn goes_on(self) {
        self.go_on.send(()).unwrap();
        self.working.await.unwrap();
    }
}

/// A worker that has computed, and is about to write what it came to until it is told to go on.
pub async fn slow_worker(world: &World) -> Slow {
    slowly(world, |slow| {
        slow.take_messages_of(world);
        async move { slow.work_together().await }
    })
    .await
}

/// The same of anything that is done.
pub async fn slowly<Done>(world: &World, deed: impl FnOnce(World) -> Done) -> Slow
where
    Done: Future<Output = ()> + Send + 'static,
{
    let (arrive, has_arrived) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let (arrive, may_go_on, writes) = (Mutex::new(arrive), Mutex::new(may_go_on), AtomicU32::new(0));
    let (is_intended, announced) = (is_intended(world), Mutex::new(HashSet::new()));
    let gate = move |operation: &str| {
        // Whoever says nothing before it computes has nothing to compute.
        let me = tokio::task::try_id();
        if operation == "PutItem" {
            announced.lock().unwrap().insert(me);
        }
        let is_at_accounts = || announced.lock().unwrap().contains(&me) && is_intended();
        if operation == "TransactWriteItems" && is_at_accounts() && writes.fetch_add(1, Ordering::SeqCst) == 0 {
            arrive.lock().unwrap().send(()).unwrap();
            may_go_on.lock().unwrap().recv().unwrap();
        }
        Fate::Served
    };
    let working = tokio::spawn(deed(world.behind(Arc::new(gate))));
    tokio::task::spawn_blocking(move || has_arrived.recv()).await.unwrap().unwrap();
    Slow { working, go_on }
}

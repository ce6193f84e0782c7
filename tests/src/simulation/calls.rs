//! Every call of the program to its store, queue, vault and to Stripe, counted: at one of them the process may die,
//! before the call arrives or before its answer does, and the store may be in trouble at some.
//!
//! A process that has died does nothing more: all its calls hang until it is buried.

use billfold_sim::Dice;
use billfold_store::embedded::{Fate, Gate};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Which half of a call the process does not live to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dies {
    /// The call never arrives.
    Before,
    /// The answer never arrives.
    After,
}

/// When the process dies, and how often the store is in trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trouble {
    /// At which call from now, counted from one.
    pub dies_at: Option<(u64, Dies)>,
    /// Calls to the store in a thousand that it has no room for, or that collide.
    pub store_per_mille: u64,
}

/// The count.
#[derive(Clone)]
pub(super) struct Calls(Arc<Inner>);

struct Inner {
    count: AtomicU64,
    trouble: Mutex<(Trouble, Dice)>,
    life: watch::Sender<Life>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Alive,
    Dead,
}

impl Calls {
    pub(super) fn new(seed: u64) -> Self {
        let trouble = Mutex::new((Trouble::default(), Dice::new(seed)));
        Self(Arc::new(Inner { count: AtomicU64::new(0), trouble, life: watch::Sender::new(Life::Alive) }))
    }

    /// From now on.
    pub(super) fn arm(&self, trouble: Trouble) {
        self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner).0 = trouble;
        self.0.count.store(0, Ordering::SeqCst);
    }

    pub(super) fn trouble(&self) -> Trouble {
        self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// Calls since it was armed.
    pub(super) fn count(&self) -> u64 {
        self.0.count.load(Ordering::SeqCst)
    }

    /// Another process takes over.
    pub(super) fn live_again(&self) {
        self.0.life.send_replace(Life::Alive);
    }

    pub(super) fn is_dead(&self) -> bool {
        *self.0.life.borrow() == Life::Dead
    }

    /// Waits until the process is dead.
    pub(super) async fn death(&self) {
        // It cannot be closed while it is borrowed.
        drop(self.0.life.subscribe().wait_for(|life| *life == Life::Dead).await);
    }

    /// Counts a call, which may be the one.
    fn next(&self) -> Option<Dies> {
        if self.is_dead() {
            return Some(Dies::Before);
        }
        let count = self.0.count.fetch_add(1, Ordering::SeqCst) + 1;
        let (_, dies) = self.trouble().dies_at.filter(|(at, _)| *at == count)?;
        self.0.life.send_replace(Life::Dead);
        Some(dies)
    }

    /// Makes a call.
    pub(super) async fn pass<T>(&self, call: impl Future<Output = T>) -> T {
        match self.next() {
            Some(Dies::Before) => std::future::pending().await,
            Some(Dies::After) => {
                drop(call.await);
                std::future::pending().await
            }
            None => call.await,
        }
    }

    /// The same for the store.
    pub(super) fn gate(&self) -> Gate {
        let calls = self.clone();
        Arc::new(move |operation| match calls.next() {
            Some(Dies::Before) => Fate::NeverArrives,
            Some(Dies::After) => Fate::NeverAnswered,
            None => calls.store_trouble(operation),
        })
    }

    fn store_trouble(&self, operation: &str) -> Fate {
        let mut trouble = self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let (Trouble { store_per_mille, .. }, dice) = &mut *trouble;
        if *store_per_mille == 0 || !dice.chance(*store_per_mille) {
            return Fate::Served;
        }
        if operation == "TransactWriteItems" && dice.chance(500) { Fate::Conflict } else { Fate::Throttled }
    }
}

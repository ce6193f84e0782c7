//! The rate budget of one Stripe account, shared by all clients that read it: a pace in total
//! and one for each route, since Stripe limits both and the merchant's own software shares
//! them. Waiting is fair (first come, first served) and a caller that stops waiting uses up
//! nothing. It never sends and never counts failures.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::backoff::Jitter;
use crate::bucket::Bucket;
use crate::{RateLimitReason, Route};

/// What Stripe allows, and how much of it is used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    pub total_per_s: f64,
    pub endpoint_per_s: f64,
    /// The part of the limits that is used, above 0 and at most 1.
    pub share: f64,
}

/// The paces of the moment, in requests a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    pub total_per_s: f64,
    pub endpoint_per_s: f64,
}

/// Leave to send one request.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    route: Route,
    started: Instant,
}

/// Paces all requests to one Stripe account.
#[derive(Debug)]
pub struct Budget {
    queues: Queues,
    buckets: Mutex<Buckets>,
    jitter: Jitter,
}

impl Limits {
    /// The limits of a live account.
    pub const fn live() -> Self {
        Self { total_per_s: 100.0, endpoint_per_s: 25.0, share: 0.8 }
    }

    /// The limits of a test mode or sandbox account.
    pub const fn test() -> Self {
        Self { total_per_s: 25.0, endpoint_per_s: 25.0, share: 0.8 }
    }

    /// The same limits, of which another part is used.
    #[must_use]
    pub const fn share(self, share: f64) -> Self {
        Self { share, ..self }
    }

    /// The pace a configured limit gives. What cannot be a pace gives the slowest one instead.
    fn pace(self, limit_per_s: f64) -> f64 {
        const SLOWEST_PER_S: f64 = 0.1;
        let share = if self.share > 0.0 { self.share.min(1.0) } else { 0.0 };
        let pace = limit_per_s * share;
        if pace.is_finite() { pace.max(SLOWEST_PER_S) } else { SLOWEST_PER_S }
    }
}

impl Turn {
    pub(crate) const fn route(&self) -> Route {
        self.route
    }
}

impl Budget {
    /// `seed` spreads the pauses after refusals; give each process another one.
    pub fn new(limits: Limits, seed: u64) -> Self {
        let now = Instant::now();
        let lane = || Bucket::new(limits.pace(limits.endpoint_per_s), now);
        Self {
            queues: Queues { total: Queue::default(), lanes: std::array::from_fn(|_| Queue::default()) },
            buckets: Mutex::new(Buckets {
                total: Bucket::new(limits.pace(limits.total_per_s), now),
                lanes: std::array::from_fn(|_| lane()),
            }),
            jitter: Jitter::new(seed),
        }
    }

    /// Waits until one more request of the route fits, and counts it.
    pub async fn acquire(&self, route: Route) -> Turn {
        let _first_of_route = self.queues.lanes[route.index()].lock().await;
        loop {
            // Only a route that is ready itself stands in the common queue: a slow route must
            // not hold up the others.
            self.wait_for(|buckets, now| buckets.lane(route).opens_at(now)).await;
            let _first_of_all = self.queues.total.lock().await;
            self.wait_for(|buckets, now| buckets.total.opens_at(now)).await;
            if let Some(turn) = self.take(route) {
                return turn;
            }
        }
    }

    /// The request of this turn was answered, with anything but "too many requests".
    pub fn accepted(&self, turn: &Turn) {
        let mut buckets = self.buckets();
        buckets.total.accepted(turn.started);
        buckets.lane_mut(turn.route).accepted(turn.started);
    }

    /// The request of this turn was refused as too many: slows down what the reason names and
    /// pauses it, for at least `pause_min`.
    pub fn refused(&self, turn: &Turn, reason: RateLimitReason, pause_min: Duration) {
        let now = Instant::now();
        let chance = self.jitter.unit();
        let mut buckets = self.buckets();
        let bucket = match reason {
            RateLimitReason::EndpointRate | RateLimitReason::EndpointConcurrency => buckets.lane_mut(turn.route),
            RateLimitReason::GlobalRate | RateLimitReason::GlobalConcurrency | RateLimitReason::Unstated => {
                &mut buckets.total
            }
            // One object is busy; other objects are not the slower for it.
            RateLimitReason::ResourceSpecific => return,
        };
        bucket.refused(turn.started, now, pause_min, chance);
    }

    /// How fast requests of a route may go at the moment.
    pub fn pace(&self, route: Route) -> Pace {
        let now = Instant::now();
        let buckets = self.buckets();
        Pace { total_per_s: buckets.total.per_s(now), endpoint_per_s: buckets.lane(route).per_s(now) }
    }

    fn take(&self, route: Route) -> Option<Turn> {
        let now = Instant::now();
        let mut buckets = self.buckets();
        if buckets.total.opens_at(now) > now || buckets.lane(route).opens_at(now) > now {
            return None;
        }
        buckets.total.take(now);
        buckets.lane_mut(route).take(now);
        Some(Turn { route, started: now })
    }

    /// Sleeps until the moment has come, asking again after each sleep since a refusal may have
    /// moved it.
    async fn wait_for(&self, opens_at: impl Fn(&Buckets, Instant) -> Instant) {
        loop {
            let now = Instant::now();
            let at = opens_at(&self.buckets(), now);
            if at <= now {
                return;
            }
            sleep_until(at).await;
        }
    }

    fn buckets(&self) -> MutexGuard<'_, Buckets> {
        // A bucket is a handful of numbers, each of which is good on its own.
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves in the order of asking.
type Queue = tokio::sync::Mutex<()>;

/// Who is next, in total and for each route.
#[derive(Debug)]
struct Queues {
    total: Queue,
    lanes: [Queue; Route::COUNT],
}

#[derive(Debug)]
struct Buckets {
    total: Bucket,
    lanes: [Bucket; Route::COUNT],
}

impl Buckets {
    fn lane(&self, route: Route) -> &Bucket {
        &self.lanes[route.index()]
    }

    fn lane_mut(&mut self, route: Route) -> &mut Bucket {
        &mut self.lanes[route.index()]
    }
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;

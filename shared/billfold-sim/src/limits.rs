//! Rate limits as Stripe has them: token buckets over the account and over each endpoint. This is
//! the one place where real time is the right time, since a limit is about real requests.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// Requests a second; nothing is no limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    pub global_per_second: Option<f64>,
    pub endpoint_per_second: Option<f64>,
    /// Limits of single endpoints by template, as in `GET /v1/invoices`.
    pub per_endpoint: HashMap<String, f64>,
    /// Requests at the same time.
    pub concurrent: Option<usize>,
}

impl Limits {
    /// What Stripe allows in a mode.
    pub fn stripe(livemode: bool) -> Self {
        Self {
            global_per_second: Some(if livemode { 100.0 } else { 25.0 }),
            endpoint_per_second: Some(25.0),
            ..Self::default()
        }
    }
}

#[derive(Debug)]
struct Bucket {
    rate: f64,
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    fn new(rate: f64, now: Instant) -> Self {
        Self { rate, tokens: rate.max(1.0), filled: now }
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        // A bucket holds one second's worth.
        self.tokens = (self.tokens + passed * self.rate).min(self.rate.max(1.0));
        self.filled = now;
    }

    fn has_token(&self) -> bool {
        self.tokens >= 1.0
    }
}

#[derive(Debug, Default)]
pub struct Limiter {
    limits: Limits,
    global: Option<Bucket>,
    endpoints: HashMap<String, Bucket>,
    running: usize,
}

impl Limiter {
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Starts afresh with full buckets.
    pub fn set(&mut self, limits: Limits) {
        self.limits = limits;
        self.global = None;
        self.endpoints.clear();
    }

    /// Lets a request in or says which limit it ran into. A refused request costs nothing.
    pub fn admit(&mut self, template: &str, now: Instant) -> Result<(), &'static str> {
        if self.limits.concurrent.is_some_and(|most| self.running >= most) {
            return Err("global-concurrency");
        }
        let rate = self.limits.per_endpoint.get(template).copied();
        let endpoint_rate = rate.or(self.limits.endpoint_per_second);
        if let Some(rate) = self.limits.global_per_second {
            let bucket = self.global.get_or_insert_with(|| Bucket::new(rate, now));
            bucket.refill(now);
            if !bucket.has_token() {
                return Err("global-rate");
            }
        }
        if let Some(rate) = endpoint_rate {
            if !self.endpoints.contains_key(template) {
                self.endpoints.insert(template.to_owned(), Bucket::new(rate, now));
            }
            if let Some(bucket) = self.endpoints.get_mut(template) {
                bucket.refill(now);
                if !bucket.has_token() {
                    return Err("endpoint-rate");
                }
                bucket.tokens -= 1.0;
            }
        }
        if let Some(bucket) = &mut self.global {
            bucket.tokens -= 1.0;
        }
        self.running += 1;
        Ok(())
    }

    /// A request that was let in is over.
    pub fn done(&mut self) {
        self.running = self.running.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::{Limiter, Limits};
    use std::time::Duration;
    use tokio::time::Instant;

    fn limiter(global: Option<f64>, endpoint: Option<f64>) -> Limiter {
        let mut limiter = Limiter::default();
        limiter.set(Limits { global_per_second: global, endpoint_per_second: endpoint, ..Limits::default() });
        limiter
    }

    fn admitted(limiter: &mut Limiter, template: &str, tries: usize, at: Instant) -> usize {
        (0..tries).filter(|_| limiter.admit(template, at).is_ok()).count()
    }

    #[test]
    fn no_limit_lets_everything_in() {
        let mut limiter = limiter(None, None);
        assert_eq!(admitted(&mut limiter, "GET /v1/a", 1_000, Instant::now()), 1_000);
    }

    #[test]
    fn each_endpoint_has_its_own_bucket_under_the_global_one() {
        let now = Instant::now();
        let mut limiter = limiter(Some(10.0), Some(4.0));
        assert_eq!(admitted(&mut limiter, "GET /v1/a", 9, now), 4);
        assert_eq!(limiter.admit("GET /v1/a", now), Err("endpoint-rate"));
        assert_eq!(admitted(&mut limiter, "GET /v1/b", 9, now), 4);
        assert_eq!(admitted(&mut limiter, "GET /v1/c", 9, now), 2);
        assert_eq!(limiter.admit("GET /v1/c", now), Err("global-rate"));
    }

    #[test]
    fn buckets_refill_at_their_rate_and_never_over_a_second_worth() {
        let now = Instant::now();
        let mut limiter = limiter(Some(20.0), None);
        assert_eq!(admitted(&mut limiter, "x", 99, now), 20);
        let soon = now + Duration::from_millis(500);
        assert_eq!(admitted(&mut limiter, "x", 99, soon), 10);
        let later = soon + Duration::from_secs(60);
        assert_eq!(admitted(&mut limiter, "x", 99, later), 20);
    }

    #[test]
    fn single_endpoints_can_be_limited_apart() {
        let now = Instant::now();
        let mut limiter = Limiter::default();
        limiter.set(Limits { per_endpoint: [("GET /v1/invoices".to_owned(), 2.0)].into(), ..Limits::default() });
        assert_eq!(admitted(&mut limiter, "GET /v1/invoices", 9, now), 2);
        assert_eq!(admitted(&mut limiter, "GET /v1/prices", 9, now), 9);
    }

    #[test]
    fn concurrency_is_freed_when_requests_are_over() {
        let now = Instant::now();
        let mut limiter = Limiter::default();
        limiter.set(Limits { concurrent: Some(1), ..Limits::default() });
        assert_eq!(limiter.admit("x", now), Ok(()));
        assert_eq!(limiter.admit("x", now), Err("global-concurrency"));
        limiter.done();
        assert_eq!(limiter.admit("x", now), Ok(()));
    }
}

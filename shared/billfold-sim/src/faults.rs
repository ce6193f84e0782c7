//! Trouble on request: delays and failures that come when they were asked for and follow from a
//! seed. It only decides; the server carries it out.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::mix;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// A 500 with Stripe's error body.
    InternalError,
    /// A 502 whose body is a proxy's page, not JSON.
    BadGateway,
    /// The connection is closed without an answer.
    Reset,
    /// The right answer, but later than a client waits.
    Slow,
    /// A 429 for an object that something else holds.
    LockTimeout,
    /// The answer breaks off in the middle.
    Truncated,
}

impl Fault {
    pub const ALL: [Self; 6] =
        [Self::InternalError, Self::BadGateway, Self::Reset, Self::Slow, Self::LockTimeout, Self::Truncated];
}

/// What trouble to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Faults {
    /// Every answer takes this long.
    pub latency_ms: u64,
    /// And up to this much longer.
    pub jitter_ms: u64,
    /// Every n-th request fails, in the ways of `kinds` by turns.
    pub every: Option<u64>,
    pub kinds: Vec<Fault>,
    /// Only requests of these endpoint templates; all when empty.
    pub endpoints: Vec<String>,
    /// The k-th request from now fails so, once. Counted from one.
    pub once: Vec<(u64, Fault)>,
    /// How long a slow answer takes.
    pub slow_ms: u64,
    pub seed: u64,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            latency_ms: 0,
            jitter_ms: 0,
            every: None,
            kinds: Fault::ALL.to_vec(),
            endpoints: Vec::new(),
            once: Vec::new(),
            slow_ms: 60_000,
            seed: 0,
        }
    }
}

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub delay: Duration,
    pub fault: Option<Fault>,
}

#[derive(Debug, Default)]
pub struct FaultPlan {
    faults: Faults,
    seen: u64,
    failed: u64,
}

impl FaultPlan {
    /// Counting starts anew.
    pub fn set(&mut self, faults: Faults) {
        *self = Self { faults, seen: 0, failed: 0 };
    }

    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    pub fn judge(&mut self, template: &str) -> Verdict {
        let endpoints = &self.faults.endpoints;
        let concerned = endpoints.is_empty() || endpoints.iter().any(|own| own == template);
        let fault = if concerned { self.next_fault() } else { None };
        Verdict { delay: self.delay(fault), fault }
    }

    fn next_fault(&mut self) -> Option<Fault> {
        self.seen += 1;
        let planned = self.faults.once.iter().find(|(at, _)| *at == self.seen);
        if let Some(&(_, fault)) = planned {
            return Some(fault);
        }
        let every = self.faults.every.filter(|&every| every > 0)?;
        if !self.seen.is_multiple_of(every) || self.faults.kinds.is_empty() {
            return None;
        }
        let turn = self.failed % self.faults.kinds.len() as u64;
        self.failed += 1;
        self.faults.kinds.get(usize::try_from(turn).ok()?).copied()
    }

    fn delay(&self, fault: Option<Fault>) -> Duration {
        let jitter = match self.faults.jitter_ms {
            0 => 0,
            most => mix(self.faults.seed ^ self.seen) % (most + 1),
        };
        let slow = if fault == Some(Fault::Slow) { self.faults.slow_ms } else { 0 };
        Duration::from_millis(self.faults.latency_ms + jitter + slow)
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, FaultPlan, Faults};

    fn plan(faults: Faults) -> FaultPlan {
        let mut plan = FaultPlan::default();
        plan.set(faults);
        plan
    }

    fn faults(plan: &mut FaultPlan, count: usize) -> Vec<Option<Fault>> {
        (0..count).map(|_| plan.judge("GET /v1/x").fault).collect()
    }

    #[test]
    fn every_nth_request_fails_in_turn() {
        let mut plan =
            plan(Faults { every: Some(3), kinds: vec![Fault::Reset, Fault::Truncated], ..Faults::default() });
        let seen = faults(&mut plan, 9);
        let failed: Vec<_> = seen.iter().enumerate().filter_map(|(n, f)| f.map(|f| (n, f))).collect();
        assert_eq!(failed, [(2, Fault::Reset), (5, Fault::Truncated), (8, Fault::Reset)]);
    }

    #[test]
    fn one_request_fails_once() {
        let mut plan = plan(Faults { once: vec![(2, Fault::InternalError)], ..Faults::default() });
        assert_eq!(faults(&mut plan, 4), [None, Some(Fault::InternalError), None, None]);
    }

    #[test]
    fn only_the_named_endpoints_fail() {
        let mut plan =
            plan(Faults { every: Some(1), endpoints: vec!["GET /v1/prices".to_owned()], ..Faults::default() });
        assert_eq!(plan.judge("GET /v1/products").fault, None);
        assert_eq!(plan.judge("GET /v1/prices").fault, Some(Fault::InternalError));
    }

    #[test]
    fn delays_follow_from_the_seed() {
        let make = || plan(Faults { latency_ms: 10, jitter_ms: 5, seed: 4, ..Faults::default() });
        let (mut one, mut two) = (make(), make());
        for _ in 0..50 {
            let delay = one.judge("x").delay;
            assert_eq!(delay, two.judge("x").delay);
            assert!((10..=15).contains(&delay.as_millis()));
        }
    }

    #[test]
    fn a_slow_answer_outlasts_a_client() {
        let mut plan = plan(Faults { once: vec![(1, Fault::Slow)], slow_ms: 700, ..Faults::default() });
        assert_eq!(plan.judge("x").delay.as_millis(), 700);
        assert_eq!(plan.judge("x").delay.as_millis(), 0);
    }
}

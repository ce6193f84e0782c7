//! How often somebody may ask: callers by who they are, and strangers, who prove nothing, by their address. Whoever proves
//! something never pays for a stranger at the same address.

use super::Problem;
use super::limits::{CALLER_REQUESTS_BURST, CALLER_REQUESTS_PER_S, STRANGER_REQUESTS_BURST, STRANGER_REQUESTS_PER_S};
use crate::auth::Caller;
use axum::extract::ConnectInfo;
use axum::http::Extensions;
use billfold_core::id::WorkspaceId;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;

/// From this many on, those who have not been heard of for a while are forgotten.
const KNOWN_MAX: usize = 10_000;

/// Who has asked how often.
pub(super) struct Rates {
    callers: DefaultKeyedRateLimiter<(WorkspaceId, String)>,
    strangers: DefaultKeyedRateLimiter<IpAddr>,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            callers: RateLimiter::keyed(quota(CALLER_REQUESTS_PER_S, CALLER_REQUESTS_BURST)),
            strangers: RateLimiter::keyed(quota(STRANGER_REQUESTS_PER_S, STRANGER_REQUESTS_BURST)),
        }
    }
}

fn quota(per_s: u32, burst: u32) -> Quota {
    let number = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    Quota::per_second(number(per_s)).allow_burst(number(burst))
}

impl Rates {
    /// Counts a request of a caller.
    pub(super) fn caller(&self, caller: &Caller) -> Result<(), Problem> {
        check(&self.callers, &(caller.workspace.clone(), caller.subject.clone()))
    }

    /// Counts a request that proved nothing. Where nobody says which address it came from, somebody in front counts.
    pub(super) fn stranger(&self, extensions: &Extensions) -> Result<(), Problem> {
        match extensions.get::<ConnectInfo<SocketAddr>>() {
            Some(ConnectInfo(address)) => check(&self.strangers, &network(address.ip())),
            None => Ok(()),
        }
    }
}

fn check<K: Hash + Eq + Clone>(limiter: &DefaultKeyedRateLimiter<K>, key: &K) -> Result<(), Problem> {
    if limiter.len() > KNOWN_MAX {
        limiter.retain_recent();
    }
    limiter.check_key(key).map_err(|until| {
        let wait = until.wait_time_from(DefaultClock::default().now());
        Problem::too_many_requests(wait.as_secs().saturating_add(1))
    })
}

/// Whoever has an address of IPv6 has a network of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Role;
    use axum::http::{StatusCode, header};
    use axum::response::IntoResponse as _;

    fn rates() -> Rates {
        Rates { callers: RateLimiter::keyed(quota(1, 3)), strangers: RateLimiter::keyed(quota(1, 2)) }
    }

    fn from(address: &str) -> Extensions {
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::new(address.parse().unwrap(), 1)));
        extensions
    }

    fn refused(answer: Result<(), Problem>) -> bool {
        let Err(problem) = answer else { return false };
        let response = problem.into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        let seconds: u64 = response.headers()[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
        assert!((1..=3).contains(&seconds), "{seconds}");
        true
    }

    /// How many of five in a row are answered; one may have come back meanwhile.
    fn answered(mut ask: impl FnMut() -> Result<(), Problem>) -> usize {
        (0..5).filter(|_| !refused(ask())).count()
    }

    #[test]
    fn each_caller_has_a_rate_of_their_own() {
        let rates = rates();
        let caller = |ws: &str, subject: &str| Caller {
            workspace: WorkspaceId::new(ws).unwrap(),
            role: Role::Member,
            subject: subject.into(),
        };
        for (ws, subject) in [("acme", "ann"), ("acme", "bob"), ("other", "ann")] {
            let count = answered(|| rates.caller(&caller(ws, subject)));
            assert!((3..5).contains(&count), "{count}");
        }
    }

    #[test]
    fn each_address_or_network_has_one() {
        let rates = rates();
        for (one, other) in [("192.0.2.1", "192.0.2.2"), ("2001:db8:0:1::1", "2001:db8:0:2::1")] {
            assert!((2..5).contains(&answered(|| rates.stranger(&from(one)))), "{one}");
            assert!(rates.stranger(&from(other)).is_ok(), "{other}");
        }
        assert!(
            refused(rates.stranger(&from("2001:db8:0:1::ffff"))) && refused(rates.stranger(&from("::ffff:192.0.2.1")))
        );
        assert_eq!(answered(|| rates.stranger(&Extensions::new())), 5, "a gateway counts");
    }
}

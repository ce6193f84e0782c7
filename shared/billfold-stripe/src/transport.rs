//! The way to Stripe: one connection pool, the base address and the time a request may take.
//! Cheap to clone and shared by every client of the process. It never holds a key.

use std::time::Duration;

use reqwest::{Client as Http, redirect};

use crate::Base;

/// A connection pool pointed at Stripe.
#[derive(Debug, Clone)]
pub struct Transport {
    pub(crate) http: Http,
    pub(crate) base: Base,
    pub(crate) timeout: Duration,
}

/// The HTTP client could not be set up (no TLS roots, no resolver).
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client for Stripe could not be set up")]
pub struct TransportError(#[source] reqwest::Error);

impl Transport {
    /// How long a request may take in all, unless [`Transport::with_timeout`] says otherwise.
    pub const TIMEOUT: Duration = Duration::from_secs(30);

    /// Opens a pool of its own. Redirects are not followed: Stripe's API has none, and
    /// following one could carry the key to another host.
    pub fn new(base: Base) -> Result<Self, TransportError> {
        let mut builder = Http::builder()
            .user_agent(concat!("Billfold/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .gzip(true)
            .connect_timeout(Duration::from_secs(5))
            .tcp_keepalive(Duration::from_secs(30))
            .pool_idle_timeout(Duration::from_secs(50));
        if base.is_loopback() {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(TransportError)?;
        Ok(Self { http, base, timeout: Self::TIMEOUT })
    }

    /// The same pool with another time limit for each request.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

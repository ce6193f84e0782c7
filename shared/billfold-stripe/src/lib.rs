//! Stripe over HTTPS: the version pin, paging, the rate budget, retries and
//! permission probes. The only crate that speaks to Stripe.
//!
//! What is absent on purpose: this crate can write nothing but Billfold's own webhook endpoint
//! ([`WebhookEndpoints`], and a test searches every other file), it interprets no billing
//! object (rows leave it as raw JSON), and no key, body or URL query ever reaches a log line
//! or an error text.
//!
//! ```text
//! ListRequest ─┐                         ┌─ Budget (pace, adapts to 429)
//!              ├─ Client ── send ── judge┤
//! id, nested ──┘             │           └─ StripeError + Disposition (decided once)
//!                            └─ Page / Retrieved / Access / AccountIdentity
//! ```

mod account;
mod backoff;
mod base;
mod bucket;
mod budget;
mod client;
mod endpoint;
mod error;
mod judge;
mod page;
mod probe;
mod redact;
mod request;
mod send;
mod transport;
mod webhook_endpoints;

pub use account::AccountIdentity;
pub use backoff::Patience;
pub use base::{Base, BaseError};
pub use budget::{Budget, Limits, Pace, Turn};
pub use client::{Client, KeyNotSendable, Retrieved};
pub use endpoint::{Endpoint, Form, Route};
pub use error::{Disposition, RateLimitReason, Rejection, StripeError, Trouble};
pub use page::{Page, Row, RowKey};
pub use probe::Access;
pub use request::{Created, ListRequest, Nested};
pub use transport::{Transport, TransportError};
pub use webhook_endpoints::{WebhookEndpoint, WebhookEndpoints};

/// The API version every request is pinned to, and the one webhook endpoints are created with.
pub const API_VERSION: &str = "2026-09-30.endive";

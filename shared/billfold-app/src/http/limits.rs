//! Every limit of the API, by name. What is over one is answered with a problem that says so; none is a matter of taste of
//! a single handler.

use serde::Serialize;
use std::time::Duration;

/// Longest request body, in bytes.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// How much of a body that is too long is read, so that its sender sees the answer, before the connection is closed on it.
pub const BODY_THROWN_AWAY_BYTES_MAX: usize = 16 * BODY_BYTES_MAX;
/// Longest time for a request: connecting a key asks Stripe a dozen things.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(60);
/// Rows of a page, unless the caller says otherwise.
pub const PAGE_ROWS: usize = 50;
/// The most rows of a page.
pub const PAGE_ROWS_MAX: usize = 100;
/// Longest text that is searched for, in bytes.
pub const SEARCH_BYTES_MAX: usize = 200;

/// A limit as the documentation tells it.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    what: &'static str,
    value: String,
    answer: &'static str,
}

/// Every limit, for the document.
pub(super) fn told() -> Vec<Told> {
    let told = |what, value, answer| Told { what, value, answer };
    let bytes = |number: usize| format!("{number} bytes");
    let seconds = |time: Duration| format!("{} s", time.as_secs());
    vec![
        told("Request body", bytes(BODY_BYTES_MAX), "413 `body_too_large`"),
        told("Time for a request", seconds(REQUEST_TIME_MAX), "504 `timeout`"),
        told("Rows of a page", format!("{PAGE_ROWS_MAX}, or {PAGE_ROWS} if it is not said"), "422 `limit_invalid`"),
        told("Search text", bytes(SEARCH_BYTES_MAX), "422 `search_too_long`"),
    ]
}

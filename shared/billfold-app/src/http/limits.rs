//! Every limit of the API, by name. What is over one is answered with a problem that says so; none is a matter of taste of
//! a single handler.

use crate::given::{CUSTOM_BYTES_MAX, CUSTOM_FIELDS_MAX, EXTERNAL_IDS_MAX};
use crate::import::{ERRORS_MAX, IMPORT_ROWS_MAX};
use crate::invite::{INVITE_HOURS_MAX, INVITES_OPEN_MAX};
use crate::rows::ROW_BYTES_MAX;
use serde::Serialize;
use std::time::Duration;

/// Longest request body, in bytes.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// How much of a body that is too long is read, so that its sender sees the answer, before the connection is closed on it.
pub const BODY_THROWN_AWAY_BYTES_MAX: usize = 16 * BODY_BYTES_MAX;
/// Longest time in which a body must have come.
pub const BODY_TIME_MAX: Duration = Duration::from_secs(20);
/// Longest time for a request: connecting a key asks Stripe a dozen things.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(60);
/// Longest idempotency key, in bytes.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;
/// How long an idempotency key holds.
pub const IDEMPOTENCY_KEY_TIME: Duration = Duration::from_secs(24 * 3600);
/// Longest answer that is kept for an idempotency key, in bytes; after a longer one the request happens again.
pub const KEPT_ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Longest file of accounts, in bytes.
pub const IMPORT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Longest time for a file of accounts.
pub const IMPORT_TIME_MAX: Duration = Duration::from_secs(15 * 60);
/// Longest head of a request (its line and headers), in bytes.
pub const HEAD_BYTES_MAX: usize = 32 * 1024;
/// The most headers of a request.
pub const HEADERS_MAX: usize = 64;
/// Longest time in which the head of a request must have come, on a connection that idles between two as well.
pub const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// Longest time for which a client may take nothing of an answer.
pub const WRITE_TIME_MAX: Duration = Duration::from_secs(20);
/// The most connections at once; one more waits until another ends. Below what a process may have open by default.
pub const CONNECTIONS_MAX: usize = 800;
/// Requests a second of one caller (workspace and subject), in the long run.
pub const CALLER_REQUESTS_PER_S: u32 = 200;
/// Requests of one caller at once.
pub const CALLER_REQUESTS_BURST: u32 = 2000;
/// Requests a second of one address that prove nothing (no good token, no good signature), in the long run.
pub const STRANGER_REQUESTS_PER_S: u32 = 50;
/// Requests of one address at once that prove nothing.
pub const STRANGER_REQUESTS_BURST: u32 = 1000;
/// Rows of a page, unless the caller says otherwise.
pub const PAGE_ROWS: usize = 50;
/// The most rows of a page.
pub const PAGE_ROWS_MAX: usize = 100;
/// Longest text that is searched for, in bytes.
pub const SEARCH_BYTES_MAX: usize = 200;
/// Longest name of an account, in bytes.
pub const NAME_BYTES_MAX: usize = 5000;
/// The most domains of an account.
pub const DOMAINS_MAX: usize = 50;

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
    let rate = |per_s: u32, burst: u32| format!("{per_s} a second, {burst} at once");
    vec![
        told("Request body", bytes(BODY_BYTES_MAX), "413 `body_too_large`"),
        told("Time for a body to come", seconds(BODY_TIME_MAX), "408 `body_too_slow`"),
        told("Time for a request", seconds(REQUEST_TIME_MAX), "504 `timeout`"),
        told(
            "`Idempotency-Key`",
            format!("{} bytes, {} hours", IDEMPOTENCY_KEY_BYTES_MAX, IDEMPOTENCY_KEY_TIME.as_secs() / 3600),
            "422 `idempotency_key_invalid`",
        ),
        told("File of accounts", bytes(IMPORT_BYTES_MAX), "413 `body_too_large`; what came before is kept"),
        told("Rows of a file", IMPORT_ROWS_MAX.to_string(), "413 `too_many_rows`; what came before is kept"),
        told("Row of a file", bytes(ROW_BYTES_MAX), "the row fails"),
        told("Errors of a file that are listed", ERRORS_MAX.to_string(), "`more_errors` counts the others"),
        told("Time for a file", seconds(IMPORT_TIME_MAX), "504 `timeout`"),
        told("Invitations that are open", INVITES_OPEN_MAX.to_string(), "409 `too_many_invites`"),
        told("Time of an invitation", format!("{INVITE_HOURS_MAX} hours"), "422 `expires_in_hours_invalid`"),
        told("Request line and headers", format!("{HEAD_BYTES_MAX} bytes, {HEADERS_MAX} headers"), "431"),
        told("Time for the headers to come, and idle time", seconds(HEAD_TIME_MAX), "the connection ends"),
        told("Time without taking anything of an answer", seconds(WRITE_TIME_MAX), "the connection ends"),
        told("Connections", CONNECTIONS_MAX.to_string(), "one more waits"),
        told("Requests of a caller", rate(CALLER_REQUESTS_PER_S, CALLER_REQUESTS_BURST), "429 `too_many_requests`"),
        told(
            "Requests of an address without a good token or signature",
            rate(STRANGER_REQUESTS_PER_S, STRANGER_REQUESTS_BURST),
            "429 `too_many_requests`",
        ),
        told("Rows of a page", format!("{PAGE_ROWS_MAX}, or {PAGE_ROWS} if it is not said"), "422 `limit_invalid`"),
        told("Search text", bytes(SEARCH_BYTES_MAX), "422 `search_too_long`"),
        told("Name of an account", bytes(NAME_BYTES_MAX), "422 `name_invalid`"),
        told("Domains of an account", DOMAINS_MAX.to_string(), "422 `too_many_domains`"),
        told("External ids of an account", EXTERNAL_IDS_MAX.to_string(), "422 `too_many_external_ids`"),
        told(
            "`custom` of an account",
            format!("{CUSTOM_FIELDS_MAX} fields, {CUSTOM_BYTES_MAX} bytes of JSON"),
            "422 `custom_too_large`",
        ),
        told("A file of accounts", format!("{IMPORT_BYTES_MAX} bytes, {} s", IMPORT_TIME_MAX.as_secs()), "413, 504"),
    ]
}

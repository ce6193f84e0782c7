//! Reads what an answer means: done, slow down, try again, or stop. A pure function of status,
//! headers and body, so that the whole table of Stripe's refusals is tested without a socket.
//! It never waits and never repeats a body.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::HeaderMap;
use serde::Deserialize;

use crate::redact::redact;
use crate::{Endpoint, RateLimitReason, Rejection, StripeError, Trouble};

/// One answer, fully received.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) signs: Signs,
    pub(crate) body: Bytes,
}

/// The headers that matter.
#[derive(Debug)]
pub(crate) struct Signs {
    pub(crate) date: Option<Timestamp>,
    pub(crate) request_id: Option<String>,
    pub(crate) should_retry: Option<bool>,
    pub(crate) reason: RateLimitReason,
    pub(crate) retry_after: Option<Duration>,
}

/// What an answer means.
#[derive(Debug)]
pub(crate) enum Verdict<T> {
    Done(T, Timestamp),
    /// Too many requests: the budget slows down, the call goes on.
    Refused(RateLimitReason),
    /// Worth another try after a wait.
    Setback(Trouble),
    /// Trouble, but Stripe asks not to try again.
    GiveUp(Trouble),
    Stop(StripeError),
}

/// Why a body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Not whole JSON: most likely the connection broke.
    CutShort,
    /// JSON, but not what this endpoint answers.
    Shape,
}

/// Reads an answer. `read` turns a good body into a value.
pub(crate) fn judge<T>(
    endpoint: Endpoint,
    answer: &Answer,
    read: impl FnOnce(&Bytes) -> Result<T, Flaw>,
) -> Verdict<T> {
    if (200..300).contains(&answer.status) {
        return accept(endpoint, answer, read);
    }
    let verdict = refuse(endpoint, answer);
    match (answer.signs.should_retry, verdict) {
        (Some(false), Verdict::Setback(trouble)) => Verdict::GiveUp(trouble),
        (Some(true), Verdict::Stop(_)) if !matches!(answer.status, 401 | 403) => {
            Verdict::Setback(Trouble::Status(answer.status))
        }
        (_, verdict) => verdict,
    }
}

/// The account id in one of Stripe's messages.
pub(crate) fn named_account(message: &str) -> Option<&str> {
    message.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').find(|word| is_account_id(word))
}

impl Flaw {
    pub(crate) fn of(error: serde_json::Error) -> Self {
        match error.classify() {
            serde_json::error::Category::Data => Self::Shape,
            serde_json::error::Category::Eof
            | serde_json::error::Category::Syntax
            | serde_json::error::Category::Io => Self::CutShort,
        }
    }
}

impl Signs {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        /// Longer than this is not waited for on another's word.
        const LONGEST_RETRY_AFTER: u64 = 60;
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let seconds = text("retry-after").and_then(|text| text.parse::<u64>().ok());
        Self {
            date: text("date").and_then(read_date),
            request_id: text("request-id").map(str::to_owned),
            should_retry: text("stripe-should-retry").and_then(|text| text.parse().ok()),
            reason: RateLimitReason::parse(text("stripe-rate-limited-reason").unwrap_or_default()),
            retry_after: seconds.map(|n| Duration::from_secs(n.min(LONGEST_RETRY_AFTER))),
        }
    }
}

/// `{"error": {…}}`, of which only `type` is certain.
#[derive(Debug, Default, Deserialize)]
struct Refusal {
    error: Option<Said>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Said {
    code: Option<String>,
    message: Option<String>,
    param: Option<String>,
    request_log_url: Option<String>,
}

fn accept<T>(endpoint: Endpoint, answer: &Answer, read: impl FnOnce(&Bytes) -> Result<T, Flaw>) -> Verdict<T> {
    let unreadable = |what| Verdict::Stop(StripeError::Unreadable { endpoint, what });
    match (read(&answer.body), answer.signs.date) {
        (Err(Flaw::CutShort), _) => Verdict::Setback(Trouble::CutShort),
        (Err(Flaw::Shape), _) => unreadable("its body has not the expected shape"),
        (Ok(_), None) => unreadable("it has no readable Date header"),
        (Ok(value), Some(date)) => Verdict::Done(value, date),
    }
}

fn refuse<T>(endpoint: Endpoint, answer: &Answer) -> Verdict<T> {
    let said = serde_json::from_slice::<Refusal>(&answer.body).unwrap_or_default().error;
    let code = said.as_ref().and_then(|said| said.code.as_deref());
    match (answer.status, code) {
        (_, Some("lock_timeout")) => Verdict::Setback(Trouble::Locked),
        (429, _) | (400, Some("rate_limit")) => Verdict::Refused(answer.signs.reason),
        (409 | 500.., _) => Verdict::Setback(Trouble::Status(answer.status)),
        (401 | 403, _) => Verdict::Stop(key_refused(endpoint, answer.status, said)),
        (400..500, _) => Verdict::Stop(request_refused(endpoint, answer, said)),
        _ => Verdict::Stop(not_an_answer(endpoint)),
    }
}

/// Redirects and errors in somebody else's words: not Stripe, but something in between.
fn not_an_answer(endpoint: Endpoint) -> StripeError {
    StripeError::Unreadable { endpoint, what: "it is not one of Stripe's answers" }
}

fn key_refused(endpoint: Endpoint, status: u16, said: Option<Said>) -> StripeError {
    let has_words = said.is_some();
    let said = said.unwrap_or_default();
    let code = said.code.as_deref().unwrap_or_default();
    let message = said.message.as_deref().unwrap_or_default();
    let permission = named_permission(message);
    if message.contains("does not allow requests from your IP address") {
        StripeError::IpNotAllowed
    } else if code == "api_key_expired" || message.starts_with("Expired API Key") {
        StripeError::ExpiredKey
    } else if permission.is_none() && speaks_of_other_accounts(code, message) {
        StripeError::AccountRefused
    } else if permission.is_some() || code == "more_permissions_required" || (status == 403 && has_words) {
        StripeError::PermissionMissing {
            permission: permission.unwrap_or(endpoint.permission()).to_owned(),
            endpoint,
            account: named_account(message).map(str::to_owned),
        }
    } else if status == 401 {
        StripeError::InvalidKey
    } else {
        not_an_answer(endpoint)
    }
}

fn request_refused(endpoint: Endpoint, answer: &Answer, said: Option<Said>) -> StripeError {
    let Some(said) = said else { return not_an_answer(endpoint) };
    let message = said.message.unwrap_or_default();
    let is_other_mode =
        said.code.as_deref() == Some("livemode_mismatch") || message.contains("a similar object exists in");
    if is_other_mode {
        return StripeError::OtherMode;
    }
    StripeError::BadRequest(Box::new(Rejection {
        status: answer.status,
        code: said.code.as_deref().map(redact),
        param: said.param.as_deref().map(redact),
        message: redact(&message),
        request_log_url: said.request_log_url,
        request_id: answer.signs.request_id.clone(),
        date: answer.signs.date,
    }))
}

fn speaks_of_other_accounts(code: &str, message: &str) -> bool {
    code == "account_invalid"
        || message.contains("Only Stripe Connect platforms can work with other accounts")
        || message.contains("does not have access to account")
}

/// The permission in "Having the 'rak_…' permission would allow this request to continue."
fn named_permission(message: &str) -> Option<&str> {
    let (_, after) = message.split_once("Having the '")?;
    let (name, _) = after.split_once('\'')?;
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    (name.starts_with("rak_") && name.chars().all(is_plain)).then_some(name)
}

fn is_account_id(word: &str) -> bool {
    word.strip_prefix("acct_")
        .is_some_and(|tail| (6..=64).contains(&tail.len()) && tail.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

fn read_date(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;

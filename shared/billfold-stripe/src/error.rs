//! Everything that can go wrong with Stripe, and, decided once here, what to do about it. No
//! message or source holds a key, a body or a URL query.

use std::time::Duration;

use jiff::Timestamp;

use crate::Endpoint;

/// Why Stripe could not be read.
#[derive(Debug, thiserror::Error)]
pub enum StripeError {
    #[error("Stripe rejected the API key")]
    InvalidKey,
    #[error("the Stripe API key has expired")]
    ExpiredKey,
    #[error("the Stripe API key does not allow requests from this network address")]
    IpNotAllowed,
    #[error("the Stripe API key has no access to this account")]
    AccountRefused,
    #[error("the Stripe API key lacks the permission {permission}, needed to read {}", .endpoint.label())]
    PermissionMissing {
        permission: String,
        endpoint: Endpoint,
        /// The account that Stripe's refusal named.
        account: Option<String>,
    },
    #[error("the object exists in the other mode (live or test) than that of the API key")]
    OtherMode,
    #[error("Stripe keeps answering that there are too many requests ({reason})")]
    RateLimited { reason: RateLimitReason },
    /// The row a page should start after was deleted meanwhile: list the slice again with a
    /// bound on the creation time.
    #[error("the row this page starts after no longer exists in Stripe")]
    CursorGone,
    #[error("Stripe refused the request: {0}")]
    BadRequest(Box<Rejection>),
    #[error("Stripe could not be reached or did not answer (requests made: {requests})")]
    Unavailable {
        requests: u32,
        #[source]
        trouble: Trouble,
    },
    #[error("Stripe's answer for {} cannot be used: {what}", .endpoint.label())]
    Unreadable { endpoint: Endpoint, what: &'static str },
    /// The caller asked for something that has no address; nothing was sent.
    #[error("{0}")]
    Misuse(&'static str),
}

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Waiting, not failure: do the same again, no sooner than this.
    Retry { after: Duration },
    /// Begin the slice again with a bound on the creation time instead of the cursor.
    RestartSlice,
    /// Nothing will work until a person changes the key; [`StripeError::fix`] says how.
    StopNeedsUser,
    /// Trying again cannot help: set this piece of work aside, with the message.
    Park,
}

/// A request that Stripe understood and refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    pub status: u16,
    pub code: Option<String>,
    pub param: Option<String>,
    /// Stripe's words, with anything like a key masked.
    pub message: String,
    /// Where the dashboard shows the request.
    pub request_log_url: Option<String>,
    pub request_id: Option<String>,
    pub date: Option<Timestamp>,
}

/// Why no usable answer came.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    #[error("Stripe answered {0}")]
    Status(u16),
    #[error("another request holds the object")]
    Locked,
    #[error("the answer did not come in time")]
    TimedOut,
    #[error("the connection failed")]
    Network(#[source] reqwest::Error),
    #[error("the answer was cut short")]
    CutShort,
    #[error("the answer was larger than any page of Stripe's")]
    TooLarge,
    #[error("too many requests")]
    TooManyRequests,
    #[error("the time given to the caller ran out")]
    OutOfTime,
}

/// What Stripe says about an answer 429 (`Stripe-Rate-Limited-Reason`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RateLimitReason {
    GlobalRate,
    GlobalConcurrency,
    EndpointRate,
    EndpointConcurrency,
    ResourceSpecific,
    /// No reason given, or one that is not known yet.
    Unstated,
}

impl StripeError {
    /// What to do, decided here for everyone.
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::InvalidKey
            | Self::ExpiredKey
            | Self::IpNotAllowed
            | Self::AccountRefused
            | Self::PermissionMissing { .. } => Disposition::StopNeedsUser,
            Self::RateLimited { .. } => Disposition::Retry { after: Duration::from_secs(30) },
            Self::Unavailable { trouble: Trouble::OutOfTime, .. } => Disposition::Retry { after: Duration::ZERO },
            Self::Unavailable { trouble: Trouble::TooLarge, .. } => Disposition::Park,
            Self::Unavailable { .. } => Disposition::Retry { after: Duration::from_secs(15) },
            Self::CursorGone => Disposition::RestartSlice,
            Self::OtherMode | Self::BadRequest(_) | Self::Unreadable { .. } | Self::Misuse(_) => Disposition::Park,
        }
    }

    /// A stable word for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidKey => "invalid_api_key",
            Self::ExpiredKey => "api_key_expired",
            Self::IpNotAllowed => "ip_not_allowed",
            Self::AccountRefused => "account_refused",
            Self::PermissionMissing { .. } => "permissions_missing",
            Self::OtherMode => "other_mode",
            Self::RateLimited { .. } => "rate_limited",
            Self::CursorGone => "cursor_gone",
            Self::BadRequest(_) => "stripe_refused",
            Self::Unavailable { .. } => "stripe_unavailable",
            Self::Unreadable { .. } => "stripe_unreadable",
            Self::Misuse(_) => "request_impossible",
        }
    }

    /// What a person can do about it.
    pub fn fix(&self) -> String {
        match self {
            Self::InvalidKey => "Check that the key is correct and has not been revoked, then reconnect".to_owned(),
            Self::ExpiredKey => "Create a new restricted key in Stripe, then reconnect".to_owned(),
            Self::IpNotAllowed => {
                "Remove the IP restriction from the key, or add Billfold's addresses to it".to_owned()
            }
            Self::AccountRefused => "Use a key that belongs to the account itself, then reconnect".to_owned(),
            Self::PermissionMissing { endpoint, .. } => {
                format!("Grant read access to {} in your restricted key", endpoint.label())
            }
            Self::RateLimited { .. } | Self::Unavailable { .. } | Self::CursorGone => {
                "Nothing: Billfold tries again by itself".to_owned()
            }
            Self::BadRequest(rejection) => match &rejection.request_log_url {
                Some(url) => format!("Look at the request in Stripe: {url}"),
                None => "Report the message; Billfold's request was wrong".to_owned(),
            },
            Self::OtherMode => "Connect with a key of the mode the object belongs to".to_owned(),
            Self::Unreadable { .. } => "Check that STRIPE_API_BASE leads to Stripe".to_owned(),
            Self::Misuse(_) => "Report the message; Billfold asked for something impossible".to_owned(),
        }
    }
}

impl Rejection {
    /// Stripe knows no object with an id that the request named.
    pub fn is_resource_missing(&self) -> bool {
        self.code.as_deref() == Some("resource_missing")
    }
}

impl std::fmt::Display for Rejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}", self.message, self.status)?;
        for detail in [&self.code, &self.param, &self.request_id].into_iter().flatten() {
            write!(f, ", {detail}")?;
        }
        f.write_str(")")
    }
}

impl RateLimitReason {
    /// Reads the header's value.
    pub fn parse(text: &str) -> Self {
        match text {
            "global-rate" => Self::GlobalRate,
            "global-concurrency" => Self::GlobalConcurrency,
            "endpoint-rate" => Self::EndpointRate,
            "endpoint-concurrency" => Self::EndpointConcurrency,
            "resource-specific" => Self::ResourceSpecific,
            _ => Self::Unstated,
        }
    }
}

impl std::fmt::Display for RateLimitReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::GlobalRate => "global-rate",
            Self::GlobalConcurrency => "global-concurrency",
            Self::EndpointRate => "endpoint-rate",
            Self::EndpointConcurrency => "endpoint-concurrency",
            Self::ResourceSpecific => "resource-specific",
            Self::Unstated => "no reason given",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unavailable(trouble: Trouble) -> StripeError {
        StripeError::Unavailable { requests: 6, trouble }
    }

    fn rejection() -> Rejection {
        Rejection {
            status: 400,
            code: Some("parameter_unknown".to_owned()),
            param: None,
            message: "Received unknown parameter: x".to_owned(),
            request_log_url: Some("https://dashboard.stripe.com/logs/req_1".to_owned()),
            request_id: Some("req_1".to_owned()),
            date: None,
        }
    }

    #[test]
    fn each_error_has_one_disposition_and_one_code() {
        let check = |error: StripeError, disposition, code| {
            assert_eq!(error.disposition(), disposition, "{error}");
            assert_eq!(error.code(), code);
        };
        let wait = |seconds| Disposition::Retry { after: Duration::from_secs(seconds) };
        check(StripeError::InvalidKey, Disposition::StopNeedsUser, "invalid_api_key");
        check(StripeError::ExpiredKey, Disposition::StopNeedsUser, "api_key_expired");
        check(StripeError::IpNotAllowed, Disposition::StopNeedsUser, "ip_not_allowed");
        check(StripeError::AccountRefused, Disposition::StopNeedsUser, "account_refused");
        check(StripeError::RateLimited { reason: RateLimitReason::Unstated }, wait(30), "rate_limited");
        check(unavailable(Trouble::Status(503)), wait(15), "stripe_unavailable");
        check(unavailable(Trouble::OutOfTime), wait(0), "stripe_unavailable");
        check(unavailable(Trouble::TooLarge), Disposition::Park, "stripe_unavailable");
        check(StripeError::CursorGone, Disposition::RestartSlice, "cursor_gone");
        check(StripeError::BadRequest(Box::new(rejection())), Disposition::Park, "stripe_refused");
        check(StripeError::OtherMode, Disposition::Park, "other_mode");
        check(StripeError::Misuse("x"), Disposition::Park, "request_impossible");
    }

    #[test]
    fn texts_name_what_a_person_needs() {
        let missing = StripeError::PermissionMissing {
            permission: "rak_plan_read".to_owned(),
            endpoint: Endpoint::Prices,
            account: None,
        };
        assert_eq!(missing.to_string(), "the Stripe API key lacks the permission rak_plan_read, needed to read Prices");
        assert_eq!(missing.fix(), "Grant read access to Prices in your restricted key");
        let refused = StripeError::BadRequest(Box::new(rejection()));
        assert_eq!(
            refused.to_string(),
            "Stripe refused the request: Received unknown parameter: x (400, parameter_unknown, req_1)"
        );
        assert!(refused.fix().ends_with("/logs/req_1"));
    }

    #[test]
    fn reasons_are_read_as_they_are_shown() {
        use RateLimitReason::{EndpointConcurrency, EndpointRate, GlobalConcurrency, GlobalRate, ResourceSpecific};
        for reason in [GlobalRate, GlobalConcurrency, EndpointRate, EndpointConcurrency, ResourceSpecific] {
            assert_eq!(RateLimitReason::parse(&reason.to_string()), reason);
        }
        assert_eq!(RateLimitReason::parse("something-new"), RateLimitReason::Unstated);
    }
}

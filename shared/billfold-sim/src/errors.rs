//! Stripe's error answers, word for word. An error knows its status and body; what caused it is
//! decided elsewhere.

use serde::Serialize;

/// One refused request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status}: {}", self.message())]
pub struct StripeError {
    pub status: u16,
    /// Sent as `Stripe-Rate-Limited-Reason`.
    pub rate_limited: Option<&'static str>,
    pub detail: Box<Detail>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Detail {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doc_url: Option<String>,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub param: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_log_url: Option<String>,
    #[serde(rename = "type")]
    pub kind: &'static str,
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a Detail,
}

impl StripeError {
    pub fn message(&self) -> &str {
        &self.detail.message
    }

    pub fn body(&self) -> String {
        let body = Body { error: &self.detail };
        serde_json::to_string(&body).unwrap_or_default()
    }

    fn invalid(status: u16, code: Option<&'static str>, message: String) -> Self {
        Self {
            status,
            rate_limited: None,
            detail: Box::new(Detail {
                code,
                doc_url: code.map(|code| format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-"))),
                message,
                param: None,
                request_log_url: None,
                kind: "invalid_request_error",
            }),
        }
    }

    fn param(mut self, param: &str) -> Self {
        self.detail.param = Some(param.to_owned());
        self
    }

    pub fn no_key() -> Self {
        Self::invalid(
            401,
            None,
            "You did not provide an API key. You need to provide your API key in the \
             Authorization header, using Bearer auth (e.g. 'Authorization: Bearer \
             YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for details, or \
             we can help at https://support.stripe.com/."
                .to_owned(),
        )
    }

    pub fn invalid_key(masked: &str) -> Self {
        Self::invalid(401, None, format!("Invalid API Key provided: {masked}"))
    }

    pub fn expired_key(masked: &str) -> Self {
        Self::invalid(401, Some("api_key_expired"), format!("Expired API Key provided: {masked}"))
    }

    pub fn permission_missing(masked: &str, account: &str, permission: &str) -> Self {
        Self::invalid(
            403,
            Some("more_permissions_required"),
            format!(
                "The provided key '{masked}' does not have the required permissions for this \
                 endpoint on account '{account}'. Having the '{permission}' permission would \
                 allow this request to continue."
            ),
        )
    }

    pub fn rate_limit(reason: &'static str, livemode: bool) -> Self {
        let message = if livemode {
            "Request rate limit exceeded. You can learn more about rate limits here \
             https://stripe.com/docs/rate-limits."
        } else {
            "Testmode request rate limit exceeded, the rate limits in testmode are lower than \
             livemode. You can learn more about rate limits here \
             https://stripe.com/docs/rate-limits."
        };
        let mut error = Self::invalid(429, Some("rate_limit"), message.to_owned());
        error.rate_limited = Some(reason);
        error
    }

    pub fn lock_timeout() -> Self {
        Self::invalid(
            429,
            Some("lock_timeout"),
            "This object cannot be accessed right now because another API request or Stripe \
             process is currently accessing it. If you see this error intermittently, retry the \
             request. If you see this error frequently and are making multiple concurrent \
             requests to a single object, make your requests serially or at a lower rate."
                .to_owned(),
        )
    }

    pub fn stripe_trouble(status: u16) -> Self {
        let mut error =
            Self::invalid(status, None, "An unknown error occurred. Please contact support@stripe.com.".to_owned());
        error.detail.kind = "api_error";
        error
    }

    /// An id in the path that names nothing; `elsewhere` when the other mode has it.
    pub fn no_such(noun: &str, id: &str, elsewhere: Option<bool>) -> Self {
        let hint = match elsewhere {
            None => "",
            Some(true) => {
                "; a similar object exists in live mode, but a test mode key was used to make \
                 this request."
            }
            Some(false) => {
                "; a similar object exists in test mode, but a live mode key was used to make \
                 this request."
            }
        };
        Self::invalid(404, Some("resource_missing"), format!("No such {noun}: '{id}'{hint}")).param("id")
    }

    /// An id in a parameter that names nothing: a cursor, a filter.
    pub fn no_such_in(noun: &str, id: &str, param: &str) -> Self {
        let mut error = Self::no_such(noun, id, None).param(param);
        error.status = 400;
        error
    }

    pub fn unknown_url(method: &str, path: &str) -> Self {
        Self::invalid(
            404,
            None,
            format!(
                "Unrecognized request URL ({method}: {path}). If you are trying to list objects, \
                 remove the trailing slash. If you are trying to retrieve an object, make sure \
                 you passed a valid (non-empty) identifier in your code. Please see \
                 https://stripe.com/docs or we can help at https://support.stripe.com/."
            ),
        )
    }

    pub fn unknown_param(name: &str) -> Self {
        Self::invalid(400, Some("parameter_unknown"), format!("Received unknown parameter: {name}")).param(name)
    }

    pub fn missing_param(name: &str) -> Self {
        Self::invalid(400, Some("parameter_missing"), format!("Missing required param: {name}.")).param(name)
    }

    pub fn exclusive_params(one: &str, two: &str) -> Self {
        Self::invalid(
            400,
            Some("parameters_exclusive"),
            format!("You may only specify one of these parameters: {one}, {two}."),
        )
        .param(one)
    }

    pub fn invalid_integer(name: &str, given: &str) -> Self {
        Self::invalid(400, Some("parameter_invalid_integer"), format!("Invalid integer: {given}")).param(name)
    }

    pub fn out_of_range(name: &str, bound: &str, given: i64) -> Self {
        Self::invalid(
            400,
            Some("parameter_invalid_integer"),
            format!("This value must be {bound} (it currently is '{given}')."),
        )
        .param(name)
    }

    pub fn invalid_choice(name: &str, choices: &str) -> Self {
        Self::invalid(400, None, format!("Invalid {name}: must be one of {choices}")).param(name)
    }

    pub fn invalid_value(name: &str, why: &str) -> Self {
        Self::invalid(400, None, why.to_owned()).param(name)
    }

    pub fn invalid_version(given: &str) -> Self {
        Self::invalid(400, None, format!("Invalid Stripe API version: {given}"))
    }

    pub fn expansion_too_deep(path: &str) -> Self {
        Self::invalid(400, None, format!("You cannot expand more than 4 levels of a property. Property: {path}"))
            .param("expand")
    }

    pub fn not_expandable(path: &str) -> Self {
        Self::invalid(400, None, format!("This property cannot be expanded ({path}).")).param("expand")
    }

    pub fn idempotency(key: &str) -> Self {
        let mut error = Self::invalid(
            400,
            None,
            format!(
                "Keys for idempotent requests can only be used with the same parameters they \
                 were first used with. Try using a key other than '{key}' if you meant to \
                 execute a different request."
            ),
        );
        error.detail.kind = "idempotency_error";
        error
    }
}

#[cfg(test)]
mod tests {
    use super::StripeError;
    use serde_json::{Value, json};

    fn body(error: &StripeError) -> Value {
        serde_json::from_str(&error.body()).expect("an error's body is JSON")
    }

    #[test]
    fn a_missing_permission_names_key_account_and_permission() {
        let error = StripeError::permission_missing("rk_test_****abcd", "acct_1abc", "rak_subscription_read");
        assert_eq!(error.status, 403);
        assert_eq!(
            body(&error)["error"]["message"],
            "The provided key 'rk_test_****abcd' does not have the required permissions for this \
             endpoint on account 'acct_1abc'. Having the 'rak_subscription_read' permission \
             would allow this request to continue."
        );
        assert_eq!(body(&error)["error"]["code"], "more_permissions_required");
    }

    #[test]
    fn absent_attributes_are_left_out() {
        assert_eq!(
            body(&StripeError::invalid_key("rk_live_****1234")),
            json!({"error": {
                "message": "Invalid API Key provided: rk_live_****1234",
                "type": "invalid_request_error",
            }})
        );
    }

    #[test]
    fn a_lost_cursor_is_a_bad_request() {
        let error = StripeError::no_such_in("customer", "cus_x", "starting_after");
        assert_eq!(error.status, 400);
        let detail = &body(&error)["error"];
        assert_eq!(detail["code"], "resource_missing");
        assert_eq!(detail["param"], "starting_after");
        assert_eq!(detail["message"], "No such customer: 'cus_x'");
    }

    #[test]
    fn only_a_rate_limit_tells_its_reason() {
        let limited = StripeError::rate_limit("endpoint-rate", false);
        assert_eq!((limited.status, limited.rate_limited), (429, Some("endpoint-rate")));
        assert!(limited.message().starts_with("Testmode request rate limit exceeded"));
        let locked = StripeError::lock_timeout();
        assert_eq!((locked.status, locked.rate_limited), (429, None));
        assert_eq!(body(&locked)["error"]["code"], "lock_timeout");
    }

    #[test]
    fn trouble_is_an_api_error() {
        assert_eq!(body(&StripeError::stripe_trouble(500))["error"]["type"], "api_error");
    }

    #[test]
    fn the_other_mode_is_hinted_at() {
        let error = StripeError::no_such("customer", "cus_x", Some(true));
        assert!(error.message().contains("exists in live mode"), "{}", error.message());
    }
}

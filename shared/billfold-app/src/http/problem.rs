//! Every no, as `application/problem+json` (RFC 9457).

use crate::auth::AuthError;
use crate::refusal::chain;
use crate::refusal::{Kind, Refusal};
use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use billfold_core::id::RunId;
use serde::Serialize;
use utoipa::ToSchema;

/// A no.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Problem(Box<Members>);

/// The members of the problem's JSON.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = ProblemDetails)]
pub(super) struct Members {
    /// Always `about:blank`: `code` says which problem it is.
    r#type: String,
    /// The status in words.
    title: String,
    /// The status.
    status: u16,
    /// What happened and what to do.
    detail: String,
    /// A stable word.
    code: &'static str,
    /// What is wrong with which field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// The run that is in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    run_id: Option<RunId>,
    /// Finds a failure of Billfold's own in its log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    request_id: Option<String>,
    /// Told in a header.
    #[serde(skip)]
    retry_after_s: Option<u64>,
}

/// What is wrong with a field.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FieldError {
    /// The field.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(Members {
            r#type: "about:blank".to_owned(),
            title: title(status),
            status: status.as_u16(),
            detail: detail.into(),
            code,
            errors: Vec::new(),
            run_id: None,
            request_id: None,
            retry_after_s: None,
        }))
    }

    pub(crate) fn field(field: &str, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message.clone());
        problem.0.errors.push(FieldError { field: field.to_owned(), message });
        problem
    }

    pub(crate) fn too_many_requests(retry_after_s: u64) -> Self {
        let detail = format!("Too many requests; try again in {retry_after_s} s.");
        let mut problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail);
        problem.0.retry_after_s = Some(retry_after_s);
        problem
    }

    /// True if all that is wrong is how long the body is.
    pub(crate) fn is_body_too_large(&self) -> bool {
        self.0.status == StatusCode::PAYLOAD_TOO_LARGE.as_u16()
    }

    /// Our own trouble: the log has the chain, the answer has the number under which it stands there.
    pub(crate) fn internal(what: &str) -> Self {
        let id = crate::clock::random_u64().map_or_else(|_| "req_unknown".to_owned(), |id| format!("req_{id:016x}"));
        tracing::error!(request_id = id, error = what, "a request failed");
        let detail = "Something went wrong inside Billfold. The request id finds it in the log.";
        let mut problem = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", detail);
        problem.0.request_id = Some(id);
        problem
    }
}

fn title(status: StatusCode) -> String {
    status.canonical_reason().unwrap_or("Error").to_owned()
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after_s = self.0.retry_after_s;
        let mut response = (status, Json(self)).into_response();
        let kind = header::HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.kind {
            Kind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            Kind::Conflict => StatusCode::CONFLICT,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Upstream => StatusCode::BAD_GATEWAY,
            Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Internal => return Self::internal(&chain(&refusal)),
        };
        if refusal.source.is_some() {
            tracing::warn!(code = refusal.code, error = %chain(&refusal), "a request was refused");
        }
        let mut problem = match refusal.field {
            Some(field) => Self::field(field, refusal.code, refusal.detail),
            None => Self::new(status, refusal.code, refusal.detail),
        };
        (problem.0.status, problem.0.title) = (status.as_u16(), title(status));
        problem.0.run_id = refusal.run;
        problem
    }
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        let (status, code) = match error {
            AuthError::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated"),
            AuthError::KeysUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "identity_unavailable"),
        };
        Self::new(status, code, error.to_string())
    }
}

//! Who asks, and whether they may: handlers name the role they need in their signature, so that none can forget.

use super::{Api, Problem};
use crate::auth::{Caller, Role};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{Extensions, StatusCode, header};
use serde::de::DeserializeOwned;
use std::convert::Infallible;

/// Anybody with a good token.
pub struct Member(pub Caller);
/// Somebody who may change things.
pub(crate) struct Admin(pub(crate) Caller);
/// Somebody who may erase things.
pub(crate) struct Owner(pub(crate) Caller);

/// The one place where a token becomes a caller, and where it is decided whether they may.
async fn caller(parts: &Parts, api: &Api, least: Role) -> Result<Caller, Problem> {
    let value = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let caller = match api.tokens.verify(value, api.app.now()).await {
        Ok(caller) => caller,
        Err(error) => {
            api.rates.stranger(&parts.extensions)?;
            return Err(error.into());
        }
    };
    api.rates.caller(&caller)?;
    if caller.role < least {
        let detail = format!("This needs the role {}.", if least == Role::Owner { "owner" } else { "admin or owner" });
        return Err(Problem::new(StatusCode::FORBIDDEN, "role_required", detail));
    }
    Ok(caller)
}

impl FromRequestParts<Api> for Member {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        caller(parts, api, Role::Member).await.map(Self)
    }
}

impl FromRequestParts<Api> for Admin {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        caller(parts, api, Role::Admin).await.map(Self)
    }
}

impl FromRequestParts<Api> for Owner {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        caller(parts, api, Role::Owner).await.map(Self)
    }
}

/// Somebody on a public route, of whom only the address is known.
pub(crate) struct Stranger(Extensions);

impl Stranger {
    /// Counts the request, because it proves nothing.
    pub(crate) fn counted(&self, api: &Api) -> Result<(), Problem> {
        api.rates.stranger(&self.0)
    }
}

impl FromRequestParts<Api> for Stranger {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.clone()))
    }
}

/// The query of a request; what is wrong with it is a problem.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<Api> for Params<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let query = Query::from_request_parts(parts, api).await;
        let invalid = |_| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "query_invalid", "The query cannot be read.");
        query.map(|Query(query)| Self(query)).map_err(invalid)
    }
}

/// The id in a request's path; one that cannot be an id is not there.
pub(crate) struct Id<T>(pub(crate) T);

impl<T: TryFrom<String>> FromRequestParts<Api> for Id<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let none = || Problem::new(StatusCode::NOT_FOUND, "not_found", "There is nothing at this address.");
        let Path(text) = Path::<String>::from_request_parts(parts, api).await.map_err(|_| none())?;
        T::try_from(text).map(Self).map_err(|_| none())
    }
}

/// A JSON object as the body; what is wrong with it is a problem, not a line of text.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Api> for Body<T> {
    type Rejection = Problem;
    async fn from_request(request: Request, _: &Api) -> Result<Self, Problem> {
        let is_json = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).is_none_or(is_json);
        let bytes = super::body::read(request.into_body()).await?;
        if !is_json {
            let detail = "Send the body as application/json.";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
        }
        // A list of values in the order of the fields would do for the deserializer, and is no part of the contract.
        if bytes.trim_ascii_start().first() == Some(&b'[') {
            let detail = "The body must be a JSON object.";
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "body_invalid", detail));
        }
        serde_json::from_slice(&bytes).map(Self).map_err(|error| unreadable(&error))
    }
}

fn is_json(value: &str) -> bool {
    let kind = value.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

/// Says where the body is wrong without repeating any of it: it may hold a key.
fn unreadable(error: &serde_json::Error) -> Problem {
    match error.classify() {
        serde_json::error::Category::Data => {
            let detail = "The body is JSON, but a field is missing, unknown or of the wrong type.";
            let at = format!("{detail} (line {}, column {})", error.line(), error.column());
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "body_invalid", at)
        }
        _ => {
            let at = format!("The body is not JSON. (line {}, column {})", error.line(), error.column());
            Problem::new(StatusCode::BAD_REQUEST, "body_not_json", at)
        }
    }
}

//! Invitations: made by an admin, followed by whoever has the link. The link's token is the proof, so every answer forbids
//! to keep it, to frame it and to tell where one came from; a link that does not work is answered as one that never did.

use super::who::{Admin, Body as JsonBody, Stranger};
use super::{Api, Problem, invite_page};
use crate::invite::{Followed, Invited, MadeInvite};
use crate::permissions::{prefilled_key_url, wanted};
use crate::refusal::{Kind, Refusal};
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use maud::Markup;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::sync::LazyLock;
use utoipa::ToSchema;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct InviteBody {
    /// For how long the link works; 72 if it is not said.
    #[schema(minimum = 1, maximum = 336)]
    expires_in_hours: Option<u32>,
}

/// The one answer that has the token in it.
#[derive(Serialize, ToSchema)]
pub(super) struct InviteView {
    /// The link. Whoever has it can use it, once.
    url: String,
    /// Until when.
    expires_at: Timestamp,
}

/// Make a link with which somebody who has no login connects Stripe, once
#[utoipa::path(
    post,
    path = "/v1/stripe/invites",
    request_body = InviteBody,
    responses(
        (status = 201, body = InviteView),
        (status = 409, description = "`too_many_invites`"),
    ),
    security(("token" = ["admin"]))
)]
pub(super) async fn create(
    State(api): State<Api>,
    who: Admin,
    JsonBody(body): JsonBody<InviteBody>,
) -> Result<Response, Problem> {
    let MadeInvite { url, expires_at } =
        api.app.by(&who.0).make_invite(&who.0.workspace, body.expires_in_hours).await?;
    let view = InviteView { url: url.expose_secret().to_owned(), expires_at };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(view)).into_response())
}

/// Withdraw every link that is open
#[utoipa::path(
    delete,
    path = "/v1/stripe/invites",
    responses((status = 204, description = "None is open any more")),
    security(("token" = ["admin"]))
)]
pub(super) async fn withdraw(State(api): State<Api>, who: Admin) -> Result<StatusCode, Problem> {
    api.app.by(&who.0).withdraw_invites(&who.0.workspace).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The page behind a link: what is asked and why, and a form
#[utoipa::path(
    get,
    path = "/invites/{token}",
    params(("token" = String, Path, description = "The token of the link")),
    responses(
        (status = 200, body = String, content_type = "text/html"),
        (status = 404, description = "There is no such link, or no longer", body = String, content_type = "text/html"),
    ),
    security(())
)]
pub(super) async fn show(
    State(api): State<Api>,
    stranger: Stranger,
    Path(token): Path<String>,
) -> Result<Response, Problem> {
    stranger.counted(&api)?;
    Ok(match api.app.invited(&token).await? {
        Some(invited) => page(StatusCode::OK, &form(&invited, None)),
        None => none(),
    })
}

/// Connect the key that was pasted; the link is used up by a key that will do
#[utoipa::path(
    post,
    path = "/invites/{token}",
    params(("token" = String, Path, description = "The token of the link")),
    request_body(content = Form, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "Connected", body = String, content_type = "text/html"),
        (status = 404, description = "There is no such link, or no longer", body = String, content_type = "text/html"),
        (status = 409, description = "Somebody is at it, or the key is another account's", body = String, content_type = "text/html"),
        (status = 422, description = "The key will not do", body = String, content_type = "text/html"),
        (status = 502, description = "Stripe cannot be reached", body = String, content_type = "text/html"),
    ),
    security(())
)]
pub(super) async fn follow(
    State(api): State<Api>,
    stranger: Stranger,
    Path(token): Path<String>,
    body: Body,
) -> Result<Response, Problem> {
    stranger.counted(&api)?;
    let sent = Sent::read(&super::body::read(body).await?);
    let app = api.app.clone();
    // A task of its own: whoever closes the page in the middle must not leave a key behind that nobody knows of.
    let followed = tokio::spawn(async move { app.follow_invite(&token, sent.api_key, sent.webhook_secret).await });
    Ok(match followed.await.map_err(Refusal::internal)?? {
        Followed::NoInvite => none(),
        Followed::Busy => page(StatusCode::CONFLICT, &invite_page::busy()),
        Followed::Connected(card) => page(StatusCode::OK, &invite_page::connected(&card)),
        Followed::Refused(invited, refusal) => {
            let status = match refusal.kind {
                Kind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
                Kind::Conflict => StatusCode::CONFLICT,
                Kind::Upstream => StatusCode::BAD_GATEWAY,
                Kind::NotFound | Kind::Unavailable | Kind::Internal => return Err(refusal.into()),
            };
            page(status, &form(&invited, Some(&told(&refusal))))
        }
    })
}

/// What was refused, in words for somebody who sees a page and not an API.
fn told(refusal: &Refusal) -> String {
    match refusal.code {
        "mode_mismatch" => {
            "This key is of the other mode (live or test) than the one that was connected before. Use a key that fits."
        }
        "account_mismatch" => {
            "This key belongs to another Stripe account than the one that was connected before. Use a key that fits."
        }
        _ => return refusal.detail.clone(),
    }
    .to_owned()
}

fn form(invited: &Invited, refused: Option<&str>) -> Markup {
    let links = [("live mode", prefilled_key_url(false)), ("a sandbox or test mode", prefilled_key_url(true))];
    invite_page::form(invited, &wanted(), &links, refused)
}

fn none() -> Response {
    page(StatusCode::NOT_FOUND, &invite_page::none())
}

/// What the form sends, for the document.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the form is read by hand, so that what is in it is cleared")]
struct Form {
    /// The API key.
    api_key: String,
    /// The signing secret of a webhook endpoint.
    webhook_secret: Option<String>,
}

/// What the form sends. Space around a pasted key is not part of it.
struct Sent {
    api_key: SecretString,
    webhook_secret: Option<SecretString>,
}

impl Sent {
    fn read(body: &[u8]) -> Self {
        let (mut api_key, mut webhook_secret) = (SecretString::default(), None);
        for (name, value) in form_urlencoded::parse(body) {
            let value = Zeroizing::new(value.into_owned());
            match &*name {
                "api_key" => api_key = SecretString::from(value.trim()),
                "webhook_secret" if !value.trim().is_empty() => webhook_secret = Some(SecretString::from(value.trim())),
                _ => {}
            }
        }
        Self { api_key, webhook_secret }
    }
}

/// Nothing is loaded and no script runs; the one style sheet is known by its digest.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let digest = BASE64_STANDARD.encode(Sha256::digest(invite_page::STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
});

const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("x-robots-tag"), "noindex"),
];

fn page(status: StatusCode, markup: &Markup) -> Response {
    let mut response = (status, markup.0.clone()).into_response();
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::from_str(&POLICY) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_read_and_space_around_a_key_is_not_part_of_it() {
        let sent = Sent::read(b"api_key=+rk_test_1%0D%0A&webhook_secret=%20&other=1");
        assert_eq!(sent.api_key.expose_secret(), "rk_test_1");
        assert!(sent.webhook_secret.is_none());
        let sent = Sent::read(b"webhook_secret=whsec_1");
        assert_eq!((sent.api_key.expose_secret(), sent.webhook_secret.unwrap().expose_secret()), ("", "whsec_1"));
        assert_eq!(Sent::read(b"\xff\xfe%").api_key.expose_secret(), "");
    }

    #[test]
    fn every_page_forbids_scripts_frames_and_referrers() {
        let response = none();
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("script"));
        assert_eq!(response.headers()["referrer-policy"], "no-referrer");
        assert_eq!(response.headers()["cache-control"], "no-store");
    }
}

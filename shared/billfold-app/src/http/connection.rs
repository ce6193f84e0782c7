//! The connection to Stripe.

use super::who::{Admin, Body, Member, Owner};
use super::{Api, Problem};
use crate::card::Card;
use crate::connect::{ConnectRequest, OtherData};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use billfold_core::key::KeyFormat;
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

#[derive(Deserialize, ToSchema)]
pub(super) struct ConnectBody {
    /// A restricted key (`rk_…`) or a secret key (`sk_…`).
    #[schema(value_type = String, format = Password)]
    api_key: SecretString,
    /// The signing secret (`whsec_…`) of a webhook endpoint that was made by hand.
    #[schema(value_type = Option<String>, format = Password)]
    webhook_secret: Option<SecretString>,
    /// Whether data of another mode or another Stripe account is erased first.
    #[serde(default)]
    replace: bool,
}

#[derive(Deserialize, ToSchema)]
pub(super) struct WebhookSecretBody {
    /// Must be there; `null` removes all.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(value_type = Option<String>, format = Password, required = true)]
    webhook_secret: Option<SecretString>,
}

#[derive(Deserialize, ToSchema)]
pub(super) struct EraseBody {
    /// The workspace's id, once more.
    confirm: String,
}

/// The Stripe card: connection, permissions, webhook, last sync
#[utoipa::path(
    get,
    path = "/v1/stripe",
    responses((status = 200, body = Card)),
    security(("token" = ["member"]))
)]
pub(super) async fn card(State(api): State<Api>, who: Member) -> Result<Json<Card>, Problem> {
    Ok(Json(api.app.card(&who.0.workspace).await?))
}

/// Connect a Stripe key and start the first sync
///
/// Nothing is stored unless Stripe accepts the key. Refusals: `key_format`, `webhook_secret_format`, `invalid_api_key`,
/// `api_key_expired`, `permissions_missing`; `mode_mismatch` and `account_mismatch` unless `replace` is true.
#[utoipa::path(
    post,
    path = "/v1/stripe",
    request_body = ConnectBody,
    responses(
        (status = 201, body = Card),
        (status = 409, description = "`mode_mismatch`, `account_mismatch`"),
        (status = 502, description = "`stripe_unavailable`: nothing was stored; try again"),
    ),
    security(("token" = ["admin"]))
)]
pub(super) async fn connect(
    State(api): State<Api>,
    who: Admin,
    body: Result<Body<ConnectBody>, Problem>,
) -> Result<(StatusCode, Json<Card>), Problem> {
    // Whatever is in a body that long, it is no key.
    let no_key = |problem: Problem| match problem.is_body_too_large() {
        true => Problem::field("api_key", "key_format", KeyFormat.to_string()),
        false => problem,
    };
    let Body(body) = body.map_err(no_key)?;
    let other_data = if body.replace { OtherData::Replace } else { OtherData::Keep };
    let request = ConnectRequest { api_key: body.api_key, webhook_secret: body.webhook_secret, other_data };
    api.app.by(&who.0).connect(&who.0.workspace, request).await?;
    Ok((StatusCode::CREATED, Json(api.app.card(&who.0.workspace).await?)))
}

/// Ask Stripe again what the key may read
#[utoipa::path(
    post,
    path = "/v1/stripe/check",
    responses(
        (status = 200, body = Card),
        (status = 409, description = "`not_connected`"),
        (status = 502, description = "`stripe_unavailable`"),
    ),
    security(("token" = ["admin"]))
)]
pub(super) async fn check(State(api): State<Api>, who: Admin) -> Result<Json<Card>, Problem> {
    api.app.check_connection(&who.0.workspace).await?;
    Ok(Json(api.app.card(&who.0.workspace).await?))
}

/// Forget the key and the signing secrets at once; keep the data, frozen
#[utoipa::path(
    delete,
    path = "/v1/stripe",
    responses((status = 200, body = Card)),
    security(("token" = ["admin"]))
)]
pub(super) async fn disconnect(State(api): State<Api>, who: Admin) -> Result<Json<Card>, Problem> {
    api.app.by(&who.0).disconnect(&who.0.workspace).await?;
    Ok(Json(api.app.card(&who.0.workspace).await?))
}

/// Add a webhook signing secret; the one before stays good for 24 hours
#[utoipa::path(
    put,
    path = "/v1/stripe/webhook-secret",
    request_body = WebhookSecretBody,
    responses((status = 200, body = Card), (status = 409, description = "`not_connected`")),
    security(("token" = ["admin"]))
)]
pub(super) async fn webhook_secret(
    State(api): State<Api>,
    who: Admin,
    Body(body): Body<WebhookSecretBody>,
) -> Result<Json<Card>, Problem> {
    api.app.by(&who.0).change_signing_secret(&who.0.workspace, body.webhook_secret.as_ref()).await?;
    Ok(Json(api.app.card(&who.0.workspace).await?))
}

/// Erase everything that is held for the workspace
#[utoipa::path(
    delete,
    path = "/v1/data",
    request_body = EraseBody,
    responses((status = 202, description = "It is being erased")),
    security(("token" = ["owner"]))
)]
pub(super) async fn erase(
    State(api): State<Api>,
    who: Owner,
    Body(body): Body<EraseBody>,
) -> Result<StatusCode, Problem> {
    if body.confirm != who.0.workspace.as_str() {
        let message = "Repeat the workspace's id to erase everything in it";
        return Err(Problem::field("confirm", "confirmation_required", message));
    }
    api.app.by(&who.0).erase_workspace(&who.0.workspace).await?;
    Ok(StatusCode::ACCEPTED)
}

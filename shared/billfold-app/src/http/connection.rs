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

#[derive(Deserialize)]
pub(super) struct ConnectBody {
    api_key: SecretString,
    webhook_secret: Option<SecretString>,
    #[serde(default)]
    replace: bool,
}

#[derive(Deserialize)]
pub(super) struct WebhookSecretBody {
    /// Must be there; `null` removes all.
    #[serde(deserialize_with = "Option::deserialize")]
    webhook_secret: Option<SecretString>,
}

#[derive(Deserialize)]
pub(super) struct EraseBody {
    confirm: String,
}

pub(super) async fn card(State(api): State<Api>, who: Member) -> Result<Json<Card>, Problem> {
    Ok(Json(api.app.card(&who.0.workspace).await?))
}

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

pub(super) async fn check(State(api): State<Api>, who: Admin) -> Result<Json<Card>, Problem> {
    api.app.check_connection(&who.0.workspace).await?;
    Ok(Json(api.app.card(&who.0.workspace).await?))
}

pub(super) async fn disconnect(State(api): State<Api>, who: Admin) -> Result<Json<Card>, Problem> {
    api.app.by(&who.0).disconnect(&who.0.workspace).await?;
    Ok(Json(api.app.card(&who.0.workspace).await?))
}

pub(super) async fn webhook_secret(
    State(api): State<Api>,
    who: Admin,
    Body(body): Body<WebhookSecretBody>,
) -> Result<Json<Card>, Problem> {
    api.app.by(&who.0).change_signing_secret(&who.0.workspace, body.webhook_secret.as_ref()).await?;
    Ok(Json(api.app.card(&who.0.workspace).await?))
}

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

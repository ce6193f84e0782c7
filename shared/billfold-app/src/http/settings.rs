//! Settings.

use super::who::{Admin, Body, Member};
use super::{Api, Problem};
use crate::settings::{SettingsPatch, SettingsView};
use axum::Json;
use axum::extract::State;

/// The settings
#[utoipa::path(
    get,
    path = "/v1/settings",
    responses((status = 200, body = SettingsView)),
    security(("token" = ["member"]))
)]
pub(super) async fn show(State(api): State<Api>, who: Member) -> Result<Json<SettingsView>, Problem> {
    Ok(Json(api.app.settings(&who.0.workspace).await?.view()))
}

/// Change settings; what is not said stays, and what depends on them is computed again
#[utoipa::path(
    patch,
    path = "/v1/settings",
    request_body = SettingsPatch,
    responses((status = 200, body = SettingsView)),
    security(("token" = ["admin"]))
)]
pub(super) async fn change(
    State(api): State<Api>,
    who: Admin,
    Body(patch): Body<SettingsPatch>,
) -> Result<Json<SettingsView>, Problem> {
    Ok(Json(api.app.by(&who.0).change_settings(&who.0.workspace, &patch).await?.view()))
}

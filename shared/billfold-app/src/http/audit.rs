//! The audit trail.

use super::page::{List, PageQuery, open, seal};
use super::who::{Member, Params};
use super::{Api, Problem};
use axum::Json;
use axum::extract::State;
use billfold_core::audit::Entry;

/// Who changed what, newest first
#[utoipa::path(
    get,
    path = "/v1/audit",
    params(PageQuery),
    responses((status = 200, body = List<Entry>)),
    security(("token" = ["member"]))
)]
pub(super) async fn list(
    State(api): State<Api>,
    who: Member,
    Params(query): Params<PageQuery>,
) -> Result<Json<List<Entry>>, Problem> {
    let (ws, limit) = (&who.0.workspace, query.limit()?);
    let after = query.cursor.as_deref().map(|cursor| open(ws, "audit", cursor)).transpose()?;
    let mut data = api.app.audit(ws, after.as_deref(), limit.saturating_add(1)).await?;
    let more = data.len() > limit;
    data.truncate(limit);
    let next_cursor = data.last().filter(|_| more).map(|entry| seal(ws, "audit", &entry.id));
    Ok(Json(List { data, next_cursor }))
}

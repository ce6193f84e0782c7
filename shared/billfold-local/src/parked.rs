//! `GET /v1/local/parked`: the messages of the caller's workspace that were given up, for `billfold status`. In the cloud
//! the same is a dead-letter queue with an alarm, so this is a part of local mode only.

use crate::queue::{LocalQueue, Parked};
use axum::{Extension, Json};
use billfold_app::Refusal;
use billfold_app::http::{Api, Member, Problem};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Where it is.
pub(crate) const PATH: &str = "/v1/local/parked";

/// What was given up.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ParkedList {
    /// The messages.
    pub(crate) data: Vec<Parked>,
}

pub(crate) fn router(queue: Arc<LocalQueue>) -> OpenApiRouter<Api> {
    OpenApiRouter::default().routes(routes!(list)).layer(Extension(queue))
}

/// Messages that were given up (local mode only)
#[utoipa::path(
    get,
    path = "/v1/local/parked",
    responses((status = 200, body = ParkedList)),
    security(("token" = ["member"]))
)]
async fn list(who: Member, Extension(queue): Extension<Arc<LocalQueue>>) -> Result<Json<ParkedList>, Problem> {
    let data = queue.parked(&who.0.workspace).await.map_err(Refusal::from)?;
    Ok(Json(ParkedList { data }))
}

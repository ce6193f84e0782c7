//! `GET /v1/local/parked`: the messages of the caller's workspace that were given up, for `billfold status`. In the cloud
//! the same is a dead-letter queue with an alarm, so this is a part of local mode only.

use crate::queue::{LocalQueue, Parked};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use billfold_app::auth::Tokens;
use billfold_app::http::Problem;
use billfold_app::{App, Refusal};
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

#[derive(Clone)]
struct Context {
    app: App,
    queue: Arc<LocalQueue>,
    tokens: Arc<Tokens>,
}

pub(crate) fn router(app: App, queue: Arc<LocalQueue>, tokens: Arc<Tokens>) -> OpenApiRouter {
    OpenApiRouter::default().routes(routes!(list)).with_state(Context { app, queue, tokens })
}

/// Messages that were given up (local mode only)
#[utoipa::path(
    get,
    path = "/v1/local/parked",
    responses((status = 200, body = ParkedList)),
    security(("token" = ["member"]))
)]
async fn list(State(context): State<Context>, headers: HeaderMap) -> Result<Json<ParkedList>, Problem> {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let caller = context.tokens.verify(authorization, context.app.now())?;
    let data = context.queue.parked(&caller.workspace).await.map_err(Refusal::from)?;
    Ok(Json(ParkedList { data }))
}

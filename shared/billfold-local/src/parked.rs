//! `GET /v1/local/parked`: the messages of the caller's workspace that were given up, for `billfold status`. In the cloud
//! the same is a dead-letter queue with an alarm, so this is a part of local mode only.

use crate::queue::{LocalQueue, Parked};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::routing::get;
use axum::{Json, Router};
use billfold_app::auth::Tokens;
use billfold_app::http::Problem;
use billfold_app::{App, Refusal};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Where it is.
pub(crate) const PATH: &str = "/v1/local/parked";

/// What was given up.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ParkedList {
    pub(crate) data: Vec<Parked>,
}

#[derive(Clone)]
struct Context {
    app: App,
    queue: Arc<LocalQueue>,
    tokens: Arc<Tokens>,
}

pub(crate) fn router(app: App, queue: Arc<LocalQueue>, tokens: Arc<Tokens>) -> Router {
    Router::new().route(PATH, get(list)).with_state(Context { app, queue, tokens })
}

async fn list(State(context): State<Context>, headers: HeaderMap) -> Result<Json<ParkedList>, Problem> {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let caller = context.tokens.verify(authorization, context.app.now())?;
    let data = context.queue.parked(&caller.workspace).await.map_err(Refusal::from)?;
    Ok(Json(ParkedList { data }))
}

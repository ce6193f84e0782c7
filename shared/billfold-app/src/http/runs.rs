//! Sync runs.

use super::page::{List, PageQuery, open, seal};
use super::who::{Admin, Id, Member, Params};
use super::{Api, Problem};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use billfold_core::id::RunId;
use billfold_core::run::{Problem as RunProblem, Run, RunStatus, StageState, Trigger};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// A run as the API shows it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Run)]
pub struct RunView {
    /// Its id.
    pub id: RunId,
    /// Why it was started.
    pub trigger: Trigger,
    /// Where it stands.
    pub status: RunStatus,
    /// When it was asked for.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The stages, in order.
    pub stages: Vec<StageState>,
    /// Objects read from Stripe.
    pub records: u64,
    /// Requests made to Stripe.
    pub stripe_requests: u64,
    /// Why it failed, or what it is waiting for.
    pub error: Option<RunProblem>,
}

impl From<Run> for RunView {
    fn from(run: Run) -> Self {
        Self {
            records: run.records(),
            stripe_requests: run.stripe_requests(),
            id: run.id,
            trigger: run.trigger,
            status: run.status,
            started_at: run.started_at,
            finished_at: run.finished_at,
            stages: run.stages,
            error: run.error,
        }
    }
}

/// Sync now
#[utoipa::path(
    post,
    path = "/v1/syncs",
    responses(
        (status = 202, body = RunView),
        (status = 409, description = "`sync_already_running` with the running `run_id`, `not_connected`"),
    ),
    security(("token" = ["admin"]))
)]
pub(super) async fn start(State(api): State<Api>, who: Admin) -> Result<(StatusCode, Json<RunView>), Problem> {
    let run = api.app.by(&who.0).start_sync(&who.0.workspace, Trigger::Manual).await?;
    Ok((StatusCode::ACCEPTED, Json(run.into())))
}

/// The runs, newest first
#[utoipa::path(
    get,
    path = "/v1/syncs",
    params(PageQuery),
    responses((status = 200, body = List<RunView>)),
    security(("token" = ["member"]))
)]
pub(super) async fn list(
    State(api): State<Api>,
    who: Member,
    Params(query): Params<PageQuery>,
) -> Result<Json<List<RunView>>, Problem> {
    let (ws, limit) = (&who.0.workspace, query.limit()?);
    let before = query.cursor.as_deref().map(|cursor| open(ws, "runs", cursor)).transpose()?;
    let mut runs = api.app.sync_runs(ws, before.as_deref(), limit.saturating_add(1)).await?;
    let more = runs.len() > limit;
    runs.truncate(limit);
    let next_cursor = runs.last().filter(|_| more).map(|run| seal(ws, "runs", run.id.as_str()));
    Ok(Json(List { data: runs.into_iter().map(Into::into).collect(), next_cursor }))
}

/// One run
#[utoipa::path(
    get,
    path = "/v1/syncs/{id}",
    params(("id" = RunId, Path, description = "The run's id")),
    responses((status = 200, body = RunView)),
    security(("token" = ["member"]))
)]
pub(super) async fn show(State(api): State<Api>, who: Member, Id(id): Id<RunId>) -> Result<Json<RunView>, Problem> {
    Ok(Json(api.app.sync_run(&who.0.workspace, &id).await?.into()))
}

/// Stop a run
#[utoipa::path(
    delete,
    path = "/v1/syncs/{id}",
    params(("id" = RunId, Path, description = "The run's id")),
    responses((status = 200, body = RunView), (status = 409, description = "`sync_not_running`")),
    security(("token" = ["admin"]))
)]
pub(super) async fn cancel(State(api): State<Api>, who: Admin, Id(id): Id<RunId>) -> Result<Json<RunView>, Problem> {
    Ok(Json(api.app.by(&who.0).cancel_sync(&who.0.workspace, &id).await?.into()))
}

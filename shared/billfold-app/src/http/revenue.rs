//! Trajectory, explanation, summary and signals.

use super::page::{List, PageQuery, open, seal};
use super::who::{Admin, Id, Member, Params};
use super::{Api, Problem};
use crate::revenue::{Explanation, SummaryView, Trajectory};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use billfold_core::id::AccountId;
use billfold_core::ledger::{Month, Months};
use billfold_core::signal::{Signal, SignalState, SignalType};
use billfold_store::SignalQuery;
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;

/// Which months.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct MonthsQuery {
    /// The first month, like `2026-01`; a year back without it.
    #[param(value_type = Option<Month>)]
    from: Option<String>,
    /// The last month; the running one without it.
    #[param(value_type = Option<Month>)]
    to: Option<String>,
}

impl MonthsQuery {
    fn months(&self, now: Timestamp) -> Result<Months, Problem> {
        let month = |field: &'static str, text: &Option<String>| {
            let invalid = |error: billfold_core::ledger::MonthError| {
                Problem::field(field, "month_invalid", format!("{field}: {error}"))
            };
            text.as_deref().map(|text| text.parse::<Month>().map_err(invalid)).transpose()
        };
        let to = month("to", &self.to)?.unwrap_or(Month::of(now));
        let from = month("from", &self.from)?.unwrap_or(to.plus(1_i32.saturating_sub(Months::USUAL)));
        let months = Months { from, to };
        if from > to || months.each().last() != Some(to) {
            let message = format!("from must not be after to, and they span at most {} months", Months::MAX);
            return Err(Problem::field("from", "months_invalid", message));
        }
        Ok(months)
    }
}

/// How an account's MRR came to be: its months, and every movement
#[utoipa::path(
    get,
    path = "/v1/accounts/{id}/mrr",
    params(("id" = AccountId, Path, description = "The account's id"), MonthsQuery),
    responses((status = 200, body = Trajectory)),
    security(("token" = ["member"]))
)]
pub(super) async fn trajectory(
    State(api): State<Api>,
    who: Member,
    Id(id): Id<AccountId>,
    Params(query): Params<MonthsQuery>,
) -> Result<Json<Trajectory>, Problem> {
    let months = query.months(api.app.now())?;
    Ok(Json(api.app.trajectory(&who.0.workspace, &id, months).await?))
}

/// Why an account's MRR is what it is: every item, counted or not, with the rule and the arithmetic
#[utoipa::path(
    get,
    path = "/v1/accounts/{id}/mrr/explain",
    params(("id" = AccountId, Path, description = "The account's id")),
    responses((status = 200, body = Explanation<'static>)),
    security(("token" = ["member"]))
)]
pub(super) async fn explain(State(api): State<Api>, who: Member, Id(id): Id<AccountId>) -> Result<Response, Problem> {
    let basis = api.app.basis(&who.0.workspace, &id).await?;
    Ok(Json(basis.explain()).into_response())
}

/// What all accounts come to, month by month
#[utoipa::path(
    get,
    path = "/v1/summary",
    params(MonthsQuery),
    responses((status = 200, body = SummaryView), (status = 409, description = "`total_too_large`")),
    security(("token" = ["member"]))
)]
pub(super) async fn summary(
    State(api): State<Api>,
    who: Member,
    Params(query): Params<MonthsQuery>,
) -> Result<Json<SummaryView>, Problem> {
    let months = query.months(api.app.now())?;
    Ok(Json(api.app.summary(&who.0.workspace, months).await?))
}

/// Which signals.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SignalsQuery {
    /// Only of this type.
    #[serde(rename = "type")]
    #[param(value_type = Option<SignalType>)]
    kind: Option<String>,
    /// Only of this account.
    account_id: Option<AccountId>,
    /// Only in this state.
    #[param(value_type = Option<SignalState>)]
    state: Option<String>,
    #[serde(flatten)]
    #[param(ignore)]
    page: PageQuery,
}

/// One of some words, or a problem that names them.
fn word<T: Copy>(
    field: &'static str,
    text: Option<&str>,
    all: &[T],
    name: fn(T) -> &'static str,
) -> Result<Option<T>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let found = all.iter().copied().find(|one| name(*one) == text);
    let names: Vec<&str> = all.iter().map(|one| name(*one)).collect();
    let message = format!("{field} must be one of {}", names.join(", "));
    found.map(Some).ok_or_else(|| Problem::field(field, "filter_invalid", message))
}

/// What people should hear of, newest first
#[utoipa::path(
    get,
    path = "/v1/signals",
    params(SignalsQuery, PageQuery),
    responses((status = 200, body = List<Signal>)),
    security(("token" = ["member"]))
)]
pub(super) async fn signals(
    State(api): State<Api>,
    who: Member,
    Params(query): Params<SignalsQuery>,
) -> Result<Json<List<Signal>>, Problem> {
    let ws = &who.0.workspace;
    let name = format!("signals {:?} {:?} {:?}", query.kind, query.account_id, query.state);
    let wanted = SignalQuery {
        kind: word("type", query.kind.as_deref(), &SignalType::ALL, SignalType::as_str)?,
        state: word("state", query.state.as_deref(), &SignalState::ALL, SignalState::as_str)?,
        after: query.page.cursor.as_deref().map(|cursor| open(ws, &name, cursor)).transpose()?,
        limit: query.page.limit()?,
    };
    let (data, next) = api.app.signals(ws, query.account_id.as_ref(), &wanted).await?;
    Ok(Json(List { data, next_cursor: next.map(|place| seal(ws, &name, &place)) }))
}

/// A person has seen to a signal
#[utoipa::path(
    post,
    path = "/v1/signals/{id}/acknowledge",
    params(("id" = String, Path, description = "The signal's id")),
    responses((status = 200, body = Signal)),
    security(("token" = ["admin"]))
)]
pub(super) async fn acknowledge(
    State(api): State<Api>,
    who: Admin,
    Id(id): Id<String>,
) -> Result<Json<Signal>, Problem> {
    Ok(Json(api.app.acknowledge(&who.0.workspace, &id, &who.0.subject).await?))
}

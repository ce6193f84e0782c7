//! Accounts and customers.

use super::export::{csv, wants_csv};
use super::limits::{PAGE_ROWS_MAX, SEARCH_BYTES_MAX};
use super::page::{List, PageQuery, open, seal};
use super::who::{Admin, Body, Id, Member, Params};
use super::{Api, Problem};
use crate::accounts::{AccountPatch, AccountView};
use crate::refusal::Refusal;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use billfold_core::billing::{BillingTab, PaymentStatus};
use billfold_core::id::{AccountId, CustomerId};
use billfold_store::{Direction, ListQuery, ListRow, Matched, PAYMENT_STATUSES, Place, SortBy};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AccountsQuery {
    /// `mrr`, `arr`, `name` or `payment_status`; with a minus in front from the greatest.
    #[param(default = "-mrr", pattern = "^-?(mrr|arr|name|payment_status)$")]
    sort: Option<String>,
    /// Only accounts with this payment status.
    #[param(value_type = Option<PaymentStatus>)]
    payment_status: Option<String>,
    /// Only accounts with this in name, domain or id.
    #[param(max_length = 200)]
    q: Option<String>,
    #[serde(flatten)]
    #[param(ignore)]
    page: PageQuery,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct CustomersQuery {
    /// `false`: the others are under their accounts.
    #[param(required = true, pattern = "^false$")]
    matched: Option<String>,
    #[serde(flatten)]
    #[param(ignore)]
    page: PageQuery,
}

#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct MatchBody {
    /// Whose the customer is.
    account_id: AccountId,
}

impl AccountsQuery {
    fn wanted(&self, after: Option<Place>, limit: usize) -> Result<ListQuery, Problem> {
        let (sort, direction) = sort(self.sort.as_deref())?;
        let payment_status = payment_status(self.payment_status.as_deref())?;
        Ok(ListQuery { sort, direction, payment_status, search: search(self.q.as_deref())?, after, limit })
    }
}

fn sort(text: Option<&str>) -> Result<(SortBy, Direction), Problem> {
    let text = text.unwrap_or("-mrr");
    let (name, direction) = match text.strip_prefix('-') {
        Some(name) => (name, Direction::Descending),
        None => (text, Direction::Ascending),
    };
    let by = match name {
        "mrr" => SortBy::Mrr,
        "arr" => SortBy::Arr,
        "name" => SortBy::Name,
        "payment_status" => SortBy::PaymentStatus,
        _ => {
            let message = "sort must be one of mrr, -mrr, arr, -arr, name, -name, payment_status, -payment_status";
            return Err(Problem::field("sort", "sort_invalid", message));
        }
    };
    Ok((by, direction))
}

fn payment_status(text: Option<&str>) -> Result<Option<&'static str>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let known = PAYMENT_STATUSES.into_iter().find(|status| *status == text);
    let message = "payment_status must be one of paid, overdue, failed, none";
    known.map(Some).ok_or_else(|| Problem::field("payment_status", "payment_status_invalid", message))
}

fn search(text: Option<&str>) -> Result<Option<String>, Problem> {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    if text.is_some_and(|text| text.len() > SEARCH_BYTES_MAX) {
        return Err(Problem::field("q", "search_too_long", format!("q has at most {SEARCH_BYTES_MAX} bytes")));
    }
    Ok(text.map(str::to_lowercase))
}

/// The table of accounts
#[utoipa::path(
    get,
    path = "/v1/accounts",
    params(AccountsQuery, PageQuery),
    responses((status = 200, content(
        (List<ListRow> = "application/json"),
        (String = "text/csv"),
    ))),
    security(("token" = ["member"]))
)]
pub(super) async fn list(
    State(api): State<Api>,
    who: Member,
    Params(query): Params<AccountsQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let ws = &who.0.workspace;
    if wants_csv(&headers) {
        return csv(&api.app, ws, query.wanted(None, PAGE_ROWS_MAX)?);
    }
    let (sort, direction) = sort(query.sort.as_deref())?;
    // A cursor goes on in the list that gave it out, so what the list is sorted and filtered by is part of its name.
    let name = format!("accounts {sort:?} {direction:?} {:?} {:?}", query.payment_status, query.q);
    let after = query.page.cursor.as_deref().map(|cursor| open(ws, &name, cursor)).transpose()?;
    let after = after.map(|place| serde_json::from_str(&place)).transpose().map_err(Refusal::internal)?;
    let wanted = query.wanted(after, query.page.limit()?)?;
    let (data, next) = api.app.store().list_accounts(ws, &wanted).await.map_err(Refusal::from)?;
    let next = next.map(|place| serde_json::to_string(&place)).transpose().map_err(Refusal::internal)?;
    Ok(Json(List { data, next_cursor: next.map(|place| seal(ws, &name, &place)) }).into_response())
}

/// The table of accounts as CSV, all pages, in which no cell is a formula
///
/// The same as the table with `Accept: text/csv`, for those who cannot set a header; `limit` and `cursor` are not looked at.
#[utoipa::path(
    get,
    path = "/v1/accounts.csv",
    params(AccountsQuery),
    responses((status = 200, body = String, content_type = "text/csv")),
    security(("token" = ["member"]))
)]
pub(super) async fn export(
    State(api): State<Api>,
    who: Member,
    Params(query): Params<AccountsQuery>,
) -> Result<Response, Problem> {
    csv(&api.app, &who.0.workspace, query.wanted(None, PAGE_ROWS_MAX)?)
}

/// One account
#[utoipa::path(
    get,
    path = "/v1/accounts/{id}",
    params(("id" = AccountId, Path, description = "The account's id")),
    responses((status = 200, body = AccountView)),
    security(("token" = ["member"]))
)]
pub(super) async fn show(
    State(api): State<Api>,
    who: Member,
    Id(id): Id<AccountId>,
) -> Result<Json<AccountView>, Problem> {
    Ok(Json(api.app.account(&who.0.workspace, &id).await?))
}

/// The Billing tab of an account
#[utoipa::path(
    get,
    path = "/v1/accounts/{id}/billing",
    params(("id" = AccountId, Path, description = "The account's id")),
    responses((status = 200, body = BillingTab)),
    security(("token" = ["member"]))
)]
pub(super) async fn billing(
    State(api): State<Api>,
    who: Member,
    Id(id): Id<AccountId>,
) -> Result<Json<BillingTab>, Problem> {
    Ok(Json(api.app.account_billing(&who.0.workspace, &id).await?))
}

/// Change an account; what is not said stays
#[utoipa::path(
    patch,
    path = "/v1/accounts/{id}",
    params(("id" = AccountId, Path, description = "The account's id")),
    request_body = AccountPatch,
    responses(
        (status = 200, body = AccountView),
        (status = 409, description = "`domain_taken`, `account_changed`"),
    ),
    security(("token" = ["admin"]))
)]
pub(super) async fn change(
    State(api): State<Api>,
    who: Admin,
    Id(id): Id<AccountId>,
    Body(patch): Body<AccountPatch>,
) -> Result<Json<AccountView>, Problem> {
    Ok(Json(api.app.by(&who.0).change_account(&who.0.workspace, &id, patch).await?))
}

/// Take a given account away; its customers find accounts of their own again
#[utoipa::path(
    delete,
    path = "/v1/accounts/{id}",
    params(("id" = AccountId, Path, description = "The account's id")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 409, description = "`account_is_made`: it would come back"),
    ),
    security(("token" = ["admin"]))
)]
pub(super) async fn remove(State(api): State<Api>, who: Admin, Id(id): Id<AccountId>) -> Result<StatusCode, Problem> {
    api.app.by(&who.0).remove_account(&who.0.workspace, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Stripe customers that no account has
#[utoipa::path(
    get,
    path = "/v1/customers",
    params(CustomersQuery, PageQuery),
    responses((status = 200, body = List<Matched>)),
    security(("token" = ["member"]))
)]
pub(super) async fn customers(
    State(api): State<Api>,
    who: Member,
    Params(query): Params<CustomersQuery>,
) -> Result<Json<List<Matched>>, Problem> {
    if query.matched.as_deref() != Some("false") {
        let message = "matched=false is the only list of customers; the others are under their accounts";
        return Err(Problem::field("matched", "matched_invalid", message));
    }
    let (ws, limit) = (&who.0.workspace, query.page.limit()?);
    let after = query.page.cursor.as_deref().map(|cursor| open(ws, "unmatched", cursor)).transpose()?;
    let found = api.app.store().unmatched_customers(ws, after.as_deref(), limit).await;
    let (data, next) = found.map_err(Refusal::from)?;
    Ok(Json(List { data, next_cursor: next.map(|place| seal(ws, "unmatched", &place)) }))
}

/// Say whose a customer is; this wins over every rule and survives a re-sync
#[utoipa::path(
    put,
    path = "/v1/customers/{id}/account",
    params(("id" = CustomerId, Path, description = "Stripe's id of the customer")),
    request_body = MatchBody,
    responses((status = 200, body = Matched)),
    security(("token" = ["admin"]))
)]
pub(super) async fn match_by_hand(
    State(api): State<Api>,
    who: Admin,
    Id(customer): Id<CustomerId>,
    Body(body): Body<MatchBody>,
) -> Result<Json<Matched>, Problem> {
    Ok(Json(api.app.by(&who.0).match_by_hand(&who.0.workspace, &customer, Some(&body.account_id)).await?))
}

/// Leave a customer to the rules again
#[utoipa::path(
    delete,
    path = "/v1/customers/{id}/account",
    params(("id" = CustomerId, Path, description = "Stripe's id of the customer")),
    responses((status = 200, body = Matched)),
    security(("token" = ["admin"]))
)]
pub(super) async fn unmatch(
    State(api): State<Api>,
    who: Admin,
    Id(customer): Id<CustomerId>,
) -> Result<Json<Matched>, Problem> {
    Ok(Json(api.app.by(&who.0).match_by_hand(&who.0.workspace, &customer, None).await?))
}

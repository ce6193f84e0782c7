//! The HTTP API (axum): thin handlers over the use cases, one problem shape for every no, one place that decides who may.

mod accounts;
mod audit;
mod body;
mod connection;
mod document;
mod export;
mod imports;
mod invite_page;
mod invites;
pub mod limits;
mod once;
mod page;
mod problem;
mod rates;
mod revenue;
mod runs;
mod settings;
mod webhook;
mod who;

#[doc(hidden)]
pub use page::{cursor_of, place_of};
pub use problem::{FieldError, Problem};
pub use runs::RunView;
pub use who::Member;

use crate::app::App;
use crate::auth::Tokens;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use limits::{BODY_BYTES_MAX, IMPORT_TIME_MAX, REQUEST_TIME_MAX};
use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::trace::TraceLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use who::Stranger;

/// What handlers share.
#[derive(Clone)]
pub struct Api {
    pub(crate) app: App,
    pub(crate) tokens: Arc<Tokens>,
    rates: Arc<rates::Rates>,
    described: Arc<Described>,
}

/// Made when it is first asked for: a function that starts has no time for it.
type Described = LazyLock<Document, Box<dyn FnOnce() -> Document + Send>>;

/// What the routes say of themselves.
struct Document {
    text: String,
    /// What may be asked with an idempotency key.
    once: BTreeSet<(Method, String)>,
}

/// Every route. `more` are those that this deployment has beside the others; they are under the same limits and in the
/// same document.
pub fn router(app: App, tokens: Arc<Tokens>, more: OpenApiRouter<Api>) -> Router {
    finish(changing().merge(reading()).merge(delivering()), app, tokens, more)
}

/// What changes something, what looks into the vault, and the page behind an invitation.
pub fn connect_router(app: App, tokens: Arc<Tokens>) -> Router {
    finish(changing(), app, tokens, OpenApiRouter::default())
}

/// What only reads the table.
pub fn query_router(app: App, tokens: Arc<Tokens>) -> Router {
    finish(reading(), app, tokens, OpenApiRouter::default())
}

/// What Stripe calls.
pub fn webhook_router(app: App, tokens: Arc<Tokens>) -> Router {
    finish(delivering(), app, tokens, OpenApiRouter::default())
}

// A route that is not described cannot be added here.

fn changing() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(connection::card, connection::connect, connection::disconnect))
        .routes(routes!(connection::check))
        .routes(routes!(connection::webhook_secret))
        .routes(routes!(webhook::create_endpoint))
        .routes(routes!(webhook::verify))
        .routes(routes!(connection::erase))
        .routes(routes!(invites::create, invites::withdraw))
        .routes(routes!(invites::show, invites::follow))
        .routes(routes!(settings::change))
        .routes(routes!(runs::start))
        .routes(routes!(runs::cancel))
        .routes(routes!(imports::create))
        .routes(routes!(accounts::change, accounts::remove))
        .routes(routes!(accounts::match_by_hand, accounts::unmatch))
        .routes(routes!(revenue::acknowledge))
}

fn reading() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(settings::show))
        .routes(routes!(runs::list))
        .routes(routes!(runs::show))
        .routes(routes!(accounts::list))
        .routes(routes!(accounts::export))
        .routes(routes!(accounts::show))
        .routes(routes!(accounts::billing))
        .routes(routes!(accounts::customers))
        .routes(routes!(revenue::trajectory))
        .routes(routes!(revenue::explain))
        .routes(routes!(revenue::summary))
        .routes(routes!(revenue::signals))
        .routes(routes!(audit::list))
        .routes(routes!(healthz))
        .routes(routes!(openapi))
}

fn delivering() -> OpenApiRouter<Api> {
    OpenApiRouter::default().routes(routes!(webhook::receive))
}

/// Every route with what the document says of it, whichever of them this process serves.
fn described() -> utoipa::openapi::OpenApi {
    let all = changing().merge(reading()).merge(delivering());
    OpenApiRouter::<Api>::with_openapi(document::begin()).merge(all).into_openapi()
}

/// What holds for every route.
fn finish(routes: OpenApiRouter<Api>, app: App, tokens: Arc<Tokens>, mut more: OpenApiRouter<Api>) -> Router {
    let beside = more.to_openapi();
    let document = move || {
        let mut described = described();
        described.merge(beside);
        Document { once: once::routes(&described), text: document::text(described) }
    };
    let (routes, _) = routes.merge(more).split_for_parts();
    let described: Described = LazyLock::new(Box::new(document));
    let api = Api { app, tokens, rates: Arc::default(), described: Arc::new(described) };
    routes
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "not_found", "There is nothing at this address.") })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "This address does not take this method.",
            )
        })
        .layer(middleware::from_fn_with_state(api.clone(), once::once))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(in_time))
        .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| panicked()))
        .layer(TraceLayer::new_for_http().make_span_with(span))
        .with_state(api)
}

/// Whether the process answers at all; no store is touched
#[utoipa::path(get, path = "/healthz", responses((status = 200, body = String)), security(()))]
async fn healthz(State(api): State<Api>, stranger: Stranger) -> Result<&'static str, Problem> {
    stranger.counted(&api)?;
    Ok("ok")
}

/// This document
#[utoipa::path(get, path = "/openapi.json", responses((status = 200, body = serde_json::Value)), security(()))]
async fn openapi(State(api): State<Api>, stranger: Stranger) -> Result<impl IntoResponse, Problem> {
    stranger.counted(&api)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], api.described.text.clone()))
}

/// No request keeps anybody waiting longer than [`REQUEST_TIME_MAX`]; only a file of accounts may take longer.
async fn in_time(request: Request, next: Next) -> Response {
    let takes_files = request.method() == Method::POST && request.uri().path() == "/v1/accounts";
    let limit = if takes_files { IMPORT_TIME_MAX } else { REQUEST_TIME_MAX };
    tokio::time::timeout(limit, next.run(request)).await.unwrap_or_else(|_| {
        let detail = format!("This took longer than {} seconds; it may still happen.", limit.as_secs());
        Problem::new(StatusCode::GATEWAY_TIMEOUT, "timeout", detail).into_response()
    })
}

fn panicked() -> Response {
    Problem::internal("a handler panicked").into_response()
}

/// The method and the path's template; never the query, a header or a body.
fn span<B>(request: &axum::http::Request<B>) -> tracing::Span {
    let path = request.extensions().get::<axum::extract::MatchedPath>().map_or("", |path| path.as_str());
    tracing::debug_span!("http", method = %request.method(), path)
}

//! The HTTP API (axum): thin handlers over the use cases, one problem shape for every no, one place that decides who may.

mod accounts;
mod body;
mod connection;
mod page;
mod problem;
mod runs;
mod settings;
mod webhook;
mod who;

pub use problem::{FieldError, Problem};
pub use runs::RunView;

use crate::app::App;
use crate::auth::Tokens;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use std::sync::Arc;
use std::time::Duration;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

/// Longest request body, in bytes.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Longest time for a request: connecting a key asks Stripe a dozen things.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(60);

/// What handlers share.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) app: App,
    pub(crate) tokens: Arc<Tokens>,
}

/// Every route.
pub fn router(app: App, tokens: Arc<Tokens>) -> Router {
    finish(changing().merge(reading()).merge(delivering()), app, tokens)
}

/// What changes something, and the card, which looks into the vault.
pub fn connect_router(app: App, tokens: Arc<Tokens>) -> Router {
    finish(changing(), app, tokens)
}

/// What only reads the table.
pub fn query_router(app: App, tokens: Arc<Tokens>) -> Router {
    finish(reading(), app, tokens)
}

/// What anybody may call.
pub fn webhook_router(app: App, tokens: Arc<Tokens>) -> Router {
    finish(delivering(), app, tokens)
}

fn changing() -> Router<Api> {
    let v1 = Router::new()
        .route("/stripe", get(connection::card).post(connection::connect).delete(connection::disconnect))
        .route("/stripe/check", post(connection::check))
        .route("/stripe/webhook-secret", axum::routing::put(connection::webhook_secret))
        .route("/stripe/webhook-endpoint", post(webhook::create_endpoint))
        .route("/verify", post(webhook::verify))
        .route("/data", axum::routing::delete(connection::erase))
        .route("/settings", axum::routing::patch(settings::change))
        .route("/syncs", post(runs::start))
        .route("/syncs/{id}", axum::routing::delete(runs::cancel))
        .route("/accounts", post(accounts::create))
        .route("/accounts/{id}", axum::routing::patch(accounts::change).delete(accounts::remove))
        .route("/customers/{id}/account", axum::routing::put(accounts::match_by_hand).delete(accounts::unmatch));
    Router::new().nest("/v1", v1)
}

fn reading() -> Router<Api> {
    let v1 = Router::new()
        .route("/settings", get(settings::show))
        .route("/syncs", get(runs::list))
        .route("/syncs/{id}", get(runs::show))
        .route("/accounts", get(accounts::list))
        .route("/accounts/{id}", get(accounts::show))
        .route("/accounts/{id}/billing", get(accounts::billing))
        .route("/customers", get(accounts::customers));
    Router::new().nest("/v1", v1).route("/healthz", get(healthz))
}

fn delivering() -> Router<Api> {
    Router::new().route("/webhooks/stripe/{endpoint_id}", post(webhook::receive))
}

/// What holds for every route.
fn finish(routes: Router<Api>, app: App, tokens: Arc<Tokens>) -> Router {
    routes
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "not_found", "There is nothing at this address.") })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "This address does not take this method.",
            )
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, REQUEST_TIME_MAX))
        .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| panicked()))
        .layer(TraceLayer::new_for_http().make_span_with(span))
        .with_state(Api { app, tokens })
}

async fn healthz() -> &'static str {
    "ok"
}

fn panicked() -> Response {
    Problem::internal("a handler panicked").into_response()
}

/// The method and the path's template; never the query, a header or a body.
fn span<B>(request: &axum::http::Request<B>) -> tracing::Span {
    let path = request.extensions().get::<axum::extract::MatchedPath>().map_or("", |path| path.as_str());
    tracing::debug_span!("http", method = %request.method(), path)
}

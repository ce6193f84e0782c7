//! The HTTP API (axum): thin handlers over the use cases, one problem shape for every no, one place that decides who may.

mod accounts;
mod audit;
mod body;
mod connection;
mod export;
mod imports;
mod invite_page;
mod invites;
mod page;
mod problem;
mod runs;
mod settings;
mod webhook;
mod who;

pub use imports::{IMPORT_BYTES_MAX, IMPORT_TIME_MAX};
#[doc(hidden)]
pub use page::{cursor_of, place_of};
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
    let api = Api { app, tokens };
    let v1 = Router::new()
        .route("/stripe", get(connection::card).post(connection::connect).delete(connection::disconnect))
        .route("/stripe/check", post(connection::check))
        .route("/stripe/webhook-secret", axum::routing::put(connection::webhook_secret))
        .route("/stripe/webhook-endpoint", post(webhook::create_endpoint))
        .route("/verify", post(webhook::verify))
        .route("/data", axum::routing::delete(connection::erase))
        .route("/settings", get(settings::show).patch(settings::change))
        .route("/syncs", get(runs::list).post(runs::start))
        .route("/syncs/{id}", get(runs::show).delete(runs::cancel))
        .route("/accounts", get(accounts::list))
        .route("/accounts/{id}", get(accounts::show).patch(accounts::change).delete(accounts::remove))
        .route("/accounts/{id}/billing", get(accounts::billing))
        .route("/customers", get(accounts::customers))
        .route("/customers/{id}/account", axum::routing::put(accounts::match_by_hand).delete(accounts::unmatch))
        .route("/accounts.csv", get(accounts::export))
        .route("/stripe/invites", post(invites::create).delete(invites::withdraw))
        .route("/audit", get(audit::list));
    // A file of accounts may take longer than a request.
    let files = Router::new()
        .route("/v1/accounts", post(imports::create))
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, IMPORT_TIME_MAX));
    Router::new()
        .nest("/v1", v1)
        .route("/healthz", get(healthz))
        .route("/webhooks/stripe/{endpoint_id}", post(webhook::receive))
        .route("/invites/{token}", get(invites::show).post(invites::follow))
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
        .merge(files)
        .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| panicked()))
        .layer(TraceLayer::new_for_http().make_span_with(span))
        .with_state(api)
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

//! The webhook endpoint. No token: the signature is the proof. Nothing of a body is ever repeated or logged.

use super::who::{Admin, Body, Stranger};
use super::{Api, Problem};
use crate::card::Card;
use crate::verify::{Compared, Repair, Report};
use crate::webhook::Unreceived;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use billfold_core::id::EndpointId;
use serde::Deserialize;
use utoipa::ToSchema;

#[derive(Deserialize, ToSchema)]
pub(super) struct EndpointBody {
    /// Where Stripe is to deliver, if not at the address that Billfold knows of itself.
    url: Option<String>,
}

#[derive(Deserialize, ToSchema)]
pub(super) struct VerifyBody {
    /// How many objects; all if it is not said.
    sample: Option<usize>,
    /// Where an earlier answer ended, if all are compared.
    after: Option<String>,
    /// Whether what differs is put right.
    #[serde(default)]
    repair: bool,
}

/// A delivery of Stripe's
///
/// No token: the signature in `Stripe-Signature` is the proof. 200 once the event is safe.
#[utoipa::path(
    post,
    path = "/webhooks/stripe/{endpoint_id}",
    params(
        ("endpoint_id" = EndpointId, Path, description = "The last part of the URL that was given to Stripe"),
        ("stripe-signature" = Option<String>, Header, description = "Stripe's signature of the body")
    ),
    request_body(content = serde_json::Value, description = "An event", content_type = "application/json"),
    responses(
        (status = 200, description = "The event is safe"),
        (status = 400, description = "`signature_invalid`, `body_unreadable`"),
        (status = 404, description = "There is no such endpoint, or it is disconnected"),
    ),
    security(())
)]
pub(super) async fn receive(
    State(api): State<Api>,
    stranger: Stranger,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: axum::body::Body,
) -> Result<StatusCode, Problem> {
    let body = super::body::read(body).await?;
    let header = headers.get("stripe-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let received = match EndpointId::new(id) {
        Ok(id) => api.app.receive(&id, header, &body).await.map(|_| StatusCode::OK),
        Err(_) => Err(Unreceived::NoEndpoint),
    };
    match received {
        Ok(status) => Ok(status),
        Err(trouble @ Unreceived::Trouble(_)) => Err(problem(trouble)),
        Err(unproven) => {
            stranger.counted(&api)?;
            Err(problem(unproven))
        }
    }
}

fn problem(error: Unreceived) -> Problem {
    match error {
        Unreceived::NoEndpoint => {
            Problem::new(StatusCode::NOT_FOUND, "not_found", "There is no webhook endpoint at this address.")
        }
        Unreceived::Signature => {
            let detail = "The Stripe-Signature header is missing, too old, or not made with a signing secret that is stored here.";
            Problem::new(StatusCode::BAD_REQUEST, "signature_invalid", detail)
        }
        Unreceived::Unreadable => {
            Problem::new(StatusCode::BAD_REQUEST, "body_unreadable", "The body is not an event of Stripe's.")
        }
        Unreceived::Trouble(refusal) => refusal.into(),
    }
}

/// Let Billfold create the webhook endpoint in Stripe
#[utoipa::path(
    post,
    path = "/v1/stripe/webhook-endpoint",
    request_body = EndpointBody,
    responses(
        (status = 201, body = Card),
        (status = 409, description = "`not_connected`, `webhook_permission_missing`"),
        (status = 502, description = "`stripe_unavailable`"),
    ),
    security(("token" = ["admin"]))
)]
pub(super) async fn create_endpoint(
    State(api): State<Api>,
    who: Admin,
    Body(body): Body<EndpointBody>,
) -> Result<(StatusCode, Json<Card>), Problem> {
    api.app.by(&who.0).create_webhook_endpoint(&who.0.workspace, body.url.as_deref()).await?;
    Ok((StatusCode::CREATED, Json(api.app.card(&who.0.workspace).await?)))
}

/// Compare what is stored with what Stripe says, field by field
#[utoipa::path(
    post,
    path = "/v1/verify",
    request_body = VerifyBody,
    responses(
        (status = 200, body = Report),
        (status = 409, description = "`not_connected`"),
        (status = 502, description = "`stripe_unavailable`"),
    ),
    security(("token" = ["admin"]))
)]
pub(super) async fn verify(
    State(api): State<Api>,
    who: Admin,
    Body(body): Body<VerifyBody>,
) -> Result<Json<Report>, Problem> {
    let repair = if body.repair { Repair::Yes } else { Repair::No };
    let which = match body.sample {
        Some(sample) => Compared::Sample(sample),
        None => Compared::All { after: body.after },
    };
    Ok(Json(api.app.by(&who.0).verify(&who.0.workspace, which, repair).await?))
}

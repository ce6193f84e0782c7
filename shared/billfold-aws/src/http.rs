//! API Gateway's glue: its events become requests to the router of the use cases. The gateway has checked the token; what
//! it says of it, and nothing else that comes with a request, becomes the caller.

mod identity;
mod tame;

use crate::deployment::StartError;
use axum::Router;
use billfold_app::auth::Tokens;
use billfold_app::{Clock, SystemClock};
use identity::Identity;
use lambda_http::request::LambdaRequest;
use lambda_http::tower::ServiceExt as _;
use lambda_http::{Adapter, LambdaEvent};
use std::sync::Arc;
use tracing::Instrument as _;

/// Answers requests, for as long as the process lives. `router` is given what verifies the callers' tokens.
///
/// # Errors
/// [`StartError`] if the function cannot begin, or when Lambda's runtime ends.
pub async fn serve(router: impl FnOnce(Arc<Tokens>) -> Router) -> Result<(), StartError> {
    let identity = Identity::new()?;
    let router = router(Arc::new(identity.tokens()));
    let (router, identity) = (&router, &identity);
    let answer = |event: LambdaEvent<LambdaRequest>| async move {
        let span = tracing::info_span!("request", request_id = event.context.request_id);
        let event = LambdaEvent { payload: prepare(event.payload, identity), context: event.context };
        Adapter::from(router.clone()).oneshot(event).instrument(span).await
    };
    lambda_runtime::run(lambda_runtime::service_fn(answer)).await.map_err(StartError::Runtime)
}

/// A request that the router can be given.
fn prepare(request: LambdaRequest, identity: &Identity) -> LambdaRequest {
    match request {
        LambdaRequest::ApiGatewayV2(mut request) => {
            tame::tame(&mut request);
            identity.introduce(&mut request, SystemClock.now());
            LambdaRequest::ApiGatewayV2(request)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;

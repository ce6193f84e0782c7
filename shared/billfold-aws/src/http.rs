//! API Gateway's glue: its events become requests to the router of the use cases. The gateway has checked the token, and
//! the router checks it again; a token that the gateway says nothing of does not reach the router, so that a route which
//! lost its authorizer lets nobody in.

mod tame;

use crate::deployment::StartError;
use axum::Router;
use http::header::AUTHORIZATION;
use lambda_http::request::LambdaRequest;
use lambda_http::tower::ServiceExt as _;
use lambda_http::{Adapter, LambdaEvent};
use tracing::Instrument as _;

/// Answers requests, for as long as the process lives.
///
/// # Errors
/// [`StartError::Runtime`] when Lambda's runtime ends.
pub async fn serve(router: Router) -> Result<(), StartError> {
    let router = &router;
    let answer = |event: LambdaEvent<LambdaRequest>| async move {
        let span = tracing::info_span!("request", request_id = event.context.request_id);
        let event = LambdaEvent { payload: prepare(event.payload), context: event.context };
        Adapter::from(router.clone()).oneshot(event).instrument(span).await
    };
    lambda_runtime::run(lambda_runtime::service_fn(answer)).await.map_err(StartError::Runtime)
}

/// A request that the router can be given.
fn prepare(request: LambdaRequest) -> LambdaRequest {
    match request {
        LambdaRequest::ApiGatewayV2(mut request) => {
            tame::tame(&mut request);
            let verified = request.request_context.authorizer.as_ref().is_some_and(|found| found.jwt.is_some());
            if !verified {
                request.headers.remove(AUTHORIZATION);
            }
            LambdaRequest::ApiGatewayV2(request)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;

//! The schedule's glue: one sweep for each tick. A sweep that fails fails the invocation, which the alarm on errors sees.

use crate::deployment::StartError;
use crate::metrics::{Metric, Metrics, Unit};
use billfold_app::{App, Refusal};
use futures::FutureExt as _;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;

/// Sweeps on every invocation, for as long as the process lives.
///
/// # Errors
/// [`StartError::Runtime`] when Lambda's runtime ends.
pub async fn serve(app: App) -> Result<(), StartError> {
    let metrics = Metrics::new("sweep");
    let (app, metrics) = (&app, &metrics);
    let tick = |_: LambdaEvent<Value>| {
        // Lambda shows the text of an error, and the log has its causes.
        async move { tick(app, metrics).await.map(|()| Value::Null).map_err(|error| error.to_string()) }.boxed()
    };
    lambda_runtime::run(service_fn(tick)).await.map_err(StartError::Runtime)
}

async fn tick(app: &App, metrics: &Metrics) -> Result<(), Refusal> {
    let swept = app.sweep().boxed().await;
    if let Err(error) = &swept {
        let cause: &(dyn std::error::Error + 'static) = error;
        tracing::error!(error = cause, "the sweep failed; it is tried again at the next tick");
    }
    let failed = u64::from(swept.is_err());
    metrics.write(app.now(), &[Metric { name: "SweepFailed", unit: Unit::Count, value: failed }]);
    swept
}

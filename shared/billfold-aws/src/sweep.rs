//! The schedule's glue: one sweep for each tick. A sweep that fails fails the invocation, which the alarm on errors sees.

use crate::deployment::StartError;
use crate::metrics::{Metric, Metrics, Unit};
use billfold_app::{App, Refusal, chain};
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
        // The runtime logs the error, and Lambda shows it.
        async move { tick(app, metrics).await.map(|()| Value::Null).map_err(|error| chain(&error)) }.boxed()
    };
    lambda_runtime::run(service_fn(tick)).await.map_err(StartError::Runtime)
}

async fn tick(app: &App, metrics: &Metrics) -> Result<(), Refusal> {
    let swept = app.sweep().boxed().await;
    let failed = u64::from(swept.is_err());
    metrics.write(app.now(), &[Metric { name: "SweepFailed", unit: Unit::Count, value: failed }]);
    swept
}

//! The schedule: finds what was lost and sends it to a worker again. It has no secret.

use billfold_aws::{Deployment, sweep};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let deployment = Deployment::start()?;
    let app = deployment.app(Some(deployment.queue()?), None)?;
    Ok(sweep::serve(app).await?)
}

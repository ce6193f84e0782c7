//! HTTP: everything that changes something. The only function that may write secrets.

use billfold_app::http::connect_router;
use billfold_aws::vault::Memory;
use billfold_aws::{Deployment, http};
use std::sync::Arc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let deployment = Deployment::start()?;
    let app = deployment.app(Some(deployment.queue()?), Some(deployment.vault(Memory::None)?))?;
    Ok(http::serve(connect_router(app, Arc::new(deployment.tokens()?))).await?)
}

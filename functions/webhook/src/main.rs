//! HTTP: deliveries from Stripe, the one route without a token. Reads signing secrets, and never an API key.

use billfold_app::auth::Tokens;
use billfold_app::http::webhook_router;
use billfold_aws::vault::Memory;
use billfold_aws::{Deployment, http};
use std::sync::Arc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let deployment = Deployment::start()?;
    let app = deployment.app(Some(deployment.queue()?), Some(deployment.vault(Memory::FiveMinutes)?))?;
    Ok(http::serve(webhook_router(app, Arc::new(Tokens::none()))).await?)
}

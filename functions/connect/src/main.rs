//! HTTP: everything that changes something. The only function that may write secrets.

use billfold_app::http::connect_router;
use billfold_aws::vault::Memory;
use billfold_aws::{Deployment, http};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let deployment = Deployment::start()?;
    let app = deployment.app(Some(deployment.queue()?), Some(deployment.vault(Memory::None)?))?;
    Ok(http::serve(|tokens| connect_router(app, tokens)).await?)
}

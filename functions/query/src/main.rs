//! HTTP: everything that only reads. It has the table and nothing else.

use billfold_app::http::query_router;
use billfold_aws::{Deployment, http};
use std::sync::Arc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let deployment = Deployment::start()?;
    let app = deployment.app(None, None)?;
    Ok(http::serve(query_router(app, Arc::new(deployment.tokens()?))).await?)
}

//! HTTP: everything that only reads. It has the table and nothing else.

use billfold_app::http::query_router;
use billfold_aws::{Deployment, http};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let app = Deployment::start()?.app(None, None)?;
    Ok(http::serve(|tokens| query_router(app, tokens)).await?)
}

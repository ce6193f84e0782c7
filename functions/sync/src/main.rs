//! SQS: syncs, a slice in each invocation, the next by a new message.

use billfold_aws::queue::Lane;
use billfold_aws::vault::Memory;
use billfold_aws::{Deployment, records};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let deployment = Deployment::start()?;
    let queue = deployment.queue()?;
    let app = deployment.app(Some(queue.clone()), Some(deployment.vault(Memory::FiveMinutes)?))?;
    Ok(records::serve(app, queue, Lane::Sync).await?)
}

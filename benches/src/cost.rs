//! What a stack in AWS would be charged: the functions' work done here on a table that counts as DynamoDB does, the calls
//! to the queue and the vault counted, all of it at the prices of [`crate::prices`].

mod bill;
pub mod month;

use crate::cloud::Cloud;
use crate::prices;
use bill::Template;
pub use bill::{Bill, Line};
use billfold_sim::{Delivery, Dice, Faults, Sim, Spec};
use std::path::Path;
use std::time::Duration;

/// When the simulated business stands.
const NOW: i64 = 1_790_000_000;
/// Deliveries that are measured, in each way.
const EVENTS: usize = 400;
const MINUTES_A_DAY: u32 = 1440;
const DAYS_A_MONTH: f64 = 30.0;

/// Does the work of each bill and adds it up.
pub async fn run(root: &Path, customers: u32) -> anyhow::Result<Vec<Line>> {
    let template = Template::read(&root.join("template.yaml"))?;
    let mut lines = Vec::new();

    let mut cloud = synced(customers).await?;
    let first = cloud.take();
    let objects = cloud.records().await?;
    lines.push(first.line(&template, "backfill, a million objects", objects, 1e6).at_most(3.0));

    cloud.sync_again().await?;
    cloud.settle().await?;
    let again = cloud.take();
    let objects_again = cloud.records().await?;
    let limit = 0.15 * first.dollars(&template) / objects * 1e6;
    lines.push(again.line(&template, "sync without changes, a million objects", objects_again, 1e6).at_most(limit));

    let moments = cloud.moments(&mut Dice::new(5), EVENTS)?;
    let as_they_come = webhooks(&mut cloud, moments).await?;
    lines.push(
        as_they_come.line(&template, "webhooks as they come, a million", as_they_come.events(), 1e6).at_most(5.0),
    );
    for _ in 0..MINUTES_A_DAY {
        cloud.minute().await?;
    }
    let day = cloud.take();

    // The same business again, and the same events: what they would cost if those of a moment never came together. The
    // function waits for them, so this is a bound and nothing that is wanted.
    let mut cloud = synced(customers).await?;
    let moments = cloud.moments(&mut Dice::new(5), EVENTS)?;
    let singly = webhooks(&mut cloud, moments.into_iter().flatten().map(|one| vec![one]).collect()).await?;
    lines.push(singly.line(&template, "the same, each by itself, a million", singly.events(), 1e6));
    lines.push(day.idle(&template, DAYS_A_MONTH).at_most(1.0));
    Ok(lines)
}

/// A stack after the first sync of a business.
async fn synced(customers: u32) -> anyhow::Result<Cloud> {
    let sim = Sim::generate(&Spec::new(20, customers, NOW));
    sim.set_faults(Faults { latency_ms: prices::STRIPE_MS, ..Faults::default() });
    let mut cloud = Cloud::connected(sim, Duration::from_millis(prices::TABLE_MS)).await?;
    cloud.settle().await?;
    Ok(cloud)
}

/// Delivers events, those of a moment together, each time until all is applied.
async fn webhooks(cloud: &mut Cloud, moments: Vec<Vec<Delivery>>) -> anyhow::Result<Bill> {
    cloud.take();
    for moment in moments {
        for delivery in &moment {
            cloud.deliver(delivery).await?;
        }
        cloud.settle().await?;
    }
    Ok(cloud.take())
}

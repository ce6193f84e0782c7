//! What a stack in AWS would be charged: the functions' work done here on a table that counts as DynamoDB does, the calls
//! to the queue and the vault counted, all of it at the prices of [`crate::prices`].

mod bill;
mod cloud;

pub use bill::Line;
use bill::{Bill, Template};
use billfold_sim::{Dice, Sim, Spec};
use cloud::Cloud;
use std::path::Path;

/// When the simulated business stands.
const NOW: i64 = 1_790_000_000;
/// Deliveries that are measured, in each way.
const EVENTS: usize = 400;
/// Deliveries that come together.
const BURST: usize = 10;
const MINUTES_A_DAY: u32 = 1440;
const DAYS_A_MONTH: f64 = 30.0;

/// Does the work of each bill and adds it up.
pub async fn run(root: &Path, customers: u32) -> anyhow::Result<Vec<Line>> {
    let template = Template::read(&root.join("template.yaml"))?;
    let mut cloud = Cloud::connected(Sim::generate(&Spec::new(20, customers, NOW))).await?;
    let mut lines = Vec::new();

    cloud.settle().await?;
    let first = cloud.take();
    let objects = cloud.records().await?;
    lines.push(first.line(&template, "backfill, a million objects", objects, 1e6).at_most(3.0));

    cloud.sync_again().await?;
    cloud.settle().await?;
    let again = cloud.take();
    let objects_again = cloud.records().await?;
    let limit = 0.15 * first.dollars(&template) / objects * 1e6;
    lines.push(again.line(&template, "sync without changes, a million objects", objects_again, 1e6).at_most(limit));

    let mut dice = Dice::new(5);
    let alone = webhooks(&mut cloud, &mut dice, 1).await?;
    lines.push(alone.line(&template, "webhooks one by one, a million", alone.events(), 1e6).at_most(5.0));
    let together = webhooks(&mut cloud, &mut dice, BURST).await?;
    lines.push(together.line(&template, "webhooks in bursts of ten, a million", together.events(), 1e6).at_most(5.0));

    for _ in 0..MINUTES_A_DAY {
        cloud.minute().await?;
    }
    let day = cloud.take();
    lines.push(day.idle(&template, DAYS_A_MONTH).at_most(1.0));
    Ok(lines)
}

/// Delivers events, so many at once, each time until all is applied.
async fn webhooks(cloud: &mut Cloud, dice: &mut Dice, at_once: usize) -> anyhow::Result<Bill> {
    let deliveries = cloud.changes(dice, EVENTS)?;
    cloud.take();
    for some in deliveries.chunks(at_once) {
        for delivery in some {
            cloud.deliver(delivery).await?;
        }
        cloud.settle().await?;
    }
    Ok(cloud.take())
}

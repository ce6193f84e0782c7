//! Sends waiting deliveries over HTTP. What is not taken stays in the queue for the next round.

use serde::Serialize;

use crate::sim::Sim;
use crate::webhooks::Delivery;

/// How a round of deliveries went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DeliveryReport {
    pub delivered: usize,
    pub failed: usize,
}

/// Sends one delivery; `true` when it was answered with a 2xx.
pub async fn post(client: &reqwest::Client, delivery: &Delivery) -> bool {
    let sent = client
        .post(&delivery.url)
        .header("content-type", "application/json; charset=utf-8")
        .header("user-agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)")
        .header("stripe-signature", &delivery.signature)
        .body(delivery.body.clone())
        .send()
        .await;
    sent.is_ok_and(|answer| answer.status().is_success())
}

impl Sim {
    /// Delivers everything that waits, oldest first, signed as of now.
    pub async fn deliver_all(&self, client: &reqwest::Client) -> DeliveryReport {
        let mut report = DeliveryReport::default();
        let round = self.waiting();
        for delivery in round {
            if post(client, &delivery).await {
                self.delivered(&delivery.event_id);
                report.delivered += 1;
            } else {
                self.world_mut().webhooks.waiting.push_back(delivery);
                report.failed += 1;
            }
        }
        report
    }

    fn waiting(&self) -> Vec<Delivery> {
        let mut world = self.world_mut();
        let world = &mut *world;
        let now = world.clock.now();
        world.webhooks.drop_undeliverable(&world.business.ids);
        let waiting = world.webhooks.waiting.drain(..);
        waiting.map(|delivery| delivery.signed_at(now)).collect()
    }

    fn delivered(&self, event: &str) {
        let mut world = self.world_mut();
        let world = &mut *world;
        world.events.delivered(&world.business.ids, event);
    }
}

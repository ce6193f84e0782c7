//! Subscriptions and their items.

use super::catalogue::{DiscountWire, PriceWire, applied_list, price_fact};
use super::read::nested;
use super::wire::{Expandable, List, Seconds, metadata, optional_time};
use super::{Reading, Unreadable};
use crate::facts::{
    Cancellation, Fact, Metadata, PauseCollection, Price, Subscription, SubscriptionItem, SubscriptionStatus,
};
use crate::id::{CustomerId, InvoiceId, ItemId, SubscriptionId};
use crate::money::Currency;
use jiff::Timestamp;
use serde::Deserialize;

#[derive(Deserialize)]
struct SubscriptionWire {
    id: String,
    customer: Option<Expandable>,
    customer_account: Option<String>,
    status: SubscriptionStatus,
    currency: Option<String>,
    created: Seconds,
    start_date: Option<Seconds>,
    items: List<ItemWire>,
    discounts: Option<Vec<DiscountWire>>,
    collection_method: Option<String>,
    #[serde(default)]
    cancel_at_period_end: bool,
    cancel_at: Option<Seconds>,
    canceled_at: Option<Seconds>,
    ended_at: Option<Seconds>,
    cancellation_details: Option<CancellationWire>,
    pause_collection: Option<PauseWire>,
    trial_start: Option<Seconds>,
    trial_end: Option<Seconds>,
    latest_invoice: Option<Expandable>,
    test_clock: Option<Expandable>,
    metadata: Option<Metadata>,
    // Before 2025-03-31.basil.
    discount: Option<DiscountWire>,
    current_period_start: Option<Seconds>,
    current_period_end: Option<Seconds>,
}

#[derive(Deserialize)]
pub(super) struct ItemWire {
    id: String,
    price: Option<PriceWire>,
    plan: Option<PriceWire>,
    quantity: Option<i64>,
    discounts: Option<Vec<DiscountWire>>,
    current_period_start: Option<Seconds>,
    current_period_end: Option<Seconds>,
    current_trial: Option<ItemTrialWire>,
}

#[derive(Deserialize)]
struct ItemTrialWire {
    end_date: Option<Seconds>,
}

#[derive(Deserialize)]
struct CancellationWire {
    reason: Option<String>,
    feedback: Option<String>,
    comment: Option<String>,
}

#[derive(Deserialize)]
struct PauseWire {
    behavior: Option<String>,
    resumes_at: Option<Seconds>,
}

/// The subscription's own period, which items of old payloads take over.
#[derive(Clone, Copy)]
pub(super) struct Period {
    start: Option<Timestamp>,
    end: Option<Timestamp>,
}

pub(super) fn subscription(json: &str) -> Result<Reading, Unreadable> {
    let wire: SubscriptionWire = serde_json::from_str(json)?;
    let Some(customer) = wire.customer.as_ref().map(Expandable::id).or(wire.customer_account.as_deref()) else {
        return Ok(Reading::Ignored { reason: "a subscription without a customer" });
    };
    let customer = CustomerId::new(customer)?;
    let period =
        Period { start: optional_time(wire.current_period_start)?, end: optional_time(wire.current_period_end)? };
    let has_more = wire.items.has_more;
    let items = wire.items.data.into_iter().map(|wire| item(wire, Some(period))).collect::<Result<Vec<_>, _>>()?;
    let currency = match wire.currency {
        Some(code) => Currency::new(&code)?,
        None => items.first().map(|item| item.price.currency).ok_or(Unreadable::Missing("currency"))?,
    };
    let nested = nested(has_more, &wire.id, items.last().map(|item| item.id.as_str()))?;
    let fact = Subscription {
        id: SubscriptionId::new(wire.id)?,
        customer,
        status: wire.status,
        currency,
        created: wire.created.time()?,
        start_date: optional_time(wire.start_date)?,
        items,
        discounts: applied_list(wire.discounts, wire.discount)?,
        collection_method: wire.collection_method,
        cancel_at_period_end: wire.cancel_at_period_end,
        cancel_at: optional_time(wire.cancel_at)?,
        canceled_at: optional_time(wire.canceled_at)?,
        ended_at: optional_time(wire.ended_at)?,
        cancellation: wire.cancellation_details.and_then(cancellation),
        pause_collection: wire.pause_collection.map(pause).transpose()?,
        trial_start: optional_time(wire.trial_start)?,
        trial_end: optional_time(wire.trial_end)?,
        latest_invoice: wire.latest_invoice.map(|invoice| InvoiceId::new(invoice.id())).transpose()?,
        test_clock: wire.test_clock.is_some(),
        metadata: metadata(wire.metadata),
    };
    Ok(Reading::Live { fact: Fact::Subscription(Box::new(fact)), nested })
}

pub(super) fn item(wire: ItemWire, period: Option<Period>) -> Result<SubscriptionItem, Unreadable> {
    let price = wire.price.or(wire.plan).ok_or(Unreadable::Missing("items.data.price"))?;
    Ok(SubscriptionItem {
        id: ItemId::new(wire.id)?,
        price: as_sold(price_fact(price)?),
        quantity: wire.quantity,
        discounts: applied_list(wire.discounts, None)?,
        period_start: optional_time(wire.current_period_start)?.or(period.and_then(|p| p.start)),
        period_end: optional_time(wire.current_period_end)?.or(period.and_then(|p| p.end)),
        trial_end: wire.current_trial.map(|trial| optional_time(trial.end_date)).transpose()?.flatten(),
    })
}

/// A price without what may change of it later. Stripe shows such a change in every subscription and says nothing of it
/// to any; the catalogue, which is told, has it.
fn as_sold(price: Price) -> Price {
    Price { active: false, nickname: None, metadata: Metadata::new(), ..price }
}

/// Stripe sends an object of nulls for a subscription that was never cancelled.
fn cancellation(wire: CancellationWire) -> Option<Cancellation> {
    let said = wire.reason.is_some() || wire.feedback.is_some() || wire.comment.is_some();
    said.then_some(Cancellation { reason: wire.reason, feedback: wire.feedback, comment: wire.comment })
}

fn pause(wire: PauseWire) -> Result<PauseCollection, Unreadable> {
    Ok(PauseCollection { behavior: wire.behavior.unwrap_or_default(), resumes_at: optional_time(wire.resumes_at)? })
}

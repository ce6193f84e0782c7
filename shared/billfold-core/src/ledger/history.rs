//! What a subscription was worth before anybody looked: worked out from when it began and ended, and from the lines of its
//! invoices, which say what was sold at which time.
//!
//! Each time at which something else was billed, the subscription is put together as it was then and given to the engine
//! under today's rules. Discounts that were taken off it since are not known any more. The last step is always what it is
//! worth now.

use super::{Held, Inputs};
use crate::billing::Holding;
use crate::facts::{AppliedDiscount, InvoiceStatus, Line, Price, Subscription, SubscriptionItem, SubscriptionStatus};
use crate::id::ItemId;
use crate::mrr::{self, Context};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// The steps of a subscription's worth, oldest first, each other than the one before; the last is what it is worth now.
pub(super) fn steps(inputs: &Inputs<'_>, holding: &Holding<'_>) -> Vec<(Timestamp, Held)> {
    let subscription = holding.subscription;
    let began = began(subscription);
    let ended = stopped(subscription, inputs);
    let mut steps = Vec::new();
    if ended.is_none_or(|at| at > began) && began <= inputs.now && has_run(holding) {
        let sold = sold_over_time(inputs, holding, began);
        let billed = !sold.is_empty();
        for (at, items) in sold {
            let at = at.max(began);
            if ended.is_none_or(|ended| at < ended) && at <= inputs.now {
                steps.push((at, worth_then(inputs, holding, at, items)));
            }
        }
        if !billed {
            steps.push((began, worth_then(inputs, holding, began, subscription.items.clone())));
        }
    }
    let changed = match ended {
        Some(at) => at.min(inputs.now),
        None => last_change(inputs, holding, began),
    };
    let last = steps.last().map(|(at, _)| *at);
    steps.push((last.map_or(changed, |last| changed.max(last)), holding.held.clone()));
    let mut before = 0;
    steps.retain(|(_, held)| std::mem::replace(&mut before, held.mrr.amount) != held.mrr.amount);
    steps
}

/// When it first could be paid for.
fn began(subscription: &Subscription) -> Timestamp {
    let start = subscription.start_date.unwrap_or(subscription.created);
    subscription.trial_end.map_or(start, |end| end.max(start))
}

/// When it stopped counting; `None` while it runs.
fn stopped(subscription: &Subscription, inputs: &Inputs<'_>) -> Option<Timestamp> {
    let as_of = inputs.as_of.get(&subscription.id).copied().unwrap_or(inputs.now);
    match subscription.status {
        SubscriptionStatus::Canceled | SubscriptionStatus::IncompleteExpired => {
            Some(subscription.ended_at.or(subscription.canceled_at).unwrap_or(as_of))
        }
        SubscriptionStatus::Unpaid | SubscriptionStatus::Paused | SubscriptionStatus::Incomplete => Some(as_of),
        _ if subscription.pause_collection.is_some() => Some(as_of),
        _ => None,
    }
}

/// False for what never got as far as being paid for.
fn has_run(holding: &Holding<'_>) -> bool {
    let subscription = holding.subscription;
    let of_test_clock =
        subscription.test_clock || holding.facts.customer.as_ref().is_some_and(|customer| customer.test_clock);
    !of_test_clock
        && !matches!(
            subscription.status,
            SubscriptionStatus::Incomplete
                | SubscriptionStatus::IncompleteExpired
                | SubscriptionStatus::Trialing
                | SubscriptionStatus::Other(_)
        )
}

/// When a running subscription came to be worth what it is: with its running period, where that is known.
fn last_change(inputs: &Inputs<'_>, holding: &Holding<'_>, began: Timestamp) -> Timestamp {
    let period = holding.subscription.items.iter().filter_map(|item| item.period_start).max();
    period.unwrap_or(began).max(began).min(inputs.now)
}

/// What was sold from when on, by the lines of the invoices: a line says units and price of an item for its period. A
/// correction in the middle of a period has a line of its own, and one that takes back a line with a minus.
fn sold_over_time(
    inputs: &Inputs<'_>,
    holding: &Holding<'_>,
    began: Timestamp,
) -> Vec<(Timestamp, Vec<SubscriptionItem>)> {
    let id = &holding.subscription.id;
    let final_ones = holding.facts.invoices.iter().filter(|invoice| {
        matches!(invoice.status, InvoiceStatus::Paid | InvoiceStatus::Open | InvoiceStatus::Uncollectible)
    });
    let mut lines: Vec<(&ItemId, &Line)> = final_ones
        .flat_map(|invoice| &invoice.lines)
        .filter(|line| line.subscription.as_ref() == Some(id) && line.amount >= 0 && line.period_end > began)
        .filter_map(|line| line.subscription_item.as_ref().map(|item| (item, line)))
        .collect();
    lines.sort_by(|a, b| (a.1.period_start, &a.1.id).cmp(&(b.1.period_start, &b.1.id)));
    let mut running: BTreeMap<&ItemId, &Line> = BTreeMap::new();
    let mut sold: Vec<(Timestamp, Vec<SubscriptionItem>)> = Vec::new();
    for (n, (item, line)) in lines.iter().enumerate() {
        running.insert(item, line);
        let at = line.period_start;
        if lines.get(n.saturating_add(1)).is_some_and(|(_, next)| next.period_start == at) {
            continue;
        }
        running.retain(|_, line| line.period_end > at);
        let items: Option<Vec<SubscriptionItem>> =
            running.iter().map(|(item, line)| as_sold(inputs, holding, item, line)).collect();
        // A price that nobody knows any more: what was sold then cannot be put together.
        if let Some(items) = items.filter(|items| sold.last().is_none_or(|(_, before)| before != items)) {
            sold.push((at, items));
        }
    }
    if let Some(first) = sold.first_mut() {
        first.0 = began;
    }
    sold
}

/// An item as a line says that it was.
fn as_sold(inputs: &Inputs<'_>, holding: &Holding<'_>, id: &ItemId, line: &Line) -> Option<SubscriptionItem> {
    let now = holding.subscription.items.iter().find(|item| item.id == *id);
    let wanted = line.price.as_ref()?;
    let same = now.map(|item| &item.price).filter(|price| price.id == *wanted);
    let price: Price = same.or_else(|| inputs.catalogue.price(wanted)).cloned()?;
    Some(SubscriptionItem {
        id: id.clone(),
        price,
        quantity: line.quantity,
        discounts: now.map(|item| item.discounts.clone()).unwrap_or_default(),
        period_start: None,
        period_end: None,
        trial_end: None,
    })
}

/// What the subscription was worth at a time, with these items and those of today's discounts that ran then.
fn worth_then(inputs: &Inputs<'_>, holding: &Holding<'_>, at: Timestamp, mut items: Vec<SubscriptionItem>) -> Held {
    let ran = |applied: &AppliedDiscount| match applied {
        AppliedDiscount::Whole(discount) => discount.start.is_none_or(|start| start <= at),
        AppliedDiscount::Id(_) => true,
    };
    for item in &mut items {
        item.discounts.retain(ran);
        item.trial_end = None;
    }
    let then = Subscription {
        status: SubscriptionStatus::Active,
        items,
        discounts: holding.subscription.discounts.iter().filter(|applied| ran(applied)).cloned().collect(),
        cancel_at_period_end: false,
        cancel_at: None,
        pause_collection: None,
        ..holding.subscription.clone()
    };
    let context = Context {
        policy: &inputs.settings.policy,
        now: at,
        catalogue: inputs.catalogue,
        customer: holding.facts.customer.as_ref(),
        invoices: &holding.facts.invoices,
    };
    Held::of(&then, &mrr::subscription(&context, &then))
}

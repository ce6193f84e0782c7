//! An account's subscriptions as rows, the largest of them, and what the customer was sold.

use super::totals::in_own;
use super::trial::{Trial, TrialState};
use super::{Explained, Settings};
use crate::facts::{Recurring, Subscription, SubscriptionItem, SubscriptionStatus};
use crate::id::{ProductId, SubscriptionId};
use crate::money::Money;
use crate::mrr::ItemMrr;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;

/// A subscription as the Billing tab lists it. Plan, quantity and interval are those of its largest item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SubscriptionRow {
    /// Stripe's id.
    pub id: SubscriptionId,
    /// Where it stands.
    pub status: SubscriptionStatus,
    /// The name of what was bought.
    pub plan: Option<String>,
    /// Units of it; `None` for usage.
    pub quantity: Option<i64>,
    /// How often it is billed: `month`, `year`, `3 months`, …
    pub interval: Option<String>,
    /// What the whole subscription is worth a month, in its own currency.
    pub mrr: Money,
    /// When it is billed next; `None` unless it is live and goes on.
    pub renews_at: Option<Timestamp>,
    /// When it ends, where a cancellation is scheduled.
    pub cancel_at: Option<Timestamp>,
    /// Its trial.
    pub trial: Trial,
}

/// What the customer was sold, by the largest subscription that is not over (MRR.md §5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Promise {
    /// The plan.
    pub plan: Option<String>,
    /// Where the subscription stands.
    pub status: Option<SubscriptionStatus>,
    /// Where its trial stands.
    pub trial: TrialState,
    /// Units of the plan.
    pub quantity: Option<i64>,
    /// The features that were sold; always `None`: Stripe tells entitlements for one customer at a time only, which
    /// would cost a first sync a request for every customer (ADR 0006).
    pub features: Option<Vec<String>>,
}

impl SubscriptionRow {
    pub(super) fn of(one: &Explained<'_>, now: Timestamp) -> Self {
        let subscription = one.subscription;
        let largest = largest_item(one);
        let recurring = largest.and_then(|(item, _)| item.price.recurring.as_ref());
        Self {
            id: subscription.id.clone(),
            status: subscription.status.clone(),
            plan: plan(one),
            quantity: largest.and_then(|(item, _)| item.quantity),
            interval: recurring.map(interval),
            mrr: one.mrr.mrr,
            renews_at: renews_at(subscription),
            cancel_at: one.mrr.scheduled_churn.as_ref().and_then(|churn| churn.ends_at),
            trial: Trial::of(subscription, &one.facts.invoices, now),
        }
    }
}

impl Promise {
    pub(super) fn of(main: Option<&Explained<'_>>, now: Timestamp) -> Self {
        let row = main.map(|one| SubscriptionRow::of(one, now));
        Self {
            trial: row.as_ref().map_or(TrialState::None, |row| row.trial.state),
            quantity: row.as_ref().and_then(|row| row.quantity),
            plan: row.as_ref().and_then(|row| row.plan.clone()),
            status: row.map(|row| row.status),
            features: None,
        }
    }
}

/// Live ones first, then larger ones in the workspace's currency, then newer ones.
pub(super) fn ranked<'a>(settings: &Settings, mut explained: Vec<Explained<'a>>) -> Vec<Explained<'a>> {
    explained.sort_by_cached_key(|one| {
        let own = in_own(settings, one.mrr.mrr).ok().flatten().unwrap_or(0);
        let live = one.subscription.status.is_live();
        let subscription = one.subscription;
        (Reverse((live, own, one.mrr.mrr.amount, subscription.created)), subscription.id.clone())
    });
    explained
}

/// The largest subscription that is not over.
pub(super) fn main<'a, 'b>(ranked: &'b [Explained<'a>]) -> Option<&'b Explained<'a>> {
    ranked.iter().find(|one| !one.subscription.status.is_terminal())
}

/// The name of what was bought: the product's, else the merchant's own name for the price, else an id.
pub(super) fn plan(one: &Explained<'_>) -> Option<String> {
    let (item, explained) = largest_item(one)?;
    let named = explained.product_name.or(item.price.nickname.as_deref());
    let id = || explained.product_id.map_or(item.price.id.as_str(), ProductId::as_str);
    Some(named.unwrap_or_else(id).to_owned())
}

/// When a subscription is billed next; `None` unless it is live and goes on after the running period.
pub(super) fn renews_at(subscription: &Subscription) -> Option<Timestamp> {
    let renews_at = subscription.renews_at().filter(|_| subscription.status.is_live())?;
    let ends = subscription.cancel_at_period_end || subscription.cancel_at.is_some_and(|at| at <= renews_at);
    (!ends).then_some(renews_at)
}

fn largest_item<'b>(one: &'b Explained<'_>) -> Option<(&'b SubscriptionItem, &'b ItemMrr<'b>)> {
    let items = one.subscription.items.iter().zip(&one.mrr.items);
    // Of equals the first: `max_by_key` would take the last.
    items.rev().max_by_key(|(_, explained)| explained.monthly)
}

fn interval(recurring: &Recurring) -> String {
    match recurring.interval_count {
        1 => recurring.interval.as_str().to_owned(),
        count => format!("{count} {}s", recurring.interval.as_str()),
    }
}

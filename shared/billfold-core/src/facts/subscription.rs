//! What is bought again and again: subscriptions, their items and the discounts on them.

use super::{Coupon, Metadata, Price, is_false, open_enum};
use crate::id::{CouponId, CustomerId, DiscountId, InvoiceId, ItemId, SubscriptionId};
use crate::money::Currency;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A subscription with its items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Stripe's id.
    pub id: SubscriptionId,
    /// Who pays.
    pub customer: CustomerId,
    /// Where it stands.
    pub status: SubscriptionStatus,
    /// The currency that it bills in.
    pub currency: Currency,
    /// When the object was created.
    pub created: Timestamp,
    /// When it really began; earlier than `created` where it was backdated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_date: Option<Timestamp>,
    /// The items, in Stripe's order, all of them.
    pub items: Vec<SubscriptionItem>,
    /// The discounts on the whole subscription, in the order that Stripe applies them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub discounts: Vec<AppliedDiscount>,
    /// Charged by card or billed by invoice: `charge_automatically` or `send_invoice`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection_method: Option<String>,
    /// Ends with the running period.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cancel_at_period_end: bool,
    /// Ends at this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_at: Option<Timestamp>,
    /// When the cancellation was asked for, also one that takes effect later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canceled_at: Option<Timestamp>,
    /// When it really ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Why it was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancellation: Option<Cancellation>,
    /// Set while payment collection is paused; the status does not say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause_collection: Option<PauseCollection>,
    /// Begin of the trial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial_start: Option<Timestamp>,
    /// End of the trial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial_end: Option<Timestamp>,
    /// The most recent invoice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_invoice: Option<InvoiceId>,
    /// True for objects of a test clock, which never count.
    #[serde(default, skip_serializing_if = "is_false")]
    pub test_clock: bool,
    /// The merchant's key-value pairs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: Metadata,
}

/// One item of a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionItem {
    /// Stripe's id.
    pub id: ItemId,
    /// The price as the item carries it: without tiers, which only the catalogue has, and without what may change of a
    /// price later (`active`, `nickname`, `metadata`).
    pub price: Price,
    /// Units; `None` for metered items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<i64>,
    /// The discounts on this item alone, in the order that Stripe applies them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub discounts: Vec<AppliedDiscount>,
    /// Begin of the running period (of the subscription's, in payloads from before basil).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_start: Option<Timestamp>,
    /// End of the running period (of the subscription's, in payloads from before basil).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_end: Option<Timestamp>,
    /// End of a trial that this item alone has (`current_trial`, from endive on).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial_end: Option<Timestamp>,
}

/// A discount on a subscription, an item or a customer: whole, or by its id where Stripe did not expand it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AppliedDiscount {
    /// All of it.
    Whole(Box<Discount>),
    /// Only the id.
    Id(DiscountId),
}

/// A discount: a coupon, applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discount {
    /// Stripe's id.
    pub id: DiscountId,
    /// The coupon's id.
    pub coupon_id: CouponId,
    /// The coupon itself, where the payload carried it. It outlives a deleted coupon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coupon: Option<Coupon>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Timestamp>,
    /// When it ends, for repeating coupons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
}

impl Subscription {
    /// The discounts on it and on its items, as far as more than their ids is known, and what has each.
    pub fn discounts(&self) -> impl Iterator<Item = (Discounted, &Discount)> {
        let own = self.discounts.iter().filter_map(AppliedDiscount::whole);
        let own = own.map(|one| (Discounted::Subscription(self.id.clone()), one));
        let of_items = self.items.iter().flat_map(|item| {
            let whole = item.discounts.iter().filter_map(AppliedDiscount::whole);
            whole.map(|one| (Discounted::Item(item.id.clone()), one))
        });
        own.chain(of_items)
    }
}

/// What has a discount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Discounted {
    /// A customer.
    Customer(CustomerId),
    /// A subscription.
    Subscription(SubscriptionId),
    /// An item of a subscription.
    Item(ItemId),
}

impl AppliedDiscount {
    /// All of it, if that is known.
    #[must_use]
    pub fn whole(&self) -> Option<&Discount> {
        match self {
            Self::Whole(discount) => Some(discount),
            Self::Id(_) => None,
        }
    }
}

/// Why a subscription was cancelled, in Stripe's words and the customer's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancellation {
    /// `cancellation_requested`, `payment_failed`, `payment_disputed`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the customer chose: `too_expensive`, `unused`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback: Option<String>,
    /// What the customer wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// Paused payment collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseCollection {
    /// What becomes of invoices meanwhile.
    pub behavior: String,
    /// When collection starts again by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumes_at: Option<Timestamp>,
}

open_enum! {
    /// Where a subscription stands (FACTS.md §7.3).
    SubscriptionStatus {
        /// Waiting for the first payment.
        Incomplete = "incomplete",
        /// The first payment never came.
        IncompleteExpired = "incomplete_expired",
        /// In a trial.
        Trialing = "trialing",
        /// Running.
        Active = "active",
        /// Running, with a renewal unpaid.
        PastDue = "past_due",
        /// Over.
        Canceled = "canceled",
        /// Given up on collecting; invoices stay open.
        Unpaid = "unpaid",
        /// Paused: no invoices.
        Paused = "paused",
    }
}

impl SubscriptionStatus {
    /// True when nothing but metadata can change any more.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Canceled | Self::IncompleteExpired)
    }

    /// True for what MRR.md §5 calls live: `active`, `past_due`, `trialing`.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Active | Self::PastDue | Self::Trialing)
    }
}

impl Subscription {
    /// When the first running period ends and the next is billed; `None` once the subscription is over.
    #[must_use]
    pub fn renews_at(&self) -> Option<Timestamp> {
        if self.status.is_terminal() {
            return None;
        }
        self.items.iter().filter_map(|item| item.period_end).min()
    }

    /// When it ends if nobody withdraws the cancellation; `None` when no end is scheduled.
    #[must_use]
    pub fn ends_at(&self) -> Option<Timestamp> {
        if self.status.is_terminal() {
            return self.ended_at;
        }
        match self.cancel_at {
            Some(at) => Some(at),
            None if self.cancel_at_period_end => self.items.iter().filter_map(|item| item.period_end).max(),
            None => None,
        }
    }
}

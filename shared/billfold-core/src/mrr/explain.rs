//! The shape of an explanation, which is what `GET /v1/accounts/{id}/mrr/explain` prints.
//!
//! For an item that counts the printed numbers chain exactly: `amount`, then each discount's `before` and `after`, then
//! the tax's, then × `factor` is `monthly`. Amounts are minor units as text, fractions written `5000/3`.
//!
//! Names and ids are borrowed from the facts: an explanation is worked out for every subscription of every account, and
//! most are dropped unread.

use super::reason::{DiscountRule, Rule, TaxRule};
use crate::facts::{Interval, SubscriptionStatus, TiersMode};
use crate::id::{CouponId, CustomerId, DiscountId, InvoiceId, ItemId, PriceId, ProductId, SubscriptionId};
use crate::money::{Exact, Money};
use jiff::Timestamp;
use serde::Serialize;
use std::borrow::Cow;

/// What a subscription is worth a month and a year, and why (MRR.md §1 to §3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SubscriptionMrr<'a> {
    /// The subscription.
    pub subscription_id: &'a SubscriptionId,
    /// Who pays.
    pub customer_id: &'a CustomerId,
    /// Where it stands.
    pub status: &'a SubscriptionStatus,
    /// True when at least one item counts.
    pub counted: bool,
    /// What decided about it.
    pub rule: Rule,
    /// The rule as a sentence, with what is missing where something is.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub why: Cow<'static, str>,
    /// Its items, in Stripe's order.
    pub items: Vec<ItemMrr<'a>>,
    /// A month's worth in exact minor units: the sum of the items' `monthly`.
    pub exact: Exact,
    /// `exact`, rounded half to even.
    pub mrr: Money,
    /// 12 × `exact`, rounded half to even.
    pub arr: Money,
    /// Set when its end is scheduled.
    pub scheduled_churn: Option<ScheduledChurn>,
}

/// An end that is scheduled and has not come yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ScheduledChurn {
    /// When it ends; `None` where the payload does not say.
    pub ends_at: Option<Timestamp>,
}

/// What one item is worth a month, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ItemMrr<'a> {
    /// The item.
    pub item_id: &'a ItemId,
    /// Its price.
    pub price_id: &'a PriceId,
    /// What is priced.
    pub product_id: Option<&'a ProductId>,
    /// The product's name, else the merchant's own name for the price, where the catalogue has either.
    pub product_name: Option<&'a str>,
    /// True when it adds something to the MRR.
    pub counted: bool,
    /// What decided about it.
    pub rule: Rule,
    /// The rule as a sentence, with what is missing where something is.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub why: Cow<'static, str>,
    /// The unit of the billing period; `None` for one-time prices.
    pub interval: Option<&'a Interval>,
    /// How many of them make a period.
    pub interval_count: Option<i64>,
    /// Units, as subscribed.
    pub quantity: Option<i64>,
    /// Units after `transform_quantity`: what is multiplied by the price.
    pub billed_quantity: Option<i64>,
    /// Minor units for each unit, as decimal text; `None` for tiers and usage.
    pub unit_amount: Option<&'a str>,
    /// How the tiers count; `None` where there are none.
    pub tiers_mode: Option<&'a TiersMode>,
    /// The tiers that were reached; their amounts add up to `amount`.
    pub tiers: Vec<TierUse<'a>>,
    /// What a billing period costs before discounts.
    pub amount: Option<Exact>,
    /// The discounts, in the order in which they were subtracted or skipped.
    pub discounts: Vec<DiscountStep<'a>>,
    /// What became of the tax that the price includes.
    pub tax: Option<TaxStep<'a>>,
    /// From one billing period to one month: `1/12` for a year.
    pub factor: Option<Exact>,
    /// A month's worth; zero for what does not count.
    pub monthly: Exact,
}

/// One tier that a quantity reaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TierUse<'a> {
    /// The last quantity in the tier; `None` for the last tier.
    pub up_to: Option<i64>,
    /// Units that are counted at this tier's price.
    pub quantity: i64,
    /// Minor units for each, as decimal text.
    pub unit_amount: Option<&'a str>,
    /// Minor units for reaching it, as decimal text.
    pub flat_amount: Option<&'a str>,
    /// `quantity` × `unit_amount` + `flat_amount`.
    pub amount: Exact,
}

/// Where a discount is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// On one item.
    Item,
    /// On the subscription.
    Subscription,
    /// On the customer, whose subscription has none of its own.
    Customer,
}

/// What a discount takes off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DiscountKind {
    /// A part: `after` is `before` × (100 − `value`) ÷ 100.
    Percent,
    /// An amount for each invoice: `after` is `before` − the smaller of `value` and `spread_over`, × `before` ÷
    /// `spread_over`.
    Amount,
}

/// One discount on one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DiscountStep<'a> {
    /// The discount.
    pub discount_id: &'a DiscountId,
    /// Its coupon, where it is known.
    pub coupon_id: Option<&'a CouponId>,
    /// Where it is applied.
    pub scope: Scope,
    /// What it takes off.
    pub kind: Option<DiscountKind>,
    /// Percent, or minor units of the subscription's currency, as decimal text.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub value: Option<Cow<'a, str>>,
    /// What became of it.
    pub rule: DiscountRule,
    /// What was left before it.
    pub before: Exact,
    /// For an amount: what is left of all the items that carry it, before it.
    pub spread_over: Option<Exact>,
    /// What is left after it; the same where it was skipped.
    pub after: Exact,
}

/// What became of inclusive tax.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TaxStep<'a> {
    /// Taken out, or kept because no rate is known.
    pub rule: TaxRule,
    /// The invoice whose lines say the rate.
    pub invoice_id: Option<&'a InvoiceId>,
    /// Tax for each unit of net: `1/5` is 20 %.
    pub rate: Option<Exact>,
    /// With the tax.
    pub before: Exact,
    /// Without it: `before` ÷ (1 + `rate`).
    pub after: Exact,
}

impl SubscriptionMrr<'_> {
    /// What could not be worked out: each item with its reason, or the subscription as a whole.
    pub fn not_computable(&self) -> impl Iterator<Item = (Option<&ItemId>, &str)> {
        let items = self.items.iter().filter(|item| item.rule == Rule::NotComputable);
        let whole = (self.rule == Rule::NotComputable && items.clone().next().is_none()).then_some(self.why.as_ref());
        whole.map(|why| (None, why)).into_iter().chain(items.map(|item| (Some(item.item_id), item.why.as_ref())))
    }
}

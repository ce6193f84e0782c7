//! Products, prices (and the plans they were before), coupons and discounts.

use super::Unreadable;
use super::wire::{Expandable, Seconds, decimal, metadata, optional_time};
use crate::facts::{
    AppliedDiscount, Coupon, Discount, Metadata, Price, PriceAmount, PriceKind, Product, Recurring, Rounding, Tier,
    TiersMode, TransformQuantity, UsageType,
};
use crate::facts::{CouponDuration, Interval};
use crate::id::{CouponId, DiscountId, PriceId, ProductId};
use crate::money::Currency;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct ProductWire {
    id: String,
    name: Option<String>,
    #[serde(default)]
    active: bool,
    created: Option<Seconds>,
    metadata: Option<Metadata>,
}

pub(super) fn product(json: &str) -> Result<Product, Unreadable> {
    let wire: ProductWire = serde_json::from_str(json)?;
    Ok(Product {
        name: wire.name.unwrap_or_else(|| wire.id.clone()),
        id: ProductId::new(wire.id)?,
        active: wire.active,
        created: optional_time(wire.created)?,
        metadata: metadata(wire.metadata),
    })
}

/// A price, or a plan: the plan's own names for things stand beside the price's.
#[derive(Debug, Deserialize)]
pub(super) struct PriceWire {
    id: String,
    object: Option<String>,
    product: Option<Expandable>,
    #[serde(default)]
    active: bool,
    currency: String,
    r#type: Option<PriceKind>,
    billing_scheme: Option<String>,
    unit_amount: Option<i64>,
    unit_amount_decimal: Option<String>,
    currency_options: Option<BTreeMap<String, AmountWire>>,
    tiers: Option<Vec<TierWire>>,
    tiers_mode: Option<TiersMode>,
    transform_quantity: Option<TransformWire>,
    recurring: Option<RecurringWire>,
    tax_behavior: Option<String>,
    nickname: Option<String>,
    created: Option<Seconds>,
    metadata: Option<Metadata>,
    // Plans.
    amount: Option<i64>,
    amount_decimal: Option<String>,
    interval: Option<Interval>,
    interval_count: Option<i64>,
    usage_type: Option<UsageType>,
    transform_usage: Option<TransformWire>,
}

#[derive(Debug, Deserialize)]
struct AmountWire {
    unit_amount: Option<i64>,
    unit_amount_decimal: Option<String>,
    tiers: Option<Vec<TierWire>>,
}

#[derive(Debug, Deserialize)]
struct TierWire {
    up_to: Option<i64>,
    unit_amount: Option<i64>,
    unit_amount_decimal: Option<String>,
    flat_amount: Option<i64>,
    flat_amount_decimal: Option<String>,
}

#[derive(Debug, Deserialize)]
struct TransformWire {
    divide_by: i64,
    round: Rounding,
}

#[derive(Debug, Deserialize)]
struct RecurringWire {
    interval: Interval,
    interval_count: Option<i64>,
    usage_type: Option<UsageType>,
}

pub(super) fn price(json: &str) -> Result<Price, Unreadable> {
    price_fact(serde_json::from_str(json)?)
}

pub(super) fn price_fact(wire: PriceWire) -> Result<Price, Unreadable> {
    let is_plan = wire.object.as_deref() == Some("plan") || wire.interval.is_some();
    let recurring = match (wire.recurring, wire.interval) {
        (Some(recurring), _) => Some(Recurring {
            interval: recurring.interval,
            interval_count: recurring.interval_count.unwrap_or(1),
            usage_type: recurring.usage_type.unwrap_or(UsageType::Licensed),
        }),
        (None, Some(interval)) => Some(Recurring {
            interval,
            interval_count: wire.interval_count.unwrap_or(1),
            usage_type: wire.usage_type.unwrap_or(UsageType::Licensed),
        }),
        (None, None) => None,
    };
    let kind = match wire.r#type {
        Some(kind) => kind,
        None if is_plan || recurring.is_some() => PriceKind::Recurring,
        None => PriceKind::OneTime,
    };
    let tiered = wire.billing_scheme.as_deref() == Some("tiered") || wire.tiers_mode.is_some();
    let unit = if is_plan { decimal(wire.amount_decimal, wire.amount) } else { None };
    Ok(Price {
        id: PriceId::new(wire.id)?,
        product: wire.product.map(|product| ProductId::new(product.id())).transpose()?,
        active: wire.active,
        currency: Currency::new(&wire.currency)?,
        kind,
        amount: PriceAmount {
            unit_amount_decimal: unit.or_else(|| decimal(wire.unit_amount_decimal, wire.unit_amount)),
            tiers: wire.tiers.map(tiers),
        },
        currency_options: wire.currency_options.map(currency_options).transpose()?,
        tiers_mode: tiered.then(|| wire.tiers_mode.unwrap_or(TiersMode::Other("unknown".into()))),
        transform_quantity: wire
            .transform_quantity
            .or(wire.transform_usage)
            .map(|t| TransformQuantity { divide_by: t.divide_by, round: t.round }),
        recurring,
        tax_inclusive: wire.tax_behavior.as_deref() == Some("inclusive"),
        nickname: wire.nickname,
        created: optional_time(wire.created)?,
        metadata: metadata(wire.metadata),
    })
}

fn tiers(wire: Vec<TierWire>) -> Vec<Tier> {
    let tier = |tier: TierWire| Tier {
        up_to: tier.up_to,
        unit_amount_decimal: decimal(tier.unit_amount_decimal, tier.unit_amount),
        flat_amount_decimal: decimal(tier.flat_amount_decimal, tier.flat_amount),
    };
    wire.into_iter().map(tier).collect()
}

fn currency_options(wire: BTreeMap<String, AmountWire>) -> Result<BTreeMap<Currency, PriceAmount>, Unreadable> {
    wire.into_iter()
        .map(|(code, amount)| {
            let option = PriceAmount {
                unit_amount_decimal: decimal(amount.unit_amount_decimal, amount.unit_amount),
                tiers: amount.tiers.map(tiers),
            };
            Ok((Currency::new(&code)?, option))
        })
        .collect()
}

#[derive(Debug, Deserialize)]
pub(super) struct CouponWire {
    id: String,
    name: Option<String>,
    percent_off: Option<serde_json::Number>,
    amount_off: Option<i64>,
    currency: Option<String>,
    currency_options: Option<BTreeMap<String, AmountOffWire>>,
    duration: CouponDuration,
    applies_to: Option<AppliesToWire>,
    created: Option<Seconds>,
}

#[derive(Debug, Deserialize)]
struct AmountOffWire {
    amount_off: i64,
}

#[derive(Debug, Deserialize)]
struct AppliesToWire {
    products: Option<Vec<String>>,
}

pub(super) fn coupon(json: &str) -> Result<Coupon, Unreadable> {
    coupon_fact(serde_json::from_str(json)?)
}

fn coupon_fact(wire: CouponWire) -> Result<Coupon, Unreadable> {
    let options = |options: BTreeMap<String, AmountOffWire>| {
        options
            .into_iter()
            .map(|(code, off)| Ok((Currency::new(&code)?, off.amount_off)))
            .collect::<Result<BTreeMap<_, _>, Unreadable>>()
    };
    let products = |scope: AppliesToWire| {
        scope.products.unwrap_or_default().into_iter().map(ProductId::new).collect::<Result<Vec<_>, _>>()
    };
    Ok(Coupon {
        id: CouponId::new(wire.id)?,
        name: wire.name,
        percent_off: wire.percent_off.map(|percent| percent.to_string()),
        amount_off: wire.amount_off,
        currency: wire.currency.as_deref().map(Currency::new).transpose()?,
        currency_options: wire.currency_options.map(options).transpose()?,
        duration: wire.duration,
        applies_to: wire.applies_to.map(products).transpose()?,
        created: optional_time(wire.created)?,
    })
}

/// A discount where it is applied: an id, or the object in one of its three shapes.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum DiscountWire {
    Id(String),
    Whole(Box<DiscountObjectWire>),
}

#[derive(Debug, Deserialize)]
pub(super) struct DiscountObjectWire {
    id: Option<String>,
    start: Option<Seconds>,
    end: Option<Seconds>,
    /// Before 2025-09-30.clover.
    coupon: Option<CouponRef>,
    /// Since then.
    source: Option<SourceWire>,
}

#[derive(Debug, Deserialize)]
struct SourceWire {
    coupon: Option<CouponRef>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum CouponRef {
    Id(String),
    Whole(Box<CouponWire>),
}

pub(super) fn applied(wire: DiscountWire) -> Result<AppliedDiscount, Unreadable> {
    let object = match wire {
        DiscountWire::Id(id) => return Ok(AppliedDiscount::Id(DiscountId::new(id)?)),
        DiscountWire::Whole(object) => *object,
    };
    let reference = object.source.and_then(|source| source.coupon).or(object.coupon);
    let (coupon_id, coupon) = match reference.ok_or(Unreadable::Missing("discount.source.coupon"))? {
        CouponRef::Id(id) => (CouponId::new(id)?, None),
        CouponRef::Whole(wire) => {
            let coupon = coupon_fact(*wire)?;
            (coupon.id.clone(), Some(coupon))
        }
    };
    Ok(AppliedDiscount::Whole(Box::new(Discount {
        // The oldest payloads have discounts without an id; the coupon's tells them apart well enough.
        id: DiscountId::new(object.id.unwrap_or_else(|| coupon_id.to_string()))?,
        coupon_id,
        coupon,
        start: optional_time(object.start)?,
        end: optional_time(object.end)?,
    })))
}

/// The list of discounts since basil, or the one discount before it.
pub(super) fn applied_list(
    list: Option<Vec<DiscountWire>>,
    single: Option<DiscountWire>,
) -> Result<Vec<AppliedDiscount>, Unreadable> {
    match list {
        Some(list) if !list.is_empty() => list.into_iter().map(applied).collect(),
        _ => single.into_iter().map(applied).collect(),
    }
}

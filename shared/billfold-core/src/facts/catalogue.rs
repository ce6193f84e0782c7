//! What is sold: products, prices and coupons.

use super::{Metadata, is_false, open_enum};
use crate::id::{CouponId, PriceId, ProductId};
use crate::money::Currency;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Stripe's id.
    pub id: ProductId,
    /// The name that customers see.
    pub name: String,
    /// False once it is archived.
    #[serde(default, skip_serializing_if = "is_false")]
    pub active: bool,
    /// When it was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// The merchant's key-value pairs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: Metadata,
}

/// A price, or an old plan read as one. Amount, currency and interval never change in Stripe; the rest may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// Stripe's id.
    pub id: PriceId,
    /// The product that it prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<ProductId>,
    /// False once it is archived.
    #[serde(default, skip_serializing_if = "is_false")]
    pub active: bool,
    /// The currency of [`Price::amount`].
    pub currency: Currency,
    /// Once or again and again.
    pub kind: PriceKind,
    /// What one unit costs, in the price's own currency.
    #[serde(flatten)]
    pub amount: PriceAmount,
    /// The same price in other currencies; `None` where the payload did not carry it (it needs an expansion).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency_options: Option<BTreeMap<Currency, PriceAmount>>,
    /// How the tiers count; `Some` says that the price is tiered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tiers_mode: Option<TiersMode>,
    /// Divides the quantity before pricing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transform_quantity: Option<TransformQuantity>,
    /// How often it is billed; `None` for one-time prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurring: Option<Recurring>,
    /// True when the amount contains tax (`tax_behavior: inclusive`).
    #[serde(default, skip_serializing_if = "is_false")]
    pub tax_inclusive: bool,
    /// The merchant's own name for the price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nickname: Option<String>,
    /// When it was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// The merchant's key-value pairs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: Metadata,
}

impl Price {
    /// True when it is billed by usage.
    #[must_use]
    pub fn is_metered(&self) -> bool {
        self.recurring.as_ref().is_some_and(|every| every.usage_type == UsageType::Metered)
    }
}

/// What a price asks in one currency.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceAmount {
    /// Minor units per unit as Stripe's decimal text, up to 12 decimals; `None` for tiered prices and for amounts that
    /// the customer chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_amount_decimal: Option<String>,
    /// The tiers in Stripe's order; `None` where the payload did not carry them (they need an expansion).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tiers: Option<Vec<Tier>>,
}

/// One tier of a tiered price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tier {
    /// The last quantity in the tier; `None` for the last tier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to: Option<i64>,
    /// Minor units for each unit in the tier, as decimal text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_amount_decimal: Option<String>,
    /// Minor units for reaching the tier, as decimal text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flat_amount_decimal: Option<String>,
}

/// How a quantity is divided before it is priced (packages).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransformQuantity {
    /// Units in a package.
    pub divide_by: i64,
    /// Which way an incomplete package goes.
    pub round: Rounding,
}

/// How often a price is billed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recurring {
    /// The unit of the billing period.
    pub interval: Interval,
    /// How many of them make a period.
    pub interval_count: i64,
    /// Billed by quantity or by usage.
    pub usage_type: UsageType,
}

/// A coupon: what a discount takes off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coupon {
    /// The id, which the merchant may have chosen.
    pub id: CouponId,
    /// The name that customers see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Percent off as decimal text (`"33.33"`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent_off: Option<String>,
    /// Minor units off each invoice, in `currency`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_off: Option<i64>,
    /// The currency of `amount_off`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// `amount_off` in other currencies; `None` where the payload did not carry it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency_options: Option<BTreeMap<Currency, i64>>,
    /// How long it lasts.
    pub duration: CouponDuration,
    /// The only products it applies to; `None` where the payload did not carry the list, empty for all products.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applies_to: Option<Vec<ProductId>>,
    /// When it was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
}

open_enum! {
    /// Whether a price bills once or again and again.
    PriceKind {
        /// `recurring`
        Recurring = "recurring",
        /// `one_time`
        OneTime = "one_time",
    }
}

open_enum! {
    /// How tiers count.
    TiersMode {
        /// Each unit at the price of the tier it falls in.
        Graduated = "graduated",
        /// All units at the price of the tier that holds the quantity.
        Volume = "volume",
    }
}

open_enum! {
    /// Which way a divided quantity is rounded.
    Rounding {
        /// To the next whole package.
        Up = "up",
        /// To the last whole package.
        Down = "down",
    }
}

open_enum! {
    /// The unit of a billing period.
    Interval {
        /// A day.
        Day = "day",
        /// A week.
        Week = "week",
        /// A month.
        Month = "month",
        /// A year.
        Year = "year",
    }
}

open_enum! {
    /// Billed by quantity or by usage.
    UsageType {
        /// By quantity, in advance.
        Licensed = "licensed",
        /// By usage, in arrears.
        Metered = "metered",
    }
}

open_enum! {
    /// How long a coupon lasts.
    CouponDuration {
        /// For one invoice.
        Once = "once",
        /// For some months.
        Repeating = "repeating",
        /// For as long as the subscription.
        Forever = "forever",
    }
}

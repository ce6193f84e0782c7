//! What a business sells: products, prices and coupons.

use super::{Currency, Decimal, Idx, Row, Unix};

/// Key and value pairs in the order they were set.
pub type Metadata = Vec<(String, String)>;

#[derive(Clone, Debug, PartialEq)]
pub struct Product {
    pub created: Unix,
    pub updated: Unix,
    pub name: String,
    pub description: Option<String>,
    pub active: bool,
    pub unit_label: Option<String>,
    pub default_price: Option<Idx>,
    pub metadata: Metadata,
    pub deleted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Interval {
    Day,
    Week,
    Month,
    Year,
}

impl Interval {
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recurring {
    pub interval: Interval,
    pub count: u32,
    pub metered: bool,
    pub trial_days: Option<u32>,
}

impl Recurring {
    pub fn every(count: u32, interval: Interval) -> Self {
        Self { interval, count, metered: false, trial_days: None }
    }

    /// Days in one interval, near enough to tell the shorter of two intervals.
    pub fn approximate_days(self) -> u32 {
        let days = match self.interval {
            Interval::Day => 1,
            Interval::Week => 7,
            Interval::Month => 30,
            Interval::Year => 365,
        };
        days * self.count
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TiersMode {
    Graduated,
    Volume,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    pub up_to: Option<u64>,
    pub unit: Option<Decimal>,
    pub flat: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheme {
    PerUnit(Decimal),
    Tiered(TiersMode, Vec<Tier>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transform {
    pub divide_by: u64,
    pub round_up: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaxBehavior {
    Unspecified,
    Exclusive,
    Inclusive,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Price {
    pub created: Unix,
    pub product: Idx,
    pub currency: Currency,
    pub scheme: Scheme,
    /// Nothing for a one-time price.
    pub recurring: Option<Recurring>,
    pub transform: Option<Transform>,
    pub tax_behavior: TaxBehavior,
    pub nickname: Option<String>,
    pub lookup_key: Option<String>,
    pub active: bool,
    /// Made by `price_data` inside another call: no list ever shows it.
    pub inline: bool,
    pub metadata: Metadata,
    pub deleted: bool,
}

impl Price {
    pub fn is_metered(&self) -> bool {
        self.recurring.is_some_and(|recurring| recurring.metered)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CouponDuration {
    Once,
    Repeating { months: u32 },
    Forever,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CouponValue {
    /// Hundredths of a percent: 1250 is 12.5 %.
    Percent(u32),
    /// Amounts off by currency; the first is the coupon's own currency.
    Amounts(Vec<(Currency, i64)>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Coupon {
    pub id: String,
    pub created: Unix,
    pub name: Option<String>,
    pub value: CouponValue,
    pub duration: CouponDuration,
    /// Empty when it applies to everything.
    pub applies_to: Vec<Idx>,
    pub max_redemptions: Option<u32>,
    pub redeem_by: Option<Unix>,
    pub times_redeemed: u32,
    pub metadata: Metadata,
    pub deleted: bool,
}

impl Coupon {
    pub fn amount_off(&self, currency: Currency) -> Option<i64> {
        match &self.value {
            CouponValue::Percent(_) => None,
            CouponValue::Amounts(amounts) => {
                amounts.iter().find(|(own, _)| *own == currency).map(|&(_, amount)| amount)
            }
        }
    }

    pub fn applies(&self, product: Idx) -> bool {
        self.applies_to.is_empty() || self.applies_to.contains(&product)
    }
}

impl Row for Product {
    fn created(&self) -> Unix {
        self.created
    }
    fn listed(&self) -> bool {
        !self.deleted
    }
}

impl Row for Price {
    fn created(&self) -> Unix {
        self.created
    }
    fn listed(&self) -> bool {
        !self.deleted && !self.inline
    }
}

impl Row for Coupon {
    fn created(&self) -> Unix {
        self.created
    }
    fn listed(&self) -> bool {
        !self.deleted
    }
}

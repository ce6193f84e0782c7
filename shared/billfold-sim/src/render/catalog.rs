//! Products, prices, plans, coupons and discounts.

use super::Render;
use crate::expand::{Expand, NOTHING};
use crate::ids::{Kind, Part};
use crate::json::Json;
use crate::model::{
    CouponDuration, CouponValue, Decimal, Discount, Idx, Price, Recurring, Scheme, TaxBehavior, Tier, TiersMode,
};
use crate::version::Shape;

impl Render<'_> {
    pub fn product(&self, w: &mut Json, place: Idx, expand: &Expand) {
        let product = &self.business.products[place];
        if product.deleted {
            return Self::stub_into(w, &self.business.id(Kind::Product, place), "product");
        }
        w.object(|w| {
            self.id(w, Kind::Product, place);
            w.fields(r#""object":"product""#);
            w.bool("active", product.active);
            w.time("created", product.created);
            match (product.default_price, expand.get("default_price")) {
                (None, _) => w.null("default_price"),
                (Some(price), None) => self.reference(w, "default_price", Kind::Price, price),
                (Some(price), Some(below)) => {
                    w.key("default_price");
                    self.price(w, price, below);
                }
            }
            w.maybe_str("description", product.description.as_deref());
            w.fields(r#""images":[],"marketing_features":[]"#);
            self.livemode(w);
            w.string_map("metadata", &product.metadata);
            w.str("name", &product.name);
            w.fields(r#""package_dimensions":null,"shippable":null,"statement_descriptor":null,"tax_code":null,"type":"service""#);
            w.maybe_str("unit_label", product.unit_label.as_deref());
            w.time("updated", product.updated);
            w.null("url");
        });
    }

    pub fn price(&self, w: &mut Json, place: Idx, expand: &Expand) {
        let price = &self.business.prices[place];
        if price.deleted {
            return Self::stub_into(w, &self.business.id(Kind::Price, place), "price");
        }
        w.object(|w| {
            self.id(w, Kind::Price, place);
            w.fields(r#""object":"price""#);
            w.bool("active", price.active);
            w.str("billing_scheme", scheme_name(&price.scheme));
            w.time("created", price.created);
            w.str("currency", price.currency.code());
            if expand.has("currency_options") {
                currency_options(w, price);
            }
            w.null("custom_unit_amount");
            self.livemode(w);
            w.maybe_str("lookup_key", price.lookup_key.as_deref());
            w.string_map("metadata", &price.metadata);
            w.maybe_str("nickname", price.nickname.as_deref());
            match expand.get("product") {
                None => self.reference(w, "product", Kind::Product, price.product),
                Some(below) => {
                    w.key("product");
                    self.product(w, price.product, below);
                }
            }
            w.maybe_object("recurring", price.recurring, |w, every| self.recurring(w, every));
            w.str("tax_behavior", tax_behavior(price.tax_behavior));
            if expand.has("tiers") {
                tiers(w, price);
            }
            w.maybe_str("tiers_mode", tiers_mode(&price.scheme));
            transform(w, "transform_quantity", price);
            w.str("type", if price.recurring.is_some() { "recurring" } else { "one_time" });
            unit_amounts(w, "unit_amount", unit(&price.scheme));
        });
    }

    fn recurring(&self, w: &mut Json, every: Recurring) {
        if self.old() {
            w.maybe_str("aggregate_usage", every.metered.then_some("sum"));
        }
        w.str("interval", every.interval.name());
        w.int("interval_count", i64::from(every.count));
        w.maybe_str("meter", every.metered.then_some("mtr_61Simulated"));
        w.maybe_int("trial_period_days", every.trial_days.map(i64::from));
        w.str("usage_type", if every.metered { "metered" } else { "licensed" });
    }

    /// The legacy twin of a recurring price; null for a one-time price.
    pub fn plan(&self, w: &mut Json, key: &str, place: Idx) {
        let price = &self.business.prices[place];
        let every = price.recurring.filter(|_| !price.deleted);
        w.maybe_object(key, every, |w, every| {
            self.id(w, Kind::Price, place);
            w.fields(r#""object":"plan""#);
            w.bool("active", price.active);
            if self.old() {
                w.maybe_str("aggregate_usage", every.metered.then_some("sum"));
            }
            unit_amounts(w, "amount", unit(&price.scheme));
            w.str("billing_scheme", scheme_name(&price.scheme));
            w.time("created", price.created);
            w.str("currency", price.currency.code());
            w.str("interval", every.interval.name());
            w.int("interval_count", i64::from(every.count));
            self.livemode(w);
            w.string_map("metadata", &price.metadata);
            w.maybe_str("meter", every.metered.then_some("mtr_61Simulated"));
            w.maybe_str("nickname", price.nickname.as_deref());
            self.reference(w, "product", Kind::Product, price.product);
            w.maybe_str("tiers_mode", tiers_mode(&price.scheme));
            transform(w, "transform_usage", price);
            w.maybe_int("trial_period_days", every.trial_days.map(i64::from));
            w.str("usage_type", if every.metered { "metered" } else { "licensed" });
        });
    }

    pub fn coupon(&self, w: &mut Json, place: Idx, expand: &Expand) {
        let coupon = &self.business.coupons[place];
        let (percent, amounts) = match &coupon.value {
            CouponValue::Percent(percent) => (Some(*percent), &[][..]),
            CouponValue::Amounts(amounts) => (None, amounts.as_slice()),
        };
        let own = amounts.first();
        w.object(|w| {
            w.str("id", &coupon.id);
            w.fields(r#""object":"coupon""#);
            w.maybe_int("amount_off", own.map(|&(_, amount)| amount));
            if expand.has("applies_to") && !coupon.applies_to.is_empty() {
                w.object_at("applies_to", |w| {
                    w.array_at("products", &coupon.applies_to, |w, &product| {
                        w.bare_id(|out| self.business.write_id(Kind::Product, product, out));
                    });
                });
            }
            w.time("created", coupon.created);
            w.maybe_str("currency", own.map(|(currency, _)| currency.code()));
            if expand.has("currency_options") && !amounts.is_empty() {
                w.object_at("currency_options", |w| {
                    for (currency, amount) in amounts {
                        w.object_at(currency.code(), |w| w.int("amount_off", *amount));
                    }
                });
            }
            duration(w, coupon.duration);
            self.livemode(w);
            w.maybe_int("max_redemptions", coupon.max_redemptions.map(i64::from));
            w.string_map("metadata", &coupon.metadata);
            w.maybe_str("name", coupon.name.as_deref());
            match percent {
                Some(percent) => w.hundredths("percent_off", percent),
                None => w.null("percent_off"),
            }
            w.maybe_int("redeem_by", coupon.redeem_by);
            w.int("times_redeemed", i64::from(coupon.times_redeemed));
            w.bool("valid", !coupon.deleted && coupon.redeem_by.is_none_or(|by| self.now < by));
        });
    }

    /// A discount in full.
    pub fn discount(&self, w: &mut Json, discount: &Discount, expand: &Expand) {
        w.object(|w| {
            w.id("id", &self.business.ids, Part::Discount, discount.number);
            w.fields(r#""object":"discount","checkout_session":null"#);
            if self.shape < Shape::Clover {
                // The coupon stood here in full before it moved under `source`.
                w.key("coupon");
                self.coupon(w, discount.coupon, expand.below("coupon"));
            }
            match discount.customer {
                Some(customer) => self.customer_ref(w, customer, expand),
                None => w.null("customer"),
            }
            w.null("customer_account");
            w.maybe_int("end", discount.end);
            w.fields(r#""invoice":null,"invoice_item":null,"promotion_code":null"#);
            if self.shape >= Shape::Clover {
                let below = expand.below("source");
                w.object_at("source", |w| self.discount_source(w, discount, below));
            }
            w.time("start", discount.start);
            match discount.subscription {
                Some(owner) => self.reference(w, "subscription", Kind::Subscription, owner),
                None => w.null("subscription"),
            }
            match discount.item {
                Some((owner, serial)) => w.id(
                    "subscription_item",
                    &self.business.ids,
                    Part::SubscriptionItem,
                    crate::business::join(owner, serial),
                ),
                None => w.null("subscription_item"),
            }
        });
    }

    fn discount_source(&self, w: &mut Json, discount: &Discount, expand: &Expand) {
        match expand.get("coupon") {
            None => w.str("coupon", &self.business.coupons[discount.coupon].id),
            Some(below) => {
                w.key("coupon");
                self.coupon(w, discount.coupon, below);
            }
        }
        w.str("type", "coupon");
    }

    /// `discounts`: ids, or in full where that is asked for.
    pub fn discounts<'d>(&self, w: &mut Json, discounts: impl IntoIterator<Item = &'d Discount>, expand: &Expand) {
        w.array_at("discounts", discounts, |w, discount| match expand.get("discounts") {
            None => w.bare_id(|out| self.business.ids.write_part(Part::Discount, discount.number, out)),
            Some(below) => self.discount(w, discount, below),
        });
    }

    /// `discount`, as it was before there could be several.
    pub fn single_discount(&self, w: &mut Json, discount: Option<&Discount>) {
        match discount {
            None => w.null("discount"),
            Some(discount) => {
                w.key("discount");
                self.discount(w, discount, &NOTHING);
            }
        }
    }
}

fn scheme_name(scheme: &Scheme) -> &'static str {
    match scheme {
        Scheme::PerUnit(_) => "per_unit",
        Scheme::Tiered(..) => "tiered",
    }
}

fn tiers_mode(scheme: &Scheme) -> Option<&'static str> {
    match scheme {
        Scheme::PerUnit(_) => None,
        Scheme::Tiered(TiersMode::Graduated, _) => Some("graduated"),
        Scheme::Tiered(TiersMode::Volume, _) => Some("volume"),
    }
}

pub(super) fn unit(scheme: &Scheme) -> Option<Decimal> {
    match scheme {
        Scheme::PerUnit(unit) => Some(*unit),
        Scheme::Tiered(..) => None,
    }
}

fn tax_behavior(behavior: TaxBehavior) -> &'static str {
    match behavior {
        TaxBehavior::Unspecified => "unspecified",
        TaxBehavior::Exclusive => "exclusive",
        TaxBehavior::Inclusive => "inclusive",
    }
}

/// An amount as an integer, null where it is none, and as a decimal text.
fn unit_amounts(w: &mut Json, key: &str, unit: Option<Decimal>) {
    w.maybe_int(key, unit.and_then(Decimal::as_whole));
    let decimal = unit.map(|unit| unit.to_string());
    w.maybe_str(&format!("{key}_decimal"), decimal.as_deref());
}

fn transform(w: &mut Json, key: &str, price: &Price) {
    w.maybe_object(key, price.transform, |w, by| {
        w.count("divide_by", by.divide_by);
        w.str("round", if by.round_up { "up" } else { "down" });
    });
}

fn tiers(w: &mut Json, price: &Price) {
    if let Scheme::Tiered(_, tiers) = &price.scheme {
        w.array_at("tiers", tiers, tier);
    }
}

fn tier(w: &mut Json, tier: &Tier) {
    w.object(|w| {
        unit_amounts(w, "flat_amount", tier.flat.map(Decimal::whole));
        unit_amounts(w, "unit_amount", tier.unit);
        w.maybe_int("up_to", tier.up_to.and_then(|limit| i64::try_from(limit).ok()));
    });
}

fn currency_options(w: &mut Json, price: &Price) {
    w.object_at("currency_options", |w| {
        w.object_at(price.currency.code(), |w| {
            w.null("custom_unit_amount");
            w.str("tax_behavior", tax_behavior(price.tax_behavior));
            tiers(w, price);
            unit_amounts(w, "unit_amount", unit(&price.scheme));
        });
    });
}

fn duration(w: &mut Json, duration: CouponDuration) {
    let (name, months) = match duration {
        CouponDuration::Once => ("once", None),
        CouponDuration::Repeating { months } => ("repeating", Some(i64::from(months))),
        CouponDuration::Forever => ("forever", None),
    };
    w.str("duration", name);
    w.maybe_int("duration_in_months", months);
}

//! Facts for tests, built by small functions: each gives the plainest object of its kind, and a test changes the field
//! that it is about.

use super::{Catalogue, Context, Policy, Preset, SubscriptionMrr, subscription};
use crate::facts::{
    AppliedDiscount, Coupon, CouponDuration, Customer, Discount, Fact, Interval, Invoice, InvoiceStatus, Line, Price,
    PriceAmount, PriceKind, Product, Recurring, Subscription, SubscriptionItem, SubscriptionStatus, Tier, TiersMode,
    UsageType,
};
use crate::id::{CouponId, CustomerId, DiscountId, InvoiceId, ItemId, LineId, PriceId, ProductId, SubscriptionId};
use crate::money::Currency;
use jiff::Timestamp;

/// The moment of every test: 2026-11-21 00:00 UTC.
pub(crate) const NOW_S: i64 = 1_795_219_200;
pub(crate) const DAY_S: i64 = 86_400;

pub(crate) fn now() -> Timestamp {
    in_days(0)
}

pub(crate) fn in_days(days: i64) -> Timestamp {
    Timestamp::from_second(NOW_S + days * DAY_S).unwrap()
}

pub(crate) fn currency(code: &str) -> Currency {
    Currency::new(code).unwrap()
}

pub(crate) fn product_id(id: &str) -> ProductId {
    ProductId::new(id).unwrap()
}

/// A monthly USD price of product `id`, in decimal minor units.
pub(crate) fn price(id: &str, unit_amount_decimal: &str) -> Price {
    Price {
        id: PriceId::new(format!("price_{id}")).unwrap(),
        product: Some(product_id(id)),
        active: true,
        currency: Currency::USD,
        kind: PriceKind::Recurring,
        amount: PriceAmount { unit_amount_decimal: Some(unit_amount_decimal.to_owned()), tiers: None },
        currency_options: None,
        tiers_mode: None,
        transform_quantity: None,
        recurring: Some(Recurring { interval: Interval::Month, interval_count: 1, usage_type: UsageType::Licensed }),
        tax_inclusive: false,
        nickname: None,
        created: None,
        metadata: Default::default(),
    }
}

pub(crate) fn every(count: i64, interval: Interval, mut price: Price) -> Price {
    price.recurring = Some(Recurring { interval, interval_count: count, usage_type: UsageType::Licensed });
    price
}

pub(crate) fn metered(mut price: Price) -> Price {
    price.recurring = price.recurring.map(|every| Recurring { usage_type: UsageType::Metered, ..every });
    price
}

pub(crate) fn one_time(mut price: Price) -> Price {
    (price.kind, price.recurring) = (PriceKind::OneTime, None);
    price
}

/// A tier with decimal minor units; an empty text is none.
pub(crate) fn tier(up_to: Option<i64>, unit: &str, flat: &str) -> Tier {
    let amount = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Tier { up_to, unit_amount_decimal: amount(unit), flat_amount_decimal: amount(flat) }
}

pub(crate) fn tiered(id: &str, mode: TiersMode, tiers: Vec<Tier>) -> Price {
    let amount = PriceAmount { unit_amount_decimal: None, tiers: Some(tiers) };
    Price { amount, tiers_mode: Some(mode), ..price(id, "0") }
}

/// A quantity of a price, as item `si_<product>`.
pub(crate) fn item(price: Price, quantity: i64) -> SubscriptionItem {
    let name = price.product.as_ref().map_or("none", ProductId::as_str);
    SubscriptionItem {
        id: ItemId::new(format!("si_{name}")).unwrap(),
        price,
        quantity: Some(quantity),
        discounts: Vec::new(),
        period_start: Some(in_days(-10)),
        period_end: Some(in_days(20)),
        trial_end: None,
    }
}

/// An active subscription in the currency of its first item.
pub(crate) fn active(items: Vec<SubscriptionItem>) -> Subscription {
    Subscription {
        id: SubscriptionId::new("sub_1").unwrap(),
        customer: CustomerId::new("cus_1").unwrap(),
        status: SubscriptionStatus::Active,
        currency: items.first().map_or(Currency::USD, |item| item.price.currency),
        created: in_days(-100),
        start_date: None,
        items,
        discounts: Vec::new(),
        collection_method: Some("charge_automatically".to_owned()),
        cancel_at_period_end: false,
        cancel_at: None,
        canceled_at: None,
        ended_at: None,
        cancellation: None,
        pause_collection: None,
        trial_start: None,
        trial_end: None,
        latest_invoice: None,
        test_clock: false,
        metadata: Default::default(),
    }
}

/// An active subscription to one unit of a monthly USD price, in minor units.
pub(crate) fn monthly(minor: i64) -> Subscription {
    active(vec![item(price("a", &minor.to_string()), 1)])
}

pub(crate) fn in_status(status: SubscriptionStatus, subscription: Subscription) -> Subscription {
    Subscription { status, ..subscription }
}

pub(crate) fn coupon(id: &str) -> Coupon {
    Coupon {
        id: CouponId::new(id).unwrap(),
        name: None,
        percent_off: None,
        amount_off: None,
        currency: None,
        currency_options: None,
        duration: CouponDuration::Forever,
        applies_to: Some(Vec::new()),
        created: None,
    }
}

pub(crate) fn percent_off(percent: &str) -> Coupon {
    Coupon { percent_off: Some(percent.to_owned()), ..coupon("percent") }
}

pub(crate) fn amount_off(minor: i64, code: &str) -> Coupon {
    Coupon { amount_off: Some(minor), currency: Some(currency(code)), ..coupon("amount") }
}

pub(crate) fn discount(coupon: Coupon) -> Discount {
    let id = DiscountId::new(format!("di_{}", coupon.id)).unwrap();
    Discount { id, coupon_id: coupon.id.clone(), coupon: Some(coupon), start: None, end: None }
}

pub(crate) fn applied(coupon: Coupon) -> AppliedDiscount {
    AppliedDiscount::Whole(Box::new(discount(coupon)))
}

pub(crate) fn with_discount(coupon: Coupon, mut subscription: Subscription) -> Subscription {
    subscription.discounts.push(applied(coupon));
    subscription
}

pub(crate) fn customer(id: &str) -> Customer {
    Customer {
        id: CustomerId::new(id).unwrap(),
        name: None,
        email: None,
        created: in_days(-200),
        delinquent: false,
        discount: None,
        test_clock: false,
        metadata: Default::default(),
    }
}

/// A paid USD invoice of subscription `sub_1`, made so many days from now.
pub(crate) fn invoice(id: &str, days: i64, paid: i64) -> Invoice {
    Invoice {
        id: InvoiceId::new(id).unwrap(),
        customer: CustomerId::new("cus_1").unwrap(),
        subscription: Some(SubscriptionId::new("sub_1").unwrap()),
        number: None,
        status: InvoiceStatus::Paid,
        billing_reason: None,
        collection_method: Some("charge_automatically".to_owned()),
        currency: Currency::USD,
        created: in_days(days),
        due_date: None,
        subtotal: paid,
        total: paid,
        amount_due: paid,
        amount_paid: paid,
        amount_remaining: 0,
        post_payment_credit: 0,
        attempted: true,
        attempt_count: 1,
        next_payment_attempt: None,
        finalized_at: None,
        paid_at: None,
        hosted_invoice_url: None,
        test_clock: false,
        lines: Vec::new(),
        metadata: Default::default(),
        payments: Vec::new(),
    }
}

/// A line for item `si_<product>`.
pub(crate) fn line(product: &str, amount: i64, discounted: i64, tax_inclusive: i64) -> Line {
    Line {
        id: LineId::new(format!("il_{product}")).unwrap(),
        amount,
        quantity: Some(1),
        period_start: in_days(-10),
        period_end: in_days(20),
        proration: false,
        subscription: None,
        subscription_item: Some(ItemId::new(format!("si_{product}")).unwrap()),
        price: None,
        product: None,
        discounted,
        tax_inclusive,
    }
}

pub(crate) fn catalogue(facts: impl IntoIterator<Item = Fact>) -> Catalogue {
    Catalogue::from_facts(facts)
}

pub(crate) fn product(id: &str, name: &str) -> Fact {
    Fact::Product(Box::new(Product {
        id: product_id(id),
        name: name.to_owned(),
        active: true,
        created: None,
        metadata: Default::default(),
    }))
}

/// What a subscription is judged by in a test; the default is the default policy and nothing else.
#[derive(Clone, Default)]
pub(crate) struct Given {
    pub(crate) policy: Policy,
    pub(crate) catalogue: Catalogue,
    pub(crate) customer: Option<Customer>,
    pub(crate) invoices: Vec<Invoice>,
}

impl Given {
    pub(crate) fn preset(preset: Preset) -> Self {
        Self { policy: preset.policy(), ..Self::default() }
    }

    /// The answer borrows what it is about, which is kept until the test is over.
    pub(crate) fn judge(&self, judged: &Subscription) -> SubscriptionMrr<'static> {
        let (given, judged): (&'static Self, &'static Subscription) =
            (Box::leak(Box::new(self.clone())), Box::leak(Box::new(judged.clone())));
        let context = Context {
            policy: &given.policy,
            now: now(),
            catalogue: &given.catalogue,
            customer: given.customer.as_ref(),
            invoices: &given.invoices,
        };
        subscription(&context, judged)
    }
}

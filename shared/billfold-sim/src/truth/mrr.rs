//! Monthly and yearly recurring revenue of one subscription. Written from the rules, not from
//! any other program's code, so that the two can be held against each other.

use super::counts_by_status;
use crate::business::Business;
use crate::fraction::Fraction;
use crate::model::{
    CouponDuration, CouponValue, Discount, Idx, Interval, InvoiceStatus, Item, Subscription, SubscriptionStatus,
    TaxBehavior, Unix,
};
use crate::pricing;

/// Exact monthly revenue in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recurring(Fraction);

impl Recurring {
    const NONE: Self = Self(Fraction::ZERO);

    pub fn monthly(self) -> i64 {
        self.0.round_half_even()
    }

    pub fn yearly(self) -> i64 {
        (self.0 * Fraction::whole(12)).round_half_even()
    }
}

/// An item with what is left of its amount while discounts are taken off.
struct Share {
    product: Idx,
    /// Months in one interval, as a fraction.
    months: Fraction,
    left: Fraction,
    tax_inside: bool,
}

/// By the default policy: forever and running repeating discounts come off, `once` does not.
pub fn billfold(business: &Business, row: &Subscription, now: Unix) -> Recurring {
    if !counts_by_status(row.status) || row.pause_collection.is_some() || row.test_clock {
        return Recurring::NONE;
    }
    let mut shares: Vec<Share> = row.items.iter().filter_map(|item| item_share(business, row, item, now)).collect();
    let own = &row.discounts;
    let customer = business.customers[row.customer].discount.as_slice();
    for discount in if own.is_empty() { customer } else { own.as_slice() } {
        take_off(business, row, discount, &mut shares, now);
    }
    let inside = inclusive_rate(business, row);
    let monthly = shares.iter().map(|share| {
        let monthly = share.left.share_of(share.months, Fraction::ONE);
        if share.tax_inside { monthly * inside } else { monthly }
    });
    Recurring(monthly.sum())
}

/// Price times quantity of active subscriptions, normalized, nothing else.
pub fn simple(business: &Business, row: &Subscription) -> Recurring {
    if row.status != SubscriptionStatus::Active || row.test_clock {
        return Recurring::NONE;
    }
    let monthly = row.items.iter().filter_map(|item| {
        let (amount, months) = undiscounted(business, item)?;
        Some(amount.share_of(months, Fraction::ONE))
    });
    Recurring(monthly.sum())
}

fn undiscounted(business: &Business, item: &Item) -> Option<(Fraction, Fraction)> {
    let price = &business.prices[item.price];
    let every = price.recurring.filter(|every| !every.metered)?;
    let amount = pricing::amount(price, item.quantity.unwrap_or(0));
    let months = match every.interval {
        Interval::Month => Fraction::ONE,
        Interval::Year => Fraction::whole(12),
        Interval::Week => Fraction::new(84, 365),
        Interval::Day => Fraction::new(12, 365),
    };
    Some((amount, months * Fraction::whole(i64::from(every.count))))
}

fn item_share(business: &Business, row: &Subscription, item: &Item, now: Unix) -> Option<Share> {
    let (amount, months) = undiscounted(business, item)?;
    if item.trial.is_some_and(|trial| trial.holds(now)) {
        return None;
    }
    let price = &business.prices[item.price];
    let tax_inside = price.tax_behavior == TaxBehavior::Inclusive;
    let mut share = Share { product: price.product, months, left: amount, tax_inside };
    for discount in &item.discounts {
        take_off(business, row, discount, std::slice::from_mut(&mut share), now);
    }
    Some(share)
}

fn take_off(business: &Business, row: &Subscription, discount: &Discount, shares: &mut [Share], now: Unix) {
    let coupon = &business.coupons[discount.coupon];
    let over = discount.end.is_some_and(|end| end <= now);
    if coupon.duration == CouponDuration::Once || over {
        return;
    }
    match &coupon.value {
        CouponValue::Percent(percent) => {
            let kept = Fraction::new(10_000 - i128::from(*percent), 10_000);
            for share in shares.iter_mut().filter(|share| coupon.applies(share.product)) {
                share.left = share.left * kept;
            }
        }
        CouponValue::Amounts(_) => {
            let amount = coupon.amount_off(row.currency).map(Fraction::whole);
            let Some(amount) = amount else { return };
            let mut bearing: Vec<&mut Share> =
                shares.iter_mut().filter(|share| coupon.applies(share.product)).collect();
            // An amount is per invoice, and the shortest interval is invoiced every time.
            let Some(shortest) = bearing.iter().map(|share| share.months).min() else {
                return;
            };
            bearing.retain(|share| share.months == shortest);
            let whole: Fraction = bearing.iter().map(|share| share.left).sum();
            let off = amount.min(whole);
            for share in bearing {
                let part = share.left.share_of(whole, off);
                share.left = share.left - part;
            }
        }
    }
}

/// What is left of a price with its tax inside, at the rate of the lines of the latest invoice that has something to tax:
/// one over nothing says no rate.
fn inclusive_rate(business: &Business, row: &Subscription) -> Fraction {
    let inclusive = row.items.iter().any(|item| business.prices[item.price].tax_behavior == TaxBehavior::Inclusive);
    let Some(latest) = row.latest_invoice.filter(|_| inclusive) else {
        return Fraction::ONE;
    };
    let subscription = business.invoices[latest].subscription;
    let invoices = business.customers[row.customer].invoices.iter().rev().map(|place| &business.invoices[*place]);
    let own = invoices.filter(|one| one.subscription == subscription && one.status != InvoiceStatus::Draft);
    let taxed = own.map(|invoice| {
        let taxes = invoice.lines.iter().filter_map(|line| line.tax).filter(|tax| tax.inclusive);
        taxes.fold((0, 0), |(net, gross), tax| (net + tax.taxable, gross + tax.taxable + tax.amount))
    });
    let telling = taxed.into_iter().find(|(_, gross)| *gross > 0);
    telling.map_or(Fraction::ONE, |(net, gross)| Fraction::new(i128::from(net), i128::from(gross)))
}

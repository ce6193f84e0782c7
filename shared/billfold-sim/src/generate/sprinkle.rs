//! What happens beside subscriptions: discounts, and invoices written by hand.

use super::catalog::{CURRENCIES, Catalog};
use super::dice::Dice;
use crate::business::Business;
use crate::calendar::{self, DAY};
use crate::invoicing::{self, Outcome};
use crate::model::{
    BillingReason, Collection, CouponDuration, Discount, Idx, Invoice, InvoiceStatus, Line, LineSource, Period, Unix,
};
use crate::pricing;

/// A discount of a coupon, with the end that a repeating one has.
pub fn discount(business: &mut Business, coupon: Idx, start: Unix) -> Discount {
    let row = &mut business.coupons[coupon];
    row.times_redeemed += 1;
    let end = match row.duration {
        CouponDuration::Repeating { months } => Some(calendar::add_months(start, i64::from(months))),
        CouponDuration::Once | CouponDuration::Forever => None,
    };
    business.new_discount(coupon, start, end)
}

pub fn customer_discount(business: &mut Business, dice: &mut Dice, catalog: &Catalog, customer: Idx) {
    let coupon = *dice.pick(&catalog.coupons.forever);
    let start = business.customers[customer].created;
    let mut discount = discount(business, coupon, start);
    discount.customer = Some(customer);
    business.customers[customer].discount = Some(discount);
}

/// An invoice for onboarding, written by hand; sometimes with more lines than one page shows.
pub fn one_off_invoice(
    business: &mut Business,
    dice: &mut Dice,
    catalog: &Catalog,
    customer: Idx,
    currency: usize,
    now: Unix,
) {
    let price = catalog.setup[currency];
    let created = business.customers[customer].created;
    let at = dice.between(created.max(now - 360 * DAY), now - 2 * 3_600);
    let count = if dice.chance(60) { 14 } else { 1 };
    let amount = pricing::amount(&business.prices[price], 1).round_half_even();
    let lines = vec![
        Line {
            source: LineSource::InvoiceItem,
            price,
            quantity: 1,
            amount,
            period: Period { start: at, end: at },
            discounts: Vec::new(),
            tax: None,
        };
        count
    ];
    let mut invoice = one_off(business, customer, currency, at, lines);
    invoicing::total(business, &mut invoice);
    let place = business.invoices.push(invoice);
    business.customers[customer].invoices.push(place);
    business.customers[customer].currency = Some(CURRENCIES[currency]);
    let outcome = match dice.below(20) {
        0 => Outcome::Draft,
        1 if now - at < 20 * DAY => Outcome::Awaiting,
        2 => Outcome::Void,
        _ => Outcome::Paid { declined: 0 },
    };
    invoicing::conclude(business, place, outcome, now);
}

fn one_off(business: &Business, customer: Idx, currency: usize, at: Unix, lines: Vec<Line>) -> Invoice {
    Invoice {
        customer,
        subscription: None,
        created: at,
        number: 0,
        status: InvoiceStatus::Draft,
        reason: BillingReason::Manual,
        currency: CURRENCIES[currency],
        collection: Collection::SendInvoice { days: 30 },
        due_date: None,
        subtotal: lines.iter().map(|line| line.amount).sum(),
        lines,
        discounts: Vec::new(),
        item_discounts: Vec::new(),
        tax: 0,
        total: 0,
        amount_due: 0,
        amount_paid: 0,
        paid_off_stripe: 0,
        attempts: 0,
        next_attempt: None,
        period: Period { start: at, end: at },
        finalized_at: None,
        paid_at: None,
        voided_at: None,
        uncollectible_at: None,
        credited_before_payment: 0,
        credited_after_payment: 0,
        payments: Vec::new(),
        tax_rate: None,
        test_clock: business.customers[customer].test_clock,
        billed_to: None,
    }
}

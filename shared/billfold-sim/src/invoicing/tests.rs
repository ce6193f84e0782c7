//! Invoices made from small subscriptions, to the cent.

use super::{Draft, Outcome, RETRY_AFTER, conclude, draft};
use crate::business::Business;
use crate::change::Change;
use crate::generate::Spec;
use crate::ids::Kind;
use crate::model::{
    BillingReason, Coupon, CouponDuration, CouponValue, Currency, Idx, Invoice, InvoiceStatus, Line, PaymentStatus,
    Period, Tax, TaxBehavior,
};
use crate::sim::Sim;

const NOW: i64 = 1_795_251_600;

/// A business with one subscription to prices of these amounts, one unit each.
fn subscribed(amounts: &[i64]) -> (Business, Idx) {
    let sim = Sim::generate(&Spec::new(1, 0, NOW));
    let customer = sim.apply(&Change::CreateCustomer { name: None, email: None }).expect("made").created;
    let price = sim.read(|b| b.id(Kind::Price, 0));
    let change = Change::CreateSubscription {
        customer: customer.expect("an id"),
        price,
        quantity: 1,
        trial_days: None,
        coupon: None,
    };
    sim.apply(&change).expect("subscribed");
    sim.edit(|business| {
        let mut item = business.subscriptions[0].items[0].clone();
        business.subscriptions[0].items.clear();
        for (serial, &amount) in (0..).zip(amounts) {
            let mut price = business.prices[0].clone();
            price.scheme = crate::model::Scheme::PerUnit(crate::model::Decimal::whole(amount));
            price.product = Idx::from(serial);
            item.price = business.prices.push(price);
            item.serial = serial;
            business.subscriptions[0].items.push(item.clone());
        }
        (business.clone(), 0)
    })
}

fn coupon(business: &mut Business, value: CouponValue, applies_to: Vec<Idx>) -> Idx {
    business.coupons.push(Coupon {
        id: format!("C{}", business.coupons.len()),
        created: 0,
        name: None,
        value,
        duration: CouponDuration::Forever,
        applies_to,
        max_redemptions: None,
        redeem_by: None,
        times_redeemed: 0,
        metadata: Vec::new(),
        deleted: false,
    })
}

fn put_on(business: &mut Business, place: Idx, coupon: Idx) {
    let discount = business.new_discount(coupon, 0, None);
    business.subscriptions[place].discounts.push(discount);
}

fn put_on_item(business: &mut Business, place: Idx, at: usize, coupon: Idx) {
    let discount = business.new_discount(coupon, 0, None);
    business.subscriptions[place].items[at].discounts.push(discount);
}

fn bill(business: &Business, place: Idx) -> Invoice {
    let items = &business.subscriptions[place].items;
    let due: Vec<(usize, Period)> = items.iter().map(|item| item.period).enumerate().collect();
    draft(business, &Draft { subscription: place, at: NOW, reason: BillingReason::Cycle, due: &due, once: None })
}

fn nets(invoice: &Invoice) -> Vec<i64> {
    invoice.lines.iter().map(Line::discounted).collect()
}

fn amount_off(amount: i64) -> CouponValue {
    CouponValue::Amounts(vec![(Currency::USD, amount)])
}

#[test]
fn lines_add_up_to_the_total() {
    let (business, place) = subscribed(&[1_000, 250]);
    let invoice = bill(&business, place);
    assert_eq!((invoice.subtotal, invoice.total, invoice.amount_due), (1_250, 1_250, 1_250));
    assert_eq!(invoice.status, InvoiceStatus::Draft);
}

#[test]
fn item_discounts_are_in_the_subtotal_and_the_others_are_not() {
    let (mut business, place) = subscribed(&[10_000]);
    let ten = coupon(&mut business, CouponValue::Percent(1_000), Vec::new());
    let twenty = coupon(&mut business, CouponValue::Percent(2_000), Vec::new());
    put_on_item(&mut business, place, 0, ten);
    put_on(&mut business, place, twenty);
    let invoice = bill(&business, place);
    assert_eq!((invoice.subtotal, invoice.total), (9_000, 7_200));
    assert_eq!(invoice.lines[0].amount, 10_000);
    assert_eq!((invoice.item_discounts.len(), invoice.discounts.len()), (1, 1));
}

#[test]
fn an_amount_is_spread_in_proportion_and_to_the_last_cent() {
    let cases: [(&[i64], i64, &[i64]); 4] = [
        (&[4_000, 6_000], 3_000, &[2_800, 4_200]),
        (&[100, 100, 100], 100, &[67, 66, 67]),
        (&[1_000], 5_000, &[0]),
        (&[0, 500], 200, &[0, 300]),
    ];
    for (amounts, off, expected) in cases {
        let (mut business, place) = subscribed(amounts);
        let coupon = coupon(&mut business, amount_off(off), Vec::new());
        put_on(&mut business, place, coupon);
        let invoice = bill(&business, place);
        assert_eq!(nets(&invoice), expected, "{amounts:?} less {off}");
        let whole: i64 = amounts.iter().sum();
        assert_eq!(invoice.total, whole - off.min(whole));
    }
}

#[test]
fn a_discount_keeps_to_its_products_and_its_currency() {
    let (mut business, place) = subscribed(&[8_000, 2_000]);
    let first = business.prices[business.subscriptions[place].items[0].price].product;
    let half = coupon(&mut business, CouponValue::Percent(5_000), vec![first]);
    put_on(&mut business, place, half);
    assert_eq!(nets(&bill(&business, place)), [4_000, 2_000]);
    let euros = coupon(&mut business, CouponValue::Amounts(vec![(Currency::EUR, 500)]), Vec::new());
    put_on(&mut business, place, euros);
    assert_eq!(nets(&bill(&business, place)), [4_000, 2_000]);
}

#[test]
fn the_customers_discount_steps_in_where_the_subscription_has_none() {
    let (mut business, place) = subscribed(&[1_000]);
    let half = coupon(&mut business, CouponValue::Percent(5_000), Vec::new());
    let owner = business.subscriptions[place].customer;
    business.customers[owner].discount = Some(business.new_discount(half, 0, None));
    assert_eq!(bill(&business, place).total, 500);
    let ten = coupon(&mut business, CouponValue::Percent(1_000), Vec::new());
    put_on(&mut business, place, ten);
    assert_eq!(bill(&business, place).total, 900);
}

#[test]
fn a_discount_counts_from_its_start_to_its_end() {
    let (mut business, place) = subscribed(&[1_000]);
    let half = coupon(&mut business, CouponValue::Percent(5_000), Vec::new());
    for (start, end, total) in
        [(NOW, None, 500), (NOW + 1, None, 1_000), (0, Some(NOW + 1), 500), (0, Some(NOW), 1_000)]
    {
        let discount = business.new_discount(half, start, end);
        business.subscriptions[place].discounts = vec![discount];
        assert_eq!(bill(&business, place).total, total, "from {start} to {end:?}");
    }
}

#[test]
fn tax_is_inside_the_price_or_on_top_of_it() {
    let (mut business, place) = subscribed(&[1_200]);
    business.subscriptions[place].tax = Some(Tax { rate: 2_000 });
    let price = business.subscriptions[place].items[0].price;
    for (behavior, total, tax, taxable) in
        [(TaxBehavior::Exclusive, 1_440, 240, 1_200), (TaxBehavior::Inclusive, 1_200, 200, 1_000)]
    {
        business.prices[price].tax_behavior = behavior;
        let invoice = bill(&business, place);
        let line = invoice.lines[0].tax.expect("a taxed line");
        assert_eq!((invoice.total, invoice.tax, line.taxable), (total, tax, taxable), "{behavior:?}");
    }
}

#[test]
fn nothing_is_due_on_trial() {
    let (mut business, place) = subscribed(&[1_000, 500]);
    business.subscriptions[place].items[1].trial = Some(Period { start: NOW, end: NOW + 1 });
    assert_eq!(bill(&business, place).total, 1_000);
    business.subscriptions[place].trial = Some(Period { start: NOW - 5, end: NOW + 5 });
    assert_eq!(bill(&business, place).total, 0);
}

/// An invoice over 10.00 after an outcome, long enough ago for every attempt to be over.
fn concluded(outcome: Outcome) -> (Business, Invoice) {
    let (mut business, place) = subscribed(&[1_000]);
    let invoice = bill(&business, place);
    let made = business.invoices.push(invoice);
    conclude(&mut business, made, outcome, NOW + 100 * 86_400);
    let invoice = business.invoices[made].clone();
    (business, invoice)
}

#[test]
fn outcomes_leave_consistent_amounts_and_times() {
    let finalized = NOW + 3_600;
    let retry = finalized + RETRY_AFTER;
    let cases = [
        (Outcome::Draft, InvoiceStatus::Draft, 0, 0),
        (Outcome::Awaiting, InvoiceStatus::Open, 0, 0),
        (Outcome::Paid { declined: 0 }, InvoiceStatus::Paid, 1_000, 1),
        (Outcome::Paid { declined: 2 }, InvoiceStatus::Paid, 1_000, 3),
        (Outcome::Partly { paid: 400 }, InvoiceStatus::Open, 400, 0),
        (Outcome::Declined { attempts: 2, next: Some(retry) }, InvoiceStatus::Open, 0, 2),
        (Outcome::Void, InvoiceStatus::Void, 0, 0),
        (Outcome::Uncollectible { attempts: 4 }, InvoiceStatus::Uncollectible, 0, 4),
    ];
    for (outcome, status, paid, attempts) in cases {
        let (_, invoice) = concluded(outcome);
        assert_eq!((invoice.status, invoice.amount_paid, invoice.attempts), (status, paid, attempts), "{outcome:?}");
        assert_eq!(invoice.amount_remaining(), 1_000 - paid);
        assert_eq!(invoice.finalized_at.is_some(), outcome != Outcome::Draft);
        assert_eq!(invoice.number > 0, outcome != Outcome::Draft);
        assert!(invoice.paid_at.is_none_or(|at| at >= finalized));
    }
}

#[test]
fn every_attempt_is_a_charge_of_the_invoices_payment() {
    let (business, invoice) = concluded(Outcome::Paid { declined: 2 });
    let payment = &business.payments[invoice.payments[0]];
    assert_eq!((payment.status, payment.paid, payment.is_default), (PaymentStatus::Paid, Some(1_000), true));
    let charges: Vec<_> = payment.charges.iter().map(|&charge| &business.charges[charge]).collect();
    assert_eq!(charges.len(), 3);
    assert!(charges[..2].iter().all(|charge| charge.failure.is_some()) && charges[2].failure.is_none());
    assert!(charges.is_sorted_by_key(|charge| charge.created));
}

#[test]
fn a_part_payment_leaves_the_rest_to_the_default_payment() {
    let (business, invoice) = concluded(Outcome::Partly { paid: 400 });
    let payments: Vec<_> = invoice.payments.iter().map(|&payment| &business.payments[payment]).collect();
    assert_eq!((payments[0].status, payments[0].requested, payments[0].is_default), (PaymentStatus::Open, 600, true));
    assert_eq!((payments[1].status, payments[1].paid, payments[1].is_default), (PaymentStatus::Paid, Some(400), false));
}

#[test]
fn an_invoice_over_nothing_is_paid_without_a_charge() {
    let (mut business, place) = subscribed(&[0]);
    let invoice = bill(&business, place);
    let made = business.invoices.push(invoice);
    conclude(&mut business, made, Outcome::Declined { attempts: 3, next: None }, NOW + 1);
    let invoice = &business.invoices[made];
    assert_eq!((invoice.status, invoice.payments.len(), invoice.attempts), (InvoiceStatus::Paid, 0, 0));
    // Nothing is put after the present, though finalization would take an hour.
    assert_eq!(invoice.finalized_at, Some(NOW + 1));
}

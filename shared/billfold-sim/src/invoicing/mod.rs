//! Turns a subscription's items into an invoice whose numbers agree with each other, and records
//! how it was paid. It decides nothing: when to bill and with what outcome is the caller's.

use crate::business::Business;
use crate::fraction::Fraction;
use crate::ids::mix;
use crate::model::{
    BillingReason, Charge, Collection, CouponDuration, CouponValue, Discount, Idx, Invoice, InvoicePayment,
    InvoiceStatus, Item, Line, LineSource, LineTax, PaymentStatus, Period, Subscription, TaxBehavior, Unix,
};
use crate::pricing;

/// What an invoice is made from.
pub struct Draft<'a> {
    pub subscription: Idx,
    pub at: Unix,
    pub reason: BillingReason,
    /// Items due, by their place in the subscription, each with the period it is billed for.
    pub due: &'a [(usize, Period)],
    /// A discount that this invoice uses up.
    pub once: Option<Discount>,
}

/// A draft invoice of a subscription, not yet in any table.
pub fn draft(business: &Business, wanted: &Draft<'_>) -> Invoice {
    let subscription = &business.subscriptions[wanted.subscription];
    let mut lines = Vec::with_capacity(wanted.due.len());
    let mut item_discounts = Vec::new();
    for &(place, period) in wanted.due {
        let item = &subscription.items[place];
        let mut line = item_line(business, subscription, item, period, wanted.at);
        for discount in item.discounts.iter().filter(|d| d.runs_at(wanted.at)) {
            take_off(business, discount, std::slice::from_mut(&mut line));
            item_discounts.push(discount.clone());
        }
        lines.push(line);
    }
    let mut discounts = invoice_discounts(business, subscription, wanted.at);
    discounts.extend(wanted.once.clone());
    let mut invoice = blank(business, wanted, lines);
    invoice.subtotal = invoice.lines.iter().map(Line::discounted).sum();
    for discount in &discounts {
        take_off(business, discount, &mut invoice.lines);
    }
    invoice.discounts = discounts;
    invoice.item_discounts = item_discounts;
    invoice.tax_rate = subscription.tax;
    total(business, &mut invoice);
    invoice
}

/// The discounts that apply to a whole invoice at `at`: the subscription's own, else the customer's.
pub fn invoice_discounts(business: &Business, subscription: &Subscription, at: Unix) -> Vec<Discount> {
    let own = &subscription.discounts;
    if own.is_empty() {
        let customer = &business.customers[subscription.customer];
        return customer.discount.iter().filter(|discount| discount.runs_at(at)).cloned().collect();
    }
    own.iter().filter(|discount| discount.runs_at(at)).cloned().collect()
}

/// Adds tax and sums up. The lines' discounts must already be on them.
pub fn total(business: &Business, invoice: &mut Invoice) {
    let mut exclusive = 0;
    invoice.tax = 0;
    for line in &mut invoice.lines {
        line.tax = invoice.tax_rate.map(|tax| {
            let inclusive = business.prices[line.price].tax_behavior == TaxBehavior::Inclusive;
            line_tax(line.discounted(), i128::from(tax.rate), inclusive)
        });
        if let Some(tax) = line.tax {
            invoice.tax += tax.amount;
            exclusive += if tax.inclusive { 0 } else { tax.amount };
        }
    }
    let net: i64 = invoice.lines.iter().map(Line::discounted).sum();
    invoice.total = net + exclusive;
    invoice.amount_due = (invoice.total - invoice.credited_before_payment).max(0);
}

/// How the collection of a finalized invoice went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Draft,
    /// Declined this often; a further attempt may be planned.
    Declined {
        attempts: u32,
        next: Option<Unix>,
    },
    /// Finalized and waiting for the customer to pay by the due date.
    Awaiting,
    /// Paid after this many declined attempts.
    Paid {
        declined: u32,
    },
    /// A part was paid, the rest is open.
    Partly {
        paid: i64,
    },
    Void,
    Uncollectible {
        attempts: u32,
    },
}

/// Applies an outcome to an invoice already in its table. Finalization comes an hour after
/// creation, except for the first invoice of a subscription; nothing is put after `now`.
pub fn conclude(business: &mut Business, place: Idx, outcome: Outcome, now: Unix) {
    if outcome == Outcome::Draft {
        return;
    }
    let invoice = &business.invoices[place];
    let wait = if invoice.reason == BillingReason::Create { 0 } else { 3_600 };
    let at = (invoice.created + wait).min(now);
    finalize(business, place, at);
    open_payment(business, place, at);
    let later = |retries: u32| (at + i64::from(retries) * RETRY_AFTER + 2).min(now);
    match outcome {
        Outcome::Draft | Outcome::Awaiting => {}
        Outcome::Declined { attempts, next } => {
            decline(business, place, attempts, at, now);
            business.invoices[place].next_attempt = next;
        }
        Outcome::Paid { declined } => {
            decline(business, place, declined, at, now);
            pay(business, place, later(declined));
        }
        Outcome::Partly { paid } => {
            let most = business.invoices[place].amount_due - 1;
            pay_part(business, place, paid.min(most), later(0));
        }
        Outcome::Void => void(business, place, later(0)),
        Outcome::Uncollectible { attempts } => {
            decline(business, place, attempts, at, now);
            mark_uncollectible(business, place, later(attempts + 1));
        }
    }
}

/// How long after a declined attempt the next one comes.
pub const RETRY_AFTER: Unix = 3 * crate::calendar::DAY;

/// Numbers and opens an invoice; an invoice over nothing is paid at once.
pub fn finalize(business: &mut Business, place: Idx, at: Unix) {
    let invoice = &mut business.invoices[place];
    let customer = &mut business.customers[invoice.customer];
    customer.numbered += 1;
    invoice.number = customer.numbered;
    invoice.finalized_at = Some(at);
    invoice.status = InvoiceStatus::Open;
    if let Collection::SendInvoice { days } = invoice.collection {
        invoice.due_date = Some(at + i64::from(days) * crate::calendar::DAY);
    }
    if invoice.amount_due == 0 {
        invoice.status = InvoiceStatus::Paid;
        invoice.paid_at = Some(at);
    }
}

/// The default payment that Stripe makes when an invoice over an amount is finalized.
pub fn open_payment(business: &mut Business, place: Idx, at: Unix) {
    let due = business.invoices[place].amount_remaining();
    if due <= 0 {
        return;
    }
    add_payment(business, place, at, due);
}

fn add_payment(business: &mut Business, place: Idx, at: Unix, requested: i64) -> Idx {
    let is_default = business.invoices[place].payments.is_empty();
    let payment = business.payments.push(InvoicePayment {
        invoice: place,
        created: at,
        requested,
        paid: None,
        status: PaymentStatus::Open,
        is_default,
        settled_at: None,
        charges: Vec::new(),
    });
    business.invoices[place].payments.push(payment);
    payment
}

/// Records declined attempts, the first at `from` and none after `now`.
pub fn decline(business: &mut Business, place: Idx, attempts: u32, from: Unix, now: Unix) {
    let Some(payment) = open_one(business, place) else {
        return;
    };
    for attempt in 0..attempts {
        let reasons = ["card_declined", "insufficient_funds", "expired_card"];
        let pick = mix(u64::from(place)) as usize % reasons.len();
        let at = (from + i64::from(attempt) * RETRY_AFTER + 1).min(now);
        charge(business, payment, at, Some(reasons[pick]));
    }
    let invoice = &mut business.invoices[place];
    invoice.attempts += attempts;
}

/// Pays what is left, by the invoice's open payment.
pub fn pay(business: &mut Business, place: Idx, at: Unix) {
    if business.invoices[place].status == InvoiceStatus::Paid {
        return;
    }
    if let Some(payment) = open_one(business, place) {
        business.payments[payment].requested = business.invoices[place].amount_remaining();
        settle(business, payment, at);
    }
    let invoice = &mut business.invoices[place];
    if invoice.collection == Collection::Automatic && invoice.amount_due > 0 {
        invoice.attempts += 1;
    }
    invoice.amount_paid = invoice.amount_due;
    invoice.status = InvoiceStatus::Paid;
    invoice.paid_at = Some(at);
    invoice.next_attempt = None;
}

/// Pays a part by a payment of its own; the default payment stays open for the rest.
pub fn pay_part(business: &mut Business, place: Idx, amount: i64, at: Unix) {
    if amount <= 0 {
        return;
    }
    let payment = add_payment(business, place, at, amount);
    business.payments[payment].is_default = false;
    settle(business, payment, at);
    business.invoices[place].amount_paid += amount;
    let rest = business.invoices[place].amount_remaining();
    if let Some(open) = open_one(business, place) {
        business.payments[open].requested = rest;
    }
}

pub fn void(business: &mut Business, place: Idx, at: Unix) {
    if business.invoices[place].status == InvoiceStatus::Paid {
        return;
    }
    cancel_payment(business, place, at);
    let invoice = &mut business.invoices[place];
    invoice.status = InvoiceStatus::Void;
    invoice.voided_at = Some(at);
    invoice.next_attempt = None;
}

pub fn mark_uncollectible(business: &mut Business, place: Idx, at: Unix) {
    let invoice = &mut business.invoices[place];
    if invoice.status == InvoiceStatus::Paid {
        return;
    }
    invoice.status = InvoiceStatus::Uncollectible;
    invoice.uncollectible_at = Some(at);
    invoice.next_attempt = None;
}

fn cancel_payment(business: &mut Business, place: Idx, at: Unix) {
    if let Some(payment) = open_one(business, place) {
        let payment = &mut business.payments[payment];
        payment.status = PaymentStatus::Canceled;
        payment.settled_at = Some(at);
    }
}

fn open_one(business: &Business, invoice: Idx) -> Option<Idx> {
    business.invoices[invoice]
        .payments
        .iter()
        .copied()
        .find(|&payment| business.payments[payment].status == PaymentStatus::Open)
}

fn settle(business: &mut Business, payment: Idx, at: Unix) {
    charge(business, payment, at, None);
    let payment = &mut business.payments[payment];
    payment.status = PaymentStatus::Paid;
    payment.paid = Some(payment.requested);
    payment.settled_at = Some(at);
}

fn charge(business: &mut Business, payment: Idx, at: Unix, failure: Option<&'static str>) {
    let paid = &business.payments[payment];
    let invoice = &business.invoices[paid.invoice];
    let charge = business.charges.push(Charge {
        payment,
        customer: invoice.customer,
        created: at,
        amount: paid.requested,
        currency: invoice.currency,
        failure,
        refunded: 0,
        disputed: false,
    });
    business.payments[payment].charges.push(charge);
}

fn item_line(business: &Business, subscription: &Subscription, item: &Item, period: Period, at: Unix) -> Line {
    let price = &business.prices[item.price];
    let in_trial =
        subscription.trial.is_some_and(|trial| trial.holds(at)) || item.trial.is_some_and(|trial| trial.holds(at));
    let quantity = item.quantity.unwrap_or_else(|| usage(item.serial, at));
    let amount = if in_trial { 0 } else { pricing::amount(price, quantity).round_half_even() };
    Line {
        source: LineSource::SubscriptionItem { serial: item.serial, proration: false },
        price: item.price,
        quantity,
        amount,
        period,
        discounts: Vec::new(),
        tax: None,
    }
}

/// What a meter counted in the period that ended at `at`.
fn usage(serial: u16, at: Unix) -> u64 {
    mix(at.unsigned_abs() ^ u64::from(serial) << 48) % 5_000
}

fn blank(business: &Business, wanted: &Draft<'_>, lines: Vec<Line>) -> Invoice {
    let subscription = &business.subscriptions[wanted.subscription];
    let period = wanted.due.first().map_or(Period { start: wanted.at, end: wanted.at }, |&(_, period)| period);
    // An invoice gathers items of the period before the one it bills.
    let before = if wanted.reason == BillingReason::Create {
        Period { start: wanted.at, end: wanted.at }
    } else {
        Period { start: wanted.at - (period.end - period.start), end: wanted.at }
    };
    Invoice {
        customer: subscription.customer,
        subscription: Some(wanted.subscription),
        created: wanted.at,
        number: 0,
        status: InvoiceStatus::Draft,
        reason: wanted.reason,
        currency: subscription.currency,
        collection: subscription.collection,
        due_date: None,
        lines,
        discounts: Vec::new(),
        item_discounts: Vec::new(),
        subtotal: 0,
        tax: 0,
        total: 0,
        amount_due: 0,
        amount_paid: 0,
        paid_off_stripe: 0,
        attempts: 0,
        next_attempt: None,
        period: before,
        finalized_at: None,
        paid_at: None,
        voided_at: None,
        uncollectible_at: None,
        credited_before_payment: 0,
        credited_after_payment: 0,
        payments: Vec::new(),
        tax_rate: None,
        test_clock: subscription.test_clock,
        billed_to: None,
    }
}

/// Takes a discount off the lines it applies to. An amount is spread in proportion to what is
/// left of each line, the odd units going to the first lines, and never takes more than there is.
fn take_off(business: &Business, discount: &Discount, lines: &mut [Line]) {
    let coupon = &business.coupons[discount.coupon];
    let applies = |line: &Line| coupon.applies(business.prices[line.price].product);
    match &coupon.value {
        CouponValue::Percent(percent) => {
            let part = Fraction::new(i128::from(*percent), 10_000);
            for line in lines.iter_mut().filter(|line| applies(line)) {
                let off = (Fraction::whole(line.discounted()) * part).round_half_even();
                line.discounts.push((discount.number, off));
            }
        }
        CouponValue::Amounts(_) => {
            let Some(currency) = lines.first().map(|line| business.prices[line.price].currency) else {
                return;
            };
            let Some(amount) = coupon.amount_off(currency) else {
                return;
            };
            let left: i64 = lines.iter().filter(|l| applies(l)).map(Line::discounted).sum();
            spread(lines, &applies, discount.number, amount.min(left), left);
        }
    }
}

fn spread(lines: &mut [Line], applies: &dyn Fn(&Line) -> bool, number: u64, amount: i64, whole: i64) {
    let (mut given, mut seen) = (0, 0);
    for line in lines.iter_mut().filter(|line| applies(line)) {
        seen += line.discounted();
        // Cumulative rounding: the parts always add up to the amount.
        let upto = Fraction::whole(seen).share_of(Fraction::whole(whole), Fraction::whole(amount)).round_half_even();
        line.discounts.push((number, upto - given));
        given = upto;
    }
}

fn line_tax(amount: i64, rate: i128, inclusive: bool) -> LineTax {
    let whole = if inclusive { 10_000 + rate } else { 10_000 };
    let tax = (Fraction::whole(amount) * Fraction::new(rate, whole)).round_half_even();
    LineTax { amount: tax, taxable: if inclusive { amount - tax } else { amount }, inclusive }
}

/// Whether a coupon is used up by the first invoice after it is put on.
pub fn is_once(business: &Business, discount: &Discount) -> bool {
    business.coupons[discount.coupon].duration == CouponDuration::Once
}

#[cfg(test)]
mod tests;

//! The invoices that a subscription has had, with the outcome its status asks for.

use super::dice::Dice;
use super::subscriptions::Plan;
use crate::business::Business;
use crate::calendar::{self, DAY, intervals_passed};
use crate::invoicing::{self, Draft, Outcome};
use crate::model::{
    BillingReason, CancelReason, Collection, Discount, Idx, Period, SubscriptionStatus as Status, Unix,
};

/// How far back invoices are kept in full; of the cycles before it only a few are.
const KEPT: Unix = 365 * DAY;

/// Writes the invoices of one subscription and links the latest to it.
pub fn write(business: &mut Business, dice: &mut Dice, place: Idx, plan: &Plan, used_up: Option<Discount>) {
    let mut billed = billing_times(business, dice, place, plan);
    billed.dedup();
    let Some(&last) = billed.last() else {
        return;
    };
    let first = business.subscriptions[place].start;
    for &at in &billed {
        let due = due_items(business, place, at, plan);
        if due.is_empty() {
            continue;
        }
        let reason = if at == first { BillingReason::Create } else { BillingReason::Cycle };
        let invoice = invoicing::draft(
            business,
            &Draft { subscription: place, at, reason, due: &due, once: used_up.clone().filter(|_| at == first) },
        );
        let customer = invoice.customer;
        let invoice = business.invoices.push(invoice);
        business.customers[customer].invoices.push(invoice);
        business.subscriptions[place].latest_invoice = Some(invoice);
        let outcome = if at == last { last_outcome(business, dice, place, invoice, plan) } else { past_outcome(dice) };
        invoicing::conclude(business, invoice, outcome, plan.now);
    }
    mark_delinquent(business, place, plan);
}

/// When the subscription was billed: at its start, at its trial's end, and at each boundary since.
fn billing_times(business: &Business, dice: &mut Dice, place: Idx, plan: &Plan) -> Vec<Unix> {
    let subscription = &business.subscriptions[place];
    let until = subscription.ended_at.unwrap_or(plan.now);
    let oldest = plan.now - KEPT - if dice.chance(80) { 70 * DAY } else { 0 };
    let mut times = Vec::new();
    if subscription.start >= oldest {
        times.push(subscription.start);
    }
    let only_first =
        matches!(plan.status, Status::Trialing | Status::Incomplete | Status::IncompleteExpired | Status::Paused);
    if only_first {
        return times;
    }
    let every = plan.every();
    let from = intervals_passed(subscription.anchor, every, oldest);
    let upto = intervals_passed(subscription.anchor, every, until);
    let boundaries = (from..=upto).map(|times| calendar::boundary(subscription.anchor, every, times));
    times.extend(boundaries.filter(|&at| at >= oldest && at <= until));
    times
}

/// Which items an invoice at `at` bills, and for which period.
fn due_items(business: &Business, place: Idx, at: Unix, plan: &Plan) -> Vec<(usize, Period)> {
    let subscription = &business.subscriptions[place];
    if let Some(trial) = subscription.trial.filter(|trial| trial.holds(at)) {
        return (0..subscription.items.len()).map(|item| (item, trial)).collect();
    }
    let mut due = Vec::with_capacity(subscription.items.len());
    for (item, row) in subscription.items.iter().enumerate() {
        let price = &business.prices[row.price];
        let every = price.recurring.unwrap_or(plan.every());
        let passed = intervals_passed(subscription.anchor, every, at);
        if calendar::boundary(subscription.anchor, every, passed) != at {
            continue;
        }
        // Usage is billed when its period is over, so the first invoice has none.
        let passed = if price.is_metered() { passed - 1 } else { passed };
        if passed < 0 {
            continue;
        }
        let period = Period {
            start: calendar::boundary(subscription.anchor, every, passed),
            end: calendar::boundary(subscription.anchor, every, passed + 1),
        };
        due.push((item, period));
    }
    due
}

fn past_outcome(dice: &mut Dice) -> Outcome {
    match dice.below(1_000) {
        0..12 => Outcome::Void,
        12..20 => Outcome::Uncollectible { attempts: 4 },
        20..60 => Outcome::Paid { declined: 1 },
        60..70 => Outcome::Paid { declined: 2 },
        _ => Outcome::Paid { declined: 0 },
    }
}

fn last_outcome(business: &Business, dice: &mut Dice, place: Idx, invoice: Idx, plan: &Plan) -> Outcome {
    let subscription = &business.subscriptions[place];
    let row = &business.invoices[invoice];
    if row.amount_due == 0 {
        return Outcome::Paid { declined: 0 };
    }
    let sent = subscription.collection != Collection::Automatic;
    let next = plan.now + dice.between(3_600, 3 * DAY);
    match subscription.status {
        Status::PastDue if sent => Outcome::Awaiting,
        Status::PastDue => Outcome::Declined { attempts: 2, next: Some(next) },
        Status::Unpaid => Outcome::Declined { attempts: 4, next: None },
        Status::Incomplete => Outcome::Declined { attempts: 1, next: None },
        Status::IncompleteExpired => Outcome::Void,
        Status::Canceled => {
            let unpaid = subscription.cancellation.as_ref().is_some_and(|c| c.reason == CancelReason::PaymentFailed);
            if unpaid { Outcome::Uncollectible { attempts: 4 } } else { Outcome::Paid { declined: 0 } }
        }
        _ if row.reason == BillingReason::Create => Outcome::Paid { declined: 0 },
        _ if plan.now - row.created < 3_600 => Outcome::Draft,
        _ if sent && plan.now - row.created < 25 * DAY => match dice.below(10) {
            0..=3 => Outcome::Awaiting,
            4 => Outcome::Partly { paid: row.amount_due / 2 },
            _ => Outcome::Paid { declined: 0 },
        },
        _ => Outcome::Paid { declined: 0 },
    }
}

/// Times of payments and attempts must not lie ahead of `now`, and a customer who owes is marked.
fn mark_delinquent(business: &mut Business, place: Idx, plan: &Plan) {
    if matches!(plan.status, Status::PastDue | Status::Unpaid) {
        business.customers[plan.customer].delinquent = true;
    }
    let Some(latest) = business.subscriptions[place].latest_invoice else {
        return;
    };
    // A sent invoice is past due only once its day has come.
    let overdue = plan.status == Status::PastDue;
    let invoice = &mut business.invoices[latest];
    if overdue && let Some(due) = &mut invoice.due_date {
        *due = (*due).min(plan.now - 3_600);
    }
}

//! What is so at the moment and should be heard of: declined invoices, subscriptions past due, cancellations, trials that
//! end. Each becomes a signal as it would be raised now.

use super::{Inputs, Signal, SignalState, SignalType, signal_id};
use crate::billing::{CustomerFacts, Holding, OpenDispute, Returned};
use crate::facts::{Cancellation, Invoice, InvoiceStatus, Subscription, SubscriptionStatus};
use crate::id::{CustomerId, InvoiceId};
use crate::ledger::Cause;
use crate::money::Money;
use jiff::{SignedDuration, Timestamp};

/// How long before its end a trial is heard of, as Stripe does it.
const TRIAL_ENDING: SignedDuration = SignedDuration::from_hours(3 * 24);

/// What a signal says, without what is the same for all of them.
pub(super) struct Told<'a> {
    pub(super) kind: SignalType,
    /// What makes it this one and no other.
    pub(super) what: &'a str,
    pub(super) customer: Option<&'a CustomerId>,
    pub(super) subscription: Option<&'a Subscription>,
    pub(super) invoice: Option<&'a InvoiceId>,
    pub(super) amount: Money,
    pub(super) plan: Option<String>,
    pub(super) message: String,
    pub(super) reason: Option<String>,
    pub(super) occurred_at: Timestamp,
}

impl Told<'_> {
    pub(super) fn signal(self, inputs: &Inputs<'_>) -> Signal {
        let object = match (self.invoice, self.subscription) {
            (Some(invoice), _) => format!("invoices/{invoice}"),
            (None, Some(subscription)) => format!("subscriptions/{}", subscription.id),
            (None, None) => self.customer.map_or_else(String::new, |customer| format!("customers/{customer}")),
        };
        Signal {
            id: signal_id(self.kind, self.what),
            kind: self.kind,
            account_id: inputs.account.clone(),
            customer_id: self.customer.cloned(),
            subscription_id: self.subscription.map(|subscription| subscription.id.clone()),
            invoice_id: self.invoice.cloned(),
            amount: self.amount,
            plan: self.plan,
            message: self.message,
            reason: self.reason,
            link: format!("{}{object}", inputs.dashboard()),
            occurred_at: self.occurred_at.min(inputs.now),
            detected_at: inputs.now,
            state: SignalState::Open,
            resolved_at: None,
            acknowledged_at: None,
            acknowledged_by: None,
        }
    }
}

/// Everything that is so.
pub(super) fn conditions(inputs: &Inputs<'_>, customers: &[CustomerFacts], holdings: &[Holding<'_>]) -> Vec<Signal> {
    // A deleted customer's open invoices are nobody's debt any more.
    let invoices = customers.iter().filter(|facts| facts.customer.is_some()).flat_map(CustomerFacts::real_invoices);
    let failed = invoices.filter_map(|invoice| payment_failed(inputs, invoice, holdings));
    let returned = Returned::of_account(customers);
    let disputes = returned.open_disputes();
    let disputed = disputes.iter().map(|dispute| dispute_opened(inputs, dispute, customers, holdings));
    let of_subscriptions = holdings.iter().flat_map(|holding| {
        [payment_overdue(inputs, holding), canceled(inputs, holding), trial_ending(inputs, holding)]
    });
    failed.chain(of_subscriptions.flatten()).chain(disputed).collect()
}

fn dispute_opened(
    inputs: &Inputs<'_>,
    dispute: &OpenDispute,
    customers: &[CustomerFacts],
    holdings: &[Holding<'_>],
) -> Signal {
    let is_disputed = |invoice: &&Invoice| Some(&invoice.id) == dispute.invoice_id.as_ref();
    let invoice = customers.iter().flat_map(CustomerFacts::real_invoices).find(is_disputed);
    let billed = invoice.and_then(|invoice| invoice.subscription.as_ref());
    let of = holdings.iter().find(|holding| Some(&holding.subscription.id) == billed);
    let what = invoice.map_or_else(|| "a payment".to_owned(), |invoice| format!("invoice {}", name(invoice)));
    let told = Told {
        kind: SignalType::DisputeOpened,
        what: dispute.id.as_str(),
        customer: Some(&dispute.customer_id),
        subscription: of.map(|holding| holding.subscription),
        invoice: dispute.invoice_id.as_ref(),
        amount: dispute.amount,
        plan: of.and_then(|holding| holding.plan.clone()),
        message: format!("{} of {what} are disputed; answer Stripe before its deadline.", dispute.amount),
        reason: None,
        occurred_at: dispute.created_at,
    };
    Signal { link: format!("{}disputes/{}", inputs.dashboard(), dispute.id), ..told.signal(inputs) }
}

/// When it was tried for the first time: Stripe tries as soon as an invoice is final.
fn finalized(invoice: &Invoice) -> Timestamp {
    invoice.finalized_at.unwrap_or(invoice.created)
}

fn name(invoice: &Invoice) -> &str {
    invoice.number.as_deref().unwrap_or(invoice.id.as_str())
}

fn payment_failed(inputs: &Inputs<'_>, invoice: &Invoice, holdings: &[Holding<'_>]) -> Option<Signal> {
    let owed = matches!(invoice.status, InvoiceStatus::Open | InvoiceStatus::Uncollectible);
    let automatic = invoice.collection_method.as_deref() != Some("send_invoice");
    if !owed || !automatic || !(invoice.attempted || invoice.attempt_count > 0) {
        return None;
    }
    let of = holdings.iter().find(|holding| Some(&holding.subscription.id) == invoice.subscription.as_ref());
    let amount = Money::new(invoice.amount_due, invoice.currency);
    let next = match invoice.next_payment_attempt {
        Some(at) => format!("Stripe tries again on {}", day(at)),
        None => "Stripe will not try again by itself".to_owned(),
    };
    let told = Told {
        kind: SignalType::PaymentFailed,
        what: invoice.id.as_str(),
        customer: Some(&invoice.customer),
        subscription: of.map(|holding| holding.subscription),
        invoice: Some(&invoice.id),
        amount,
        plan: of.and_then(|holding| holding.plan.clone()),
        message: format!("The payment of {amount} for invoice {} was declined; {next}.", name(invoice)),
        reason: None,
        occurred_at: finalized(invoice),
    };
    Some(told.signal(inputs))
}

fn payment_overdue(inputs: &Inputs<'_>, holding: &Holding<'_>) -> Option<Signal> {
    let subscription = holding.subscription;
    if subscription.status != SubscriptionStatus::PastDue {
        return None;
    }
    let is_owed = |invoice: &&Invoice| {
        invoice.subscription.as_ref() == Some(&subscription.id) && invoice.status == InvoiceStatus::Open
    };
    let owed = holding.facts.invoices.iter().filter(is_owed);
    let oldest = owed.clone().min_by_key(|invoice| (invoice.created, &invoice.id));
    let remaining = owed.fold(0_i64, |sum, invoice| sum.saturating_add(invoice.amount_remaining));
    let since = oldest.map(|invoice| invoice.due_date.unwrap_or_else(|| finalized(invoice)));
    let period = subscription.items.iter().filter_map(|item| item.period_start).max();
    let occurred_at = since.or(period).unwrap_or(subscription.created);
    let which = oldest.map_or_else(|| occurred_at.to_string(), |invoice| invoice.id.to_string());
    let amount = Money::new(remaining, subscription.currency);
    let plan = holding.plan.as_deref().unwrap_or(subscription.id.as_str());
    let told = Told {
        kind: SignalType::PaymentOverdue,
        what: &format!("{}:{which}", subscription.id),
        customer: Some(&subscription.customer),
        subscription: Some(subscription),
        invoice: oldest.map(|invoice| &invoice.id),
        amount,
        plan: holding.plan.clone(),
        message: format!("{plan} is past due: {amount} remain to be paid since {}.", day(occurred_at)),
        reason: None,
        occurred_at,
    };
    Some(told.signal(inputs))
}

/// What a cancellation is told by; `None` where nothing is cancelled.
struct Canceling {
    asked: Timestamp,
    ends: Option<Timestamp>,
    over: bool,
}

fn canceling(subscription: &Subscription) -> Option<Canceling> {
    let over = subscription.status == SubscriptionStatus::Canceled;
    let scheduled =
        !subscription.status.is_terminal() && (subscription.cancel_at_period_end || subscription.cancel_at.is_some());
    let ends = subscription.ends_at();
    let asked = subscription.canceled_at.or(ends).unwrap_or(subscription.created);
    (over || scheduled).then_some(Canceling { asked, ends, over })
}

fn canceled(inputs: &Inputs<'_>, holding: &Holding<'_>) -> Option<Signal> {
    let subscription = holding.subscription;
    let canceling = canceling(subscription)?;
    let lost = Money::new(lost(inputs, holding), subscription.currency);
    let plan = holding.plan.as_deref().unwrap_or(subscription.id.as_str());
    let day_of_end = canceling.ends.map(day);
    let what = match (canceling.over, day_of_end) {
        (true, Some(end)) => format!("ended on {end}"),
        (true, None) => "has ended".to_owned(),
        (false, Some(end)) => format!("was cancelled and ends on {end}"),
        (false, None) => "was cancelled and ends with its period".to_owned(),
    };
    let reason = subscription.cancellation.as_ref().and_then(reason);
    let why = reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let told = Told {
        kind: SignalType::SubscriptionCanceled,
        what: &format!("{}:{}", subscription.id, canceling.asked),
        customer: Some(&subscription.customer),
        subscription: Some(subscription),
        invoice: None,
        amount: lost,
        plan: holding.plan.clone(),
        message: format!("{plan} {what}{why}: {lost} of MRR."),
        reason,
        occurred_at: canceling.asked,
    };
    Some(told.signal(inputs))
}

/// The MRR that goes with a cancellation: what it is worth, or was worth when it ended.
fn lost(inputs: &Inputs<'_>, holding: &Holding<'_>) -> i64 {
    if holding.held.mrr.amount != 0 {
        return holding.held.mrr.amount;
    }
    let mine = inputs.after.movements.iter().rev().find(|movement| {
        movement.subscription_id.as_ref() == Some(&holding.subscription.id)
            && movement.cause == Cause::SubscriptionEnded
    });
    mine.map_or(0, |movement| movement.amount.amount.saturating_neg())
}

/// Stripe's reason, and what the customer said.
fn reason(cancellation: &Cancellation) -> Option<String> {
    let parts = [&cancellation.reason, &cancellation.feedback, &cancellation.comment];
    let said: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
    (!said.is_empty()).then(|| said.join(", "))
}

fn trial_ending(inputs: &Inputs<'_>, holding: &Holding<'_>) -> Option<Signal> {
    let subscription = holding.subscription;
    let end = subscription.trial_end.filter(|_| subscription.status == SubscriptionStatus::Trialing)?;
    let told_from = end.checked_sub(TRIAL_ENDING).ok()?;
    if inputs.now < told_from || inputs.now >= end || canceling(subscription).is_some() {
        return None;
    }
    let amount = Money::new(holding.worth_after_trial, subscription.currency);
    let plan = holding.plan.as_deref().unwrap_or(subscription.id.as_str());
    let told = Told {
        kind: SignalType::TrialEnding,
        what: &format!("{}:{end}", subscription.id),
        customer: Some(&subscription.customer),
        subscription: Some(subscription),
        invoice: None,
        amount,
        plan: holding.plan.clone(),
        message: format!("The trial of {plan} ends on {}: {amount} of MRR from then on.", day(end)),
        reason: None,
        occurred_at: told_from,
    };
    Some(told.signal(inputs))
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

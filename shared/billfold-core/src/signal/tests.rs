//! Signals over the life of an account: raised once, resolved by themselves, never a flood.

use super::{Inputs, Signal, SignalState, SignalType, reconcile};
use crate::billing::{self, CustomerFacts, Settings};
use crate::facts::{Cancellation, DisputeStatus, Fact, Invoice, InvoiceStatus, Kind, Subscription, SubscriptionStatus};
use crate::id::{AccountId, PaymentId};
use crate::ledger::{self, Ledger, advance};
use crate::money::Currency;
use crate::mrr::build::*;
use crate::mrr::{Catalogue, Policy};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// An account with everything that is stored of it.
struct Account {
    facts: CustomerFacts,
    observed_since: Option<Timestamp>,
    ledger: Option<Ledger>,
    signals: BTreeMap<String, Signal>,
}

impl Account {
    fn new(subscription: Subscription) -> Self {
        let facts = CustomerFacts {
            customer: Some(customer("cus_1")),
            subscriptions: vec![subscription],
            invoices: Vec::new(),
            money_back: Default::default(),
        };
        Self { facts, observed_since: Some(in_days(-365)), ledger: None, signals: BTreeMap::new() }
    }

    fn sub(&mut self) -> &mut Subscription {
        &mut self.facts.subscriptions[0]
    }

    /// What is written on a day: type, state and amount of each.
    fn step(&mut self, day: i64) -> Vec<(SignalType, SignalState, i64)> {
        let settings = Settings { currency: Currency::USD, policy: Policy::default(), rates: None };
        let (catalogue, account) = (Catalogue::default(), AccountId::new("acc_1").unwrap());
        let customers = std::slice::from_ref(&self.facts);
        let now = in_days(day);
        let computed = billing::compute(&settings, &catalogue, customers, now);
        let inputs = ledger::Inputs {
            account: &account,
            settings: &settings,
            rules: "default",
            catalogue: &catalogue,
            as_of: &self.facts.subscriptions.iter().map(|sub| (sub.id.clone(), now)).collect(),
            observed_since: self.observed_since,
            now,
        };
        let after = advance(self.ledger.as_ref(), &inputs, &computed.holdings);
        let inputs = Inputs { account: &account, test_mode: true, before: self.ledger.as_ref(), after: &after, now };
        let stored: Vec<Signal> = self.signals.values().cloned().collect();
        let written = reconcile(&inputs, &stored, customers, &computed.holdings);
        self.signals.extend(written.iter().map(|signal| (signal.id.clone(), signal.clone())));
        let stored: Vec<Signal> = self.signals.values().cloned().collect();
        let again = Inputs { before: Some(&after), ..inputs };
        assert_eq!(reconcile(&again, &stored, customers, &computed.holdings), [], "a step without a change");
        self.ledger = Some(after);
        let mut written: Vec<_> =
            written.iter().map(|signal| (signal.kind, signal.state, signal.amount.amount)).collect();
        written.sort_unstable();
        written
    }

    fn only(&self) -> &Signal {
        assert_eq!(self.signals.len(), 1);
        self.signals.values().next().unwrap()
    }
}

fn declined(days: i64) -> Invoice {
    Invoice {
        status: InvoiceStatus::Open,
        number: Some("X-0001".to_owned()),
        amount_due: 10_000,
        amount_paid: 0,
        amount_remaining: 10_000,
        next_payment_attempt: Some(in_days(days + 3)),
        ..invoice("in_1", days, 0)
    }
}

use SignalState::{Acknowledged, Open, Resolved};

#[test]
fn a_declined_payment_is_heard_of_once_and_resolves_when_it_is_paid() {
    let mut account = Account::new(monthly(10_000));
    assert_eq!(account.step(-10), []);
    account.facts.invoices.push(declined(-5));
    assert_eq!(account.step(-5), [(SignalType::PaymentFailed, Open, 10_000)]);
    let signal = account.only().clone();
    assert_eq!(
        signal.message,
        "The payment of 100.00 USD for invoice X-0001 was declined; Stripe tries again on 2026-11-19."
    );
    assert_eq!(signal.link, "https://dashboard.stripe.com/test/invoices/in_1");
    assert_eq!((signal.plan.as_deref(), signal.occurred_at), (Some("a"), in_days(-5)));
    // Declined again: nothing new. Acknowledged: stays so.
    account.facts.invoices[0].attempt_count = 2;
    assert_eq!(account.step(-4), []);
    let seen = signal.acknowledged("ann", in_days(-4)).unwrap();
    assert_eq!((seen.state, seen.acknowledged("bob", in_days(-3))), (Acknowledged, None));
    account.signals.insert(seen.id.clone(), seen);
    account.facts.invoices[0].status = InvoiceStatus::Paid;
    assert_eq!(account.step(-3), [(SignalType::PaymentFailed, Resolved, 10_000)]);
    // An older state that is stored for a moment does not raise it twice.
    account.facts.invoices[0].status = InvoiceStatus::Open;
    assert_eq!(account.step(-3), [(SignalType::PaymentFailed, Acknowledged, 10_000)]);
    assert_eq!(account.only().resolved_at, None);
}

#[test]
fn past_due_is_heard_of_until_it_is_over() {
    let mut account = Account::new(in_status(SubscriptionStatus::PastDue, monthly(10_000)));
    account.facts.invoices.push(Invoice { amount_remaining: 4_000, ..declined(-5) });
    let expected = [(SignalType::PaymentFailed, Open, 10_000), (SignalType::PaymentOverdue, Open, 4_000)];
    assert_eq!(account.step(-5), expected);
    account.sub().status = SubscriptionStatus::Active;
    account.facts.invoices[0].status = InvoiceStatus::Paid;
    assert!(account.step(-1).iter().all(|(_, state, _)| *state == Resolved));
}

#[test]
fn a_cancellation_is_one_signal_whether_it_is_scheduled_or_over() {
    let mut account = Account::new(monthly(10_000));
    account.step(-10);
    let sub = account.sub();
    (sub.cancel_at_period_end, sub.canceled_at) = (true, Some(in_days(-5)));
    let feedback = Some("too_expensive".to_owned());
    sub.cancellation = Some(Cancellation { reason: None, feedback, comment: None });
    assert_eq!(account.step(-5), [(SignalType::SubscriptionCanceled, Open, 10_000)]);
    assert_eq!(account.only().message, "a was cancelled and ends on 2026-12-11 (too_expensive): 100.00 USD of MRR.");
    let sub = account.sub();
    (sub.status, sub.ended_at, sub.cancel_at_period_end) = (SubscriptionStatus::Canceled, Some(in_days(-1)), false);
    assert_eq!(account.step(-1), [], "the same cancellation");
}

#[test]
fn a_cancellation_that_is_withdrawn_resolves_and_is_news() {
    let mut account = Account::new(monthly(10_000));
    let sub = account.sub();
    (sub.cancel_at_period_end, sub.canceled_at) = (true, Some(in_days(-5)));
    account.step(-5);
    let sub = account.sub();
    (sub.cancel_at_period_end, sub.canceled_at) = (false, None);
    let written = account.step(-4);
    let expected =
        [(SignalType::SubscriptionCanceled, Resolved, 10_000), (SignalType::CancellationWithdrawn, Open, 10_000)];
    assert_eq!(written, expected);
    let sub = account.sub();
    (sub.cancel_at_period_end, sub.canceled_at) = (true, Some(in_days(-3)));
    assert_eq!(account.step(-3), [(SignalType::SubscriptionCanceled, Open, 10_000)], "another one");
}

#[test]
fn a_cancellation_at_once_says_what_was_lost() {
    let mut account = Account::new(monthly(10_000));
    account.step(-10);
    let sub = account.sub();
    (sub.status, sub.ended_at) = (SubscriptionStatus::Canceled, Some(in_days(-5)));
    sub.canceled_at = sub.ended_at;
    assert_eq!(account.step(-5), [(SignalType::SubscriptionCanceled, Open, 10_000)]);
    assert_eq!(account.only().message, "a ended on 2026-11-16: 100.00 USD of MRR.");
}

#[test]
fn a_downgrade_is_quantity_plan_or_price_and_no_discount() {
    let mut account = Account::new(monthly(10_000));
    account.sub().items[0].quantity = Some(3);
    account.step(-10);
    account.sub().discounts.push(applied(percent_off("10")));
    assert_eq!(account.step(-9), [], "a discount");
    account.sub().items[0].quantity = Some(2);
    assert_eq!(account.step(-8), [(SignalType::SubscriptionDowngraded, Open, 9_000)]);
    account.sub().items[0].quantity = Some(3);
    let written = account.step(-7);
    let expected =
        [(SignalType::SubscriptionDowngraded, Resolved, 9_000), (SignalType::SubscriptionUpgraded, Open, 9_000)];
    assert_eq!(written, expected);
    account.sub().items = vec![item(price("free", "0"), 1)];
    assert_eq!(account.step(-6), [(SignalType::SubscriptionDowngraded, Open, 27_000)], "to a free plan");
    account.sub().items = vec![item(price("a", "10000"), 1)];
    let written = account.step(-5);
    assert!(written.contains(&(SignalType::Reactivated, Open, 9_000)), "{written:?}");
}

#[test]
fn a_first_sync_raises_what_is_so_and_nothing_old() {
    let old = monthly(10_000);
    let mut account = Account::new(old);
    account.observed_since = None;
    let sub = account.sub();
    (sub.status, sub.ended_at) = (SubscriptionStatus::Canceled, Some(in_days(-31)));
    sub.canceled_at = sub.ended_at;
    account.facts.invoices = vec![declined(-40)];
    assert_eq!(account.step(0), []);
    account.facts.invoices = vec![declined(-29)];
    assert_eq!(account.step(0), [(SignalType::PaymentFailed, Open, 10_000)]);
}

#[test]
fn a_trial_is_heard_of_three_days_before_its_end() {
    let mut account = Account::new(in_status(SubscriptionStatus::Trialing, monthly(10_000)));
    account.sub().trial_end = Some(in_days(-1));
    assert_eq!(account.step(-5), []);
    assert_eq!(account.step(-3), [(SignalType::TrialEnding, Open, 10_000)]);
    account.sub().status = SubscriptionStatus::Active;
    assert_eq!(account.step(0), [(SignalType::TrialEnding, Resolved, 10_000)]);
}

#[test]
fn nobody_hears_of_sent_invoices_test_clocks_and_the_deleted() {
    let mut account = Account::new(monthly(10_000));
    account.facts.invoices = vec![Invoice { collection_method: Some("send_invoice".to_owned()), ..declined(-5) }];
    assert_eq!(account.step(-4), []);
    account.facts.invoices = vec![Invoice { test_clock: true, ..declined(-5) }];
    assert_eq!(account.step(-4), []);
    account.facts.invoices = vec![declined(-5)];
    account.facts.customer = None;
    assert_eq!(account.step(-4), []);
}

#[test]
fn a_dispute_is_heard_of_until_it_is_decided() {
    let mut account = Account::new(monthly(10_000));
    let mut paid = Invoice { number: Some("X-0002".to_owned()), ..invoice("in_1", -9, 10_000) };
    paid.payments = vec![PaymentId::new("ch_1").unwrap()];
    account.facts.invoices.push(paid);
    let opened = format!(
        r#"{{"id":"dp_1","customer":"cus_1","charge":"ch_1","amount":10000,"currency":"usd","created":"{}","status":"needs_response"}}"#,
        in_days(-5)
    );
    let Fact::Dispute(dispute) = Fact::from_json(Kind::Dispute, &opened).unwrap() else { unreachable!() };
    account.facts.money_back.disputes.push(*dispute);
    assert_eq!(account.step(-5), [(SignalType::DisputeOpened, Open, 10_000)]);
    let signal = account.only();
    assert_eq!(signal.message, "100.00 USD of invoice X-0002 are disputed; answer Stripe before its deadline.");
    assert_eq!(signal.link, "https://dashboard.stripe.com/test/disputes/dp_1");
    assert_eq!((signal.plan.as_deref(), signal.occurred_at), (Some("a"), in_days(-5)));
    account.facts.money_back.disputes[0].status = DisputeStatus::Lost;
    assert_eq!(account.step(-1), [(SignalType::DisputeOpened, Resolved, 10_000)]);
}

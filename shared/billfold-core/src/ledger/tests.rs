//! The ledger, one step after another: what each change is called, when it happened, and that the sums are right.

use super::{Basis, Cause, Inputs, Kinds, Ledger, Month, Months, MovementKind, Position, Summary, advance, summarise};
use crate::billing::{self, Computation, CustomerFacts, RateSource, Rates, Settings};
use crate::facts::{Fact, Interval, Invoice, Subscription, SubscriptionStatus};
use crate::id::{AccountId, LineId, SubscriptionId};
use crate::money::Currency;
use crate::mrr::build::*;
use crate::mrr::{Catalogue, Policy, Preset};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// One account and its ledger, moved through time.
pub(super) struct Account {
    pub(super) settings: Settings,
    pub(super) catalogue: Catalogue,
    pub(super) facts: CustomerFacts,
    pub(super) as_of: BTreeMap<SubscriptionId, Timestamp>,
    pub(super) observed_since: Option<Timestamp>,
    pub(super) ledger: Option<Ledger>,
    rules: String,
}

impl Account {
    pub(super) fn new(subscriptions: Vec<Subscription>) -> Self {
        let settings = Settings { currency: Currency::USD, policy: Policy::default(), rates: None };
        let facts = CustomerFacts {
            customer: Some(customer("cus_1")),
            subscriptions,
            invoices: Vec::new(),
            money_back: Default::default(),
        };
        Self {
            settings,
            catalogue: Catalogue::default(),
            facts,
            as_of: BTreeMap::new(),
            observed_since: Some(in_days(-50)),
            ledger: None,
            rules: "default".to_owned(),
        }
    }

    fn rate(&mut self, code: &str, rate: &str) {
        let per_unit = BTreeMap::from([(currency(code), rate.to_owned())]);
        self.settings.rates =
            Some(Rates { source: RateSource::Manual, as_of: "2026-11-20".parse().unwrap(), per_unit });
    }

    /// One step at a time; checks the law, and that a second step changes nothing.
    pub(super) fn step(&mut self, now: Timestamp) -> Ledger {
        let customers = std::slice::from_ref(&self.facts);
        let Computation { billing, holdings } = billing::compute(&self.settings, &self.catalogue, customers, now);
        let inputs = Inputs {
            account: &AccountId::new("acc_1").unwrap(),
            settings: &self.settings,
            rules: &self.rules,
            catalogue: &self.catalogue,
            as_of: &self.as_of,
            observed_since: self.observed_since,
            now,
        };
        let ledger = advance(self.ledger.as_ref(), &inputs, &holdings);
        assert_eq!(ledger.imbalance(billing.mrr, &billing.mrr_by_currency), None, "{ledger:#?}");
        assert_eq!(advance(Some(&ledger), &inputs, &holdings), ledger, "a step without a change");
        let stored = serde_json::to_string(&ledger).unwrap();
        assert_eq!(serde_json::from_str::<Ledger>(&stored).unwrap(), ledger);
        self.ledger = Some(ledger.clone());
        ledger
    }

    /// Changes the first subscription on a day, and takes a step on that day.
    fn change(&mut self, day: i64, change: impl FnOnce(&mut Subscription)) -> Ledger {
        let subscription = &mut self.facts.subscriptions[0];
        change(subscription);
        self.as_of.insert(subscription.id.clone(), in_days(day));
        self.step(in_days(day))
    }
}

type Told = (MovementKind, i64, Cause);

fn told(ledger: &Ledger) -> Vec<Told> {
    ledger.movements.iter().map(|movement| (movement.kind, movement.amount.amount, movement.cause)).collect()
}

fn last(ledger: &Ledger) -> Told {
    *told(ledger).last().unwrap()
}

fn named(id: &str, subscription: Subscription) -> Subscription {
    Subscription { id: SubscriptionId::new(id).unwrap(), ..subscription }
}

#[test]
fn each_change_is_one_movement_with_its_kind_and_cause() {
    let mut account = Account::new(vec![monthly(10_000)]);
    account.facts.subscriptions[0].start_date = Some(in_days(-40));
    let first = account.step(in_days(-40));
    assert_eq!(told(&first), [(MovementKind::New, 10_000, Cause::SubscriptionStarted)]);
    assert_eq!((first.movements[0].at, first.movements[0].basis), (in_days(-40), Basis::Observed));

    let more = account.change(-30, |sub| sub.items[0].quantity = Some(3));
    assert_eq!(last(&more), (MovementKind::Expansion, 20_000, Cause::QuantityChanged));
    let less = account.change(-29, |sub| sub.items = vec![item(price("b", "12000"), 1)]);
    assert_eq!(last(&less), (MovementKind::Contraction, -18_000, Cause::PlanChanged));
    let cheaper = account.change(-28, |sub| sub.discounts.push(applied(percent_off("50"))));
    assert_eq!(last(&cheaper), (MovementKind::Contraction, -6_000, Cause::DiscountChanged));
    let overdue = account.change(-27, |sub| sub.status = SubscriptionStatus::PastDue);
    assert_eq!(overdue.movements.len(), 4, "past due still counts");
    let unpaid = account.change(-26, |sub| sub.status = SubscriptionStatus::Unpaid);
    assert_eq!(last(&unpaid), (MovementKind::Churn, -6_000, Cause::SubscriptionStopped));
    let back = account.change(-25, |sub| sub.status = SubscriptionStatus::Active);
    assert_eq!(last(&back), (MovementKind::Reactivation, 6_000, Cause::SubscriptionResumed));
    let over = account.change(-20, |sub| {
        (sub.status, sub.ended_at) = (SubscriptionStatus::Canceled, Some(in_days(-21)));
    });
    assert_eq!(last(&over), (MovementKind::Churn, -6_000, Cause::SubscriptionEnded));
    assert_eq!(over.movements.last().unwrap().at, in_days(-21), "when Stripe says that it ended");
    let mut ids: Vec<&String> = over.movements.iter().map(|movement| &movement.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 7);
}

#[test]
fn one_of_two_subscriptions_that_ends_is_a_contraction() {
    let mut account = Account::new(vec![monthly(10_000), named("sub_2", monthly(5_000))]);
    account.step(in_days(-10));
    let ledger =
        account.change(-5, |sub| (sub.status, sub.ended_at) = (SubscriptionStatus::Canceled, Some(in_days(-5))));
    assert_eq!(last(&ledger), (MovementKind::Contraction, -10_000, Cause::SubscriptionEnded));
}

#[test]
fn a_subscription_that_takes_the_place_of_another_is_no_churn() {
    let mut account = Account::new(vec![monthly(10_000)]);
    account.step(in_days(-10));
    let next = Subscription { start_date: Some(in_days(-5)), ..named("sub_2", monthly(15_000)) };
    account.facts.subscriptions.push(next);
    let ledger =
        account.change(-5, |sub| (sub.status, sub.ended_at) = (SubscriptionStatus::Canceled, Some(in_days(-5))));
    let kinds: Vec<MovementKind> = ledger.movements.iter().map(|movement| movement.kind).collect();
    assert_eq!(kinds, [MovementKind::New, MovementKind::Expansion, MovementKind::Contraction]);
}

#[test]
fn a_trial_is_new_when_it_ends() {
    let mut account = Account::new(vec![in_status(SubscriptionStatus::Trialing, monthly(10_000))]);
    account.facts.subscriptions[0].trial_end = Some(in_days(-3));
    assert!(account.step(in_days(-10)).movements.is_empty());
    let ledger = account.change(-2, |sub| sub.status = SubscriptionStatus::Active);
    assert_eq!(last(&ledger), (MovementKind::New, 10_000, Cause::SubscriptionStarted));
    assert_eq!(ledger.movements[0].at, in_days(-3));
}

#[test]
fn rates_alone_are_a_movement_of_their_own() {
    let mut euro = monthly(10_000);
    (euro.currency, euro.items[0].price.currency) = (currency("eur"), currency("eur"));
    let mut account = Account::new(vec![euro]);
    let unconverted = account.step(in_days(-10));
    assert_eq!(unconverted.movements[0].converted, None);
    account.rate("eur", "1.10");
    let known = account.step(in_days(-9));
    assert_eq!(last(&known), (MovementKind::Fx, 0, Cause::RatesChanged));
    assert_eq!(known.converted_sum(), 11_000);
    account.rate("eur", "1.20");
    let changed = account.change(-8, |sub| sub.items[0].quantity = Some(2));
    let converted: Vec<i64> = changed.movements.iter().map(|m| m.converted.map_or(0, |money| money.amount)).collect();
    assert_eq!(converted, [0, 11_000, 1_000, 12_000], "the rate first, then the change at the new rate");
    account.settings.currency = currency("eur");
    account.settings.rates = None;
    let restated = account.step(in_days(-7));
    assert_eq!((restated.converted_sum(), restated.movements.len()), (20_000, 2), "in euro there were no rates");
}

#[test]
fn other_rules_restate_and_nobody_came_or_left() {
    let mut account = Account::new(vec![with_discount(percent_off("20"), monthly(10_000))]);
    account.step(in_days(-10));
    account.settings.policy = Preset::Simple.policy();
    account.rules = "simple".to_owned();
    let ledger = account.step(in_days(-5));
    assert_eq!(last(&ledger), (MovementKind::Restatement, 2_000, Cause::RulesChanged));
    assert_eq!(ledger.rules, "simple");
}

#[test]
fn what_belongs_to_another_account_takes_its_movements_along() {
    let mut account = Account::new(vec![monthly(10_000), named("sub_2", monthly(5_000))]);
    let both = account.step(in_days(-10));
    let moved = account.facts.subscriptions.pop().unwrap();
    let left = account.step(in_days(-5));
    assert_eq!(told(&left), [(MovementKind::New, 10_000, Cause::SubscriptionStarted)]);
    let mut other = Account::new(vec![moved]);
    let there = other.step(in_days(-5));
    let before = both.movements.iter().find(|m| m.subscription_id.as_ref().unwrap().as_str() == "sub_2").unwrap();
    assert_eq!((there.movements[0].at, &there.movements[0].id), (before.at, &before.id));
}

fn billed(days: i64, price: &str, quantity: i64, amount: i64, length: i64) -> Invoice {
    let mut made = invoice(&format!("in_{days}"), days, amount);
    let mut of = line("a", amount, 0, 0);
    of.id = LineId::new(format!("il_{days}")).unwrap();
    of.subscription = made.subscription.clone();
    of.price = Some(crate::id::PriceId::new(price).unwrap());
    (of.quantity, of.period_start, of.period_end) = (Some(quantity), in_days(days), in_days(days + length));
    made.lines.push(of);
    made
}

#[test]
fn the_past_is_worked_out_from_invoice_lines_and_marked() {
    let mut account = Account::new(vec![active(vec![item(price("b", "20000"), 1)])]);
    account.catalogue = catalogue([Fact::Price(Box::new(price("a", "10000")))]);
    account.facts.subscriptions[0].start_date = Some(in_days(-300));
    account.observed_since = None;
    account.facts.invoices = vec![
        billed(-100, "price_a", 1, 10_000, 30),
        billed(-70, "price_a", 3, 30_000, 30),
        billed(-40, "price_a", 3, 30_000, 30),
        billed(-10, "price_b", 1, 20_000, 30),
    ];
    let ledger = account.step(now());
    let expected = [
        (MovementKind::New, 10_000, Cause::SubscriptionStarted),
        (MovementKind::Expansion, 20_000, Cause::QuantityChanged),
        (MovementKind::Contraction, -10_000, Cause::PlanChanged),
    ];
    assert_eq!(told(&ledger), expected);
    let when: Vec<Timestamp> = ledger.movements.iter().map(|movement| movement.at).collect();
    assert_eq!(when, [in_days(-300), in_days(-70), in_days(-10)], "the oldest line speaks for what was before it");
    assert!(ledger.movements.iter().all(|movement| movement.basis == Basis::Derived));
    account.observed_since = Some(now());
    assert_eq!(account.step(now()), ledger);
    // Thrown away and computed again: the same movements with the same ids.
    account.ledger = None;
    assert_eq!(account.step(now()).movements, ledger.movements);
}

#[test]
fn before_everything_is_read_the_past_is_worked_out_anew() {
    let mut account = Account::new(vec![monthly(10_000)]);
    account.observed_since = None;
    account.step(in_days(-1));
    account.facts.subscriptions.push(named("sub_2", monthly(5_000)));
    let ledger = account.step(now());
    assert_eq!(ledger.movements.len(), 2);
    assert!(ledger.movements.iter().all(|movement| movement.basis == Basis::Derived));
}

#[test]
fn what_ended_long_ago_has_a_beginning_and_an_end() {
    let mut over = in_status(SubscriptionStatus::Canceled, monthly(10_000));
    (over.start_date, over.ended_at) = (Some(in_days(-400)), Some(in_days(-200)));
    let mut in_trial = named("sub_2", over.clone());
    in_trial.trial_end = Some(in_days(-200));
    let mut never = named("sub_3", over.clone());
    never.status = SubscriptionStatus::IncompleteExpired;
    let mut account = Account::new(vec![over, in_trial, never]);
    let ledger = account.step(now());
    let expected = [
        (MovementKind::New, 10_000, Cause::SubscriptionStarted),
        (MovementKind::Churn, -10_000, Cause::SubscriptionEnded),
    ];
    assert_eq!(told(&ledger), expected);
}

fn summary(accounts: &[Account], months: Months) -> Summary {
    let with = accounts.iter().map(|account| {
        let facts = std::slice::from_ref(&account.facts);
        let billing = billing::account(&account.settings, &account.catalogue, facts, now());
        let position = Position {
            mrr: billing.mrr,
            arr: billing.arr,
            paying: billing.paying,
            payment_status: billing.payment_status,
            unconverted: billing.unconverted,
        };
        (position, account.ledger.clone().unwrap())
    });
    summarise(Currency::USD, with, months, now()).unwrap()
}

#[test]
fn a_summary_adds_up_to_the_cent() {
    let mut grown = Account::new(vec![monthly(10_000)]);
    grown.facts.subscriptions[0].start_date = Some(in_days(-45));
    grown.step(in_days(-45));
    grown.change(-10, |sub| sub.items[0].quantity = Some(2));
    let mut gone = Account::new(vec![monthly(4_000)]);
    gone.step(in_days(-40));
    gone.change(-3, |sub| (sub.status, sub.ended_at) = (SubscriptionStatus::Canceled, Some(in_days(-3))));
    let mut late = Account::new(vec![in_status(SubscriptionStatus::PastDue, monthly(600))]);
    late.facts.subscriptions[0].start_date = Some(in_days(-2));
    late.step(now());
    let accounts = [grown, gone, late];
    let months = Months::up_to(now());
    let all = summary(&accounts, months);
    assert_eq!((all.mrr.amount, all.accounts, all.active_accounts), (20_600, 3, 2));
    assert_eq!(all.movements.len(), 12);
    let last = all.movements.last().unwrap();
    assert_eq!((last.month.to_string().as_str(), last.opening.amount, last.closing), ("2026-11", 14_000, all.mrr));
    for (before, after) in all.movements.iter().zip(all.movements.iter().skip(1)) {
        assert_eq!(before.closing, after.opening);
    }
    for month in &all.movements {
        let Kinds { new, expansion, contraction, churn, reactivation, fx, restatement } = month.flows;
        let flows: i64 =
            [new, expansion, contraction, churn, reactivation, fx, restatement].iter().map(|money| money.amount).sum();
        assert_eq!(month.opening.amount + flows, month.closing.amount);
    }
    let text = |ratio: Option<super::Ratio>| ratio.map(|ratio| ratio.to_string());
    // Of 140.00 there are 200.00 left: 100.00 of them were there before.
    assert_eq!(text(last.retention.net_retention).as_deref(), Some("1.4286"));
    assert_eq!(text(last.retention.gross_retention).as_deref(), Some("0.7143"));
    assert_eq!(text(last.retention.revenue_churn).as_deref(), Some("0.2857"));
    assert_eq!(text(last.retention.customer_churn).as_deref(), Some("0.5000"));
    assert_eq!(text(last.retention.quick_ratio).as_deref(), Some("2.6500"));
    let overdue = &all.at_risk.overdue;
    assert_eq!((overdue.accounts, overdue.mrr.amount, overdue.arr.amount), (1, 600, 7_200));
}

#[test]
fn a_yearly_price_and_a_monthly_one_on_one_subscription_run_side_by_side() {
    let mut account = Account::new(vec![active(vec![
        item(price("a", "5000"), 1),
        item(every(1, Interval::Year, price("b", "60000")), 1),
    ])]);
    account.facts.subscriptions[0].start_date = Some(in_days(-60));
    let mut first = billed(-60, "price_a", 1, 5_000, 30);
    let mut yearly = first.lines[0].clone();
    yearly.id = LineId::new("il_year").unwrap();
    yearly.subscription_item = Some(crate::id::ItemId::new("si_b").unwrap());
    yearly.price = Some(crate::id::PriceId::new("price_b").unwrap());
    (yearly.amount, yearly.period_end) = (60_000, in_days(305));
    first.lines.push(yearly);
    account.facts.invoices = vec![first, billed(-30, "price_a", 1, 5_000, 30)];
    let ledger = account.step(now());
    assert_eq!(told(&ledger), [(MovementKind::New, 10_000, Cause::SubscriptionStarted)]);
}

#[test]
fn months_are_read_and_counted() {
    let check = |text: &str, expected: Option<&str>| {
        let month: Option<Month> = text.parse().ok();
        assert_eq!(month.map(|month| month.to_string()).as_deref(), expected, "{text}");
    };
    check("2026-11", Some("2026-11"));
    check("2026-11-21", Some("2026-11"));
    for bad in ["", "2026", "2026-13", "11-2026", "1969-12", "2026-11-21T00:00:00Z", "+002026-11"] {
        check(bad, None);
    }
    let months = Months { from: "2025-11".parse().unwrap(), to: "2026-02".parse().unwrap() };
    let each: Vec<String> = months.each().map(|month| month.to_string()).collect();
    assert_eq!(each, ["2025-11", "2025-12", "2026-01", "2026-02"]);
    assert_eq!(Months { from: months.to, to: months.from }.each().count(), 0);
}

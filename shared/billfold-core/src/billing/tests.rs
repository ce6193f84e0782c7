//! Accounts as a whole: sums, currencies, rows and what the customer was sold.

use super::{
    AccountBilling, CustomerFacts, INVOICES_SHOWN, RateSource, Rates, Settings, TrialState, account, explain,
    newest_invoices,
};
use crate::facts::{Customer, Fact, Interval, Invoice, InvoiceStatus, MoneyBack, Subscription, SubscriptionStatus};
use crate::id::SubscriptionId;
use crate::money::{Currency, Money};
use crate::mrr::build::*;
use crate::mrr::{Catalogue, Policy, Rule};
use std::collections::BTreeMap;

pub(super) fn facts(id: &str, subscriptions: Vec<Subscription>, invoices: Vec<Invoice>) -> CustomerFacts {
    CustomerFacts { customer: Some(customer(id)), subscriptions, invoices, money_back: MoneyBack::default() }
}

/// One customer with one subscription.
pub(super) fn of(subscription: Subscription, invoices: Vec<Invoice>) -> Vec<CustomerFacts> {
    vec![facts("cus_1", vec![subscription], invoices)]
}

fn settings(rates: &[(&str, &str)]) -> Settings {
    let per_unit: BTreeMap<Currency, String> =
        rates.iter().map(|(code, rate)| (currency(code), (*rate).to_owned())).collect();
    let table = Rates { source: RateSource::Ecb, as_of: "2026-11-20".parse().unwrap(), per_unit };
    Settings { currency: Currency::USD, policy: Policy::default(), rates: (!rates.is_empty()).then_some(table) }
}

fn billing(settings: &Settings, customers: &[CustomerFacts]) -> AccountBilling {
    let billing = account(settings, &Catalogue::default(), customers, now());
    let stored = serde_json::to_string(&billing).unwrap();
    assert_eq!(serde_json::from_str::<AccountBilling>(&stored).unwrap(), billing, "{stored}");
    assert_eq!(account(settings, &Catalogue::default(), customers, now()), billing);
    billing
}

fn named(id: &str, subscription: Subscription) -> Subscription {
    Subscription { id: SubscriptionId::new(id).unwrap(), ..subscription }
}

fn in_currency(code: &str, id: &str, minor: i64) -> Subscription {
    let mut made = named(id, monthly(minor));
    made.items[0].price.currency = currency(code);
    Subscription { currency: currency(code), ..made }
}

fn yearly(id: &str, minor: &str) -> Subscription {
    named(id, active(vec![item(every(1, Interval::Year, price("a", minor)), 1)]))
}

#[test]
fn an_account_is_the_sum_of_its_rounded_subscriptions() {
    // Golden case 19.
    let three = ["sub_1", "sub_2", "sub_3"].map(|id| yearly(id, "10000")).to_vec();
    let billing = billing(&settings(&[]), &[facts("cus_1", three, vec![])]);
    assert_eq!((billing.mrr.amount, billing.arr.amount), (2_499, 30_000));
    assert_eq!((billing.paying, billing.active_subscriptions), (true, 3));
}

#[test]
fn a_free_account_is_live_and_does_not_pay() {
    let billing = billing(&settings(&[]), &of(with_discount(percent_off("100"), monthly(10_000)), vec![]));
    assert_eq!((billing.mrr.amount, billing.paying, billing.active_subscriptions), (0, false, 1));
    assert_eq!(billing.payment_status.as_str(), "paid");
    assert!(billing.mrr_by_currency.is_empty());
    let tiny = yearly("sub_1", "4");
    let billing = account(&settings(&[]), &Catalogue::default(), &of(tiny, vec![]), now());
    assert_eq!((billing.mrr.amount, billing.arr.amount, billing.paying), (0, 4, true));
}

#[test]
fn currencies_are_kept_apart_and_converted_once_each() {
    let customers = [
        facts("cus_1", vec![monthly(10_000), in_currency("eur", "sub_2", 5_001)], vec![]),
        facts("cus_2", vec![in_currency("eur", "sub_3", 5_000), in_currency("jpy", "sub_4", 1_200)], vec![]),
    ];
    let converted = billing(&settings(&[("eur", "1.085")]), &customers);
    // 100.01 EUR × 1.085 = 108.51085 USD.
    assert_eq!((converted.mrr.amount, converted.arr.amount), (10_000 + 10_851, 120_000 + 130_213));
    assert_eq!(converted.mrr_by_currency[&currency("eur")], Money::new(10_001, currency("eur")));
    assert_eq!(converted.arr_by_currency[&currency("jpy")], Money::new(14_400, currency("jpy")));
    assert_eq!(converted.unconverted, [currency("jpy")]);
    assert_eq!(converted.rates_as_of, Some("2026-11-20".parse().unwrap()));
    let alone = billing(&settings(&[]), &customers);
    assert_eq!((alone.mrr.amount, alone.rates_as_of), (10_000, None));
    assert_eq!(alone.unconverted, [currency("eur"), currency("jpy")]);
    let unused = billing(&settings(&[("eur", "1.085")]), &of(monthly(10_000), vec![]));
    assert_eq!((unused.unconverted.len(), unused.rates_as_of), (0, None));
}

#[test]
fn a_sum_that_does_not_fit_is_said_and_not_shown() {
    let huge = |id: &str| yearly(id, &i64::MAX.to_string());
    let both = [facts("cus_1", vec![huge("sub_1"), huge("sub_2")], vec![])];
    let too_large = billing(&settings(&[]), &both);
    assert_eq!((too_large.mrr.amount, too_large.arr.amount), (0, 0));
    assert!(too_large.mrr_by_currency.is_empty());
    assert_eq!(too_large.not_computable[0].reason, "It cannot be worked out: the MRR or ARR in usd is too large.");
    let in_euros = of(in_currency("eur", "sub_1", i64::MAX / 12), vec![]);
    let too_large = billing(&settings(&[("eur", "100")]), &in_euros);
    assert_eq!((too_large.mrr.amount, too_large.not_computable.len()), (0, 1));
    let paid = |id: &str| invoice(id, -3, i64::MAX);
    let too_large = billing(&settings(&[]), &of(monthly(1), vec![paid("in_1"), paid("in_2")]));
    assert!(too_large.lifetime_value.is_empty());
    assert!(too_large.not_computable[0].reason.contains("lifetime value in usd"));
}

#[test]
fn what_cannot_be_worked_out_is_listed() {
    let mut broken = named("sub_9", monthly(5_000));
    broken.items[0].quantity = None;
    let billing = billing(&settings(&[]), &[facts("cus_1", vec![monthly(1_000), broken], vec![])]);
    assert_eq!(billing.mrr.amount, 1_000);
    assert_eq!(billing.not_computable.len(), 1);
    let listed = &billing.not_computable[0];
    assert_eq!(listed.subscription_id.as_ref().unwrap().as_str(), "sub_9");
    assert_eq!(listed.item_id.as_ref().unwrap().as_str(), "si_a");
}

#[test]
fn nothing_of_a_test_clock_is_anywhere() {
    let of_clock = Subscription { test_clock: true, ..monthly(5_000) };
    let mut customers = of(of_clock, vec![Invoice { test_clock: true, ..invoice("in_1", -3, 5_000) }]);
    let nothing = billing(&settings(&[]), &[]);
    assert_eq!(billing(&settings(&[]), &customers), nothing);
    customers[0].customer = Some(Customer { test_clock: true, ..customer("cus_1") });
    customers[0].subscriptions = vec![monthly(5_000)];
    customers[0].invoices = vec![invoice("in_1", -3, 5_000)];
    assert_eq!(billing(&settings(&[]), &customers), nothing);
    let (settings, catalogue) = (settings(&[]), Catalogue::default());
    let explained = explain(&settings, &catalogue, &customers, now());
    assert_eq!(explained[0].rule, Rule::TestClock);
}

#[test]
fn the_largest_live_subscription_names_the_plan() {
    let over = named("sub_over", in_status(SubscriptionStatus::Canceled, monthly(90_000)));
    let late = named("sub_late", in_status(SubscriptionStatus::PastDue, monthly(2_000)));
    let unpaid = named("sub_unpaid", in_status(SubscriptionStatus::Unpaid, monthly(70_000)));
    let two = vec![item(price("small", "500"), 9), item(every(3, Interval::Month, price("big", "30000")), 2)];
    let large = named("sub_large", active(two));
    let customers = [facts("cus_1", vec![over, unpaid, late], vec![]), facts("cus_2", vec![large], vec![])];
    let names = Catalogue::from_facts([product("big", "Scale")]);
    let billing = account(&settings(&[]), &names, &customers, now());
    let order: Vec<&str> = billing.subscriptions.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(order, ["sub_large", "sub_late", "sub_over", "sub_unpaid"]);
    assert_eq!(billing.plan.as_deref(), Some("Scale"));
    let row = &billing.subscriptions[0];
    assert_eq!((row.quantity, row.interval.as_deref(), row.mrr.amount), (Some(2), Some("3 months"), 24_500));
    assert_eq!((billing.promise.plan.as_deref(), billing.promise.quantity), (Some("Scale"), Some(2)));
    assert_eq!(billing.promise.status, Some(SubscriptionStatus::Active));
    assert_eq!(billing.active_subscriptions, 2);
}

#[test]
fn a_plan_without_a_known_product_has_the_prices_name_or_an_id() {
    let plan = |subscription: Subscription| billing(&settings(&[]), &of(subscription, vec![])).plan;
    assert_eq!(plan(monthly(5)).as_deref(), Some("a"));
    let mut nicknamed = monthly(5);
    nicknamed.items[0].price.nickname = Some("Gold".to_owned());
    assert_eq!(plan(nicknamed.clone()).as_deref(), Some("Gold"));
    assert_eq!(plan(in_status(SubscriptionStatus::Canceled, nicknamed)), None);
    let mut bare = monthly(5);
    bare.items[0].price.product = None;
    assert_eq!(plan(bare).as_deref(), Some("price_a"));
}

#[test]
fn renewal_is_the_next_of_what_goes_on() {
    let ending = |end_days: i64, change: fn(&mut Subscription)| {
        let mut made = monthly(5_000);
        made.items[0].period_end = Some(in_days(end_days));
        change(&mut made);
        made
    };
    let cancelling = ending(3, |made| made.cancel_at_period_end = true);
    let ends_before = ending(4, |made| made.cancel_at = Some(in_days(4)));
    let unpaid = ending(5, |made| made.status = SubscriptionStatus::Unpaid);
    let ends_later = ending(6, |made| made.cancel_at = Some(in_days(40)));
    let customers = [facts("cus_1", vec![ending(9, |_| {}), cancelling, ends_before, unpaid, ends_later], vec![])];
    let billing = billing(&settings(&[]), &customers);
    assert_eq!(billing.renews_at, Some(in_days(6)));
    let cancel_at: Vec<_> = billing.subscriptions.iter().filter_map(|row| row.cancel_at).collect();
    assert_eq!(cancel_at.len(), 3);
}

#[test]
fn the_newest_invoices_are_listed_and_all_of_them_are_lifetime_value() {
    let many = (0..14).map(|day| invoice(&format!("in_{day:02}"), -day, 1_000)).collect();
    let older = invoice("in_older", -50, 700);
    let euros = Invoice { currency: currency("eur"), ..invoice("in_eur", -60, 700) };
    let customers = [facts("cus_1", vec![], many), facts("cus_2", vec![], vec![older, euros])];
    let billing = billing(&settings(&[]), &customers);
    let newest = newest_invoices(customers.iter().flat_map(|facts| &facts.invoices), None);
    let ids: Vec<&str> = newest.iter().map(|row| row.id.as_str()).collect();
    assert_eq!((ids.len(), ids[0], ids[9]), (INVOICES_SHOWN, "in_00", "in_09"));
    assert_eq!(billing.lifetime_value[&Currency::USD].amount, 14_000 + 700);
    assert_eq!(billing.lifetime_value[&currency("eur")].amount, 700);
}

#[test]
fn a_trial_stands_where_its_end_and_the_subscription_say() {
    let tried = |status: SubscriptionStatus, end_days: i64, ended_days: Option<i64>| Subscription {
        trial_start: Some(in_days(-14)),
        trial_end: Some(in_days(end_days)),
        ended_at: ended_days.map(in_days),
        ..in_status(status, monthly(5_000))
    };
    let check = |subscription: Subscription, invoices: Vec<Invoice>, expected: TrialState| {
        let billing = billing(&settings(&[]), &of(subscription, invoices));
        assert_eq!(billing.subscriptions[0].trial.state, expected);
    };
    let running = || tried(SubscriptionStatus::Trialing, 7, None);
    let free = || invoice("in_free", -13, 0);
    check(running(), vec![], TrialState::TrialingUnpaid);
    check(running(), vec![free()], TrialState::TrialingUnpaid);
    check(running(), vec![free(), invoice("in_set_up", -2, 900)], TrialState::TrialingPaid);
    check(running(), vec![invoice("in_before", -30, 900)], TrialState::TrialingUnpaid);
    let owed = Invoice { status: InvoiceStatus::Open, ..invoice("in_owed", -1, 0) };
    check(running(), vec![invoice("in_set_up", -2, 900), owed], TrialState::TrialingUnpaid);
    check(tried(SubscriptionStatus::Active, -7, None), vec![], TrialState::Converted);
    check(tried(SubscriptionStatus::Canceled, -7, Some(-1)), vec![], TrialState::Converted);
    check(tried(SubscriptionStatus::Canceled, -7, Some(-7)), vec![], TrialState::Expired);
    check(tried(SubscriptionStatus::Canceled, 7, Some(-1)), vec![], TrialState::Expired);
    let silent = Subscription { canceled_at: Some(in_days(-9)), ..tried(SubscriptionStatus::Canceled, -7, None) };
    check(silent, vec![], TrialState::Expired);
    check(tried(SubscriptionStatus::Active, 7, None), vec![], TrialState::None);
    check(monthly(5_000), vec![], TrialState::None);
}

#[test]
fn the_stored_billing_has_the_fields_of_the_billing_tab() {
    let subscription = Subscription { cancel_at_period_end: true, ..monthly(9_900) };
    let paid = Invoice {
        number: Some("F-1".to_owned()),
        paid_at: Some(in_days(-10)),
        hosted_invoice_url: Some("https://invoice.stripe.com/i/1".to_owned()),
        ..invoice("in_1", -10, 9_900)
    };
    let names = Catalogue::from_facts([product("a", "Team")]);
    insta::assert_json_snapshot!(account(&settings(&[]), &names, &of(subscription, vec![paid]), now()));
}

#[test]
fn a_customers_own_discount_and_invoices_stay_with_it() {
    let generous = Customer { discount: Some(applied(percent_off("50"))), ..customer("cus_1") };
    let customers = [
        CustomerFacts { customer: Some(generous), ..facts("cus_1", vec![monthly(1_000)], vec![]) },
        facts("cus_2", vec![named("sub_2", monthly(1_000))], vec![]),
    ];
    let (settings, catalogue) = (settings(&[]), Catalogue::default());
    let explained = explain(&settings, &catalogue, &customers, now());
    let each: Vec<i64> = explained.iter().map(|one| one.mrr.amount).collect();
    assert_eq!(each, [500, 1_000]);
    assert_eq!(explained[0].customer_id.as_str(), "cus_1");
    let whole = Catalogue::from_facts(
        customers.iter().filter_map(|one| one.customer.clone()).map(|c| Fact::Customer(Box::new(c))),
    );
    assert!(whole.discount(&crate::id::DiscountId::new("di_percent").unwrap()).is_some());
}

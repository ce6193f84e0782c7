//! Payment status row by row (MRR.md §5).

use super::CustomerFacts;
use super::payment::{Health, Level, PaymentStatus, judge};
use super::tests::{facts, of};
use crate::facts::{Customer, Invoice, InvoiceStatus, PauseCollection, Subscription, SubscriptionStatus};
use crate::mrr::build::*;

fn check(customers: &[CustomerFacts], expected: PaymentStatus) {
    let judged = judge(customers, now());
    assert_eq!(judged.status, expected, "{}", judged.reason);
}

fn subscribed(status: SubscriptionStatus) -> Subscription {
    in_status(status, monthly(5_000))
}

fn open() -> Invoice {
    Invoice { status: InvoiceStatus::Open, attempted: false, attempt_count: 0, ..invoice("in_1", -3, 0) }
}

fn declined() -> Invoice {
    Invoice { attempted: true, attempt_count: 4, ..open() }
}

#[test]
fn a_subscription_alone_decides_by_its_status() {
    let alone = |status: SubscriptionStatus, expected| check(&of(subscribed(status), vec![]), expected);
    alone(SubscriptionStatus::Active, PaymentStatus::Paid);
    alone(SubscriptionStatus::Trialing, PaymentStatus::Paid);
    alone(SubscriptionStatus::PastDue, PaymentStatus::Overdue);
    alone(SubscriptionStatus::Unpaid, PaymentStatus::Failed);
    alone(SubscriptionStatus::Incomplete, PaymentStatus::Failed);
    alone(SubscriptionStatus::Paused, PaymentStatus::None);
    alone(SubscriptionStatus::Canceled, PaymentStatus::None);
    alone(SubscriptionStatus::IncompleteExpired, PaymentStatus::None);
    alone(SubscriptionStatus::Other("dormant".into()), PaymentStatus::None);
    check(&[], PaymentStatus::None);
    let pause = PauseCollection { behavior: "void".to_owned(), resumes_at: None };
    check(&of(Subscription { pause_collection: Some(pause), ..monthly(5_000) }, vec![]), PaymentStatus::Paid);
    check(&of(monthly(0), vec![]), PaymentStatus::Paid);
}

#[test]
fn an_open_invoice_decides_by_what_became_of_it() {
    let billed = |invoice: Invoice, expected| check(&of(monthly(5_000), vec![invoice]), expected);
    billed(open(), PaymentStatus::Paid);
    billed(Invoice { next_payment_attempt: Some(in_days(1)), ..open() }, PaymentStatus::Paid);
    billed(declined(), PaymentStatus::Failed);
    billed(Invoice { next_payment_attempt: Some(in_days(1)), ..declined() }, PaymentStatus::Overdue);
    let sent = Invoice { collection_method: Some("send_invoice".to_owned()), ..declined() };
    billed(Invoice { due_date: Some(in_days(1)), ..sent.clone() }, PaymentStatus::Paid);
    billed(Invoice { due_date: Some(now()), ..sent.clone() }, PaymentStatus::Paid);
    billed(Invoice { due_date: Some(in_days(-1)), ..sent }, PaymentStatus::Overdue);
    for over in [InvoiceStatus::Draft, InvoiceStatus::Paid, InvoiceStatus::Void, InvoiceStatus::Uncollectible] {
        billed(Invoice { status: over, due_date: Some(in_days(-9)), ..declined() }, PaymentStatus::Paid);
    }
}

#[test]
fn the_worst_decides_whoever_it_is_of() {
    let healthy = facts("cus_1", vec![monthly(5_000)], vec![]);
    let late = facts("cus_2", vec![subscribed(SubscriptionStatus::PastDue)], vec![]);
    let gone = facts("cus_3", vec![subscribed(SubscriptionStatus::Canceled)], vec![declined()]);
    check(&[healthy.clone(), late.clone()], PaymentStatus::Overdue);
    check(&[late.clone(), healthy.clone()], PaymentStatus::Overdue);
    check(&[late, gone, healthy], PaymentStatus::Failed);
}

#[test]
fn test_clocks_and_deleted_customers_owe_nothing() {
    let of_clock = Subscription { test_clock: true, ..subscribed(SubscriptionStatus::Unpaid) };
    check(&of(of_clock, vec![Invoice { test_clock: true, ..declined() }]), PaymentStatus::None);
    let clock_customer = Customer { test_clock: true, ..customer("cus_1") };
    let all_of_clock =
        CustomerFacts { customer: Some(clock_customer), ..facts("cus_1", vec![monthly(5_000)], vec![declined()]) };
    check(&[all_of_clock], PaymentStatus::None);
    let ended = subscribed(SubscriptionStatus::Canceled);
    let deleted = CustomerFacts { customer: None, ..facts("cus_1", vec![ended], vec![declined()]) };
    check(&[deleted], PaymentStatus::None);
}

#[test]
fn the_pillar_follows_the_status_and_says_what_decided() {
    let pillar = |customers: &[CustomerFacts]| {
        let pillar = Health::of(&judge(customers, now())).revenue;
        (pillar.score, pillar.level, pillar.reason)
    };
    let numbered = Invoice { number: Some("F-7".to_owned()), ..declined() };
    let reason = "Invoice F-7 was declined and will not be tried again.".to_owned();
    assert_eq!(pillar(&of(monthly(1), vec![numbered])), (Some(0), Level::Red, reason));
    let late = of(subscribed(SubscriptionStatus::PastDue), vec![]);
    assert_eq!(pillar(&late), (Some(50), Level::Warning, "Subscription sub_1 is past_due.".to_owned()));
    assert_eq!(pillar(&of(monthly(1), vec![])), (Some(100), Level::Good, "Nothing is overdue.".to_owned()));
    assert_eq!(pillar(&[]), (None, Level::None, "There is no live subscription.".to_owned()));
}

//! Lifetime value and refunds: a table of what counts, and the laws that hold whatever happened.

use super::tests::{facts, of};
use super::{CustomerFacts, INVOICES_SHOWN, Returned, newest_invoices};
use crate::facts::{
    CreditNote, CreditNoteStatus, Dispute, DisputeStatus, Invoice, MoneyBack, PaidOut, Payment, Refund, RefundStatus,
};
use crate::id::{CreditNoteId, DisputeId, InvoiceId, PaymentId, RefundId};
use crate::money::Currency;
use crate::mrr::build::*;
use proptest::prelude::*;
use std::borrow::Cow;

fn payment(id: &str) -> PaymentId {
    PaymentId::new(id).unwrap()
}

fn intent(id: &str) -> Payment {
    Payment { payment_intent: Some(payment(id)), charge: None }
}

fn paid(id: &str, amount: i64) -> Invoice {
    Invoice { payments: vec![payment(&format!("pi_{id}"))], ..invoice(&format!("in_{id}"), -20, amount) }
}

fn refund(id: &str, of: Payment, amount: i64, status: &str) -> Refund {
    Refund {
        id: RefundId::new(id).unwrap(),
        customer: customer("cus_1").id,
        payment: of,
        amount,
        currency: Currency::USD,
        created: in_days(-5),
        status: RefundStatus::from(Cow::Borrowed(status)),
    }
}

fn dispute(id: &str, of: Payment, amount: i64, status: &str) -> Dispute {
    Dispute {
        id: DisputeId::new(id).unwrap(),
        customer: customer("cus_1").id,
        payment: of,
        amount,
        currency: Currency::USD,
        created: in_days(-4),
        status: DisputeStatus::from(Cow::Borrowed(status)),
        reason: None,
    }
}

fn note(invoice: &str, after_payment: i64, paid_out: &[(&str, i64)]) -> CreditNote {
    let part = |(refund, amount): &(&str, i64)| PaidOut { refund: RefundId::new(*refund).unwrap(), amount: *amount };
    CreditNote {
        id: CreditNoteId::new(format!("cn_{invoice}")).unwrap(),
        customer: customer("cus_1").id,
        invoice: InvoiceId::new(invoice).unwrap(),
        after_payment,
        currency: Currency::USD,
        created: in_days(-3),
        status: CreditNoteStatus::Issued,
        paid_out: paid_out.iter().map(part).collect(),
    }
}

fn account(invoices: Vec<Invoice>, money_back: MoneyBack) -> Vec<CustomerFacts> {
    vec![CustomerFacts { money_back, ..facts("cus_1", vec![], invoices) }]
}

fn value(customers: &[CustomerFacts]) -> i64 {
    let (sums, too_large) = Returned::of_account(customers).lifetime_value();
    assert!(too_large.is_empty());
    sums.get(&Currency::USD).map_or(0, |money| money.amount)
}

/// The lifetime value of one invoice of 100.00 that was paid as `pi_a`, and of what went back.
fn check(what: &str, back: MoneyBack, expected: i64) {
    assert_eq!(value(&account(vec![paid("a", 10_000)], back)), expected, "{what}");
}

fn refunds(refunds: Vec<Refund>) -> MoneyBack {
    MoneyBack { refunds, ..MoneyBack::default() }
}

fn disputes(disputes: Vec<Dispute>) -> MoneyBack {
    MoneyBack { disputes, ..MoneyBack::default() }
}

#[test]
fn refunds_of_payments_of_invoices_are_taken_off() {
    check("nothing went back", MoneyBack::default(), 10_000);
    for (status, expected) in
        [("succeeded", 7_000), ("pending", 7_000), ("requires_action", 7_000), ("failed", 10_000), ("canceled", 10_000)]
    {
        check(status, refunds(vec![refund("re_1", intent("pi_a"), 3_000, status)]), expected);
    }
    let twice =
        vec![refund("re_1", intent("pi_a"), 3_000, "succeeded"), refund("re_2", intent("pi_a"), 7_000, "succeeded")];
    check("all of it, in two parts", refunds(twice), 0);
    check("of something else", refunds(vec![refund("re_1", intent("pi_b"), 3_000, "succeeded")]), 10_000);
    check("of no payment", refunds(vec![refund("re_1", Payment::default(), 3_000, "succeeded")]), 10_000);
    let charge = Payment { payment_intent: Some(payment("pi_unknown")), charge: Some(payment("ch_a")) };
    let by_charge = Invoice { payments: vec![payment("ch_a")], ..paid("a", 10_000) };
    let back = refunds(vec![refund("re_1", charge, 3_000, "succeeded")]);
    assert_eq!(value(&account(vec![by_charge], back)), 7_000, "known by its charge");
}

#[test]
fn only_lost_disputes_are_taken_off_and_open_ones_are_listed() {
    for (status, expected, open) in [
        ("lost", 0, 0),
        ("won", 10_000, 0),
        ("needs_response", 10_000, 1),
        ("under_review", 10_000, 1),
        ("warning_needs_response", 10_000, 1),
        ("warning_under_review", 10_000, 1),
        ("warning_closed", 10_000, 0),
        ("prevented", 10_000, 0),
        ("something_new", 10_000, 0),
    ] {
        let back = disputes(vec![dispute("dp_1", intent("pi_a"), 10_000, status)]);
        check(status, back.clone(), expected);
        let customers = account(vec![paid("a", 10_000)], back);
        assert_eq!(Returned::of_account(&customers).open_disputes().len(), open, "{status}");
    }
    check("of something else", disputes(vec![dispute("dp_1", intent("pi_b"), 10_000, "lost")]), 10_000);
}

#[test]
fn an_open_dispute_says_what_it_is_about_and_the_newest_is_first() {
    let known = dispute("dp_known", intent("pi_a"), 10_000, "needs_response");
    let other = Dispute { created: in_days(-1), ..dispute("dp_other", intent("pi_b"), 500, "under_review") };
    let customers = account(vec![paid("a", 10_000)], disputes(vec![known, other]));
    let open = Returned::of_account(&customers).open_disputes();
    let seen: Vec<_> = open
        .iter()
        .map(|one| (one.id.as_str(), one.invoice_id.as_ref().map(InvoiceId::as_str), one.amount.amount))
        .collect();
    assert_eq!(seen, [("dp_other", None, 500), ("dp_known", Some("in_a"), 10_000)]);
}

#[test]
fn a_credit_note_counts_as_far_as_it_was_not_paid_out_as_a_refund_that_counts() {
    let back =
        |notes: Vec<CreditNote>, refunds: Vec<Refund>| MoneyBack { refunds, disputes: vec![], credit_notes: notes };
    let refunded = |status| vec![refund("re_1", intent("pi_a"), 2_000, status)];
    check("outside of Stripe", back(vec![note("in_a", 2_000, &[])], vec![]), 8_000);
    check("as a refund", back(vec![note("in_a", 2_000, &[("re_1", 2_000)])], refunded("succeeded")), 8_000);
    check("in part", back(vec![note("in_a", 5_000, &[("re_1", 2_000)])], refunded("succeeded")), 5_000);
    check("as a refund that failed", back(vec![note("in_a", 2_000, &[("re_1", 2_000)])], refunded("failed")), 8_000);
    check("as a refund that is not read", back(vec![note("in_a", 2_000, &[("re_1", 2_000)])], vec![]), 8_000);
    check("before payment", back(vec![note("in_a", 0, &[])], vec![]), 10_000);
    check("of an unknown invoice", back(vec![note("in_b", 2_000, &[])], vec![]), 10_000);
    let void = CreditNote { status: CreditNoteStatus::Void, ..note("in_a", 2_000, &[]) };
    check("taken back", back(vec![void], vec![]), 10_000);
    let unlinked = vec![refund("re_1", Payment::default(), 2_000, "succeeded")];
    check("the note knows the refund's invoice", back(vec![note("in_a", 2_000, &[("re_1", 2_000)])], unlinked), 8_000);
}

#[test]
fn test_clocks_bring_in_nothing_and_get_nothing_back() {
    let ticking = Invoice { test_clock: true, ..paid("a", 10_000) };
    let back = MoneyBack {
        refunds: vec![refund("re_1", intent("pi_a"), 1_000, "succeeded")],
        disputes: vec![dispute("dp_1", intent("pi_a"), 1_000, "lost")],
        credit_notes: vec![note("in_a", 1_000, &[])],
    };
    assert_eq!(value(&account(vec![ticking], back)), 0);
}

#[test]
fn currencies_are_kept_apart_and_what_does_not_fit_is_named() {
    let euros = Invoice { currency: currency("eur"), ..paid("b", 5_000) };
    let back = Refund { currency: currency("eur"), ..refund("re_1", intent("pi_b"), 1_000, "succeeded") };
    let customers = account(vec![paid("a", 10_000), euros], refunds(vec![back]));
    let (sums, _) = Returned::of_account(&customers).lifetime_value();
    assert_eq!((sums[&Currency::USD].amount, sums[&currency("eur")].amount), (10_000, 4_000));
    let huge = of(monthly(1_000), vec![paid("a", i64::MAX), paid("b", 1)]);
    let (sums, too_large) = Returned::of_account(&huge).lifetime_value();
    assert!(sums.is_empty() && too_large.contains(&Currency::USD));
}

#[test]
fn the_rows_say_what_was_refunded_of_them() {
    let back = refunds(vec![
        refund("re_1", intent("pi_a"), 3_000, "succeeded"),
        refund("re_2", intent("pi_a"), 500, "pending"),
        refund("re_3", intent("pi_a"), 100, "failed"),
        refund("re_4", intent("pi_c"), 100, "succeeded"),
    ]);
    let customers = account(vec![paid("a", 10_000), paid("b", 10_000)], back);
    let returned = Returned::of_account(&customers);
    let rows = newest_invoices(&customers[0].invoices, Some(&returned));
    let refunded = |id: &str| rows.iter().find(|row| row.id.as_str() == id).unwrap().refunded.unwrap().amount;
    assert_eq!((refunded("in_a"), refunded("in_b")), (3_500, 0));
    assert_eq!(returned.refunds(&rows.iter().find(|row| row.id.as_str() == "in_a").unwrap().id).count(), 3);
    assert!(newest_invoices(&customers[0].invoices, None).iter().all(|row| row.refunded.is_none()));
    assert!(rows.len() <= INVOICES_SHOWN);
}

/// What went back, by chance: refunds and disputes of three invoices and of one that is not known.
fn chance() -> impl Strategy<Value = MoneyBack> {
    let status =
        prop::sample::select(vec!["succeeded", "pending", "failed", "canceled", "lost", "won", "under_review"]);
    let one = (prop::sample::select(vec!["a", "b", "c", "x"]), 0i64..2_000, status, 0i64..2_000);
    prop::collection::vec(one, 0..12).prop_map(|all| {
        let mut back = MoneyBack::default();
        for (place, (of, amount, status, credited)) in all.into_iter().enumerate() {
            let (id, paid_as) = (format!("re_{place}"), intent(&format!("pi_{of}")));
            if place % 3 == 0 {
                let made = note(&format!("in_{of}"), credited, &[(&id, amount.min(credited))]);
                back.credit_notes.push(CreditNote { id: CreditNoteId::new(format!("cn_{place}")).unwrap(), ..made });
            }
            back.refunds.push(refund(&id, paid_as.clone(), amount, status));
            back.disputes.push(dispute(&format!("dp_{place}"), paid_as, amount, status));
        }
        back
    })
}

fn three() -> Vec<Invoice> {
    vec![paid("a", 10_000), paid("b", 20_000), paid("c", 30_000)]
}

proptest! {
    #[test]
    fn the_order_of_things_does_not_matter(back in chance()) {
        let turned = MoneyBack {
            refunds: back.refunds.iter().rev().cloned().collect(),
            disputes: back.disputes.iter().rev().cloned().collect(),
            credit_notes: back.credit_notes.iter().rev().cloned().collect(),
        };
        let mut invoices = three();
        invoices.reverse();
        prop_assert_eq!(value(&account(three(), back)), value(&account(invoices, turned)));
    }

    #[test]
    fn it_is_what_came_in_less_what_the_three_kinds_take_off(back in chance()) {
        let all = value(&account(three(), back.clone()));
        let known = |payment: &Payment| payment.ids().all(|id| id.as_str() != "pi_x");
        let refunded: i64 = back.refunds.iter().filter(|r| r.status.counts() && known(&r.payment)).map(|r| r.amount).sum();
        let lost: i64 =
            back.disputes.iter().filter(|d| d.status == DisputeStatus::Lost && known(&d.payment)).map(|d| d.amount).sum();
        let paid_out = |note: &CreditNote| -> i64 {
            let stands = |id: &RefundId| back.refunds.iter().any(|refund| refund.id == *id && refund.status.counts());
            note.paid_out.iter().filter(|part| stands(&part.refund)).map(|part| part.amount).sum()
        };
        let notes = back.credit_notes.iter().filter(|note| note.invoice.as_str() != "in_x");
        let credited: i64 = notes.map(|note| note.after_payment - paid_out(note)).sum();
        prop_assert_eq!(all, 60_000 - refunded - lost - credited);
    }

    #[test]
    fn what_invoices_show_as_refunded_is_all_that_counts(back in chance()) {
        let customers = account(three(), refunds(back.refunds));
        let returned = Returned::of_account(&customers);
        let shown: i64 = three().iter().map(|invoice| returned.refunded(&invoice.id)).sum();
        prop_assert_eq!(60_000 - shown, value(&customers));
    }
}

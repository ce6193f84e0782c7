//! The golden cases of MRR.md §7, in minor units.

use super::build::*;
use super::{Policy, PolicyPatch, Subtraction};
use crate::facts::{
    Coupon, CouponDuration, Interval, PauseCollection, Rounding, Subscription, SubscriptionStatus, TiersMode,
    TransformQuantity,
};

struct Golden {
    case: &'static str,
    subscription: Subscription,
    policy: Policy,
    mrr: i64,
    arr: i64,
}

fn check(golden: &Golden) {
    let given = Given { policy: golden.policy.clone(), ..Given::default() };
    let judged = given.judge(&golden.subscription);
    let case = golden.case;
    assert_eq!((judged.mrr.amount, judged.arr.amount), (golden.mrr, golden.arr), "case {case}: {judged:#?}");
    assert_eq!(judged.mrr.currency, golden.subscription.currency, "case {case}");
    assert_eq!(judged.counted, golden.mrr != 0, "case {case}");
    assert_eq!(judged.not_computable().count(), 0, "case {case}");
}

fn golden(case: &'static str, subscription: Subscription, mrr: i64, arr: i64) -> Golden {
    Golden { case, subscription, policy: Policy::default(), mrr, arr }
}

fn once(price: crate::facts::Price) -> Subscription {
    active(vec![item(price, 1)])
}

fn tiers() -> Vec<crate::facts::Tier> {
    vec![tier(Some(10), "500", ""), tier(None, "300", "")]
}

fn pricing() -> Vec<Golden> {
    let flat_first = vec![tier(Some(5), "", "5000"), tier(None, "800", "")];
    let mut packages = price("a", "700");
    packages.transform_quantity = Some(TransformQuantity { divide_by: 100, round: Rounding::Up });
    let in_currency = |code: &str, amount: &str| {
        let mut price = price("a", amount);
        price.currency = currency(code);
        once(price)
    };
    let mixed = vec![item(price("a", "5000"), 1), item(every(1, Interval::Year, price("b", "60000")), 1)];
    vec![
        golden("1", once(every(1, Interval::Year, price("a", "10000"))), 833, 10_000),
        golden("2", active(vec![item(price("a", "2900"), 3)]), 8_700, 104_400),
        golden("3", once(every(1, Interval::Week, price("a", "1000"))), 4_345, 52_143),
        golden("4", once(every(1, Interval::Day, price("a", "100"))), 3_042, 36_500),
        golden("5", once(every(3, Interval::Month, price("a", "30000"))), 10_000, 120_000),
        golden("8", active(vec![item(tiered("a", TiersMode::Graduated, tiers()), 25)]), 9_500, 114_000),
        golden("9", active(vec![item(tiered("a", TiersMode::Volume, tiers()), 25)]), 7_500, 90_000),
        golden("10", active(vec![item(tiered("a", TiersMode::Graduated, flat_first), 8)]), 7_400, 88_800),
        golden("11", active(vec![item(packages, 250)]), 2_100, 25_200),
        golden("12 jpy", in_currency("jpy", "1200"), 1_200, 14_400),
        golden("12 kwd", in_currency("kwd", "12345"), 12_345, 148_140),
        golden("13", active(vec![item(price("a", "0.5"), 10_000)]), 5_000, 60_000),
        golden("15", active(mixed), 10_000, 120_000),
        golden("18 two", once(every(1, Interval::Year, price("a", "30"))), 2, 30),
        golden("18 eight", once(every(1, Interval::Year, price("a", "90"))), 8, 90),
    ]
}

fn discounts() -> Vec<Golden> {
    let yearly = once(every(1, Interval::Year, price("a", "120000")));
    let mut stacked = with_discount(percent_off("20"), monthly(10_000));
    stacked.items[0].discounts.push(applied(percent_off("10")));
    let two = |a: &str, b: &str| active(vec![item(price("a", a), 1), item(price("b", b), 1)]);
    let only_a = Coupon { applies_to: Some(vec![product_id("a")]), ..percent_off("50") };
    let mut euros = monthly(10_000);
    euros.items[0].price.currency = currency("eur");
    euros.currency = currency("eur");
    let once_off = with_discount(Coupon { duration: CouponDuration::Once, ..amount_off(1_000, "usd") }, monthly(5_000));
    let subtract_once = PolicyPatch { discount_once: Some(Subtraction::Subtract), ..PolicyPatch::default() };
    vec![
        golden("6", with_discount(percent_off("20"), monthly(9_900)), 7_920, 95_040),
        golden("7", with_discount(amount_off(30_000, "usd"), yearly), 7_500, 90_000),
        golden("14", stacked, 7_200, 86_400),
        golden("16", with_discount(only_a, two("8000", "2000")), 6_000, 72_000),
        golden("17", with_discount(amount_off(3_000, "usd"), two("4000", "6000")), 7_000, 84_000),
        golden("20", with_discount(percent_off("100"), monthly(10_000)), 0, 0),
        golden("21", with_discount(amount_off(3_000, "usd"), euros), 10_000, 120_000),
        golden("22", once_off.clone(), 5_000, 60_000),
        Golden { policy: subtract_once.apply(Policy::default()), ..golden("22 subtracted", once_off, 4_000, 48_000) },
    ]
}

fn statuses() -> Vec<Golden> {
    let paused = PauseCollection { behavior: "void".to_owned(), resumes_at: None };
    vec![
        golden("23 past_due", in_status(SubscriptionStatus::PastDue, monthly(5_000)), 5_000, 60_000),
        golden("23 unpaid", in_status(SubscriptionStatus::Unpaid, monthly(5_000)), 0, 0),
        golden("23 trialing", in_status(SubscriptionStatus::Trialing, monthly(5_000)), 0, 0),
        golden("23 paused", Subscription { pause_collection: Some(paused), ..monthly(5_000) }, 0, 0),
    ]
}

#[test]
fn every_golden_case_of_one_subscription() {
    let cases: Vec<Golden> = pricing().into_iter().chain(discounts()).chain(statuses()).collect();
    assert_eq!(cases.len(), 28);
    cases.iter().for_each(check);
}

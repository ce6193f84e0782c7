//! Payloads that no sane merchant sends: every one gives an exact result or says that it is not computable, and none
//! panics.

use super::build::*;
use super::{Metered, PolicyPatch, Rule, SubscriptionMrr};
use crate::facts::{
    Coupon, Interval, Invoice, Price, PriceAmount, Recurring, Rounding, Subscription, Tier, TiersMode,
    TransformQuantity, UsageType,
};
use proptest::prelude::*;

fn judge(subscription: &Subscription) -> SubscriptionMrr<'static> {
    Given::default().judge(subscription)
}

fn is_not_computable(subscription: &Subscription, part: &str) {
    let judged = judge(subscription);
    assert_eq!((judged.rule, judged.mrr.amount, judged.counted), (Rule::NotComputable, 0, false), "{judged:#?}");
    let why = judged.not_computable().next().unwrap().1.to_owned();
    assert!(why.contains(part), "{why}");
}

fn is_exactly(subscription: &Subscription, exact: &str) {
    let judged = judge(subscription);
    assert_eq!((judged.exact.to_string().as_str(), judged.not_computable().count()), (exact, 0), "{judged:#?}");
}

fn one(price: Price) -> Subscription {
    active(vec![item(price, 1)])
}

#[test]
fn amounts_at_the_limits() {
    let largest = every(1, Interval::Year, price("a", &i64::MAX.to_string()));
    is_exactly(&one(largest), "9223372036854775807/12");
    is_not_computable(&active(vec![item(price("a", &i64::MAX.to_string()), 2)]), "too large");
    is_exactly(&active(vec![item(price("a", "0.000000000001"), 1_000_000_000_000)]), "1");
    is_exactly(&active(vec![item(price("a", "123.456789012345"), 1)]), "24691357802469/200000000000");
    is_not_computable(&active(vec![item(price("a", "99999999999999999.999999999999"), i64::MAX)]), "too large");
    is_not_computable(&one(price("a", &"9".repeat(80))), "too large");
    let yearly_overflow = one(price("a", &(i64::MAX / 2).to_string()));
    is_not_computable(&yearly_overflow, "too large");
    let sums = active(vec![item(price("a", &i64::MAX.to_string()), 1), item(price("b", &i64::MAX.to_string()), 1)]);
    is_not_computable(&sums, "too large");
}

#[test]
fn amounts_and_quantities_that_are_none() {
    for bad in ["", "1e3", "1,5", "NaN", "٣"] {
        is_not_computable(&one(price("a", bad)), "not a decimal");
    }
    is_not_computable(&one(price("a", "-5")), "below zero");
    is_not_computable(&active(vec![item(price("a", "5"), -1)]), "below zero");
    is_not_computable(&one(Price { amount: PriceAmount::default(), ..price("a", "5") }), "no unit amount");
    let mut without_quantity = monthly(5);
    without_quantity.items[0].quantity = None;
    is_not_computable(&without_quantity, "no quantity");
}

#[test]
fn intervals_that_make_no_sense() {
    for count in [0, -1, i64::MIN] {
        is_not_computable(&one(every(count, Interval::Month, price("a", "5"))), "repeated");
    }
    is_exactly(&one(every(i64::MAX, Interval::Month, price("a", "5"))), "5/9223372036854775807");
    is_not_computable(&one(every(1, Interval::Other("fortnight".into()), price("a", "5"))), "fortnight");
    let usage_type = UsageType::Other("guessed".into());
    let recurring = Some(Recurring { interval: Interval::Month, interval_count: 1, usage_type });
    is_not_computable(&one(Price { recurring, ..price("a", "5") }), "guessed");
}

#[test]
fn quantities_divided_by_nothing() {
    let divided = |divide_by, round| {
        let transform_quantity = Some(TransformQuantity { divide_by, round });
        active(vec![item(Price { transform_quantity, ..price("a", "7") }, 250)])
    };
    is_not_computable(&divided(0, Rounding::Up), "divided");
    is_not_computable(&divided(-100, Rounding::Up), "divided");
    is_not_computable(&divided(100, Rounding::Other("sideways".into())), "divided");
    is_exactly(&divided(i64::MAX, Rounding::Up), "7");
    is_exactly(&divided(100, Rounding::Down), "14");
    let mut most = divided(1, Rounding::Up);
    most.items[0].quantity = Some(i64::MAX);
    is_not_computable(&most, "too large");
}

#[test]
fn tiers_that_make_no_sense() {
    let with = |mode: TiersMode, tiers: Vec<Tier>| active(vec![item(tiered("a", mode, tiers), 25)]);
    for mode in [TiersMode::Volume, TiersMode::Graduated] {
        let bad = |tiers: Vec<Tier>, part: &str| is_not_computable(&with(mode.clone(), tiers), part);
        bad(vec![], "not known");
        bad(vec![tier(Some(100), "5", ""), tier(Some(10), "3", "")], "out of order");
        bad(vec![tier(None, "5", ""), tier(Some(10), "3", "")], "out of order");
        bad(vec![tier(Some(10), "5", ""), tier(Some(10), "3", "")], "out of order");
        bad(vec![tier(Some(-1), "5", ""), tier(None, "3", "")], "out of order");
        bad(vec![tier(Some(10), "5", ""), tier(Some(20), "3", "")], "holds");
        bad(vec![tier(Some(10), "", ""), tier(None, "", "")], "no unit amount");
        bad(vec![tier(Some(10), "5", ""), tier(None, "x", "")], "not a decimal");
    }
    let steps = vec![tier(Some(10), "5", ""), tier(None, "3", "")];
    is_not_computable(&with(TiersMode::Other("staircase".into()), steps), "staircase");
    let flat = vec![tier(Some(i64::MAX), "", "100"), tier(None, "3", "")];
    is_exactly(&with(TiersMode::Volume, flat.clone()), "100");
    is_exactly(&with(TiersMode::Graduated, flat), "100");
    let mut none = with(TiersMode::Graduated, vec![tier(Some(10), "5", "100"), tier(None, "3", "100")]);
    none.items[0].quantity = Some(0);
    is_exactly(&none, "100");
}

#[test]
fn coupons_that_make_no_sense() {
    let with = |coupon: Coupon| with_discount(coupon, monthly(1_000));
    is_not_computable(&with(percent_off("100.01")), "impossible");
    is_not_computable(&with(percent_off("-5")), "impossible");
    is_not_computable(&with(percent_off("lots")), "not a decimal");
    is_not_computable(&with(amount_off(-5, "usd")), "impossible");
    is_not_computable(&with(coupon("empty")), "does not say");
    is_exactly(&with(percent_off("33.33")), "6667/10");
    is_exactly(&with_discount(amount_off(i64::MAX, "usd"), with(percent_off("100"))), "0");
    is_exactly(&with_discount(percent_off("100"), with(amount_off(i64::MAX, "usd"))), "0");
    let nowhere = Coupon { currency: None, ..amount_off(500, "usd") };
    is_exactly(&with(nowhere), "1000");
    let limited = Coupon { applies_to: Some(vec![product_id("a")]), ..percent_off("50") };
    let mut without_product = with(limited);
    without_product.items[0].price.product = None;
    is_not_computable(&without_product, "product");
    let mut amount_without_product = without_product;
    let limited = Coupon { applies_to: Some(vec![product_id("a")]), ..amount_off(50, "usd") };
    amount_without_product.discounts = vec![applied(limited)];
    is_not_computable(&amount_without_product, "product");
}

#[test]
fn an_unknown_currency_is_counted_in_its_own_minor_unit() {
    let mut unknown = monthly(1_000);
    unknown.currency = currency("zzz");
    unknown.items[0].price.currency = currency("zzz");
    is_exactly(&unknown, "1000");
}

#[test]
fn invoices_that_make_no_sense_tell_nothing() {
    let taxed = |amount, discounted, tax| {
        let billed = Invoice { lines: vec![line("a", amount, discounted, tax)], ..invoice("in_1", -3, 0) };
        let subscription = one(Price { tax_inclusive: true, ..price("a", "1000") });
        Given { invoices: vec![billed], ..Given::default() }.judge(&subscription).mrr.amount
    };
    assert_eq!(taxed(1_000, 0, 1_000), 1_000);
    assert_eq!(taxed(1_000, 0, 2_000), 1_000);
    assert_eq!(taxed(1_000, 0, -200), 1_000);
    assert_eq!(taxed(-1_000, 0, -200), 1_000);
    assert_eq!(taxed(i64::MIN, i64::MAX, i64::MAX), 1_000);
    let lines = vec![line("use", i64::MAX, 0, 0), line("use", i64::MAX, 0, 0)];
    let patch = PolicyPatch { metered: Some(Metered::LatestInvoice), ..PolicyPatch::default() };
    let invoices = vec![Invoice { lines, ..invoice("in_1", -3, 0) }];
    let given = Given { policy: patch.apply(Default::default()), invoices, ..Given::default() };
    assert_eq!(given.judge(&active(vec![item(metered(price("use", "1")), 1)])).rule, Rule::NotComputable);
}

proptest! {
    #[test]
    fn whatever_the_numbers_nothing_panics(
        unit in "-?[0-9]{0,25}\\.?[0-9]{0,12}",
        [quantity, divide_by, count, up_to, off] in any::<[i64; 5]>(),
        percent in "-?[0-9]{1,4}(\\.[0-9]{1,4})?",
        graduated in any::<bool>(),
    ) {
        let mode = if graduated { TiersMode::Graduated } else { TiersMode::Volume };
        let tiers = vec![tier(Some(up_to), &unit, &unit), tier(None, &unit, "")];
        let mut divided = price("b", &unit);
        divided.transform_quantity = Some(TransformQuantity { divide_by, round: Rounding::Up });
        let items = vec![
            item(every(count, Interval::Week, tiered("a", mode, tiers)), quantity),
            item(divided, quantity),
            item(price("c", "1999"), 3),
        ];
        let made = with_discount(percent_off(&percent), with_discount(amount_off(off, "usd"), active(items)));
        let judged = judge(&made);
        prop_assert!(!judged.exact.is_negative());
        let known = judged.items.iter().all(|item| item.counted || item.rule == Rule::Free);
        prop_assert!(known || judged.not_computable().count() > 0);
    }
}

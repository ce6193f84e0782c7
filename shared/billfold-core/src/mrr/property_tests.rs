//! What holds for every subscription, whatever its prices and discounts.

use super::build::*;
use super::{Preset, Rule, SubscriptionMrr};
use crate::facts::{
    Coupon, Interval, Price, Recurring, Rounding, Subscription, SubscriptionItem, TiersMode, TransformQuantity,
    UsageType,
};
use crate::money::Exact;
use proptest::prelude::*;
use serde_json::Value;

fn any_interval() -> impl Strategy<Value = Interval> {
    prop_oneof![Just(Interval::Day), Just(Interval::Week), Just(Interval::Month), Just(Interval::Year)]
}

fn any_price(product: &'static str) -> impl Strategy<Value = Price> {
    let amount = prop_oneof!["[0-9]{1,6}", "[0-9]{1,4}\\.[0-9]{1,3}"];
    (amount, any_interval(), 1i64..13, any::<[bool; 3]>()).prop_map(
        move |(amount, interval, count, [tiers, volume, packages])| {
            let mode = if volume { TiersMode::Volume } else { TiersMode::Graduated };
            let steps = || vec![tier(Some(10), &amount, "250"), tier(Some(100), "7.5", ""), tier(None, "", "999")];
            let mut made = if tiers { tiered(product, mode, steps()) } else { price(product, &amount) };
            made.recurring = Some(Recurring { interval, interval_count: count, usage_type: UsageType::Licensed });
            made.transform_quantity = packages.then_some(TransformQuantity { divide_by: 7, round: Rounding::Up });
            made.tax_inclusive = packages && tiers;
            made
        },
    )
}

fn any_coupon() -> impl Strategy<Value = Coupon> {
    let limits = prop_oneof![Just(vec![]), Just(vec![product_id("a")]), Just(vec![product_id("b"), product_id("c")]),];
    let value = prop_oneof![
        (0u8..=100).prop_map(|percent| percent_off(&percent.to_string())),
        (0i64..50_000).prop_map(|minor| amount_off(minor, "usd")),
    ];
    (value, limits).prop_map(|(coupon, limits)| Coupon { applies_to: Some(limits), ..coupon })
}

fn any_item(product: &'static str) -> impl Strategy<Value = SubscriptionItem> {
    (any_price(product), 0i64..2_000, proptest::option::of(any_coupon())).prop_map(|(price, quantity, coupon)| {
        let mut made = item(price, quantity);
        made.discounts.extend(coupon.map(applied));
        made
    })
}

prop_compose! {
    fn any_subscription()(
        a in any_item("a"),
        b in any_item("b"),
        c in any_item("c"),
        coupons in proptest::collection::vec(any_coupon(), 0..3),
    ) -> Subscription {
        coupons.into_iter().fold(active(vec![a, b, c]), |made, coupon| with_discount(coupon, made))
    }
}

fn judge(subscription: &Subscription) -> SubscriptionMrr<'static> {
    let taxed = crate::facts::Invoice { lines: vec![line("a", 12_345, 0, 2_057)], ..invoice("in_1", -3, 0) };
    Given { invoices: vec![taxed], ..Given::default() }.judge(subscription)
}

fn number(value: &Value) -> Exact {
    let text = value.as_str().unwrap();
    let (numerator, denominator) = text.split_once('/').unwrap_or((text, "1"));
    Exact::from_decimal(numerator).unwrap().over(Exact::from_decimal(denominator).unwrap()).unwrap()
}

/// Redoes a printed item from its own numbers alone.
fn redo(item: &Value) -> Exact {
    let mut left = number(&item["amount"]);
    let tiers = item["tiers"].as_array().unwrap();
    if tiers.is_empty() {
        let quantity = Exact::whole(item["billed_quantity"].as_i64().unwrap());
        assert_eq!(quantity.times(number(&item["unit_amount"])).unwrap(), left);
    } else {
        let sum = tiers.iter().fold(Exact::ZERO, |sum, tier| sum.plus(number(&tier["amount"])).unwrap());
        assert_eq!(sum, left);
    }
    for step in item["discounts"].as_array().unwrap() {
        assert_eq!(number(&step["before"]), left);
        if step["rule"] == "subtracted" {
            let value = number(&step["value"]);
            let off = if step["kind"] == "percent" {
                left.times(value).unwrap().over(Exact::whole(100)).unwrap()
            } else {
                let whole = number(&step["spread_over"]);
                if whole.is_zero() { whole } else { value.min(whole).times(left).unwrap().over(whole).unwrap() }
            };
            left = left.minus(off).unwrap();
        }
        assert_eq!(number(&step["after"]), left, "{step}");
    }
    if item["tax"]["rule"] == "taken_out" {
        assert_eq!(number(&item["tax"]["before"]), left);
        left = left.over(Exact::ONE.plus(number(&item["tax"]["rate"])).unwrap()).unwrap();
        assert_eq!(number(&item["tax"]["after"]), left);
    }
    left.times(number(&item["factor"])).unwrap()
}

proptest! {
    #[test]
    fn every_printed_step_chains_and_the_items_add_up(subscription in any_subscription()) {
        let judged = judge(&subscription);
        let printed = serde_json::to_value(&judged).unwrap();
        let mut sum = Exact::ZERO;
        for item in printed["items"].as_array().unwrap() {
            prop_assert_eq!(redo(item), number(&item["monthly"]));
            prop_assert_eq!(item["counted"].as_bool().unwrap(), !number(&item["monthly"]).is_zero());
            sum = sum.plus(number(&item["monthly"])).unwrap();
        }
        prop_assert_eq!(sum, number(&printed["exact"]));
        prop_assert!(!sum.is_negative());
    }

    #[test]
    fn arr_is_twelve_times_the_exact_mrr(subscription in any_subscription()) {
        let judged = judge(&subscription);
        let yearly = judged.exact.times(Exact::whole(12)).unwrap();
        prop_assert_eq!(judged.arr.amount, yearly.round_half_even().unwrap());
        prop_assert_eq!(judged.mrr.amount, judged.exact.round_half_even().unwrap());
    }

    #[test]
    fn the_order_of_items_does_not_matter(subscription in any_subscription(), turn in 0usize..3) {
        let mut turned = subscription.clone();
        turned.items.rotate_left(turn);
        prop_assert_eq!(judge(&turned).exact, judge(&subscription).exact);
        turned.items.reverse();
        prop_assert_eq!(judge(&turned).exact, judge(&subscription).exact);
    }

    #[test]
    fn many_units_of_a_per_unit_price_are_many_times_one(
        amount in "[0-9]{1,6}\\.[0-9]{1,6}", interval in any_interval(), quantity in 0i64..1_000_000,
    ) {
        let of = |quantity| {
            judge(&active(vec![item(every(1, interval.clone(), price("a", &amount)), quantity)])).exact
        };
        prop_assert_eq!(of(quantity), of(1).times(Exact::whole(quantity)).unwrap());
    }

    #[test]
    fn a_discount_never_adds_and_an_amount_takes_no_more_than_itself(
        subscription in any_subscription(), minor in 0i64..100_000,
    ) {
        let before = judge(&subscription);
        for coupon in [amount_off(minor, "usd"), percent_off("37.5")] {
            let after = judge(&with_discount(coupon, subscription.clone()));
            prop_assert!(after.exact <= before.exact);
        }
    }

    #[test]
    fn presets_agree_where_the_table_leaves_no_choice(subscription in any_subscription()) {
        // Active, licensed, not cancelled, and discounts that last forever: only `simple` may differ.
        let billfold = Given::preset(Preset::Billfold).judge(&subscription);
        for preset in [Preset::Stripe, Preset::ChartMogul, Preset::Baremetrics, Preset::ProfitWell] {
            prop_assert_eq!(&Given::preset(preset).judge(&subscription), &billfold, "{:?}", preset);
        }
        let mut plain = subscription;
        plain.discounts.clear();
        plain.items.iter_mut().for_each(|item| item.discounts.clear());
        plain.items.iter_mut().for_each(|item| item.price.tax_inclusive = false);
        let simple = Given::preset(Preset::Simple).judge(&plain);
        prop_assert_eq!(simple.exact, Given::default().judge(&plain).exact);
        prop_assert!(simple.rule == Rule::ActiveCounts || simple.exact.is_zero());
    }
}

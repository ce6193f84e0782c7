//! The golden cases of the MRR definitions, one by one.

use super::{NOW, Shop, tier};
use crate::model::{
    CouponDuration, CouponValue, Currency, Decimal, Interval, PauseBehavior, PauseCollection, Recurring, Scheme,
    SubscriptionStatus as Status, TiersMode, Transform,
};
use crate::truth::Truth;

#[test]
fn golden_1_to_5_intervals() {
    let cases = [
        (10_000, 1, Interval::Year, 1, 833, 10_000),
        (2_900, 1, Interval::Month, 3, 8_700, 104_400),
        (1_000, 1, Interval::Week, 1, 4_345, 52_143),
        (100, 1, Interval::Day, 1, 3_042, 36_500),
        (30_000, 3, Interval::Month, 1, 10_000, 120_000),
    ];
    for (amount, count, interval, quantity, mrr, arr) in cases {
        let mut shop = Shop::new();
        let price = shop.price(amount, count, interval);
        let place = shop.subscribe(&[(price, quantity)]);
        shop.check(place, mrr, arr);
    }
}

#[test]
fn golden_6_and_7_one_discount() {
    let mut shop = Shop::new();
    let (monthly, yearly) = (shop.price(9_900, 1, Interval::Month), shop.price(120_000, 1, Interval::Year));
    let (percent, amount) = (shop.percent_forever(20), shop.amount_forever(30_000, Currency::USD));
    let sixth = shop.subscribe(&[(monthly, 1)]);
    shop.discount(sixth, percent);
    shop.check(sixth, 7_920, 95_040);
    let seventh = shop.subscribe(&[(yearly, 1)]);
    shop.discount(seventh, amount);
    shop.check(seventh, 7_500, 90_000);
}

#[test]
fn golden_8_to_11_tiers_and_packages() {
    let mut shop = Shop::new();
    let monthly = Recurring::every(1, Interval::Month);
    let tiers = || vec![tier(Some(10), 500, None), tier(None, 300, None)];
    let flat = vec![tier(Some(5), 0, Some(5_000)), tier(None, 800, None)];
    let cases = [
        (Scheme::Tiered(TiersMode::Graduated, tiers()), 25, 9_500, 114_000),
        (Scheme::Tiered(TiersMode::Volume, tiers()), 25, 7_500, 90_000),
        (Scheme::Tiered(TiersMode::Graduated, flat), 8, 7_400, 88_800),
    ];
    for (scheme, quantity, mrr, arr) in cases {
        let price = shop.scheme(scheme, Currency::USD, monthly);
        let place = shop.subscribe(&[(price, quantity)]);
        shop.check(place, mrr, arr);
    }
    let package = shop.price(700, 1, Interval::Month);
    shop.business.prices[package].transform = Some(Transform { divide_by: 100, round_up: true });
    let place = shop.subscribe(&[(package, 250)]);
    shop.check(place, 2_100, 25_200);
}

#[test]
fn golden_12_and_13_currencies_and_sub_cent_prices() {
    let mut shop = Shop::new();
    let monthly = Recurring::every(1, Interval::Month);
    let cases = [
        (Decimal::whole(1_200), Currency::JPY, 1, 1_200, 14_400),
        (Decimal::whole(12_345), Currency::KWD, 1, 12_345, 148_140),
        (Decimal::scaled(5, 1), Currency::USD, 10_000, 5_000, 60_000),
    ];
    for (unit, currency, quantity, mrr, arr) in cases {
        let price = shop.scheme(Scheme::PerUnit(unit), currency, monthly);
        let place = shop.subscribe(&[(price, quantity)]);
        shop.check(place, mrr, arr);
    }
}

#[test]
fn golden_14_and_15_items_before_the_subscription_and_mixed_intervals() {
    let mut shop = Shop::new();
    let price = shop.price(10_000, 1, Interval::Month);
    let place = shop.subscribe(&[(price, 1)]);
    let (ten, twenty) = (shop.percent_forever(10), shop.percent_forever(20));
    shop.discount_item(place, 0, ten);
    shop.discount(place, twenty);
    shop.check(place, 7_200, 86_400);
    let (monthly, yearly) = (shop.price(5_000, 1, Interval::Month), shop.price(60_000, 1, Interval::Year));
    let mixed = shop.subscribe(&[(monthly, 1), (yearly, 1)]);
    shop.check(mixed, 10_000, 120_000);
}

#[test]
fn golden_16_and_17_discounts_over_several_items() {
    let mut shop = Shop::new();
    let (a, b) = (shop.price(8_000, 1, Interval::Month), shop.price(2_000, 1, Interval::Month));
    let half = shop.percent_forever(50);
    shop.business.coupons[half].applies_to = vec![shop.business.prices[a].product];
    let place = shop.subscribe(&[(a, 1), (b, 1)]);
    shop.discount(place, half);
    shop.check(place, 6_000, 72_000);
    let (c, d) = (shop.price(4_000, 1, Interval::Month), shop.price(6_000, 1, Interval::Month));
    let off = shop.amount_forever(3_000, Currency::USD);
    let place = shop.subscribe(&[(c, 1), (d, 1)]);
    shop.discount(place, off);
    shop.check(place, 7_000, 84_000);
}

#[test]
fn golden_18_and_19_rounding() {
    let mut shop = Shop::new();
    for (amount, mrr, arr) in [(30, 2, 30), (90, 8, 90)] {
        let price = shop.price(amount, 1, Interval::Year);
        let place = shop.subscribe(&[(price, 1)]);
        shop.check(place, mrr, arr);
    }
    let mut shop = Shop::new();
    for _ in 0..3 {
        let price = shop.price(10_000, 1, Interval::Year);
        shop.subscribe(&[(price, 1)]);
    }
    let truth = Truth::of(&shop.business, NOW);
    assert_eq!((truth.mrr["usd"], truth.arr["usd"]), (2_499, 30_000));
    assert_eq!(truth.accounts()["example.org"].mrr["usd"], 2_499);
}

#[test]
fn golden_20_to_22_discounts_that_take_all_nothing_or_once() {
    let mut shop = Shop::new();
    let price = shop.price(10_000, 1, Interval::Month);
    let place = shop.subscribe(&[(price, 1)]);
    let all = shop.percent_forever(100);
    shop.discount(place, all);
    shop.check(place, 0, 0);
    let monthly = Recurring::every(1, Interval::Month);
    let euros = shop.scheme(Scheme::PerUnit(Decimal::whole(10_000)), Currency::EUR, monthly);
    let place = shop.subscribe(&[(euros, 1)]);
    let dollars = shop.amount_forever(3_000, Currency::USD);
    shop.discount(place, dollars);
    shop.check(place, 10_000, 120_000);
    let price = shop.price(5_000, 1, Interval::Month);
    let place = shop.subscribe(&[(price, 1)]);
    let once = shop.coupon(CouponValue::Amounts(vec![(Currency::USD, 1_000)]), CouponDuration::Once);
    shop.discount(place, once);
    shop.check(place, 5_000, 60_000);
}

#[test]
fn golden_23_statuses() {
    let cases = [
        (Status::Active, 5_000),
        (Status::PastDue, 5_000),
        (Status::Unpaid, 0),
        (Status::Trialing, 0),
        (Status::Paused, 0),
        (Status::Incomplete, 0),
        (Status::Canceled, 0),
    ];
    for (status, mrr) in cases {
        let mut shop = Shop::new();
        let price = shop.price(5_000, 1, Interval::Month);
        let place = shop.subscribe(&[(price, 1)]);
        shop.business.subscriptions[place].status = status;
        shop.check(place, mrr, mrr * 12);
    }
    let mut shop = Shop::new();
    let price = shop.price(5_000, 1, Interval::Month);
    let place = shop.subscribe(&[(price, 1)]);
    shop.business.subscriptions[place].pause_collection =
        Some(PauseCollection { behavior: PauseBehavior::Void, resumes_at: None });
    shop.check(place, 0, 0);
}

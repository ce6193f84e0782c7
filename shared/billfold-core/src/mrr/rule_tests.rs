//! Each row of MRR.md §1 and §2 that leaves something to decide, through what the explanation says.

use super::build::*;
use super::{
    CancelScheduled, Counting, DiscountRule, Metered, PastDue, Policy, PolicyPatch, Preset, Rule, Scope,
    SubscriptionMrr, Subtraction, TaxRule,
};
use crate::facts::{
    AppliedDiscount, Coupon, CouponDuration, Customer, Fact, Interval, Invoice, InvoiceStatus, PauseCollection, Price,
    PriceAmount, Subscription, SubscriptionStatus, TiersMode,
};
use crate::id::DiscountId;
use std::collections::BTreeMap;

fn patched(patch: PolicyPatch) -> Given {
    Given { policy: patch.apply(Policy::default()), ..Given::default() }
}

fn check(judged: &SubscriptionMrr, rule: Rule, mrr: i64) {
    assert_eq!((judged.rule, judged.mrr.amount), (rule, mrr), "{judged:#?}");
    assert_eq!(judged.counted, mrr != 0);
    assert!(judged.why.ends_with('.'), "{}", judged.why);
}

fn discount_rules(judged: &SubscriptionMrr) -> Vec<DiscountRule> {
    judged.items.iter().flat_map(|item| &item.discounts).map(|step| step.rule).collect()
}

#[test]
fn a_status_names_the_rule() {
    let status = |status: SubscriptionStatus| Given::default().judge(&in_status(status, monthly(5_000)));
    check(&status(SubscriptionStatus::Active), Rule::ActiveCounts, 5_000);
    check(&status(SubscriptionStatus::PastDue), Rule::PastDueCounts, 5_000);
    check(&status(SubscriptionStatus::Trialing), Rule::Trialing, 0);
    check(&status(SubscriptionStatus::Unpaid), Rule::Unpaid, 0);
    check(&status(SubscriptionStatus::Paused), Rule::Paused, 0);
    check(&status(SubscriptionStatus::Incomplete), Rule::Incomplete, 0);
    check(&status(SubscriptionStatus::IncompleteExpired), Rule::IncompleteExpired, 0);
    check(&status(SubscriptionStatus::Canceled), Rule::Canceled, 0);
    check(&status(SubscriptionStatus::Other("dormant".into())), Rule::NotComputable, 0);
}

#[test]
fn past_due_is_dropped_after_the_days_that_the_policy_allows() {
    let due = |due_days: Option<i64>, created_days: i64| Invoice {
        status: InvoiceStatus::Open,
        due_date: due_days.map(in_days),
        ..invoice("in_open", created_days, 0)
    };
    let late = in_status(SubscriptionStatus::PastDue, monthly(5_000));
    let after = |days: u32, invoices: Vec<Invoice>| {
        let patch = PolicyPatch { past_due: Some(PastDue::DropAfterDays(days)), ..PolicyPatch::default() };
        Given { invoices, ..patched(patch) }.judge(&late)
    };
    check(&after(30, vec![due(None, -29)]), Rule::PastDueCounts, 5_000);
    check(&after(30, vec![due(None, -30)]), Rule::PastDueDropped, 0);
    check(&after(30, vec![due(Some(-29), -60)]), Rule::PastDueCounts, 5_000);
    check(&after(30, vec![due(Some(-3), -5), due(Some(-31), -60)]), Rule::PastDueDropped, 0);
    check(&after(30, vec![invoice("in_paid", -90, 5_000)]), Rule::PastDueCounts, 5_000);
    check(&Given::preset(Preset::Baremetrics).judge(&late), Rule::PastDueCounts, 5_000);
    check(&Given::preset(Preset::Simple).judge(&late), Rule::PastDueDropped, 0);
}

#[test]
fn paused_collection_counts_only_where_the_policy_keeps_it() {
    let pause = PauseCollection { behavior: "void".to_owned(), resumes_at: None };
    let paused = Subscription { pause_collection: Some(pause), ..monthly(5_000) };
    check(&Given::default().judge(&paused), Rule::PauseCollection, 0);
    let keep = PolicyPatch { pause_collection: Some(Counting::Keep), ..PolicyPatch::default() };
    check(&patched(keep).judge(&paused), Rule::ActiveCounts, 5_000);
}

#[test]
fn a_scheduled_cancellation_counts_until_it_ends_and_is_shown() {
    let at_period_end = Subscription { cancel_at_period_end: true, ..monthly(5_000) };
    let at_a_time = Subscription { cancel_at: Some(in_days(7)), ..monthly(5_000) };
    let drop = PolicyPatch { cancel_scheduled: Some(CancelScheduled::DropAtOnce), ..PolicyPatch::default() };
    for (scheduled, ends_at) in [(at_period_end, in_days(20)), (at_a_time, in_days(7))] {
        let judged = Given::default().judge(&scheduled);
        check(&judged, Rule::ActiveCounts, 5_000);
        assert_eq!(judged.scheduled_churn.unwrap().ends_at, Some(ends_at));
        check(&patched(drop.clone()).judge(&scheduled), Rule::CancelScheduled, 0);
    }
    assert_eq!(Given::default().judge(&monthly(5_000)).scheduled_churn, None);
    let over = in_status(SubscriptionStatus::Canceled, Subscription { cancel_at: Some(in_days(-1)), ..monthly(1) });
    assert_eq!(Given::default().judge(&over).scheduled_churn, None);
}

#[test]
fn test_clocks_and_one_time_prices_never_count() {
    let of_clock = Subscription { test_clock: true, ..monthly(5_000) };
    check(&Given::default().judge(&of_clock), Rule::TestClock, 0);
    let given = Given { customer: Some(Customer { test_clock: true, ..customer("cus_1") }), ..Given::default() };
    check(&given.judge(&monthly(5_000)), Rule::TestClock, 0);
    let set_up = active(vec![item(one_time(price("setup", "9900")), 1), item(price("a", "5000"), 1)]);
    let judged = Given::default().judge(&set_up);
    check(&judged, Rule::ActiveCounts, 5_000);
    assert_eq!(judged.items[0].rule, Rule::OneTimePrice);
    check(&Given::default().judge(&active(vec![])), Rule::Free, 0);
    check(&Given::default().judge(&monthly(0)), Rule::Free, 0);
}

#[test]
fn an_item_inside_its_own_trial_is_zero_until_the_trial_ends() {
    let mut two = active(vec![item(price("a", "5000"), 1), item(price("b", "3000"), 1)]);
    two.items[1].trial_end = Some(in_days(1));
    let judged = Given::default().judge(&two);
    check(&judged, Rule::ActiveCounts, 5_000);
    assert_eq!(judged.items[1].rule, Rule::ItemTrial);
    two.items[1].trial_end = Some(now());
    check(&Given::default().judge(&two), Rule::ActiveCounts, 8_000);
}

#[test]
fn metered_usage_is_zero_or_what_the_latest_finalized_invoice_billed() {
    let mut usage = active(vec![item(metered(price("use", "2")), 1), item(price("a", "5000"), 1)]);
    usage.items[0].quantity = None;
    let billed = |id: &str, days: i64, status: InvoiceStatus, amount: i64| Invoice {
        status,
        lines: vec![line("use", amount, 0, 0), line("a", 5_000, 0, 0)],
        ..invoice(id, days, 0)
    };
    let invoices = vec![
        billed("in_old", -60, InvoiceStatus::Paid, 9_900),
        billed("in_last", -30, InvoiceStatus::Open, 1_250),
        Invoice { lines: vec![line("a", 5_000, 0, 0)], ..invoice("in_seats", -10, 5_000) },
        billed("in_void", -5, InvoiceStatus::Void, 1),
        billed("in_draft", -1, InvoiceStatus::Draft, 2),
    ];
    let judged = Given { invoices: invoices.clone(), ..Given::default() }.judge(&usage);
    check(&judged, Rule::ActiveCounts, 5_000);
    assert_eq!(judged.items[0].rule, Rule::MeteredUsage);
    let latest = PolicyPatch { metered: Some(Metered::LatestInvoice), ..PolicyPatch::default() };
    let judged = Given { invoices, ..patched(latest.clone()) }.judge(&usage);
    check(&judged, Rule::ActiveCounts, 6_250);
    assert_eq!(judged.items[0].rule, Rule::MeteredUsageCounts);
    assert_eq!(patched(latest.clone()).judge(&usage).items[0].rule, Rule::MeteredUsage);
    let euros = Invoice { currency: currency("eur"), ..billed("in_eur", -30, InvoiceStatus::Paid, 700) };
    let judged = Given { invoices: vec![euros], ..patched(latest) }.judge(&usage);
    assert_eq!((judged.items[0].rule, judged.mrr.amount), (Rule::NotComputable, 5_000));
}

#[test]
fn a_discount_counts_by_its_duration_and_until_it_ends() {
    let lasting = |duration: CouponDuration, end_days: Option<i64>| {
        let mut discount = discount(Coupon { duration, ..percent_off("50") });
        discount.end = end_days.map(in_days);
        Subscription { discounts: vec![AppliedDiscount::Whole(Box::new(discount))], ..monthly(5_000) }
    };
    let rules = |given: &Given, subscription: &Subscription| discount_rules(&given.judge(subscription))[0];
    let billfold = Given::default();
    let simple = Given::preset(Preset::Simple);
    let running = lasting(CouponDuration::Repeating, Some(1));
    assert_eq!(rules(&billfold, &running), DiscountRule::Subtracted);
    assert_eq!(rules(&Given::preset(Preset::Stripe), &running), DiscountRule::DiscountRepeatingNotSubtracted);
    assert_eq!(rules(&billfold, &lasting(CouponDuration::Repeating, Some(0))), DiscountRule::DiscountOver);
    let once = lasting(CouponDuration::Once, None);
    assert_eq!(rules(&billfold, &once), DiscountRule::DiscountOnceNotSubtracted);
    assert_eq!(rules(&Given::preset(Preset::ProfitWell), &once), DiscountRule::Subtracted);
    let forever = lasting(CouponDuration::Forever, None);
    assert_eq!(rules(&simple, &forever), DiscountRule::DiscountForeverNotSubtracted);
    check(&simple.judge(&forever), Rule::ActiveCounts, 5_000);
    check(&billfold.judge(&lasting(CouponDuration::Other("eon".into()), None)), Rule::NotComputable, 0);
}

#[test]
fn the_customers_discount_counts_only_where_the_subscription_has_none() {
    let of_customer = Customer { discount: Some(applied(percent_off("50"))), ..customer("cus_1") };
    let given = Given { customer: Some(of_customer), ..Given::default() };
    let judged = given.judge(&monthly(10_000));
    check(&judged, Rule::ActiveCounts, 5_000);
    assert_eq!(judged.items[0].discounts[0].scope, Scope::Customer);
    let mut own_item = monthly(10_000);
    own_item.items[0].discounts.push(applied(percent_off("10")));
    check(&given.judge(&own_item), Rule::ActiveCounts, 4_500);
    let once = Coupon { duration: CouponDuration::Once, ..percent_off("10") };
    check(&given.judge(&with_discount(once, monthly(10_000))), Rule::ActiveCounts, 10_000);
}

#[test]
fn an_amount_is_spread_over_what_is_left_and_stops_at_zero() {
    let mut two = active(vec![item(price("a", "4000"), 1), item(price("b", "8000"), 1)]);
    two.items[1].discounts.push(applied(percent_off("25")));
    let judged = Given::default().judge(&with_discount(amount_off(2_500, "usd"), two.clone()));
    check(&judged, Rule::ActiveCounts, 7_500);
    let monthly: Vec<String> = judged.items.iter().map(|item| item.monthly.to_string()).collect();
    assert_eq!(monthly, ["3000", "4500"]);
    check(&Given::default().judge(&with_discount(amount_off(99_999, "usd"), two)), Rule::Free, 0);
}

#[test]
fn an_amount_is_carried_by_the_shortest_interval_alone() {
    let yearly = || item(every(1, Interval::Year, price("b", "120000")), 1);
    let two = active(vec![item(price("a", "5000"), 1), yearly()]);
    let judged = Given::default().judge(&with_discount(amount_off(1_000, "usd"), two.clone()));
    check(&judged, Rule::ActiveCounts, 4_000 + 10_000);
    assert_eq!(discount_rules(&judged), [DiscountRule::Subtracted, DiscountRule::DiscountShorterIntervalCarries]);
    let only_b = Coupon { applies_to: Some(vec![product_id("b")]), ..amount_off(12_000, "usd") };
    let judged = Given::default().judge(&with_discount(only_b, two));
    check(&judged, Rule::ActiveCounts, 5_000 + 9_000);
    assert_eq!(discount_rules(&judged), [DiscountRule::DiscountOtherProduct, DiscountRule::Subtracted]);
}

#[test]
fn an_amount_counts_in_the_currencies_that_the_coupon_names() {
    let mut euros = monthly(10_000);
    euros.items[0].price.currency = currency("eur");
    euros.currency = currency("eur");
    let judged = Given::default().judge(&with_discount(amount_off(3_000, "usd"), euros.clone()));
    assert_eq!(discount_rules(&judged), [DiscountRule::DiscountOtherCurrency]);
    let options = BTreeMap::from([(currency("eur"), 2_800)]);
    let coupon = Coupon { currency_options: Some(options), ..amount_off(3_000, "usd") };
    check(&Given::default().judge(&with_discount(coupon.clone(), euros.clone())), Rule::ActiveCounts, 7_200);
    let given = Given { catalogue: catalogue([Fact::Coupon(Box::new(coupon))]), ..Given::default() };
    check(&given.judge(&with_discount(amount_off(3_000, "usd"), euros)), Rule::ActiveCounts, 7_200);
}

#[test]
fn the_catalogue_completes_what_a_payload_leaves_out() {
    let tiers = vec![tier(Some(10), "500", ""), tier(None, "300", "")];
    let whole = tiered("a", TiersMode::Graduated, tiers);
    let bare = Price { amount: PriceAmount::default(), ..whole.clone() };
    let subscription = active(vec![item(bare, 25)]);
    check(&Given::default().judge(&subscription), Rule::NotComputable, 0);
    let facts = [Fact::Price(Box::new(whole)), product("a", "Seats")];
    let judged = Given { catalogue: catalogue(facts), ..Given::default() }.judge(&subscription);
    check(&judged, Rule::ActiveCounts, 9_500);
    assert_eq!(judged.items[0].product_name, Some("Seats"));
    assert_eq!(judged.items[0].tiers.len(), 2);
}

#[test]
fn a_subscription_in_another_currency_uses_the_prices_option() {
    let euros = Subscription { currency: currency("eur"), ..monthly(10_000) };
    let judged = Given::default().judge(&euros);
    check(&judged, Rule::NotComputable, 0);
    assert!(judged.why.contains("no amount in eur"), "{}", judged.why);
    let option = PriceAmount { unit_amount_decimal: Some("9200".to_owned()), tiers: None };
    let mut whole = euros.items[0].price.clone();
    whole.currency_options = Some(BTreeMap::from([(currency("eur"), option)]));
    let given = Given { catalogue: catalogue([Fact::Price(Box::new(whole))]), ..Given::default() };
    check(&given.judge(&euros), Rule::ActiveCounts, 9_200);
}

#[test]
fn a_coupon_limited_to_products_is_completed_and_a_lost_one_says_so() {
    let two = active(vec![item(price("a", "8000"), 1), item(price("b", "2000"), 1)]);
    let bare = with_discount(Coupon { applies_to: None, ..percent_off("50") }, two);
    let judged = Given::default().judge(&bare);
    check(&judged, Rule::ActiveCounts, 5_000);
    assert_eq!(discount_rules(&judged), [DiscountRule::SubtractedAppliesToUnknown; 2]);
    let limited = Coupon { applies_to: Some(vec![product_id("a")]), ..percent_off("50") };
    let given =
        |coupon: &Coupon| Given { catalogue: catalogue([Fact::Coupon(Box::new(coupon.clone()))]), ..Given::default() };
    check(&given(&limited).judge(&bare), Rule::ActiveCounts, 6_000);
    let unlimited = given(&Coupon { applies_to: None, ..percent_off("50") }).judge(&bare);
    assert_eq!(discount_rules(&unlimited), [DiscountRule::Subtracted; 2]);
    let mut dated = bare.clone();
    dated.discounts = vec![applied(Coupon { applies_to: None, created: Some(in_days(-9)), ..percent_off("50") })];
    let reused = Coupon { created: Some(in_days(-1)), ..limited };
    check(&given(&reused).judge(&dated), Rule::ActiveCounts, 5_000);
}

#[test]
fn a_discount_known_by_its_id_only_is_completed_or_not_computable() {
    let by_id = || AppliedDiscount::Id(DiscountId::new("di_percent").unwrap());
    let named = Subscription { discounts: vec![by_id()], ..monthly(10_000) };
    let judged = Given::default().judge(&named);
    check(&judged, Rule::NotComputable, 0);
    assert_eq!(judged.not_computable().count(), 1);
    assert!(judged.why.contains("di_percent"), "{}", judged.why);
    let ignoring = Given::preset(Preset::Simple).judge(&named);
    check(&ignoring, Rule::ActiveCounts, 10_000);
    assert_eq!(discount_rules(&ignoring), [DiscountRule::DiscountsNotSubtracted]);
    let elsewhere = Fact::Subscription(Box::new(with_discount(percent_off("30"), monthly(1))));
    let given = Given { catalogue: catalogue([elsewhere]), ..Given::default() };
    check(&given.judge(&named), Rule::ActiveCounts, 7_000);
    let mut without_coupon = discount(percent_off("30"));
    without_coupon.coupon = None;
    let bare = Subscription { discounts: vec![AppliedDiscount::Whole(Box::new(without_coupon))], ..monthly(10_000) };
    check(&Given::default().judge(&bare), Rule::NotComputable, 0);
    let given = Given { catalogue: catalogue([Fact::Coupon(Box::new(percent_off("30")))]), ..Given::default() };
    check(&given.judge(&bare), Rule::ActiveCounts, 7_000);
}

#[test]
fn an_item_that_cannot_be_priced_takes_its_companions_of_an_amount_off_along() {
    let mut two = active(vec![item(price("a", "8000"), 1), item(price("b", "2000"), 1)]);
    two.items[1].quantity = None;
    let judged = Given::default().judge(&two);
    check(&judged, Rule::ActiveCounts, 8_000);
    assert_eq!(judged.not_computable().map(|(item, _)| item.unwrap().as_str()).collect::<Vec<_>>(), ["si_b"]);
    let judged = Given::default().judge(&with_discount(amount_off(1_000, "usd"), two.clone()));
    check(&judged, Rule::NotComputable, 0);
    assert_eq!(judged.not_computable().count(), 2);
    let only_a = Coupon { applies_to: Some(vec![product_id("a")]), ..amount_off(1_000, "usd") };
    check(&Given::default().judge(&with_discount(only_a, two.clone())), Rule::ActiveCounts, 7_000);
    check(&Given::default().judge(&with_discount(percent_off("10"), two)), Rule::ActiveCounts, 7_200);
}

fn inclusive(minor: &str) -> Subscription {
    active(vec![item(Price { tax_inclusive: true, ..price("a", minor) }, 1)])
}

#[test]
fn inclusive_tax_is_taken_out_at_the_rate_of_the_items_own_lines() {
    let check = |subscription: &Subscription, invoices: Vec<Invoice>, rule: TaxRule, mrr: i64| {
        let judged = Given { invoices, ..Given::default() }.judge(subscription);
        assert_eq!((judged.items[0].tax.as_ref().unwrap().rule, judged.mrr.amount), (rule, mrr), "{judged:#?}");
    };
    let billed = |days: i64, lines| Invoice { lines, ..invoice(&format!("in_{days}"), days, 0) };
    let plain = inclusive("12000");
    check(&plain, vec![], TaxRule::InclusiveTaxUnknown, 12_000);
    check(&plain, vec![billed(-3, vec![line("a", 12_000, 0, 2_000)])], TaxRule::TakenOut, 10_000);
    // The rate is the net's: a discount on the line lessened what was taxed.
    check(&plain, vec![billed(-3, vec![line("a", 12_000, 6_000, 1_000)])], TaxRule::TakenOut, 10_000);
    // The newest telling invoice decides; a free one tells nothing, a draft is not asked.
    let newer = vec![
        billed(-40, vec![line("a", 12_000, 0, 2_000)]),
        billed(-9, vec![line("a", 11_000, 0, 1_000)]),
        billed(-5, vec![line("a", 12_000, 12_000, 0)]),
        Invoice { status: InvoiceStatus::Draft, ..billed(-1, vec![line("a", 12_000, 0, 4_000)]) },
    ];
    check(&plain, newer, TaxRule::TakenOut, 10_909);
    // No line of its own: the rate of the subscription's taxed lines.
    check(&plain, vec![billed(-3, vec![line("b", 2_400, 0, 400), line("c", 9, 0, 0)])], TaxRule::TakenOut, 10_000);
    // Exempt: the line is there and has no tax in it.
    check(&plain, vec![billed(-3, vec![line("a", 12_000, 0, 0)])], TaxRule::TakenOut, 12_000);
    let discounted = with_discount(percent_off("50"), inclusive("12000"));
    check(&discounted, vec![billed(-3, vec![line("a", 12_000, 6_000, 1_000)])], TaxRule::TakenOut, 5_000);
}

#[test]
fn tax_stays_in_where_nothing_else_is_asked_for() {
    let taxed = Invoice { lines: vec![line("a", 12_000, 0, 2_000)], ..invoice("in_1", -3, 0) };
    let given = Given { invoices: vec![taxed], ..Given::preset(Preset::Simple) };
    let judged = given.judge(&inclusive("12000"));
    check(&judged, Rule::ActiveCounts, 12_000);
    assert_eq!(judged.items[0].tax, None);
}

#[test]
fn an_explanation_is_one_that_a_person_can_redo() {
    let mut yearly = with_discount(amount_off(30_000, "usd"), inclusive("120000"));
    yearly.items[0].price = every(1, Interval::Year, yearly.items[0].price.clone());
    yearly.items[0].discounts.push(applied(Coupon { duration: CouponDuration::Once, ..percent_off("10") }));
    let taxed = Invoice { lines: vec![line("a", 120_000, 0, 20_000)], ..invoice("in_1", -3, 0) };
    let given = Given { invoices: vec![taxed], catalogue: catalogue([product("a", "Team")]), ..Given::default() };
    insta::assert_json_snapshot!(given.judge(&yearly));
}

#[test]
fn simple_is_price_times_quantity_of_active_subscriptions_and_nothing_else() {
    let simple = Given::preset(Preset::Simple);
    let mut burdened = with_discount(percent_off("40"), active(vec![item(price("a", "5000"), 3)]));
    burdened.cancel_at_period_end = true;
    burdened.items[0].trial_end = Some(in_days(3));
    burdened.pause_collection = Some(PauseCollection { behavior: "void".to_owned(), resumes_at: None });
    check(&simple.judge(&burdened), Rule::ActiveCounts, 15_000);
    check(&simple.judge(&active(vec![item(metered(price("a", "5000")), 3)])), Rule::MeteredUsage, 0);
    assert_eq!(Preset::Simple.policy().discount_forever, Subtraction::Ignore);
}

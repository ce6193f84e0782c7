//! Subscriptions of every status, age and composition, each with the invoices that it had.

use super::catalog::{CURRENCIES, CYCLES, Catalog};
use super::dice::Dice;
use super::{history, sprinkle};
use crate::business::Business;
use crate::calendar::{self, DAY, intervals_passed};
use crate::model::{
    CancelReason, Cancellation, Collection, Currency, Decimal, Discount, Idx, Item, PauseBehavior, PauseCollection,
    Period, Recurring, Scheme, Subscription, SubscriptionStatus as Status, Tax, TaxBehavior, Unix,
};

/// What was thrown for one subscription before it is put together.
pub(super) struct Plan {
    pub customer: Idx,
    pub cycle: usize,
    pub currency: usize,
    pub status: Status,
    pub start: Unix,
    pub now: Unix,
}

impl Plan {
    pub fn every(&self) -> Recurring {
        let (count, interval) = CYCLES[self.cycle];
        Recurring::every(count, interval)
    }
}

/// Gives a customer from none to several subscriptions, all in one currency.
pub fn add(business: &mut Business, dice: &mut Dice, catalog: &Catalog, customer: Idx, now: Unix) {
    let currency = dice.weighted(&[(850, 0), (70, 1), (40, 2), (30, 3), (10, 4)]);
    let count = dice.weighted(&[(120, 0), (655, 1), (145, 2), (60, 3), (20, 5)]);
    if count > 0 {
        business.customers[customer].currency = Some(CURRENCIES[currency]);
        if currency == 0 && dice.chance(30) {
            sprinkle::customer_discount(business, dice, catalog, customer);
        }
    }
    for _ in 0..count {
        let plan = throw(business, dice, customer, currency, now);
        one(business, dice, catalog, &plan);
    }
    if dice.chance(20) {
        sprinkle::one_off_invoice(business, dice, catalog, customer, currency, now);
    }
}

fn throw(business: &Business, dice: &mut Dice, customer: Idx, currency: usize, now: Unix) -> Plan {
    let created = business.customers[customer].created;
    let cycle: usize = dice.weighted(&[(345, 0), (550, 1), (95, 2), (10, 3)]);
    let status = dice.weighted(&[
        (720, Status::Active),
        (150, Status::Canceled),
        (35, Status::PastDue),
        (45, Status::Trialing),
        (15, Status::Unpaid),
        (8, Status::Incomplete),
        (12, Status::IncompleteExpired),
        (15, Status::Paused),
    ]);
    let start = match status {
        Status::Trialing => (now - dice.between(DAY / 24, 13 * DAY)).max(created),
        Status::Incomplete => (now - dice.between(600, 22 * 3_600)).max(created),
        _ => {
            let age = (now - created).max(7_200);
            // Monthly customers are mostly recent ones; the others stay for years.
            let longest = if cycle.is_multiple_of(2) && dice.chance(720) { age.min(150 * DAY) } else { age };
            now - dice.between(3_700, longest.max(3_701))
        }
    };
    Plan { customer, cycle, currency, status, start, now }
}

fn one(business: &mut Business, dice: &mut Dice, catalog: &Catalog, plan: &Plan) {
    let items = choose_items(business, dice, catalog, plan);
    let test_clock = business.customers[plan.customer].test_clock;
    let taxed = matches!(plan.currency, 1 | 2) && dice.chance(600);
    let inclusive = items.iter().any(|item| business.prices[item.price].tax_behavior == TaxBehavior::Inclusive);
    let flexible = items.len() > 10 || plan.start > 1_759_190_400;
    let subscription = business.subscriptions.push(Subscription {
        customer: plan.customer,
        created: plan.start,
        start: plan.start,
        anchor: plan.start,
        status: plan.status,
        currency: CURRENCIES[plan.currency],
        next_serial: u16::try_from(items.len()).unwrap_or(u16::MAX),
        items,
        discounts: Vec::new(),
        cancel_at: None,
        cancel_at_period_end: false,
        cancellation: None,
        ended_at: None,
        collection: collection(dice, plan.status),
        trial: None,
        pause_collection: None,
        tax: (taxed || inclusive).then_some(Tax { rate: 2_000 }),
        flexible,
        latest_invoice: None,
        metadata: Vec::new(),
        test_clock,
    });
    business.customers[plan.customer].subscriptions.push(subscription);
    set_trial(business, dice, subscription, plan);
    end_some(business, dice, subscription, plan);
    let used_up = if inclusive { None } else { add_discounts(business, dice, catalog, subscription, plan) };
    set_periods(business, subscription, plan);
    history::write(business, dice, subscription, plan, used_up);
    schedule_end(business, dice, subscription, plan);
    pause_some(business, dice, subscription, plan);
}

/// Only what is tried on a card can be incomplete or end up unpaid.
fn collection(dice: &mut Dice, status: Status) -> Collection {
    let card_only = matches!(status, Status::Incomplete | Status::IncompleteExpired | Status::Unpaid);
    if !card_only && dice.chance(120) { Collection::SendInvoice { days: 30 } } else { Collection::Automatic }
}

fn choose_items(business: &mut Business, dice: &mut Dice, catalog: &Catalog, plan: &Plan) -> Vec<Item> {
    let plans = catalog.plans(plan.cycle, plan.currency);
    let addons = catalog.addons(plan.cycle, plan.currency);
    let monthly = plan.cycle == 0;
    let mut prices = vec![match dice.below(1_000) {
        0..40 if monthly => catalog.legacy[plan.currency],
        40..60 => inline_price(business, dice, plan),
        _ => dice.weighted(&[(400, plans[0]), (280, plans[1]), (200, plans[2]), (90, plans[3]), (30, plans[4])]),
    }];
    let extra = dice.weighted(&[(700, 0), (220, 1), (70, 2), (7, 4), (3, 13)]);
    if extra > addons.len() {
        prices.extend(addons.iter().chain(&plans[3..]).copied());
    } else {
        let first = dice.index(addons.len());
        prices.extend((0..extra).map(|step| addons[(first + step) % addons.len()]));
    }
    if monthly && dice.chance(40) {
        prices.push(catalog.metered[plan.currency]);
    }
    if monthly && dice.chance(12) {
        // Two intervals on one subscription: a yearly add-on to a monthly plan.
        prices.push(catalog.addons(1, plan.currency)[5]);
    }
    let mut seen = Vec::new();
    prices.retain(|price| {
        let new = !seen.contains(price);
        seen.push(*price);
        new
    });
    let items = (0..).zip(prices);
    items.map(|(serial, price)| item(business, dice, serial, price, plan.start)).collect()
}

fn item(business: &Business, dice: &mut Dice, serial: u16, price: Idx, created: Unix) -> Item {
    let terms = &business.prices[price];
    let quantity = match &terms.scheme {
        _ if terms.is_metered() => None,
        Scheme::Tiered(..) => Some(dice.below(40)),
        _ if terms.transform.is_some() => Some(dice.below(2_000) + 1),
        Scheme::PerUnit(unit) if unit.as_whole().is_none() => Some((dice.below(80) + 1) * 500),
        Scheme::PerUnit(_) => Some(dice.weighted(&[(500, 1), (200, 3), (150, 5), (100, 12), (50, 40)])),
    };
    Item {
        serial,
        price,
        quantity,
        created,
        period: Period { start: created, end: created },
        discounts: Vec::new(),
        trial: None,
    }
}

fn inline_price(business: &mut Business, dice: &mut Dice, plan: &Plan) -> Idx {
    let mut price = business.prices[0].clone();
    let currency = CURRENCIES[plan.currency];
    price.created = plan.start;
    price.currency = currency;
    price.scheme = Scheme::PerUnit(Decimal::whole(dice.between(5, 400) * 90));
    price.recurring = Some(plan.every());
    price.tax_behavior = TaxBehavior::Exclusive;
    price.nickname = None;
    price.lookup_key = None;
    price.inline = true;
    // What was made by `price_data` is not offered to anyone else.
    price.active = false;
    business.prices.push(price)
}

fn set_trial(business: &mut Business, dice: &mut Dice, place: Idx, plan: &Plan) {
    let had_trial = match plan.status {
        Status::Trialing | Status::Paused => true,
        Status::Incomplete | Status::IncompleteExpired => false,
        _ => plan.now - plan.start > 20 * DAY && dice.chance(250),
    };
    if !had_trial {
        return;
    }
    let end = match plan.status {
        Status::Trialing => plan.start + 14 * DAY,
        _ => plan.start + 14 * DAY.min((plan.now - plan.start) / 28),
    };
    let subscription = &mut business.subscriptions[place];
    subscription.trial = Some(Period { start: plan.start, end });
    subscription.anchor = end;
    subscription.collection = Collection::Automatic;
}

fn end_some(business: &mut Business, dice: &mut Dice, place: Idx, plan: &Plan) {
    let subscription = &mut business.subscriptions[place];
    let ended = match plan.status {
        Status::Canceled => dice.between(plan.start + 60, plan.now),
        // An incomplete subscription expires after 23 hours.
        Status::IncompleteExpired => (plan.start + 23 * 3_600).min(plan.now),
        _ => return,
    };
    subscription.ended_at = Some(ended);
    if plan.status == Status::Canceled {
        let unpaid = dice.chance(220) && subscription.trial.is_none();
        subscription.cancellation = Some(cancellation(dice, ended, unpaid));
    }
}

fn cancellation(dice: &mut Dice, at: Unix, unpaid: bool) -> Cancellation {
    let feedback = ["too_expensive", "unused", "switched_service", "missing_features", "other"];
    Cancellation {
        requested_at: at,
        reason: if unpaid { CancelReason::PaymentFailed } else { CancelReason::Requested },
        feedback: (!unpaid && dice.chance(500)).then(|| *dice.pick(&feedback)),
        comment: (!unpaid && dice.chance(100)).then(|| "Going with another tool".to_owned()),
    }
}

/// Puts discounts on; gives one that the first invoice has used up, if there was one.
fn add_discounts(
    business: &mut Business,
    dice: &mut Dice,
    catalog: &Catalog,
    place: Idx,
    plan: &Plan,
) -> Option<Discount> {
    let coupons = &catalog.coupons;
    let usd = CURRENCIES[plan.currency] == Currency::USD;
    let single = business.subscriptions[place].items.iter().all(|item| {
        let every = business.prices[item.price].recurring;
        every.is_none_or(|r| r.approximate_days() == plan.every().approximate_days())
    });
    match dice.below(1_000) {
        0..70 => put_on(business, place, *dice.pick(&coupons.forever), plan.start),
        70..110 => put_on(business, place, *dice.pick(&coupons.repeating), plan.start),
        110..130 if single => put_on(business, place, *dice.pick(&coupons.amounts), plan.start),
        130..140 if usd => put_on(business, place, *dice.pick(&coupons.once), plan.now - 3_600),
        140..150 if single => {
            put_on(business, place, coupons.forever[0], plan.start);
            put_on(business, place, coupons.amounts[0], plan.start);
        }
        150..180 => put_on_item(business, place, *dice.pick(&coupons.forever), plan.start),
        180..190 => {
            put_on_item(business, place, coupons.forever[3], plan.start);
            put_on(business, place, coupons.forever[0], plan.start);
        }
        190..250 => {
            let mut used = business.new_discount(coupons.once[0], plan.start, None);
            used.customer = Some(plan.customer);
            used.subscription = Some(place);
            business.coupons[coupons.once[0]].times_redeemed += 1;
            return Some(used);
        }
        _ => {}
    }
    drop_ended(business, place, plan.now);
    None
}

fn put_on(business: &mut Business, place: Idx, coupon: Idx, start: Unix) {
    let mut discount = sprinkle::discount(business, coupon, start);
    discount.subscription = Some(place);
    discount.customer = Some(business.subscriptions[place].customer);
    business.subscriptions[place].discounts.push(discount);
}

fn put_on_item(business: &mut Business, place: Idx, coupon: Idx, start: Unix) {
    let mut discount = sprinkle::discount(business, coupon, start);
    let subscription = &mut business.subscriptions[place];
    discount.customer = Some(subscription.customer);
    discount.subscription = Some(place);
    discount.item = Some((place, subscription.items[0].serial));
    subscription.items[0].discounts.push(discount);
}

/// A repeating discount leaves the subscription when it ends.
fn drop_ended(business: &mut Business, place: Idx, now: Unix) {
    let subscription = &mut business.subscriptions[place];
    subscription.discounts.retain(|d| d.end.is_none_or(|end| now < end));
    for item in &mut subscription.items {
        item.discounts.retain(|d| d.end.is_none_or(|end| now < end));
    }
}

/// Sets each item's current period: the trial, or the interval that `now` or the end lies in.
fn set_periods(business: &mut Business, place: Idx, plan: &Plan) {
    let subscription = &business.subscriptions[place];
    let until = subscription.ended_at.unwrap_or(plan.now);
    let trial = subscription.trial.filter(|trial| trial.holds(until));
    let anchor = subscription.anchor;
    for at in 0..subscription.items.len() {
        let item = &business.subscriptions[place].items[at];
        let every = business.prices[item.price].recurring.unwrap_or(plan.every());
        let period = trial.unwrap_or_else(|| {
            let passed = intervals_passed(anchor, every, until);
            Period {
                start: calendar::boundary(anchor, every, passed),
                end: calendar::boundary(anchor, every, passed + 1),
            }
        });
        business.subscriptions[place].items[at].period = period;
    }
}

/// Some of those that run will end, at the period's end or on a day already set.
fn schedule_end(business: &mut Business, dice: &mut Dice, place: Idx, plan: &Plan) {
    let subscription = &mut business.subscriptions[place];
    if !subscription.status.is_live() || !dice.chance(45) {
        return;
    }
    let requested = dice.between(plan.start, plan.now);
    subscription.cancellation = Some(cancellation(dice, requested, false));
    let period = subscription.period();
    if subscription.flexible || dice.chance(250) {
        let later = if dice.chance(300) { 45 * DAY } else { 0 };
        subscription.cancel_at = Some(period.end + later);
    } else {
        subscription.cancel_at_period_end = true;
        subscription.cancel_at = Some(period.end);
    }
}

fn pause_some(business: &mut Business, dice: &mut Dice, place: Idx, plan: &Plan) {
    let subscription = &mut business.subscriptions[place];
    if subscription.status != Status::Active {
        return;
    }
    if dice.chance(12) {
        let behavior = *dice.pick(&[PauseBehavior::KeepAsDraft, PauseBehavior::MarkUncollectible, PauseBehavior::Void]);
        subscription.pause_collection =
            Some(PauseCollection { behavior, resumes_at: dice.chance(500).then_some(plan.now + 30 * DAY) });
    } else if subscription.items.len() == 2 && subscription.flexible && dice.chance(50) {
        subscription.items[1].trial = Some(Period { start: plan.now - DAY, end: plan.now + 13 * DAY });
    }
}

//! Plausible changes by chance, for simulations that run for long. The rows it picks are not on a
//! test clock, and a change that Stripe would refuse is thrown again.

use super::{Applied, Change, Changing};
use crate::generate::dice::Dice;
use crate::ids::{Kind, Part};
use crate::model::{CouponDuration, CouponValue, Idx, InvoiceStatus, SubscriptionStatus as Status, TaxBehavior};
use crate::sim::Sim;
use crate::world::World;

const THROWS: usize = 50;

impl Sim {
    /// Makes one thing happen by chance; nothing only when the business is too small for it.
    pub fn random_change(&self, dice: &mut Dice) -> Option<(Change, Applied)> {
        let mut world = self.world_mut();
        for _ in 0..THROWS {
            let Some(change) = throw(&world, dice) else {
                continue;
            };
            if let Ok(applied) = Changing::begin(&mut world).apply(&change) {
                return Some((change, applied));
            }
        }
        None
    }
}

fn throw(world: &World, dice: &mut Dice) -> Option<Change> {
    match dice.below(100) {
        0..20 => customers(world, dice),
        20..68 => subscriptions(world, dice),
        68..90 => invoices(world, dice),
        90..97 => money_back(world, dice),
        _ => catalog(world, dice),
    }
}

fn pick<T: crate::model::Row>(
    rows: &crate::model::Table<T>,
    dice: &mut Dice,
    fits: impl Fn(&T) -> bool,
) -> Option<Idx> {
    for _ in 0..THROWS {
        let place = Idx::try_from(dice.below(rows.len() as u64)).ok()?;
        if rows.get(place).is_some_and(&fits) {
            return Some(place);
        }
    }
    None
}

fn customers(world: &World, dice: &mut Dice) -> Option<Change> {
    let business = &world.business;
    if dice.chance(300) {
        let number = business.customers.len();
        return Some(Change::CreateCustomer {
            name: Some(format!("Newcomer {number}")),
            email: Some(format!("hello@newcomer-{number}.com")),
        });
    }
    let place = pick(&business.customers, dice, |row| !row.deleted && !row.test_clock)?;
    let customer = business.id(Kind::Customer, place);
    Some(match dice.below(10) {
        0 => Change::DeleteCustomer { customer },
        1..=3 => Change::SetCustomerMetadata { customer, key: "tier".to_owned(), value: format!("{}", dice.below(5)) },
        4..=5 => Change::UpdateCustomer {
            customer,
            name: None,
            email: Some(format!("moved@elsewhere-{}.io", dice.below(1_000_000))),
        },
        6..=7 => Change::UpdateCustomer { customer, name: Some(format!("Renamed {}", dice.below(1_000))), email: None },
        _ => {
            let currency = business.customers[place].currency;
            let price = sellable(world, dice, |row| currency.is_none_or(|c| row.currency == c))?;
            Change::CreateSubscription {
                customer,
                price: business.id(Kind::Price, price),
                quantity: dice.below(20) + 1,
                trial_days: dice.chance(300).then_some(14),
                coupon: None,
            }
        }
    })
}

/// A price that a subscription can be put on without making its tax ambiguous.
fn sellable(world: &World, dice: &mut Dice, fits: impl Fn(&crate::model::Price) -> bool) -> Option<Idx> {
    pick(&world.business.prices, dice, |row| {
        let licensed = row.recurring.is_some_and(|every| !every.metered);
        let plain = row.active && !row.inline && !row.deleted;
        licensed && plain && row.tax_behavior != TaxBehavior::Inclusive && fits(row)
    })
}

fn subscriptions(world: &World, dice: &mut Dice) -> Option<Change> {
    let business = &world.business;
    let place = pick(&business.subscriptions, dice, |row| !row.status.is_ended() && !row.test_clock)?;
    let row = &business.subscriptions[place];
    let subscription = business.id(Kind::Subscription, place);
    let item = &row.items[dice.index(row.items.len())];
    let item_id = business.ids.part(Part::SubscriptionItem, crate::business::join(place, item.serial));
    Some(match dice.below(20) {
        0..=5 => {
            item.quantity?;
            Change::SetQuantity { subscription, item: Some(item_id), quantity: dice.below(60) }
        }
        6..=8 => {
            let old = &business.prices[item.price];
            let price = sellable(world, dice, |new| new.currency == old.currency && new.recurring == old.recurring)?;
            let taken = row.items.iter().any(|own| own.price == price);
            if taken || old.tax_behavior == TaxBehavior::Inclusive {
                return None;
            }
            Change::ChangePrice { subscription, item: Some(item_id), price: business.id(Kind::Price, price) }
        }
        9 => Change::AddDiscount { subscription, coupon: plain_coupon(world, dice, place)? },
        10 => Change::RemoveDiscounts { subscription },
        11 => Change::Cancel { subscription },
        12..=13 => Change::CancelAtPeriodEnd { subscription },
        14 => Change::WithdrawCancellation { subscription },
        15 if row.pause_collection.is_some() => Change::ResumeCollection { subscription },
        15 => Change::PauseCollection { subscription },
        16 => {
            let status = *dice.pick(&[Status::Active, Status::PastDue, Status::Unpaid, Status::Paused]);
            Change::SetStatus { subscription, status: status.name().to_owned() }
        }
        _ if row.status.is_live() => Change::Renew { subscription, declined: dice.chance(200) },
        _ => return None,
    })
}

/// A percentage that lasts, on a subscription whose tax it cannot make uneven.
fn plain_coupon(world: &World, dice: &mut Dice, place: Idx) -> Option<String> {
    let business = &world.business;
    let taxed_inside = business.subscriptions[place]
        .items
        .iter()
        .any(|item| business.prices[item.price].tax_behavior == TaxBehavior::Inclusive);
    let coupon = pick(&business.coupons, dice, |row| {
        let percent = matches!(row.value, CouponValue::Percent(_));
        !row.deleted && percent && row.duration != CouponDuration::Once
    })?;
    (!taxed_inside).then(|| business.coupons[coupon].id.clone())
}

fn invoices(world: &World, dice: &mut Dice) -> Option<Change> {
    let business = &world.business;
    if dice.chance(150) {
        let place = pick(&business.subscriptions, dice, |row| row.status == Status::Active && !row.test_clock)?;
        let subscription = business.id(Kind::Subscription, place);
        return Some(Change::CreateInvoice { subscription });
    }
    let unsettled = |row: &crate::model::Invoice| {
        matches!(row.status, InvoiceStatus::Draft | InvoiceStatus::Open) && !row.test_clock
    };
    let place = pick(&business.invoices, dice, unsettled)?;
    let invoice = business.id(Kind::Invoice, place);
    if business.invoices[place].status == InvoiceStatus::Draft {
        return Some(Change::FinalizeInvoice { invoice });
    }
    Some(match dice.below(10) {
        0..=4 => Change::PayInvoice { invoice },
        5..=7 => Change::FailPayment { invoice, retry: dice.chance(600) },
        8 => Change::VoidInvoice { invoice },
        _ => Change::MarkUncollectible { invoice },
    })
}

fn money_back(world: &World, dice: &mut Dice) -> Option<Change> {
    let business = &world.business;
    if dice.chance(150) {
        let dispute = pick(&business.disputes, dice, |_| true)?;
        return Some(Change::CloseDispute { dispute: business.id(Kind::Dispute, dispute), won: dice.chance(500) });
    }
    if dice.chance(150) {
        let refund = pick(&business.refunds, dice, |_| true)?;
        return Some(Change::FailRefund { refund: business.id(Kind::Refund, refund) });
    }
    let place = pick(&business.charges, dice, |row| row.failure.is_none() && row.refunded < row.amount)?;
    let row = &business.charges[place];
    let left = row.amount - row.refunded;
    let charge = business.id(Kind::Charge, place);
    Some(match dice.below(4) {
        0 => Change::OpenDispute { charge },
        1 => Change::CreditNote {
            invoice: business.id(Kind::Invoice, business.payments[row.payment].invoice),
            amount: left / 2,
            refund: dice.chance(500),
        },
        2 => Change::Refund { charge, amount: left },
        _ => Change::Refund { charge, amount: left / 2 },
    })
}

fn catalog(world: &World, dice: &mut Dice) -> Option<Change> {
    let business = &world.business;
    Some(match dice.below(5) {
        0 => {
            let place = pick(&business.products, dice, |row| !row.deleted)?;
            Change::UpdateProduct {
                product: business.id(Kind::Product, place),
                name: Some(format!("Product {}", dice.below(1_000))),
                active: None,
            }
        }
        1 => {
            let place = pick(&business.coupons, dice, |row| !row.deleted)?;
            Change::DeleteCoupon { coupon: business.coupons[place].id.clone() }
        }
        _ => {
            let place = pick(&business.prices, dice, |row| !row.deleted && !row.inline)?;
            Change::UpdatePrice {
                price: business.id(Kind::Price, place),
                active: Some(dice.chance(500)),
                nickname: Some(format!("nickname {}", dice.below(1_000))),
            }
        }
    })
}

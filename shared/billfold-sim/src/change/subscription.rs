//! Changes of subscriptions.

use super::{Change, ChangeError, Changing, Outcome, missing};
use crate::business::Business;
use crate::calendar::{DAY, boundary};
use crate::generate::new_discount;
use crate::ids::Kind;
use crate::invoicing;
use crate::model::{
    CancelReason, Cancellation, Collection, Idx, Item, PauseBehavior, PauseCollection, Period, Recurring, Subscription,
    SubscriptionStatus as Status, Unix,
};
use crate::render::Target;

const UPDATED: &str = "customer.subscription.updated";

impl Changing<'_> {
    pub(super) fn subscription_change(&mut self, change: &Change) -> Outcome {
        if let Change::CreateSubscription { customer, price, quantity, trial_days, coupon } = change {
            let (customer, price) = (self.customer(customer)?, self.price(price)?);
            let coupon = coupon.as_deref().map(|id| self.coupon(id)).transpose()?;
            let trial = trial_days.map(|days| i64::from(days) * DAY);
            let made = self.create_subscription(customer, price, *quantity, trial, coupon)?;
            return Ok(Some(self.business().id(Kind::Subscription, made)));
        }
        let (place, change) = self.named(change)?;
        match change {
            Change::SetQuantity { item, quantity, .. } => {
                let at = self.item(place, item.as_deref())?;
                self.edit(place, |row| row.items[at].quantity = Some(*quantity));
            }
            Change::ChangePrice { item, price, .. } => {
                let (at, price) = (self.item(place, item.as_deref())?, self.price(price)?);
                self.change_price(place, at, price)?;
            }
            Change::AddItem { price, quantity, .. } => {
                let price = self.price(price)?;
                self.add_item(place, price, *quantity)?;
            }
            Change::RemoveItem { item, .. } => {
                let at = self.item(place, Some(item))?;
                if self.business().subscriptions[place].items.len() == 1 {
                    return Err(ChangeError::Impossible("a subscription keeps one item"));
                }
                self.edit(place, |row| {
                    row.items.remove(at);
                });
            }
            Change::SetStatus { status, .. } => {
                let status = Status::parse(status).ok_or(ChangeError::Impossible("there is no such status"))?;
                self.set_status(place, status);
            }
            _ => self.lifecycle_change(place, change)?,
        }
        Ok(None)
    }

    fn lifecycle_change(&mut self, place: Idx, change: &Change) -> Result<(), ChangeError> {
        match change {
            Change::AddDiscount { coupon, .. } => {
                let coupon = self.coupon(coupon)?;
                self.add_discount(place, coupon);
            }
            Change::RemoveDiscounts { .. } => self.remove_discounts(place, |_| true),
            Change::Cancel { .. } => self.cancel_now(place),
            Change::CancelAtPeriodEnd { .. } => self.cancel_at_period_end(place),
            Change::WithdrawCancellation { .. } => self.edit(place, |row| {
                row.cancel_at_period_end = false;
                row.cancel_at = None;
                row.cancellation = None;
            }),
            Change::PauseCollection { .. } => self.edit(place, |row| {
                row.pause_collection = Some(PauseCollection { behavior: PauseBehavior::Void, resumes_at: None });
            }),
            Change::ResumeCollection { .. } => self.edit(place, |row| row.pause_collection = None),
            Change::Renew { declined, .. } => self.renew(place, *declined),
            _ => return Err(ChangeError::Impossible("this is no change of a subscription")),
        }
        Ok(())
    }

    /// The subscription a change is about. One that has ended cannot be changed.
    fn named<'c>(&self, change: &'c Change) -> Result<(Idx, &'c Change), ChangeError> {
        let id = subject(change).ok_or(ChangeError::Impossible("this is no change of a subscription"))?;
        let place = self.subscription(id)?;
        if self.business().subscriptions[place].status.is_ended() {
            return Err(ChangeError::Impossible("the subscription has ended"));
        }
        Ok((place, change))
    }

    fn item(&self, place: Idx, id: Option<&str>) -> Result<usize, ChangeError> {
        let Some(id) = id else { return Ok(0) };
        self.business()
            .find_item(id)
            .filter(|&(owner, _)| owner == place)
            .map(|(_, at)| at)
            .ok_or_else(|| missing("subscription item", id))
    }

    fn edit(&mut self, place: Idx, change: impl FnOnce(&mut Subscription)) {
        self.update(UPDATED, Target::Subscription(place), |business| {
            change(&mut business.subscriptions[place]);
        });
    }

    fn create_subscription(
        &mut self,
        customer: Idx,
        price: Idx,
        quantity: u64,
        trial: Option<Unix>,
        coupon: Option<Idx>,
    ) -> Result<Idx, ChangeError> {
        let now = self.now;
        let every = recurring(self.business(), price)?;
        let currency = self.business().prices[price].currency;
        let own = &self.business().customers[customer];
        if own.currency.is_some_and(|own| own != currency) {
            return Err(ChangeError::Impossible("the customer pays in another currency"));
        }
        let test_clock = own.test_clock;
        self.update("customer.updated", Target::Customer(customer), |business| {
            business.customers[customer].currency = Some(currency);
        });
        let business = self.business_mut();
        let trial = trial.map(|length| Period { start: now, end: now + length });
        let anchor = trial.map_or(now, |trial| trial.end);
        let mut item = new_item(business, 0, price, quantity, now);
        item.period = trial.unwrap_or(Period { start: now, end: boundary(anchor, every, 1) });
        let place = business.subscriptions.push(Subscription {
            customer,
            created: now,
            start: now,
            anchor,
            status: if trial.is_some() { Status::Trialing } else { Status::Active },
            currency,
            items: vec![item],
            next_serial: 1,
            discounts: Vec::new(),
            cancel_at: None,
            cancel_at_period_end: false,
            cancellation: None,
            ended_at: None,
            collection: Collection::Automatic,
            trial,
            pause_collection: None,
            tax: None,
            flexible: true,
            latest_invoice: None,
            metadata: Vec::new(),
            test_clock,
        });
        business.customers[customer].subscriptions.push(place);
        if let Some(coupon) = coupon {
            let mut discount = new_discount(business, coupon, now);
            discount.customer = Some(customer);
            discount.subscription = Some(place);
            business.subscriptions[place].discounts.push(discount);
        }
        let invoice = self.bill(place, crate::model::BillingReason::Create, now);
        self.emit("customer.subscription.created", Target::Subscription(place));
        self.collect(invoice, false);
        self.drop_once(place);
        Ok(place)
    }

    /// A price of another interval starts a new period now.
    fn change_price(&mut self, place: Idx, at: usize, price: Idx) -> Result<(), ChangeError> {
        let now = self.now;
        let every = recurring(self.business(), price)?;
        let row = &self.business().subscriptions[place];
        if self.business().prices[price].currency != row.currency {
            return Err(ChangeError::Impossible("the subscription is in another currency"));
        }
        let before = recurring(self.business(), row.items[at].price)?;
        let same = (before.interval, before.count) == (every.interval, every.count);
        let metered = self.business().prices[price].is_metered();
        self.edit(place, |row| {
            let item = &mut row.items[at];
            item.price = price;
            item.quantity = if metered { None } else { item.quantity.or(Some(1)) };
            if !same {
                item.period = Period { start: now, end: boundary(now, every, 1) };
                row.anchor = now;
            }
        });
        Ok(())
    }

    fn add_item(&mut self, place: Idx, price: Idx, quantity: u64) -> Result<(), ChangeError> {
        let every = recurring(self.business(), price)?;
        let row = &self.business().subscriptions[place];
        if self.business().prices[price].currency != row.currency {
            return Err(ChangeError::Impossible("the subscription is in another currency"));
        }
        let (now, anchor) = (self.now, row.anchor);
        let mut item = new_item(self.business(), row.next_serial, price, quantity, now);
        let passed = crate::calendar::intervals_passed(anchor, every, now);
        item.period = match row.trial.filter(|trial| trial.holds(now)) {
            Some(trial) => trial,
            None => Period { start: boundary(anchor, every, passed), end: boundary(anchor, every, passed + 1) },
        };
        self.edit(place, |row| {
            row.items.push(item);
            row.next_serial += 1;
        });
        Ok(())
    }

    fn add_discount(&mut self, place: Idx, coupon: Idx) {
        let now = self.now;
        let mut discount = new_discount(self.business_mut(), coupon, now);
        discount.subscription = Some(place);
        discount.customer = Some(self.business().subscriptions[place].customer);
        let shown = discount.clone();
        self.edit(place, |row| row.discounts.push(discount));
        self.emit_discount("customer.discount.created", &shown);
    }

    /// Takes off the subscription's own discounts, and those of its items, that are to go.
    pub(super) fn remove_discounts(&mut self, place: Idx, goes: impl Fn(&crate::model::Discount) -> bool) {
        let row = &self.business().subscriptions[place];
        let of_items = row.items.iter().flat_map(|item| &item.discounts);
        let gone: Vec<_> = row.discounts.iter().chain(of_items).filter(|d| goes(d)).cloned().collect();
        if gone.is_empty() {
            return;
        }
        self.edit(place, |row| {
            row.discounts.retain(|discount| !goes(discount));
            for item in &mut row.items {
                item.discounts.retain(|discount| !goes(discount));
            }
        });
        for discount in &gone {
            self.emit_discount("customer.discount.deleted", discount);
        }
    }

    /// What the invoice just made has used up.
    pub(super) fn drop_once(&mut self, place: Idx) {
        let business = self.business();
        let row = &business.subscriptions[place];
        let of_items = row.items.iter().flat_map(|item| &item.discounts);
        let used: Vec<u64> = row
            .discounts
            .iter()
            .chain(of_items)
            .filter(|discount| invoicing::is_once(business, discount))
            .map(|discount| discount.number)
            .collect();
        self.remove_discounts(place, |discount| used.contains(&discount.number));
    }

    pub(super) fn set_status(&mut self, place: Idx, status: Status) {
        if status == Status::Canceled {
            return self.cancel_now(place);
        }
        let now = self.now;
        self.edit(place, |row| {
            row.status = status;
            match status {
                Status::IncompleteExpired => row.ended_at = Some(now),
                Status::Trialing => {
                    row.trial = Some(Period { start: now, end: now + 14 * DAY });
                }
                // A trial that is left early ends with it.
                _ => {
                    if let Some(trial) = &mut row.trial {
                        trial.end = trial.end.min(now);
                    }
                }
            }
        });
        if status == Status::Paused {
            self.emit("customer.subscription.paused", Target::Subscription(place));
        }
    }

    pub(super) fn cancel_now(&mut self, place: Idx) {
        let now = self.now;
        let row = &mut self.business_mut().subscriptions[place];
        row.status = Status::Canceled;
        row.ended_at = Some(now);
        row.cancellation.get_or_insert_with(|| requested(now));
        self.emit("customer.subscription.deleted", Target::Subscription(place));
    }

    fn cancel_at_period_end(&mut self, place: Idx) {
        let now = self.now;
        self.edit(place, |row| {
            row.cancel_at = Some(row.period().end);
            // Flexible billing sets the day alone.
            row.cancel_at_period_end = !row.flexible;
            row.cancellation = Some(requested(now));
        });
    }
}

/// The id of the subscription that a change is about.
fn subject(change: &Change) -> Option<&str> {
    match change {
        Change::SetQuantity { subscription, .. }
        | Change::ChangePrice { subscription, .. }
        | Change::AddItem { subscription, .. }
        | Change::RemoveItem { subscription, .. }
        | Change::AddDiscount { subscription, .. }
        | Change::RemoveDiscounts { subscription }
        | Change::SetStatus { subscription, .. }
        | Change::Cancel { subscription }
        | Change::CancelAtPeriodEnd { subscription }
        | Change::WithdrawCancellation { subscription }
        | Change::PauseCollection { subscription }
        | Change::ResumeCollection { subscription }
        | Change::Renew { subscription, .. } => Some(subscription),
        _ => None,
    }
}

fn requested(at: Unix) -> Cancellation {
    Cancellation { requested_at: at, reason: CancelReason::Requested, feedback: Some("too_expensive"), comment: None }
}

fn recurring(business: &Business, price: Idx) -> Result<Recurring, ChangeError> {
    business.prices[price].recurring.ok_or(ChangeError::Impossible("a one-time price cannot be subscribed to"))
}

fn new_item(business: &Business, serial: u16, price: Idx, quantity: u64, now: Unix) -> Item {
    Item {
        serial,
        price,
        quantity: (!business.prices[price].is_metered()).then_some(quantity),
        created: now,
        period: Period { start: now, end: now },
        discounts: Vec::new(),
        trial: None,
    }
}

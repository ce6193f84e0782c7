//! What can happen to a business. Each change does to the model what Stripe would do, and emits
//! the events that Stripe would send, in their usual order.

mod catalog;
mod customer;
mod invoice;
mod money_back;
mod random;
mod settle;
mod subscription;

use serde::{Deserialize, Serialize};

use crate::business::Business;
use crate::ids::{Kind, Part};
use crate::model::{Idx, Subscription, Unix};
use crate::render::Target;
use crate::sim::Sim;
use crate::world::{Snapshot, World};

/// One thing that happens. Ids are Stripe's, as the API shows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    CreateCustomer {
        name: Option<String>,
        email: Option<String>,
    },
    /// What is absent stays; an empty text is unset.
    UpdateCustomer {
        customer: String,
        name: Option<String>,
        email: Option<String>,
    },
    SetCustomerMetadata {
        customer: String,
        key: String,
        value: String,
    },
    /// Cancels what runs, for good.
    DeleteCustomer {
        customer: String,
    },
    DiscountCustomer {
        customer: String,
        coupon: String,
    },
    CreateSubscription {
        customer: String,
        price: String,
        quantity: u64,
        trial_days: Option<u32>,
        coupon: Option<String>,
    },
    /// The first item when none is named.
    SetQuantity {
        subscription: String,
        item: Option<String>,
        quantity: u64,
    },
    ChangePrice {
        subscription: String,
        item: Option<String>,
        price: String,
    },
    AddItem {
        subscription: String,
        price: String,
        quantity: u64,
    },
    RemoveItem {
        subscription: String,
        item: String,
    },
    AddDiscount {
        subscription: String,
        coupon: String,
    },
    RemoveDiscounts {
        subscription: String,
    },
    SetStatus {
        subscription: String,
        status: String,
    },
    Cancel {
        subscription: String,
    },
    CancelAtPeriodEnd {
        subscription: String,
    },
    WithdrawCancellation {
        subscription: String,
    },
    PauseCollection {
        subscription: String,
    },
    ResumeCollection {
        subscription: String,
    },
    /// Bills the next period; the payment goes through or is declined.
    Renew {
        subscription: String,
        declined: bool,
    },
    /// A draft over the current period of a subscription.
    CreateInvoice {
        subscription: String,
    },
    FinalizeInvoice {
        invoice: String,
    },
    PayInvoice {
        invoice: String,
    },
    /// A declined attempt, after which another is planned or not.
    FailPayment {
        invoice: String,
        retry: bool,
    },
    VoidInvoice {
        invoice: String,
    },
    MarkUncollectible {
        invoice: String,
    },
    Refund {
        charge: String,
        amount: i64,
    },
    /// The bank sends it back.
    FailRefund {
        refund: String,
    },
    OpenDispute {
        charge: String,
    },
    CloseDispute {
        dispute: String,
        won: bool,
    },
    /// Before payment it lowers what is due; after payment it goes back, by refund or otherwise.
    CreditNote {
        invoice: String,
        amount: i64,
        refund: bool,
    },
    UpdateProduct {
        product: String,
        name: Option<String>,
        active: Option<bool>,
    },
    /// Only a product without prices can be deleted.
    DeleteProduct {
        product: String,
    },
    UpdatePrice {
        price: String,
        active: Option<bool>,
        nickname: Option<String>,
    },
    /// Only a price that nothing uses can be deleted.
    DeletePrice {
        price: String,
    },
    /// The discounts it made stay.
    DeleteCoupon {
        coupon: String,
    },
}

/// What came of a change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// Ids of the events it emitted, in order.
    pub events: Vec<String>,
    /// The id of what it made.
    pub created: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    #[error("there is no {noun} {id}")]
    Missing { noun: &'static str, id: String },
    #[error("{0}")]
    Impossible(&'static str),
}

pub(crate) type Outcome = Result<Option<String>, ChangeError>;

impl Sim {
    /// Makes something happen.
    ///
    /// # Errors
    /// When it names nothing, or Stripe would refuse it. Then nothing has happened.
    pub fn apply(&self, change: &Change) -> Result<Applied, ChangeError> {
        let mut world = self.world_mut();
        Changing::begin(&mut world).apply(change)
    }
}

/// A change under way: the world, and the events emitted so far.
pub(crate) struct Changing<'a> {
    world: &'a mut World,
    now: Unix,
    events: Vec<u64>,
}

impl<'a> Changing<'a> {
    pub fn begin(world: &'a mut World) -> Self {
        let now = world.now();
        Self { world, now, events: Vec::new() }
    }

    pub fn apply(mut self, change: &Change) -> Result<Applied, ChangeError> {
        let created = self.run(change)?;
        Ok(self.finish(created))
    }

    pub fn finish(self, created: Option<String>) -> Applied {
        let ids = &self.world.business.ids;
        let events = self.events.iter().map(|&number| ids.part(Part::Event, number));
        Applied { events: events.collect(), created }
    }

    fn run(&mut self, change: &Change) -> Outcome {
        use Change as C;
        match change {
            C::CreateCustomer { .. }
            | C::UpdateCustomer { .. }
            | C::SetCustomerMetadata { .. }
            | C::DeleteCustomer { .. }
            | C::DiscountCustomer { .. } => self.customer_change(change),
            C::CreateInvoice { .. }
            | C::FinalizeInvoice { .. }
            | C::PayInvoice { .. }
            | C::FailPayment { .. }
            | C::VoidInvoice { .. }
            | C::MarkUncollectible { .. } => self.invoice_change(change),
            C::Refund { .. }
            | C::FailRefund { .. }
            | C::OpenDispute { .. }
            | C::CloseDispute { .. }
            | C::CreditNote { .. } => self.money_back_change(change),
            C::UpdateProduct { .. }
            | C::DeleteProduct { .. }
            | C::UpdatePrice { .. }
            | C::DeletePrice { .. }
            | C::DeleteCoupon { .. } => self.catalog_change(change),
            _ => self.subscription_change(change),
        }
    }

    fn business(&self) -> &Business {
        &self.world.business
    }

    fn business_mut(&mut self) -> &mut Business {
        &mut self.world.business
    }

    /// Emits an event over an object as it is now.
    fn emit(&mut self, kind: &str, target: Target) {
        let number = self.world.emit(kind, target, None);
        self.events.push(number);
    }

    /// Changes an object and emits that it was updated, unless nothing is different.
    fn update(&mut self, kind: &str, target: Target, change: impl FnOnce(&mut Business)) {
        let before = self.world.snapshot(target);
        let row = self.subscription_row(target).cloned();
        change(&mut self.world.business);
        // An event shows ten items of a subscription; a change of the eleventh is news as well.
        if self.subscription_row(target) != row.as_ref() || self.world.differs(target, &before) {
            let number = self.world.emit(kind, target, Some(&before));
            self.events.push(number);
        }
    }

    fn subscription_row(&self, target: Target) -> Option<&Subscription> {
        match target {
            Target::Subscription(place) => self.business().subscriptions.get(place),
            _ => None,
        }
    }

    /// Emits that an object was updated, unless it is as it was.
    fn updated_since(&mut self, kind: &str, target: Target, before: &Snapshot) {
        if self.world.differs(target, before) {
            let number = self.world.emit(kind, target, Some(before));
            self.events.push(number);
        }
    }

    fn customer(&self, id: &str) -> Result<Idx, ChangeError> {
        let found = self.business().find(Kind::Customer, id);
        found.filter(|&place| !self.business().customers[place].deleted).ok_or_else(|| missing("customer", id))
    }

    fn subscription(&self, id: &str) -> Result<Idx, ChangeError> {
        self.business().find(Kind::Subscription, id).ok_or_else(|| missing("subscription", id))
    }

    fn invoice(&self, id: &str) -> Result<Idx, ChangeError> {
        self.business().find(Kind::Invoice, id).ok_or_else(|| missing("invoice", id))
    }

    fn price(&self, id: &str) -> Result<Idx, ChangeError> {
        self.business()
            .find(Kind::Price, id)
            .filter(|&place| !self.business().prices[place].deleted)
            .ok_or_else(|| missing("price", id))
    }

    fn coupon(&self, id: &str) -> Result<Idx, ChangeError> {
        self.business()
            .find_coupon(id)
            .filter(|&place| !self.business().coupons[place].deleted)
            .ok_or_else(|| missing("coupon", id))
    }

    fn charge(&self, id: &str) -> Result<Idx, ChangeError> {
        self.business().find(Kind::Charge, id).ok_or_else(|| missing("charge", id))
    }
}

fn missing(noun: &'static str, id: &str) -> ChangeError {
    ChangeError::Missing { noun, id: id.to_owned() }
}

#[cfg(test)]
mod tests;

//! Changes of customers.

use super::{Change, ChangeError, Changing, Outcome};
use crate::generate::new_discount;
use crate::ids::Kind;
use crate::model::{BilledTo, Customer, Discount, Idx};
use crate::render::Target;

impl Changing<'_> {
    pub(super) fn customer_change(&mut self, change: &Change) -> Outcome {
        match change {
            Change::CreateCustomer { name, email } => Ok(Some(self.create_customer(name.clone(), email.clone()))),
            Change::UpdateCustomer { customer, name, email } => {
                let place = self.customer(customer)?;
                self.keep_billed_to(place);
                self.update("customer.updated", Target::Customer(place), |business| {
                    let row = &mut business.customers[place];
                    set(&mut row.name, name.as_deref());
                    set(&mut row.email, email.as_deref());
                });
                Ok(None)
            }
            Change::SetCustomerMetadata { customer, key, value } => {
                let place = self.customer(customer)?;
                self.update("customer.updated", Target::Customer(place), |business| {
                    let metadata = &mut business.customers[place].metadata;
                    metadata.retain(|(own, _)| own != key);
                    if !value.is_empty() {
                        metadata.push((key.clone(), value.clone()));
                    }
                });
                Ok(None)
            }
            Change::DeleteCustomer { customer } => {
                let place = self.customer(customer)?;
                self.delete_customer(place);
                Ok(None)
            }
            Change::DiscountCustomer { customer, coupon } => {
                let (place, coupon) = (self.customer(customer)?, self.coupon(coupon)?);
                self.discount_customer(place, coupon);
                Ok(None)
            }
            _ => Err(ChangeError::Impossible("this is no change of a customer")),
        }
    }

    fn create_customer(&mut self, name: Option<String>, email: Option<String>) -> String {
        let created = self.now;
        let place = self.business_mut().customers.push(Customer {
            created,
            name,
            email,
            description: None,
            country: "US",
            currency: None,
            delinquent: false,
            balance: 0,
            discount: None,
            metadata: Vec::new(),
            test_clock: false,
            deleted: false,
            subscriptions: Vec::new(),
            invoices: Vec::new(),
            numbered: 0,
        });
        self.emit("customer.created", Target::Customer(place));
        self.business().id(Kind::Customer, place)
    }

    /// Finalized invoices keep the customer as it was when they were made.
    fn keep_billed_to(&mut self, place: Idx) {
        let business = self.business_mut();
        let row = &business.customers[place];
        let as_it_was = BilledTo { name: row.name.clone(), email: row.email.clone() };
        for invoice in row.invoices.clone() {
            let invoice = &mut business.invoices[invoice];
            if invoice.finalized_at.is_some() {
                invoice.billed_to.get_or_insert_with(|| Box::new(as_it_was.clone()));
            }
        }
    }

    /// What runs is cancelled first. The event carries the customer as it was.
    fn delete_customer(&mut self, place: Idx) {
        for subscription in self.business().customers[place].subscriptions.clone() {
            if !self.business().subscriptions[subscription].status.is_ended() {
                self.cancel_now(subscription);
            }
        }
        let last = self.world.snapshot(Target::Customer(place));
        self.business_mut().customers[place].deleted = true;
        let number = self.world.emit_rendered("customer.deleted", &last, None);
        self.events.push(number);
    }

    fn discount_customer(&mut self, place: Idx, coupon: Idx) {
        let now = self.now;
        let mut discount = new_discount(self.business_mut(), coupon, now);
        discount.customer = Some(place);
        let shown = discount.clone();
        self.update("customer.updated", Target::Customer(place), |business| {
            business.customers[place].discount = Some(discount);
        });
        self.emit_discount("customer.discount.created", &shown);
    }

    /// Events of discounts, which have no table of their own.
    pub(super) fn emit_discount(&mut self, kind: &str, discount: &Discount) {
        let shown = self.world.snapshot_of(|render, w| {
            render.discount(w, discount, &crate::expand::NOTHING);
        });
        let number = self.world.emit_rendered(kind, &shown, None);
        self.events.push(number);
    }

    /// A customer owes when an automatic payment of theirs failed and is still open.
    pub(super) fn set_delinquent(&mut self, place: Idx, delinquent: bool) {
        self.update("customer.updated", Target::Customer(place), |business| {
            business.customers[place].delinquent = delinquent;
        });
    }
}

fn set(field: &mut Option<String>, value: Option<&str>) {
    if let Some(value) = value {
        *field = Some(value.to_owned()).filter(|text| !text.is_empty());
    }
}

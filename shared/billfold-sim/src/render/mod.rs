//! Writes rows as Stripe's JSON, in the shape of a version, with what was asked to be expanded.
//! It reads the business and changes nothing.

mod account;
mod catalog;
mod credit_note;
mod customer;
mod invoice;
mod line;
mod payment;
mod subscription;

use crate::business::Business;
use crate::expand::Expand;
use crate::ids::Kind;
use crate::json::Json;
use crate::model::{Idx, Unix};
use crate::version::{Shape, Version};

/// A row that has an id of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Product(Idx),
    Price(Idx),
    Coupon(Idx),
    Customer(Idx),
    Subscription(Idx),
    /// Subscription and the item's place in it.
    Item(Idx, usize),
    Invoice(Idx),
    Payment(Idx),
    Charge(Idx),
    Refund(Idx),
    Dispute(Idx),
    CreditNote(Idx),
}

/// Renders the rows of one business at one moment in one shape.
#[derive(Clone, Copy)]
pub struct Render<'a> {
    pub business: &'a Business,
    pub shape: Shape,
    pub now: Unix,
}

/// How many rows a list inside an object shows.
pub const NESTED: usize = 10;

impl<'a> Render<'a> {
    pub fn new(business: &'a Business, version: &Version, now: Unix) -> Self {
        Self { business, shape: version.shape(), now }
    }

    /// One object as the next value.
    pub fn target(&self, w: &mut Json, target: Target, expand: &Expand) {
        match target {
            Target::Product(place) => self.product(w, place, expand),
            Target::Price(place) => self.price(w, place, expand),
            Target::Coupon(place) => self.coupon(w, place, expand),
            Target::Customer(place) => self.customer(w, place, expand),
            Target::Subscription(place) => self.subscription(w, place, expand),
            Target::Item(owner, at) => self.item(w, owner, at, expand),
            Target::Invoice(place) => self.invoice(w, place, expand),
            Target::Payment(place) => self.invoice_payment(w, place, expand),
            Target::Charge(place) => self.charge(w, place, expand),
            Target::Refund(place) => self.refund(w, place, expand),
            Target::Dispute(place) => self.dispute(w, place, expand),
            Target::CreditNote(place) => self.credit_note(w, place, expand),
        }
    }

    pub fn text(&self, target: Target, expand: &Expand) -> String {
        let mut w = Json::with_capacity(4_096);
        self.target(&mut w, target, expand);
        w.finish()
    }

    /// What is left of an object that was deleted.
    pub fn stub(id: &str, object: &str) -> String {
        let mut w = Json::default();
        w.object(|w| {
            w.str("id", id);
            w.str("object", object);
            w.bool("deleted", true);
        });
        w.finish()
    }

    fn stub_into(w: &mut Json, id: &str, object: &str) {
        w.object(|w| {
            w.str("id", id);
            w.str("object", object);
            w.bool("deleted", true);
        });
    }

    fn id(&self, w: &mut Json, kind: Kind, place: Idx) {
        self.reference(w, "id", kind, place);
    }

    fn reference(&self, w: &mut Json, key: &str, kind: Kind, place: Idx) {
        w.key(key);
        w.bare_id(|out| self.business.write_id(kind, place, out));
    }

    fn livemode(&self, w: &mut Json) {
        w.bool("livemode", self.business.account.livemode);
    }

    fn old(&self) -> bool {
        self.shape == Shape::PreBasil
    }

    /// A customer as an id, or in full where that is asked for.
    fn customer_ref(&self, w: &mut Json, place: Idx, expand: &Expand) {
        match expand.get("customer") {
            None => self.reference(w, "customer", Kind::Customer, place),
            Some(below) => {
                w.key("customer");
                self.customer(w, place, below);
            }
        }
    }

    /// A list inside an object: its first rows, and where the rest is.
    fn nested<T>(
        &self,
        w: &mut Json,
        rows: impl ExactSizeIterator<Item = T>,
        url: &str,
        mut each: impl FnMut(&mut Json, T),
    ) {
        let total = rows.len();
        w.object(|w| {
            w.str("object", "list");
            w.array_at("data", rows.take(NESTED), &mut each);
            w.bool("has_more", total > NESTED);
            if self.old() {
                w.int("total_count", i64::try_from(total).unwrap_or(i64::MAX));
            }
            w.str("url", url);
        });
    }
}

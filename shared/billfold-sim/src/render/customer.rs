//! Customers.

use super::Render;
use crate::expand::Expand;
use crate::ids::{Kind, Part, mix};
use crate::json::Json;
use crate::model::{Currency, Customer, Idx};

/// What numbers a customer's invoices begin with.
pub fn invoice_prefix(place: Idx) -> String {
    format!("{:08X}", mix(u64::from(place)) >> 32)
}

impl Render<'_> {
    pub fn customer(&self, w: &mut Json, place: Idx, expand: &Expand) {
        let customer = &self.business.customers[place];
        if customer.deleted {
            return Self::stub_into(w, &self.business.id(Kind::Customer, place), "customer");
        }
        w.object(|w| {
            self.id(w, Kind::Customer, place);
            w.fields(r#""object":"customer""#);
            self.address(w, customer);
            w.int("balance", customer.balance);
            w.time("created", customer.created);
            w.maybe_str("currency", customer.currency.as_ref().map(Currency::code));
            w.fields(r#""customer_account":null,"default_source":null"#);
            w.bool("delinquent", customer.delinquent);
            w.maybe_str("description", customer.description.as_deref());
            match &customer.discount {
                None => w.null("discount"),
                Some(discount) => {
                    w.key("discount");
                    self.discount(w, discount, expand.below("discount"));
                }
            }
            w.maybe_str("email", customer.email.as_deref());
            w.str("invoice_prefix", &invoice_prefix(place));
            w.fields(r#""invoice_settings":{"custom_fields":null,"default_payment_method":null,"footer":null,"rendering_options":null}"#);
            self.livemode(w);
            w.string_map("metadata", &customer.metadata);
            w.maybe_str("name", customer.name.as_deref());
            w.int("next_invoice_sequence", i64::from(customer.numbered) + 1);
            w.fields(r#""phone":null,"preferred_locales":[],"shipping":null,"tax_exempt":"none""#);
            if customer.test_clock {
                w.id("test_clock", &self.business.ids, Part::TestClock, u64::from(place));
            } else {
                w.null("test_clock");
            }
            self.customer_lists(w, place, expand);
        });
    }

    fn address(&self, w: &mut Json, customer: &Customer) {
        w.object_at("address", |w| {
            w.null("city");
            w.str("country", customer.country);
            w.fields(r#""line1":null,"line2":null,"postal_code":null,"state":null"#);
        });
    }

    /// Lists that appear only where they are asked for.
    fn customer_lists(&self, w: &mut Json, place: Idx, expand: &Expand) {
        let id = self.business.id(Kind::Customer, place);
        for name in ["sources", "tax_ids"] {
            if expand.has(name) {
                w.key(name);
                let none = std::iter::empty::<()>();
                self.nested(w, none, &format!("/v1/customers/{id}/{name}"), |_, ()| {});
            }
        }
        if let Some(below) = expand.get("subscriptions") {
            let running: Vec<Idx> = self.business.customers[place]
                .subscriptions
                .iter()
                .rev()
                .copied()
                .filter(|&own| !self.business.subscriptions[own].status.is_ended())
                .collect();
            w.key("subscriptions");
            let url = format!("/v1/customers/{id}/subscriptions");
            self.nested(w, running.into_iter(), &url, |w, own| {
                self.subscription(w, own, below.below("data"));
            });
        }
    }
}

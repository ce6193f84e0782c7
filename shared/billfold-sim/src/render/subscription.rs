//! Subscriptions and their items.

use super::Render;
use crate::business::join;
use crate::expand::Expand;
use crate::ids::{Kind, Part};
use crate::json::Json;
use crate::model::{Collection, Idx, Period, Subscription, SubscriptionStatus};
use crate::version::Shape;

impl Render<'_> {
    pub fn subscription(&self, w: &mut Json, place: Idx, expand: &Expand) {
        let row = &self.business.subscriptions[place];
        w.object(|w| {
            self.id(w, Kind::Subscription, place);
            w.fields(r#""object":"subscription","application":null,"application_fee_percent":null"#);
            automatic_tax(w, row);
            w.time("billing_cycle_anchor", row.anchor);
            w.fields(r#""billing_cycle_anchor_config":null"#);
            if self.old() {
                self.before_items_had_periods(w, row);
            } else {
                billing_mode(w, row);
                w.fields(r#""billing_schedules":[]"#);
            }
            w.null("billing_thresholds");
            cancellation(w, row);
            collection(w, row);
            w.time("created", row.created);
            w.str("currency", row.currency.code());
            self.customer_ref(w, row.customer, expand);
            w.fields(r#""customer_account":null,"default_payment_method":null,"default_source":null,"default_tax_rates":[],"description":null"#);
            self.discounts(w, &row.discounts, expand);
            w.maybe_int("ended_at", row.ended_at);
            w.fields(r#""invoice_settings":{"account_tax_ids":null,"custom_fields":null,"description":null,"footer":null,"issuer":{"type":"self"}}"#);
            self.items(w, place, expand.below("items"));
            self.latest_invoice(w, row, expand);
            self.livemode(w);
            w.fields(r#""managed_payments":{"enabled":false}"#);
            w.string_map("metadata", &row.metadata);
            w.fields(r#""next_pending_invoice_item_invoice":null,"on_behalf_of":null"#);
            w.maybe_object("pause_collection", row.pause_collection, |w, pause| {
                w.str("behavior", pause.behavior.name());
                w.maybe_int("resumes_at", pause.resumes_at);
            });
            w.fields(r#""payment_settings":{"payment_method_options":null,"payment_method_types":null,"save_default_payment_method":"off"},"pending_invoice_item_interval":null,"pending_setup_intent":null,"pending_update":null,"schedule":null"#);
            w.time("start_date", row.start);
            w.str("status", row.status.name());
            self.status_details(w, row);
            if row.test_clock {
                w.id("test_clock", &self.business.ids, Part::TestClock, u64::from(row.customer));
            } else {
                w.null("test_clock");
            }
            w.null("transfer_data");
            self.trial(w, row);
        });
    }

    fn before_items_had_periods(&self, w: &mut Json, row: &Subscription) {
        let period = row.period();
        w.time("current_period_end", period.end);
        w.time("current_period_start", period.start);
        self.single_discount(w, row.discounts.first());
        if let [item] = row.items.as_slice() {
            self.plan(w, "plan", item.price);
            match item.quantity {
                Some(quantity) => w.count("quantity", quantity),
                None => w.null("quantity"),
            }
        } else {
            w.fields(r#""plan":null,"quantity":null"#);
        }
        w.null("tax_percent");
    }

    fn items(&self, w: &mut Json, place: Idx, expand: &Expand) {
        let below = expand.below("data");
        let url = format!("/v1/subscription_items?subscription={}", self.business.id(Kind::Subscription, place));
        w.key("items");
        let count = self.business.subscriptions[place].items.len();
        self.nested(w, 0..count, &url, |w, at| self.item(w, place, at, below));
    }

    pub fn item(&self, w: &mut Json, owner: Idx, at: usize, expand: &Expand) {
        let item = &self.business.subscriptions[owner].items[at];
        w.object(|w| {
            let number = join(owner, item.serial);
            w.id("id", &self.business.ids, Part::SubscriptionItem, number);
            w.fields(r#""object":"subscription_item","billing_thresholds":null"#);
            w.time("created", item.created);
            if !self.old() {
                w.time("current_period_end", item.period.end);
                w.time("current_period_start", item.period.start);
            }
            if self.shape >= Shape::Endive {
                w.maybe_object("current_trial", item.trial, |w, trial| {
                    w.time("end_date", trial.end);
                    w.time("start_date", trial.start);
                    w.null("trial_offer");
                });
            }
            self.discounts(w, &item.discounts, expand);
            w.fields(r#""metadata":{}"#);
            self.plan(w, "plan", item.price);
            w.key("price");
            self.price(w, item.price, expand.below("price"));
            if let Some(quantity) = item.quantity {
                w.count("quantity", quantity);
            }
            self.reference(w, "subscription", Kind::Subscription, owner);
            w.fields(r#""tax_rates":[]"#);
        });
    }

    fn latest_invoice(&self, w: &mut Json, row: &Subscription, expand: &Expand) {
        match (row.latest_invoice, expand.get("latest_invoice")) {
            (None, _) => w.null("latest_invoice"),
            (Some(invoice), None) => {
                self.reference(w, "latest_invoice", Kind::Invoice, invoice);
            }
            (Some(invoice), Some(below)) => {
                w.key("latest_invoice");
                self.invoice(w, invoice, below);
            }
        }
    }

    fn status_details(&self, w: &mut Json, row: &Subscription) {
        let paused = row.status == SubscriptionStatus::Paused && self.shape >= Shape::Endive;
        if !paused {
            return;
        }
        let (kind, since) = match row.trial {
            Some(trial) if trial.end <= self.now => ("trial_end_without_payment_method", trial.end),
            _ => ("pause_requested", row.start),
        };
        w.object_at("status_details", |w| {
            w.object_at("paused", |w| {
                w.object_at("subscription", |w| w.str("type", kind));
                w.time("transitioned_at", since);
                w.str("type", "subscription");
            });
        });
    }

    fn trial(&self, w: &mut Json, row: &Subscription) {
        w.maybe_int("trial_end", row.trial.map(|trial: Period| trial.end));
        w.fields(r#""trial_settings":{"end_behavior":{"missing_payment_method":"create_invoice"}}"#);
        w.maybe_int("trial_start", row.trial.map(|trial| trial.start));
    }
}

fn automatic_tax(w: &mut Json, row: &Subscription) {
    w.fields(if row.tax.is_some() {
        r#""automatic_tax":{"disabled_reason":null,"enabled":true,"liability":{"type":"self"}}"#
    } else {
        r#""automatic_tax":{"disabled_reason":null,"enabled":false,"liability":null}"#
    });
}

fn billing_mode(w: &mut Json, row: &Subscription) {
    w.fields(if row.flexible {
        r#""billing_mode":{"flexible":{"proration_discounts":"included"},"type":"flexible"}"#
    } else {
        r#""billing_mode":{"flexible":null,"type":"classic"}"#
    });
}

fn cancellation(w: &mut Json, row: &Subscription) {
    w.maybe_int("cancel_at", row.cancel_at);
    w.bool("cancel_at_period_end", row.cancel_at_period_end);
    let cancellation = row.cancellation.as_ref();
    w.maybe_int("canceled_at", cancellation.map(|c| c.requested_at));
    w.object_at("cancellation_details", |w| {
        w.maybe_str("comment", cancellation.and_then(|c| c.comment.as_deref()));
        w.maybe_str("feedback", cancellation.and_then(|c| c.feedback));
        w.maybe_str("reason", cancellation.map(|c| c.reason.name()));
    });
}

fn collection(w: &mut Json, row: &Subscription) {
    let (name, days) = collection_fields(row.collection);
    w.str("collection_method", name);
    w.maybe_int("days_until_due", days);
}

pub(super) fn collection_fields(collection: Collection) -> (&'static str, Option<i64>) {
    match collection {
        Collection::Automatic => ("charge_automatically", None),
        Collection::SendInvoice { days } => ("send_invoice", Some(i64::from(days))),
    }
}

//! Invoices.

use super::Render;
use super::customer::invoice_prefix;
use super::subscription::collection_fields;
use crate::expand::Expand;
use crate::ids::{Kind, Part};
use crate::json::Json;
use crate::model::{Idx, Invoice, InvoiceStatus};

/// An invoice's number as the customer sees it; nothing while it is a draft.
pub fn number(invoice: &Invoice) -> Option<String> {
    let prefix = invoice_prefix(invoice.customer);
    (invoice.number > 0).then(|| format!("{prefix}-{:04}", invoice.number))
}

impl Render<'_> {
    pub fn invoice(&self, w: &mut Json, place: Idx, expand: &Expand) {
        let row = &self.business.invoices[place];
        w.object(|w| {
            self.id(w, Kind::Invoice, place);
            w.fields(r#""object":"invoice""#);
            w.str("account_country", self.business.account.country);
            w.str("account_name", &self.business.account.name);
            w.null("account_tax_ids");
            amounts(w, row);
            w.null("application");
            w.int("attempt_count", i64::from(row.attempts));
            w.bool("attempted", row.attempts > 0 || row.status == InvoiceStatus::Paid);
            w.bool("auto_advance", row.auto_advance());
            automatic_tax(w, row);
            let finalizes = row.finalized_at.is_none().then_some(row.created + 3_600);
            w.maybe_int("automatically_finalizes_at", finalizes);
            w.str("billing_reason", row.reason.name());
            w.str("collection_method", collection_fields(row.collection).0);
            w.time("created", row.created);
            w.str("currency", row.currency.code());
            w.null("custom_fields");
            self.customer_ref(w, row.customer, expand);
            self.billed_to(w, row);
            w.fields(r#""default_payment_method":null,"default_source":null,"default_tax_rates":[],"description":null"#);
            self.discounts(w, &row.discounts, expand);
            w.maybe_int("due_date", row.due_date);
            w.maybe_int("effective_at", row.finalized_at);
            w.maybe_int("ending_balance", row.finalized_at.map(|_| 0));
            w.fields(r#""footer":null,"from_invoice":null"#);
            self.hosted(w, place, row);
            w.fields(r#""issuer":{"type":"self"},"last_finalization_error":null,"latest_revision":null"#);
            self.lines(w, place, expand);
            self.livemode(w);
            w.fields(r#""metadata":{}"#);
            w.maybe_int("next_payment_attempt", row.next_attempt);
            w.maybe_str("number", number(row).as_deref());
            w.null("on_behalf_of");
            if self.old() {
                self.before_parents(w, row, expand);
            } else {
                self.parent(w, row, expand);
            }
            w.fields(r#""payment_settings":{"default_mandate":null,"payment_method_options":null,"payment_method_types":null}"#);
            self.payments(w, place, row, expand);
            w.time("period_end", row.period.end);
            w.time("period_start", row.period.start);
            w.int("post_payment_credit_notes_amount", row.credited_after_payment);
            w.int("pre_payment_credit_notes_amount", row.credited_before_payment);
            w.fields(r#""receipt_number":null,"rendering":null,"shipping_cost":null,"shipping_details":null,"starting_balance":0,"statement_descriptor":null"#);
            w.str("status", row.status.name());
            transitions(w, row);
            w.int("subtotal", row.subtotal);
            w.int("subtotal_excluding_tax", row.subtotal - inclusive_tax(row));
            if row.test_clock {
                w.id("test_clock", &self.business.ids, Part::TestClock, u64::from(row.customer));
            } else {
                w.null("test_clock");
            }
            self.totals(w, row);
            w.maybe_int("webhooks_delivered_at", Some(row.created));
        });
    }

    fn billed_to(&self, w: &mut Json, row: &Invoice) {
        let customer = &self.business.customers[row.customer];
        let (name, email) = match &row.billed_to {
            Some(then) => (&then.name, &then.email),
            None => (&customer.name, &customer.email),
        };
        w.fields(r#""customer_account":null,"customer_address":null"#);
        w.maybe_str("customer_email", email.as_deref());
        w.maybe_str("customer_name", name.as_deref());
        w.fields(
            r#""customer_phone":null,"customer_shipping":null,"customer_tax_exempt":"none","customer_tax_ids":[]"#,
        );
    }

    fn hosted(&self, w: &mut Json, place: Idx, row: &Invoice) {
        if row.finalized_at.is_none() {
            return w.fields(r#""hosted_invoice_url":null,"invoice_pdf":null"#);
        }
        let account = &self.business.account.id;
        let id = self.business.id(Kind::Invoice, place);
        w.str("hosted_invoice_url", &format!("https://invoice.stripe.com/i/{account}/{id}"));
        w.str("invoice_pdf", &format!("https://pay.stripe.com/invoice/{account}/{id}/pdf"));
    }

    fn lines(&self, w: &mut Json, place: Idx, expand: &Expand) {
        let below = expand.below("lines").below("data");
        let url = format!("/v1/invoices/{}/lines", self.business.id(Kind::Invoice, place));
        w.key("lines");
        let count = self.business.invoices[place].lines.len();
        self.nested(w, 0..count, &url, |w, at| self.line(w, place, at, below));
    }

    fn parent(&self, w: &mut Json, row: &Invoice, expand: &Expand) {
        let below = expand.below("parent").below("subscription_details");
        w.maybe_object("parent", row.subscription, |w, subscription| {
            w.null("quote_details");
            w.object_at("subscription_details", |w| {
                let metadata = &self.business.subscriptions[subscription].metadata;
                w.string_map("metadata", metadata);
                self.subscription_ref(w, subscription, below);
            });
            w.str("type", "subscription_details");
        });
    }

    pub(super) fn subscription_ref(&self, w: &mut Json, place: Idx, expand: &Expand) {
        match expand.get("subscription") {
            None => self.reference(w, "subscription", Kind::Subscription, place),
            Some(below) => {
                w.key("subscription");
                self.subscription(w, place, below);
            }
        }
    }

    /// What the invoice said itself before `parent` and `payments`.
    fn before_parents(&self, w: &mut Json, row: &Invoice, expand: &Expand) {
        w.null("application_fee_amount");
        self.legacy_payment(w, row, expand);
        self.single_discount(w, row.discounts.first());
        w.bool("paid", row.status == InvoiceStatus::Paid);
        w.fields(r#""paid_out_of_band":false,"quote":null"#);
        match row.subscription {
            None => w.fields(r#""subscription":null,"subscription_details":{"metadata":null}"#),
            Some(subscription) => {
                self.subscription_ref(w, subscription, expand);
                w.object_at("subscription_details", |w| {
                    let metadata = &self.business.subscriptions[subscription].metadata;
                    w.string_map("metadata", metadata);
                });
            }
        }
        w.maybe_int("tax", row.tax_rate.map(|_| row.tax));
        w.array_at("total_tax_amounts", tax_sums(row), |w, (amount, taxable, inclusive)| {
            super::line::old_tax(w, amount, taxable, inclusive);
        });
        w.null("transfer_data");
    }

    fn legacy_payment(&self, w: &mut Json, row: &Invoice, expand: &Expand) {
        let Some(&payment) = row.payments.first() else {
            return w.fields(r#""charge":null,"payment_intent":null"#);
        };
        match (self.business.payments[payment].charges.last(), expand.get("charge")) {
            (None, _) => w.null("charge"),
            (Some(&charge), None) => self.reference(w, "charge", Kind::Charge, charge),
            (Some(&charge), Some(below)) => {
                w.key("charge");
                self.charge(w, charge, below);
            }
        }
        self.reference(w, "payment_intent", Kind::PaymentIntent, payment);
    }

    fn payments(&self, w: &mut Json, place: Idx, row: &Invoice, expand: &Expand) {
        let Some(below) = expand.get("payments").filter(|_| !self.old()) else {
            return;
        };
        let id = self.business.id(Kind::Invoice, place);
        w.key("payments");
        let url = format!("/v1/invoice_payments?invoice={id}");
        self.nested(w, row.payments.iter(), &url, |w, &payment| {
            self.invoice_payment(w, payment, below.below("data"));
        });
    }

    fn totals(&self, w: &mut Json, row: &Invoice) {
        w.int("total", row.total);
        let discounts = discount_sums(row);
        w.array_at("total_discount_amounts", &discounts, |w, &(number, amount)| {
            w.object(|w| {
                w.int("amount", amount);
                w.id("discount", &self.business.ids, Part::Discount, number);
            });
        });
        w.int("total_excluding_tax", row.total - row.tax);
        w.array_at("total_pretax_credit_amounts", &discounts, |w, &(number, amount)| {
            w.object(|w| {
                w.int("amount", amount);
                w.id("discount", &self.business.ids, Part::Discount, number);
                w.str("type", "discount");
            });
        });
        if !self.old() {
            w.array_at("total_taxes", tax_sums(row), |w, (amount, taxable, inclusive)| {
                super::line::tax(w, amount, taxable, inclusive);
            });
        }
    }

    /// A charge, refund or dispute names its payment's intent.
    pub(super) fn intent(&self, w: &mut Json, payment: Idx) {
        self.reference(w, "payment_intent", Kind::PaymentIntent, payment);
    }

    /// The invoice as other objects name it.
    pub(super) fn invoice_ref(&self, w: &mut Json, place: Idx, expand: &Expand) {
        match expand.get("invoice") {
            None => self.reference(w, "invoice", Kind::Invoice, place),
            Some(below) => {
                w.key("invoice");
                self.invoice(w, place, below);
            }
        }
    }
}

fn amounts(w: &mut Json, row: &Invoice) {
    w.int("amount_due", row.amount_due);
    w.int("amount_overpaid", 0);
    w.int("amount_paid", row.amount_paid);
    w.int("amount_paid_off_stripe", row.paid_off_stripe);
    w.int("amount_remaining", row.amount_remaining());
    w.int("amount_shipping", 0);
}

fn automatic_tax(w: &mut Json, row: &Invoice) {
    w.fields(if row.tax_rate.is_some() {
        r#""automatic_tax":{"disabled_reason":null,"enabled":true,"liability":{"type":"self"},"provider":"stripe","status":"complete"}"#
    } else {
        r#""automatic_tax":{"disabled_reason":null,"enabled":false,"liability":null,"provider":null,"status":null}"#
    });
}

fn transitions(w: &mut Json, row: &Invoice) {
    w.object_at("status_transitions", |w| {
        w.maybe_int("finalized_at", row.finalized_at);
        w.maybe_int("marked_uncollectible_at", row.uncollectible_at);
        w.maybe_int("paid_at", row.paid_at);
        w.maybe_int("voided_at", row.voided_at);
    });
}

fn inclusive_tax(row: &Invoice) -> i64 {
    let taxes = row.lines.iter().filter_map(|line| line.tax);
    taxes.filter(|tax| tax.inclusive).map(|tax| tax.amount).sum()
}

/// Each discount with what it took off all lines together.
fn discount_sums(row: &Invoice) -> Vec<(u64, i64)> {
    let mut sums: Vec<(u64, i64)> = Vec::new();
    for &(number, amount) in row.lines.iter().flat_map(|line| &line.discounts) {
        match sums.iter_mut().find(|(own, _)| *own == number) {
            Some((_, sum)) => *sum += amount,
            None => sums.push((number, amount)),
        }
    }
    sums
}

/// Tax, what it was taken on, and whether it is inside the price: one entry of each sort.
fn tax_sums(row: &Invoice) -> Vec<(i64, i64, bool)> {
    let mut sums = Vec::new();
    for inclusive in [false, true] {
        let of_sort: Vec<_> =
            row.lines.iter().filter_map(|line| line.tax).filter(|tax| tax.inclusive == inclusive).collect();
        if !of_sort.is_empty() {
            let amount = of_sort.iter().map(|tax| tax.amount).sum();
            let taxable = of_sort.iter().map(|tax| tax.taxable).sum();
            sums.push((amount, taxable, inclusive));
        }
    }
    sums
}

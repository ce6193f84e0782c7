//! Lines of invoices.

use super::{Render, catalog};
use crate::business::join;
use crate::expand::Expand;
use crate::ids::{Kind, Part};
use crate::json::Json;
use crate::model::{Idx, Invoice, Line, LineSource};

const TAX_RATE: &str = "txr_1SimulatedVatStandard20";

impl Render<'_> {
    pub fn line(&self, w: &mut Json, owner: Idx, at: usize, expand: &Expand) {
        let invoice = &self.business.invoices[owner];
        let line = &invoice.lines[at];
        let number = join(owner, u16::try_from(at).unwrap_or(u16::MAX));
        w.object(|w| {
            w.id("id", &self.business.ids, Part::Line, number);
            w.fields(r#""object":"line_item""#);
            w.int("amount", line.amount);
            w.str("currency", invoice.currency.code());
            w.str("description", &self.description(line));
            self.discount_amounts(w, "discount_amounts", line, false);
            w.bool("discountable", true);
            self.discounts(w, own_discounts(invoice, line), expand);
            self.reference(w, "invoice", Kind::Invoice, owner);
            self.livemode(w);
            w.fields(r#""metadata":{}"#);
            w.object_at("period", |w| {
                w.time("end", line.period.end);
                w.time("start", line.period.start);
            });
            if self.old() {
                self.before_pricing(w, invoice, line, number);
            } else {
                self.line_parent(w, invoice, line, number);
                self.pricing(w, line, expand);
                self.line_taxes(w, line);
                w.str("quantity_decimal", &line.quantity.to_string());
            }
            self.discount_amounts(w, "pretax_credit_amounts", line, true);
            w.count("quantity", line.quantity);
            match invoice.subscription {
                None => w.null("subscription"),
                Some(subscription) => self.subscription_ref(w, subscription, expand),
            }
            w.int("subtotal", line.amount);
        });
    }

    /// Says nothing that can change later: an invoice keeps the words it was made with.
    fn description(&self, line: &Line) -> String {
        let product = self.business.prices[line.price].product;
        let unit = self.business.products[product].unit_label.as_deref();
        format!("{} × {}", line.quantity, unit.unwrap_or("unit"))
    }

    fn discount_amounts(&self, w: &mut Json, key: &str, line: &Line, typed: bool) {
        w.array_at(key, &line.discounts, |w, &(number, amount)| {
            w.object(|w| {
                w.int("amount", amount);
                w.id("discount", &self.business.ids, Part::Discount, number);
                if typed {
                    w.str("type", "discount");
                }
            });
        });
    }

    fn line_parent(&self, w: &mut Json, invoice: &Invoice, line: &Line, number: u64) {
        let ids = &self.business.ids;
        w.object_at("parent", |w| match (line.source, invoice.subscription) {
            (LineSource::SubscriptionItem { serial, proration }, Some(owner)) => {
                w.null("invoice_item_details");
                w.object_at("subscription_item_details", |w| {
                    if proration {
                        w.id("invoice_item", ids, Part::InvoiceItem, number);
                    } else {
                        w.null("invoice_item");
                    }
                    w.bool("proration", proration);
                    w.fields(r#""proration_details":{"credited_items":null}"#);
                    self.reference(w, "subscription", Kind::Subscription, owner);
                    let item = join(owner, serial);
                    w.id("subscription_item", ids, Part::SubscriptionItem, item);
                });
                w.str("type", "subscription_item_details");
            }
            _ => {
                w.object_at("invoice_item_details", |w| {
                    w.id("invoice_item", ids, Part::InvoiceItem, number);
                    w.fields(r#""proration":false,"proration_details":{"credited_items":null},"subscription":null"#);
                });
                w.null("subscription_item_details");
                w.str("type", "invoice_item_details");
            }
        });
    }

    fn pricing(&self, w: &mut Json, line: &Line, expand: &Expand) {
        let price = &self.business.prices[line.price];
        let below = expand.below("pricing").below("price_details");
        w.object_at("pricing", |w| {
            w.object_at("price_details", |w| {
                match below.get("price") {
                    None => self.reference(w, "price", Kind::Price, line.price),
                    Some(below) => {
                        w.key("price");
                        self.price(w, line.price, below);
                    }
                }
                self.reference(w, "product", Kind::Product, price.product);
            });
            w.str("type", "price_details");
            let unit = catalog::unit(&price.scheme).map(|unit| unit.to_string());
            w.maybe_str("unit_amount_decimal", unit.as_deref());
        });
    }

    fn line_taxes(&self, w: &mut Json, line: &Line) {
        w.array_at("taxes", line.tax, |w, sum| tax(w, sum.amount, sum.taxable, sum.inclusive));
    }

    /// What a line said itself before `parent`, `pricing` and `taxes`.
    fn before_pricing(&self, w: &mut Json, invoice: &Invoice, line: &Line, number: u64) {
        let ids = &self.business.ids;
        let inside = line.tax.filter(|tax| tax.inclusive).map_or(0, |tax| tax.amount);
        w.int("amount_excluding_tax", line.amount - inside);
        self.plan(w, "plan", line.price);
        w.key("price");
        self.price(w, line.price, &crate::expand::NOTHING);
        match (line.source, invoice.subscription) {
            (LineSource::SubscriptionItem { serial, proration }, Some(owner)) => {
                w.bool("proration", proration);
                let item = join(owner, serial);
                w.id("subscription_item", ids, Part::SubscriptionItem, item);
                if proration {
                    w.id("invoice_item", ids, Part::InvoiceItem, number);
                }
                w.str("type", if proration { "invoiceitem" } else { "subscription" });
            }
            _ => {
                w.bool("proration", false);
                w.id("invoice_item", ids, Part::InvoiceItem, number);
                w.str("type", "invoiceitem");
            }
        }
        w.fields(r#""proration_details":{"credited_items":null}"#);
        w.array_at("tax_amounts", line.tax, |w, sum| {
            old_tax(w, sum.amount, sum.taxable, sum.inclusive);
        });
        w.fields(r#""tax_rates":[],"unit_amount_excluding_tax":null"#);
    }
}

/// The discounts put on the line itself, as against the whole invoice.
fn own_discounts<'i>(invoice: &'i Invoice, line: &'i Line) -> impl Iterator<Item = &'i crate::model::Discount> {
    invoice.item_discounts.iter().filter(|own| line.discounts.iter().any(|&(number, _)| number == own.number))
}

pub(super) fn tax(w: &mut Json, amount: i64, taxable: i64, inclusive: bool) {
    w.object(|w| {
        w.int("amount", amount);
        w.str("tax_behavior", if inclusive { "inclusive" } else { "exclusive" });
        w.object_at("tax_rate_details", |w| w.str("tax_rate", TAX_RATE));
        w.str("taxability_reason", "standard_rated");
        w.int("taxable_amount", taxable);
        w.str("type", "tax_rate_details");
    });
}

pub(super) fn old_tax(w: &mut Json, amount: i64, taxable: i64, inclusive: bool) {
    w.object(|w| {
        w.int("amount", amount);
        w.bool("inclusive", inclusive);
        w.str("tax_rate", TAX_RATE);
        w.str("taxability_reason", "standard_rated");
        w.int("taxable_amount", taxable);
    });
}

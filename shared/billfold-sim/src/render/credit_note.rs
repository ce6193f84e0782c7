//! Credit notes. Each credits one line of its invoice.

use super::{Render, invoice};
use crate::business::join;
use crate::expand::Expand;
use crate::ids::{Kind, Part};
use crate::json::Json;
use crate::model::{CreditNote, Idx};

impl Render<'_> {
    pub fn credit_note(&self, w: &mut Json, place: Idx, expand: &Expand) {
        let row = &self.business.credit_notes[place];
        let owner = &self.business.invoices[row.invoice];
        let (before, after) = if row.pre_payment { (row.amount, 0) } else { (0, row.amount) };
        w.object(|w| {
            self.id(w, Kind::CreditNote, place);
            w.fields(r#""object":"credit_note""#);
            w.int("amount", row.amount);
            w.int("amount_shipping", 0);
            w.time("created", row.created);
            w.str("currency", owner.currency.code());
            self.customer_ref(w, owner.customer, expand);
            w.fields(r#""customer_account":null,"customer_balance_transaction":null,"discount_amount":0,"discount_amounts":[]"#);
            w.time("effective_at", row.created);
            self.invoice_ref(w, row.invoice, expand);
            self.credit_note_lines(w, place, row);
            self.livemode(w);
            w.maybe_str("memo", row.memo.as_deref());
            w.fields(r#""metadata":{}"#);
            let number = invoice::number(owner).unwrap_or_default();
            w.str("number", &format!("{number}-CN-{:02}", row.sequence));
            let outside = after > 0 && row.refund.is_none();
            w.maybe_int("out_of_band_amount", outside.then_some(after));
            let account = &self.business.account.id;
            w.str("pdf", &format!("https://pay.stripe.com/credit_notes/{account}/pdf"));
            w.int("post_payment_amount", after);
            w.int("pre_payment_amount", before);
            w.fields(r#""pretax_credit_amounts":[]"#);
            w.maybe_str("reason", row.reason);
            self.refunds_named(w, row);
            w.null("shipping_cost");
            w.str("status", if row.voided_at.is_some() { "void" } else { "issued" });
            w.int("subtotal", row.amount);
            w.int("subtotal_excluding_tax", row.amount);
            w.int("total", row.amount);
            w.int("total_excluding_tax", row.amount);
            w.fields(r#""total_taxes":[]"#);
            w.str("type", if row.pre_payment { "pre_payment" } else { "post_payment" });
            w.maybe_int("voided_at", row.voided_at);
        });
    }

    fn refunds_named(&self, w: &mut Json, row: &CreditNote) {
        if self.old() {
            match row.refund {
                Some(refund) => self.reference(w, "refund", Kind::Refund, refund),
                None => w.null("refund"),
            }
            return;
        }
        w.array_at("refunds", row.refund, |w, refund| {
            w.object(|w| {
                w.int("amount_refunded", self.business.refunds[refund].amount);
                w.null("payment_record_refund");
                self.reference(w, "refund", Kind::Refund, refund);
                w.str("type", "refund");
            });
        });
    }

    fn credit_note_lines(&self, w: &mut Json, place: Idx, row: &CreditNote) {
        let id = self.business.id(Kind::CreditNote, place);
        w.key("lines");
        let url = format!("/v1/credit_notes/{id}/lines");
        self.nested(w, std::iter::once(row), &url, |w, row| {
            w.object(|w| {
                w.id("id", &self.business.ids, Part::CreditNoteLine, u64::from(place));
                w.fields(r#""object":"credit_note_line_item""#);
                w.int("amount", row.amount);
                w.str("description", "Credit");
                w.fields(r#""discount_amount":0,"discount_amounts":[]"#);
                let line = join(row.invoice, 0);
                w.id("invoice_line_item", &self.business.ids, Part::Line, line);
                self.livemode(w);
                w.fields(r#""metadata":{},"pretax_credit_amounts":[],"quantity":1,"tax_rates":[],"taxes":[],"type":"invoice_line_item""#);
                w.fields(r#""unit_amount":null,"unit_amount_decimal":null"#);
            });
        });
    }
}

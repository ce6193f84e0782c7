//! Invoice payments, charges, refunds and disputes.

use super::Render;
use crate::expand::Expand;
use crate::ids::{Kind, Part, mix};
use crate::json::Json;
use crate::model::{Charge, DisputeStatus, Idx, PaymentStatus};

const EVIDENCE: &str = r#""evidence":{"access_activity_log":null,"billing_address":null,"cancellation_policy":null,"cancellation_policy_disclosure":null,"cancellation_rebuttal":null,"customer_communication":null,"customer_email_address":null,"customer_name":null,"customer_purchase_ip":null,"customer_signature":null,"duplicate_charge_documentation":null,"duplicate_charge_explanation":null,"duplicate_charge_id":null,"enhanced_evidence":{},"product_description":null,"receipt":null,"refund_policy":null,"refund_policy_disclosure":null,"refund_refusal_explanation":null,"service_date":null,"service_documentation":null,"shipping_address":null,"shipping_carrier":null,"shipping_date":null,"shipping_documentation":null,"shipping_tracking_number":null,"uncategorized_file":null,"uncategorized_text":null}"#;

impl Render<'_> {
    pub fn invoice_payment(&self, w: &mut Json, place: Idx, expand: &Expand) {
        let row = &self.business.payments[place];
        let settled = |status| row.settled_at.filter(|_| row.status == status);
        w.object(|w| {
            self.id(w, Kind::InvoicePayment, place);
            w.fields(r#""object":"invoice_payment""#);
            w.maybe_int("amount_paid", row.paid);
            w.int("amount_requested", row.requested);
            w.time("created", row.created);
            w.str("currency", self.business.invoices[row.invoice].currency.code());
            self.invoice_ref(w, row.invoice, expand);
            w.bool("is_default", row.is_default);
            self.livemode(w);
            w.object_at("payment", |w| {
                self.intent(w, place);
                w.str("type", "payment_intent");
            });
            w.str("status", row.status.name());
            w.object_at("status_transitions", |w| {
                w.maybe_int("canceled_at", settled(PaymentStatus::Canceled));
                w.maybe_int("paid_at", settled(PaymentStatus::Paid));
            });
        });
    }

    pub fn charge(&self, w: &mut Json, place: Idx, expand: &Expand) {
        let row = &self.business.charges[place];
        let paid = row.failure.is_none();
        w.object(|w| {
            self.id(w, Kind::Charge, place);
            w.fields(r#""object":"charge""#);
            w.int("amount", row.amount);
            w.int("amount_captured", if paid { row.amount } else { 0 });
            w.int("amount_refunded", row.refunded);
            w.fields(r#""application":null,"application_fee":null,"application_fee_amount":null"#);
            if paid {
                w.id("balance_transaction", &self.business.ids, Part::BalanceTransaction, u64::from(place));
            } else {
                w.null("balance_transaction");
            }
            w.fields(r#""billing_details":{"address":{"city":null,"country":"US","line1":null,"line2":null,"postal_code":null,"state":null},"email":null,"name":null,"phone":null,"tax_id":null}"#);
            w.str("calculated_statement_descriptor", "NORTHWIND");
            w.bool("captured", paid);
            w.time("created", row.created);
            w.str("currency", row.currency.code());
            self.customer_ref(w, row.customer, expand);
            w.str("description", "Subscription payment");
            w.bool("disputed", row.disputed);
            w.null("failure_balance_transaction");
            w.maybe_str("failure_code", row.failure);
            let message = row.failure.map(|_| "Your card was declined.");
            w.maybe_str("failure_message", message);
            w.fields(r#""fraud_details":{}"#);
            let invoice = self.business.payments[row.payment].invoice;
            if self.old() {
                self.invoice_ref(w, invoice, expand);
            }
            self.livemode(w);
            w.fields(r#""metadata":{},"on_behalf_of":null"#);
            outcome(w, paid);
            w.bool("paid", paid);
            self.intent(w, row.payment);
            let method = u64::from(row.customer);
            w.id("payment_method", &self.business.ids, Part::PaymentMethod, method);
            card(w, row);
            w.fields(r#""receipt_email":null,"receipt_number":null"#);
            self.receipt(w, place, paid);
            w.bool("refunded", row.refunded == row.amount);
            self.refunds_of(w, place, expand);
            w.fields(r#""review":null,"shipping":null,"source":null,"source_transfer":null,"statement_descriptor":null,"statement_descriptor_suffix":null"#);
            w.str("status", if paid { "succeeded" } else { "failed" });
            w.fields(r#""transfer_data":null,"transfer_group":null"#);
        });
    }

    fn receipt(&self, w: &mut Json, place: Idx, paid: bool) {
        if !paid {
            return w.null("receipt_url");
        }
        let id = self.business.id(Kind::Charge, place);
        let account = &self.business.account.id;
        w.str("receipt_url", &format!("https://pay.stripe.com/receipts/{account}/{id}"));
    }

    fn refunds_of(&self, w: &mut Json, place: Idx, expand: &Expand) {
        let Some(below) = expand.get("refunds") else {
            return;
        };
        let own: Vec<Idx> = self
            .business
            .refunds
            .iter()
            .filter(|(_, refund)| refund.charge == place)
            .map(|(refund, _)| refund)
            .collect();
        let url = format!("/v1/charges/{}/refunds", self.business.id(Kind::Charge, place));
        w.key("refunds");
        self.nested(w, own.into_iter().rev(), &url, |w, refund| {
            self.refund(w, refund, below.below("data"));
        });
    }

    fn charge_ref(&self, w: &mut Json, place: Idx, expand: &Expand) {
        match expand.get("charge") {
            None => self.reference(w, "charge", Kind::Charge, place),
            Some(below) => {
                w.key("charge");
                self.charge(w, place, below);
            }
        }
    }

    pub fn refund(&self, w: &mut Json, place: Idx, expand: &Expand) {
        let row = &self.business.refunds[place];
        let charge = &self.business.charges[row.charge];
        w.object(|w| {
            self.id(w, Kind::Refund, place);
            w.fields(r#""object":"refund""#);
            w.int("amount", row.amount);
            w.null("balance_transaction");
            self.charge_ref(w, row.charge, expand);
            w.time("created", row.created);
            w.str("currency", charge.currency.code());
            if !self.old() {
                self.customer_ref(w, charge.customer, expand);
                w.null("customer_account");
            }
            w.fields(r#""destination_details":{"card":{"reference_status":"pending","reference_type":"acquirer_reference_number","type":"refund"},"type":"card"},"metadata":{}"#);
            self.intent(w, charge.payment);
            let method = u64::from(charge.customer);
            w.id("payment_method", &self.business.ids, Part::PaymentMethod, method);
            w.maybe_str("reason", row.reason);
            w.fields(r#""receipt_number":null,"source_transfer_reversal":null"#);
            w.str("status", row.status.name());
            w.null("transfer_reversal");
        });
    }

    pub fn dispute(&self, w: &mut Json, place: Idx, expand: &Expand) {
        let row = &self.business.disputes[place];
        let charge = &self.business.charges[row.charge];
        let answered = row.status != DisputeStatus::NeedsResponse;
        w.object(|w| {
            self.id(w, Kind::Dispute, place);
            w.fields(r#""object":"dispute""#);
            w.int("amount", row.amount);
            w.fields(r#""balance_transactions":[]"#);
            self.charge_ref(w, row.charge, expand);
            w.time("created", row.created);
            w.str("currency", charge.currency.code());
            w.fields(r#""enhanced_eligibility_types":[]"#);
            w.fields(EVIDENCE);
            w.object_at("evidence_details", |w| {
                w.time("due_by", row.created + 7 * crate::calendar::DAY);
                w.fields(r#""enhanced_eligibility":{}"#);
                w.bool("has_evidence", answered);
                w.bool("past_due", false);
                w.int("submission_count", i64::from(answered));
            });
            w.bool("is_charge_refundable", false);
            self.livemode(w);
            w.fields(r#""metadata":{}"#);
            self.intent(w, charge.payment);
            w.fields(r#""payment_method_details":{"card":{"brand":"visa","case_type":"chargeback","network":"visa","network_reason_code":"13.1"},"type":"card"}"#);
            w.str("reason", row.reason);
            w.str("status", row.status.name());
        });
    }
}

fn outcome(w: &mut Json, paid: bool) {
    w.fields(if paid {
        r#""outcome":{"advice_code":null,"network_advice_code":null,"network_decline_code":null,"network_status":"approved_by_network","reason":null,"risk_level":"normal","risk_score":20,"seller_message":"Payment complete.","type":"authorized"}"#
    } else {
        r#""outcome":{"advice_code":"try_again_later","network_advice_code":null,"network_decline_code":"05","network_status":"declined_by_network","reason":"generic_decline","risk_level":"normal","risk_score":20,"seller_message":"The bank did not return any further details with this decline.","type":"issuer_declined"}"#
    });
}

fn card(w: &mut Json, row: &Charge) {
    let last4 = format!("{:04}", mix(u64::from(row.customer)) % 10_000);
    w.object_at("payment_method_details", |w| {
        w.object_at("card", |w| {
            w.fields(r#""amount_authorized":null,"brand":"visa","checks":{"address_line1_check":null,"address_postal_code_check":"pass","cvc_check":"pass"},"country":"US","exp_month":8,"exp_year":2030,"funding":"credit","installments":null"#);
            w.str("last4", &last4);
            w.fields(r#""mandate":null,"network":"visa","three_d_secure":null,"wallet":null"#);
        });
        w.str("type", "card");
    });
}

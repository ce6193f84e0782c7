//! The account and its balance.

use super::Render;
use crate::json::Json;

impl Render<'_> {
    pub fn account(&self, w: &mut Json) {
        let account = &self.business.account;
        w.object(|w| {
            w.str("id", &account.id);
            w.fields(r#""object":"account""#);
            w.object_at("business_profile", |w| {
                w.fields(r#""annual_revenue":null,"estimated_worker_count":null,"mcc":"5734","minority_owned_business_designation":null"#);
                w.str("name", &account.name);
                w.fields(r#""product_description":null,"support_address":null,"support_email":null,"support_phone":null,"support_url":null,"url":null"#);
            });
            w.fields(r#""business_type":"company","capabilities":{"card_payments":"active","transfers":"active"},"charges_enabled":true,"controller":{"type":"account"}"#);
            w.str("country", account.country);
            w.time("created", account.created);
            w.str("default_currency", account.currency.code());
            w.bool("details_submitted", true);
            w.str("email", &account.email);
            let url = format!("/v1/accounts/{}/external_accounts", account.id);
            w.object_at("external_accounts", |w| {
                w.fields(r#""object":"list","data":[],"has_more":false"#);
                w.str("url", &url);
            });
            w.fields(r#""metadata":{},"payouts_enabled":true"#);
            w.object_at("settings", |w| {
                w.fields(r#""bacs_debit_payments":{"display_name":null,"service_user_number":null},"branding":{"icon":null,"logo":null,"primary_color":null,"secondary_color":null},"card_payments":{"statement_descriptor_prefix":null,"statement_descriptor_prefix_kana":null,"statement_descriptor_prefix_kanji":null}"#);
                w.object_at("dashboard", |w| {
                    w.str("display_name", &account.name);
                    w.str("timezone", account.timezone);
                });
                w.fields(r#""invoices":{"default_account_tax_ids":null,"hosted_payment_method_save":null},"payments":{"statement_descriptor":"NORTHWIND","statement_descriptor_kana":null,"statement_descriptor_kanji":null}"#);
            });
            w.fields(r#""type":"standard""#);
        });
    }

    pub fn balance(&self, w: &mut Json) {
        let currency = self.business.account.currency;
        w.object(|w| {
            w.fields(r#""object":"balance""#);
            for name in ["available", "pending"] {
                w.array_at(name, [0], |w, amount| {
                    w.object(|w| {
                        w.int("amount", amount);
                        w.str("currency", currency.code());
                        w.object_at("source_types", |w| w.int("card", amount));
                    });
                });
            }
            self.livemode(w);
        });
    }
}

//! Stripe's JSON in both of its shapes. `recorded/` holds answers from before 2025-03-31.basil, recorded by the dj-stripe
//! project (MIT, see its LICENSE).

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use billfold_core::facts::{
    AppliedDiscount, DisputeStatus, Fact, Interval, Invoice, InvoiceStatus, Kind, PriceKind, RefundStatus,
    Subscription, SubscriptionStatus, TiersMode,
};
use billfold_core::id::PaymentId;
use billfold_core::stripe::{Reading, Unreadable, read, read_invoice_of_payment, read_item};
use serde_json::{Value, json};

fn recorded(file: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/recorded/{file}.json", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn fact(kind: Kind, json: &str) -> Fact {
    match read(kind, json).unwrap() {
        Reading::Live { fact, nested: None } => {
            let stored = fact.to_json().unwrap();
            let again = Fact::from_json(kind, &stored).unwrap();
            assert_eq!(again.to_json().unwrap(), stored, "what is stored is read back the same");
            fact
        }
        other => panic!("{other:?}"),
    }
}

fn subscription(json: &str) -> Subscription {
    match fact(Kind::Subscription, json) {
        Fact::Subscription(fact) => *fact,
        other => panic!("{other:?}"),
    }
}

fn invoice(json: &str) -> Invoice {
    match fact(Kind::Invoice, json) {
        Fact::Invoice(fact) => *fact,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_old_subscription_has_its_period_on_its_items() {
    let read = subscription(&recorded("subscription_sub_fakefakefakefakefake0004"));
    assert_eq!((read.status.clone(), read.currency.as_str()), (SubscriptionStatus::Active, "usd"));
    assert_eq!(read.items.len(), 2);
    assert!(read.items.iter().all(|item| item.period_end.map(jiff::Timestamp::as_second) == Some(1_560_673_582)));
    assert_eq!(read.renews_at().map(jiff::Timestamp::as_second), Some(1_560_673_582));
    assert_eq!(read.items[1].price.amount.unit_amount_decimal.as_deref(), Some("4000"));
    assert_eq!(read.items[1].price.recurring.as_ref().unwrap().interval, Interval::Month);
}

#[test]
fn an_old_invoice_has_its_subscription_and_its_lines() {
    let read = invoice(&recorded("invoice_in_fakefakefakefakefake0004"));
    assert_eq!(read.subscription.unwrap().as_str(), "sub_fakefakefakefakefake0002");
    assert_eq!((read.status, read.total, read.amount_paid), (InvoiceStatus::Paid, 4000, 4000));
    let line = &read.lines[0];
    assert_eq!(line.subscription_item.as_ref().unwrap().as_str(), "si_HXZCuxDh3W7EQm");
    assert_eq!(
        (line.price.as_ref().unwrap().as_str(), line.product.as_ref().unwrap().as_str()),
        ("silver41294", "prod_fake1")
    );
    assert_eq!((line.amount, line.tax_inclusive, line.proration), (4000, 522, false));
    let without_lines = invoice(&recorded("invoice_in_fakefakefakefakefake0001"));
    assert!(without_lines.lines.is_empty());
}

#[test]
fn a_plan_is_read_as_the_price_that_it_became() {
    let Fact::Price(price) = fact(Kind::Price, &recorded("price_gold21323")) else { panic!() };
    let Fact::Price(plan) = fact(Kind::Price, &recorded("plan_gold21323")) else { panic!() };
    assert_eq!(
        (&price.id, &price.amount, &price.recurring, &price.kind),
        (&plan.id, &plan.amount, &plan.recurring, &plan.kind)
    );
    assert_eq!(plan.kind, PriceKind::Recurring);
}

#[test]
fn an_old_customer_and_product_are_read() {
    let Fact::Customer(customer) = fact(Kind::Customer, &recorded("customer_cus_4UbFSo9tl62jqj")) else { panic!() };
    assert_eq!((customer.name, customer.email.as_deref()), (None, Some("john.snow@thewall.com")));
    let Fact::Product(product) = fact(Kind::Product, &recorded("product_prod_fake1")) else { panic!() };
    assert_eq!(product.name, "Fake Product");
}

fn endive_item(id: &str) -> Value {
    json!({
        "id": id, "object": "subscription_item", "quantity": 3, "current_period_start": 1_790_000_000, "current_period_end": 1_792_592_000,
        "discounts": ["di_item"], "current_trial": {"trial_offer": "to_1", "start_date": 1_790_000_000, "end_date": 1_791_000_000},
        "price": {"id": "price_1", "object": "price", "currency": "eur", "type": "recurring", "billing_scheme": "tiered", "tiers_mode": "graduated",
            "unit_amount": null, "unit_amount_decimal": null, "product": {"id": "prod_1", "object": "product", "deleted": true}, "active": true,
            "recurring": {"interval": "year", "interval_count": 1, "usage_type": "licensed", "meter": null}, "tax_behavior": "inclusive"},
    })
}

fn endive_subscription() -> Value {
    json!({
        "id": "sub_1", "object": "subscription", "customer": {"id": "cus_1", "object": "customer"}, "status": "active", "currency": "eur",
        "created": 1_780_000_000, "start_date": 1_770_000_000, "cancel_at_period_end": true, "cancel_at": null, "canceled_at": 1_789_000_000,
        "cancellation_details": {"reason": "cancellation_requested", "feedback": "too_expensive", "comment": null},
        "discounts": [{"id": "di_1", "object": "discount", "start": 1_780_000_000, "end": null,
            "source": {"type": "coupon", "coupon": {"id": "SAVE", "percent_off": 33.33, "amount_off": null, "duration": "forever", "valid": true}}}],
        "items": {"object": "list", "data": [endive_item("si_1")], "has_more": false, "url": "/v1/subscription_items?subscription=sub_1"},
        "metadata": {"plan": "pro"}, "a_field_of_tomorrow": {"x": 1},
    })
}

#[test]
fn the_pinned_shape_is_read_with_everything_that_counts() {
    let read = subscription(&endive_subscription().to_string());
    assert_eq!((read.customer.as_str(), read.cancel_at_period_end), ("cus_1", true));
    assert_eq!(read.ends_at().map(jiff::Timestamp::as_second), Some(1_792_592_000));
    assert_eq!(read.cancellation.unwrap().feedback.as_deref(), Some("too_expensive"));
    let AppliedDiscount::Whole(discount) = &read.discounts[0] else { panic!() };
    assert_eq!(discount.coupon.as_ref().unwrap().percent_off.as_deref(), Some("33.33"));
    let item = &read.items[0];
    assert!(matches!(&item.discounts[0], AppliedDiscount::Id(id) if id.as_str() == "di_item"));
    assert_eq!(item.trial_end.map(jiff::Timestamp::as_second), Some(1_791_000_000));
    assert_eq!((&item.price.tiers_mode, item.price.tax_inclusive), (&Some(TiersMode::Graduated), true));
    assert_eq!(item.price.product.as_ref().unwrap().as_str(), "prod_1");
}

#[test]
fn discounts_are_read_in_their_three_shapes() {
    let check = |discount: Value| {
        let mut old = endive_subscription();
        old["discounts"] = json!([]);
        old["discount"] = discount;
        let read = subscription(&old.to_string());
        let AppliedDiscount::Whole(discount) = &read.discounts[0] else { panic!() };
        assert_eq!(discount.coupon_id.as_str(), "SAVE");
    };
    let coupon = json!({"id": "SAVE", "amount_off": 500, "currency": "eur", "duration": "once"});
    check(json!({"id": "di_1", "coupon": coupon, "start": 1, "end": null}));
    check(json!({"id": "di_1", "source": {"type": "coupon", "coupon": "SAVE"}, "start": 1, "end": null}));
    check(json!({"coupon": coupon, "start": 1}));
}

#[test]
fn a_list_that_goes_on_says_so() {
    let mut cut = endive_subscription();
    cut["items"]["has_more"] = json!(true);
    let Reading::Live { nested: Some(nested), .. } = read(Kind::Subscription, &cut.to_string()).unwrap() else {
        panic!()
    };
    assert_eq!((nested.parent.as_str(), nested.after.as_str()), ("sub_1", "si_1"));
    assert_eq!(read_item(&endive_item("si_2").to_string()).unwrap().id.as_str(), "si_2");
    cut["items"]["data"] = json!([]);
    assert!(matches!(read(Kind::Subscription, &cut.to_string()), Err(Unreadable::EmptyNested)));
}

#[test]
fn an_invoice_of_today_finds_its_subscription_in_its_parent() {
    let line = json!({"id": "il_1", "object": "line_item", "amount": 1000, "quantity": 2, "period": {"start": 1_790_000_000, "end": 1_792_592_000},
        "parent": {"type": "subscription_item_details", "subscription_item_details": {"proration": true, "subscription": "sub_1", "subscription_item": "si_1"}},
        "pricing": {"type": "price_details", "price_details": {"price": "price_1", "product": "prod_1"}, "unit_amount_decimal": "500"},
        "discount_amounts": [{"amount": 100, "discount": "di_1"}, {"amount": 50, "discount": "di_2"}],
        "taxes": [{"amount": 160, "tax_behavior": "inclusive"}, {"amount": 90, "tax_behavior": "exclusive"}]});
    let read = invoice(
        &json!({"id": "in_1", "object": "invoice", "customer": "cus_1", "status": "a_status_of_tomorrow", "currency": "eur", "created": 1_790_000_000,
            "parent": {"type": "subscription_details", "subscription_details": {"subscription": "sub_1"}}, "total": 1000,
            "lines": {"object": "list", "data": [line], "has_more": false}})
        .to_string(),
    );
    assert_eq!(read.subscription.unwrap().as_str(), "sub_1");
    assert_eq!(read.status, InvoiceStatus::Other("a_status_of_tomorrow".into()));
    let line = &read.lines[0];
    assert_eq!((line.discounted, line.tax_inclusive, line.proration), (150, 160, true));
}

#[test]
fn stubs_and_previews_are_no_facts() {
    let stub = r#"{"id":"cus_1","object":"customer","deleted":true}"#;
    assert_eq!(read(Kind::Customer, stub).unwrap(), Reading::Deleted { id: "cus_1".into() });
    let preview = r#"{"object":"invoice","customer":"cus_1","currency":"usd","created":1,"status":null}"#;
    assert!(matches!(read(Kind::Invoice, preview).unwrap(), Reading::Ignored { .. }));
    let nobodys = r#"{"id":"in_1","object":"invoice","customer":null,"currency":"usd","created":1,"status":"draft"}"#;
    assert!(matches!(read(Kind::Invoice, nobodys).unwrap(), Reading::Ignored { .. }));
    let accounts_v2 =
        r#"{"id":"in_1","customer":null,"customer_account":"acct_9","currency":"usd","created":1,"status":"draft"}"#;
    assert_eq!(invoice(accounts_v2).customer.as_str(), "acct_9");
}

#[test]
fn an_invoice_knows_its_payments_in_both_shapes_and_they_are_no_part_of_the_fact() {
    let head = r#""id":"in_1","customer":"cus_1","currency":"usd","created":1,"status":"paid""#;
    let payments = |rest: &str| -> Vec<String> {
        let read = invoice(&format!("{{{head}{rest}}}"));
        assert!(!serde_json::to_string(&read).unwrap().contains("pi_1"));
        read.payments.iter().map(|id| id.as_str().to_owned()).collect()
    };
    let listed = r#","payments":{"object":"list","has_more":false,"data":[
        {"id":"inpay_2","invoice":"in_1","payment":{"type":"payment_intent","payment_intent":"pi_2"}},
        {"id":"inpay_1","invoice":"in_1","payment":{"type":"payment_intent","payment_intent":{"id":"pi_1"}}},
        {"id":"inpay_3","invoice":"in_1","payment":{"type":"charge","charge":"ch_3"}},
        {"id":"inpay_4","invoice":"in_1","payment":{"type":"payment_record","payment_record":"pr_4"}}]}"#;
    assert_eq!(payments(listed), ["ch_3", "pi_1", "pi_2"]);
    assert_eq!(payments(r#","payment_intent":"pi_1","charge":"ch_1""#), ["ch_1", "pi_1"]);
    assert!(payments(r#","payment_intent":null,"charge":null"#).is_empty() && payments("").is_empty());
    let row = r#"{"id":"inpay_1","object":"invoice_payment","invoice":"in_7","payment":{"payment_intent":"pi_1"}}"#;
    assert_eq!(read_invoice_of_payment(row).unwrap().as_str(), "in_7");
    assert!(read_invoice_of_payment("{}").is_err());
}

#[test]
fn money_back_names_its_customer_or_its_charge_does() {
    let refund = |rest: &str| {
        let text = format!(
            r#"{{"id":"re_1","object":"refund","amount":300,"currency":"eur","created":5,"payment_intent":"pi_1",{rest}}}"#
        );
        read(Kind::Refund, &text).unwrap()
    };
    let listed = refund(r#""status":"succeeded","charge":{"id":"ch_1","customer":"cus_1"},"customer":"cus_1""#);
    let Reading::Live { fact: Fact::Refund(one), nested: None } = &listed else { panic!("{listed:?}") };
    assert_eq!((one.customer.as_str(), one.amount, &one.status), ("cus_1", 300, &RefundStatus::Succeeded));
    assert_eq!(one.payment.ids().map(PaymentId::as_str).collect::<Vec<_>>(), ["pi_1", "ch_1"]);
    let event = refund(r#""status":"succeeded","charge":"ch_1","customer":"cus_1""#);
    assert_eq!(event, listed, "an event says what the list says");
    let old = refund(r#""status":"succeeded","charge":{"id":"ch_1","customer":{"id":"cus_1","deleted":true}}"#);
    assert_eq!(old, listed, "the charge knows the customer");
    assert!(matches!(refund(r#""status":null,"charge":"ch_1","customer":null"#), Reading::Ignored { .. }));
    let dispute = r#"{"id":"dp_1","object":"dispute","amount":300,"currency":"eur","created":5,"status":"lost",
        "reason":"fraudulent","payment_intent":null,"charge":{"id":"ch_1","customer":"cus_1"}}"#;
    match fact(Kind::Dispute, dispute) {
        Fact::Dispute(one) => {
            assert_eq!((one.customer.as_str(), one.reason.as_deref()), ("cus_1", Some("fraudulent")));
            assert_eq!(one.status, DisputeStatus::Lost);
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        read(Kind::Dispute, &dispute.replace(r#"{"id":"ch_1","customer":"cus_1"}"#, r#""ch_1""#)).unwrap(),
        Reading::Ignored { .. }
    ));
}

#[test]
fn a_credit_note_says_what_it_paid_out_as_refunds() {
    let note = r#"{"id":"cn_1","object":"credit_note","customer":"cus_1","invoice":{"id":"in_1"},"currency":"usd",
        "created":5,"status":"issued","amount":900,"pre_payment_amount":400,"post_payment_amount":500,
        "refunds":[{"amount_refunded":200,"refund":"re_1","type":"refund"},
                   {"amount_refunded":100,"refund":null,"payment_record_refund":{"payment_record":"pr_1"}}]}"#;
    let Fact::CreditNote(note) = fact(Kind::CreditNote, note) else { panic!("another kind") };
    assert_eq!((note.invoice.as_str(), note.after_payment), ("in_1", 500));
    let paid_out: Vec<_> = note.paid_out.iter().map(|part| (part.refund.as_str(), part.amount)).collect();
    assert_eq!(paid_out, [("re_1", 200)]);
}

#[test]
fn nonsense_is_an_error_and_never_a_panic() {
    for kind in [
        Kind::Product,
        Kind::Price,
        Kind::Coupon,
        Kind::Customer,
        Kind::Subscription,
        Kind::Invoice,
        Kind::Refund,
        Kind::Dispute,
        Kind::CreditNote,
    ] {
        for text in ["", "null", "[]", "{}", "\"x\"", r#"{"id":""}"#, r#"{"id":"a\tb","deleted":"yes"}"#, r#"{"id":1}"#]
        {
            assert!(read(kind, text).is_err(), "{kind:?} {text}");
        }
    }
    let far = r#"{"id":"cus_1","created":9223372036854775807}"#;
    assert!(matches!(read(Kind::Customer, far), Err(Unreadable::Time(i64::MAX))));
}

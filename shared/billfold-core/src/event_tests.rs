use super::*;
use std::collections::BTreeSet;

fn event(name: &str, object: &str) -> Event {
    let body = format!(
        r#"{{"id":"evt_1","object":"event","type":"{name}","created":1790000000,"livemode":false,
            "api_version":"2026-09-30.endive","data":{{"object":{object}}}}}"#
    );
    read(body.as_bytes()).unwrap()
}

fn check(name: &str, object: &str, wanted: About) {
    assert_eq!(event(name, object).about, wanted, "{name} {object}");
}

#[test]
fn an_event_is_about_the_object_it_carries() {
    for (name, object, kind) in [
        ("customer.updated", "customer", Kind::Customer),
        ("customer.subscription.deleted", "subscription", Kind::Subscription),
        ("invoice.paid", "invoice", Kind::Invoice),
        ("invoice.created", "invoice", Kind::Invoice),
        ("product.updated", "product", Kind::Product),
        ("price.created", "price", Kind::Price),
        ("coupon.updated", "coupon", Kind::Coupon),
    ] {
        check(name, &format!(r#"{{"id":"x_1","object":"{object}"}}"#), About::Object(kind, "x_1".into()));
    }
}

#[test]
fn only_the_deletion_of_the_object_itself_makes_it_gone() {
    let deleted = |kind: Kind| About::Deleted(kind, "x_1".into());
    check("customer.deleted", r#"{"id":"x_1","object":"customer"}"#, deleted(Kind::Customer));
    check("product.deleted", r#"{"id":"x_1","object":"product"}"#, deleted(Kind::Product));
    check("price.deleted", r#"{"id":"x_1","object":"price"}"#, deleted(Kind::Price));
    check("coupon.deleted", r#"{"id":"x_1","object":"coupon"}"#, deleted(Kind::Coupon));
    check("invoice.deleted", r#"{"id":"x_1","object":"invoice"}"#, deleted(Kind::Invoice));
    let discount = r#"{"id":"di_1","object":"discount","customer":"cus_1","subscription":null}"#;
    check("customer.discount.deleted", discount, About::Touched(Kind::Customer, "cus_1".into()));
}

#[test]
fn what_shows_on_another_object_names_it() {
    let on_subscription = r#"{"id":"di_1","object":"discount","customer":"cus_1","subscription":"sub_1"}"#;
    check("customer.discount.created", on_subscription, About::Touched(Kind::Subscription, "sub_1".into()));
    let note = r#"{"id":"cn_1","object":"credit_note","invoice":{"id":"in_1"}}"#;
    check("credit_note.created", note, About::Touched(Kind::CreditNote, "cn_1".into()));
    check(
        "charge.refunded",
        r#"{"id":"ch_1","object":"charge","invoice":"in_1"}"#,
        About::Touched(Kind::Invoice, "in_1".into()),
    );
    check("charge.refunded", r#"{"id":"ch_1","object":"charge"}"#, About::Nothing);
}

#[test]
fn what_does_not_say_all_that_is_kept_of_it_is_asked_for() {
    let refund = r#"{"id":"re_1","object":"refund","charge":"ch_1","customer":"cus_1"}"#;
    check("refund.created", refund, About::Object(Kind::Refund, "re_1".into()));
    for nobodys in [r#"{"id":"re_1","object":"refund"}"#, r#"{"id":"re_1","object":"refund","customer":null}"#] {
        check("refund.failed", nobodys, About::Touched(Kind::Refund, "re_1".into()));
    }
    let dispute = r#"{"id":"dp_1","object":"dispute","invoice":7}"#;
    check("charge.dispute.created", dispute, About::Touched(Kind::Dispute, "dp_1".into()));
    check("credit_note.voided", r#"{"object":"credit_note"}"#, About::Nothing);
}

#[test]
fn what_billfold_does_not_keep_is_nothing() {
    check("payout.paid", r#"{"id":"po_1","object":"payout"}"#, About::Nothing);
    check("invoice.upcoming", r#"{"id":"in_1","object":"invoice"}"#, About::Nothing);
    check("invoice.updated", r#"{"object":"invoice"}"#, About::Nothing);
    check("customer.updated", r#"{"id":"","object":"customer"}"#, About::Nothing);
    check("customer.updated", "null", About::Nothing);
    check("customer.updated", "[]", About::Nothing);
    check("customer.updated", r#"{"id":"a","id":"b","object":"customer"}"#, About::Nothing);
    let thin =
        br#"{"id":"evt_1","object":"v2.core.event","type":"v1.customer.updated","created":"2026-09-30T00:00:00Z"}"#;
    assert_eq!(read(thin).unwrap().about, About::Nothing);
    let without_data = br#"{"id":"evt_1","type":"customer.updated","created":5}"#;
    assert_eq!(read(without_data).unwrap().about, About::Nothing);
}

#[test]
fn a_body_that_is_no_event_is_told_from_one_that_is_not_json() {
    let check = |body: &[u8], json: bool| {
        let error = read(body).unwrap_err();
        assert_eq!(matches!(error, NotAnEvent::Json(_)), json, "{error:?}");
    };
    check(b"", true);
    check(b"{", true);
    check(b"<html>", true);
    check(b"{\"id\":\"evt_\xff\",\"type\":\"a\",\"created\":1}", true);
    check(b"null", false);
    check(b"[]", false);
    check(b"{}", false);
    check(b"{\"id\":7,\"type\":\"a\",\"created\":1}", false);
    check(b"{\"id\":\"a\",\"id\":\"b\",\"type\":\"a\",\"created\":1}", false);
    check(b"{\"id\":\"\",\"type\":\"a\",\"created\":1}", false);
    let deep = format!(r#"{{"id":"evt_1","type":"a","created":1,"data":{{"object":{}}}}}"#, "[".repeat(200_000));
    assert!(read(deep.as_bytes()).is_err());
}

#[test]
fn depth_that_closes_again_is_ignored() {
    let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
    let body = format!(r#"{{"id":"evt_1","type":"customer.updated","created":1,"data":{{"object":{open}{close}}}}}"#);
    assert!(matches!(read(body.as_bytes()), Err(_) | Ok(Event { about: About::Nothing, .. })));
}

#[test]
fn versions_in_reach_are_read_and_the_others_fetched() {
    for version in
        ["2020-08-27", "2024-06-20", "2025-02-24.acacia", "2025-08-27.basil", "2026-09-30.endive", "2026-11-25.endive"]
    {
        assert!(is_readable(Kind::Invoice, Some(version)), "{version}");
        let says_all = version.contains("endive");
        assert_eq!(is_readable(Kind::Subscription, Some(version)), says_all, "{version}");
    }
    for version in ["2019-12-03", "2015-10-16", "2027-03-31.fern", "2026-10-14.preview", "latest", ""] {
        assert!(!is_readable(Kind::Invoice, Some(version)), "{version}");
    }
    assert!(!is_readable(Kind::Invoice, None));
}

#[test]
fn the_events_asked_for_are_in_order_and_hold_up_no_invoice() {
    let set: BTreeSet<&str> = ENABLED_EVENTS.into_iter().collect();
    assert_eq!(set.len(), ENABLED_EVENTS.len());
    assert!(!set.contains("invoice.created") && !set.contains("invoice.upcoming") && !set.contains("*"));
}

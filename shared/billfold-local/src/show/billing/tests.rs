use super::*;
use serde_json::{Value, json};

fn account() -> AccountLine {
    serde_json::from_value(json!({
        "id": "acc_1", "name": "Acme", "domain": "acme.com", "mrr": usd(17_400), "arr": usd(208_800),
        "payment_status": "overdue", "plan": "Team", "renews_at": "2026-12-01T00:00:00Z", "health": {},
    }))
    .unwrap()
}

fn usd(amount: i64) -> Value {
    json!({"amount": amount, "currency": "usd"})
}

fn tab() -> Value {
    json!({
        "mrr": usd(17_400), "arr": usd(208_800),
        "mrr_by_currency": {"usd": usd(8_700), "kwd": {"amount": 12_345, "currency": "kwd"}},
        "arr_by_currency": {"usd": usd(208_800)},
        "unconverted": ["jpy"], "rates_as_of": null, "paying": true, "active_subscriptions": 1,
        "payment_status": "overdue",
        "health": {"revenue": {"score": 50, "level": "warning", "reason": "An invoice is past its due date."}},
        "plan": "Team", "renews_at": "2026-12-01T00:00:00Z",
        "subscriptions": [{
            "id": "sub_1", "status": "active", "plan": "Team", "quantity": 3, "interval": "month", "mrr": usd(8_700),
            "renews_at": "2026-12-01T00:00:00Z", "cancel_at": null,
            "trial": {"state": "trialing_unpaid", "ends_at": "2026-11-30T00:00:00Z"},
        }],
        "invoices": [{
            "id": "in_1", "number": "A-1", "status": "open", "total": usd(8_700), "amount_due": usd(8_700),
            "amount_paid": usd(0), "amount_remaining": usd(8_700), "refunded": null,
            "created_at": "2026-11-01T00:00:00Z", "paid_at": null, "hosted_invoice_url": null,
        }],
        "lifetime_value": {"usd": usd(100_000)},
        "promise": {"plan": "Team", "status": "active", "trial": "none", "quantity": 3, "features": null},
        "not_computable": [{"subscription_id": "sub_2", "item_id": null, "reason": "Its tiers are not known."}],
    })
}

fn text(tab: Value) -> String {
    billing(&account(), &serde_json::from_value(tab).unwrap(), Paint::Plain)
}

#[test]
fn the_tab_reads_from_top_to_bottom() {
    let expected = "\
Acme · acme.com · acc_1

MRR             174.00 USD (12.345 KWD + 87.00 USD)
ARR             2,088.00 USD
Payment         overdue
                An invoice is past its due date.
Plan            Team
Renews          2026-12-01
Lifetime value  1,000.00 USD
Not converted   JPY (there is no exchange rate)
Not computed    Its tiers are not known.

Subscriptions
  3 × Team · active · every month · MRR 87.00 USD · renews 2026-12-01 · trial until 2026-11-30 · sub_1

Newest invoices
  2026-11-01 · A-1 · 87.00 USD · open · 87.00 USD to pay";
    assert_eq!(text(tab()), expected);
}

#[test]
fn an_account_without_anything_says_so() {
    let mut empty = tab();
    for field in ["subscriptions", "invoices", "unconverted", "not_computable"] {
        empty[field] = json!([]);
    }
    for field in ["mrr_by_currency", "arr_by_currency", "lifetime_value"] {
        empty[field] = json!({});
    }
    (empty["plan"], empty["renews_at"], empty["mrr"]) = (Value::Null, Value::Null, usd(0));
    let text = text(empty);
    assert!(text.contains("MRR             0.00 USD\n"), "{text}");
    assert!(text.contains("Subscriptions\n  none\n") && text.ends_with("Newest invoices\n  none"), "{text}");
}

#[test]
fn nothing_in_it_acts_on_the_terminal() {
    let mut hostile = tab();
    let bad = "\u{1b}[31m\r\n\u{9b}x";
    hostile["plan"] = bad.into();
    hostile["health"]["revenue"]["reason"] = bad.into();
    hostile["subscriptions"][0]["plan"] = bad.into();
    hostile["subscriptions"][0]["status"] = bad.into();
    hostile["subscriptions"][0]["interval"] = bad.into();
    hostile["invoices"][0]["number"] = bad.into();
    hostile["not_computable"][0]["reason"] = bad.into();
    let mut account = account();
    (account.name, account.domain, account.id) = (bad.into(), Some(bad.into()), bad.into());
    let shown = billing(&account, &serde_json::from_value(hostile).unwrap(), Paint::Plain);
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
    assert_eq!(shown.lines().count(), text(tab()).lines().count());
}

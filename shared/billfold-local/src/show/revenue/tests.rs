use super::*;
use serde_json::json;

fn usd(minor: i64) -> serde_json::Value {
    json!({ "amount": minor, "currency": "usd" })
}

fn month(name: &str, new: i64, churn: i64, closing: i64, basis: &str) -> serde_json::Value {
    json!({
        "month": name, "new": usd(new), "expansion": usd(0), "reactivation": usd(0), "contraction": usd(0),
        "churn": usd(churn), "fx": usd(0), "restatement": usd(0), "closing": usd(closing), "basis": basis,
    })
}

#[test]
fn a_summary_has_its_figures_and_a_bar_for_each_month() {
    let risk = json!({ "accounts": 1, "arr": usd(7_200) });
    let totals: Totals = serde_json::from_value(json!({
        "mrr": usd(20_600), "arr": usd(247_200), "mrr_by_currency": { "usd": usd(20_600), "eur": { "amount": 500, "currency": "eur" } },
        "unconverted": ["eur"], "accounts": 3, "active_accounts": 2, "unmatched_customers": 0,
        "movements": [month("2026-10", 14_000, 0, 14_000, "derived"), month("2026-11", 10_600, -4_000, 20_600, "observed")],
        "observed_since": "2026-11-01T00:00:00Z", "net_retention": "1.4286", "gross_retention": "0.7143",
        "customer_churn": null, "quick_ratio": "2.6500",
        "at_risk": { "failed": { "accounts": 0, "arr": usd(0) }, "overdue": risk },
    })).unwrap();
    let expected = "\
MRR             206.00 USD
ARR             2,472.00 USD
Accounts        3 (2 pay)
Not converted   5.00 EUR (there is no exchange rate)
Failed          0 accounts, 0.00 USD of ARR
Overdue         1 accounts, 72.00 USD of ARR
Net retention   142.86 %
Gross retention 71.43 %
Customer churn  –
Quick ratio     2.6500

2026-10  140.00 USD  ░░░░░░░░░░░░░░░░░░░░░░░░░░░               +140.00
2026-11  206.00 USD  ████████████████████████████████████████  +106.00 -40.00
░ is worked out from subscriptions and invoices; since 2026-11-01 it is seen happening.";
    assert_eq!(summary(&totals, Paint::Plain), expected);
}

#[test]
fn an_explanation_can_be_followed_with_a_pocket_calculator() {
    let item = json!({
        "price_id": "price_1", "product_name": "Pro\u{1b}[31m", "counted": true, "why": "", "billed_quantity": 3,
        "unit_amount": "10000", "tiers": [], "amount": "30000", "factor": "1/12", "monthly": "2000", "tax": null,
        "discounts": [{ "coupon_id": "TWENTY", "kind": "percent", "value": "20", "rule": "subtracted", "after": "24000" }],
    });
    let explained: Explained = serde_json::from_value(json!({
        "mrr": usd(2_000), "arr": usd(24_000), "preset": "billfold", "rates": {},
        "subscriptions": [{
            "subscription_id": "sub_1", "status": "active", "why": "The subscription is active, so it counts.",
            "items": [item], "exact": "2000", "mrr": usd(2_000), "arr": usd(24_000),
        }],
    }))
    .unwrap();
    let expected = "\
MRR 20.00 USD · ARR 240.00 USD · rules: billfold
Amounts below are in minor units (cents), exact until the last line.

sub_1 · active · The subscription is active, so it counts.
  Pro\u{FFFD}[31m
    3 × 10000 = 30000
    − 20 % (TWENTY, subtracted): 24000
    × 1/12 a month = 2000
  = 2000 a month, rounded: 20.00 USD · a year: 240.00 USD";
    assert_eq!(explanation(&explained, Paint::Plain), expected);
}

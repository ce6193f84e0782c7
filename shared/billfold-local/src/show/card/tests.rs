use super::*;
use crate::queue::Parked;
use billfold_app::Message;
use billfold_core::id::WorkspaceId;
use serde_json::{Value, json};

fn connected() -> Value {
    json!({
        "status": "connected", "mode": "test", "account_label": "rk_test_…abcd", "stripe_account_id": "acct_1",
        "stripe_account_name": "Acme", "key_kind": "restricted",
        "permissions": [
            {"resource": "Customers", "permission": "rak_customer_read", "access": "granted", "required": true,
             "why": "Who pays.", "fix": null},
            {"resource": "Invoices", "permission": "rak_invoice_read", "access": "missing", "required": true,
             "why": "Payment status.", "fix": "Grant read access to Invoices in your restricted key"},
            {"resource": "Disputes", "permission": "rak_dispute_read", "access": "unknown", "required": false,
             "why": "Lost disputes.", "fix": "Grant read access to Disputes in your restricted key"},
        ],
        "webhook": {"url": null, "status": "not_configured", "last_event_at": null, "managed": false},
        "records_synced": {"products": 1, "prices": 2, "customers": 1250, "subscriptions": 0, "invoices": 3},
        "customers_matched": 1249, "last_sync_at": "2026-11-20T10:11:12Z", "sync": null, "error": null,
        "prefilled_key_url": "https://dashboard.stripe.com/apikeys/create?name=Billfold",
    })
}

fn text(card_json: Value) -> String {
    card(&serde_json::from_value(card_json).unwrap(), Paint::Plain)
}

#[test]
fn the_card_says_who_is_connected_and_what_is_stored() {
    let text = text(connected());
    assert!(text.starts_with("Stripe: connected · Acme · test · rk_test_…abcd\n"), "{text}");
    assert!(
        text.contains("1 product, 2 prices, 1,250 customers, 0 subscriptions, 3 invoices; 1,249 customers"),
        "{text}"
    );
    assert!(text.contains("Last complete sync: 2026-11-20 10:11 UTC"), "{text}");
    assert!(text.contains("Webhook: not configured"), "{text}");
}

#[test]
fn the_checklist_explains_only_what_is_missing() {
    let text = text(connected());
    assert!(
        text.contains("  ✓ Customers\n  ✗ Invoices\n      Payment status.\n      Grant read access to Invoices"),
        "{text}"
    );
    assert!(text.contains("  ? Disputes (optional)\n"), "{text}");
    assert!(!text.contains("Who pays."), "{text}");
}

#[test]
fn customers_without_an_account_are_explained() {
    let mut card = connected();
    card["matching"] = json!({"unmatched": 2, "explanation": "0 customers matched.\u{1b}[2J", "fix": "Import them."});
    let text = text(card);
    assert!(text.contains("\n0 customers matched.\u{fffd}[2J\nWhat to do: Import them.\n"), "{text}");
}

#[test]
fn an_error_says_what_to_do() {
    let mut card = connected();
    card["status"] = "error".into();
    card["error"] = json!({"code": "permission_missing", "message": "Invoices are refused.", "fix": "Grant it."});
    let text = text(card);
    assert!(text.contains("Invoices are refused.\nWhat to do: Grant it."), "{text}");
}

#[test]
fn a_disconnected_card_says_how_to_connect() {
    let mut card = connected();
    card["status"] = "disconnected".into();
    for field in ["mode", "account_label", "stripe_account_id", "stripe_account_name"] {
        card[field] = Value::Null;
    }
    let text = text(card);
    assert!(
        text.starts_with("Stripe: disconnected\nNo key is connected. Connect one with `billfold connect`."),
        "{text}"
    );
    assert!(text.contains("https://dashboard.stripe.com/apikeys/create"), "{text}");
}

#[test]
fn the_running_sync_is_on_the_card() {
    let mut card = connected();
    card["sync"] = json!({
        "id": "run_1", "trigger": "connect", "status": "running", "started_at": "2026-11-20T10:00:00Z",
        "finished_at": null, "records": 7, "stripe_requests": 2, "error": null,
        "stages": [{"name": "products", "status": "running", "records": 7, "requests": 2, "error": null}],
    });
    let text = text(card);
    assert!(text.contains("Sync run_1 running: 7 records, 2 requests to Stripe"), "{text}");
    assert!(text.contains("  products"), "{text}");
}

#[test]
fn names_from_stripe_cannot_act_on_the_terminal() {
    let mut card = connected();
    card["stripe_account_name"] = "\u{1b}]0;owned\u{7}".into();
    card["error"] = json!({"code": "x", "message": "a\u{1b}[2Jb", "fix": "c\u{9b}d"});
    assert!(!text(card).chars().any(|c| c.is_control() && c != '\n'));
}

#[test]
fn messages_that_were_given_up_are_told() {
    assert_eq!(parked(&[], Paint::Plain), None);
    let one = Parked {
        message: Message::Recompute { workspace: WorkspaceId::new("acme").unwrap() },
        failures: 6,
        parked_at: "2026-11-20T10:11:12Z".parse().unwrap(),
    };
    let told = parked(&[one], Paint::Plain).unwrap();
    assert!(told.starts_with("1 message broke Billfold again and again and was set aside"), "{told}");
}

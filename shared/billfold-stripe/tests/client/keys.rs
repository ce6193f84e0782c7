//! What can be learnt about a key: its account and its permissions.

use billfold_stripe::{Access, AccountIdentity, Endpoint, StripeError};

use crate::scripted::{Act, Stripe};

#[tokio::test]
async fn an_account_that_may_be_read_names_itself() {
    let body = r#"{"id":"acct_1A2b3C4d5E","object":"account","default_currency":"eur","country":"DE",
        "business_profile":{"name":null},"email":"someone@example.com",
        "settings":{"dashboard":{"display_name":"Acme","timezone":"Europe/Berlin"}}}"#;
    let stripe = Stripe::plays([Act::ok(body)]).await;
    let owned = |text: &str| Some(text.to_owned());
    let wanted = AccountIdentity {
        id: owned("acct_1A2b3C4d5E"),
        name: owned("Acme"),
        default_currency: owned("eur"),
        country: owned("DE"),
        timezone: owned("Europe/Berlin"),
    };
    assert_eq!(stripe.client().identify().await.unwrap(), wanted);
    assert_eq!(stripe.asked()[0].line, "GET /v1/account");
}

#[tokio::test]
async fn a_refusal_names_the_account_too() {
    let unnamed = Act::error(403, "more_permissions_required", "No.");
    let stripe = Stripe::plays([Act::lacking("rak_accounts_kyc_basic_read"), unnamed]).await;
    let client = stripe.client();
    assert_eq!(client.identify().await.unwrap().id.as_deref(), Some("acct_1A2b3C4d5E"));
    assert_eq!(client.identify().await.unwrap(), AccountIdentity::default());
}

#[tokio::test]
async fn a_bad_key_has_no_account() {
    let stripe = Stripe::plays([Act::error(401, "", "Invalid API Key provided: rk_test_****")]).await;
    assert!(matches!(stripe.client().identify().await, Err(StripeError::InvalidKey)));
}

#[tokio::test]
async fn a_probe_asks_for_one_row_and_no_expansion() {
    let stripe = Stripe::plays([Act::page(&["cus_1"], true), Act::page(&[], false)]).await;
    let client = stripe.client();
    let Access::Granted { first: Some(row) } = client.probe(Endpoint::Customers).await else { panic!("no row") };
    assert_eq!(row.key().unwrap().id, "cus_1");
    assert!(matches!(client.probe(Endpoint::Prices).await, Access::Granted { first: None }));
    let lines: Vec<String> = stripe.asked().into_iter().map(|asked| asked.line).collect();
    assert_eq!(lines, ["GET /v1/customers?limit=1", "GET /v1/prices?limit=1"]);
}

#[tokio::test]
async fn a_probe_names_the_missing_permission() {
    let unnamed = Act::error(403, "more_permissions_required", "No.");
    let stripe = Stripe::plays([Act::lacking("rak_something_new_read"), unnamed]).await;
    let client = stripe.client();
    let missing = async || match client.probe(Endpoint::Disputes).await {
        Access::Missing { permission, account } => (permission, account),
        other => panic!("{other:?}"),
    };
    assert_eq!(missing().await, ("rak_something_new_read".to_owned(), Some("acct_1A2b3C4d5E".to_owned())));
    assert_eq!(missing().await, ("rak_dispute_read".to_owned(), None));
}

#[tokio::test]
async fn nested_lists_are_probed_without_a_parent() {
    let acts = [
        Act::error(404, "resource_missing", "No such invoice: 'probe'"),
        Act::error(400, "parameter_missing", "Missing required param: subscription."),
        Act::lacking("rak_invoice_read"),
    ];
    let stripe = Stripe::plays(acts).await;
    let client = stripe.client();
    assert!(matches!(client.probe(Endpoint::InvoiceLines).await, Access::Granted { first: None }));
    assert!(matches!(client.probe(Endpoint::SubscriptionItems).await, Access::Granted { first: None }));
    assert!(matches!(client.probe(Endpoint::InvoiceLines).await, Access::Missing { .. }));
}

#[tokio::test]
async fn what_a_probe_cannot_tell_stays_unknown() {
    let acts = [
        Act::error(400, "parameter_unknown", "Received unknown parameter: limit"),
        Act::error(401, "", "Invalid API Key provided: rk_test_****"),
        Act::error(500, "", "Oops"),
    ];
    let stripe = Stripe::plays(acts).await;
    let client = stripe.client();
    for code in ["stripe_refused", "invalid_api_key", "stripe_unavailable"] {
        let Access::Unknown { cause } = client.probe(Endpoint::Customers).await else { panic!("{code}") };
        assert_eq!(cause.code(), code);
    }
}

#[tokio::test]
async fn the_account_can_be_probed_like_a_list() {
    let acts = [Act::ok(r#"{"id":"acct_1","object":"account"}"#), Act::lacking("rak_accounts_kyc_basic_read")];
    let stripe = Stripe::plays(acts).await;
    let client = stripe.client();
    assert!(matches!(client.probe(Endpoint::Account).await, Access::Granted { first: Some(_) }));
    assert!(matches!(client.probe(Endpoint::Account).await, Access::Missing { .. }));
}

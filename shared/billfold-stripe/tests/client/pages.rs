//! Lists, nested lists and single objects.

use billfold_stripe::{API_VERSION, Created, Endpoint, ListRequest, Nested, Retrieved, StripeError};

use crate::scripted::{Act, KEY, Stripe};

const COUPON_READ: &str = "rak_coupon_read";

#[tokio::test]
async fn every_request_says_who_asks_and_in_which_version() {
    let stripe = Stripe::plays([Act::page(&[], false)]).await;
    stripe.client().list(&ListRequest::new(Endpoint::Products)).await.unwrap();
    let asked = &stripe.asked()[0];
    assert_eq!(asked.line, "GET /v1/products?limit=100");
    assert_eq!(asked.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    assert_eq!(asked.header("stripe-version"), Some(API_VERSION));
    let agent = format!("Billfold/{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(asked.header("user-agent"), Some(agent.as_str()));
    assert_eq!(asked.header("accept-encoding"), Some("gzip"));
}

#[tokio::test]
async fn a_list_is_read_page_by_page_to_its_end() {
    let acts = [Act::page(&["a", "b"], true), Act::page(&["c"], true), Act::page(&["d"], false)];
    let stripe = Stripe::plays(acts).await;
    let client = stripe.client();
    let slice = ListRequest::new(Endpoint::Invoices).created(Created::between(5, 9)).expand(&[]);
    let (mut ids, mut next) = (Vec::new(), Some(slice));
    while let Some(request) = next {
        let page = client.list(&request).await.unwrap();
        assert_eq!((page.requests, page.date.as_second()), (1, 1_795_251_121));
        assert_eq!(page.has_more, page.next_cursor.is_some());
        ids.extend(page.rows.iter().map(|row| row.key().unwrap().id));
        next = page.next_request(&request);
    }
    assert_eq!(ids, ["a", "b", "c", "d"]);
    let queries: Vec<String> = stripe.asked().iter().map(crate::scripted::Asked::query).collect();
    let common = "limit=100&created[gte]=5&created[lt]=9";
    assert_eq!(
        queries,
        [common.to_owned(), format!("{common}&starting_after=b"), format!("{common}&starting_after=c")]
    );
}

#[tokio::test]
async fn a_deleted_cursor_is_an_error_of_its_own() {
    let gone = |param: &str, message: &str| {
        let body = format!(
            r#"{{"error":{{"type":"invalid_request_error","code":"resource_missing",{param}"message":"{message}"}}}}"#
        );
        Act::status(400, &[], &body)
    };
    let by_param = gone(r#""param":"starting_after","#, "No such customer");
    let by_message = gone("", "No such customer: 'cus_9'");
    let other = gone(r#""param":"customer","#, "No such customer: 'cus_1'");
    let stripe = Stripe::plays([by_param.clone(), by_message, other, by_param]).await;
    let client = stripe.client();
    let request = ListRequest::new(Endpoint::Customers).after("cus_9");
    assert!(matches!(client.list(&request).await, Err(StripeError::CursorGone)));
    assert!(matches!(client.list(&request).await, Err(StripeError::CursorGone)));
    assert!(matches!(client.list(&request).await, Err(StripeError::BadRequest(_))));
    let without_cursor = ListRequest::new(Endpoint::Customers);
    assert!(matches!(client.list(&without_cursor).await, Err(StripeError::BadRequest(_))));
}

#[tokio::test]
async fn an_optional_permission_does_not_stand_in_the_way() {
    let acts = [Act::lacking(COUPON_READ), Act::page(&["sub_1"], true)];
    let stripe = Stripe::plays(acts).await;
    let request = ListRequest::new(Endpoint::Subscriptions);
    let page = stripe.client().list(&request).await.unwrap();
    assert_eq!(page.dropped_expansions, ["data.discounts.source.coupon", "data.items.data.discounts"]);
    assert_eq!((page.rows.len(), page.requests), (1, 2));
    assert_eq!(stripe.asked()[1].query(), "limit=100&status=all");
    assert!(page.next_request(&request).unwrap().expand.is_empty());
}

#[tokio::test]
async fn the_lists_own_permission_does() {
    let stripe = Stripe::plays([Act::lacking("rak_subscription_read")]).await;
    let refused = stripe.client().list(&ListRequest::new(Endpoint::Subscriptions)).await;
    assert!(matches!(refused, Err(StripeError::PermissionMissing { .. })), "{refused:?}");
    assert_eq!(stripe.asked().len(), 1);
}

#[tokio::test]
async fn nested_lists_are_followed_on_the_same_host_only() {
    let stripe = Stripe::plays([Act::page(&["il_11"], false)]).await;
    let client = stripe.client();
    client.follow(Nested::Url("/v1/invoices/in_1/lines"), Some("il_10")).await.unwrap();
    let items = Nested::Of { endpoint: Endpoint::SubscriptionItems, parent: "sub_1" };
    client.follow(items, None).await.unwrap();
    let lines: Vec<String> = stripe.asked().iter().map(|asked| asked.line.replace("%5B%5D", "[]")).collect();
    assert_eq!(
        lines,
        [
            "GET /v1/invoices/in_1/lines?limit=100&starting_after=il_10&expand[]=data.discounts",
            "GET /v1/subscription_items?limit=100&subscription=sub_1&expand[]=data.discounts.source.coupon",
        ]
    );
    let elsewhere = client.follow(Nested::Url("https://evil.example/v1/invoices/in_1/lines"), None).await;
    assert!(matches!(elsewhere, Err(StripeError::Misuse(_))));
    assert_eq!(stripe.asked().len(), 2, "a foreign URL was asked for");
}

#[tokio::test]
async fn an_object_is_found_deleted_or_missing() {
    let acts = [
        Act::ok(r#"{"id":"cus_1","object":"customer","name":"A"}"#),
        Act::ok(r#"{"id":"cus_2","object":"customer","deleted":true}"#),
        Act::error(404, "resource_missing", "No such customer: 'cus_3'"),
        Act::error(404, "resource_missing", "No such customer: 'cus_4'; a similar object exists in live mode"),
        Act::error(400, "resource_missing", "No such customer: 'cus_0'"),
        Act::status(404, &[], r#"{"error":{"type":"invalid_request_error","message":"Unrecognized request URL"}}"#),
    ];
    let stripe = Stripe::plays(acts).await;
    let client = stripe.client();
    let get = async |id| client.retrieve(Endpoint::Customers, id).await;
    let Ok(Retrieved::Found { row, date, .. }) = get("cus_1").await else { panic!("not found") };
    assert_eq!(row.key().unwrap().id, "cus_1");
    assert_eq!(date.to_string(), "2026-11-21T08:52:01Z");
    assert!(matches!(get("cus_2").await, Ok(Retrieved::Deleted { .. })));
    assert!(matches!(get("cus_3").await, Ok(Retrieved::Missing { .. })));
    assert!(matches!(get("cus_4").await, Err(StripeError::OtherMode)));
    assert!(matches!(get("cus_5").await, Err(StripeError::BadRequest(_))), "a parameter is not the object");
    assert!(matches!(get("cus_6").await, Err(StripeError::BadRequest(_))), "an unknown address is not a deletion");
}

#[tokio::test]
async fn an_object_is_fetched_with_the_expansions_of_its_list() {
    let acts = [Act::lacking(COUPON_READ), Act::ok(r#"{"id":"sub/1","object":"subscription"}"#)];
    let stripe = Stripe::plays(acts).await;
    let found = stripe.client().retrieve(Endpoint::Subscriptions, "sub/1").await.unwrap();
    let Retrieved::Found { dropped_expansions, .. } = found else { panic!("{found:?}") };
    assert_eq!(dropped_expansions, ["discounts.source.coupon", "items.data.discounts"]);
    let asked = stripe.asked();
    assert_eq!(asked[0].query(), "expand[]=discounts.source.coupon&expand[]=items.data.discounts");
    assert_eq!(asked[1].line, "GET /v1/subscriptions/sub%2F1");
}

#[tokio::test]
async fn ids_that_would_change_the_address_are_never_sent() {
    let stripe = Stripe::plays([Act::page(&[], false)]).await;
    let client = stripe.client();
    for id in ["", ".", ".."] {
        let refused = client.retrieve(Endpoint::Customers, id).await;
        assert!(matches!(refused, Err(StripeError::Misuse(_))), "{id:?}");
    }
    assert!(matches!(client.retrieve(Endpoint::InvoiceLines, "il_1").await, Err(StripeError::Misuse(_))));
    assert!(stripe.asked().is_empty());
}

//! The API as its users meet it: exact answers to wrong input, roles, pages, and the way from a key to an account.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use billfold_app::auth::Role;
use billfold_sim::{ApiKey, READING};
use billfold_tests::{Body, World};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const KEY_FORMAT: &str = "Enter a Stripe restricted key (rk_…) or secret key (sk_…)";
const REJECTED: &str = "Stripe rejected the API key. Check that the secret or restricted key is correct, belongs to the \
                        right account, and has not been revoked.";
const LACKING: &str = "The Stripe API key does not have the required permissions. Grant Customers, Subscriptions and \
                       Invoices read access, then reconnect.";

/// Refused with this code and detail, as a problem, and nothing is stored.
async fn refused(world: &World, body: &Value, status: u16, code: &str, detail: &str) {
    let answer = world.send(Method::POST, "/v1/stripe", body).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body["code"].as_str().unwrap()), (status, code), "{:#}", answer.body);
    assert_eq!(answer.body["detail"], detail);
    assert_eq!(answer.content_type, "application/problem+json");
    let card = world.get("/v1/stripe").await.unwrap();
    assert_eq!((&card["status"], &card["account_label"]), (&json!("disconnected"), &Value::Null), "{card:#}");
    assert_eq!(world.get("/v1/syncs").await.unwrap()["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_keys_have_their_exact_answers_and_leave_nothing() {
    let world = World::start(1, 5).await.unwrap();
    for key in [
        "pk_test_51Abcdefghijklmnop",
        "whsec_abcdefghijklmnop",
        "",
        "   ",
        "rk_test_51Abc\ndefghijklmnop",
        "rk_test_51Abcdefghijklmnö",
        " rk_test_51Abcdefghijklmnop",
        "rk_test_51Abcdefghijklmnop\n",
    ] {
        refused(&world, &json!({ "api_key": key }), 422, "key_format", KEY_FORMAT).await;
    }
    for length in [100_000, 10 * 1024 * 1024] {
        let key = format!("rk_test_{}", "a".repeat(length));
        refused(&world, &json!({ "api_key": key }), 422, "key_format", KEY_FORMAT).await;
    }
    let secret = json!({ "api_key": world.sim.api_key(), "webhook_secret": "secret" });
    refused(&world, &secret, 422, "webhook_secret_format", "Webhook signing secrets start with whsec_").await;
    let unknown = json!({ "api_key": "rk_test_51Unknown0000000000" });
    refused(&world, &unknown, 422, "invalid_api_key", REJECTED).await;
    assert_eq!(world.sim.requests().total, 1, "a key of the wrong shape is never sent to Stripe");
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_keys_and_keys_that_may_not_read_enough_are_told_so() {
    let world = World::start(2, 5).await.unwrap();
    let lacking = |missing: &str| {
        let key = format!("rk_test_51Lacking{missing}0000");
        let granted: Vec<&str> =
            READING.iter().copied().filter(|granted| format!("rak_{granted}") != missing).collect();
        world.sim.add_key(ApiKey::new(&key, &granted));
        key
    };
    for missing in ["rak_customer_read", "rak_subscription_read", "rak_invoice_read"] {
        refused(&world, &json!({ "api_key": lacking(missing) }), 422, "permissions_missing", LACKING).await;
    }
    world.sim.add_key(ApiKey::new("rk_test_51Expired000000", &READING));
    world.sim.expire_key("rk_test_51Expired000000");
    refused(&world, &json!({ "api_key": "rk_test_51Expired000000" }), 422, "api_key_expired", REJECTED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_no_request_are_problems() {
    let world = World::start(3, 5).await.unwrap();
    let owner = world.token(Role::Owner).unwrap();
    let check = async |text: String, kind: &str, status: u16, code: &str| {
        let answer = world.ask(Some(&owner), Method::POST, "/v1/stripe", Body::Text(text, kind)).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.body["code"].as_str()), (status, Some(code)), "{:#}", answer.body);
        assert_eq!(answer.content_type, "application/problem+json");
    };
    check("{".into(), "application/json", 400, "body_not_json").await;
    check("null".into(), "application/json", 422, "body_invalid").await;
    check(r#"{"api_key": 5}"#.into(), "application/json", 422, "body_invalid").await;
    check("api_key=rk_test".into(), "application/x-www-form-urlencoded", 415, "unsupported_media_type").await;
    let huge = format!(r#"{{"confirm":"{}"}}"#, "a".repeat(10 * 1024 * 1024));
    let answer =
        world.ask(Some(&owner), Method::DELETE, "/v1/data", Body::Text(huge, "application/json")).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body["code"].as_str()), (413, Some("body_too_large")));
    for (method, path, status) in
        [(Method::GET, "/nowhere", 404), (Method::PUT, "/v1/syncs", 405), (Method::GET, "/v1/syncs/none", 404)]
    {
        let answer = world.ask(Some(&owner), method, path, Body::None).await.unwrap();
        assert_eq!(
            (answer.status.as_u16(), answer.content_type.as_str()),
            (status, "application/problem+json"),
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reads_without_a_token_and_members_change_nothing() {
    let world = World::start(4, 5).await.unwrap();
    let member = world.token(Role::Member).unwrap();
    let reads = ["/v1/stripe", "/v1/settings", "/v1/syncs", "/v1/accounts", "/v1/customers?matched=false"];
    for path in reads {
        let answer = world.ask(None, Method::GET, path, Body::None).await.unwrap();
        assert_eq!(
            (answer.status, answer.body["code"].as_str()),
            (StatusCode::UNAUTHORIZED, Some("unauthenticated")),
            "{path}"
        );
        let answer = world.ask(Some("nonsense"), Method::GET, path, Body::None).await.unwrap();
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        let answer = world.ask(Some(&member), Method::GET, path, Body::None).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK, "{path}");
    }
    let changes = [
        (Method::POST, "/v1/stripe"),
        (Method::DELETE, "/v1/stripe"),
        (Method::POST, "/v1/stripe/check"),
        (Method::PUT, "/v1/stripe/webhook-secret"),
        (Method::PATCH, "/v1/settings"),
        (Method::POST, "/v1/syncs"),
        (Method::DELETE, "/v1/syncs/run_1"),
        (Method::POST, "/v1/accounts"),
        (Method::PATCH, "/v1/accounts/a"),
        (Method::DELETE, "/v1/accounts/a"),
        (Method::PUT, "/v1/customers/c/account"),
        (Method::DELETE, "/v1/customers/c/account"),
    ];
    for (method, path) in changes {
        let answer = world.ask(Some(&member), method.clone(), path, Body::Json(&json!({}))).await.unwrap();
        assert_eq!(
            (answer.status, answer.body["code"].as_str()),
            (StatusCode::FORBIDDEN, Some("role_required")),
            "{method} {path}"
        );
    }
    let admin = world.token(Role::Admin).unwrap();
    let answer =
        world.ask(Some(&admin), Method::DELETE, "/v1/data", Body::Json(&json!({"confirm": "acme"}))).await.unwrap();
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(world.ask(None, Method::GET, "/healthz", Body::None).await.unwrap().status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_key_to_an_account() {
    let world = World::start(5, 120).await.unwrap();
    let answer = world.connect().await.unwrap();
    assert_eq!(answer.status, StatusCode::CREATED);
    let card = answer.body;
    assert_eq!((&card["mode"], &card["key_kind"]), (&json!("test"), &json!("restricted")));
    assert!(card["account_label"].as_str().unwrap().starts_with("rk_test_…"));
    assert!(!card.to_string().contains(world.sim.api_key()), "the key is never shown");
    assert_eq!(card["stripe_account_id"].as_str(), Some(world.sim.account_id().as_str()));
    assert!(card["permissions"].as_array().unwrap().iter().all(|p| p["access"] == "granted"), "{card:#}");
    let run = world.synced().await.unwrap();
    assert_eq!(
        (&run["status"], &run["error"], &run["trigger"]),
        (&json!("succeeded"), &Value::Null, &json!("connect"))
    );
    let names: Vec<&str> =
        run["stages"].as_array().unwrap().iter().map(|stage| stage["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["products", "prices", "customers", "subscriptions", "invoices", "account_billing"]);
    let card = world.get("/v1/stripe").await.unwrap();
    assert_eq!(card["status"], "connected");
    let truth = world.sim.truth();
    for resource in ["products", "prices", "customers", "subscriptions", "invoices"] {
        assert_eq!(card["records_synced"][resource].as_u64(), Some(truth.counts[resource]), "{resource}");
    }
    assert_eq!(card["customers_matched"].as_u64(), Some(truth.counts["customers"]));
    let largest = &world.get("/v1/accounts?limit=1").await.unwrap()["data"][0];
    let id = largest["id"].as_str().unwrap();
    let billing = world.get(&format!("/v1/accounts/{id}/billing")).await.unwrap();
    assert_eq!((&billing["mrr"], &billing["arr"]), (&largest["mrr"], &largest["arr"]));
    for field in [
        "mrr_by_currency",
        "payment_status",
        "subscriptions",
        "invoices",
        "lifetime_value",
        "health",
        "promise",
        "as_of",
    ] {
        assert!(!billing[field].is_null(), "{field} of {billing:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_accounts_have_no_gaps_and_cursors_stay_at_home() {
    let world = World::start(6, 90).await.unwrap();
    world.connect().await.unwrap();
    world.synced().await.unwrap();
    let expected = world.sim.truth().accounts().len();
    for sort in ["mrr", "-mrr", "arr", "-arr", "name", "payment_status"] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = world.get(&format!("/v1/accounts?limit=7&sort={sort}{cursor}")).await.unwrap();
            seen.extend(page["data"].as_array().unwrap().iter().map(|row| row["id"].to_string()));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let count = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!((seen.len(), count), (expected, expected), "{sort}");
    }
    let cursor = world.get("/v1/accounts?limit=7&sort=name").await.unwrap()["next_cursor"].clone();
    let cursor = cursor.as_str().unwrap();
    for path in [
        format!("/v1/accounts?sort=mrr&cursor={cursor}"),
        format!("/v1/syncs?cursor={cursor}"),
        "/v1/accounts?cursor=x".into(),
    ] {
        assert_eq!(world.get(&path).await.unwrap()["code"], "cursor_invalid", "{path}");
    }
    for (path, code) in [
        ("/v1/accounts?sort=x", "sort_invalid"),
        ("/v1/accounts?limit=0", "limit_invalid"),
        ("/v1/accounts?limit=101", "limit_invalid"),
        ("/v1/accounts?payment_status=late", "payment_status_invalid"),
        ("/v1/accounts?limit=1&limit=2", "query_invalid"),
    ] {
        assert_eq!(world.get(path).await.unwrap()["code"], code, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_syncs_at_once_are_one() {
    let world = World::start(7, 60).await.unwrap();
    world.connect().await.unwrap();
    world.synced().await.unwrap();
    world.sim.advance(60);
    let empty = json!({});
    let both =
        tokio::join!(world.send(Method::POST, "/v1/syncs", &empty), world.send(Method::POST, "/v1/syncs", &empty));
    let (first, second) = (both.0.unwrap(), both.1.unwrap());
    let (won, lost) = if first.status == StatusCode::ACCEPTED { (first, second) } else { (second, first) };
    assert_eq!((won.status.as_u16(), lost.status.as_u16()), (202, 409));
    assert_eq!(
        (lost.body["code"].as_str(), lost.body["detail"].as_str()),
        (Some("sync_already_running"), Some("sync already running"))
    );
    assert_eq!(lost.body["run_id"], won.body["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn disconnecting_forgets_the_key_and_keeps_the_data_and_reconnecting_goes_on() {
    let world = World::start(8, 40).await.unwrap();
    world.connect().await.unwrap();
    world.synced().await.unwrap();
    let before = world.get("/v1/accounts?limit=100").await.unwrap();
    let card = world.send(Method::DELETE, "/v1/stripe", &json!({})).await.unwrap().body;
    assert_eq!((&card["status"], &card["account_label"]), (&json!("disconnected"), &Value::Null));
    assert_eq!(world.get("/v1/accounts?limit=100").await.unwrap(), before);
    let answer = world.send(Method::POST, "/v1/syncs", &json!({})).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body["code"].as_str()), (409, Some("not_connected")));
    let live = json!({ "api_key": "rk_live_51Somebody0001" });
    let answer = world.send(Method::POST, "/v1/stripe", &live).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body["code"].as_str()), (409, Some("mode_mismatch")));
    world.sim.advance(60);
    assert_eq!(world.connect().await.unwrap().status, StatusCode::CREATED);
    assert_eq!(world.synced().await.unwrap()["status"], "succeeded");
    assert_eq!(world.get("/v1/accounts?limit=100").await.unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_match_by_hand_wins_and_survives_a_resync_and_can_be_taken_back() {
    let world = World::start(9, 40).await.unwrap();
    world.connect().await.unwrap();
    world.synced().await.unwrap();
    let made = world
        .send(Method::POST, "/v1/accounts", &json!({"id": "big-co", "name": "Big Co", "domain": "big.example"}))
        .await
        .unwrap();
    assert_eq!((made.status.as_u16(), &made.body["mrr"]["amount"]), (201, &json!(0)), "{:#}", made.body);
    let again = world.send(Method::POST, "/v1/accounts", &json!({"id": "big-co", "name": "Big Co"})).await.unwrap();
    assert_eq!(again.body["code"], "account_exists");
    let first = &world.get("/v1/accounts?limit=1").await.unwrap()["data"][0];
    let (from, mrr) = (first["id"].as_str().unwrap().to_owned(), first["mrr"].clone());
    let view = world.get(&format!("/v1/accounts/{from}")).await.unwrap();
    let customers: Vec<String> =
        view["customers"].as_array().unwrap().iter().map(|c| c.as_str().unwrap().to_owned()).collect();
    for customer in &customers {
        let path = format!("/v1/customers/{customer}/account");
        let answer = world.send(Method::PUT, &path, &json!({"account_id": "big-co"})).await.unwrap();
        assert_eq!((answer.status.as_u16(), &answer.body["rule"]), (200, &json!("by_hand")), "{:#}", answer.body);
    }
    let check =
        async |account: &str| assert_eq!(world.get(&format!("/v1/accounts/{account}")).await.unwrap()["mrr"], mrr);
    check("big-co").await;
    assert_eq!(world.get(&format!("/v1/accounts/{from}")).await.unwrap()["code"], "not_found", "nobody is left there");
    world.sim.advance(60);
    world.send(Method::POST, "/v1/syncs", &json!({})).await.unwrap();
    world.synced().await.unwrap();
    check("big-co").await;
    for customer in &customers {
        world.send(Method::DELETE, &format!("/v1/customers/{customer}/account"), &json!({})).await.unwrap();
    }
    check(&from).await;
    let wrong = world
        .send(Method::PUT, &format!("/v1/customers/{}/account", customers[0]), &json!({"account_id": "none"}))
        .await
        .unwrap();
    assert_eq!((wrong.status.as_u16(), wrong.body["code"].as_str()), (422, Some("account_unknown")));
    assert_eq!(
        world
            .send(Method::PUT, "/v1/customers/cus_none/account", &json!({"account_id": "big-co"}))
            .await
            .unwrap()
            .status
            .as_u16(),
        404
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_made_accounts_customers_stay_unmatched_until_an_account_takes_their_domain() {
    let world = World::start(10, 30).await.unwrap();
    let settings = world.send(Method::PATCH, "/v1/settings", &json!({"accounts": "match_only"})).await.unwrap();
    assert_eq!((settings.status.as_u16(), &settings.body["accounts"]), (200, &json!("match_only")));
    world.connect().await.unwrap();
    world.synced().await.unwrap();
    assert_eq!(world.get("/v1/accounts").await.unwrap()["data"], json!([]));
    let unmatched = world.get("/v1/customers?matched=false&limit=100").await.unwrap();
    assert_eq!(unmatched["data"].as_array().unwrap().len() as u64, world.sim.truth().counts["customers"]);
    let truth = world.sim.truth();
    let (customer, domain) = truth
        .customers
        .iter()
        .find_map(|(id, c)| c.domain.clone().filter(|_| !c.deleted && !c.test_clock).map(|d| (id, d)))
        .unwrap();
    let made =
        world.send(Method::POST, "/v1/accounts", &json!({"id": "one", "name": "One", "domain": domain})).await.unwrap();
    assert_eq!(made.status.as_u16(), 201, "{:#}", made.body);
    let has = |account: &Value| account["customers"].as_array().unwrap().iter().any(|id| id == customer.as_str());
    world.until("/v1/accounts/one", has).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_checked_and_what_depends_on_them_follows() {
    let world = World::start(11, 60).await.unwrap();
    world.connect().await.unwrap();
    world.synced().await.unwrap();
    for (patch, code) in [
        (json!({"currency": "zzz"}), "currency_unknown"),
        (json!({"backfill_days": 0}), "backfill_days_invalid"),
        (json!({"nonsense": 1}), "body_invalid"),
        (json!({"mrr_preset": "guess"}), "body_invalid"),
    ] {
        let answer = world.send(Method::PATCH, "/v1/settings", &patch).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.body["code"].as_str()), (422, Some(code)), "{patch}");
    }
    let rates = json!({"source": "manual", "as_of": "2026-09-21", "per_unit": {"eur": "1.08", "gbp": "1.27", "jpy": "0.0067", "kwd": "3.25"}});
    let answer = world.send(Method::PATCH, "/v1/settings", &json!({ "rates": rates })).await.unwrap();
    assert_eq!(answer.status.as_u16(), 200, "{:#}", answer.body);
    let mut euro = None;
    for row in world.get("/v1/accounts?limit=100&sort=-mrr").await.unwrap()["data"].as_array().unwrap() {
        let path = format!("/v1/accounts/{}/billing", row["id"].as_str().unwrap());
        if !world.get(&path).await.unwrap()["mrr_by_currency"]["eur"].is_null() {
            euro = Some(path);
        }
    }
    let path = euro.expect("the business has customers who pay in euro");
    let billing = world.until(&path, |billing| billing["unconverted"] == json!([])).await.unwrap();
    assert_eq!(billing["rates_as_of"], "2026-09-21");
    assert_ne!(billing["mrr"]["amount"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn erasing_needs_the_name_and_leaves_nothing() {
    let world = World::start(12, 30).await.unwrap();
    world.connect().await.unwrap();
    world.synced().await.unwrap();
    let answer = world.send(Method::DELETE, "/v1/data", &json!({"confirm": "other"})).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body["code"].as_str()), (422, Some("confirmation_required")));
    let answer = world.send(Method::DELETE, "/v1/data", &json!({"confirm": "acme"})).await.unwrap();
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    world.until("/v1/stripe", |card| card["mode"].is_null()).await.unwrap();
    assert_eq!(world.get("/v1/accounts").await.unwrap()["data"], json!([]));
    assert_eq!(world.get("/v1/syncs").await.unwrap()["data"], json!([]));
}

/// Tells as somebody with an idempotency key; the answer's status, whether it is an earlier one's, and its body.
async fn once(world: &World, role: Role, key: &str, path: &str, body: &Value) -> (u16, bool, Value) {
    let request =
        reqwest::Client::new().post(format!("{}{path}", world.local.url)).bearer_auth(world.token(role).unwrap());
    let answer = request.header("idempotency-key", key).json(body).send().await.unwrap();
    let (status, replayed) = (answer.status().as_u16(), answer.headers().contains_key("idempotent-replayed"));
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    world.judge().await.unwrap().judge("POST", path, status, &kind, &body).unwrap();
    (status, replayed, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_an_idempotency_key_happens_once() {
    let world = World::start(61, 5).await.unwrap();
    let (accounts, one) = ("/v1/accounts", json!({ "name": "Once" }));
    let first = once(&world, Role::Owner, "k1", accounts, &one).await;
    assert_eq!((first.0, first.1), (201, false), "{:#}", first.2);
    let again = once(&world, Role::Owner, "k1", accounts, &one).await;
    assert_eq!(again, (201, true, first.2.clone()));
    let all = world.get("/v1/accounts?q=once").await.unwrap();
    assert_eq!(all["data"].as_array().unwrap().len(), 1, "{all:#}");
    let other = once(&world, Role::Owner, "k1", accounts, &json!({ "name": "Twice" })).await;
    assert_eq!((other.0, &other.2["code"]), (422, &json!("idempotency_key_reused")));
    // A key is the caller's own.
    let admin = once(&world, Role::Admin, "k1", accounts, &json!({ "name": "Theirs" })).await;
    assert_eq!((admin.0, admin.1), (201, false));
    // A no is no answer to be kept: what was wrong may be right the next time.
    let connect = json!({ "api_key": "rk_test_51Unknown0000000000" });
    for _ in 0..2 {
        let refused = once(&world, Role::Owner, "k2", "/v1/stripe", &connect).await;
        assert_eq!((refused.0, refused.1, &refused.2["code"]), (422, false, &json!("invalid_api_key")));
    }
    let connected = once(&world, Role::Owner, "k2", "/v1/stripe", &json!({ "api_key": world.sim.api_key() })).await;
    assert_eq!((connected.0, connected.1), (201, false));
    world.synced().await.unwrap();
    let long = once(&world, Role::Owner, &"k".repeat(256), accounts, &one).await;
    assert_eq!((long.0, &long.2["code"]), (422, &json!("idempotency_key_invalid")));
    // A day later it is a new key.
    world.sim.advance(24 * 3600 + 1);
    let later = once(&world, Role::Owner, "k1", accounts, &json!({ "name": "Later" })).await;
    assert_eq!((later.0, later.1), (201, false), "{:#}", later.2);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_requests_with_one_key_at_once_are_one() {
    let world = World::start(62, 5).await.unwrap();
    let body = json!({ "name": "Both" });
    let both = (0..8).map(|_| once(&world, Role::Owner, "same", "/v1/accounts", &body));
    let answers = futures::future::join_all(both).await;
    let made = answers.iter().filter(|(status, replayed, _)| (*status, *replayed) == (201, false)).count();
    assert_eq!(made, 1, "{answers:#?}");
    for (status, replayed, body) in &answers {
        let waits = *status == 409 && body["code"] == "idempotency_key_in_use";
        assert!(waits || *status == 201, "{status} {replayed} {body:#}");
    }
    assert_eq!(world.get("/v1/accounts?q=both").await.unwrap()["data"].as_array().unwrap().len(), 1);
}

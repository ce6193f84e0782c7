//! The audit trail: everything that changes something is in it, with who and what; erasing leaves one line.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use billfold_app::auth::Role;
use billfold_tests::{Body, World};
use reqwest::Method;
use serde_json::{Value, json};

async fn trail(world: &World) -> Vec<Value> {
    let (mut entries, mut path) = (Vec::new(), "/v1/audit?limit=4".to_owned());
    loop {
        let page = world.get(&path).await.unwrap();
        entries.extend(page["data"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/v1/audit?limit=4&cursor={cursor}"),
            None => return entries,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_leaves_a_line() {
    let world = World::start(81, 20).await.unwrap();
    world.connect().await.unwrap();
    world.synced().await.unwrap();
    let customer = world.sim.truth().customers.iter().find(|(_, c)| !c.deleted).map(|(id, _)| id.clone()).unwrap();
    let secret = json!({"webhook_secret": "whsec_0123456789abcdef"});
    let calls: [(Method, String, Value); 12] = [
        (Method::PATCH, "/v1/settings".into(), json!({"backfill_days": 30})),
        (Method::PATCH, "/v1/settings".into(), json!({"backfill_days": 30})),
        (Method::PUT, "/v1/stripe/webhook-secret".into(), secret),
        (Method::PUT, "/v1/stripe/webhook-secret".into(), json!({"webhook_secret": null})),
        (Method::POST, "/v1/accounts".into(), json!({"id": "big", "name": "Big"})),
        (Method::PATCH, "/v1/accounts/big".into(), json!({"name": "Bigger"})),
        (Method::PUT, format!("/v1/customers/{customer}/account"), json!({"account_id": "big"})),
        (Method::DELETE, format!("/v1/customers/{customer}/account"), json!({})),
        (Method::DELETE, "/v1/accounts/big".into(), json!({})),
        (Method::POST, "/v1/stripe/invites".into(), json!({})),
        (Method::DELETE, "/v1/stripe/invites".into(), json!({})),
        (Method::DELETE, "/v1/stripe".into(), json!({})),
    ];
    for (method, path, body) in calls {
        let answer = world.send(method.clone(), &path, &body).await.unwrap();
        assert!(answer.status.is_success(), "{method} {path}: {:#}", answer.body);
        world.sim.advance(1);
    }
    let entries = trail(&world).await;
    let actions: Vec<&str> = entries.iter().rev().map(|entry| entry["action"].as_str().unwrap()).collect();
    let expected = [
        "stripe_connected",
        "settings_changed",
        "signing_secret_added",
        "signing_secrets_removed",
        "account_created",
        "account_changed",
        "customer_matched",
        "customer_unmatched",
        "account_removed",
        "invite_created",
        "invites_withdrawn",
        "stripe_disconnected",
    ];
    assert_eq!(actions, expected, "a change that changes nothing leaves none");
    let of = |action: &str| entries.iter().find(|entry| entry["action"] == action).unwrap();
    let settings = of("settings_changed");
    assert_eq!(
        (&settings["before"], &settings["after"]),
        (&json!({"backfill_days": 365}), &json!({"backfill_days": 30}))
    );
    assert_eq!(settings["actor"], json!({"subject": "local", "role": "owner"}));
    assert_eq!(
        (&of("account_changed")["before"]["name"], &of("account_changed")["after"]["name"]),
        (&json!("Big"), &json!("Bigger"))
    );
    assert_eq!(
        (&of("customer_matched")["target"], &of("customer_matched")["after"]),
        (&json!(customer), &json!({"account_id": "big"}))
    );
    assert!(of("stripe_connected")["target"].as_str().unwrap().starts_with("rk_test_…"));
    assert!(!json!(entries).to_string().contains("whsec_"));
}

#[tokio::test(flavor = "multi_thread")]
async fn syncs_that_people_start_and_stop_are_in_it_and_others_read_their_own() {
    let world = World::start(82, 400).await.unwrap();
    world.connect().await.unwrap();
    world.synced().await.unwrap();
    world.sim.advance(60);
    let run = world.send(Method::POST, "/v1/syncs", &json!({})).await.unwrap().body["id"].clone();
    let stopped =
        world.send(Method::DELETE, &format!("/v1/syncs/{}", run.as_str().unwrap()), &json!({})).await.unwrap();
    let entries = trail(&world).await;
    let newest: Vec<&Value> = entries.iter().map(|entry| &entry["action"]).collect();
    if stopped.status.is_success() {
        assert_eq!(newest, ["sync_cancelled", "sync_started", "stripe_connected"]);
        assert_eq!(entries[0]["target"], run);
    } else {
        assert_eq!(newest, ["sync_started", "stripe_connected"]);
    }
    let other = billfold_core::id::WorkspaceId::new("other").unwrap();
    let other = world.local.token(&other, Role::Owner).unwrap();
    let answer = world.ask(Some(&other), Method::GET, "/v1/audit", Body::None).await.unwrap();
    assert_eq!(answer.body["data"], json!([]));
    let page = world.get("/v1/audit?limit=1").await.unwrap();
    let path = format!("/v1/audit?cursor={}", page["next_cursor"].as_str().unwrap());
    let answer = world.ask(Some(&other), Method::GET, &path, Body::None).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body["code"].as_str()), (422, Some("cursor_invalid")));
}

#[tokio::test(flavor = "multi_thread")]
async fn erasing_takes_accounts_invitations_and_the_trail_and_leaves_one_line() {
    let world = World::start(83, 10).await.unwrap();
    world.connect().await.unwrap();
    world.synced().await.unwrap();
    let csv = "id,name,domain,external_ids.crm\na1,A,a.example,1\na2,B,b.example,2\n".to_owned();
    let owner = world.token(Role::Owner).unwrap();
    world.ask(Some(&owner), Method::POST, "/v1/accounts", Body::Text(csv.clone(), "text/csv")).await.unwrap();
    let url = world.send(Method::POST, "/v1/stripe/invites", &json!({})).await.unwrap().body["url"].clone();
    world.send(Method::DELETE, "/v1/data", &json!({"confirm": "acme"})).await.unwrap();
    let erased = |trail: &Value| trail["data"].as_array().is_some_and(|rows| rows.len() == 1);
    let left = world.until("/v1/audit", erased).await.unwrap()["data"][0].clone();
    assert_eq!(
        (&left["action"], &left["actor"]["subject"], &left["target"]),
        (&json!("erased"), &json!("local"), &json!("acme"))
    );
    assert!(left["after"]["rows"].as_u64().unwrap() > 20 && left["after"]["requested_at"].is_string(), "{left:#}");
    assert_eq!(reqwest::get(url.as_str().unwrap()).await.unwrap().status().as_u16(), 404);
    assert_eq!(world.get("/v1/accounts").await.unwrap()["data"], json!([]));
    // Nothing of the accounts is left that would say whose a domain or an id was.
    let answer = world
        .ask(
            Some(&owner),
            Method::POST,
            "/v1/accounts",
            Body::Text(csv.replace("a1", "x1").replace("a2", "x2"), "text/csv"),
        )
        .await;
    assert_eq!(answer.unwrap().body["created"], 2);
    // Erased again, there are two lines.
    world.send(Method::DELETE, "/v1/data", &json!({"confirm": "acme"})).await.unwrap();
    let twice = |trail: &Value| {
        trail["data"].as_array().is_some_and(|rows| rows.len() == 2 && rows.iter().all(|row| row["action"] == "erased"))
    };
    world.until("/v1/audit", twice).await.unwrap();
}

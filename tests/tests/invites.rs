//! Invitations as those meet them who follow one, and those who try to guess one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use billfold_app::auth::Role;
use billfold_sim::{ApiKey, READING};
use billfold_tests::{Body, World};
use reqwest::{Client, Method, Response};
use serde_json::json;

async fn invited(world: &World) -> String {
    let answer = world.send(Method::POST, "/v1/stripe/invites", &json!({"expires_in_hours": 2})).await.unwrap();
    assert_eq!(answer.status.as_u16(), 201, "{:#}", answer.body);
    let until = billfold_tests::NOW + 2 * 3600;
    assert_eq!(answer.body["expires_at"], json!(jiff::Timestamp::from_second(until).unwrap()));
    answer.body["url"].as_str().unwrap().to_owned()
}

async fn paste(url: &str, key: &str) -> (u16, String) {
    read(Client::new().post(url).form(&[("api_key", key)]).send().await.unwrap()).await
}

async fn look(url: &str) -> (u16, String) {
    read(Client::new().get(url).send().await.unwrap()).await
}

/// Every page forbids to run, load, frame, keep and tell.
async fn read(answer: Response) -> (u16, String) {
    let headers = answer.headers();
    assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'; style-src 'sha256-"));
    for (name, value) in [
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("content-type", "text/html; charset=utf-8"),
    ] {
        assert_eq!(headers[name], value);
    }
    let (status, page) = (answer.status().as_u16(), answer.text().await.unwrap());
    assert!(!page.contains("<script") && !page.contains("http-equiv"), "{page}");
    (status, page)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_shows_what_is_asked_takes_a_key_and_works_once() {
    let world = World::start(71, 5).await.unwrap();
    let url = invited(&world).await;
    let (status, page) = look(&url).await;
    assert_eq!(status, 200);
    for text in ["Customers", "rak_customer_read", "optional", "https://dashboard.stripe.com/apikeys/create?", "acme"] {
        assert!(page.contains(text), "{text} is not in {page}");
    }
    let rejected = "Stripe rejected the API key. Check that the secret or restricted key is correct, belongs to the right \
                    account, and has not been revoked.";
    for (key, text) in [
        ("pk_test_51Abcdefghijklmnop", "Enter a Stripe restricted key (rk_…) or secret key (sk_…)"),
        ("", "Enter a Stripe restricted key (rk_…) or secret key (sk_…)"),
        ("rk_test_51Unknown0000000000", rejected),
    ] {
        let (status, page) = paste(&url, key).await;
        assert!(status == 422 && page.contains(text) && page.contains("name=\"api_key\""), "{status} {page}");
        assert!(key.is_empty() || !page.contains(key), "the key is never shown");
    }
    world.sim.add_key(ApiKey::new("rk_test_51Narrow0000000", &READING[1..3]));
    let (status, page) = paste(&url, "rk_test_51Narrow0000000").await;
    assert!(status == 422 && page.contains("does not have the required permissions"), "{page}");
    let (status, page) = paste(&url, &format!(" {} ", world.sim.api_key())).await;
    assert!(status == 200 && page.contains("✓ granted") && page.contains("rk_test_…"), "{page}");
    assert!(!page.contains(world.sim.api_key()));
    assert_eq!(world.synced().await.unwrap()["status"], "succeeded");
    assert_eq!(look(&url).await.0, 404, "it is used up");
    assert_eq!(paste(&url, world.sim.api_key()).await.0, 404);
    let trail = world.get("/v1/audit").await.unwrap();
    let connected =
        trail["data"].as_array().unwrap().iter().find(|entry| entry["action"] == "stripe_connected").unwrap();
    assert_eq!(connected["actor"], json!({"subject": "invite", "role": null, "invited_by": "local"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_does_not_work_is_answered_alike() {
    let world = World::start(72, 2).await.unwrap();
    let base = format!("{}/invites/", world.local.url);
    let (late, withdrawn) = (invited(&world).await, invited(&world).await);
    world.sim.advance(2 * 3600);
    let fresh = invited_later(&world).await;
    assert_eq!(look(&fresh).await.0, 200);
    assert_eq!(world.send(Method::DELETE, "/v1/stripe/invites", &json!({})).await.unwrap().status.as_u16(), 204);
    let mut pages = Vec::new();
    let odd = ["x".to_owned(), "A".repeat(43), "%00%1b".into(), "a".repeat(5000), "..%2f..%2fv1".into()];
    for url in [late, withdrawn, fresh].into_iter().chain(odd.iter().map(|token| format!("{base}{token}"))) {
        pages.push(look(&url).await);
        pages.push(paste(&url, world.sim.api_key()).await);
    }
    assert!(pages.iter().all(|page| *page == pages[0] && page.0 == 404), "{pages:?}");
    assert_eq!(world.get("/v1/stripe").await.unwrap()["status"], "disconnected");
}

async fn invited_later(world: &World) -> String {
    let answer = world.send(Method::POST, "/v1/stripe/invites", &json!({})).await.unwrap();
    answer.body["url"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_come_at_once_connect_once() {
    let world = World::start(73, 3).await.unwrap();
    let url = invited(&world).await;
    let key = world.sim.api_key().to_owned();
    let all = futures::future::join_all((0..6).map(|_| paste(&url, &key))).await;
    let connected = all.iter().filter(|(status, _)| *status == 200).count();
    assert_eq!(connected, 1, "{all:?}");
    assert!(all.iter().all(|(status, _)| [200, 404, 409].contains(status)), "{all:?}");
    let trail = world.get("/v1/audit?limit=100").await.unwrap();
    let noted = trail["data"].as_array().unwrap().iter().filter(|entry| entry["action"] == "stripe_connected").count();
    assert_eq!(noted, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn making_one_needs_a_role_and_has_limits() {
    let world = World::start(74, 1).await.unwrap();
    let check = async |role: Role, body: serde_json::Value, status: u16, code: &str| {
        let token = world.token(role).unwrap();
        let answer = world.ask(Some(&token), Method::POST, "/v1/stripe/invites", Body::Json(&body)).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.body["code"].as_str()), (status, Some(code)), "{:#}", answer.body);
    };
    check(Role::Member, json!({}), 403, "role_required").await;
    check(Role::Admin, json!({"expires_in_hours": 0}), 422, "expires_in_hours_invalid").await;
    check(Role::Admin, json!({"expires_in_hours": 337}), 422, "expires_in_hours_invalid").await;
    check(Role::Admin, json!({"expires_in_hours": -1}), 422, "body_invalid").await;
    for _ in 0..20 {
        invited(&world).await;
    }
    check(Role::Admin, json!({}), 409, "too_many_invites").await;
    world.sim.advance(3 * 3600);
    let answer = world.send(Method::POST, "/v1/stripe/invites", &json!({})).await.unwrap();
    assert_eq!(answer.status.as_u16(), 201, "those that have ended are cleared away");
}

//! Every route of the document, found there and not in a list, asked by everybody: nobody, somebody with an expired token,
//! each role, and the owner of another workspace.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use billfold_app::auth::Role;
use billfold_core::id::WorkspaceId;
use billfold_local::serve::TOKEN_VALID_S;
use billfold_tests::contract::{Operation, operations};
use billfold_tests::{Answer, Body, World};
use reqwest::Method;
use serde_json::{Value, json};

const ROLES: [(&str, Role); 3] = [("member", Role::Member), ("admin", Role::Admin), ("owner", Role::Owner)];

async fn ask(world: &World, operation: &Operation<'_>, path: &str, token: Option<&str>) -> Answer {
    let method: Method = operation.method.to_uppercase().parse().unwrap();
    let empty = json!({});
    let body = if operation.spec["requestBody"].is_null() { Body::None } else { Body::Json(&empty) };
    world.ask(token, method, path, body).await.unwrap()
}

fn problem(answer: &Answer) -> (u16, Option<&str>) {
    (answer.status.as_u16(), answer.body["code"].as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_lets_in_whom_the_document_says_and_nobody_else() {
    let world = World::start(21, 1).await.unwrap();
    let document = world.get("/openapi.json").await.unwrap();
    let expired = world.token(Role::Owner).unwrap();
    world.sim.advance(TOKEN_VALID_S + 60);
    let tokens = ROLES.map(|(name, role)| (name, role, world.token(role).unwrap()));
    let mut walked = 0;
    for operation in operations(&document) {
        let path = operation.path_with(|_| "nothing".into());
        let name = format!("{} {path}", operation.method);
        let strangers = [None, Some("nonsense"), Some(expired.as_str())];
        let Some(needed) = operation.role() else {
            for token in strangers {
                let answer = ask(&world, &operation, &path, token).await;
                assert!(![401, 403].contains(&answer.status.as_u16()), "{name} is said to be public: {answer:?}");
            }
            continue;
        };
        let needed = ROLES.iter().find(|(role, _)| *role == needed).unwrap().1;
        for token in strangers {
            let answer = ask(&world, &operation, &path, token).await;
            assert_eq!(problem(&answer), (401, Some("unauthenticated")), "{name} with {token:?}");
        }
        for (role, has, token) in &tokens {
            let answer = ask(&world, &operation, &path, Some(token)).await;
            if *has < needed {
                assert_eq!(problem(&answer), (403, Some("role_required")), "{name} as {role}");
            } else {
                assert!(![401, 403].contains(&answer.status.as_u16()), "{name} as {role}: {answer:?}");
            }
        }
        walked += 1;
    }
    assert!(walked > 20, "{walked}");
}

/// Everything that a workspace shows, as text.
async fn everything(world: &World) -> Vec<Value> {
    let mut shown = Vec::new();
    for path in ["/v1/stripe", "/v1/settings", "/v1/syncs", "/v1/accounts?limit=100", "/v1/customers?matched=false"] {
        shown.push(world.get(path).await.unwrap());
    }
    let accounts = shown[3]["data"].as_array().unwrap().clone();
    for account in &accounts {
        let path = format!("/v1/accounts/{}", account["id"].as_str().unwrap());
        shown.push(world.get(&path).await.unwrap());
    }
    shown
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_of_another_workspace_sees_and_changes_nothing() {
    let world = World::start(22, 25).await.unwrap();
    world.connect().await.unwrap();
    world.synced().await.unwrap();
    let before = everything(&world).await;
    let account = before[3]["data"][0]["id"].as_str().unwrap();
    let customer = before[5]["customers"][0].as_str().unwrap();
    let run = before[2]["data"][0]["id"].as_str().unwrap();
    let other = world.local.token(&WorkspaceId::new("other").unwrap(), Role::Owner).unwrap();
    let document = world.get("/openapi.json").await.unwrap();
    for operation in operations(&document).iter().filter(|operation| operation.role().is_some()) {
        // Its own ids, in the places that the routes have for them.
        let real = |_: &str| match operation.path.split('/').nth(2) {
            Some("accounts") => account.to_owned(),
            Some("customers") => customer.to_owned(),
            _ => run.to_owned(),
        };
        let path = operation.path_with(real);
        let answer = ask(&world, operation, &path, Some(&other)).await;
        if operation.path.contains('{') {
            assert!([404, 422].contains(&answer.status.as_u16()), "{} {path}: {answer:?}", operation.method);
        }
        let text = answer.body.to_string();
        for secret in [account, customer, run, world.sim.account_id().as_str()] {
            assert!(!text.contains(secret), "{} {path} shows {secret}: {text}", operation.method);
        }
    }
    let wrong = json!({ "confirm": "acme" });
    let answer = world.ask(Some(&other), Method::DELETE, "/v1/data", Body::Json(&wrong)).await.unwrap();
    assert_eq!(problem(&answer), (422, Some("confirmation_required")));
    assert_eq!(everything(&world).await, before);
}

//! Accounts from elsewhere: files of them in, the table of them out, and the customers they bring with them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use billfold_app::auth::Role;
use billfold_tests::{Answer, Body, World};
use reqwest::Method;
use serde_json::{Value, json};

async fn import(world: &World, kind: &str, text: &str) -> Answer {
    let owner = world.token(Role::Owner).unwrap();
    world.ask(Some(&owner), Method::POST, "/v1/accounts", Body::Text(text.to_owned(), kind)).await.unwrap()
}

async fn taken(world: &World, kind: &str, text: &str) -> [u64; 4] {
    let answer = import(world, kind, text).await;
    assert_eq!(answer.status.as_u16(), 200, "{:#}", answer.body);
    ["created", "updated", "unchanged", "failed"].map(|name| answer.body[name].as_u64().unwrap())
}

async fn export(world: &World, path: &str, accept: &str) -> (String, String) {
    let client = reqwest::Client::new();
    let request = client.get(format!("{}{path}", world.local.url)).header("accept", accept);
    let answer = request.bearer_auth(world.token(Role::Member).unwrap()).send().await.unwrap();
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    (kind, answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_creates_updates_and_sent_again_changes_nothing() {
    let world = World::start(61, 3).await.unwrap();
    let csv = "id,name,domain,domains,external_ids.crm,custom.tier\n\
               a1,Acme,acme.example,acme.test;acme.invalid,17,gold\n\
               ,Beta,beta.example,,18,\n\
               ,Gamma,,,19,silver\n\
               ,Only a name,,,,\n";
    assert_eq!(taken(&world, "text/csv", csv).await, [4, 0, 0, 0]);
    assert_eq!(taken(&world, "text/csv", csv).await, [0, 0, 4, 0]);
    let acme = world.get("/v1/accounts/a1").await.unwrap();
    assert_eq!(acme["domains"], json!(["acme.example", "acme.test", "acme.invalid"]));
    assert_eq!((&acme["external_ids"], &acme["custom"]), (&json!({"crm": "17"}), &json!({"tier": "gold"})));
    let lines = concat!(
        r#"{"external_ids": {"crm": "19"}, "domain": "gamma.example", "custom": {"seats": 5}}"#,
        "\n",
        r#"{"domain": "https://www.Beta.example/", "name": "Beta GmbH"}"#,
        "\n",
    );
    assert_eq!(taken(&world, "application/x-ndjson", lines).await, [0, 2, 0, 0]);
    let rows = world.get("/v1/accounts?sort=name").await.unwrap()["data"].clone();
    let named: Vec<(&str, Option<&str>)> =
        rows.as_array().unwrap().iter().map(|row| (row["name"].as_str().unwrap(), row["domain"].as_str())).collect();
    let expected = [
        ("Acme", Some("acme.example")),
        ("Beta GmbH", Some("beta.example")),
        ("Gamma", Some("gamma.example")),
        ("Only a name", None),
    ];
    assert_eq!(named, expected);
    let gamma = rows[2]["id"].as_str().unwrap();
    let gamma = world.get(&format!("/v1/accounts/{gamma}")).await.unwrap();
    assert_eq!(gamma["custom"], json!({"tier": "silver", "seats": 5}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_row_is_told_by_its_number_and_the_good_ones_stay() {
    let world = World::start(62, 3).await.unwrap();
    let csv = "id,name,domain,external_ids.crm\n\
               a1,Acme,acme.example,1\n\
               ,,nobody.example,\n\
               a2,Bad domain,gmail.com,\n\
               a b,Bad id,,\n\
               a3,Taken,acme.example,\n\
               a4,Taken too,,1\n\
               a5,Good,good.example,5\n\
               too,few\n";
    let answer = import(&world, "text/csv", csv).await;
    assert_eq!(answer.status.as_u16(), 200);
    assert_eq!((&answer.body["created"], &answer.body["failed"]), (&json!(2), &json!(6)), "{:#}", answer.body);
    let errors = answer.body["errors"].as_array().unwrap();
    let told: Vec<(u64, u64, &str)> = errors
        .iter()
        .map(|error| {
            (error["row"].as_u64().unwrap(), error["line"].as_u64().unwrap(), error["field"].as_str().unwrap())
        })
        .collect();
    let expected =
        [(2, 3, "name"), (3, 4, "domains"), (4, 5, "id"), (5, 6, "domains"), (6, 7, "external_ids"), (8, 9, "row")];
    assert_eq!(told, expected, "{errors:#?}");
    assert_eq!(world.get("/v1/accounts").await.unwrap()["data"].as_array().unwrap().len(), 2);
    let many: String = (0..250).map(|_| "a b,x,,\n").collect();
    let answer = import(&world, "text/csv", &format!("id,name,domain,external_ids.crm\n{many}")).await;
    assert_eq!((answer.body["errors"].as_array().unwrap().len(), &answer.body["more_errors"]), (100, &json!(150)));
    assert_eq!(answer.body["failed"], 250);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_none_is_a_problem() {
    let world = World::start(63, 1).await.unwrap();
    let check = async |kind: &str, text: &str, status: u16, code: &str| {
        let answer = import(&world, kind, text).await;
        assert_eq!((answer.status.as_u16(), answer.body["code"].as_str()), (status, Some(code)), "{:#}", answer.body);
        assert_eq!(answer.content_type, "application/problem+json");
    };
    check("text/csv", "", 422, "header_missing").await;
    check("text/csv", "size\n1\n", 422, "column_unknown").await;
    check("text/csv; charset=utf-16", "name\nA\n", 415, "unsupported_media_type").await;
    check("text/plain", "name\nA\n", 415, "unsupported_media_type").await;
    let rows: String = (0..100_001).map(|_| "{\n").collect();
    check("application/x-ndjson", &rows, 413, "too_many_rows").await;
    let wrong = world.send(Method::PUT, "/v1/accounts", &json!({})).await.unwrap();
    assert_eq!((wrong.status.as_u16(), wrong.body["code"].as_str()), (405, Some("method_not_allowed")));
    let member = world.token(Role::Member).unwrap();
    let body = Body::Text("name\nA\n".into(), "text/csv");
    let answer = world.ask(Some(&member), Method::POST, "/v1/accounts", body).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body["code"].as_str()), (403, Some("role_required")));
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_rows_are_taken_and_computed_and_come_out_again() {
    let world = World::start(64, 3).await.unwrap();
    let row = |n: u32| format!("acc-{n},Company {n},c{n}.example,{n}\n");
    let csv = format!("id,name,domain,external_ids.crm\n{}", (0..1500).map(row).collect::<String>());
    assert_eq!(taken(&world, "text/csv", &csv).await, [1500, 0, 0, 0]);
    let done = |page: &Value| page["data"].as_array().is_some_and(|rows| rows.len() == 1);
    world.until("/v1/accounts?q=acc-1499", done).await.unwrap();
    let store = world.local.app.store();
    let ws = billfold_core::id::WorkspaceId::new("acme").unwrap();
    world.until("/v1/accounts/acc-7/billing", |billing| billing["payment_status"] == "none").await.unwrap();
    while store.is_marked(&ws).await.unwrap() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let (kind, text) = export(&world, "/v1/accounts?sort=name&limit=5", "text/csv").await;
    assert_eq!(kind, "text/csv; charset=utf-8");
    assert_eq!(text.lines().count(), 1501, "every page, whatever the limit");
    let (_, same) = export(&world, "/v1/accounts.csv?sort=name", "*/*").await;
    assert_eq!(same, text);
    // What came out goes in again.
    assert_eq!(taken(&world, "text/csv", &text).await, [0, 0, 1500, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn customers_follow_the_domains_and_ids_that_an_account_is_given() {
    let world = World::start(65, 40).await.unwrap();
    world.connect().await.unwrap();
    world.synced().await.unwrap();
    let truth = world.sim.truth();
    let live: Vec<_> = truth.customers.iter().filter(|(_, c)| !c.deleted && !c.test_clock).collect();
    let (by_domain, domain) = live.iter().find_map(|(id, c)| Some(((*id).clone(), c.domain.clone()?))).unwrap();
    let by_id = live.iter().find(|(_, c)| c.domain.is_none()).map(|(id, _)| (*id).clone()).unwrap();
    let csv =
        format!("id,name,domain,external_ids.stripe\nbig,Big,{domain},\nsmall,Small,,{by_id}\nnew,New,,cus_unknown\n");
    assert_eq!(taken(&world, "text/csv", &csv).await, [3, 0, 0, 0]);
    let has = |customer: &str| {
        let customer = customer.to_owned();
        move |account: &Value| account["customers"].as_array().is_some_and(|ids| ids.iter().any(|id| *id == customer))
    };
    world.until("/v1/accounts/big", has(&by_domain)).await.unwrap();
    world.until("/v1/accounts/small", has(&by_id)).await.unwrap();
    assert_eq!(world.get("/v1/accounts/new").await.unwrap()["customers"], json!([]));
    // A re-sync leaves them there, and giving the id up sends the customer home.
    world.sim.advance(60);
    world.send(Method::POST, "/v1/syncs", &json!({})).await.unwrap();
    assert_eq!(world.synced().await.unwrap()["status"], "succeeded");
    assert!(has(&by_id)(&world.get("/v1/accounts/small").await.unwrap()));
    let patched = world.send(Method::PATCH, "/v1/accounts/small", &json!({"external_ids": {}})).await.unwrap();
    assert_eq!(patched.status.as_u16(), 200, "{:#}", patched.body);
    world.until("/v1/accounts/small", |account| account["customers"] == json!([])).await.unwrap();
    let removed = world.send(Method::DELETE, "/v1/accounts/big", &json!({})).await.unwrap();
    assert_eq!(removed.status.as_u16(), 204, "{:#}", removed.body);
    assert_eq!(taken(&world, "text/csv", &format!("id,name,domain\nbig2,Big,{domain}\n")).await, [1, 0, 0, 0]);
    world.until("/v1/accounts/big2", has(&by_domain)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_card_says_why_nobody_is_matched_and_what_to_do() {
    let world = World::start(66, 30).await.unwrap();
    world.send(Method::PATCH, "/v1/settings", &json!({"accounts": "match_only"})).await.unwrap();
    world.connect().await.unwrap();
    world.synced().await.unwrap();
    let matching = world.get("/v1/stripe").await.unwrap()["matching"].clone();
    assert_eq!(matching["unmatched"].as_u64(), Some(world.sim.truth().counts["customers"]), "{matching:#}");
    let explanation = matching["explanation"].as_str().unwrap();
    assert!(
        explanation.starts_with("0 customers matched. ") && explanation.contains("personal e-mail"),
        "{explanation}"
    );
    assert!(matching["fix"].as_str().unwrap().contains("billfold import"), "{matching:#}");
    world.send(Method::PATCH, "/v1/settings", &json!({"accounts": "create"})).await.unwrap();
    let card = world.until("/v1/stripe", |card| card["matching"]["unmatched"] == 0).await.unwrap();
    assert_eq!(card["matching"]["explanation"], Value::Null);
}

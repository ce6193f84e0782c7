//! Steering by HTTP, as another process does it.

use serde_json::{Value, json};

use crate::client::{Answer, Client, NOW, read};

async fn steer(client: &Client, route: &str, body: &Value) -> Answer {
    read(client.http.post(format!("{}/_sim/{route}", client.base)).body(body.to_string())).await
}

async fn look(client: &Client, route: &str) -> Value {
    let answer = read(client.http.get(format!("{}/_sim/{route}", client.base))).await;
    assert_eq!(answer.status, 200, "{route}");
    answer.body
}

#[tokio::test]
async fn the_truth_can_be_read_without_a_key() {
    let (sim, client) = Client::start(40).await;
    let truth = look(&client, "truth").await;
    assert_eq!(truth["account"], sim.account_id());
    assert_eq!(truth["counts"]["customers"], client.all("/v1/customers").await.len());
    let accounts = look(&client, "accounts").await;
    assert_eq!(accounts.as_object().map(serde_json::Map::len), Some(sim.truth().accounts().len()));
    sim.clear_requests();
    look(&client, "truth").await;
    assert_eq!(look(&client, "requests").await["total"], 0);
}

#[tokio::test]
async fn the_clock_is_moved_and_what_falls_due_is_done() {
    let (sim, client) = Client::start(20).await;
    assert_eq!(steer(&client, "clock", &json!({"advance_seconds": 60})).await.body["now"], NOW + 60);
    let later = json!({"now": "2026-12-31T00:00:00Z", "settle": true});
    assert_eq!(steer(&client, "clock", &later).await.body["now"], 1_798_675_200);
    let stale = sim.read(|b| {
        let mut live = b.subscriptions.iter().filter(|(_, row)| row.status.is_live());
        live.any(|(_, row)| row.period().end <= 1_798_675_200)
    });
    assert!(!stale, "every live subscription was renewed");
}

#[tokio::test]
async fn limits_faults_and_keys_are_set() {
    let (sim, client) = Client::start(5).await;
    let set = steer(&client, "limits", &json!({"global_per_second": 0.0001})).await;
    assert_eq!(set.body["global_per_second"], 0.0001);
    client.ok("/v1/customers").await;
    assert_eq!(client.get("/v1/customers").await.status, 429);
    steer(&client, "limits", &json!({})).await;
    steer(&client, "faults", &json!({"once": [[1, "internal_error"]]})).await;
    assert_eq!(client.get("/v1/customers").await.status, 500);
    steer(&client, "keys", &json!({"revoke": ["rak_customer_read"]})).await;
    assert_eq!(client.get("/v1/customers").await.status, 403);
    steer(&client, "keys", &json!({"grant": ["rak_customer_read"]})).await;
    client.ok("/v1/customers").await;
    steer(&client, "keys", &json!({"expire": true})).await;
    assert_eq!(client.get("/v1/customers").await.status, 401);
    let unknown = steer(&client, "keys", &json!({"key": "rk_test_nobody", "expire": true})).await;
    assert_eq!(unknown.status, 400);
    assert_eq!(sim.faults().once.len(), 1);
}

#[tokio::test]
async fn changes_are_made_by_name_and_by_chance() {
    let (sim, client) = Client::start(60).await;
    let made = steer(&client, "change", &json!({"kind": "create_customer", "name": "Zed", "email": null})).await;
    let id = made.body["created"].as_str().expect("an id").to_owned();
    assert_eq!(client.ok(&format!("/v1/customers/{id}")).await.body["name"], "Zed");
    let gone = json!({"kind": "delete_customer", "customer": "cus_none"});
    assert_eq!(steer(&client, "change", &gone).await.status, 400);
    let many = steer(&client, "change", &json!({"kind": "random", "seed": 3, "count": 20})).await;
    assert_eq!(many.body.as_array().map(Vec::len), Some(20));
    let endpoint = steer(&client, "endpoints", &json!({"url": "http://127.0.0.1:9/"})).await;
    assert!(endpoint.body["secret"].as_str().is_some_and(|secret| secret.starts_with("whsec_")));
    steer(&client, "change", &json!({"kind": "create_customer", "name": "Zed", "email": null})).await;
    assert_eq!(sim.waiting_deliveries(), 1);
    let report = steer(&client, "deliver", &json!({})).await.body;
    assert_eq!(report, json!({"delivered": 0, "failed": 1}));
}

#[tokio::test]
async fn nonsense_is_refused() {
    let (_, client) = Client::start(3).await;
    for (route, body) in [
        ("nothing", json!({})),
        ("clock", json!({"backwards": 1})),
        ("limits", json!({"global_per_second": "fast"})),
        ("change", json!({"kind": "explode"})),
        ("endpoints", json!({"url": "http://x", "api_version": "soon"})),
    ] {
        assert_eq!(steer(&client, route, &body).await.status, 400, "{route}");
    }
}

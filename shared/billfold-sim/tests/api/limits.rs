//! Rate limits over HTTP.

use billfold_sim::{Limits, Sim};

use crate::client::{Client, spec};

#[tokio::test]
async fn a_full_bucket_is_let_through_and_the_rest_refused_with_the_reason() {
    let sim = Sim::generate(&spec(3));
    // So slow a refill that no machine is too slow for this test.
    sim.set_limits(Limits { per_endpoint: [("GET /v1/prices".to_owned(), 0.000_1)].into(), ..Limits::default() });
    let client = Client::of(&sim).await;
    client.ok("/v1/prices").await;
    let refused = client.get("/v1/prices").await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("stripe-rate-limited-reason"), "endpoint-rate");
    assert_eq!(refused.error()["code"], "rate_limit");
    client.ok("/v1/products").await;
    sim.set_limits(Limits { global_per_second: Some(0.000_1), ..Limits::default() });
    client.ok("/v1/prices").await;
    let refused = client.get("/v1/products").await;
    assert_eq!(refused.header("stripe-rate-limited-reason"), "global-rate");
}

#[tokio::test]
async fn ids_share_the_bucket_of_their_route() {
    let sim = Sim::generate(&spec(5));
    let client = Client::of(&sim).await;
    let ids = client.ok("/v1/customers?limit=2").await.ids();
    sim.set_limits(Limits { endpoint_per_second: Some(0.000_1), ..Limits::default() });
    client.ok(&format!("/v1/customers/{}", ids[0])).await;
    assert_eq!(client.get(&format!("/v1/customers/{}", ids[1])).await.status, 429);
    client.ok("/v1/customers").await;
}

#[tokio::test]
async fn a_request_without_a_key_uses_up_nothing() {
    let sim = Sim::generate(&spec(3));
    let mut client = Client::of(&sim).await;
    sim.set_limits(Limits { global_per_second: Some(0.000_1), ..Limits::default() });
    let good = std::mem::replace(&mut client.key, "rk_test_wrong".to_owned());
    for _ in 0..3 {
        assert_eq!(client.get("/v1/customers").await.status, 401);
    }
    client.key = good;
    client.ok("/v1/customers").await;
}

#[tokio::test]
async fn requests_are_counted_whatever_came_of_them() {
    let (sim, client) = Client::start(3).await;
    client.ok("/v1/prices?limit=1").await;
    client.get("/v1/prices/price_none").await;
    client.get("/v1/nothing").await;
    let requests = sim.requests();
    assert_eq!(requests.total, 3);
    assert_eq!(requests.of("GET /v1/prices"), 1);
    assert_eq!(requests.of("GET /v1/prices/{id}"), 1);
    assert_eq!(requests.of("unknown"), 1);
    assert_eq!(requests.by_status.get(&404), Some(&2));
    assert_eq!(requests.log[0].path, "/v1/prices?limit=1");
    sim.clear_requests();
    assert_eq!(sim.requests().total, 0);
}

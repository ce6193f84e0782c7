//! Trouble on request, as a client meets it.

use billfold_sim::{Fault, Faults};

use crate::client::{Client, read};

fn once(fault: Fault) -> Faults {
    Faults { once: vec![(1, fault)], ..Faults::default() }
}

#[tokio::test]
async fn stripe_can_be_in_trouble() {
    let (sim, client) = Client::start(3).await;
    sim.set_faults(once(Fault::InternalError));
    let answer = client.get("/v1/customers").await;
    assert_eq!((answer.status, answer.error()["type"].as_str()), (500, Some("api_error")));
    client.ok("/v1/customers").await;

    sim.set_faults(once(Fault::BadGateway));
    let answer = client.get("/v1/customers").await;
    assert_eq!((answer.status, answer.header("content-type")), (502, "text/html"));
    assert!(answer.body.is_null(), "a proxy's page is no JSON");

    sim.set_faults(once(Fault::LockTimeout));
    let answer = client.get("/v1/customers").await;
    assert_eq!((answer.status, answer.error()["code"].as_str()), (429, Some("lock_timeout")));
    assert_eq!(answer.headers.get("stripe-rate-limited-reason"), None);
}

#[tokio::test]
async fn a_connection_can_close_without_an_answer() {
    let (sim, client) = Client::start(3).await;
    sim.set_faults(once(Fault::Reset));
    let request = client.request(reqwest::Method::GET, "/v1/customers");
    assert!(request.send().await.is_err());
    assert_eq!(sim.requests().by_status.get(&0), Some(&1));
    client.ok("/v1/customers").await;
}

#[tokio::test]
async fn an_answer_can_break_off() {
    let (sim, client) = Client::start(3).await;
    sim.set_faults(once(Fault::Truncated));
    let answer = client.request(reqwest::Method::GET, "/v1/customers").send().await.expect("a head");
    assert_eq!(answer.status(), 200);
    assert!(answer.bytes().await.is_err());
    client.ok("/v1/customers").await;
}

#[tokio::test]
async fn a_slow_answer_outlasts_an_impatient_client() {
    let (sim, client) = Client::start(3).await;
    sim.set_faults(Faults { slow_ms: 600_000, ..once(Fault::Slow) });
    let request = client.request(reqwest::Method::GET, "/v1/customers");
    let gave_up = request.timeout(std::time::Duration::from_millis(50)).send().await;
    assert!(gave_up.expect_err("no answer in time").is_timeout());
    client.ok("/v1/customers").await;
}

#[tokio::test]
async fn every_second_request_fails_in_turn() {
    let (sim, client) = Client::start(3).await;
    sim.set_faults(Faults {
        every: Some(2),
        kinds: vec![Fault::InternalError, Fault::LockTimeout],
        ..Faults::default()
    });
    let mut seen = Vec::new();
    for _ in 0..6 {
        seen.push(client.get("/v1/customers").await.status);
    }
    assert_eq!(seen, [200, 500, 200, 429, 200, 500]);
}

#[tokio::test]
async fn faults_keep_to_the_endpoints_they_are_for() {
    let (sim, client) = Client::start(3).await;
    sim.set_faults(Faults {
        every: Some(1),
        kinds: vec![Fault::InternalError],
        endpoints: vec!["GET /v1/invoices".to_owned()],
        ..Faults::default()
    });
    assert_eq!(client.get("/v1/invoices").await.status, 500);
    client.ok("/v1/customers").await;
    let steering = client.http.get(format!("{}/_sim/requests", client.base));
    assert_eq!(read(steering).await.status, 200);
}

//! x
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use billfold_app::auth::Role;
use billfold_sim::{Sim, Spec};
use billfold_tests::stand_in::Stack;
use billfold_tests::Body;
use reqwest::Method;
use serde_json::json;
use std::path::Path;

#[tokio::test(flavor = "multi_thread")]
async fn flow() {
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    let sim = Sim::generate(&Spec::new(51, 12, now));
    sim.run_clock();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(sim.clone().serve(listener));
    let stack = Stack::deploy(Path::new(env!("CARGO_TARGET_TMPDIR")), &base).await.unwrap();
    println!("{:?}", stack.ask(None, Method::GET, "/healthz", Body::None).await);
    println!("{:?}", stack.ask(None, Method::GET, "/v1/accounts", Body::None).await);
    println!("{:?}", stack.ask(Some(Role::Owner), Method::GET, "/v1/accounts", Body::None).await);
    println!("{:?}", stack.ask(Some(Role::Owner), Method::GET, "/v1/stripe", Body::None).await);
    let body = json!({ "api_key": sim.api_key() });
    println!("{:?}", stack.ask(Some(Role::Owner), Method::POST, "/v1/stripe", Body::Json(&body)).await);
    println!("{:?}", stack.until("/v1/syncs?limit=1", |runs| runs["data"][0]["status"] != "running").await);
    println!("{:?}", stack.calls());
    println!("{:?}", stack.processes());
    std::fs::write("/tmp/ms2.log", stack.log().unwrap()).unwrap();
}

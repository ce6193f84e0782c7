//! The program by itself: one line when it listens, and what its options ask for.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::client::{PINNED, read};

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().expect("it runs");
        self.0.wait().expect("it ends");
    }
}

fn start(options: &[&str]) -> (Process, Value) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_billfold-sim"))
        .args(options)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
    let process = Process(child);
    out.read_line(&mut line).expect("a line");
    (process, serde_json::from_str(&line).expect("JSON"))
}

async fn get(line: &Value, key: &str, path: &str) -> crate::client::Answer {
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let url = format!("{}{path}", line["base"].as_str().expect("a base"));
    read(http.get(url).bearer_auth(key).header("stripe-version", PINNED)).await
}

#[tokio::test]
async fn it_says_where_it_listens_and_serves_what_was_asked_for() {
    let options = ["--customers", "12", "--seed", "5", "--now", "2026-11-21T09:00:00Z", "--endpoint-rps", "0.0001"];
    let (_process, line) = start(&options);
    assert_eq!(line["now"], 1_795_251_600);
    assert!(line["webhook_secret"].as_str().is_some_and(|secret| secret.starts_with("whsec_")));
    let key = line["api_key"].as_str().expect("a key");
    let customers = get(&line, key, "/v1/customers?limit=100").await;
    assert_eq!(customers.status, 200);
    assert!((10..=12).contains(&customers.data().len()));
    assert_eq!(customers.header("date"), "Sat, 21 Nov 2026 09:00:00 GMT");
    assert_eq!(get(&line, key, "/v1/customers").await.status, 429);
    let truth = get(&line, "", "/_sim/truth").await;
    assert_eq!(truth.body["account"], line["account"]);
}

#[tokio::test]
async fn keys_faults_and_mode_can_be_chosen() {
    let key = "sk_live_chosen_key";
    let options =
        ["--customers", "3", "--live", "--key", key, "--fault-every", "2", "--rps", "0", "--endpoint-rps", "0"];
    let (_process, line) = start(&options);
    assert_eq!(line["api_key"], key);
    let balance = get(&line, key, "/v1/balance").await;
    assert_eq!((balance.status, &balance.body["livemode"]), (200, &Value::Bool(true)));
    assert_eq!(get(&line, key, "/v1/balance").await.status, 500);
}

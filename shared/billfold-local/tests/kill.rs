//! `billfold serve` killed at ten moments of a sync (SIGKILL) and started again each time: it goes on from its checkpoints,
//! ends exact, and reads hardly anything twice.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use billfold_sim::{Sim, Spec};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const KILLS: u64 = 10;
/// Windows that can be open at one moment: eight of each of the three long lists, one of the four short ones.
const OPEN_WINDOWS_MAX: u64 = 3 * 8 + 4;

struct Serve {
    child: Child,
    url: String,
    token: String,
    http: reqwest::Client,
}

impl Serve {
    /// Starts the program and waits until it answers.
    async fn start(data: &Path, stripe: &str) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = listener.local_addr().unwrap().to_string();
        drop(listener);
        let program = env!("CARGO_BIN_EXE_billfold");
        let child = Command::new(program)
            .args(["serve", "--dev-tokens", "--listen", &listen, "--data"])
            .arg(data)
            .env("STRIPE_API_BASE", stripe)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (url, http) = (format!("http://{listen}"), reqwest::Client::new());
        while http.get(format!("{url}/healthz")).send().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let token = Command::new(program)
            .args(["token", "--workspace", "acme", "--role", "admin", "--data"])
            .arg(data)
            .output();
        let token = String::from_utf8(token.unwrap().stdout).unwrap().trim().to_owned();
        Self { child, url, token, http }
    }

    async fn get(&self, path: &str) -> Value {
        let request = self.http.get(format!("{}{path}", self.url)).bearer_auth(&self.token);
        serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap()
    }

    async fn connect(&self, key: &str) {
        let request = self.http.post(format!("{}/v1/stripe", self.url)).bearer_auth(&self.token);
        let body = json!({ "api_key": key }).to_string();
        let answer = request.header("content-type", "application/json").body(body).send().await.unwrap();
        assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Payment status and MRR of every account, sorted.
    async fn accounts(&self) -> Vec<(String, i64)> {
        let (mut rows, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("/v1/accounts?limit=100{cursor}")).await;
            for row in page["data"].as_array().unwrap() {
                rows.push((row["payment_status"].as_str().unwrap().to_owned(), row["mrr"]["amount"].as_i64().unwrap()));
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        rows.sort();
        rows
    }
}

fn truth(sim: &Sim) -> Vec<(String, i64)> {
    let status = |account: &billfold_sim::AccountTruth| serde_json::to_value(account.payment_status).unwrap();
    let accounts = sim.truth().accounts();
    let row = |account: &billfold_sim::AccountTruth| {
        (status(account).as_str().unwrap().to_owned(), account.mrr.get("usd").copied().unwrap_or(0))
    };
    let mut rows: Vec<_> = accounts.values().map(row).collect();
    rows.sort();
    rows
}

#[expect(
    clippy::disallowed_methods,
    reason = "the program under test has the machine's clock, so the business needs it too"
)]
fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_kills_cost_less_than_a_page_of_each_window() {
    let sim = Sim::generate(&Spec::new(77, 2500, now()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stripe = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(sim.clone().serve(listener));
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut serve = Serve::start(&data, &stripe).await;
    serve.connect(sim.api_key()).await;
    sim.clear_requests();
    for kill in 0..KILLS {
        // A different stretch of the sync each time; what the machine makes of it does not matter.
        let before = sim.requests().total;
        while sim.requests().total < before + 3 + kill
            && serve.get("/v1/syncs?limit=1").await["data"][0]["status"] == "running"
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        serve.kill();
        serve = Serve::start(&data, &stripe).await;
    }
    let run = loop {
        let run = serve.get("/v1/syncs?limit=1").await["data"][0].clone();
        if run["status"] != "running" {
            break run;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!((&run["status"], &run["error"]), (&json!("succeeded"), &Value::Null));
    assert_eq!(serve.accounts().await, truth(&sim));
    let requests = sim.requests();
    let lists: u64 = requests.by_endpoint.iter().filter(|(name, _)| !name.contains('{')).map(|(_, count)| count).sum();
    let fewest: u64 = sim.truth().fewest_requests.values().sum();
    let most = fewest * 11 / 10 + KILLS * OPEN_WINDOWS_MAX;
    assert!(lists <= most, "{lists} list requests where {fewest} would do: {:?}", requests.by_endpoint);
    serve.kill();
}

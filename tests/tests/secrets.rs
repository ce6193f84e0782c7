//! Nothing keeps a secret but the vault: a whole life of a connection, and then every line of the log, every row, every
//! answer and every file is searched for the key, the signing secrets and the invitation's token.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use billfold_app::auth::Role;
use billfold_sim::{ApiKey, READING, Sim, Spec, signature};
use billfold_tests::{Body, NOW, World};
use reqwest::{Client, Method};
use rusqlite::{Connection, Row, types};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;

const KEY: &str = "rk_test_51QxTellNobodyThisKeyAbcd";
const OTHER_KEY: &str = "rk_test_51QzRefusedByStripeEfgh";
const SECRETS: [&str; 3] = ["whsec_FirstSigning0001", "whsec_SecondSigning002", "whsec_ForgedSigning003"];

/// Everything that was logged by this process.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct ToLog;

impl Write for ToLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The part of a secret that nothing may show: the label shows the rest of a key.
fn hidden(secret: &str) -> &str {
    &secret[8..secret.len() - 4]
}

/// The ways in which a secret could be written.
fn forms(secret: &str) -> Vec<String> {
    let hidden = hidden(secret);
    let mut forms = vec![hidden.to_owned(), hex::encode(hidden), hex::encode_upper(hidden)];
    for before in 0..3 {
        // Base64 of a longer text that has it somewhere inside.
        let text = format!("{}{hidden}", "-".repeat(before));
        for encoded in [BASE64_STANDARD.encode(&text), BASE64_URL_SAFE_NO_PAD.encode(&text)] {
            let encoded = encoded.trim_end_matches('=').to_owned();
            forms.push(encoded[4..encoded.len() - 4].to_owned());
        }
    }
    forms
}

fn search(where_: &str, bytes: &[u8], secrets: &[String]) {
    let text = String::from_utf8_lossy(bytes);
    for form in secrets.iter().flat_map(|secret| forms(secret)) {
        if let Some(at) = text.find(&form) {
            let before: String = text[..at].chars().rev().take(200).collect();
            panic!("{where_} has {form}, after {}", before.chars().rev().collect::<String>());
        }
    }
}

/// A life, call by call; all answers.
struct Life {
    world: World,
    answers: String,
}

impl Life {
    async fn call(&mut self, method: Method, path: &str, body: &Value) -> Value {
        let answer = self.world.send(method, path, body).await.unwrap();
        self.answers.push_str(&format!("{} {}\n", answer.status, answer.body));
        answer.body
    }

    /// As a browser or Stripe would.
    async fn raw(&mut self, request: reqwest::RequestBuilder) -> u16 {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status(), format!("{:?}", answer.headers()));
        self.answers.push_str(&format!("{status} {headers} {}\n", answer.text().await.unwrap()));
        status.as_u16()
    }

    async fn deliver(&mut self, secret: &str) -> u16 {
        let url = self.world.get("/v1/stripe").await.unwrap()["webhook"]["url"].as_str().unwrap().to_owned();
        let body = json!({
            "id": "evt_1", "object": "event", "type": "customer.updated", "created": NOW, "livemode": false,
            "api_version": "2026-09-30.endive", "data": {"object": {"id": "cus_new", "object": "customer", "created": NOW}},
        });
        let body = body.to_string();
        let header = signature(secret, self.world.sim.now(), body.as_bytes());
        self.raw(Client::new().post(url).header("stripe-signature", header).body(body)).await
    }

    /// Requests that are wrong, with a key in them wherever one could be put by mistake.
    async fn mistakes(&mut self) {
        for body in [
            json!({"api_key": OTHER_KEY}),
            json!({"api_key": format!("{KEY}\n")}),
            json!({"api_key": {"key": KEY}}),
            json!({"api_key": [KEY]}),
            json!({"key": KEY}),
            json!({"api_key": KEY, "webhook_secret": format!("x{}", SECRETS[0])}),
            json!({"api_key": format!("rk_live_{}", hidden(KEY).get(..12).unwrap_or_default())}),
        ] {
            self.call(Method::POST, "/v1/stripe", &body).await;
        }
        self.call(Method::PUT, "/v1/stripe/webhook-secret", &json!({"webhook_secret": [SECRETS[0]]})).await;
        self.call(Method::POST, "/v1/accounts", &json!({"name": "x", KEY: KEY})).await;
        self.call(Method::PATCH, "/v1/settings", &json!({KEY: KEY})).await;
        let owner = self.world.token(Role::Owner).unwrap();
        let cut = Body::Text(format!("{{\"api_key\": \"{KEY}\""), "application/json");
        let answer = self.world.ask(Some(&owner), Method::POST, "/v1/stripe", cut).await.unwrap();
        self.answers.push_str(&answer.body.to_string());
        let (url, client) = (self.world.local.url.clone(), Client::new());
        for path in
            [format!("/v1/accounts?q={KEY}"), format!("/v1/{KEY}"), format!("/v1/syncs/{KEY}"), format!("/{KEY}")]
        {
            self.raw(client.get(format!("{url}{path}")).bearer_auth(&owner)).await;
            self.raw(client.get(format!("{url}{path}")).bearer_auth(KEY)).await;
        }
    }

    /// Connect, sync, webhooks, trouble, disconnect, an invitation, disconnect.
    async fn live(&mut self) -> Vec<String> {
        self.mistakes().await;
        let connect = json!({"api_key": KEY, "webhook_secret": SECRETS[0]});
        assert_eq!(self.call(Method::POST, "/v1/stripe", &connect).await["mode"], "test");
        assert_eq!(self.world.synced().await.unwrap()["status"], "succeeded");
        self.call(Method::PUT, "/v1/stripe/webhook-secret", &json!({"webhook_secret": SECRETS[1]})).await;
        assert_eq!(
            (self.deliver(SECRETS[0]).await, self.deliver(SECRETS[1]).await, self.deliver(SECRETS[2]).await),
            (200, 200, 400)
        );
        self.call(Method::POST, "/v1/stripe/webhook-endpoint", &json!({})).await;
        self.mistakes().await;
        self.world.sim.advance(60);
        self.world.sim.revoke(KEY, "rak_invoice_read");
        self.call(Method::POST, "/v1/syncs", &json!({})).await;
        assert_eq!(self.world.synced().await.unwrap()["status"], "failed");
        self.world.sim.grant(KEY, "rak_invoice_read");
        for path in
            ["/v1/stripe", "/v1/syncs", "/v1/audit?limit=100", "/v1/accounts", "/v1/settings", "/v1/local/parked"]
        {
            self.call(Method::GET, path, &json!({})).await;
        }
        self.call(Method::DELETE, "/v1/stripe", &json!({})).await;
        self.world.sim.advance(60);
        let url = self.world.send(Method::POST, "/v1/stripe/invites", &json!({})).await.unwrap().body["url"].clone();
        let url = url.as_str().unwrap();
        for (key, status) in [(OTHER_KEY, 422), (KEY, 200), (KEY, 404)] {
            let form = [("api_key", key), ("webhook_secret", SECRETS[0])];
            assert_eq!(self.raw(Client::new().post(url).form(&form)).await, status);
        }
        let run = self.world.synced().await.unwrap();
        assert_eq!(run["status"], "succeeded", "{run:#}");
        vec![url.rsplit_once('/').unwrap().1.to_owned()]
    }
}

/// Every row of the store, its columns one after the other.
fn rows(folder: &Path) -> Vec<String> {
    let database = Connection::open(folder.join("billfold.db")).unwrap();
    let mut rows = database.prepare("SELECT * FROM rows").unwrap();
    let columns = 0..rows.column_count();
    let text = |row: &Row<'_>| {
        let columns = columns.clone().map(|n| row.get::<_, types::Value>(n).unwrap());
        Ok(columns.map(|column| format!("{column:?} ")).collect())
    };
    rows.query_map((), text).unwrap().map(Result::unwrap).collect()
}

fn search_files(folder: &Path, secrets: &[String]) -> usize {
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            search(&path.display().to_string(), &std::fs::read(&path).unwrap(), secrets);
            files += 1;
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_life_leaves_no_secret_anywhere() {
    let writer = || ToLog;
    tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(writer)
        .init();
    let folder = tempfile::tempdir().unwrap();
    let sim = Sim::generate(&Spec::new(91, 8, NOW));
    let permissions: Vec<&str> = READING.iter().copied().chain(["webhook_read", "webhook_write"]).collect();
    sim.add_key(ApiKey::new(KEY, &permissions));
    let world = World::in_folder(sim, folder.path()).await.unwrap();
    let mut life = Life { world, answers: String::new() };
    let mut secrets = life.live().await;
    secrets.extend([KEY, OTHER_KEY].into_iter().chain(SECRETS).map(str::to_owned));
    let Life { world, answers } = life;
    // While it is connected, the vault is the one place that has them, and sealed.
    search_files(folder.path(), &secrets);
    world.send(Method::DELETE, "/v1/stripe", &json!({})).await.unwrap();
    world.local.stop().await;
    assert!(search_files(folder.path(), &secrets) >= 3, "the store and both key files are there");
    let rows = rows(folder.path());
    assert!(rows.iter().any(|row| row.contains("rk_test_…Abcd")), "the rows are those of this life");
    let sealed = rows.iter().filter(|row| row.contains("\"X#vault\"")).count();
    assert_eq!(sealed, 1, "a disconnect forgets at once: all that is left is the row that proves the master key");
    search("a row", rows.join("\n").as_bytes(), &secrets);
    search("an answer", answers.as_bytes(), &secrets);
    let log = LOG.lock().unwrap().clone();
    let text = String::from_utf8(log).unwrap();
    for line in ["Stripe was connected", "/invites/{token}", "\"level\":\"TRACE\""] {
        assert!(text.contains(line), "{line} was not logged");
    }
    search("the log", text.as_bytes(), &secrets);
}

#[test]
fn the_search_finds_what_it_looks_for() {
    let secrets = [KEY.to_owned()];
    let hidden_in = |text: String| std::panic::catch_unwind(|| search("here", text.as_bytes(), &secrets)).is_err();
    assert!(hidden_in(format!("{{\"key\":\"{KEY}\"}}")));
    assert!(hidden_in(format!("x{}", hex::encode(KEY))));
    for before in ["", "a", "ab", "abc"] {
        assert!(hidden_in(BASE64_STANDARD.encode(format!("{before}{KEY}{before}"))));
    }
    assert!(!hidden_in("rk_test_…Abcd".to_owned()));
}

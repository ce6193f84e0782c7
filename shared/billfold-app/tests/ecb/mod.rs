//! The European Central Bank's rates, read by the sweep from a server on this machine: taken, kept when it fails, and
//! followed into every account.

use crate::world::World;
use billfold_app::SettingsPatch;
use billfold_core::money::Currency;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const SAMPLE: &str = include_str!("../../../billfold-core/tests/ecb/eurofxref-daily.xml");
const HOUR: i64 = 3600;

/// A bank with one page, which can be changed.
struct Bank {
    url: String,
    answer: Arc<Mutex<String>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Bank {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/stats/eurofxref/eurofxref-daily.xml", listener.local_addr().unwrap());
        let bank = Self { url, answer: Arc::default(), asked: Arc::default() };
        let (answer, asked) = (Arc::clone(&bank.answer), Arc::clone(&bank.asked));
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut request = [0; 8192];
                let len = socket.read(&mut request).await.unwrap_or(0);
                let head = String::from_utf8_lossy(&request[..len]).into_owned();
                asked.lock().unwrap().push(head.lines().next().unwrap_or_default().to_owned());
                let answer = answer.lock().unwrap().clone();
                socket.write_all(answer.as_bytes()).await.ok();
            }
        });
        bank.says("200 OK", SAMPLE);
        bank
    }

    fn says(&self, status: &str, body: &str) {
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
        *self.answer.lock().unwrap() = format!("{head}Location: http://127.0.0.1:1/elsewhere\r\n\r\n{body}");
    }

    fn times_asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

async fn patch(world: &World, change: Value) {
    let patch: SettingsPatch = serde_json::from_value(change).unwrap();
    world.app.change_settings(&world.ws, &patch).await.unwrap();
}

async fn settings(world: &World) -> Value {
    serde_json::to_value(world.app.settings(&world.ws).await.unwrap().view()).unwrap()
}

/// A business that has been read, with the bank of the test.
async fn connected(seed: u64, bank: &Bank) -> World {
    let world = World::new(seed, 60).await.with_rates_at(&bank.url);
    world.connect().await.unwrap();
    world.finished().await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_reads_the_banks_rates_once_a_day_and_accounts_follow() {
    let bank = Bank::open().await;
    let world = connected(21, &bank).await;
    world.app.sweep().await.unwrap();
    assert_eq!(bank.times_asked(), 0, "nobody wants them yet");
    patch(&world, json!({"rates": {"source": "ecb"}})).await;
    let unread = settings(&world).await;
    assert_eq!(unread["rates"], json!({"source": "ecb", "as_of": null, "per_unit": {}}));
    world.app.sweep().await.unwrap();
    world.app.sweep().await.unwrap();
    assert_eq!(bank.times_asked(), 1);
    assert_eq!(bank.asked.lock().unwrap()[0], "GET /stats/eurofxref/eurofxref-daily.xml HTTP/1.1");
    let read = settings(&world).await;
    assert_eq!((&read["rates"]["source"], &read["rates"]["as_of"]), (&json!("ecb"), &json!("2026-09-18")));
    assert_eq!(read["rates"]["per_unit"]["eur"], json!("1.0812"));
    assert!(read["rates_status"]["error"].is_null() && !read["rates_status"]["read_at"].is_null());
    world.calm().await;
    let foreign = |billing: &Value| {
        let by = billing["mrr_by_currency"].as_object().unwrap();
        by.keys().any(|code| code != "usd" && read["rates"]["per_unit"].get(code).is_some())
    };
    let accounts = world.accounts().await;
    let converted: Vec<&Value> = accounts.values().filter(|billing| foreign(billing)).collect();
    assert!(!converted.is_empty());
    assert!(converted.iter().all(|billing| billing["rates_as_of"] == "2026-09-18"), "{converted:#?}");
    world.sim.advance(25 * HOUR);
    bank.says("200 OK", &SAMPLE.replace("2026-09-18", "2026-09-21").replace("1.0812", "1.2"));
    world.app.sweep().await.unwrap();
    assert_eq!((bank.times_asked(), settings(&world).await["rates"]["per_unit"]["eur"].clone()), (2, json!("1.2")));
    world.calm().await;
    let accounts = world.accounts().await;
    assert!(accounts.values().filter(|billing| foreign(billing)).all(|billing| billing["rates_as_of"] == "2026-09-21"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_leaves_the_old_rates_and_says_why() {
    let bank = Bank::open().await;
    let world = connected(22, &bank).await;
    patch(&world, json!({"rates": {"source": "ecb"}})).await;
    world.app.sweep().await.unwrap();
    let good = settings(&world).await["rates"].clone();
    let cut = &SAMPLE[..SAMPLE.len() / 2];
    let long = "x".repeat(2 * 1024 * 1024);
    for (status, body, word) in [
        ("503 Service Unavailable", "", "503"),
        ("302 Found", SAMPLE, "302"),
        ("200 OK", "<html>Down for maintenance</html>", "not a file of rates"),
        ("200 OK", cut, "not a file of rates"),
        ("200 OK", &long, "too long"),
    ] {
        world.sim.advance(25 * HOUR);
        bank.says(status, body);
        world.app.sweep().await.unwrap();
        let now = settings(&world).await;
        let error = &now["rates_status"]["error"];
        assert_eq!(now["rates"], good, "{status}");
        assert_eq!(error["code"], "rates_unavailable");
        assert!(error["message"].as_str().unwrap().contains(word), "{error}");
        assert!(error["fix"].as_str().unwrap().contains("2026-09-18"), "{error}");
        let card = world.app.card(&world.ws).await.unwrap();
        assert_eq!(serde_json::to_value(card.rates_error).unwrap(), *error);
    }
    bank.says("200 OK", &SAMPLE.replace("2026-09-18", "2026-09-25"));
    world.sim.advance(HOUR);
    world.app.sweep().await.unwrap();
    let now = settings(&world).await;
    assert_eq!((&now["rates"]["as_of"], &now["rates_status"]["error"]), (&json!("2026-09-25"), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn rates_follow_the_workspaces_currency_and_its_word() {
    let bank = Bank::open().await;
    let world = connected(23, &bank).await;
    patch(&world, json!({"rates": {"source": "ecb"}})).await;
    world.app.sweep().await.unwrap();
    patch(&world, json!({"currency": "gbp"})).await;
    let pounds = settings(&world).await;
    assert_eq!(pounds["rates"]["per_unit"]["eur"], "0.85605");
    assert!(pounds["rates"]["per_unit"].get("gbp").is_none() && pounds["rates"]["per_unit"].get("usd").is_some());
    patch(&world, json!({"currency": "vnd"})).await;
    let dong = settings(&world).await;
    assert_eq!(dong["rates"]["per_unit"], json!({}), "rates into pounds would be wrong");
    assert_eq!(dong["rates_status"]["error"]["code"], "currency_without_rates");
    patch(&world, json!({"currency": "usd"})).await;
    let dollars = settings(&world).await;
    assert_eq!(dollars["rates"]["per_unit"]["eur"], "1.0812");
    assert!(dollars["rates_status"]["error"].is_null());
    let manual = json!({"source": "manual", "as_of": "2026-01-02", "per_unit": {"eur": "1.5"}});
    patch(&world, json!({"rates": manual})).await;
    let own = settings(&world).await;
    assert_eq!((&own["rates"], &own["rates_status"]), (&manual, &Value::Null));
    world.sim.advance(48 * HOUR);
    world.app.sweep().await.unwrap();
    assert_eq!((bank.times_asked(), settings(&world).await["rates"].clone()), (1, manual));
    let stored = world.app.settings(&world.ws).await.unwrap();
    assert_eq!(stored.currency(), Currency::USD);
    let incomplete: SettingsPatch = serde_json::from_value(json!({"rates": {"source": "manual"}})).unwrap();
    assert_eq!(world.app.change_settings(&world.ws, &incomplete).await.unwrap_err().code, "rates_invalid");
}

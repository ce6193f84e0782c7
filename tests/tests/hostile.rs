//! Names that would do harm go in through Stripe and through files, and come out as they were in JSON, harmless in CSV, on
//! the terminal and on the pages.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use billfold_app::auth::Role;
use billfold_core::id::WorkspaceId;
use billfold_core::text::{begins_formula, from_cell};
use billfold_local::cli::{Input, Surroundings, args::Cli, run};
use billfold_local::show::console::Console;
use billfold_sim::{Change, Sim, Spec};
use billfold_tests::{NOW, World};
use clap::Parser as _;
use reqwest::Method;
use secrecy::SecretString;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

fn hostile() -> Vec<String> {
    let texts = [
        "<script>alert('x')</script>",
        "\"><img src=x onerror=alert(1)>",
        "'; DROP TABLE accounts; --",
        "{{7*7}}${7*7}<%= 7*7 %>",
        "=HYPERLINK(\"http://evil.example\",\"x\")",
        "+1+1|cmd",
        "-2+3",
        "@SUM(1+1)",
        "'=already quoted",
        "a\tb\r\nc,d;\"e\"",
        "\u{202e}gnp.exe\u{202c} \u{2066}x\u{2069}\u{200f}",
        "𝕬𝖈𝖒𝖊 🏴‍☠️ 𠜎 株式会社",
        "nul\u{0}in\u{1}side",
        "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31mred",
        "\u{feff}bom and \u{fffd} and \u{e0041}tag",
        "a#b|c~d\\e/../f%00%1b",
        "null",
        "__proto__",
    ];
    let mut all: Vec<String> = texts.map(str::to_owned).into();
    all.extend(["x".repeat(5000), "é".repeat(2500), "🎉".repeat(1250), format!("={}", "9".repeat(4999))]);
    all
}

/// Customers with hostile names, each with an address that keeps it apart.
fn business() -> (Sim, BTreeMap<String, String>) {
    let sim = Sim::generate(&Spec::new(95, 4, NOW));
    let mut named = BTreeMap::new();
    for (n, name) in hostile().into_iter().enumerate() {
        let email = Some(format!("who{n}@gmail.com"));
        let applied = sim.apply(&Change::CreateCustomer { name: Some(name.clone()), email }).unwrap();
        named.insert(applied.created.unwrap(), name);
    }
    sim.edit(|business| business.account.name = "</p><script>alert(2)</script>\u{202e}".to_owned());
    (sim, named)
}

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a command prints on both streams.
async fn billfold(world: &World, line: &str) -> (String, String) {
    let (out, err) = (Paper::default(), Paper::default());
    let mut surroundings = Surroundings {
        console: Console::plain(Box::new(out.clone()), Box::new(err.clone())),
        input: Input::Pipe(Box::new(io::empty())),
        token: Some(SecretString::from(world.token(Role::Admin).unwrap())),
    };
    let words = format!("billfold {line} --url {}", world.local.url);
    Box::pin(run(Cli::try_parse_from(words.split_whitespace()).unwrap(), &mut surroundings)).await;
    let text = |paper: Paper| String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
    (text(out), text(err))
}

fn assert_harmless(text: &str) {
    let odd = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if let Some(at) = text.find(odd) {
        panic!("{:?}", text[at..].chars().take(40).collect::<String>());
    }
}

/// The accounts' names by the customers that they were made for.
async fn names(world: &World) -> BTreeMap<String, (String, String)> {
    let mut names = BTreeMap::new();
    for row in world.get("/v1/accounts?limit=100&sort=name").await.unwrap()["data"].as_array().unwrap() {
        let id = row["id"].as_str().unwrap();
        let account = world.get(&format!("/v1/accounts/{id}")).await.unwrap();
        assert_eq!(account["name"], row["name"]);
        for customer in account["customers"].as_array().unwrap() {
            names.insert(
                customer.as_str().unwrap().to_owned(),
                (id.to_owned(), row["name"].as_str().unwrap().to_owned()),
            );
        }
    }
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn customers_of_any_name_come_out_unharmed_and_unharming() {
    let (sim, named) = business();
    let world = World::around(sim).await.unwrap();
    world.connect().await.unwrap();
    assert_eq!(world.synced().await.unwrap()["status"], "succeeded");
    let names = names(&world).await;
    for (customer, name) in &named {
        assert_eq!(names[customer].1, name.trim(), "{customer}");
    }
    let (csv, _) = billfold(&world, "accounts --csv").await;
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let mut exported = BTreeMap::new();
    for record in reader.records() {
        let record = record.unwrap();
        assert!(record.iter().all(|cell| !cell.starts_with(begins_formula)), "{record:?}");
        exported.insert(from_cell(&record[0]).to_owned(), from_cell(&record[1]).to_owned());
    }
    for (account, name) in names.values() {
        assert_eq!(&exported[account], name);
    }
    let (table, notes) = billfold(&world, "accounts --limit 100").await;
    assert_eq!(table.lines().count(), exported.len() + 4, "an account is a line");
    assert_harmless(&format!("{table}{notes}"));
    for (account, _) in names.values() {
        assert_harmless(&billfold(&world, &format!("account {account}")).await.0);
    }
    assert_harmless(&billfold(&world, "status").await.0);
    let searched = world.get("/v1/accounts?q=%3Cscript%3Ealert").await.unwrap();
    assert_eq!(searched["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_with_any_name_are_taken_as_they_are_and_the_trail_shows_them_harmless() {
    let world = World::start(96, 1).await.unwrap();
    let mut lines = String::new();
    for (n, name) in hostile().iter().enumerate() {
        lines.push_str(&json!({"id": format!("a{n}"), "name": name, "custom": {name.as_str(): name}}).to_string());
        lines.push('\n');
    }
    let owner = world.token(Role::Owner).unwrap();
    let body = billfold_tests::Body::Text(lines, "application/x-ndjson");
    let answer = world.ask(Some(&owner), Method::POST, "/v1/accounts", body).await.unwrap();
    assert_eq!(answer.body["created"].as_u64(), u64::try_from(hostile().len()).ok(), "{:#}", answer.body);
    for (n, name) in hostile().iter().enumerate() {
        let account = world.get(&format!("/v1/accounts/a{n}")).await.unwrap();
        assert_eq!(
            (account["name"].as_str(), account["custom"][name].as_str()),
            (Some(name.trim()), Some(name.as_str()))
        );
    }
    let patched = world.send(Method::PATCH, "/v1/accounts/a0", &json!({"name": hostile()[13]})).await.unwrap();
    assert_eq!(patched.status.as_u16(), 200);
    assert_harmless(&billfold(&world, "audit").await.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_an_invitation_shows_hostile_texts_and_runs_none() {
    let (sim, _) = business();
    sim.grant(sim.api_key(), "rak_accounts_kyc_basic_read");
    let world = World::around(sim).await.unwrap();
    let ws = WorkspaceId::new("<script>alert(3)</script>\u{202e}").unwrap();
    let token = world.local.token(&ws, Role::Owner).unwrap();
    let made =
        world.ask(Some(&token), Method::POST, "/v1/stripe/invites", billfold_tests::Body::Json(&json!({}))).await;
    let url = made.unwrap().body["url"].as_str().unwrap().to_owned();
    let client = reqwest::Client::new();
    let asked = client.get(&url).send().await.unwrap().text().await.unwrap();
    assert!(asked.contains("&lt;script&gt;alert(3)"), "{asked}");
    let refused = client.post(&url).form(&[("api_key", "<script>alert(4)</script>")]).send().await.unwrap();
    let refused = refused.text().await.unwrap();
    let done = client.post(&url).form(&[("api_key", world.sim.api_key())]).send().await.unwrap().text().await.unwrap();
    assert!(done.contains("&lt;script&gt;alert(2)"), "{done}");
    for page in [asked, refused, done] {
        assert!(!page.contains("<script") && !page.contains("alert(4)"), "{page}");
        assert_harmless(&page);
    }
    let card = world.ask(Some(&token), Method::GET, "/v1/stripe", billfold_tests::Body::None).await.unwrap().body;
    assert_eq!(card["stripe_account_name"], Value::from("</p><script>alert(2)</script>\u{202e}"));
}

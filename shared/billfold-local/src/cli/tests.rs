use super::*;
use crate::serve::{Data, Local, Options};
use billfold_app::{Clock as _, auth::Role};
use billfold_app::{LimitsConfig, SystemClock};
use billfold_core::id::WorkspaceId;
use billfold_sim::{Sim, Spec};
use billfold_stripe::Base;
use clap::Parser as _;
use serde_json::Value;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

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

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// What a command did.
#[derive(Debug)]
struct Done {
    exit: Exit,
    out: String,
    err: String,
}

impl Done {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

async fn billfold(line: &str, input: &str, token: Option<&str>) -> Done {
    let (out, err) = (Paper::default(), Paper::default());
    let mut surroundings = Surroundings {
        console: Console::plain(Box::new(out.clone()), Box::new(err.clone())),
        input: Input::Pipe(Box::new(io::Cursor::new(input.to_owned().into_bytes()))),
        token: token.map(SecretString::from),
    };
    let cli = Cli::try_parse_from(std::iter::once("billfold").chain(line.split_whitespace())).unwrap();
    let exit = Box::pin(run(cli, &mut surroundings)).await;
    Done { exit, out: out.text(), err: err.text() }
}

/// A Billfold in a folder, over a simulated Stripe.
struct Bench {
    sim: Sim,
    local: Local,
    folder: tempfile::TempDir,
}

impl Bench {
    async fn start(customers: u32) -> Self {
        let sim = Sim::generate(&Spec::new(11, customers, SystemClock.now().as_second()));
        sim.run_clock();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = Base::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        tokio::spawn(sim.clone().serve(listener));
        let folder = tempfile::tempdir().unwrap();
        let limits = LimitsConfig { share: None, total_per_s: Some(10_000.0), endpoint_per_s: Some(10_000.0) };
        let data = Data::Folder(folder.path().to_owned());
        let local = Local::start(Options { data, limits, ..Options::in_memory(base) }).await.unwrap();
        Self { sim, local, folder }
    }

    /// Runs a command against it, with the folder's own key.
    async fn run(&self, line: &str, input: &str) -> Done {
        let (url, data) = (&self.local.url, self.folder.path().display());
        billfold(&format!("{line} --url {url} --data {data}"), input, None).await
    }

    async fn connected(customers: u32) -> Self {
        let bench = Self::start(customers).await;
        let done = bench.run("connect --json", &format!("{}\n", bench.sim.api_key())).await;
        assert_eq!(done.exit, Exit::Ok, "{done:?}");
        // The first sync or, where it has ended already, another.
        let done = bench.run("sync", "").await;
        assert_eq!(done.exit, Exit::Ok, "{done:?}");
        bench
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connect_sync_and_look() {
    let bench = Bench::start(25).await;
    let done = bench.run("status", "").await;
    assert!(done.exit == Exit::Ok && done.out.starts_with("Stripe: disconnected"), "{done:?}");
    let done = bench.run("connect", bench.sim.api_key()).await;
    assert_eq!(done.exit, Exit::Ok, "{done:?}");
    assert!(done.out.contains("✓ Customers") && done.err.contains("billfold sync"), "{done:?}");
    assert!(!format!("{done:?}").contains(bench.sim.api_key()));
    let done = bench.run("sync --json", "").await;
    assert_eq!((done.exit, done.json()["status"].as_str()), (Exit::Ok, Some("succeeded")), "{done:?}");
    assert!(done.err.contains("customers") && done.err.contains("succeeded"), "{done:?}");
    let customers = bench.sim.truth().counts["customers"];
    let done = bench.run("status --json", "").await;
    assert_eq!(done.json()["records_synced"]["customers"].as_u64(), Some(customers), "{done:?}");
    let done = bench.run("disconnect", "").await;
    assert!(done.exit == Exit::Ok && done.out.starts_with("Stripe: disconnected"), "{done:?}");
    let done = bench.run("sync", "").await;
    assert!(done.exit == Exit::Rejected && done.err.contains("Connect Stripe first"), "{done:?}");
    bench.local.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_differs_is_shown_and_fails_until_it_is_put_right() {
    let bench = Bench::connected(10).await;
    let done = bench.run("verify --all", "").await;
    assert!(done.exit == Exit::Ok && done.out.contains("all as Stripe says"), "{done:?}");
    bench.sim.edit(|business| {
        let place = business.customers.iter().find(|(_, row)| !row.deleted && !row.test_clock).unwrap().0;
        business.customers[place].name = Some("Changed unseen".into());
    });
    let done = bench.run("verify --all", "").await;
    assert_eq!(done.exit, Exit::Failed, "{done:?}");
    assert!(done.out.contains("Stripe: \"Changed unseen\"") && done.out.contains("stored: "), "{done:?}");
    assert!(done.err.contains("one object is not what Stripe says"), "{done:?}");
    let done = bench.run("verify --all --repair --json", "").await;
    assert_eq!((done.exit, &done.json()["repaired"]), (Exit::Ok, &Value::from(1)), "{done:?}");
    let done = bench.run("verify --sample 5 --json", "").await;
    assert_eq!((done.exit, &done.json()["checked"]), (Exit::Ok, &Value::from(5)), "{done:?}");
    bench.local.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_are_listed_over_pages_and_shown_one_by_one() {
    let bench = Bench::connected(150).await;
    let accounts = bench.sim.truth().accounts().len();
    assert!(accounts > 100, "more than a page");
    let done = bench.run("accounts --limit 1000 --json", "").await;
    let all = done.json();
    assert_eq!(all["data"].as_array().unwrap().len(), accounts);
    assert_eq!(all["next_cursor"], Value::Null);
    let done = bench.run("accounts --limit 3 --sort name", "").await;
    assert_eq!(done.out.lines().count(), 3 + 4, "{done:?}");
    assert!(done.err.contains("There are more"), "{done:?}");
    let largest = &all["data"][0];
    let id = largest["id"].as_str().unwrap();
    let done = bench.run(&format!("account {id}"), "").await;
    assert!(done.exit == Exit::Ok && done.out.contains("Subscriptions\n") && done.out.contains(id), "{done:?}");
    let done = bench.run(&format!("account {id} --json"), "").await;
    assert_eq!(done.json()["mrr"], largest["mrr"], "{done:?}");
    let done = bench.run("accounts --search nobody-is-called-this", "").await;
    assert!(done.exit == Exit::Ok && done.out.is_empty() && done.err.contains("No account"), "{done:?}");
    bench.local.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_sort_of_no_has_its_exit_code_and_nothing_on_standard_output() {
    let bench = Bench::start(1).await;
    let url = bench.local.url.clone();
    let check = async |done: Done, exit: Exit, told: &str| {
        assert_eq!(done.exit, exit, "{done:?}");
        assert!(done.out.is_empty() && done.err.starts_with("billfold: ") && done.err.contains(told), "{done:?}");
    };
    let key_format = "Enter a Stripe restricted key (rk_…) or secret key (sk_…)";
    for key in ["pk_test_123", "whsec_123", "rk_test_1\n23", "rk_test_é"] {
        check(bench.run("connect", key).await, Exit::Rejected, key_format).await;
    }
    check(bench.run("connect", "").await, Exit::Usage, "no key was given").await;
    check(bench.run("connect", "rk_test_thisKeyIsUnknown1234").await, Exit::Rejected, "Stripe rejected the API key")
        .await;
    check(bench.run("account acc_nobody", "").await, Exit::Rejected, "There is no such account").await;
    check(bench.run("accounts --sort size", "").await, Exit::Rejected, "sort must be one of").await;
    check(bench.run("accounts --status rich", "").await, Exit::Rejected, "payment_status must be one of").await;
    check(billfold(&format!("status --url {url}"), "", Some("nonsense")).await, Exit::Refused, "BILLFOLD_TOKEN").await;
    check(billfold(&format!("status --url {url} --data /nowhere/at/all"), "", None).await, Exit::Refused, "--data")
        .await;
    let member = bench.local.token(&WorkspaceId::new("acme").unwrap(), Role::Member).unwrap();
    check(billfold(&format!("sync --url {url}"), "", Some(&member)).await, Exit::Refused, "admin or owner").await;
    check(billfold("status --url nonsense", "", None).await, Exit::Usage, "is not an address").await;
    check(billfold("connect --url http://billfold.example", "rk_test_1", None).await, Exit::Usage, "unencrypted").await;
    bench.local.stop().await;
    check(billfold(&format!("status --url {url}"), "", None).await, Exit::Unreachable, "billfold serve").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_that_fails_fails_the_command_with_what_to_do() {
    let bench = Bench::connected(5).await;
    assert!(bench.sim.revoke(bench.sim.api_key(), "rak_invoice_read"));
    let done = bench.run("sync", "").await;
    assert_eq!(done.exit, Exit::Failed, "{done:?}");
    assert!(done.err.contains("Invoices"), "{done:?}");
    let done = bench.run("status", "").await;
    assert!(done.exit == Exit::Ok && done.out.contains("What to do:") && done.out.contains("✗ Invoices"), "{done:?}");
    assert!(bench.sim.grant(bench.sim.api_key(), "rak_invoice_read"));
    assert_eq!(bench.run("sync", "").await.exit, Exit::Ok);
    bench.local.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_all_that_is_printed_and_opens_its_workspace_only() {
    let bench = Bench::connected(3).await;
    let (url, data) = (bench.local.url.clone(), bench.folder.path().display().to_string());
    let token = billfold(&format!("token --data {data} --workspace other --role member"), "", None).await;
    assert_eq!((token.exit, token.out.lines().count(), token.err.as_str()), (Exit::Ok, 1, ""), "{token:?}");
    let done = billfold(&format!("status --url {url} --json"), "", Some(token.out.trim())).await;
    assert_eq!(done.json()["status"], "disconnected", "{done:?}");
    assert_eq!(bench.run("status --json", "").await.json()["status"], "connected");
    bench.local.stop().await;
}

#[tokio::test]
async fn whoever_comes_first_makes_the_folder_and_its_key() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let first = billfold(&format!("token --data {}", data.display()), "", None).await;
    let second = billfold(&format!("token --data {} --role owner", data.display()), "", None).await;
    assert!(first.exit == Exit::Ok && second.exit == Exit::Ok, "{first:?} {second:?}");
    let keys = LocalKeys::load_or_create(&data).unwrap();
    for (token, role) in [(first, Role::Admin), (second, Role::Owner)] {
        let header = format!("Bearer {}", token.out.trim());
        assert_eq!(keys.tokens().verify(Some(&header), SystemClock.now()).await.unwrap().role, role);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_go_in_and_out_as_files_and_the_trail_says_who() {
    let bench = Bench::start(1).await;
    let file = bench.folder.path().join("accounts.csv");
    std::fs::write(&file, "id,name,domain\na1,=1+1,a.example\na2,Beta,b.example\n").unwrap();
    let done = bench.run(&format!("import {}", file.display()), "").await;
    assert_eq!((done.exit, done.out.as_str()), (Exit::Ok, "2 created, 0 updated, 0 unchanged, 0 failed\n"), "{done:?}");
    std::fs::write(&file, "id,name,domain\na3,C,gmail.com\na b,D,\n").unwrap();
    let done = bench.run(&format!("import {} --json", file.display()), "").await;
    assert_eq!((done.exit, done.json()["failed"].as_u64()), (Exit::Rejected, Some(2)), "{done:?}");
    assert!(done.err.contains("2 rows not taken") && done.err.contains("row 1 (line 2), domains: "), "{done:?}");
    let done = bench.run("import accounts.txt", "").await;
    assert!(done.exit == Exit::Usage && done.err.contains(".ndjson"), "{done:?}");
    let done = bench.run("accounts --csv --sort name", "").await;
    let lines: Vec<&str> = done.out.lines().collect();
    assert!(lines.len() == 3 && lines[1].starts_with("a1,'=1+1,a.example,usd,0.00,"), "{done:?}");
    let done = bench.run("invite --hours 1", "").await;
    assert!(
        done.exit == Exit::Ok && done.out.starts_with(&bench.local.url) && done.err.contains("in private"),
        "{done:?}"
    );
    assert_eq!(bench.run("invite --withdraw", "").await.exit, Exit::Ok);
    let done = bench.run("audit", "").await;
    let actions = ["invites withdrawn", "invite created", "accounts imported", "accounts imported"];
    assert_eq!(done.out.lines().count(), actions.len(), "{done:?}");
    for (line, action) in done.out.lines().zip(actions) {
        assert!(line.contains("  cli (admin)  ") && line.contains(action), "{line}");
    }
    assert_eq!(bench.run("audit --limit 1 --json", "").await.json()["data"][0]["action"], "invites_withdrawn");
    bench.local.stop().await;
}

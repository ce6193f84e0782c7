use super::*;
use billfold_core::id::RunId;
use billfold_core::run::RunStatus;
use billfold_sim::{Sim, Spec};
use reqwest::StatusCode;
use secrecy::SecretString;
use serde_json::{Value, json};

const NOW: i64 = 1_790_000_000;

/// A simulated Stripe that listens, its address, and a clock that agrees with it.
struct Stripe {
    sim: Sim,
    base: Base,
}

struct SimClock(Sim);

impl Clock for SimClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::from_second(self.0.now()).unwrap()
    }
}

impl Stripe {
    async fn start(customers: u32) -> Self {
        let sim = Sim::generate(&Spec::new(5, customers, NOW));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = Base::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        tokio::spawn(sim.clone().serve(listener));
        Self { sim, base }
    }

    fn options(&self) -> Options {
        let limits = LimitsConfig { share: None, total_per_s: Some(10_000.0), endpoint_per_s: Some(10_000.0) };
        Options { limits, clock: Arc::new(SimClock(self.sim.clone())), ..Options::in_memory(self.base.clone()) }
    }

    fn in_folder(&self, folder: &std::path::Path) -> Options {
        Options { data: Data::Folder(folder.to_owned()), ..self.options() }
    }
}

fn ws() -> WorkspaceId {
    WorkspaceId::new("acme").unwrap()
}

async fn call(local: &Local, method: &str, path: &str, body: Option<Value>) -> (StatusCode, Value) {
    let token = local.token(&ws(), Role::Admin).unwrap();
    let method = method.parse().unwrap();
    let mut request = reqwest::Client::new().request(method, format!("{}{path}", local.url)).bearer_auth(token);
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    let response = request.send().await.unwrap();
    (response.status(), serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default())
}

async fn connect(local: &Local, stripe: &Stripe) -> RunId {
    let (status, card) = call(local, "POST", "/v1/stripe", Some(json!({"api_key": stripe.sim.api_key()}))).await;
    assert_eq!(status, StatusCode::CREATED, "{card}");
    RunId::new(card["sync"]["id"].as_str().unwrap()).unwrap()
}

/// Waits for a run's end; the tests' runner is the only one who sets a limit to that.
async fn ended(local: &Local, run: &RunId) -> RunStatus {
    loop {
        let run = local.app.sync_run(&ws(), run).await.unwrap();
        if !run.is_running() {
            return run.status;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn customers(local: &Local) -> u64 {
    call(local, "GET", "/v1/stripe", None).await.1["records_synced"]["customers"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_synced_is_there_after_a_restart() {
    let (stripe, folder) = (Stripe::start(30).await, tempfile::tempdir().unwrap());
    let local = Local::start(stripe.in_folder(folder.path())).await.unwrap();
    let run = connect(&local, &stripe).await;
    assert_eq!(ended(&local, &run).await, RunStatus::Succeeded);
    let before = customers(&local).await;
    assert_eq!(before, stripe.sim.truth().counts["customers"]);
    local.stop().await;
    let local = Local::start(stripe.in_folder(folder.path())).await.unwrap();
    assert_eq!(customers(&local).await, before);
    let (status, run) = call(&local, "POST", "/v1/syncs", None).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{run}");
    let run = RunId::new(run["id"].as_str().unwrap()).unwrap();
    assert_eq!(ended(&local, &run).await, RunStatus::Succeeded, "the vault still has the key");
    local.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_goes_on_after_every_kind_of_end() {
    let (stripe, folder) = (Stripe::start(30).await, tempfile::tempdir().unwrap());
    let mut local = Local::start(stripe.in_folder(folder.path())).await.unwrap();
    let run = connect(&local, &stripe).await;
    for end in ["stop", "drop", "stop"] {
        match end {
            "stop" => local.stop().await,
            _ => drop(local),
        }
        local = start_again(&stripe, folder.path()).await;
    }
    assert_eq!(ended(&local, &run).await, RunStatus::Succeeded);
    assert_eq!(customers(&local).await, stripe.sim.truth().counts["customers"]);
    local.stop().await;
}

/// After a drop the runtime still takes the tasks apart; a process that died would be gone.
async fn start_again(stripe: &Stripe, folder: &std::path::Path) -> Local {
    loop {
        match Local::start(stripe.in_folder(folder)).await {
            Ok(local) => return local,
            Err(StartError::Folder(DataDirError::InUse { .. })) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_serves_a_folder() {
    let (stripe, folder) = (Stripe::start(1).await, tempfile::tempdir().unwrap());
    let local = Local::start(stripe.in_folder(folder.path())).await.unwrap();
    let second = Local::start(stripe.in_folder(folder.path())).await.err().unwrap();
    assert!(matches!(second, StartError::Folder(DataDirError::InUse { .. })), "{second:?}");
    local.stop().await;
    Local::start(stripe.in_folder(folder.path())).await.unwrap().stop().await;
}

#[tokio::test]
async fn an_address_that_is_taken_says_what_to_do() {
    let stripe = Stripe::start(1).await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = Options { listen: taken.local_addr().unwrap(), ..stripe.options() };
    let error = Local::start(options).await.err().unwrap();
    assert!(matches!(error, StartError::Listen(..)) && error.to_string().contains("--listen"), "{error:?}");
}

#[tokio::test]
async fn dev_tokens_are_for_this_machine_unless_somebody_says_otherwise() {
    let stripe = Stripe::start(1).await;
    let anywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let start = async |identity, exposure| {
        let options = Options { listen: anywhere, identity, exposure, ..stripe.options() };
        match Local::start(options).await {
            Ok(local) => {
                local.stop().await;
                Ok(())
            }
            Err(error) => Err(matches!(error, StartError::Exposed(_))),
        }
    };
    assert_eq!(start(Identity::DevTokens, Exposure::ThisMachine).await, Err(true));
    assert_eq!(start(Identity::DevTokens, Exposure::Anywhere).await, Ok(()));
    assert_eq!(start(Identity::None, Exposure::ThisMachine).await, Ok(()));
}

#[tokio::test]
async fn without_an_identity_every_call_is_answered_401() {
    let stripe = Stripe::start(1).await;
    let local = Local::start(Options { identity: Identity::None, ..stripe.options() }).await.unwrap();
    for path in ["/v1/stripe", "/v1/accounts", "/v1/local/parked"] {
        assert_eq!(call(&local, "GET", path, None).await.0, StatusCode::UNAUTHORIZED, "{path}");
    }
    let health = reqwest::get(format!("{}/healthz", local.url)).await.unwrap();
    assert_eq!(health.status(), StatusCode::OK);
    local.stop().await;
}

#[tokio::test]
async fn a_key_is_in_no_file_of_the_folder() {
    let (stripe, folder) = (Stripe::start(2).await, tempfile::tempdir().unwrap());
    let local = Local::start(stripe.in_folder(folder.path())).await.unwrap();
    let run = connect(&local, &stripe).await;
    ended(&local, &run).await;
    local.stop().await;
    let key = SecretString::from(stripe.sim.api_key().to_owned());
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.iter().any(|path| path.ends_with("billfold.db")), "{files:?}");
    for path in files {
        let bytes = std::fs::read(&path).unwrap();
        let needle = secrecy::ExposeSecret::expose_secret(&key).as_bytes();
        assert!(!bytes.windows(needle.len()).any(|window| window == needle), "{}", path.display());
    }
}

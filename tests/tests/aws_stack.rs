//! The real template with the real binaries on a stand-in for AWS: the same flow as in one process comes to the same
//! accounts; whoever is killed, throttled or poisoned in between; and every function may do what it does, and nothing else.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stdout, reason = "what a run that failed did by chance is part of its report")]

mod aws_policies;

use billfold_app::auth::Role;
use billfold_sim::{Dice, Sim, Spec, Version, signature};
use billfold_tests::stand_in::Stack;
use billfold_tests::{Body, World};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

const CUSTOMERS: u32 = 40;
const KILLS: u32 = 20;
/// Looks at the queues before a test gives up waiting for silence.
const LOOKS_MAX: u32 = 300;

/// One simulated Stripe, a stack that reads it, and a Billfold in this process that reads it too.
struct Twins {
    sim: Sim,
    stack: Stack,
    twin: World,
    dice: Dice,
}

impl Twins {
    async fn start(seed: u64) -> Self {
        println!("seed {seed}");
        let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
        let sim = Sim::generate(&Spec::new(seed, CUSTOMERS, now));
        sim.run_clock();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(sim.clone().serve(listener));
        let stack = Stack::deploy(Path::new(env!("CARGO_TARGET_TMPDIR")), &base).await.unwrap();
        let twin = World::around(sim.clone()).await.unwrap();
        Self { sim, stack, twin, dice: Dice::new(seed) }
    }

    async fn tell(&self, method: Method, path: &str, body: &Value) -> (StatusCode, Value) {
        let answer = self.stack.ask(Some(Role::Owner), method, path, Body::Json(body)).await.unwrap();
        (answer.status, answer.body)
    }

    async fn connect(&self) {
        let body = json!({ "api_key": self.sim.api_key() });
        let (status, card) = self.tell(Method::POST, "/v1/stripe", &body).await;
        assert_eq!(status, StatusCode::CREATED, "{card:#}");
        assert!(!card.to_string().contains(self.sim.api_key()));
    }

    async fn synced(&self) {
        let runs = self.stack.until("/v1/syncs?limit=1", |runs| runs["data"][0]["status"] != "running").await.unwrap();
        assert_eq!(runs["data"][0]["status"], "succeeded", "{runs:#}");
    }

    /// Gives the stack an endpoint in Stripe.
    async fn listen(&self) -> String {
        let card = self.stack.ask(Some(Role::Member), Method::GET, "/v1/stripe", Body::None).await.unwrap().body;
        let url = card["webhook"]["url"].as_str().unwrap().to_owned();
        let made = self.sim.add_endpoint(&url, &["*"], Some(Version::pinned()));
        let secret = json!({ "webhook_secret": made.secret });
        assert_eq!(self.tell(Method::PUT, "/v1/stripe/webhook-secret", &secret).await.0, StatusCode::OK);
        url
    }

    fn change(&mut self, times: u32) {
        for _ in 0..times {
            self.sim.random_change(&mut self.dice);
        }
    }

    /// Delivers until Stripe has nothing left, as it does for three days.
    async fn deliver(&self) {
        for _ in 0..LOOKS_MAX {
            self.sim.deliver_all(&self.stack.http).await;
            if self.sim.waiting_deliveries() == 0 {
                return;
            }
        }
        panic!("{} deliveries were never taken", self.sim.waiting_deliveries());
    }

    /// Waits until no queue has anything and no sync runs, sweeping now and then.
    async fn silent(&self) {
        for look in 0..LOOKS_MAX {
            let waiting = self.stack.depth("SyncQueueUrl").unwrap() + self.stack.depth("RecomputeQueueUrl").unwrap();
            let runs = self.stack.ask(Some(Role::Member), Method::GET, "/v1/syncs?limit=1", Body::None).await.unwrap();
            if waiting == 0 && runs.body["data"][0]["status"] != "running" {
                return;
            }
            if look % 20 == 19 {
                self.sweep();
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        panic!("it never fell silent: {}", self.stack.log().unwrap());
    }

    fn sweep(&self) {
        // One that is killed is tried again at the next tick.
        if let Err(error) = self.stack.invoke("sweep", &json!({})) {
            println!("a sweep failed: {error:#}");
        }
    }

    /// The accounts of the stack are those of the Billfold in this process, which reads everything now.
    async fn same(&self) {
        self.twin.send(Method::POST, "/v1/syncs", &json!({})).await.unwrap();
        assert_eq!(self.twin.synced().await.unwrap()["status"], "succeeded");
        let theirs = rows(&self.twin.get(ACCOUNTS).await.unwrap());
        assert!(theirs.len() > 10);
        let mut differ = BTreeMap::new();
        for _ in 0..LOOKS_MAX {
            let answer = self.stack.ask(Some(Role::Member), Method::GET, ACCOUNTS, Body::None).await.unwrap();
            differ = difference(&rows(&answer.body), &theirs);
            if differ.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        if !differ.is_empty() {
            for function in ["webhook", "recompute", "sync"] {
                println!("{function}: {}", self.stack.logged(function).unwrap_or_default());
            }
            let unmatched = self.stack.ask(Some(Role::Member), Method::GET, "/v1/customers?matched=false", Body::None);
            println!("unmatched: {}", unmatched.await.unwrap().body);
        }
        assert!(differ.is_empty(), "ours and theirs: {differ:#?}");
        let mut report = self.tell(Method::POST, "/v1/verify", &json!({})).await;
        // Functions that are not optimized run out of time on a machine with a lot else to do.
        for _ in 0..VERIFIED_AGAIN {
            if report.0 != StatusCode::BAD_GATEWAY {
                break;
            }
            report = self.tell(Method::POST, "/v1/verify", &json!({})).await;
        }
        assert_eq!((report.0, &report.1["differences"]), (StatusCode::OK, &json!([])), "{:#}", report.1);
    }

    fn set_queue(&self, output: &str, attributes: &Value) {
        let arguments = json!({ "QueueUrl": self.stack.output(output).unwrap(), "Attributes": attributes });
        self.stack.call("sqs", "set_queue_attributes", &arguments).unwrap();
    }

    fn send(&self, output: &str, body: &str) {
        let arguments = json!({ "QueueUrl": self.stack.output(output).unwrap(), "MessageBody": body });
        self.stack.call("sqs", "send_message", &arguments).unwrap();
    }

    /// What a queue has; it stays there.
    fn bodies(&self, output: &str) -> Vec<String> {
        let url = self.stack.output(output).unwrap();
        let arguments = json!({ "QueueUrl": url, "MaxNumberOfMessages": 10, "VisibilityTimeout": 0 });
        let found = self.stack.call("sqs", "receive_message", &arguments).unwrap();
        let messages = found["Messages"].as_array().cloned().unwrap_or_default();
        messages.iter().map(|message| message["Body"].as_str().unwrap().to_owned()).collect()
    }
}

/// How often verifying is tried again.
const VERIFIED_AGAIN: u32 = 3;
const ACCOUNTS: &str = "/v1/accounts?sort=name&limit=100";

type Rows = BTreeMap<String, Value>;

/// The rows of a list by their ids. Those whose customers have all been deleted are left out: where a deleted customer
/// stays depends on what was read of it while it was there.
fn rows(list: &Value) -> Rows {
    let rows = list["data"].as_array().into_iter().flatten().filter(|row| row["customer_count"] != 0);
    rows.map(|row| (row["id"].as_str().unwrap().to_owned(), row.clone())).collect()
}

fn difference(ours: &Rows, theirs: &Rows) -> BTreeMap<String, [Option<Value>; 2]> {
    let ids: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let both = ids.into_iter().map(|id| (id.clone(), [ours.get(id).cloned(), theirs.get(id).cloned()]));
    both.filter(|(_, [ours, theirs])| ours != theirs).collect()
}

fn sample(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events").join(format!("{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deployed_stack_does_what_one_process_does() {
    let mut twins = Twins::start(51).await;
    assert_eq!(twins.twin.connect().await.unwrap().status, StatusCode::CREATED);
    assert_eq!(twins.twin.synced().await.unwrap()["status"], "succeeded");
    only_the_public_is_public(&twins).await;
    twins.connect().await;
    twins.synced().await;
    twins.same().await;
    let url = twins.listen().await;
    twins.change(30);
    twins.deliver().await;
    twins.silent().await;
    twins.same().await;
    every_sample_is_answered(&twins, &url).await;
    poison_ends_alone_in_the_dead_letters(&twins).await;
    killed_at_random_it_comes_to_the_same(&mut twins).await;
    throttled_it_comes_to_the_same(&mut twins).await;
    disconnected_connected_and_erased(&twins).await;
    aws_policies::check(&twins.stack);
}

async fn only_the_public_is_public(twins: &Twins) {
    let ask = |path: &'static str| twins.stack.ask(None, Method::GET, path, Body::None);
    assert_eq!(ask("/healthz").await.unwrap().status, StatusCode::OK);
    for path in ["/v1/accounts", "/v1/stripe", "/v1/settings"] {
        assert_eq!(ask(path).await.unwrap().status, StatusCode::UNAUTHORIZED, "{path}");
    }
    let settings = twins.stack.ask(Some(Role::Member), Method::GET, "/v1/settings", Body::None).await.unwrap();
    assert_eq!((settings.status, &settings.body["backfill_days"]), (StatusCode::OK, &json!(365)));
    let member = twins.stack.ask(Some(Role::Member), Method::POST, "/v1/syncs", Body::Json(&json!({}))).await.unwrap();
    assert_eq!((member.status, &member.body["code"]), (StatusCode::FORBIDDEN, &json!("role_required")));
}

/// Every file of `events/`, each invoked as its trigger does.
async fn every_sample_is_answered(twins: &Twins, url: &str) {
    let http = |function: &str, event: &Value| {
        let answer = twins.stack.invoke(function, event).unwrap();
        (answer["statusCode"].clone(), serde_json::from_str(answer["body"].as_str().unwrap()).unwrap_or(Value::Null))
    };
    let of_admin = |name: &str| {
        let mut event = sample(name);
        assert_eq!(
            http(name.trim_start_matches("http-"), &event).0,
            json!(401),
            "a token that only the gateway believes"
        );
        event["headers"]["authorization"] = json!(format!("Bearer {}", twins.stack.token(Role::Admin).unwrap()));
        event
    };
    let (status, problem): (Value, Value) = http("connect", &of_admin("http-connect"));
    assert_eq!((&status, &problem["code"]), (&json!(422), &json!("key_format")), "{problem:#}");
    let (status, accounts) = http("query", &of_admin("http-query"));
    assert_eq!((&status, accounts["data"].as_array().unwrap().len()), (&json!(200), 25));
    assert_eq!(http("query", &sample("http-health")).0, json!(200));
    let mut delivery = sample("http-webhook");
    assert_eq!(http("webhook", &delivery).0, json!(404), "an endpoint that is none");
    sign(twins, &mut delivery, url);
    let (status, problem) = http("webhook", &delivery);
    assert_eq!(status, json!(200), "{problem:#}");
    delivery["headers"]["stripe-signature"] = json!("t=1,v1=00");
    assert_eq!(http("webhook", &delivery).0, json!(400));
    assert_eq!(twins.stack.invoke("sync", &sample("sqs-sync")).unwrap(), json!({ "batchItemFailures": [] }));
    let poisoned = twins.stack.invoke("recompute", &sample("sqs-recompute")).unwrap();
    assert_eq!(poisoned, json!({ "batchItemFailures": [{ "itemIdentifier": "sample-2" }] }));
    assert_eq!(twins.stack.invoke("sweep", &sample("schedule-sweep")).unwrap(), Value::Null);
}

/// Makes the sample a delivery of now to an endpoint that is there, its body in base64 as API Gateway sends it.
fn sign(twins: &Twins, delivery: &mut Value, url: &str) {
    let secret = "whsec_0123456789abcdefghij";
    let body = json!({
        "id": "evt_sample", "object": "event", "type": "payout.paid", "created": twins.sim.now(), "livemode": false,
        "api_version": "2026-09-30.endive", "data": { "object": { "id": "po_1", "object": "payout" } }
    });
    let body = body.to_string();
    futures::executor::block_on(async {
        let (status, _) =
            twins.tell(Method::PUT, "/v1/stripe/webhook-secret", &json!({ "webhook_secret": secret })).await;
        assert_eq!(status, StatusCode::OK);
    });
    let path = url.find("/webhooks/").map(|at| &url[at..]).unwrap();
    delivery["rawPath"] = json!(path);
    delivery["requestContext"]["http"]["path"] = json!(path);
    delivery["headers"]["stripe-signature"] = json!(signature(secret, twins.sim.now(), body.as_bytes()));
    delivery["body"] = json!(base64(body.as_bytes()));
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::prelude::BASE64_STANDARD.encode(bytes)
}

const POISON: &str = r#"{"kind":"planted poison"}"#;

async fn poison_ends_alone_in_the_dead_letters(twins: &Twins) {
    let dead = twins.stack.output("RecomputeDeadLettersUrl").unwrap();
    let arguments = json!({ "QueueUrl": dead, "AttributeNames": ["QueueArn"] });
    let arn = twins.stack.call("sqs", "get_queue_attributes", &arguments).unwrap()["Attributes"]["QueueArn"].clone();
    let redrive = |count: u32| json!({ "deadLetterTargetArn": arn, "maxReceiveCount": count }).to_string();
    twins.set_queue("RecomputeQueueUrl", &json!({ "RedrivePolicy": redrive(2) }));
    twins.send("RecomputeQueueUrl", POISON);
    let good = json!({ "kind": "recompute", "workspace": "acme" }).to_string();
    for _ in 0..5 {
        twins.send("RecomputeQueueUrl", &good);
    }
    twins.silent().await;
    assert_eq!(twins.bodies("RecomputeDeadLettersUrl"), [POISON]);
    assert!(twins.stack.logged("recompute").unwrap().contains("a message cannot be read"));
    twins.set_queue("RecomputeQueueUrl", &json!({ "RedrivePolicy": redrive(8) }));
    redriven(twins, &good).await;
}

/// What is brought back from the dead letters is handled like any other message.
async fn redriven(twins: &Twins, good: &str) {
    twins.send("RecomputeDeadLettersUrl", good);
    let before = twins.stack.depth("RecomputeDeadLettersUrl").unwrap();
    twins.stack.move_back("RecomputeDeadLettersUrl", "RecomputeQueueUrl", good).unwrap();
    twins.silent().await;
    assert_eq!(twins.stack.depth("RecomputeDeadLettersUrl").unwrap(), before - 1);
    assert_eq!(twins.bodies("RecomputeDeadLettersUrl"), [POISON]);
}

async fn killed_at_random_it_comes_to_the_same(twins: &mut Twins) {
    // Else each message that was in the hands of who is killed comes back after half an hour.
    for queue in ["SyncQueueUrl", "RecomputeQueueUrl"] {
        twins.set_queue(queue, &json!({ "VisibilityTimeout": "5" }));
    }
    let mut killed = BTreeMap::new();
    for round in 0..KILLS * 20 {
        if killed.values().sum::<u32>() >= KILLS {
            break;
        }
        if round % 10 == 0 {
            twins.change(10);
            // A sync that runs already is as good.
            twins.tell(Method::POST, "/v1/syncs", &json!({})).await;
            twins.sim.deliver_all(&twins.stack.http).await;
        }
        tokio::time::sleep(Duration::from_millis(50 + twins.dice.below(400))).await;
        let processes = twins.stack.processes();
        let workers: Vec<_> =
            processes.iter().filter(|one| ["sync", "recompute", "webhook"].contains(&one.function.as_str())).collect();
        if workers.is_empty() {
            continue;
        }
        let one = workers[usize::try_from(twins.dice.below(workers.len() as u64)).unwrap()];
        twins.stack.kill(one).unwrap();
        *killed.entry(one.function.clone()).or_insert(0_u32) += 1;
    }
    println!("killed {killed:?}");
    assert!(killed.values().sum::<u32>() >= KILLS && killed.contains_key("sync"), "{killed:?}");
    twins.deliver().await;
    twins.silent().await;
    twins.same().await;
    assert_eq!(twins.bodies("RecomputeDeadLettersUrl"), [POISON]);
    assert_eq!(twins.bodies("SyncDeadLettersUrl"), Vec::<String>::new());
}

async fn throttled_it_comes_to_the_same(twins: &mut Twins) {
    let before = twins.stack.proxy.throttled();
    twins.stack.proxy.throttle_one_in(5);
    twins.change(20);
    assert_eq!(twins.tell(Method::POST, "/v1/syncs", &json!({})).await.0, StatusCode::ACCEPTED);
    twins.deliver().await;
    twins.silent().await;
    assert!(twins.stack.proxy.throttled() > before + 50, "{}", twins.stack.proxy.throttled());
    twins.stack.proxy.throttle_one_in(0);
    twins.same().await;
    assert_eq!(twins.bodies("RecomputeDeadLettersUrl"), [POISON]);
}

async fn disconnected_connected_and_erased(twins: &Twins) {
    let gone = twins.stack.ask(Some(Role::Owner), Method::DELETE, "/v1/stripe", Body::None).await.unwrap();
    assert_eq!((gone.status, &gone.body["status"]), (StatusCode::OK, &json!("disconnected")));
    twins.connect().await;
    twins.synced().await;
    twins.same().await;
    let (status, _) = twins.tell(Method::DELETE, "/v1/data", &json!({ "confirm": "acme" })).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let empty = |accounts: &Value| accounts["data"].as_array().is_some_and(Vec::is_empty);
    twins.stack.until("/v1/accounts", empty).await.unwrap();
    let secrets = twins.stack.call("secretsmanager", "list_secrets", &json!({})).unwrap();
    assert_eq!(secrets["SecretList"], json!([]));
}

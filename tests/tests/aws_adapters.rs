//! The store, the queue and the vault against stand-ins for AWS: the same promises as against the engine inside the process,
//! and what happens when AWS throttles.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../../shared/billfold-store/tests/store/promises.rs"]
mod promises;

use aws_types::SdkConfig;
use billfold_app::{Message, Secret, Vault as _};
use billfold_aws::queue::{BODY_BYTES_MAX, SqsQueue};
use billfold_aws::vault::{Memory, SecretsVault};
use billfold_aws::{Environment, sdk};
use billfold_core::id::WorkspaceId;
use billfold_store::{Store, inside};
use billfold_tests::stand_in::{Ministack, Moto, Proxy, REGION, Tools};
use futures::future::join_all;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::OnceCell;

static MINISTACK: OnceCell<Ministack> = OnceCell::const_new();
static TABLES: AtomicU32 = AtomicU32::new(0);

fn tools() -> Tools {
    Tools::installed(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap()
}

async fn ministack() -> &'static Ministack {
    MINISTACK.get_or_init(|| async { Ministack::start(&tools(), None).await.unwrap() }).await
}

fn at(url: &str) -> SdkConfig {
    let variables = [
        ("AWS_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_ENDPOINT_URL", url),
    ];
    sdk(&Environment::from(variables)).unwrap()
}

/// A store in an empty table of its own.
async fn open() -> Store {
    let table = format!("table-{}", TABLES.fetch_add(1, Ordering::SeqCst));
    inside::in_new_table(&at(&ministack().await.url), &table).await.unwrap()
}

fn ws(id: &str) -> WorkspaceId {
    WorkspaceId::new(id).unwrap()
}

fn vault(url: &str, memory: Memory) -> SecretsVault {
    SecretsVault::new(&at(url), "billfold/test".into(), None, memory)
}

async fn read(vault: &SecretsVault, id: &str, which: Secret) -> Option<String> {
    let text = vault.get(&ws(id), which).await.unwrap();
    text.map(|text| text.expose_secret().to_owned())
}

async fn put(vault: &SecretsVault, id: &str, text: &str) {
    vault.put(&ws(id), Secret::ApiKey, SecretString::from(text)).await.unwrap();
}

/// What a vault must do, wherever it is.
async fn a_vault_keeps_its_promises(url: &str) {
    let (writer, reader) = (vault(url, Memory::None), vault(url, Memory::FiveMinutes));
    assert_eq!(read(&writer, "acme", Secret::ApiKey).await, None);
    put(&writer, "acme", "first").await;
    put(&writer, "acme", "first").await;
    assert_eq!(versions(url, &writer.name(&ws("acme"), Secret::ApiKey)), 1, "the same again is no second version");
    assert_eq!(read(&reader, "acme", Secret::ApiKey).await.as_deref(), Some("first"));
    assert_eq!(read(&reader, "acme", Secret::SigningSecrets).await, None);
    put(&writer, "acme", "second").await;
    assert_eq!(read(&writer, "acme", Secret::ApiKey).await.as_deref(), Some("second"));
    assert_eq!(read(&reader, "acme", Secret::ApiKey).await.as_deref(), Some("first"), "it is remembered");
    assert!(reader.refused(&ws("acme"), Secret::ApiKey).await.unwrap(), "and read again when it is refused");
    assert_eq!(read(&reader, "acme", Secret::ApiKey).await.as_deref(), Some("second"));
    assert!(!reader.refused(&ws("acme"), Secret::ApiKey).await.unwrap(), "a second time it is no other");
    put(&writer, "acme", "first").await;
    assert_eq!(read(&writer, "acme", Secret::ApiKey).await.as_deref(), Some("first"), "back to the one before");
    for _ in 0..2 {
        writer.forget(&ws("acme"), Secret::ApiKey).await.unwrap();
        assert_eq!(read(&writer, "acme", Secret::ApiKey).await, None, "it is forgotten at once");
    }
    writer.forget(&ws("nobody"), Secret::ApiKey).await.unwrap();
    put(&writer, "acme", "third").await;
    assert_eq!(
        read(&writer, "acme", Secret::ApiKey).await.as_deref(),
        Some("third"),
        "a reconnect within the days works"
    );
}

/// What a restored secret has in it before anything is put into it.
async fn a_forgotten_secret_never_comes_back_to_life(url: &str) {
    let writer = vault(url, Memory::None);
    put(&writer, "gone", "old").await;
    writer.forget(&ws("gone"), Secret::ApiKey).await.unwrap();
    let name = writer.name(&ws("gone"), Secret::ApiKey);
    tools().call(url, "secretsmanager", "restore_secret", &json!({ "SecretId": name })).unwrap();
    assert_eq!(read(&writer, "gone", Secret::ApiKey).await, None);
}

async fn odd_workspaces_do_not_meet(url: &str) {
    let writer = vault(url, Memory::None);
    let ids = ["a/b", "a=2fb", "ü", "a.b@c-d_e", &"x".repeat(255), &format!("{}y", "x".repeat(254)), &"ü".repeat(255)];
    for id in ids {
        put(&writer, id, id).await;
    }
    for id in ids {
        assert_eq!(read(&writer, id, Secret::ApiKey).await.as_deref(), Some(id));
    }
}

fn versions(url: &str, name: &str) -> usize {
    let arguments = json!({ "SecretId": name, "IncludeDeprecated": true });
    let found = tools().call(url, "secretsmanager", "list_secret_version_ids", &arguments).unwrap();
    found["Versions"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vault_keeps_its_promises_on_one_stand_in() {
    let url = &ministack().await.url;
    a_vault_keeps_its_promises(url).await;
    a_forgotten_secret_never_comes_back_to_life(url).await;
    odd_workspaces_do_not_meet(url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vault_keeps_its_promises_on_the_other() {
    let moto = Moto::start(&tools()).await.unwrap();
    a_vault_keeps_its_promises(&moto.url).await;
    a_forgotten_secret_never_comes_back_to_life(&moto.url).await;
    odd_workspaces_do_not_meet(&moto.url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_put_at_once_leave_one_of_theirs() {
    let writer = vault(&ministack().await.url, Memory::None);
    let texts: Vec<String> = (0..5).map(|n| format!("text-{n}")).collect();
    join_all(texts.iter().map(|text| put(&writer, "crowded", text))).await;
    let kept = read(&writer, "crowded", Secret::ApiKey).await.unwrap();
    assert!(texts.contains(&kept), "{kept}");
}

/// A queue with nothing in it, seen from here and from the stand-in.
fn queue(ministack: &Ministack, see: &str, name: &str) -> (SqsQueue, String) {
    let made = tools().call(&ministack.url, "sqs", "create_queue", &json!({ "QueueName": name })).unwrap();
    let url = made["QueueUrl"].as_str().unwrap().to_owned();
    (SqsQueue::new(&at(see), None, url.clone()), url)
}

fn recompute(id: &str) -> Message {
    Message::Recompute { workspace: ws(id) }
}

/// Takes everything that a queue has.
fn drain(ministack: &Ministack, url: &str) -> Vec<Message> {
    let mut all = Vec::new();
    loop {
        let arguments = json!({ "QueueUrl": url, "MaxNumberOfMessages": 10 });
        let found = tools().call(&ministack.url, "sqs", "receive_message", &arguments).unwrap();
        let Some(messages) = found["Messages"].as_array().filter(|messages| !messages.is_empty()) else { return all };
        let message = |one: &Value| serde_json::from_str(one["Body"].as_str().unwrap()).unwrap();
        all.extend(messages.iter().map(message));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_keeps_what_it_took() {
    let ministack = ministack().await;
    let (queue, url) = queue(ministack, &ministack.url, "whole");
    let ids: BTreeSet<String> = (0..25).map(|n| format!("w{n:02}")).collect();
    let messages: Vec<Message> = ids.iter().map(|id| recompute(id)).collect();
    let sent = join_all(messages.iter().map(|message| queue.put(message, Duration::ZERO))).await;
    assert!(sent.iter().all(Result::is_ok), "{sent:?}");
    let late = recompute("late");
    queue.put(&late, Duration::from_secs(900)).await.unwrap();
    let taken = drain(ministack, &url);
    assert_eq!(taken.len(), 25, "the delayed one is not there yet");
    let named =
        |message: &Message| matches!(message, Message::Recompute { workspace } if ids.contains(workspace.as_str()));
    assert!(taken.iter().all(named));
    let long = recompute(&"x".repeat(200));
    assert!(serde_json::to_string(&long).unwrap().len() < BODY_BYTES_MAX);
    assert!(queue.put(&long, Duration::ZERO).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn throttling_slows_down_and_loses_nothing() {
    let ministack = ministack().await;
    let proxy = Proxy::start().await.unwrap();
    proxy.lead_to(&ministack.url);
    proxy.throttle_one_in(3);
    let (queue, url) = queue(ministack, &proxy.url, "throttled");
    let messages: Vec<Message> = (0..40).map(|n| recompute(&format!("w{n}"))).collect();
    for message in &messages {
        queue.put(message, Duration::ZERO).await.unwrap();
    }
    let writer = vault(&proxy.url, Memory::None);
    for n in 0..5 {
        put(&writer, "throttled", &format!("text-{n}")).await;
    }
    let store = inside::in_new_table(&at(&proxy.url), "throttled").await.unwrap();
    for n in 0..20 {
        store.change_webhook(&ws("acme"), |webhook| webhook.refused += 1).await.unwrap();
        assert_eq!(store.webhook(&ws("acme")).await.unwrap().refused, n + 1);
    }
    assert!(proxy.throttled() > 20, "{}", proxy.throttled());
    assert_eq!(read(&writer, "throttled", Secret::ApiKey).await.as_deref(), Some("text-4"));
    assert_eq!(drain(ministack, &url).len(), messages.len());
}

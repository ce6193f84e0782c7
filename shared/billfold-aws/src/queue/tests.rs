//! Against a little SQS that does what the test says; the real rules of SQS are tried on the stand-in.

use super::*;
use crate::Environment;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Json, Router};
use billfold_core::id::WorkspaceId;
use futures::future::join_all;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// What the next call is answered, if not with success.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trouble {
    /// The whole call is throttled.
    Throttled,
    /// The first entry fails, and it is SQS's fault.
    FirstFails,
    /// The first entry is refused for good.
    FirstRefused,
}

/// What was asked of it.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) batches: Vec<Vec<Value>>,
    pub(crate) came_back: Vec<Value>,
    troubles: VecDeque<Trouble>,
}

/// A little SQS.
#[derive(Clone, Default)]
pub(crate) struct LittleSqs(Arc<Mutex<Asked>>);

impl LittleSqs {
    /// Starts one that has these troubles first, with a queue on it.
    pub(crate) async fn start(troubles: &[Trouble]) -> (Self, SqsQueue) {
        let sqs = Self::default();
        sqs.0.lock().unwrap().troubles = troubles.iter().copied().collect();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(sqs.clone());
        tokio::spawn(axum::serve(listener, router).into_future());
        let environment = Environment::from([
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "hush"),
            ("AWS_ENDPOINT_URL", url.as_str()),
        ]);
        let sdk = crate::sdk(&environment).unwrap();
        (sqs, SqsQueue::new(&sdk, Some(format!("{url}/1/sync")), format!("{url}/1/recompute")))
    }

    pub(crate) fn asked(&self) -> std::sync::MutexGuard<'_, Asked> {
        self.0.lock().unwrap()
    }

    /// The bodies that it keeps.
    pub(crate) fn bodies(&self) -> Vec<Value> {
        let asked = self.asked();
        let body = |entry: &Value| serde_json::from_str(entry["MessageBody"].as_str().unwrap()).unwrap();
        asked.batches.iter().flatten().map(body).collect()
    }
}

async fn answer(
    State(sqs): State<LittleSqs>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> (StatusCode, Json<Value>) {
    let body: Value = serde_json::from_slice(&body).unwrap();
    let mut asked = sqs.asked();
    if headers["x-amz-target"] == "AmazonSQS.ChangeMessageVisibility" {
        asked.came_back.push(body);
        return (StatusCode::OK, Json(json!({})));
    }
    let mut entries = body["Entries"].as_array().unwrap().clone();
    let mut failed = Vec::new();
    let mut fail = |entries: &mut Vec<Value>, sender: bool| {
        let id = entries.remove(0)["Id"].clone();
        failed.push(json!({ "Id": id, "Code": "InternalError", "SenderFault": sender, "Message": "as asked" }));
    };
    match asked.troubles.pop_front() {
        Some(Trouble::Throttled) => {
            let problem = json!({ "__type": "com.amazonaws.sqs#RequestThrottled", "message": "slow down" });
            return (StatusCode::BAD_REQUEST, Json(problem));
        }
        Some(Trouble::FirstFails) => fail(&mut entries, false),
        Some(Trouble::FirstRefused) => fail(&mut entries, true),
        None => {}
    }
    let kept: Vec<Value> =
        entries.iter().map(|entry| json!({ "Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "" })).collect();
    asked.batches.push(entries);
    (StatusCode::OK, Json(json!({ "Successful": kept, "Failed": failed })))
}

pub(crate) fn recompute(ws: &str) -> Message {
    Message::Recompute { workspace: WorkspaceId::new(ws).unwrap() }
}

#[tokio::test]
async fn what_is_sent_at_once_is_sent_together_and_nothing_is_lost() {
    let (sqs, queue) = LittleSqs::start(&[]).await;
    let messages: Vec<Message> = (0..45).map(|n| recompute(&format!("w{n}"))).collect();
    let sent = join_all(messages.iter().map(|message| queue.put(message, Duration::ZERO))).await;
    assert!(sent.iter().all(Result::is_ok), "{sent:?}");
    let mut kept: Vec<Message> = sqs.bodies().into_iter().map(|body| serde_json::from_value(body).unwrap()).collect();
    kept.sort_by_key(|message| messages.iter().position(|one| one == message));
    assert_eq!(kept, messages);
    assert!(sqs.asked().batches.len() <= 6, "{} calls", sqs.asked().batches.len());
}

#[tokio::test]
async fn throttling_and_failing_entries_slow_it_down_and_lose_nothing() {
    for trouble in [Trouble::Throttled, Trouble::FirstFails] {
        let (sqs, queue) = LittleSqs::start(&[trouble]).await;
        let messages = ["a", "b", "c"].map(recompute);
        let sent = join_all(messages.iter().map(|message| queue.put(message, Duration::ZERO))).await;
        assert!(sent.iter().all(Result::is_ok), "{trouble:?}: {sent:?}");
        assert_eq!(sqs.bodies().len(), 3, "{trouble:?}");
    }
}

#[tokio::test]
async fn an_entry_that_is_refused_fails_alone() {
    let (sqs, queue) = LittleSqs::start(&[Trouble::FirstRefused]).await;
    let (first, second) = (recompute("a"), recompute("b"));
    let sent = futures::join!(queue.put(&first, Duration::ZERO), queue.put(&second, Duration::ZERO));
    assert!(matches!(&sent.0, Err(SendError::Sqs(why)) if why.contains("as asked")), "{sent:?}");
    assert_eq!(sent.1, Ok(()));
    assert_eq!(sqs.bodies().len(), 1);
}

#[tokio::test]
async fn a_body_that_sqs_would_refuse_is_not_sent() {
    let (sqs, queue) = LittleSqs::start(&[]).await;
    let entry = batch::Entry { body: "x".repeat(BODY_BYTES_MAX), delay_s: 0 };
    assert_eq!(entry.body.len(), BODY_BYTES_MAX);
    let long: Message = serde_json::from_value(json!({
        "kind": "event", "workspace": "acme",
        "event": { "id": "evt_1", "created": "2026-01-01T00:00:00Z", "about": "nothing",
                   "payload": "x".repeat(BODY_BYTES_MAX), "ticket": { "process": 1, "number": 1 } }
    }))
    .unwrap();
    let error = queue.put(&long, Duration::ZERO).await.unwrap_err();
    assert!(matches!(error, SendError::TooLong(bytes) if bytes > BODY_BYTES_MAX), "{error:?}");
    assert!(sqs.asked().batches.is_empty());
}

#[tokio::test]
async fn a_delay_is_whole_seconds_and_never_more_than_sqs_takes() {
    for (delay, seconds) in [(0, 0), (1, 1), (999, 1), (1001, 2), (900_000, 900), (10_000_000, 900)] {
        assert_eq!(whole_seconds(Duration::from_millis(delay)), seconds, "{delay}");
    }
    let (sqs, queue) = LittleSqs::start(&[]).await;
    queue.put(&recompute("a"), Duration::from_secs(3600)).await.unwrap();
    assert_eq!(sqs.asked().batches[0][0]["DelaySeconds"], 900);
}

#[test]
fn a_function_without_a_queue_cannot_send_to_it() {
    let environment =
        Environment::from([("AWS_REGION", "r"), ("AWS_ACCESS_KEY_ID", "i"), ("AWS_SECRET_ACCESS_KEY", "s")]);
    let queue = SqsQueue::new(&crate::sdk(&environment).unwrap(), None, "http://127.0.0.1:1/r".into());
    assert_eq!(queue.batch(Lane::Sync).err(), Some(SendError::NoQueue("sync")));
    assert!(queue.batch(Lane::Recompute).is_ok());
}

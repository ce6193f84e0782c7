//! Batches with all kinds of records in them, on a little SQS.

use super::*;
use crate::queue::tests::{LittleSqs, Trouble, recompute};
use billfold_core::id::{RunId, WorkspaceId};
use serde_json::json;
use std::sync::Mutex;

/// Does what the workspace's name says.
fn obedient() -> Handler {
    Arc::new(|messages: Vec<Message>, work_for: Duration| {
        async move { join_all(messages.iter().map(|message| obey(message, work_for))).await }.boxed()
    })
}

async fn obey(message: &Message, work_for: Duration) -> Handled {
    let (Message::Recompute { workspace } | Message::Sync { workspace, .. } | Message::Event { workspace, .. }) =
        message
    else {
        panic!("not this one")
    };
    match workspace.as_str() {
        "panics" => panic!("the reason"),
        "fails" => Handled::Failed(Duration::ZERO),
        "again" => Handled::Again(Duration::from_secs(42)),
        "hangs" => std::future::pending().await,
        "short" => panic!("begun with {work_for:?}"),
        _ => Handled::Done,
    }
}

fn event(ws: &str) -> String {
    json!({
        "kind": "event", "workspace": ws,
        "event": {
            "id": "evt_1", "created": "2026-11-21T00:00:00Z", "about": { "object": ["customer", "cus_1"] },
            "payload": null, "ticket": { "process": 1, "number": 1 }
        }
    })
    .to_string()
}

fn record(id: &str, body: String, received: &str) -> serde_json::Value {
    json!({
        "messageId": id, "receiptHandle": format!("handle-{id}"), "body": body,
        "attributes": { "ApproximateReceiveCount": received, "SentTimestamp": "1" },
        "eventSource": "aws:sqs"
    })
}

fn batch(bodies: &[(&str, String)]) -> Batch {
    let records: Vec<_> = bodies.iter().map(|(id, body)| record(id, body.clone(), "3")).collect();
    serde_json::from_value(json!({ "Records": records })).unwrap()
}

fn text(message: &Message) -> String {
    serde_json::to_string(message).unwrap()
}

fn failed(report: &Report) -> Vec<&str> {
    report.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str()).collect()
}

const LONG: Duration = Duration::from_secs(100);

#[tokio::test]
async fn a_poison_record_never_takes_its_mates_with_it() {
    let (sqs, queue) = LittleSqs::start(&[]).await;
    let worker = Worker::new(Arc::new(queue), Lane::Recompute, obedient());
    let bodies = [
        ("good", text(&recompute("fine"))),
        ("panics", text(&recompute("panics"))),
        ("unreadable", "not a message".to_owned()),
        ("fails", text(&recompute("fails"))),
        ("again", text(&recompute("again"))),
        ("good too", text(&recompute("fine"))),
    ];
    let (report, counted) = worker.handle(batch(&bodies), LONG).await;
    assert_eq!(failed(&report), ["panics", "unreadable", "fails"]);
    assert_eq!(counted, Counted { done: 2, goes_on: 1, failed: 3, not_begun: 0 });
    assert_eq!(sqs.bodies(), [json!(recompute("again"))], "again goes on as a new message");
    assert_eq!(sqs.asked().batches[0][0]["DelaySeconds"], 42);
    let back = &sqs.asked().came_back;
    let mut handles: Vec<&str> = back.iter().map(|one| one["ReceiptHandle"].as_str().unwrap()).collect();
    handles.sort_unstable();
    assert_eq!(handles, ["handle-fails", "handle-panics", "handle-unreadable"]);
    assert!(back.iter().all(|one| one["VisibilityTimeout"] == 40), "{back:?}");
    let written = serde_json::to_value(&report).unwrap();
    assert_eq!(written["batchItemFailures"][0]["itemIdentifier"], "panics");
}

#[tokio::test]
async fn events_are_folded_together_unless_one_of_them_panics() {
    let (_, queue) = LittleSqs::start(&[]).await;
    let calls = Arc::new(Mutex::new(Vec::new()));
    let counted: Handler = {
        let (calls, obedient) = (Arc::clone(&calls), obedient());
        Arc::new(move |messages: Vec<Message>, work_for| {
            calls.lock().unwrap().push(messages.len());
            obedient(messages, work_for)
        })
    };
    let worker = Worker::new(Arc::new(queue), Lane::Recompute, counted);
    let mut bodies = vec![("a", event("fine")), ("b", event("fails")), ("c", text(&recompute("fine")))];
    let (report, _) = worker.handle(batch(&bodies), LONG).await;
    assert_eq!((failed(&report), std::mem::take(&mut *calls.lock().unwrap())), (vec!["b"], vec![2, 1]));
    bodies.push(("d", event("panics")));
    let (report, _) = worker.handle(batch(&bodies), LONG).await;
    assert_eq!((failed(&report), calls.lock().unwrap().clone()), (vec!["b", "d"], vec![3, 1, 1, 1, 1]));
}

#[tokio::test]
async fn a_message_that_cannot_be_sent_on_comes_back_itself() {
    let (_, queue) = LittleSqs::start(&[Trouble::FirstRefused]).await;
    let worker = Worker::new(Arc::new(queue), Lane::Recompute, obedient());
    let (report, _) = worker.handle(batch(&[("again", text(&recompute("again")))]), LONG).await;
    assert_eq!(failed(&report), ["again"]);
}

#[tokio::test]
async fn what_does_not_end_in_time_goes_on_in_another_invocation() {
    let (sqs, queue) = LittleSqs::start(&[]).await;
    let worker = Worker::new(Arc::new(queue), Lane::Sync, obedient());
    let worker = Worker { last_answers: Duration::ZERO, report: Duration::ZERO, ..worker };
    let sync = Message::Sync { workspace: WorkspaceId::new("hangs").unwrap(), run: RunId::new("run_1").unwrap() };
    let (report, counted) = worker.handle(batch(&[("hangs", text(&sync))]), Duration::from_millis(10)).await;
    assert_eq!((failed(&report), counted.goes_on), (Vec::new(), 1));
    assert_eq!(sqs.bodies(), [json!(sync)]);
}

#[tokio::test]
async fn what_has_no_time_left_is_not_begun() {
    let (sqs, queue) = LittleSqs::start(&[]).await;
    let worker = Worker::new(Arc::new(queue), Lane::Recompute, obedient());
    let (report, counted) = worker.handle(batch(&[("short", text(&recompute("short")))]), REPORT).await;
    assert_eq!((failed(&report), counted.not_begun), (vec!["short"], 1));
    assert!(sqs.asked().came_back.is_empty());
}

#[test]
fn waits_grow_and_end() {
    for (received, seconds) in [(0, 10), (1, 10), (2, 20), (3, 40), (4, 80), (5, 120), (1000, 120)] {
        assert_eq!(wait_after(received), Duration::from_secs(seconds), "{received}");
    }
}

#[test]
fn a_deadline_is_counted_from_now() {
    let now = Timestamp::from_millisecond(1_000_000).unwrap();
    assert_eq!(until(1_060_000, now), Duration::from_secs(60));
    assert_eq!(until(999_999, now), Duration::ZERO);
}

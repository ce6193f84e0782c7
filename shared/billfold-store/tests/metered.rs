//! The table that counts what DynamoDB would charge.

use billfold_core::id::WorkspaceId;
use billfold_store::{Store, Subject, inside};
use std::time::Duration;

#[tokio::test]
async fn a_transaction_counts_double_and_a_write_by_itself_once() {
    let (store, table) = inside::metered(Duration::ZERO).await.unwrap();
    assert_eq!(table.take(), inside::Used::default(), "making the table is not counted");
    let ws = WorkspaceId::new("acme").unwrap();
    store.write_all(vec![Store::mark(&ws, &Subject::Everything, 1)]).await.unwrap();
    let used = table.take();
    assert_eq!((used.write_units, used.read_units), (2.0, 0.0), "{used:?}");
    let mark = store.mark_of(&ws, &Subject::Everything).await.unwrap().unwrap();
    let used = table.take();
    assert_eq!((used.write_units, used.read_units), (0.0, 1.0), "{used:?}");
    store.write_each(vec![Store::unmark(&ws, &mark)]).await.unwrap();
    let used = table.take();
    assert_eq!((used.write_units, used.requests.get("DeleteItem")), (1.0, Some(&1)), "{used:?}");
    assert!(!store.is_marked(&ws).await.unwrap());
}

#[tokio::test]
async fn another_process_is_answered_as_dynamodb_does() {
    let (_store, table) = inside::metered(Duration::ZERO).await.unwrap();
    let asked = format!(r#"{{"TableName":"{}","Key":{{"PK":{{"S":"P"}},"SK":{{"S":"1"}}}}}}"#, inside::Table::NAME);
    let (status, answer) = table.answer("DynamoDB_20120810.GetItem", asked.as_bytes());
    assert_eq!((status, answer.contains("Item")), (200, false), "{answer}");
    assert!((table.take().read_units - 0.5).abs() < 1e-9, "an eventual read of nothing");
    for (target, body) in [("DynamoDB_20120810.Scan", "{}"), ("", "{}"), ("DynamoDB_20120810.GetItem", "no JSON")] {
        let (status, answer) = table.answer(target, body.as_bytes());
        assert!(status == 400 && answer.contains("__type"), "{target}: {status} {answer}");
    }
}

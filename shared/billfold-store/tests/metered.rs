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

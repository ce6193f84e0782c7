//! The same requests to SQLite and to DynamoDB, by chance: the same answers.

use super::*;
use crate::client::{Sorted, Store, When, Write};
use crate::item::Value;
use crate::key::{INDEX_BY_MRR, INDEX_BY_NAME};
use crate::{embedded, inside};
use proptest::prelude::*;
use std::time::Duration;

/// A request to a table.
#[derive(Debug, Clone)]
enum Request {
    Transact(Vec<Action>),
    Steps(Vec<Step>),
    Get(Key),
    Batch(Vec<Key>, bool),
    Whole(Range),
    Several(Vec<Range>),
}

/// Few, so that requests meet, and some that order differently as bytes than as words.
fn text() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "a#1", "a#10", "a#2", "B", "b", "é", "\u{1F600}", "zz", " "]).prop_map(str::to_owned)
}

fn key() -> impl Strategy<Value = Key> {
    (prop::sample::select(vec!["P", "Q"]), text()).prop_map(|(p, sort)| Key { partition: p.to_owned(), sort })
}

fn row() -> impl Strategy<Value = NewRow> {
    let maybe = || prop::option::of(text());
    (key(), 1..4_u64, maybe(), maybe(), maybe(), maybe(), any::<(bool, bool)>()).prop_map(
        |(key, rev, list, by_mrr, by_name, body, (stamped, gone))| {
            let mut row = NewRow::bare(&key).rev(rev);
            for (name, text) in [(attribute::LIST, list), (attribute::BY_MRR, by_mrr), (attribute::BY_NAME, by_name)] {
                row = match text {
                    Some(text) => row.text(name, text),
                    None => row,
                };
            }
            if let Some(body) = body {
                row = row.text(attribute::SEARCH, body.clone()).body(body);
            }
            if stamped {
                row = row.number(attribute::STAMP, 7);
            }
            if gone { row.flag(attribute::GONE) } else { row }
        },
    )
}

fn when() -> impl Strategy<Value = When> {
    prop_oneof![
        4 => Just(When::Always),
        1 => Just(When::Absent),
        2 => (1..4_u64).prop_map(When::Rev),
        1 => (6..8_i64).prop_map(|stamp| When::Is(attribute::STAMP, Value::Number(stamp.to_string()))),
        1 => text().prop_map(|sort| When::Is(attribute::SK, Value::Text(sort))),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => (row(), when()).prop_map(|(row, when)| Action::Put(row, when)),
        1 => (row(), when()).prop_map(|(row, when)| Action::Set(row, when)),
        1 => (key(), when()).prop_map(|(key, when)| Action::Delete(key, when)),
        1 => (key(), (1..4_u64).prop_map(When::Rev)).prop_map(|(key, when)| Action::Check(key, when)),
    ]
}

/// Puts and deletes of different rows in three steps, of a few people.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let alone = prop_oneof![
        2 => (row(), when()).prop_map(|(row, when)| Action::Put(row, when)),
        1 => (key(), when()).prop_map(|(key, when)| Action::Delete(key, when)),
    ];
    prop::collection::vec((0..3_usize, 0..3_usize, alone), 1..8).prop_map(|actions| {
        let (mut steps, mut known) = (vec![Step::new(); 3], HashSet::new());
        for (step, whose, action) in actions {
            let (partition, sort) = key_of(&action);
            if known.insert((partition.to_owned(), sort.to_owned())) {
                steps[step].push((whose, action));
            }
        }
        steps
    })
}

fn range() -> impl Strategy<Value = Range> {
    let index = prop::sample::select(vec![
        None,
        Some((INDEX_BY_MRR, attribute::BY_MRR)),
        Some((INDEX_BY_NAME, attribute::BY_NAME)),
    ]);
    let sort = prop_oneof![
        Just(Sorted::All),
        text().prop_map(Sorted::Prefix),
        text().prop_map(Sorted::Above),
        text().prop_map(Sorted::Below),
        (text(), text()).prop_map(|(a, b)| if a <= b { Sorted::Between(a, b) } else { Sorted::Between(b, a) }),
    ];
    let partition = prop::sample::select(vec!["P", "Q", "a", "b"]).prop_map(str::to_owned);
    (index, partition, sort, any::<bool>(), prop::option::of(1..4_i32), prop::option::of(text())).prop_map(
        |(index, partition, sort, newest_last, limit, containing)| Range {
            index,
            partition,
            sort,
            newest_last,
            limit,
            containing,
        },
    )
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        3 => prop::collection::vec(action(), 1..5).prop_map(Request::Transact),
        2 => steps().prop_map(Request::Steps),
        1 => key().prop_map(Request::Get),
        1 => (prop::collection::vec(key(), 1..5), any::<bool>()).prop_map(|(keys, whole)| Request::Batch(keys, whole)),
        3 => range().prop_map(Request::Whole),
        2 => prop::collection::vec(range(), 1..4).prop_map(Request::Several),
    ]
}

fn sorted(row: Row) -> Vec<(String, Value)> {
    let mut attributes: Vec<_> = row.0.into_iter().map(|(name, value)| (name.into_owned(), value)).collect();
    attributes.sort_by(|(a, _), (b, _)| a.cmp(b));
    attributes
}

/// Rows of equal sort keys have no order in an index of DynamoDB.
fn settled(rows: Vec<Row>, range: &Range) -> Vec<Vec<(String, Value)>> {
    let name = range.index.map_or(attribute::SK, |(_, sort)| sort);
    let mut rows: Vec<_> =
        rows.into_iter().map(|row| (row.text(name).unwrap_or_default().to_owned(), sorted(row))).collect();
    let keys: Vec<String> = rows.iter().map(|(key, _)| key.clone()).collect();
    let mut expected = keys.clone();
    expected.sort();
    if !range.newest_last {
        expected.reverse();
    }
    assert_eq!(keys, expected, "{range:?}");
    rows.sort_by(|(_, a), (_, b)| format!("{a:?}").cmp(&format!("{b:?}")));
    rows.into_iter().map(|(_, row)| row).collect()
}

/// What a table answers, as text.
async fn answer(store: &Store, request: &Request) -> String {
    let refused = |error: StoreError| match error {
        StoreError::Refused(_) => "refused".to_owned(),
        other => format!("{other:?}"),
    };
    match request {
        Request::Transact(actions) => {
            store.table().transact(actions).await.map_or_else(refused, |outcome| format!("{outcome:?}"))
        }
        Request::Steps(steps) => {
            store.table().steps(steps.clone()).await.map_or_else(refused, |lost| format!("{lost:?}"))
        }
        Request::Get(key) => store.get(key).await.map_or_else(refused, |row| format!("{:?}", row.map(sorted))),
        Request::Batch(keys, whole) => {
            let attributes: &[&str] = if *whole { &[attribute::BODY, attribute::REV] } else { &[attribute::REV] };
            let kept = |name: &str| attributes.contains(&name) || name == attribute::PK || name == attribute::SK;
            store.batch_get(keys, attributes).await.map_or_else(refused, |rows| {
                let mut rows: Vec<_> = rows.into_iter().map(sorted).collect();
                // More than was asked for is no difference.
                rows.iter_mut().for_each(|row| row.retain(|(name, _)| kept(name)));
                rows.sort_by_key(|row| format!("{row:?}"));
                format!("{rows:?}")
            })
        }
        Request::Whole(range) => {
            store.query(range).await.map_or_else(refused, |rows| format!("{:?}", settled(rows, range)))
        }
        Request::Several(ranges) => store.query_all(ranges).await.map_or_else(refused, |all| {
            let settled: Vec<_> = all.into_iter().zip(ranges).map(|(rows, range)| settled(rows, range)).collect();
            format!("{settled:?}")
        }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_answers_what_dynamodb_answers(requests in prop::collection::vec(request(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let sqlite = embedded::file(&folder.path().join("store.db")).await.unwrap();
            let dynamodb = inside::memory().await.unwrap();
            for request in &requests {
                let (ours, theirs) = (answer(&sqlite, request).await, answer(&dynamodb, request).await);
                prop_assert_eq!(ours, theirs, "{:?}", request);
            }
            Ok(())
        })?;
    }
}

fn big(sort: usize, bytes: usize) -> Action {
    let key = Key { partition: "P".into(), sort: format!("{sort:04}") };
    Action::Put(NewRow::bare(&key).text(attribute::SEARCH, "x".repeat(bytes)), When::Always)
}

#[tokio::test]
async fn limits_are_the_same() {
    for store in [embedded::memory().await.unwrap(), inside::memory().await.unwrap()] {
        let table = store.table();
        let refused = |outcome: Result<Transacted, StoreError>| matches!(outcome, Err(StoreError::Refused(_)));
        assert!(refused(table.transact(&[big(1, 400 * 1024)]).await), "a row of more than 400 KB");
        assert_eq!(table.transact(&[big(1, 399 * 1024)]).await.unwrap(), Transacted::Done);
        assert!(refused(table.transact(&[big(1, 1), big(1, 2)]).await), "a row twice");
        assert!(refused(table.transact(&(0..101).map(|n| big(n, 1)).collect::<Vec<_>>()).await), "101 writes");
        for n in 2..6 {
            assert_eq!(table.transact(&[big(n, 300 * 1024)]).await.unwrap(), Transacted::Done);
        }
        let (rows, next) = table.page(&Range::all("P".into()), None).await.unwrap();
        assert!((2..5).contains(&rows.len()) && next.is_some(), "a page of about a megabyte: {} rows", rows.len());
        assert_eq!(store.query(&Range::all("P".into())).await.unwrap().len(), 5);
    }
}

#[tokio::test]
async fn a_long_body_is_a_kilobyte_in_dynamodb_and_the_same_however_it_is_read() {
    let (store, table) = inside::metered(Duration::ZERO).await.unwrap();
    let key = Key { partition: "P".into(), sort: "1".into() };
    let body = format!("[{}]", vec![r#"{"id":"il_1","amount":6000,"currency":"usd"}"#; 100].join(","));
    let put = Write::put(NewRow::bare(&key).body(body.clone()), When::Always);
    assert_eq!(store.write_each(vec![put]).await.unwrap(), Vec::<usize>::new());
    assert!((table.take().write_units - 1.0).abs() < 1e-9);
    let read = [
        store.get(&key).await.unwrap().unwrap(),
        store.query(&Range::all("P".into())).await.unwrap().remove(0),
        store.batch_get(std::slice::from_ref(&key), &[attribute::BODY]).await.unwrap().remove(0),
    ];
    assert!(read.iter().all(|row| row.body_text().unwrap() == body));
}

#[tokio::test]
async fn a_transaction_that_is_refused_in_the_middle_writes_nothing() {
    let store = embedded::memory().await.unwrap();
    assert!(store.table().transact(&[big(1, 10), big(2, 500 * 1024)]).await.is_err());
    assert_eq!(store.query(&Range::all("P".into())).await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_file_of_another_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    drop(embedded::file(&path).await.unwrap());
    drop(embedded::file(&path).await.unwrap());
    Connection::open(&path).unwrap().execute_batch(&format!("PRAGMA user_version = {}", VERSION + 1)).unwrap();
    let refused = embedded::file(&path).await.unwrap_err().to_string();
    assert!(refused.contains("another version of Billfold"), "{refused}");
    let other = folder.path().join("other.db");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE something (a)").unwrap();
    assert!(embedded::file(&other).await.is_err());
    std::fs::write(folder.path().join("no.db"), "this is no database, however long it may be".repeat(100)).unwrap();
    assert!(embedded::file(&folder.path().join("no.db")).await.is_err());
}

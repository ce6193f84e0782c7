//! The table in SQLite, in this process: what a laptop has instead of DynamoDB. It promises what DynamoDB promises and
//! refuses what DynamoDB refuses; every test of the store runs on both.
//!
//! A call takes microseconds and is made where it is awaited; before it the others have their turn, because whoever makes
//! many calls would never wait.

use crate::checkpoints::Checkpoints;
use crate::client::{
    Action, BATCH_KEYS_MAX, Page, Range, Sorted, Step, TRANSACTION_ACTIONS_MAX, Table, Transacted, When,
};
use crate::error::StoreError;
use crate::item::{Item, NewRow, Row, Value, attribute};
use crate::key::Key;
use futures::future::BoxFuture;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Statement, ToSql, Transaction, TransactionBehavior};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most bytes of a row, as in DynamoDB: names and values.
const ROW_BYTES_MAX: usize = 400 * 1024;
/// Bytes of rows in a page, as in DynamoDB.
const PAGE_BYTES: usize = 1024 * 1024;
/// Different statements that are kept ready.
const STATEMENTS_KEPT: usize = 64;

/// The version of the file.
const VERSION: i64 = 2;
/// What is written goes to the log first, and from there into the file by `Checkpoints` and nobody else. A log's file is kept
/// up to 256 MB, because cutting it waits for the disk. Pages beyond 16 MB are the system's to keep: SQLite looks at each that
/// it keeps at nearly every commit (`docs/adr/0009`).
const PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;
    PRAGMA journal_size_limit = 268435456; PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY; PRAGMA busy_timeout = 10000;";

/// Attributes that have a column, in the order of the columns.
const COLUMNS: [&str; 8] = [
    attribute::PK,
    attribute::SK,
    attribute::REV,
    attribute::LIST,
    attribute::BY_MRR,
    attribute::BY_ARR,
    attribute::BY_NAME,
    attribute::BODY,
];

/// Rows in the order of their keys, and those that an index has in the order of the index. `more` has what no column has.
const SCHEMA: &str = "
    CREATE TABLE rows (
        pk TEXT NOT NULL, sk TEXT NOT NULL, v INTEGER, list TEXT, sm TEXT, sa TEXT, sn TEXT, j TEXT, more TEXT
    );
    CREATE UNIQUE INDEX by_key ON rows (pk, sk);
    CREATE INDEX by_mrr ON rows (list, sm, pk, sk) WHERE list IS NOT NULL AND sm IS NOT NULL;
    CREATE INDEX by_arr ON rows (list, sa, pk, sk) WHERE list IS NOT NULL AND sa IS NOT NULL;
    CREATE INDEX by_name ON rows (list, sn, pk, sk) WHERE list IS NOT NULL AND sn IS NOT NULL;
";

const ONE: &str = "SELECT pk, sk, v, list, sm, sa, sn, j, more FROM rows WHERE pk = ?1 AND sk = ?2";
const ONE_WITHOUT_BODY: &str = "SELECT pk, sk, v, list, sm, sa, sn, NULL, more FROM rows WHERE pk = ?1 AND sk = ?2";
const PUT: &str = "
    INSERT INTO rows (pk, sk, v, list, sm, sa, sn, j, more) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
    ON CONFLICT (pk, sk) DO UPDATE SET v = excluded.v, list = excluded.list, sm = excluded.sm, sa = excluded.sa,
        sn = excluded.sn, j = excluded.j, more = excluded.more";
const DELETE: &str = "DELETE FROM rows WHERE pk = ?1 AND sk = ?2";

/// The table. One connection reads and writes, because what one has read another's writing would make it forget.
pub(crate) struct Sqlite {
    connection: Arc<Mutex<Connection>>,
    checkpoints: Option<Checkpoints>,
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sqlite")
    }
}

impl Sqlite {
    pub(crate) fn memory() -> Result<Self, StoreError> {
        let connection = prepared(Connection::open_in_memory().map_err(cannot_open)?)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), checkpoints: None })
    }

    /// In a file, which is made if it is not there. What is written survives the death of the process at once, and that of
    /// the machine within moments: what a power failure could take, the next sync or the events of Stripe bring back.
    pub(crate) fn file(path: &Path) -> Result<Self, StoreError> {
        let connection = Arc::new(Mutex::new(prepared(open(path)?)?));
        let checkpoints = Some(Checkpoints::start(path, Arc::clone(&connection))?);
        Ok(Self { connection, checkpoints })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn one(&self, key: &Key) -> Result<Option<Row>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(ONE).map_err(failed)?;
        find(&mut statement, key)
    }

    fn some(&self, keys: &[Key], attributes: &[&'static str]) -> Result<Vec<Row>, StoreError> {
        if keys.len() > BATCH_KEYS_MAX {
            return Err(StoreError::Refused("too many keys in one batch".into()));
        }
        different(keys.iter().map(|key| (key.partition.as_str(), key.sort.as_str())))?;
        let whole = attributes.contains(&attribute::BODY);
        let connection = self.connection();
        let mut statement = connection.prepare_cached(if whole { ONE } else { ONE_WITHOUT_BODY }).map_err(failed)?;
        let mut rows = Vec::with_capacity(keys.len());
        for key in keys {
            rows.extend(find(&mut statement, key)?);
        }
        Ok(rows)
    }

    fn range(&self, range: &Range, start: Option<&Item>) -> Result<Page, StoreError> {
        let sort = range.index.map_or(attribute::SK, |(_, sort)| sort);
        let (text, bounds) = select(range, sort, start);
        let bounds: Vec<&dyn ToSql> = bounds.iter().map(|bound| bound as &dyn ToSql).collect();
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&text).map_err(failed)?;
        let mut found = statement.query(bounds.as_slice()).map_err(failed)?;
        let limit = range.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let (mut rows, mut seen, mut bytes) = (Vec::new(), 0_usize, 0_usize);
        while let Some(columns) = found.next().map_err(failed)? {
            let row = read(columns)?;
            seen = seen.saturating_add(1);
            bytes = bytes.saturating_add(size(&row.0));
            let next = (seen >= limit || bytes >= PAGE_BYTES).then(|| place(&row, range));
            let contains = |text: &String| row.text(attribute::SEARCH).is_some_and(|all| all.contains(text.as_str()));
            if range.containing.as_ref().is_none_or(contains) {
                rows.push(row);
            }
            if next.is_some() {
                return Ok((rows, next));
            }
        }
        Ok((rows, None))
    }

    fn write(&self, actions: &[Action]) -> Result<Transacted, StoreError> {
        if actions.len() > TRANSACTION_ACTIONS_MAX {
            return Err(StoreError::Refused("too many writes in one transaction".into()));
        }
        let outcome = self.write_where_it_holds(actions, <[usize]>::is_empty)?;
        Ok(if outcome.is_empty() { Transacted::Done } else { Transacted::Failed(outcome) })
    }

    /// Writes what may be written, if that will do: the places of those whose condition does not hold.
    fn write_where_it_holds(
        &self,
        actions: &[Action],
        will_do: impl Fn(&[usize]) -> bool,
    ) -> Result<Vec<usize>, StoreError> {
        different(actions.iter().map(key_of))?;
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let mut lost = Vec::new();
        for (place, action) in actions.iter().enumerate() {
            if !holds(&transaction, action)? {
                lost.push(place);
            }
        }
        if !will_do(&lost) {
            return Ok(lost);
        }
        for (_, action) in actions.iter().enumerate().filter(|(place, _)| !lost.contains(place)) {
            act(&transaction, action)?;
        }
        self.commit(transaction, actions.len())?;
        Ok(lost)
    }

    /// All steps in one transaction, because nobody reads between them: a page of an index that several rows are in is
    /// written once.
    fn write_steps(&self, steps: &[Step]) -> Result<BTreeSet<usize>, StoreError> {
        different(steps.iter().flatten().map(|(_, action)| key_of(action)))?;
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let mut lost = BTreeSet::new();
        for step in steps {
            let mut now = BTreeSet::new();
            for (whose, action) in step.iter().filter(|(whose, _)| !lost.contains(whose)) {
                if holds(&transaction, action)? {
                    act(&transaction, action)?;
                } else {
                    now.insert(*whose);
                }
            }
            lost.append(&mut now);
        }
        self.commit(transaction, steps.iter().map(Vec::len).sum())?;
        Ok(lost)
    }

    fn commit(&self, transaction: Transaction<'_>, writes: usize) -> Result<(), StoreError> {
        transaction.commit().map_err(failed)?;
        if let Some(checkpoints) = &self.checkpoints {
            checkpoints.count(writes);
        }
        Ok(())
    }
}

impl Table for Sqlite {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Row>, StoreError>> {
        Box::pin(async {
            tokio::task::yield_now().await;
            self.one(key)
        })
    }

    fn page<'a>(&'a self, range: &'a Range, start: Option<Item>) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            self.range(range, start.as_ref())
        })
    }

    fn batch<'a>(
        &'a self,
        keys: &'a [Key],
        attributes: &'a [&'static str],
    ) -> BoxFuture<'a, Result<Vec<Row>, StoreError>> {
        Box::pin(async {
            tokio::task::yield_now().await;
            self.some(keys, attributes)
        })
    }

    fn transact<'a>(&'a self, actions: &'a [Action]) -> BoxFuture<'a, Result<Transacted, StoreError>> {
        Box::pin(async {
            tokio::task::yield_now().await;
            self.write(actions)
        })
    }

    fn each<'a>(&'a self, actions: &'a [Action]) -> BoxFuture<'a, Result<Vec<usize>, StoreError>> {
        Box::pin(async {
            tokio::task::yield_now().await;
            self.write_where_it_holds(actions, |_| true)
        })
    }

    fn steps(&self, steps: Vec<Step>) -> BoxFuture<'_, Result<BTreeSet<usize>, StoreError>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            self.write_steps(&steps)
        })
    }
}

/// A connection to a file, which is made if it is not there.
pub(crate) fn open(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path).map_err(cannot_open)?;
    connection.execute_batch(PRAGMAS).map_err(cannot_open)?;
    Ok(connection)
}

/// A connection to a file of this version; a new file becomes one.
fn prepared(connection: Connection) -> Result<Connection, StoreError> {
    let number = |query| connection.query_row(query, (), |row| row.get::<_, i64>(0)).map_err(cannot_open);
    let (version, tables) = (number("PRAGMA user_version")?, number("SELECT count(*) FROM sqlite_master")?);
    match version {
        VERSION => {}
        0 if tables == 0 => {
            let schema = format!("BEGIN; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;");
            connection.execute_batch(&schema).map_err(cannot_open)?;
        }
        _ => {
            let why = "the file was written by another version of Billfold; choose another folder and sync again";
            return Err(StoreError::Engine(why.into()));
        }
    }
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    Ok(connection)
}

fn cannot_open(error: rusqlite::Error) -> StoreError {
    StoreError::Engine(error.to_string())
}

fn failed(error: rusqlite::Error) -> StoreError {
    let passing = [ErrorCode::DatabaseBusy, ErrorCode::DatabaseLocked, ErrorCode::DiskFull, ErrorCode::SystemIoFailure];
    if error.sqlite_error_code().is_some_and(|code| passing.contains(&code)) {
        StoreError::Unavailable(error.into())
    } else {
        StoreError::Refused(error.into())
    }
}

/// DynamoDB takes no row twice, and no empty key.
fn different<'a>(keys: impl Iterator<Item = (&'a str, &'a str)>) -> Result<(), StoreError> {
    let mut known = HashSet::new();
    for key in keys {
        if key.0.is_empty() || key.1.is_empty() {
            return Err(StoreError::Refused("a row without a key".into()));
        }
        if !known.insert(key) {
            return Err(StoreError::Refused(format!("{} {} twice in one request", key.0, key.1).into()));
        }
    }
    Ok(())
}

fn key_of(action: &Action) -> (&str, &str) {
    match action {
        Action::Put(NewRow(item), _) | Action::Set(NewRow(item), _) => {
            (item.text(attribute::PK).unwrap_or_default(), item.text(attribute::SK).unwrap_or_default())
        }
        Action::Delete(key, _) | Action::Check(key, _) => (&key.partition, &key.sort),
    }
}

fn find(statement: &mut Statement<'_>, key: &Key) -> Result<Option<Row>, StoreError> {
    let mut found = statement.query((&key.partition, &key.sort)).map_err(failed)?;
    found.next().map_err(failed)?.map(read).transpose()
}

/// Whether what an action wants of its row is so.
fn holds(connection: &Connection, action: &Action) -> Result<bool, StoreError> {
    let (Action::Put(_, when) | Action::Delete(_, when) | Action::Check(_, when) | Action::Set(_, when)) = action;
    let (name, wanted) = match when {
        When::Always => return Ok(true),
        When::Absent => (attribute::PK, None),
        When::Rev(rev) => (attribute::REV, Some(Value::Number(rev.to_string()))),
        When::Is(name, value) => (*name, Some(value.clone())),
    };
    let mut statement = connection.prepare_cached(ONE_WITHOUT_BODY).map_err(failed)?;
    let mut found = statement.query(key_of(action)).map_err(failed)?;
    let row = found.next().map_err(failed)?.map(read).transpose()?;
    Ok(row.as_ref().and_then(|row| row.0.get(name)) == wanted.as_ref())
}

fn act(connection: &Connection, action: &Action) -> Result<(), StoreError> {
    match action {
        Action::Check(..) => Ok(()),
        Action::Delete(key, _) => {
            let mut statement = connection.prepare_cached(DELETE).map_err(failed)?;
            statement.execute((&key.partition, &key.sort)).map(|_| ()).map_err(failed)
        }
        Action::Put(row, _) => put(connection, &row.0),
        Action::Set(row, _) => {
            let stored = {
                let mut statement = connection.prepare_cached(ONE).map_err(failed)?;
                let mut found = statement.query(key_of(action)).map_err(failed)?;
                found.next().map_err(failed)?.map(read).transpose()?
            };
            let mut item = stored.map_or_else(Item::default, |stored| stored.0);
            for (name, value) in row.0.clone() {
                item.insert(name, value);
            }
            put(connection, &item)
        }
    }
}

fn put(connection: &Connection, item: &Item) -> Result<(), StoreError> {
    if size(item) > ROW_BYTES_MAX {
        return Err(StoreError::Refused(format!("a row of {} bytes is too large", size(item)).into()));
    }
    let text = |name| item.text(name);
    let rev = match item.get(attribute::REV) {
        Some(Value::Number(digits)) => Some(digits.parse::<i64>().map_err(|error| StoreError::Refused(error.into()))?),
        _ => None,
    };
    let more: Vec<(&str, u8, &str)> = item
        .0
        .iter()
        .map(|(name, value)| (name.as_ref(), value))
        .filter(|(name, _)| !COLUMNS.contains(name))
        .map(|(name, value)| match value {
            Value::Text(text) => (name, 0, text.as_str()),
            Value::Number(digits) => (name, 1, digits.as_str()),
            Value::Flag => (name, 2, ""),
        })
        .collect();
    let more = if more.is_empty() { None } else { Some(json(&more)?) };
    let mut statement = connection.prepare_cached(PUT).map_err(failed)?;
    let columns = (
        text(attribute::PK),
        text(attribute::SK),
        rev,
        text(attribute::LIST),
        text(attribute::BY_MRR),
        text(attribute::BY_ARR),
        text(attribute::BY_NAME),
        text(attribute::BODY),
        more,
    );
    statement.execute(columns).map(|_| ()).map_err(failed)
}

fn json(more: &[(&str, u8, &str)]) -> Result<String, StoreError> {
    serde_json::to_string(more).map_err(|error| StoreError::Refused(error.into()))
}

fn read(columns: &rusqlite::Row<'_>) -> Result<Row, StoreError> {
    let mut item = Item::default();
    for (place, name) in COLUMNS.into_iter().enumerate() {
        match columns.get_ref(place).map_err(failed)? {
            ValueRef::Text(text) => {
                let text = std::str::from_utf8(text).map_err(|error| StoreError::Refused(error.into()))?;
                item.insert(name, Value::Text(text.to_owned()));
            }
            ValueRef::Integer(number) => item.insert(name, Value::Number(number.to_string())),
            _ => {}
        }
    }
    let more: Option<String> = columns.get(COLUMNS.len()).optional().map_err(failed)?.flatten();
    if let Some(more) = more {
        let more: Vec<(Cow<'_, str>, u8, Cow<'_, str>)> =
            serde_json::from_str(&more).map_err(|error| StoreError::Refused(error.into()))?;
        for (name, kind, text) in more {
            let text = text.into_owned();
            let value = match kind {
                0 => Value::Text(text),
                1 => Value::Number(text),
                _ => Value::Flag,
            };
            item.insert(name.into_owned(), value);
        }
    }
    Ok(Row(item))
}

/// Bytes of names and values.
fn size(item: &Item) -> usize {
    let bytes = |(name, value): (&str, &Value)| match value {
        Value::Text(text) => name.len().saturating_add(text.len()),
        Value::Number(digits) => name.len().saturating_add(digits.len()),
        Value::Flag => name.len().saturating_add(1),
    };
    item.0.iter().map(|(name, value)| bytes((name.as_ref(), value))).fold(0, usize::saturating_add)
}

/// Where the page after a row begins.
fn place(row: &Row, range: &Range) -> Item {
    let names = [attribute::PK, attribute::SK].into_iter().chain(range.index.map(|(_, sort)| sort));
    let mut place = Item::default();
    for name in names {
        if let Some(value) = row.0.get(name) {
            place.insert(name, value.clone());
        }
    }
    place
}

/// The query of a range, and its bounds in their order.
fn select(range: &Range, sort: &str, start: Option<&Item>) -> (String, Vec<String>) {
    let column = if range.index.is_some() { sort } else { "sk" };
    let partition = if range.index.is_some() { "list" } else { "pk" };
    let mut text = format!("SELECT pk, sk, v, list, sm, sa, sn, j, more FROM rows WHERE {partition} = ?1");
    let mut bounds = vec![range.partition.clone()];
    if range.index.is_some() {
        text.push_str(&format!(" AND {column} IS NOT NULL"));
    }
    let mut bound = |clause: &str, value: String| {
        bounds.push(value);
        text.push_str(&format!(" AND {column} {clause} ?{}", bounds.len()));
    };
    match &range.sort {
        Sorted::All => {}
        Sorted::Prefix(prefix) => {
            bound(">=", prefix.clone());
            // No text that begins with it is above this one.
            bound("<=", format!("{prefix}{}", char::MAX));
        }
        Sorted::Above(after) => bound(">", after.clone()),
        Sorted::Below(before) => bound("<", before.clone()),
        Sorted::Between(first, last) => {
            bound(">=", first.clone());
            bound("<=", last.clone());
        }
    }
    let (beyond, order) = if range.newest_last { (">", "ASC") } else { ("<", "DESC") };
    if let Some(start) = start {
        let mut columns = vec!["pk", "sk"];
        let mut names = vec![attribute::PK, attribute::SK];
        if range.index.is_some() {
            columns.insert(0, column);
            names.insert(0, sort);
        }
        let first = bounds.len().saturating_add(1);
        let marks: Vec<String> = (0..names.len()).map(|n| format!("?{}", first.saturating_add(n))).collect();
        text.push_str(&format!(" AND ({}) {beyond} ({})", columns.join(", "), marks.join(", ")));
        bounds.extend(names.iter().map(|name| start.text(name).unwrap_or_default().to_owned()));
    }
    text.push_str(&format!(" ORDER BY {column} {order}, pk {order}, sk {order}"));
    (text, bounds)
}

#[cfg(test)]
#[path = "sqlite_tests.rs"]
mod tests;

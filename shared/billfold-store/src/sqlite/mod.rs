//! The table in SQLite, in this process: what a laptop has instead of DynamoDB. It promises what DynamoDB promises and
//! refuses what DynamoDB refuses; every test of the store runs on both.
//!
//! A call takes microseconds and is made where it is awaited; before it the others have their turn, because whoever makes
//! many calls would never wait.

mod checkpoints;
mod reading;
mod writing;

use crate::client::{Action, Page, Range, Step, TRANSACTION_ACTIONS_MAX, Table, Transacted};
use crate::error::StoreError;
use crate::item::{Item, NewRow, Row, attribute};
use crate::key::Key;
use checkpoints::{Checkpoints, Shared};
use futures::future::BoxFuture;
use rusqlite::{Connection, ErrorCode};
use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Different statements that are kept ready.
const STATEMENTS_KEPT: usize = 64;

/// The version of the file.
const VERSION: i64 = 2;
/// What is written goes to the log first, and from there into the file by `Checkpoints` and nobody else. A log's file is kept
/// up to 256 MB, because cutting it waits for the disk. Pages beyond 16 MB are the system's to keep: SQLite looks at each that
/// it keeps at nearly every commit (`docs/adr/0009`).
const PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;
    PRAGMA journal_size_limit = 268435456; PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY; PRAGMA busy_timeout = 10000;";
/// Who reads much at once forgets it after each time.
const READER_PRAGMAS: &str = "PRAGMA query_only = ON; PRAGMA cache_size = -2048";

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

/// Turns that others have while a connection is taken, before a thread waits for it.
const TURNS: usize = 4;

/// The table. One connection writes, and reads what is asked for row by row: what one has read another's writing would make
/// it forget. Who reads much at once has another, and waits for nobody who writes.
pub(crate) struct Sqlite {
    connection: Shared,
    reader: Option<Shared>,
    checkpoints: Option<Checkpoints>,
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sqlite")
    }
}

impl Sqlite {
    /// In memory, where there is one connection.
    pub(crate) fn memory() -> Result<Self, StoreError> {
        let connection = prepared(Connection::open_in_memory().map_err(cannot_open)?)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), reader: None, checkpoints: None })
    }

    /// In a file, which is made if it is not there. What is written survives the death of the process at once, and that of
    /// the machine within moments: what a power failure could take, the next sync or the events of Stripe bring back.
    pub(crate) fn file(path: &Path) -> Result<Self, StoreError> {
        let connection = Arc::new(Mutex::new(prepared(open(path)?)?));
        let reader = open(path)?;
        reader.execute_batch(READER_PRAGMAS).map_err(cannot_open)?;
        let reader = Arc::new(Mutex::new(reader));
        let checkpoints = Some(Checkpoints::start(path, Arc::clone(&connection), Arc::clone(&reader))?);
        Ok(Self { connection, reader: Some(reader), checkpoints })
    }

    async fn connection(&self) -> MutexGuard<'_, Connection> {
        turn(&self.connection).await
    }

    /// So much was written.
    fn count(&self, writes: usize) {
        if let Some(checkpoints) = &self.checkpoints {
            checkpoints.count(writes);
        }
    }
}

/// A connection that nobody else has, after the others had their turn.
async fn turn(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
        if let Ok(free) = connection.try_lock() {
            return free;
        }
    }
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Table for Sqlite {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Row>, StoreError>> {
        Box::pin(async { reading::one(&*self.connection().await, (&key.partition, &key.sort)) })
    }

    fn page<'a>(&'a self, range: &'a Range, start: Option<Item>) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move { reading::page(&*self.connection().await, range, start.as_ref()) })
    }

    fn pages<'a>(&'a self, ranges: &'a [Range]) -> BoxFuture<'a, Result<Vec<Page>, StoreError>> {
        let reader = self.reader.as_ref().unwrap_or(&self.connection);
        Box::pin(async { reading::pages(&mut *turn(reader).await, ranges) })
    }

    fn batch<'a>(
        &'a self,
        keys: &'a [Key],
        attributes: &'a [&'static str],
    ) -> BoxFuture<'a, Result<Vec<Row>, StoreError>> {
        Box::pin(async { reading::some(&*self.connection().await, keys, attributes) })
    }

    fn transact<'a>(&'a self, actions: &'a [Action]) -> BoxFuture<'a, Result<Transacted, StoreError>> {
        Box::pin(async {
            if actions.len() > TRANSACTION_ACTIONS_MAX {
                return Err(StoreError::Refused("too many writes in one transaction".into()));
            }
            let lost = writing::write(&mut *self.connection().await, actions, <[usize]>::is_empty)?;
            if !lost.is_empty() {
                return Ok(Transacted::Failed(lost));
            }
            self.count(actions.len());
            Ok(Transacted::Done)
        })
    }

    fn each<'a>(&'a self, actions: &'a [Action]) -> BoxFuture<'a, Result<Vec<usize>, StoreError>> {
        Box::pin(async {
            let lost = writing::write(&mut *self.connection().await, actions, |_| true)?;
            self.count(actions.len());
            Ok(lost)
        })
    }

    fn steps(&self, steps: Vec<Step>) -> BoxFuture<'_, Result<BTreeSet<usize>, StoreError>> {
        Box::pin(async move {
            let lost = writing::write_steps(&mut *self.connection().await, &steps)?;
            self.count(steps.iter().map(Vec::len).sum());
            Ok(lost)
        })
    }
}

/// A connection to a file, which is made if it is not there.
fn open(path: &Path) -> Result<Connection, StoreError> {
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

#[cfg(test)]
mod tests;

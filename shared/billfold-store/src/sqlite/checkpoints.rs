//! The log of SQLite, emptied beside whoever writes: what it has goes into the file, which waits for the disk.
//!
//! A log begins anew only when all of it is in the file and nobody has written since. Under a load that never comes by
//! itself. So a long log is caught up with, and only for the little that is left then does everybody wait.
//!
//! Nobody else may empty it: until 3.51.3 SQLite loses writes if a log begins anew in the moment in which another connection
//! begins to empty it. It cannot, because before each pass something is written that the file has not.

use super::open;
use crate::error::StoreError;
use rusqlite::Connection;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Writes after which the log is worth being emptied.
const WRITES: usize = 10_000;
/// Pages of a log that has to begin anew: 128 MB.
const LONG: u64 = 32_768;
/// Pages that everybody waits for: 8 MB.
const LITTLE: u64 = 2_048;
/// How often a log is caught up with. Whoever writes faster than it is emptied waits for more.
const PASSES_MAX: u32 = 8;
/// Writes a page as it is.
const WRITE_NOTHING: &str = "PRAGMA application_id = 0";
const PASS: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// A connection of which one has the use at a time.
pub(super) type Shared = Arc<Mutex<Connection>>;

/// Empties the log, in a thread that ends with the table.
pub(super) struct Checkpoints {
    due: SyncSender<()>,
    writes: AtomicUsize,
}

impl Checkpoints {
    /// Of the log of the file; `writer` is what everybody writes with, `reader` what is read with beside it.
    pub(super) fn start(path: &Path, writer: Shared, reader: Shared) -> Result<Self, StoreError> {
        let log = Log::of(path, writer, reader)?;
        let (due, dues) = mpsc::sync_channel::<()>(1);
        let empty = move || {
            while dues.recv().is_ok() {
                if let Err(error) = log.empty(LONG) {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "the log of the store could not be emptied; it is tried again");
                }
            }
        };
        let started = std::thread::Builder::new().name("checkpoints".into()).spawn(empty);
        started.map_err(|error| StoreError::Engine(error.to_string()))?;
        Ok(Self { due, writes: AtomicUsize::new(0) })
    }

    /// So much was written.
    pub(super) fn count(&self, writes: usize) {
        if self.writes.fetch_add(writes, Ordering::Relaxed).saturating_add(writes) >= WRITES {
            self.writes.store(0, Ordering::Relaxed);
            // One that is under way, or that nobody does any more, is as good.
            self.due.try_send(()).ok();
        }
    }
}

/// Why a log was not emptied.
#[derive(Debug, thiserror::Error)]
enum NotEmptied {
    #[error("SQLite")]
    Sqlite(#[from] rusqlite::Error),
    #[error("the disk")]
    Disk(#[from] std::io::Error),
}

/// A log, and what is needed to empty it. The file comes last: whoever closes it gives up the locks of every connection.
struct Log {
    connection: Connection,
    writer: Shared,
    reader: Shared,
    file: File,
}

impl Log {
    fn of(path: &Path, writer: Shared, reader: Shared) -> Result<Self, StoreError> {
        let connection = open(path)?;
        let file = File::options().read(true).write(true).open(path);
        let file = file.map_err(|error| StoreError::Engine(error.to_string()))?;
        Ok(Self { connection, writer, reader, file })
    }

    /// Puts what the log has into the file; a log of at least so many pages begins anew after it.
    fn empty(&self, long: u64) -> Result<(), NotEmptied> {
        let mut done = self.pass()?;
        if done < long {
            return Ok(());
        }
        for _ in 0..PASSES_MAX {
            // Else the disk would be waited for at the end, by everybody.
            self.file.sync_data()?;
            let before = std::mem::replace(&mut done, self.pass()?);
            // As much as has come meanwhile is what comes until the next pass.
            if done.saturating_sub(before) <= LITTLE {
                break;
            }
        }
        // What somebody has begun to read stays in the log until it is read.
        let _nobody_writes = alone(&self.writer);
        let _nobody_reads = alone(&self.reader);
        pages_in_file(&self.connection)?;
        Ok(())
    }

    /// Puts into the file what is in the log at this moment, while others write: how many of its pages are there now.
    fn pass(&self) -> Result<u64, NotEmptied> {
        alone(&self.writer).execute_batch(WRITE_NOTHING)?;
        Ok(pages_in_file(&self.connection)?)
    }
}

fn alone(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pages_in_file(log: &Connection) -> rusqlite::Result<u64> {
    let pages: i64 = log.query_row(PASS, (), |row| row.get(2))?;
    Ok(u64::try_from(pages).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    fn log(path: &Path) -> Log {
        let writer = open(path).unwrap();
        writer.execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT)").unwrap();
        let [writer, reader] = [writer, open(path).unwrap()].map(|connection| Arc::new(Mutex::new(connection)));
        Log::of(path, writer, reader).unwrap()
    }

    fn write(writer: &Mutex<Connection>, rows: u32) {
        for _ in 0..rows {
            let connection = writer.lock().unwrap();
            connection.execute("INSERT INTO t (text) VALUES (?1)", ["x".repeat(3000)]).unwrap();
        }
    }

    /// How often the log has begun anew, as its header says.
    fn begun(path: &Path) -> u32 {
        let header = std::fs::read(path.with_extension("db-wal")).unwrap();
        u32::from_be_bytes(header[12..16].try_into().unwrap())
    }

    #[test]
    fn a_long_log_begins_anew_although_nobody_pauses() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.db");
        let (log, done) = (log(&path), AtomicBool::new(false));
        write(&log.writer, 200);
        let before = begun(&path);
        let written = std::thread::scope(|scope| {
            let (writer, reader, done) = (&*log.writer, &*log.reader, &done);
            scope.spawn(move || {
                while !done.load(Ordering::SeqCst) {
                    let mut reader = reader.lock().unwrap();
                    let moment = reader.transaction().unwrap();
                    let count = || moment.query_row("SELECT count(*) FROM t", (), |row| row.get::<_, i64>(0)).unwrap();
                    assert_eq!(count(), count());
                }
            });
            let writing = scope.spawn(move || {
                let mut written = 200;
                while !done.load(Ordering::SeqCst) {
                    write(writer, 1);
                    written += 1;
                }
                written
            });
            log.empty(100).unwrap();
            done.store(true, Ordering::SeqCst);
            writing.join().unwrap()
        });
        write(&log.writer, 1);
        assert!(begun(&path) > before);
        let rows: i64 = alone(&log.writer).query_row("SELECT count(*) FROM t", (), |row| row.get(0)).unwrap();
        assert_eq!(rows, written + 1);
    }

    /// A log of which all is in the file could begin anew while the next pass begins.
    #[test]
    fn before_each_pass_there_is_something_that_the_file_has_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.db");
        let log = log(&path);
        write(&log.writer, 1);
        log.pass().unwrap();
        for _ in 0..3 {
            let before = begun(&path);
            log.pass().unwrap();
            assert_eq!(begun(&path), before + 1);
        }
    }
}

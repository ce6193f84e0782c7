//! The store in one process: a table in SQLite.

use crate::gate::Gated;
pub use crate::gate::{Fate, Gate};
use crate::sqlite::Sqlite;
use crate::{Store, StoreError};
use std::path::Path;
use std::sync::Arc;

/// Opens an empty store in memory.
///
/// # Errors
/// [`StoreError`] if it cannot be made.
#[expect(clippy::unused_async, reason = "every store is opened in the same way")]
pub async fn memory() -> Result<Store, StoreError> {
    Ok(Store::on(Sqlite::memory()?))
}

/// Opens the store in a file, making it if it is not there. One process at a time: the caller locks the folder.
///
/// # Errors
/// [`StoreError`] if the file cannot be opened or is not such a store.
#[expect(clippy::unused_async, reason = "every store is opened in the same way")]
pub async fn file(path: &Path) -> Result<Store, StoreError> {
    Ok(Store::on(Sqlite::file(path)?))
}

/// The same store, whose requests pass a gate. For one purpose: tests of crashes and of trouble at each call.
#[doc(hidden)]
#[must_use]
pub fn behind(gate: Gate, store: &Store) -> Store {
    Store::on(Gated { table: Arc::clone(store.table()), gate })
}

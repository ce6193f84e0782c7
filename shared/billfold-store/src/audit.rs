//! The audit trail: rows that are written once and never changed, the newest first. Erasing a workspace takes them all but
//! those that say that it was erased.

use crate::client::{Range, Sorted, Store, When, Write};
use crate::error::StoreError;
use crate::item::{NewRow, Row, attribute};
use crate::key::{self, Key};
use billfold_core::audit::{Action, Entry};
use billfold_core::id::WorkspaceId;
use jiff::Timestamp;

impl Store {
    /// The id of an entry: entries of later moments sort before it, and of one millisecond by their place in it.
    #[must_use]
    pub fn audit_id(at: Timestamp, place: u64) -> String {
        key::audit_sort(at, place)
    }

    /// The write of an entry, for the transaction of what it tells.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if it cannot be written as JSON.
    pub fn audit_write(ws: &WorkspaceId, entry: &Entry) -> Result<Write, StoreError> {
        let row = NewRow::new(&key::audit(ws, &entry.id), entry)?;
        let stays = entry.deed.action == Action::Erased;
        Ok(Write::put(if stays { row.flag(attribute::STAYS) } else { row }, When::Always))
    }

    /// Entries, newest first, from behind one on.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn audit(&self, ws: &WorkspaceId, after: Option<&str>, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let range = Range {
            sort: after.map_or(Sorted::All, |after| Sorted::Above(after.to_owned())),
            limit: Some(i32::try_from(limit).unwrap_or(i32::MAX)),
            ..Range::all(key::audit_partition(ws))
        };
        self.query_page(&range, None).await?.0.iter().map(Row::body).collect()
    }

    /// Erases the trail but for what stays; how many rows that were.
    ///
    /// # Errors
    /// [`StoreError`] of the store; calling again goes on.
    pub async fn erase_audit(&self, ws: &WorkspaceId) -> Result<u64, StoreError> {
        let partition = key::audit_partition(ws);
        let rows = self.query(&Range::all(partition.clone())).await?;
        let goes = rows.iter().filter(|row| !row.has(attribute::STAYS));
        let keys = goes.map(|row| Key { partition: partition.clone(), sort: row.sort_key().to_owned() });
        self.delete_keys(keys.collect()).await
    }
}

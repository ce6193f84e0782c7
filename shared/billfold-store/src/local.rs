//! Rows of the embedded queue and vault: named partitions of plain rows, beside the billing state in the same file.

use crate::client::{Range, Sorted, Store, Transacted, When, Write};
use crate::error::StoreError;
use crate::item::{NewRow, attribute};
use crate::key;

/// A partition of plain rows.
#[derive(Debug, Clone)]
pub struct LocalRows {
    store: Store,
    name: &'static str,
}

/// A plain row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalRow {
    /// Its sort key.
    pub key: String,
    /// Its text.
    pub body: String,
}

impl Store {
    /// The partition of a name.
    #[must_use]
    pub fn local_rows(&self, name: &'static str) -> LocalRows {
        LocalRows { store: self.clone(), name }
    }
}

impl LocalRows {
    /// Writes rows, all or nothing for each hundred.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn put(&self, rows: &[LocalRow]) -> Result<(), StoreError> {
        for some in rows.chunks(crate::client::TRANSACTION_ACTIONS_MAX) {
            let put = |row: &LocalRow| {
                let item = NewRow::bare(&key::local(self.name, &row.key)).body(row.body.clone());
                Write::put(item, When::Always)
            };
            self.store.write_all(some.iter().map(put).collect()).await?;
        }
        Ok(())
    }

    /// One row.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn get(&self, key: &str) -> Result<Option<String>, StoreError> {
        let row = self.store.get(&key::local(self.name, key)).await?;
        row.map(|row| row.body_text().map(str::to_owned)).transpose()
    }

    /// Rows whose key is below a bound, lowest first.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn below(&self, bound: &str, limit: i32) -> Result<Vec<LocalRow>, StoreError> {
        self.range(Sorted::Below(bound.to_owned()), Some(limit)).await
    }

    /// All rows, lowest key first.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn all(&self) -> Result<Vec<LocalRow>, StoreError> {
        self.range(Sorted::All, None).await
    }

    async fn range(&self, sort: Sorted, limit: Option<i32>) -> Result<Vec<LocalRow>, StoreError> {
        let partition = key::local(self.name, "").partition;
        let range = Range { sort, limit, ..Range::all(partition) };
        let rows = match limit {
            Some(_) => self.store.query_page(&range, None).await?.0,
            None => self.store.query(&range).await?,
        };
        let plain = |row: &crate::item::Row| {
            let body = row.body_text()?.to_owned();
            Ok(LocalRow { key: row.text(attribute::SK).unwrap_or_default().to_owned(), body })
        };
        rows.iter().map(plain).collect()
    }

    /// Gives a row another key, if it is still there; `false` if it is not.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn rename(&self, row: &LocalRow, to: &str) -> Result<bool, StoreError> {
        let from = key::local(self.name, &row.key);
        let there = When::Is(attribute::SK, aws_sdk_dynamodb::types::AttributeValue::S(row.key.clone()));
        let item = NewRow::bare(&key::local(self.name, to)).body(row.body.clone());
        let writes = vec![Write::delete(from, there), Write::put(item, When::Always)];
        match self.store.transact(writes).await? {
            Transacted::Done => Ok(true),
            Transacted::Failed(_) => Ok(false),
        }
    }

    /// Deletes a row; one that is not there is no error.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.store.write(Write::delete(key::local(self.name, key), When::Always)).await
    }
}

//! Rows of the embedded queue and vault: named partitions of plain rows, beside the billing state in the same file.

use crate::client::{Range, Sorted, Store, Transacted, When, Write};
use crate::error::StoreError;
use crate::item::{NewRow, Value, attribute};
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

    /// Rows whose key is above a bound, lowest first; fewer than `limit` if they are large.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn above(&self, bound: &str, limit: i32) -> Result<Vec<LocalRow>, StoreError> {
        self.range(Sorted::Above(bound.to_owned()), Some(limit)).await
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
        let there = When::Is(attribute::SK, Value::Text(row.key.clone()));
        let item = NewRow::bare(&key::local(self.name, to)).body(row.body.clone());
        let writes = vec![Write::delete(from, there), Write::put(item, When::Always)];
        match self.store.transact(writes).await? {
            Transacted::Done => Ok(true),
            Transacted::Failed(_) => Ok(false),
        }
    }

    /// Writes rows and deletes others, all or nothing for each hundred; one that is not there is no error.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn change(&self, gone: &[String], new: Vec<LocalRow>) -> Result<(), StoreError> {
        let put = |row: LocalRow| {
            let item = NewRow::bare(&key::local(self.name, &row.key)).body(row.body);
            Write::put(item, When::Always)
        };
        let delete = |key: &String| Write::delete(key::local(self.name, key), When::Always);
        // What is new first: whoever is stopped between two hundreds has something twice, and nothing not at all.
        let mut writes: Vec<Write> = new.into_iter().map(put).chain(gone.iter().map(delete)).collect();
        while !writes.is_empty() {
            let some = writes.drain(..writes.len().min(crate::client::TRANSACTION_ACTIONS_MAX)).collect();
            self.store.write_all(some).await?;
        }
        Ok(())
    }

    /// Deletes a row; one that is not there is no error.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.store.write(Write::delete(key::local(self.name, key), When::Always)).await
    }
}

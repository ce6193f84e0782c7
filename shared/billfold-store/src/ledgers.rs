//! Ledgers: one row an account, beside where the account stands, in partitions of their own so that a summary reads
//! nothing else. A text that would outgrow a row goes on in further rows.

use crate::accounts::{AccountRows, Versioned, next_rev};
use crate::client::{Range, Store, When, Write};
use crate::error::StoreError;
use crate::item::{Item, NewRow, Row, attribute};
use crate::key;
use billfold_core::id::{AccountId, WorkspaceId};
use billfold_core::ledger::{Ledger, Position};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of text in one row: DynamoDB takes 400 KB, names and keys included.
const PART_BYTES_MAX: usize = 300_000;

/// An account's ledger, and where the account stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerRow {
    /// Where it stands.
    pub position: Position,
    /// How it came there.
    pub ledger: Ledger,
}

/// Some ledgers of a shard.
#[derive(Debug)]
pub struct LedgerPage {
    /// The ledgers.
    pub rows: Vec<LedgerRow>,
    next: Option<Item>,
    /// The parts of a ledger that goes on in the next page.
    rest: String,
}

impl LedgerPage {
    /// Before the first page.
    #[must_use]
    pub fn first() -> Self {
        Self { rows: Vec::new(), next: Some(Item::default()), rest: String::new() }
    }

    /// True when there is another page.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        self.next.is_some()
    }
}

impl Versioned<LedgerRow> {
    /// The writes that take it away, all its parts.
    pub(crate) fn delete(&self, ws: &WorkspaceId, id: &AccountId) -> Vec<Write> {
        let parts = serde_json::to_string(&self.row).map_or(1, |text| cut(&text).len());
        let when = |part| if part == 0 { When::Rev(self.rev) } else { When::Always };
        (0..parts).map(|part| Write::delete(key::ledger(ws, id, part), when(part))).collect()
    }
}

impl AccountRows {
    /// The writes that replace its ledger.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if it cannot be written as JSON.
    pub fn put_ledger(&self, ws: &WorkspaceId, id: &AccountId, row: &LedgerRow) -> Result<Vec<Write>, StoreError> {
        let head = key::ledger(ws, id, 0);
        let text = serde_json::to_string(row).map_err(|error| StoreError::corrupt(head.to_string(), error))?;
        let (parts, before) = (cut(&text), self.ledger.as_ref());
        let had = before.map_or(0, |before| before.delete(ws, id).len());
        let mut writes = Vec::with_capacity(parts.len().max(had));
        for (n, part) in parts.iter().enumerate() {
            let row = NewRow::bare(&key::ledger(ws, id, n)).body((*part).to_owned());
            writes.push(match n {
                0 => next_rev(row.number(PARTS, parts.len()), Versioned::rev(before)),
                _ => Write::put(row, When::Always),
            });
        }
        let left_over = (parts.len()..had).map(|n| Write::delete(key::ledger(ws, id, n), When::Always));
        writes.extend(left_over);
        Ok(writes)
    }
}

/// How many rows the text has, on the first of them.
const PARTS: &str = "parts";

/// Pieces of a text that each fit into a row.
fn cut(text: &str) -> Vec<&str> {
    let mut rest = text;
    let mut parts = Vec::new();
    while rest.len() > PART_BYTES_MAX {
        let (part, more) = rest.split_at(rest.floor_char_boundary(PART_BYTES_MAX));
        parts.push(part);
        rest = more;
    }
    parts.push(rest);
    parts
}

impl Store {
    /// The ledgers of those accounts that have one.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn ledgers(
        &self,
        ws: &WorkspaceId,
        accounts: &BTreeSet<AccountId>,
    ) -> Result<BTreeMap<AccountId, Versioned<LedgerRow>>, StoreError> {
        let keys: Vec<_> = accounts.iter().map(|id| key::ledger(ws, id, 0)).collect();
        let rows = self.batch_get(&keys, &[attribute::BODY, attribute::REV, PARTS]).await?;
        let heads: BTreeMap<&str, &Row> = rows.iter().map(|row| (row.sort_key(), row)).collect();
        let mut found = BTreeMap::new();
        for (id, key) in accounts.iter().zip(&keys) {
            let Some(head) = heads.get(key.sort.as_str()) else { continue };
            let ledger = if head.number(PARTS).is_some_and(|parts| parts > 1) {
                self.ledger(ws, id).await?
            } else {
                Some(Versioned { row: head.body()?, rev: head.rev() })
            };
            found.extend(ledger.map(|ledger| (id.clone(), ledger)));
        }
        Ok(found)
    }

    /// The ledger of an account, if it has one.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn ledger(
        &self,
        ws: &WorkspaceId,
        account: &AccountId,
    ) -> Result<Option<Versioned<LedgerRow>>, StoreError> {
        let range = Range::prefix(key::ledger(ws, account, 0).partition, key::ledger_prefix(account));
        let rows = self.query(&range).await?;
        let Some(head) = rows.first() else { return Ok(None) };
        let text: String = rows.iter().map(Row::body_text).collect::<Result<Vec<_>, _>>()?.concat();
        let row = serde_json::from_str(&text).map_err(|error| StoreError::corrupt(head.name(), error))?;
        Ok(Some(Versioned { row, rev: head.rev() }))
    }

    /// The next ledgers of a shard.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn next_ledgers(
        &self,
        ws: &WorkspaceId,
        shard: u8,
        before: LedgerPage,
    ) -> Result<LedgerPage, StoreError> {
        let range = Range::all(key::ledgers_partition(ws, shard));
        let start = before.next.filter(|start| !start.is_empty());
        let (found, next) = self.query_page(&range, start).await?;
        let mut page = LedgerPage { rows: Vec::with_capacity(found.len()), next, rest: before.rest };
        let mut found = found.iter().peekable();
        while let Some(row) = found.next() {
            page.rest.push_str(row.body_text()?);
            // A ledger is whole when the next row begins another, or there is none.
            let goes_on = match found.peek() {
                Some(next) => next.number(PARTS).is_none(),
                None => page.next.is_some() && is_unfinished(&page.rest),
            };
            if !goes_on {
                let read = serde_json::from_str(&page.rest).map_err(|e| StoreError::corrupt(row.name(), e))?;
                page.rows.push(read);
                page.rest.clear();
            }
        }
        Ok(page)
    }
}

/// Whether a text is the beginning of a JSON document and not all of it.
fn is_unfinished(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_err_and(|error| error.is_eof())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_where_no_character_is() {
        assert_eq!(cut(""), [""]);
        assert_eq!(cut("abc"), ["abc"]);
        let long = "é".repeat(PART_BYTES_MAX);
        let parts = cut(&long);
        assert!(parts.len() > 1 && parts.iter().all(|part| part.len() <= PART_BYTES_MAX));
        assert_eq!(parts.concat(), long);
    }

    #[test]
    fn a_document_that_goes_on_is_told_from_one_that_ends() {
        assert!(is_unfinished(r#"{"a": [1, 2"#));
        assert!(!is_unfinished(r#"{"a": [1, 2]}"#));
    }
}

//! Rows as they are: by their keys, and ranges of them.

use super::{COLUMNS, different, failed};
use crate::client::{BATCH_KEYS_MAX, Page, Range, Sorted};
use crate::error::StoreError;
use crate::item::{Item, Row, Value, attribute};
use crate::key::Key;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, Statement, ToSql};
use std::borrow::Cow;

/// Bytes of rows in a page, as in DynamoDB.
const PAGE_BYTES: usize = 1024 * 1024;

const ONE: &str = "SELECT pk, sk, v, list, sm, sa, sn, j, more FROM rows WHERE pk = ?1 AND sk = ?2";
const ONE_WITHOUT_BODY: &str = "SELECT pk, sk, v, list, sm, sa, sn, NULL, more FROM rows WHERE pk = ?1 AND sk = ?2";

/// One row.
pub(super) fn one(connection: &Connection, key: (&str, &str)) -> Result<Option<Row>, StoreError> {
    let mut statement = connection.prepare_cached(ONE).map_err(failed)?;
    find(&mut statement, key)
}

/// One row, and of its body nothing.
pub(super) fn one_without_body(connection: &Connection, key: (&str, &str)) -> Result<Option<Row>, StoreError> {
    let mut statement = connection.prepare_cached(ONE_WITHOUT_BODY).map_err(failed)?;
    find(&mut statement, key)
}

/// Different rows, with their bodies if these are among the attributes.
pub(super) fn some(connection: &Connection, keys: &[Key], attributes: &[&str]) -> Result<Vec<Row>, StoreError> {
    if keys.len() > BATCH_KEYS_MAX {
        return Err(StoreError::Refused("too many keys in one batch".into()));
    }
    let keys = || keys.iter().map(|key| (key.partition.as_str(), key.sort.as_str()));
    different(keys())?;
    let text = if attributes.contains(&attribute::BODY) { ONE } else { ONE_WITHOUT_BODY };
    let mut statement = connection.prepare_cached(text).map_err(failed)?;
    keys().filter_map(|key| find(&mut statement, key).transpose()).collect()
}

/// The first page of each range, all of one moment.
pub(super) fn pages(connection: &mut Connection, ranges: &[Range]) -> Result<Vec<Page>, StoreError> {
    let moment = connection.transaction().map_err(failed)?;
    ranges.iter().map(|range| page(&moment, range, None)).collect()
}

/// One page of a range.
pub(super) fn page(connection: &Connection, range: &Range, start: Option<&Item>) -> Result<Page, StoreError> {
    let sort = range.index.map_or(attribute::SK, |(_, sort)| sort);
    let (text, bounds) = select(range, sort, start);
    let bounds: Vec<&dyn ToSql> = bounds.iter().map(|bound| bound as &dyn ToSql).collect();
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

fn find(statement: &mut Statement<'_>, key: (&str, &str)) -> Result<Option<Row>, StoreError> {
    let mut found = statement.query(key).map_err(failed)?;
    found.next().map_err(failed)?.map(read).transpose()
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
pub(super) fn size(item: &Item) -> usize {
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

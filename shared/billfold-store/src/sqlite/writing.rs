//! Rows that are written where their conditions hold.

use super::reading::{one, one_without_body, size};
use super::{COLUMNS, different, failed, key_of};
use crate::client::{Action, Step, When};
use crate::error::StoreError;
use crate::item::{Item, Value, attribute};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::collections::BTreeSet;

/// The most bytes of a row, as in DynamoDB: names and values.
const ROW_BYTES_MAX: usize = 400 * 1024;

const PUT: &str = "
    INSERT INTO rows (pk, sk, v, list, sm, sa, sn, j, more) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
    ON CONFLICT (pk, sk) DO UPDATE SET v = excluded.v, list = excluded.list, sm = excluded.sm, sa = excluded.sa,
        sn = excluded.sn, j = excluded.j, more = excluded.more";
const PUT_NEW: &str = "
    INSERT INTO rows (pk, sk, v, list, sm, sa, sn, j, more) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
    ON CONFLICT (pk, sk) DO NOTHING";
const PUT_OVER: &str = "
    UPDATE rows SET v = ?3, list = ?4, sm = ?5, sa = ?6, sn = ?7, j = ?8, more = ?9
    WHERE pk = ?1 AND sk = ?2 AND v = ?10";
const DELETE: &str = "DELETE FROM rows WHERE pk = ?1 AND sk = ?2";
const DELETE_OF: &str = "DELETE FROM rows WHERE pk = ?1 AND sk = ?2 AND v = ?3";

/// Writes what may be written, if that will do: the places of those whose condition does not hold.
pub(super) fn write(
    connection: &mut Connection,
    actions: &[Action],
    will_do: impl Fn(&[usize]) -> bool,
) -> Result<Vec<usize>, StoreError> {
    different(actions.iter().map(key_of))?;
    let transaction = begin(connection)?;
    let mut lost = Vec::new();
    // All rows are different: no action has a part in the condition of another.
    for (place, action) in actions.iter().enumerate() {
        if !act(&transaction, action)? {
            lost.push(place);
        }
    }
    if will_do(&lost) {
        transaction.commit().map_err(failed)?;
    }
    Ok(lost)
}

/// All steps in one transaction, because nobody reads between them: a page of an index that several rows are in is
/// written once.
pub(super) fn write_steps(connection: &mut Connection, steps: &[Step]) -> Result<BTreeSet<usize>, StoreError> {
    different(steps.iter().flatten().map(|(_, action)| key_of(action)))?;
    let transaction = begin(connection)?;
    let mut lost = BTreeSet::new();
    for step in steps {
        let mut now = BTreeSet::new();
        for (whose, action) in step.iter().filter(|(whose, _)| !lost.contains(whose)) {
            if !act(&transaction, action)? {
                now.insert(*whose);
            }
        }
        lost.append(&mut now);
    }
    transaction.commit().map_err(failed)?;
    Ok(lost)
}

fn begin(connection: &mut Connection) -> Result<Transaction<'_>, StoreError> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)
}

/// Does what an action says, if its condition holds; whether it does.
fn act(connection: &Connection, action: &Action) -> Result<bool, StoreError> {
    match action {
        Action::Check(_, when) => holds(connection, key_of(action), when),
        Action::Put(row, when) => put(connection, &row.0, when),
        Action::Set(row, when) => {
            let key = key_of(action);
            if !holds(connection, key, when)? {
                return Ok(false);
            }
            let mut item = one(connection, key)?.map_or_else(Item::default, |stored| stored.0);
            for (name, value) in row.0.clone() {
                item.insert(name, value);
            }
            put(connection, &item, &When::Always)
        }
        Action::Delete(_, when) => delete(connection, key_of(action), when),
    }
}

/// Whether a row is as it has to be.
fn holds(connection: &Connection, key: (&str, &str), when: &When) -> Result<bool, StoreError> {
    let (name, wanted) = match when {
        When::Always => return Ok(true),
        When::Absent => (attribute::PK, None),
        When::Rev(rev) => (attribute::REV, Some(Value::Number(rev.to_string()))),
        When::Is(name, value) => (*name, Some(value.clone())),
    };
    let row = one_without_body(connection, key)?;
    Ok(row.as_ref().and_then(|row| row.0.get(name)) == wanted.as_ref())
}

fn delete(connection: &Connection, key: (&str, &str), when: &When) -> Result<bool, StoreError> {
    if let When::Rev(rev) = when {
        let mut statement = connection.prepare_cached(DELETE_OF).map_err(failed)?;
        return statement.execute((key.0, key.1, number(*rev)?)).map(|deleted| deleted > 0).map_err(failed);
    }
    let may = holds(connection, key, when)?;
    if may {
        connection.prepare_cached(DELETE).map_err(failed)?.execute(key).map_err(failed)?;
    }
    Ok(may)
}

fn put(connection: &Connection, item: &Item, when: &When) -> Result<bool, StoreError> {
    if size(item) > ROW_BYTES_MAX {
        return Err(StoreError::Refused(format!("a row of {} bytes is too large", size(item)).into()));
    }
    let text = |name| item.text(name);
    let (pk, sk) = (text(attribute::PK).unwrap_or_default(), text(attribute::SK).unwrap_or_default());
    let (statement, over) = match when {
        When::Always => (PUT, None),
        When::Absent => (PUT_NEW, None),
        When::Rev(rev) => (PUT_OVER, Some(number(*rev)?)),
        When::Is(..) if holds(connection, (pk, sk), when)? => (PUT, None),
        When::Is(..) => return Ok(false),
    };
    let rev = match item.get(attribute::REV) {
        Some(Value::Number(digits)) => Some(digits.parse::<i64>().map_err(|error| StoreError::Refused(error.into()))?),
        _ => None,
    };
    let (sm, sa, sn) = (text(attribute::BY_MRR), text(attribute::BY_ARR), text(attribute::BY_NAME));
    let (list, body, more) = (text(attribute::LIST), text(attribute::BODY), more(item)?);
    let mut statement = connection.prepare_cached(statement).map_err(failed)?;
    let written = match over {
        None => statement.execute((pk, sk, rev, list, sm, sa, sn, body, more)),
        Some(over) => statement.execute((pk, sk, rev, list, sm, sa, sn, body, more, over)),
    };
    written.map(|rows| rows > 0).map_err(failed)
}

/// A revision as its column has it.
fn number(rev: u64) -> Result<i64, StoreError> {
    i64::try_from(rev).map_err(|error| StoreError::Refused(error.into()))
}

/// What has no column, as JSON; nothing if there is none.
fn more(item: &Item) -> Result<Option<String>, StoreError> {
    let attributes = item.0.iter().map(|(name, value)| (name.as_ref(), value));
    let more: Vec<(&str, u8, &str)> = attributes
        .filter(|(name, _)| !COLUMNS.contains(name))
        .map(|(name, value)| match value {
            Value::Text(text) => (name, 0, text.as_str()),
            Value::Number(digits) => (name, 1, digits.as_str()),
            Value::Flag => (name, 2, ""),
        })
        .collect();
    if more.is_empty() {
        return Ok(None);
    }
    serde_json::to_string(&more).map(Some).map_err(|error| StoreError::Refused(error.into()))
}

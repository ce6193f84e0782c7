//! The few calls to DynamoDB that everything else is made of.

use crate::error::{StoreError, from_sdk};
use crate::item::{Item, NewRow, Row, attribute};
use crate::key::Key;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ConditionCheck, Delete, KeysAndAttributes, Put, TransactWriteItem, Update,
};
use std::collections::HashMap;
use std::time::Duration;

/// The most actions of a transaction.
pub(crate) const TRANSACTION_ACTIONS_MAX: usize = 100;

/// How often a transaction that collided is tried again.
const COLLISIONS_MAX: u32 = 7;

/// The most keys of a batch of reads.
const BATCH_KEYS_MAX: usize = 100;

/// The billing state.
#[derive(Debug, Clone)]
pub struct Store {
    client: Client,
    table: String,
}

/// What must hold of a row for a write to happen.
#[derive(Debug, Clone)]
pub(crate) enum When {
    /// Anything.
    Always,
    /// The row is not there.
    Absent,
    /// The row is there in this revision.
    Rev(u64),
    /// The row has an attribute with this value.
    Is(&'static str, AttributeValue),
}

/// One write of a transaction.
#[derive(Debug, Clone)]
pub struct Write(pub(crate) Action);

#[derive(Debug, Clone)]
pub(crate) enum Action {
    Put(NewRow, When),
    Delete(Key, When),
    Check(Key, When),
    /// Sets some attributes of a row and leaves the others.
    Set(NewRow, When),
}

impl Write {
    pub(crate) fn put(row: NewRow, when: When) -> Self {
        Self(Action::Put(row, when))
    }

    /// The same put with one more number; nothing else can take one.
    pub(crate) fn number(self, name: &str, number: i64) -> Self {
        match self.0 {
            Action::Put(row, when) => Self(Action::Put(row.number(name, number), when)),
            other => Self(other),
        }
    }

    pub(crate) fn delete(key: Key, when: When) -> Self {
        Self(Action::Delete(key, when))
    }

    pub(crate) fn check(key: Key, when: When) -> Self {
        Self(Action::Check(key, when))
    }
}

/// A range of sort keys of a partition, of the table or of an index.
#[derive(Debug, Clone)]
pub(crate) struct Range {
    pub(crate) index: Option<(&'static str, &'static str)>,
    pub(crate) partition: String,
    pub(crate) sort: Sorted,
    pub(crate) newest_last: bool,
    pub(crate) limit: Option<i32>,
    /// Only rows whose search text contains this.
    pub(crate) containing: Option<String>,
}

/// Which sort keys.
#[derive(Debug, Clone)]
pub(crate) enum Sorted {
    All,
    Prefix(String),
    Above(String),
    Below(String),
    /// Both ends included.
    Between(String, String),
}

impl Range {
    pub(crate) fn all(partition: String) -> Self {
        Self { index: None, partition, sort: Sorted::All, newest_last: true, limit: None, containing: None }
    }

    pub(crate) fn prefix(partition: String, prefix: impl Into<String>) -> Self {
        Self { sort: Sorted::Prefix(prefix.into()), ..Self::all(partition) }
    }
}

impl Store {
    /// A store in a table that exists.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    #[cfg(feature = "embedded")]
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    #[cfg(feature = "embedded")]
    pub(crate) fn table(&self) -> &str {
        &self.table
    }

    pub(crate) async fn get(&self, key: &Key) -> Result<Option<Row>, StoreError> {
        let request = self.client.get_item().table_name(&self.table).set_key(Some(key.item())).consistent_read(true);
        Ok(request.send().await.map_err(from_sdk)?.item.map(Row))
    }

    /// One page of a range, and where the next begins.
    pub(crate) async fn query_page(
        &self,
        range: &Range,
        start: Option<Item>,
    ) -> Result<(Vec<Row>, Option<Item>), StoreError> {
        let (partition_name, sort_name) =
            range.index.map_or((attribute::PK, attribute::SK), |i| (attribute::LIST, i.1));
        let mut condition = "#p = :p".to_owned();
        let mut request = self
            .client
            .query()
            .table_name(&self.table)
            .set_index_name(range.index.map(|index| index.0.to_owned()))
            .expression_attribute_names("#p", partition_name)
            .expression_attribute_values(":p", AttributeValue::S(range.partition.clone()))
            .scan_index_forward(range.newest_last)
            // An index cannot be read so; who decides by what was read reads the table.
            .consistent_read(range.index.is_none())
            .set_limit(range.limit)
            .set_exclusive_start_key(start);
        let (clause, bound) = match &range.sort {
            Sorted::All => ("", None),
            Sorted::Prefix(text) => (" AND begins_with(#s, :s)", Some(text)),
            Sorted::Above(text) => (" AND #s > :s", Some(text)),
            Sorted::Below(text) => (" AND #s < :s", Some(text)),
            Sorted::Between(text, _) => (" AND #s BETWEEN :s AND :e", Some(text)),
        };
        if let Some(bound) = bound {
            condition.push_str(clause);
            request = request
                .expression_attribute_names("#s", sort_name)
                .expression_attribute_values(":s", AttributeValue::S(bound.clone()));
        }
        if let Sorted::Between(_, end) = &range.sort {
            request = request.expression_attribute_values(":e", AttributeValue::S(end.clone()));
        }
        if let Some(text) = &range.containing {
            request = request
                .filter_expression("contains(#q, :q)")
                .expression_attribute_names("#q", attribute::SEARCH)
                .expression_attribute_values(":q", AttributeValue::S(text.clone()));
        }
        let page = request.key_condition_expression(condition).send().await.map_err(from_sdk)?;
        let rows = page.items.unwrap_or_default().into_iter().map(Row).collect();
        Ok((rows, page.last_evaluated_key.filter(|key| !key.is_empty())))
    }

    /// All rows of a range.
    pub(crate) async fn query(&self, range: &Range) -> Result<Vec<Row>, StoreError> {
        let (mut rows, mut next) = self.query_page(range, None).await?;
        while let Some(start) = next {
            let page = self.query_page(range, Some(start)).await?;
            rows.extend(page.0);
            next = page.1;
        }
        Ok(rows)
    }

    /// Many rows by their keys, in no order; `attributes` names what is read of them, beside the keys.
    pub(crate) async fn batch_get(&self, keys: &[Key], attributes: &[&'static str]) -> Result<Vec<Row>, StoreError> {
        let mut rows = Vec::with_capacity(keys.len());
        let names: HashMap<String, String> = [attribute::PK, attribute::SK]
            .iter()
            .chain(attributes)
            .enumerate()
            .map(|(n, name)| (format!("#n{n}"), (*name).to_owned()))
            .collect();
        let projection = names.keys().cloned().collect::<Vec<_>>().join(", ");
        for some in keys.chunks(BATCH_KEYS_MAX) {
            let mut wanted: Vec<Item> = some.iter().map(Key::item).collect();
            while !wanted.is_empty() {
                let request = KeysAndAttributes::builder()
                    .set_keys(Some(wanted))
                    .projection_expression(&projection)
                    .set_expression_attribute_names(Some(names.clone()))
                    .consistent_read(true)
                    .build()
                    .map_err(|error| StoreError::Refused(error.into()))?;
                let answer = self.client.batch_get_item().request_items(&self.table, request).send().await;
                let answer = answer.map_err(from_sdk)?;
                let found = answer.responses.and_then(|mut tables| tables.remove(&self.table));
                rows.extend(found.unwrap_or_default().into_iter().map(Row));
                let left = answer.unprocessed_keys.and_then(|mut tables| tables.remove(&self.table));
                wanted = left.map(|left| left.keys).unwrap_or_default();
            }
        }
        Ok(rows)
    }

    /// Writes one row.
    pub(crate) async fn write(&self, write: Write) -> Result<(), StoreError> {
        match self.transact(vec![write]).await? {
            Transacted::Done => Ok(()),
            Transacted::Failed(_) => Err(StoreError::Conflict),
        }
    }

    /// Writes all or nothing, at most [`TRANSACTION_ACTIONS_MAX`]. A collision with another transaction on the same rows
    /// says nothing of the conditions: it is tried again, and is at last trouble, never [`StoreError::Conflict`].
    pub(crate) async fn transact(&self, writes: Vec<Write>) -> Result<Transacted, StoreError> {
        if writes.is_empty() {
            return Ok(Transacted::Done);
        }
        let writes = crate::catalogue::with_revisions(writes);
        let items = writes.into_iter().map(|write| self.action(write.0)).collect::<Result<Vec<_>, _>>()?;
        for attempt in 0..COLLISIONS_MAX {
            match self.try_transact(items.clone()).await {
                Err(StoreError::Conflict) => tokio::time::sleep(Duration::from_millis(1 << attempt)).await,
                other => return other,
            }
        }
        match self.try_transact(items).await {
            Err(StoreError::Conflict) => Err(StoreError::Unavailable("other transactions are at the same rows".into())),
            other => other,
        }
    }

    /// Once; [`StoreError::Conflict`] if it collided with another transaction.
    async fn try_transact(&self, items: Vec<TransactWriteItem>) -> Result<Transacted, StoreError> {
        let request = self.client.transact_write_items().set_transact_items(Some(items));
        let Err(error) = request.send().await else { return Ok(Transacted::Done) };
        if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() {
            let failed = failed_conditions(cancelled.cancellation_reasons());
            if !failed.is_empty() {
                return Ok(Transacted::Failed(failed));
            }
            let any = |code: &str| cancelled.cancellation_reasons().iter().any(|reason| reason.code() == Some(code));
            if any("TransactionConflict") {
                return Err(StoreError::Conflict);
            }
            if any("ThrottlingError") || any("ProvisionedThroughputExceeded") {
                return Err(StoreError::Unavailable(error.into()));
            }
        }
        Err(from_sdk(error))
    }

    fn action(&self, action: Action) -> Result<TransactWriteItem, StoreError> {
        let build = |error: aws_sdk_dynamodb::error::BuildError| StoreError::Refused(error.into());
        let item = TransactWriteItem::builder();
        Ok(match action {
            Action::Put(row, when) => {
                let (text, names, values) = condition(when);
                let put = Put::builder().table_name(&self.table).set_item(Some(row.0)).set_condition_expression(text);
                let put = put.set_expression_attribute_names(names).set_expression_attribute_values(values);
                item.put(put.build().map_err(build)?)
            }
            Action::Delete(key, when) => {
                let (text, names, values) = condition(when);
                let delete =
                    Delete::builder().table_name(&self.table).set_key(Some(key.item())).set_condition_expression(text);
                let delete = delete.set_expression_attribute_names(names).set_expression_attribute_values(values);
                item.delete(delete.build().map_err(build)?)
            }
            Action::Check(key, when) => {
                let (text, names, values) = condition(when);
                let check = ConditionCheck::builder()
                    .table_name(&self.table)
                    .set_key(Some(key.item()))
                    .set_condition_expression(text);
                let check = check.set_expression_attribute_names(names).set_expression_attribute_values(values);
                item.condition_check(check.build().map_err(build)?)
            }
            Action::Set(row, when) => {
                let (text, names, values) = condition(when);
                let (mut names, mut values) = (names.unwrap_or_default(), values.unwrap_or_default());
                let mut key = Item::new();
                let mut sets = Vec::with_capacity(row.0.len());
                for (n, (name, value)) in row.0.into_iter().enumerate() {
                    if name == attribute::PK || name == attribute::SK {
                        key.insert(name, value);
                        continue;
                    }
                    names.insert(format!("#s{n}"), name);
                    values.insert(format!(":s{n}"), value);
                    sets.push(format!("#s{n} = :s{n}"));
                }
                let update = Update::builder()
                    .table_name(&self.table)
                    .set_key(Some(key))
                    .update_expression(format!("SET {}", sets.join(", ")))
                    .set_condition_expression(text)
                    .set_expression_attribute_names(Some(names))
                    .set_expression_attribute_values(Some(values));
                item.update(update.build().map_err(build)?)
            }
        }
        .build())
    }
}

/// How a transaction ended.
#[derive(Debug)]
pub(crate) enum Transacted {
    /// Everything is written.
    Done,
    /// Nothing is written, because the conditions of these writes (by place) did not hold.
    Failed(Vec<usize>),
}

fn failed_conditions(reasons: &[CancellationReason]) -> Vec<usize> {
    let failed = |reason: &CancellationReason| reason.code() == Some("ConditionalCheckFailed");
    reasons.iter().enumerate().filter(|(_, reason)| failed(reason)).map(|(place, _)| place).collect()
}

type Condition = (Option<String>, Option<HashMap<String, String>>, Option<HashMap<String, AttributeValue>>);

fn condition(when: When) -> Condition {
    let (mut names, mut values) = (HashMap::new(), HashMap::new());
    let mut equals = |name: &str, value: AttributeValue| {
        names.insert("#is".to_owned(), name.to_owned());
        values.insert(":is".to_owned(), value);
        Some("#is = :is".to_owned())
    };
    let text = match when {
        When::Always => None,
        When::Rev(rev) => equals(attribute::REV, AttributeValue::N(rev.to_string())),
        When::Is(name, value) => equals(name, value),
        When::Absent => {
            names.insert("#pk".to_owned(), attribute::PK.to_owned());
            Some("attribute_not_exists(#pk)".to_owned())
        }
    };
    (text, Some(names).filter(|n| !n.is_empty()), Some(values).filter(|v| !v.is_empty()))
}

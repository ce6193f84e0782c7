//! The table in DynamoDB, through the AWS SDK.

use crate::client::{Action, Page, Range, Sorted, Store, Table, Transacted, When, until_no_collision};
use crate::error::{StoreError, from_sdk};
use crate::item::{Item, Row, Value, attribute};
use crate::key::Key;
use crate::packed::{pack, unpack};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ConditionCheck, Delete, KeysAndAttributes, Put, TransactWriteItem, Update,
};
use aws_types::SdkConfig;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use std::borrow::Cow;
use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::time::Duration;

type Attributes = HashMap<String, AttributeValue>;

/// Rows that are written by themselves side by side.
const WRITES_AT_ONCE: usize = 32;
/// The first wait before keys are read that DynamoDB left unread; each further one is twice as long.
const UNREAD_WAIT: Duration = Duration::from_millis(20);
/// Answers in a row that read none of the keys, before the table counts as unavailable: after 5 s.
const UNREAD_MAX: u32 = 8;

#[derive(Debug)]
pub(crate) struct DynamoDb {
    client: Client,
    table: String,
}

impl Store {
    /// The store in a table that exists: the template makes it.
    #[must_use]
    pub fn in_aws(sdk: &SdkConfig, table: impl Into<String>) -> Self {
        Self::in_dynamodb(Client::new(sdk), table)
    }

    /// The same, wherever the client finds it.
    pub(crate) fn in_dynamodb(client: Client, table: impl Into<String>) -> Self {
        Self::on(DynamoDb { client, table: table.into() })
    }
}

impl Table for DynamoDb {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Row>, StoreError>> {
        let request = self.client.get_item().table_name(&self.table).set_key(Some(sent(key.item())));
        async move {
            let answer = request.consistent_read(true).send().await.map_err(from_sdk)?;
            Ok(answer.item.map(row))
        }
        .boxed()
    }

    fn page<'a>(&'a self, range: &'a Range, start: Option<Item>) -> BoxFuture<'a, Result<Page, StoreError>> {
        self.query(range, start).boxed()
    }

    fn batch<'a>(
        &'a self,
        keys: &'a [Key],
        attributes: &'a [&'static str],
    ) -> BoxFuture<'a, Result<Vec<Row>, StoreError>> {
        self.batch_get(keys, attributes).boxed()
    }

    fn transact<'a>(&'a self, actions: &'a [Action]) -> BoxFuture<'a, Result<Transacted, StoreError>> {
        self.write(actions).boxed()
    }

    fn each<'a>(&'a self, actions: &'a [Action]) -> BoxFuture<'a, Result<Vec<usize>, StoreError>> {
        let one = move |(place, action)| async move {
            let written = until_no_collision(|| self.alone(action).boxed()).await?;
            Ok((!written).then_some(place))
        };
        let each = stream::iter(actions.iter().enumerate().map(one)).buffer_unordered(WRITES_AT_ONCE);
        each.try_filter_map(|failed| async move { Ok(failed) }).try_collect().boxed()
    }
}

impl DynamoDb {
    async fn query(&self, range: &Range, start: Option<Item>) -> Result<Page, StoreError> {
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
            .set_exclusive_start_key(start.map(sent));
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
        let rows = page.items.unwrap_or_default().into_iter().map(row).collect();
        Ok((rows, page.last_evaluated_key.filter(|key| !key.is_empty()).map(read)))
    }

    async fn batch_get(&self, keys: &[Key], attributes: &[&'static str]) -> Result<Vec<Row>, StoreError> {
        let mut rows = Vec::with_capacity(keys.len());
        let names: HashMap<String, String> = [attribute::PK, attribute::SK]
            .iter()
            .chain(attributes)
            .chain(attributes.contains(&attribute::BODY).then_some(&attribute::PACKED))
            .enumerate()
            .map(|(n, name)| (format!("#n{n}"), (*name).to_owned()))
            .collect();
        let projection = names.keys().cloned().collect::<Vec<_>>().join(", ");
        let mut wanted: Vec<Attributes> = keys.iter().map(|key| sent(key.item())).collect();
        let mut without_progress = 0;
        while !wanted.is_empty() {
            let sent = wanted.len();
            let request = KeysAndAttributes::builder()
                .set_keys(Some(wanted))
                .projection_expression(&projection)
                .set_expression_attribute_names(Some(names.clone()))
                .consistent_read(true)
                .build()
                .map_err(build)?;
            let answer = self.client.batch_get_item().request_items(&self.table, request).send().await;
            let answer = answer.map_err(from_sdk)?;
            let found = answer.responses.and_then(|mut tables| tables.remove(&self.table));
            rows.extend(found.unwrap_or_default().into_iter().map(row));
            let left = answer.unprocessed_keys.and_then(|mut tables| tables.remove(&self.table));
            wanted = left.map(|left| left.keys).unwrap_or_default();
            without_progress = if wanted.len() < sent { 0 } else { without_progress + 1 };
            wait_for_unread(wanted.len(), without_progress).await?;
        }
        Ok(rows)
    }

    /// Puts or deletes a row by itself; false if the condition did not hold. There is no token against repetition: after a
    /// lost answer the condition may fail because of what was written.
    async fn alone(&self, action: &Action) -> Result<bool, StoreError> {
        match action {
            Action::Put(row, when) => {
                let (text, names, values) = condition(when.clone());
                let request = self.client.put_item().table_name(&self.table).set_item(Some(sent(row.0.clone())));
                let request = request.set_condition_expression(text).set_expression_attribute_names(names);
                let answer = request.set_expression_attribute_values(values).send().await;
                answer.map_or_else(not_written, |_| Ok(true))
            }
            Action::Delete(key, when) => {
                let (text, names, values) = condition(when.clone());
                let request = self.client.delete_item().table_name(&self.table).set_key(Some(sent(key.item())));
                let request = request.set_condition_expression(text).set_expression_attribute_names(names);
                let answer = request.set_expression_attribute_values(values).send().await;
                answer.map_or_else(not_written, |_| Ok(true))
            }
            Action::Check(..) | Action::Set(..) => Err(StoreError::Refused("only puts and deletes stand alone".into())),
        }
    }

    async fn write(&self, actions: &[Action]) -> Result<Transacted, StoreError> {
        let items = actions.iter().cloned().map(|action| self.action(action)).collect::<Result<Vec<_>, _>>()?;
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
        let item = TransactWriteItem::builder();
        Ok(match action {
            Action::Put(row, when) => {
                let (text, names, values) = condition(when);
                let put =
                    Put::builder().table_name(&self.table).set_item(Some(sent(row.0))).set_condition_expression(text);
                let put = put.set_expression_attribute_names(names).set_expression_attribute_values(values);
                item.put(put.build().map_err(build)?)
            }
            Action::Delete(key, when) => {
                let (text, names, values) = condition(when);
                let delete = Delete::builder()
                    .table_name(&self.table)
                    .set_key(Some(sent(key.item())))
                    .set_condition_expression(text);
                let delete = delete.set_expression_attribute_names(names).set_expression_attribute_values(values);
                item.delete(delete.build().map_err(build)?)
            }
            Action::Check(key, when) => {
                let (text, names, values) = condition(when);
                let check = ConditionCheck::builder()
                    .table_name(&self.table)
                    .set_key(Some(sent(key.item())))
                    .set_condition_expression(text);
                let check = check.set_expression_attribute_names(names).set_expression_attribute_values(values);
                item.condition_check(check.build().map_err(build)?)
            }
            Action::Set(row, when) => {
                let (text, names, values) = condition(when);
                let (mut names, mut values) = (names.unwrap_or_default(), values.unwrap_or_default());
                let mut key = Attributes::new();
                let mut sets = Vec::new();
                for (n, (name, value)) in sent(row.0).into_iter().enumerate() {
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

/// Keys are left unread by a table that is throttled, and by an answer that is full (16 MB).
async fn wait_for_unread(keys: usize, without_progress: u32) -> Result<(), StoreError> {
    if keys == 0 {
        return Ok(());
    }
    if without_progress >= UNREAD_MAX {
        return Err(StoreError::Unavailable(format!("DynamoDB left {keys} keys of a batch unread").into()));
    }
    tokio::time::sleep(UNREAD_WAIT.saturating_mul(1 << without_progress)).await;
    Ok(())
}

fn not_written<E, R>(error: SdkError<E, R>) -> Result<bool, StoreError>
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    R: fmt::Debug + Send + Sync + 'static,
{
    match error.as_service_error().and_then(ProvideErrorMetadata::code) {
        Some("ConditionalCheckFailedException") => Ok(false),
        _ => Err(from_sdk(error)),
    }
}

fn failed_conditions(reasons: &[CancellationReason]) -> Vec<usize> {
    let failed = |reason: &CancellationReason| reason.code() == Some("ConditionalCheckFailed");
    reasons.iter().enumerate().filter(|(_, reason)| failed(reason)).map(|(place, _)| place).collect()
}

type Condition = (Option<String>, Option<HashMap<String, String>>, Option<Attributes>);

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
        When::Is(name, value) => equals(name, sent_value(value)),
        When::Absent => {
            names.insert("#pk".to_owned(), attribute::PK.to_owned());
            Some("attribute_not_exists(#pk)".to_owned())
        }
    };
    (text, Some(names).filter(|n| !n.is_empty()), Some(values).filter(|v| !v.is_empty()))
}

fn build(error: BuildError) -> StoreError {
    StoreError::Refused(error.into())
}

fn sent(item: Item) -> Attributes {
    let attribute = |(name, value): (Cow<'static, str>, Value)| match &value {
        Value::Text(body) if name == attribute::BODY => match pack(body) {
            Some(packed) => (attribute::PACKED.to_owned(), AttributeValue::B(Blob::new(packed))),
            None => (name.into_owned(), sent_value(value)),
        },
        _ => (name.into_owned(), sent_value(value)),
    };
    item.into_iter().map(attribute).collect()
}

fn sent_value(value: Value) -> AttributeValue {
    match value {
        Value::Text(text) => AttributeValue::S(text),
        Value::Number(digits) => AttributeValue::N(digits),
        Value::Flag => AttributeValue::Bool(true),
    }
}

fn row(attributes: Attributes) -> Row {
    Row(read(attributes))
}

/// Rows have no attributes of another kind.
fn read(attributes: Attributes) -> Item {
    let mut item = Item::default();
    for (name, value) in attributes {
        match value {
            AttributeValue::S(text) => item.insert(name, Value::Text(text)),
            AttributeValue::N(digits) => item.insert(name, Value::Number(digits)),
            AttributeValue::Bool(true) => item.insert(name, Value::Flag),
            AttributeValue::B(packed) if name == attribute::PACKED => {
                // Whoever needs the body says that there is none.
                if let Some(body) = unpack(packed.as_ref()) {
                    item.insert(attribute::BODY, Value::Text(body));
                }
            }
            _ => {}
        }
    }
    item
}

#[cfg(test)]
mod tests;

//! Rows: two key attributes, a revision, a JSON body, and whatever an index or a condition needs beside it.

use crate::error::StoreError;
use crate::key::Key;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;

/// Names of attributes, short because they are stored with every row.
pub(crate) mod attribute {
    /// Partition key.
    pub(crate) const PK: &str = "PK";
    /// Sort key.
    pub(crate) const SK: &str = "SK";
    /// Revision: what a conditional write compares.
    pub(crate) const REV: &str = "v";
    /// Body: JSON text.
    pub(crate) const BODY: &str = "j";
    /// The body, packed: in DynamoDB alone, and where it is long.
    #[cfg(feature = "dynamodb")]
    pub(crate) const PACKED: &str = "z";
    /// When Stripe said so, in Unix seconds.
    pub(crate) const AS_OF: &str = "as_of";
    /// Digest of the body.
    pub(crate) const DIGEST: &str = "d";
    /// The payments that are known to be of an invoice: ids, separated by spaces. Beside the body, because they are not
    /// part of what is compared.
    pub(crate) const PAYMENTS: &str = "pay";
    /// Present on tombstones.
    pub(crate) const GONE: &str = "gone";
    /// Fencing number.
    pub(crate) const FENCE: &str = "fence";
    /// Present on runs that have not ended.
    pub(crate) const OPEN: &str = "open";
    /// Stamp of a dirty mark.
    pub(crate) const STAMP: &str = "stamp";
    /// Partition key of the list indexes.
    pub(crate) const LIST: &str = "L";
    /// Sort key of the index by MRR.
    pub(crate) const BY_MRR: &str = "sm";
    /// Sort key of the index by ARR.
    pub(crate) const BY_ARR: &str = "sa";
    /// Sort key of the index by name.
    pub(crate) const BY_NAME: &str = "sn";
    /// What a search looks through.
    pub(crate) const SEARCH: &str = "q";
    /// Present on rows that outlive the erasing of their workspace.
    pub(crate) const STAYS: &str = "stays";
    /// When DynamoDB may delete the row, in Unix seconds.
    pub(crate) const EXPIRES: &str = "ttl";
}

/// The value of an attribute, of the few kinds that rows have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    /// In digits, as DynamoDB has it.
    Number(String),
    /// True; where it is not, the attribute is absent.
    Flag,
}

/// The attributes of a row. There are few, so a list is faster than a map.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Item(pub(crate) Vec<(Cow<'static, str>, Value)>);

impl Item {
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Replaces what the name had.
    pub(crate) fn insert(&mut self, name: impl Into<Cow<'static, str>>, value: Value) {
        let name = name.into();
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, before)) => *before = value,
            None => self.0.push((name, value)),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Value::Text(text) => Some(text),
            Value::Number(_) | Value::Flag => None,
        }
    }
}

impl IntoIterator for Item {
    type Item = (Cow<'static, str>, Value);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// A row as it was read.
#[derive(Debug, Clone)]
pub(crate) struct Row(pub(crate) Item);

impl Row {
    pub(crate) fn sort_key(&self) -> &str {
        self.text(attribute::SK).unwrap_or_default()
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.text(name)
    }

    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        match self.0.get(name)? {
            Value::Number(digits) => digits.parse().ok(),
            Value::Text(_) | Value::Flag => None,
        }
    }

    pub(crate) fn rev(&self) -> u64 {
        self.number(attribute::REV).and_then(|rev| u64::try_from(rev).ok()).unwrap_or(0)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some()
    }

    /// The body, read as what it should be.
    pub(crate) fn body<T: DeserializeOwned>(&self) -> Result<T, StoreError> {
        let text = self.body_text()?;
        serde_json::from_str(text).map_err(|error| StoreError::corrupt(self.name(), error))
    }

    pub(crate) fn body_text(&self) -> Result<&str, StoreError> {
        self.text(attribute::BODY).ok_or_else(|| StoreError::corrupt(self.name(), "it has no body"))
    }

    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.text(attribute::PK).unwrap_or_default(), self.sort_key())
    }
}

/// A row to be written.
#[derive(Debug, Clone)]
pub(crate) struct NewRow(pub(crate) Item);

impl NewRow {
    /// A row without a body, with its first revision.
    pub(crate) fn bare(key: &Key) -> Self {
        let row = Self(key.item());
        row.rev(1)
    }

    /// A row with a body, with its first revision.
    pub(crate) fn new<T: Serialize>(key: &Key, body: &T) -> Result<Self, StoreError> {
        let text = serde_json::to_string(body).map_err(|error| StoreError::corrupt(key.to_string(), error))?;
        Ok(Self::bare(key).body(text))
    }

    pub(crate) fn partition(&self) -> Option<&str> {
        self.0.text(attribute::PK)
    }

    pub(crate) fn has_body(&self) -> bool {
        self.0.get(attribute::BODY).is_some()
    }

    pub(crate) fn body(self, text: String) -> Self {
        self.with(attribute::BODY, Value::Text(text))
    }

    pub(crate) fn rev(self, rev: u64) -> Self {
        self.with(attribute::REV, Value::Number(rev.to_string()))
    }

    pub(crate) fn text(self, name: &'static str, text: impl Into<String>) -> Self {
        self.with(name, Value::Text(text.into()))
    }

    pub(crate) fn number(self, name: &'static str, number: impl ToString) -> Self {
        self.with(name, Value::Number(number.to_string()))
    }

    pub(crate) fn flag(self, name: &'static str) -> Self {
        self.with(name, Value::Flag)
    }

    fn with(mut self, name: &'static str, value: Value) -> Self {
        self.0.insert(name, value);
        self
    }
}

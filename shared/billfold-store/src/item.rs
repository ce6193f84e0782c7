//! Rows as DynamoDB items: two key attributes, a revision, a JSON body, and whatever an index or a condition needs
//! beside it.

use crate::error::StoreError;
use crate::key::Key;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;

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

pub(crate) type Item = HashMap<String, AttributeValue>;

/// A row as it was read.
#[derive(Debug, Clone)]
pub(crate) struct Row(pub(crate) Item);

impl Row {
    pub(crate) fn sort_key(&self) -> &str {
        self.text(attribute::SK).unwrap_or_default()
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|value| value.as_s().ok()).map(String::as_str)
    }

    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.0.get(name).and_then(|value| value.as_n().ok()).and_then(|text| text.parse().ok())
    }

    pub(crate) fn rev(&self) -> u64 {
        self.number(attribute::REV).and_then(|rev| u64::try_from(rev).ok()).unwrap_or(0)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
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
        self.0.get(attribute::PK).and_then(|value| value.as_s().ok()).map(String::as_str)
    }

    pub(crate) fn body(self, text: String) -> Self {
        self.with(attribute::BODY, AttributeValue::S(text))
    }

    pub(crate) fn rev(self, rev: u64) -> Self {
        self.with(attribute::REV, AttributeValue::N(rev.to_string()))
    }

    pub(crate) fn text(self, name: &str, text: impl Into<String>) -> Self {
        self.with(name, AttributeValue::S(text.into()))
    }

    pub(crate) fn number(self, name: &str, number: impl ToString) -> Self {
        self.with(name, AttributeValue::N(number.to_string()))
    }

    pub(crate) fn flag(self, name: &str) -> Self {
        self.with(name, AttributeValue::Bool(true))
    }

    fn with(mut self, name: &str, value: AttributeValue) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }
}

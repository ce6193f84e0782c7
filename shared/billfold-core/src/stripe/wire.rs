//! The pieces that Stripe's objects share on the wire. Every field that may be absent or null is an `Option`.

use super::Unreadable;
use crate::facts::Metadata;
use jiff::Timestamp;
use serde::Deserialize;

/// An object that is only its id unless the request expanded it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Expandable {
    Id(String),
    Object { id: String },
}

impl Expandable {
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Id(id) | Self::Object { id } => id,
        }
    }
}

/// A nested list; Stripe puts at most ten rows into it.
#[derive(Debug, Deserialize)]
pub(super) struct List<T> {
    #[serde(default = "Vec::new")]
    pub(super) data: Vec<T>,
    #[serde(default)]
    pub(super) has_more: bool,
}

/// Unix seconds as they stand on the wire.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(transparent)]
pub(super) struct Seconds(i64);

impl Seconds {
    pub(super) fn time(self) -> Result<Timestamp, Unreadable> {
        Timestamp::from_second(self.0).map_err(|_| Unreadable::Time(self.0))
    }
}

pub(super) fn optional_time(seconds: Option<Seconds>) -> Result<Option<Timestamp>, Unreadable> {
    seconds.map(Seconds::time).transpose()
}

/// Metadata, which Stripe sends as `{}` and older fixtures as null or not at all.
pub(super) fn metadata(wire: Option<Metadata>) -> Metadata {
    wire.unwrap_or_default()
}

/// The decimal text where Stripe sent one, else the integer as text.
pub(super) fn decimal(decimal: Option<String>, integer: Option<i64>) -> Option<String> {
    decimal.or_else(|| integer.map(|amount| amount.to_string()))
}

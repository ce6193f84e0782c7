//! From the text of one object to a fact.

use super::{catalogue, customer, invoice, money_back, subscription};
use crate::facts::{Fact, Kind, Line, SubscriptionItem};
use crate::id::IdError;
use crate::money::CurrencyError;
use serde::Deserialize;

/// What an object's text turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// A fact. `nested` says that its list of items or lines goes on and must be followed before it is stored.
    Live {
        /// The fact, with the rows of its nested list that the payload carried.
        fact: Fact,
        /// The rest of its nested list, if there is more.
        nested: Option<Nested>,
    },
    /// Stripe's stub of a deleted object.
    Deleted {
        /// The object's id.
        id: String,
    },
    /// An object that Billfold has no use for, such as an invoice preview.
    Ignored {
        /// Why, for the log.
        reason: &'static str,
    },
}

/// A nested list that Stripe cut after ten rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nested {
    /// The object whose list it is.
    pub parent: String,
    /// The last row that the payload carried: the cursor for the rest.
    pub after: String,
}

/// Why a text could not be read as the object it should be.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Not the JSON of such an object.
    #[error("not the object it should be")]
    Json(#[from] serde_json::Error),
    /// An id that cannot be one.
    #[error("an id in it is malformed")]
    Id(#[from] IdError),
    /// A currency that cannot be one.
    #[error("a currency in it is malformed")]
    Currency(#[from] CurrencyError),
    /// A time outside of what a calendar has.
    #[error("{0} is not a time")]
    Time(i64),
    /// A required field is missing.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A nested list says that it goes on after no rows at all.
    #[error("a nested list is empty but says that it has more")]
    EmptyNested,
}

/// The two fields that every stub of a deleted object has.
#[derive(Deserialize)]
struct Stub {
    id: String,
    #[serde(default)]
    deleted: bool,
}

/// Reads the text of one object of a kind.
///
/// # Errors
/// [`Unreadable`] when it is not such an object; unknown fields and unknown enum values are not errors.
pub fn read(kind: Kind, json: &str) -> Result<Reading, Unreadable> {
    if json.contains("\"deleted\"") {
        let stub: Stub = serde_json::from_str(json)?;
        if stub.deleted {
            return Ok(Reading::Deleted { id: stub.id });
        }
    }
    match kind {
        Kind::Product => Ok(whole(Fact::Product(Box::new(catalogue::product(json)?)))),
        Kind::Price => Ok(whole(Fact::Price(Box::new(catalogue::price(json)?)))),
        Kind::Coupon => Ok(whole(Fact::Coupon(Box::new(catalogue::coupon(json)?)))),
        Kind::Customer => Ok(whole(Fact::Customer(Box::new(customer::customer(json)?)))),
        Kind::Subscription => subscription::subscription(json),
        Kind::Invoice => invoice::invoice(json),
        Kind::Refund => money_back::refund(json),
        Kind::Dispute => money_back::dispute(json),
        Kind::CreditNote => money_back::credit_note(json),
    }
}

/// Reads one subscription item of a nested list that was followed.
///
/// # Errors
/// [`Unreadable`] when it is not one.
pub fn read_item(json: &str) -> Result<SubscriptionItem, Unreadable> {
    subscription::item(serde_json::from_str(json)?, None)
}

/// Reads one invoice line of a nested list that was followed.
///
/// # Errors
/// [`Unreadable`] when it is not one.
pub fn read_line(json: &str) -> Result<Line, Unreadable> {
    invoice::line(serde_json::from_str(json)?)
}

pub(super) fn whole(fact: Fact) -> Reading {
    Reading::Live { fact, nested: None }
}

/// The cursor for the rest of a nested list, given the id of the last row that is there.
pub(super) fn nested(has_more: bool, parent: &str, last: Option<&str>) -> Result<Option<Nested>, Unreadable> {
    if !has_more {
        return Ok(None);
    }
    let after = last.ok_or(Unreadable::EmptyNested)?.to_owned();
    Ok(Some(Nested { parent: parent.to_owned(), after }))
}

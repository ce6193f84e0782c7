//! Who pays, as Stripe knows them.

use super::{AppliedDiscount, Metadata, is_false};
use crate::id::CustomerId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A customer in Stripe. Several may belong to one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// Stripe's id.
    pub id: CustomerId,
    /// The name, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The e-mail address, as it was typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// When it was created.
    pub created: Timestamp,
    /// Stripe's own mark of a failed automatic payment.
    #[serde(default, skip_serializing_if = "is_false")]
    pub delinquent: bool,
    /// The discount on everything the customer buys; it counts only where a subscription has none of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discount: Option<AppliedDiscount>,
    /// True for objects of a test clock, which never count.
    #[serde(default, skip_serializing_if = "is_false")]
    pub test_clock: bool,
    /// The merchant's key-value pairs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: Metadata,
}

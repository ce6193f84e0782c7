//! Customers.

use super::Unreadable;
use super::catalogue::{DiscountWire, applied};
use super::wire::{Expandable, Seconds, metadata};
use crate::facts::{Customer, Metadata};
use crate::id::CustomerId;
use serde::Deserialize;

#[derive(Deserialize)]
struct CustomerWire {
    id: String,
    name: Option<String>,
    email: Option<String>,
    created: Seconds,
    delinquent: Option<bool>,
    discount: Option<DiscountWire>,
    test_clock: Option<Expandable>,
    metadata: Option<Metadata>,
}

pub(super) fn customer(json: &str) -> Result<Customer, Unreadable> {
    let wire: CustomerWire = serde_json::from_str(json)?;
    Ok(Customer {
        id: CustomerId::new(wire.id)?,
        name: wire.name.filter(|name| !name.trim().is_empty()),
        email: wire.email.filter(|email| !email.trim().is_empty()),
        created: wire.created.time()?,
        delinquent: wire.delinquent.unwrap_or(false),
        discount: wire.discount.map(applied).transpose()?,
        test_clock: wire.test_clock.is_some(),
        metadata: metadata(wire.metadata),
    })
}

//! The billing state: keys, rows and conditional writes, in DynamoDB (feature `dynamodb`) or in SQLite inside the process
//! (feature `embedded`).
//!
//! The only crate that says DynamoDB or SQLite, and below four calls (`client.rs`) nothing differs between them. It never
//! decides: which version of an object wins, and what a number is, comes from `billfold-core`.

#![cfg_attr(
    not(any(feature = "dynamodb", feature = "embedded")),
    expect(dead_code, reason = "without a table nobody asks for rows")
)]

mod account_list;
mod accounts;
mod audit;
mod catalogue;
mod client;
mod connection;
mod dirty;
#[cfg(feature = "dynamodb")]
mod dynamodb;
#[cfg(feature = "embedded")]
pub mod embedded;
mod erase;
mod error;
mod facts;
#[cfg(feature = "embedded")]
mod gate;
mod given;
#[cfg(feature = "inside")]
pub mod inside;
mod invite;
mod item;
mod key;
mod ledgers;
mod local;
mod money_back;
mod once;
#[cfg(feature = "dynamodb")]
mod packed;
mod runs;
#[cfg(feature = "inside")]
mod shape;
mod signals;
#[cfg(feature = "embedded")]
mod sqlite;
mod unmatched;
mod webhook;

pub use account_list::{Direction, ListQuery, Place, SortBy};
pub use accounts::{AccountRow, AccountRows, AccountSource, ListRow, Matched, PAYMENT_STATUSES, Versioned};
pub use client::{Store, Write};
pub use connection::{Lease, LeaseHeld, Started, State};
pub use dirty::{Intent, Mark, Subject};
pub use erase::Erase;
#[cfg(feature = "dynamodb")]
pub use error::sdk_error;
pub use error::{StoreError, chain};
pub use facts::{CustomerRows, FactPlace, FactRow, StoredFact};
pub use invite::{FoundInvite, Invite};
pub use key::{INDEX_BY_ARR, INDEX_BY_MRR, INDEX_BY_NAME, SHARDS};
pub use ledgers::{LedgerPage, LedgerRow};
pub use local::{LocalRow, LocalRows};
pub use once::{Answered, Once};
pub use runs::{Fence, PageRows, Saved};
pub use signals::SignalQuery;

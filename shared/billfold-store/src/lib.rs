//! The billing state in DynamoDB: keys, items and conditional writes.
//!
//! The only crate that says DynamoDB. It has no trait and one implementation, which speaks through the AWS SDK; with the
//! feature `embedded` the SDK's requests are answered by a DynamoDB engine inside the process. It never decides: which
//! version of an object wins, and what a number is, comes from `billfold-core`.

mod account_list;
mod accounts;
mod audit;
mod aws;
mod catalogue;
mod client;
mod connection;
mod dirty;
#[cfg(feature = "embedded")]
pub mod embedded;
mod erase;
mod error;
mod facts;
mod given;
mod invite;
mod item;
mod key;
mod ledgers;
mod local;
mod money_back;
mod runs;
mod signals;
#[cfg(feature = "embedded")]
mod table;
mod unmatched;
mod webhook;

pub use account_list::{Direction, ListQuery, Place, SortBy};
pub use accounts::{AccountRow, AccountRows, AccountSource, ListRow, Matched, PAYMENT_STATUSES, Versioned};
pub use client::{Store, Write};
pub use connection::{Lease, LeaseHeld, Started};
pub use dirty::{Mark, Subject};
pub use erase::Erase;
pub use error::{StoreError, sdk_error};
pub use facts::{CustomerRows, FactPlace, FactRow, StoredFact};
pub use invite::{FoundInvite, Invite};
pub use key::{INDEX_BY_ARR, INDEX_BY_MRR, INDEX_BY_NAME, SHARDS};
pub use ledgers::{LedgerPage, LedgerRow};
pub use local::{LocalRow, LocalRows};
pub use runs::{Fence, Saved};
pub use signals::SignalQuery;

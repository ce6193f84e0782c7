//! What Billfold knows of a workspace's connection to Stripe. Never the key itself.

use crate::key::{KeyKind, Mode};
use crate::money::Currency;
use crate::run::{Problem, Stage};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A workspace's connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// The key and the account behind it; `None` when there was never one.
    pub key: Option<ConnectedKey>,
    /// True when the key has been forgotten; the data stays, frozen.
    pub disconnected: bool,
    /// Why Stripe refuses the key, if it does.
    pub error: Option<Problem>,
    /// What the key may read, as last probed.
    pub permissions: Vec<Permission>,
    /// End of the last run that succeeded.
    pub last_sync_at: Option<Timestamp>,
    /// Since when changes of MRR are seen happening: the begin of the first run that read everything. What is older is
    /// worked out, and marked as such (MRR.md §4).
    #[serde(default)]
    pub observed_since: Option<Timestamp>,
    /// What the last run that read anything has stored.
    pub records_synced: Records,
    /// Customers that had an account when the last run ended.
    #[serde(default)]
    pub customers_matched: u64,
}

/// What is known of a key without the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectedKey {
    /// What may be shown of it: `rk_test_…abcd`.
    pub label: String,
    /// Restricted or secret.
    pub kind: KeyKind,
    /// Live or test.
    pub mode: Mode,
    /// `acct_…`, where Stripe told.
    pub account_id: Option<String>,
    /// The account's name, where Stripe told.
    pub account_name: Option<String>,
    /// The account's default currency, where Stripe told.
    pub default_currency: Option<Currency>,
    /// When the key was connected.
    pub connected_at: Timestamp,
}

/// One thing that Billfold reads, and whether the key may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Permission {
    /// What is read, as Stripe's dashboard calls it.
    pub resource: String,
    /// The name in Stripe's refusals: `rak_customer_read`.
    pub permission: String,
    /// Whether the key may.
    pub access: Access,
    /// True when Billfold does not work without it.
    pub required: bool,
    /// What it is for, and what is missing without it.
    pub why: String,
    /// What to do; `None` when it is granted.
    pub fix: Option<String>,
}

/// Whether a key may read something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// It may.
    Granted,
    /// It may not.
    Missing,
    /// Stripe's answer did not tell.
    Unknown,
}

/// How many objects are stored, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Records {
    /// Products.
    pub products: u64,
    /// Prices.
    pub prices: u64,
    /// Customers.
    pub customers: u64,
    /// Subscriptions.
    pub subscriptions: u64,
    /// Invoices.
    pub invoices: u64,
}

impl Records {
    /// Sets what a stage has stored; the last stage stores no objects of Stripe's.
    pub fn set(&mut self, stage: Stage, records: u64) {
        match stage {
            Stage::Products => self.products = records,
            Stage::Prices => self.prices = records,
            Stage::Customers => self.customers = records,
            Stage::Subscriptions => self.subscriptions = records,
            Stage::Invoices => self.invoices = records,
            Stage::AccountBilling => {}
        }
    }

    /// What a stage has stored.
    #[must_use]
    pub fn get(&self, stage: Stage) -> u64 {
        match stage {
            Stage::Products => self.products,
            Stage::Prices => self.prices,
            Stage::Customers => self.customers,
            Stage::Subscriptions => self.subscriptions,
            Stage::Invoices => self.invoices,
            Stage::AccountBilling => 0,
        }
    }
}

/// Why another key cannot simply take the place of the one that was connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    /// Live where test was connected, or the other way round.
    Mode,
    /// Another Stripe account.
    Account,
}

impl Connection {
    /// The key that Stripe is asked with now; `None` when there was never one or it was forgotten.
    #[must_use]
    pub fn active_key(&self) -> Option<&ConnectedKey> {
        self.key.as_ref().filter(|_| !self.disconnected)
    }

    /// Whether data that is stored came from somewhere else than where a new key leads. A forgotten key counts: its
    /// data is still here.
    #[must_use]
    pub fn mismatch(&self, mode: Mode, account_id: Option<&str>) -> Option<Mismatch> {
        let known = self.key.as_ref()?;
        if known.mode != mode {
            return Some(Mismatch::Mode);
        }
        match (known.account_id.as_deref(), account_id) {
            (Some(known), Some(new)) if known != new => Some(Mismatch::Account),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(account_id: Option<&str>) -> Connection {
        let key = ConnectedKey {
            label: "rk_test_…abcd".into(),
            kind: KeyKind::Restricted,
            mode: Mode::Test,
            account_id: account_id.map(str::to_owned),
            account_name: None,
            default_currency: None,
            connected_at: Timestamp::UNIX_EPOCH,
        };
        Connection { key: Some(key), ..Connection::default() }
    }

    #[test]
    fn another_mode_or_account_is_a_mismatch_even_after_a_disconnect() {
        let check = |known, mode, account, expected| {
            let connection = connection(known);
            assert_eq!(connection.mismatch(mode, account), expected);
            assert_eq!(Connection { disconnected: true, ..connection }.mismatch(mode, account), expected);
        };
        check(Some("acct_1"), Mode::Test, Some("acct_1"), None);
        check(Some("acct_1"), Mode::Live, Some("acct_1"), Some(Mismatch::Mode));
        check(Some("acct_1"), Mode::Test, Some("acct_2"), Some(Mismatch::Account));
        check(None, Mode::Test, Some("acct_2"), None);
        check(Some("acct_1"), Mode::Test, None, None);
        assert_eq!(Connection::default().mismatch(Mode::Live, None), None);
    }

    #[test]
    fn a_forgotten_key_is_not_active() {
        assert!(connection(None).active_key().is_some());
        assert!(Connection { disconnected: true, ..connection(None) }.active_key().is_none());
    }
}

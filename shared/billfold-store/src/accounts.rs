//! Accounts: who they are, their line in the table, their billing, and which customers are theirs.

use crate::client::{Range, Store, When, Write};
use crate::connection::replace;
use crate::error::StoreError;
use crate::facts::CustomerRows;
use crate::item::{NewRow, Row, attribute};
use crate::key::{self, sort};
use crate::ledgers::LedgerRow;
use billfold_core::id::{AccountId, CustomerId, WorkspaceId};
use billfold_core::matching::MatchRule;
use billfold_core::money::Money;
use billfold_core::signal::Signal;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The longest part of a name that the table sorts by, in bytes.
const SORTED_NAME_BYTES_MAX: usize = 120;

/// Payment statuses, the most urgent first: each has a partition of the account list.
pub const PAYMENT_STATUSES: [&str; 4] = ["failed", "overdue", "paid", "none"];

/// Where an account comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AccountSource {
    /// Made for a Stripe customer that matched no other; made again whenever it is needed.
    Stripe,
    /// Given through the API; only the API removes it.
    Given,
}

/// Who an account is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRow {
    /// Its id.
    pub id: AccountId,
    /// Its name.
    pub name: String,
    /// The domains that are its own, the main one first.
    #[serde(default)]
    pub domains: Vec<String>,
    /// Where it comes from.
    pub source: AccountSource,
    /// Its ids in other systems.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub external_ids: BTreeMap<String, String>,
    /// Whatever else the company keeps of it.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub custom: serde_json::Map<String, serde_json::Value>,
}

/// An account's line in the table of accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ListRow {
    /// The account.
    pub id: AccountId,
    /// Its name.
    pub name: String,
    /// Its main domain.
    pub domain: Option<String>,
    /// MRR in the workspace's currency.
    pub mrr: Money,
    /// ARR in the workspace's currency.
    pub arr: Money,
    /// One of [`PAYMENT_STATUSES`].
    #[cfg_attr(feature = "openapi", schema(value_type = billfold_core::billing::PaymentStatus))]
    pub payment_status: String,
    /// The plan, in a few words.
    pub plan: Option<String>,
    /// When the first subscription renews.
    pub renews_at: Option<Timestamp>,
    /// The pillars of its health.
    #[cfg_attr(feature = "openapi", schema(value_type = billfold_core::billing::Health))]
    pub health: serde_json::Value,
    /// How many of its customers Stripe still has.
    pub customer_count: u64,
}

/// Whose a customer is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Matched {
    /// The customer.
    pub customer: CustomerId,
    /// The account; `None` while no account takes it.
    pub account: Option<AccountId>,
    /// What decided.
    pub rule: Option<MatchRule>,
    /// The customer's name, for the list of the unmatched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub name: Option<String>,
    /// The customer's address, for the list of the unmatched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub email: Option<String>,
    /// True while nothing but the id is known: a customer that Stripe deleted before it was ever read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unknown: bool,
}

/// A row with the revision in which it was read.
#[derive(Debug, Clone)]
pub struct Versioned<T> {
    /// The row.
    pub row: T,
    pub(crate) rev: u64,
}

/// Everything that is stored under an account.
#[derive(Debug, Clone, Default)]
pub struct AccountRows {
    /// Who it is.
    pub account: Option<Versioned<AccountRow>>,
    /// Its line in the table.
    pub list: Option<Versioned<ListRow>>,
    /// Its billing, as JSON text.
    pub billing: Option<Versioned<String>>,
    /// Its customers.
    pub customers: Vec<CustomerId>,
    /// Its signals, those that are resolved as well.
    pub signals: Vec<Versioned<Signal>>,
    /// Its ledger and where it stands. It is a row elsewhere: [`Store::ledgers`] reads it.
    pub ledger: Option<Versioned<LedgerRow>>,
}

impl<T: Serialize> Versioned<T> {
    pub(crate) fn rev(this: Option<&Self>) -> Option<u64> {
        this.map(|versioned| versioned.rev)
    }
}

impl AccountRows {
    /// The write that replaces who the account is.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if it cannot be written as JSON.
    pub fn put_account(&self, ws: &WorkspaceId, row: &AccountRow) -> Result<Write, StoreError> {
        replace(&key::account(ws, &row.id, sort::ACCOUNT), row, Versioned::rev(self.account.as_ref()))
    }

    /// The write that replaces its billing.
    ///
    /// # Errors
    /// Never; the signature is the others'.
    pub fn put_billing(&self, ws: &WorkspaceId, id: &AccountId, json: String) -> Result<Write, StoreError> {
        let rev = Versioned::rev(self.billing.as_ref());
        let row = NewRow::bare(&key::account(ws, id, sort::BILLING)).body(json);
        Ok(next_rev(row, rev))
    }

    /// The write that replaces its line in the table.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if it cannot be written as JSON.
    pub fn put_list(&self, ws: &WorkspaceId, list: &ListRow) -> Result<Write, StoreError> {
        let id = &list.id;
        let name = sorted_name(&list.name);
        let search = [list.name.as_str(), list.domain.as_deref().unwrap_or_default(), id.as_str()].join("\n");
        let row = NewRow::new(&key::account(ws, id, sort::LIST), list)?
            .text(attribute::LIST, key::account_list(ws, &list.payment_status))
            .text(attribute::BY_MRR, format!("{}#{id}", key::sortable(list.mrr.amount)))
            .text(attribute::BY_ARR, format!("{}#{id}", key::sortable(list.arr.amount)))
            .text(attribute::BY_NAME, format!("{name}#{id}"))
            .text(attribute::SEARCH, search.to_lowercase());
        Ok(next_rev(row, Versioned::rev(self.list.as_ref())))
    }

    /// Whether nothing is stored of it but who is in it.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        let Self { account, list, billing, customers: _, signals, ledger } = self;
        account.is_none() && list.is_none() && billing.is_none() && signals.is_empty() && ledger.is_none()
    }

    /// The writes that take the account away, with everything under it but its customers' links.
    #[must_use]
    pub fn remove(&self, ws: &WorkspaceId, id: &AccountId) -> Vec<Write> {
        let revs = [
            (sort::ACCOUNT, Versioned::rev(self.account.as_ref())),
            (sort::LIST, Versioned::rev(self.list.as_ref())),
            (sort::BILLING, Versioned::rev(self.billing.as_ref())),
        ];
        let delete =
            |(sort, rev): (&str, Option<u64>)| rev.map(|rev| Write::delete(key::account(ws, id, sort), When::Rev(rev)));
        let signals =
            self.signals.iter().map(|signal| Write::delete(key::signal(ws, id, &signal.row.id), When::Rev(signal.rev)));
        let ledger = self.ledger.as_ref().map(|ledger| ledger.delete(ws, id));
        revs.into_iter().filter_map(delete).chain(signals).chain(ledger.into_iter().flatten()).collect()
    }
}

pub(crate) fn next_rev(row: NewRow, rev: Option<u64>) -> Write {
    match rev {
        None => Write::put(row, When::Absent),
        Some(rev) => Write::put(row.rev(rev.saturating_add(1)), When::Rev(rev)),
    }
}

/// A name as the table sorts it: lowercase, cut, without the character that separates it from the id.
fn sorted_name(name: &str) -> String {
    let mut text = name.trim().to_lowercase().replace('#', " ");
    let cut = text.floor_char_boundary(SORTED_NAME_BYTES_MAX);
    text.truncate(cut);
    text
}

impl Store {
    /// Everything under an account, in one query.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn account_rows(&self, ws: &WorkspaceId, account: &AccountId) -> Result<AccountRows, StoreError> {
        account_of(&self.query(&Range::all(key::account_partition(ws, account))).await?)
    }

    /// Everything under each of some accounts, in their order.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn accounts_rows(
        &self,
        ws: &WorkspaceId,
        accounts: &[AccountId],
    ) -> Result<Vec<AccountRows>, StoreError> {
        let ranges: Vec<Range> = accounts.iter().map(|id| Range::all(key::account_partition(ws, id))).collect();
        self.query_all(&ranges).await?.iter().map(|rows| account_of(rows)).collect()
    }

    /// The writes that say whose a customer is, over what was read `before`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if it cannot be written as JSON.
    pub fn match_writes(ws: &WorkspaceId, matched: &Matched, before: &CustomerRows) -> Result<Vec<Write>, StoreError> {
        let customer = &matched.customer;
        let mut row = NewRow::new(&key::customer_match(ws, customer), matched)?;
        if matched.account.is_none() {
            let name = matched.name.as_deref().or(matched.email.as_deref()).unwrap_or_default();
            let list = if matched.unknown { key::unknown_list(ws) } else { key::unmatched_list(ws) };
            row = row.text(attribute::LIST, list).text(attribute::BY_NAME, format!("{}#{customer}", sorted_name(name)));
        }
        let mut writes = vec![next_rev(row, before.match_rev)];
        if let Some(account) = &matched.account {
            writes.push(Write::put(NewRow::bare(&key::account_customer(ws, account, customer)), When::Always));
        }
        let left = before.matched.as_ref().and_then(|before| before.account.as_ref());
        if let Some(before) = left.filter(|left| Some(*left) != matched.account.as_ref()) {
            writes.push(Write::delete(key::account_customer(ws, before, customer), When::Always));
        }
        Ok(writes)
    }

    /// The accounts that customers are in, of those that are in one.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn accounts_of(
        &self,
        ws: &WorkspaceId,
        customers: &BTreeSet<CustomerId>,
    ) -> Result<BTreeMap<CustomerId, AccountId>, StoreError> {
        let keys: Vec<_> = customers.iter().map(|customer| key::customer_match(ws, customer)).collect();
        let rows = self.batch_get(&keys, &[attribute::BODY]).await?;
        let matched = rows.iter().map(crate::item::Row::body::<Matched>).collect::<Result<Vec<_>, _>>()?;
        Ok(matched.into_iter().filter_map(|one| Some((one.customer, one.account?))).collect())
    }

    /// The write that fails if a customer has left an account meanwhile.
    #[must_use]
    pub fn still_in(ws: &WorkspaceId, account: &AccountId, customer: &CustomerId) -> Write {
        Write::check(key::account_customer(ws, account, customer), When::Rev(1))
    }

    /// The given accounts that own domains, of those domains that have an owner.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn domain_owners(
        &self,
        ws: &WorkspaceId,
        domains: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, AccountId>, StoreError> {
        let keys: Vec<_> = domains.iter().map(|domain| key::domain_owner(ws, domain)).collect();
        let rows = self.batch_get(&keys, &[attribute::BODY]).await?;
        let mut owners = BTreeMap::new();
        for (domain, key) in domains.iter().zip(&keys) {
            let row = rows.iter().find(|row| row.text(attribute::PK) == Some(key.partition.as_str()));
            if let Some(row) = row {
                owners.insert(domain.clone(), row.body()?);
            }
        }
        Ok(owners)
    }

    /// Those accounts that are there; the others have nothing stored under them but links that are about to be theirs.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn existing_accounts(
        &self,
        ws: &WorkspaceId,
        accounts: &BTreeSet<AccountId>,
    ) -> Result<BTreeSet<AccountId>, StoreError> {
        let keys: Vec<_> = accounts.iter().map(|id| key::account(ws, id, sort::ACCOUNT)).collect();
        let rows = self.batch_get(&keys, &[]).await?;
        let found: BTreeSet<&str> = rows.iter().filter_map(|row| row.text(attribute::PK)).collect();
        let is_there = |(_, key): &(&AccountId, &key::Key)| found.contains(key.partition.as_str());
        Ok(accounts.iter().zip(&keys).filter(is_there).map(|(id, _)| id.clone()).collect())
    }

    /// The write that makes a given account the owner of a domain, if nobody is yet. Accounts that are made for a domain
    /// need no such row: their id says it.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if it cannot be written as JSON.
    pub fn own_domain(ws: &WorkspaceId, domain: &str, account: &AccountId) -> Result<Write, StoreError> {
        Ok(Write::put(NewRow::new(&key::domain_owner(ws, domain), account)?, When::Absent))
    }

    /// The write that gives a domain up.
    #[must_use]
    pub fn disown_domain(ws: &WorkspaceId, domain: &str) -> Write {
        Write::delete(key::domain_owner(ws, domain), When::Always)
    }

    /// Writes all or nothing.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if some row has changed meanwhile.
    pub async fn write_all(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        match self.transact(writes).await? {
            crate::client::Transacted::Done => Ok(()),
            crate::client::Transacted::Failed(_) => Err(StoreError::Conflict),
        }
    }
}

fn account_of(found: &[Row]) -> Result<AccountRows, StoreError> {
    let mut rows = AccountRows::default();
    for row in found {
        let rev = row.rev();
        match row.sort_key() {
            sort::ACCOUNT => rows.account = Some(Versioned { row: row.body()?, rev }),
            sort::LIST => rows.list = Some(Versioned { row: row.body()?, rev }),
            sort::BILLING => rows.billing = Some(Versioned { row: row.body_text()?.to_owned(), rev }),
            signal if signal.starts_with(sort::SIGNAL_PREFIX) => {
                rows.signals.push(Versioned { row: row.body()?, rev });
            }
            link => {
                let id = link.strip_prefix(sort::CUSTOMER_PREFIX).map(CustomerId::new);
                let id = id.and_then(Result::ok);
                rows.customers.push(id.ok_or_else(|| StoreError::corrupt(row.name(), "it is not an account's"))?);
            }
        }
    }
    Ok(rows)
}

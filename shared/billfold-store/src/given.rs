//! Accounts from elsewhere, many at a time: who is there already, and who owns which id of another system.

use crate::accounts::{AccountRow, AccountRows, Versioned};
use crate::client::{Store, When, Write};
use crate::error::StoreError;
use crate::item::{NewRow, attribute};
use crate::key::{self, Key, sort};
use billfold_core::id::{AccountId, CustomerId, WorkspaceId};
use billfold_core::matching::ExternalId;
use std::collections::{BTreeMap, BTreeSet, HashMap};

impl Store {
    /// Who accounts are, of those that are there. Their lines, billing and customers are not read.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn accounts_by_id(
        &self,
        ws: &WorkspaceId,
        ids: &BTreeSet<AccountId>,
    ) -> Result<BTreeMap<AccountId, AccountRows>, StoreError> {
        let keys: Vec<Key> = ids.iter().map(|id| key::account(ws, id, sort::ACCOUNT)).collect();
        let mut found = BTreeMap::new();
        for row in self.batch_get(&keys, &[attribute::REV, attribute::BODY]).await? {
            let account: Versioned<AccountRow> = Versioned { row: row.body()?, rev: row.rev() };
            found.insert(account.row.id.clone(), AccountRows { account: Some(account), ..AccountRows::default() });
        }
        Ok(found)
    }

    /// The given accounts that have ids of other systems, of those ids that somebody has.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn external_owners(
        &self,
        ws: &WorkspaceId,
        ids: &BTreeSet<ExternalId>,
    ) -> Result<BTreeMap<ExternalId, AccountId>, StoreError> {
        let by_partition: HashMap<String, &ExternalId> =
            ids.iter().map(|id| (key::external_owner(ws, id).partition, id)).collect();
        let keys: Vec<Key> = ids.iter().map(|id| key::external_owner(ws, id)).collect();
        let mut owners = BTreeMap::new();
        for row in self.batch_get(&keys, &[attribute::BODY]).await? {
            if let Some(id) = row.text(attribute::PK).and_then(|partition| by_partition.get(partition)) {
                owners.insert((*id).clone(), row.body()?);
            }
        }
        Ok(owners)
    }

    /// The write that gives an account an id of another system, if nobody has it yet.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if it cannot be written as JSON.
    pub fn own_external(ws: &WorkspaceId, id: &ExternalId, account: &AccountId) -> Result<Write, StoreError> {
        Ok(Write::put(NewRow::new(&key::external_owner(ws, id), account)?, When::Absent))
    }

    /// The write that gives an id of another system up.
    #[must_use]
    pub fn disown_external(ws: &WorkspaceId, id: &ExternalId) -> Write {
        Write::delete(key::external_owner(ws, id), When::Always)
    }

    /// Those customers that Stripe has told of, and not yet deleted.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn known_customers(
        &self,
        ws: &WorkspaceId,
        customers: &BTreeSet<CustomerId>,
    ) -> Result<BTreeSet<CustomerId>, StoreError> {
        let keys: Vec<Key> = customers.iter().map(|id| key::customer(ws, id)).collect();
        let rows = self.batch_get(&keys, &[]).await?;
        let found: BTreeSet<&str> = rows.iter().filter_map(|row| row.text(attribute::PK)).collect();
        let is_there = |(_, key): &(&CustomerId, &Key)| found.contains(key.partition.as_str());
        Ok(customers.iter().zip(&keys).filter(is_there).map(|(id, _)| id.clone()).collect())
    }
}

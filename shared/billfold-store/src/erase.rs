//! Erasing what is stored of a workspace, list by list and partition by partition. Done again it finds what is left, so
//! it can be stopped anywhere.

use crate::account_list::{Direction, ListQuery, SortBy};
use crate::accounts::{AccountSource, Matched};
use crate::client::{Range, Store, TRANSACTION_ACTIONS_MAX, When, Write};
use crate::dirty::{Subject, mark};
use crate::error::StoreError;
use crate::item::Row;
use crate::key::{self, Key, SHARDS};
use billfold_core::facts::Invoice;
use billfold_core::id::{AccountId, CustomerId, WorkspaceId};
use billfold_core::matching::ExternalId;
use jiff::Timestamp;

/// Rows of a list that are erased together.
const PAGE: usize = 500;

/// What is erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erase {
    /// What was read from Stripe, and what was computed from it. Given accounts and settings stay.
    Synced,
    /// Everything.
    Everything,
}

impl Store {
    /// Erases what a workspace has; how many rows that were. Intents stay that were not written before a time: their
    /// writers may be at work.
    ///
    /// # Errors
    /// [`StoreError`] of the store; calling again goes on.
    pub async fn erase(&self, ws: &WorkspaceId, what: Erase, dead_before: Timestamp) -> Result<u64, StoreError> {
        let mut erased = self.erase_accounts(ws, what).await?;
        erased = erased.saturating_add(self.erase_unmatched(ws).await?);
        for shard in 0..SHARDS {
            erased = erased.saturating_add(self.erase_marked(ws, shard, what).await?);
            erased = erased.saturating_add(self.erase_partition(&key::catalogue_partition(ws, shard)).await?);
            erased = erased.saturating_add(self.erase_partition(&key::ledgers_partition(ws, shard)).await?);
        }
        erased = erased.saturating_add(self.erase_intended(ws, what, dead_before).await?);
        self.write(Write::delete(key::catalogue_revision(ws), When::Always)).await?;
        erased = erased.saturating_add(self.erase_runs(ws).await?);
        if what == Erase::Everything {
            for (hash, _) in self.invites(ws).await? {
                self.forget_invite(ws, &hash).await?;
                erased = erased.saturating_add(2);
            }
            erased = erased.saturating_add(self.erase_partition(&key::connection(ws).partition).await?);
            self.write(Write::delete(key::workspace(ws), When::Always)).await?;
        }
        Ok(erased)
    }

    async fn erase_accounts(&self, ws: &WorkspaceId, what: Erase) -> Result<u64, StoreError> {
        let mut query = ListQuery {
            sort: SortBy::Name,
            direction: Direction::Ascending,
            payment_status: None,
            search: None,
            after: None,
            limit: PAGE,
        };
        let mut erased = 0u64;
        loop {
            let (rows, next) = self.list_accounts(ws, &query).await?;
            for row in rows {
                erased = erased.saturating_add(self.erase_account(ws, &row.id, what).await?);
            }
            query.after = next;
            if query.after.is_none() {
                return Ok(erased);
            }
        }
    }

    async fn erase_account(&self, ws: &WorkspaceId, id: &AccountId, what: Erase) -> Result<u64, StoreError> {
        let rows = self.account_rows(ws, id).await?;
        let mut erased = 0u64;
        for customer in &rows.customers {
            erased = erased.saturating_add(self.erase_customer(ws, customer).await?);
        }
        let account = rows.account.map(|account| account.row);
        let given = account.as_ref().is_some_and(|account| account.source == AccountSource::Given);
        if given && what == Erase::Synced {
            let links = rows.customers.iter().map(|customer| key::account_customer(ws, id, customer));
            let signals = rows.signals.iter().map(|signal| key::signal(ws, id, &signal.row.id));
            return Ok(erased.saturating_add(self.delete_keys(links.chain(signals).collect()).await?));
        }
        let domains = account.iter().flat_map(|account| &account.domains).map(|domain| key::domain_owner(ws, domain));
        let external = account.iter().flat_map(|account| &account.external_ids);
        let external =
            external.filter_map(|(system, id)| Some(key::external_owner(ws, &ExternalId::new(system, id).ok()?)));
        erased = erased.saturating_add(self.delete_keys(domains.chain(external).collect()).await?);
        Ok(erased.saturating_add(self.erase_partition(&key::account_partition(ws, id)).await?))
    }

    async fn erase_unmatched(&self, ws: &WorkspaceId) -> Result<u64, StoreError> {
        let mut erased = 0u64;
        loop {
            let (mut found, _) = self.unmatched_customers(ws, None, PAGE).await?;
            found.extend(self.unknown_customers(ws, None, PAGE).await?.0);
            if found.is_empty() {
                return Ok(erased);
            }
            for matched in found {
                erased = erased.saturating_add(self.erase_customer(ws, &matched.customer).await?);
            }
        }
    }

    /// Customers and accounts that were taken but not yet computed are in no list; their marks name them.
    async fn erase_marked(&self, ws: &WorkspaceId, shard: u8, what: Erase) -> Result<u64, StoreError> {
        let partition = key::dirty_partition(ws, shard);
        let (mut erased, mut gone) = (0u64, Vec::new());
        for row in self.query(&Range::all(partition.clone())).await? {
            let subject = mark(&row)?.subject;
            erased = erased.saturating_add(self.erase_subject(ws, &subject, what).await?);
            // What was given stays, and is computed once nothing else is left.
            if !(what == Erase::Synced && matches!(subject, Subject::Account(_))) {
                gone.push(Key { partition: partition.clone(), sort: row.sort_key().to_owned() });
            }
        }
        Ok(erased.saturating_add(self.delete_keys(gone).await?))
    }

    /// The same of those that somebody was about to take.
    async fn erase_intended(&self, ws: &WorkspaceId, what: Erase, before: Timestamp) -> Result<u64, StoreError> {
        let mut erased = 0u64;
        for intent in self.intents(ws, Some(before)).await? {
            for subject in &intent.subjects {
                erased = erased.saturating_add(match subject {
                    // It may be half made; one that was given stays as it is.
                    Subject::Account(account) => self.erase_account(ws, account, what).await?,
                    other => self.erase_subject(ws, other, what).await?,
                });
            }
            self.write_each(vec![intent.forget()]).await?;
            erased = erased.saturating_add(1);
        }
        Ok(erased)
    }

    async fn erase_subject(&self, ws: &WorkspaceId, subject: &Subject, what: Erase) -> Result<u64, StoreError> {
        match subject {
            Subject::Customer(customer) | Subject::Facts(customer) => self.erase_customer(ws, customer).await,
            Subject::Account(account) if what == Erase::Everything => self.erase_account(ws, account, what).await,
            Subject::Account(_) | Subject::Everything => Ok(0),
        }
    }

    async fn erase_customer(&self, ws: &WorkspaceId, customer: &CustomerId) -> Result<u64, StoreError> {
        let partition = key::customer_partition(ws, customer);
        let mut erased = 0u64;
        // The account may be made yet: so far nothing leads to it but this.
        if let Some(matched) = self.get(&key::customer_match(ws, customer)).await? {
            let account = matched.body::<Matched>()?.account;
            let link = account.map(|account| key::account_customer(ws, &account, customer));
            erased = erased.saturating_add(self.delete_keys(link.into_iter().collect()).await?);
        }
        for row in self.query(&Range::prefix(partition.clone(), key::sort::INVOICE_PREFIX)).await? {
            if row.has(crate::facts::PARTS) {
                let invoice: Invoice = row.body()?;
                let lines = key::invoice_lines_partition(ws, invoice.id.as_str());
                erased = erased.saturating_add(self.erase_partition(&lines).await?);
            }
        }
        Ok(erased.saturating_add(self.erase_partition(&partition).await?))
    }

    async fn erase_runs(&self, ws: &WorkspaceId) -> Result<u64, StoreError> {
        let partition = key::runs(ws);
        let mut erased = 0u64;
        for row in self.query(&Range::all(partition.clone())).await? {
            let run = billfold_core::id::RunId::new(row.sort_key()).map_err(|e| StoreError::corrupt(row.name(), e))?;
            erased = erased.saturating_add(self.erase_partition(&key::run_partition(ws, &run)).await?);
        }
        Ok(erased.saturating_add(self.erase_partition(&partition).await?))
    }

    async fn erase_partition(&self, partition: &str) -> Result<u64, StoreError> {
        let rows = self.query(&Range::all(partition.to_owned())).await?;
        let key = |row: &Row| Key { partition: partition.to_owned(), sort: row.sort_key().to_owned() };
        self.delete_keys(rows.iter().map(key).collect()).await
    }

    pub(crate) async fn delete_keys(&self, keys: Vec<Key>) -> Result<u64, StoreError> {
        for some in keys.chunks(TRANSACTION_ACTIONS_MAX) {
            let deletes = some.iter().map(|key| Write::delete(key.clone(), When::Always)).collect();
            self.transact(deletes).await?;
        }
        Ok(u64::try_from(keys.len()).unwrap_or(u64::MAX))
    }
}

//! New accounts: nothing is stored of them, so each row is written by itself, at half the price of a transaction. Who
//! else makes one loses a row at least, and computes it again; an account whose maker was stopped is found by its intent.

use super::Batch;
use super::account::Computed;
use super::intents::announce;
use crate::refusal::Refusal;
use billfold_core::id::{AccountId, CustomerId};
use billfold_store::{Subject, Write};
use std::collections::BTreeSet;

/// What is written of a new account before everything else and after it, and who is in it.
pub(super) struct New {
    /// Who it is: by this row it is found, whatever else there is of it.
    pub(super) account: Write,
    /// Its line in the table, by which people see it.
    pub(super) line: Write,
    pub(super) members: BTreeSet<CustomerId>,
}

impl Batch {
    /// Writes new accounts; those that have to be computed again.
    pub(super) async fn make(&mut self, computed: Vec<Computed>) -> Result<BTreeSet<AccountId>, Refusal> {
        if computed.is_empty() {
            return Ok(BTreeSet::new());
        }
        let subjects = computed.iter().map(|one| Subject::Account(one.id.clone())).collect();
        self.intents.push(announce(&self.app, &self.ws, subjects).await?);
        let (mut first, mut rows, mut last, mut members) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for one in computed {
            rows.extend(one.groups.into_iter().flatten().map(|write| (one.id.clone(), write)));
            if let Some(new) = one.new {
                first.push((one.id.clone(), new.account));
                last.push((one.id.clone(), new.line));
                members.push((one.id, new.members));
            }
        }
        let mut lost = self.app.store().write_steps(vec![first, rows, last]).await?;
        // Whoever moved one of them on meanwhile may have found no account that it was to be taken out of.
        let everybody = members.iter().flat_map(|(_, members)| members.iter().cloned()).collect();
        let accounts = self.app.store().accounts_of(&self.ws, &everybody).await?;
        let is_left = |id: &AccountId, members: &BTreeSet<CustomerId>| {
            members.iter().any(|customer| accounts.get(customer) != Some(id))
        };
        lost.extend(members.into_iter().filter(|(id, members)| is_left(id, members)).map(|(id, _)| id));
        Ok(lost)
    }

    /// Writes rows, each by itself; whose were lost to other writers.
    pub(super) async fn write_rows(&self, rows: Vec<(AccountId, Write)>) -> Result<BTreeSet<AccountId>, Refusal> {
        let (whose, writes): (Vec<AccountId>, Vec<Write>) = rows.into_iter().unzip();
        let failed = self.app.store().write_each(writes).await?;
        Ok(failed.into_iter().filter_map(|place| whose.get(place).cloned()).collect())
    }
}

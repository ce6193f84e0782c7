//! One account: its customers' facts become its billing and its line in the table. What has not changed is not written.

use super::books::Whose;
use super::making::New;
use super::{Batch, Rules, account_of, customer};
use crate::refusal::Refusal;
use billfold_core::billing::{self, AccountBilling, CustomerFacts};
use billfold_core::facts::Customer;
use billfold_core::id::{AccountId, CustomerId};
use billfold_core::matching::{Belongs, account_name, account_of_domain, belongs};
use billfold_store::{AccountRow, AccountRows, AccountSource, CustomerRows, ListRow, Store, Subject, Write};
use std::collections::BTreeSet;

/// Members of a new account that must still be in it when it is written; the transaction has room for these.
const MEMBERS_CHECKED_MAX: usize = 20;

/// What an account came to.
pub(super) struct Computed {
    pub(super) id: AccountId,
    /// Groups of writes, each whole, in their order.
    pub(super) groups: Vec<Vec<Write>>,
    /// Whether they take the account away.
    pub(super) removed: bool,
    /// What follows them of an account of which nothing is stored.
    pub(super) new: Option<New>,
}

impl Batch {
    /// Computes one account from the rows that were read.
    pub(super) fn account(
        &self,
        rules: &Rules,
        id: &AccountId,
        stored: &AccountRows,
        members: &BTreeSet<CustomerId>,
    ) -> Result<Computed, Refusal> {
        let given = stored.account.as_ref().is_some_and(|account| account.row.source == AccountSource::Given);
        if members.is_empty() && !given {
            // Made for customers who are all elsewhere now.
            let removed = stored.remove(&self.ws, id);
            let groups = removed.chunks(super::WRITES).map(<[Write]>::to_vec).collect();
            return Ok(Computed { id: id.clone(), groups, removed: true, new: None });
        }
        let rows: Vec<&CustomerRows> = members.iter().filter_map(|id| self.customers.get(id)).collect();
        let account = self.who(id, stored, &rows);
        let facts: Vec<CustomerFacts> = rows.iter().map(|rows| facts(rows)).collect();
        let now = self.app.now();
        let computed = billing::compute(&rules.billing, &rules.catalogue, &facts, now);
        // Whoever moves somebody, or is not alone, writes what is the same as well: somebody else may be writing, or taking
        // away, what it came to before, and must notice.
        let at_it = |subject: &Subject| {
            account_of(subject) == Some(id) || customer(subject).is_some_and(|one| members.contains(one))
        };
        let moved = self.moved.arrived.contains(id) || self.moved.left.contains_key(id);
        let moved = moved || self.at_work.iter().any(at_it);
        let whose = Whose { id, stored, customers: &rows, moved };
        let (mut groups, mut writes) = rules.keep_books(&whose, &facts, &computed, now)?;
        let billing = computed.billing;
        let list = list_row(&account, &billing, &facts)?;
        let json = serde_json::to_string(&billing).map_err(Refusal::internal)?;
        if moved || stored.billing.as_ref().is_none_or(|before| before.row != json) {
            writes.push(stored.put_billing(&self.ws, id, json)?);
        }
        if stored.is_nothing() && groups.is_empty() && writes.iter().all(Write::makes) {
            let (who, line) = (stored.put_account(&self.ws, &account)?, stored.put_list(&self.ws, &list)?);
            let new = Some(New { account: who, line, members: members.clone() });
            return Ok(Computed { id: id.clone(), groups: vec![writes], removed: false, new });
        }
        if moved || stored.account.as_ref().is_none_or(|before| before.row != account) {
            writes.push(stored.put_account(&self.ws, &account)?);
        }
        if stored.account.is_none() {
            // Whoever moved them on has found no account that could be taken away.
            let still_in = members.iter().map(|customer| Store::still_in(&self.ws, id, customer));
            writes.extend(still_in.take(MEMBERS_CHECKED_MAX));
        }
        if moved || stored.list.as_ref().is_none_or(|before| before.row != list) {
            writes.push(stored.put_list(&self.ws, &list)?);
        }
        groups.push(writes);
        Ok(Computed { id: id.clone(), groups, removed: false, new: None })
    }

    /// Who an account is: what was given stays; what was made follows its oldest customer.
    fn who(&self, id: &AccountId, stored: &AccountRows, rows: &[&CustomerRows]) -> AccountRow {
        let before = stored.account.as_ref().map(|account| &account.row);
        if let Some(given) = before.filter(|account| account.source == AccountSource::Given) {
            return given.clone();
        }
        let mut customers: Vec<&Customer> = rows.iter().filter_map(|rows| rows.customer.as_ref()).collect();
        customers.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        // A customer put here by hand does not bring its domain along.
        let owned = |domain: &String| account_of_domain(domain).as_ref() == Some(id);
        let domain = customers.iter().find_map(|customer| match belongs(customer) {
            Belongs::ToDomain { domain, .. } => Some(domain).filter(owned),
            Belongs::Alone => None,
        });
        let name = customers.first().map(|customer| account_name(customer, domain.as_deref()));
        let kept = before.map(|account| account.name.clone());
        AccountRow {
            id: id.clone(),
            name: name.or(kept).unwrap_or_else(|| id.to_string()),
            domains: domain.into_iter().collect(),
            source: AccountSource::Stripe,
            external_ids: before.map(|account| account.external_ids.clone()).unwrap_or_default(),
            custom: before.map(|account| account.custom.clone()).unwrap_or_default(),
        }
    }
}

fn facts(rows: &CustomerRows) -> CustomerFacts {
    CustomerFacts {
        customer: rows.customer.clone(),
        subscriptions: rows.subscriptions.clone(),
        invoices: rows.invoices.clone(),
        money_back: rows.money_back.clone(),
    }
}

fn list_row(account: &AccountRow, billing: &AccountBilling, facts: &[CustomerFacts]) -> Result<ListRow, Refusal> {
    let customer_count = facts.iter().filter(|facts| facts.customer.is_some()).count();
    Ok(ListRow {
        id: account.id.clone(),
        name: account.name.clone(),
        domain: account.domains.first().cloned(),
        mrr: billing.mrr,
        arr: billing.arr,
        payment_status: billing.payment_status.as_str().to_owned(),
        plan: billing.plan.clone(),
        renews_at: billing.renews_at,
        health: serde_json::to_value(&billing.health).map_err(Refusal::internal)?,
        customer_count: u64::try_from(customer_count).unwrap_or(u64::MAX),
    })
}

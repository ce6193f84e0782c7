//! Whose a customer is: what a person said, else what the customer's own data says.

use super::{Batch, First, Placed, account_of, customer};
use crate::refusal::Refusal;
use crate::settings::AccountsMode;
use billfold_core::id::{AccountId, CustomerId};
use billfold_core::matching::{Belongs, ExternalId, MatchRule, account_of_customer, account_of_domain, belongs};
use billfold_store::{CustomerRows, Mark, Matched, Store, StoreError, Subject};
use std::collections::{BTreeMap, BTreeSet};

/// What customers are matched by.
#[derive(Default)]
pub(super) struct Owners {
    mode: AccountsMode,
    domains: BTreeMap<String, AccountId>,
    external: BTreeMap<ExternalId, AccountId>,
}

impl Batch {
    /// The given accounts that own the domains of customers, or name the customers themselves.
    pub(super) async fn owners(&self, customers: &[CustomerId]) -> Result<Owners, Refusal> {
        if customers.is_empty() {
            return Ok(Owners::default());
        }
        let domain = |id: &CustomerId| match belongs(self.customers.get(id)?.customer.as_ref()?) {
            Belongs::ToDomain { domain, .. } => Some(domain),
            Belongs::Alone => None,
        };
        let domains: BTreeSet<String> = customers.iter().filter_map(domain).collect();
        let external: BTreeSet<ExternalId> = customers.iter().map(ExternalId::of_customer).collect();
        Ok(Owners {
            mode: self.app.settings(&self.ws).await?.accounts,
            domains: self.app.store().domain_owners(&self.ws, &domains).await?,
            external: self.app.store().external_owners(&self.ws, &external).await?,
        })
    }

    /// Matches the customers among the subjects and writes whose they are.
    pub(super) async fn try_place(&mut self, subjects: &[Subject], first: First) -> Result<Placed, Refusal> {
        self.customers.clear();
        let marked: Vec<CustomerId> = subjects.iter().filter_map(customer).cloned().collect();
        self.read_first(&marked, first).await?;
        let owners = self.owners(&marked).await?;
        let asked_for: BTreeSet<AccountId> = subjects.iter().filter_map(account_of).cloned().collect();
        let mut placed = Placed { accounts: asked_for.clone(), asked_for, ..Placed::default() };
        let mut writes = Vec::new();
        let stamp = self.app.stamp()?;
        for id in &marked {
            let Some(rows) = self.customers.get(id) else { continue };
            let before = rows.matched.as_ref().and_then(|matched| matched.account.clone());
            let matched = match_customer(id, rows, &owners);
            let moves = before != matched.account;
            placed.accounts.extend(before.clone());
            if let Some(account) = &matched.account {
                if moves {
                    self.moved.arrived.insert(account.clone());
                }
                placed.accounts.insert(account.clone());
                placed.newcomers.entry(account.clone()).or_default().push(id.clone());
            }
            if rows.matched.as_ref() != Some(&matched) {
                let mut group = Store::match_writes(&self.ws, &matched, rows)?;
                // Of two who match somebody for the first time the second fails.
                if rows.matched.is_some() {
                    group.push(Store::still_as_read(&self.ws, id, rows));
                }
                if let Some(left) = before.filter(|_| moves) {
                    let mark = Mark { subject: Subject::Account(left.clone()), stamp };
                    placed.leavers.insert((left.clone(), id.clone()));
                    // One for all who leave it, because a transaction writes no row twice.
                    if self.moved.left.insert(left, mark.clone()).is_none_or(|older| older != mark) {
                        group.push(Store::mark(&self.ws, &mark.subject, stamp));
                    }
                }
                writes.push(group);
            }
        }
        if !self.write_groups(writes.into_iter().map(|group| ((), group))).await?.is_empty() {
            return Err(StoreError::Conflict.into());
        }
        if first == First::Heads {
            self.customers.clear();
        }
        // An event that came after they were read may have been counted where they were.
        for (_, moved) in &placed.leavers {
            self.customers.remove(moved);
        }
        placed.accounts.extend(self.moved.left.keys().chain(&self.moved.arrived).cloned());
        placed.asked_for.extend(self.moved.left.keys().cloned());
        Ok(placed)
    }
}

/// Finds the account of a customer.
fn match_customer(id: &CustomerId, rows: &CustomerRows, owners: &Owners) -> Matched {
    let stored = rows.matched.clone();
    let Some(customer) = &rows.customer else {
        // A deleted customer stays where it was. One that was never read has no account, and no name to be asked for.
        let unknown =
            Matched { customer: id.clone(), account: None, rule: None, name: None, email: None, unknown: true };
        return stored.unwrap_or(unknown);
    };
    if let Some(by_hand) = stored.filter(|matched| matched.rule == Some(MatchRule::ByHand)) {
        return by_hand;
    }
    let create = owners.mode == AccountsMode::Create && !customer.test_clock;
    let named = owners.external.get(&ExternalId::of_customer(id)).cloned();
    let (account, rule) = match belongs(customer) {
        _ if named.is_some() => (named, MatchRule::ExternalId),
        Belongs::Alone => (account_of_customer(id).filter(|_| create), MatchRule::OwnAccount),
        Belongs::ToDomain { domain, rule } => {
            let made = || account_of_domain(&domain).filter(|_| create);
            (owners.domains.get(&domain).cloned().or_else(made), rule)
        }
    };
    Matched {
        customer: id.clone(),
        rule: account.as_ref().map(|_| rule),
        name: customer.name.clone().filter(|_| account.is_none()),
        email: customer.email.clone().filter(|_| account.is_none()),
        account,
        unknown: false,
    }
}

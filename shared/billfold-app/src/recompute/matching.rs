//! Whose a customer is: what a person said, else what the customer's own data says.

use super::Batch;
use crate::refusal::Refusal;
use crate::settings::AccountsMode;
use billfold_core::id::{AccountId, CustomerId};
use billfold_core::matching::{Belongs, ExternalId, MatchRule, account_of_customer, account_of_domain, belongs};
use billfold_store::{CustomerRows, Matched};
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
}

/// Finds the account of a customer.
pub(super) fn match_customer(id: &CustomerId, rows: &CustomerRows, owners: &Owners) -> Matched {
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

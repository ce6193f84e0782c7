//! Whose a customer is: what a person said, else what the customer's own data says.

use super::Batch;
use crate::refusal::Refusal;
use crate::settings::AccountsMode;
use billfold_core::id::{AccountId, CustomerId};
use billfold_core::matching::{Belongs, MatchRule, account_of_customer, account_of_domain, belongs};
use billfold_store::{CustomerRows, Matched, Store, Write};
use std::collections::BTreeMap;

/// Where a customer belongs, and what has to be written beside it.
pub(super) struct Found {
    pub(super) matched: Matched,
    pub(super) writes: Vec<Write>,
}

impl Batch {
    /// Finds the account of a customer. `newcomers` are the accounts that this batch is about to give customers.
    pub(super) async fn match_customer(
        &self,
        id: &CustomerId,
        rows: &CustomerRows,
        newcomers: &BTreeMap<AccountId, Vec<CustomerId>>,
    ) -> Result<Found, Refusal> {
        let stored = rows.matched.clone();
        let by_hand = stored.as_ref().is_some_and(|matched| matched.rule == Some(MatchRule::ByHand));
        let Some(customer) = &rows.customer else {
            // A deleted customer stays where it was. One that was never read has no account, and no name to be asked for.
            let unknown =
                Matched { customer: id.clone(), account: None, rule: None, name: None, email: None, unknown: true };
            return Ok(Found { matched: stored.unwrap_or(unknown), writes: Vec::new() });
        };
        if let Some(matched) = stored.filter(|_| by_hand) {
            return Ok(Found { matched, writes: Vec::new() });
        }
        let matched = |account: Option<AccountId>, rule| Matched {
            customer: id.clone(),
            rule: account.as_ref().map(|_| rule),
            name: customer.name.clone().filter(|_| account.is_none()),
            email: customer.email.clone().filter(|_| account.is_none()),
            account,
            unknown: false,
        };
        let create = self.settings.accounts == AccountsMode::Create && !customer.test_clock;
        match belongs(customer) {
            Belongs::Alone => {
                let own = if create { account_of_customer(id) } else { None };
                Ok(Found { matched: matched(own, MatchRule::OwnAccount), writes: Vec::new() })
            }
            Belongs::ToDomain { domain, rule } => {
                let (account, writes) = self.owner(&domain, create, newcomers).await?;
                Ok(Found { matched: matched(account, rule), writes })
            }
        }
    }

    /// The account that owns a domain; where none does, the one that is made for it.
    async fn owner(
        &self,
        domain: &str,
        create: bool,
        newcomers: &BTreeMap<AccountId, Vec<CustomerId>>,
    ) -> Result<(Option<AccountId>, Vec<Write>), Refusal> {
        let made = account_of_domain(domain);
        // The same batch has already met the domain, and its owner is about to be written.
        if let Some(made) = made.as_ref().filter(|made| newcomers.contains_key(*made)) {
            return Ok((Some(made.clone()), Vec::new()));
        }
        if let Some(owner) = self.app.store().domain_owner(&self.ws, domain).await? {
            return Ok((Some(owner), Vec::new()));
        }
        match made.filter(|_| create) {
            None => Ok((None, Vec::new())),
            Some(made) => {
                let owns = Store::own_domain(&self.ws, domain, &made)?;
                Ok((Some(made), vec![owns]))
            }
        }
    }
}

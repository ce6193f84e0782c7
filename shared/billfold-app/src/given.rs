//! What an account from elsewhere owns (domains, ids in other systems), whom that brings to it, and the limits of what may
//! be said of it.

use crate::app::App;
use crate::refusal::{Kind, Refusal};
use billfold_core::id::{AccountId, CustomerId, WorkspaceId};
use billfold_core::matching::{ExternalId, account_of_domain};
use billfold_store::{AccountRow, AccountSource, Store, StoreError, Subject, Write};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The most ids in other systems that an account has.
pub const EXTERNAL_IDS_MAX: usize = 20;
/// The most fields of its own that an account has.
pub const CUSTOM_FIELDS_MAX: usize = 100;
/// The longest that all of them are together, as JSON, in bytes.
pub const CUSTOM_BYTES_MAX: usize = 16 * 1024;

/// Customers whose account may be another one now.
const PAGE: usize = 1000;

/// The ids in other systems, if each is one.
pub(crate) fn external_ids(ids: &BTreeMap<String, String>) -> Result<BTreeSet<ExternalId>, Refusal> {
    if ids.len() > EXTERNAL_IDS_MAX {
        let detail = format!("An account has at most {EXTERNAL_IDS_MAX} external ids");
        return Err(Refusal::invalid("too_many_external_ids", "external_ids", detail));
    }
    let read = ids.iter().map(|(system, id)| ExternalId::new(system, id)).collect::<Result<_, _>>();
    read.map_err(|error| Refusal::invalid("external_id_invalid", "external_ids", error.to_string()))
}

/// Checks what else the company keeps.
pub(crate) fn check_custom(custom: &Map<String, Value>) -> Result<(), Refusal> {
    let bytes = serde_json::to_string(custom).map_err(Refusal::internal)?.len();
    if custom.len() > CUSTOM_FIELDS_MAX || bytes > CUSTOM_BYTES_MAX {
        let detail = format!(
            "An account has at most {CUSTOM_FIELDS_MAX} custom fields, and at most {CUSTOM_BYTES_MAX} bytes in them"
        );
        return Err(Refusal::invalid("custom_too_large", "custom", detail));
    }
    Ok(())
}

/// What the audit trail keeps of an account.
pub(crate) fn told(account: &AccountRow) -> Value {
    json!({"name": account.name, "domains": account.domains, "external_ids": account.external_ids})
}

/// What changes hands when an account becomes another.
#[derive(Debug, Default)]
pub(crate) struct Handover {
    pub(crate) domains_gained: Vec<String>,
    domains_lost: Vec<String>,
    pub(crate) external_gained: BTreeSet<ExternalId>,
    external_lost: BTreeSet<ExternalId>,
}

impl Handover {
    /// What an account owns beyond what it owned before. Accounts that were made own their domain by their id.
    pub(crate) fn new(before: Option<&AccountRow>, after: &AccountRow) -> Result<Self, Refusal> {
        let owned = |account: &AccountRow| match account.source {
            AccountSource::Given => account.domains.clone(),
            AccountSource::Stripe => Vec::new(),
        };
        let (had, has) = (before.map(owned).unwrap_or_default(), owned(after));
        let external = |account: &AccountRow| external_ids(&account.external_ids);
        let external_had = before.map(external).transpose()?.unwrap_or_default();
        let external_has = external(after)?;
        Ok(Self {
            domains_gained: has.iter().filter(|domain| !had.contains(domain)).cloned().collect(),
            domains_lost: had.iter().filter(|domain| !has.contains(domain)).cloned().collect(),
            external_gained: external_has.difference(&external_had).cloned().collect(),
            external_lost: external_had.difference(&external_has).cloned().collect(),
        })
    }

    /// The writes that make it so; each fails if somebody else owns what is gained.
    pub(crate) fn writes(&self, ws: &WorkspaceId, id: &AccountId) -> Result<Vec<Write>, StoreError> {
        let gained = self.domains_gained.iter().map(|domain| Store::own_domain(ws, domain, id));
        let external_gained = self.external_gained.iter().map(|external| Store::own_external(ws, external, id));
        let lost = self.domains_lost.iter().map(|domain| Ok(Store::disown_domain(ws, domain)));
        let external_lost = self.external_lost.iter().map(|external| Ok(Store::disown_external(ws, external)));
        gained.chain(external_gained).chain(lost).chain(external_lost).collect()
    }

    /// True if customers that nobody has may be the account's now.
    pub(crate) fn takes_unmatched(&self) -> bool {
        !self.domains_gained.is_empty()
    }

    /// The accounts whose customers may be another's now.
    pub(crate) fn accounts(&self, id: &AccountId) -> BTreeSet<AccountId> {
        let mut accounts: BTreeSet<AccountId> = self
            .domains_gained
            .iter()
            .filter_map(|domain| account_of_domain(domain))
            .filter(|made| made != id)
            .collect();
        if !self.domains_lost.is_empty() || !self.external_lost.is_empty() {
            accounts.insert(id.clone());
        }
        accounts
    }

    /// The customers that the account has begun to name.
    pub(crate) fn customers(&self) -> BTreeSet<CustomerId> {
        self.external_gained.iter().filter_map(ExternalId::customer).collect()
    }
}

impl App {
    /// The customers of accounts, and those named, as far as Stripe knows them: whoever has to find an account again.
    pub(crate) async fn concerned(
        &self,
        ws: &WorkspaceId,
        accounts: &BTreeSet<AccountId>,
        named: &BTreeSet<CustomerId>,
    ) -> Result<Vec<Subject>, Refusal> {
        let mut customers = self.store().known_customers(ws, named).await?;
        for account in self.store().existing_accounts(ws, accounts).await? {
            customers.extend(self.store().account_rows(ws, &account).await?.customers);
        }
        Ok(customers.into_iter().map(Subject::Customer).collect())
    }

    /// Marks every customer that no account takes: one of them may be somebody's now.
    pub(crate) async fn mark_unmatched(&self, ws: &WorkspaceId) -> Result<Vec<Subject>, Refusal> {
        let mut marked = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let (rows, next) = self.store().unmatched_customers(ws, after.as_deref(), PAGE).await?;
            let subjects: Vec<Subject> = rows.into_iter().map(|row| Subject::Customer(row.customer)).collect();
            self.store().mark_all(ws, &subjects, self.stamp()?).await?;
            marked.extend(subjects);
            after = next;
            if after.is_none() {
                return Ok(marked);
            }
        }
    }

    /// Says no if somebody else owns what is gained.
    pub(crate) async fn refuse_taken(&self, ws: &WorkspaceId, handover: &Handover) -> Result<(), Refusal> {
        let domains = handover.domains_gained.iter().cloned().collect();
        if let Some((domain, owner)) = self.store().domain_owners(ws, &domains).await?.into_iter().next() {
            return Err(domain_taken(&domain, &owner));
        }
        if let Some((id, owner)) = self.store().external_owners(ws, &handover.external_gained).await?.into_iter().next()
        {
            return Err(external_taken(&id, &owner));
        }
        Ok(())
    }
}

pub(crate) fn domain_taken(domain: &str, owner: &AccountId) -> Refusal {
    let detail = format!("The domain {domain} belongs to the account {owner}.");
    Refusal { field: Some("domains"), ..Refusal::new(Kind::Conflict, "domain_taken", detail) }
}

pub(crate) fn external_taken(id: &ExternalId, owner: &AccountId) -> Refusal {
    let detail = format!("The account {owner} has this id in {} already.", id.system());
    Refusal { field: Some("external_ids"), ..Refusal::new(Kind::Conflict, "external_id_taken", detail) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(domains: &[&str], external: &[(&str, &str)], source: AccountSource) -> AccountRow {
        AccountRow {
            id: AccountId::new("a").unwrap(),
            name: "A".into(),
            domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
            source,
            external_ids: external.iter().map(|(system, id)| ((*system).to_owned(), (*id).to_owned())).collect(),
            custom: Map::new(),
        }
    }

    #[test]
    fn what_is_gained_and_lost_is_the_difference() {
        let before = account(&["a.com", "b.com"], &[("crm", "1"), ("stripe", "cus_1")], AccountSource::Given);
        let after = account(&["b.com", "c.com"], &[("crm", "1"), ("stripe", "cus_2")], AccountSource::Given);
        let handover = Handover::new(Some(&before), &after).unwrap();
        assert_eq!(
            (handover.domains_gained.as_slice(), handover.domains_lost.as_slice()),
            (["c.com".to_owned()].as_slice(), ["a.com".to_owned()].as_slice())
        );
        assert_eq!(handover.customers(), [CustomerId::new("cus_2").unwrap()].into());
        let of_c = account_of_domain("c.com").unwrap();
        assert_eq!(handover.accounts(&after.id), [after.id.clone(), of_c].into());
        assert_eq!(handover.writes(&WorkspaceId::new("w").unwrap(), &after.id).unwrap().len(), 4);
    }

    #[test]
    fn an_account_that_was_made_owns_its_domain_only_once_it_is_given() {
        let made = account(&["a.com"], &[], AccountSource::Stripe);
        let given = account(&["a.com"], &[], AccountSource::Given);
        assert_eq!(Handover::new(Some(&made), &given).unwrap().domains_gained, ["a.com"]);
        assert!(Handover::new(Some(&made), &made).unwrap().domains_gained.is_empty());
    }

    #[test]
    fn limits_are_told_by_their_field() {
        let many = (0..=EXTERNAL_IDS_MAX).map(|n| (format!("s{n}"), "1".to_owned())).collect();
        assert_eq!(external_ids(&many).unwrap_err().field, Some("external_ids"));
        let odd = [("a b".to_owned(), "1".to_owned())].into();
        assert_eq!(external_ids(&odd).unwrap_err().code, "external_id_invalid");
        let long = Map::from_iter([("a".to_owned(), Value::from("x".repeat(CUSTOM_BYTES_MAX)))]);
        assert_eq!(check_custom(&long).unwrap_err().field, Some("custom"));
        assert!(check_custom(&Map::new()).is_ok());
    }
}

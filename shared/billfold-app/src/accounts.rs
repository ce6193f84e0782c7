//! Accounts: one at a time, their billing, and whose a customer is when a person says so.

use crate::app::App;
use crate::http::limits::{CUSTOM_BYTES_MAX, DOMAINS_MAX, EXTERNAL_ID_BYTES_MAX, EXTERNAL_IDS_MAX, NAME_BYTES_MAX};
use crate::recompute::Batch;
use crate::refusal::{Kind, Refusal};
use billfold_core::billing::{BillingTab, INVOICES_SHOWN, newest_invoices};
use billfold_core::id::{AccountId, CustomerId, WorkspaceId};
use billfold_core::matching::{MatchRule, clean_domain, is_personal};
use billfold_store::{AccountRow, AccountRows, AccountSource, ListRow, Matched, Store, StoreError, Subject, Write};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;

/// An account as the API shows it: its line in the table, and who it is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub struct AccountView {
    #[serde(flatten)]
    line: ListRow,
    /// The domains that are its own, the main one first.
    domains: Vec<String>,
    /// Where it comes from.
    source: AccountSource,
    /// Its ids in other systems.
    external_ids: BTreeMap<String, String>,
    /// Whatever else the company keeps of it.
    custom: Map<String, Value>,
    /// Its customers in Stripe.
    customers: Vec<CustomerId>,
}

/// An account from elsewhere.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GivenAccount {
    /// Its id; made if it is not said.
    id: Option<AccountId>,
    /// Its name.
    #[schema(min_length = 1, max_length = 5000)]
    name: String,
    /// Its main domain.
    domain: Option<String>,
    /// Its other domains.
    #[serde(default)]
    #[schema(max_items = 50)]
    domains: Vec<String>,
    /// Its ids in other systems.
    #[serde(default)]
    external_ids: BTreeMap<String, String>,
    /// Whatever else the company keeps of it.
    #[serde(default)]
    custom: Map<String, Value>,
}

/// A change of an account: what is not said stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountPatch {
    /// Its name.
    #[schema(min_length = 1, max_length = 5000)]
    name: Option<String>,
    /// Its main domain.
    domain: Option<String>,
    /// Its other domains.
    #[schema(max_items = 50)]
    domains: Option<Vec<String>>,
    /// Its ids in other systems.
    external_ids: Option<BTreeMap<String, String>>,
    /// Whatever else the company keeps of it.
    custom: Option<Map<String, Value>>,
}

fn name(text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    if text.is_empty() || text.len() > NAME_BYTES_MAX {
        let detail = format!("The name must have from 1 to {NAME_BYTES_MAX} bytes");
        return Err(Refusal::invalid("name_invalid", "name", detail));
    }
    Ok(text.to_owned())
}

/// The main domain first, each once; a mail provider's domain belongs to nobody.
fn domains(main: Option<&str>, others: &[String]) -> Result<Vec<String>, Refusal> {
    let mut found: Vec<String> = Vec::new();
    for text in main.into_iter().chain(others.iter().map(String::as_str)) {
        let domain = clean_domain(text).filter(|domain| !is_personal(domain));
        let detail = "A domain must be a company's own, like acme.com";
        let domain = domain.ok_or_else(|| Refusal::invalid("domain_invalid", "domains", detail))?;
        if !found.contains(&domain) {
            found.push(domain);
        }
    }
    if found.len() > DOMAINS_MAX {
        let detail = format!("An account has at most {DOMAINS_MAX} domains");
        return Err(Refusal::invalid("too_many_domains", "domains", detail));
    }
    Ok(found)
}

fn external_ids(ids: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Refusal> {
    let too_long = |(name, value): (&String, &String)| name.len().max(value.len()) > EXTERNAL_ID_BYTES_MAX;
    if ids.len() > EXTERNAL_IDS_MAX || ids.iter().any(too_long) {
        let detail = format!(
            "An account has at most {EXTERNAL_IDS_MAX} external ids, each name and value of at most {EXTERNAL_ID_BYTES_MAX} bytes"
        );
        return Err(Refusal::invalid("external_ids_invalid", "external_ids", detail));
    }
    Ok(ids)
}

fn custom(custom: Map<String, Value>) -> Result<Map<String, Value>, Refusal> {
    if serde_json::to_vec(&custom).map_err(Refusal::internal)?.len() > CUSTOM_BYTES_MAX {
        let detail = format!("custom has at most {CUSTOM_BYTES_MAX} bytes of JSON");
        return Err(Refusal::invalid("custom_too_large", "custom", detail));
    }
    Ok(custom)
}

impl App {
    /// One account.
    ///
    /// # Errors
    /// [`Refusal`] if there is no such account.
    pub async fn account(&self, ws: &WorkspaceId, id: &AccountId) -> Result<AccountView, Refusal> {
        let AccountRows { account, list, customers, .. } = self.store().account_rows(ws, id).await?;
        let (Some(account), Some(list)) = (account, list) else { return Err(Refusal::not_found("account")) };
        let AccountRow { domains, source, external_ids, custom, .. } = account.row;
        Ok(AccountView { line: list.row, domains, source, external_ids, custom, customers })
    }

    /// The Billing tab of an account.
    ///
    /// # Errors
    /// [`Refusal`] if there is no such account.
    pub async fn account_billing(&self, ws: &WorkspaceId, id: &AccountId) -> Result<BillingTab, Refusal> {
        let rows = self.store().account_rows(ws, id).await?;
        let billing = rows.billing.ok_or_else(|| Refusal::not_found("account"))?;
        let invoices = rows.customers.iter().map(|customer| self.store().newest_invoices(ws, customer, INVOICES_SHOWN));
        let invoices = futures::future::try_join_all(invoices).await?;
        Ok(BillingTab {
            billing: serde_json::from_str(&billing.row).map_err(Refusal::internal)?,
            invoices: newest_invoices(invoices.iter().flatten()),
            as_of: self.store().connection(ws).await?.last_sync_at,
        })
    }

    /// Takes an account from elsewhere.
    ///
    /// # Errors
    /// [`Refusal`] if it is there already, a value cannot be used, or a domain has another owner.
    pub async fn give_account(&self, ws: &WorkspaceId, given: GivenAccount) -> Result<AccountView, Refusal> {
        let id = match given.id {
            Some(id) => id,
            None => AccountId::new(format!("acc_{:016x}", crate::clock::random_u64()?))?,
        };
        let rows = self.store().account_rows(ws, &id).await?;
        if rows.account.is_some() {
            return Err(Refusal::new(Kind::Conflict, "account_exists", "There is an account with this id already."));
        }
        let account = AccountRow {
            id: id.clone(),
            name: name(&given.name)?,
            domains: domains(given.domain.as_deref(), &given.domains)?,
            source: AccountSource::Given,
            external_ids: external_ids(given.external_ids)?,
            custom: custom(given.custom)?,
        };
        self.put_account(ws, &rows, &account, &[]).await?;
        self.account(ws, &id).await
    }

    /// Changes an account.
    ///
    /// # Errors
    /// [`Refusal`] if there is no such account or a value cannot be used.
    pub async fn change_account(
        &self,
        ws: &WorkspaceId,
        id: &AccountId,
        patch: AccountPatch,
    ) -> Result<AccountView, Refusal> {
        let rows = self.store().account_rows(ws, id).await?;
        let Some(before) = rows.account.as_ref().map(|account| account.row.clone()) else {
            return Err(Refusal::not_found("account"));
        };
        let named = patch.name.as_deref().map(name).transpose()?;
        let domains = match (patch.domain.as_deref(), patch.domains) {
            (None, None) => before.domains.clone(),
            (main, others) => domains(main, &others.unwrap_or_default())?,
        };
        let changes_identity = named.is_some() || domains != before.domains;
        let after = AccountRow {
            id: id.clone(),
            name: named.unwrap_or_else(|| before.name.clone()),
            domains,
            // Whoever names an account by hand means it to stay so.
            source: if changes_identity { AccountSource::Given } else { before.source },
            external_ids: external_ids(patch.external_ids.unwrap_or_else(|| before.external_ids.clone()))?,
            custom: custom(patch.custom.unwrap_or_else(|| before.custom.clone()))?,
        };
        self.put_account(ws, &rows, &after, &before.domains).await?;
        self.account(ws, id).await
    }

    /// Writes an account with its domains, then finds the customers that its domains bring.
    async fn put_account(
        &self,
        ws: &WorkspaceId,
        rows: &AccountRows,
        account: &AccountRow,
        had: &[String],
    ) -> Result<(), Refusal> {
        let mut writes = vec![rows.put_account(ws, account)?];
        for domain in account.domains.iter().filter(|domain| !had.contains(domain)) {
            writes.push(self.claim(ws, domain, &account.id).await?);
        }
        let given_up = had.iter().filter(|domain| !account.domains.contains(domain));
        writes.extend(given_up.map(|domain| Store::disown_domain(ws, domain)));
        writes.push(Store::mark(ws, &Subject::Account(account.id.clone()), self.stamp()?));
        let claimed = account.domains != had;
        self.store().write_all(writes).await.map_err(|error| match error {
            StoreError::Conflict => {
                Refusal::new(Kind::Conflict, "account_changed", "The account has changed; try again.")
            }
            other => other.into(),
        })?;
        Batch::new(self.clone(), ws.clone()).await?.compute(&[Subject::Account(account.id.clone())]).await?;
        if claimed {
            self.recompute_everything(ws).await?;
        }
        Ok(())
    }

    /// Takes a domain that no other given account has.
    async fn claim(&self, ws: &WorkspaceId, domain: &str, id: &AccountId) -> Result<Write, Refusal> {
        let owners = self.store().domain_owners(ws, &BTreeSet::from([domain.to_owned()])).await?;
        if let Some(owner) = owners.get(domain) {
            let detail = format!("The domain {domain} belongs to the account {owner}.");
            return Err(Refusal { field: Some("domains"), ..Refusal::new(Kind::Conflict, "domain_taken", detail) });
        }
        Ok(Store::own_domain(ws, domain, id)?)
    }

    /// Takes a given account away; its customers find accounts of their own again.
    ///
    /// # Errors
    /// [`Refusal`] if there is no such account, or it was made from Stripe's customers and would come back.
    pub async fn remove_account(&self, ws: &WorkspaceId, id: &AccountId) -> Result<(), Refusal> {
        let rows = self.store().account_rows(ws, id).await?;
        let Some(account) = rows.account.as_ref().map(|account| account.row.clone()) else {
            return Err(Refusal::not_found("account"));
        };
        if account.source == AccountSource::Stripe {
            let detail =
                "This account was made for customers in Stripe and would come back. Match them elsewhere instead.";
            return Err(Refusal::new(Kind::Conflict, "account_is_made", detail));
        }
        for domain in &account.domains {
            self.store().write_all(vec![Store::disown_domain(ws, domain)]).await?;
        }
        let made = AccountRow { source: AccountSource::Stripe, domains: Vec::new(), ..account };
        self.store().write_all(vec![rows.put_account(ws, &made)?]).await?;
        for customer in &rows.customers {
            self.match_by_hand(ws, customer, None).await?;
        }
        Batch::new(self.clone(), ws.clone()).await?.compute(&[Subject::Account(id.clone())]).await?;
        Ok(())
    }

    /// Says whose a customer is, or (`None`) leaves it to the rules again.
    ///
    /// # Errors
    /// [`Refusal`] if there is no such customer or account.
    pub async fn match_by_hand(
        &self,
        ws: &WorkspaceId,
        customer: &CustomerId,
        account: Option<&AccountId>,
    ) -> Result<Matched, Refusal> {
        let rows = self.store().customer_rows(ws, customer).await?;
        if rows.customer.is_none() && rows.matched.is_none() {
            return Err(Refusal::not_found("customer"));
        }
        if let Some(account) = account
            && self.store().account_rows(ws, account).await?.account.is_none()
        {
            let detail = "There is no account with this id.";
            return Err(Refusal::invalid("account_unknown", "account_id", detail));
        }
        let before = rows.matched.as_ref().and_then(|matched| matched.account.clone());
        let matched = Matched {
            customer: customer.clone(),
            account: account.cloned().or_else(|| before.clone()),
            rule: account.map(|_| MatchRule::ByHand),
            name: None,
            email: None,
            unknown: false,
        };
        let subjects: Vec<Subject> =
            before.iter().cloned().map(Subject::Account).chain([Subject::Customer(customer.clone())]).collect();
        let stamp = self.stamp()?;
        let mut writes = Store::match_writes(ws, &matched, before.as_ref())?;
        writes.extend(subjects.iter().map(|subject| Store::mark(ws, subject, stamp)));
        self.store().write_all(writes).await?;
        Batch::new(self.clone(), ws.clone()).await?.compute(&subjects).await?;
        let stored = self.store().customer_rows(ws, customer).await?.matched;
        stored.ok_or_else(|| Refusal::not_found("customer"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_cleaned_and_a_mail_providers_is_nobodys() {
        let check = |main, others: &[&str]| {
            let others: Vec<String> = others.iter().map(|domain| (*domain).to_owned()).collect();
            domains(main, &others).map_err(|refusal| refusal.code)
        };
        assert_eq!(
            check(Some("https://www.Acme.com"), &["acme.io", "acme.com"]),
            Ok(vec!["acme.com".into(), "acme.io".into()])
        );
        assert_eq!(check(None, &[]), Ok(vec![]));
        assert_eq!(check(Some("gmail.com"), &[]), Err("domain_invalid"));
        assert_eq!(check(Some("not a domain"), &[]), Err("domain_invalid"));
        let many: Vec<String> = (0..=DOMAINS_MAX).map(|n| format!("d{n}.com")).collect();
        assert_eq!(domains(None, &many).map_err(|refusal| refusal.code), Err("too_many_domains"));
    }

    #[test]
    fn what_is_kept_beside_an_account_is_bounded() {
        let ids = |count: usize, length: usize| {
            let ids = (0..count).map(|n| (format!("system {n}"), "x".repeat(length)));
            external_ids(ids.collect()).map_err(|refusal| refusal.code).map(|ids| ids.len())
        };
        assert_eq!(ids(EXTERNAL_IDS_MAX, EXTERNAL_ID_BYTES_MAX), Ok(EXTERNAL_IDS_MAX));
        assert_eq!(ids(EXTERNAL_IDS_MAX + 1, 1), Err("external_ids_invalid"));
        assert_eq!(ids(1, EXTERNAL_ID_BYTES_MAX + 1), Err("external_ids_invalid"));
        let kept = |length: usize| custom(Map::from_iter([("a".to_owned(), "x".repeat(length).into())])).is_ok();
        assert!(kept(CUSTOM_BYTES_MAX - 8) && !kept(CUSTOM_BYTES_MAX));
    }

    #[test]
    fn a_name_is_needed_and_bounded() {
        assert_eq!(name(" Acme ").unwrap(), "Acme");
        assert!(name("  ").is_err() && name(&"x".repeat(NAME_BYTES_MAX + 1)).is_err());
    }
}

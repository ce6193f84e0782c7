//! Accounts: one at a time, their billing, and whose a customer is when a person says so.

use crate::app::App;
use crate::given::{Handover, check_custom, external_ids, told};
use crate::http::limits::{DOMAINS_MAX, NAME_BYTES_MAX};
use crate::permissions::left_out_of_lifetime_value;
use crate::queue::Message;
use crate::recompute::{self, Batch};
use crate::refusal::{Kind, Refusal};
use billfold_core::audit::{Action, Deed};
use billfold_core::billing::{BillingTab, INVOICES_SHOWN, Returned, newest_invoices};
use billfold_core::id::{AccountId, CustomerId, WorkspaceId};
use billfold_core::matching::{MatchRule, clean_domain, is_personal};
use billfold_store::{AccountRow, AccountRows, AccountSource, ListRow, Matched, Store, StoreError, Subject, Write};
use billfold_stripe::Endpoint;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use utoipa::ToSchema;

/// How often a customer is matched by hand before those who match it by the rules have won.
const MATCHES_MAX: u32 = 8;

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

pub(crate) fn name(text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    if text.is_empty() || text.len() > NAME_BYTES_MAX {
        let detail = format!("The name must have from 1 to {NAME_BYTES_MAX} bytes");
        return Err(Refusal::invalid("name_invalid", "name", detail));
    }
    Ok(text.to_owned())
}

/// The main domain first, each once; a mail provider's domain belongs to nobody.
pub(crate) fn domains(main: Option<&str>, others: &[String]) -> Result<Vec<String>, Refusal> {
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
        let back = rows.customers.iter().map(|customer| self.store().money_back(ws, customer));
        let (invoices, back) =
            futures::future::try_join(futures::future::try_join_all(invoices), futures::future::try_join_all(back))
                .await?;
        let connection = self.store().connection(ws).await?;
        let left_out = left_out_of_lifetime_value(&connection.permissions);
        let refunds = Endpoint::Refunds.permission();
        let returned = left_out
            .iter()
            .all(|left_out| left_out.permission != refunds)
            .then(|| Returned::of(invoices.iter().flatten(), &back));
        Ok(BillingTab {
            billing: serde_json::from_str(&billing.row).map_err(Refusal::internal)?,
            invoices: newest_invoices(invoices.iter().flatten(), returned.as_ref()),
            lifetime_value_without: left_out,
            as_of: connection.last_sync_at,
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
            external_ids: given.external_ids,
            custom: given.custom,
        };
        external_ids(&account.external_ids)?;
        check_custom(&account.custom)?;
        self.put_account(ws, &rows, &account).await?;
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
            external_ids: patch.external_ids.unwrap_or_else(|| before.external_ids.clone()),
            custom: patch.custom.unwrap_or_else(|| before.custom.clone()),
        };
        external_ids(&after.external_ids)?;
        check_custom(&after.custom)?;
        self.put_account(ws, &rows, &after).await?;
        self.account(ws, id).await
    }

    /// Writes an account with what it owns, then finds the customers that this brings and takes away.
    async fn put_account(&self, ws: &WorkspaceId, rows: &AccountRows, account: &AccountRow) -> Result<(), Refusal> {
        let before = rows.account.as_ref().map(|account| &account.row);
        let handover = Handover::new(before, account)?;
        self.refuse_taken(ws, &handover).await?;
        let mut subjects = self.concerned(ws, &handover.accounts(&account.id), &handover.customers()).await?;
        let deed = match before {
            None => Deed::new(Action::AccountCreated).after(told(account)),
            Some(before) => Deed::new(Action::AccountChanged).changed(&told(before), &told(account)),
        };
        let mut writes = vec![rows.put_account(ws, account)?, self.trail(ws, deed.to(account.id.as_str()))?];
        writes.push(Store::mark(ws, &Subject::Account(account.id.clone()), self.stamp()?));
        writes.extend(handover.writes(ws, &account.id)?);
        let intents = recompute::announce_all(self, ws, &subjects).await?;
        let written = self.store().write_all(writes).await;
        // Those who are marked before may be matched before.
        recompute::hand_over(self, ws, &intents).await?;
        written.map_err(|error| match error {
            StoreError::Conflict => {
                Refusal::new(Kind::Conflict, "account_changed", "The account has changed; try again.")
            }
            other => other.into(),
        })?;
        subjects.push(Subject::Account(account.id.clone()));
        Batch::new(self.clone(), ws.clone()).compute_beside_others(&subjects).await?;
        if handover.takes_unmatched() {
            self.mark_unmatched(ws).await?;
        }
        Ok(self.queue().send(Message::Recompute { workspace: ws.clone() }, Duration::ZERO).await?)
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
        let made = AccountRow {
            source: AccountSource::Stripe,
            domains: Vec::new(),
            external_ids: BTreeMap::new(),
            ..account.clone()
        };
        let mut writes = Handover::new(Some(&account), &made)?.writes(ws, id)?;
        writes.push(rows.put_account(ws, &made)?);
        let deed = Deed::new(Action::AccountRemoved).to(id.as_str()).changed(&told(&account), &Value::Null);
        writes.push(self.trail(ws, deed)?);
        let customers: Vec<Subject> = rows.customers.iter().cloned().map(Subject::Customer).collect();
        let intents = recompute::announce_all(self, ws, &customers).await?;
        self.store().write_all(writes).await?;
        for customer in &rows.customers {
            self.set_match(ws, customer, None, Vec::new()).await?;
        }
        recompute::hand_over(self, ws, &intents).await?;
        Batch::new(self.clone(), ws.clone()).compute_beside_others(&[Subject::Account(id.clone())]).await?;
        Ok(self.queue().send(Message::Recompute { workspace: ws.clone() }, Duration::ZERO).await?)
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
        let deed = Deed::new(if account.is_some() { Action::CustomerMatched } else { Action::CustomerUnmatched });
        let matched = self.store().customer_rows(ws, customer).await?.matched;
        let before = json!({"account_id": matched.as_ref().and_then(|matched| matched.account.as_ref())});
        let deed = deed.to(customer.as_str()).changed(&before, &json!({"account_id": account}));
        self.set_match(ws, customer, account, vec![self.trail(ws, deed)?]).await
    }

    /// Once more whenever somebody else was first, who matched the customer by the rules.
    async fn set_match(
        &self,
        ws: &WorkspaceId,
        customer: &CustomerId,
        account: Option<&AccountId>,
        beside: Vec<Write>,
    ) -> Result<Matched, Refusal> {
        for _ in 1..MATCHES_MAX {
            match self.try_set_match(ws, customer, account, beside.clone()).await {
                Err(refusal) if recompute::is_conflict(&refusal) => {}
                other => return other,
            }
        }
        self.try_set_match(ws, customer, account, beside).await
    }

    async fn try_set_match(
        &self,
        ws: &WorkspaceId,
        customer: &CustomerId,
        account: Option<&AccountId>,
        beside: Vec<Write>,
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
        let mut writes = Store::match_writes(ws, &matched, &rows)?;
        writes.extend(subjects.iter().map(|subject| Store::mark(ws, subject, stamp)));
        writes.extend(beside);
        self.store().write_all(writes).await?;
        let between = before.into_iter().chain(matched.account).collect();
        Batch::after_a_move(self.clone(), ws.clone(), between).compute_beside_others(&subjects).await?;
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
    fn a_name_is_needed_and_bounded() {
        assert_eq!(name(" Acme ").unwrap(), "Acme");
        assert!(name("  ").is_err() && name(&"x".repeat(NAME_BYTES_MAX + 1)).is_err());
    }
}

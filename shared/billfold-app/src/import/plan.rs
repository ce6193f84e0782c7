//! What a row means for what is stored. Decides on rows that were read together; writes nothing.

use super::WRITES;
use crate::accounts::{domains, name};
use crate::app::App;
use crate::given::{Handover, check_custom, domain_taken, external_ids, external_taken};
use crate::refusal::{Kind, Refusal};
use crate::rows::{Fault, Row, Said};
use billfold_core::id::{AccountId, WorkspaceId};
use billfold_core::matching::{ExternalId, account_of_domain, account_of_name, clean_domain};
use billfold_store::{AccountRow, AccountRows, AccountSource, Store, Subject, Write};
use std::collections::{BTreeMap, BTreeSet};

/// What is to be done with a row.
pub(super) enum Plan {
    /// These writes, all or none.
    Write(Planned),
    /// Nothing.
    Unchanged,
    /// Look again once the rows before it are written.
    Later,
    /// It cannot be taken.
    Fault(Fault),
}

/// A row that will be written.
pub(super) struct Planned {
    pub(super) id: AccountId,
    pub(super) is_new: bool,
    pub(super) writes: Vec<Write>,
    pub(super) handover: Handover,
}

/// What is stored of everything that some rows are about.
pub(super) struct Known {
    accounts: BTreeMap<AccountId, AccountRows>,
    domains: BTreeMap<String, AccountId>,
    external: BTreeMap<ExternalId, AccountId>,
    /// What rows of this round are about already.
    touched: Touched,
}

#[derive(Default)]
struct Touched {
    accounts: BTreeSet<AccountId>,
    domains: BTreeSet<String>,
    external: BTreeSet<ExternalId>,
}

/// What a row can be known by.
fn mentioned_domains(said: &Said) -> BTreeSet<String> {
    said.domain.iter().chain(said.domains.iter().flatten()).filter_map(|text| clean_domain(text)).collect()
}

fn mentioned_external(said: &Said) -> BTreeSet<ExternalId> {
    said.external_ids.iter().filter_map(|(system, id)| ExternalId::new(system, id).ok()).collect()
}

impl Known {
    pub(super) async fn read(app: &App, ws: &WorkspaceId, rows: &[Row]) -> Result<Self, Refusal> {
        let said: Vec<&Said> = rows.iter().filter_map(|row| row.said.as_ref().ok()).collect();
        let domains: BTreeSet<String> = said.iter().flat_map(|said| mentioned_domains(said)).collect();
        let external: BTreeSet<ExternalId> = said.iter().flat_map(|said| mentioned_external(said)).collect();
        let domains = async { Ok::<_, Refusal>(app.store().domain_owners(ws, &domains).await?) };
        let external = async { Ok::<_, Refusal>(app.store().external_owners(ws, &external).await?) };
        let (domains, external) = futures::future::try_join(domains, external).await?;
        let mut ids: BTreeSet<AccountId> = domains.values().chain(external.values()).cloned().collect();
        ids.extend(said.iter().flat_map(|said| made_ids(said)));
        let accounts = app.store().accounts_by_id(ws, &ids).await?;
        Ok(Self { accounts, domains, external, touched: Touched::default() })
    }

    /// What a row means, and that it has been seen.
    pub(super) fn plan(&mut self, app: &App, ws: &WorkspaceId, row: &Row) -> Result<Plan, Refusal> {
        let Ok(said) = &row.said else { return Ok(Plan::Unchanged) };
        match self.decide(app, ws, said) {
            Ok(plan) => Ok(plan),
            Err(refusal) if matches!(refusal.kind, Kind::Invalid | Kind::Conflict) => {
                Ok(Plan::Fault(Fault::new(refusal.field.unwrap_or("row"), refusal.detail)))
            }
            Err(refusal) => Err(refusal),
        }
    }

    fn decide(&mut self, app: &App, ws: &WorkspaceId, said: &Said) -> Result<Plan, Refusal> {
        let (new_domains, new_external) = (mentioned_domains(said), mentioned_external(said));
        let touches = !self.touched.domains.is_disjoint(&new_domains)
            || !self.touched.external.is_disjoint(&new_external)
            || made_ids(said).any(|id| self.touched.accounts.contains(&id));
        if touches {
            return Ok(Plan::Later);
        }
        let id = self.whose(said)?;
        if self.touched.accounts.contains(&id) {
            return Ok(Plan::Later);
        }
        let rows = self.accounts.get(&id).cloned().unwrap_or_default();
        let before = rows.account.as_ref().map(|account| &account.row);
        let after = merged(said, &id, before)?;
        if before == Some(&after) {
            return Ok(Plan::Unchanged);
        }
        let handover = Handover::new(before, &after)?;
        self.refuse_taken(&handover, &id)?;
        let mut writes =
            vec![rows.put_account(ws, &after)?, Store::mark(ws, &Subject::Account(id.clone()), app.stamp()?)];
        writes.extend(handover.writes(ws, &id)?);
        if writes.len() > WRITES {
            let detail = "The row gives and takes away too many domains and external ids at once; do it in two steps";
            return Err(Refusal::invalid("too_many_changes", "domains", detail));
        }
        let is_new = before.is_none();
        self.touch(&id, before, &after);
        Ok(Plan::Write(Planned { id, is_new, writes, handover }))
    }

    fn touch(&mut self, id: &AccountId, before: Option<&AccountRow>, after: &AccountRow) {
        self.touched.accounts.insert(id.clone());
        for account in before.into_iter().chain([after]) {
            self.touched.domains.extend(account.domains.iter().cloned());
            let ids = account.external_ids.iter().filter_map(|(system, id)| ExternalId::new(system, id).ok());
            self.touched.external.extend(ids);
        }
    }

    /// The account that a row is about: by id, else by an id in another system, else by its main domain, else by its
    /// name. Whatever has none gets an id that is a function of its domain or name, so that the row can be sent again.
    fn whose(&self, said: &Said) -> Result<AccountId, Refusal> {
        if let Some(id) = &said.id {
            return Ok(id.clone());
        }
        let mut owners =
            mentioned_external(said).into_iter().filter_map(|id| Some((self.external.get(&id)?.clone(), id)));
        if let Some((owner, _)) = owners.next() {
            return match owners.find(|(other, _)| *other != owner) {
                Some((other, id)) => Err(external_taken(&id, &other)),
                None => Ok(owner),
            };
        }
        if let Some(owner) = main_domain(said).and_then(|domain| self.domains.get(&domain)) {
            return Ok(owner.clone());
        }
        let is_free = |id: &AccountId| {
            let there = self.accounts.get(id).and_then(|rows| rows.account.as_ref());
            // Made for the domain, or by a row like this one; not one that has since been given something else.
            there.is_none_or(|there| there.row.source == AccountSource::Stripe || is_like(said, &there.row))
        };
        let no_entropy_needed = made_ids(said).find(is_free);
        match no_entropy_needed {
            Some(id) => Ok(id),
            None if made_ids(said).next().is_none() => Err(nothing_to_know_it_by()),
            None => Ok(AccountId::new(format!("acc_{:016x}", crate::clock::random_u64()?))?),
        }
    }

    fn refuse_taken(&self, handover: &Handover, id: &AccountId) -> Result<(), Refusal> {
        for domain in &handover.domains_gained {
            if let Some(owner) = self.domains.get(domain).filter(|owner| *owner != id) {
                return Err(domain_taken(domain, owner));
            }
        }
        for external in &handover.external_gained {
            if let Some(owner) = self.external.get(external).filter(|owner| *owner != id) {
                return Err(external_taken(external, owner));
            }
        }
        Ok(())
    }
}

fn nothing_to_know_it_by() -> Refusal {
    let detail = "A row needs an id, an external id, a domain or a name";
    Refusal::invalid("name_required", "name", detail)
}

/// True if a stored account is what a row without an id, a known external id and a known domain made before.
fn is_like(said: &Said, there: &AccountRow) -> bool {
    main_domain(said)
        .map_or(there.domains.is_empty() && said.name.as_deref().map(str::trim) == Some(&there.name), |domain| {
            there.domains.contains(&domain)
        })
}

fn main_domain(said: &Said) -> Option<String> {
    said.domain.as_ref().or_else(|| said.domains.as_ref()?.first()).and_then(|text| clean_domain(text))
}

/// The ids that an account may have: its own, or one made from its main domain, or from its name.
fn made_ids(said: &Said) -> impl Iterator<Item = AccountId> {
    let made = || match main_domain(said) {
        Some(domain) => account_of_domain(&domain),
        None => said.name.as_deref().and_then(|name| account_of_name(name.trim())),
    };
    said.id.clone().or_else(made).into_iter()
}

/// The account with what a row says of it: external ids and custom fields are added to those it has.
fn merged(said: &Said, id: &AccountId, before: Option<&AccountRow>) -> Result<AccountRow, Refusal> {
    let named = match (&said.name, before) {
        (Some(text), _) => name(text)?,
        (None, Some(before)) => before.name.clone(),
        (None, None) => return Err(Refusal::invalid("name_required", "name", "A new account needs a name")),
    };
    let had = before.map(|before| before.domains.clone()).unwrap_or_default();
    let domains = match (&said.domain, &said.domains) {
        (None, None) => had,
        (main, Some(others)) => domains(main.as_deref(), others)?,
        (main, None) => domains(main.as_deref(), &had)?,
    };
    let mut external = before.map(|before| before.external_ids.clone()).unwrap_or_default();
    external.extend(said.external_ids.clone());
    external_ids(&external)?;
    let mut custom = before.map(|before| before.custom.clone()).unwrap_or_default();
    custom.extend(said.custom.clone());
    check_custom(&custom)?;
    Ok(AccountRow {
        id: id.clone(),
        name: named,
        domains,
        source: AccountSource::Given,
        external_ids: external,
        custom,
    })
}

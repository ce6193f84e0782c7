//! Questions about money: why an account's MRR is what it is, how it came there, and what all accounts come to.

use crate::app::App;
use crate::refusal::{Kind, Refusal};
use crate::verify::Unbalanced;
use billfold_core::billing::{self, AccountBilling, CustomerFacts};
use billfold_core::id::{AccountId, WorkspaceId};
use billfold_core::ledger::{self, AtRisk, Flows, Month, MonthSummary, Months, Movement, Position, Retention};
use billfold_core::money::{Currency, Money, Overflow};
use billfold_core::mrr::{Catalogue, Preset, SubscriptionMrr};
use billfold_store::{LedgerPage, LedgerRow, SHARDS};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use utoipa::ToSchema;

/// Ledgers that are read together.
const READ_TOGETHER: usize = 100;

/// The MRR of an account over time.
#[derive(Debug, Serialize, ToSchema)]
pub struct Trajectory {
    /// The account.
    pub account_id: AccountId,
    /// Its MRR now, in the workspace's currency.
    pub mrr: Money,
    /// The MRR at the end of each month; of the running month, now.
    pub points: Vec<Point>,
    /// The movements of these months, oldest first. Over all time they sum to the MRR.
    pub movements: Vec<Movement>,
    /// Since when movements are seen happening; what is older is derived. `None` until the first sync is done.
    pub observed_since: Option<Timestamp>,
}

/// The MRR at the end of a month.
#[derive(Debug, Serialize, ToSchema)]
pub struct Point {
    /// The month.
    pub month: Month,
    /// The MRR, in the workspace's currency.
    pub mrr: Money,
}

/// Why an account's MRR is what it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Explanation<'a> {
    /// The account.
    pub account_id: AccountId,
    /// The moment that it is about.
    pub as_of: Timestamp,
    /// The rule set.
    pub preset: Preset,
    /// The sum of the subscriptions in the workspace's currency: its own, plus each other currency's converted sum.
    pub mrr: Money,
    /// ARR, likewise.
    pub arr: Money,
    /// The rounded subscriptions' MRR, summed for each currency.
    pub mrr_by_currency: BTreeMap<Currency, Money>,
    /// The rates that other currencies were converted with, where some were.
    pub rates_as_of: Option<Date>,
    /// What one unit of other currencies is worth in the workspace's, as decimal text.
    pub rates: BTreeMap<Currency, String>,
    /// Every subscription, those that do not count as well.
    pub subscriptions: Vec<SubscriptionMrr<'a>>,
}

/// What an account's MRR is worked out from, as it was read at one moment.
pub struct Basis {
    account_id: AccountId,
    as_of: Timestamp,
    preset: Preset,
    settings: billing::Settings,
    catalogue: Arc<Catalogue>,
    facts: Vec<CustomerFacts>,
}

/// Totals of a workspace.
#[derive(Debug, Serialize, ToSchema)]
pub struct SummaryView {
    /// The moment that it is about.
    pub as_of: Timestamp,
    /// The first month of `movements`.
    pub from: Month,
    /// The last month of `movements`.
    pub to: Month,
    /// The rule set.
    pub preset: Preset,
    /// The sum of the accounts' MRR in the workspace's currency.
    pub mrr: Money,
    /// The sum of the accounts' ARR in the workspace's currency.
    pub arr: Money,
    /// The MRR in each currency, before conversion.
    pub mrr_by_currency: BTreeMap<Currency, Money>,
    /// Currencies of `mrr_by_currency` that `mrr` leaves out, for want of a rate.
    pub unconverted: Vec<Currency>,
    /// The date of the rates, where there are some.
    pub rates_as_of: Option<Date>,
    /// Accounts.
    pub accounts: u64,
    /// Accounts that pay for something.
    pub active_accounts: u64,
    /// Customers that belong to no account, and are in no figure here.
    pub unmatched_customers: u64,
    /// Movements by month and kind, oldest month first.
    pub movements: Vec<MonthSummary>,
    /// Since when movements are seen happening; what is older is derived.
    pub observed_since: Option<Timestamp>,
    /// Retention over all of these months.
    #[serde(flatten)]
    pub retention: Retention,
    /// Accounts, MRR and ARR whose payment failed or is overdue.
    pub at_risk: AtRisk,
}

fn too_large(_: Overflow) -> Refusal {
    let detail = "The total is too large to be shown. An amount in Stripe may be wrong.";
    Refusal::new(Kind::Conflict, "total_too_large", detail)
}

impl App {
    /// The MRR of an account over some months.
    ///
    /// # Errors
    /// [`Refusal`] if there is no such account.
    pub async fn trajectory(&self, ws: &WorkspaceId, id: &AccountId, months: Months) -> Result<Trajectory, Refusal> {
        let stored = self.store().ledger(ws, id).await?.ok_or_else(|| Refusal::not_found("account"))?;
        let LedgerRow { position, ledger } = stored.row;
        let now = self.now();
        let mut points = Vec::new();
        for month in months.each().filter(|month| month.begins() <= now) {
            let closing = Flows::of(&ledger, month.begins(), month.ends()).closing();
            let amount = i64::try_from(closing).map_err(|_| too_large(Overflow))?;
            points.push(Point { month, mrr: Money::new(amount, ledger.currency) });
        }
        let within = |movement: &Movement| movement.at >= months.from.begins() && movement.at < months.to.ends();
        Ok(Trajectory {
            account_id: id.clone(),
            mrr: position.mrr,
            points,
            movements: ledger.movements.into_iter().filter(within).collect(),
            observed_since: self.store().connection(ws).await?.observed_since,
        })
    }

    /// What an account's MRR is worked out from, with the facts as they are now.
    ///
    /// # Errors
    /// [`Refusal`] if there is no such account.
    pub async fn basis(&self, ws: &WorkspaceId, id: &AccountId) -> Result<Basis, Refusal> {
        let rows = self.store().account_rows(ws, id).await?;
        if rows.account.is_none() {
            return Err(Refusal::not_found("account"));
        }
        let settings = self.settings(ws).await?;
        let catalogue = self.catalogue(ws).await?;
        let read = self.store().customers_rows(ws, &rows.customers).await?;
        let facts = read.into_iter().map(|rows| CustomerFacts {
            customer: rows.customer,
            subscriptions: rows.subscriptions,
            invoices: rows.invoices,
            money_back: rows.money_back,
        });
        Ok(Basis {
            account_id: id.clone(),
            as_of: self.now(),
            preset: settings.mrr_preset,
            settings: settings.billing(),
            catalogue,
            facts: facts.collect(),
        })
    }

    /// What all accounts come to.
    ///
    /// # Errors
    /// [`Refusal`] if a total does not fit.
    pub async fn summary(&self, ws: &WorkspaceId, months: Months) -> Result<SummaryView, Refusal> {
        let settings = self.settings(ws).await?;
        let now = self.now();
        let shards = (0..SHARDS).map(|shard| self.ledgers_of_shard(ws, shard));
        let ledgers = futures::future::try_join_all(shards).await?.into_iter().flatten();
        let accounts = ledgers.map(|row| (row.position, row.ledger));
        let summary = ledger::summarise(settings.currency(), accounts, months, now).map_err(too_large)?;
        Ok(SummaryView {
            as_of: now,
            from: months.from,
            to: months.to,
            preset: settings.mrr_preset,
            mrr: summary.mrr,
            arr: summary.arr,
            mrr_by_currency: summary.mrr_by_currency,
            unconverted: summary.unconverted,
            rates_as_of: settings.rates.map(|rates| rates.as_of),
            accounts: summary.accounts,
            active_accounts: summary.active_accounts,
            unmatched_customers: self.customers_unmatched(ws).await?,
            movements: summary.movements,
            observed_since: self.store().connection(ws).await?.observed_since,
            retention: summary.retention,
            at_risk: summary.at_risk,
        })
    }

    async fn ledgers_of_shard(&self, ws: &WorkspaceId, shard: u8) -> Result<Vec<LedgerRow>, Refusal> {
        let mut page = LedgerPage::first();
        let mut all = Vec::new();
        while page.goes_on() {
            page = self.store().next_ledgers(ws, shard, page).await?;
            all.append(&mut page.rows);
        }
        Ok(all)
    }

    /// What breaks the law that movements sum to the MRR, account by account (`billfold verify`).
    ///
    /// # Errors
    /// [`Refusal`] of the store.
    pub(crate) async fn unbalanced(&self, ws: &WorkspaceId) -> Result<Vec<Unbalanced>, Refusal> {
        let mut found = Vec::new();
        for lines in self.every_line(ws).await?.chunks(READ_TOGETHER) {
            let ids: BTreeSet<AccountId> = lines.iter().map(|line| line.id.clone()).collect();
            let ledgers = self.store().ledgers(ws, &ids).await?;
            for id in ids {
                let Some(billing) = self.store().account_rows(ws, &id).await?.billing else { continue };
                let billing: AccountBilling = serde_json::from_str(&billing.row).map_err(Refusal::internal)?;
                let says = match ledgers.get(&id) {
                    None => Some("it has no ledger".to_owned()),
                    Some(ledger) => imbalance(&ledger.row, &billing),
                };
                found.extend(says.map(|message| Unbalanced { account_id: id, message }));
            }
        }
        Ok(found)
    }
}

impl Basis {
    /// Why the account's MRR is what it is.
    #[must_use]
    pub fn explain(&self) -> Explanation<'_> {
        let Self { as_of, settings, catalogue, facts, .. } = self;
        let billing = billing::account(settings, catalogue, facts, *as_of);
        let converted = |currency: &&Currency| **currency != billing.mrr.currency;
        let rates = settings.rates.iter().flat_map(|rates| &rates.per_unit);
        let used =
            rates.filter(|(currency, _)| billing.mrr_by_currency.keys().filter(converted).any(|c| c == *currency));
        Explanation {
            account_id: self.account_id.clone(),
            as_of: *as_of,
            preset: self.preset,
            mrr: billing.mrr,
            arr: billing.arr,
            rates: used.map(|(currency, rate)| (*currency, rate.clone())).collect(),
            rates_as_of: billing.rates_as_of,
            subscriptions: billing::explain(settings, catalogue, facts, *as_of),
            mrr_by_currency: billing.mrr_by_currency,
        }
    }
}

fn imbalance(row: &LedgerRow, billing: &AccountBilling) -> Option<String> {
    let Position { mrr, arr, .. } = &row.position;
    if (*mrr, *arr) != (billing.mrr, billing.arr) {
        return Some(format!("it stands at {mrr} in the summary and at {} in its billing", billing.mrr));
    }
    row.ledger.imbalance(billing.mrr, &billing.mrr_by_currency)
}

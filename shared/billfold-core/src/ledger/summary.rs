//! The workspace as a whole: what all accounts come to, month by month (`GET /v1/summary`). Every figure is a sum over
//! ledgers, so that they agree with one another, and with the accounts, to the cent.

use super::retention::{Cohort, quick_ratio};
use super::{Basis, Flows, Ledger, Month, Months, MovementKind, Ratio};
use crate::billing::PaymentStatus;
use crate::money::{Currency, Money, Overflow};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Where an account stands: what the summary counts of it beside its ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Its MRR in the workspace's currency.
    pub mrr: Money,
    /// Its ARR in the workspace's currency.
    pub arr: Money,
    /// True when something is paid for.
    pub paying: bool,
    /// Whether it pays.
    pub payment_status: PaymentStatus,
    /// Currencies that `mrr` and `arr` leave out, for want of a rate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unconverted: Vec<Currency>,
}

/// Totals of a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The sum of the accounts' MRR in the workspace's currency.
    pub mrr: Money,
    /// The sum of the accounts' ARR in the workspace's currency.
    pub arr: Money,
    /// The MRR in each currency, before conversion.
    pub mrr_by_currency: BTreeMap<Currency, Money>,
    /// Currencies of `mrr_by_currency` that `mrr` leaves out, for want of a rate.
    pub unconverted: Vec<Currency>,
    /// Accounts.
    pub accounts: u64,
    /// Accounts that pay for something.
    pub active_accounts: u64,
    /// Movements by month and kind, oldest month first.
    pub movements: Vec<MonthSummary>,
    /// Retention over all of these months.
    #[serde(flatten)]
    pub retention: Retention,
    /// Accounts, MRR and ARR whose payment failed or is overdue.
    pub at_risk: AtRisk,
}

/// A month of a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MonthSummary {
    /// The month.
    pub month: Month,
    /// The MRR when it began.
    pub opening: Money,
    /// The sum of each kind of movement; what was lost is below zero. `opening` and all of them sum to `closing`.
    #[serde(flatten)]
    pub flows: Kinds<Money>,
    /// The MRR when it ended; of the running month, the MRR now.
    pub closing: Money,
    /// How many movements of each kind there were.
    pub counts: Kinds<u64>,
    /// `derived` where some of it was worked out from before the first sync.
    pub basis: Basis,
    /// What became of the accounts that paid when it began.
    #[serde(flatten)]
    pub retention: Retention,
}

/// What became of the accounts that paid at the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Retention {
    /// Their MRR at the end for each unit at the beginning, with what they bought more. Rates and rules left out.
    pub net_retention: Option<Ratio>,
    /// The same, counting for each account at most what it was worth at the beginning.
    pub gross_retention: Option<Ratio>,
    /// The part of those accounts that pays nothing at the end.
    pub customer_churn: Option<Ratio>,
    /// The part of their MRR that was lost: what gross retention leaves.
    pub revenue_churn: Option<Ratio>,
    /// What all accounts gained for each unit that was lost.
    pub quick_ratio: Option<Ratio>,
}

/// One value for each kind of movement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Kinds<T> {
    /// Above zero for the first time.
    pub new: T,
    /// More than before.
    pub expansion: T,
    /// Less than before.
    pub contraction: T,
    /// To zero.
    pub churn: T,
    /// Above zero again.
    pub reactivation: T,
    /// The rates changed.
    pub fx: T,
    /// The rules changed.
    pub restatement: T,
}

impl<T> Kinds<T> {
    fn each<E>(of: impl Fn(MovementKind) -> Result<T, E>) -> Result<Self, E> {
        Ok(Self {
            new: of(MovementKind::New)?,
            expansion: of(MovementKind::Expansion)?,
            contraction: of(MovementKind::Contraction)?,
            churn: of(MovementKind::Churn)?,
            reactivation: of(MovementKind::Reactivation)?,
            fx: of(MovementKind::Fx)?,
            restatement: of(MovementKind::Restatement)?,
        })
    }
}

/// Revenue that may not come, by payment status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AtRisk {
    /// Accounts with a payment that will not come by itself.
    pub failed: Risk,
    /// Accounts with a payment that may still come.
    pub overdue: Risk,
}

/// Revenue that may not come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Risk {
    /// How many accounts.
    pub accounts: u64,
    /// Their MRR.
    pub mrr: Money,
    /// Their ARR.
    pub arr: Money,
}

impl Retention {
    fn of(cohort: &Cohort, flows: &Flows) -> Self {
        Self {
            net_retention: cohort.net(),
            gross_retention: cohort.gross(),
            customer_churn: cohort.customer_churn(),
            revenue_churn: cohort.gross().map(Ratio::complement),
            quick_ratio: quick_ratio(flows),
        }
    }
}

/// Sums over accounts, taken one at a time.
struct Sums {
    currency: Currency,
    mrr: i128,
    arr: i128,
    by_currency: BTreeMap<Currency, i128>,
    unconverted: BTreeSet<Currency>,
    accounts: u64,
    active: u64,
    months: Vec<(Month, Flows, Cohort)>,
    span: (Flows, Cohort),
    failed: (u64, i128, i128),
    overdue: (u64, i128, i128),
}

/// Adds accounts up.
///
/// # Errors
/// [`Overflow`] when a total does not fit.
pub fn summarise(
    currency: Currency,
    accounts: impl IntoIterator<Item = (Position, Ledger)>,
    months: Months,
    now: Timestamp,
) -> Result<Summary, Overflow> {
    let mut sums = Sums::new(currency, months);
    for (position, ledger) in accounts {
        sums.add(&position, &ledger, months, now);
    }
    sums.finish()
}

impl Sums {
    fn new(currency: Currency, months: Months) -> Self {
        Self {
            currency,
            mrr: 0,
            arr: 0,
            by_currency: BTreeMap::new(),
            unconverted: BTreeSet::new(),
            accounts: 0,
            active: 0,
            months: months.each().map(|month| (month, Flows::default(), Cohort::default())).collect(),
            span: (Flows::default(), Cohort::default()),
            failed: (0, 0, 0),
            overdue: (0, 0, 0),
        }
    }

    fn add(&mut self, position: &Position, ledger: &Ledger, months: Months, now: Timestamp) {
        let (mrr, arr) = (i128::from(position.mrr.amount), i128::from(position.arr.amount));
        self.mrr = self.mrr.saturating_add(mrr);
        self.arr = self.arr.saturating_add(arr);
        self.accounts = self.accounts.saturating_add(1);
        self.active = self.active.saturating_add(u64::from(position.paying));
        let risk = match position.payment_status {
            PaymentStatus::Failed => Some(&mut self.failed),
            PaymentStatus::Overdue => Some(&mut self.overdue),
            PaymentStatus::Paid | PaymentStatus::None => None,
        };
        if let Some(risk) = risk {
            *risk = (risk.0.saturating_add(1), risk.1.saturating_add(mrr), risk.2.saturating_add(arr));
        }
        for (currency, sum) in ledger.sums() {
            let total = self.by_currency.entry(currency).or_default();
            *total = total.saturating_add(sum);
        }
        self.unconverted.extend(&position.unconverted);
        for (month, flows, cohort) in &mut self.months {
            if month.begins() > now {
                continue;
            }
            let mine = Flows::of(ledger, month.begins(), month.ends());
            flows.plus(&mine);
            cohort.add(&mine);
        }
        let all = Flows::of(ledger, months.from.begins(), months.to.ends());
        self.span.0.plus(&all);
        self.span.1.add(&all);
    }

    fn money(&self, amount: i128) -> Result<Money, Overflow> {
        Ok(Money::new(i64::try_from(amount).map_err(|_| Overflow)?, self.currency))
    }

    fn finish(self) -> Result<Summary, Overflow> {
        let months = self.months.iter().map(|(month, flows, cohort)| self.month(*month, flows, cohort));
        let by_currency = self.by_currency.iter().filter(|(_, sum)| **sum != 0).map(|(currency, sum)| {
            let amount = i64::try_from(*sum).map_err(|_| Overflow)?;
            Ok((*currency, Money::new(amount, *currency)))
        });
        let mrr_by_currency: BTreeMap<Currency, Money> = by_currency.collect::<Result<_, _>>()?;
        Ok(Summary {
            mrr: self.money(self.mrr)?,
            arr: self.money(self.arr)?,
            unconverted: self.unconverted.iter().copied().collect(),
            mrr_by_currency,
            accounts: self.accounts,
            active_accounts: self.active,
            movements: months.collect::<Result<_, _>>()?,
            retention: Retention::of(&self.span.1, &self.span.0),
            at_risk: AtRisk { failed: self.risk(self.failed)?, overdue: self.risk(self.overdue)? },
        })
    }

    fn risk(&self, (accounts, mrr, arr): (u64, i128, i128)) -> Result<Risk, Overflow> {
        Ok(Risk { accounts, mrr: self.money(mrr)?, arr: self.money(arr)? })
    }

    fn month(&self, month: Month, flows: &Flows, cohort: &Cohort) -> Result<MonthSummary, Overflow> {
        Ok(MonthSummary {
            month,
            opening: self.money(flows.opening)?,
            flows: Kinds::each(|kind| self.money(flows.of_kind(kind)))?,
            closing: self.money(flows.closing())?,
            counts: Kinds::each(|kind| Ok(flows.count_of(kind)))?,
            basis: if flows.derived { Basis::Derived } else { Basis::Observed },
            retention: Retention::of(cohort, flows),
        })
    }
}

//! The API's answers about money as a client reads them.

use billfold_core::ledger::{Basis, Month};
use billfold_core::money::Money;
use billfold_core::signal::Signal;
use jiff::Timestamp;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Totals of a workspace.
#[derive(Debug, Clone, Deserialize)]
pub struct Totals {
    /// MRR of all accounts.
    pub mrr: Money,
    /// ARR of all accounts.
    pub arr: Money,
    /// MRR in each currency.
    pub mrr_by_currency: BTreeMap<String, Money>,
    /// Currencies that the totals leave out.
    pub unconverted: Vec<String>,
    /// Accounts.
    pub accounts: u64,
    /// Accounts that pay.
    pub active_accounts: u64,
    /// Customers of no account.
    pub unmatched_customers: u64,
    /// The months.
    pub movements: Vec<MonthLine>,
    /// Since when movements were seen happening.
    pub observed_since: Option<Timestamp>,
    /// Of what there was, what is left with what was bought more.
    pub net_retention: Option<String>,
    /// Of what there was, what is left.
    pub gross_retention: Option<String>,
    /// The part of the accounts that left.
    pub customer_churn: Option<String>,
    /// What was gained for each unit lost.
    pub quick_ratio: Option<String>,
    /// What may not come.
    pub at_risk: AtRisk,
}

/// What may not come.
#[derive(Debug, Clone, Deserialize)]
pub struct AtRisk {
    /// Will not come by itself.
    pub failed: Risk,
    /// May still come.
    pub overdue: Risk,
}

/// What may not come, of one status.
#[derive(Debug, Clone, Deserialize)]
pub struct Risk {
    /// How many accounts.
    pub accounts: u64,
    /// Their ARR.
    pub arr: Money,
}

/// A month of a workspace.
#[derive(Debug, Clone, Deserialize)]
pub struct MonthLine {
    /// The month.
    pub month: Month,
    /// New accounts.
    pub new: Money,
    /// Accounts that grew.
    pub expansion: Money,
    /// Accounts that came back.
    pub reactivation: Money,
    /// Accounts that shrank.
    pub contraction: Money,
    /// Accounts that left.
    pub churn: Money,
    /// Rates.
    pub fx: Money,
    /// Rules.
    pub restatement: Money,
    /// The MRR at its end.
    pub closing: Money,
    /// Whether some of it was worked out.
    pub basis: Basis,
}

/// A page of signals.
#[derive(Debug, Clone, Deserialize)]
pub struct Signals {
    /// The signals.
    pub data: Vec<Signal>,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
}

/// Why an account's MRR is what it is.
#[derive(Debug, Clone, Deserialize)]
pub struct Explained {
    /// Its MRR.
    pub mrr: Money,
    /// Its ARR.
    pub arr: Money,
    /// The rule set.
    pub preset: String,
    /// Rates that were used.
    pub rates: BTreeMap<String, String>,
    /// The subscriptions.
    pub subscriptions: Vec<ExplainedSubscription>,
}

/// A subscription and why.
#[derive(Debug, Clone, Deserialize)]
pub struct ExplainedSubscription {
    /// Its id.
    pub subscription_id: String,
    /// Where it stands.
    pub status: String,
    /// Why it counts or not.
    pub why: String,
    /// The items.
    pub items: Vec<ExplainedItem>,
    /// The exact sum, in minor units.
    pub exact: String,
    /// Rounded.
    pub mrr: Money,
    /// Twelve times the exact sum, rounded.
    pub arr: Money,
}

/// An item and why.
#[derive(Debug, Clone, Deserialize)]
pub struct ExplainedItem {
    /// Its price.
    pub price_id: String,
    /// What was bought.
    pub product_name: Option<String>,
    /// Whether it counts.
    pub counted: bool,
    /// Why it counts or not.
    pub why: String,
    /// Units that are multiplied.
    pub billed_quantity: Option<i64>,
    /// Minor units for each.
    pub unit_amount: Option<String>,
    /// The tiers that were reached.
    pub tiers: Vec<ExplainedTier>,
    /// A period's worth, in minor units.
    pub amount: Option<String>,
    /// The discounts.
    pub discounts: Vec<ExplainedDiscount>,
    /// The tax.
    pub tax: Option<ExplainedTax>,
    /// From a period to a month.
    pub factor: Option<String>,
    /// A month's worth.
    pub monthly: String,
}

/// A tier and what it came to.
#[derive(Debug, Clone, Deserialize)]
pub struct ExplainedTier {
    /// Units at its price.
    pub quantity: i64,
    /// Minor units for each.
    pub unit_amount: Option<String>,
    /// Minor units for reaching it.
    pub flat_amount: Option<String>,
    /// What it comes to.
    pub amount: String,
}

/// A discount and what became of it.
#[derive(Debug, Clone, Deserialize)]
pub struct ExplainedDiscount {
    /// Its coupon.
    pub coupon_id: Option<String>,
    /// Percent or amount.
    pub kind: Option<String>,
    /// How much.
    pub value: Option<String>,
    /// What became of it.
    pub rule: String,
    /// What is left after it.
    pub after: String,
}

/// The tax and what became of it.
#[derive(Debug, Clone, Deserialize)]
pub struct ExplainedTax {
    /// What became of it.
    pub rule: String,
    /// What is left without it.
    pub after: String,
}

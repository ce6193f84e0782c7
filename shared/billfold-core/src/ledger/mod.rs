//! The ledger of an account: every change of its MRR as a movement, and the law that movements sum to the MRR (MRR.md §4).
//!
//! A movement's `amount` is in the subscription's own currency, `converted` is the same in the workspace's. So for each
//! currency the amounts sum to the account's MRR in it, and the converted amounts sum to its MRR in the workspace's
//! currency. A change of rates alone has an amount of zero and a converted amount that is not.
//!
//! Pure: the stored ledger and the facts go in, the ledger that should be stored comes out. It is equal to the one before
//! when nothing has changed, and throwing it away loses only how precisely the past is known.

mod advance;
mod cause;
mod history;
mod kinds;
mod months;
#[cfg(test)]
mod property_tests;
mod retention;
mod summary;
#[cfg(test)]
mod tests;

pub use advance::{Inputs, advance};
pub use cause::Cause;
pub use months::{Flows, Month, MonthError, Months};
pub use retention::Ratio;
pub use summary::{AtRisk, Kinds, MonthSummary, Position, Retention, Risk, Summary, summarise};

use crate::facts::SubscriptionStatus;
use crate::id::{PriceId, SubscriptionId};
use crate::money::{Currency, Money};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// What a change did to the account as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MovementKind {
    /// Above zero for the first time.
    New,
    /// More than before.
    Expansion,
    /// Less than before, and still above zero.
    Contraction,
    /// To zero.
    Churn,
    /// Above zero again.
    Reactivation,
    /// The rates changed and nothing else.
    Fx,
    /// The workspace's rules of MRR changed and nothing else: nobody bought or left, so it is in no retention figure.
    Restatement,
}

/// How a movement is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// It was seen happening.
    Observed,
    /// It was worked out from subscriptions and invoice lines that are older than the first sync.
    Derived,
}

/// One change of an account's MRR.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Movement {
    /// A function of what changed: throwing the ledger away and computing it again gives the same ids.
    pub id: String,
    /// When it happened, by Stripe's clock where Stripe says.
    pub at: Timestamp,
    /// What it did to the account.
    pub kind: MovementKind,
    /// The change of a month's worth, in the subscription's currency; zero for a change of rates.
    pub amount: Money,
    /// The same in the workspace's currency, at the rates of the day when it was written; `None` without a rate.
    pub converted: Option<Money>,
    /// Whose change it is; `None` for a change of rates.
    pub subscription_id: Option<SubscriptionId>,
    /// Why.
    pub cause: Cause,
    /// How it is known.
    pub basis: Basis,
}

/// Units of a price.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Sold {
    /// The price.
    pub price: PriceId,
    /// Units; `None` for usage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<i64>,
}

/// What a subscription was worth when the ledger last looked, and what decides why it is worth something else next time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// A month's worth.
    pub mrr: Money,
    /// The same before discounts.
    pub gross: i64,
    /// What was sold, sorted.
    pub sold: Vec<Sold>,
    /// Where the subscription stood.
    pub status: SubscriptionStatus,
    /// True while payment collection was paused.
    #[serde(default, skip_serializing_if = "crate::facts::is_false")]
    pub paused: bool,
}

/// An account's ledger, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// The currency of the converted amounts.
    pub currency: Currency,
    /// A digest of the rules of MRR that it was computed by.
    pub rules: String,
    /// The subscriptions that have a movement.
    pub held: BTreeMap<SubscriptionId, Held>,
    /// The movements, oldest first.
    pub movements: Vec<Movement>,
}

impl Ledger {
    /// A ledger without movements.
    #[must_use]
    pub fn empty(currency: Currency, rules: &str) -> Self {
        Self { currency, rules: rules.to_owned(), held: BTreeMap::new(), movements: Vec::new() }
    }

    /// The sum of the movements in each currency; currencies that sum to zero are left out. `i128`, because sums of what
    /// fits need not fit.
    #[must_use]
    pub fn sums(&self) -> BTreeMap<Currency, i128> {
        let mut sums: BTreeMap<Currency, i128> = BTreeMap::new();
        for amount in self.movements.iter().map(|movement| movement.amount) {
            let sum = sums.entry(amount.currency).or_default();
            *sum = sum.saturating_add(i128::from(amount.amount));
        }
        sums.retain(|_, sum| *sum != 0);
        sums
    }

    /// The sum of the converted amounts.
    #[must_use]
    pub fn converted_sum(&self) -> i128 {
        self.movements.iter().filter_map(|movement| movement.converted).map(|money| i128::from(money.amount)).sum()
    }

    /// What breaks the law that movements sum to the MRR, as a sentence; `None` when it holds.
    #[must_use]
    pub fn imbalance(&self, mrr: Money, by_currency: &BTreeMap<Currency, Money>) -> Option<String> {
        let sums = self.sums();
        let owed: BTreeMap<Currency, i128> =
            by_currency.iter().map(|(currency, money)| (*currency, i128::from(money.amount))).collect();
        if sums != owed {
            return Some(format!("the movements sum to {sums:?} and the MRR is {owed:?}"));
        }
        let converted = self.converted_sum();
        let differs = mrr.currency != self.currency || converted != i128::from(mrr.amount);
        differs.then(|| format!("the converted movements sum to {converted} {} and the MRR is {mrr:?}", self.currency))
    }
}

impl MovementKind {
    /// The kinds, in the order in which they are listed.
    pub const ALL: [Self; 7] =
        [Self::New, Self::Expansion, Self::Contraction, Self::Churn, Self::Reactivation, Self::Fx, Self::Restatement];

    /// True when a customer did it: bought, changed or left.
    #[must_use]
    pub fn is_of_customer(self) -> bool {
        !matches!(self, Self::Fx | Self::Restatement)
    }
}

/// The id of a subscription's `n`th movement.
fn movement_id(whose: &str, n: usize) -> String {
    let digest = Sha256::digest(format!("movement:{whose}:{n}"));
    format!("mov_{}", hex::encode(digest.get(..12).unwrap_or_default()))
}

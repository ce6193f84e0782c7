//! MRR and ARR of one subscription, exact, and explained so that a person can redo it with a pocket calculator
//! (MRR.md §1 to §3).
//!
//! Amounts stay fractions of a minor unit until the one rounding step. Nothing here reads a clock or fetches: what is
//! missing makes an item `not_computable`, with a reason, and never silently zero.

mod amount;
#[cfg(test)]
pub(crate) mod build;
mod catalogue;
mod discount;
mod explain;
#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod hostile_tests;
mod invoices;
mod policy;
#[cfg(test)]
mod property_tests;
mod reason;
#[cfg(test)]
mod rule_tests;
mod subscription;

pub use catalogue::Catalogue;
pub use explain::{DiscountKind, DiscountStep, ItemMrr, ScheduledChurn, Scope, SubscriptionMrr, TaxStep, TierUse};
pub use invoices::telling;
pub use policy::{CancelScheduled, Counting, InclusiveTax, Metered, PastDue, Policy, PolicyPatch, Preset, Subtraction};
pub use reason::{DiscountRule, NotComputable, Rule, TaxRule};
pub use subscription::subscription;

use crate::facts::{Customer, Invoice};
use jiff::Timestamp;

/// What a subscription is judged by, beside itself.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// What counts.
    pub policy: &'a Policy,
    /// The moment that the question is about: discounts and trials end.
    pub now: Timestamp,
    /// What completes the payload.
    pub catalogue: &'a Catalogue,
    /// Who pays; `None` where it is deleted or was never read. Its discount counts where the subscription has none.
    pub customer: Option<&'a Customer>,
    /// The customer's invoices in any order: the rate of inclusive tax, billed usage, and how long something is overdue.
    pub invoices: &'a [Invoice],
}

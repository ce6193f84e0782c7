//! An account's billing: what its customers' facts come to, as it is stored and as the Billing tab shows it
//! (`GET /v1/accounts/{id}/billing`).
//!
//! Equal facts, settings and moment give equal billing, so that what has not changed need not be written: the moment
//! itself is not in it. Objects of test clocks are in no figure and no list.

mod ecb;
mod holding;
mod invoices;
mod money_back;
#[cfg(test)]
mod money_back_tests;
mod payment;
#[cfg(test)]
mod payment_tests;
mod rates;
mod subscriptions;
#[cfg(test)]
mod tests;
mod totals;
mod trial;

pub use ecb::{DIGITS, EcbError, ReferenceRates};
pub use holding::{Computation, Holding};
pub use invoices::{InvoiceRow, newest_invoices};
pub use money_back::{OpenDispute, Returned};
pub use payment::{Health, Level, PaymentStatus, Pillar};
pub use rates::{RateSource, Rates, RatesError};
pub use subscriptions::{Promise, SubscriptionRow};
pub(crate) use totals::in_own;
pub use trial::{Trial, TrialState};

use crate::facts::{Customer, Invoice, MoneyBack, Subscription};
use crate::id::{ItemId, SubscriptionId};
use crate::money::{Currency, Money};
use crate::mrr::{self, Catalogue, Context, Policy, SubscriptionMrr};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a workspace's money depends on.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The currency of totals.
    pub currency: Currency,
    /// What counts as MRR.
    pub policy: Policy,
    /// How other currencies are converted; `None` converts none.
    pub rates: Option<Rates>,
}

/// Everything known about one Stripe customer of an account.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomerFacts {
    /// The customer; `None` once it is deleted.
    pub customer: Option<Customer>,
    /// Its subscriptions, in any order.
    pub subscriptions: Vec<Subscription>,
    /// Its invoices, in any order.
    pub invoices: Vec<Invoice>,
    /// What went back to it.
    pub money_back: MoneyBack,
}

/// An account's billing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AccountBilling {
    /// MRR in the workspace's currency: its own, plus each other currency's converted sum (MRR.md §3).
    pub mrr: Money,
    /// ARR in the workspace's currency.
    pub arr: Money,
    /// The rounded subscriptions' MRR, summed for each currency; currencies without any are not listed.
    pub mrr_by_currency: BTreeMap<Currency, Money>,
    /// The rounded subscriptions' ARR, summed for each currency.
    pub arr_by_currency: BTreeMap<Currency, Money>,
    /// Currencies of `mrr_by_currency` and `arr_by_currency` that `mrr` and `arr` leave out, for want of a rate.
    pub unconverted: Vec<Currency>,
    /// The date of the rates, where some were used.
    pub rates_as_of: Option<Date>,
    /// True when something is paid for: a free account is not paying (MRR.md §2, row free).
    pub paying: bool,
    /// How many subscriptions are live (MRR.md §5).
    pub active_subscriptions: u64,
    /// Whether the account pays (MRR.md §5).
    pub payment_status: PaymentStatus,
    /// The pillars of its health.
    pub health: Health,
    /// The plan of its largest subscription.
    pub plan: Option<String>,
    /// When the first live subscription renews.
    pub renews_at: Option<Timestamp>,
    /// The subscriptions: live ones first, larger ones first.
    pub subscriptions: Vec<SubscriptionRow>,
    /// Paid on invoices less refunds, lost disputes and credits after payment, for each currency (MRR.md §5).
    pub lifetime_value: BTreeMap<Currency, Money>,
    /// What the customer was sold.
    pub promise: Promise,
    /// What could not be worked out and is in no figure above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_computable: Vec<Uncomputed>,
}

/// The Billing tab of an account: what is stored of it, and its newest invoices, which are read beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BillingTab {
    /// What is stored.
    #[serde(flatten)]
    pub billing: AccountBilling,
    /// The newest invoices, at most [`INVOICES_SHOWN`].
    pub invoices: Vec<InvoiceRow>,
    /// What lifetime value leaves out, because the key may not read it.
    #[serde(default)]
    pub lifetime_value_without: Vec<LeftOut>,
    /// When the last sync succeeded.
    pub as_of: Option<Timestamp>,
}

/// Something that a figure leaves out, because the key may not read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LeftOut {
    /// What is not read, as Stripe's dashboard calls it.
    pub resource: String,
    /// The name of the permission.
    pub permission: String,
    /// What it is for.
    pub why: String,
    /// What to do.
    pub fix: String,
}

/// Something that could not be worked out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Uncomputed {
    /// The subscription; `None` for a sum.
    pub subscription_id: Option<SubscriptionId>,
    /// The item; `None` for a whole subscription.
    pub item_id: Option<ItemId>,
    /// Why, as a sentence.
    pub reason: String,
}

/// How many invoices the Billing tab lists. They are not part of [`AccountBilling`], which is stored: they are facts, and
/// are read from there ([`newest_invoices`]).
pub const INVOICES_SHOWN: usize = 10;

/// One subscription with its explanation and its customer's facts.
struct Explained<'a> {
    subscription: &'a Subscription,
    mrr: SubscriptionMrr<'a>,
    facts: &'a CustomerFacts,
}

/// Works out an account's billing at a moment. Never fails: what cannot be worked out is listed in the answer.
#[must_use]
pub fn account(
    settings: &Settings,
    catalogue: &Catalogue,
    customers: &[CustomerFacts],
    now: Timestamp,
) -> AccountBilling {
    compute(settings, catalogue, customers, now).billing
}

/// The same, with what the ledger compares.
#[must_use]
pub fn compute<'a>(
    settings: &'a Settings,
    catalogue: &'a Catalogue,
    customers: &'a [CustomerFacts],
    now: Timestamp,
) -> Computation<'a> {
    let explained: Vec<Explained<'_>> =
        explained(settings, catalogue, customers, now).filter(|one| !one.of_test_clock()).collect();
    let mut not_computable: Vec<Uncomputed> = explained.iter().flat_map(uncomputed).collect();
    let totals = totals::totals(settings, &explained);
    let (lifetime_value, too_large) = Returned::of_account(customers).lifetime_value();
    let sums = totals.too_large.iter().map(|currency| ("the MRR or ARR", currency));
    let sums = sums.chain(too_large.iter().map(|currency| ("the lifetime value", currency)));
    not_computable.extend(sums.map(|(what, currency)| Uncomputed {
        subscription_id: None,
        item_id: None,
        reason: format!("It cannot be worked out: {what} in {currency} is too large."),
    }));
    let ranked = subscriptions::ranked(settings, explained);
    let payment = payment::judge(customers, now);
    let holdings = ranked.iter().map(|one| Holding::of(one, &totals, settings, catalogue)).collect();
    let billing = AccountBilling {
        mrr: Money::new(totals.mrr, settings.currency),
        arr: Money::new(totals.arr, settings.currency),
        mrr_by_currency: totals.mrr_by_currency,
        arr_by_currency: totals.arr_by_currency,
        unconverted: totals.unconverted,
        rates_as_of: totals.rates_as_of,
        paying: ranked.iter().any(|one| one.mrr.counted),
        active_subscriptions: ranked.iter().map(|one| u64::from(one.subscription.status.is_live())).sum(),
        payment_status: payment.status,
        health: Health::of(&payment),
        plan: subscriptions::main(&ranked).and_then(subscriptions::plan),
        renews_at: ranked.iter().filter_map(|one| subscriptions::renews_at(one.subscription)).min(),
        subscriptions: ranked.iter().map(|one| SubscriptionRow::of(one, now)).collect(),
        lifetime_value,
        promise: Promise::of(subscriptions::main(&ranked), now),
        not_computable,
    };
    Computation { billing, holdings }
}

/// Explains every subscription of an account, those of test clocks and those that are over as well.
#[must_use]
pub fn explain<'a>(
    settings: &'a Settings,
    catalogue: &'a Catalogue,
    customers: &'a [CustomerFacts],
    now: Timestamp,
) -> Vec<SubscriptionMrr<'a>> {
    explained(settings, catalogue, customers, now).map(|one| one.mrr).collect()
}

fn explained<'a>(
    settings: &'a Settings,
    catalogue: &'a Catalogue,
    customers: &'a [CustomerFacts],
    now: Timestamp,
) -> impl Iterator<Item = Explained<'a>> {
    customers.iter().flat_map(move |facts| {
        let context = Context {
            policy: &settings.policy,
            now,
            catalogue,
            customer: facts.customer.as_ref(),
            invoices: &facts.invoices,
        };
        facts.subscriptions.iter().map(move |subscription| {
            let mrr = mrr::subscription(&context, subscription);
            Explained { subscription, mrr, facts }
        })
    })
}

fn uncomputed(one: &Explained<'_>) -> Vec<Uncomputed> {
    let reasons = one.mrr.not_computable().map(|(item, reason)| Uncomputed {
        subscription_id: Some(one.subscription.id.clone()),
        item_id: item.cloned(),
        reason: reason.to_owned(),
    });
    reasons.collect()
}

impl Explained<'_> {
    fn of_test_clock(&self) -> bool {
        self.subscription.test_clock || self.facts.of_test_clock()
    }
}

impl CustomerFacts {
    fn of_test_clock(&self) -> bool {
        self.customer.as_ref().is_some_and(|customer| customer.test_clock)
    }

    /// The invoices that are not of a test clock.
    pub(crate) fn real_invoices(&self) -> impl Iterator<Item = &Invoice> {
        let real = !self.of_test_clock();
        self.invoices.iter().filter(move |invoice| real && !invoice.test_clock)
    }

    /// The subscriptions that are not of a test clock.
    fn real_subscriptions(&self) -> impl Iterator<Item = &Subscription> {
        let real = !self.of_test_clock();
        self.subscriptions.iter().filter(move |subscription| real && !subscription.test_clock)
    }
}

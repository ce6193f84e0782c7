//! What an account holds: each subscription with what it is worth, for the ledger and the signals, which compare it with
//! what was held before.

use super::totals::Totals;
use super::{AccountBilling, CustomerFacts, Explained, Settings, subscriptions};
use crate::facts::{Subscription, SubscriptionStatus};
use crate::ledger::{Held, Sold};
use crate::money::{Exact, Money};
use crate::mrr::{self, Catalogue, Context, Rule, SubscriptionMrr};

/// An account's billing, and what it was worked out from.
#[derive(Debug, Clone)]
pub struct Computation<'a> {
    /// The billing, as it is stored.
    pub billing: AccountBilling,
    /// The subscriptions that are not of test clocks, live ones first, larger ones first.
    pub holdings: Vec<Holding<'a>>,
}

/// One subscription and what it is worth.
#[derive(Debug, Clone)]
pub struct Holding<'a> {
    /// The subscription.
    pub subscription: &'a Subscription,
    /// Everything known of its customer.
    pub facts: &'a CustomerFacts,
    /// The name of what was bought.
    pub plan: Option<String>,
    /// What it is worth.
    pub held: Held,
    /// What it will be worth a month when its trial is over; zero where there is none running.
    pub worth_after_trial: i64,
}

impl<'a> Holding<'a> {
    pub(super) fn of(one: &Explained<'a>, totals: &Totals, settings: &Settings, catalogue: &Catalogue) -> Self {
        let mut held = Held::of(one.subscription, &one.mrr);
        if totals.too_large.contains(&held.mrr.currency) {
            // No figure of the account has it, so no movement has it either.
            held = held.nothing();
        }
        let worth_after_trial = worth_after_trial(one, settings, catalogue).unwrap_or(0);
        let plan = subscriptions::plan(one);
        Self { subscription: one.subscription, facts: one.facts, plan, held, worth_after_trial }
    }
}

impl Held {
    /// What a subscription is worth, by its explanation.
    #[must_use]
    pub fn of(subscription: &Subscription, mrr: &SubscriptionMrr<'_>) -> Self {
        let mut sold: Vec<Sold> = subscription
            .items
            .iter()
            .map(|item| Sold { price: item.price.id.clone(), quantity: item.quantity })
            .collect();
        sold.sort_unstable();
        Self {
            mrr: mrr.mrr,
            gross: gross(mrr),
            sold,
            status: subscription.status.clone(),
            paused: subscription.pause_collection.is_some(),
        }
    }

    /// The same subscription before it was worth anything.
    #[must_use]
    pub fn nothing(&self) -> Self {
        Self { mrr: Money::new(0, self.mrr.currency), gross: 0, ..self.clone() }
    }

    /// True while it is running and paid for or free.
    #[must_use]
    pub fn runs(&self) -> bool {
        matches!(self.status, SubscriptionStatus::Active | SubscriptionStatus::PastDue) && !self.paused
    }
}

fn worth_after_trial(one: &Explained<'_>, settings: &Settings, catalogue: &Catalogue) -> Option<i64> {
    let subscription = one.subscription;
    let now = subscription.trial_end.filter(|_| subscription.status == SubscriptionStatus::Trialing)?;
    let converted = Subscription { status: SubscriptionStatus::Active, ..subscription.clone() };
    let (customer, invoices) = (one.facts.customer.as_ref(), one.facts.invoices.as_slice());
    let context = Context { policy: &settings.policy, now, catalogue, customer, invoices };
    Some(mrr::subscription(&context, &converted).mrr.amount)
}

/// A month's worth of what counts, before discounts, rounded; zero where it does not fit.
fn gross(mrr: &SubscriptionMrr<'_>) -> i64 {
    let counts = |counted: bool, rule: Rule| counted || rule == Rule::Free;
    let monthly = mrr.items.iter().filter(|item| counts(item.counted, item.rule)).map(|item| {
        let amount = item.amount.unwrap_or(Exact::ZERO);
        amount.times(item.factor.unwrap_or(Exact::ZERO))
    });
    let sum = monthly.into_iter().try_fold(Exact::ZERO, |sum, one| sum.plus(one?));
    sum.and_then(Exact::round_half_even).unwrap_or(0)
}

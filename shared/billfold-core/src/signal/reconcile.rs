//! What must be written: signals that are new, those whose cause is gone, and those whose cause is back.

use super::cause::{Told, conditions};
use super::{Signal, SignalState, SignalType};
use crate::billing::{CustomerFacts, Holding};
use crate::id::AccountId;
use crate::ledger::{Basis, Cause, Ledger, Movement, MovementKind};
use crate::money::Money;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// What is older is not raised any more: a first sync finds years of it.
const OLDEST: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What signals depend on, beside the facts.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// Whose signals.
    pub account: &'a AccountId,
    /// True for Stripe's test mode, whose dashboard has other addresses.
    pub test_mode: bool,
    /// The ledger before this step.
    pub before: Option<&'a Ledger>,
    /// The ledger after it.
    pub after: &'a Ledger,
    /// Now.
    pub now: Timestamp,
}

impl Inputs<'_> {
    /// Where Stripe's dashboard shows the objects of the mode.
    pub(super) fn dashboard(&self) -> &'static str {
        if self.test_mode { "https://dashboard.stripe.com/test/" } else { "https://dashboard.stripe.com/" }
    }
}

/// The signals that are to be written: all that are not as they are stored.
#[must_use]
pub fn reconcile(
    inputs: &Inputs<'_>,
    stored: &[Signal],
    customers: &[CustomerFacts],
    holdings: &[Holding<'_>],
) -> Vec<Signal> {
    let stored: BTreeMap<&str, &Signal> = stored.iter().map(|signal| (signal.id.as_str(), signal)).collect();
    let current = conditions(inputs, customers, holdings);
    let is_so: BTreeSet<String> = current.iter().map(|signal| signal.id.clone()).collect();
    let mut writes: BTreeMap<String, Signal> = BTreeMap::new();
    let oldest = inputs.now.checked_sub(OLDEST).unwrap_or(Timestamp::MIN);
    let happened = of_movements(inputs, holdings);
    for signal in current.into_iter().chain(happened) {
        match stored.get(signal.id.as_str()) {
            None if signal.occurred_at >= oldest => {
                writes.insert(signal.id.clone(), signal);
            }
            Some(known) if known.state == SignalState::Resolved && signal.kind.is_condition() => {
                writes.insert(known.id.clone(), known.reopened());
            }
            None | Some(_) => {}
        }
    }
    let unresolved = stored.values().filter(|signal| signal.state != SignalState::Resolved);
    for signal in unresolved.filter(|signal| !is_so.contains(&signal.id)) {
        if signal.kind.is_condition() {
            writes.insert(signal.id.clone(), signal.resolved(inputs.now));
            let back = withdrawn(inputs, signal, holdings).filter(|back| !stored.contains_key(back.id.as_str()));
            writes.extend(back.map(|back| (back.id.clone(), back)));
        } else if has_grown_back(signal, holdings, inputs) {
            writes.insert(signal.id.clone(), signal.resolved(inputs.now));
        }
    }
    writes.into_values().collect()
}

/// What movements of this step are to be heard of. Only what was seen happening: history is no news.
fn of_movements(inputs: &Inputs<'_>, holdings: &[Holding<'_>]) -> Vec<Signal> {
    let known: BTreeSet<&str> =
        inputs.before.into_iter().flat_map(|ledger| &ledger.movements).map(|movement| movement.id.as_str()).collect();
    let new = inputs.after.movements.iter().filter(|movement| !known.contains(movement.id.as_str()));
    let observed = new.filter(|movement| movement.basis == Basis::Observed);
    observed.filter_map(|movement| of_movement(inputs, movement, holdings)).collect()
}

fn of_movement(inputs: &Inputs<'_>, movement: &Movement, holdings: &[Holding<'_>]) -> Option<Signal> {
    let sold_otherwise = matches!(movement.cause, Cause::QuantityChanged | Cause::PlanChanged | Cause::PriceChanged);
    let (kind, what) = match movement.kind {
        MovementKind::Reactivation => (SignalType::Reactivated, "pays again"),
        _ if !sold_otherwise => return None,
        _ if movement.amount.amount < 0 => (SignalType::SubscriptionDowngraded, "shrank"),
        _ => (SignalType::SubscriptionUpgraded, "grew"),
    };
    let id = movement.subscription_id.as_ref()?;
    let holding = holdings.iter().find(|holding| holding.subscription.id == *id)?;
    let amount = Money::new(movement.amount.amount.saturating_abs(), movement.amount.currency);
    let plan = holding.plan.as_deref().unwrap_or(id.as_str());
    let why = match movement.cause {
        Cause::QuantityChanged => " by its quantity",
        Cause::PlanChanged => " by another plan",
        Cause::PriceChanged => " by its price",
        _ => "",
    };
    let told = Told {
        kind,
        what: &movement.id,
        customer: Some(&holding.subscription.customer),
        subscription: Some(holding.subscription),
        invoice: None,
        amount,
        plan: holding.plan.clone(),
        message: format!("{plan} {what}{why}: {amount} of MRR."),
        reason: None,
        occurred_at: movement.at,
    };
    Some(told.signal(inputs))
}

/// The news that a cancellation was taken back: it is not so any more, and the subscription goes on.
fn withdrawn(inputs: &Inputs<'_>, signal: &Signal, holdings: &[Holding<'_>]) -> Option<Signal> {
    let of = |holding: &&Holding<'_>| Some(&holding.subscription.id) == signal.subscription_id.as_ref();
    let holding = holdings.iter().find(of).filter(|_| signal.kind == SignalType::SubscriptionCanceled)?;
    if holding.subscription.status.is_terminal() {
        return None;
    }
    let plan = holding.plan.as_deref().unwrap_or(holding.subscription.id.as_str());
    let told = Told {
        kind: SignalType::CancellationWithdrawn,
        what: &signal.id,
        customer: signal.customer_id.as_ref(),
        subscription: Some(holding.subscription),
        invoice: None,
        amount: holding.held.mrr,
        plan: holding.plan.clone(),
        message: format!("The cancellation of {plan} was withdrawn: {} of MRR stay.", holding.held.mrr),
        reason: None,
        occurred_at: inputs.now,
    };
    Some(told.signal(inputs))
}

/// A downgrade is over when the subscription is worth again what it was before: when its movements since, the downgrade
/// with them, do not sum to less than nothing.
fn has_grown_back(signal: &Signal, holdings: &[Holding<'_>], inputs: &Inputs<'_>) -> bool {
    if signal.kind != SignalType::SubscriptionDowngraded {
        return false;
    }
    let of = |holding: &&Holding<'_>| Some(&holding.subscription.id) == signal.subscription_id.as_ref();
    let since = inputs
        .after
        .movements
        .iter()
        .filter(|movement| movement.subscription_id == signal.subscription_id && movement.at >= signal.occurred_at);
    let sum = since.fold(0_i64, |sum, movement| sum.saturating_add(movement.amount.amount));
    holdings.iter().any(|holding| of(&holding) && holding.held.mrr.amount > 0) && sum >= 0
}

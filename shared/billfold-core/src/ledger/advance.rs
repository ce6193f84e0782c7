//! One step of the ledger: from what was stored to what the facts say now.

use super::{Basis, Cause, Held, Ledger, Movement, MovementKind, history, kinds, movement_id};
use crate::billing::{self, Holding, in_own};
use crate::id::{AccountId, SubscriptionId};
use crate::money::{Currency, Money};
use crate::mrr::Catalogue;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What a step of the ledger depends on, beside the ledger and the holdings.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// Whose ledger it is.
    pub account: &'a AccountId,
    /// Currency, rules and rates.
    pub settings: &'a billing::Settings,
    /// A digest of the rules: another one means that they have changed.
    pub rules: &'a str,
    /// What completes prices of the past.
    pub catalogue: &'a Catalogue,
    /// When Stripe said what is stored of each subscription.
    pub as_of: &'a BTreeMap<SubscriptionId, Timestamp>,
    /// Since when changes are seen happening; `None` until the first sync has read everything. Until then the ledger is
    /// worked out anew each time, because facts that are still to be read are not changes.
    pub observed_since: Option<Timestamp>,
    /// Now.
    pub now: Timestamp,
}

/// The ledger that should be stored after `before`; equal to it when nothing has changed.
#[must_use]
pub fn advance(before: Option<&Ledger>, inputs: &Inputs<'_>, holdings: &[Holding<'_>]) -> Ledger {
    let kept = before.filter(|_| inputs.observed_since.is_some()).cloned();
    let mut step = Step::new(kept, inputs);
    let count = step.ledger.movements.len();
    step.drop_what_left(holdings);
    step.restate_currency();
    let mut changes = Vec::new();
    for holding in holdings {
        changes.extend(step.changes_of(holding));
    }
    step.convert_at_todays_rates();
    let changed = count != step.ledger.movements.len() || !changes.is_empty();
    for change in changes {
        step.append(change);
    }
    if changed {
        kinds::classify(&mut step.ledger.movements);
    }
    inputs.rules.clone_into(&mut step.ledger.rules);
    step.ledger
}

/// A change of one subscription's worth.
struct Change {
    subscription: SubscriptionId,
    at: Timestamp,
    amount: Money,
    cause: Cause,
}

struct Step<'a> {
    inputs: &'a Inputs<'a>,
    ledger: Ledger,
    /// The running sum of each currency.
    sums: BTreeMap<Currency, i64>,
}

impl<'a> Step<'a> {
    fn new(kept: Option<Ledger>, inputs: &'a Inputs<'a>) -> Self {
        let ledger = kept.unwrap_or_else(|| Ledger::empty(inputs.settings.currency, inputs.rules));
        let mut step = Self { inputs, ledger, sums: BTreeMap::new() };
        step.add_up();
        step
    }

    fn add_up(&mut self) {
        self.sums.clear();
        for movement in &self.ledger.movements {
            let sum = self.sums.entry(movement.amount.currency).or_default();
            *sum = sum.saturating_add(movement.amount.amount);
        }
    }

    /// Subscriptions whose customer is another account's now take their movements along: that account works them out
    /// again from the same facts.
    fn drop_what_left(&mut self, holdings: &[Holding<'_>]) {
        let here: BTreeSet<&SubscriptionId> = holdings.iter().map(|holding| &holding.subscription.id).collect();
        let left = |id: &SubscriptionId| !here.contains(id);
        if !self.ledger.held.keys().any(left) {
            return;
        }
        self.ledger.held.retain(|id, _| !left(id));
        self.ledger.movements.retain(|movement| !movement.subscription_id.as_ref().is_some_and(left));
        self.ledger.movements.retain(|movement| movement.cause != Cause::RatesChanged);
        self.convert_again();
    }

    /// In another currency nothing that was converted means anything: all of it is converted again, at today's rates.
    fn restate_currency(&mut self) {
        if self.ledger.currency == self.inputs.settings.currency {
            return;
        }
        self.ledger.currency = self.inputs.settings.currency;
        self.ledger.movements.retain(|movement| movement.cause != Cause::RatesChanged);
        self.convert_again();
    }

    fn convert_again(&mut self) {
        let mut sums = BTreeMap::new();
        let mut movements = std::mem::take(&mut self.ledger.movements);
        for movement in &mut movements {
            movement.converted = self.convert(&mut sums, movement.amount);
        }
        self.ledger.movements = movements;
        kinds::classify(&mut self.ledger.movements);
        self.add_up();
    }

    /// The changes of one subscription: the last one, or, where the ledger does not know it, its history.
    fn changes_of(&mut self, holding: &Holding<'_>) -> Vec<Change> {
        let id = &holding.subscription.id;
        let same_rules = self.ledger.rules == self.inputs.rules;
        let Some(before) = self.ledger.held.get(id).cloned() else {
            if !same_rules && !self.ledger.movements.is_empty() {
                return self.change(holding, &holding.held.nothing(), Cause::RulesChanged).into_iter().collect();
            }
            return self.history_of(holding);
        };
        if before == holding.held {
            return Vec::new();
        }
        let cause = if same_rules { Cause::of(&before, &holding.held) } else { Cause::RulesChanged };
        self.change(holding, &before, cause).into_iter().collect()
    }

    fn change(&mut self, holding: &Holding<'_>, before: &Held, cause: Cause) -> Option<Change> {
        let id = &holding.subscription.id;
        let delta = holding.held.mrr.amount.checked_sub(before.mrr.amount)?;
        if delta != 0 || self.ledger.held.contains_key(id) {
            self.ledger.held.insert(id.clone(), holding.held.clone());
        }
        if delta == 0 {
            return None;
        }
        let at = self.moment(holding, cause);
        Some(Change { subscription: id.clone(), at, amount: Money::new(delta, holding.held.mrr.currency), cause })
    }

    /// When a change happened: what Stripe says of it, never before the subscription's last movement, never after now.
    fn moment(&self, holding: &Holding<'_>, cause: Cause) -> Timestamp {
        let (subscription, now) = (holding.subscription, self.inputs.now);
        let said = match cause {
            Cause::RulesChanged => Some(now),
            Cause::SubscriptionEnded => subscription.ended_at,
            Cause::TrialConverted => subscription.trial_end,
            _ => None,
        };
        let as_of = self.inputs.as_of.get(&subscription.id).copied();
        let mine = |movement: &&Movement| movement.subscription_id.as_ref() == Some(&subscription.id);
        let last = self.ledger.movements.iter().filter(mine).map(|movement| movement.at).max();
        let at = said.or(as_of).unwrap_or(now).min(now);
        last.map_or(at, |last| at.max(last))
    }

    fn history_of(&mut self, holding: &Holding<'_>) -> Vec<Change> {
        let steps = history::steps(self.inputs, holding);
        let mut before = holding.held.nothing();
        let mut changes = Vec::new();
        for (n, (at, held)) in steps.into_iter().enumerate() {
            let cause = if n == 0 { Cause::SubscriptionStarted } else { Cause::of(&before, &held) };
            if let Some(delta) = held.mrr.amount.checked_sub(before.mrr.amount).filter(|delta| *delta != 0) {
                let amount = Money::new(delta, held.mrr.currency);
                changes.push(Change { subscription: holding.subscription.id.clone(), at, amount, cause });
            }
            before = held;
        }
        if !changes.is_empty() {
            self.ledger.held.insert(holding.subscription.id.clone(), holding.held.clone());
        }
        changes
    }

    /// A change of rates is a movement of its own, before anything else is converted at the new ones.
    fn convert_at_todays_rates(&mut self) {
        let own = self.ledger.currency;
        let mut recorded: BTreeMap<Currency, i64> = BTreeMap::new();
        for movement in &self.ledger.movements {
            let converted = movement.converted.map_or(0, |money| money.amount);
            let sum = recorded.entry(movement.amount.currency).or_default();
            *sum = sum.saturating_add(converted);
        }
        for (currency, recorded) in recorded {
            let sum = self.sums.get(&currency).copied().unwrap_or(0);
            let today = self.worth(Money::new(sum, currency)).unwrap_or(0);
            let delta = today.saturating_sub(recorded);
            if delta != 0 {
                let fx = self.fx(currency, Money::new(delta, own));
                self.ledger.movements.push(fx);
            }
        }
    }

    fn fx(&self, currency: Currency, delta: Money) -> Movement {
        let fx = |movement: &&Movement| movement.cause == Cause::RatesChanged && movement.amount.currency == currency;
        let n = self.ledger.movements.iter().filter(fx).count();
        Movement {
            id: movement_id(&format!("fx:{}:{currency}", self.inputs.account), n),
            at: self.inputs.now,
            kind: MovementKind::Fx,
            amount: Money::new(0, currency),
            converted: Some(delta),
            subscription_id: None,
            cause: Cause::RatesChanged,
            basis: Basis::Observed,
        }
    }

    /// An amount in the workspace's currency, in minor units; `None` without a rate or where it does not fit.
    fn worth(&self, money: Money) -> Option<i64> {
        in_own(self.inputs.settings, money).ok().flatten()
    }

    /// What an amount adds to the converted sum, which is rounded as a whole (MRR.md §3).
    fn convert(&self, sums: &mut BTreeMap<Currency, i64>, amount: Money) -> Option<Money> {
        let sum = sums.entry(amount.currency).or_default();
        let before = self.worth(Money::new(*sum, amount.currency));
        *sum = sum.saturating_add(amount.amount);
        let after = self.worth(Money::new(*sum, amount.currency));
        Some(Money::new(after?.checked_sub(before?)?, self.inputs.settings.currency))
    }

    fn append(&mut self, change: Change) {
        let mine = |movement: &&Movement| movement.subscription_id.as_ref() == Some(&change.subscription);
        let n = self.ledger.movements.iter().filter(mine).count();
        let mut sums = std::mem::take(&mut self.sums);
        let converted = self.convert(&mut sums, change.amount);
        self.sums = sums;
        let seen = self.inputs.observed_since.is_some_and(|since| change.at >= since);
        self.ledger.movements.push(Movement {
            id: movement_id(change.subscription.as_str(), n),
            at: change.at,
            // Named when all of them are there.
            kind: MovementKind::Expansion,
            amount: change.amount,
            converted,
            subscription_id: Some(change.subscription),
            cause: change.cause,
            basis: if seen { Basis::Observed } else { Basis::Derived },
        });
    }
}

//! What each movement did to the account, which depends on everything before it: so kinds are worked out for the whole
//! ledger at once, in the order in which things happened.

use super::{Cause, Movement, MovementKind};
use crate::money::Currency;
use std::collections::BTreeMap;

/// Puts movements in order and names what each did. At the same moment what grows comes first, so that a subscription
/// that takes the place of another is no churn.
pub(super) fn classify(movements: &mut [Movement]) {
    movements.sort_by_key(|movement| (movement.at, movement.amount.amount < 0));
    let mut sums: BTreeMap<Currency, i128> = BTreeMap::new();
    let mut ever_paid = false;
    for movement in movements {
        let paid_before = sums.values().any(|sum| *sum > 0);
        let sum = sums.entry(movement.amount.currency).or_default();
        *sum = sum.saturating_add(i128::from(movement.amount.amount));
        let pays_after = sums.values().any(|sum| *sum > 0);
        movement.kind = match movement.cause {
            Cause::RatesChanged => MovementKind::Fx,
            Cause::RulesChanged => MovementKind::Restatement,
            _ if !pays_after => MovementKind::Churn,
            _ if !paid_before && !ever_paid => MovementKind::New,
            _ if !paid_before => MovementKind::Reactivation,
            _ if movement.amount.amount < 0 => MovementKind::Contraction,
            _ => MovementKind::Expansion,
        };
        ever_paid |= pays_after;
    }
}

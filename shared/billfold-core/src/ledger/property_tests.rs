//! Laws of the ledger over random lives of an account.

use super::tests::Account;
use super::{Flows, Month, Months};
use crate::billing;
use crate::facts::{Subscription, SubscriptionStatus};
use crate::id::SubscriptionId;
use crate::mrr::build::*;
use proptest::prelude::*;

/// What happens to a subscription on a day.
#[derive(Debug, Clone)]
enum Happening {
    Start(i64),
    Quantity(i64),
    Discount,
    Status(SubscriptionStatus),
    End,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        (1i64..100_000).prop_map(Happening::Start),
        (0i64..20).prop_map(Happening::Quantity),
        Just(Happening::Discount),
        prop_oneof![
            Just(SubscriptionStatus::Active),
            Just(SubscriptionStatus::PastDue),
            Just(SubscriptionStatus::Unpaid),
            Just(SubscriptionStatus::Paused),
        ]
        .prop_map(Happening::Status),
        Just(Happening::End),
    ]
}

/// Lets it happen to one of three subscriptions.
fn happen(account: &mut Account, which: u8, day: i64, happening: &Happening) {
    let id = SubscriptionId::new(format!("sub_{which}")).unwrap();
    let place = account.facts.subscriptions.iter().position(|one| one.id == id);
    account.as_of.insert(id.clone(), in_days(day));
    let Some(place) = place else {
        if let Happening::Start(minor) = happening {
            let started = Subscription { id, start_date: Some(in_days(day)), created: in_days(day), ..monthly(*minor) };
            account.facts.subscriptions.push(started);
        }
        return;
    };
    let subscription = &mut account.facts.subscriptions[place];
    if subscription.status.is_terminal() {
        return;
    }
    match happening {
        Happening::Start(minor) => subscription.items = vec![item(price("b", &minor.to_string()), 1)],
        Happening::Quantity(units) => subscription.items[0].quantity = Some(*units),
        Happening::Discount if subscription.discounts.is_empty() => {
            subscription.discounts.push(applied(percent_off("25")));
        }
        Happening::Discount => subscription.discounts.clear(),
        Happening::Status(status) => subscription.status = status.clone(),
        Happening::End => {
            (subscription.status, subscription.ended_at) = (SubscriptionStatus::Canceled, Some(in_days(day)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Each step checks the law (in `Account::step`); here: the ends of months are what the engine says at them, and the
    /// months of a range lead from one to the next.
    #[test]
    fn a_life_replayed_event_by_event(life in prop::collection::vec((0u8..3, happening()), 1..30)) {
        let mut account = Account::new(Vec::new());
        account.observed_since = Some(in_days(-400));
        let mut at_month_end = Vec::new();
        let first = -(i64::try_from(life.len()).unwrap() * 9);
        for day in first..=0 {
            if let Some((which, what)) = life.get(usize::try_from((day - first) / 9).unwrap()).filter(|_| (day - first) % 9 == 0) {
                happen(&mut account, *which, day, what);
                account.step(in_days(day));
            }
            if Month::of(in_days(day)) != Month::of(in_days(day + 1)) {
                let facts = std::slice::from_ref(&account.facts);
                let mrr = billing::account(&account.settings, &account.catalogue, facts, in_days(day)).mrr.amount;
                at_month_end.push((Month::of(in_days(day)), mrr));
            }
        }
        let ledger = account.step(now());
        for (month, mrr) in at_month_end {
            let flows = Flows::of(&ledger, month.begins(), month.ends());
            prop_assert_eq!(flows.closing(), i128::from(mrr), "{}", month);
        }
        let months = Months { from: Month::of(in_days(first)), to: Month::of(now()) };
        let mut closing = 0;
        for month in months.each() {
            let flows = Flows::of(&ledger, month.begins(), month.ends());
            prop_assert_eq!(flows.opening, closing);
            closing = flows.closing();
        }
        let mut running = 0;
        for movement in &ledger.movements {
            running += movement.amount.amount;
            prop_assert!(running >= 0);
        }
    }
}

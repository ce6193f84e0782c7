//! What Stripe tells of a business in a month: mostly that subscriptions renew. Of a hundred changes 82 are renewals, of which
//! one in twenty is declined, 8 change a quantity, 3 are cancellations and 7 change who a customer is.

use billfold_sim::model::SubscriptionStatus;
use billfold_sim::{Change, Delivery, Dice, Kind, Sim};

/// The next thing that happens; `None` if it cannot happen to whom it was to happen.
pub fn change(sim: &Sim, dice: &mut Dice) -> Option<Change> {
    sim.read(|business| {
        let place = u32::try_from(dice.index(business.subscriptions.len())).ok()?;
        let row = business.subscriptions.get(place)?;
        if row.status != SubscriptionStatus::Active || row.test_clock {
            return None;
        }
        let subscription = business.id(Kind::Subscription, place);
        let sold = row.items.first().is_some_and(|item| item.quantity.is_some());
        match dice.below(100) {
            0..82 => Some(Change::Renew { subscription, declined: dice.below(20) == 0 }),
            82..90 => {
                let quantity = dice.below(60) + 1;
                sold.then_some(Change::SetQuantity { subscription, item: None, quantity })
            }
            90..93 => Some(Change::Cancel { subscription }),
            _ => {
                let customer = business.id(Kind::Customer, row.customer);
                let name = Some(format!("Customer {}", dice.below(1_000_000)));
                Some(Change::UpdateCustomer { customer, name, email: None })
            }
        }
    })
}

/// The deliveries of a change, by when Stripe sends them: a subscription renews an hour before its invoice is final and paid.
pub fn moments(told: Vec<Delivery>) -> impl Iterator<Item = Vec<Delivery>> {
    let (of_invoices, others): (Vec<_>, Vec<_>) =
        told.into_iter().partition(|delivery| delivery.kind.starts_with("invoice."));
    [others, of_invoices].into_iter().filter(|moment| !moment.is_empty())
}

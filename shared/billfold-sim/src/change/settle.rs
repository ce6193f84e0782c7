//! What falls due as time passes: renewals, ends of trials, cancellations that were scheduled,
//! discounts that run out, further attempts at payment, first payments that never came.

use super::{Applied, Changing};
use crate::calendar::DAY;
use crate::invoicing;
use crate::model::{Idx, InvoiceStatus, SubscriptionStatus as Status};
use crate::sim::Sim;

/// A subscription that was left alone this long is renewed no further in one go.
const MOST_RENEWALS: usize = 60;

impl Sim {
    /// Does everything that has fallen due by now, at the present time of the clock. Payments
    /// that are tried again go through.
    pub fn settle(&self) -> Applied {
        let mut world = self.world_mut();
        let mut changing = Changing::begin(&mut world);
        changing.settle();
        changing.finish(None)
    }
}

impl Changing<'_> {
    fn settle(&mut self) {
        for place in 0..Idx::try_from(self.business().subscriptions.len()).unwrap_or(Idx::MAX) {
            if !self.business().subscriptions[place].status.is_ended() {
                self.settle_one(place);
            }
        }
        for place in 0..Idx::try_from(self.business().invoices.len()).unwrap_or(Idx::MAX) {
            let row = &self.business().invoices[place];
            let due = row.next_attempt.is_some_and(|at| at <= self.now);
            if due && row.status == InvoiceStatus::Open {
                self.pay(place);
            }
        }
    }

    fn settle_one(&mut self, place: Idx) {
        let now = self.now;
        self.remove_discounts(place, |discount| discount.end.is_some_and(|end| end <= now));
        if self.business().subscriptions[place].status == Status::Incomplete {
            if self.business().subscriptions[place].created + 23 * 3_600 <= now {
                self.expire(place);
            }
            return;
        }
        for _ in 0..MOST_RENEWALS {
            let row = &self.business().subscriptions[place];
            if row.cancel_at.is_some_and(|at| at <= now) {
                return self.cancel_now(place);
            }
            let runs = row.status.is_live();
            let over = row.items.iter().any(|item| item.period.end <= now);
            if !runs || !over {
                return;
            }
            self.renew(place, false);
        }
    }

    /// The first payment never came.
    fn expire(&mut self, place: Idx) {
        self.set_status(place, Status::IncompleteExpired);
        let latest = self.business().subscriptions[place].latest_invoice;
        let now = self.now;
        if let Some(invoice) = latest
            && self.business().invoices[invoice].status == InvoiceStatus::Open
        {
            invoicing::void(self.business_mut(), invoice, now);
            self.emit("invoice.voided", crate::render::Target::Invoice(invoice));
        }
    }
}

impl Sim {
    /// Lets days pass one by one, doing what falls due on each.
    pub fn pass_days(&self, days: u32) -> Applied {
        let mut all = Applied::default();
        for _ in 0..days {
            self.advance(DAY);
            all.events.extend(self.settle().events);
        }
        all
    }
}

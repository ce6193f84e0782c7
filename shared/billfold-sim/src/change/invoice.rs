//! Changes of invoices: from draft to paid, or to nothing.

use super::{Change, ChangeError, Changing, Outcome};
use crate::calendar::{boundary, intervals_passed};
use crate::ids::Kind;
use crate::invoicing::{self, Draft, RETRY_AFTER};
use crate::model::{
    BillingReason, Collection, Idx, InvoiceStatus, PauseBehavior, Period, SubscriptionStatus as Status, Unix,
};
use crate::render::Target;

impl Changing<'_> {
    pub(super) fn invoice_change(&mut self, change: &Change) -> Outcome {
        match change {
            Change::CreateInvoice { subscription } => {
                let place = self.subscription(subscription)?;
                let made = self.bill(place, BillingReason::Update, self.now);
                return Ok(Some(self.business().id(Kind::Invoice, made)));
            }
            Change::FinalizeInvoice { invoice } => {
                let place = self.in_status(invoice, &[InvoiceStatus::Draft])?;
                self.finalize(place);
            }
            Change::PayInvoice { invoice } => {
                let place = self.in_status(invoice, &[InvoiceStatus::Open])?;
                self.pay(place);
            }
            Change::FailPayment { invoice, retry } => {
                let place = self.in_status(invoice, &[InvoiceStatus::Open])?;
                if self.is_sent(place) {
                    return Err(ChangeError::Impossible("a sent invoice is not tried on a card"));
                }
                self.fail(place, *retry);
            }
            Change::VoidInvoice { invoice } => {
                let open = [InvoiceStatus::Open, InvoiceStatus::Uncollectible];
                let place = self.in_status(invoice, &open)?;
                let now = self.now;
                self.end("invoice.voided", place, |business| {
                    invoicing::void(business, place, now);
                });
            }
            Change::MarkUncollectible { invoice } => {
                let place = self.in_status(invoice, &[InvoiceStatus::Open])?;
                let now = self.now;
                self.end("invoice.marked_uncollectible", place, |business| {
                    invoicing::mark_uncollectible(business, place, now);
                });
            }
            _ => return Err(ChangeError::Impossible("this is no change of an invoice")),
        }
        Ok(None)
    }

    fn in_status(&self, id: &str, allowed: &[InvoiceStatus]) -> Result<Idx, ChangeError> {
        let place = self.invoice(id)?;
        if allowed.contains(&self.business().invoices[place].status) {
            Ok(place)
        } else {
            Err(ChangeError::Impossible("the invoice's status does not allow it"))
        }
    }

    fn end(&mut self, kind: &str, place: Idx, change: impl FnOnce(&mut crate::business::Business)) {
        self.update("invoice.updated", Target::Invoice(place), change);
        self.emit(kind, Target::Invoice(place));
        let customer = self.business().invoices[place].customer;
        self.set_delinquent(customer, false);
    }

    /// A draft over the periods that a subscription's items are in; it is the subscription's
    /// latest from then on.
    pub(super) fn bill(&mut self, place: Idx, reason: BillingReason, at: Unix) -> Idx {
        let made = self.bill_items(place, reason, at);
        if reason == BillingReason::Create {
            // The subscription has not been heard of yet.
            self.business_mut().subscriptions[place].latest_invoice = Some(made);
        } else {
            self.update("customer.subscription.updated", Target::Subscription(place), |business| {
                business.subscriptions[place].latest_invoice = Some(made);
            });
        }
        made
    }

    fn bill_items(&mut self, place: Idx, reason: BillingReason, at: Unix) -> Idx {
        let row = &self.business().subscriptions[place];
        let due: Vec<(usize, Period)> = row
            .items
            .iter()
            .enumerate()
            .filter(|(_, item)| reason != BillingReason::Create || item.quantity.is_some())
            .map(|(at, item)| (at, item.period))
            .collect();
        self.draft(place, reason, at, &due)
    }

    fn draft(&mut self, place: Idx, reason: BillingReason, at: Unix, due: &[(usize, Period)]) -> Idx {
        let invoice = invoicing::draft(self.business(), &Draft { subscription: place, at, reason, due, once: None });
        let business = self.business_mut();
        let customer = invoice.customer;
        let made = business.invoices.push(invoice);
        business.customers[customer].invoices.push(made);
        self.emit("invoice.created", Target::Invoice(made));
        made
    }

    fn finalize(&mut self, place: Idx) {
        let now = self.now;
        self.update("invoice.updated", Target::Invoice(place), |business| {
            invoicing::finalize(business, place, now);
            invoicing::open_payment(business, place, now);
        });
        self.emit("invoice.finalized", Target::Invoice(place));
        if self.business().invoices[place].status == InvoiceStatus::Paid {
            self.emit("invoice.paid", Target::Invoice(place));
        }
    }

    /// Finalizes a draft and tries to collect it. A sent invoice that is not paid just waits.
    pub(super) fn collect(&mut self, place: Idx, declined: bool) {
        self.finalize(place);
        if self.business().invoices[place].status != InvoiceStatus::Open {
            return;
        }
        match (declined, self.is_sent(place)) {
            (false, _) => self.pay(place),
            (true, false) => self.fail(place, true),
            (true, true) => {}
        }
    }

    fn is_sent(&self, place: Idx) -> bool {
        self.business().invoices[place].collection != Collection::Automatic
    }

    /// What becomes of an invoice while collection is paused.
    fn set_aside(&mut self, place: Idx, behavior: PauseBehavior) {
        let now = self.now;
        match behavior {
            PauseBehavior::KeepAsDraft => {}
            PauseBehavior::Void => {
                self.finalize(place);
                self.end("invoice.voided", place, |business| invoicing::void(business, place, now));
            }
            PauseBehavior::MarkUncollectible => {
                self.finalize(place);
                self.end("invoice.marked_uncollectible", place, |business| {
                    invoicing::mark_uncollectible(business, place, now);
                });
            }
        }
    }

    pub(super) fn pay(&mut self, place: Idx) {
        let now = self.now;
        let charges = self.business().charges.len();
        self.update("invoice.updated", Target::Invoice(place), |business| {
            invoicing::pay(business, place, now);
        });
        self.emit_charges("charge.succeeded", charges);
        self.emit("invoice.paid", Target::Invoice(place));
        self.emit("invoice.payment_succeeded", Target::Invoice(place));
        if let Some(&payment) = self.business().invoices[place].payments.last() {
            self.emit("invoice_payment.paid", Target::Payment(payment));
        }
        let customer = self.business().invoices[place].customer;
        if !self.owes(customer) {
            self.set_delinquent(customer, false);
        }
        self.recover(place);
    }

    /// A subscription whose last open invoice is paid runs again.
    fn recover(&mut self, paid: Idx) {
        let Some(subscription) = self.business().invoices[paid].subscription else {
            return;
        };
        let business = self.business();
        let row = &business.subscriptions[subscription];
        let waited = matches!(row.status, Status::PastDue | Status::Unpaid | Status::Incomplete);
        let still_open = business.customers[row.customer].invoices.iter().any(|&other| {
            let other = &business.invoices[other];
            other.subscription == Some(subscription) && other.status == InvoiceStatus::Open
        });
        if waited && !still_open {
            self.set_status(subscription, Status::Active);
        }
    }

    fn owes(&self, customer: Idx) -> bool {
        let business = self.business();
        business.customers[customer].invoices.iter().any(|&invoice| {
            let invoice = &business.invoices[invoice];
            invoice.status == InvoiceStatus::Open && invoice.attempts > 0
        })
    }

    /// A declined attempt. The last one makes the subscription unpaid.
    fn fail(&mut self, place: Idx, retry: bool) {
        let now = self.now;
        let charges = self.business().charges.len();
        self.update("invoice.updated", Target::Invoice(place), |business| {
            invoicing::decline(business, place, 1, now, now);
            business.invoices[place].next_attempt = retry.then_some(now + RETRY_AFTER);
        });
        self.emit_charges("charge.failed", charges);
        self.emit("invoice.payment_failed", Target::Invoice(place));
        let invoice = &self.business().invoices[place];
        let (customer, subscription) = (invoice.customer, invoice.subscription);
        self.set_delinquent(customer, true);
        let Some(subscription) = subscription else {
            return;
        };
        let status = self.business().subscriptions[subscription].status;
        match status {
            Status::Active | Status::Trialing | Status::PastDue if !retry => {
                self.set_status(subscription, Status::Unpaid);
            }
            Status::Active | Status::Trialing => self.set_status(subscription, Status::PastDue),
            _ => {}
        }
    }

    /// Events for the charges made since there were `before`.
    fn emit_charges(&mut self, kind: &str, before: usize) {
        for place in before..self.business().charges.len() {
            self.emit(kind, Target::Charge(Idx::try_from(place).unwrap_or(Idx::MAX)));
        }
    }

    /// Moves the items whose period is over to their next one and bills them for it. While no
    /// period is over, the billing cycle starts anew now, for all items.
    pub(super) fn renew(&mut self, place: Idx, declined: bool) {
        let now = self.now;
        let row = &self.business().subscriptions[place];
        let early = row.period().end > now;
        let was_trial = row.status == Status::Trialing;
        let anchor = if early { now } else { row.anchor };
        let mut due = Vec::new();
        let mut periods = Vec::new();
        for (item, own) in row.items.iter().enumerate() {
            let price = &self.business().prices[own.price];
            let Some(every) = price.recurring.filter(|_| early || own.period.end <= now) else {
                continue;
            };
            let passed = intervals_passed(anchor, every, now);
            let next = Period { start: boundary(anchor, every, passed), end: boundary(anchor, every, passed + 1) };
            periods.push((item, next));
            // Usage is billed for the period that is over.
            if !price.is_metered() {
                due.push((item, next));
            } else if !was_trial {
                due.push((item, own.period));
            }
        }
        let target = Target::Subscription(place);
        let before = self.world.snapshot(target);
        let row = &mut self.business_mut().subscriptions[place];
        row.anchor = anchor;
        for (item, next) in periods {
            row.items[item].period = next;
        }
        if was_trial {
            row.status = Status::Active;
        }
        if let Some(trial) = &mut row.trial {
            trial.end = trial.end.min(now);
        }
        let paused = row.pause_collection;
        let invoice = self.draft(place, BillingReason::Cycle, now, &due);
        self.business_mut().subscriptions[place].latest_invoice = Some(invoice);
        self.updated_since("customer.subscription.updated", target, &before);
        self.drop_once(place);
        match paused {
            Some(pause) => self.set_aside(invoice, pause.behavior),
            None => self.collect(invoice, declined),
        }
    }
}

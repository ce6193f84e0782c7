//! Changes of invoices: from draft to paid, or to nothing.

use super::{Change, ChangeError, Changing, Outcome};
use crate::calendar::{boundary, intervals_passed};
use crate::ids::Kind;
use crate::invoicing::{self, Draft, RETRY_AFTER};
use crate::model::{BillingReason, Idx, InvoiceStatus, Period, SubscriptionStatus as Status, Unix};
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

    /// A draft over the periods that a subscription's items are in.
    pub(super) fn bill(&mut self, place: Idx, reason: BillingReason, at: Unix) -> Idx {
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
        business.subscriptions[place].latest_invoice = Some(made);
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

    /// Finalizes a draft and tries to collect it.
    pub(super) fn collect(&mut self, place: Idx, declined: bool) {
        self.finalize(place);
        if self.business().invoices[place].status != InvoiceStatus::Open {
            return;
        }
        if declined {
            self.fail(place, true);
        } else {
            self.pay(place);
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

    /// Moves the items whose period is over, or the nearest ones, to their next period and bills
    /// them for it.
    pub(super) fn renew(&mut self, place: Idx, declined: bool) {
        let row = &self.business().subscriptions[place];
        let ends = row.period().end;
        let at = self.now.max(ends);
        let from_trial = row.trial.is_some_and(|trial| trial.end == ends);
        let anchor = row.anchor;
        let mut due = Vec::new();
        let mut periods = Vec::new();
        for (item, own) in row.items.iter().enumerate() {
            let price = &self.business().prices[own.price];
            let Some(every) = price.recurring.filter(|_| own.period.end <= at) else {
                continue;
            };
            let passed = intervals_passed(anchor, every, at);
            let next = Period { start: boundary(anchor, every, passed), end: boundary(anchor, every, passed + 1) };
            periods.push((item, next));
            // Usage is billed for the period that is over.
            if !price.is_metered() {
                due.push((item, next));
            } else if !from_trial {
                due.push((item, own.period));
            }
        }
        self.update("customer.subscription.updated", Target::Subscription(place), |business| {
            let row = &mut business.subscriptions[place];
            for (item, next) in periods {
                row.items[item].period = next;
            }
            if row.status == Status::Trialing {
                row.status = Status::Active;
            }
        });
        let invoice = self.draft(place, BillingReason::Cycle, self.now, &due);
        self.drop_once(place);
        self.collect(invoice, declined);
    }
}

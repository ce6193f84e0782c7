//! Whether a customer pays: worked out from subscriptions and open invoices.

use super::PaymentStatus;
use crate::business::Business;
use crate::model::{Collection, Idx, Invoice, InvoiceStatus, SubscriptionStatus, Unix};

pub fn of(business: &Business, customer: Idx, now: Unix) -> PaymentStatus {
    let row = &business.customers[customer];
    if row.deleted || row.test_clock {
        return PaymentStatus::None;
    }
    let of_subscriptions = row.subscriptions.iter().map(|&place| match business.subscriptions[place].status {
        SubscriptionStatus::Unpaid | SubscriptionStatus::Incomplete => PaymentStatus::Failed,
        SubscriptionStatus::PastDue => PaymentStatus::Overdue,
        status if status.is_live() => PaymentStatus::Paid,
        _ => PaymentStatus::None,
    });
    let of_invoices = row.invoices.iter().map(|&place| of_invoice(&business.invoices[place], now));
    of_subscriptions.chain(of_invoices).max().unwrap_or(PaymentStatus::None)
}

fn of_invoice(invoice: &Invoice, now: Unix) -> PaymentStatus {
    if invoice.status != InvoiceStatus::Open || invoice.created < now - super::INVOICE_WINDOW {
        return PaymentStatus::None;
    }
    let declined = invoice.collection == Collection::Automatic && invoice.attempts > 0;
    let past_due = invoice.due_date.is_some_and(|due| due < now);
    match invoice.next_attempt {
        None if declined => PaymentStatus::Failed,
        Some(_) if declined => PaymentStatus::Overdue,
        _ if past_due => PaymentStatus::Overdue,
        _ => PaymentStatus::None,
    }
}

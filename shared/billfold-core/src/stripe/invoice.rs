//! Invoices and their lines.

use super::money_back::{InvoicePaymentWire, payments};
use super::read::nested;
use super::wire::{Expandable, List, Seconds, metadata, optional_time};
use super::{Reading, Unreadable};
use crate::facts::{Fact, Invoice, InvoiceStatus, Line, Metadata};
use crate::id::{CustomerId, InvoiceId, ItemId, LineId, PriceId, ProductId, SubscriptionId};
use crate::money::{Currency, sum_minor};
use serde::Deserialize;

#[derive(Deserialize)]
struct InvoiceWire {
    id: Option<String>,
    customer: Option<Expandable>,
    customer_account: Option<String>,
    parent: Option<ParentWire>,
    number: Option<String>,
    status: Option<InvoiceStatus>,
    billing_reason: Option<String>,
    collection_method: Option<String>,
    currency: String,
    created: Seconds,
    due_date: Option<Seconds>,
    subtotal: Option<i64>,
    total: Option<i64>,
    amount_due: Option<i64>,
    amount_paid: Option<i64>,
    amount_remaining: Option<i64>,
    post_payment_credit_notes_amount: Option<i64>,
    attempted: Option<bool>,
    attempt_count: Option<i64>,
    next_payment_attempt: Option<Seconds>,
    status_transitions: Option<TransitionsWire>,
    hosted_invoice_url: Option<String>,
    test_clock: Option<Expandable>,
    lines: Option<List<LineWire>>,
    metadata: Option<Metadata>,
    payments: Option<List<InvoicePaymentWire>>,
    // Before 2025-03-31.basil.
    subscription: Option<Expandable>,
    payment_intent: Option<Expandable>,
    charge: Option<Expandable>,
}

#[derive(Deserialize)]
struct ParentWire {
    subscription_details: Option<SubscriptionDetailsWire>,
}

#[derive(Deserialize)]
struct SubscriptionDetailsWire {
    subscription: Option<Expandable>,
}

#[derive(Deserialize)]
struct TransitionsWire {
    finalized_at: Option<Seconds>,
    paid_at: Option<Seconds>,
}

#[derive(Deserialize)]
pub(super) struct LineWire {
    id: String,
    amount: Option<i64>,
    quantity: Option<i64>,
    period: PeriodWire,
    parent: Option<LineParentWire>,
    pricing: Option<PricingWire>,
    discount_amounts: Option<Vec<AmountWire>>,
    taxes: Option<Vec<TaxWire>>,
    subscription: Option<Expandable>,
    // Before 2025-03-31.basil.
    proration: Option<bool>,
    subscription_item: Option<String>,
    price: Option<PricedWire>,
    plan: Option<PricedWire>,
    tax_amounts: Option<Vec<TaxWire>>,
}

#[derive(Deserialize)]
struct PeriodWire {
    start: Seconds,
    end: Seconds,
}

#[derive(Deserialize)]
struct LineParentWire {
    subscription_item_details: Option<LineDetailsWire>,
    invoice_item_details: Option<LineDetailsWire>,
}

#[derive(Deserialize)]
struct LineDetailsWire {
    proration: Option<bool>,
    subscription: Option<String>,
    subscription_item: Option<String>,
}

#[derive(Deserialize)]
struct PricingWire {
    price_details: Option<PriceDetailsWire>,
}

#[derive(Deserialize)]
struct PriceDetailsWire {
    price: Option<Expandable>,
    product: Option<Expandable>,
}

#[derive(Deserialize)]
struct PricedWire {
    id: String,
    product: Option<Expandable>,
}

#[derive(Deserialize)]
struct AmountWire {
    amount: Option<i64>,
}

#[derive(Deserialize)]
struct TaxWire {
    amount: Option<i64>,
    tax_behavior: Option<String>,
    // Before 2025-03-31.basil.
    inclusive: Option<bool>,
}

pub(super) fn invoice(json: &str) -> Result<Reading, Unreadable> {
    let wire: InvoiceWire = serde_json::from_str(json)?;
    let (Some(id), Some(status)) = (wire.id, wire.status) else {
        return Ok(Reading::Ignored { reason: "a preview of an invoice" });
    };
    let Some(customer) = wire.customer.as_ref().map(Expandable::id).or(wire.customer_account.as_deref()) else {
        return Ok(Reading::Ignored { reason: "an invoice without a customer" });
    };
    let customer = CustomerId::new(customer)?;
    let subscription = wire
        .parent
        .and_then(|parent| parent.subscription_details)
        .and_then(|details| details.subscription)
        .or(wire.subscription);
    let (lines, has_more) = wire.lines.map_or((Vec::new(), false), |list| (list.data, list.has_more));
    let lines = lines.into_iter().map(line).collect::<Result<Vec<_>, _>>()?;
    let nested = nested(has_more, &id, lines.last().map(|line| line.id.as_str()))?;
    let (finalized_at, paid_at) = wire.status_transitions.map_or((None, None), |t| (t.finalized_at, t.paid_at));
    let fact = Invoice {
        id: InvoiceId::new(id)?,
        customer,
        subscription: subscription.map(|s| SubscriptionId::new(s.id())).transpose()?,
        number: wire.number,
        status,
        billing_reason: wire.billing_reason,
        collection_method: wire.collection_method,
        currency: Currency::new(&wire.currency)?,
        created: wire.created.time()?,
        due_date: optional_time(wire.due_date)?,
        subtotal: wire.subtotal.unwrap_or(0),
        total: wire.total.unwrap_or(0),
        amount_due: wire.amount_due.unwrap_or(0),
        amount_paid: wire.amount_paid.unwrap_or(0),
        amount_remaining: wire.amount_remaining.unwrap_or(0),
        post_payment_credit: wire.post_payment_credit_notes_amount.unwrap_or(0),
        attempted: wire.attempted.unwrap_or(false),
        attempt_count: wire.attempt_count.unwrap_or(0),
        next_payment_attempt: optional_time(wire.next_payment_attempt)?,
        finalized_at: optional_time(finalized_at)?,
        paid_at: optional_time(paid_at)?,
        hosted_invoice_url: wire.hosted_invoice_url,
        test_clock: wire.test_clock.is_some(),
        lines,
        metadata: metadata(wire.metadata),
        payments: payments(wire.payments, [wire.payment_intent, wire.charge])?,
    };
    Ok(Reading::Live { fact: Fact::Invoice(Box::new(fact)), nested })
}

pub(super) fn line(wire: LineWire) -> Result<Line, Unreadable> {
    let parent = wire.parent.and_then(|parent| parent.subscription_item_details.or(parent.invoice_item_details));
    let (proration, parent_subscription, parent_item) =
        parent.map_or((None, None, None), |p| (p.proration, p.subscription, p.subscription_item));
    let details = wire.pricing.and_then(|pricing| pricing.price_details);
    let (price, product) = details.map_or((None, None), |d| (d.price, d.product));
    let old = wire.price.or(wire.plan);
    let (old_price, old_product) = old.map_or((None, None), |old| (Some(old.id), old.product));
    let subscription = wire.subscription.map(|s| s.id().to_owned()).or(parent_subscription);
    let discounts = wire.discount_amounts.unwrap_or_default().into_iter().filter_map(|d| d.amount);
    let taxes = wire.taxes.or(wire.tax_amounts).unwrap_or_default();
    let contained = |tax: &TaxWire| tax.tax_behavior.as_deref() == Some("inclusive") || tax.inclusive == Some(true);
    let inclusive = taxes.iter().filter(|tax| contained(tax)).filter_map(|tax| tax.amount);
    Ok(Line {
        id: LineId::new(wire.id)?,
        amount: wire.amount.unwrap_or(0),
        quantity: wire.quantity,
        period_start: wire.period.start.time()?,
        period_end: wire.period.end.time()?,
        proration: proration.or(wire.proration).unwrap_or(false),
        subscription: subscription.map(SubscriptionId::new).transpose()?,
        subscription_item: parent_item.or(wire.subscription_item).map(ItemId::new).transpose()?,
        price: price.map(|p| p.id().to_owned()).or(old_price).map(PriceId::new).transpose()?,
        product: product.or(old_product).map(|p| ProductId::new(p.id())).transpose()?,
        discounted: sum_minor(discounts).map_err(|_| Unreadable::Missing("discount_amounts that add up"))?,
        tax_inclusive: sum_minor(inclusive).map_err(|_| Unreadable::Missing("taxes that add up"))?,
    })
}

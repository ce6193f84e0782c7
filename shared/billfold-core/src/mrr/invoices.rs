//! What a subscription's invoices say about it: the rate of the tax in its prices, what its usage came to, and since
//! when it is overdue.
//!
//! MRR is never worked out from invoices otherwise.

use super::{Context, NotComputable};
use crate::facts::{Invoice, InvoiceStatus, Line, Subscription, SubscriptionItem};
use crate::money::{Exact, sum_minor};
use jiff::Timestamp;

/// For each item of a subscription whose MRR an invoice has a say in (MRR.md §2, tax and metered), the newest of `invoices`
/// that says it.
pub fn telling<'a>(
    subscription: &'a Subscription,
    invoices: &'a [Invoice],
) -> impl Iterator<Item = Option<&'a Invoice>> {
    let tax = subscription.items.iter().filter(|item| item.price.tax_inclusive);
    let metered = subscription.items.iter().filter(|item| item.price.is_metered());
    tax.map(|item| Some(inclusive_rate(invoices, subscription, item)?.invoice))
        .chain(metered.map(|item| Some(billing(invoices, subscription, item)?.invoice)))
}

/// Tax for each unit of net, and the invoice that says so (MRR.md §2, row tax).
pub(super) struct InclusiveRate<'a> {
    pub(super) invoice: &'a Invoice,
    pub(super) rate: Exact,
}

/// The rate at which the newest telling invoice taxed an item: by the item's own lines, else by the subscription's.
pub(super) fn inclusive_rate<'a>(
    invoices: &'a [Invoice],
    subscription: &Subscription,
    item: &SubscriptionItem,
) -> Option<InclusiveRate<'a>> {
    newest_first(invoices, subscription).into_iter().filter(|invoice| invoice.status != InvoiceStatus::Draft).find_map(
        |invoice| {
            let own = || invoice.lines.iter().filter(|line| line.subscription_item.as_ref() == Some(&item.id));
            let rate = if own().next().is_some() {
                rate(own().filter(|line| !line.proration)).or_else(|| rate(own()))
            } else {
                rate(invoice.lines.iter().filter(|line| line.tax_inclusive != 0))
            };
            rate.map(|rate| InclusiveRate { invoice, rate })
        },
    )
}

/// Discounts lessen what is taxed; a line's `amount` is before them.
fn rate<'a>(lines: impl Iterator<Item = &'a Line> + Clone) -> Option<Exact> {
    let amount = sum_minor(lines.clone().map(|line| line.amount)).ok()?;
    let discounted = sum_minor(lines.clone().map(|line| line.discounted)).ok()?;
    let tax = sum_minor(lines.map(|line| line.tax_inclusive)).ok()?;
    let net = amount.checked_sub(discounted)?.checked_sub(tax)?;
    if net <= 0 || tax < 0 { None } else { Exact::fraction(tax, net) }
}

/// What the latest finalized invoice with a line for a metered item billed for it, before discounts, in minor units;
/// `None` when no invoice has billed it yet.
pub(super) fn usage(
    context: &Context<'_>,
    subscription: &Subscription,
    item: &SubscriptionItem,
) -> Result<Option<i64>, NotComputable> {
    let Some(billing) = billing(context.invoices, subscription, item) else { return Ok(None) };
    if billing.invoice.currency != subscription.currency {
        return Err(NotComputable::UsageCurrency(billing.invoice.currency));
    }
    Ok(Some(sum_minor(billing.lines.iter().map(|line| line.amount))?))
}

/// An invoice that has billed a metered item, and its lines for it.
struct Billing<'a> {
    invoice: &'a Invoice,
    lines: Vec<&'a Line>,
}

fn billing<'a>(invoices: &'a [Invoice], subscription: &Subscription, item: &SubscriptionItem) -> Option<Billing<'a>> {
    let finalized = |invoice: &&Invoice| {
        matches!(invoice.status, InvoiceStatus::Open | InvoiceStatus::Paid | InvoiceStatus::Uncollectible)
    };
    newest_first(invoices, subscription).into_iter().filter(finalized).find_map(|invoice| {
        let own = |line: &&Line| line.subscription_item.as_ref() == Some(&item.id) && !line.proration;
        let lines: Vec<&Line> = invoice.lines.iter().filter(own).collect();
        (!lines.is_empty()).then_some(Billing { invoice, lines })
    })
}

/// Since when the oldest open invoice of a subscription is owed: its due date, or where it has none when it was made.
pub(super) fn overdue_since(context: &Context<'_>, subscription: &Subscription) -> Option<Timestamp> {
    let open = context.invoices.iter().filter(|invoice| {
        invoice.subscription.as_ref() == Some(&subscription.id) && invoice.status == InvoiceStatus::Open
    });
    open.map(|invoice| invoice.due_date.unwrap_or(invoice.created)).min()
}

fn newest_first<'a>(invoices: &'a [Invoice], subscription: &Subscription) -> Vec<&'a Invoice> {
    let own = |invoice: &&Invoice| invoice.subscription.as_ref() == Some(&subscription.id);
    let mut invoices: Vec<&Invoice> = invoices.iter().filter(own).collect();
    let rank = |invoice: &Invoice| (invoice.created, subscription.latest_invoice.as_ref() == Some(&invoice.id));
    invoices.sort_by(|a, b| rank(b).cmp(&rank(a)).then_with(|| b.id.cmp(&a.id)));
    invoices
}

//! The Billing tab of an account as text.

use super::amount::{amount, day};
use super::console::{Paint, Tone};
use super::table::status_tone;
use super::text::plain;
use crate::client::view::AccountLine;
use billfold_core::billing::{BillingTab, InvoiceRow, SubscriptionRow, TrialState};
use billfold_core::money::{Currency, Money};
use std::collections::BTreeMap;

/// Who the account is and what it comes to.
#[must_use]
pub fn billing(account: &AccountLine, tab: &BillingTab, paint: Paint) -> String {
    let billing = &tab.billing;
    let mut lines = heading(account, paint);
    lines.push(String::new());
    lines.extend(figures(tab, paint));
    lines.push(String::new());
    lines.push(paint.tone(Tone::Strong, "Subscriptions"));
    lines.extend(or_none(billing.subscriptions.iter().map(|row| subscription(row, paint)).collect()));
    lines.push(String::new());
    lines.push(paint.tone(Tone::Strong, "Newest invoices"));
    lines.extend(or_none(tab.invoices.iter().map(|row| invoice(row, paint)).collect()));
    lines.join("\n")
}

fn heading(account: &AccountLine, paint: Paint) -> Vec<String> {
    let domain = account.domain.as_ref().map_or(String::new(), |domain| format!(" · {}", plain(domain)));
    let id = paint.tone(Tone::Faint, &plain(&account.id));
    vec![format!("{}{domain} · {id}", paint.tone(Tone::Strong, &plain(&account.name)))]
}

fn figures(tab: &BillingTab, paint: Paint) -> Vec<String> {
    let billing = &tab.billing;
    let status = billing.payment_status.as_str();
    let mut lines = vec![
        figure("MRR", &with_parts(billing.mrr, &billing.mrr_by_currency)),
        figure("ARR", &with_parts(billing.arr, &billing.arr_by_currency)),
        figure("Payment", &paint.tone(status_tone(status), status)),
        figure("", &plain(&billing.health.revenue.reason)),
        figure("Plan", &billing.plan.as_deref().map_or("–".to_owned(), plain)),
        figure("Renews", &billing.renews_at.map_or("–".to_owned(), day)),
        figure("Lifetime value", &parts(&billing.lifetime_value)),
    ];
    if !billing.unconverted.is_empty() {
        let codes: Vec<String> = billing.unconverted.iter().map(|code| code.as_str().to_uppercase()).collect();
        let text = format!("{} (there is no exchange rate)", codes.join(", "));
        lines.push(figure("Not converted", &paint.tone(Tone::Warning, &text)));
    }
    let left_out = tab.lifetime_value_without.iter().map(|one| format!("{} ({})", plain(&one.why), plain(&one.fix)));
    lines.extend(left_out.map(|text| figure("Left out", &paint.tone(Tone::Warning, &text))));
    let uncomputed = billing.not_computable.iter().map(|one| plain(&one.reason));
    lines.extend(uncomputed.map(|reason| figure("Not computed", &paint.tone(Tone::Warning, &reason))));
    lines
}

fn figure(name: &str, text: &str) -> String {
    format!("{name:<16}{text}")
}

/// The total, and what it is made of where that is more than itself.
fn with_parts(total: Money, by_currency: &BTreeMap<Currency, Money>) -> String {
    let same = by_currency.values().all(|part| *part == total);
    if same { amount(total) } else { format!("{} ({})", amount(total), parts(by_currency)) }
}

fn parts(by_currency: &BTreeMap<Currency, Money>) -> String {
    let parts: Vec<String> = by_currency.values().map(|part| amount(*part)).collect();
    if parts.is_empty() { "–".to_owned() } else { parts.join(" + ") }
}

fn subscription(row: &SubscriptionRow, paint: Paint) -> String {
    let quantity = row.quantity.filter(|quantity| *quantity != 1).map(|quantity| format!("{quantity} × "));
    let plan = row.plan.as_deref().map_or("–".to_owned(), plain);
    let mut parts = vec![format!("{}{plan}", quantity.unwrap_or_default()), plain(row.status.as_str())];
    parts.extend(row.interval.iter().map(|interval| format!("every {}", plain(interval))));
    parts.push(format!("MRR {}", amount(row.mrr)));
    parts.extend(row.renews_at.map(|at| format!("renews {}", day(at))));
    parts.extend(row.cancel_at.map(|at| paint.tone(Tone::Warning, &format!("ends {}", day(at)))));
    let trial = matches!(row.trial.state, TrialState::TrialingUnpaid | TrialState::TrialingPaid);
    parts.extend(row.trial.ends_at.filter(|_| trial).map(|at| format!("trial until {}", day(at))));
    parts.push(paint.tone(Tone::Faint, &plain(row.id.as_str())));
    parts.join(" · ")
}

fn invoice(row: &InvoiceRow, paint: Paint) -> String {
    let number = row.number.as_deref().unwrap_or(row.id.as_str());
    let mut parts = vec![day(row.created_at), plain(number), amount(row.total), plain(row.status.as_str())];
    if row.amount_remaining.amount > 0 {
        parts.push(paint.tone(Tone::Warning, &format!("{} to pay", amount(row.amount_remaining))));
    }
    parts.join(" · ")
}

fn or_none(lines: Vec<String>) -> Vec<String> {
    let lines = if lines.is_empty() { vec!["none".to_owned()] } else { lines };
    lines.into_iter().map(|line| format!("  {line}")).collect()
}

#[cfg(test)]
mod tests;

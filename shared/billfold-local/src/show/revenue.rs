//! Totals with a chart of their months, signals, and the arithmetic of an account's MRR, as text.

use super::amount::{amount, day};
use super::console::{Paint, Tone};
use super::text::{clipped, plain};
use crate::client::revenue::{Explained, ExplainedDiscount, ExplainedItem, ExplainedSubscription, MonthLine, Totals};
use billfold_core::ledger::Basis;
use billfold_core::money::{Currency, Money};
use billfold_core::signal::{Signal, SignalState, SignalType};

/// Columns of the longest bar.
const BAR_MAX: i128 = 40;
/// Longest name of a product that is shown, in characters.
const NAME_MAX: usize = 40;

/// Totals, months and what may not come.
#[must_use]
pub fn summary(totals: &Totals, paint: Paint) -> String {
    let mut lines = vec![
        figure("MRR", &paint.tone(Tone::Strong, &amount(totals.mrr))),
        figure("ARR", &amount(totals.arr)),
        figure("Accounts", &format!("{} ({} pay)", totals.accounts, totals.active_accounts)),
    ];
    for code in &totals.unconverted {
        let left_out = totals.mrr_by_currency.get(code).copied().map_or_else(|| plain(code), amount);
        let text = format!("{left_out} (there is no exchange rate)");
        lines.push(figure("Not converted", &paint.tone(Tone::Warning, &text)));
    }
    if totals.unmatched_customers > 0 {
        lines.push(figure("Unmatched", &format!("{} customers belong to no account", totals.unmatched_customers)));
    }
    for (name, risk, tone) in
        [("Failed", &totals.at_risk.failed, Tone::Bad), ("Overdue", &totals.at_risk.overdue, Tone::Warning)]
    {
        let text = format!("{} accounts, {} of ARR", risk.accounts, amount(risk.arr));
        lines.push(figure(name, &if risk.accounts == 0 { text } else { paint.tone(tone, &text) }));
    }
    lines.push(figure("Net retention", &percent(totals.net_retention.as_deref())));
    lines.push(figure("Gross retention", &percent(totals.gross_retention.as_deref())));
    lines.push(figure("Customer churn", &percent(totals.customer_churn.as_deref())));
    lines.push(figure("Quick ratio", totals.quick_ratio.as_deref().unwrap_or("–")));
    lines.push(String::new());
    lines.extend(chart(&totals.movements, paint));
    if let Some(since) = totals.observed_since {
        let text =
            format!("░ is worked out from subscriptions and invoices; since {} it is seen happening.", day(since));
        lines.push(paint.tone(Tone::Faint, &text));
    }
    lines.join("\n")
}

/// A ratio as percent: `"1.0342"` is `103.42 %`.
fn percent(ratio: Option<&str>) -> String {
    let moved = ratio.and_then(|text| {
        let (whole, part) = text.split_once('.')?;
        let digits: i64 = format!("{whole}{part}").parse().ok()?;
        Some(format!("{}.{:02} %", digits / 100, digits.unsigned_abs() % 100))
    });
    moved.unwrap_or_else(|| "–".to_owned())
}

/// A bar for the MRR at the end of each month, with what was gained and lost.
fn chart(months: &[MonthLine], paint: Paint) -> Vec<String> {
    let most = months.iter().map(|line| line.closing.amount).max().unwrap_or(0).max(1);
    let closings: Vec<String> = months.iter().map(|line| amount(line.closing)).collect();
    let width = closings.iter().map(|text| text.chars().count()).max().unwrap_or(0);
    months
        .iter()
        .zip(&closings)
        .map(|(line, closing)| {
            let length = i128::from(line.closing.amount.max(0)).saturating_mul(BAR_MAX) / i128::from(most);
            let length = usize::try_from(length).unwrap_or(0);
            let block = if line.basis == Basis::Derived { "░" } else { "█" };
            let sum = |parts: &[Money]| parts.iter().fold(0_i64, |sum, money| sum.saturating_add(money.amount));
            let gained = sum(&[line.new, line.expansion, line.reactivation]);
            let lost = sum(&[line.contraction, line.churn]);
            let other = sum(&[line.fx, line.restatement]);
            let currency = line.closing.currency;
            let changes = [
                signed(gained, currency, Tone::Good, paint),
                signed(lost, currency, Tone::Bad, paint),
                signed(other, currency, Tone::Faint, paint),
            ];
            let changes: Vec<String> = changes.into_iter().flatten().collect();
            format!("{}  {closing:>width$}  {:<40}  {}", line.month, block.repeat(length), changes.join(" "))
                .trim_end()
                .to_owned()
        })
        .collect()
}

fn signed(minor: i64, currency: Currency, tone: Tone, paint: Paint) -> Option<String> {
    let text = amount(Money::new(minor, currency));
    let text = text.rsplit_once(' ').map_or(text.as_str(), |(number, _)| number);
    let sign = if minor > 0 { "+" } else { "" };
    (minor != 0).then(|| paint.tone(tone, &format!("{sign}{text}")))
}

/// A signal on one line, and where to look.
#[must_use]
pub fn signal(signal: &Signal, paint: Paint) -> String {
    let tone = match (signal.state, signal.kind) {
        (SignalState::Acknowledged | SignalState::Resolved, _) => Tone::Faint,
        (_, SignalType::PaymentFailed | SignalType::SubscriptionCanceled | SignalType::DisputeOpened) => Tone::Bad,
        (_, SignalType::PaymentOverdue | SignalType::SubscriptionDowngraded | SignalType::TrialEnding) => Tone::Warning,
        (_, SignalType::SubscriptionUpgraded | SignalType::Reactivated | SignalType::CancellationWithdrawn) => {
            Tone::Good
        }
    };
    let kind = paint.tone(tone, signal.kind.as_str());
    let about =
        paint.tone(Tone::Faint, &format!("{} · {} · {}", plain(&signal.id), signal.account_id, plain(&signal.link)));
    let state = match signal.state {
        SignalState::Open => String::new(),
        SignalState::Acknowledged => {
            format!(" (acknowledged by {})", plain(signal.acknowledged_by.as_deref().unwrap_or("somebody")))
        }
        SignalState::Resolved => " (resolved)".to_owned(),
    };
    format!("{}  {kind}{state}  {}\n            {about}", day(signal.occurred_at), plain(&signal.message))
}

/// Every subscription with its arithmetic, in minor units as Stripe has them.
#[must_use]
pub fn explanation(explained: &Explained, paint: Paint) -> String {
    let head = format!(
        "MRR {} · ARR {} · rules: {}",
        paint.tone(Tone::Strong, &amount(explained.mrr)),
        amount(explained.arr),
        plain(&explained.preset)
    );
    let mut lines =
        vec![head, paint.tone(Tone::Faint, "Amounts below are in minor units (cents), exact until the last line.")];
    for (code, rate) in &explained.rates {
        lines.push(format!(
            "1 {} = {} {}",
            plain(code).to_uppercase(),
            plain(rate),
            explained.mrr.currency.as_str().to_uppercase()
        ));
    }
    for one in &explained.subscriptions {
        lines.push(String::new());
        lines.extend(subscription(one, paint));
    }
    lines.join("\n")
}

fn subscription(one: &ExplainedSubscription, paint: Paint) -> Vec<String> {
    let name = paint.tone(Tone::Strong, &plain(&one.subscription_id));
    let mut lines = vec![format!("{name} · {} · {}", plain(&one.status), plain(&one.why))];
    for item in &one.items {
        lines.push(format!("  {}", item_line(item, paint)));
        lines.extend(steps(item).into_iter().map(|step| format!("    {step}")));
    }
    let rounded =
        format!("  = {} a month, rounded: {} · a year: {}", plain(&one.exact), amount(one.mrr), amount(one.arr));
    lines.push(rounded);
    lines
}

fn item_line(item: &ExplainedItem, paint: Paint) -> String {
    let name = item.product_name.as_deref().unwrap_or(&item.price_id);
    let name = clipped(name, NAME_MAX);
    if item.counted { name } else { paint.tone(Tone::Faint, &format!("{name}: {}", plain(&item.why))) }
}

/// The arithmetic of an item that counts, one step a line.
fn steps(item: &ExplainedItem) -> Vec<String> {
    if !item.counted {
        return Vec::new();
    }
    let mut steps = Vec::new();
    let total = item.amount.as_deref().map_or_else(|| "–".to_owned(), plain);
    match (item.billed_quantity, &item.unit_amount) {
        (Some(quantity), Some(unit)) => steps.push(format!("{quantity} × {} = {total}", plain(unit))),
        _ => {
            steps.extend(item.tiers.iter().map(|tier| {
                let unit = tier.unit_amount.as_deref().unwrap_or("0");
                let flat = tier.flat_amount.as_deref().map(|flat| format!(" + {}", plain(flat))).unwrap_or_default();
                format!("tier: {} × {}{flat} = {}", tier.quantity, plain(unit), plain(&tier.amount))
            }));
            steps.push(format!("a period: {total}"));
        }
    }
    steps.extend(item.discounts.iter().map(discount));
    if let Some(tax) = &item.tax {
        steps.push(format!("tax {}: {}", plain(&tax.rule).replace('_', " "), plain(&tax.after)));
    }
    let factor = item.factor.as_deref().unwrap_or("1");
    steps.push(format!("× {} a month = {}", plain(factor), plain(&item.monthly)));
    steps
}

fn discount(one: &ExplainedDiscount) -> String {
    let value = one.value.as_deref().map_or_else(|| "?".to_owned(), plain);
    let off = if one.kind.as_deref() == Some("percent") { format!("− {value} %") } else { format!("− {value}") };
    let coupon = one.coupon_id.as_deref().map_or_else(|| "discount".to_owned(), plain);
    format!("{off} ({coupon}, {}): {}", plain(&one.rule).replace('_', " "), plain(&one.after))
}

fn figure(name: &str, text: &str) -> String {
    format!("{name:<16}{text}")
}

#[cfg(test)]
mod tests;

//! The card of the connection as text: where it stands, what the key may read, and what somebody has to do.

use super::amount::{counted, grouped, moment};
use super::console::{Paint, Tone};
use super::progress;
use super::text::plain;
use crate::client::view::CardView;
use crate::queue::Parked;
use billfold_core::connection::{Access, Permission};
use billfold_core::run::Problem;

/// The card.
#[must_use]
pub fn card(card: &CardView, paint: Paint) -> String {
    let mut lines = vec![headline(card, paint)];
    if card.status == "disconnected" {
        lines.push("No key is connected. Connect one with `billfold connect`.".to_owned());
        lines.push(format!("A fitting restricted key is made here: {}", plain(&card.prefilled_key_url)));
    }
    if let Some(error) = &card.error {
        lines.extend(problem(error, paint));
    }
    if !card.permissions.is_empty() {
        lines.push(String::new());
        lines.extend(card.permissions.iter().flat_map(|one| permission(one, paint)));
    }
    lines.push(String::new());
    lines.push(records(card));
    if let Some(matching) = &card.matching {
        lines.extend(matching.explanation.iter().map(|text| paint.tone(Tone::Warning, &plain(text))));
        lines.extend(matching.fix.iter().map(|fix| format!("What to do: {}", plain(fix))));
    }
    lines.push(format!("Webhook: {}", webhook(card)));
    if let Some(run) = &card.sync {
        lines.push(String::new());
        lines.push(progress::run_line(run, paint));
        lines.extend(run.stages.iter().map(|stage| format!("  {}", progress::stage_line(stage, paint))));
        lines.extend(run.error.iter().flat_map(|error| problem(error, paint)));
    }
    lines.join("\n")
}

/// Messages that were given up.
#[must_use]
pub fn parked(parked: &[Parked], paint: Paint) -> Option<String> {
    let last = parked.iter().map(|one| one.parked_at).max()?;
    let count = u64::try_from(parked.len()).unwrap_or(u64::MAX);
    let text = format!(
        "{} broke Billfold again and again and {} set aside, the last at {}. The log of `billfold serve` says why.",
        counted(count, "message"),
        if count == 1 { "was" } else { "were" },
        moment(last),
    );
    Some(paint.tone(Tone::Bad, &text))
}

/// What went wrong and what to do about it.
#[must_use]
pub fn problem(problem: &Problem, paint: Paint) -> [String; 2] {
    [paint.tone(Tone::Bad, &plain(&problem.message)), format!("What to do: {}", plain(&problem.fix))]
}

fn headline(card: &CardView, paint: Paint) -> String {
    let tone = match card.status.as_str() {
        "connected" => Tone::Good,
        "syncing" => Tone::Warning,
        "error" => Tone::Bad,
        _ => Tone::Faint,
    };
    let mut text = format!("Stripe: {}", paint.tone(tone, &plain(&card.status)));
    let name = card.stripe_account_name.as_deref().or(card.stripe_account_id.as_deref());
    for part in [name, card.mode.as_deref(), card.account_label.as_deref()].into_iter().flatten() {
        text.push_str(" · ");
        text.push_str(&plain(part));
    }
    text
}

fn permission(permission: &Permission, paint: Paint) -> Vec<String> {
    let (mark, tone) = match (permission.access, permission.required) {
        (Access::Granted, _) => ("✓", Tone::Good),
        (Access::Missing, true) => ("✗", Tone::Bad),
        (Access::Missing, false) => ("✗", Tone::Warning),
        (Access::Unknown, _) => ("?", Tone::Warning),
    };
    let need = if permission.required { "" } else { " (optional)" };
    let mut lines = vec![format!("  {} {}{need}", paint.tone(tone, mark), plain(&permission.resource))];
    if permission.access != Access::Granted {
        lines.push(format!("      {}", plain(&permission.why)));
        lines.extend(permission.fix.iter().map(|fix| format!("      {}.", plain(fix).trim_end_matches('.'))));
    }
    lines
}

fn records(card: &CardView) -> String {
    let records = &card.records_synced;
    let parts = [
        (records.products, "product"),
        (records.prices, "price"),
        (records.customers, "customer"),
        (records.subscriptions, "subscription"),
        (records.invoices, "invoice"),
    ];
    let counted: Vec<String> = parts.iter().map(|(number, what)| counted(*number, what)).collect();
    let matched = grouped(card.customers_matched);
    let last = card.last_sync_at.map_or("never".to_owned(), moment);
    format!("Stored: {}; {matched} customers have an account. Last complete sync: {last}", counted.join(", "))
}

fn webhook(card: &CardView) -> String {
    let status = plain(&card.webhook.status).replace('_', " ");
    match &card.webhook.url {
        Some(url) => format!("{status}, {}", plain(url)),
        None => status,
    }
}

#[cfg(test)]
mod tests;

//! `billfold invite` and `billfold audit`: who else may connect Stripe, and who did what.

use super::Surroundings;
use super::args::{AuditArgs, InviteArgs};
use super::exit::Failure;
use crate::client::encoded;
use crate::show::amount::moment;
use crate::show::text::{clipped, plain};
use billfold_core::audit::Entry;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

/// Longest change that is shown, in characters.
const CHANGE_MAX: usize = 160;
/// The most entries of a page.
const PAGE_MAX: usize = 100;

#[derive(Deserialize)]
struct InviteView {
    url: String,
    expires_at: Timestamp,
}

#[derive(Deserialize)]
struct TrailView {
    data: Vec<Entry>,
    next_cursor: Option<String>,
}

pub(super) async fn invite(args: &InviteArgs, surroundings: &mut Surroundings) -> Result<(), Failure> {
    let client = surroundings.client(&args.target)?;
    if args.withdraw {
        client.delete("/v1/stripe/invites").await?;
        return Ok(surroundings.console.note("Every invitation that was open is withdrawn.")?);
    }
    let body = args.hours.map_or_else(|| json!({}), |hours| json!({"expires_in_hours": hours}));
    let answer = client.post("/v1/stripe/invites", Some(body)).await?;
    let console = &mut surroundings.console;
    if args.target.json {
        return Ok(console.result(answer.text())?);
    }
    let invite: InviteView = answer.read()?;
    console.result(&plain(&invite.url))?;
    let until = moment(invite.expires_at);
    Ok(console
        .note(&format!("Whoever opens this link can connect a Stripe key, once, until {until}. Send it in private."))?)
}

pub(super) async fn audit(args: &AuditArgs, surroundings: &mut Surroundings) -> Result<(), Failure> {
    let client = surroundings.client(&args.target)?;
    let mut entries: Vec<Entry> = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let left = args.limit.saturating_sub(entries.len()).min(PAGE_MAX);
        let after = cursor.as_deref().map(|cursor| format!("&cursor={}", encoded(cursor))).unwrap_or_default();
        let page: TrailView = client.get(&format!("/v1/audit?limit={left}{after}")).await?.read()?;
        entries.extend(page.data);
        cursor = page.next_cursor;
        if cursor.is_none() || entries.len() >= args.limit {
            break;
        }
    }
    let console = &mut surroundings.console;
    if args.target.json {
        return Ok(console.result(&json!({"data": entries, "next_cursor": cursor}).to_string())?);
    }
    if entries.is_empty() {
        return Ok(console.note("Nobody has done anything yet.")?);
    }
    console.result(&entries.iter().map(line).collect::<Vec<_>>().join("\n"))?;
    if cursor.is_some() {
        console.note("There is more: raise --limit to see it.")?;
    }
    Ok(())
}

/// An entry on one line, with nothing in it that a terminal acts upon.
fn line(entry: &Entry) -> String {
    let actor = &entry.actor;
    let role = actor.role.as_deref().map(|role| format!(" ({role})"));
    let invited = actor.invited_by.as_deref().map(|by| format!(" (invited by {by})"));
    let action = serde_json::to_value(entry.deed.action).unwrap_or_default();
    let mut text = format!(
        "{}  {}{}  {}",
        moment(entry.at),
        actor.subject,
        role.or(invited).unwrap_or_default(),
        action.as_str().unwrap_or_default().replace('_', " ")
    );
    if let Some(target) = &entry.deed.target {
        text.push_str(&format!("  {target}"));
    }
    let change = match (&entry.deed.before, &entry.deed.after) {
        (None, None) => return plain(&text),
        (None, Some(after)) => after.to_string(),
        (Some(before), None) => format!("{before} →"),
        (Some(before), Some(after)) => changed(before, after),
    };
    format!("{}  {}", plain(&text), clipped(&change, CHANGE_MAX))
}

/// Field by field where both sides have fields.
fn changed(before: &Value, after: &Value) -> String {
    match (before.as_object(), after.as_object()) {
        (Some(old), Some(new)) => {
            let one =
                |(name, was): (&String, &Value)| format!("{name} {was} → {}", new.get(name).unwrap_or(&Value::Null));
            old.iter().map(one).collect::<Vec<_>>().join(", ")
        }
        _ => format!("{before} → {after}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use billfold_core::audit::{Action, Actor, Deed};

    fn entry(actor: Actor, deed: Deed) -> Entry {
        Entry { id: "1".into(), at: "2026-11-20T10:11:12Z".parse().unwrap(), actor, deed }
    }

    #[test]
    fn an_entry_is_one_line_with_who_what_and_the_change() {
        let deed = Deed::new(Action::SettingsChanged).changed(&json!({"currency": "usd"}), &json!({"currency": "eur"}));
        let text = line(&entry(Actor::with_token("ann", "admin"), deed));
        assert_eq!(text, "2026-11-20 10:11 UTC  ann (admin)  settings changed  currency \"usd\" → \"eur\"");
        let text = line(&entry(Actor::invited("ann"), Deed::new(Action::StripeConnected).to("rk_test_…abcd")));
        assert_eq!(text, "2026-11-20 10:11 UTC  invite (invited by ann)  stripe connected  rk_test_…abcd");
    }

    #[test]
    fn hostile_names_do_not_act_on_the_terminal() {
        let hostile = "\u{1b}[2J\u{202e}x\ny";
        let deed = Deed::new(Action::AccountCreated).to(hostile).after(json!({"name": hostile}));
        let text = line(&entry(Actor::with_token(hostile, hostile), deed));
        assert!(!text.chars().any(|c| c.is_control() || c == '\u{202e}'), "{text:?}");
    }
}

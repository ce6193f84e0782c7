//! The pages behind an invitation: plain HTML that needs no script. Whatever comes from elsewhere is escaped (maud does),
//! loses what could act or turn the writing around, and stands apart from its neighbours (`bdi`).

use crate::card::Card;
use crate::invite::Invited;
use billfold_core::connection::{Access, Permission};
use billfold_core::text::plain;
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// The style sheet, whose digest is in the policy of every page.
pub(super) const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.5rem}\
h2{font-size:1.1rem;margin-top:2rem}\
table{border-collapse:collapse;width:100%}\
th,td{text-align:left;vertical-align:top;padding:.4rem .6rem .4rem 0;border-bottom:1px solid #8884}\
label{display:block;font-weight:600;margin-top:1rem}\
input{font:inherit;width:100%;box-sizing:border-box;padding:.5rem;margin-top:.25rem}\
button{font:inherit;font-weight:600;margin-top:1rem;padding:.5rem 1.25rem}\
td:first-child{white-space:nowrap}\
.name{overflow-wrap:anywhere}\
.no{border-left:4px solid #c62828;padding:.5rem 1rem;background:#c6282818}\
.yes{border-left:4px solid #2e7d32;padding:.5rem 1rem;background:#2e7d3218}\
small{opacity:.75}";

/// Longest text from elsewhere that a page shows, in characters.
const SHOWN_MAX: usize = 200;

fn shown(text: &str) -> Markup {
    let text = plain(text);
    let cut: String = text.chars().take(SHOWN_MAX).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    html! { bdi .name { (cut) (more) } }
}

fn page(title: &str, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                title { (title) " · Billfold" }
                style { (PreEscaped(STYLE)) }
            }
            body { main { h1 { (title) } (content) } }
        }
    }
}

/// The form, with what is asked for and why; and, after a try that failed, with what was wrong.
pub(super) fn form(
    invited: &Invited,
    wanted: &[Permission],
    links: &[(&str, String)],
    refused: Option<&str>,
) -> Markup {
    let until = invited.expires_at.strftime("%Y-%m-%d %H:%M UTC").to_string();
    page(
        "Connect Stripe",
        &html! {
            @if let Some(refused) = refused {
                p .no role="alert" { (refused) }
            }
            p {
                "Billfold (workspace " (shown(invited.workspace.as_str())) ") asks for a Stripe API key that may only read. With \
                 it, Billfold computes recurring revenue and payment status. It is kept encrypted, it is never shown again, and \
                 it can be revoked in Stripe at any time."
            }
            h2 { "1. Make a restricted key" }
            p { "These links open Stripe's dashboard with the right boxes ticked, and none that allows a change:" }
            ul {
                @for (mode, link) in links {
                    li { a href=(link) rel="noreferrer noopener" target="_blank" { "Create the key in " (mode) } }
                }
            }
            (permissions_asked(wanted))
            h2 { "2. Paste it here" }
            form method="post" autocomplete="off" {
                label for="api_key" { "Restricted key" }
                input #api_key name="api_key" type="password" required autocomplete="off" autocapitalize="off" spellcheck="false"
                    placeholder="rk_…";
                label for="webhook_secret" { "Webhook signing secret " small { "(optional)" } }
                input #webhook_secret name="webhook_secret" type="password" autocomplete="off" autocapitalize="off"
                    spellcheck="false" placeholder="whsec_…";
                button type="submit" { "Connect" }
            }
            p { small { "This link works once, until " (until) ". A key that is refused does not use it up." } }
        },
    )
}

fn permissions_asked(wanted: &[Permission]) -> Markup {
    html! {
        table {
            thead { tr { th scope="col" { "Read access to" } th scope="col" { "Why" } } }
            tbody {
                @for one in wanted {
                    tr {
                        td { (one.resource) @if !one.required { br; small { "optional" } } br; small { code { (one.permission) } } }
                        td { (one.why) }
                    }
                }
            }
        }
    }
}

/// The result: what the key may read, and what is missing.
pub(super) fn connected(card: &Card) -> Markup {
    let name = card.stripe_account_name.as_deref().or(card.stripe_account_id.as_deref());
    page(
        "Stripe is connected",
        &html! {
            p .yes {
                "Connected"
                @if let Some(name) = name { " to " (shown(name)) }
                @if let Some(label) = &card.account_label { " with the key " code { (label) } }
                ". The first sync has begun; you can close this page."
            }
            h2 { "What the key may read" }
            table {
                tbody {
                    @for one in &card.permissions {
                        tr {
                            td { (mark(one)) }
                            td {
                                (one.resource)
                                @if !one.required { " " small { "(optional)" } }
                                @if one.access != Access::Granted {
                                    br; small { (one.why) @if let Some(fix) = &one.fix { " " (fix) "." } }
                                }
                            }
                        }
                    }
                }
            }
            p { small { "This link is used up." } }
        },
    )
}

fn mark(permission: &Permission) -> &'static str {
    match permission.access {
        Access::Granted => "✓ granted",
        Access::Missing => "✗ missing",
        Access::Unknown => "? not known",
    }
}

/// Somebody else is at it.
pub(super) fn busy() -> Markup {
    page(
        "One moment",
        &html! {
            p { "Somebody is connecting Stripe with this link right now. If that was not you, try again in two minutes." }
        },
    )
}

/// There is no such invitation, or no longer.
pub(super) fn none() -> Markup {
    page(
        "This link does not work",
        &html! {
            p { "It may have been used, withdrawn, or be too old. Ask whoever sent it for a new one." }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_texts_are_shown_and_do_nothing() {
        for hostile in
            ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "&lt;b&gt;", "x\u{202e}y\u{1b}[31m\0z"]
        {
            let text = shown(hostile).0;
            let inner = text.strip_prefix("<bdi class=\"name\">").unwrap().strip_suffix("</bdi>").unwrap().to_owned();
            assert!(!inner.contains(['<', '>', '"']), "{inner}");
            assert!(!inner.chars().any(|c| c.is_control() || c == '\u{202e}'), "{inner:?}");
        }
        assert_eq!(shown(&"x".repeat(5000)).0.matches('x').count(), SHOWN_MAX);
    }
}

//! The audit trail: who changed what, when, and what it was before. Never a key, a signing secret, or the token of an
//! invitation.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Longest name of somebody that is kept, in characters.
pub const SUBJECT_CHARS_MAX: usize = 255;

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Actor {
    /// The token's `sub`; `invite` for whoever followed an invitation; `billfold` for Billfold itself.
    pub subject: String,
    /// The token's role; `None` without a token.
    pub role: Option<String>,
    /// Who made the invitation that was followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub invited_by: Option<String>,
}

impl Actor {
    /// Somebody with a token.
    #[must_use]
    pub fn with_token(subject: &str, role: &str) -> Self {
        let subject = subject.chars().take(SUBJECT_CHARS_MAX).collect();
        Self { subject, role: Some(role.to_owned()), invited_by: None }
    }

    /// Somebody who followed an invitation.
    #[must_use]
    pub fn invited(by: &str) -> Self {
        Self { subject: "invite".to_owned(), role: None, invited_by: Some(by.to_owned()) }
    }

    /// Billfold itself.
    #[must_use]
    pub fn billfold() -> Self {
        Self { subject: "billfold".to_owned(), role: None, invited_by: None }
    }
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A key was connected.
    StripeConnected,
    /// The key and the signing secrets were forgotten.
    StripeDisconnected,
    /// A signing secret was added.
    SigningSecretAdded,
    /// All signing secrets were removed.
    SigningSecretsRemoved,
    /// Billfold's endpoint was made or switched on in Stripe.
    WebhookEndpointCreated,
    /// A sync was asked for.
    SyncStarted,
    /// A sync was stopped.
    SyncCancelled,
    /// Stored objects were compared with Stripe's and set right.
    DataRepaired,
    /// Settings were changed.
    SettingsChanged,
    /// An account was given.
    AccountCreated,
    /// An account was changed.
    AccountChanged,
    /// An account was removed.
    AccountRemoved,
    /// A file of accounts was taken.
    AccountsImported,
    /// A customer was matched by hand.
    CustomerMatched,
    /// A match by hand was taken back.
    CustomerUnmatched,
    /// An invitation was made.
    InviteCreated,
    /// The invitations that were open were withdrawn.
    InvitesWithdrawn,
    /// What was read with another key was erased, before a new key was connected.
    SyncedDataErased,
    /// Erasing everything was asked for.
    ErasureRequested,
    /// Everything was erased, the audit trail with it; this alone stays.
    Erased,
}

/// What was done, to what, and what changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Deed {
    /// What was done.
    pub action: Action,
    /// To what: an id, or what may be shown of a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub target: Option<String>,
    /// What changed, as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub before: Option<Value>,
    /// What changed, as it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub after: Option<Value>,
}

impl Deed {
    /// Something done to nothing in particular.
    #[must_use]
    pub fn new(action: Action) -> Self {
        Self { action, target: None, before: None, after: None }
    }

    /// Says to what.
    #[must_use]
    pub fn to(self, target: impl Into<String>) -> Self {
        Self { target: Some(target.into()), ..self }
    }

    /// Says what it came to.
    #[must_use]
    pub fn after(self, after: Value) -> Self {
        Self { after: Some(after), ..self }
    }

    /// Says what changed: of two objects, the fields that differ.
    #[must_use]
    pub fn changed(self, before: &Value, after: &Value) -> Self {
        let (Some(old), Some(new)) = (before.as_object(), after.as_object()) else {
            return Self { before: Some(before.clone()), after: Some(after.clone()), ..self };
        };
        let differs = |name: &&String| old.get(*name) != new.get(*name);
        let names: Vec<&String> = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name))).collect();
        let of = |side: &serde_json::Map<String, Value>| {
            let field = |name: &String| (name.clone(), side.get(name).cloned().unwrap_or(Value::Null));
            Value::Object(names.iter().copied().filter(differs).map(field).collect())
        };
        Self { before: Some(of(old)), after: Some(of(new)), ..self }
    }
}

/// A line of the trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Entry {
    /// Its id, which says its place: later ones sort before it.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What.
    #[serde(flatten)]
    pub deed: Deed,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn of_what_changed_only_what_differs_is_kept() {
        let deed = Deed::new(Action::SettingsChanged).changed(
            &json!({"currency": "usd", "days": 365, "old": 1}),
            &json!({"currency": "eur", "days": 365, "new": 2}),
        );
        assert_eq!(deed.before, Some(json!({"currency": "usd", "old": 1, "new": null})));
        assert_eq!(deed.after, Some(json!({"currency": "eur", "old": null, "new": 2})));
        let same = Deed::new(Action::SettingsChanged).changed(&json!({"a": 1}), &json!({"a": 1}));
        assert_eq!((same.before, same.after), (Some(json!({})), Some(json!({}))));
    }

    #[test]
    fn an_entry_is_one_flat_object_and_comes_back() {
        let entry = Entry {
            id: "1".into(),
            at: Timestamp::UNIX_EPOCH,
            actor: Actor::with_token("ann", "admin"),
            deed: Deed::new(Action::SyncStarted).to("run_1"),
        };
        let text = serde_json::to_string(&entry).unwrap();
        assert_eq!(
            text,
            r#"{"id":"1","at":"1970-01-01T00:00:00Z","actor":{"subject":"ann","role":"admin"},"action":"sync_started","target":"run_1"}"#
        );
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry);
    }

    #[test]
    fn a_subject_is_bounded() {
        assert_eq!(Actor::with_token(&"ä".repeat(9000), "owner").subject.chars().count(), SUBJECT_CHARS_MAX);
    }
}

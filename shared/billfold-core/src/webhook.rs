//! What is known of a workspace's webhook endpoint, and what the card says of it. Never a signing secret.

use crate::facts::Kind;
use crate::id::{EndpointId, WorkspaceId};
use crate::key::Mode;
use crate::run::Problem;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Deliveries in a row that no secret fitted, before it is believed that the secret is wrong.
pub const REFUSED_MIN: u64 = 3;

/// The endpoint of a workspace, as it stands in the URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// The mode of the key with which it was made.
    pub mode: Mode,
}

/// A workspace's webhook.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Webhook {
    /// The last part of its URL; made with the first connection and never changed.
    pub endpoint: Option<EndpointId>,
    /// The endpoint in Stripe (`we_…`), if Billfold made it.
    pub managed: Option<String>,
    /// When a signed delivery last came.
    pub last_event_at: Option<Timestamp>,
    /// Deliveries since then that no secret fitted.
    pub refused: u64,
}

/// How far a workspace's facts are known to be what Stripe says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Known {
    /// When Stripe answered the last page of each kind.
    pub listed_until: BTreeMap<Kind, Timestamp>,
    /// Until when the list of events has been read.
    pub events_until: Option<Timestamp>,
    /// When every account was last computed because time has passed: invoices fall due, trials and discounts end, and no
    /// event says so.
    pub computed_at: Option<Timestamp>,
}

/// What the card says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum WebhookStatus {
    /// There is no signing secret.
    NotConfigured,
    /// There is one, and nothing came yet.
    Waiting,
    /// Deliveries come.
    Receiving,
    /// Deliveries come, and no secret fits.
    SignatureInvalid,
}

impl Webhook {
    /// Adds what has happened since the row was written.
    pub fn count(&mut self, accepted_at: Option<Timestamp>, refused: u64) {
        if accepted_at.is_some() {
            self.refused = 0;
            self.last_event_at = self.last_event_at.max(accepted_at);
        }
        self.refused = self.refused.saturating_add(refused);
    }

    /// What the card says; `configured` if there is a signing secret.
    #[must_use]
    pub fn status(&self, configured: Option<()>) -> WebhookStatus {
        match (configured, self.last_event_at) {
            (None, _) => WebhookStatus::NotConfigured,
            _ if self.refused >= REFUSED_MIN => WebhookStatus::SignatureInvalid,
            (Some(()), None) => WebhookStatus::Waiting,
            (Some(()), Some(_)) => WebhookStatus::Receiving,
        }
    }
}

impl Known {
    /// Notes that a page of a kind was answered.
    pub fn listed(&mut self, kind: Kind, at: Timestamp) {
        let until = self.listed_until.entry(kind).or_insert(at);
        *until = at.max(*until);
    }
}

/// What to do when no secret fits.
#[must_use]
pub fn signature_problem() -> Problem {
    Problem {
        code: "signature_invalid".into(),
        message: "Stripe delivers webhooks, but the stored signing secret is not the one that Stripe signs with.".into(),
        fix: "In Stripe, open Developers → Webhooks → this endpoint, reveal its signing secret, copy it and store it here \
              again. A secret that is lost can be rolled there (Roll secret)."
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Option<Timestamp> {
        Timestamp::from_second(second).ok()
    }

    #[test]
    fn the_status_moves_with_what_comes() {
        let mut webhook = Webhook::default();
        assert_eq!(webhook.status(None), WebhookStatus::NotConfigured);
        assert_eq!(webhook.status(Some(())), WebhookStatus::Waiting);
        webhook.count(None, 2);
        assert_eq!(webhook.status(Some(())), WebhookStatus::Waiting);
        webhook.count(None, 1);
        assert_eq!(webhook.status(Some(())), WebhookStatus::SignatureInvalid);
        webhook.count(at(10), 0);
        assert_eq!((webhook.status(Some(())), webhook.last_event_at), (WebhookStatus::Receiving, at(10)));
        webhook.count(at(5), 1);
        assert_eq!((webhook.refused, webhook.last_event_at), (1, at(10)));
        webhook.count(None, u64::MAX);
        assert_eq!(webhook.status(Some(())), WebhookStatus::SignatureInvalid);
        assert_eq!(webhook.status(None), WebhookStatus::NotConfigured);
    }

    #[test]
    fn what_was_listed_only_moves_on() {
        let mut known = Known::default();
        for second in [5, 9, 7] {
            known.listed(Kind::Invoice, Timestamp::from_second(second).unwrap());
        }
        assert_eq!(known.listed_until.get(&Kind::Invoice).copied(), at(9));
    }
}

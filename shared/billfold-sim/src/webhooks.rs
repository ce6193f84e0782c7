//! Webhook endpoints, signatures, and deliveries that wait to be made. It renders nothing and
//! sends nothing.

use std::collections::VecDeque;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::ids::{Ids, Part};
use crate::json::Json;
use crate::model::{Metadata, Unix};
use crate::version::Version;

#[derive(Clone, Debug)]
pub struct Endpoint {
    pub number: u64,
    pub url: String,
    pub enabled_events: Vec<String>,
    /// Nothing follows the account's default.
    pub api_version: Option<Version>,
    pub description: Option<String>,
    pub metadata: Metadata,
    pub secret: String,
    pub enabled: bool,
    pub created: Unix,
    pub deleted: bool,
}

impl Endpoint {
    pub fn wants(&self, kind: &str) -> bool {
        self.enabled && !self.deleted && self.enabled_events.iter().any(|own| own == "*" || own == kind)
    }

    /// As Stripe shows it; the secret only where it was just created.
    pub fn render(&self, w: &mut Json, ids: &Ids, livemode: bool, secret: Option<&str>) {
        w.object(|w| {
            w.id("id", ids, Part::WebhookEndpoint, self.number);
            w.fields(r#""object":"webhook_endpoint""#);
            w.maybe_str("api_version", self.api_version.as_ref().map(Version::as_str));
            w.null("application");
            w.time("created", self.created);
            w.maybe_str("description", self.description.as_deref());
            w.array_at("enabled_events", &self.enabled_events, |w, kind| w.bare_str(kind));
            w.bool("livemode", livemode);
            w.string_map("metadata", &self.metadata);
            if let Some(secret) = secret {
                w.str("secret", secret);
            }
            w.str("status", if self.enabled { "enabled" } else { "disabled" });
            w.str("url", &self.url);
        });
    }
}

/// One event on its way to one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub endpoint_id: String,
    pub url: String,
    pub event_id: String,
    pub kind: String,
    pub body: Bytes,
    /// The `Stripe-Signature` header, as of when the delivery was taken.
    pub signature: String,
    secret: String,
}

impl Delivery {
    pub fn new(endpoint: &Endpoint, ids: &Ids, event: u64, kind: &str, body: String) -> Self {
        Self {
            endpoint_id: ids.part(Part::WebhookEndpoint, endpoint.number),
            url: endpoint.url.clone(),
            event_id: ids.part(Part::Event, event),
            kind: kind.to_owned(),
            body: Bytes::from(body),
            signature: String::new(),
            secret: endpoint.secret.clone(),
        }
    }

    /// Signs anew, as Stripe does on each attempt.
    pub fn signed_at(mut self, time: Unix) -> Self {
        self.signature = signature(&self.secret, time, &self.body);
        self
    }
}

/// `t=…,v1=…`: a keyed hash over the time, a dot and the raw body.
pub fn signature(secret: &str, time: Unix, body: &[u8]) -> String {
    // A key of any length is accepted by this scheme.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(format!("{time}.").as_bytes());
    mac.update(body);
    format!("t={time},v1={}", hex::encode(mac.finalize().into_bytes()))
}

#[derive(Debug, Default)]
pub struct Webhooks {
    pub endpoints: Vec<Endpoint>,
    pub waiting: VecDeque<Delivery>,
}

/// More cannot be made in one mode.
pub const MOST_ENDPOINTS: usize = 16;

impl Webhooks {
    pub fn live(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.iter().filter(|endpoint| !endpoint.deleted)
    }

    pub fn find(&self, ids: &Ids, id: &str) -> Option<usize> {
        let number = ids.number(Part::WebhookEndpoint, id)?;
        self.endpoints.iter().position(|endpoint| endpoint.number == number && !endpoint.deleted)
    }

    /// What waits for an endpoint that is gone or disabled is dropped, as Stripe drops it.
    pub fn drop_undeliverable(&mut self, ids: &Ids) {
        let gone: Vec<String> = self
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.deleted || !endpoint.enabled)
            .map(|endpoint| ids.part(Part::WebhookEndpoint, endpoint.number))
            .collect();
        self.waiting.retain(|delivery| !gone.contains(&delivery.endpoint_id));
    }
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, signature};

    fn endpoint(events: &[&str]) -> Endpoint {
        Endpoint {
            number: 1,
            url: "https://example.com/hook".to_owned(),
            enabled_events: events.iter().map(|&name| name.to_owned()).collect(),
            api_version: None,
            description: None,
            metadata: Vec::new(),
            secret: "whsec_test".to_owned(),
            enabled: true,
            created: 0,
            deleted: false,
        }
    }

    #[test]
    fn the_whole_secret_signs_time_and_body() {
        // Computed with: printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac whsec_test
        assert_eq!(
            signature("whsec_test", 1_700_000_000, br#"{"a":1}"#),
            "t=1700000000,v1=38877139021993b830af32feea6e18a8da83eb2f6e49ee50bd9e4cf4ca4d3789"
        );
    }

    #[test]
    fn an_endpoint_gets_what_it_enabled() {
        assert!(endpoint(&["*"]).wants("invoice.paid"));
        assert!(endpoint(&["invoice.paid"]).wants("invoice.paid"));
        assert!(!endpoint(&["invoice.paid"]).wants("invoice.created"));
        let mut off = endpoint(&["*"]);
        off.enabled = false;
        assert!(!off.wants("invoice.paid"));
    }
}

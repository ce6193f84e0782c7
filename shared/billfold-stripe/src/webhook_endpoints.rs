//! The one thing that Billfold ever writes in Stripe: its own webhook endpoint. Nothing else in this crate can write, and
//! a test searches every other file for a way to.

use std::collections::BTreeMap;

use bytes::Bytes;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use secrecy::SecretString;
use serde::Deserialize;
use tokio::time::sleep;

use crate::judge::{Answer, Flaw, Signs, Verdict, judge};
use crate::request::checked_id;
use crate::{API_VERSION, Client, Endpoint, ListRequest, StripeError, Trouble};

/// The metadata key by which Billfold knows its own endpoints.
const OWN: &str = "billfold_endpoint";

/// Tries of one write: somebody waits for it.
const TRIES: u32 = 3;

/// Makes, finds and switches Billfold's webhook endpoints.
#[derive(Debug, Clone)]
pub struct WebhookEndpoints(Client);

/// An endpoint as Stripe shows it.
#[derive(Debug, Clone, Deserialize)]
pub struct WebhookEndpoint {
    /// `we_…`.
    pub id: String,
    /// Where Stripe delivers.
    pub url: String,
    /// The version that its events are rendered in.
    pub api_version: Option<String>,
    /// The signing secret, in the answer to its making and never again.
    pub secret: Option<SecretString>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

impl WebhookEndpoint {
    /// Which of Billfold's endpoints it is, if it is one.
    #[must_use]
    pub fn own(&self) -> Option<&str> {
        self.metadata.get(OWN).map(String::as_str)
    }
}

impl WebhookEndpoints {
    /// With the key of a client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self(client)
    }

    /// Every endpoint of the account.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn list(&self) -> Result<Vec<WebhookEndpoint>, StripeError> {
        let mut found = Vec::new();
        let mut request = Some(ListRequest::new(Endpoint::WebhookEndpoints));
        while let Some(asked) = request.take() {
            let page = self.0.list(&asked).await?;
            found.extend(page.rows.iter().filter_map(|row| row.parse().ok()));
            request = page.next_request(&asked);
        }
        Ok(found)
    }

    /// Makes an endpoint, pinned to this crate's API version. The same `idempotency_key` makes no second one.
    ///
    /// # Errors
    /// [`StripeError`]; `PermissionMissing` without the permission to write webhook endpoints.
    pub async fn create(
        &self,
        own: &str,
        url: &str,
        events: &[&str],
        idempotency_key: &str,
    ) -> Result<WebhookEndpoint, StripeError> {
        let mut form = form(url, events);
        form.push(("api_version", API_VERSION));
        form.push(("description", "Billfold: keeps accounts current. Made and kept by Billfold."));
        form.push(("metadata[billfold_endpoint]", own));
        self.write(Way::Post(encode(&form), Some(idempotency_key)), None, read).await
    }

    /// Points an endpoint somewhere and switches it on.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn enable(&self, id: &str, url: &str, events: &[&str]) -> Result<WebhookEndpoint, StripeError> {
        let mut form = form(url, events);
        form.push(("disabled", "false"));
        self.write(Way::Post(encode(&form), None), Some(id), read).await
    }

    /// Switches an endpoint off; Stripe delivers nothing to it any more.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn disable(&self, id: &str) -> Result<(), StripeError> {
        self.write(Way::Post(encode(&[("disabled", "true")]), None), Some(id), read).await.map(|_| ())
    }

    /// Takes an endpoint away, because its secret is lost and Stripe does not tell it twice.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn remove(&self, id: &str) -> Result<(), StripeError> {
        self.write(Way::Delete, Some(id), |_| Ok(())).await
    }

    async fn write<T>(
        &self,
        way: Way<'_>,
        id: Option<&str>,
        read: fn(&Bytes) -> Result<T, Flaw>,
    ) -> Result<T, StripeError> {
        let base = &self.0.transport.base;
        let url = match id {
            None => base.route("/v1/webhook_endpoints", ""),
            Some(id) => base.route("/v1/webhook_endpoints/{id}", checked_id(id)?),
        };
        let mut requests = 0;
        loop {
            requests += 1;
            let trouble = match self.attempt(&url, &way).await {
                Err(trouble) => trouble,
                Ok(answer) => match judge(Endpoint::WebhookEndpoints, &answer, read) {
                    Verdict::Done(endpoint, _) => return Ok(endpoint),
                    Verdict::Stop(error) => return Err(error),
                    Verdict::Refused(reason) if requests >= TRIES => return Err(StripeError::RateLimited { reason }),
                    Verdict::Refused(_) => Trouble::TooManyRequests,
                    Verdict::GiveUp(trouble) => return Err(StripeError::Unavailable { requests, trouble }),
                    Verdict::Setback(trouble) => trouble,
                },
            };
            if requests >= TRIES {
                return Err(StripeError::Unavailable { requests, trouble });
            }
            sleep(self.0.patience.wait(requests, self.0.jitter.unit())).await;
        }
    }

    async fn attempt(&self, url: &Url, way: &Way<'_>) -> Result<Answer, Trouble> {
        let http = &self.0.transport.http;
        let mut request = match way {
            Way::Post(form, _) => http.post(url.clone()).body(form.clone()),
            Way::Delete => http.delete(url.clone()),
        };
        request = request
            .header(AUTHORIZATION, self.0.authorization.clone())
            .header(USER_AGENT, concat!("Billfold/", env!("CARGO_PKG_VERSION")))
            .header("stripe-version", API_VERSION)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .timeout(self.0.transport.timeout);
        if let Way::Post(_, Some(key)) = way {
            request = request.header("idempotency-key", *key);
        }
        let response = request.send().await.map_err(Trouble::of)?;
        let status = response.status().as_u16();
        let signs = Signs::of(response.headers());
        Ok(Answer { status, signs, body: response.bytes().await.map_err(Trouble::of)? })
    }
}

/// How an endpoint is written.
enum Way<'a> {
    /// A form, and the key that keeps a repetition from making a second endpoint.
    Post(String, Option<&'a str>),
    Delete,
}

fn form<'a>(url: &'a str, events: &[&'a str]) -> Vec<(&'static str, &'a str)> {
    let events = events.iter().map(|event| ("enabled_events[]", *event));
    std::iter::once(("url", url)).chain(events).collect()
}

/// As a form is encoded, by the same rules as a query.
fn encode(form: &[(&str, &str)]) -> String {
    let mut url = crate::Base::default().route("/", "");
    url.query_pairs_mut().extend_pairs(form);
    url.query().unwrap_or_default().to_owned()
}

fn read(body: &Bytes) -> Result<WebhookEndpoint, Flaw> {
    serde_json::from_slice(body).map_err(Flaw::of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_spelled_as_stripe_reads_it() {
        let form = form("https://b.example/webhooks/stripe/whe_1?x=1&y", &["invoice.paid", "customer.updated"]);
        assert_eq!(
            encode(&form),
            "url=https%3A%2F%2Fb.example%2Fwebhooks%2Fstripe%2Fwhe_1%3Fx%3D1%26y\
             &enabled_events%5B%5D=invoice.paid&enabled_events%5B%5D=customer.updated"
        );
    }

    #[test]
    fn billfold_knows_its_own() {
        let read = |metadata: &str| {
            let text =
                format!(r#"{{"id":"we_1","object":"webhook_endpoint","url":"https://x","metadata":{metadata}}}"#);
            read(&Bytes::from(text)).unwrap().own().map(str::to_owned)
        };
        assert_eq!(read(r#"{"billfold_endpoint":"whe_1"}"#).as_deref(), Some("whe_1"));
        assert_eq!(read("{}"), None);
    }

    #[test]
    fn the_secret_is_never_shown() {
        let text = br#"{"id":"we_1","url":"https://x","secret":"whsec_0123456789"}"#;
        let endpoint = read(&Bytes::from_static(text)).unwrap();
        assert!(endpoint.secret.is_some() && !format!("{endpoint:?}").contains("whsec"));
    }
}

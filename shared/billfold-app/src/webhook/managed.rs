//! The webhook endpoint that Billfold makes in Stripe by itself, with a key that may: the right events in the right
//! version, found again and used again, switched off when Billfold is disconnected.

use crate::app::App;
use crate::clock::random_u64;
use crate::connect::{SOMEBODY_WAITS, unreachable};
use crate::refusal::{Kind, Refusal};
use crate::vault::Secret;
use billfold_core::audit::{Action, Deed};
use billfold_core::event::ENABLED_EVENTS;
use billfold_core::id::{EndpointId, WorkspaceId};
use billfold_stripe::{API_VERSION, Disposition, StripeError, WebhookEndpoint, WebhookEndpoints};
use std::time::Duration;

/// Longest address that is taken, in bytes: Stripe's limit for such fields is near it.
const URL_BYTES_MAX: usize = 2048;

/// How long a disconnect waits for the endpoint to be switched off.
const SWITCHING_OFF_MAX: Duration = Duration::from_secs(10);

impl App {
    /// Makes Billfold's endpoint in Stripe, or switches on the one that is there.
    ///
    /// # Errors
    /// [`Refusal`] `webhook_permission_missing` if the key may not; `url_invalid`; Stripe's own.
    pub async fn create_webhook_endpoint(&self, ws: &WorkspaceId, url: Option<&str>) -> Result<(), Refusal> {
        let connection = self.store().connection(ws).await?;
        let (Some(key), Some(stripe)) = (connection.active_key(), self.connected_stripe(ws).await?) else {
            return Err(Refusal::new(Kind::Conflict, "not_connected", "Connect Stripe first."));
        };
        let own = self.keep_endpoint(ws, key.mode).await?;
        let url = url.map_or_else(|| self.webhook_url(&own), str::to_owned);
        check_url(&url)?;
        let endpoints = WebhookEndpoints::new(stripe.with_patience(SOMEBODY_WAITS));
        let there = endpoints.list().await.map_err(refused)?;
        let (ours, _): (Vec<WebhookEndpoint>, Vec<_>) =
            there.into_iter().partition(|one| one.own() == Some(own.as_str()));
        let managed = self.store().webhook(ws).await?.managed;
        let has_secret = self.vault().get(ws, Secret::SigningSecrets).await?.is_some();
        let usable = |one: &&WebhookEndpoint| {
            has_secret && Some(&one.id) == managed.as_ref() && one.api_version.as_deref() == Some(API_VERSION)
        };
        let kept = match ours.iter().find(usable) {
            Some(one) => endpoints.enable(&one.id, &url, &ENABLED_EVENTS).await.map_err(refused)?.id,
            None => self.make_endpoint(ws, &endpoints, &own, &url).await?,
        };
        // Stripe tells a secret once: an endpoint whose secret is forgotten can never be used again.
        for old in ours.iter().filter(|one| one.id != kept) {
            endpoints.remove(&old.id).await.map_err(refused)?;
        }
        self.note(ws, Deed::new(Action::WebhookEndpointCreated).to(kept)).await
    }

    async fn make_endpoint(
        &self,
        ws: &WorkspaceId,
        endpoints: &WebhookEndpoints,
        own: &EndpointId,
        url: &str,
    ) -> Result<String, Refusal> {
        let key = format!("billfold-{:016x}", random_u64()?);
        let made = endpoints.create(own.as_str(), url, &ENABLED_EVENTS, &key).await.map_err(refused)?;
        let Some(secret) = &made.secret else {
            let detail = "Stripe made the endpoint but did not tell its signing secret. Try again.";
            return Err(Refusal::new(Kind::Upstream, "stripe_unreadable", detail));
        };
        // Before the row says that it is managed: an endpoint without its secret would be useless.
        self.put_signing_secret(ws, secret).await?;
        let note = |webhook: &mut billfold_core::webhook::Webhook| webhook.managed = Some(made.id.clone());
        self.store().change_webhook(ws, note).await?;
        tracing::info!(workspace = %ws, endpoint = made.id, "a webhook endpoint was made in Stripe");
        Ok(made.id)
    }

    /// Billfold's endpoint in Stripe with the key to switch it off, taken before the key is forgotten.
    pub(crate) async fn managed_endpoint(&self, ws: &WorkspaceId) -> Result<Option<Managed>, Refusal> {
        let Some(id) = self.store().webhook(ws).await?.managed else { return Ok(None) };
        let stripe = self.connected_stripe(ws).await?;
        Ok(stripe.map(|stripe| Managed { id, endpoints: WebhookEndpoints::new(stripe.with_patience(SOMEBODY_WAITS)) }))
    }

    /// Switches an endpoint off, if the key still can; a disconnect succeeds whether or not it does.
    pub(crate) async fn switch_off(&self, ws: &WorkspaceId, managed: Managed) -> Result<(), Refusal> {
        let outcome = tokio::time::timeout(SWITCHING_OFF_MAX, managed.endpoints.disable(&managed.id)).await;
        match outcome.map_err(|_| None).and_then(|disabled| disabled.map_err(Some)) {
            Ok(()) => {}
            Err(error) => {
                let reason =
                    error.map_or_else(|| "Stripe did not answer in time".to_owned(), |error| error.to_string());
                tracing::warn!(workspace = %ws, reason, "the webhook endpoint in Stripe could not be switched off");
            }
        }
        self.store().change_webhook(ws, |webhook| webhook.managed = None).await?;
        Ok(())
    }
}

/// Billfold's endpoint in Stripe, and the way to it.
pub(crate) struct Managed {
    id: String,
    endpoints: WebhookEndpoints,
}

fn check_url(url: &str) -> Result<(), Refusal> {
    let known = url.starts_with("https://") || url.starts_with("http://");
    if known && url.len() <= URL_BYTES_MAX && !url.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Ok(());
    }
    let detail = "Enter the address at which Stripe reaches this Billfold, beginning with https://";
    Err(Refusal::invalid("url_invalid", "url", detail))
}

fn refused(error: StripeError) -> Refusal {
    match &error {
        StripeError::PermissionMissing { .. } => {
            let detail = "The key may not create webhook endpoints. Grant write access to Webhook Endpoints in your \
                          restricted key, or create the endpoint in Stripe by hand and store its signing secret here.";
            Refusal::new(Kind::Conflict, "webhook_permission_missing", detail)
        }
        other if other.disposition() == Disposition::StopNeedsUser => {
            Refusal::new(Kind::Conflict, other.code(), format!("{other}. {}.", other.fix()))
        }
        // Stripe refuses addresses that it cannot reach, and a seventeenth endpoint, with a sentence that helps.
        StripeError::BadRequest(rejection) => {
            Refusal::invalid("endpoint_refused", "url", format!("Stripe refused the endpoint: {}", rejection.message))
        }
        _ => unreachable(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_that_stripe_can_be_given() {
        for good in ["https://b.example/webhooks/stripe/whe_1", "http://127.0.0.1:1/x"] {
            assert!(check_url(good).is_ok(), "{good}");
        }
        for bad in
            ["", "b.example", "ftp://b.example", "https://b.example/a b", &format!("https://{}", "a".repeat(3000))]
        {
            assert_eq!(check_url(bad).unwrap_err().code, "url_invalid", "{bad}");
        }
    }
}

//! The card of the connection, as the API shows it.

use crate::app::App;
use crate::permissions::prefilled_key_url;
use crate::refusal::Refusal;
use crate::unmatched::MatchingCard;
use crate::vault::Secret;
use billfold_core::connection::{Access, Connection, Permission, Records};
use billfold_core::event::ENABLED_EVENTS;
use billfold_core::id::{EndpointId, WorkspaceId};
use billfold_core::key::{KeyKind, Mode};
use billfold_core::run::Problem;
use billfold_core::webhook::{WebhookStatus, signature_problem};
use billfold_stripe::Endpoint;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CardStatus {
    /// All is well.
    Connected,
    /// A sync is running.
    Syncing,
    /// Somebody has to do something; `error` says what.
    Error,
    /// There is no key.
    Disconnected,
}

/// The card.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Card {
    /// Where the connection stands.
    pub status: CardStatus,
    /// Live or test.
    pub mode: Option<Mode>,
    /// What may be shown of the key.
    pub account_label: Option<String>,
    /// `acct_…`.
    pub stripe_account_id: Option<String>,
    /// The Stripe account's name.
    pub stripe_account_name: Option<String>,
    /// Restricted or secret.
    pub key_kind: Option<KeyKind>,
    /// What the key may read.
    pub permissions: Vec<Permission>,
    /// The webhook endpoint.
    pub webhook: WebhookCard,
    /// How many objects are stored.
    pub records_synced: Records,
    /// Customers that have an account.
    pub customers_matched: u64,
    /// Customers that have none, why, and what to do about it.
    pub matching: MatchingCard,
    /// End of the last sync that succeeded.
    pub last_sync_at: Option<Timestamp>,
    /// The running sync, or the last one.
    pub sync: Option<crate::http::RunView>,
    /// What somebody has to do.
    pub error: Option<Problem>,
    /// Why the rates of other currencies are not the newest, if the workspace wants the bank's and they are not.
    pub rates_error: Option<Problem>,
    /// The form that makes a fitting key.
    pub prefilled_key_url: String,
}

/// The webhook endpoint on the card.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WebhookCard {
    /// Where Stripe is to deliver.
    pub url: Option<String>,
    /// Where it stands.
    pub status: WebhookStatus,
    /// When the last event came.
    pub last_event_at: Option<Timestamp>,
    /// True if Billfold made the endpoint in Stripe.
    pub managed: bool,
    /// How Billfold can make it; the link to a key that only reads does not ask for this.
    pub managed_needs: Option<&'static str>,
    /// The events that an endpoint made by hand should ask for.
    #[schema(value_type = Vec<String>)]
    pub events: &'static [&'static str],
    /// What somebody has to do.
    pub error: Option<Problem>,
    /// How webhooks that never came are found.
    pub gaps: &'static str,
}

const MANAGED_NEEDS: &str = "Billfold can create this endpoint in Stripe by itself: grant write access to Webhook \
                             Endpoints in your restricted key (nothing else of it needs write access) and send POST \
                             /v1/stripe/webhook-endpoint. Without it, create the endpoint in Stripe by hand with this URL \
                             and these events, and store its signing secret here.";

impl App {
    /// The card.
    ///
    /// # Errors
    /// [`Refusal`] of the store or the vault.
    pub async fn card(&self, ws: &WorkspaceId) -> Result<Card, Refusal> {
        let connection = self.store().connection(ws).await?;
        let last = self.sync_runs(ws, None, 1).await?.into_iter().next();
        let running = last.as_ref().is_some_and(billfold_core::run::Run::is_running);
        let mut records = connection.records_synced;
        if let Some(run) = last.as_ref().filter(|run| run.is_running()) {
            for stage in &run.stages {
                records.set(stage.name, stage.records.max(records.get(stage.name)));
            }
        }
        let key = connection.key.as_ref();
        Ok(Card {
            status: status(&connection, running),
            mode: key.map(|key| key.mode),
            account_label: connection.active_key().map(|key| key.label.clone()),
            stripe_account_id: key.and_then(|key| key.account_id.clone()),
            stripe_account_name: key.and_then(|key| key.account_name.clone()),
            key_kind: connection.active_key().map(|key| key.kind),
            permissions: connection.permissions.clone(),
            webhook: self.webhook_card(ws, &connection).await?,
            records_synced: records,
            customers_matched: connection.customers_matched,
            matching: self.matching_card(ws, &connection).await?,
            last_sync_at: connection.last_sync_at,
            sync: last.map(Into::into),
            error: connection.error.clone(),
            rates_error: self.settings(ws).await?.ecb.and_then(|ecb| ecb.problem),
            prefilled_key_url: prefilled_key_url(key.is_some_and(|key| key.mode == Mode::Test)),
        })
    }

    async fn webhook_card(&self, ws: &WorkspaceId, connection: &Connection) -> Result<WebhookCard, Refusal> {
        let webhook = self.webhook(ws).await?;
        let configured = self.vault().get(ws, Secret::SigningSecrets).await?.map(|_| ());
        let status = webhook.status(configured);
        Ok(WebhookCard {
            url: webhook.endpoint.as_ref().map(|id| self.webhook_url(id)),
            status,
            last_event_at: webhook.last_event_at,
            managed: webhook.managed.is_some(),
            managed_needs: webhook.managed.is_none().then_some(MANAGED_NEEDS),
            events: &ENABLED_EVENTS,
            error: (status == WebhookStatus::SignatureInvalid).then(signature_problem),
            gaps: gaps(connection),
        })
    }

    /// Where Stripe is to deliver.
    pub(crate) fn webhook_url(&self, id: &EndpointId) -> String {
        format!("{}/webhooks/stripe/{id}", self.config().public_url.trim_end_matches('/'))
    }
}

fn gaps(connection: &Connection) -> &'static str {
    let events = connection.permissions.iter().find(|p| p.permission == Endpoint::Events.permission());
    match events.map(|permission| permission.access) {
        Some(Access::Missing) => {
            "This key may not read events, so webhooks that never came can only be found by a re-sync. Grant read access \
             to Events in your restricted key."
        }
        _ => "Webhooks that never came are found in Stripe's list of events, which is read every ten minutes.",
    }
}

fn status(connection: &Connection, running: bool) -> CardStatus {
    match connection.active_key() {
        None => CardStatus::Disconnected,
        Some(_) if running => CardStatus::Syncing,
        Some(_) if connection.error.is_some() => CardStatus::Error,
        Some(_) => CardStatus::Connected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use billfold_core::connection::ConnectedKey;

    #[test]
    fn a_running_sync_shows_before_an_old_error_and_no_key_before_everything() {
        let key = ConnectedKey {
            label: "rk_test_…abcd".into(),
            kind: KeyKind::Restricted,
            mode: Mode::Test,
            account_id: None,
            account_name: None,
            default_currency: None,
            connected_at: Timestamp::UNIX_EPOCH,
        };
        let problem = Problem { code: "c".into(), message: "m".into(), fix: "f".into() };
        let well = Connection { key: Some(key), ..Connection::default() };
        let broken = Connection { error: Some(problem), ..well.clone() };
        let gone = Connection { disconnected: true, ..broken.clone() };
        assert_eq!(status(&well, false), CardStatus::Connected);
        assert_eq!(status(&broken, false), CardStatus::Error);
        assert_eq!(status(&broken, true), CardStatus::Syncing);
        assert_eq!(status(&gone, false), CardStatus::Disconnected);
        assert_eq!(status(&Connection::default(), true), CardStatus::Disconnected);
    }
}

//! Connecting a workspace to Stripe: the key's shape, then what Stripe says of it, then the vault, then the connection,
//! then the first sync. Nothing is stored before Stripe has accepted the key.

use crate::app::App;
use crate::permissions;
use crate::refusal::{Kind, Refusal};
use crate::settings::Settings;
use crate::vault::Secret;
use billfold_core::audit::{Action, Deed};
use billfold_core::connection::{Access, ConnectedKey, Connection, Mismatch, Permission};
use billfold_core::id::WorkspaceId;
use billfold_core::key::{KeyShape, check_signing_secret, key_shape};
use billfold_core::money::Currency;
use billfold_core::run::Trigger;
use billfold_stripe::{AccountIdentity, Client, Endpoint, Patience, StripeError};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// What somebody pasted.
pub struct ConnectRequest {
    /// The API key.
    pub api_key: SecretString,
    /// The signing secret of a webhook endpoint that was made by hand.
    pub webhook_secret: Option<SecretString>,
    /// What becomes of data that came from somewhere else.
    pub other_data: OtherData,
}

/// What becomes of data that was read with a key of another mode or another Stripe account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherData {
    /// It stays, and the new key is refused.
    Keep,
    /// It is erased first.
    Replace,
}

/// Somebody sits and waits for the answer: a few tries, and then they are told.
pub(crate) const SOMEBODY_WAITS: Patience =
    Patience { tries: 3, refusals: 10, first_wait: Duration::from_millis(500), longest_wait: Duration::from_secs(2) };

/// How long a signing secret stays good after another took its place.
const OLD_SECRET_GOOD: SignedDuration = SignedDuration::from_hours(24);

/// A signing secret in the vault. Its memory is cleared when it goes.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct SigningSecret {
    #[serde(serialize_with = "into_the_vault")]
    pub(crate) secret: SecretString,
    /// Until when it is good; `None` for the newest.
    pub(crate) good_until: Option<Timestamp>,
}

fn into_the_vault<S: serde::Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

impl SigningSecret {
    /// The newest first; the others for another day, and not a second longer if they are added again.
    fn added(kept: Vec<Self>, secret: &str, now: Timestamp) -> Vec<Self> {
        let newest = Self { secret: SecretString::from(secret), good_until: None };
        let aging = kept.into_iter().filter(|one| one.secret.expose_secret() != secret).map(|one| {
            let until = one.good_until.or_else(|| now.checked_add(OLD_SECRET_GOOD).ok());
            Self { good_until: until, ..one }
        });
        let good = aging.filter(|one| one.good_until.is_some_and(|until| until > now));
        std::iter::once(newest).chain(good).collect()
    }
}

impl App {
    /// Connects a key.
    ///
    /// # Errors
    /// [`Refusal`], with nothing stored.
    pub async fn connect(&self, ws: &WorkspaceId, request: ConnectRequest) -> Result<(), Refusal> {
        let shape = key_shape(request.api_key.expose_secret())
            .map_err(|error| Refusal::invalid("key_format", "api_key", error.to_string()))?;
        if let Some(secret) = &request.webhook_secret {
            check_signing_secret(secret.expose_secret())
                .map_err(|error| Refusal::invalid("webhook_secret_format", "webhook_secret", error.to_string()))?;
        }
        let before = self.store().connection(ws).await?;
        let keep = request.other_data == OtherData::Keep;
        refuse_mismatch(before.mismatch(shape.mode, None).filter(|_| keep))?;
        let stripe = self.stripe(ws, shape.mode, &request.api_key)?.with_patience(SOMEBODY_WAITS);
        let (identity, permissions) = check_key(&stripe).await?;
        let mismatch = before.mismatch(shape.mode, identity.id.as_deref());
        refuse_mismatch(mismatch.filter(|_| keep))?;
        if mismatch.is_some() {
            self.erase_synced(ws).await?;
        }
        let label = shape.label.clone();
        self.keep(ws, &request, shape, identity, permissions).await?;
        let told =
            self.store().connection(ws).await?.key.map(|key| json!({"mode": key.mode, "account": key.account_id}));
        self.note(ws, Deed::new(Action::StripeConnected).to(label).after(told.unwrap_or_default())).await?;
        match self.start_sync(ws, Trigger::Connect).await {
            Ok(_) => Ok(()),
            // A reconnect while a sync runs: it goes on with the new key.
            Err(refusal) if refusal.code == "sync_already_running" => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }

    /// The vault first: a connection without its key would be worse than a key without its connection.
    async fn keep(
        &self,
        ws: &WorkspaceId,
        request: &ConnectRequest,
        shape: KeyShape,
        identity: AccountIdentity,
        permissions: Vec<Permission>,
    ) -> Result<(), Refusal> {
        self.vault().put(ws, Secret::ApiKey, request.api_key.clone()).await?;
        if let Some(secret) = &request.webhook_secret {
            self.put_signing_secret(ws, secret).await?;
        }
        let currency = identity.default_currency.as_deref().and_then(|code| Currency::new(code).ok());
        let key = ConnectedKey {
            label: shape.label,
            kind: shape.kind,
            mode: shape.mode,
            account_id: identity.id,
            account_name: identity.name,
            default_currency: currency,
            connected_at: self.now(),
        };
        let change = |connection: &mut Connection| {
            connection.key = Some(key.clone());
            connection.permissions.clone_from(&permissions);
            connection.disconnected = false;
            connection.error = None;
        };
        self.store().change_connection(ws, change).await?;
        self.keep_endpoint(ws, shape.mode).await?;
        let start_with = |settings: &mut Settings| {
            settings.currency = settings.currency.or(currency);
            settings.backfill_days = settings.backfill_days.or(self.backfill_days());
        };
        self.store().change_settings(ws, start_with).await?;
        tracing::info!(workspace = %ws, key = key.label, account = key.account_id, "Stripe was connected");
        Ok(())
    }

    /// Adds a signing secret, or (`None`) removes all. The one before stays good for a day, because Stripe signs with
    /// both while a secret is being rolled.
    ///
    /// # Errors
    /// [`Refusal`] if it does not look like one, or nothing is connected.
    pub async fn change_signing_secret(&self, ws: &WorkspaceId, secret: Option<&SecretString>) -> Result<(), Refusal> {
        if self.store().connection(ws).await?.active_key().is_none() {
            return Err(Refusal::new(Kind::Conflict, "not_connected", "Connect Stripe first."));
        }
        let Some(secret) = secret else {
            self.vault().forget(ws, Secret::SigningSecrets).await?;
            self.endpoint_changed(ws).await?;
            return self.note(ws, Deed::new(Action::SigningSecretsRemoved)).await;
        };
        check_signing_secret(secret.expose_secret())
            .map_err(|error| Refusal::invalid("webhook_secret_format", "webhook_secret", error.to_string()))?;
        self.put_signing_secret(ws, secret).await?;
        self.note(ws, Deed::new(Action::SigningSecretAdded)).await
    }

    pub(crate) async fn put_signing_secret(&self, ws: &WorkspaceId, secret: &SecretString) -> Result<(), Refusal> {
        let kept = self.vault().get(ws, Secret::SigningSecrets).await?;
        let kept: Vec<SigningSecret> = kept
            .map_or(Ok(Vec::new()), |text| serde_json::from_str(text.expose_secret()))
            .map_err(Refusal::internal)?;
        let now = self.now();
        let entries = SigningSecret::added(kept, secret.expose_secret(), now);
        let text = serde_json::to_string(&entries).map_err(Refusal::internal)?;
        self.vault().put(ws, Secret::SigningSecrets, SecretString::from(text)).await?;
        self.store().change_webhook(ws, |webhook| webhook.refused = 0).await?;
        self.endpoint_changed(ws).await
    }

    /// Probes the permissions of the connected key again.
    ///
    /// # Errors
    /// [`Refusal`] if there is no key, or Stripe does not answer.
    pub async fn check_connection(&self, ws: &WorkspaceId) -> Result<(), Refusal> {
        let Some(stripe) = self.connected_stripe(ws).await? else {
            return Err(Refusal::new(Kind::Conflict, "not_connected", "There is no API key to check."));
        };
        match permissions::probe_all(&stripe).await {
            Ok(permissions) => self.note_permissions(ws, permissions).await,
            Err(error) if stops(&error) => {
                let problem = crate::sync::problem(&error);
                self.store().change_connection(ws, |connection| connection.error = Some(problem.clone())).await?;
                Ok(())
            }
            Err(error) => Err(unreachable(error)),
        }
    }

    /// A refusal that was about permissions is over once everything required is granted.
    async fn note_permissions(&self, ws: &WorkspaceId, permissions: Vec<Permission>) -> Result<(), Refusal> {
        let lacking = permissions.iter().any(|p| p.required && p.access == Access::Missing);
        let change = |connection: &mut Connection| {
            connection.permissions.clone_from(&permissions);
            if !lacking {
                connection.error = None;
            }
        };
        self.store().change_connection(ws, change).await?;
        Ok(())
    }

    /// Forgets the key and the signing secrets at once; the data stays, frozen.
    ///
    /// # Errors
    /// [`Refusal`] of the vault or the store.
    pub async fn disconnect(&self, ws: &WorkspaceId) -> Result<(), Refusal> {
        let managed = self.managed_endpoint(ws).await?;
        self.vault().forget(ws, Secret::ApiKey).await?;
        self.vault().forget(ws, Secret::SigningSecrets).await?;
        if let Some(run) = self.store().lease(ws).await?.run {
            match self.cancel_sync(ws, &run).await {
                Ok(_) => {}
                Err(refusal) if refusal.kind == Kind::Conflict || refusal.kind == Kind::NotFound => {}
                Err(refusal) => return Err(refusal),
            }
        }
        let change = |connection: &mut Connection| {
            connection.disconnected = connection.key.is_some();
            connection.error = None;
        };
        self.store().change_connection(ws, change).await?;
        self.endpoint_changed(ws).await?;
        if let Some(managed) = managed {
            self.switch_off(ws, managed).await?;
        }
        tracing::info!(workspace = %ws, "Stripe was disconnected");
        self.note(ws, Deed::new(Action::StripeDisconnected)).await
    }
}

fn refuse_mismatch(mismatch: Option<Mismatch>) -> Result<(), Refusal> {
    let (code, what) = match mismatch {
        None => return Ok(()),
        Some(Mismatch::Mode) => {
            ("mode_mismatch", "This key is of the other mode (live or test) than the data that is here.")
        }
        Some(Mismatch::Account) => {
            ("account_mismatch", "This key belongs to another Stripe account than the data that is here.")
        }
    };
    let detail = format!("{what} Use a key that fits, or send \"replace\": true to erase the data first.");
    Err(Refusal { field: Some("api_key"), ..Refusal::new(Kind::Conflict, code, detail) })
}

/// Asks Stripe everything that decides whether a key will do.
async fn check_key(stripe: &Client) -> Result<(AccountIdentity, Vec<Permission>), Refusal> {
    match stripe.probe(Endpoint::Customers).await {
        billfold_stripe::Access::Granted { .. } => {}
        billfold_stripe::Access::Missing { .. } => return Err(permissions_missing()),
        billfold_stripe::Access::Unknown { cause } => return Err(refused(cause)),
    }
    let identity = stripe.identify().await.map_err(refused)?;
    let permissions = permissions::probe_all(stripe).await.map_err(refused)?;
    if permissions.iter().any(|p| p.required && p.access == Access::Missing) {
        return Err(permissions_missing());
    }
    Ok((identity, permissions))
}

fn permissions_missing() -> Refusal {
    let detail = "The Stripe API key does not have the required permissions. Grant Customers, Subscriptions and Invoices \
                  read access, then reconnect.";
    Refusal::invalid("permissions_missing", "api_key", detail)
}

fn stops(error: &StripeError) -> bool {
    error.disposition() == billfold_stripe::Disposition::StopNeedsUser
}

fn refused(error: StripeError) -> Refusal {
    let rejected = "Stripe rejected the API key. Check that the secret or restricted key is correct, belongs to the right \
                    account, and has not been revoked.";
    match &error {
        StripeError::InvalidKey => Refusal::invalid("invalid_api_key", "api_key", rejected),
        StripeError::ExpiredKey => Refusal::invalid("api_key_expired", "api_key", rejected),
        StripeError::PermissionMissing { .. } => permissions_missing(),
        other if stops(other) => Refusal::invalid(other.code(), "api_key", format!("{other}. {}.", other.fix())),
        _ => unreachable(error),
    }
}

pub(crate) fn unreachable(error: StripeError) -> Refusal {
    let detail = "Stripe cannot be reached right now, or does not answer. Nothing was stored; try again in a moment.";
    Refusal { source: Some(Box::new(error)), ..Refusal::new(Kind::Upstream, "stripe_unavailable", detail) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signing_secret_outlives_its_successor_by_a_day() {
        let at = |hours: i64| Timestamp::from_second(hours * 3600).unwrap();
        let names = |secrets: &[SigningSecret]| {
            secrets.iter().map(|one| one.secret.expose_secret().to_owned()).collect::<Vec<_>>()
        };
        let first = SigningSecret::added(Vec::new(), "whsec_a", at(0));
        let second = SigningSecret::added(first, "whsec_b", at(1));
        assert_eq!(names(&second), ["whsec_b", "whsec_a"]);
        let again = SigningSecret::added(second.clone(), "whsec_b", at(20));
        assert_eq!(again[1].good_until, Some(at(25)));
        assert_eq!(names(&SigningSecret::added(second, "whsec_c", at(26))), ["whsec_c", "whsec_b"]);
    }

    #[test]
    fn what_holds_a_secret_clears_its_memory() {
        fn clears<T: secrecy::zeroize::ZeroizeOnDrop>(_: &T) {}
        let request = ConnectRequest { api_key: "a".into(), webhook_secret: None, other_data: OtherData::Keep };
        let secret = SigningSecret { secret: "b".into(), good_until: None };
        clears(&request.api_key);
        clears(&secret.secret);
        assert_eq!(format!("{:?}", secret.secret), "SecretBox<str>([REDACTED])");
    }

    #[test]
    fn mismatches_say_what_to_do() {
        for mismatch in [Mismatch::Mode, Mismatch::Account] {
            let refusal = refuse_mismatch(Some(mismatch)).unwrap_err();
            assert!(
                refusal.kind == Kind::Conflict && refusal.detail.contains("\"replace\": true"),
                "{}",
                refusal.detail
            );
        }
        assert!(refuse_mismatch(None).is_ok());
    }
}

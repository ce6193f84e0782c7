//! Endpoints as the receipt sees them: whose one is, its mode and its signing secrets, kept in memory for a short time;
//! and what came, counted in memory and written now and then. A flood of forged deliveries costs nothing but memory
//! that is bounded.

use crate::app::App;
use crate::clock::random_u64;
use crate::connect::SigningSecret;
use crate::refusal::{Refusal, chain};
use crate::vault::Secret;
use billfold_core::id::{EndpointId, WorkspaceId};
use billfold_core::key::Mode;
use billfold_core::webhook::{Endpoint, Webhook};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long what is known of an endpoint is believed.
const BELIEVED_FOR: Duration = Duration::from_secs(30);
/// How soon it is read again when a signature does not fit.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(3);
/// How often what came is written down.
const WRITE_EVERY: Duration = Duration::from_secs(5);
/// Endpoints that are remembered, those that do not exist among them.
const REMEMBERED_MAX: usize = 4096;

/// What is remembered of endpoints.
#[derive(Default)]
pub(crate) struct Endpoints(Mutex<HashMap<EndpointId, Remembered>>);

struct Remembered {
    /// `None` once it is known to be old.
    read_at: Option<Instant>,
    /// When it was last read because a signature did not fit, past whatever the vault remembers.
    doubted_at: Option<Instant>,
    /// `None` if there is no such endpoint, or its workspace is disconnected.
    connected: Option<Arc<Connected>>,
    /// What came since it was written down.
    accepted_at: Option<Timestamp>,
    refused: u64,
    written_at: Option<Instant>,
}

/// An endpoint that takes deliveries.
pub(crate) struct Connected {
    pub(crate) workspace: WorkspaceId,
    pub(crate) mode: Mode,
    pub(super) secrets: Vec<SigningSecret>,
}

/// What came of a delivery, as far as its signature goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    Signed(Timestamp),
    Refused,
}

/// Whether an id is of the shape that [`App::keep_endpoint`] gives.
pub(super) fn is_endpoint(id: &EndpointId) -> bool {
    let random = id.as_str().strip_prefix("whe_").unwrap_or_default();
    random.len() == 32 && random.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl Connected {
    /// The secrets that are good now.
    pub(super) fn secrets(&self, now: Timestamp) -> Vec<&str> {
        let good = self.secrets.iter().filter(|one| one.good_until.is_none_or(|until| until > now));
        good.map(|one| one.secret.expose_secret()).collect()
    }
}

impl Endpoints {
    fn all(&self) -> MutexGuard<'_, HashMap<EndpointId, Remembered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets an endpoint, because it has just been changed here. What came is kept.
    pub(crate) fn forget(&self, id: &EndpointId) {
        if let Some(one) = self.all().get_mut(id) {
            (one.read_at, one.connected, one.written_at) = (None, None, None);
        }
    }

    /// What is known of an endpoint, if it was read less than `age` ago.
    fn remembered(&self, id: &EndpointId, age: Duration) -> Option<Option<Arc<Connected>>> {
        let all = self.all();
        let one = all.get(id).filter(|one| one.read_at.is_some_and(|at| at.elapsed() < age))?;
        Some(one.connected.clone())
    }

    /// What is known of an endpoint, if it was doubted and read anew a moment ago. A flood of forged deliveries must not
    /// read the vault each time.
    fn doubted(&self, id: &EndpointId) -> Option<Option<Arc<Connected>>> {
        let all = self.all();
        let just = |at: Instant| at.elapsed() < READ_AGAIN_AFTER;
        let one = all.get(id).filter(|one| one.read_at.is_some() && one.doubted_at.is_some_and(just))?;
        Some(one.connected.clone())
    }

    fn doubt(&self, id: &EndpointId) {
        if let Some(one) = self.all().get_mut(id) {
            one.doubted_at = Some(Instant::now());
        }
    }

    fn remember(&self, id: &EndpointId, connected: Option<Arc<Connected>>) {
        let mut all = self.all();
        if all.len() >= REMEMBERED_MAX && !all.contains_key(id) {
            all.retain(|_, one| one.connected.is_some());
            if all.len() >= REMEMBERED_MAX {
                all.clear();
            }
        }
        let fresh = || Remembered {
            read_at: None,
            doubted_at: None,
            connected: None,
            accepted_at: None,
            refused: 0,
            written_at: None,
        };
        let one = all.entry(id.clone()).or_insert_with(fresh);
        (one.read_at, one.connected) = (Some(Instant::now()), connected);
    }

    /// What came and is not written down yet.
    pub(crate) fn unwritten(&self, id: &EndpointId) -> (Option<Timestamp>, u64) {
        self.all().get(id).map_or((None, 0), |one| (one.accepted_at, one.refused))
    }

    /// Counts a delivery; what is to be written down now, if it is time.
    fn count(&self, id: &EndpointId, came: Came) -> Option<(Option<Timestamp>, u64)> {
        let mut all = self.all();
        let one = all.get_mut(id)?;
        match came {
            Came::Signed(at) => (one.accepted_at, one.refused) = (one.accepted_at.max(Some(at)), 0),
            Came::Refused => one.refused = one.refused.saturating_add(1),
        }
        if one.written_at.is_some_and(|at| at.elapsed() < WRITE_EVERY) {
            return None;
        }
        one.written_at = Some(Instant::now());
        Some((one.accepted_at.take(), std::mem::take(&mut one.refused)))
    }
}

impl App {
    /// What is known of an endpoint; read again if it was read longer than `age` ago.
    pub(super) async fn endpoint(&self, id: &EndpointId, age: Age) -> Result<Option<Arc<Connected>>, Refusal> {
        let known = match age {
            Age::Believed => self.endpoints().remembered(id, BELIEVED_FOR),
            Age::Fresh => self.endpoints().doubted(id),
        };
        if let Some(known) = known {
            return Ok(known);
        }
        let connected = self.read_endpoint(id, age).await?.map(Arc::new);
        self.endpoints().remember(id, connected.clone());
        if age == Age::Fresh {
            self.endpoints().doubt(id);
        }
        Ok(connected)
    }

    async fn read_endpoint(&self, id: &EndpointId, age: Age) -> Result<Option<Connected>, Refusal> {
        let Some(Endpoint { workspace, mode }) = self.store().endpoint(id).await? else { return Ok(None) };
        if self.store().connection(&workspace).await?.active_key().is_none() {
            return Ok(None);
        }
        if age == Age::Fresh {
            // The vault may remember as well.
            self.vault().refused(&workspace, Secret::SigningSecrets).await?;
        }
        let secrets = self.vault().get(&workspace, Secret::SigningSecrets).await?;
        let secrets = secrets.map_or(Ok(Vec::new()), |text| serde_json::from_str(text.expose_secret()));
        Ok(Some(Connected { workspace, mode, secrets: secrets.map_err(Refusal::internal)? }))
    }

    /// Counts a delivery, and writes down what came if it is time. A count that is lost is no reason to refuse an event.
    pub(super) async fn note_delivery(&self, id: &EndpointId, ws: &WorkspaceId, came: Came) {
        let Some((accepted_at, refused)) = self.endpoints().count(id, came) else { return };
        let written = self.store().change_webhook(ws, |webhook| webhook.count(accepted_at, refused)).await;
        if let Err(error) = written {
            tracing::warn!(workspace = %ws, error = chain(&error), "what came to a webhook endpoint could not be written down");
        }
    }

    /// The webhook as it stands, with what is not written down yet.
    pub(crate) async fn webhook(&self, ws: &WorkspaceId) -> Result<Webhook, Refusal> {
        let mut webhook = self.store().webhook(ws).await?;
        if let Some(id) = webhook.endpoint.clone() {
            let (accepted_at, refused) = self.endpoints().unwritten(&id);
            webhook.count(accepted_at, refused);
        }
        Ok(webhook)
    }

    /// Gives a workspace its endpoint when it connects; one that it has already stays, in the mode of the new key.
    pub(crate) async fn keep_endpoint(&self, ws: &WorkspaceId, mode: Mode) -> Result<EndpointId, Refusal> {
        let fresh = EndpointId::new(format!("whe_{:016x}{:016x}", random_u64()?, random_u64()?))?;
        let keep = |webhook: &mut Webhook| {
            webhook.endpoint.get_or_insert_with(|| fresh.clone());
        };
        let id = self.store().change_webhook(ws, keep).await?.endpoint.unwrap_or(fresh);
        self.store().put_endpoint(&id, &Endpoint { workspace: ws.clone(), mode }).await?;
        self.endpoints().forget(&id);
        Ok(id)
    }

    /// What is remembered of a workspace's endpoint is old.
    pub(crate) async fn endpoint_changed(&self, ws: &WorkspaceId) -> Result<(), Refusal> {
        if let Some(id) = self.store().webhook(ws).await?.endpoint {
            self.endpoints().forget(&id);
        }
        Ok(())
    }
}

/// How old what is known may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// As long as it is believed.
    Believed,
    /// A moment: a signature did not fit, and perhaps the secret has just been changed elsewhere.
    Fresh,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> EndpointId {
        EndpointId::new(format!("whe_{n}")).unwrap()
    }

    #[test]
    fn only_an_id_of_the_right_shape_is_looked_for() {
        let check = |text: &str| is_endpoint(&EndpointId::new(text).unwrap());
        assert!(check("whe_0123456789abcdef0123456789abcdef"));
        for other in ["whe_1", "0123456789abcdef0123456789abcdef", "whe_0123456789ABCDEF0123456789abcdef", "whe_"] {
            assert!(!check(other), "{other}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_counted_and_seldom_written() {
        let endpoints = Endpoints::default();
        endpoints.remember(&id(1), None);
        assert_eq!(endpoints.count(&id(1), Came::Refused), Some((None, 1)));
        for _ in 0..1000 {
            assert_eq!(endpoints.count(&id(1), Came::Refused), None);
        }
        assert_eq!(endpoints.unwritten(&id(1)), (None, 1000));
        tokio::time::advance(WRITE_EVERY).await;
        assert_eq!(endpoints.count(&id(1), Came::Refused), Some((None, 1001)));
        assert_eq!(endpoints.unwritten(&id(1)), (None, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_known_is_believed_for_a_while_and_doubted_sooner() {
        let endpoints = Endpoints::default();
        endpoints.remember(&id(1), None);
        assert!(endpoints.doubted(&id(1)).is_none(), "what was just read may be what the vault remembers");
        endpoints.doubt(&id(1));
        assert!(endpoints.doubted(&id(1)).is_some());
        tokio::time::advance(READ_AGAIN_AFTER).await;
        assert!(endpoints.doubted(&id(1)).is_none());
        assert!(endpoints.remembered(&id(1), BELIEVED_FOR).is_some());
        tokio::time::advance(BELIEVED_FOR).await;
        assert!(endpoints.remembered(&id(1), BELIEVED_FOR).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn endpoints_that_do_not_exist_fill_no_memory() {
        let endpoints = Endpoints::default();
        for n in 0..REMEMBERED_MAX * 2 {
            endpoints.remember(&id(n), None);
        }
        assert!(endpoints.all().len() <= REMEMBERED_MAX);
    }
}

//! The receipt of a delivery: whose endpoint, whether Stripe signed it, what it is; then the queue, then 200.

use super::endpoint::{Age, Came, Connected, is_endpoint};
use super::{Delivered, Folding};
use crate::app::App;
use crate::queue::Message;
use crate::refusal::Refusal;
use billfold_core::event::{self, About};
use billfold_core::id::EndpointId;
use billfold_core::key::Mode;
use billfold_core::signature::{self, Invalid};
use std::sync::Arc;
use std::time::Duration;

/// What became of a delivery that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// It is on the queue.
    Queued,
    /// It is of the other mode, or about nothing that Billfold keeps.
    Ignored,
}

/// Why a delivery was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum Unreceived {
    /// There is no such endpoint, or nothing is connected.
    #[error("there is no such endpoint")]
    NoEndpoint,
    /// No secret fits, or the signature is old.
    #[error("the signature does not hold")]
    Signature,
    /// It is signed, but not an event.
    #[error("the body is not an event")]
    Unreadable,
    /// Our own trouble: Stripe should send it again.
    #[error(transparent)]
    Trouble(#[from] Refusal),
}

impl App {
    /// Takes a delivery. When it answers `Queued`, the event is safe.
    ///
    /// # Errors
    /// [`Unreceived`].
    pub async fn receive(&self, id: &EndpointId, header: &str, body: &[u8]) -> Result<Received, Unreceived> {
        // A guess of another shape is not even looked for.
        if !is_endpoint(id) {
            return Err(Unreceived::NoEndpoint);
        }
        let connected = self.endpoint(id, Age::Believed).await?.ok_or(Unreceived::NoEndpoint)?;
        let connected = self.check_signature(id, connected, header, body).await?;
        let event = event::read(body).map_err(|_| Unreceived::Unreadable)?;
        self.note_delivery(id, &connected.workspace, Came::Signed(self.now())).await;
        let mode = if event.livemode { Mode::Live } else { Mode::Test };
        if mode != connected.mode || event.about == About::Nothing {
            return Ok(Received::Ignored);
        }
        let event = Box::new(Delivered::new(event, Folding::ticket(self.folding())));
        let message = Message::Event { workspace: connected.workspace.clone(), event };
        self.queue().send(message, Duration::ZERO).await.map_err(Refusal::from)?;
        Ok(Received::Queued)
    }

    /// Checks the signature; when it does not fit, once more with secrets read again, at most every few seconds.
    async fn check_signature(
        &self,
        id: &EndpointId,
        connected: Arc<Connected>,
        header: &str,
        body: &[u8],
    ) -> Result<Arc<Connected>, Unreceived> {
        let now = self.now();
        let verify = |connected: &Connected| signature::verify(header, body, &connected.secrets(now), now);
        match verify(&connected) {
            Ok(()) => return Ok(connected),
            Err(Invalid::Header | Invalid::Time) => return Err(Unreceived::Signature),
            Err(Invalid::Mismatch | Invalid::NoSecret) => {}
        }
        let again = self.endpoint(id, Age::Fresh).await?.ok_or(Unreceived::NoEndpoint)?;
        if !Arc::ptr_eq(&connected, &again) && verify(&again).is_ok() {
            return Ok(again);
        }
        self.note_delivery(id, &again.workspace, Came::Refused).await;
        Err(Unreceived::Signature)
    }
}

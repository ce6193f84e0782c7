//! Follows a sync run until it ends.

use super::view::RunView;
use super::{Client, ClientError, encoded};
use billfold_core::id::RunId;
use billfold_core::run::RunStatus;
use std::time::Duration;

/// The last look at a run, as it came and as it was read.
pub struct Followed {
    /// The run.
    pub run: RunView,
    /// The API's answer.
    pub text: String,
}

impl Client {
    /// Looks at a run again and again until it has ended, and shows each look to `seen`.
    ///
    /// # Errors
    /// [`ClientError`] of the first look that fails, or what `seen` could not do.
    pub async fn follow<E: From<ClientError>>(
        &self,
        run: &RunId,
        every: Duration,
        mut seen: impl FnMut(&RunView) -> Result<(), E>,
    ) -> Result<Followed, E> {
        let path = format!("/v1/syncs/{}", encoded(run.as_str()));
        loop {
            let answer = self.get(&path).await?;
            let run: RunView = answer.read()?;
            seen(&run)?;
            if run.status != RunStatus::Running {
                return Ok(Followed { run, text: answer.text().to_owned() });
            }
            tokio::time::sleep(every).await;
        }
    }
}

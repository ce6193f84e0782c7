//! Signals: listed, and acknowledged by a person.

use crate::app::App;
use crate::refusal::Refusal;
use billfold_core::id::{AccountId, WorkspaceId};
use billfold_core::signal::Signal;
use billfold_store::{SignalQuery, Store, StoreError};

/// How often an acknowledgement is tried again while the account is computed.
const ATTEMPTS_MAX: u32 = 16;

impl App {
    /// A page of signals, newest first, and the place where the next begins.
    ///
    /// # Errors
    /// [`Refusal`] of the store.
    pub async fn signals(
        &self,
        ws: &WorkspaceId,
        account: Option<&AccountId>,
        query: &SignalQuery,
    ) -> Result<(Vec<Signal>, Option<String>), Refusal> {
        let Some(account) = account else { return Ok(self.store().signals(ws, query).await?) };
        let mut found = self.store().signals_of(ws, account).await?;
        found.retain(|signal| {
            query.kind.is_none_or(|kind| kind == signal.kind)
                && query.state.is_none_or(|state| state == signal.state)
                && query.after.as_ref().is_none_or(|after| Store::place_of_signal(signal) < *after)
        });
        let more = found.len() > query.limit;
        found.truncate(query.limit);
        let next = found.last().filter(|_| more).map(Store::place_of_signal);
        Ok((found, next))
    }

    /// A person has seen to a signal. Acknowledged twice it stays with whoever was first.
    ///
    /// # Errors
    /// [`Refusal`] if there is no such signal.
    pub async fn acknowledge(&self, ws: &WorkspaceId, id: &str, who: &str) -> Result<Signal, Refusal> {
        for _ in 0..ATTEMPTS_MAX {
            let Some(listed) = self.store().signal(ws, id).await? else { return Err(Refusal::not_found("signal")) };
            let account = listed.account_id;
            let rows = self.store().account_rows(ws, &account).await?;
            let Some(stored) = rows.signals.iter().find(|signal| signal.row.id == id) else {
                return Err(Refusal::not_found("signal"));
            };
            let Some(after) = stored.row.acknowledged(who, self.now()) else { return Ok(stored.row.clone()) };
            match self.store().write_all(vec![rows.put_signal(ws, &account, &after)?]).await {
                Ok(()) => return Ok(after),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Conflict.into())
    }
}

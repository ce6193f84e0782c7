//! What a workspace has one of: its connection, its settings, and the lease of the running sync.

use crate::client::{Range, Store, Transacted, When, Write};
use crate::error::StoreError;
use crate::item::{NewRow, attribute};
use crate::key::{self, Key, sort};
use billfold_core::connection::Connection;
use billfold_core::id::{RunId, WorkspaceId};
use billfold_core::run::Run;
use billfold_core::webhook::Known;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// How often a read-and-write is tried again when somebody else was first.
const ATTEMPTS_MAX: u32 = 16;

/// The sync that is running, and who works on it (law 6).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The run that is not finished.
    pub run: Option<RunId>,
    /// The fencing number of the last worker: a higher one outranks it.
    pub fence: u64,
    /// Until when that worker may be at work; `None` when nobody is.
    pub until: Option<Timestamp>,
}

/// What a workspace has one of, read together; `T` is what the caller keeps its settings in.
#[derive(Debug, Clone, Default)]
pub struct State<T> {
    /// The connection.
    pub connection: Connection,
    /// The settings.
    pub settings: T,
    /// The running sync.
    pub lease: Lease,
    /// How far facts are known; never older than the lease.
    pub known: Known,
    /// The revision of the catalogue; `None` if nothing of it was ever written.
    pub catalogue_revision: Option<String>,
}

/// Why a worker cannot have the lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseHeld {
    /// Another worker is at work until then, unless it dies.
    Until(Timestamp),
    /// The run has ended.
    Ended,
}

/// How a run was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Started {
    /// It runs.
    Started,
    /// Another one runs already.
    AlreadyRunning(RunId),
}

impl Store {
    /// Every workspace that ever connected.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn workspaces(&self) -> Result<Vec<WorkspaceId>, StoreError> {
        let rows = self.query(&Range::all(key::workspaces())).await?;
        let id =
            |row: &crate::item::Row| WorkspaceId::new(row.sort_key()).map_err(|e| StoreError::corrupt(row.name(), e));
        rows.iter().map(id).collect()
    }

    pub(crate) async fn read<T: DeserializeOwned + Default>(&self, key: &Key) -> Result<(T, Option<u64>), StoreError> {
        match self.get(key).await? {
            Some(row) => Ok((row.body()?, Some(row.rev()))),
            None => Ok((T::default(), None)),
        }
    }

    /// Reads a row, changes it, and writes it if nobody else did meanwhile; else again.
    pub(crate) async fn change<T, R>(
        &self,
        key: &Key,
        mut change: impl FnMut(&mut T) -> R,
    ) -> Result<(T, R), StoreError>
    where
        T: DeserializeOwned + Serialize + Default + Clone + PartialEq,
    {
        for _ in 0..ATTEMPTS_MAX {
            let (before, rev) = self.read::<T>(key).await?;
            let mut after = before.clone();
            let answer = change(&mut after);
            if after == before {
                return Ok((after, answer));
            }
            match self.write(replace(key, &after, rev)?).await {
                Ok(()) => return Ok((after, answer)),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Conflict)
    }

    /// What the workspace has one of. The lease is read before the rest: a run notes what it has listed and then gives the
    /// lease back, so a lease that is free is never paired with watermarks from before its run. One query for all of it
    /// would not do: DynamoDB reads each row of a query at a moment of its own.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn state<T: DeserializeOwned + Default>(&self, ws: &WorkspaceId) -> Result<State<T>, StoreError> {
        let mut state = State { lease: self.lease(ws).await?, ..State::default() };
        for row in self.query(&Range::prefix(key::lease(ws).partition, sort::STATE_PREFIX)).await? {
            match row.sort_key() {
                sort::CONN => state.connection = row.body()?,
                sort::SETTINGS => state.settings = row.body()?,
                sort::KNOWN => state.known = row.body()?,
                sort::CATALOGUE => state.catalogue_revision = row.text(attribute::DIGEST).map(str::to_owned),
                sort::LEASE => {}
                _ => return Err(StoreError::corrupt(row.name(), "it is not of a workspace's state")),
            }
        }
        Ok(state)
    }

    /// The workspace's connection; an empty one if there never was any.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn connection(&self, ws: &WorkspaceId) -> Result<Connection, StoreError> {
        Ok(self.read(&key::connection(ws)).await?.0)
    }

    /// Changes the connection. The closure may run several times.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn change_connection(
        &self,
        ws: &WorkspaceId,
        mut change: impl FnMut(&mut Connection),
    ) -> Result<Connection, StoreError> {
        self.write(Write::put(NewRow::bare(&key::workspace(ws)), When::Always)).await?;
        Ok(self.change(&key::connection(ws), |connection| change(connection)).await?.0)
    }

    /// The workspace's settings, in whatever type the caller keeps them; the default if there are none.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn settings<T: DeserializeOwned + Default>(&self, ws: &WorkspaceId) -> Result<T, StoreError> {
        Ok(self.read(&key::settings(ws)).await?.0)
    }

    /// Changes the settings. The closure may run several times.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn change_settings<T, R>(
        &self,
        ws: &WorkspaceId,
        change: impl FnMut(&mut T) -> R,
    ) -> Result<(T, R), StoreError>
    where
        T: DeserializeOwned + Serialize + Default + Clone + PartialEq,
    {
        self.change(&key::settings(ws), change).await
    }

    /// The lease.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn lease(&self, ws: &WorkspaceId) -> Result<Lease, StoreError> {
        Ok(self.read(&key::lease(ws)).await?.0)
    }

    /// Starts a run, unless one is running: its row and the claim on the lease in one transaction.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn start_run(&self, ws: &WorkspaceId, run: &Run) -> Result<Started, StoreError> {
        for _ in 0..ATTEMPTS_MAX {
            let (lease, rev) = self.read::<Lease>(&key::lease(ws)).await?;
            if let Some(running) = lease.run {
                return Ok(Started::AlreadyRunning(running));
            }
            let claimed = Lease { run: Some(run.id.clone()), fence: lease.fence.saturating_add(1), until: None };
            let writes = vec![
                replace(&key::lease(ws), &claimed, rev)?,
                Write::put(NewRow::new(&key::run(ws, &run.id), run)?.flag(attribute::OPEN), When::Absent),
                Write::put(NewRow::bare(&key::workspace(ws)), When::Always),
            ];
            match self.transact(writes).await {
                Ok(Transacted::Done) => return Ok(Started::Started),
                Ok(Transacted::Failed(_)) | Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Conflict)
    }

    /// Takes the lease of a run for a worker, with a fencing number that outranks every worker before.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn take_lease(
        &self,
        ws: &WorkspaceId,
        run: &RunId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Result<u64, LeaseHeld>, StoreError> {
        let take = |lease: &mut Lease| {
            if lease.run.as_ref() != Some(run) {
                return Err(LeaseHeld::Ended);
            }
            match lease.until {
                Some(held) if held > now => Err(LeaseHeld::Until(held)),
                _ => {
                    lease.until = Some(until);
                    lease.fence = lease.fence.saturating_add(1);
                    Ok(lease.fence)
                }
            }
        };
        Ok(self.change(&key::lease(ws), take).await?.1)
    }

    /// Keeps the lease for longer, or gives it back (`None`) so that the next worker need not wait.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] if another worker has it.
    pub async fn extend_lease(&self, ws: &WorkspaceId, fence: u64, until: Option<Timestamp>) -> Result<(), StoreError> {
        let extend = |lease: &mut Lease| {
            let mine = lease.fence == fence && lease.run.is_some();
            if mine {
                lease.until = until;
            }
            mine
        };
        let (_, mine) = self.change(&key::lease(ws), extend).await?;
        if mine { Ok(()) } else { Err(StoreError::Fenced) }
    }

    /// Forgets who was at work, when it is known that nobody can be: a single process that has just started.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn release_lease(&self, ws: &WorkspaceId) -> Result<Lease, StoreError> {
        Ok(self.change(&key::lease(ws), |lease: &mut Lease| lease.until = None).await?.0)
    }

    /// Ends a run: its row and the lease in one transaction. `fence` is the worker's number, `None` for whoever stops
    /// a run from outside; that outranks the worker.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] if the run has ended or another worker has it.
    pub async fn end_run(&self, ws: &WorkspaceId, run: &Run, fence: Option<u64>) -> Result<(), StoreError> {
        for _ in 0..ATTEMPTS_MAX {
            let (lease, rev) = self.read::<Lease>(&key::lease(ws)).await?;
            if lease.run.as_ref() != Some(&run.id) || fence.is_some_and(|fence| fence != lease.fence) {
                return Err(StoreError::Fenced);
            }
            let free = Lease { run: None, fence: lease.fence.saturating_add(1), until: None };
            let writes = vec![
                replace(&key::lease(ws), &free, rev)?,
                Write::put(NewRow::new(&key::run(ws, &run.id), run)?, When::Always),
            ];
            match self.transact(writes).await {
                Ok(Transacted::Done) => return self.raise_fences(ws, &run.id, free.fence).await,
                Ok(Transacted::Failed(_)) | Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Conflict)
    }
}

pub(crate) fn replace<T: Serialize>(key: &Key, body: &T, rev: Option<u64>) -> Result<Write, StoreError> {
    let row = NewRow::new(key, body)?;
    Ok(match rev {
        None => Write::put(row, When::Absent),
        Some(rev) => Write::put(row.rev(rev.saturating_add(1)), When::Rev(rev)),
    })
}

#[cfg(test)]
mod tests;

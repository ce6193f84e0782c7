//! Runs and their checkpoints. A worker writes with its fencing number, which every checkpoint row carries: once another
//! worker has taken over, nothing of the old one's is written over anything (law 6).

use crate::client::{Action, Range, Store, TRANSACTION_ACTIONS_MAX, Transacted, When, Write};
use crate::error::StoreError;
use crate::facts::StoredFact;
use crate::item::{NewRow, Row, Value, attribute};
use crate::key;
use billfold_core::id::{RunId, WorkspaceId};
use billfold_core::run::Run;
use billfold_core::window::{Checkpoint, Listing};
use jiff::Timestamp;

/// How long what a run needed is kept after it: for looking into it.
const RUN_ROWS_KEPT_S: i64 = 30 * 24 * 3600;

/// A worker's right to write: the checkpoint it works on, and its fencing number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The tenant.
    pub ws: WorkspaceId,
    /// The run.
    pub run: RunId,
    /// The fencing number.
    pub number: u64,
}

impl Fence {
    /// The write that fails unless the worker still has its checkpoint.
    fn guard(&self, name: &str) -> Write {
        Write::check(key::window(&self.ws, &self.run, name), self.holds())
    }

    fn holds(&self) -> When {
        When::Is(attribute::FENCE, Value::Number(self.number.to_string()))
    }

    fn row(&self, checkpoint: &Checkpoint) -> Result<NewRow, StoreError> {
        let key = key::window(&self.ws, &self.run, &checkpoint.name());
        Ok(NewRow::new(&key, checkpoint)?.number(attribute::FENCE, self.number))
    }
}

/// What a worker writes with one checkpoint: rows, then the checkpoint, then nothing if it was fenced off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saved {
    /// Everything is written, the checkpoint last.
    Saved,
    /// Some row changed under the worker: read again and decide again. The checkpoint has not moved.
    Lost,
}

/// Rows that a transaction takes beside a checkpoint and what follows from a change of the catalogue.
const TRANSACTION_ROWS_MAX: usize = TRANSACTION_ACTIONS_MAX - 1 - crate::catalogue::CONSEQUENCES;

/// What a page of a list comes to.
#[derive(Debug, Default)]
pub struct PageRows {
    marks: Vec<Write>,
    new: Vec<Write>,
    others: Vec<Write>,
}

impl PageRows {
    /// Adds the mark of somebody for whom a row counts. Marks come first: a page that was cut off is read again, and finds
    /// the rows that it has written as they are.
    pub fn mark(&mut self, mark: Write) {
        self.marks.push(mark);
    }

    /// Adds a write that only the worker that holds the run may make.
    pub fn fenced(&mut self, write: Write) {
        self.others.push(write);
    }

    /// Adds the writes of a row over what is stored.
    pub fn add(&mut self, writes: Vec<Write>, stored: Option<&StoredFact>) {
        let stands_alone = stored.is_none() && !writes.iter().any(crate::catalogue::changes_it);
        if stands_alone && writes.len() == 1 { self.new.extend(writes) } else { self.others.extend(writes) }
    }
}

impl Store {
    /// A run.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn run(&self, ws: &WorkspaceId, run: &RunId) -> Result<Option<Run>, StoreError> {
        self.get(&key::run(ws, run)).await?.map(|row| row.body()).transpose()
    }

    /// Runs, newest first, older than `before` if it is given.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn runs(&self, ws: &WorkspaceId, before: Option<&str>, limit: i32) -> Result<Vec<Run>, StoreError> {
        let mut range = Range { newest_last: false, limit: Some(limit), ..Range::all(key::runs(ws)) };
        if let Some(before) = before {
            range.sort = crate::client::Sorted::Below(before.to_owned());
        }
        self.query_page(&range, None).await?.0.iter().map(Row::body).collect()
    }

    /// Writes the row of a run that has not ended, if the worker still has the lease's number on one of its checkpoints.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] if another worker has taken over, or somebody has ended the run.
    pub async fn save_run(&self, fence: &Fence, run: &Run, checkpoint: &str) -> Result<(), StoreError> {
        let row = NewRow::new(&key::run(&fence.ws, &run.id), run)?.flag(attribute::OPEN);
        let still_open = When::Is(attribute::OPEN, Value::Flag);
        let writes = vec![fence.guard(checkpoint), Write::put(row, still_open)];
        match self.transact(writes).await? {
            Transacted::Done => Ok(()),
            Transacted::Failed(_) => Err(StoreError::Fenced),
        }
    }

    /// The checkpoints of a run, in no order.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn checkpoints(&self, ws: &WorkspaceId, run: &RunId) -> Result<Vec<Checkpoint>, StoreError> {
        let range = Range::prefix(key::run_partition(ws, run), key::sort::WINDOW_PREFIX);
        self.query(&range).await?.iter().map(Row::body).collect()
    }

    /// Adds checkpoints to a run; those that are there stay as they are.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn add_checkpoints(&self, fence: &Fence, checkpoints: &[Checkpoint]) -> Result<(), StoreError> {
        for checkpoint in checkpoints {
            match self.write(Write::put(fence.row(checkpoint)?, When::Absent)).await {
                Ok(()) | Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Cuts a window in two: both halves in one transaction.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] if another worker has taken over.
    pub async fn save_split(&self, fence: &Fence, newer: &Checkpoint, older: &Checkpoint) -> Result<(), StoreError> {
        let writes = vec![Write::put(fence.row(newer)?, fence.holds()), Write::put(fence.row(older)?, When::Absent)];
        match self.transact(writes).await? {
            Transacted::Done => Ok(()),
            Transacted::Failed(_) => Err(StoreError::Fenced),
        }
    }

    /// Writes marks, then rows, and then the checkpoint that says so. Once another worker has taken over nothing is written
    /// over anything; rows of which nothing was stored stand alone, and for them that is asked before.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] if another worker has taken over.
    pub async fn save_page(&self, fence: &Fence, rows: PageRows, checkpoint: &Checkpoint) -> Result<Saved, StoreError> {
        let name = checkpoint.name();
        if !(rows.marks.is_empty() && rows.new.is_empty()) {
            let ours = self.get(&key::window(&fence.ws, &fence.run, &name)).await?;
            let number = ours.and_then(|row| row.number(attribute::FENCE));
            if number.and_then(|number| u64::try_from(number).ok()) != Some(fence.number) {
                return Err(StoreError::Fenced);
            }
        }
        self.write_each(rows.marks).await?;
        if !self.write_each(rows.new).await?.is_empty() {
            return Ok(Saved::Lost);
        }
        let mut rows = rows.others.into_iter().peekable();
        loop {
            let some: Vec<Write> = rows.by_ref().take(TRANSACTION_ROWS_MAX).collect();
            let last = rows.peek().is_none();
            let own = if last { Write::put(fence.row(checkpoint)?, fence.holds()) } else { fence.guard(&name) };
            let writes: Vec<Write> = std::iter::once(own).chain(some).collect();
            match self.transact(writes).await? {
                Transacted::Failed(places) if places.contains(&0) => return Err(StoreError::Fenced),
                Transacted::Failed(_) => return Ok(Saved::Lost),
                Transacted::Done if last => return Ok(Saved::Saved),
                Transacted::Done => {}
            }
        }
    }

    /// Raises the fencing number of every checkpoint of a run, so that a worker with a lower one can write nothing.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn raise_fences(&self, ws: &WorkspaceId, run: &RunId, fence: u64) -> Result<(), StoreError> {
        let range = Range::prefix(key::run_partition(ws, run), key::sort::WINDOW_PREFIX);
        let value = i64::try_from(fence).map_err(|e| StoreError::corrupt("lease", e))?;
        for row in self.query(&range).await? {
            let key = key::Key { partition: range.partition.clone(), sort: row.sort_key().to_owned() };
            let when = When::Is(attribute::REV, Value::Number(row.rev().to_string()));
            let fenced = NewRow(key.item()).number(attribute::FENCE, value);
            self.write(Write(Action::Set(fenced, when))).await?;
        }
        Ok(())
    }

    /// Remembers the ids that a page listed, for finding out what Stripe no longer lists.
    #[must_use]
    pub fn seen_row(fence: &Fence, listing: Listing, window: u32, page: u64, ids: &[&str], now: Timestamp) -> Write {
        let row = NewRow::bare(&key::seen(&fence.ws, &fence.run, listing, window, page)).body(ids.join("\n"));
        Write::put(row.number(attribute::EXPIRES, now.as_second().saturating_add(RUN_ROWS_KEPT_S)), When::Always)
    }

    /// The ids that a run's pages listed, of one kind: there may be many.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn seen_ids(
        &self,
        ws: &WorkspaceId,
        run: &RunId,
        kind: &str,
        mut each: impl FnMut(&str),
    ) -> Result<(), StoreError> {
        let range = Range::prefix(key::run_partition(ws, run), format!("{}{kind}#", key::sort::SEEN_PREFIX));
        let mut start = None;
        loop {
            let (rows, next) = self.query_page(&range, start).await?;
            for row in &rows {
                row.body_text()?.split('\n').filter(|id| !id.is_empty()).for_each(&mut each);
            }
            start = next;
            if start.is_none() {
                return Ok(());
            }
        }
    }
}

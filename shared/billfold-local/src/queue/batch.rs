//! Rows that many want to write at the same moment, written together: whoever is first writes for all who wait. Keys are
//! made when they are written, so that rows appear in the order of their keys.

use super::events::MakeKey;
use billfold_store::{LocalRow, LocalRows, StoreError};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Mutex as Turn;
use tokio::sync::oneshot::{self, error::TryRecvError};

/// Rows that wait to be written.
#[derive(Default)]
pub(super) struct Batch {
    waiting: Mutex<Vec<Waiting>>,
    writer: Turn<()>,
}

struct Waiting {
    body: String,
    delay: Duration,
    tell: oneshot::Sender<Result<(), String>>,
}

impl Batch {
    /// Returns once the row is written.
    pub(super) async fn put(
        &self,
        rows: &LocalRows,
        key: &MakeKey,
        body: String,
        delay: Duration,
    ) -> Result<(), StoreError> {
        let (tell, mut told) = oneshot::channel();
        self.waiting().push(Waiting { body, delay, tell });
        let _turn = self.writer.lock().await;
        // Perhaps whoever had the turn before has written this one as well.
        match told.try_recv() {
            Ok(written) => outcome(written),
            Err(TryRecvError::Empty) => self.write(rows, key, told).await,
            // The writer was stopped in the middle: nobody knows whether the row is there.
            Err(stopped @ TryRecvError::Closed) => Err(StoreError::Unavailable(Box::new(stopped))),
        }
    }

    async fn write(
        &self,
        rows: &LocalRows,
        key: &MakeKey,
        told: oneshot::Receiver<Result<(), String>>,
    ) -> Result<(), StoreError> {
        let waiting = std::mem::take(&mut *self.waiting());
        let mut together = Vec::with_capacity(waiting.len());
        let mut tell = Vec::with_capacity(waiting.len());
        for one in waiting {
            together.push(LocalRow { key: key(one.delay), body: one.body });
            tell.push(one.tell);
        }
        let written = rows.put(&together).await.map_err(|error| error.to_string());
        for tell in tell {
            // Whoever no longer listens does not need to know.
            drop(tell.send(written.clone()));
        }
        told.await.map_or_else(|stopped| Err(StoreError::Unavailable(Box::new(stopped))), outcome)
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn outcome(written: Result<(), String>) -> Result<(), StoreError> {
    written.map_err(|error| StoreError::Unavailable(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use billfold_store::embedded::{self, Fate};
    use futures::future::join_all;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[tokio::test]
    async fn everybody_who_writes_at_once_is_told() {
        let rows = embedded::memory().await.unwrap().local_rows("batch");
        let (batch, count) = (Batch::default(), AtomicU64::new(0));
        let key: MakeKey = Box::new(move |_| format!("{:04}", count.fetch_add(1, Ordering::SeqCst)));
        let puts = (0..250).map(|n| batch.put(&rows, &key, n.to_string(), Duration::ZERO));
        assert!(join_all(puts).await.into_iter().all(|put| put.is_ok()));
        let all = rows.all().await.unwrap();
        assert_eq!(all.len(), 250);
        assert_eq!((all[7].key.as_str(), all[7].body.as_str()), ("0007", "7"));
    }

    #[tokio::test]
    async fn a_writer_that_is_stopped_leaves_the_others_their_turn() {
        let writes = AtomicU64::new(0);
        let gate = move |operation: &str| match operation {
            "TransactWriteItems" if writes.fetch_add(1, Ordering::SeqCst) == 0 => Fate::NeverArrives,
            _ => Fate::Served,
        };
        let rows = embedded::behind(Arc::new(gate), &embedded::memory().await.unwrap()).local_rows("batch");
        let key: MakeKey = Box::new(|_| "0001".to_owned());
        let batch = Batch::default();
        {
            let mut stopped = Box::pin(batch.put(&rows, &key, "stopped".into(), Duration::ZERO));
            assert!(futures::poll!(&mut stopped).is_pending());
        }
        batch.put(&rows, &key, "next".into(), Duration::ZERO).await.unwrap();
        assert_eq!(rows.all().await.unwrap()[0].body, "next");
    }
}

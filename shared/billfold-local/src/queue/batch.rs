//! Rows that many want to write at the same moment, written together: whoever is first writes for all who wait.

use billfold_store::{LocalRow, LocalRows, StoreError};
use std::sync::{Mutex, PoisonError};
use tokio::sync::{Mutex as Turn, oneshot};

/// Rows that wait to be written.
#[derive(Default)]
pub(super) struct Batch {
    waiting: Mutex<Vec<Waiting>>,
    writer: Turn<()>,
}

struct Waiting {
    row: LocalRow,
    tell: oneshot::Sender<Result<(), String>>,
}

impl Batch {
    /// Returns once the row is written.
    pub(super) async fn put(&self, rows: &LocalRows, row: LocalRow) -> Result<(), StoreError> {
        let (tell, told) = oneshot::channel();
        self.waiting().push(Waiting { row, tell });
        {
            let _turn = self.writer.lock().await;
            self.write(rows).await;
        }
        match told.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(StoreError::Unavailable(error.into())),
            // The writer was stopped in the middle: nobody knows whether the row is there.
            Err(stopped) => Err(StoreError::Unavailable(Box::new(stopped))),
        }
    }

    async fn write(&self, rows: &LocalRows) {
        let waiting = std::mem::take(&mut *self.waiting());
        if waiting.is_empty() {
            return;
        }
        let (together, tell): (Vec<_>, Vec<_>) = waiting.into_iter().map(|one| (one.row, one.tell)).unzip();
        let written = rows.put(&together).await.map_err(|error| error.to_string());
        for tell in tell {
            // Whoever no longer listens does not need to know.
            drop(tell.send(written.clone()));
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use billfold_store::embedded;
    use futures::future::join_all;

    #[tokio::test]
    async fn everybody_who_writes_at_once_is_told() {
        let rows = embedded::memory().await.unwrap().local_rows("batch");
        let batch = Batch::default();
        let puts = (0..250).map(|n| batch.put(&rows, LocalRow { key: format!("{n:04}"), body: n.to_string() }));
        assert!(join_all(puts).await.into_iter().all(|put| put.is_ok()));
        let all = rows.all().await.unwrap();
        assert_eq!(all.len(), 250);
        assert_eq!((all[7].key.as_str(), all[7].body.as_str()), ("0007", "7"));
    }
}

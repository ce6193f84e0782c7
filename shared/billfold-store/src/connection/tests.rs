//! A table whose requests read each row at a moment of its own, as DynamoDB does: only one row is read at one moment, and only
//! requests that follow each other are in order.

use super::*;
use crate::client::{Action, Page, Table};
use crate::embedded;
use crate::item::{Item, Row};
use billfold_core::facts::Kind;
use futures::future::BoxFuture;
use std::fmt;
use std::sync::{Arc, Mutex};

/// The moments of a run's end: it runs, its watermark is noted, it has ended.
const MOMENTS: usize = 3;

/// A table with a history. A schedule says how many moments after the request's start each row is read.
struct Torn {
    moments: Vec<Arc<dyn Table>>,
    clock: Mutex<(usize, Vec<usize>)>,
}

impl fmt::Debug for Torn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Torn")
    }
}

impl Torn {
    /// The moments at which the rows of a request are read.
    fn moments_of(&self, rows: usize) -> Vec<usize> {
        let mut clock = self.clock.lock().unwrap();
        let start = clock.0;
        let read: Vec<usize> =
            (0..rows).map(|_| (start + clock.1.pop().unwrap_or_default()).min(MOMENTS - 1)).collect();
        clock.0 = read.iter().copied().max().unwrap_or(start);
        read
    }
}

impl Table for Torn {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Row>, StoreError>> {
        self.moments[self.moments_of(1)[0]].get(key)
    }

    fn page<'a>(&'a self, range: &'a Range, start: Option<Item>) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move {
            let (last, next) = self.moments[MOMENTS - 1].page(range, start).await?;
            let mut rows = Vec::new();
            for (row, moment) in last.iter().zip(self.moments_of(last.len())) {
                let key = Key { partition: key::lease(&ws()).partition, sort: row.sort_key().to_owned() };
                rows.extend(self.moments[moment].get(&key).await?);
            }
            Ok((rows, next))
        })
    }

    fn batch<'a>(&'a self, _: &'a [Key], _: &'a [&'static str]) -> BoxFuture<'a, Result<Vec<Row>, StoreError>> {
        unimplemented_call()
    }

    fn transact<'a>(&'a self, _: &'a [Action]) -> BoxFuture<'a, Result<Transacted, StoreError>> {
        unimplemented_call()
    }

    fn each<'a>(&'a self, _: &'a [Action]) -> BoxFuture<'a, Result<Vec<usize>, StoreError>> {
        unimplemented_call()
    }
}

fn unimplemented_call<T>() -> BoxFuture<'static, Result<T, StoreError>> {
    Box::pin(async { Err(StoreError::Refused("a workspace's state is read by its keys and its range".into())) })
}

fn ws() -> WorkspaceId {
    WorkspaceId::new("acme").unwrap()
}

fn listed_at() -> Timestamp {
    Timestamp::from_second(100).unwrap()
}

/// The table as it was at a moment.
async fn at(moment: usize) -> Arc<dyn Table> {
    let store = embedded::memory().await.unwrap();
    let run = (moment < 2).then(|| RunId::new("run_1").unwrap());
    store.write(replace(&key::lease(&ws()), &Lease { run, fence: 1, until: None }, None).unwrap()).await.unwrap();
    let listed = if moment == 0 { Timestamp::UNIX_EPOCH } else { listed_at() };
    store.change_known(&ws(), |known| known.listed(Kind::Invoice, listed)).await.unwrap();
    Arc::clone(store.table())
}

#[tokio::test]
async fn a_free_lease_is_never_read_with_watermarks_from_before_its_run_ended() {
    let moments = [at(0).await, at(1).await, at(2).await];
    for schedule in 0..MOMENTS.pow(4) {
        let digits: Vec<usize> = (0..4).map(|place| schedule / MOMENTS.pow(place) % MOMENTS).collect();
        let torn = Torn { moments: moments.to_vec(), clock: Mutex::new((0, digits.clone())) };
        let state: State<()> = Store::on(torn).state(&ws()).await.unwrap();
        let listed = state.known.listed_until.get(&Kind::Invoice).copied();
        assert!(state.lease.run.is_some() || listed == Some(listed_at()), "{digits:?}: {state:?}");
    }
}

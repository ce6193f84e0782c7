//! Trouble at each call, for one purpose: tests of crashes, of throttling, of collisions.

use crate::client::{Action, Page, Range, Table, Transacted, until_no_collision};
use crate::error::StoreError;
use crate::item::{Item, Row};
use crate::key::Key;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::fmt;
use std::sync::Arc;

/// What becomes of a request on its way to the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is answered.
    Served,
    /// Whoever asked dies before it arrives: there is no answer.
    NeverArrives,
    /// Whoever asked dies before the answer arrives.
    NeverAnswered,
    /// The table has no room for it now.
    Throttled,
    /// Another transaction is at the same rows.
    Conflict,
}

/// Decides on each request, by its operation in DynamoDB.
pub type Gate = Arc<dyn Fn(&str) -> Fate + Send + Sync>;

/// A table whose requests pass a gate, each row that is written by itself: whoever writes in steps may die between them.
pub(crate) struct Gated {
    pub(crate) table: Arc<dyn Table>,
    pub(crate) gate: Gate,
}

impl fmt::Debug for Gated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gated").field(&self.table).finish()
    }
}

impl Gated {
    async fn pass<T>(
        &self,
        operation: &str,
        asked: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let fate = (self.gate)(operation);
        match fate {
            Fate::Served | Fate::NeverAnswered => {}
            Fate::NeverArrives => return std::future::pending().await,
            Fate::Throttled => return Err(StoreError::Unavailable("ThrottlingException: as asked for".into())),
            Fate::Conflict => return Err(StoreError::Conflict),
        }
        let answer = asked.await;
        if fate == Fate::NeverAnswered { std::future::pending().await } else { answer }
    }
}

impl Table for Gated {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Row>, StoreError>> {
        self.pass("GetItem", self.table.get(key)).boxed()
    }

    fn page<'a>(&'a self, range: &'a Range, start: Option<Item>) -> BoxFuture<'a, Result<Page, StoreError>> {
        self.pass("Query", self.table.page(range, start)).boxed()
    }

    fn batch<'a>(
        &'a self,
        keys: &'a [Key],
        attributes: &'a [&'static str],
    ) -> BoxFuture<'a, Result<Vec<Row>, StoreError>> {
        self.pass("BatchGetItem", self.table.batch(keys, attributes)).boxed()
    }

    fn transact<'a>(&'a self, actions: &'a [Action]) -> BoxFuture<'a, Result<Transacted, StoreError>> {
        self.pass("TransactWriteItems", self.table.transact(actions)).boxed()
    }

    fn each<'a>(&'a self, actions: &'a [Action]) -> BoxFuture<'a, Result<Vec<usize>, StoreError>> {
        async move {
            let mut failed = Vec::new();
            for (place, action) in actions.iter().enumerate() {
                let one = || self.pass("PutItem", self.table.each(std::slice::from_ref(action))).boxed();
                if !until_no_collision(one).await?.is_empty() {
                    failed.push(place);
                }
            }
            Ok(failed)
        }
        .boxed()
    }
}

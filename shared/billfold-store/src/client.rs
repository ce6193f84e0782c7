//! The few calls that everything else is made of, and what a table must do for them: DynamoDB in the cloud, SQLite in one
//! process. What holds of one holds of the other; the same tests run on both.

use crate::error::StoreError;
use crate::item::{Item, NewRow, Row, Value};
use crate::key::Key;
use futures::future::{BoxFuture, try_join_all};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The most actions of a transaction.
pub(crate) const TRANSACTION_ACTIONS_MAX: usize = 100;

/// How often a transaction that collided is tried again.
const COLLISIONS_MAX: u32 = 7;

/// Ranges that are read together.
const RANGES_AT_ONCE: usize = 16;

/// The most keys of a batch of reads.
pub(crate) const BATCH_KEYS_MAX: usize = 100;

/// The billing state.
#[derive(Debug, Clone)]
pub struct Store {
    table: Arc<dyn Table>,
}

/// What answers: rows by their keys, ranges of sort keys, and transactions, as DynamoDB has them and with its limits.
pub(crate) trait Table: fmt::Debug + Send + Sync {
    /// One row, as the last write left it.
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Row>, StoreError>>;

    /// One page of a range, and where the next begins. A page has at most the range's limit of rows, and about a megabyte.
    fn page<'a>(&'a self, range: &'a Range, start: Option<Item>) -> BoxFuture<'a, Result<Page, StoreError>>;

    /// The first page of each of some ranges.
    fn pages<'a>(&'a self, ranges: &'a [Range]) -> BoxFuture<'a, Result<Vec<Page>, StoreError>> {
        Box::pin(try_join_all(ranges.iter().map(|range| self.page(range, None))))
    }

    /// At most [`BATCH_KEYS_MAX`] different rows in no order, with the named attributes beside the keys.
    fn batch<'a>(
        &'a self,
        keys: &'a [Key],
        attributes: &'a [&'static str],
    ) -> BoxFuture<'a, Result<Vec<Row>, StoreError>>;

    /// Writes all or nothing, once: at most [`TRANSACTION_ACTIONS_MAX`], of different rows. [`StoreError::Conflict`] if
    /// it collided with another transaction, which says nothing of the conditions.
    fn transact<'a>(&'a self, actions: &'a [Action]) -> BoxFuture<'a, Result<Transacted, StoreError>>;

    /// Puts and deletes rows, each by itself and all different: the places of those whose condition did not hold.
    fn each<'a>(&'a self, actions: &'a [Action]) -> BoxFuture<'a, Result<Vec<usize>, StoreError>>;

    /// The same in steps, all rows different: each action is somebody's, and who loses one has no part in the steps after
    /// it. Who has lost.
    fn steps(&self, steps: Vec<Step>) -> BoxFuture<'_, Result<BTreeSet<usize>, StoreError>> {
        Box::pin(async move {
            let mut lost = BTreeSet::new();
            for mut step in steps {
                step.retain(|(whose, _)| !lost.contains(whose));
                let (whose, actions): (Vec<usize>, Vec<Action>) = step.into_iter().unzip();
                let failed = self.each(&actions).await?;
                lost.extend(failed.into_iter().filter_map(|place| whose.get(place).copied()));
            }
            Ok(lost)
        })
    }
}

/// Actions of one step, and whose they are.
pub(crate) type Step = Vec<(usize, Action)>;

/// Rows, and where the next page begins if there is one.
pub(crate) type Page = (Vec<Row>, Option<Item>);

/// What must hold of a row for a write to happen.
#[derive(Debug, Clone)]
pub(crate) enum When {
    /// Anything.
    Always,
    /// The row is not there.
    Absent,
    /// The row is there in this revision.
    Rev(u64),
    /// The row has an attribute with this value.
    Is(&'static str, Value),
}

/// One write of a transaction.
#[derive(Debug, Clone)]
pub struct Write(pub(crate) Action);

#[derive(Debug, Clone)]
pub(crate) enum Action {
    Put(NewRow, When),
    Delete(Key, When),
    Check(Key, When),
    /// Sets some attributes of a row and leaves the others.
    Set(NewRow, When),
}

impl Write {
    pub(crate) fn put(row: NewRow, when: When) -> Self {
        Self(Action::Put(row, when))
    }

    /// Whether it makes a row that was not there.
    #[must_use]
    pub fn makes(&self) -> bool {
        matches!(self.0, Action::Put(_, When::Absent))
    }

    /// The same put with one more number; nothing else can take one.
    pub(crate) fn number(self, name: &'static str, number: i64) -> Self {
        match self.0 {
            Action::Put(row, when) => Self(Action::Put(row.number(name, number), when)),
            other => Self(other),
        }
    }

    pub(crate) fn delete(key: Key, when: When) -> Self {
        Self(Action::Delete(key, when))
    }

    pub(crate) fn check(key: Key, when: When) -> Self {
        Self(Action::Check(key, when))
    }
}

/// A range of sort keys of a partition, of the table or of an index.
#[derive(Debug, Clone)]
pub(crate) struct Range {
    pub(crate) index: Option<(&'static str, &'static str)>,
    pub(crate) partition: String,
    pub(crate) sort: Sorted,
    pub(crate) newest_last: bool,
    pub(crate) limit: Option<i32>,
    /// Only rows whose search text contains this.
    pub(crate) containing: Option<String>,
}

/// Which sort keys.
#[derive(Debug, Clone)]
pub(crate) enum Sorted {
    All,
    Prefix(String),
    Above(String),
    Below(String),
    /// Both ends included.
    Between(String, String),
}

impl Range {
    pub(crate) fn all(partition: String) -> Self {
        Self { index: None, partition, sort: Sorted::All, newest_last: true, limit: None, containing: None }
    }

    pub(crate) fn prefix(partition: String, prefix: impl Into<String>) -> Self {
        Self { sort: Sorted::Prefix(prefix.into()), ..Self::all(partition) }
    }
}

impl Store {
    pub(crate) fn on(table: impl Table + 'static) -> Self {
        Self { table: Arc::new(table) }
    }

    #[cfg(feature = "embedded")]
    pub(crate) fn table(&self) -> &Arc<dyn Table> {
        &self.table
    }

    pub(crate) async fn get(&self, key: &Key) -> Result<Option<Row>, StoreError> {
        self.table.get(key).await
    }

    /// One page of a range, and where the next begins.
    pub(crate) async fn query_page(&self, range: &Range, start: Option<Item>) -> Result<Page, StoreError> {
        self.table.page(range, start).await
    }

    /// All rows of a range.
    pub(crate) async fn query(&self, range: &Range) -> Result<Vec<Row>, StoreError> {
        let first = self.query_page(range, None).await?;
        self.whole(range, first).await
    }

    /// All rows of a range of which there is the first page.
    async fn whole(&self, range: &Range, (mut rows, mut next): Page) -> Result<Vec<Row>, StoreError> {
        while let Some(start) = next {
            let page = self.query_page(range, Some(start)).await?;
            rows.extend(page.0);
            next = page.1;
        }
        Ok(rows)
    }

    /// All rows of each of some ranges.
    pub(crate) async fn query_all(&self, ranges: &[Range]) -> Result<Vec<Vec<Row>>, StoreError> {
        let mut found = Vec::with_capacity(ranges.len());
        for some in ranges.chunks(RANGES_AT_ONCE) {
            let pages = self.table.pages(some).await?;
            for (range, first) in some.iter().zip(pages) {
                found.push(self.whole(range, first).await?);
            }
        }
        Ok(found)
    }

    /// Many different rows by their keys, in no order; `attributes` names what is read of them, beside the keys.
    pub(crate) async fn batch_get(&self, keys: &[Key], attributes: &[&'static str]) -> Result<Vec<Row>, StoreError> {
        let mut rows = Vec::with_capacity(keys.len());
        for some in keys.chunks(BATCH_KEYS_MAX) {
            rows.extend(self.table.batch(some, attributes).await?);
        }
        Ok(rows)
    }

    /// Writes one row.
    pub(crate) async fn write(&self, write: Write) -> Result<(), StoreError> {
        match self.transact(vec![write]).await? {
            Transacted::Done => Ok(()),
            Transacted::Failed(_) => Err(StoreError::Conflict),
        }
    }

    /// Writes all or nothing, at most [`TRANSACTION_ACTIONS_MAX`]. A collision with another transaction on the same rows
    /// says nothing of the conditions: it is tried again, and is at last trouble, never [`StoreError::Conflict`].
    pub(crate) async fn transact(&self, writes: Vec<Write>) -> Result<Transacted, StoreError> {
        if writes.is_empty() {
            return Ok(Transacted::Done);
        }
        let sets_body = |write: &Write| matches!(&write.0, Action::Set(row, _) if row.has_body());
        if let Some(write) = writes.iter().find(|write| sets_body(write)) {
            return Err(StoreError::Refused(format!("{write:?} sets a body, which only a put may replace").into()));
        }
        let actions: Vec<Action> =
            crate::catalogue::with_consequences(writes).into_iter().map(|write| write.0).collect();
        until_no_collision(|| self.table.transact(&actions)).await
    }
}

/// Tries again what collided with a transaction.
pub(crate) async fn until_no_collision<'a, T>(
    write: impl Fn() -> BoxFuture<'a, Result<T, StoreError>>,
) -> Result<T, StoreError> {
    for attempt in 0..COLLISIONS_MAX {
        match write().await {
            Err(StoreError::Conflict) => tokio::time::sleep(Duration::from_millis(1 << attempt)).await,
            other => return other,
        }
    }
    match write().await {
        Err(StoreError::Conflict) => Err(StoreError::Unavailable("other transactions are at the same rows".into())),
        other => other,
    }
}

impl Store {
    /// Puts and deletes rows, each by itself, for half of what a transaction costs: the places of those whose condition did
    /// not hold. After an answer that was lost on its way, a write that happened may be among them; so this is for rows of
    /// which whoever lost reads again what is there.
    ///
    /// # Errors
    /// [`StoreError`] of the store. Some may be written then.
    pub async fn write_each(&self, writes: Vec<Write>) -> Result<Vec<usize>, StoreError> {
        let actions = writes.into_iter().map(by_itself).collect::<Result<Vec<Action>, _>>()?;
        if actions.is_empty() { Ok(Vec::new()) } else { self.table.each(&actions).await }
    }

    /// The same in steps, all rows different: who loses a row has no part in the steps after it. Who has lost.
    ///
    /// # Errors
    /// [`StoreError`] of the store. Some may be written then.
    pub async fn write_steps<T: Ord>(&self, steps: Vec<Vec<(T, Write)>>) -> Result<BTreeSet<T>, StoreError> {
        let mut numbers = BTreeMap::new();
        let mut numbered = Vec::with_capacity(steps.len());
        for step in steps {
            let mut actions = Step::with_capacity(step.len());
            for (whose, write) in step {
                let next = numbers.len();
                actions.push((*numbers.entry(whose).or_insert(next), by_itself(write)?));
            }
            numbered.push(actions);
        }
        let lost = self.table.steps(numbered).await?;
        Ok(numbers.into_iter().filter(|(_, number)| lost.contains(number)).map(|(whose, _)| whose).collect())
    }
}

/// The action of a write that needs no transaction.
fn by_itself(write: Write) -> Result<Action, StoreError> {
    if crate::catalogue::changes_it(&write) {
        return Err(StoreError::Refused(format!("{write:?} is of the catalogue, and needs a transaction").into()));
    }
    Ok(write.0)
}

/// How a transaction ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Transacted {
    /// Everything is written.
    Done,
    /// Nothing is written, because the conditions of these writes (by place) did not hold.
    Failed(Vec<usize>),
}

//! Who is there: every account and every customer of a workspace, found through the lists of the store.

use crate::app::App;
use crate::clock::random_u64;
use crate::refusal::Refusal;
use billfold_core::id::{CustomerId, WorkspaceId};
use billfold_store::{Direction, ListQuery, ListRow, SortBy, Subject};
use futures::{StreamExt as _, TryStreamExt as _, stream};

/// Rows of a list that are read at once.
const PAGE: usize = 1000;
/// Accounts that are read at once.
const READS_AT_ONCE: usize = 16;

impl App {
    /// A stamp for dirty marks: never the same twice.
    pub(crate) fn stamp(&self) -> Result<i64, Refusal> {
        Ok(i64::try_from(random_u64()? >> 1).unwrap_or(i64::MAX))
    }

    /// Every line of the table of accounts, at once.
    pub(crate) async fn every_line(&self, ws: &WorkspaceId) -> Result<Vec<ListRow>, Refusal> {
        let mut lines = Vec::new();
        self.each_line(ws, |line| lines.push(line)).await?;
        Ok(lines)
    }

    /// Every line of the table of accounts, one after the other.
    async fn each_line(&self, ws: &WorkspaceId, mut each: impl FnMut(ListRow)) -> Result<(), Refusal> {
        let mut query = ListQuery {
            sort: SortBy::Name,
            direction: Direction::Ascending,
            payment_status: None,
            search: None,
            after: None,
            limit: PAGE,
        };
        loop {
            let (rows, next) = self.store().list_accounts(ws, &query).await?;
            rows.into_iter().for_each(&mut each);
            query.after = next;
            if query.after.is_none() {
                return Ok(());
            }
        }
    }

    /// How many customers have an account.
    pub(crate) async fn customers_matched(&self, ws: &WorkspaceId) -> Result<u64, Refusal> {
        let mut sum = 0u64;
        self.each_line(ws, |line| sum = sum.saturating_add(line.customer_count)).await?;
        Ok(sum)
    }

    /// Every account, and every customer that no account takes.
    pub(crate) async fn every_subject(&self, ws: &WorkspaceId) -> Result<Vec<Subject>, Refusal> {
        let mut subjects = Vec::new();
        self.each_line(ws, |line| subjects.push(Subject::Account(line.id))).await?;
        subjects.extend(self.every_unmatched(ws).await?.into_iter().map(Subject::Customer));
        Ok(subjects)
    }

    /// How many customers no account takes.
    pub(crate) async fn customers_unmatched(&self, ws: &WorkspaceId) -> Result<u64, Refusal> {
        Ok(u64::try_from(self.every_unmatched(ws).await?.len()).unwrap_or(u64::MAX))
    }

    async fn every_unmatched(&self, ws: &WorkspaceId) -> Result<Vec<CustomerId>, Refusal> {
        let mut customers = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let (rows, next) = self.store().unmatched_customers(ws, after.as_deref(), PAGE).await?;
            customers.extend(rows.into_iter().map(|row| row.customer));
            after = next;
            if after.is_none() {
                return Ok(customers);
            }
        }
    }

    /// Every customer that some account has, or none takes.
    pub(crate) async fn every_customer(&self, ws: &WorkspaceId) -> Result<Vec<CustomerId>, Refusal> {
        let customers_of = |subject| async move {
            match subject {
                Subject::Customer(customer) | Subject::Facts(customer) => Ok::<_, Refusal>(vec![customer]),
                Subject::Account(account) => Ok(self.store().account_rows(ws, &account).await?.customers),
                Subject::Everything => Ok(Vec::new()),
            }
        };
        let subjects = self.every_subject(ws).await?;
        let found: Vec<Vec<CustomerId>> =
            stream::iter(subjects.into_iter().map(customers_of)).buffer_unordered(READS_AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Marks every account and every unmatched customer.
    pub(crate) async fn mark_everything(&self, ws: &WorkspaceId) -> Result<(), Refusal> {
        let subjects = self.every_subject(ws).await?;
        Ok(self.store().mark_all(ws, &subjects, self.stamp()?).await?)
    }
}

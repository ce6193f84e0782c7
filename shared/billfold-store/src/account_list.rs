//! The table of accounts, sorted and filtered by keyed reads.

use crate::accounts::{ListRow, PAYMENT_STATUSES};
use crate::client::{Range, Sorted, Store};
use crate::error::StoreError;
use crate::item::{Row, attribute};
use crate::key::{self, INDEX_BY_ARR, INDEX_BY_MRR, INDEX_BY_NAME};
use billfold_core::id::WorkspaceId;
use serde::{Deserialize, Serialize};

/// What the table is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortBy {
    /// MRR.
    Mrr,
    /// ARR.
    Arr,
    /// Name.
    Name,
    /// Payment status, the most urgent first, then name.
    PaymentStatus,
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

/// A page of the table.
#[derive(Debug, Clone)]
pub struct ListQuery {
    /// What it is sorted by.
    pub sort: SortBy,
    /// Which way.
    pub direction: Direction,
    /// Only accounts with this payment status.
    pub payment_status: Option<&'static str>,
    /// Only accounts with this text in name, domain or id, lowercase.
    pub search: Option<String>,
    /// The place after which the page begins.
    pub after: Option<Place>,
    /// How many rows.
    pub limit: usize,
}

/// A place in the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Payment status, where the table is sorted by it.
    pub status: Option<String>,
    /// Sort key.
    pub key: String,
}

impl Store {
    /// A page of the table of accounts, and the place where the next begins.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn list_accounts(
        &self,
        ws: &WorkspaceId,
        query: &ListQuery,
    ) -> Result<(Vec<ListRow>, Option<Place>), StoreError> {
        let mut statuses: Vec<&str> = PAYMENT_STATUSES.into();
        if query.sort == SortBy::PaymentStatus && query.direction == Direction::Descending {
            statuses.reverse();
        }
        statuses.retain(|status| query.payment_status.is_none_or(|only| only == *status));
        let mut found = if query.sort == SortBy::PaymentStatus {
            self.list_in_turn(ws, query, &statuses).await?
        } else {
            self.list_merged(ws, query, &statuses).await?
        };
        let more = found.len() > query.limit;
        found.truncate(query.limit);
        let next = found.last().filter(|_| more).map(|(place, _)| place.clone());
        let rows = found.iter().map(|(_, row)| row.body()).collect::<Result<_, _>>()?;
        Ok((rows, next))
    }

    /// One status after the other.
    async fn list_in_turn(
        &self,
        ws: &WorkspaceId,
        query: &ListQuery,
        statuses: &[&str],
    ) -> Result<Vec<(Place, Row)>, StoreError> {
        let at = query.after.as_ref().and_then(|place| place.status.as_deref());
        let skip = at.and_then(|at| statuses.iter().position(|status| *status == at)).unwrap_or(0);
        let mut found = Vec::new();
        for status in statuses.iter().skip(skip) {
            let after = query.after.as_ref().filter(|_| Some(*status) == at).map(|place| place.key.as_str());
            for (key, row) in self.list_of_status(ws, query, status, after).await? {
                found.push((Place { status: Some((*status).to_owned()), key }, row));
            }
            if found.len() > query.limit {
                break;
            }
        }
        Ok(found)
    }

    /// All statuses at once, merged by their sort keys.
    async fn list_merged(
        &self,
        ws: &WorkspaceId,
        query: &ListQuery,
        statuses: &[&str],
    ) -> Result<Vec<(Place, Row)>, StoreError> {
        let after = query.after.as_ref().map(|place| place.key.as_str());
        let lists = statuses.iter().map(|status| self.list_of_status(ws, query, status, after));
        let mut found: Vec<_> = futures::future::try_join_all(lists).await?.into_iter().flatten().collect();
        found.sort_by(|a, b| match query.direction {
            Direction::Ascending => a.0.cmp(&b.0),
            Direction::Descending => b.0.cmp(&a.0),
        });
        Ok(found.into_iter().map(|(key, row)| (Place { status: None, key }, row)).collect())
    }

    /// Up to one row more than the page has, of one payment status.
    async fn list_of_status(
        &self,
        ws: &WorkspaceId,
        query: &ListQuery,
        status: &str,
        after: Option<&str>,
    ) -> Result<Vec<(String, Row)>, StoreError> {
        let index = match query.sort {
            SortBy::Mrr => (INDEX_BY_MRR, attribute::BY_MRR),
            SortBy::Arr => (INDEX_BY_ARR, attribute::BY_ARR),
            SortBy::Name | SortBy::PaymentStatus => (INDEX_BY_NAME, attribute::BY_NAME),
        };
        // By status the direction is that of the statuses; within one, names go up.
        let ascending = query.direction == Direction::Ascending || query.sort == SortBy::PaymentStatus;
        let sort = match after {
            None => Sorted::All,
            Some(after) if ascending => Sorted::Above(after.to_owned()),
            Some(after) => Sorted::Below(after.to_owned()),
        };
        let wanted = query.limit.saturating_add(1);
        let range = Range {
            index: Some(index),
            partition: key::account_list(ws, status),
            sort,
            newest_last: ascending,
            limit: query.search.is_none().then(|| i32::try_from(wanted).unwrap_or(i32::MAX)),
            containing: query.search.clone(),
        };
        let mut found = Vec::new();
        let mut next = None;
        loop {
            let (rows, following) = self.query_page(&range, next).await?;
            let keyed = |row: Row| (row.text(index.1).unwrap_or_default().to_owned(), row);
            found.extend(rows.into_iter().map(keyed));
            next = following;
            if next.is_none() || found.len() >= wanted {
                found.truncate(wanted);
                return Ok(found);
            }
        }
    }
}

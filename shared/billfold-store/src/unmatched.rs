//! Pages of customers that are nobody's: those that no account takes, and those of whom nothing but the id is known.

use crate::accounts::Matched;
use crate::client::{Range, Sorted, Store};
use crate::error::StoreError;
use crate::item::{Row, attribute};
use crate::key::{self, INDEX_BY_NAME};
use billfold_core::id::WorkspaceId;

impl Store {
    /// A page of the customers that no account takes, by name, and the place where the next begins.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn unmatched_customers(
        &self,
        ws: &WorkspaceId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Matched>, Option<String>), StoreError> {
        self.matched_page(key::unmatched_list(ws), after, limit).await
    }

    /// A page of the customers of whom nothing but the id is known, and the place where the next begins.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn unknown_customers(
        &self,
        ws: &WorkspaceId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Matched>, Option<String>), StoreError> {
        self.matched_page(key::unknown_list(ws), after, limit).await
    }

    async fn matched_page(
        &self,
        partition: String,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Matched>, Option<String>), StoreError> {
        let range = Range {
            index: Some((INDEX_BY_NAME, attribute::BY_NAME)),
            sort: after.map_or(Sorted::All, |after| Sorted::Above(after.to_owned())),
            limit: i32::try_from(limit.saturating_add(1)).ok(),
            ..Range::all(partition)
        };
        let (mut rows, _) = self.query_page(&range, None).await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).and_then(|row| row.text(attribute::BY_NAME)).map(str::to_owned);
        Ok((rows.iter().map(Row::body).collect::<Result<_, _>>()?, next))
    }
}

//! Signals: rows of their account, listed by state, newest first.

use crate::accounts::{AccountRows, Versioned, next_rev};
use crate::client::{Range, Sorted, Store, Write};
use crate::error::StoreError;
use crate::item::{NewRow, Row, attribute};
use crate::key::{self, INDEX_BY_ARR, INDEX_BY_MRR, INDEX_BY_NAME};
use billfold_core::id::{AccountId, WorkspaceId};
use billfold_core::signal::{Signal, SignalState, SignalType};

/// A page of signals.
#[derive(Debug, Clone)]
pub struct SignalQuery {
    /// Only of this type.
    pub kind: Option<SignalType>,
    /// Only in this state.
    pub state: Option<SignalState>,
    /// Only older than this place.
    pub after: Option<String>,
    /// How many.
    pub limit: usize,
}

/// Sorts by when it happened, then by id.
fn place(signal: &Signal) -> String {
    format!("{}#{}", key::sortable(signal.occurred_at.as_second()), signal.id)
}

/// The same, within one type.
fn place_of_type(kind: SignalType, place: &str) -> String {
    format!("{}#{place}", kind.as_str())
}

impl AccountRows {
    /// The write that stores one of its signals.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if it cannot be written as JSON.
    pub fn put_signal(&self, ws: &WorkspaceId, id: &AccountId, signal: &Signal) -> Result<Write, StoreError> {
        let before = self.signals.iter().find(|stored| stored.row.id == signal.id);
        let place = place(signal);
        let row = NewRow::new(&key::signal(ws, id, &signal.id), signal)?
            .text(attribute::LIST, key::signal_list(ws, signal.state.as_str()))
            .text(attribute::BY_ARR, signal.id.as_str())
            .text(attribute::BY_MRR, place_of_type(signal.kind, &place))
            .text(attribute::BY_NAME, place);
        Ok(next_rev(row, Versioned::rev(before)))
    }
}

impl Store {
    /// A page of a workspace's signals, newest first, and the place where the next begins.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn signals(
        &self,
        ws: &WorkspaceId,
        query: &SignalQuery,
    ) -> Result<(Vec<Signal>, Option<String>), StoreError> {
        let states = SignalState::ALL.into_iter().filter(|state| query.state.is_none_or(|only| only == *state));
        let lists = states.map(|state| self.signals_in(ws, query, state));
        let mut found: Vec<Signal> = futures::future::try_join_all(lists).await?.into_iter().flatten().collect();
        found.sort_by_cached_key(|signal| std::cmp::Reverse(place(signal)));
        let more = found.len() > query.limit;
        found.truncate(query.limit);
        let next = found.last().filter(|_| more).map(place);
        Ok((found, next))
    }

    /// Up to one more than a page, in one state.
    async fn signals_in(
        &self,
        ws: &WorkspaceId,
        query: &SignalQuery,
        state: SignalState,
    ) -> Result<Vec<Signal>, StoreError> {
        let partition = key::signal_list(ws, state.as_str());
        let (index, sort) = match query.kind {
            None => ((INDEX_BY_NAME, attribute::BY_NAME), query.after.clone().map_or(Sorted::All, Sorted::Below)),
            Some(kind) => {
                let from = place_of_type(kind, "");
                let until =
                    query.after.as_deref().map_or_else(|| format!("{from}~"), |after| place_of_type(kind, after));
                ((INDEX_BY_MRR, attribute::BY_MRR), Sorted::Between(from, until))
            }
        };
        let range = Range {
            index: Some(index),
            sort,
            newest_last: false,
            limit: i32::try_from(query.limit.saturating_add(2)).ok(),
            ..Range::all(partition)
        };
        // A range between two keys has both of them in it: the last page's end comes again.
        let is_new = |row: &Row| {
            let at = row.text(attribute::BY_NAME);
            query.after.as_deref().is_none_or(|after| at.is_some_and(|at| at < after))
        };
        let mut rows = Vec::new();
        let mut next = None;
        loop {
            let (some, following) = self.query_page(&range, next).await?;
            rows.extend(some.into_iter().filter(is_new));
            next = following;
            if next.is_none() || rows.len() > query.limit {
                return rows.iter().take(query.limit.saturating_add(1)).map(Row::body).collect();
            }
        }
    }

    /// The signals of one account, newest first.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn signals_of(&self, ws: &WorkspaceId, account: &AccountId) -> Result<Vec<Signal>, StoreError> {
        let range = Range::prefix(key::account_partition(ws, account), key::sort::SIGNAL_PREFIX);
        let mut found: Vec<Signal> = self.query(&range).await?.iter().map(Row::body).collect::<Result<_, _>>()?;
        found.sort_by_cached_key(|signal| std::cmp::Reverse(place(signal)));
        Ok(found)
    }

    /// A signal by its id, with the account that it is stored under.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn signal(&self, ws: &WorkspaceId, id: &str) -> Result<Option<Signal>, StoreError> {
        for state in SignalState::ALL {
            let range = Range {
                index: Some((INDEX_BY_ARR, attribute::BY_ARR)),
                ..Range::prefix(key::signal_list(ws, state.as_str()), id)
            };
            let (rows, _) = self.query_page(&range, None).await?;
            let found = rows.iter().find(|row| row.text(attribute::BY_ARR) == Some(id));
            if let Some(row) = found {
                return row.body().map(Some);
            }
        }
        Ok(None)
    }

    /// Where a signal stands in the list, newest first: the place for a cursor. A later place sorts before it.
    #[must_use]
    pub fn place_of_signal(signal: &Signal) -> String {
        place(signal)
    }
}

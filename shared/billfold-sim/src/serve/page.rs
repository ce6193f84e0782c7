//! One page of a list: newest first, by cursor, within bounds. It knows rows only by place.

use super::query::{Params, Range};
use crate::errors::StripeError;
use crate::model::{Idx, Row, Table};

/// Where a page starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cursor<T> {
    Newest,
    /// The rows older than this one.
    After(T),
    /// The rows newer than this one.
    Before(T),
}

/// `limit`, `starting_after` and `ending_before`, not yet looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paging {
    pub limit: usize,
    pub cursor: Cursor<String>,
}

impl Paging {
    pub fn take(params: &mut Params) -> Result<Self, StripeError> {
        let limit = params.take_limit()?;
        let after = params.take("starting_after").filter(|id| !id.is_empty());
        let before = params.take("ending_before").filter(|id| !id.is_empty());
        let cursor = match (after, before) {
            (Some(_), Some(_)) => {
                return Err(StripeError::exclusive_params("starting_after", "ending_before"));
            }
            (Some(id), None) => Cursor::After(id),
            (None, Some(id)) => Cursor::Before(id),
            (None, None) => Cursor::Newest,
        };
        Ok(Self { limit, cursor })
    }

    /// Looks the cursor up; one that names nothing is a bad parameter.
    pub fn resolve<T>(&self, noun: &str, find: impl Fn(&str) -> Option<T>) -> Result<Cursor<T>, StripeError> {
        let missing = |id: &str, param| StripeError::no_such_in(noun, id, param);
        match &self.cursor {
            Cursor::Newest => Ok(Cursor::Newest),
            Cursor::After(id) => find(id).map(Cursor::After).ok_or_else(|| missing(id, "starting_after")),
            Cursor::Before(id) => find(id).map(Cursor::Before).ok_or_else(|| missing(id, "ending_before")),
        }
    }
}

/// The rows of a page and whether there are more beyond it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub rows: Vec<T>,
    pub has_more: bool,
}

/// A page of a table's rows created within `range` that `keep` agrees to.
pub fn of_table<T: Row>(
    table: &Table<T>,
    limit: usize,
    cursor: Cursor<Idx>,
    range: Range,
    keep: impl Fn(Idx, &T) -> bool,
) -> Page<Idx> {
    let mut start = table.created_before(range.from);
    let mut end = match range.to.checked_add(1) {
        Some(after) => table.created_before(after),
        None => table.order().len(),
    };
    match cursor {
        Cursor::Newest => {}
        Cursor::After(place) => end = end.min(table.position(place)),
        Cursor::Before(place) => start = start.max(table.position(place) + 1),
    }
    let window = table.order().get(start..end).unwrap_or_default();
    let wanted = window.iter().copied().filter(|&place| {
        let row = &table[place];
        row.listed() && keep(place, row)
    });
    cut(wanted, limit, cursor)
}

/// A page of rows that are few enough to be collected first, in any order.
pub fn of_rows<T: Row>(
    table: &Table<T>,
    mut places: Vec<Idx>,
    limit: usize,
    cursor: Cursor<Idx>,
    range: Range,
    keep: impl Fn(Idx, &T) -> bool,
) -> Page<Idx> {
    let key = |place: Idx| (table[place].created(), place);
    places.sort_unstable_by_key(|&place| key(place));
    places.dedup();
    places.retain(|&place| {
        let row = &table[place];
        let beyond = match cursor {
            Cursor::Newest => true,
            Cursor::After(at) => key(place) < key(at),
            Cursor::Before(at) => key(place) > key(at),
        };
        beyond && row.listed() && range.holds(row.created()) && keep(place, row)
    });
    cut(places.into_iter(), limit, cursor)
}

/// A page of rows that stand in a fixed order: items of a subscription, lines of an invoice.
pub fn of_parts(count: usize, limit: usize, cursor: Cursor<usize>) -> Page<usize> {
    match cursor {
        Cursor::Newest => page_from(0, count, limit),
        Cursor::After(at) => page_from(at + 1, count, limit),
        Cursor::Before(at) => {
            let start = at.saturating_sub(limit);
            Page { rows: (start..at).collect(), has_more: start > 0 }
        }
    }
}

fn page_from(start: usize, count: usize, limit: usize) -> Page<usize> {
    let end = count.min(start + limit);
    Page { rows: (start..end).collect(), has_more: end < count }
}

/// The first rows from the cursor on. `oldest_first` holds what lies on the cursor's side.
pub fn cut<T, U>(oldest_first: impl DoubleEndedIterator<Item = T>, limit: usize, cursor: Cursor<U>) -> Page<T> {
    let mut rows: Vec<T> = match cursor {
        Cursor::Before(_) => oldest_first.take(limit + 1).collect(),
        _ => oldest_first.rev().take(limit + 1).collect(),
    };
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    if let Cursor::Before(_) = cursor {
        rows.reverse();
    }
    Page { rows, has_more }
}

#[cfg(test)]
mod tests {
    use super::{Cursor, Page, Paging, of_parts, of_rows, of_table};
    use crate::model::{Row, Table};
    use crate::serve::query::{Params, Range};

    struct At(i64);
    impl Row for At {
        fn created(&self) -> i64 {
            self.0
        }
    }

    /// Seven rows created at 0, 10, … 60, with places to match.
    fn table() -> Table<At> {
        let mut table = Table::default();
        for step in 0..7 {
            table.push(At(step * 10));
        }
        table
    }

    fn check(limit: usize, cursor: Cursor<u32>, range: Range, rows: &[u32], has_more: bool) {
        let table = table();
        let expected = Page { rows: rows.to_vec(), has_more };
        let odd_out = |place: u32, _: &At| place != 3;
        assert_eq!(of_table(&table, limit, cursor, range, odd_out), expected);
        let all = (0..7).collect();
        assert_eq!(of_rows(&table, all, limit, cursor, range, odd_out), expected);
    }

    #[test]
    fn pages_go_from_new_to_old() {
        check(2, Cursor::Newest, Range::ALL, &[6, 5], true);
        check(2, Cursor::After(5), Range::ALL, &[4, 2], true);
        check(2, Cursor::After(2), Range::ALL, &[1, 0], false);
        check(9, Cursor::After(0), Range::ALL, &[], false);
    }

    #[test]
    fn pages_before_a_row_are_the_nearest_newer_ones() {
        check(2, Cursor::Before(1), Range::ALL, &[4, 2], true);
        check(9, Cursor::Before(4), Range::ALL, &[6, 5], false);
    }

    #[test]
    fn bounds_hold_on_both_sides_of_a_cursor() {
        let range = Range { from: 10, to: 50 };
        check(9, Cursor::Newest, range, &[5, 4, 2, 1], false);
        check(1, Cursor::After(4), range, &[2], true);
        check(9, Cursor::After(3), range, &[2, 1], false);
        check(9, Cursor::Newest, Range { from: 30, to: 20 }, &[], false);
    }

    #[test]
    fn parts_keep_their_order() {
        let page = |limit, cursor| of_parts(14, limit, cursor);
        assert_eq!(page(10, Cursor::Newest).rows, (0..10).collect::<Vec<_>>());
        assert!(page(10, Cursor::Newest).has_more);
        assert_eq!(page(10, Cursor::After(9)).rows, [10, 11, 12, 13]);
        assert!(!page(10, Cursor::After(9)).has_more);
        assert_eq!(page(2, Cursor::Before(3)).rows, [1, 2]);
    }

    #[test]
    fn the_two_cursors_exclude_each_other() {
        let error = Paging::take(&mut Params::parse("starting_after=a&ending_before=b"));
        assert_eq!(error.expect_err("refused").detail.code, Some("parameters_exclusive"));
    }
}

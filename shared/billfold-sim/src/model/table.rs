//! Rows of one kind, reachable by place and in the order of their creation. A row is never taken
//! out, so a place stays valid for good; what is deleted says so itself and is not listed.

use std::ops::{Index, IndexMut};

use super::{Idx, Unix};

/// What a table needs to know of its rows.
pub trait Row {
    fn created(&self) -> Unix;

    /// False for rows that lists leave out although they can be fetched by id.
    fn listed(&self) -> bool {
        true
    }
}

#[derive(Clone, Debug)]
pub struct Table<T> {
    rows: Vec<T>,
    /// Places sorted by creation, oldest first, a tie broken by place.
    order: Vec<Idx>,
    /// While many rows are being loaded the order is left to [`Table::sort`].
    loading: bool,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), order: Vec::new(), loading: false }
    }
}

impl<T: Row> Table<T> {
    /// Adds a row where its creation time puts it.
    pub fn push(&mut self, row: T) -> Idx {
        let place = Idx::try_from(self.rows.len()).unwrap_or(Idx::MAX);
        self.rows.push(row);
        if !self.loading {
            let at = self.position(place);
            self.order.insert(at, place);
        }
        place
    }

    /// Rows may come in any order and in great number until [`Table::sort`] ends the loading.
    pub fn load(&mut self) {
        self.loading = true;
    }

    pub fn sort(&mut self) {
        self.loading = false;
        self.order = (0..Idx::try_from(self.rows.len()).unwrap_or(Idx::MAX)).collect();
        let rows = &self.rows;
        self.order.sort_unstable_by_key(|&place| (rows[place as usize].created(), place));
    }

    pub fn get(&self, place: Idx) -> Option<&T> {
        self.rows.get(place as usize)
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All rows with their places, in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = (Idx, &T)> {
        (0..).zip(self.rows.iter())
    }

    /// Places by creation, oldest first.
    pub fn order(&self) -> &[Idx] {
        &self.order
    }

    /// How many rows come before this one in [`Table::order`].
    pub fn position(&self, place: Idx) -> usize {
        let key = (self[place].created(), place);
        self.order.partition_point(|&other| (self[other].created(), other) < key)
    }

    /// How many rows were created before `time`.
    pub fn created_before(&self, time: Unix) -> usize {
        self.order.partition_point(|&other| self[other].created() < time)
    }
}

impl<T> Index<Idx> for Table<T> {
    type Output = T;
    fn index(&self, place: Idx) -> &T {
        &self.rows[place as usize]
    }
}

impl<T> IndexMut<Idx> for Table<T> {
    fn index_mut(&mut self, place: Idx) -> &mut T {
        &mut self.rows[place as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::{Row, Table};

    struct At(i64);
    impl Row for At {
        fn created(&self) -> i64 {
            self.0
        }
    }

    fn table(times: &[i64]) -> Table<At> {
        let mut table = Table::default();
        for &time in times {
            table.push(At(time));
        }
        table
    }

    #[test]
    fn rows_are_in_order_of_creation_whenever_they_come() {
        let table = table(&[30, 10, 20, 10]);
        assert_eq!(table.order(), [1, 3, 2, 0]);
        assert_eq!(table.created_before(20), 2);
        assert_eq!(table.created_before(31), 4);
    }

    #[test]
    fn sorting_once_is_the_same_as_inserting_each() {
        let mut bulk = Table::default();
        bulk.load();
        for time in [30, 10, 20, 10] {
            bulk.push(At(time));
        }
        bulk.sort();
        assert_eq!(bulk.order(), table(&[30, 10, 20, 10]).order());
    }

    #[test]
    fn position_counts_the_older_rows() {
        let table = table(&[30, 10, 20, 10]);
        let positions: Vec<_> = (0..4).map(|place| table.position(place)).collect();
        assert_eq!(positions, [3, 0, 2, 1]);
    }
}

//! How a list is cut so that several of its pages can be read at once: windows of `created`, each read newest first
//! with a cursor of its own, which is the checkpoint (DESIGN.md §5).
//!
//! A window is split while it is read, once it has proved too full for one reader. A split costs at most one page that
//! is not full, so splits are rationed by how many pages there are: small lists are never cut.

use crate::facts::Kind;
use crate::run::Stage;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Rows of a full page: the most that Stripe gives.
pub const PAGE_ROWS: u64 = 100;

/// One extra page is allowed for so many pages of a list, which keeps the extra below a tenth with room to spare.
const PAGES_PER_SPLIT: u64 = 16;

/// A remainder is worth cutting from this many pages on.
const PAGES_WORTH_SPLITTING: u64 = 3;

/// The lists that a run reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Listing {
    /// All products.
    Products,
    /// All coupons.
    Coupons,
    /// Prices that can be bought.
    ActivePrices,
    /// Prices that cannot be bought any more.
    ArchivedPrices,
    /// All customers.
    Customers,
    /// All subscriptions, ended ones included.
    Subscriptions,
    /// Invoices of the backfill window.
    Invoices,
    /// Invoices from before it that are still to be paid.
    OlderOpenInvoices,
    /// Refunds made in the backfill window.
    Refunds,
    /// Disputes opened in the backfill window.
    Disputes,
    /// Credit notes issued in the backfill window.
    CreditNotes,
}

impl Listing {
    /// Every list, the longest first: where requests are short, the longest must not wait.
    pub const ALL: [Self; 11] = [
        Self::Invoices,
        Self::OlderOpenInvoices,
        Self::Subscriptions,
        Self::Customers,
        Self::Products,
        Self::Coupons,
        Self::ActivePrices,
        Self::ArchivedPrices,
        Self::Refunds,
        Self::CreditNotes,
        Self::Disputes,
    ];

    /// The stage that the list belongs to.
    #[must_use]
    pub fn stage(self) -> Stage {
        match self {
            Self::Products | Self::Coupons => Stage::Products,
            Self::ActivePrices | Self::ArchivedPrices => Stage::Prices,
            Self::Customers => Stage::Customers,
            Self::Subscriptions => Stage::Subscriptions,
            Self::Invoices | Self::OlderOpenInvoices | Self::Refunds | Self::Disputes | Self::CreditNotes => {
                Stage::Invoices
            }
        }
    }

    /// What its rows are.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::Products => Kind::Product,
            Self::Coupons => Kind::Coupon,
            Self::ActivePrices | Self::ArchivedPrices => Kind::Price,
            Self::Customers => Kind::Customer,
            Self::Subscriptions => Kind::Subscription,
            Self::Invoices | Self::OlderOpenInvoices => Kind::Invoice,
            Self::Refunds => Kind::Refund,
            Self::Disputes => Kind::Dispute,
            Self::CreditNotes => Kind::CreditNote,
        }
    }

    /// Whether it is read beside the list that its stage is named after: its rows are none of the stage's records, and
    /// without the permission for it the stage is done all the same.
    #[must_use]
    pub fn is_beside(self) -> bool {
        matches!(self, Self::Coupons | Self::Refunds | Self::Disputes | Self::CreditNotes)
    }

    /// The whole list, in one window, where invoices are read since some time. What went back went back after its invoice
    /// was made, so the window of invoices is enough for it.
    #[must_use]
    pub fn window(self, invoices_since: Option<Timestamp>) -> Option<Window> {
        match self {
            Self::OlderOpenInvoices => {
                let until = Some(invoices_since?);
                Some(Window { until, ..Window::whole(self, None) })
            }
            _ if self.stage() == Stage::Invoices => Some(Window::whole(self, invoices_since)),
            _ => Some(Window::whole(self, None)),
        }
    }
}

/// The last row of a list that is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Its id: `starting_after` of the next page.
    pub id: String,
    /// When it was created, for going on if it is deleted meanwhile.
    pub created: Timestamp,
}

/// A slice of a list, and how far it has been read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The list.
    pub listing: Listing,
    /// Its number within the list, from 0.
    pub number: u32,
    /// Rows created at or before this belong to another window; `None` has no lower bound.
    pub after: Option<Timestamp>,
    /// Rows created after this belong to another window; `None` has no upper bound.
    pub until: Option<Timestamp>,
    /// Creation time of the first row that was read: where its density is measured from.
    pub newest: Option<Timestamp>,
    /// The last row that is stored; `None` before the first page.
    pub cursor: Option<Cursor>,
    /// True once the last page is stored.
    pub done: bool,
    /// Rows read.
    pub records: u64,
    /// Pages read.
    pub pages: u64,
    /// Requests made, repeated ones and nested lists included.
    pub requests: u64,
    /// Objects that could not be read, with why; the first few of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
    /// How many could not be read.
    #[serde(default)]
    pub unreadable_count: u64,
    /// When Stripe answered the last page, by its own clock.
    #[serde(default)]
    pub answered_at: Option<Timestamp>,
}

impl Window {
    /// The whole of a list, down to a time.
    #[must_use]
    pub fn whole(listing: Listing, after: Option<Timestamp>) -> Self {
        Self {
            listing,
            number: 0,
            after,
            until: None,
            newest: None,
            cursor: None,
            done: false,
            records: 0,
            pages: 0,
            requests: 0,
            unreadable: Vec::new(),
            unreadable_count: 0,
            answered_at: None,
        }
    }

    /// Goes on without a cursor whose row Stripe does not know any more: from its second downwards. Rows of that second
    /// are read again, which changes nothing.
    #[must_use]
    pub fn without_cursor(mut self) -> Self {
        if let Some(cursor) = self.cursor.take() {
            self.until = Some(cursor.created);
        }
        self
    }

    /// Seconds of the window that have not been read, no further down than `oldest`.
    fn unread_s(&self, oldest: Timestamp) -> i64 {
        let floor = self.after.map_or(oldest, |after| after.max(oldest));
        let from = self.cursor.as_ref().map(|cursor| cursor.created).or(self.until);
        from.map_or(0, |from| from.as_second().saturating_sub(floor.as_second()).max(0))
    }

    /// Full pages that the unread part would have if rows stayed as dense as they were.
    fn unread_pages(&self, oldest: Timestamp) -> u64 {
        let (Some(newest), Some(cursor)) = (self.newest, self.cursor.as_ref()) else {
            return 0;
        };
        let read_s = newest.as_second().saturating_sub(cursor.created.as_second()).max(1);
        let rows = i128::from(self.records).saturating_mul(i128::from(self.unread_s(oldest)));
        let pages = rows.checked_div(i128::from(read_s).saturating_mul(i128::from(PAGE_ROWS)));
        u64::try_from(pages.unwrap_or(0)).unwrap_or(0)
    }
}

/// A part of the last stage: the accounts that have to be computed again, by the shard of their dirty marks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillingShard {
    /// The shard of dirty marks.
    pub shard: u8,
    /// True once no mark is left.
    pub done: bool,
    /// Accounts computed.
    pub records: u64,
}

/// How far a part of a run has come: what a worker that takes over goes on from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Checkpoint {
    /// A window of a list.
    List(Window),
    /// A shard of the accounts.
    Billing(BillingShard),
}

impl Checkpoint {
    /// The name of its row, unique in a run.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::List(window) => format!("{:?}#{:05}", window.listing, window.number),
            Self::Billing(part) => format!("billing#{}", part.shard),
        }
    }
}

/// Where to cut a window: it keeps the newer part, and a new one takes the older.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// The window, cut: `after` is where.
    pub newer: Window,
    /// The new window.
    pub older: Window,
}

/// Cuts one of the windows of a list if more readers are wanted and it is worth it.
///
/// `oldest` is a guess at when the list's oldest row was created; nothing is lost if it is wrong, because the oldest
/// window has no lower bound of its own. Windows that nobody has read from yet are left alone.
#[must_use]
pub fn split(windows: &[Window], readers_wanted: usize, oldest: Timestamp) -> Option<Split> {
    let open = windows.iter().filter(|window| !window.done);
    if open.clone().count() >= readers_wanted {
        return None;
    }
    let pages_read = windows.iter().fold(0u64, |sum, window| sum.saturating_add(window.pages));
    let pages_unread = open.clone().fold(0u64, |sum, window| sum.saturating_add(window.unread_pages(oldest)));
    let allowed = pages_read.saturating_add(pages_unread).checked_div(PAGES_PER_SPLIT).unwrap_or(0);
    let made = u64::try_from(windows.len()).unwrap_or(u64::MAX).saturating_sub(1);
    if made >= allowed {
        return None;
    }
    let fullest = open.max_by_key(|window| window.unread_pages(oldest))?;
    if fullest.unread_pages(oldest) < PAGES_WORTH_SPLITTING {
        return None;
    }
    let half_s = fullest.unread_s(oldest).checked_div(2)?;
    let cursor = fullest.cursor.as_ref()?;
    let at = Timestamp::from_second(cursor.created.as_second().checked_sub(half_s)?).ok()?;
    let number = windows.iter().map(|window| window.number).max()?.checked_add(1)?;
    let older = Window { number, until: Some(at), ..Window::whole(fullest.listing, fullest.after) };
    Some(Split { newer: Window { after: Some(at), ..fullest.clone() }, older })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// A window that has read one full page over a tenth of `span_s` seconds, counted down from `span_s`.
    fn read_one_page(span_s: i64) -> Window {
        Window {
            newest: Some(at(span_s)),
            cursor: Some(Cursor { id: "in_100".into(), created: at(span_s - span_s / 100) }),
            records: 100,
            pages: 1,
            ..Window::whole(Listing::Invoices, Some(at(0)))
        }
    }

    #[test]
    fn a_full_window_is_cut_in_the_middle_of_what_is_unread() {
        let window = read_one_page(100_000);
        let cut = split(std::slice::from_ref(&window), 4, at(0)).unwrap();
        assert_eq!(cut.newer.after, Some(at(49_500)));
        assert_eq!(cut.newer.cursor, window.cursor);
        assert_eq!((cut.older.until, cut.older.after), (Some(at(49_500)), Some(at(0))));
        assert_eq!((cut.older.number, cut.older.cursor, cut.older.records), (1, None, 0));
    }

    #[test]
    fn small_lists_and_enough_readers_are_left_alone() {
        let check = |window: Window, wanted: usize, expected: bool| {
            assert_eq!(split(&[window], wanted, at(0)).is_some(), expected);
        };
        check(read_one_page(100_000), 4, true);
        check(read_one_page(100_000), 1, false);
        check(Window::whole(Listing::Customers, None), 4, false);
        check(Window { done: true, ..read_one_page(100_000) }, 4, false);
        // Ten pages in all: one more would be a tenth.
        let sparse = Window { cursor: Some(Cursor { id: "x".into(), created: at(90_000) }), ..read_one_page(100_000) };
        check(sparse, 4, false);
    }

    #[test]
    fn splits_are_rationed_by_pages() {
        let mut windows = vec![read_one_page(100_000)];
        while let Some(cut) = split(&windows, 1000, at(0)) {
            let place = windows.iter().position(|window| window.number == cut.newer.number).unwrap();
            windows[place] = cut.newer;
            // Pretend that the new window turned out as dense as the first.
            let top = cut.older.until.unwrap().as_second();
            windows.push(Window {
                newest: Some(at(top)),
                cursor: Some(Cursor { id: "x".into(), created: at(top - 1000) }),
                records: 100,
                pages: 1,
                ..cut.older
            });
        }
        assert!((3..=8).contains(&windows.len()), "{}", windows.len());
    }

    #[test]
    fn windows_tile_the_list_whatever_the_guess() {
        for oldest in [-1_000_000, 0, 30_000] {
            let window = Window { after: None, ..read_one_page(100_000) };
            let Some(cut) = split(std::slice::from_ref(&window), 4, at(oldest)) else { continue };
            assert_eq!(cut.newer.after, cut.older.until);
            assert_eq!((cut.older.after, cut.newer.until), (None, None));
        }
    }

    #[test]
    fn a_lost_cursor_goes_on_from_its_second() {
        let window = read_one_page(100_000).without_cursor();
        assert_eq!((window.cursor, window.until), (None, Some(at(99_000))));
    }
}

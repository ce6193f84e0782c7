//! One page: asked for, read into facts, folded into the store, and only then ticked off.

use super::listing::{Shared, endpoint};
use super::worker::{Stopped, Worker};
use crate::refusal::Refusal;
use billfold_core::facts::{Fact, Kind};
use billfold_core::fold::{Decision, Incoming, Source};
use billfold_core::stripe::{self, Nested, Reading};
use billfold_core::window::{Checkpoint, Cursor, Listing, PAGE_ROWS, Window};
use billfold_store::{FactRow, PageRows, Saved, Store, StoreError, StoredFact, Subject, Write};
use billfold_stripe::{Client, Created, Endpoint, ListRequest, Retrieved, Row, StripeError};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::PoisonError;

/// How often a page is folded again because somebody else wrote one of its rows.
const FOLDS_MAX: u32 = 16;
/// How many unreadable objects a window names.
const UNREADABLE_NAMED_MAX: usize = 5;

/// A page that is stored.
pub(super) struct PageRead {
    /// The window, one page on.
    pub(super) window: Window,
    /// When the oldest object of a catalogue page was created: about as old as the business.
    pub(super) oldest_catalogue: Option<Timestamp>,
}

/// What a page's rows came to.
struct Contents {
    rows: Vec<FactRow>,
    ids: Vec<String>,
    requests: u64,
    unreadable: Vec<String>,
}

/// Reads and stores the next page of a window.
pub(super) async fn read(worker: &Worker, shared: &Shared, window: Window) -> Result<PageRead, Stopped> {
    let page = match worker.stripe.list(&request(&window)).await {
        Ok(page) => page,
        Err(StripeError::CursorGone) => {
            let window = window.without_cursor();
            worker.app.store().save_page(&worker.fence, PageRows::default(), &Checkpoint::List(window.clone())).await?;
            return Ok(PageRead { window, oldest_catalogue: None });
        }
        Err(error) => return Err(error.into()),
    };
    let contents = contents(worker, window.listing, &page.rows, page.date).await?;
    let oldest_catalogue = oldest(&contents.rows)
        .filter(|_| matches!(window.listing, Listing::Products | Listing::ActivePrices | Listing::ArchivedPrices));
    let mut window = advance(window, &page.rows, page.has_more, u64::from(page.requests), &contents)?;
    window.answered_at = window.answered_at.max(Some(page.date));
    fold(worker, shared, &window, contents).await?;
    Ok(PageRead { window, oldest_catalogue })
}

fn request(window: &Window) -> ListRequest {
    let created = Created {
        gt: window.after.map(Timestamp::as_second),
        lte: window.until.map(Timestamp::as_second),
        ..Created::default()
    };
    let request = ListRequest::new(endpoint(window.listing)).created(created);
    let request = match window.listing {
        Listing::ActivePrices => request.filter("active", "true"),
        Listing::ArchivedPrices => request.filter("active", "false"),
        Listing::OlderOpenInvoices => request.filter("status", "open"),
        _ => request,
    };
    match &window.cursor {
        Some(cursor) => request.after(cursor.id.clone()),
        None => request,
    }
}

/// Reads the rows of a page into facts, following nested lists that Stripe has cut.
async fn contents(worker: &Worker, listing: Listing, rows: &[Row], as_of: Timestamp) -> Result<Contents, Stopped> {
    let mut contents =
        Contents { rows: Vec::with_capacity(rows.len()), ids: Vec::new(), requests: 0, unreadable: Vec::new() };
    for row in rows {
        if let Ok(key) = row.key() {
            contents.ids.push(key.id);
        }
        match reading(listing.kind(), row) {
            Ok(Reading::Live { mut fact, nested }) => {
                if let Some(nested) = nested {
                    contents.requests =
                        contents.requests.saturating_add(follow(&worker.stripe, &mut fact, nested).await?);
                }
                let row = FactRow::new(&worker.fence.ws, fact, as_of)?;
                contents.rows.push(row);
            }
            Ok(Reading::Deleted { .. } | Reading::Ignored { .. }) => {}
            Err(why) => contents.unreadable.push(why),
        }
    }
    Ok(contents)
}

/// Reads one object; what is wrong with it is said with its id.
pub(crate) fn reading(kind: Kind, row: &Row) -> Result<Reading, String> {
    let name = || row.key().map_or_else(|_| "an object without an id".to_owned(), |key| key.id);
    let text = std::str::from_utf8(row.as_bytes()).map_err(|_| format!("{}: not UTF-8", name()))?;
    stripe::read(kind, text).map_err(|error| format!("{}: {}", name(), crate::refusal::chain(&error)))
}

/// Reads the rest of a nested list into its fact; how many requests that took.
pub(crate) async fn follow(client: &Client, fact: &mut Fact, nested: Nested) -> Result<u64, Stopped> {
    let mut requests = 0u64;
    let mut after = Some(nested.after);
    let list = match fact {
        Fact::Invoice(_) => Endpoint::InvoiceLines,
        _ => Endpoint::SubscriptionItems,
    };
    while let Some(cursor) = after.take() {
        let of = billfold_stripe::Nested::Of { endpoint: list, parent: &nested.parent };
        let page = client.follow(of, Some(&cursor)).await?;
        requests = requests.saturating_add(u64::from(page.requests));
        for row in &page.rows {
            append(fact, row)?;
        }
        after = page.next_cursor;
    }
    Ok(requests)
}

fn append(fact: &mut Fact, row: &Row) -> Result<(), Stopped> {
    let unreadable = |error: stripe::Unreadable| Stopped::Trouble(Refusal::internal(error));
    let text = std::str::from_utf8(row.as_bytes()).map_err(|error| Stopped::Trouble(Refusal::internal(error)))?;
    match fact {
        Fact::Subscription(subscription) => subscription.items.push(stripe::read_item(text).map_err(unreadable)?),
        Fact::Invoice(invoice) => invoice.lines.push(stripe::read_line(text).map_err(unreadable)?),
        // The others have no nested list that is kept.
        _ => {}
    }
    Ok(())
}

fn oldest(rows: &[FactRow]) -> Option<Timestamp> {
    rows.iter().filter_map(|row| row.fact.created()).min()
}

/// The window, one page on.
fn advance(
    mut window: Window,
    rows: &[Row],
    has_more: bool,
    requests: u64,
    contents: &Contents,
) -> Result<Window, Stopped> {
    let created = |row: Option<&Row>| -> Result<Option<Cursor>, Stopped> {
        let Some(row) = row else { return Ok(None) };
        let key = row.key().map_err(|error| Stopped::Trouble(Refusal::internal(error)))?;
        let second = key.created.unwrap_or(0);
        let created = Timestamp::from_second(second).map_err(|error| Stopped::Trouble(Refusal::internal(error)))?;
        Ok(Some(Cursor { id: key.id, created }))
    };
    window.newest = window.newest.or(created(rows.first())?.map(|first| first.created));
    if let Some(last) = created(rows.last())? {
        window.cursor = Some(last);
    }
    let count = |len: usize| u64::try_from(len).unwrap_or(PAGE_ROWS);
    window.done = !has_more;
    window.pages = window.pages.saturating_add(1);
    window.records = window.records.saturating_add(count(contents.rows.len()));
    window.requests = window.requests.saturating_add(requests).saturating_add(contents.requests);
    window.unreadable_count = window.unreadable_count.saturating_add(count(contents.unreadable.len()));
    let room = UNREADABLE_NAMED_MAX.saturating_sub(window.unreadable.len());
    window.unreadable.extend(contents.unreadable.iter().take(room).cloned());
    Ok(window)
}

/// Decides for every row, writes what is new with the marks of whom it counts for, and the checkpoint last.
async fn fold(worker: &Worker, shared: &Shared, window: &Window, mut contents: Contents) -> Result<(), Stopped> {
    let stamp = worker.app.stamp()?;
    for _ in 0..FOLDS_MAX {
        let stored = worker.app.store().stored_versions(&contents.rows).await?;
        let mut rows = PageRows::default();
        let mut marked = Vec::new();
        for (row, stored) in contents.rows.iter_mut().zip(&stored) {
            let mut decided = decision(worker, row, stored.as_ref(), Source::Told);
            if decided == Decision::Fetch {
                // What was deleted since it was listed is found missing by the next sync.
                let found = fetch(worker, row).await?;
                decided = if found { decision(worker, row, stored.as_ref(), Source::Fetched) } else { Decision::Drop };
            }
            if decided == Decision::Drop && row.brings_payments(stored.as_ref()) {
                decided = Decision::Store;
            }
            if decided == Decision::Store {
                mark(worker, shared, &row.fact, stamp, &mut rows, &mut marked);
                rows.add(row.writes(&worker.fence.ws, stored.as_ref())?, stored.as_ref());
            }
        }
        if shared.remember_ids {
            rows.fenced(seen(worker, window, &contents.ids));
        }
        let saved = worker.app.store().save_page(&worker.fence, rows, &Checkpoint::List(window.clone())).await;
        if matches!(saved, Err(StoreError::Fenced)) {
            // Some rows may be written, and whoever took over may have worked off the marks that were there before.
            let customers: BTreeSet<_> = contents.rows.iter().filter_map(|row| row.fact.customer()).cloned().collect();
            let subjects: Vec<Subject> = customers.into_iter().map(Subject::Customer).collect();
            worker.app.store().mark_all(&worker.fence.ws, &subjects, stamp).await?;
        }
        match saved? {
            Saved::Saved => {
                shared.marked.lock().unwrap_or_else(PoisonError::into_inner).extend(marked);
                return Ok(());
            }
            Saved::Lost => {}
        }
    }
    Err(Stopped::Trouble(StoreError::Conflict.into()))
}

fn decision(worker: &Worker, row: &FactRow, stored: Option<&StoredFact>, source: Source) -> Decision {
    let incoming = Incoming { as_of: row.as_of, digest: row.digest, source };
    worker.app.decide(stored.map(|stored| stored.version), incoming)
}

/// Replaces a row by what Stripe says of the object right now; false if there is no such object any more.
async fn fetch(worker: &Worker, row: &mut FactRow) -> Result<bool, Stopped> {
    let kind = row.fact.kind();
    let found = worker.stripe.retrieve(endpoint_of(kind), row.fact.id()).await?;
    let Retrieved::Found { row: body, date, .. } = found else { return Ok(false) };
    let Ok(Reading::Live { mut fact, nested }) = reading(kind, &body) else { return Ok(false) };
    if let Some(nested) = nested {
        follow(&worker.stripe, &mut fact, nested).await?;
    }
    *row = FactRow::new(&worker.fence.ws, fact, date)?;
    Ok(true)
}

/// The endpoint that answers for a kind.
pub(crate) fn endpoint_of(kind: Kind) -> Endpoint {
    match kind {
        Kind::Product => Endpoint::Products,
        Kind::Price => Endpoint::Prices,
        Kind::Coupon => Endpoint::Coupons,
        Kind::Customer => Endpoint::Customers,
        Kind::Subscription => Endpoint::Subscriptions,
        Kind::Invoice => Endpoint::Invoices,
        Kind::Refund => Endpoint::Refunds,
        Kind::Dispute => Endpoint::Disputes,
        Kind::CreditNote => Endpoint::CreditNotes,
    }
}

/// Adds the mark of whom a fact counts for, unless this worker has already marked them in this run.
fn mark(worker: &Worker, shared: &Shared, fact: &Fact, stamp: i64, rows: &mut PageRows, marked: &mut Vec<u64>) {
    let Some(customer) = fact.customer() else { return };
    let mut hasher = DefaultHasher::new();
    customer.hash(&mut hasher);
    let hash = hasher.finish();
    let known = shared.marked.lock().unwrap_or_else(PoisonError::into_inner).contains(&hash);
    if !known && !marked.contains(&hash) {
        marked.push(hash);
        if let Some(mark) = worker.mark_of(fact, stamp) {
            rows.mark(mark);
        }
    }
}

fn seen(worker: &Worker, window: &Window, ids: &[String]) -> Write {
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    Store::seen_row(&worker.fence, window.listing, window.number, window.pages, &ids, worker.app.now())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(listing: Listing) -> Window {
        let at = |second| Timestamp::from_second(second).ok();
        let cursor = Some(Cursor { id: "in_9".into(), created: Timestamp::from_second(900).unwrap() });
        Window { until: at(1000), cursor, ..Window::whole(listing, at(500)) }
    }

    #[test]
    fn a_window_asks_for_its_slice_from_its_cursor() {
        let request = request(&window(Listing::Invoices));
        assert_eq!((request.created.gt, request.created.lte), (Some(500), Some(1000)));
        assert_eq!(request.starting_after.as_deref(), Some("in_9"));
        assert_eq!(request.limit, 100);
    }

    #[test]
    fn prices_are_asked_for_twice_and_subscriptions_in_every_status() {
        let filters = |listing| format!("{:?}", request(&Window::whole(listing, None)).filters);
        assert!(filters(Listing::ActivePrices).contains(r#"("active", "true")"#));
        assert!(filters(Listing::ArchivedPrices).contains(r#"("active", "false")"#));
        assert!(filters(Listing::Subscriptions).contains(r#"("status", "all")"#));
    }
}

//! The store's promises, against whatever `open` opens: the embedded engine here, a stand-in for AWS in the project's tests.

use super::open;
use billfold_core::facts::{Customer, Fact, Invoice, InvoiceStatus, Kind, Line};
use billfold_core::id::{AccountId, CustomerId, InvoiceId, LineId, PaymentId, RunId, WorkspaceId};
use billfold_core::matching::MatchRule;
use billfold_core::money::{Currency, Money};
use billfold_core::run::{Run, Trigger};
use billfold_core::window::{Checkpoint, Listing, Window};
use billfold_store::{
    AccountRow, AccountRows, AccountSource, CustomerRows, Direction, Erase, FactRow, Fence, Intent, LeaseHeld,
    ListQuery, ListRow, LocalRow, Mark, Matched, PageRows, Saved, SortBy, Started, Store, StoreError, Subject,
    embedded,
};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn ws() -> WorkspaceId {
    WorkspaceId::new("acme").unwrap()
}

fn cus(id: &str) -> CustomerId {
    CustomerId::new(id).unwrap()
}

fn acc(id: &str) -> AccountId {
    AccountId::new(id).unwrap()
}

fn customer(id: &str, name: &str) -> Fact {
    Fact::Customer(Box::new(Customer {
        id: cus(id),
        name: Some(name.to_owned()),
        email: None,
        created: at(1000),
        delinquent: false,
        discount: None,
        test_clock: false,
        metadata: BTreeMap::new(),
    }))
}

fn line(number: usize) -> Line {
    serde_json::from_value(serde_json::json!({
        "id": LineId::new(format!("il_{number}")).unwrap(), "amount": 100, "period_start": at(1), "period_end": at(2),
    }))
    .unwrap()
}

fn invoice(id: &str, created: i64, lines: usize) -> Fact {
    let invoice: Invoice = serde_json::from_value(serde_json::json!({
        "id": InvoiceId::new(id).unwrap(), "customer": "cus_1", "status": InvoiceStatus::Draft, "currency": "usd",
        "created": at(created), "lines": (0..lines).map(line).collect::<Vec<_>>(),
    }))
    .unwrap();
    Fact::Invoice(Box::new(invoice))
}

fn run(id: &str) -> Run {
    Run::start(RunId::new(id).unwrap(), Trigger::Manual, at(1), None)
}

fn row(fact: Fact) -> FactRow {
    FactRow::new(&ws(), fact, at(1000)).unwrap()
}

async fn put(store: &Store, fact: Fact) {
    let row = row(fact);
    let stored = store.stored_versions(std::slice::from_ref(&row)).await.unwrap();
    store.write_all(row.writes(&ws(), stored[0].as_ref()).unwrap()).await.unwrap();
}

/// A worker with its checkpoint.
async fn worker(store: &Store, run: &Run, checkpoint: &Checkpoint) -> Fence {
    let number = store.take_lease(&ws(), &run.id, at(10), at(70)).await.unwrap().unwrap();
    store.raise_fences(&ws(), &run.id, number).await.unwrap();
    let fence = Fence { ws: ws(), run: run.id.clone(), number };
    store.add_checkpoints(&fence, std::slice::from_ref(checkpoint)).await.unwrap();
    fence
}

fn window() -> Checkpoint {
    Checkpoint::List(Window::whole(Listing::Customers, None))
}

#[tokio::test]
async fn a_write_over_a_version_that_has_changed_is_refused() {
    let store = open().await;
    let (first, second) = (row(customer("cus_1", "A")), row(customer("cus_1", "B")));
    let nothing = store.stored_versions(std::slice::from_ref(&first)).await.unwrap().remove(0);
    assert_eq!(nothing, None);
    store.write_all(first.writes(&ws(), None).unwrap()).await.unwrap();
    assert!(matches!(store.write_all(second.writes(&ws(), None).unwrap()).await, Err(StoreError::Conflict)));
    let stored = store.stored_versions(std::slice::from_ref(&second)).await.unwrap().remove(0).unwrap();
    assert_eq!((stored.version.digest, stored.version.as_of), (first.digest, at(1000)));
    store.write_all(second.writes(&ws(), Some(&stored)).unwrap()).await.unwrap();
    assert!(matches!(store.write_all(first.writes(&ws(), Some(&stored)).unwrap()).await, Err(StoreError::Conflict)));
    assert_eq!(store.customer_rows(&ws(), &cus("cus_1")).await.unwrap().customer.unwrap().name.as_deref(), Some("B"));
}

#[tokio::test]
async fn a_tombstone_hides_the_fact_and_keeps_its_time() {
    let store = open().await;
    put(&store, customer("cus_1", "A")).await;
    let row = row(customer("cus_1", "A"));
    let stored = store.stored_versions(std::slice::from_ref(&row)).await.unwrap().remove(0);
    store.bury(&ws(), &row.fact, at(2000), stored.as_ref(), None).await.unwrap();
    let rows = store.customer_rows(&ws(), &cus("cus_1")).await.unwrap();
    assert!(rows.gone && rows.customer.is_none());
    let buried = store.stored_versions(std::slice::from_ref(&row)).await.unwrap().remove(0).unwrap();
    assert!(buried.gone && buried.version.as_of == at(2000));
}

/// An invoice as an answer shows it, with its payments, or as a webhook tells it, without.
fn paid_by(payments: &[&str], as_of: i64) -> FactRow {
    let Fact::Invoice(mut one) = invoice("in_1", 100, 1) else { unreachable!() };
    one.payments = payments.iter().map(|id| PaymentId::new(*id).unwrap()).collect();
    FactRow::new(&ws(), Fact::Invoice(one), at(as_of)).unwrap()
}

#[tokio::test]
async fn payments_of_an_invoice_only_become_more_in_whatever_order_they_come() {
    let versions: [(&[&str], i64); 4] = [(&["pi_2"], 1000), (&[], 1300), (&["pi_1", "ch_1"], 900), (&["pi_2"], 1100)];
    for turn in 0..versions.len() {
        let store = open().await;
        for place in 0..versions.len() {
            let (payments, as_of) = versions[(place + turn) % versions.len()];
            let row = paid_by(payments, as_of);
            let stored = store.stored_versions(std::slice::from_ref(&row)).await.unwrap().remove(0);
            let known = store.customer_rows(&ws(), &cus("cus_1")).await.unwrap().invoices;
            let known: Vec<&str> = known.iter().flat_map(|one| &one.payments).map(PaymentId::as_str).collect();
            let news = stored.is_some() && payments.iter().any(|payment| !known.contains(payment));
            assert_eq!(row.brings_payments(stored.as_ref()), news, "{payments:?} beside {known:?}");
            store.write_all(row.writes(&ws(), stored.as_ref()).unwrap()).await.unwrap();
        }
        let rows = store.customer_rows(&ws(), &cus("cus_1")).await.unwrap();
        let payments: Vec<&str> = rows.invoices[0].payments.iter().map(PaymentId::as_str).collect();
        assert_eq!(payments, ["ch_1", "pi_1", "pi_2"]);
        let newest = store.newest_invoices(&ws(), &cus("cus_1"), 1).await.unwrap();
        assert_eq!(newest[0].payments, rows.invoices[0].payments);
        let stored = store.stored_versions(&[paid_by(&[], 1)]).await.unwrap().remove(0).unwrap();
        assert_eq!(stored.version.as_of, at(1300), "the same content never goes back in time");
        let other = FactRow::new(&ws(), invoice("in_1", 100, 2), at(2000)).unwrap();
        store.write_all(other.writes(&ws(), Some(&stored)).unwrap()).await.unwrap();
        let rows = store.customer_rows(&ws(), &cus("cus_1")).await.unwrap();
        assert_eq!((rows.invoices[0].lines.len(), rows.invoices[0].payments.len()), (2, 3));
    }
}

#[tokio::test]
async fn what_went_back_lives_with_its_customer() {
    let store = open().await;
    let back = [
        (Kind::Refund, r#"{"id":"re_1","customer":"cus_1","payment_intent":"pi_1","status":"succeeded""#),
        (Kind::Dispute, r#"{"id":"dp_1","customer":"cus_1","charge":"ch_1","status":"lost""#),
        (Kind::CreditNote, r#"{"id":"cn_1","customer":"cus_1","invoice":"in_1","after_payment":5,"status":"issued""#),
        (Kind::Refund, r#"{"id":"re_2","customer":"cus_1","payment_intent":"pi_1","status":"failed""#),
    ];
    for (kind, head) in back {
        let text = format!(r#"{head},"amount":100,"currency":"usd","created":"2026-09-01T00:00:00Z"}}"#);
        put(&store, Fact::from_json(kind, &text).unwrap()).await;
    }
    put(&store, customer("cus_1", "A")).await;
    let rows = store.customer_rows(&ws(), &cus("cus_1")).await.unwrap();
    let alone = store.money_back(&ws(), &cus("cus_1")).await.unwrap();
    assert_eq!(rows.money_back, alone);
    assert_eq!((alone.refunds.len(), alone.disputes.len(), alone.credit_notes.len()), (2, 1, 1));
    assert_eq!(store.money_back(&ws(), &cus("cus_2")).await.unwrap(), Default::default());
    let mut kinds: Vec<Kind> = rows.into_facts().map(|fact| fact.kind()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, [Kind::Customer, Kind::Refund, Kind::Refund, Kind::Dispute, Kind::CreditNote]);
}

#[tokio::test]
async fn invoices_come_newest_first_with_all_their_lines() {
    let store = open().await;
    for (id, created, lines) in [("in_old", 100, 1), ("in_long", 200, 430), ("in_new", 300, 25)] {
        put(&store, invoice(id, created, lines)).await;
    }
    let rows = store.customer_rows(&ws(), &cus("cus_1")).await.unwrap();
    let found: Vec<_> = rows.invoices.iter().map(|invoice| (invoice.id.as_str(), invoice.lines.len())).collect();
    assert_eq!(found, [("in_new", 25), ("in_long", 430), ("in_old", 1)]);
    assert_eq!(rows.invoices[1].lines[429].id.as_str(), "il_429");
    assert_eq!(store.draft_invoices(&ws()).await.unwrap().len(), 3);
}

#[tokio::test]
async fn one_run_at_a_time() {
    let store = open().await;
    assert_eq!(store.start_run(&ws(), &run("run_1")).await.unwrap(), Started::Started);
    let busy = store.start_run(&ws(), &run("run_2")).await.unwrap();
    assert_eq!(busy, Started::AlreadyRunning(RunId::new("run_1").unwrap()));
    assert!(store.run(&ws(), &RunId::new("run_2").unwrap()).await.unwrap().is_none());
    let ended = run("run_1").cancel(at(5)).unwrap();
    store.end_run(&ws(), &ended, None).await.unwrap();
    assert_eq!(store.start_run(&ws(), &run("run_2")).await.unwrap(), Started::Started);
    assert!(matches!(store.end_run(&ws(), &ended, None).await, Err(StoreError::Fenced)));
    let newest_first: Vec<_> = store.runs(&ws(), None, 10).await.unwrap().into_iter().map(|run| run.id).collect();
    assert_eq!(newest_first, [run("run_2").id, run("run_1").id]);
}

#[tokio::test]
async fn many_starts_at_once_start_one() {
    let store = open().await;
    let starts = (0..8).map(|n| {
        let (store, run) = (store.clone(), run(&format!("run_{n}")));
        tokio::spawn(async move { store.start_run(&ws(), &run).await.unwrap() })
    });
    let outcomes: Vec<_> = futures::future::join_all(starts).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Started::Started).count(), 1, "{outcomes:?}");
}

/// A page of facts of which nothing is stored.
fn page(facts: impl IntoIterator<Item = Fact>) -> PageRows {
    let mut rows = PageRows::default();
    for fact in facts {
        rows.add(row(fact).writes(&ws(), None).unwrap(), None);
    }
    rows
}

#[tokio::test]
async fn a_worker_that_was_taken_over_can_write_nothing() {
    let store = open().await;
    let run = run("run_1");
    store.start_run(&ws(), &run).await.unwrap();
    let old = worker(&store, &run, &window()).await;
    let held = store.take_lease(&ws(), &run.id, at(69), at(130)).await.unwrap();
    assert_eq!(held, Err(LeaseHeld::Until(at(70))));
    let number = store.take_lease(&ws(), &run.id, at(71), at(130)).await.unwrap().unwrap();
    store.raise_fences(&ws(), &run.id, number).await.unwrap();
    let rows = || page([customer("cus_1", "A")]);
    assert!(matches!(store.save_page(&old, rows(), &window()).await, Err(StoreError::Fenced)));
    assert!(matches!(store.save_run(&old, &run, &window().name()).await, Err(StoreError::Fenced)));
    assert!(matches!(store.extend_lease(&ws(), old.number, None).await, Err(StoreError::Fenced)));
    assert!(store.customer_rows(&ws(), &cus("cus_1")).await.unwrap().customer.is_none());
    let new = Fence { number, ..old };
    assert_eq!(store.save_page(&new, rows(), &window()).await.unwrap(), Saved::Saved);
}

#[tokio::test]
async fn stopping_a_run_fences_its_worker_off() {
    let store = open().await;
    let run = run("run_1");
    store.start_run(&ws(), &run).await.unwrap();
    let fence = worker(&store, &run, &window()).await;
    store.end_run(&ws(), &run.clone().cancel(at(5)).unwrap(), None).await.unwrap();
    assert!(matches!(store.save_page(&fence, PageRows::default(), &window()).await, Err(StoreError::Fenced)));
    assert_eq!(store.take_lease(&ws(), &run.id, at(10), at(70)).await.unwrap(), Err(LeaseHeld::Ended));
    // A checkpoint that it makes only now has its own number; the run has ended all the same.
    let late = Checkpoint::List(Window::whole(Listing::Coupons, None));
    store.add_checkpoints(&fence, std::slice::from_ref(&late)).await.unwrap();
    assert!(matches!(store.save_run(&fence, &run, &late.name()).await, Err(StoreError::Fenced)));
    assert!(!store.run(&ws(), &run.id).await.unwrap().unwrap().is_running());
}

#[tokio::test]
async fn a_page_is_written_before_its_checkpoint_and_lost_races_are_told() {
    let store = open().await;
    let run = run("run_1");
    store.start_run(&ws(), &run).await.unwrap();
    let fence = worker(&store, &run, &window()).await;
    let many = page((0..250).map(|n| customer(&format!("cus_{n}"), "A")));
    let moved = Checkpoint::List(Window { pages: 1, ..Window::whole(Listing::Customers, None) });
    assert_eq!(store.save_page(&fence, many, &moved).await.unwrap(), Saved::Saved);
    assert_eq!(store.checkpoints(&ws(), &run.id).await.unwrap(), std::slice::from_ref(&moved));
    let again = page([customer("cus_7", "B")]);
    let further = Checkpoint::List(Window { pages: 2, ..Window::whole(Listing::Customers, None) });
    assert_eq!(store.save_page(&fence, again, &further).await.unwrap(), Saved::Lost);
    assert_eq!(store.checkpoints(&ws(), &run.id).await.unwrap(), [moved]);
}

#[tokio::test]
async fn a_mark_that_was_made_again_stays() {
    let store = open().await;
    let subject = Subject::Customer(cus("cus_1"));
    let all = |store: Store| async move {
        let shards = (0..billfold_store::SHARDS).map(|shard| {
            let store = store.clone();
            async move { store.marks(&ws(), shard, 10).await.unwrap() }
        });
        futures::future::join_all(shards).await.into_iter().flatten().collect::<Vec<_>>()
    };
    store.mark_all(&ws(), std::slice::from_ref(&subject), 1).await.unwrap();
    let read = all(store.clone()).await;
    store.mark_all(&ws(), std::slice::from_ref(&subject), 2).await.unwrap();
    let unmark = vec![Store::unmark(&ws(), &read[0])];
    assert!(matches!(store.write_all(unmark).await, Err(StoreError::Conflict)));
    let read = all(store.clone()).await;
    assert_eq!((read.len(), &read[0].subject), (1, &subject));
    store.write_all(vec![Store::unmark(&ws(), &read[0])]).await.unwrap();
    assert!(all(store).await.is_empty());
}

#[tokio::test]
async fn an_intent_stays_until_its_writer_takes_it_away() {
    let store = open().await;
    let all = [Subject::Customer(cus("cus_1")), Subject::Facts(cus("cus_2")), Subject::Account(acc("acc_1"))];
    let older = Intent::new(&ws(), all.to_vec(), at(1000), 1);
    let newer = Intent::new(&ws(), vec![Subject::Customer(cus("cus_1"))], at(1060), 2);
    store.write_each(vec![newer.put(), older.put()]).await.unwrap();
    assert!(store.is_marked(&ws()).await.unwrap());
    assert_eq!(store.intents(&ws(), None).await.unwrap(), [older.clone(), newer.clone()]);
    for (before, expected) in [(999, vec![]), (1000, vec![]), (1001, vec![older.clone()])] {
        assert_eq!(store.intents(&ws(), Some(at(before))).await.unwrap(), expected, "{before}");
    }
    // Whoever else takes away what it knows of leaves it.
    store.mark_all(&ws(), &all[..1], 3).await.unwrap();
    let marks = store.marks_of(&ws(), &BTreeSet::from([cus("cus_1"), cus("cus_2")])).await.unwrap();
    assert_eq!(marks, [Mark { subject: all[0].clone(), stamp: 3 }]);
    store.write_each(vec![Store::unmark(&ws(), &marks[0]), older.forget()]).await.unwrap();
    assert_eq!(store.intents(&ws(), None).await.unwrap(), std::slice::from_ref(&newer));
    store.write_each(vec![newer.forget()]).await.unwrap();
    assert!(!store.is_marked(&ws()).await.unwrap());
}

#[tokio::test]
async fn of_two_who_match_somebody_at_once_the_second_fails() {
    let store = open().await;
    let matched = |account: &str| Matched {
        customer: cus("cus_1"),
        account: Some(acc(account)),
        rule: None,
        name: None,
        email: None,
        unknown: false,
    };
    for accounts in [["acc_1", "acc_2"], ["acc_3", "acc_4"]] {
        let read = store.customer_rows(&ws(), &cus("cus_1")).await.unwrap();
        let [first, second] = accounts.map(|account| Store::match_writes(&ws(), &matched(account), &read).unwrap());
        store.write_all(first).await.unwrap();
        assert!(matches!(store.write_all(second).await, Err(StoreError::Conflict)));
        let found = store.accounts_of(&ws(), &BTreeSet::from([cus("cus_1")])).await.unwrap();
        assert_eq!(found, BTreeMap::from([(cus("cus_1"), acc(accounts[0]))]));
    }
    assert!(store.account_rows(&ws(), &acc("acc_1")).await.unwrap().customers.is_empty());
}

fn list_row(number: i64, status: &str) -> ListRow {
    let usd = |amount| Money::new(amount, Currency::USD);
    ListRow {
        id: AccountId::new(format!("acc_{number:03}")).unwrap(),
        name: format!("Name {:03}", (number * 37) % 101),
        domain: Some(format!("d{number}.example")),
        mrr: usd((number * 53) % 17 - 3),
        arr: usd(((number * 53) % 17 - 3) * 12),
        payment_status: status.to_owned(),
        plan: None,
        renews_at: None,
        health: serde_json::Value::Null,
        customer_count: 1,
    }
}

async fn table(store: &Store, rows: i64) {
    for number in 0..rows {
        let status = ["paid", "paid", "overdue", "failed", "none"][usize::try_from(number % 5).unwrap()];
        let row = list_row(number, status);
        store.write_all(vec![AccountRows::default().put_list(&ws(), &row).unwrap()]).await.unwrap();
    }
}

async fn pages(store: &Store, mut query: ListQuery) -> Vec<ListRow> {
    let mut all = Vec::new();
    loop {
        let (rows, next) = store.list_accounts(&ws(), &query).await.unwrap();
        assert!(rows.len() <= query.limit);
        all.extend(rows);
        query.after = next;
        if query.after.is_none() {
            return all;
        }
    }
}

#[tokio::test]
async fn the_table_is_sorted_filtered_and_paged_without_gaps() {
    let store = open().await;
    table(&store, 60).await;
    let query = |sort, direction, status: Option<&'static str>, search: Option<&str>| ListQuery {
        sort,
        direction,
        payment_status: status,
        search: search.map(str::to_owned),
        after: None,
        limit: 7,
    };
    let by_mrr = pages(&store, query(SortBy::Mrr, Direction::Descending, None, None)).await;
    assert_eq!(by_mrr.len(), 60);
    assert!(by_mrr.windows(2).all(|pair| pair[0].mrr.amount >= pair[1].mrr.amount));
    let by_name = pages(&store, query(SortBy::Name, Direction::Ascending, None, None)).await;
    assert!(by_name.len() == 60 && by_name.windows(2).all(|pair| pair[0].name <= pair[1].name));
    let paid = pages(&store, query(SortBy::Arr, Direction::Ascending, Some("paid"), None)).await;
    assert!(paid.len() == 24 && paid.iter().all(|row| row.payment_status == "paid"));
    assert!(paid.windows(2).all(|pair| pair[0].arr.amount <= pair[1].arr.amount));
    let urgent = pages(&store, query(SortBy::PaymentStatus, Direction::Ascending, None, None)).await;
    let statuses: Vec<_> = urgent.iter().map(|row| row.payment_status.as_str()).collect();
    assert_eq!((statuses.len(), statuses[0], statuses[12], statuses[59]), (60, "failed", "overdue", "none"));
    let found = pages(&store, query(SortBy::Name, Direction::Ascending, None, Some("d17.example"))).await;
    assert_eq!(found.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["acc_017"]);
}

#[tokio::test]
async fn local_rows_are_renamed_once() {
    let store = open().await;
    let rows = store.local_rows("queue");
    let one = LocalRow { key: "1".into(), body: "a".into() };
    rows.put(&[one.clone(), LocalRow { key: "2".into(), body: "b".into() }]).await.unwrap();
    assert_eq!(rows.below("2", 10).await.unwrap(), std::slice::from_ref(&one));
    assert!(rows.rename(&one, "3").await.unwrap());
    assert!(!rows.rename(&one, "4").await.unwrap());
    let keys: Vec<_> = rows.all().await.unwrap().into_iter().map(|row| row.key).collect();
    assert_eq!(keys, ["2", "3"]);
}

#[tokio::test]
async fn what_is_on_disk_is_there_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    put(&embedded::file(&path).await.unwrap(), customer("cus_1", "A")).await;
    let again = embedded::file(&path).await.unwrap();
    assert!(again.customer_rows(&ws(), &cus("cus_1")).await.unwrap().customer.is_some());
}

#[tokio::test]
async fn erasing_leaves_nothing() {
    let store = open().await;
    store.change_connection(&ws(), |connection| connection.disconnected = true).await.unwrap();
    store.start_run(&ws(), &run("run_1")).await.unwrap();
    put(&store, customer("cus_1", "A")).await;
    put(&store, invoice("in_1", 100, 300)).await;
    put(&store, customer("cus_2", "B")).await;
    store.mark_all(&ws(), &[Subject::Customer(cus("cus_2"))], 1).await.unwrap();
    put(&store, customer("cus_3", "C")).await;
    let intent = Intent::new(&ws(), vec![Subject::Facts(cus("cus_3"))], at(1000), 1);
    store.write_each(vec![intent.put()]).await.unwrap();
    let account = AccountRow {
        id: AccountId::new("acc_1").unwrap(),
        name: "A".into(),
        domains: vec!["a.example".into()],
        source: AccountSource::Given,
        external_ids: BTreeMap::new(),
        custom: serde_json::Map::new(),
    };
    let matched = Matched {
        customer: cus("cus_1"),
        account: Some(account.id.clone()),
        rule: Some(MatchRule::ByHand),
        name: None,
        email: None,
        unknown: false,
    };
    let empty = AccountRows::default();
    let list = ListRow { id: account.id.clone(), ..list_row(1, "paid") };
    let mut writes = vec![empty.put_account(&ws(), &account).unwrap(), empty.put_list(&ws(), &list).unwrap()];
    writes.push(Store::own_domain(&ws(), "a.example", &account.id).unwrap());
    writes.extend(Store::match_writes(&ws(), &matched, &CustomerRows::default()).unwrap());
    store.write_all(writes).await.unwrap();
    let domains = std::collections::BTreeSet::from(["a.example".to_owned(), "b.example".to_owned()]);
    let owners = store.domain_owners(&ws(), &domains).await.unwrap();
    assert_eq!(owners.into_iter().collect::<Vec<_>>(), [("a.example".to_owned(), account.id.clone())]);
    let other = AccountId::new("acc_2").unwrap();
    let both = std::collections::BTreeSet::from([account.id.clone(), other]);
    assert_eq!(
        store.existing_accounts(&ws(), &both).await.unwrap().into_iter().collect::<Vec<_>>(),
        std::slice::from_ref(&account.id)
    );
    assert!(store.erase(&ws(), Erase::Everything, Timestamp::MAX).await.unwrap() >= 12);
    assert_eq!(store.erase(&ws(), Erase::Everything, Timestamp::MAX).await.unwrap(), 0);
    assert!(store.workspaces().await.unwrap().is_empty());
    assert!(store.customer_rows(&ws(), &cus("cus_1")).await.unwrap().customer.is_none());
    assert!(store.account_rows(&ws(), &account.id).await.unwrap().account.is_none());
    let domains = std::collections::BTreeSet::from(["a.example".to_owned()]);
    assert!(store.domain_owners(&ws(), &domains).await.unwrap().is_empty());
}

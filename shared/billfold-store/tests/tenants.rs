//! Tenants cannot meet (law 8), as a property: whatever two workspaces do in one store, with the same ids of Stripe's and
//! names that begin alike, each reads exactly what it would read alone.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use billfold_core::facts::{Customer, Fact, Invoice};
use billfold_core::id::{AccountId, CustomerId, RunId, WorkspaceId};
use billfold_core::matching::MatchRule;
use billfold_core::money::{Currency, Money};
use billfold_core::run::{Run, Trigger};
use billfold_store::{
    AccountRow, AccountSource, Direction, Erase, FactRow, ListQuery, ListRow, Matched, SortBy, Store, StoreError,
    Subject, Write, embedded,
};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Something that a workspace does; the numbers choose among a few ids.
#[derive(Debug, Clone)]
enum Deed {
    Customer(u8, u8),
    Invoice(u8, u8, u8),
    Bury(u8),
    Account(u8, u8),
    Match(u8, u8),
    Domain(u8, u8),
    Mark(u8),
    Run(u8),
    Settings(u8),
    Erase(bool),
}

fn deed() -> impl Strategy<Value = Deed> {
    let n = || 0..4u8;
    prop_oneof![
        4 => (n(), n()).prop_map(|(id, name)| Deed::Customer(id, name)),
        4 => (n(), n(), n()).prop_map(|(id, customer, lines)| Deed::Invoice(id, customer, lines)),
        1 => n().prop_map(Deed::Bury),
        3 => (n(), n()).prop_map(|(id, name)| Deed::Account(id, name)),
        2 => (n(), n()).prop_map(|(customer, account)| Deed::Match(customer, account)),
        2 => (n(), n()).prop_map(|(domain, account)| Deed::Domain(domain, account)),
        2 => n().prop_map(Deed::Mark),
        2 => n().prop_map(Deed::Run),
        1 => n().prop_map(Deed::Settings),
        1 => any::<bool>().prop_map(Deed::Erase),
    ]
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn cus(id: u8) -> CustomerId {
    CustomerId::new(format!("cus_{id}")).unwrap()
}

fn acc(id: u8) -> AccountId {
    AccountId::new(format!("acc_{id}")).unwrap()
}

fn customer(id: u8, name: u8) -> Fact {
    Fact::Customer(Box::new(Customer {
        id: cus(id),
        name: Some(format!("Name {name}")),
        email: None,
        created: at(1000),
        delinquent: false,
        discount: None,
        test_clock: false,
        metadata: BTreeMap::new(),
    }))
}

fn invoice(id: u8, customer: u8, lines: u8) -> Fact {
    let line = |n| json!({"id": format!("il_{n}"), "amount": n, "period_start": at(1), "period_end": at(2)});
    let lines: Vec<_> = (0..u32::from(lines) * 20).map(line).collect();
    let invoice: Invoice = serde_json::from_value(json!({
        "id": format!("in_{id}"), "customer": cus(customer), "status": "draft", "currency": "usd", "created": at(i64::from(id)),
        "lines": lines,
    }))
    .unwrap();
    Fact::Invoice(Box::new(invoice))
}

async fn put(store: &Store, ws: &WorkspaceId, fact: Fact) {
    let row = FactRow::new(ws, fact, at(1000)).unwrap();
    let stored = store.stored_versions(std::slice::from_ref(&row)).await.unwrap();
    store.write_all(row.writes(ws, stored[0].as_ref()).unwrap()).await.unwrap();
}

async fn put_account(store: &Store, ws: &WorkspaceId, id: u8, name: u8) {
    let rows = store.account_rows(ws, &acc(id)).await.unwrap();
    let name = format!("Name {name}");
    let account = AccountRow {
        id: acc(id),
        name: name.clone(),
        domains: Vec::new(),
        source: AccountSource::Given,
        external_ids: BTreeMap::new(),
        custom: serde_json::Map::new(),
    };
    let list = ListRow {
        id: acc(id),
        name,
        domain: None,
        mrr: Money::new(i64::from(id), Currency::USD),
        arr: Money::new(i64::from(id) * 12, Currency::USD),
        payment_status: "paid".into(),
        plan: None,
        renews_at: None,
        health: json!(null),
        customer_count: 1,
    };
    let writes = vec![rows.put_account(ws, &account).unwrap(), rows.put_list(ws, &list).unwrap()];
    store.write_all(writes).await.unwrap();
}

/// A domain that is taken already stays where it is.
async fn write_if_free(store: &Store, write: Write) {
    match store.write_all(vec![write]).await {
        Ok(()) | Err(StoreError::Conflict) => {}
        Err(error) => panic!("{error}"),
    }
}

async fn does(store: &Store, ws: &WorkspaceId, deed: &Deed) {
    match *deed {
        Deed::Customer(id, name) => put(store, ws, customer(id, name)).await,
        Deed::Invoice(id, of, lines) => put(store, ws, invoice(id, of, lines)).await,
        Deed::Bury(id) => {
            let row = FactRow::new(ws, customer(id, 0), at(1000)).unwrap();
            let stored = store.stored_versions(std::slice::from_ref(&row)).await.unwrap().remove(0);
            store.bury(ws, &row.fact, at(2000), stored.as_ref(), None).await.unwrap();
        }
        Deed::Account(id, name) => put_account(store, ws, id, name).await,
        Deed::Match(customer, account) => {
            let before = store.customer_rows(ws, &cus(customer)).await.unwrap();
            let (customer, account, rule) = (cus(customer), Some(acc(account)), Some(MatchRule::ByHand));
            let matched = Matched { customer, account, rule, name: None, email: None, unknown: false };
            store.write_all(Store::match_writes(ws, &matched, &before).unwrap()).await.unwrap();
        }
        Deed::Domain(domain, account) => {
            write_if_free(store, Store::own_domain(ws, &format!("d{domain}.example"), &acc(account)).unwrap()).await;
        }
        Deed::Mark(id) => store.mark_all(ws, &[Subject::Customer(cus(id))], i64::from(id)).await.unwrap(),
        Deed::Run(id) => {
            let run = Run::start(RunId::new(format!("run_{id}")).unwrap(), Trigger::Manual, at(1), None);
            let ended = store.run(ws, &run.id).await.unwrap().is_some();
            if !ended {
                store.start_run(ws, &run).await.unwrap();
                store.release_lease(ws).await.unwrap();
            }
        }
        Deed::Settings(number) => {
            store.change_settings(ws, |settings: &mut Option<u8>| *settings = Some(number)).await.unwrap();
        }
        Deed::Erase(all) => {
            store.erase(ws, if all { Erase::Everything } else { Erase::Synced }, Timestamp::MAX).await.unwrap();
        }
    }
}

/// Everything that a workspace can read.
async fn seen(store: &Store, ws: &WorkspaceId) -> Vec<String> {
    let mut seen = vec![
        format!("{:?}", store.connection(ws).await.unwrap()),
        format!("{:?}", store.settings::<Option<u8>>(ws).await.unwrap()),
        format!("{:?}", store.runs(ws, None, 100).await.unwrap()),
        format!("{:?}", store.lease(ws).await.unwrap().run),
        format!("{:?}", store.draft_invoices(ws).await.unwrap()),
        format!("{:?}", store.catalogue(ws).await.unwrap()),
        format!("{:?}", store.unmatched_customers(ws, None, 100).await.unwrap()),
    ];
    for id in 0..4 {
        let rows = store.customer_rows(ws, &cus(id)).await.unwrap();
        seen.push(format!("{:?}", (rows.customer, rows.gone, rows.invoices, rows.matched)));
        let rows = store.account_rows(ws, &acc(id)).await.unwrap();
        seen.push(format!("{:?}", (rows.account.map(|one| one.row), rows.list.map(|one| one.row), rows.customers)));
        seen.push(format!("{:?}", store.mark_of(ws, &Subject::Customer(cus(id))).await.unwrap()));
    }
    for sort in [SortBy::Mrr, SortBy::Name] {
        let direction = Direction::Ascending;
        let query = ListQuery { sort, direction, payment_status: None, search: None, after: None, limit: 100 };
        seen.push(format!("{:?}", store.list_accounts(ws, &query).await.unwrap()));
    }
    let domains: BTreeSet<String> = (0..4).map(|n| format!("d{n}.example")).collect();
    seen.push(format!("{:?}", store.domain_owners(ws, &domains).await.unwrap()));
    seen
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn each_workspace_reads_what_it_would_read_alone(
        deeds in prop::collection::vec((any::<bool>(), deed()), 1..40),
        names in prop::sample::select(vec![("acme", "acme2"), ("a", "aa"), ("W", "w"), ("acme", "acme_C"), ("ä", "ae")]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let workspaces = [names.0, names.1].map(|name| WorkspaceId::new(name).unwrap());
        runtime.block_on(async {
            let together = embedded::memory().await.unwrap();
            for (second, deed) in &deeds {
                does(&together, &workspaces[usize::from(*second)], deed).await;
            }
            for (place, ws) in workspaces.iter().enumerate() {
                let alone = embedded::memory().await.unwrap();
                for (_, deed) in deeds.iter().filter(|(second, _)| usize::from(*second) == place) {
                    does(&alone, ws, deed).await;
                }
                assert_eq!(seen(&together, ws).await, seen(&alone, ws).await, "{ws}");
            }
        });
    }
}

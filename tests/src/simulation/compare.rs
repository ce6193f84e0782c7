//! What is stored, against what is true: every row against the object that Stripe shows, every account against the
//! simulation's own truth.

use super::{Found, Simulation};
use anyhow::{Context as _, bail, ensure};
use billfold_core::billing::BillingTab;
use billfold_core::facts::{Fact, Kind};
use billfold_core::id::{AccountId, CustomerId};
use billfold_core::stripe::{Reading, read, read_item, read_line};
use billfold_sim::AccountTruth;
use billfold_store::{Direction, ListQuery, ListRow, SortBy};
use billfold_stripe::{Budget, Client, Endpoint, Limits, ListRequest, Nested, Retrieved, Row, Transport};
use secrecy::SecretString;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

type Facts = BTreeMap<(Kind, String), Fact>;

impl Simulation {
    /// Compares everything.
    pub(super) async fn compare(&self) -> anyhow::Result<()> {
        let (stored, listed) = (self.stored().await?, self.listed().await?);
        for (key, fact) in &listed {
            match stored.get(key) {
                None => bail!("{key:?} is not stored, and is {}", fact.to_json()?),
                Some(ours) => same_fact(ours, fact)?,
            }
        }
        for (key, fact) in stored.iter().filter(|(key, _)| !listed.contains_key(*key)) {
            match self.one(key.0, &key.1).await? {
                None => bail!("{key:?} is gone in Stripe, and stored as {}", fact.to_json()?),
                Some(theirs) => same_fact(fact, &theirs)?,
            }
        }
        self.compare_accounts().await
    }

    async fn stored(&self) -> anyhow::Result<Facts> {
        let store = &self.store;
        let mut facts = store.catalogue(&self.ws).await?;
        // Every customer that there ever was, deleted ones included.
        let customers = self.sim.read(|business| {
            let ids = business.customers.iter().map(|(place, _)| business.id(billfold_sim::Kind::Customer, place));
            ids.collect::<Vec<_>>()
        });
        for id in customers {
            let rows = store.customer_rows(&self.ws, &CustomerId::new(id)?).await?;
            facts.extend(rows.into_facts());
        }
        Ok(facts.into_iter().map(|fact| ((fact.kind(), fact.id().to_owned()), fact)).collect())
    }

    /// Delivers everything, and compares every row and every account; what Stripe was asked meanwhile.
    ///
    /// # Errors
    /// What is not true in the end.
    pub async fn delivered(&mut self) -> anyhow::Result<BTreeMap<String, u64>> {
        let before = self.sim.requests().by_endpoint;
        self.fall_silent(Found::NothingLost).await?;
        let after = self.sim.requests().by_endpoint;
        self.check().await?;
        let asked = after.into_iter().map(|(name, count)| {
            let more = count - before.get(&name).copied().unwrap_or(0);
            (name, more)
        });
        Ok(asked.filter(|(_, count)| *count > 0).collect())
    }

    /// What Stripe lists now.
    async fn listed(&self) -> anyhow::Result<Facts> {
        let mut facts = Facts::new();
        let since = billfold_stripe::Created { gt: Some(self.invoices_since), ..Default::default() };
        for (kind, request) in [
            (Kind::Product, ListRequest::new(Endpoint::Products)),
            (Kind::Price, ListRequest::new(Endpoint::Prices).filter("active", "true")),
            (Kind::Price, ListRequest::new(Endpoint::Prices).filter("active", "false")),
            (Kind::Coupon, ListRequest::new(Endpoint::Coupons)),
            (Kind::Customer, ListRequest::new(Endpoint::Customers)),
            (Kind::Subscription, ListRequest::new(Endpoint::Subscriptions)),
            (Kind::Invoice, ListRequest::new(Endpoint::Invoices).created(since)),
            (Kind::Invoice, ListRequest::new(Endpoint::Invoices).filter("status", "open")),
            (Kind::Refund, ListRequest::new(Endpoint::Refunds).created(since)),
            (Kind::Dispute, ListRequest::new(Endpoint::Disputes).created(since)),
            (Kind::CreditNote, ListRequest::new(Endpoint::CreditNotes).created(since)),
        ] {
            let mut request = Some(request);
            while let Some(asked) = request.take() {
                let page = self.stripe.list(&asked).await?;
                for row in &page.rows {
                    if let Some(fact) = self.fact(kind, row).await? {
                        facts.insert((kind, fact.id().to_owned()), fact);
                    }
                }
                request = page.next_request(&asked);
            }
        }
        Ok(facts)
    }

    async fn one(&self, kind: Kind, id: &str) -> anyhow::Result<Option<Fact>> {
        let endpoint = match kind {
            Kind::Product => Endpoint::Products,
            Kind::Price => Endpoint::Prices,
            Kind::Coupon => Endpoint::Coupons,
            Kind::Customer => Endpoint::Customers,
            Kind::Subscription => Endpoint::Subscriptions,
            Kind::Invoice => Endpoint::Invoices,
            Kind::Refund => Endpoint::Refunds,
            Kind::Dispute => Endpoint::Disputes,
            Kind::CreditNote => Endpoint::CreditNotes,
        };
        match self.stripe.retrieve(endpoint, id).await? {
            Retrieved::Found { row, .. } => self.fact(kind, &row).await,
            Retrieved::Deleted { .. } | Retrieved::Missing { .. } => Ok(None),
        }
    }

    async fn fact(&self, kind: Kind, row: &Row) -> anyhow::Result<Option<Fact>> {
        let Reading::Live { mut fact, nested } = read(kind, std::str::from_utf8(row.as_bytes())?)? else {
            return Ok(None);
        };
        let Some(nested) = nested else { return Ok(Some(fact)) };
        let endpoint = if kind == Kind::Invoice { Endpoint::InvoiceLines } else { Endpoint::SubscriptionItems };
        let mut after = Some(nested.after);
        while let Some(cursor) = after.take() {
            let page = self.stripe.follow(Nested::Of { endpoint, parent: &nested.parent }, Some(&cursor)).await?;
            for row in &page.rows {
                let text = std::str::from_utf8(row.as_bytes())?;
                match &mut fact {
                    Fact::Subscription(one) => one.items.push(read_item(text)?),
                    Fact::Invoice(one) => one.lines.push(read_line(text)?),
                    _ => {}
                }
            }
            after = page.next_cursor;
        }
        Ok(Some(fact))
    }

    /// Every account is there, and none beside them but those whose customers Stripe has all deleted.
    async fn compare_accounts(&self) -> anyhow::Result<()> {
        let truth = self.sim.truth();
        let mut expected = BTreeSet::new();
        for account in truth.accounts().values() {
            let customer =
                CustomerId::new(account.customers.first().context("an account without customers")?.as_str())?;
            let matched = self.store.customer_rows(&self.ws, &customer).await?.matched;
            let is_marked = self.store.is_marked(&self.ws).await?;
            let id = matched
                .as_ref()
                .and_then(|matched| matched.account.clone())
                .with_context(|| format!("{customer} has no account, is marked: {is_marked}, {matched:?}"))?;
            let billing = self.app().account_billing(&self.ws, &id).await?;
            let rows = self.store.customer_rows(&self.ws, &customer).await?;
            same_account(account, &serde_json::to_value(&billing)?).with_context(|| {
                format!("is marked: {is_marked}; facts: {:?} {:?}", rows.customer, rows.subscriptions)
            })?;
            self.same_money(&id, &billing).await?;
            self.balanced(&id, &billing).await?;
            expected.insert(id);
        }
        for row in self.accounts().await? {
            let customers = self.store.account_rows(&self.ws, &row.id).await?.customers;
            let gone = |customer: &CustomerId| truth.customers.get(customer.as_str()).is_none_or(|truth| truth.deleted);
            ensure!(expected.remove(&row.id) || customers.iter().all(gone), "nobody has this account: {row:?}");
            ensure!(!customers.is_empty(), "everybody has left this account: {row:?}");
            let billing = self.app().account_billing(&self.ws, &row.id).await?;
            ensure!(row.mrr == billing.billing.mrr, "the list says {row:?} and its billing {:?}", billing.billing.mrr);
        }
        ensure!(expected.is_empty(), "the list lacks {expected:?}");
        Ok(())
    }

    async fn accounts(&self) -> anyhow::Result<Vec<ListRow>> {
        let (sort, direction) = (SortBy::Name, Direction::Ascending);
        let mut query = ListQuery { sort, direction, payment_status: None, search: None, after: None, limit: 100 };
        let mut accounts = Vec::new();
        loop {
            let (rows, next) = self.store.list_accounts(&self.ws, &query).await?;
            accounts.extend(rows);
            query.after = next;
            if query.after.is_none() {
                return Ok(accounts);
            }
        }
    }

    /// The movements sum to the MRR.
    async fn balanced(&self, id: &AccountId, tab: &BillingTab) -> anyhow::Result<()> {
        let stored = self.store.ledger(&self.ws, id).await?.with_context(|| format!("{id} has no ledger"))?;
        let broken = stored.row.ledger.imbalance(tab.billing.mrr, &tab.billing.mrr_by_currency);
        ensure!(broken.is_none(), "the ledger of {id} does not balance: {broken:?}");
        Ok(())
    }

    /// Lifetime value and what was refunded, against the simulation's books of the invoices that are stored.
    async fn same_money(&self, id: &AccountId, tab: &BillingTab) -> anyhow::Result<()> {
        let books = self.sim.invoice_money();
        let mut expected: BTreeMap<String, i64> = BTreeMap::new();
        for customer in self.store.account_rows(&self.ws, id).await?.customers {
            for invoice in self.store.customer_rows(&self.ws, &customer).await?.invoices {
                // A draft that was deleted is in no book.
                let Some(money) = books.get(invoice.id.as_str()).filter(|money| !money.test_clock) else { continue };
                *expected.entry(money.currency.clone()).or_default() += money.lifetime_value();
            }
        }
        expected.retain(|_, amount| *amount != 0);
        let ours = tab.billing.lifetime_value.iter().map(|(code, money)| (code.as_str().to_owned(), money.amount));
        let ours: BTreeMap<String, i64> = ours.collect();
        ensure!(ours == expected, "lifetime value of {id} is {ours:?}, and should be {expected:?}");
        for row in &tab.invoices {
            let (ours, theirs) = (row.refunded.map(|money| money.amount), books.get(row.id.as_str()));
            let theirs = theirs.map(|money| money.refunded);
            ensure!(ours == theirs, "refunded of {} is {ours:?}, and should be {theirs:?}", row.id);
        }
        Ok(())
    }
}

/// A way to the simulation of its own.
pub(super) fn client(base: &str, key: &str) -> anyhow::Result<Client> {
    let limits = Limits { total_per_s: 1e5, endpoint_per_s: 1e5, share: 1.0 };
    let transport = Transport::new(base.parse()?)?;
    Ok(Client::new(transport, &SecretString::from(key), Arc::new(Budget::new(limits, 1)), 1)?)
}

fn same_fact(ours: &Fact, theirs: &Fact) -> anyhow::Result<()> {
    let (ours, theirs) = (ours.to_json()?, theirs.to_json()?);
    ensure!(ours == theirs, "stored: {ours}\nStripe: {theirs}");
    Ok(())
}

fn same_account(truth: &AccountTruth, billing: &Value) -> anyhow::Result<()> {
    let amounts = |field: &str| -> BTreeMap<String, i64> {
        let all = billing[field].as_object().into_iter().flatten();
        all.map(|(code, money)| (code.clone(), money["amount"].as_i64().unwrap_or(i64::MIN))).collect()
    };
    let positive = |by: &BTreeMap<String, i64>| -> BTreeMap<String, i64> {
        by.iter().filter(|(_, amount)| **amount != 0).map(|(code, amount)| (code.clone(), *amount)).collect()
    };
    let (mrr, expected) = (amounts("mrr_by_currency"), positive(&truth.mrr));
    ensure!(
        mrr == expected,
        "MRR of {:?} is {mrr:?}, and should be {expected:?} as of {}",
        truth.customers,
        billing["as_of"]
    );
    let status = serde_json::to_value(truth.payment_status)?;
    let ours = &billing["payment_status"];
    ensure!(*ours == status, "payment status of {:?} is {ours}, and should be {status}", truth.customers);
    Ok(())
}

//! Facts and tombstones. Which version wins is decided by `billfold_core::fold`; here every write compares and sets the
//! row's revision, so a lost race is noticed and decided again.

use crate::client::{Action, Range, Store, Transacted, When, Write};
use crate::error::StoreError;
use crate::item::{NewRow, Row, attribute};
use crate::key::{self, INDEX_BY_NAME, Key};
use crate::money_back::{joined, split, take};
use billfold_core::facts::{Customer, Fact, Invoice, InvoiceStatus, Kind, Line, MoneyBack, Subscription};
use billfold_core::fold::{Digest, Stored};
use billfold_core::id::{CustomerId, PaymentId, SubscriptionId, WorkspaceId};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};

/// Lines that stay in the invoice's own row; more go to rows of their own, so that no row outgrows DynamoDB.
const LINES_INLINE_MAX: usize = 25;
const LINES_PER_PART: usize = 200;
pub(crate) const PARTS: &str = "parts";

/// A fact with its place and its digest, ready to be compared and written.
#[derive(Debug, Clone)]
pub struct FactRow {
    /// The fact.
    pub fact: Fact,
    /// When Stripe said so.
    pub as_of: Timestamp,
    /// Digest of all of it.
    pub digest: Digest,
    key: Key,
    json: String,
}

/// Where a fact lives, whether or not it is there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FactPlace(Key);

/// A stored version: what an incoming one is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFact {
    /// For the fold.
    pub version: Stored,
    /// True for a tombstone.
    pub gone: bool,
    /// The payments of an invoice that are known.
    pub(crate) payments: Vec<PaymentId>,
    rev: u64,
}

/// A customer's facts, and whose the customer is.
#[derive(Debug, Clone, Default)]
pub struct CustomerRows {
    /// The customer; `None` if it is not stored, or deleted.
    pub customer: Option<Customer>,
    /// True if Stripe has deleted the customer.
    pub gone: bool,
    /// Its subscriptions.
    pub subscriptions: Vec<Subscription>,
    /// Its invoices, newest first.
    pub invoices: Vec<Invoice>,
    /// When Stripe said what is stored of each subscription.
    pub as_of: BTreeMap<SubscriptionId, Timestamp>,
    /// What went back to it.
    pub money_back: MoneyBack,
    /// The account that it was matched to.
    pub matched: Option<crate::accounts::Matched>,
    /// The revision of the customer's own row.
    rev: Option<u64>,
    /// The revision of the row that says whose it is.
    pub(crate) match_rev: Option<u64>,
}

impl FactRow {
    /// Prepares a fact.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if it cannot be written as JSON.
    pub fn new(ws: &WorkspaceId, fact: Fact, as_of: Timestamp) -> Result<Self, StoreError> {
        let key = place(ws, &fact);
        let json = fact.to_json().map_err(|error| StoreError::corrupt(key.to_string(), error))?;
        Ok(Self { digest: Digest::of(&json), as_of, key, json, fact })
    }

    /// The writes that store it over `stored`, which must still be the stored version.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if it cannot be written as JSON.
    pub fn writes(&self, ws: &WorkspaceId, stored: Option<&StoredFact>) -> Result<Vec<Write>, StoreError> {
        let (body, parts) = self.body_and_parts()?;
        let mut row = versioned(&self.key, self.as_of_beside(stored), &self.digest, stored).body(body);
        let payments = self.payments_beside(stored);
        if !payments.is_empty() {
            row = row.text(attribute::PAYMENTS, joined(&payments));
        }
        if let Fact::Invoice(invoice) = &self.fact
            && invoice.status == InvoiceStatus::Draft
        {
            row = row.text(attribute::LIST, key::drafts(ws)).text(attribute::BY_NAME, invoice.id.as_str());
        }
        let mut writes = Vec::with_capacity(1);
        if !parts.is_empty() {
            row = row.number(PARTS, parts.len());
        }
        for (number, part) in parts.into_iter().enumerate() {
            let key = key::invoice_lines(ws, self.fact.id(), number);
            writes.push(Write::put(NewRow::bare(&key).body(part), When::Always));
        }
        writes.push(Write::put(row, unchanged(stored)));
        Ok(writes)
    }

    /// The write that puts it below the tombstone `stored`: Stripe has deleted it, and what it was is known all the same.
    #[must_use]
    pub fn below(&self, stored: &StoredFact) -> Write {
        let row = versioned(&self.key, stored.version.as_of, &stored.version.digest, Some(stored));
        Write::put(row.flag(attribute::GONE).body(self.json.clone()), unchanged(Some(stored)))
    }

    fn body_and_parts(&self) -> Result<(String, Vec<String>), StoreError> {
        let corrupt = |error: serde_json::Error| StoreError::corrupt(self.key.to_string(), error);
        match &self.fact {
            Fact::Invoice(invoice) if invoice.lines.len() > LINES_INLINE_MAX => {
                let head = Invoice { lines: Vec::new(), ..(**invoice).clone() };
                let parts = invoice.lines.chunks(LINES_PER_PART).map(serde_json::to_string);
                let parts = parts.collect::<Result<Vec<_>, _>>().map_err(corrupt)?;
                Ok((serde_json::to_string(&head).map_err(corrupt)?, parts))
            }
            _ => Ok((self.json.clone(), Vec::new())),
        }
    }
}

impl FactPlace {
    /// Where a fact lives.
    #[must_use]
    pub fn of(ws: &WorkspaceId, fact: &Fact) -> Self {
        Self(place(ws, fact))
    }

    /// Whether a product, a price or a coupon lives there.
    #[must_use]
    pub fn is_of_catalogue(&self) -> bool {
        key::catalogue_revision_of(&self.0.partition).is_some()
    }

    /// Whether a customer lives there.
    #[must_use]
    pub fn is_customer(&self) -> bool {
        self.0.sort == key::sort::CUSTOMER
    }

    /// Where an object lives of which only the id is known; `None` for those that live with their customer.
    #[must_use]
    pub fn by_id(ws: &WorkspaceId, kind: Kind, id: &str) -> Option<Self> {
        match kind {
            Kind::Product | Kind::Price | Kind::Coupon => Some(Self(key::catalogue(ws, kind, id))),
            Kind::Customer => CustomerId::new(id).ok().map(|id| Self(key::customer(ws, &id))),
            Kind::Subscription | Kind::Invoice | Kind::Refund | Kind::Dispute | Kind::CreditNote => None,
        }
    }

    /// The write of a tombstone over `stored`, which must still be the stored version. What was sold by the catalogue
    /// outlives it (a discount its coupon), so there the content stays below the tombstone; of a customer nothing does.
    #[must_use]
    pub fn tombstone(&self, as_of: Timestamp, over: Option<&StoredFact>) -> Write {
        let row = versioned(&self.0, as_of, &Digest::tombstone(), over).flag(attribute::GONE);
        if self.is_of_catalogue() {
            return Write(Action::Set(row, unchanged(over)));
        }
        Write::put(row, unchanged(over))
    }
}

impl CustomerRows {
    fn take_match(&mut self, row: &Row) -> Result<(), StoreError> {
        self.match_rev = Some(row.rev());
        self.matched = Some(row.body()?);
        Ok(())
    }

    fn take_customer(&mut self, row: &Row) -> Result<(), StoreError> {
        self.rev = Some(row.rev());
        self.gone = row.has(attribute::GONE);
        if !self.gone {
            self.customer = Some(row.body()?);
        }
        Ok(())
    }
}

/// Where a fact lives.
fn place(ws: &WorkspaceId, fact: &Fact) -> Key {
    match fact {
        Fact::Product(_) | Fact::Price(_) | Fact::Coupon(_) => key::catalogue(ws, fact.kind(), fact.id()),
        Fact::Customer(customer) => key::customer(ws, &customer.id),
        Fact::Subscription(one) => key::subscription(ws, &one.customer, one.id.as_str()),
        Fact::Invoice(one) => key::invoice(ws, &one.customer, one.created, one.id.as_str()),
        Fact::Refund(one) => key::money_back(ws, &one.customer, fact.kind(), one.id.as_str()),
        Fact::Dispute(one) => key::money_back(ws, &one.customer, fact.kind(), one.id.as_str()),
        Fact::CreditNote(one) => key::money_back(ws, &one.customer, fact.kind(), one.id.as_str()),
    }
}

fn versioned(key: &Key, as_of: Timestamp, digest: &Digest, stored: Option<&StoredFact>) -> NewRow {
    NewRow::bare(key)
        .rev(stored.map_or(1, |stored| stored.rev.saturating_add(1)))
        .number(attribute::AS_OF, as_of.as_second())
        .text(attribute::DIGEST, hex::encode(digest.0))
}

fn unchanged(stored: Option<&StoredFact>) -> When {
    stored.map_or(When::Absent, |stored| When::Rev(stored.rev))
}

fn stored(row: &Row) -> Result<StoredFact, StoreError> {
    let corrupt = |what: &str| StoreError::corrupt(row.name(), what);
    let as_of = row.number(attribute::AS_OF).and_then(|s| Timestamp::from_second(s).ok());
    let mut digest = [0; 16];
    let text = row.text(attribute::DIGEST).ok_or_else(|| corrupt("it has no digest"))?;
    hex::decode_to_slice(text, &mut digest).map_err(|_| corrupt("its digest is malformed"))?;
    Ok(StoredFact {
        version: Stored { as_of: as_of.ok_or_else(|| corrupt("it has no time"))?, digest: Digest(digest) },
        gone: row.has(attribute::GONE),
        payments: split(row)?,
        rev: row.rev(),
    })
}

impl Store {
    /// The stored versions of facts, by the place of each in `rows`.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn stored_versions(&self, rows: &[FactRow]) -> Result<Vec<Option<StoredFact>>, StoreError> {
        self.versions(rows.iter().map(|row| row.key.clone()).collect()).await
    }

    /// The stored version of one fact.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn stored_version(&self, place: &FactPlace) -> Result<Option<StoredFact>, StoreError> {
        self.get(&place.0).await?.as_ref().map(stored).transpose()
    }

    /// The stored versions of facts, by the place of each in `places`.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn stored_versions_at(&self, places: &[FactPlace]) -> Result<Vec<Option<StoredFact>>, StoreError> {
        self.versions(places.iter().map(|place| place.0.clone()).collect()).await
    }

    async fn versions(&self, places: Vec<Key>) -> Result<Vec<Option<StoredFact>>, StoreError> {
        let mut keys = places.clone();
        keys.sort_unstable();
        keys.dedup();
        let names = [attribute::AS_OF, attribute::DIGEST, attribute::GONE, attribute::PAYMENTS, attribute::REV];
        let mut found = HashMap::with_capacity(keys.len());
        for row in self.batch_get(&keys, &names).await? {
            let partition = row.text(attribute::PK).unwrap_or_default().to_owned();
            found.insert(Key { partition, sort: row.sort_key().to_owned() }, stored(&row)?);
        }
        Ok(places.iter().map(|place| found.get(place).cloned()).collect())
    }

    /// Replaces the stored fact by a tombstone, if it is still the stored version, and marks whom it counts for, in one
    /// transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it has changed meanwhile.
    pub async fn bury(
        &self,
        ws: &WorkspaceId,
        fact: &Fact,
        as_of: Timestamp,
        over: Option<&StoredFact>,
        mark: Option<Write>,
    ) -> Result<(), StoreError> {
        let writes = mark.into_iter().chain([FactPlace::of(ws, fact).tombstone(as_of, over)]).collect();
        match self.transact(writes).await? {
            Transacted::Done => Ok(()),
            Transacted::Failed(_) => Err(StoreError::Conflict),
        }
    }

    /// The write that fails if a customer has changed since its rows were read: whose it is was decided by them.
    #[must_use]
    pub fn still_as_read(ws: &WorkspaceId, customer: &CustomerId, read: &CustomerRows) -> Write {
        Write::check(key::customer(ws, customer), read.rev.map_or(When::Absent, When::Rev))
    }

    /// Everything about a customer, in one query.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn customer_rows(&self, ws: &WorkspaceId, customer: &CustomerId) -> Result<CustomerRows, StoreError> {
        self.customer_of(ws, self.query(&Range::all(key::customer_partition(ws, customer))).await?).await
    }

    /// Everything about each of some customers, in their order.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn customers_rows(
        &self,
        ws: &WorkspaceId,
        customers: &[CustomerId],
    ) -> Result<Vec<CustomerRows>, StoreError> {
        let ranges: Vec<Range> = customers.iter().map(|id| Range::all(key::customer_partition(ws, id))).collect();
        let mut all = Vec::with_capacity(customers.len());
        for rows in self.query_all(&ranges).await? {
            all.push(self.customer_of(ws, rows).await?);
        }
        Ok(all)
    }

    async fn customer_of(&self, ws: &WorkspaceId, found: Vec<Row>) -> Result<CustomerRows, StoreError> {
        let mut rows = CustomerRows::default();
        for row in found {
            let sort = row.sort_key();
            match sort {
                key::sort::CUSTOMER => rows.take_customer(&row)?,
                key::sort::MATCH => rows.take_match(&row)?,
                _ if row.has(attribute::GONE) => {}
                _ if sort.starts_with(key::sort::SUBSCRIPTION_PREFIX) => {
                    let subscription: Subscription = row.body()?;
                    rows.as_of.insert(subscription.id.clone(), stored(&row)?.version.as_of);
                    rows.subscriptions.push(subscription);
                }
                _ if sort.starts_with(key::sort::INVOICE_PREFIX) => rows.invoices.push(self.invoice(ws, &row).await?),
                _ if sort.starts_with(key::sort::MONEY_BACK_PREFIX) => take(&mut rows.money_back, &row)?,
                _ => return Err(StoreError::corrupt(row.name(), "it is not a row of a customer")),
            }
        }
        Ok(rows)
    }

    /// Customers and whose they are, without anything else of theirs. What is not there is not in the answer.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn customer_heads(
        &self,
        ws: &WorkspaceId,
        customers: &[CustomerId],
    ) -> Result<HashMap<CustomerId, CustomerRows>, StoreError> {
        let heads = |id: &CustomerId| [key::customer(ws, id), key::customer_match(ws, id)];
        let mut keys: Vec<Key> = customers.iter().flat_map(heads).collect();
        keys.sort_unstable();
        keys.dedup();
        let names = [attribute::REV, attribute::BODY, attribute::GONE];
        let by_partition: HashMap<String, &CustomerId> =
            customers.iter().map(|id| (key::customer_partition(ws, id), id)).collect();
        let mut found: HashMap<CustomerId, CustomerRows> = HashMap::new();
        for row in self.batch_get(&keys, &names).await? {
            let Some(id) = row.text(attribute::PK).and_then(|partition| by_partition.get(partition)) else { continue };
            let rows = found.entry((*id).clone()).or_default();
            match row.sort_key() {
                key::sort::MATCH => rows.take_match(&row)?,
                _ => rows.take_customer(&row)?,
            }
        }
        Ok(found)
    }

    /// A customer's newest invoices, without their lines.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn newest_invoices(
        &self,
        ws: &WorkspaceId,
        customer: &CustomerId,
        limit: usize,
    ) -> Result<Vec<Invoice>, StoreError> {
        let range = Range::prefix(key::customer_partition(ws, customer), key::sort::INVOICE_PREFIX);
        // Some rows may be tombstones: drafts that were deleted.
        let range = Range { limit: i32::try_from(limit.saturating_mul(2)).ok(), ..range };
        let (rows, _) = self.query_page(&range, None).await?;
        rows.iter().filter(|row| !row.has(attribute::GONE)).take(limit).map(invoice_without_lines).collect()
    }

    async fn invoice(&self, ws: &WorkspaceId, row: &Row) -> Result<Invoice, StoreError> {
        let mut invoice = invoice_without_lines(row)?;
        if let Some(parts) = row.number(PARTS) {
            let range = Range::all(key::invoice_lines_partition(ws, invoice.id.as_str()));
            let wanted = usize::try_from(parts).unwrap_or(0);
            for part in self.query(&range).await?.iter().take(wanted) {
                invoice.lines.extend(part.body::<Vec<Line>>()?);
            }
        }
        Ok(invoice)
    }

    /// Draft invoices: the only ones that can be deleted.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn draft_invoices(&self, ws: &WorkspaceId) -> Result<Vec<Invoice>, StoreError> {
        let range = Range { index: Some((INDEX_BY_NAME, attribute::BY_NAME)), ..Range::all(key::drafts(ws)) };
        self.query(&range).await?.iter().map(Row::body).collect()
    }

    /// The whole catalogue: products, prices and coupons that are not deleted.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn catalogue(&self, ws: &WorkspaceId) -> Result<Vec<Fact>, StoreError> {
        self.catalogue_rows(ws, |row| !row.has(attribute::GONE)).await
    }

    /// The same, with what Stripe has deleted and was known before: what is sold by it goes on.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn catalogue_ever(&self, ws: &WorkspaceId) -> Result<Vec<Fact>, StoreError> {
        self.catalogue_rows(ws, |row| row.has(attribute::BODY)).await
    }

    async fn catalogue_rows(&self, ws: &WorkspaceId, wanted: fn(&Row) -> bool) -> Result<Vec<Fact>, StoreError> {
        let shards = (0..key::SHARDS)
            .map(|shard| async move { self.query(&Range::all(key::catalogue_partition(ws, shard))).await });
        let mut facts = Vec::new();
        for rows in futures::future::try_join_all(shards).await? {
            for row in rows.iter().filter(|row| wanted(row)) {
                facts.push(catalogue_fact(row)?);
            }
        }
        Ok(facts)
    }
}

fn invoice_without_lines(row: &Row) -> Result<Invoice, StoreError> {
    Ok(Invoice { payments: split(row)?, ..row.body()? })
}

fn catalogue_fact(row: &Row) -> Result<Fact, StoreError> {
    let corrupt = |reason: String| StoreError::corrupt(row.name(), reason);
    let kind = match row.sort_key().split_once('#') {
        Some(("product", _)) => Kind::Product,
        Some(("price", _)) => Kind::Price,
        Some(("coupon", _)) => Kind::Coupon,
        _ => return Err(corrupt("it is not of the catalogue".into())),
    };
    Fact::from_json(kind, row.body_text()?).map_err(|error| corrupt(error.to_string()))
}

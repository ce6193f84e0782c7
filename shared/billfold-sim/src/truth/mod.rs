//! What is true of a business: the answers that a program which read it through the API must
//! come to. Worked out from the typed model with exact fractions and from nothing else.

mod money;
mod mrr;
mod status;

pub use money::{InvoiceTruth, by_invoice};

use std::collections::BTreeMap;

use serde::Serialize;

use crate::business::Business;
use crate::calendar::DAY;
use crate::ids::Kind;
use crate::model::{Customer, Idx, Row, Subscription, SubscriptionStatus, Unix};
use crate::render::NESTED;

/// Minor units by currency.
pub type ByCurrency = BTreeMap<String, i64>;

/// The truth about a business at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Truth {
    pub now: Unix,
    pub account: String,
    /// By customer id. Deleted customers that still own something listed are among them.
    pub customers: BTreeMap<String, CustomerTruth>,
    /// Of all subscriptions, by the `billfold` policy.
    pub mrr: ByCurrency,
    pub arr: ByCurrency,
    /// How many rows of each resource a full sync stores.
    pub counts: BTreeMap<&'static str, u64>,
    /// The fewest list requests at a hundred rows each that a full sync can do with.
    pub fewest_requests: BTreeMap<&'static str, u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CustomerTruth {
    pub name: Option<String>,
    pub email: Option<String>,
    /// The company: the domain named in metadata, else that of the e-mail address unless it is
    /// a mail service's. Without one the customer stands alone.
    pub domain: Option<String>,
    pub deleted: bool,
    pub test_clock: bool,
    pub subscriptions: BTreeMap<String, SubscriptionTruth>,
    pub mrr: ByCurrency,
    pub arr: ByCurrency,
    pub payment_status: PaymentStatus,
    pub next_renewal: Option<Unix>,
    /// Of the invoices of the last 365 days: paid, less refunds, lost disputes and credits after payment.
    pub lifetime_value: ByCurrency,
    /// Ids of the invoices of the last 365 days, newest first.
    pub invoices: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SubscriptionTruth {
    pub status: &'static str,
    pub currency: String,
    /// By the `billfold` policy.
    pub mrr: i64,
    pub arr: i64,
    /// By the `simple` preset.
    pub simple_mrr: i64,
    pub simple_arr: i64,
    /// The end of the period running, unless the subscription is not live or ends there.
    pub renews_at: Option<Unix>,
}

/// Worst last, so that the status of a company is the greatest of its customers'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    None,
    Paid,
    Overdue,
    Failed,
}

/// Customers of one company together, or a customer who stands alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccountTruth {
    pub customers: Vec<String>,
    pub mrr: ByCurrency,
    pub arr: ByCurrency,
    pub payment_status: PaymentStatus,
    pub lifetime_value: ByCurrency,
}

/// What a backfill of products, prices, coupons, customers, subscriptions and invoices asks for, nested lists and what
/// went back included.
pub const BACKFILL: [&str; 11] = [
    "products",
    "prices",
    "coupons",
    "customers",
    "subscriptions",
    "subscription_items",
    "invoices",
    "invoice_lines",
    "refunds",
    "disputes",
    "credit_notes",
];

/// How far back a full sync reads invoices.
pub const INVOICE_WINDOW: Unix = 365 * DAY;

impl Truth {
    pub fn of(business: &Business, now: Unix) -> Self {
        let mut truth = Self {
            now,
            account: business.account.id.clone(),
            customers: BTreeMap::new(),
            mrr: ByCurrency::new(),
            arr: ByCurrency::new(),
            counts: counts(business, now),
            fewest_requests: fewest_requests(business, now),
        };
        let mut values = money::by_customer(business, now - INVOICE_WINDOW);
        for (place, customer) in business.customers.iter() {
            let owns = !customer.subscriptions.is_empty() || !customer.invoices.is_empty();
            if customer.deleted && !owns {
                continue;
            }
            let value = values.remove(&place).unwrap_or_default();
            let row = CustomerTruth { lifetime_value: value, ..customer_truth(business, place, customer, now) };
            if !customer.test_clock {
                add_all(&mut truth.mrr, &row.mrr);
                add_all(&mut truth.arr, &row.arr);
            }
            let id = business.id(Kind::Customer, place);
            truth.customers.insert(id, row);
        }
        truth
    }

    /// The fewest requests of a [`BACKFILL`].
    pub fn fewest_of_backfill(&self) -> u64 {
        BACKFILL.iter().filter_map(|resource| self.fewest_requests.get(resource)).sum()
    }

    /// Customers grouped by company; one without a company is keyed by its own id. Deleted and
    /// test-clock customers belong to no account.
    pub fn accounts(&self) -> BTreeMap<String, AccountTruth> {
        let mut accounts: BTreeMap<String, AccountTruth> = BTreeMap::new();
        for (id, customer) in &self.customers {
            if customer.deleted || customer.test_clock {
                continue;
            }
            let key = customer.domain.clone().unwrap_or_else(|| id.clone());
            let account = accounts.entry(key).or_insert_with(|| AccountTruth {
                customers: Vec::new(),
                mrr: ByCurrency::new(),
                arr: ByCurrency::new(),
                payment_status: PaymentStatus::None,
                lifetime_value: ByCurrency::new(),
            });
            account.customers.push(id.clone());
            add_all(&mut account.mrr, &customer.mrr);
            add_all(&mut account.arr, &customer.arr);
            add_all(&mut account.lifetime_value, &customer.lifetime_value);
            account.payment_status = account.payment_status.max(customer.payment_status);
        }
        accounts
    }
}

fn add_all(into: &mut ByCurrency, from: &ByCurrency) {
    for (currency, amount) in from {
        *into.entry(currency.clone()).or_default() += amount;
    }
}

fn customer_truth(business: &Business, place: Idx, customer: &Customer, now: Unix) -> CustomerTruth {
    let mut row = CustomerTruth {
        name: customer.name.clone(),
        email: customer.email.clone(),
        domain: domain(customer),
        deleted: customer.deleted,
        test_clock: customer.test_clock,
        subscriptions: BTreeMap::new(),
        mrr: ByCurrency::new(),
        arr: ByCurrency::new(),
        payment_status: status::of(business, place, now),
        next_renewal: None,
        lifetime_value: ByCurrency::new(),
        invoices: invoices(business, customer, now),
    };
    for &own in &customer.subscriptions {
        let truth = subscription_truth(business, own, now);
        if truth.mrr != 0 || truth.arr != 0 {
            *row.mrr.entry(truth.currency.clone()).or_default() += truth.mrr;
            *row.arr.entry(truth.currency.clone()).or_default() += truth.arr;
        }
        row.next_renewal = match (row.next_renewal, truth.renews_at) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        row.subscriptions.insert(business.id(Kind::Subscription, own), truth);
    }
    row
}

fn subscription_truth(business: &Business, place: Idx, now: Unix) -> SubscriptionTruth {
    let row = &business.subscriptions[place];
    let policy = mrr::billfold(business, row, now);
    let simple = mrr::simple(business, row);
    SubscriptionTruth {
        status: row.status.name(),
        currency: row.currency.code().to_owned(),
        mrr: policy.monthly(),
        arr: policy.yearly(),
        simple_mrr: simple.monthly(),
        simple_arr: simple.yearly(),
        renews_at: renews_at(row),
    }
}

fn renews_at(row: &Subscription) -> Option<Unix> {
    let renews = row.status.is_live() && !row.ends_at_period_end() && !row.test_clock;
    renews.then(|| row.period().end)
}

fn invoices(business: &Business, customer: &Customer, now: Unix) -> Vec<String> {
    let mut own: Vec<Idx> = customer.invoices.clone();
    own.retain(|&place| business.invoices[place].created >= now - INVOICE_WINDOW);
    own.sort_unstable_by_key(|&place| (business.invoices[place].created, place));
    own.iter().rev().map(|&place| business.id(Kind::Invoice, place)).collect()
}

/// The company that a customer belongs to.
pub fn domain(customer: &Customer) -> Option<String> {
    let named = customer.metadata.iter().find(|(key, _)| key == "domain");
    if let Some((_, domain)) = named {
        return Some(domain.to_lowercase());
    }
    let (_, host) = customer.email.as_deref()?.rsplit_once('@')?;
    let host = host.to_lowercase();
    let personal = crate::generate::PERSONAL_MAIL.contains(&host.as_str());
    (!personal).then_some(host)
}

fn listed<'a, T: Row + 'a>(rows: impl Iterator<Item = (Idx, &'a T)>, keep: impl Fn(&T) -> bool) -> u64 {
    rows.filter(|(_, row)| row.listed() && keep(row)).count() as u64
}

fn counts(business: &Business, now: Unix) -> BTreeMap<&'static str, u64> {
    let from = now - INVOICE_WINDOW;
    BTreeMap::from([
        ("products", listed(business.products.iter(), |_| true)),
        ("prices", listed(business.prices.iter(), |_| true)),
        ("coupons", listed(business.coupons.iter(), |_| true)),
        ("customers", listed(business.customers.iter(), |row| !row.test_clock)),
        ("subscriptions", listed(business.subscriptions.iter(), |row| !row.test_clock)),
        ("invoices", listed(business.invoices.iter(), |row| !row.test_clock && row.created >= from)),
        ("charges", listed(business.charges.iter(), |row| row.created >= from)),
        ("refunds", listed(business.refunds.iter(), |row| row.created >= from)),
        ("disputes", listed(business.disputes.iter(), |row| row.created >= from)),
        ("credit_notes", listed(business.credit_notes.iter(), |row| row.created >= from)),
    ])
}

fn fewest_requests(business: &Business, now: Unix) -> BTreeMap<&'static str, u64> {
    let pages = |rows: u64| rows.div_ceil(100).max(1);
    let mut fewest: BTreeMap<&'static str, u64> =
        counts(business, now).into_iter().map(|(name, rows)| (name, pages(rows))).collect();
    let active = listed(business.prices.iter(), |row| row.active);
    let inactive = listed(business.prices.iter(), |row| !row.active);
    fewest.insert("prices", pages(active) + pages(inactive));
    // What did not fit into a nested list takes further pages.
    let rest = |rows: usize| rows.saturating_sub(NESTED).div_ceil(100) as u64;
    let items = business.subscriptions.iter().filter(|(_, row)| !row.test_clock);
    fewest.insert("subscription_items", items.map(|(_, row)| rest(row.items.len())).sum());
    let lines = business.invoices.iter().filter(|(_, row)| !row.test_clock && row.created >= now - INVOICE_WINDOW);
    fewest.insert("invoice_lines", lines.map(|(_, row)| rest(row.lines.len())).sum());
    fewest
}

/// Whether a subscription counts at all by its status.
fn counts_by_status(status: SubscriptionStatus) -> bool {
    matches!(status, SubscriptionStatus::Active | SubscriptionStatus::PastDue)
}

#[cfg(test)]
mod tests;

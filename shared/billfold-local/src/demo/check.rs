//! Every figure of every account against the simulation's own truth. A difference is a sentence; no difference is the
//! point of the demo.

use super::rates;
use crate::client::view::{AccountLine, CardView};
use billfold_core::billing::BillingTab;
use billfold_core::connection::Records;
use billfold_core::id::{AccountId, CustomerId};
use billfold_core::matching::{account_of_customer, account_of_domain};
use billfold_core::money::{Currency, Money};
use billfold_sim::{AccountTruth, ByCurrency, PaymentStatus, Truth};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt::Debug;

/// How many invoices the Billing tab lists.
const INVOICES_SHOWN: usize = 10;

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Checked {
    pub(super) compared: u64,
    pub(super) differences: Vec<String>,
}

impl Checked {
    fn same<T: PartialEq + Debug>(&mut self, what: &str, shown: T, truth: T) {
        self.compared = self.compared.saturating_add(1);
        if shown != truth {
            self.differences.push(format!("{what} is {shown:?}; the simulation says {truth:?}"));
        }
    }
}

/// How many objects a sync stores.
pub(super) fn records(truth: &Truth) -> Records {
    let count = |name: &str| truth.counts.get(name).copied().unwrap_or(0);
    Records {
        products: count("products"),
        prices: count("prices"),
        customers: count("customers"),
        subscriptions: count("subscriptions"),
        invoices: count("invoices"),
    }
}

/// Compares what the API shows with the truth.
pub(super) fn check(
    truth: &Truth,
    card: &CardView,
    lines: &[AccountLine],
    billing: &BTreeMap<String, BillingTab>,
) -> Checked {
    let mut checked = Checked::default();
    checked.same("the number of records", card.records_synced, records(truth));
    let lines: BTreeMap<&str, &AccountLine> = lines.iter().map(|line| (line.id.as_str(), line)).collect();
    let expected = accounts(truth);
    let ids = |ids: Vec<&str>| ids.join(" ");
    checked.same(
        "the list of accounts",
        ids(lines.keys().copied().collect()),
        ids(expected.keys().map(String::as_str).collect()),
    );
    for (id, account) in &expected {
        if let (Some(line), Some(billing)) = (lines.get(id.as_str()), billing.get(id)) {
            check_account(&mut checked, truth, account, line, billing);
        }
    }
    checked
}

/// The simulation's accounts under Billfold's ids.
fn accounts(truth: &Truth) -> BTreeMap<String, AccountTruth> {
    let id = |name: &str| -> Option<AccountId> {
        if truth.customers.contains_key(name) {
            account_of_customer(&CustomerId::new(name).ok()?)
        } else {
            account_of_domain(name)
        }
    };
    let named = |(name, account): (String, AccountTruth)| {
        let id = id(&name).map_or_else(|| format!("no id for {name}"), |id| id.as_str().to_owned());
        (id, account)
    };
    truth.accounts().into_iter().map(named).collect()
}

fn check_account(checked: &mut Checked, truth: &Truth, account: &AccountTruth, line: &AccountLine, tab: &BillingTab) {
    let billing = &tab.billing;
    let what = |field: &str| format!("{field} of {} ({})", line.id, line.name);
    let cents = |amounts: &ByCurrency| rates::in_cents(amounts).map(|amount| Money::new(amount, Currency::USD));
    checked.same(&what("MRR by currency"), amounts(&billing.mrr_by_currency), nonzero(&account.mrr));
    checked.same(&what("ARR by currency"), amounts(&billing.arr_by_currency), nonzero(&account.arr));
    for (mrr, arr) in [(billing.mrr, billing.arr), (line.mrr, line.arr)] {
        checked.same(&what("MRR"), Some(mrr), cents(&account.mrr));
        checked.same(&what("ARR"), Some(arr), cents(&account.arr));
    }
    let (value, expected) = (amounts(&billing.lifetime_value), nonzero(&account.lifetime_value));
    checked.same(&what("lifetime value"), value, expected);
    let status = match account.payment_status {
        PaymentStatus::None => "none",
        PaymentStatus::Paid => "paid",
        PaymentStatus::Overdue => "overdue",
        PaymentStatus::Failed => "failed",
    };
    checked.same(&what("payment status"), billing.payment_status.as_str(), status);
    checked.same(&what("payment status in the list"), line.payment_status.as_str(), status);
    check_customers(checked, truth, account, tab, &what);
}

/// What an account owes to its customers one by one: subscriptions, renewal, invoices.
fn check_customers(
    checked: &mut Checked,
    truth: &Truth,
    account: &AccountTruth,
    tab: &BillingTab,
    what: &impl Fn(&str) -> String,
) {
    let billing = &tab.billing;
    let customers: Vec<_> = account.customers.iter().filter_map(|id| truth.customers.get(id)).collect();
    let renewal = customers.iter().filter_map(|customer| customer.next_renewal).min();
    checked.same(&what("renewal"), billing.renews_at.map(Timestamp::as_second), renewal);
    let subscriptions = customers.iter().flat_map(|customer| &customer.subscriptions);
    let true_mrr: BTreeMap<&str, (i64, &str)> =
        subscriptions.map(|(id, truth)| (id.as_str(), (truth.mrr, truth.currency.as_str()))).collect();
    let shown = billing.subscriptions.iter();
    let shown_mrr: BTreeMap<&str, (i64, &str)> =
        shown.map(|row| (row.id.as_str(), (row.mrr.amount, row.mrr.currency.as_str()))).collect();
    checked.same(&what("subscriptions"), shown_mrr, true_mrr);
    let invoices: Vec<&str> = customers.iter().flat_map(|customer| &customer.invoices).map(String::as_str).collect();
    let shown: Vec<&str> = tab.invoices.iter().map(|row| row.id.as_str()).collect();
    if customers.len() == 1 {
        let newest: Vec<&str> = invoices.into_iter().take(INVOICES_SHOWN).collect();
        checked.same(&what("newest invoices"), shown, newest);
    } else {
        let known = shown.iter().all(|id| invoices.contains(id));
        checked.same(&what("newest invoices"), (known, shown.len()), (true, invoices.len().min(INVOICES_SHOWN)));
    }
}

fn amounts(by_currency: &BTreeMap<Currency, Money>) -> ByCurrency {
    by_currency.iter().map(|(currency, money)| (currency.as_str().to_owned(), money.amount)).collect()
}

/// Billfold lists no currency in which there is nothing.
fn nonzero(amounts: &ByCurrency) -> ByCurrency {
    amounts.iter().filter(|(_, amount)| **amount != 0).map(|(code, amount)| (code.clone(), *amount)).collect()
}

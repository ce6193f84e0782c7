//! Generated businesses: the same from the same seed, and believable in every size.

use super::Spec;
use crate::business::Business;
use crate::calendar::DAY;
use crate::model::{
    BillingReason, Currency, InvoiceStatus, Scheme, SubscriptionStatus as Status, TaxBehavior, TiersMode,
};
use crate::truth::Truth;

const NOW: i64 = 1_795_251_600;

fn business(seed: u64, customers: u32) -> Business {
    Business::generate(&Spec::new(seed, customers, NOW))
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

#[test]
fn the_same_seed_gives_the_same_business() {
    let truth = |seed| Truth::of(&business(seed, 300), NOW);
    assert_eq!(truth(5), truth(5));
    assert_ne!(truth(5).mrr, truth(6).mrr);
    let (one, two) = (business(5, 100), business(5, 100));
    assert!(one.invoices.iter().eq(two.invoices.iter()));
    assert!(one.customers.iter().eq(two.customers.iter()));
    assert!(one.charges.iter().eq(two.charges.iter()));
}

#[test]
fn a_business_has_the_size_it_was_asked_for() {
    for size in [0, 1, 7] {
        assert_eq!(business(1, size).customers.len(), size as usize);
    }
    let business = business(1, 4_000);
    let counts = Truth::of(&business, NOW).counts;
    let per_customer = |name| counts[name] as f64 / 4_000.0;
    assert!((1.1..1.35).contains(&per_customer("subscriptions")), "{}", per_customer("subscriptions"));
    assert!((2.5..3.1).contains(&per_customer("invoices")), "{}", per_customer("invoices"));
    let older = business.invoices.iter().filter(|(_, row)| row.created < NOW - 365 * DAY).count();
    assert!((1..business.invoices.len() / 10).contains(&older), "{older} older invoices");
}

#[test]
fn every_status_occurs_and_most_are_active() {
    let business = business(2, 3_000);
    let count = |status| business.subscriptions.iter().filter(|(_, row)| row.status == status).count();
    for status in Status::ALL {
        assert!(count(status) > 0, "{status:?}");
    }
    assert!(share(count(Status::Active), business.subscriptions.len()) > 0.6);
    for status in [
        InvoiceStatus::Draft,
        InvoiceStatus::Open,
        InvoiceStatus::Paid,
        InvoiceStatus::Void,
        InvoiceStatus::Uncollectible,
    ] {
        assert!(business.invoices.iter().any(|(_, row)| row.status == status), "{status:?}");
    }
}

#[test]
fn every_oddity_occurs() {
    let business = business(3, 6_000);
    let subscription = |what: &str, is: &dyn Fn(&crate::model::Subscription) -> bool| {
        assert!(business.subscriptions.iter().any(|(_, row)| is(row)), "{what}");
    };
    let price = |item: &crate::model::Item| &business.prices[item.price];
    subscription("discounted", &|row| !row.discounts.is_empty());
    subscription("discounted twice", &|row| row.discounts.len() > 1);
    subscription("discounted item", &|row| row.items.iter().any(|item| !item.discounts.is_empty()));
    subscription("scheduled to end", &|row| row.status == Status::Active && row.ends_at_period_end());
    subscription("ends later", &|row| row.cancel_at.is_some_and(|at| at > row.period().end));
    subscription("collection paused", &|row| row.pause_collection.is_some());
    subscription("item on trial", &|row| row.items.iter().any(|item| item.trial.is_some()));
    subscription("old but active", &|row| row.status == Status::Active && row.created < NOW - 3 * 365 * DAY);
    subscription("long", &|row| row.items.len() > 10 && row.flexible);
    subscription("metered", &|row| row.items.iter().any(|item| item.quantity.is_none()));
    subscription("inline", &|row| row.items.iter().any(|item| price(item).inline));
    subscription("no longer sold", &|row| row.items.iter().any(|item| !price(item).active && !price(item).inline));
    subscription("package", &|row| row.items.iter().any(|item| price(item).transform.is_some()));
    subscription("tax inside", &|row| row.items.iter().any(|i| price(i).tax_behavior == TaxBehavior::Inclusive));
    for mode in [TiersMode::Graduated, TiersMode::Volume] {
        subscription("tiered", &|row| {
            row.items.iter().any(|item| matches!(&price(item).scheme, Scheme::Tiered(own, _) if *own == mode))
        });
    }
    subscription("two intervals", &|row| {
        row.items.iter().any(|item| price(item).recurring != price(&row.items[0]).recurring && item.quantity.is_some())
    });
}

#[test]
fn customers_are_as_odd_as_in_life() {
    let business = business(4, 3_000);
    let customer = |what: &str, is: &dyn Fn(&crate::model::Customer) -> bool| {
        assert!(business.customers.iter().any(|(_, row)| is(row)), "{what}");
    };
    customer("no e-mail", &|row| row.email.is_none());
    customer("no name", &|row| row.name.is_none());
    customer("personal mail", &|row| row.email.as_deref().is_some_and(|mail| mail.ends_with("@gmail.com")));
    customer("domain in metadata", &|row| row.metadata.iter().any(|(key, _)| key == "domain"));
    customer("quotes", &|row| row.name.as_deref().is_some_and(|name| name.contains('"')));
    customer("beyond ASCII", &|row| row.name.as_deref().is_some_and(|name| !name.is_ascii()));
    customer("deleted", &|row| row.deleted);
    customer("test clock", &|row| row.test_clock);
    customer("own discount", &|row| row.discount.is_some());
    let accounts = Truth::of(&business, NOW).accounts();
    assert!(accounts.values().any(|account| account.customers.len() > 2), "a company with several customers");
    let dollars = business.customers.iter().filter(|(_, row)| row.currency == Some(Currency::USD)).count();
    let paying = business.customers.iter().filter(|(_, row)| row.currency.is_some()).count();
    assert!((0.8..0.9).contains(&share(dollars, paying)));
}

#[test]
fn money_goes_back_now_and_then() {
    let business = business(5, 3_000);
    assert!(!business.refunds.is_empty() && !business.disputes.is_empty() && !business.credit_notes.is_empty());
    for (_, refund) in business.refunds.iter() {
        assert!(refund.amount > 0 && refund.amount <= business.charges[refund.charge].amount);
    }
    for (_, charge) in business.charges.iter() {
        assert!(charge.refunded <= charge.amount, "{charge:?}");
    }
    let partly = business.invoices.iter().any(|(_, row)| row.amount_paid > 0 && row.amount_remaining() > 0);
    assert!(partly, "an invoice paid in part");
}

#[test]
fn periods_hold_the_present_and_latest_invoices_belong() {
    let business = business(6, 2_000);
    for (place, row) in business.subscriptions.iter() {
        let serials: std::collections::BTreeSet<u16> = row.items.iter().map(|item| item.serial).collect();
        assert_eq!(serials.len(), row.items.len());
        assert!(row.items.iter().all(|item| business.prices[item.price].currency == row.currency));
        if row.status.is_live() {
            for item in &row.items {
                assert!(item.period.holds(NOW), "{row:?}");
            }
        }
        if let Some(latest) = row.latest_invoice {
            let own = business.invoices.iter().filter(|(_, invoice)| invoice.subscription == Some(place));
            let newest = own.max_by_key(|(at, invoice)| (invoice.created, *at)).map(|(at, _)| at);
            assert_eq!(newest, Some(latest));
        }
        if row.status == Status::Active && row.tax.is_some() {
            assert!(row.latest_invoice.is_some(), "taxed and never billed: {row:?}");
        }
    }
}

#[test]
fn tax_inside_a_price_comes_out_even() {
    let business = business(7, 4_000);
    let taxes = business.invoices.iter().flat_map(|(_, row)| &row.lines).filter_map(|line| line.tax);
    let inside: Vec<_> = taxes.filter(|tax| tax.inclusive).collect();
    assert!(!inside.is_empty());
    assert!(inside.iter().all(|tax| tax.amount * 5 == tax.taxable), "a fifth on top of the net");
}

#[test]
fn invoices_follow_their_subscription() {
    let business = business(8, 2_000);
    let mut first = 0;
    for (_, row) in business.invoices.iter() {
        let Some(owner) = row.subscription else {
            assert_eq!(row.reason, BillingReason::Manual);
            continue;
        };
        let owner = &business.subscriptions[owner];
        assert_eq!((row.customer, row.currency), (owner.customer, owner.currency));
        assert!(row.created >= owner.start && owner.ended_at.is_none_or(|ended| row.created <= ended));
        let is_first = row.created == owner.start;
        assert_eq!(row.reason == BillingReason::Create, is_first);
        first += usize::from(is_first);
    }
    assert!(first > 0);
}

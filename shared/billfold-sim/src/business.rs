//! One account's data in one mode: the tables, and the way between a row's place and its id.

use crate::ids::{Ids, Kind, Part};
use crate::model::{
    Charge, Coupon, CreditNote, Currency, Customer, Discount, Dispute, Idx, Invoice, InvoicePayment, Price, Product,
    Refund, Row, Subscription, Table, Unix,
};
use crate::version::Version;

/// The merchant.
#[derive(Clone, Debug)]
pub struct Account {
    pub id: String,
    pub name: String,
    pub email: String,
    pub country: &'static str,
    pub currency: Currency,
    pub timezone: &'static str,
    pub created: Unix,
    /// What requests without a version and events without an endpoint are rendered in.
    pub api_version: Version,
    pub livemode: bool,
}

/// Everything the account holds in one mode.
#[derive(Clone, Debug)]
pub struct Business {
    pub account: Account,
    pub ids: Ids,
    pub products: Table<Product>,
    pub prices: Table<Price>,
    pub coupons: Table<Coupon>,
    pub customers: Table<Customer>,
    pub subscriptions: Table<Subscription>,
    pub invoices: Table<Invoice>,
    pub payments: Table<InvoicePayment>,
    pub charges: Table<Charge>,
    pub refunds: Table<Refund>,
    pub disputes: Table<Dispute>,
    pub credit_notes: Table<CreditNote>,
    pub next_discount: u64,
}

impl Business {
    /// An account that has sold nothing yet.
    pub fn empty(seed: u64, livemode: bool, created: Unix) -> Self {
        let ids = Ids::new(seed);
        Self {
            account: Account {
                id: ids.account(),
                name: "Northwind Software".to_owned(),
                email: "billing@northwind.example".to_owned(),
                country: "US",
                currency: Currency::USD,
                timezone: "Etc/UTC",
                created,
                api_version: Version::pinned(),
                livemode,
            },
            // Objects of the two modes must not share ids, though they share the account.
            ids: Ids::new(seed ^ u64::from(livemode) << 63),
            products: Table::default(),
            prices: Table::default(),
            coupons: Table::default(),
            customers: Table::default(),
            subscriptions: Table::default(),
            invoices: Table::default(),
            payments: Table::default(),
            charges: Table::default(),
            refunds: Table::default(),
            disputes: Table::default(),
            credit_notes: Table::default(),
            next_discount: 1,
        }
    }

    /// Makes ready for rows in great number and any order; [`Business::sort`] must follow.
    pub(crate) fn load(&mut self) {
        self.customers.load();
        self.subscriptions.load();
        self.invoices.load();
        self.payments.load();
        self.charges.load();
        self.refunds.load();
        self.disputes.load();
        self.credit_notes.load();
    }

    pub(crate) fn sort(&mut self) {
        self.customers.sort();
        self.subscriptions.sort();
        self.invoices.sort();
        self.payments.sort();
        self.charges.sort();
        self.refunds.sort();
        self.disputes.sort();
        self.credit_notes.sort();
    }

    pub fn id(&self, kind: Kind, place: Idx) -> String {
        let mut id = String::with_capacity(32);
        self.write_id(kind, place, &mut id);
        id
    }

    /// The id of a row that is there.
    pub fn write_id(&self, kind: Kind, place: Idx, out: &mut String) {
        self.ids.write_row(kind, place, self.created(kind, place).unwrap_or_default(), out);
    }

    /// The place of the row that an id names.
    pub fn find(&self, kind: Kind, id: &str) -> Option<Idx> {
        let place = self.ids.place(kind, id)?;
        let created = self.created(kind, place)?;
        (self.ids.row(kind, place, created) == id).then_some(place)
    }

    fn created(&self, kind: Kind, place: Idx) -> Option<Unix> {
        fn of<T: Row>(table: &Table<T>, place: Idx) -> Option<Unix> {
            table.get(place).map(Row::created)
        }
        match kind {
            Kind::Customer => of(&self.customers, place),
            Kind::Product => of(&self.products, place),
            Kind::Price => of(&self.prices, place),
            Kind::Subscription => of(&self.subscriptions, place),
            Kind::Invoice => of(&self.invoices, place),
            Kind::InvoicePayment | Kind::PaymentIntent => of(&self.payments, place),
            Kind::Charge => of(&self.charges, place),
            Kind::Refund => of(&self.refunds, place),
            Kind::Dispute => of(&self.disputes, place),
            Kind::CreditNote => of(&self.credit_notes, place),
        }
    }

    /// Coupons are the one kind whose ids the merchant chooses.
    pub fn find_coupon(&self, id: &str) -> Option<Idx> {
        self.coupons.iter().find(|(_, coupon)| coupon.id == id).map(|(place, _)| place)
    }

    /// Subscription and item of an item's id.
    pub fn find_item(&self, id: &str) -> Option<(Idx, usize)> {
        let (subscription, serial) = split(self.ids.number(Part::SubscriptionItem, id)?)?;
        let at = self.subscriptions.get(subscription)?.items.iter().position(|item| item.serial == serial)?;
        Some((subscription, at))
    }

    pub fn find_line(&self, invoice: Idx, id: &str) -> Option<usize> {
        let (owner, at) = split(self.ids.number(Part::Line, id)?)?;
        let at = usize::from(at);
        (owner == invoice && at < self.invoices[invoice].lines.len()).then_some(at)
    }

    pub fn new_discount(&mut self, coupon: Idx, start: Unix, end: Option<Unix>) -> Discount {
        let number = self.next_discount;
        self.next_discount += 1;
        Discount { number, coupon, start, end, customer: None, subscription: None, item: None }
    }
}

/// The number of a row inside another: items of a subscription, lines of an invoice.
pub fn join(owner: Idx, part: u16) -> u64 {
    u64::from(owner) << 16 | u64::from(part)
}

fn split(number: u64) -> Option<(Idx, u16)> {
    let owner = Idx::try_from(number >> 16).ok()?;
    let part = u16::try_from(number & 0xFFFF).ok()?;
    Some((owner, part))
}

#[cfg(test)]
mod tests {
    use super::{Business, join, split};
    use crate::generate::Spec;
    use crate::ids::Kind;

    const NOW: i64 = 1_790_000_000;

    #[test]
    fn parts_come_apart_as_they_were_joined() {
        for (owner, part) in [(0, 0), (1, 65_535), (u32::MAX, 7)] {
            assert_eq!(split(join(owner, part)), Some((owner, part)));
        }
    }

    #[test]
    fn both_modes_have_the_account_but_no_object_in_common() {
        let both = [false, true].map(|livemode| Business::generate(&Spec { livemode, ..Spec::new(3, 5, NOW) }));
        let [test, live] = &both;
        assert_eq!(test.account.id, live.account.id);
        let id = test.id(Kind::Customer, 1);
        assert_eq!((test.find(Kind::Customer, &id), live.find(Kind::Customer, &id)), (Some(1), None));
    }

    #[test]
    fn an_id_of_another_time_names_nothing() {
        let business = Business::generate(&Spec::new(3, 5, NOW));
        let id = business.ids.row(Kind::Customer, 1, NOW + 60);
        assert_eq!(business.find(Kind::Customer, &id), None);
    }
}

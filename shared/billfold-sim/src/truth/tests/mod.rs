//! The truth on subscriptions made by hand, and each rule by itself.

mod golden;

use super::{PaymentStatus, Truth, domain};
use crate::business::Business;
use crate::calendar::DAY;
use crate::ids::Kind;
use crate::model::{
    Collection, Coupon, CouponDuration, CouponValue, Currency, Customer, Decimal, Idx, Interval, Invoice,
    InvoiceStatus, Item, Period, Price, Product, Recurring, Scheme, Subscription, SubscriptionStatus as Status, Tax,
    TaxBehavior, Tier,
};

const NOW: i64 = 1_795_251_600;

/// A business with one customer, put together piece by piece.
struct Shop {
    business: Business,
    customer: Idx,
}

impl Shop {
    fn new() -> Self {
        let mut business = Business::empty(1, false, 0);
        let customer = add_customer(&mut business, Some("ada@example.org"));
        Self { business, customer }
    }

    fn price(&mut self, amount: i64, count: u32, interval: Interval) -> Idx {
        self.scheme(Scheme::PerUnit(Decimal::whole(amount)), Currency::USD, Recurring::every(count, interval))
    }

    /// A price of a product of its own.
    fn scheme(&mut self, scheme: Scheme, currency: Currency, every: Recurring) -> Idx {
        let product = self.business.products.push(Product {
            created: 0,
            updated: 0,
            name: "Plan".to_owned(),
            description: None,
            active: true,
            unit_label: None,
            default_price: None,
            metadata: Vec::new(),
            deleted: false,
        });
        self.business.prices.push(Price {
            created: 0,
            product,
            currency,
            scheme,
            recurring: Some(every),
            transform: None,
            tax_behavior: TaxBehavior::Unspecified,
            nickname: None,
            lookup_key: None,
            active: true,
            inline: false,
            metadata: Vec::new(),
            deleted: false,
        })
    }

    fn coupon(&mut self, value: CouponValue, duration: CouponDuration) -> Idx {
        let number = self.business.coupons.len();
        self.business.coupons.push(Coupon {
            id: format!("C{number}"),
            created: 0,
            name: None,
            value,
            duration,
            applies_to: Vec::new(),
            max_redemptions: None,
            redeem_by: None,
            times_redeemed: 0,
            metadata: Vec::new(),
            deleted: false,
        })
    }

    fn percent_forever(&mut self, percent: u32) -> Idx {
        self.coupon(CouponValue::Percent(percent * 100), CouponDuration::Forever)
    }

    fn amount_forever(&mut self, amount: i64, currency: Currency) -> Idx {
        self.coupon(CouponValue::Amounts(vec![(currency, amount)]), CouponDuration::Forever)
    }

    /// An active subscription to prices with quantities.
    fn subscribe(&mut self, wanted: &[(Idx, u64)]) -> Idx {
        let items = (0..).zip(wanted).map(|(serial, &(price, quantity))| Item {
            serial,
            price,
            quantity: Some(quantity),
            created: 0,
            period: Period { start: NOW - DAY, end: NOW + 20 * DAY },
            discounts: Vec::new(),
            trial: None,
        });
        let place = self.business.subscriptions.push(Subscription {
            customer: self.customer,
            created: 0,
            start: 0,
            anchor: 0,
            status: Status::Active,
            currency: self.business.prices[wanted[0].0].currency,
            items: items.collect(),
            next_serial: 99,
            discounts: Vec::new(),
            cancel_at: None,
            cancel_at_period_end: false,
            cancellation: None,
            ended_at: None,
            collection: Collection::Automatic,
            trial: None,
            pause_collection: None,
            tax: None,
            flexible: true,
            latest_invoice: None,
            metadata: Vec::new(),
            test_clock: false,
        });
        self.business.customers[self.customer].subscriptions.push(place);
        place
    }

    fn discount(&mut self, place: Idx, coupon: Idx) {
        let discount = self.business.new_discount(coupon, 0, None);
        self.business.subscriptions[place].discounts.push(discount);
    }

    fn discount_item(&mut self, place: Idx, at: usize, coupon: Idx) {
        let discount = self.business.new_discount(coupon, 0, None);
        self.business.subscriptions[place].items[at].discounts.push(discount);
    }

    fn check(&self, place: Idx, mrr: i64, arr: i64) {
        let truth = Truth::of(&self.business, NOW);
        let customer = &truth.customers[&self.business.id(Kind::Customer, self.customer)];
        let row = &customer.subscriptions[&self.business.id(Kind::Subscription, place)];
        assert_eq!((row.mrr, row.arr), (mrr, arr));
    }

    fn status(&self) -> PaymentStatus {
        let truth = Truth::of(&self.business, NOW);
        truth.customers[&self.business.id(Kind::Customer, self.customer)].payment_status
    }

    fn invoice(&mut self, place: Idx, change: impl FnOnce(&mut Invoice)) {
        let due = [(0, self.business.subscriptions[place].items[0].period)];
        let mut invoice = crate::invoicing::draft(
            &self.business,
            &crate::invoicing::Draft {
                subscription: place,
                at: NOW - DAY,
                reason: crate::model::BillingReason::Cycle,
                due: &due,
                once: None,
            },
        );
        invoice.status = InvoiceStatus::Open;
        change(&mut invoice);
        let made = self.business.invoices.push(invoice);
        self.business.customers[self.customer].invoices.push(made);
        self.business.subscriptions[place].latest_invoice = Some(made);
    }
}

fn add_customer(business: &mut Business, email: Option<&str>) -> Idx {
    business.customers.push(Customer {
        created: 0,
        name: None,
        email: email.map(str::to_owned),
        description: None,
        country: "US",
        currency: None,
        delinquent: false,
        balance: 0,
        discount: None,
        metadata: Vec::new(),
        test_clock: false,
        deleted: false,
        subscriptions: Vec::new(),
        invoices: Vec::new(),
        numbered: 0,
    })
}

fn tier(up_to: Option<u64>, unit: i64, flat: Option<i64>) -> Tier {
    Tier { up_to, unit: Some(Decimal::whole(unit)), flat }
}

#[test]
fn the_customers_discount_counts_only_where_the_subscription_has_none() {
    let mut shop = Shop::new();
    let price = shop.price(10_000, 1, Interval::Month);
    let place = shop.subscribe(&[(price, 1)]);
    let half = shop.percent_forever(50);
    let discount = shop.business.new_discount(half, 0, None);
    shop.business.customers[shop.customer].discount = Some(discount);
    shop.check(place, 5_000, 60_000);
    // Of the item it may have one, and one that does not count shuts it out as well.
    let ten = shop.percent_forever(10);
    shop.discount_item(place, 0, ten);
    shop.check(place, 4_500, 54_000);
    let once = shop.coupon(CouponValue::Percent(2_000), CouponDuration::Once);
    shop.discount(place, once);
    shop.check(place, 9_000, 108_000);
}

#[test]
fn a_repeating_discount_counts_until_it_ends() {
    let mut shop = Shop::new();
    let price = shop.price(10_000, 1, Interval::Month);
    let place = shop.subscribe(&[(price, 1)]);
    let coupon = shop.coupon(CouponValue::Percent(2_500), CouponDuration::Repeating { months: 3 });
    for (end, mrr) in [(NOW + 1, 7_500), (NOW, 10_000)] {
        let discount = shop.business.new_discount(coupon, 0, Some(end));
        shop.business.subscriptions[place].discounts = vec![discount];
        shop.check(place, mrr, mrr * 12);
    }
}

#[test]
fn an_amount_falls_on_the_shortest_interval_and_never_below_nothing() {
    let mut shop = Shop::new();
    let (monthly, yearly) = (shop.price(5_000, 1, Interval::Month), shop.price(60_000, 1, Interval::Year));
    let place = shop.subscribe(&[(monthly, 1), (yearly, 1)]);
    let off = shop.amount_forever(6_000, Currency::USD);
    shop.discount(place, off);
    shop.check(place, 5_000, 60_000);
}

#[test]
fn metered_items_and_items_on_trial_are_nothing() {
    let mut shop = Shop::new();
    let price = shop.price(10_000, 1, Interval::Month);
    let metered = Recurring { metered: true, ..Recurring::every(1, Interval::Month) };
    let usage = shop.scheme(Scheme::PerUnit(Decimal::whole(7)), Currency::USD, metered);
    let place = shop.subscribe(&[(price, 1), (price, 2), (usage, 500)]);
    shop.check(place, 30_000, 360_000);
    let items = &mut shop.business.subscriptions[place].items;
    items[1].trial = Some(Period { start: NOW - DAY, end: NOW + DAY });
    shop.check(place, 10_000, 120_000);
    let items = &mut shop.business.subscriptions[place].items;
    items[1].trial = Some(Period { start: NOW - 2 * DAY, end: NOW });
    shop.check(place, 30_000, 360_000);
}

#[test]
fn tax_inside_a_price_comes_out_at_the_rate_of_the_latest_invoice() {
    let mut shop = Shop::new();
    let price = shop.price(12_000, 1, Interval::Month);
    shop.business.prices[price].tax_behavior = TaxBehavior::Inclusive;
    let place = shop.subscribe(&[(price, 1)]);
    shop.check(place, 12_000, 144_000);
    shop.business.subscriptions[place].tax = Some(Tax { rate: 2_000 });
    shop.invoice(place, |_| {});
    shop.check(place, 10_000, 120_000);
}

#[test]
fn the_simple_preset_knows_only_active_price_and_quantity() {
    let mut shop = Shop::new();
    let price = shop.price(10_000, 1, Interval::Month);
    let place = shop.subscribe(&[(price, 2)]);
    let half = shop.percent_forever(50);
    shop.discount(place, half);
    let simple = |shop: &Shop| {
        let truth = Truth::of(&shop.business, NOW);
        let customer = &truth.customers[&shop.business.id(Kind::Customer, shop.customer)];
        customer.subscriptions[&shop.business.id(Kind::Subscription, place)].simple_mrr
    };
    assert_eq!(simple(&shop), 20_000);
    shop.business.subscriptions[place].status = Status::PastDue;
    assert_eq!(simple(&shop), 0);
}

#[test]
fn a_subscription_speaks_for_its_customers_payment() {
    let cases = [
        (Status::Active, PaymentStatus::Paid),
        (Status::Trialing, PaymentStatus::Paid),
        (Status::PastDue, PaymentStatus::Overdue),
        (Status::Unpaid, PaymentStatus::Failed),
        (Status::Incomplete, PaymentStatus::Failed),
        (Status::Paused, PaymentStatus::None),
        (Status::Canceled, PaymentStatus::None),
    ];
    for (status, expected) in cases {
        let mut shop = Shop::new();
        let price = shop.price(5_000, 1, Interval::Month);
        let place = shop.subscribe(&[(price, 1)]);
        shop.business.subscriptions[place].status = status;
        assert_eq!(shop.status(), expected, "{status:?}");
    }
}

#[test]
fn an_open_invoice_speaks_louder_than_an_active_subscription() {
    type Edit = fn(&mut Invoice);
    let cases: [(Edit, PaymentStatus); 5] = [
        (|_| {}, PaymentStatus::Paid),
        (|row| row.attempts = 2, PaymentStatus::Failed),
        (
            |row| {
                row.attempts = 1;
                row.next_attempt = Some(NOW + DAY);
            },
            PaymentStatus::Overdue,
        ),
        (
            |row| {
                row.collection = Collection::SendInvoice { days: 30 };
                row.due_date = Some(NOW - 1);
            },
            PaymentStatus::Overdue,
        ),
        (
            |row| {
                row.attempts = 2;
                row.status = InvoiceStatus::Void;
            },
            PaymentStatus::Paid,
        ),
    ];
    for (edit, expected) in cases {
        let mut shop = Shop::new();
        let price = shop.price(5_000, 1, Interval::Month);
        let place = shop.subscribe(&[(price, 1)]);
        shop.invoice(place, edit);
        assert_eq!(shop.status(), expected);
    }
}

#[test]
fn customers_of_one_domain_are_one_account() {
    let mut business = Business::empty(1, false, 0);
    let emails = [Some("a@Acme.io"), Some("b@acme.io"), Some("c@gmail.com"), Some("d@gmail.com"), None];
    let places: Vec<Idx> = emails.iter().map(|email| add_customer(&mut business, *email)).collect();
    business.customers[places[4]].metadata = vec![("domain".to_owned(), "ACME.io".to_owned())];
    let accounts = Truth::of(&business, NOW).accounts();
    assert_eq!(accounts["acme.io"].customers.len(), 3);
    assert_eq!(accounts.len(), 3);
    assert_eq!(domain(&business.customers[places[2]]), None);
}

#[test]
fn the_next_renewal_is_the_nearest_of_those_that_renew() {
    let mut shop = Shop::new();
    let price = shop.price(5_000, 1, Interval::Month);
    let (one, two) = (shop.subscribe(&[(price, 1)]), shop.subscribe(&[(price, 1)]));
    shop.business.subscriptions[two].items[0].period.end = NOW + DAY;
    let renewal = |shop: &Shop| {
        let truth = Truth::of(&shop.business, NOW);
        truth.customers[&shop.business.id(Kind::Customer, shop.customer)].next_renewal
    };
    assert_eq!(renewal(&shop), Some(NOW + DAY));
    shop.business.subscriptions[two].cancel_at_period_end = true;
    assert_eq!(renewal(&shop), Some(NOW + 20 * DAY));
    shop.business.subscriptions[one].status = Status::Canceled;
    assert_eq!(renewal(&shop), None);
}

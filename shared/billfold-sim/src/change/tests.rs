//! Each change does what Stripe does: the model, the events in their order, and the truth after.

use super::{Applied, Change, ChangeError};
use crate::generate::Spec;
use crate::generate::dice::Dice;
use crate::ids::{Kind, Part};
use crate::model::{Idx, InvoiceStatus, SubscriptionStatus as Status};
use crate::sim::Sim;
use crate::truth::{PaymentStatus, SubscriptionTruth};

const NOW: i64 = 1_795_251_600;
const DAY: i64 = 86_400;

/// A simulation with one customer who pays 2 × 12.00 USD a month.
struct Story {
    sim: Sim,
    customer: String,
    subscription: String,
    price: String,
}

impl Story {
    fn new() -> Self {
        let sim = Sim::generate(&Spec::new(1, 0, NOW));
        let price = sim.read(|b| b.id(Kind::Price, 0));
        let change = Change::CreateCustomer { name: None, email: Some("ada@acme.io".to_owned()) };
        let customer = created(sim.apply(&change));
        let change = Change::CreateSubscription {
            customer: customer.clone(),
            price: price.clone(),
            quantity: 2,
            trial_days: None,
            coupon: None,
        };
        let subscription = created(sim.apply(&change));
        Self { sim, customer, subscription, price }
    }

    fn apply(&self, change: &Change) -> Applied {
        self.sim.apply(change).unwrap_or_else(|error| panic!("{change:?}: {error}"))
    }

    fn refused(&self, change: &Change) -> ChangeError {
        self.sim.apply(change).expect_err("Stripe would refuse it")
    }

    /// The types of the events that a change emits.
    fn kinds(&self, change: &Change) -> Vec<String> {
        let endpoint = self.sim.add_endpoint("http://127.0.0.1:9/", &["*"], None);
        self.apply(change);
        let deliveries = self.sim.take_deliveries();
        let own = deliveries.into_iter().filter(|delivery| delivery.endpoint_id == endpoint.id);
        own.map(|delivery| delivery.kind).collect()
    }

    fn truth(&self) -> SubscriptionTruth {
        self.sim.truth().customers[&self.customer].subscriptions[&self.subscription].clone()
    }

    fn payment_status(&self) -> PaymentStatus {
        self.sim.truth().customers[&self.customer].payment_status
    }

    fn place(&self) -> Idx {
        self.sim.read(|b| b.find(Kind::Subscription, &self.subscription).expect("a subscription"))
    }

    fn status(&self) -> Status {
        self.sim.read(|b| b.subscriptions[self.place()].status)
    }

    fn latest_invoice(&self) -> String {
        let place = self.place();
        self.sim.read(|b| b.id(Kind::Invoice, b.subscriptions[place].latest_invoice.expect("an invoice")))
    }

    fn latest_charge(&self) -> String {
        self.sim.read(|b| b.id(Kind::Charge, Idx::try_from(b.charges.len() - 1).expect("a charge")))
    }

    fn own(&self) -> String {
        self.subscription.clone()
    }
}

fn created(applied: Result<Applied, ChangeError>) -> String {
    applied.expect("applied").created.expect("an id")
}

#[test]
fn a_new_subscription_is_billed_and_paid() {
    let story = Story::new();
    assert_eq!((story.truth().mrr, story.truth().arr), (2_400, 28_800));
    let latest = story.latest_invoice();
    let invoice = story.sim.read(|b| b.invoices[b.find(Kind::Invoice, &latest).expect("an invoice")].clone());
    assert_eq!((invoice.status, invoice.amount_paid), (InvoiceStatus::Paid, 2_400));
    assert_eq!(story.payment_status(), PaymentStatus::Paid);
}

#[test]
fn quantity_and_price_change_the_revenue_at_once() {
    let story = Story::new();
    let change = Change::SetQuantity { subscription: story.own(), item: None, quantity: 5 };
    assert_eq!(story.kinds(&change), ["customer.subscription.updated"]);
    assert_eq!(story.truth().mrr, 6_000);
    // The yearly price costs ten months.
    let yearly = story.sim.read(|b| {
        let twelve = b.prices.iter().find(|(_, row)| row.lookup_key.as_deref() == Some("starter_1_usd"));
        b.id(Kind::Price, twelve.expect("a yearly price").0)
    });
    story.apply(&Change::ChangePrice { subscription: story.own(), item: None, price: yearly });
    assert_eq!((story.truth().mrr, story.truth().arr), (5_000, 60_000));
    let story_end = story.truth().renews_at.expect("it renews");
    assert!(story_end > NOW + 364 * DAY);
}

#[test]
fn items_come_and_go_but_one_stays() {
    let story = Story::new();
    let other = story.sim.read(|b| {
        let team = b.prices.iter().find(|(_, row)| row.lookup_key.as_deref() == Some("team_0_usd"));
        b.id(Kind::Price, team.expect("a price").0)
    });
    story.apply(&Change::AddItem { subscription: story.own(), price: other, quantity: 1 });
    assert_eq!(story.truth().mrr, 2_400 + 4_800);
    let items = story.sim.read(|b| {
        let row = &b.subscriptions[story.place()];
        let number = |serial| crate::business::join(story.place(), serial);
        row.items.iter().map(|item| b.ids.part(Part::SubscriptionItem, number(item.serial))).collect::<Vec<_>>()
    });
    story.apply(&Change::RemoveItem { subscription: story.own(), item: items[0].clone() });
    assert_eq!(story.truth().mrr, 4_800);
    let refused = story.refused(&Change::RemoveItem { subscription: story.own(), item: items[1].clone() });
    assert_eq!(refused, ChangeError::Impossible("a subscription keeps one item"));
}

#[test]
fn a_change_of_an_item_beyond_the_ten_that_are_shown_is_news() {
    let story = Story::new();
    let prices = story.sim.read(|b| b.prices.iter().map(|(place, _)| b.id(Kind::Price, place)).collect::<Vec<_>>());
    for price in prices {
        drop(story.sim.apply(&Change::AddItem { subscription: story.own(), price, quantity: 1 }));
    }
    let eleventh = story.sim.read(|b| {
        let number = crate::business::join(story.place(), b.subscriptions[story.place()].items[10].serial);
        b.ids.part(Part::SubscriptionItem, number)
    });
    let change = Change::SetQuantity { subscription: story.own(), item: Some(eleventh), quantity: 7 };
    assert_eq!(story.kinds(&change), ["customer.subscription.updated"]);
    assert!(story.kinds(&change).is_empty(), "nothing is different");
}

#[test]
fn discounts_come_and_go_with_their_events() {
    let story = Story::new();
    let change = Change::AddDiscount { subscription: story.own(), coupon: "NONPROFIT50".to_owned() };
    assert_eq!(story.kinds(&change), ["customer.subscription.updated", "customer.discount.created"]);
    assert_eq!(story.truth().mrr, 1_200);
    let change = Change::RemoveDiscounts { subscription: story.own() };
    assert_eq!(story.kinds(&change), ["customer.subscription.updated", "customer.discount.deleted"]);
    assert_eq!(story.truth().mrr, 2_400);
    story.apply(&Change::DiscountCustomer { customer: story.customer.clone(), coupon: "PARTNER20".to_owned() });
    assert_eq!(story.truth().mrr, 1_920);
}

#[test]
fn a_discount_for_once_is_used_up_by_the_next_invoice() {
    let story = Story::new();
    story.apply(&Change::AddDiscount { subscription: story.own(), coupon: "WELCOME10".to_owned() });
    assert_eq!(story.truth().mrr, 2_400);
    story.apply(&Change::Renew { subscription: story.own(), declined: false });
    let latest = story.latest_invoice();
    let paid = story.sim.read(|b| b.invoices[b.find(Kind::Invoice, &latest).expect("an invoice")].amount_paid);
    assert_eq!(paid, 2_160);
    assert!(story.sim.read(|b| b.subscriptions[story.place()].discounts.is_empty()));
}

#[test]
fn cancelling_now_ends_it_and_cannot_be_taken_back() {
    let story = Story::new();
    let change = Change::Cancel { subscription: story.own() };
    assert_eq!(story.kinds(&change), ["customer.subscription.deleted"]);
    assert_eq!((story.truth().mrr, story.payment_status()), (0, PaymentStatus::None));
    let refused = story.refused(&Change::WithdrawCancellation { subscription: story.own() });
    assert_eq!(refused, ChangeError::Impossible("the subscription has ended"));
}

#[test]
fn cancelling_at_the_end_can_be_withdrawn_and_else_happens() {
    let story = Story::new();
    story.apply(&Change::CancelAtPeriodEnd { subscription: story.own() });
    assert_eq!((story.truth().mrr, story.truth().renews_at), (2_400, None));
    story.apply(&Change::WithdrawCancellation { subscription: story.own() });
    assert!(story.truth().renews_at.is_some());
    story.apply(&Change::CancelAtPeriodEnd { subscription: story.own() });
    story.sim.advance(32 * DAY);
    story.sim.settle();
    assert_eq!(story.status(), Status::Canceled);
}

#[test]
fn pausing_collection_keeps_the_status_but_not_the_revenue() {
    let story = Story::new();
    story.apply(&Change::PauseCollection { subscription: story.own() });
    assert_eq!((story.status(), story.truth().mrr, story.payment_status()), (Status::Active, 0, PaymentStatus::Paid));
    story.apply(&Change::ResumeCollection { subscription: story.own() });
    assert_eq!(story.truth().mrr, 2_400);
}

#[test]
fn a_declined_renewal_is_overdue_then_failed_then_recovered() {
    let story = Story::new();
    let kinds = story.kinds(&Change::Renew { subscription: story.own(), declined: true });
    for kind in ["invoice.created", "invoice.finalized", "charge.failed", "invoice.payment_failed", "customer.updated"]
    {
        assert!(kinds.iter().any(|own| own == kind), "{kind}: {kinds:?}");
    }
    assert_eq!((story.status(), story.payment_status()), (Status::PastDue, PaymentStatus::Overdue));
    let invoice = story.latest_invoice();
    story.apply(&Change::FailPayment { invoice: invoice.clone(), retry: false });
    assert_eq!((story.status(), story.payment_status()), (Status::Unpaid, PaymentStatus::Failed));
    assert_eq!(story.truth().mrr, 0);
    let kinds = story.kinds(&Change::PayInvoice { invoice: invoice.clone() });
    assert!(kinds.iter().any(|kind| kind == "invoice.paid"), "{kinds:?}");
    assert_eq!((story.status(), story.payment_status()), (Status::Active, PaymentStatus::Paid));
    assert!(matches!(story.refused(&Change::PayInvoice { invoice }), ChangeError::Impossible(_)));
}

#[test]
fn an_open_invoice_can_be_voided_or_given_up() {
    for (void, kind, status) in [
        (true, "invoice.voided", InvoiceStatus::Void),
        (false, "invoice.marked_uncollectible", InvoiceStatus::Uncollectible),
    ] {
        let story = Story::new();
        let invoice = created(story.sim.apply(&Change::CreateInvoice { subscription: story.own() }));
        let early = story.refused(&Change::VoidInvoice { invoice: invoice.clone() });
        assert_eq!(early, ChangeError::Impossible("the invoice's status does not allow it"));
        story.apply(&Change::FinalizeInvoice { invoice: invoice.clone() });
        let change = if void {
            Change::VoidInvoice { invoice: invoice.clone() }
        } else {
            Change::MarkUncollectible { invoice: invoice.clone() }
        };
        assert!(story.kinds(&change).iter().any(|own| own == kind));
        let found = story.sim.read(|b| b.invoices[b.find(Kind::Invoice, &invoice).expect("an invoice")].status);
        assert_eq!(found, status);
    }
}

#[test]
fn refunds_are_booked_and_never_exceed_the_charge() {
    let story = Story::new();
    let charge = story.latest_charge();
    let kinds = story.kinds(&Change::Refund { charge: charge.clone(), amount: 400 });
    assert_eq!(kinds, ["refund.created", "charge.refunded"]);
    let too_much = story.refused(&Change::Refund { charge: charge.clone(), amount: 2_001 });
    assert_eq!(too_much, ChangeError::Impossible("there is not that much to refund"));
    story.apply(&Change::Refund { charge: charge.clone(), amount: 2_000 });
    let refunded = story.sim.read(|b| b.charges[b.find(Kind::Charge, &charge).expect("a charge")].refunded);
    assert_eq!(refunded, 2_400);
}

#[test]
fn a_refund_that_fails_is_there_again_and_a_lost_dispute_is_gone() {
    let story = Story::new();
    let charge = story.latest_charge();
    let invoice = story.sim.read(|b| {
        let payment = b.charges[b.find(Kind::Charge, &charge).expect("a charge")].payment;
        b.id(crate::ids::Kind::Invoice, b.payments[payment].invoice)
    });
    let books = || story.sim.invoice_money()[&invoice].clone();
    let whole = books().lifetime_value();
    let refund = created(story.sim.apply(&Change::Refund { charge: charge.clone(), amount: 400 }));
    assert_eq!((books().refunded, books().lifetime_value()), (400, whole - 400));
    let kinds = story.kinds(&Change::FailRefund { refund: refund.clone() });
    assert_eq!(kinds, ["refund.updated", "refund.failed"]);
    assert_eq!(books().lifetime_value(), whole);
    assert!(matches!(story.refused(&Change::FailRefund { refund }), ChangeError::Impossible(_)));
    story.apply(&Change::CreditNote { invoice: invoice.clone(), amount: 300, refund: true });
    assert_eq!((books().refunded, books().credited), (300, 0), "paid out as a refund, it counts once");
    story.apply(&Change::CreditNote { invoice: invoice.clone(), amount: 200, refund: false });
    assert_eq!(books().lifetime_value(), whole - 500);
    let dispute = created(story.sim.apply(&Change::OpenDispute { charge: charge.clone() }));
    assert_eq!(books().lost, 0);
    story.apply(&Change::CloseDispute { dispute, won: false });
    assert!(books().lost > 0);
}

#[test]
fn disputes_open_and_close() {
    let story = Story::new();
    let charge = story.latest_charge();
    let dispute = created(story.sim.apply(&Change::OpenDispute { charge: charge.clone() }));
    assert!(matches!(story.refused(&Change::OpenDispute { charge }), ChangeError::Impossible(_)));
    let kinds = story.kinds(&Change::CloseDispute { dispute, won: true });
    assert_eq!(kinds, ["charge.dispute.updated", "charge.dispute.closed", "charge.dispute.funds_reinstated"]);
}

#[test]
fn credit_before_payment_lowers_what_is_due_and_after_it_goes_back() {
    let story = Story::new();
    let invoice = created(story.sim.apply(&Change::CreateInvoice { subscription: story.own() }));
    story.apply(&Change::FinalizeInvoice { invoice: invoice.clone() });
    story.apply(&Change::CreditNote { invoice: invoice.clone(), amount: 1_000, refund: false });
    let row = || story.sim.read(|b| b.invoices[b.find(Kind::Invoice, &invoice).expect("an invoice")].clone());
    assert_eq!((row().amount_due, row().credited_before_payment, row().status), (1_400, 1_000, InvoiceStatus::Open));
    story.apply(&Change::CreditNote { invoice: invoice.clone(), amount: 1_400, refund: false });
    assert_eq!((row().amount_due, row().status), (0, InvoiceStatus::Paid));
    let paid = story.sim.read(|b| b.id(Kind::Invoice, 0));
    let kinds = story.kinds(&Change::CreditNote { invoice: paid.clone(), amount: 300, refund: true });
    assert_eq!(kinds, ["refund.created", "charge.refunded", "invoice.updated", "credit_note.created"]);
    let too_much = story.refused(&Change::CreditNote { invoice: paid, amount: 2_200, refund: false });
    assert_eq!(too_much, ChangeError::Impossible("there is not that much to credit"));
}

#[test]
fn deleting_a_customer_cancels_what_runs_first() {
    let story = Story::new();
    let kinds = story.kinds(&Change::DeleteCustomer { customer: story.customer.clone() });
    assert_eq!(kinds, ["customer.subscription.deleted", "customer.deleted"]);
    assert_eq!(story.status(), Status::Canceled);
    let again = Change::DeleteCustomer { customer: story.customer.clone() };
    assert!(matches!(story.refused(&again), ChangeError::Missing { noun: "customer", .. }));
    assert!(story.sim.truth().accounts().is_empty());
}

#[test]
fn customers_are_renamed_unset_and_marked() {
    let story = Story::new();
    let customer = || story.customer.clone();
    story.apply(&Change::UpdateCustomer { customer: customer(), name: None, email: Some(String::new()) });
    story.apply(&Change::SetCustomerMetadata {
        customer: customer(),
        key: "domain".to_owned(),
        value: "Acme.dev".to_owned(),
    });
    let truth = &story.sim.truth().customers[&story.customer];
    assert_eq!((truth.email.as_deref(), truth.domain.as_deref()), (None, Some("acme.dev")));
}

#[test]
fn the_catalog_changes_but_what_is_used_stays() {
    let story = Story::new();
    let (product, unused) = story.sim.read(|b| {
        let idle = b.products.iter().find(|(_, row)| row.name == "Fax gateway").expect("a product");
        (b.id(Kind::Product, 0), b.id(Kind::Product, idle.0))
    });
    let rename = Change::UpdateProduct { product: product.clone(), name: Some("First".to_owned()), active: None };
    assert_eq!(story.kinds(&rename), ["product.updated"]);
    let kept = story.refused(&Change::DeleteProduct { product });
    assert_eq!(kept, ChangeError::Impossible("a product with prices stays"));
    assert_eq!(story.kinds(&Change::DeleteProduct { product: unused }), ["product.deleted"]);
    let off = Change::UpdatePrice { price: story.price.clone(), active: Some(false), nickname: None };
    assert_eq!(story.kinds(&off), ["price.updated"]);
    let kept = story.refused(&Change::DeletePrice { price: story.price.clone() });
    assert_eq!(kept, ChangeError::Impossible("a price in use stays"));
    let spare = story.sim.read(|b| b.id(Kind::Price, 1));
    assert_eq!(story.kinds(&Change::DeletePrice { price: spare }), ["price.deleted"]);
    let coupon = Change::DeleteCoupon { coupon: "PARTNER20".to_owned() };
    assert_eq!(story.kinds(&coupon), ["coupon.deleted"]);
    assert!(matches!(story.refused(&coupon), ChangeError::Missing { noun: "coupon", .. }));
}

#[test]
fn statuses_can_be_set_and_a_trial_converts_when_it_ends() {
    let story = Story::new();
    let set = |status: Status| Change::SetStatus { subscription: story.own(), status: status.name().to_owned() };
    story.apply(&set(Status::Trialing));
    assert_eq!((story.status(), story.truth().mrr), (Status::Trialing, 0));
    let kinds = story.kinds(&set(Status::Paused));
    assert_eq!(kinds, ["customer.subscription.updated", "customer.subscription.paused"]);
    let nonsense = Change::SetStatus { subscription: story.own(), status: "dead".to_owned() };
    assert_eq!(story.refused(&nonsense), ChangeError::Impossible("there is no such status"));

    let change = Change::CreateSubscription {
        customer: story.customer.clone(),
        price: story.price.clone(),
        quantity: 1,
        trial_days: Some(14),
        coupon: None,
    };
    let trial = created(story.sim.apply(&change));
    let status = || story.sim.read(|b| b.subscriptions[b.find(Kind::Subscription, &trial).expect("a trial")].status);
    assert_eq!(status(), Status::Trialing);
    story.sim.pass_days(15);
    assert_eq!(status(), Status::Active);
    assert_eq!(story.sim.truth().customers[&story.customer].subscriptions[&trial].mrr, 1_200);
}

#[test]
fn time_renews_every_month_and_ends_discounts() {
    let story = Story::new();
    story.apply(&Change::AddDiscount { subscription: story.own(), coupon: "LAUNCH25".to_owned() });
    assert_eq!(story.truth().mrr, 1_800);
    let before = story.sim.read(|b| b.invoices.len());
    for _ in 0..7 {
        story.sim.advance(31 * DAY);
        story.sim.settle();
    }
    assert_eq!(story.sim.read(|b| b.invoices.len()) - before, 7);
    assert_eq!(story.truth().mrr, 2_400);
    let renews = story.truth().renews_at.expect("it renews");
    assert!(renews > story.sim.now() && renews <= story.sim.now() + 31 * DAY);
    assert_eq!(story.sim.settle().events, Vec::<String>::new());
}

#[test]
fn wrong_ids_change_nothing() {
    let story = Story::new();
    let before = story.sim.truth();
    for change in [
        Change::Cancel { subscription: "sub_x".to_owned() },
        Change::PayInvoice { invoice: "in_x".to_owned() },
        Change::Refund { charge: "ch_x".to_owned(), amount: 1 },
        Change::DeleteProduct { product: "prod_x".to_owned() },
        Change::CloseDispute { dispute: "du_x".to_owned(), won: true },
        Change::AddDiscount { subscription: story.own(), coupon: "NONE".to_owned() },
        Change::RemoveItem { subscription: story.own(), item: "si_x".to_owned() },
    ] {
        assert!(matches!(story.refused(&change), ChangeError::Missing { .. }), "{change:?}");
    }
    assert_eq!(story.sim.truth(), before);
}

#[test]
fn changes_by_chance_are_many_and_follow_from_the_seed() {
    let run = |seed| {
        let sim = Sim::generate(&Spec::new(9, 120, NOW));
        let mut dice = Dice::new(seed);
        let mut kinds = std::collections::BTreeSet::new();
        for step in 0..400 {
            sim.advance(60);
            let (change, _) = sim.random_change(&mut dice).unwrap_or_else(|| panic!("nothing at step {step}"));
            let name = serde_json::to_value(&change).expect("JSON")["kind"].to_string();
            kinds.insert(name);
        }
        (sim.truth(), kinds)
    };
    let (truth, kinds) = run(1);
    assert_eq!(truth, run(1).0);
    assert_ne!(truth, run(2).0);
    assert!(kinds.len() > 20, "{kinds:?}");
}

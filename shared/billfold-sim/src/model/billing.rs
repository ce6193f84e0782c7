//! Who buys and what they owe: customers, subscriptions, invoices and the discounts on them.

use super::{Currency, Idx, Metadata, Row, Unix};

/// A coupon put on something. Where it was put is part of it, since a discount is shown far from
/// its owner, on invoices and their lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discount {
    pub number: u64,
    pub coupon: Idx,
    pub start: Unix,
    /// Set for repeating coupons only.
    pub end: Option<Unix>,
    pub customer: Option<Idx>,
    pub subscription: Option<Idx>,
    /// Subscription and the item's serial in it.
    pub item: Option<(Idx, u16)>,
}

impl Discount {
    pub fn runs_at(&self, time: Unix) -> bool {
        self.start <= time && self.end.is_none_or(|end| time < end)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Customer {
    pub created: Unix,
    pub name: Option<String>,
    pub email: Option<String>,
    pub description: Option<String>,
    pub country: &'static str,
    pub currency: Option<Currency>,
    pub delinquent: bool,
    pub balance: i64,
    pub discount: Option<Discount>,
    pub metadata: Metadata,
    pub test_clock: bool,
    pub deleted: bool,
    pub subscriptions: Vec<Idx>,
    pub invoices: Vec<Idx>,
    /// How many invoices have been numbered.
    pub numbered: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SubscriptionStatus {
    Incomplete,
    IncompleteExpired,
    Trialing,
    Active,
    PastDue,
    Canceled,
    Unpaid,
    Paused,
}

impl SubscriptionStatus {
    pub const ALL: [Self; 8] = [
        Self::Active,
        Self::PastDue,
        Self::Unpaid,
        Self::Canceled,
        Self::Incomplete,
        Self::IncompleteExpired,
        Self::Trialing,
        Self::Paused,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Incomplete => "incomplete",
            Self::IncompleteExpired => "incomplete_expired",
            Self::Trialing => "trialing",
            Self::Active => "active",
            Self::PastDue => "past_due",
            Self::Canceled => "canceled",
            Self::Unpaid => "unpaid",
            Self::Paused => "paused",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    pub fn is_ended(self) -> bool {
        matches!(self, Self::Canceled | Self::IncompleteExpired)
    }

    /// Live in the sense of a payment status: it is served, paid for or not.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Active | Self::PastDue | Self::Trialing)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelReason {
    Requested,
    PaymentFailed,
    PaymentDisputed,
}

impl CancelReason {
    pub fn name(self) -> &'static str {
        match self {
            Self::Requested => "cancellation_requested",
            Self::PaymentFailed => "payment_failed",
            Self::PaymentDisputed => "payment_disputed",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancellation {
    pub requested_at: Unix,
    pub reason: CancelReason,
    pub feedback: Option<&'static str>,
    pub comment: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseBehavior {
    KeepAsDraft,
    MarkUncollectible,
    Void,
}

impl PauseBehavior {
    pub fn name(self) -> &'static str {
        match self {
            Self::KeepAsDraft => "keep_as_draft",
            Self::MarkUncollectible => "mark_uncollectible",
            Self::Void => "void",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PauseCollection {
    pub behavior: PauseBehavior,
    pub resumes_at: Option<Unix>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collection {
    Automatic,
    SendInvoice { days: u32 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    pub start: Unix,
    pub end: Unix,
}

impl Period {
    pub fn holds(self, time: Unix) -> bool {
        self.start <= time && time < self.end
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tax {
    /// Hundredths of a percent.
    pub rate: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Unique within its subscription, never used again.
    pub serial: u16,
    pub price: Idx,
    /// Nothing for a metered price.
    pub quantity: Option<u64>,
    pub created: Unix,
    pub period: Period,
    pub discounts: Vec<Discount>,
    /// A trial of this item alone.
    pub trial: Option<Period>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Subscription {
    pub customer: Idx,
    pub created: Unix,
    pub start: Unix,
    pub anchor: Unix,
    pub status: SubscriptionStatus,
    pub currency: Currency,
    pub items: Vec<Item>,
    pub next_serial: u16,
    pub discounts: Vec<Discount>,
    pub cancel_at: Option<Unix>,
    pub cancel_at_period_end: bool,
    pub cancellation: Option<Cancellation>,
    pub ended_at: Option<Unix>,
    pub collection: Collection,
    pub trial: Option<Period>,
    pub pause_collection: Option<PauseCollection>,
    pub tax: Option<Tax>,
    pub flexible: bool,
    pub latest_invoice: Option<Idx>,
    pub metadata: Metadata,
    pub test_clock: bool,
}

impl Subscription {
    /// The period that Stripe showed on the subscription itself before items had their own.
    pub fn period(&self) -> Period {
        Period {
            start: self.items.iter().map(|i| i.period.start).max().unwrap_or(0),
            end: self.items.iter().map(|i| i.period.end).min().unwrap_or(0),
        }
    }

    pub fn ends_at_period_end(&self) -> bool {
        self.cancel_at_period_end || self.cancel_at.is_some_and(|at| at <= self.period().end)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvoiceStatus {
    Draft,
    Open,
    Paid,
    Uncollectible,
    Void,
}

impl InvoiceStatus {
    pub fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Open => "open",
            Self::Paid => "paid",
            Self::Uncollectible => "uncollectible",
            Self::Void => "void",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        [Self::Draft, Self::Open, Self::Paid, Self::Uncollectible, Self::Void]
            .into_iter()
            .find(|status| status.name() == name)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BillingReason {
    Manual,
    Create,
    Cycle,
    Update,
}

impl BillingReason {
    pub fn name(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Create => "subscription_create",
            Self::Cycle => "subscription_cycle",
            Self::Update => "subscription_update",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineSource {
    SubscriptionItem { serial: u16, proration: bool },
    InvoiceItem,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub source: LineSource,
    pub price: Idx,
    pub quantity: u64,
    /// Before any discount; includes inclusive tax.
    pub amount: i64,
    pub period: Period,
    /// Discount number and what it took off, item discounts first.
    pub discounts: Vec<(u64, i64)>,
    pub tax: Option<LineTax>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineTax {
    pub amount: i64,
    pub taxable: i64,
    pub inclusive: bool,
}

impl Line {
    pub fn discounted(&self) -> i64 {
        self.amount - self.discounts.iter().map(|&(_, off)| off).sum::<i64>()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Invoice {
    pub customer: Idx,
    pub subscription: Option<Idx>,
    pub created: Unix,
    /// Zero until finalized.
    pub number: u32,
    pub status: InvoiceStatus,
    pub reason: BillingReason,
    pub currency: Currency,
    pub collection: Collection,
    pub due_date: Option<Unix>,
    pub lines: Vec<Line>,
    /// Those that apply to the whole invoice, in order.
    pub discounts: Vec<Discount>,
    /// Those of single items, which lines refer to.
    pub item_discounts: Vec<Discount>,
    pub subtotal: i64,
    pub tax: i64,
    pub total: i64,
    pub amount_due: i64,
    pub amount_paid: i64,
    pub paid_off_stripe: i64,
    pub attempts: u32,
    pub next_attempt: Option<Unix>,
    pub period: Period,
    pub finalized_at: Option<Unix>,
    pub paid_at: Option<Unix>,
    pub voided_at: Option<Unix>,
    pub uncollectible_at: Option<Unix>,
    pub credited_before_payment: i64,
    pub credited_after_payment: i64,
    pub payments: Vec<Idx>,
    pub tax_rate: Option<Tax>,
    pub test_clock: bool,
    /// The customer as of finalization, once the customer has become different.
    pub billed_to: Option<Box<BilledTo>>,
}

/// What a finalized invoice keeps of its customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BilledTo {
    pub name: Option<String>,
    pub email: Option<String>,
}

impl Invoice {
    pub fn amount_remaining(&self) -> i64 {
        self.amount_due - self.amount_paid
    }

    pub fn auto_advance(&self) -> bool {
        matches!(self.status, InvoiceStatus::Draft)
            || (self.status == InvoiceStatus::Open && self.next_attempt.is_some())
    }
}

impl Row for Customer {
    fn created(&self) -> Unix {
        self.created
    }
    fn listed(&self) -> bool {
        !self.deleted
    }
}

impl Row for Subscription {
    fn created(&self) -> Unix {
        self.created
    }
}

impl Row for Invoice {
    fn created(&self) -> Unix {
        self.created
    }
}

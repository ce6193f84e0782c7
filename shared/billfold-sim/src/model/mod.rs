//! The typed model of a business: plain rows that hold what a business is, not how Stripe writes
//! it down. Rendering is elsewhere; a row never knows its own JSON.

mod billing;
mod catalog;
mod money;
mod payment;
mod table;

pub use billing::{
    BilledTo, BillingReason, CancelReason, Cancellation, Collection, Customer, Discount, Invoice, InvoiceStatus, Item,
    Line, LineSource, LineTax, PauseBehavior, PauseCollection, Period, Subscription, SubscriptionStatus, Tax,
};
pub use catalog::{
    Coupon, CouponDuration, CouponValue, Interval, Metadata, Price, Product, Recurring, Scheme, TaxBehavior, Tier,
    TiersMode, Transform,
};
pub use money::{Currency, Decimal};
pub use payment::{Charge, CreditNote, Dispute, DisputeStatus, InvoicePayment, PaymentStatus, Refund, RefundStatus};
pub use table::{Row, Table};

/// Seconds since 1970, as Stripe counts time.
pub type Unix = i64;

/// The place of a row in its table.
pub type Idx = u32;

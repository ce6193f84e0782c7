//! What was billed: invoices and their lines.

use super::{Metadata, is_false, is_zero, open_enum};
use crate::id::{CustomerId, InvoiceId, ItemId, LineId, PaymentId, PriceId, ProductId, SubscriptionId};
use crate::money::Currency;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An invoice. All amounts are minor units of `currency`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoice {
    /// Stripe's id.
    pub id: InvoiceId,
    /// Who owes.
    pub customer: CustomerId,
    /// The subscription that it bills, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<SubscriptionId>,
    /// The number printed on it; `None` while it is a draft.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// Where it stands.
    pub status: InvoiceStatus,
    /// Why it was made: `subscription_cycle`, `manual`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billing_reason: Option<String>,
    /// Charged by card or sent: `charge_automatically` or `send_invoice`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection_method: Option<String>,
    /// The currency of every amount.
    pub currency: Currency,
    /// When it was created.
    pub created: Timestamp,
    /// When payment is due (sent invoices only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_date: Option<Timestamp>,
    /// Before invoice discounts and exclusive tax.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub subtotal: i64,
    /// After discounts and tax.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub total: i64,
    /// What is asked, after the customer's credit balance.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub amount_due: i64,
    /// What was paid.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub amount_paid: i64,
    /// What is still owed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub amount_remaining: i64,
    /// Credited by credit notes after payment.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub post_payment_credit: i64,
    /// True once a payment was tried.
    #[serde(default, skip_serializing_if = "is_false")]
    pub attempted: bool,
    /// Automatic tries so far.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempt_count: i64,
    /// The next automatic try; `None` when there will be none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_payment_attempt: Option<Timestamp>,
    /// When it became final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finalized_at: Option<Timestamp>,
    /// When it was paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid_at: Option<Timestamp>,
    /// The page on which the customer can pay it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosted_invoice_url: Option<String>,
    /// True for objects of a test clock, which never count.
    #[serde(default, skip_serializing_if = "is_false")]
    pub test_clock: bool,
    /// The lines, in Stripe's order, all of them. Long lists are stored in rows of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<Line>,
    /// The merchant's key-value pairs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: Metadata,
    /// The payment intents and charges that are known to have been made for it, by which refunds and disputes find it.
    /// Not part of the fact: a webhook does not carry them, and they only ever become more. The store keeps them beside
    /// it.
    #[serde(skip)]
    pub payments: Vec<PaymentId>,
}

/// One line of an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Stripe's id.
    pub id: LineId,
    /// Minor units of the invoice's currency; negative for credits.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub amount: i64,
    /// Units, where the line has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<i64>,
    /// Begin of the service that the line bills.
    pub period_start: Timestamp,
    /// End of the service that the line bills.
    pub period_end: Timestamp,
    /// True for a correction in the middle of a period.
    #[serde(default, skip_serializing_if = "is_false")]
    pub proration: bool,
    /// The subscription that it bills, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<SubscriptionId>,
    /// The subscription item that it bills; `None` for invoice items and one-time prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription_item: Option<ItemId>,
    /// The price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<PriceId>,
    /// The product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<ProductId>,
    /// Sum of the discounts on the line.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub discounted: i64,
    /// Tax contained in `amount`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tax_inclusive: i64,
}

open_enum! {
    /// Where an invoice stands.
    InvoiceStatus {
        /// May still change.
        Draft = "draft",
        /// Final, and owed.
        Open = "open",
        /// Settled.
        Paid = "paid",
        /// Given up on.
        Uncollectible = "uncollectible",
        /// Taken back.
        Void = "void",
    }
}

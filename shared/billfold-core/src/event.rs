//! Stripe's events: the envelope, what an event is about, and which events Billfold asks for (FACTS.md §6.3 and §6.5).
//!
//! Nothing here decides whether an event wins; that is the fold. Unknown types and unknown fields are no errors.

use crate::facts::{AppliedDiscount, Fact, Kind};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The events that Billfold's endpoint asks for. `invoice.created` is not among them, because a slow answer to it holds
/// up the merchant's invoices, and `invoice.upcoming` is about an invoice that does not exist.
pub const ENABLED_EVENTS: [&str; 52] = [
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.updated",
    "charge.refunded",
    "coupon.created",
    "coupon.deleted",
    "coupon.updated",
    "credit_note.created",
    "credit_note.updated",
    "credit_note.voided",
    "customer.created",
    "customer.deleted",
    "customer.discount.created",
    "customer.discount.deleted",
    "customer.discount.updated",
    "customer.subscription.created",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.pending_update_applied",
    "customer.subscription.pending_update_expired",
    "customer.subscription.resumed",
    "customer.subscription.trial_will_end",
    "customer.subscription.updated",
    "customer.updated",
    "invoice.deleted",
    "invoice.finalization_failed",
    "invoice.finalized",
    "invoice.marked_uncollectible",
    "invoice.overdue",
    "invoice.overpaid",
    "invoice.paid",
    "invoice.payment_action_required",
    "invoice.payment_attempt_required",
    "invoice.payment_failed",
    "invoice.payment_succeeded",
    "invoice.sent",
    "invoice.updated",
    "invoice.voided",
    "invoice.will_be_due",
    "price.created",
    "price.deleted",
    "price.updated",
    "product.created",
    "product.deleted",
    "product.updated",
    "promotion_code.created",
    "promotion_code.updated",
    "refund.created",
    "refund.failed",
    "refund.updated",
];

/// The oldest version whose objects are read as they come (FACTS.md §1.3); older ones are fetched.
const OLDEST_READ: &str = "2020-08-27";
/// The oldest version whose subscriptions are read as they come. Before it they do not say that an item is in a trial of
/// its own, and before basil not when the period of each item ends (FACTS.md §1.3).
const OLDEST_SUBSCRIPTION_READ: &str = "2026-09-30";
/// The newest release whose objects are read as they come. Its later months only add fields; a later release is fetched.
const NEWEST_READ: (&str, &str) = ("2026-09-30", "endive");

/// Longest id of an event or type that is taken, in bytes.
const TEXT_BYTES_MAX: usize = 255;

/// An event as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// `evt_…`.
    pub id: String,
    /// `invoice.paid`, …
    pub name: String,
    /// When it happened, in whole seconds; two events of one second have no order.
    pub created: Timestamp,
    /// Whether it is about real money.
    pub livemode: bool,
    /// The version that its object is rendered in; `None` where Stripe did not say.
    pub api_version: Option<String>,
    /// The object's JSON, as it stands in the body; empty where there is none.
    pub object: String,
    /// What it says something about.
    pub about: About,
}

/// What an event says something about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// The event carries the object itself.
    Object(Kind, String),
    /// The object is gone.
    Deleted(Kind, String),
    /// Something else changed that shows on the object, which the event does not carry.
    Touched(Kind, String),
    /// Nothing that Billfold keeps.
    Nothing,
}

impl About {
    /// The object that it is about.
    #[must_use]
    pub fn object(&self) -> Option<(Kind, &str)> {
        match self {
            Self::Object(kind, id) | Self::Deleted(kind, id) | Self::Touched(kind, id) => Some((*kind, id)),
            Self::Nothing => None,
        }
    }
}

/// Why a body is not an event.
#[derive(Debug, thiserror::Error)]
pub enum NotAnEvent {
    /// Not JSON, or not in UTF-8.
    #[error("the body is not JSON")]
    Json(#[source] serde_json::Error),
    /// JSON, but not an event.
    #[error("the body is not an event")]
    Shape(#[source] serde_json::Error),
    /// An id or a type that cannot be one.
    #[error("the event's {0} is malformed")]
    Field(&'static str),
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    name: Cow<'a, str>,
    /// Unix seconds, or the text of a thin event.
    #[serde(borrow)]
    created: &'a RawValue,
    #[serde(default)]
    livemode: bool,
    #[serde(borrow)]
    api_version: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    object: &'a RawValue,
}

/// The fields by which an object is known, and the objects that it names.
#[derive(Deserialize)]
struct Head {
    id: Option<String>,
    object: Option<String>,
    customer: Option<Named>,
    subscription: Option<Named>,
    invoice: Option<Named>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Named {
    Id(String),
    Object { id: String },
    Other(serde::de::IgnoredAny),
}

impl Named {
    fn id(self) -> Option<String> {
        match self {
            Self::Id(id) | Self::Object { id } => plausible(&id).then_some(id),
            Self::Other(_) => None,
        }
    }
}

fn plausible(text: &str) -> bool {
    !text.is_empty() && text.len() <= TEXT_BYTES_MAX && !text.chars().any(char::is_control)
}

/// Reads the body of a webhook, or a row of the list of events.
///
/// # Errors
/// [`NotAnEvent`]; an event that Billfold has no use for is none, it is [`About::Nothing`].
pub fn read(body: &[u8]) -> Result<Event, NotAnEvent> {
    let envelope: Envelope<'_> = serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => NotAnEvent::Shape(error),
        _ => NotAnEvent::Json(error),
    })?;
    if !plausible(&envelope.id) {
        return Err(NotAnEvent::Field("id"));
    }
    if !plausible(&envelope.name) {
        return Err(NotAnEvent::Field("type"));
    }
    let second = envelope.created.get().parse::<i64>().ok().and_then(|s| Timestamp::from_second(s).ok());
    let object = envelope.data.and_then(|data| serde_json::from_str::<Data<'_>>(data.get()).ok());
    let object = object.map(|data| data.object.get());
    let (created, about) = match (second, object) {
        (Some(created), Some(object)) => (created, about(&envelope.name, object)),
        // A thin event, or one without its data: there is nothing to fold.
        (created, _) => (created.unwrap_or(Timestamp::UNIX_EPOCH), About::Nothing),
    };
    Ok(Event {
        id: envelope.id.into_owned(),
        name: envelope.name.into_owned(),
        created,
        livemode: envelope.livemode,
        api_version: envelope.api_version.map(Cow::into_owned),
        object: object.filter(|_| about != About::Nothing).unwrap_or_default().to_owned(),
        about,
    })
}

fn about(name: &str, object: &str) -> About {
    let Ok(head) = serde_json::from_str::<Head>(object) else { return About::Nothing };
    let whole = |kind: Kind, id: Option<String>| {
        let gone = name.strip_suffix(".deleted").is_some_and(|family| family == kind.as_str());
        match id.filter(|id| plausible(id)) {
            Some(id) if gone => About::Deleted(kind, id),
            Some(id) => About::Object(kind, id),
            // A preview of an invoice has no id.
            None => About::Nothing,
        }
    };
    let touched = |kind: Kind, named: Option<Named>| match named.and_then(Named::id) {
        Some(id) => About::Touched(kind, id),
        None => About::Nothing,
    };
    let own = |kind: Kind| match head.id.as_ref().filter(|id| plausible(id)) {
        Some(id) => About::Touched(kind, id.clone()),
        None => About::Nothing,
    };
    match head.object.as_deref() {
        Some("product") => whole(Kind::Product, head.id),
        Some("price") => whole(Kind::Price, head.id),
        Some("coupon") => whole(Kind::Coupon, head.id),
        Some("customer") => whole(Kind::Customer, head.id),
        Some("subscription") => whole(Kind::Subscription, head.id),
        Some("invoice") if name == "invoice.upcoming" => About::Nothing,
        Some("invoice") => whole(Kind::Invoice, head.id),
        Some("discount") => match head.subscription {
            Some(Named::Other(_)) | None => touched(Kind::Customer, head.customer),
            subscription => touched(Kind::Subscription, subscription),
        },
        // Late versions name the customer, under whom it is kept; a dispute's charge is shown only to who asks for it.
        Some("refund") if matches!(&head.customer, Some(Named::Id(_) | Named::Object { .. })) => {
            whole(Kind::Refund, head.id)
        }
        Some("refund") => own(Kind::Refund),
        Some("dispute") => own(Kind::Dispute),
        // Before basil a note names its refund, but not how much of it.
        Some("credit_note") => own(Kind::CreditNote),
        // `charge.refunded`: every refund has an event of its own, but only the charge knew its invoice before basil.
        Some("charge") => touched(Kind::Invoice, head.invoice),
        _ => About::Nothing,
    }
}

/// Whether objects of a kind are read as an API version renders them; those of any other version are fetched by id.
#[must_use]
pub fn is_readable(kind: Kind, api_version: Option<&str>) -> bool {
    let Some(version) = api_version else { return false };
    let (date, release) = version.split_once('.').unwrap_or((version, ""));
    let is_date = date.len() == 10 && date.parse::<jiff::civil::Date>().is_ok();
    let oldest = if kind == Kind::Subscription { OLDEST_SUBSCRIPTION_READ } else { OLDEST_READ };
    let (newest, newest_release) = NEWEST_READ;
    is_date && date >= oldest && (date <= newest || release == newest_release) && release != "preview"
}

/// Whether a payload says all that the same object says when it is fetched. Discounts and what a price or a coupon
/// shows only when asked for are not in a payload.
#[must_use]
pub fn is_complete(fact: &Fact) -> bool {
    let is_whole = |discount: &AppliedDiscount| match discount {
        AppliedDiscount::Whole(discount) => discount.coupon.is_some(),
        AppliedDiscount::Id(_) => false,
    };
    match fact {
        Fact::Price(_) | Fact::Coupon(_) | Fact::Dispute(_) | Fact::CreditNote(_) => false,
        Fact::Product(_) | Fact::Invoice(_) | Fact::Refund(_) => true,
        Fact::Customer(customer) => customer.discount.iter().all(is_whole),
        Fact::Subscription(one) => {
            let on_items = one.items.iter().flat_map(|item| &item.discounts);
            one.discounts.iter().all(is_whole)
                && on_items.into_iter().all(|discount| matches!(discount, AppliedDiscount::Whole(_)))
        }
    }
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;

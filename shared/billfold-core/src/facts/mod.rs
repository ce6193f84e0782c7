//! Facts: what Billfold keeps of Stripe's objects, in one shape whatever the API version of the payload was.
//!
//! A fact holds what some view or rule uses, plus the object's `metadata`; no card data and no addresses. Every enum
//! that Stripe may extend is open: an unknown value is carried as its text. Times are Unix seconds on the wire and
//! [`jiff::Timestamp`]s here; amounts are minor units.

mod catalogue;
mod customer;
mod invoice;
mod money_back;
mod subscription;

pub use catalogue::{
    Coupon, CouponDuration, Interval, Price, PriceAmount, PriceKind, Product, Recurring, Rounding, Tier, TiersMode,
    TransformQuantity, UsageType,
};
pub use customer::Customer;
pub use invoice::{Invoice, InvoiceStatus, Line};
pub use money_back::{
    CreditNote, CreditNoteStatus, Dispute, DisputeStatus, MoneyBack, PaidOut, Payment, Refund, RefundStatus,
};
pub use subscription::{
    AppliedDiscount, Cancellation, Discount, Discounted, PauseCollection, Subscription, SubscriptionItem,
    SubscriptionStatus,
};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The key-value pairs that the merchant attached to an object.
pub type Metadata = BTreeMap<String, String>;

/// The kinds of object that Billfold keeps, by Stripe's own names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `product`
    Product,
    /// `price`
    Price,
    /// `coupon`
    Coupon,
    /// `customer`
    Customer,
    /// `subscription`
    Subscription,
    /// `invoice`
    Invoice,
    /// `refund`
    Refund,
    /// `dispute`
    Dispute,
    /// `credit_note`
    CreditNote,
}

impl Kind {
    /// Stripe's name of the kind, as in an object's `object` field.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Price => "price",
            Self::Coupon => "coupon",
            Self::Customer => "customer",
            Self::Subscription => "subscription",
            Self::Invoice => "invoice",
            Self::Refund => "refund",
            Self::Dispute => "dispute",
            Self::CreditNote => "credit_note",
        }
    }
}

/// One fact of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A product.
    Product(Box<Product>),
    /// A price or an old plan.
    Price(Box<Price>),
    /// A coupon.
    Coupon(Box<Coupon>),
    /// A customer.
    Customer(Box<Customer>),
    /// A subscription with its items.
    Subscription(Box<Subscription>),
    /// An invoice with its lines.
    Invoice(Box<Invoice>),
    /// A refund.
    Refund(Box<Refund>),
    /// A dispute.
    Dispute(Box<Dispute>),
    /// A credit note.
    CreditNote(Box<CreditNote>),
}

impl Fact {
    /// The kind of the fact.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Product(_) => Kind::Product,
            Self::Price(_) => Kind::Price,
            Self::Coupon(_) => Kind::Coupon,
            Self::Customer(_) => Kind::Customer,
            Self::Subscription(_) => Kind::Subscription,
            Self::Invoice(_) => Kind::Invoice,
            Self::Refund(_) => Kind::Refund,
            Self::Dispute(_) => Kind::Dispute,
            Self::CreditNote(_) => Kind::CreditNote,
        }
    }

    /// Stripe's id of the object.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Product(fact) => fact.id.as_str(),
            Self::Price(fact) => fact.id.as_str(),
            Self::Coupon(fact) => fact.id.as_str(),
            Self::Customer(fact) => fact.id.as_str(),
            Self::Subscription(fact) => fact.id.as_str(),
            Self::Invoice(fact) => fact.id.as_str(),
            Self::Refund(fact) => fact.id.as_str(),
            Self::Dispute(fact) => fact.id.as_str(),
            Self::CreditNote(fact) => fact.id.as_str(),
        }
    }

    /// When Stripe created the object; `None` where the payload did not say.
    #[must_use]
    pub fn created(&self) -> Option<jiff::Timestamp> {
        match self {
            Self::Product(fact) => fact.created,
            Self::Price(fact) => fact.created,
            Self::Coupon(fact) => fact.created,
            Self::Customer(fact) => Some(fact.created),
            Self::Subscription(fact) => Some(fact.created),
            Self::Invoice(fact) => Some(fact.created),
            Self::Refund(fact) => Some(fact.created),
            Self::Dispute(fact) => Some(fact.created),
            Self::CreditNote(fact) => Some(fact.created),
        }
    }

    /// The customer whose account the fact counts for; `None` for the catalogue.
    #[must_use]
    pub fn customer(&self) -> Option<&crate::id::CustomerId> {
        match self {
            Self::Product(_) | Self::Price(_) | Self::Coupon(_) => None,
            Self::Customer(fact) => Some(&fact.id),
            Self::Subscription(fact) => Some(&fact.customer),
            Self::Invoice(fact) => Some(&fact.customer),
            Self::Refund(fact) => Some(&fact.customer),
            Self::Dispute(fact) => Some(&fact.customer),
            Self::CreditNote(fact) => Some(&fact.customer),
        }
    }

    /// The fact as the JSON that is stored.
    ///
    /// # Errors
    /// Never for facts that were read from Stripe; the signature is serde's.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Product(fact) => serde_json::to_string(fact),
            Self::Price(fact) => serde_json::to_string(fact),
            Self::Coupon(fact) => serde_json::to_string(fact),
            Self::Customer(fact) => serde_json::to_string(fact),
            Self::Subscription(fact) => serde_json::to_string(fact),
            Self::Invoice(fact) => serde_json::to_string(fact),
            Self::Refund(fact) => serde_json::to_string(fact),
            Self::Dispute(fact) => serde_json::to_string(fact),
            Self::CreditNote(fact) => serde_json::to_string(fact),
        }
    }

    /// Reads back what [`Fact::to_json`] wrote.
    ///
    /// # Errors
    /// When the text is not a fact of that kind.
    pub fn from_json(kind: Kind, json: &str) -> Result<Self, serde_json::Error> {
        Ok(match kind {
            Kind::Product => Self::Product(serde_json::from_str(json)?),
            Kind::Price => Self::Price(serde_json::from_str(json)?),
            Kind::Coupon => Self::Coupon(serde_json::from_str(json)?),
            Kind::Customer => Self::Customer(serde_json::from_str(json)?),
            Kind::Subscription => Self::Subscription(serde_json::from_str(json)?),
            Kind::Invoice => Self::Invoice(serde_json::from_str(json)?),
            Kind::Refund => Self::Refund(serde_json::from_str(json)?),
            Kind::Dispute => Self::Dispute(serde_json::from_str(json)?),
            Kind::CreditNote => Self::CreditNote(serde_json::from_str(json)?),
        })
    }
}

/// Declares an enum of Stripe's with known values and any other text.
macro_rules! open_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(from = "std::borrow::Cow<'_, str>", into = "String")]
        pub enum $name {
            $($(#[$vdoc])* $variant,)*
            /// A value that this version of Billfold does not know.
            Other(Box<str>),
        }

        impl $name {
            /// Stripe's text for the value.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(text) => text,
                }
            }
        }

        /// Stripe may add a value at any time, so the known ones are examples.
        #[cfg(feature = "openapi")]
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                let text = utoipa::openapi::ObjectBuilder::new().schema_type(utoipa::openapi::Type::String);
                text.examples([$($text),*]).into()
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::ToSchema for $name {}

        impl From<std::borrow::Cow<'_, str>> for $name {
            fn from(text: std::borrow::Cow<'_, str>) -> Self {
                match text.as_ref() {
                    $($text => Self::$variant,)*
                    other => Self::Other(other.into()),
                }
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.as_str().to_owned()
            }
        }
    };
}
pub(crate) use open_enum;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references to skip_serializing_if")]
pub(crate) fn is_false(value: &bool) -> bool {
    !*value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references to skip_serializing_if")]
pub(crate) fn is_zero(value: &i64) -> bool {
    *value == 0
}

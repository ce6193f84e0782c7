//! Ids as types, so that a customer can never be passed where an account is meant.
//!
//! Stripe's ids are opaque, case-sensitive strings of at most 255 characters (FACTS.md, rule of thumb): nothing
//! here looks inside one. An id is copied from fact to fact and from map to map, so its text is shared and not copied.

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// Longest id that is taken, in characters: Stripe's own limit.
pub const ID_CHARS_MAX: usize = 255;
/// Longest id that is taken, in bytes: what a sort key of the store has room for.
pub const ID_BYTES_MAX: usize = 900;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text is empty.
    #[error("an id cannot be empty")]
    Empty,
    /// The text is longer than [`ID_CHARS_MAX`] or [`ID_BYTES_MAX`].
    #[error("an id has at most {ID_CHARS_MAX} characters")]
    TooLong,
    /// The text has a control character; or, in an id of Billfold's own, white space or `#`, which separates keys.
    #[error("an id has no control characters, and Billfold's own have no white space or `#`")]
    Character,
}

fn check(text: &str, is_odd: fn(char) -> bool) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    // No text has more characters than bytes.
    if text.len() > ID_BYTES_MAX || (text.len() > ID_CHARS_MAX && text.chars().count() > ID_CHARS_MAX) {
        return Err(IdError::TooLong);
    }
    if text.chars().any(is_odd) {
        return Err(IdError::Character);
    }
    Ok(())
}

/// Merchants choose ids of products, plans and coupons, with spaces and signs in them.
fn odd_in_stripes(c: char) -> bool {
    c.is_control()
}

fn odd_in_ours(c: char) -> bool {
    c.is_control() || c.is_whitespace() || c == '#'
}

/// Reads an id from a text, wherever the text lies.
struct Reads<Id>(PhantomData<Id>);

impl<Id: for<'a> TryFrom<&'a str, Error = IdError>> Visitor<'_> for Reads<Id> {
    type Value = Id;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Id, E> {
        Id::try_from(text).map_err(E::custom)
    }
}

macro_rules! ids {
    ($odd:ident: $($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(
            feature = "openapi",
            derive(utoipa::ToSchema),
            schema(value_type = String, min_length = 1, max_length = 255)
        )]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes a text as an id.
            ///
            /// # Errors
            /// [`IdError`] if it is empty, too long, or has a character that such an id cannot have.
            pub fn new(text: impl AsRef<str>) -> Result<Self, IdError> {
                let text = text.as_ref();
                check(text, $odd)?;
                Ok(Self(text.into()))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<&str> for $name {
            type Error = IdError;
            fn try_from(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.as_str().to_owned()
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                from.deserialize_str(Reads(PhantomData))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

ids! { odd_in_ours:
    /// A tenant: the company that connected its Stripe account. Comes from a verified token, never from a path.
    WorkspaceId;
    /// One of the company's customers as the company sees it; one or more Stripe customers.
    AccountId;
    /// One pass over everything in Stripe.
    RunId;
    /// The last part of the webhook URL that the company gives to Stripe.
    EndpointId;
    /// Stripe's `cus_…`; it is part of partition keys.
    CustomerId;
}

ids! { odd_in_stripes:
    /// Stripe's `sub_…`.
    SubscriptionId;
    /// Stripe's `si_…`.
    ItemId;
    /// Stripe's `in_…`.
    InvoiceId;
    /// Stripe's `pi_…`, or the `ch_…` of a charge.
    PaymentId;
    /// Stripe's `re_…`.
    RefundId;
    /// Stripe's `dp_…` (`du_…` for later ones).
    DisputeId;
    /// Stripe's `cn_…`.
    CreditNoteId;
    /// Stripe's `il_…`.
    LineId;
    /// Stripe's `price_…` (or an old plan's id).
    PriceId;
    /// Stripe's `prod_…`.
    ProductId;
    /// Stripe's coupon id, which the merchant may choose.
    CouponId;
    /// Stripe's `di_…`.
    DiscountId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_stripe_sends_and_refuses_what_would_break_a_key() {
        let check = |text: &str| CustomerId::new(text).map(|id| id.to_string());
        assert_eq!(check("cus_9s6XKzkNRiz8i3"), Ok("cus_9s6XKzkNRiz8i3".to_owned()));
        assert_eq!(check(""), Err(IdError::Empty));
        assert_eq!(check("a b"), Err(IdError::Character));
        assert_eq!(check("a#b"), Err(IdError::Character));
        assert_eq!(check("a\nb"), Err(IdError::Character));
        assert_eq!(check(&"x".repeat(256)), Err(IdError::TooLong));
        assert!(check(&"x".repeat(255)).is_ok());
    }

    #[test]
    fn what_a_merchant_chose_is_taken_as_it_is() {
        for odd in ["odd 33.33% / off", "a#b", "ÄÖ 🎉", " x "] {
            assert_eq!(CouponId::new(odd).unwrap().as_str(), odd);
        }
        assert_eq!(CouponId::new("a\nb"), Err(IdError::Character));
        assert_eq!(CouponId::new("🎉".repeat(255)), Err(IdError::TooLong));
    }

    #[test]
    fn a_bad_id_in_json_is_an_error_and_not_a_row() {
        assert!(serde_json::from_str::<CustomerId>("\"a#b\"").is_err());
        assert_eq!(serde_json::from_str::<PriceId>("\"gold\"").unwrap().as_str(), "gold");
    }
}

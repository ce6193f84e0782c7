//! Why something counts or does not: the words that an explanation prints.
//!
//! Words only; the decisions are made beside the numbers.

use crate::money::{Currency, DecimalError, Overflow};
use serde::Serialize;

/// The row of MRR.md §2 that decided about a subscription or an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// `active` counts.
    ActiveCounts,
    /// `past_due` counts.
    PastDueCounts,
    /// `past_due` for longer than the policy allows.
    PastDueDropped,
    /// The subscription is in a trial.
    Trialing,
    /// The item is in a trial of its own.
    ItemTrial,
    /// The subscription is `unpaid`.
    Unpaid,
    /// The subscription is `paused`.
    Paused,
    /// The subscription is `incomplete`.
    Incomplete,
    /// The subscription is `incomplete_expired`.
    IncompleteExpired,
    /// The subscription is `canceled`.
    Canceled,
    /// Payment collection is paused.
    PauseCollection,
    /// A cancellation is scheduled, and the policy drops it at once.
    CancelScheduled,
    /// Usage does not count, or none has been billed yet.
    MeteredUsage,
    /// Usage counts as the latest finalized invoice billed it.
    MeteredUsageCounts,
    /// The price bills once.
    OneTimePrice,
    /// The object belongs to a test clock.
    TestClock,
    /// Nothing is left to pay.
    Free,
    /// It cannot be worked out, and `why` says what is missing.
    NotComputable,
}

impl Rule {
    /// The rule as a sentence for a person.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::ActiveCounts => "The subscription is active, so it counts.",
            Self::PastDueCounts => "The subscription is past due, and still counts.",
            Self::PastDueDropped => "The subscription is past due for longer than the policy allows.",
            Self::Trialing => "The subscription is in a trial.",
            Self::ItemTrial => "The item is in a trial of its own.",
            Self::Unpaid => "The subscription is unpaid: collecting was given up.",
            Self::Paused => "The subscription is paused.",
            Self::Incomplete => "The first payment has not been made yet.",
            Self::IncompleteExpired => "The first payment was never made.",
            Self::Canceled => "The subscription is over.",
            Self::PauseCollection => "Payment collection is paused.",
            Self::CancelScheduled => "A cancellation is scheduled, and the policy drops it at once.",
            Self::MeteredUsage => "Metered usage does not count.",
            Self::MeteredUsageCounts => "Metered usage counts as the latest finalized invoice billed it.",
            Self::OneTimePrice => "The price bills once, so it does not recur.",
            Self::TestClock => "It belongs to a test clock.",
            Self::Free => "Nothing is left to pay.",
            Self::NotComputable => "It cannot be worked out.",
        }
    }
}

/// What became of one discount on one item (MRR.md §1 and §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DiscountRule {
    /// It was subtracted.
    Subtracted,
    /// It was subtracted; whether its coupon is limited to some products is not known, because the coupon is gone.
    SubtractedAppliesToUnknown,
    /// The policy does not subtract `forever`.
    DiscountForeverNotSubtracted,
    /// The policy does not subtract `repeating`.
    DiscountRepeatingNotSubtracted,
    /// The policy does not subtract `once`.
    DiscountOnceNotSubtracted,
    /// The policy subtracts no discount, so this one was not looked at.
    DiscountsNotSubtracted,
    /// It has ended.
    DiscountOver,
    /// Its amount is in a currency that the subscription does not bill in.
    DiscountOtherCurrency,
    /// Its coupon is limited to other products.
    DiscountOtherProduct,
    /// Its amount is carried by the items of a shorter interval.
    DiscountShorterIntervalCarries,
}

/// What became of the tax that a price includes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TaxRule {
    /// It was taken out at the rate of an invoice's lines.
    TakenOut,
    /// No invoice line says the rate, so the amount was kept as it is.
    InclusiveTaxUnknown,
}

/// What is missing where an amount cannot be worked out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotComputable {
    /// A subscription status that this version does not know.
    #[error("the status `{0}` is not known")]
    Status(String),
    /// A licensed item without a quantity.
    #[error("the item has no quantity")]
    NoQuantity,
    /// A quantity below zero.
    #[error("the quantity is below zero")]
    NegativeQuantity,
    /// The price names no unit amount and has no tiers.
    #[error("the price has no unit amount")]
    NoUnitAmount,
    /// An amount below zero.
    #[error("the price is below zero")]
    NegativePrice,
    /// Neither the item nor the catalogue has the tiers.
    #[error("the tiers of the price are not known")]
    NoTiers,
    /// The tiers' limits do not rise, or a limit is missing in their middle.
    #[error("the tiers of the price are out of order")]
    TiersOutOfOrder,
    /// The quantity is above the last tier.
    #[error("no tier of the price holds the quantity")]
    NoTierHolds,
    /// Neither graduated nor volume.
    #[error("the tiers mode `{0}` is not known")]
    TiersMode(String),
    /// The price has no amount in the subscription's currency.
    #[error("the price has no amount in {0}")]
    NoCurrencyOption(Currency),
    /// `transform_quantity` divides by zero or less, or rounds in an unknown way.
    #[error("the quantity is divided in a way that makes no sense")]
    TransformQuantity,
    /// An interval that this version does not know.
    #[error("the billing interval `{0}` is not known")]
    Interval(String),
    /// A period of no or negative length.
    #[error("the billing interval is repeated {0} times")]
    IntervalCount(i64),
    /// Neither licensed nor metered.
    #[error("the usage type `{0}` is not known")]
    UsageType(String),
    /// An invoice in another currency than its subscription.
    #[error("the usage was billed in {0}")]
    UsageCurrency(Currency),
    /// Only the discount's id is known.
    #[error("the discount {0} is known by its id only")]
    DiscountUnknown(String),
    /// Only the coupon's id is known.
    #[error("the coupon {0} is known by its id only")]
    CouponUnknown(String),
    /// A coupon that takes off neither a percentage nor an amount.
    #[error("the coupon {0} does not say what it takes off")]
    CouponWithoutValue(String),
    /// A percentage outside 0 to 100, or an amount below zero.
    #[error("the coupon {0} takes off something impossible")]
    CouponValue(String),
    /// Neither once, repeating nor forever.
    #[error("the coupon's duration `{0}` is not known")]
    CouponDuration(String),
    /// A coupon limited to some products meets an item whose product is not known.
    #[error("the product of the item is not known, and a coupon is limited to some")]
    ProductUnknown,
    /// An amount off is spread over several items and one of them is not computable.
    #[error("an amount off is spread over several items, and one of them cannot be worked out")]
    Companion,
    /// A decimal that is none.
    #[error("an amount is not a decimal number")]
    Decimal,
    /// More digits than an exact fraction holds.
    #[error("the amount is too large to compute exactly")]
    TooLarge,
}

impl From<Overflow> for NotComputable {
    fn from(_: Overflow) -> Self {
        Self::TooLarge
    }
}

impl From<DecimalError> for NotComputable {
    fn from(error: DecimalError) -> Self {
        match error {
            DecimalError::Malformed => Self::Decimal,
            DecimalError::TooLong => Self::TooLarge,
        }
    }
}

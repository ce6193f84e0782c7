//! What counts: the table of MRR.md §2 as a value, and the named sets of choices.
//!
//! A rule without a choice for anybody (`unpaid` is 0, `test_clock` is 0) has no field. Nothing here computes.

use serde::{Deserialize, Serialize};

/// The choices of MRR.md §2, one field for each row that leaves one. The default is [`Preset::Billfold`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Policy {
    /// Row `past_due`.
    pub past_due: PastDue,
    /// Row `trialing`, as far as it is about an item inside `current_trial`.
    pub item_trial: Counting,
    /// Row `pause_collection` set.
    pub pause_collection: Counting,
    /// Row cancel scheduled.
    pub cancel_scheduled: CancelScheduled,
    /// Row discount `forever`.
    pub discount_forever: Subtraction,
    /// Row discount `repeating`, not yet over.
    pub discount_repeating: Subtraction,
    /// Row discount `once`.
    pub discount_once: Subtraction,
    /// Row metered usage.
    pub metered: Metered,
    /// Row tax: what becomes of tax that a price includes.
    pub inclusive_tax: InclusiveTax,
}

/// A partial policy: what is `None` stays as it was. Unknown fields are refused, so that a typo is not a no-op.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct PolicyPatch {
    /// Replaces [`Policy::past_due`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub past_due: Option<PastDue>,
    /// Replaces [`Policy::item_trial`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_trial: Option<Counting>,
    /// Replaces [`Policy::pause_collection`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause_collection: Option<Counting>,
    /// Replaces [`Policy::cancel_scheduled`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_scheduled: Option<CancelScheduled>,
    /// Replaces [`Policy::discount_forever`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discount_forever: Option<Subtraction>,
    /// Replaces [`Policy::discount_repeating`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discount_repeating: Option<Subtraction>,
    /// Replaces [`Policy::discount_once`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discount_once: Option<Subtraction>,
    /// Replaces [`Policy::metered`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metered: Option<Metered>,
    /// Replaces [`Policy::inclusive_tax`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inclusive_tax: Option<InclusiveTax>,
}

/// What a `past_due` subscription is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PastDue {
    /// It counts for as long as it is `past_due`.
    Counts,
    /// It counts until its oldest open invoice has been overdue for this many days.
    DropAfterDays(u32),
    /// It is 0 from the first day.
    Drop,
}

/// Whether something counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Counting {
    /// It is 0.
    Zero,
    /// It counts as if nothing were special about it.
    Keep,
}

/// What a subscription whose cancellation is scheduled is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CancelScheduled {
    /// It counts until it ends, and is shown as scheduled churn.
    CountUntilEnd,
    /// It is 0 from the moment that the cancellation is asked for.
    DropAtOnce,
}

/// Whether discounts of one duration are subtracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Subtraction {
    /// They are.
    Subtract,
    /// They are not; the explanation shows them as skipped.
    Ignore,
}

/// What metered usage is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Metered {
    /// Nothing: usage is not recurring.
    Zero,
    /// What the latest finalized invoice billed for it.
    LatestInvoice,
}

/// What becomes of tax that a price includes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum InclusiveTax {
    /// It is taken out at the rate of the latest invoice's lines.
    TakeOut,
    /// It stays in.
    Keep,
}

/// A named policy. The vendors' are what those vendors publish about Stripe data; where one is silent, Billfold's own
/// choice stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// MRR.md §2, its default column.
    #[default]
    Billfold,
    /// Stripe Billing's own figure: `active` and `past_due` count, usage does not, only `forever` coupons are
    /// subtracted by default, and a cancellation takes the MRR away when it is asked for. Paused collection does not
    /// change the status, and Stripe publishes no exception for it.
    ///
    /// Sources: docs.stripe.com/billing/subscriptions/analytics; support.stripe.com/questions
    /// `impact-of-discounts-and-coupons-on-monthly-recurring-revenue-mrr-in-billing` and `metric-configurations`;
    /// for the moment of a cancellation learn.profitwell.com/article/gf9qqkyplu-profitwell-vs-stripe.
    Stripe,
    /// ChartMogul reads invoices: the amount of a line is MRR after every discount and without tax, so usage that was
    /// billed counts as well. Past-due subscriptions count until they are cancelled, churn is recognized when the
    /// subscription ends, and a paused one goes on generating MRR.
    ///
    /// Sources: help.chartmogul.com articles 360012519560 (line items), 15384089786524 (settings and their defaults),
    /// 303 (past due) and 360015688860 (paused subscriptions); dev.chartmogul.com/docs
    /// `how-mrr-is-calculated-from-prorated-invoices` (tax).
    #[serde(rename = "chartmogul")]
    ChartMogul,
    /// Baremetrics: what a coupon takes off is removed from MRR, a customer delinquent for more than 30 days is
    /// churned, and usage-based plans on Stripe are left out by default.
    ///
    /// Sources: help.baremetrics.com articles 5380330 (MRR) and 9096541 (usage-based billing).
    Baremetrics,
    /// ProfitWell Metrics: every discount is subtracted whatever its frequency, metered billing is part of MRR, a
    /// cancelled customer counts until the end of the billing cycle, a subscription on hold is 0, and past-due
    /// customers stay active while dunning lasts.
    ///
    /// Sources: learn.profitwell.com articles gf9qqkyplu (against Stripe) and 3xteyrvof6 (on hold, against
    /// Chargify); paddle.com/help/profitwell-metrics `measure/subscription-retention/churn`.
    #[serde(rename = "profitwell")]
    ProfitWell,
    /// Price × quantity of active subscriptions, normalized, nothing else.
    Simple,
}

impl Default for Policy {
    fn default() -> Self {
        Preset::Billfold.policy()
    }
}

impl Preset {
    /// Every preset, for choosing from a list.
    pub const ALL: [Self; 6] =
        [Self::Billfold, Self::Stripe, Self::ChartMogul, Self::Baremetrics, Self::ProfitWell, Self::Simple];

    /// The policy that the name stands for (MRR.md §2).
    #[must_use]
    pub fn policy(self) -> Policy {
        let billfold = Policy {
            past_due: PastDue::Counts,
            item_trial: Counting::Zero,
            pause_collection: Counting::Zero,
            cancel_scheduled: CancelScheduled::CountUntilEnd,
            discount_forever: Subtraction::Subtract,
            discount_repeating: Subtraction::Subtract,
            discount_once: Subtraction::Ignore,
            metered: Metered::Zero,
            inclusive_tax: InclusiveTax::TakeOut,
        };
        match self {
            Self::Billfold => billfold,
            Self::Stripe => Policy {
                pause_collection: Counting::Keep,
                cancel_scheduled: CancelScheduled::DropAtOnce,
                discount_repeating: Subtraction::Ignore,
                ..billfold
            },
            Self::ChartMogul => Policy {
                pause_collection: Counting::Keep,
                discount_once: Subtraction::Subtract,
                metered: Metered::LatestInvoice,
                ..billfold
            },
            Self::Baremetrics => {
                Policy { past_due: PastDue::DropAfterDays(30), discount_once: Subtraction::Subtract, ..billfold }
            }
            Self::ProfitWell => {
                Policy { discount_once: Subtraction::Subtract, metered: Metered::LatestInvoice, ..billfold }
            }
            Self::Simple => Policy {
                past_due: PastDue::Drop,
                item_trial: Counting::Keep,
                pause_collection: Counting::Keep,
                discount_forever: Subtraction::Ignore,
                discount_repeating: Subtraction::Ignore,
                inclusive_tax: InclusiveTax::Keep,
                ..billfold
            },
        }
    }
}

impl PolicyPatch {
    /// The policy with what the patch says put in its place.
    #[must_use]
    pub fn apply(&self, policy: Policy) -> Policy {
        Policy {
            past_due: self.past_due.unwrap_or(policy.past_due),
            item_trial: self.item_trial.unwrap_or(policy.item_trial),
            pause_collection: self.pause_collection.unwrap_or(policy.pause_collection),
            cancel_scheduled: self.cancel_scheduled.unwrap_or(policy.cancel_scheduled),
            discount_forever: self.discount_forever.unwrap_or(policy.discount_forever),
            discount_repeating: self.discount_repeating.unwrap_or(policy.discount_repeating),
            discount_once: self.discount_once.unwrap_or(policy.discount_once),
            metered: self.metered.unwrap_or(policy.metered),
            inclusive_tax: self.inclusive_tax.unwrap_or(policy.inclusive_tax),
        }
    }
}

impl Policy {
    /// True when no discount of any duration is subtracted, so that none has to be known.
    #[must_use]
    pub fn ignores_discounts(&self) -> bool {
        [self.discount_forever, self.discount_repeating, self.discount_once].iter().all(|s| *s == Subtraction::Ignore)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_the_table_of_the_definitions() {
        let json = serde_json::to_value(Policy::default()).unwrap();
        let table = serde_json::json!({
            "past_due": "counts", "item_trial": "zero", "pause_collection": "zero",
            "cancel_scheduled": "count_until_end", "discount_forever": "subtract", "discount_repeating": "subtract",
            "discount_once": "ignore", "metered": "zero", "inclusive_tax": "take_out",
        });
        assert_eq!(json, table);
        assert_eq!(serde_json::from_value::<Policy>(table).unwrap(), Preset::default().policy());
    }

    #[test]
    fn presets_are_named_as_in_the_settings_and_all_differ() {
        let names: Vec<String> = Preset::ALL.iter().map(|p| serde_json::to_string(p).unwrap()).collect();
        assert_eq!(names.join(" "), r#""billfold" "stripe" "chartmogul" "baremetrics" "profitwell" "simple""#);
        for (place, one) in Preset::ALL.iter().enumerate() {
            for other in &Preset::ALL[place + 1..] {
                assert_ne!(one.policy(), other.policy(), "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_patch_changes_what_it_says_and_nothing_else() {
        let patch: PolicyPatch =
            serde_json::from_str(r#"{"past_due":{"drop_after_days":14},"discount_once":"subtract"}"#).unwrap();
        let patched = patch.apply(Policy::default());
        let expected =
            Policy { past_due: PastDue::DropAfterDays(14), discount_once: Subtraction::Subtract, ..Policy::default() };
        assert_eq!(patched, expected);
        assert_eq!(PolicyPatch::default().apply(expected.clone()), expected);
        let whole: PolicyPatch = serde_json::from_value(serde_json::to_value(&expected).unwrap()).unwrap();
        assert_eq!(whole.apply(Preset::Simple.policy()), expected);
    }

    #[test]
    fn a_patch_with_a_typo_is_refused() {
        for bad in [r#"{"pastdue":"counts"}"#, r#"{"past_due":"sometimes"}"#, r#"{"past_due":{"drop_after_days":-1}}"#]
        {
            assert!(serde_json::from_str::<PolicyPatch>(bad).is_err(), "{bad}");
        }
    }
}

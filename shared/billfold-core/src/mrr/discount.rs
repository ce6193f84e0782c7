//! Discounts: completed, judged by the policy, and subtracted (MRR.md §1 and the discount rows of §2).
//!
//! Each takes its part of what the one before left, before the interval factor. What is skipped is shown as skipped.

use super::Context;
use super::explain::{DiscountKind, DiscountStep, Scope};
use super::policy::Subtraction;
use super::reason::{DiscountRule, NotComputable};
use super::subscription::Work;
use crate::facts::{AppliedDiscount, Coupon, CouponDuration, Discount};
use crate::id::{DiscountId, ProductId};
use crate::money::{Currency, Exact, Overflow};

/// A discount with its coupon, and what of the coupon had to be completed.
struct Known<'a> {
    discount: &'a Discount,
    coupon: &'a Coupon,
    /// The catalogue's version of the same coupon.
    catalogued: Option<&'a Coupon>,
}

/// What a coupon takes off.
enum Value<'a> {
    /// A percentage of 0 to 100, and its text.
    Percent(Exact, &'a str),
    /// Minor units of the subscription's currency.
    Amount(i64),
    /// Minor units of a currency that the subscription does not bill in.
    OtherCurrency(i64),
}

/// What is to be done with a discount.
struct Terms<'a> {
    /// The step as it is shown; what is before and after it is filled in item by item.
    step: DiscountStep<'a>,
    /// `None` where the step's rule skips it.
    takes: Option<Takes>,
    /// The only products it applies to; empty for all.
    products: &'a [ProductId],
}

/// What is subtracted.
#[derive(Clone, Copy)]
enum Takes {
    Percent(Exact),
    Amount(Exact),
}

/// Applies one discount to the items of its scope that count.
pub(super) fn apply<'a>(
    context: &Context<'a>,
    currency: Currency,
    applied: &'a AppliedDiscount,
    scope: Scope,
    works: &mut [Work<'a>],
) {
    let terms = match terms(context, currency, applied, scope) {
        Ok(terms) => terms,
        Err(reason) => return works.iter_mut().filter(|work| work.out.counted).for_each(|work| work.fail(&reason)),
    };
    match terms.takes {
        None => {
            let rule = terms.step.rule;
            works.iter_mut().filter(|work| work.out.counted).for_each(|work| terms.skip(work, rule));
        }
        Some(Takes::Percent(percent)) => terms.take_percent(works, percent),
        Some(Takes::Amount(amount)) => terms.take_amount(works, amount),
    }
}

fn terms<'a>(
    context: &Context<'a>,
    currency: Currency,
    applied: &'a AppliedDiscount,
    scope: Scope,
) -> Result<Terms<'a>, NotComputable> {
    let known = match known(context, applied) {
        Ok(known) => known,
        // Nothing of a discount has to be known where none is subtracted.
        Err(_) if context.policy.ignores_discounts() => {
            let step = step(discount_id(applied), scope, DiscountRule::DiscountsNotSubtracted);
            return Ok(Terms { step, takes: None, products: &[] });
        }
        Err(reason) => return Err(reason),
    };
    let products = known.products();
    let value = known.value(currency)?;
    let skipped = skipped(context, &known)?;
    let (rule, takes) = match (skipped, &value) {
        (Some(rule), _) => (rule, None),
        (None, Value::OtherCurrency(_)) => (DiscountRule::DiscountOtherCurrency, None),
        (None, Value::Percent(percent, _)) => (subtracted(products), Some(Takes::Percent(*percent))),
        (None, Value::Amount(amount)) => (subtracted(products), Some(Takes::Amount(Exact::whole(*amount)))),
    };
    let (kind, text) = match value {
        Value::Percent(_, text) => (DiscountKind::Percent, text.into()),
        Value::Amount(amount) | Value::OtherCurrency(amount) => (DiscountKind::Amount, amount.to_string().into()),
    };
    let step = DiscountStep {
        coupon_id: Some(&known.discount.coupon_id),
        kind: Some(kind),
        value: Some(text),
        ..step(&known.discount.id, scope, rule)
    };
    Ok(Terms { step, takes, products: products.unwrap_or_default() })
}

fn step(discount_id: &DiscountId, scope: Scope, rule: DiscountRule) -> DiscountStep<'_> {
    DiscountStep {
        discount_id,
        coupon_id: None,
        scope,
        kind: None,
        value: None,
        rule,
        before: Exact::ZERO,
        spread_over: None,
        after: Exact::ZERO,
    }
}

fn discount_id(applied: &AppliedDiscount) -> &DiscountId {
    match applied {
        AppliedDiscount::Whole(discount) => &discount.id,
        AppliedDiscount::Id(id) => id,
    }
}

fn known<'a>(context: &Context<'a>, applied: &'a AppliedDiscount) -> Result<Known<'a>, NotComputable> {
    let discount = match applied {
        AppliedDiscount::Whole(discount) => discount,
        AppliedDiscount::Id(id) => {
            context.catalogue.discount(id).ok_or_else(|| NotComputable::DiscountUnknown(id.to_string()))?
        }
    };
    let catalogued = context.catalogue.coupon(&discount.coupon_id);
    let Some(coupon) = discount.coupon.as_ref().or(catalogued) else {
        return Err(NotComputable::CouponUnknown(discount.coupon_id.to_string()));
    };
    // An id can be used again after its coupon was deleted; the catalogue's is then another coupon.
    let same = |other: &&Coupon| other.created.is_none() || coupon.created.is_none() || other.created == coupon.created;
    Ok(Known { discount, coupon, catalogued: catalogued.filter(same) })
}

/// Whether a discount is skipped altogether, and by which row of MRR.md §2.
fn skipped(context: &Context<'_>, known: &Known<'_>) -> Result<Option<DiscountRule>, NotComputable> {
    if known.discount.end.is_some_and(|end| end <= context.now) {
        return Ok(Some(DiscountRule::DiscountOver));
    }
    let policy = context.policy;
    let (choice, rule) = match &known.coupon.duration {
        CouponDuration::Forever => (policy.discount_forever, DiscountRule::DiscountForeverNotSubtracted),
        CouponDuration::Repeating => (policy.discount_repeating, DiscountRule::DiscountRepeatingNotSubtracted),
        CouponDuration::Once => (policy.discount_once, DiscountRule::DiscountOnceNotSubtracted),
        CouponDuration::Other(other) => return Err(NotComputable::CouponDuration(other.to_string())),
    };
    Ok((choice == Subtraction::Ignore).then_some(rule))
}

/// A payload never carries the products of a coupon, and a deleted coupon is in no catalogue. Most coupons are limited
/// to none, so it is subtracted from all of them, and the step says that this was not known.
fn subtracted(products: Option<&[ProductId]>) -> DiscountRule {
    if products.is_some() { DiscountRule::Subtracted } else { DiscountRule::SubtractedAppliesToUnknown }
}

impl<'a> Known<'a> {
    /// The products that the coupon is limited to; `None` where nobody knows. The catalogue's coupons are read with
    /// theirs, and Stripe sends none for a coupon without limits.
    fn products(&self) -> Option<&'a [ProductId]> {
        let theirs = self.catalogued.map(|coupon| coupon.applies_to.as_deref().unwrap_or_default());
        self.coupon.applies_to.as_deref().or(theirs)
    }

    fn value(&self, currency: Currency) -> Result<Value<'a>, NotComputable> {
        let impossible = || NotComputable::CouponValue(self.coupon.id.to_string());
        if let Some(text) = &self.coupon.percent_off {
            let percent = Exact::from_decimal(text)?;
            if percent.is_negative() || percent > Exact::whole(100) {
                return Err(impossible());
            }
            return Ok(Value::Percent(percent, text));
        }
        let Some(own) = self.coupon.amount_off else {
            return Err(NotComputable::CouponWithoutValue(self.coupon.id.to_string()));
        };
        let option = |coupon: &Coupon| coupon.currency_options.as_ref()?.get(&currency).copied();
        let amount = match self.coupon.currency {
            Some(in_own) if in_own == currency => Some(own),
            _ => option(self.coupon).or_else(|| self.catalogued.and_then(option)),
        };
        if amount.unwrap_or(own) < 0 {
            return Err(impossible());
        }
        Ok(amount.map_or(Value::OtherCurrency(own), Value::Amount))
    }
}

impl<'a> Terms<'a> {
    fn skip(&self, work: &mut Work<'a>, rule: DiscountRule) {
        let step = DiscountStep { rule, before: work.left, after: work.left, ..self.step.clone() };
        work.out.discounts.push(step);
    }

    fn take(&self, work: &mut Work<'a>, spread_over: Option<Exact>, after: Result<Exact, Overflow>) {
        match after {
            Ok(after) => {
                let step = DiscountStep { before: work.left, spread_over, after, ..self.step.clone() };
                work.out.discounts.push(step);
                work.left = after;
            }
            Err(overflow) => work.fail(&overflow.into()),
        }
    }

    /// Whether a product is among those that the discount is limited to.
    fn covers(&self, work: &Work<'_>) -> Result<bool, NotComputable> {
        if self.products.is_empty() {
            return Ok(true);
        }
        work.out.product_id.map(|id| self.products.contains(id)).ok_or(NotComputable::ProductUnknown)
    }

    fn take_percent(&self, works: &mut [Work<'a>], percent: Exact) {
        for work in works.iter_mut().filter(|work| work.out.counted) {
            match self.covers(work) {
                Err(reason) => work.fail(&reason),
                Ok(false) => self.skip(work, DiscountRule::DiscountOtherProduct),
                Ok(true) => {
                    let hundred = Exact::whole(100);
                    let kept = hundred.minus(percent).and_then(|kept| kept.over(hundred));
                    let after = kept.and_then(|kept| work.left.times(kept));
                    self.take(work, None, after);
                }
            }
        }
    }

    /// Spreads an amount over the items that carry it, in proportion to what is left of them and never below zero.
    fn take_amount(&self, works: &mut [Work<'a>], amount: Exact) {
        let mut bearing = Vec::new();
        let mut companion_fails = false;
        for work in works.iter_mut() {
            match self.covers(work) {
                Ok(true) | Err(_) if work.failed() => companion_fails = true,
                Ok(true) if work.out.counted => bearing.push(work),
                Ok(false) if work.out.counted => self.skip(work, DiscountRule::DiscountOtherProduct),
                Err(reason) if work.out.counted => {
                    work.fail(&reason);
                    companion_fails = true;
                }
                _ => {}
            }
        }
        if companion_fails {
            return bearing.into_iter().for_each(|work| work.fail(&NotComputable::Companion));
        }
        // A greater factor is a shorter interval, which is invoiced every time.
        let shortest = bearing.iter().map(|work| work.factor).max();
        let (carrying, longer): (Vec<_>, Vec<_>) = bearing.into_iter().partition(|work| Some(work.factor) == shortest);
        longer.into_iter().for_each(|work| self.skip(work, DiscountRule::DiscountShorterIntervalCarries));
        let Ok(whole) = carrying.iter().try_fold(Exact::ZERO, |sum, work| sum.plus(work.left)) else {
            return carrying.into_iter().for_each(|work| work.fail(&NotComputable::TooLarge));
        };
        for work in carrying {
            let after = left_of_share(work.left, whole, amount.min(whole));
            self.take(work, Some(whole), after);
        }
    }
}

fn left_of_share(left: Exact, whole: Exact, off: Exact) -> Result<Exact, Overflow> {
    if whole.is_zero() {
        return Ok(left);
    }
    left.minus(off.times(left)?.over(whole)?)
}

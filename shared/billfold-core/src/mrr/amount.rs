//! What a quantity costs for one billing period, and the factor from that period to a month (MRR.md §1).
//!
//! Before any discount, and rounding nothing.

use super::Catalogue;
use super::explain::TierUse;
use super::reason::NotComputable;
use crate::facts::{Interval, Price, PriceAmount, Recurring, Rounding, Tier, TiersMode, TransformQuantity};
use crate::money::{Currency, Exact};

/// The cost of a quantity, with what it was worked out from.
pub(super) struct Priced<'a> {
    pub(super) billed_quantity: i64,
    pub(super) unit_amount: Option<&'a str>,
    pub(super) tiers: Vec<TierUse<'a>>,
    pub(super) amount: Exact,
}

/// Prices a quantity in a currency; tiers and other currencies may come from the catalogue.
pub(super) fn licensed<'a>(
    catalogue: &'a Catalogue,
    price: &'a Price,
    quantity: Option<i64>,
    currency: Currency,
) -> Result<Priced<'a>, NotComputable> {
    let quantity = quantity.ok_or(NotComputable::NoQuantity)?;
    if quantity < 0 {
        return Err(NotComputable::NegativeQuantity);
    }
    let billed_quantity = price.transform_quantity.as_ref().map_or(Ok(quantity), |by| transformed(quantity, by))?;
    let own = in_currency(price, currency);
    let theirs = || catalogue.price(&price.id).and_then(|price| in_currency(price, currency));
    if own.is_none() && theirs().is_none() {
        return Err(NotComputable::NoCurrencyOption(currency));
    }
    let Some(mode) = &price.tiers_mode else {
        let unit = |amount: &'a PriceAmount| amount.unit_amount_decimal.as_deref();
        let unit = own.and_then(unit).or_else(|| theirs().and_then(unit)).ok_or(NotComputable::NoUnitAmount)?;
        let amount = Exact::whole(billed_quantity).times(price_of(unit)?)?;
        return Ok(Priced { billed_quantity, unit_amount: Some(unit), tiers: Vec::new(), amount });
    };
    let tiers = |amount: &'a PriceAmount| amount.tiers.as_deref();
    let tiers = own.and_then(tiers).or_else(|| theirs().and_then(tiers)).filter(|tiers| !tiers.is_empty());
    let tiers = tiers.ok_or(NotComputable::NoTiers)?;
    let tiers = tiered(mode, tiers, billed_quantity)?;
    let amount = tiers.iter().try_fold(Exact::ZERO, |sum, tier| sum.plus(tier.amount))?;
    Ok(Priced { billed_quantity, unit_amount: None, tiers, amount })
}

/// One billing period as a part of a month: month `1/n`, year `1/(12n)`, week `365/(84n)`, day `365/(12n)`.
pub(super) fn monthly_factor(recurring: &Recurring) -> Result<Exact, NotComputable> {
    let (numerator, denominator) = match &recurring.interval {
        Interval::Month => (1, 1),
        Interval::Year => (1, 12),
        Interval::Week => (365, 84),
        Interval::Day => (365, 12),
        Interval::Other(other) => return Err(NotComputable::Interval(other.to_string())),
    };
    let count = recurring.interval_count;
    if count <= 0 {
        return Err(NotComputable::IntervalCount(count));
    }
    let factor = Exact::fraction(numerator, denominator).ok_or(NotComputable::TooLarge)?;
    Ok(factor.over(Exact::whole(count))?)
}

fn in_currency(price: &Price, currency: Currency) -> Option<&PriceAmount> {
    if price.currency == currency {
        return Some(&price.amount);
    }
    price.currency_options.as_ref()?.get(&currency)
}

fn transformed(quantity: i64, by: &TransformQuantity) -> Result<i64, NotComputable> {
    let senseless = NotComputable::TransformQuantity;
    if by.divide_by <= 0 {
        return Err(senseless);
    }
    let (Some(whole), Some(rest)) = (quantity.checked_div(by.divide_by), quantity.checked_rem(by.divide_by)) else {
        return Err(senseless);
    };
    match by.round {
        Rounding::Up if rest > 0 => whole.checked_add(1).ok_or(NotComputable::TooLarge),
        Rounding::Up | Rounding::Down => Ok(whole),
        Rounding::Other(_) => Err(senseless),
    }
}

fn tiered<'a>(mode: &TiersMode, tiers: &'a [Tier], quantity: i64) -> Result<Vec<TierUse<'a>>, NotComputable> {
    check_order(tiers)?;
    match mode {
        TiersMode::Volume => {
            let tier = tiers.iter().find(|tier| holds(tier, quantity)).ok_or(NotComputable::NoTierHolds)?;
            Ok(vec![tier_use(tier, quantity)?])
        }
        TiersMode::Graduated => graduated(tiers, quantity),
        TiersMode::Other(other) => Err(NotComputable::TiersMode(other.to_string())),
    }
}

/// The first tier is reached at quantity zero, so its flat amount is always due.
fn graduated(tiers: &[Tier], quantity: i64) -> Result<Vec<TierUse<'_>>, NotComputable> {
    let mut uses = Vec::new();
    let mut below = 0i64;
    for tier in tiers {
        let top = tier.up_to.map_or(quantity, |limit| limit.min(quantity));
        uses.push(tier_use(tier, top.saturating_sub(below))?);
        if holds(tier, quantity) {
            return Ok(uses);
        }
        below = top;
    }
    Err(NotComputable::NoTierHolds)
}

fn holds(tier: &Tier, quantity: i64) -> bool {
    tier.up_to.is_none_or(|limit| quantity <= limit)
}

/// Limits rise from above zero, and only the last tier is without one.
fn check_order(tiers: &[Tier]) -> Result<(), NotComputable> {
    let mut below = Some(0);
    for tier in tiers {
        let limit_below = below.ok_or(NotComputable::TiersOutOfOrder)?;
        if tier.up_to.is_some_and(|limit| limit <= limit_below) {
            return Err(NotComputable::TiersOutOfOrder);
        }
        below = tier.up_to;
    }
    Ok(())
}

fn tier_use(tier: &Tier, quantity: i64) -> Result<TierUse<'_>, NotComputable> {
    if tier.unit_amount_decimal.is_none() && tier.flat_amount_decimal.is_none() {
        return Err(NotComputable::NoUnitAmount);
    }
    let part = |text: &Option<String>| text.as_deref().map_or(Ok(Exact::ZERO), price_of);
    let units = Exact::whole(quantity).times(part(&tier.unit_amount_decimal)?)?;
    Ok(TierUse {
        up_to: tier.up_to,
        quantity,
        unit_amount: tier.unit_amount_decimal.as_deref(),
        flat_amount: tier.flat_amount_decimal.as_deref(),
        amount: units.plus(part(&tier.flat_amount_decimal)?)?,
    })
}

fn price_of(text: &str) -> Result<Exact, NotComputable> {
    let price = Exact::from_decimal(text)?;
    if price.is_negative() { Err(NotComputable::NegativePrice) } else { Ok(price) }
}

//! What a quantity costs at a price. Exact; it rounds nothing.

use crate::fraction::Fraction;
use crate::model::{Decimal, Price, Scheme, Tier, TiersMode};

/// The cost of `quantity` for one interval, in minor units, before any discount.
pub fn amount(price: &Price, quantity: u64) -> Fraction {
    let billed = match price.transform {
        None => quantity,
        Some(by) if by.round_up => quantity.div_ceil(by.divide_by),
        Some(by) => quantity / by.divide_by,
    };
    match &price.scheme {
        Scheme::PerUnit(unit) => unit.fraction() * units(billed),
        Scheme::Tiered(TiersMode::Volume, tiers) => volume(tiers, billed),
        Scheme::Tiered(TiersMode::Graduated, tiers) => graduated(tiers, billed),
    }
}

fn volume(tiers: &[Tier], quantity: u64) -> Fraction {
    tiers
        .iter()
        .find(|tier| tier.up_to.is_none_or(|limit| quantity <= limit))
        .map_or(Fraction::ZERO, |tier| tier_cost(tier, quantity))
}

fn graduated(tiers: &[Tier], quantity: u64) -> Fraction {
    let mut below = 0;
    let mut total = Fraction::ZERO;
    for (place, tier) in tiers.iter().enumerate() {
        // The first tier is reached at quantity zero, so its flat amount is always due.
        if place > 0 && quantity <= below {
            break;
        }
        let top = tier.up_to.map_or(quantity, |limit| limit.min(quantity));
        total = total + tier_cost(tier, top.saturating_sub(below));
        below = tier.up_to.unwrap_or(quantity);
    }
    total
}

fn tier_cost(tier: &Tier, count: u64) -> Fraction {
    tier.unit.map_or(Fraction::ZERO, Decimal::fraction) * units(count) + Fraction::whole(tier.flat.unwrap_or(0))
}

fn units(count: u64) -> Fraction {
    Fraction::new(i128::from(count), 1)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::amount;
    use crate::fraction::Fraction;
    use crate::model::{
        Currency, Decimal, Interval, Price, Recurring, Scheme, TaxBehavior, Tier, TiersMode, Transform,
    };

    pub(crate) fn price(scheme: Scheme) -> Price {
        Price {
            created: 0,
            product: 0,
            currency: Currency::USD,
            scheme,
            recurring: Some(Recurring::every(1, Interval::Month)),
            transform: None,
            tax_behavior: TaxBehavior::Unspecified,
            nickname: None,
            lookup_key: None,
            active: true,
            inline: false,
            metadata: Vec::new(),
            deleted: false,
        }
    }

    pub(crate) fn tier(up_to: Option<u64>, unit: i64, flat: Option<i64>) -> Tier {
        Tier { up_to, unit: Some(Decimal::whole(unit)), flat }
    }

    fn check(price: &Price, expected: &[(u64, Fraction)]) {
        for &(quantity, cost) in expected {
            assert_eq!(amount(price, quantity), cost, "quantity {quantity}");
        }
    }

    #[test]
    fn per_unit_and_sub_cent() {
        check(
            &price(Scheme::PerUnit(Decimal::scaled(5, 1))),
            &[(0, Fraction::ZERO), (1, Fraction::new(1, 2)), (10_000, Fraction::whole(5_000))],
        );
    }

    #[test]
    fn graduated_tiers_add_up() {
        let tiers = vec![tier(Some(10), 500, None), tier(None, 300, None)];
        check(
            &price(Scheme::Tiered(TiersMode::Graduated, tiers)),
            &[(0, Fraction::ZERO), (10, Fraction::whole(5_000)), (25, Fraction::whole(9_500))],
        );
    }

    #[test]
    fn the_flat_amount_of_each_tier_reached_is_due() {
        let tiers = vec![tier(Some(5), 0, Some(5_000)), tier(None, 800, Some(100))];
        check(
            &price(Scheme::Tiered(TiersMode::Graduated, tiers)),
            &[
                (0, Fraction::whole(5_000)),
                (5, Fraction::whole(5_000)),
                (6, Fraction::whole(5_900)),
                (8, Fraction::whole(7_500)),
            ],
        );
    }

    #[test]
    fn volume_takes_the_tier_of_the_whole_quantity() {
        let tiers = vec![tier(Some(10), 500, None), tier(None, 300, Some(50))];
        check(
            &price(Scheme::Tiered(TiersMode::Volume, tiers)),
            &[(10, Fraction::whole(5_000)), (11, Fraction::whole(3_350))],
        );
    }

    #[test]
    fn packages_round_before_pricing() {
        let mut package = price(Scheme::PerUnit(Decimal::whole(700)));
        for (round_up, cost) in [(true, 2_100), (false, 1_400)] {
            package.transform = Some(Transform { divide_by: 100, round_up });
            assert_eq!(amount(&package, 250), Fraction::whole(cost));
        }
    }
}

//! The products, prices and coupons of a generated business: plans in several intervals and
//! currencies, add-ons of every pricing scheme, prices no longer sold, coupons of every kind.

use crate::business::Business;
use crate::calendar::DAY;
use crate::model::{
    Coupon, CouponDuration, CouponValue, Currency, Decimal, Idx, Interval, Price, Product, Recurring, Scheme,
    TaxBehavior, Tier, TiersMode, Transform, Unix,
};

/// How often the plans are billed.
pub const CYCLES: [(u32, Interval); 4] =
    [(1, Interval::Month), (1, Interval::Year), (3, Interval::Month), (1, Interval::Week)];

pub const CURRENCIES: [Currency; 5] = [Currency::USD, Currency::EUR, Currency::GBP, Currency::JPY, Currency::KWD];

/// Where the generator finds what it sells.
pub struct Catalog {
    /// By cycle, then currency, then plan.
    plans: Vec<Vec<Vec<Idx>>>,
    addons: Vec<Vec<Vec<Idx>>>,
    /// A plan that is still billed but no longer sold, by currency; monthly.
    pub legacy: Vec<Idx>,
    /// Set-up fee, by currency; one-time.
    pub setup: Vec<Idx>,
    /// Usage by meter, by currency; monthly.
    pub metered: Vec<Idx>,
    pub coupons: Coupons,
}

pub struct Coupons {
    pub forever: Vec<Idx>,
    pub repeating: Vec<Idx>,
    pub once: Vec<Idx>,
    /// Amounts off, which need a subscription with a single interval to be unambiguous.
    pub amounts: Vec<Idx>,
}

impl Catalog {
    pub fn plans(&self, cycle: usize, currency: usize) -> &[Idx] {
        &self.plans[cycle][currency]
    }

    pub fn addons(&self, cycle: usize, currency: usize) -> &[Idx] {
        &self.addons[cycle][currency]
    }
}

struct Shop<'a> {
    business: &'a mut Business,
    opened: Unix,
    step: Unix,
}

/// Fills the catalog of a business that opened at `opened`.
pub fn fill(business: &mut Business, opened: Unix) -> Catalog {
    let mut shop = Shop { business, opened, step: 0 };
    let plans = shop.plans();
    let addons = shop.addons();
    let legacy =
        shop.per_currency("Classic", None, |currency| (Scheme::PerUnit(money(19, currency)), Some(CYCLES[0]), false));
    let setup = shop.per_currency("Onboarding", None, |currency| (Scheme::PerUnit(money(490, currency)), None, true));
    let metered = shop.metered();
    shop.retired_product();
    let coupons = shop.coupons();
    shop.default_prices();
    Catalog { plans, addons, legacy, setup, metered, coupons }
}

/// Major units in a currency's minor ones; a yen is about a cent.
fn money(major: i64, currency: Currency) -> Decimal {
    Decimal::whole(match currency.decimals() {
        0 => major * 150,
        3 => major * 300,
        _ => major * 100,
    })
}

const PLANS: [(&str, i64); 5] = [("Starter", 12), ("Team", 48), ("Business", 120), ("Scale", 360), ("Enterprise", 900)];

/// The factor from a monthly price to a cycle's, twelfths off for longer ones.
fn cycle_factor(cycle: usize) -> (i64, i64) {
    match cycle {
        1 => (10, 1),
        2 => (3, 1),
        3 => (1, 3),
        _ => (1, 1),
    }
}

impl Shop<'_> {
    fn product(&mut self, name: &str, unit_label: Option<&str>) -> Idx {
        self.step += 1;
        let created = self.opened + self.step * 3_600;
        self.business.products.push(Product {
            created,
            updated: created,
            name: name.to_owned(),
            description: Some(format!("{name}, billed per period")),
            active: true,
            unit_label: unit_label.map(str::to_owned),
            default_price: None,
            metadata: vec![("line".to_owned(), "saas".to_owned())],
            deleted: false,
        })
    }

    fn price(&mut self, product: Idx, currency: Currency, scheme: Scheme) -> Price {
        self.step += 1;
        Price {
            created: self.opened + self.step * 3_600,
            product,
            currency,
            scheme,
            recurring: None,
            transform: None,
            tax_behavior: TaxBehavior::Exclusive,
            nickname: None,
            lookup_key: None,
            active: true,
            inline: false,
            metadata: Vec::new(),
            deleted: false,
        }
    }

    fn plans(&mut self) -> Vec<Vec<Vec<Idx>>> {
        let products: Vec<Idx> = PLANS.iter().map(|(name, _)| self.product(name, Some("seat"))).collect();
        self.by_cycle(|shop, cycle, currency| {
            let plans = PLANS.iter().zip(&products);
            plans.map(|(&(name, monthly), &product)| shop.plan(name, monthly, product, cycle, currency)).collect()
        })
    }

    fn plan(&mut self, name: &str, monthly: i64, product: Idx, cycle: usize, currency: Currency) -> Idx {
        let (up, down) = cycle_factor(cycle);
        let mut price = self.price(product, currency, Scheme::PerUnit(money(monthly * up / down, currency)));
        let (count, interval) = CYCLES[cycle];
        price.recurring = Some(Recurring::every(count, interval));
        price.nickname = Some(format!("{name} {}", interval.name()));
        price.lookup_key = Some(format!("{}_{cycle}_{currency}", name.to_lowercase()));
        // The European Team plan is sold with its tax inside, which comes out even but for weeks.
        let european = matches!(currency, Currency::EUR | Currency::GBP);
        if name == "Team" && european && interval != Interval::Week {
            price.tax_behavior = TaxBehavior::Inclusive;
        }
        self.business.prices.push(price)
    }

    fn addons(&mut self) -> Vec<Vec<Vec<Idx>>> {
        let names = [
            "API calls",
            "Storage",
            "Messages",
            "Automation",
            "Priority support",
            "Single sign-on",
            "Audit log",
            "Sandbox",
            "Data export",
            "Custom domain",
        ];
        let products: Vec<Idx> = names.iter().map(|name| self.product(name, None)).collect();
        self.by_cycle(|shop, cycle, currency| {
            let mut made = Vec::with_capacity(names.len());
            for (kind, &product) in products.iter().enumerate() {
                let (scheme, transform) = addon_scheme(kind, currency);
                let mut price = shop.price(product, currency, scheme);
                let (count, interval) = CYCLES[cycle];
                price.recurring = Some(Recurring::every(count, interval));
                price.transform = transform;
                made.push(shop.business.prices.push(price));
            }
            made
        })
    }

    fn by_cycle(&mut self, mut make: impl FnMut(&mut Self, usize, Currency) -> Vec<Idx>) -> Vec<Vec<Vec<Idx>>> {
        (0..CYCLES.len())
            .map(|cycle| CURRENCIES.iter().map(|&currency| make(self, cycle, currency)).collect())
            .collect()
    }

    fn per_currency(
        &mut self,
        name: &str,
        unit_label: Option<&str>,
        terms: impl Fn(Currency) -> (Scheme, Option<(u32, Interval)>, bool),
    ) -> Vec<Idx> {
        let product = self.product(name, unit_label);
        CURRENCIES
            .iter()
            .map(|&currency| {
                let (scheme, every, active) = terms(currency);
                let mut price = self.price(product, currency, scheme);
                price.recurring = every.map(|(count, interval)| Recurring::every(count, interval));
                price.active = active;
                self.business.prices.push(price)
            })
            .collect()
    }

    fn metered(&mut self) -> Vec<Idx> {
        let prices = self.per_currency("Compute minutes", Some("minute"), |_| {
            (Scheme::PerUnit(Decimal::scaled(25, 2)), Some(CYCLES[0]), true)
        });
        for &place in &prices {
            if let Some(recurring) = &mut self.business.prices[place].recurring {
                recurring.metered = true;
            }
        }
        prices
    }

    fn retired_product(&mut self) {
        let gone = self.product("Desktop edition", None);
        self.business.products[gone].deleted = true;
        let kept = self.product("Fax gateway", None);
        self.business.products[kept].active = false;
    }

    fn default_prices(&mut self) {
        let firsts: Vec<(Idx, Idx)> = self
            .business
            .prices
            .iter()
            .filter(|(_, price)| price.active)
            .map(|(place, price)| (price.product, place))
            .collect();
        for (product, price) in firsts {
            self.business.products[product].default_price.get_or_insert(price);
        }
    }

    fn coupons(&mut self) -> Coupons {
        let percent = |off: u32| CouponValue::Percent(off * 100);
        let forever = CouponDuration::Forever;
        let usd = |off| CouponValue::Amounts(vec![(Currency::USD, off)]);
        let wide = CouponValue::Amounts(vec![(Currency::USD, 500), (Currency::EUR, 450), (Currency::JPY, 700)]);
        let team_only = vec![1];
        let all = Vec::new;
        Coupons {
            forever: vec![
                self.coupon("PARTNER20", percent(20), forever, all()),
                self.coupon("NONPROFIT50", percent(50), forever, all()),
                self.coupon("STAFF100", percent(100), forever, all()),
                self.coupon("TEAM10", percent(10), forever, team_only),
                self.coupon("odd 33.33% / off", CouponValue::Percent(3_333), forever, all()),
            ],
            repeating: vec![
                self.coupon("LAUNCH25", percent(25), CouponDuration::Repeating { months: 6 }, all()),
                self.coupon("YEAR15", percent(15), CouponDuration::Repeating { months: 12 }, all()),
            ],
            once: vec![
                self.coupon("WELCOME10", percent(10), CouponDuration::Once, all()),
                self.coupon("SORRY", usd(1_000), CouponDuration::Once, all()),
            ],
            amounts: vec![
                self.coupon("FIVEOFF", wide, forever, all()),
                self.coupon("TENUSD", usd(1_000), forever, all()),
            ],
        }
    }

    fn coupon(&mut self, id: &str, value: CouponValue, duration: CouponDuration, applies_to: Vec<Idx>) -> Idx {
        self.step += 1;
        self.business.coupons.push(Coupon {
            id: id.to_owned(),
            created: self.opened + self.step * 3_600 + 90 * DAY,
            name: Some(id.to_owned()),
            value,
            duration,
            applies_to,
            max_redemptions: None,
            redeem_by: None,
            times_redeemed: 0,
            metadata: Vec::new(),
            deleted: false,
        })
    }
}

/// The first add-ons show one pricing scheme each; the rest are plain.
fn addon_scheme(kind: usize, currency: Currency) -> (Scheme, Option<Transform>) {
    let tier = |up_to, cents: i64, flat: Option<i64>| Tier {
        up_to,
        unit: Some(money(cents, currency)),
        flat: flat.and_then(|major| money(major, currency).as_whole()),
    };
    match kind {
        0 => (
            Scheme::Tiered(
                TiersMode::Graduated,
                vec![tier(Some(5), 0, Some(10)), tier(Some(20), 3, None), tier(None, 2, None)],
            ),
            None,
        ),
        1 => (Scheme::PerUnit(money(7, currency)), Some(Transform { divide_by: 100, round_up: true })),
        2 => (Scheme::PerUnit(Decimal::scaled(5, 1)), None),
        3 => (Scheme::Tiered(TiersMode::Volume, vec![tier(Some(10), 5, None), tier(None, 3, Some(4))]), None),
        other => (Scheme::PerUnit(money(5 * i64::try_from(other).unwrap_or(1), currency)), None),
    }
}

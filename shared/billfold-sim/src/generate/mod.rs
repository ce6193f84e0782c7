//! Makes a believable software business of any size from a seed: the same seed, size and time
//! give the same business to the last cent. It never reads a clock.

mod catalog;
mod customers;
pub mod dice;
mod history;
pub(crate) mod money_back;
mod names;
pub(crate) use names::PERSONAL as PERSONAL_MAIL;
pub(crate) use sprinkle::discount as new_discount;
mod sprinkle;
mod subscriptions;

use crate::business::Business;
use crate::calendar::DAY;
use crate::model::Unix;
use crate::version::Version;
use dice::Dice;

/// What business to make.
#[derive(Clone, Debug)]
pub struct Spec {
    pub seed: u64,
    pub customers: u32,
    /// Where in time the business stands, in seconds since 1970.
    pub now: Unix,
    pub livemode: bool,
    pub api_version: Version,
}

impl Spec {
    pub fn new(seed: u64, customers: u32, now: Unix) -> Self {
        Self { seed, customers, now, livemode: false, api_version: Version::pinned() }
    }
}

/// The business opened this long before `now`.
const AGE: Unix = 5 * 365 * DAY;

impl Business {
    /// The business that a spec describes.
    pub fn generate(spec: &Spec) -> Self {
        let opened = spec.now - AGE - 30 * DAY;
        let mut business = Self::empty(spec.seed, spec.livemode, opened - DAY);
        business.account.api_version = spec.api_version.clone();
        let catalog = catalog::fill(&mut business, opened);
        let mut dice = Dice::new(spec.seed);
        business.load();
        let mut companies = customers::Companies::default();
        for _ in 0..spec.customers {
            let customer = customers::add(&mut business, &mut dice, &mut companies, spec.now);
            subscriptions::add(&mut business, &mut dice, &catalog, customer, spec.now);
        }
        money_back::some(&mut business, &mut dice, spec.now);
        customers::delete_some(&mut business, &mut dice);
        business.sort();
        business
    }
}

#[cfg(test)]
mod tests;

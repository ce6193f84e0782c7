//! Adding up: by currency, and into the workspace's currency (MRR.md §3).
//!
//! A currency without a rate is named and left out, never added as if it were another.

use super::{Explained, Settings};
use crate::money::{Currency, Money, Overflow};
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};

/// What an account's subscriptions come to.
pub(super) struct Totals {
    pub(super) mrr: i64,
    pub(super) arr: i64,
    pub(super) mrr_by_currency: BTreeMap<Currency, Money>,
    pub(super) arr_by_currency: BTreeMap<Currency, Money>,
    pub(super) unconverted: Vec<Currency>,
    pub(super) rates_as_of: Option<Date>,
    /// Currencies whose sum does not fit, which are in none of the above.
    pub(super) too_large: BTreeSet<Currency>,
}

pub(super) fn totals(settings: &Settings, explained: &[Explained<'_>]) -> Totals {
    let mut too_large = BTreeSet::new();
    let mut mrr_by_currency = by_currency(explained.iter().map(|one| one.mrr.mrr), &mut too_large);
    let mut arr_by_currency = by_currency(explained.iter().map(|one| one.mrr.arr), &mut too_large);
    for currency in &too_large {
        mrr_by_currency.remove(currency);
        arr_by_currency.remove(currency);
    }
    let mut totals = Totals {
        mrr: 0,
        arr: 0,
        mrr_by_currency,
        arr_by_currency,
        unconverted: Vec::new(),
        rates_as_of: None,
        too_large,
    };
    totals.convert(settings);
    totals
}

/// Sums for each currency, leaving out what is zero.
pub(super) fn by_currency(
    amounts: impl Iterator<Item = Money>,
    too_large: &mut BTreeSet<Currency>,
) -> BTreeMap<Currency, Money> {
    let mut sums: BTreeMap<Currency, Money> = BTreeMap::new();
    for money in amounts {
        let sum = sums.entry(money.currency).or_insert(Money::new(0, money.currency));
        match sum.amount.checked_add(money.amount) {
            Some(amount) => sum.amount = amount,
            None => {
                too_large.insert(money.currency);
            }
        }
    }
    sums.retain(|currency, sum| sum.amount != 0 && !too_large.contains(currency));
    sums
}

impl Totals {
    fn convert(&mut self, settings: &Settings) {
        let currencies: BTreeSet<Currency> =
            self.mrr_by_currency.keys().chain(self.arr_by_currency.keys()).copied().collect();
        for currency in currencies {
            let amount = |of: &BTreeMap<Currency, Money>| of.get(&currency).copied().unwrap_or(Money::new(0, currency));
            let monthly = in_own(settings, amount(&self.mrr_by_currency));
            let yearly = in_own(settings, amount(&self.arr_by_currency));
            match (monthly, yearly) {
                (Ok(Some(monthly)), Ok(Some(yearly))) => {
                    let sums = (self.mrr.checked_add(monthly), self.arr.checked_add(yearly));
                    let (Some(mrr), Some(arr)) = sums else {
                        self.too_large.insert(currency);
                        continue;
                    };
                    (self.mrr, self.arr) = (mrr, arr);
                    if currency != settings.currency {
                        self.rates_as_of = settings.rates.as_ref().map(|rates| rates.as_of);
                    }
                }
                (Err(Overflow), _) | (_, Err(Overflow)) => {
                    self.too_large.insert(currency);
                }
                (Ok(None), _) | (_, Ok(None)) => self.unconverted.push(currency),
            }
        }
    }
}

/// An amount in the workspace's currency, in its minor units; `None` when there is no rate.
pub(crate) fn in_own(settings: &Settings, money: Money) -> Result<Option<i64>, Overflow> {
    if money.currency == settings.currency {
        return Ok(Some(money.amount));
    }
    let converted = settings.rates.as_ref().map_or(Ok(None), |rates| rates.convert(money, settings.currency))?;
    Ok(converted.map(|money| money.amount))
}

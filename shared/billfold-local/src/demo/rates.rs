//! The demo's exchange rates, and its own arithmetic to check Billfold's with: whole numbers, and nothing in common with
//! the code that is checked.

use billfold_sim::ByCurrency;
use serde_json::{Value, json};

/// A currency, what one unit of it is worth in dollars times a million, and the decimals of its minor unit.
const RATES: [(&str, i128, u32); 5] =
    [("usd", 1_000_000, 2), ("eur", 1_080_000, 2), ("gbp", 1_270_000, 2), ("jpy", 6_650, 0), ("kwd", 3_250_000, 3)];

const MILLION: i128 = 1_000_000;
const CENTS: i128 = 100;

/// The table as `PATCH /v1/settings` takes it.
pub(super) fn table() -> Value {
    let others = RATES.iter().filter(|(code, ..)| *code != "usd");
    let text = |millionths: i128| format!("{}.{:06}", millionths / MILLION, millionths % MILLION);
    let per_unit: serde_json::Map<String, Value> =
        others.map(|(code, rate, _)| ((*code).to_owned(), text(*rate).into())).collect();
    json!({"source": "manual", "as_of": "2026-01-01", "per_unit": per_unit})
}

/// What amounts come to in cents: each currency converted and rounded by itself; `None` for a currency without a rate.
pub(super) fn in_cents(amounts: &ByCurrency) -> Option<i64> {
    amounts.iter().try_fold(0i64, |sum, (code, amount)| sum.checked_add(cents(code, *amount)?))
}

fn cents(code: &str, amount: i64) -> Option<i64> {
    let (_, rate, digits) = RATES.iter().find(|(known, ..)| *known == code)?;
    let unit = 10i128.checked_pow(*digits)?.checked_mul(MILLION)?;
    let exact = i128::from(amount).checked_mul(*rate)?.checked_mul(CENTS)?;
    let (whole, rest) = (exact.div_euclid(unit), exact.rem_euclid(unit));
    let up = match (rest.checked_mul(2)?).cmp(&unit) {
        std::cmp::Ordering::Less => 0,
        std::cmp::Ordering::Equal => whole.rem_euclid(2),
        std::cmp::Ordering::Greater => 1,
    };
    i64::try_from(whole.checked_add(up)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn currencies_are_converted_one_by_one_half_to_even() {
        let check = |code: &str, amount: i64, expected: Option<i64>| {
            assert_eq!(in_cents(&ByCurrency::from([(code.to_owned(), amount)])), expected, "{amount} {code}");
        };
        check("usd", 123, Some(123));
        check("eur", 10_000, Some(10_800));
        // 100 yen at 0.00665 are 66.5 cents, and 300 are 199.5.
        check("jpy", 100, Some(66));
        check("jpy", 300, Some(200));
        check("kwd", 12_345, Some(4_012));
        check("chf", 1, None);
        let both = ByCurrency::from([("usd".to_owned(), 1), ("jpy".to_owned(), 100)]);
        assert_eq!(in_cents(&both), Some(67));
    }

    #[test]
    fn the_table_is_decimal_text() {
        let table = table();
        assert_eq!(
            table["per_unit"],
            json!({"eur": "1.080000", "gbp": "1.270000", "jpy": "0.006650", "kwd": "3.250000"})
        );
    }
}

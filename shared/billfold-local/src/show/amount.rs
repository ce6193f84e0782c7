//! Money and days as people read them. Whole numbers all the way: no amount is ever a floating-point number.

use billfold_core::money::Money;
pub use billfold_core::money::grouped;
use jiff::Timestamp;

/// An amount in its major unit: `1,234.56 USD`.
#[must_use]
pub fn amount(money: Money) -> String {
    money.to_string()
}

/// A number and what it counts: `1 account`, `2 accounts`.
#[must_use]
pub fn counted(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", grouped(number))
}

/// A day, in UTC: `2026-11-20`.
#[must_use]
pub fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// A moment, in UTC, to the minute.
#[must_use]
pub fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use billfold_core::money::Currency;

    #[test]
    fn amounts_have_the_decimals_of_their_currency() {
        let check = |amount_minor: i64, code: &str, expected: &str| {
            assert_eq!(amount(Money::new(amount_minor, Currency::new(code).unwrap())), expected);
        };
        check(123_456, "usd", "1,234.56 USD");
        check(5, "usd", "0.05 USD");
        check(0, "usd", "0.00 USD");
        check(-123_456_789, "eur", "-1,234,567.89 EUR");
        check(-5, "usd", "-0.05 USD");
        check(1_200, "jpy", "1,200 JPY");
        check(999, "jpy", "999 JPY");
        check(12_345, "kwd", "12.345 KWD");
        check(1_000_000, "kwd", "1,000.000 KWD");
        check(7, "zzz", "7 ZZZ (minor units)");
        check(i64::MAX, "usd", "92,233,720,368,547,758.07 USD");
        check(i64::MIN, "usd", "-92,233,720,368,547,758.08 USD");
    }

    #[test]
    fn numbers_are_grouped_in_thousands() {
        let check = |number: u64, expected: &str| assert_eq!(grouped(number), expected);
        check(0, "0");
        check(999, "999");
        check(1_000, "1,000");
        check(1_234_567, "1,234,567");
        assert_eq!((counted(1, "account"), counted(1_000, "account")), ("1 account".into(), "1,000 accounts".into()));
    }

    #[test]
    fn days_and_moments_are_in_utc() {
        let at: Timestamp = "2026-11-20T23:59:59+00:00".parse().unwrap();
        assert_eq!((day(at), moment(at)), ("2026-11-20".into(), "2026-11-20 23:59 UTC".into()));
    }
}

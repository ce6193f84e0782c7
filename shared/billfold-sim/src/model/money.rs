//! Currencies and unit amounts. Amounts are whole minor units; only unit prices have decimals.

use std::fmt;

use crate::fraction::Fraction;

/// A three-letter currency code, lowercase as in Stripe's JSON.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    pub const USD: Self = Self(*b"usd");
    pub const EUR: Self = Self(*b"eur");
    pub const GBP: Self = Self(*b"gbp");
    pub const JPY: Self = Self(*b"jpy");
    pub const KWD: Self = Self(*b"kwd");

    pub fn parse(code: &str) -> Option<Self> {
        let bytes: [u8; 3] = code.as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_lowercase).then_some(Self(bytes))
    }

    pub fn code(&self) -> &str {
        // Only ASCII letters get in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// How many minor units make a major one, as a power of ten.
    pub fn decimals(self) -> u32 {
        match &self.0 {
            b"jpy" | b"krw" | b"clp" | b"vnd" | b"xaf" | b"xof" | b"xpf" => 0,
            b"kwd" | b"bhd" | b"jod" | b"omr" | b"tnd" => 3,
            _ => 2,
        }
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

const PICO: i128 = 1_000_000_000_000;

/// A unit amount in minor units with up to twelve decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal(i128);

impl Decimal {
    pub fn whole(minor: i64) -> Self {
        Self(i128::from(minor) * PICO)
    }

    /// `numerator / 10^decimals` minor units; at most twelve decimals.
    pub fn scaled(numerator: i64, decimals: u32) -> Self {
        Self(i128::from(numerator) * PICO / 10_i128.pow(decimals.min(12)))
    }

    /// The amount where it is a whole number: Stripe's `unit_amount`, else null.
    pub fn as_whole(self) -> Option<i64> {
        (self.0 % PICO == 0).then(|| i64::try_from(self.0 / PICO).ok()).flatten()
    }

    pub fn fraction(self) -> Fraction {
        Fraction::new(self.0, PICO)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, rest) = (self.0.abs() / PICO, self.0.abs() % PICO);
        if rest == 0 {
            return write!(f, "{sign}{whole}");
        }
        let decimals = format!("{rest:012}");
        write!(f, "{sign}{whole}.{}", decimals.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::{Currency, Decimal};
    use crate::fraction::Fraction;

    #[test]
    fn decimals_are_written_as_stripe_writes_them() {
        let cases = [
            (Decimal::whole(2000), "2000", Some(2000)),
            (Decimal::scaled(5, 1), "0.5", None),
            (Decimal::scaled(1, 12), "0.000000000001", None),
            (Decimal::scaled(2050, 2), "20.5", None),
            (Decimal::scaled(2000, 2), "20", Some(20)),
        ];
        for (decimal, text, whole) in cases {
            assert_eq!(decimal.to_string(), text);
            assert_eq!(decimal.as_whole(), whole, "{text}");
        }
        assert_eq!(Decimal::scaled(5, 1).fraction(), Fraction::new(1, 2));
    }

    #[test]
    fn currencies_know_their_minor_units() {
        let cases = [("usd", 2), ("jpy", 0), ("kwd", 3), ("sek", 2)];
        for (code, decimals) in cases {
            let currency = Currency::parse(code).expect("a currency");
            assert_eq!(currency.decimals(), decimals, "{code}");
            assert_eq!(currency.code(), code);
        }
        assert_eq!(Currency::parse("USD"), None);
        assert_eq!(Currency::parse("dollars"), None);
    }
}

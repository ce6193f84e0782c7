//! Currency codes and how many decimals their minor unit has, as Stripe counts them (FACTS.md §7.1), which is not
//! always as ISO 4217 does.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

const CODE_BYTES_MAX: usize = 8;

/// A lowercase currency code as Stripe sends it. Any short code is carried; [`Currency::minor_digits`] says whether
/// Billfold knows how to count in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(
    feature = "openapi",
    derive(utoipa::ToSchema),
    schema(value_type = String, pattern = "^[a-z0-9]{3,8}$", examples("usd"))
)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; CODE_BYTES_MAX]);

/// The text is not a currency code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a currency is a code of 3 to 8 letters or digits, like \"usd\"")]
pub struct CurrencyError;

/// Codes without a minor unit (FACTS.md §7.1). ISK and UGX are not here: Stripe counts them with two decimals.
const ZERO_DECIMAL: [&str; 15] =
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"];
const THREE_DECIMAL: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];

impl Currency {
    /// US dollars, the currency of a workspace until something better is known.
    pub const USD: Self = Self(*b"usd\0\0\0\0\0");

    /// Takes a code in any case.
    ///
    /// # Errors
    /// [`CurrencyError`] unless it is 3 to 8 ASCII letters or digits.
    pub fn new(code: &str) -> Result<Self, CurrencyError> {
        if !(3..=CODE_BYTES_MAX).contains(&code.len()) || !code.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(CurrencyError);
        }
        let mut bytes = [0; CODE_BYTES_MAX];
        for (place, byte) in bytes.iter_mut().zip(code.bytes()) {
            *place = byte.to_ascii_lowercase();
        }
        Ok(Self(bytes))
    }

    /// The lowercase code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let bytes = self.0.split(|b| *b == 0).next().unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// Decimals of the minor unit as Stripe counts it: 0, 2 or 3; `None` for a code that is not a currency.
    #[must_use]
    pub fn minor_digits(&self) -> Option<u32> {
        let code = self.as_str();
        if ZERO_DECIMAL.contains(&code) {
            return Some(0);
        }
        if THREE_DECIMAL.contains(&code) {
            return Some(3);
        }
        iso_currency::Currency::from_code(&code.to_ascii_uppercase()).map(|_| 2)
    }
}

impl FromStr for Currency {
    type Err = CurrencyError;
    fn from_str(code: &str) -> Result<Self, CurrencyError> {
        Self::new(code)
    }
}

impl TryFrom<String> for Currency {
    type Error = CurrencyError;
    fn try_from(code: String) -> Result<Self, CurrencyError> {
        Self::new(&code)
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minor_units_are_stripes() {
        let check = |code: &str, digits: Option<u32>| {
            assert_eq!(Currency::new(code).unwrap().minor_digits(), digits, "{code}");
        };
        check("usd", Some(2));
        check("JPY", Some(0));
        check("kwd", Some(3));
        check("isk", Some(2));
        check("ugx", Some(2));
        check("huf", Some(2));
        check("zzz", None);
    }

    #[test]
    fn codes_are_lowercased_and_bounded() {
        assert_eq!(Currency::new("EUR").unwrap().as_str(), "eur");
        assert_eq!(Currency::new("EUR").unwrap(), "eur".parse().unwrap());
        for bad in ["", "us", "dollars-us", "u$d", "dollarsus"] {
            assert_eq!(Currency::new(bad), Err(CurrencyError), "{bad}");
        }
        assert_eq!(Currency::USD.as_str(), "usd");
    }
}

//! The European Central Bank's daily reference rates: its XML file, and the rates of other currencies that follow from it.
//!
//! The bank says what one euro is worth. What one unit of `c` is worth in `w` is then `w per euro ÷ c per euro`: an exact
//! fraction, written as a decimal of [`DIGITS`] significant digits, the last one rounded half to even.

use super::rates::{RateSource, Rates};
use crate::money::{Currency, Exact};
use jiff::civil::Date;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Significant digits of a rate that was worked out: off by at most half a cent in a thousand million.
pub const DIGITS: u32 = 12;

const EURO: &str = "eur";

/// The bank's rates of one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferenceRates {
    /// The day.
    pub as_of: Date,
    /// What one euro is worth, as the bank writes it.
    pub per_euro: BTreeMap<Currency, String>,
}

/// Why a text is not the bank's file, or cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EcbError {
    /// Not XML.
    #[error("it is not XML")]
    Xml(#[from] quick_xml::Error),
    /// An element that is not closed: the file was cut.
    #[error("the file is not whole")]
    Cut,
    /// A day that is none.
    #[error("{0:?} is not a day")]
    Day(String),
    /// A rate that is no decimal above zero.
    #[error("the rate of {0} is not a number above zero")]
    Rate(String),
    /// No day, or no rate.
    #[error("there are no rates in it")]
    Empty,
    /// A workspace whose own currency the bank does not name.
    #[error("the European Central Bank has no rate for {0}")]
    NotNamed(Currency),
}

/// What the attributes of one `Cube` say; elements of any other name say nothing.
#[derive(Default)]
struct Cube {
    time: Option<String>,
    currency: Option<String>,
    rate: Option<String>,
}

impl Cube {
    fn of(element: &BytesStart<'_>) -> Result<Self, EcbError> {
        let mut cube = Self::default();
        if element.local_name().as_ref() != "Cube" {
            return Ok(cube);
        }
        for attribute in element.attributes() {
            let attribute = attribute.map_err(quick_xml::Error::from)?;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0)?.into_owned();
            match attribute.key.as_ref() {
                "time" => cube.time = Some(value),
                "currency" => cube.currency = Some(value),
                "rate" => cube.rate = Some(value),
                _ => {}
            }
        }
        Ok(cube)
    }
}

impl ReferenceRates {
    /// Reads the bank's daily file. Of several days the newest counts; a currency that Billfold cannot count in is left
    /// out.
    ///
    /// # Errors
    /// [`EcbError`] if it is not such a file, whole.
    pub fn from_xml(text: &str) -> Result<Self, EcbError> {
        let mut reader = Reader::from_str(text);
        let mut days: BTreeMap<Date, BTreeMap<Currency, String>> = BTreeMap::new();
        let mut day = None;
        let mut open = 0usize;
        loop {
            let element = match reader.read_event()? {
                Event::Start(element) => {
                    open = open.saturating_add(1);
                    element
                }
                Event::Empty(element) => element,
                Event::End(_) => {
                    open = open.saturating_sub(1);
                    continue;
                }
                Event::Eof => break,
                _ => continue,
            };
            let cube = Cube::of(&element)?;
            if let Some(text) = cube.time {
                let read: Date = text.parse().map_err(|_| EcbError::Day(text))?;
                day = Some(read);
            }
            if let (Some(day), Some(currency), Some(rate)) = (day, cube.currency, cube.rate) {
                let known = Currency::new(&currency).ok().filter(|currency| currency.minor_digits().is_some());
                above_zero(&rate).ok_or(EcbError::Rate(currency))?;
                days.entry(day).or_default().extend(known.map(|currency| (currency, rate)));
            }
        }
        if open > 0 {
            return Err(EcbError::Cut);
        }
        let (as_of, per_euro) = days.pop_last().filter(|(_, rates)| !rates.is_empty()).ok_or(EcbError::Empty)?;
        Ok(Self { as_of, per_euro })
    }

    /// What one unit of every other currency is worth in `own`.
    ///
    /// # Errors
    /// [`EcbError::NotNamed`] if the bank does not name `own`; [`EcbError::Rate`] for a rate that does not fit.
    pub fn rates_in(&self, own: Currency) -> Result<Rates, EcbError> {
        let own_per_euro = self.per_euro(own).ok_or(EcbError::NotNamed(own))?;
        let mut per_unit = BTreeMap::new();
        let euro = Currency::new(EURO).ok();
        for currency in self.per_euro.keys().copied().chain(euro).filter(|currency| *currency != own) {
            let rate = self.per_euro(currency).and_then(|per_euro| own_per_euro.over(per_euro).ok());
            let text = rate.and_then(|rate| decimal(rate, DIGITS));
            per_unit.insert(currency, text.ok_or_else(|| EcbError::Rate(currency.to_string()))?);
        }
        Ok(Rates { source: RateSource::Ecb, as_of: self.as_of, per_unit })
    }

    fn per_euro(&self, currency: Currency) -> Option<Exact> {
        if currency.as_str() == EURO {
            return Some(Exact::ONE);
        }
        above_zero(self.per_euro.get(&currency)?)
    }
}

fn above_zero(text: &str) -> Option<Exact> {
    Exact::from_decimal(text).ok().filter(|rate| !rate.is_zero() && !rate.is_negative())
}

/// A number above zero as a decimal with so many significant digits, half to even, without zeros at its end; `None` if it
/// does not fit.
fn decimal(value: Exact, digits: u32) -> Option<String> {
    let ten = Exact::whole(10);
    let above = Exact::whole(10i64.checked_pow(digits)?);
    let least = above.over(ten).ok()?;
    let mut scaled = value;
    let mut places = 0i32;
    while scaled >= above {
        (scaled, places) = (scaled.over(ten).ok()?, places.checked_sub(1)?);
    }
    while scaled < least {
        (scaled, places) = (scaled.times(ten).ok()?, places.checked_add(1)?);
    }
    let text = scaled.round_half_even().ok()?.to_string();
    let Ok(places) = usize::try_from(places) else {
        let zeros = usize::try_from(places.unsigned_abs()).ok()?;
        return Some(text + &"0".repeat(zeros));
    };
    let padded = format!("{text:0>width$}", width = places.checked_add(1)?);
    let (whole, part) = padded.split_at_checked(padded.len().checked_sub(places)?)?;
    let part = part.trim_end_matches('0');
    Some(if part.is_empty() { whole.to_owned() } else { format!("{whole}.{part}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Money;
    use proptest::prelude::*;

    const SAMPLE: &str = include_str!("../../tests/ecb/eurofxref-daily.xml");

    fn currency(code: &str) -> Currency {
        Currency::new(code).unwrap()
    }

    fn sample() -> ReferenceRates {
        ReferenceRates::from_xml(SAMPLE).unwrap()
    }

    #[test]
    fn the_banks_file_is_read() {
        let read = sample();
        assert_eq!((read.as_of.to_string().as_str(), read.per_euro.len()), ("2026-09-18", 17));
        assert_eq!(read.per_euro[&currency("gbp")], "0.85605");
        let stored = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<ReferenceRates>(&stored).unwrap(), read);
    }

    #[test]
    fn rates_follow_from_what_a_euro_is_worth() {
        let check = |own: &str, other: &str, expected: &str| {
            let rates = sample().rates_in(currency(own)).unwrap();
            assert_eq!(rates.per_unit[&currency(other)], expected, "{other} in {own}");
            assert_eq!((rates.source, rates.check()), (RateSource::Ecb, Ok(())));
            assert!(!rates.per_unit.contains_key(&currency(own)));
            assert_eq!(rates.per_unit.len(), 17);
        };
        check("usd", "eur", "1.0812");
        // 1.0812 / 0.85605 = 1.263010338181…
        check("usd", "gbp", "1.26301033818");
        // 1.0812 / 161.48 = 0.006695566014367…
        check("usd", "jpy", "0.00669556601437");
        // 1 / 17025.4 = 0.00005873577125941…
        check("eur", "idr", "0.0000587357712594");
        // 17025.4 / 0.85605 = 19888.32428012382…
        check("idr", "gbp", "19888.3242801");
    }

    #[test]
    fn converting_by_worked_out_rates_is_exact_to_the_cent() {
        let rates = sample().rates_in(Currency::USD).unwrap();
        let check = |amount: i64, from: &str, expected: i64| {
            let converted = rates.convert(Money::new(amount, currency(from)), Currency::USD).unwrap().unwrap();
            assert_eq!(converted.amount, expected, "{amount} {from}");
        };
        // 1,000,000.00 GBP × 1.0812 / 0.85605 = 1,263,010.338181… USD
        check(100_000_000, "gbp", 126_301_034);
        check(10_000, "eur", 10_812);
        // 1,000,000 JPY × 1.0812 / 161.48 = 6,695.566014… USD
        check(1_000_000, "jpy", 669_557);
    }

    #[test]
    fn a_currency_that_the_bank_does_not_name_has_no_rates() {
        assert!(matches!(sample().rates_in(currency("vnd")), Err(EcbError::NotNamed(vnd)) if vnd == currency("vnd")));
    }

    #[test]
    fn of_several_days_the_newest_counts() {
        let day = |day: &str, rate: &str| format!("<Cube time='{day}'><Cube currency='USD' rate='{rate}'/></Cube>");
        let text = format!("<Cube>{}{}</Cube>", day("2026-09-18", "1.1"), day("2026-09-17", "1.2"));
        let read = ReferenceRates::from_xml(&text).unwrap();
        assert_eq!((read.as_of.to_string().as_str(), read.per_euro[&Currency::USD].as_str()), ("2026-09-18", "1.1"));
    }

    #[test]
    fn what_is_not_the_banks_file_is_refused() {
        let check = |text: &str, expected: fn(&EcbError) -> bool| {
            let error = ReferenceRates::from_xml(text).unwrap_err();
            assert!(expected(&error), "{text:?}: {error:?}");
        };
        check("", |error| matches!(error, EcbError::Empty));
        check("<html><body>Down for maintenance</body></html>", |error| matches!(error, EcbError::Empty));
        check("<Cube><Cube currency='USD' rate='1.1'/></Cube>", |error| matches!(error, EcbError::Empty));
        check("<Cube time='yesterday'/>", |error| matches!(error, EcbError::Day(_)));
        check("<a></b>", |error| matches!(error, EcbError::Xml(_)));
        check("<Cube time='2026-09-18' time='2026-09-19'/>", |error| matches!(error, EcbError::Xml(_)));
        check(&"<a>".repeat(100_000), |error| matches!(error, EcbError::Cut));
        for rate in ["0", "-1", "N/A", "1,08", "", "&amp;"] {
            let text = format!("<Cube time='2026-09-18'><Cube currency='USD' rate='{rate}'/></Cube>");
            check(&text, |error| matches!(error, EcbError::Rate(_)));
        }
        let unknown = "<Cube time='2026-09-18'><Cube currency='QQQ' rate='2'/></Cube>";
        check(unknown, |error| matches!(error, EcbError::Empty));
    }

    #[test]
    fn half_a_file_is_no_file() {
        let whole = SAMPLE.trim_end();
        for end in (1..whole.len()).step_by(7).filter(|end| whole.is_char_boundary(*end)) {
            assert!(ReferenceRates::from_xml(&whole[..end]).is_err(), "cut at {end}");
        }
    }

    proptest! {
        #[test]
        fn a_decimal_is_off_by_less_than_half_of_its_last_digit(n in 1i64..1_000_000_000, d in 1i64..1_000_000_000) {
            let exact = Exact::fraction(n, d).unwrap();
            let text = decimal(exact, DIGITS).unwrap();
            let read = Exact::from_decimal(&text).unwrap();
            let off = read.minus(exact).unwrap().over(exact).unwrap();
            let most = Exact::fraction(1, 2 * 10i64.pow(DIGITS - 1)).unwrap();
            prop_assert!(off <= most && Exact::ZERO.minus(most).unwrap() <= off, "{text}");
            prop_assert!(text.bytes().filter(u8::is_ascii_digit).collect::<Vec<_>>().len() <= DIGITS as usize + 12);
        }
    }
}

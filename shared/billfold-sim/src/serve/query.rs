//! Form-encoded parameters as Stripe reads them: `a=1`, `a[b]=1`, `a[]=1` and `a[0]=1`. Whoever
//! reads parameters takes them out; what is left at the end was unknown.

use crate::errors::StripeError;
use crate::model::Unix;

#[derive(Debug, Default)]
pub struct Params {
    pairs: Vec<(String, String)>,
}

/// Bounds on a time, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub from: Unix,
    pub to: Unix,
}

impl Range {
    pub const ALL: Self = Self { from: Unix::MIN, to: Unix::MAX };

    pub fn holds(self, time: Unix) -> bool {
        self.from <= time && time <= self.to
    }
}

impl Params {
    pub fn parse(encoded: &str) -> Self {
        let pairs = encoded
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decode(name), decode(value))
            })
            .collect();
        Self { pairs }
    }

    /// One value; the last one given wins.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let mut found = None;
        self.pairs.retain_mut(|(own, value)| {
            if own == name {
                found = Some(std::mem::take(value));
                return false;
            }
            true
        });
        found
    }

    /// Takes parameters that are read and then ignored.
    pub fn ignore(&mut self, names: &[&str]) {
        for name in names {
            self.take(name);
        }
    }

    /// All values of `name[]` and `name[0]`, `name[1]`, ….
    pub fn take_all(&mut self, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        self.pairs.retain_mut(|(own, value)| {
            let index =
                own.strip_prefix(name).and_then(|rest| rest.strip_prefix('[')).and_then(|rest| rest.strip_suffix(']'));
            let belongs = index.is_some_and(|i| i.bytes().all(|b| b.is_ascii_digit()));
            if belongs {
                found.push(std::mem::take(value));
            }
            !belongs
        });
        found
    }

    /// Keys and values of `name[key]`.
    pub fn take_map(&mut self, name: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        self.pairs.retain_mut(|(own, value)| {
            let key =
                own.strip_prefix(name).and_then(|rest| rest.strip_prefix('[')).and_then(|rest| rest.strip_suffix(']'));
            if let Some(key) = key {
                found.push((key.to_owned(), std::mem::take(value)));
                return false;
            }
            true
        });
        found
    }

    pub fn take_bool(&mut self, name: &str) -> Result<Option<bool>, StripeError> {
        match self.take(name).as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(StripeError::invalid_value(name, &format!("Invalid boolean: {other}"))),
        }
    }

    /// `limit`, from 1 to 100.
    pub fn take_limit(&mut self) -> Result<usize, StripeError> {
        let Some(text) = self.take("limit") else {
            return Ok(10);
        };
        let limit: i64 = text.parse().map_err(|_| StripeError::invalid_integer("limit", &text))?;
        match limit {
            ..1 => Err(StripeError::out_of_range("limit", "greater than or equal to 1", limit)),
            1..=100 => Ok(usize::try_from(limit).unwrap_or(100)),
            _ => Err(StripeError::out_of_range("limit", "less than or equal to 100", limit)),
        }
    }

    /// A bare time or bounds: `name=5`, `name[gte]=5`.
    pub fn take_range(&mut self, name: &str) -> Result<Range, StripeError> {
        if let Some(text) = self.take(name) {
            let at = time(name, &text)?;
            return Ok(Range { from: at, to: at });
        }
        let mut range = Range::ALL;
        for (bound, text) in self.take_map(name) {
            let full = format!("{name}[{bound}]");
            let at = time(&full, &text)?;
            match bound.as_str() {
                "gt" => range.from = range.from.max(at + 1),
                "gte" => range.from = range.from.max(at),
                "lt" => range.to = range.to.min(at - 1),
                "lte" => range.to = range.to.min(at),
                _ => return Err(StripeError::unknown_param(&full)),
            }
        }
        Ok(range)
    }

    /// Refuses what nobody took.
    pub fn finish(self) -> Result<(), StripeError> {
        match self.pairs.first() {
            None => Ok(()),
            Some((name, _)) => Err(StripeError::unknown_param(name)),
        }
    }
}

fn time(name: &str, text: &str) -> Result<Unix, StripeError> {
    text.parse().map_err(|_| StripeError::invalid_integer(name, text))
}

/// Undoes percent-encoding, a plus being a space.
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (escaped, bytes[at]) {
            (Some(byte), _) => {
                out.push(byte);
                at += 2;
            }
            (None, b'+') => out.push(b' '),
            (None, byte) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{Params, Range, decode};

    #[test]
    fn values_are_decoded() {
        assert_eq!(decode("a%20b+c%5B%5D"), "a b c[]");
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("%zz"), "%zz");
        assert_eq!(decode("%C3%A9"), "é");
    }

    #[test]
    fn arrays_come_with_and_without_numbers() {
        let mut params = Params::parse("expand[]=a&expand%5B1%5D=b&expand[x]=c");
        assert_eq!(params.take_all("expand"), ["a", "b"]);
        assert!(params.finish().is_err());
    }

    #[test]
    fn limits_are_one_to_a_hundred() {
        let limit = |text: &str| Params::parse(text).take_limit();
        assert_eq!(limit(""), Ok(10));
        assert_eq!(limit("limit=1"), Ok(1));
        assert_eq!(limit("limit=100"), Ok(100));
        for (bad, says) in [
            ("limit=0", "greater than or equal to 1"),
            ("limit=101", "less than or equal to 100 (it currently is '101')"),
            ("limit=ten", "Invalid integer: ten"),
        ] {
            let error = limit(bad).expect_err("refused");
            assert!(error.message().contains(says), "{bad}: {}", error.message());
            assert_eq!(error.status, 400);
            assert_eq!(error.detail.param.as_deref(), Some("limit"));
        }
    }

    #[test]
    fn times_are_bare_or_bounded() {
        let range = |text: &str| Params::parse(text).take_range("created");
        assert_eq!(range("created=5"), Ok(Range { from: 5, to: 5 }));
        assert_eq!(range("created[gt]=5&created[lt]=9"), Ok(Range { from: 6, to: 8 }));
        assert_eq!(range("created[gte]=5&created[lte]=9"), Ok(Range { from: 5, to: 9 }));
        assert_eq!(range(""), Ok(Range::ALL));
        assert!(range("created[near]=5").is_err());
        assert!(range("created[gte]=soon").is_err());
    }

    #[test]
    fn what_nobody_reads_is_unknown() {
        let mut params = Params::parse("a=1&b=2");
        assert_eq!(params.take("a").as_deref(), Some("1"));
        let error = params.finish().expect_err("b is unknown");
        assert_eq!(error.detail.code, Some("parameter_unknown"));
        assert_eq!(error.message(), "Received unknown parameter: b");
    }
}

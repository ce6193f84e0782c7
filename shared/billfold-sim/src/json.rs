//! Writes JSON straight into a string. A page of a hundred invoices is rendered in about a
//! millisecond because nothing is built in between. It never checks that keys are unique.

use crate::ids::{Ids, Part};
use crate::model::Unix;

#[derive(Default)]
pub struct Json {
    out: String,
}

impl Json {
    pub fn with_capacity(bytes: usize) -> Self {
        Self { out: String::with_capacity(bytes) }
    }

    pub fn finish(self) -> String {
        self.out
    }

    /// An object as the next value.
    pub fn object(&mut self, fill: impl FnOnce(&mut Self)) {
        self.separate();
        self.out.push('{');
        fill(self);
        self.out.push('}');
    }

    /// An object under a key.
    pub fn object_at(&mut self, key: &str, fill: impl FnOnce(&mut Self)) {
        self.key(key);
        self.object(fill);
    }

    /// An object under a key, or null.
    pub fn maybe_object<T>(&mut self, key: &str, value: Option<T>, fill: impl FnOnce(&mut Self, T)) {
        match value {
            Some(value) => self.object_at(key, |w| fill(w, value)),
            None => self.null(key),
        }
    }

    pub fn array_at<T>(&mut self, key: &str, values: impl IntoIterator<Item = T>, mut each: impl FnMut(&mut Self, T)) {
        self.key(key);
        self.out.push('[');
        for value in values {
            each(self, value);
        }
        self.out.push(']');
    }

    pub fn key(&mut self, key: &str) {
        self.separate();
        self.out.push('"');
        self.out.push_str(key);
        self.out.push_str("\":");
    }

    /// Fields that never change, written as they are: `"a":null,"b":[]`.
    pub fn fields(&mut self, raw: &str) {
        self.separate();
        self.out.push_str(raw);
    }

    /// A value that is JSON already.
    pub fn raw(&mut self, key: &str, json: &str) {
        self.key(key);
        self.out.push_str(json);
    }

    pub fn null(&mut self, key: &str) {
        self.raw(key, "null");
    }

    pub fn bool(&mut self, key: &str, value: bool) {
        self.raw(key, if value { "true" } else { "false" });
    }

    pub fn int(&mut self, key: &str, value: i64) {
        self.key(key);
        self.integer(value);
    }

    pub fn count(&mut self, key: &str, value: u64) {
        self.int(key, i64::try_from(value).unwrap_or(i64::MAX));
    }

    pub fn maybe_int(&mut self, key: &str, value: Option<i64>) {
        match value {
            Some(value) => self.int(key, value),
            None => self.null(key),
        }
    }

    pub fn time(&mut self, key: &str, value: Unix) {
        self.int(key, value);
    }

    pub fn str(&mut self, key: &str, value: &str) {
        self.key(key);
        self.quoted(value);
    }

    pub fn maybe_str(&mut self, key: &str, value: Option<&str>) {
        match value {
            Some(value) => self.str(key, value),
            None => self.null(key),
        }
    }

    pub fn id(&mut self, key: &str, ids: &Ids, part: Part, number: u64) {
        self.key(key);
        self.bare_id(|out| ids.write_part(part, number, out));
    }

    /// An id as the next value of an array, or after [`Json::key`].
    pub fn bare_id(&mut self, write: impl FnOnce(&mut String)) {
        self.separate();
        self.out.push('"');
        write(&mut self.out);
        self.out.push('"');
    }

    pub fn bare_str(&mut self, value: &str) {
        self.separate();
        self.quoted(value);
    }

    /// A number with up to two decimals, given in hundredths, as JSON writes floats.
    pub fn hundredths(&mut self, key: &str, value: u32) {
        self.key(key);
        self.integer(i64::from(value / 100));
        let rest = value % 100;
        if rest == 0 {
            self.out.push_str(".0");
        } else {
            let text = format!(".{rest:02}");
            self.out.push_str(text.trim_end_matches('0'));
        }
    }

    pub fn string_map(&mut self, key: &str, pairs: &[(String, String)]) {
        self.object_at(key, |w| {
            for (name, value) in pairs {
                w.separate();
                w.quoted(name);
                w.out.push(':');
                w.quoted(value);
            }
        });
    }

    /// A comma, unless this is the first value in its place.
    fn separate(&mut self) {
        if !matches!(self.out.as_bytes().last(), None | Some(b'{' | b'[' | b':')) {
            self.out.push(',');
        }
    }

    fn integer(&mut self, value: i64) {
        let mut digits = [0_u8; 20];
        let mut at = digits.len();
        let mut rest = value.unsigned_abs();
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if value < 0 {
            self.out.push('-');
        }
        for &digit in &digits[at..] {
            self.out.push(char::from(digit));
        }
    }

    fn quoted(&mut self, text: &str) {
        self.out.push('"');
        if text.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\') {
            self.out.push_str(text);
        } else {
            self.escaped(text);
        }
        self.out.push('"');
    }

    fn escaped(&mut self, text: &str) {
        for letter in text.chars() {
            match letter {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                control if u32::from(control) < 0x20 => {
                    self.out.push_str(&format!("\\u{:04x}", u32::from(control)));
                }
                other => self.out.push(other),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Json;
    use serde_json::{Value, json};

    fn written(fill: impl FnOnce(&mut Json)) -> Value {
        let mut w = Json::default();
        w.object(fill);
        let text = w.finish();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    #[test]
    fn commas_are_where_json_wants_them() {
        let value = written(|w| {
            w.object_at("empty", |_| {});
            w.array_at("list", [1, 2], |w, n| w.object(|w| w.int("n", n)));
            w.array_at("texts", ["a", "b{"], Json::bare_str);
            w.fields("\"x\":null,\"y\":[]");
            w.str("ends", "[");
            w.maybe_int("none", None);
        });
        assert_eq!(
            value,
            json!({"empty": {}, "list": [{"n": 1}, {"n": 2}], "texts": ["a", "b{"],
                   "x": null, "y": [], "ends": "[", "none": null})
        );
    }

    #[test]
    fn every_text_survives() {
        let nasty = "q\" b\\ n\n t\t r\r c\u{1} é 日本 🚀 </script>";
        assert_eq!(written(|w| w.str("t", nasty)), json!({ "t": nasty }));
    }

    #[test]
    fn numbers_are_written_in_full() {
        for number in [0, 7, -1, i64::MAX, i64::MIN] {
            assert_eq!(written(|w| w.int("n", number)), json!({ "n": number }));
        }
        for (hundredths, float) in [(2_000, 20.0), (1_250, 12.5), (3_333, 33.33), (5, 0.05)] {
            assert_eq!(written(|w| w.hundredths("f", hundredths)), json!({ "f": float }));
        }
    }
}

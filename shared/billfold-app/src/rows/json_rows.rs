//! Accounts as JSON, one object a line. What is wrong is said by the field's name, and never by repeating a value.

use super::{Fault, ROW_BYTES_MAX, Row, Said, id, too_long};
use serde_json::Value;
use std::collections::BTreeMap;

/// Reads JSON lines piece by piece.
#[derive(Default)]
pub(super) struct JsonRows {
    line: Vec<u8>,
    /// The line at hand does not fit.
    too_long: bool,
    lines: u64,
    number: u64,
}

impl JsonRows {
    pub(super) fn feed(&mut self, bytes: &[u8], rows: &mut Vec<Row>) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            if self.line.len().saturating_add(text.len()) > ROW_BYTES_MAX {
                self.too_long = true;
                self.line.clear();
            } else if !self.too_long {
                self.line.extend_from_slice(text);
            }
            if ends {
                self.end_line(rows);
            }
        }
    }

    pub(super) fn finish(&mut self, rows: &mut Vec<Row>) {
        self.end_line(rows);
    }

    fn end_line(&mut self, rows: &mut Vec<Row>) {
        self.lines = self.lines.saturating_add(1);
        if self.too_long || !self.line.trim_ascii().is_empty() {
            self.number = self.number.saturating_add(1);
            let said = if self.too_long { Err(too_long()) } else { said(&self.line) };
            rows.push(Row { number: self.number, line: self.lines, said });
        }
        self.line.clear();
        self.too_long = false;
    }
}

fn said(line: &[u8]) -> Result<Said, Fault> {
    let value: Value = serde_json::from_slice(line)
        .map_err(|error| Fault::new("row", format!("The line is not JSON (column {})", error.column())))?;
    let Value::Object(fields) = value else { return Err(Fault::new("row", "The line is not a JSON object")) };
    let mut said = Said::default();
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("id" | "name" | "domain" | "domains" | "external_ids" | "custom", Value::Null) => {}
            ("id", value) => said.id = Some(id(&text("id", value)?)?),
            ("name", value) => said.name = Some(text("name", value)?),
            ("domain", value) => said.domain = Some(text("domain", value)?),
            ("domains", Value::Array(list)) => {
                said.domains = Some(list.into_iter().map(|one| text("domains", one)).collect::<Result<_, _>>()?);
            }
            ("external_ids", Value::Object(ids)) => {
                let pair = |(system, value)| Ok((system, text("external_ids", value)?));
                said.external_ids = ids.into_iter().map(pair).collect::<Result<BTreeMap<_, _>, Fault>>()?;
            }
            ("custom", Value::Object(custom)) => said.custom = custom,
            ("domains", _) => return Err(Fault::new("domains", "This must be a list of texts")),
            ("external_ids" | "custom", _) => return Err(Fault::new(name, "This must be an object")),
            _ => {
                let field: String = billfold_core::text::plain(&name).chars().take(100).collect();
                let known = "An account has id, name, domain, domains, external_ids and custom, and nothing else";
                return Err(Fault::new(field, known));
            }
        }
    }
    Ok(said)
}

fn text(field: &str, value: Value) -> Result<String, Fault> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(Fault::new(field, "This must be a text")),
    }
}

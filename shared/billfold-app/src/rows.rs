//! Files of accounts as they come in, piece by piece: CSV or one JSON object a line become rows, each numbered, each good
//! or with what is wrong with it. Never holds more than one row, however long the file; never looks at what is stored.

mod csv_rows;
mod json_rows;

use billfold_core::id::AccountId;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Longest row, in bytes.
pub const ROW_BYTES_MAX: usize = 64 * 1024;
/// The most columns of a CSV file.
pub const COLUMNS_MAX: usize = 200;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated, with a header (RFC 4180).
    Csv,
    /// One JSON object a line.
    Ndjson,
}

/// What a row says of an account: what is not said stays as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Said {
    /// Billfold's own id of it.
    pub id: Option<AccountId>,
    /// Its name.
    pub name: Option<String>,
    /// Its main domain.
    pub domain: Option<String>,
    /// All its domains.
    pub domains: Option<Vec<String>>,
    /// Its ids in other systems.
    pub external_ids: BTreeMap<String, String>,
    /// Whatever else the company keeps of it.
    pub custom: Map<String, Value>,
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub field: String,
    /// What.
    pub message: String,
}

impl Fault {
    pub(crate) fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its place among the rows, from 1; a header is none.
    pub number: u64,
    /// The line of the file on which it begins, from 1.
    pub line: u64,
    /// What it says.
    pub said: Result<Said, Fault>,
}

/// What is wrong with a row, as the API says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct RowError {
    /// Its place among the rows, from 1; a header is none.
    pub row: u64,
    /// The line of the file on which it begins, from 1.
    pub line: u64,
    /// Where.
    pub field: String,
    /// What.
    pub message: String,
}

/// The file cannot be read as accounts at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// A stable word.
    pub code: &'static str,
    /// Where.
    pub field: String,
    /// What, and what to do.
    pub message: String,
}

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Reads a file piece by piece.
pub struct Rows {
    /// The first bytes, until they are known not to be a byte order mark.
    head: Option<Vec<u8>>,
    form: Form,
}

enum Form {
    Csv(Box<csv_rows::CsvRows>),
    Ndjson(json_rows::JsonRows),
}

impl Rows {
    /// At the beginning of a file.
    #[must_use]
    pub fn new(format: Format) -> Self {
        let form = match format {
            Format::Csv => Form::Csv(Box::default()),
            Format::Ndjson => Form::Ndjson(json_rows::JsonRows::default()),
        };
        Self { head: Some(Vec::new()), form }
    }

    /// Takes the next bytes and adds the rows that end in them.
    ///
    /// # Errors
    /// [`Unusable`] if the header is not one.
    pub fn feed(&mut self, bytes: &[u8], rows: &mut Vec<Row>) -> Result<(), Unusable> {
        let Some(head) = &mut self.head else { return self.take(bytes, rows) };
        head.extend_from_slice(bytes);
        if head.len() < BOM.len() && BOM.starts_with(head) {
            return Ok(());
        }
        let head = self.head.take().unwrap_or_default();
        self.take(head.strip_prefix(BOM).unwrap_or(&head), rows)
    }

    /// Ends the file and adds the row that nothing else ended.
    ///
    /// # Errors
    /// [`Unusable`] if the header is not one, or there is none.
    pub fn finish(mut self, rows: &mut Vec<Row>) -> Result<(), Unusable> {
        let head = self.head.take().unwrap_or_default();
        self.take(&head, rows)?;
        match self.form {
            Form::Csv(mut csv) => csv.finish(rows),
            Form::Ndjson(mut json) => {
                json.finish(rows);
                Ok(())
            }
        }
    }

    fn take(&mut self, bytes: &[u8], rows: &mut Vec<Row>) -> Result<(), Unusable> {
        match &mut self.form {
            Form::Csv(csv) => csv.feed(bytes, rows),
            Form::Ndjson(json) => {
                json.feed(bytes, rows);
                Ok(())
            }
        }
    }
}

fn too_long() -> Fault {
    Fault::new("row", format!("The row is longer than {ROW_BYTES_MAX} bytes or has more than {COLUMNS_MAX} cells"))
}

fn id(text: &str) -> Result<AccountId, Fault> {
    AccountId::new(text).map_err(|error| Fault::new("id", format!("This is not an id: {error}")))
}

#[cfg(test)]
mod tests;

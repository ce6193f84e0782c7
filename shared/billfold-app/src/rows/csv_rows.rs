//! Accounts as CSV. The parser (csv-core) writes into a buffer of one row and no more; a row that does not fit is read to
//! its end, thrown away, and told.

use super::{COLUMNS_MAX, Fault, ROW_BYTES_MAX, Row, Said, Unusable, id, too_long};
use billfold_core::matching::ExternalId;
use billfold_core::text::from_cell;
use csv_core::{ReadRecordResult, Reader};
use serde_json::Value;

/// Columns that the export has and that only Billfold knows.
const READ_ONLY: [&str; 7] = ["currency", "mrr", "arr", "payment_status", "plan", "renews_at", "customers"];

/// What a column says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Column {
    Id,
    Name,
    Domain,
    Domains,
    External(String),
    Custom(String),
    ReadOnly,
}

/// Reads CSV piece by piece.
pub(super) struct CsvRows {
    reader: Reader,
    cells: Vec<u8>,
    cells_end: usize,
    ends: Vec<usize>,
    ends_end: usize,
    /// The row at hand does not fit.
    too_long: bool,
    /// Nothing of the next row has been read.
    between: bool,
    line: u64,
    last: u8,
    began_at: u64,
    number: u64,
    columns: Option<Vec<Column>>,
}

/// A parser that has begun, because at its very beginning it would take away a byte order mark of its own, and only if
/// all of it comes at once.
fn begun() -> Reader {
    let mut reader = Reader::new();
    // An empty line is no record.
    reader.read_record(b"\n", &mut [0], &mut [0]);
    reader
}

impl Default for CsvRows {
    fn default() -> Self {
        Self {
            reader: begun(),
            cells: vec![0; ROW_BYTES_MAX],
            cells_end: 0,
            ends: vec![0; COLUMNS_MAX.saturating_add(1)],
            ends_end: 0,
            too_long: false,
            between: true,
            line: 1,
            last: 0,
            began_at: 1,
            number: 0,
            columns: None,
        }
    }
}

impl CsvRows {
    pub(super) fn feed(&mut self, mut input: &[u8], rows: &mut Vec<Row>) -> Result<(), Unusable> {
        loop {
            if self.between {
                input = self.skip_empty_lines(input);
            }
            if input.is_empty() {
                return Ok(());
            }
            let (result, read) = self.read(input);
            self.count_lines(input.get(..read).unwrap_or_default());
            input = input.get(read..).unwrap_or_default();
            self.conclude(&result, rows)?;
        }
    }

    pub(super) fn finish(&mut self, rows: &mut Vec<Row>) -> Result<(), Unusable> {
        while !self.between {
            let (result, _) = self.read(&[]);
            if matches!(result, ReadRecordResult::End) {
                self.between = true;
            }
            self.conclude(&result, rows)?;
        }
        match &self.columns {
            Some(_) => Ok(()),
            None => Err(header("header_missing", "header", "The first line of the file must name the columns")),
        }
    }

    /// A line ends with a line feed, a carriage return, or both.
    fn count_lines(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let ends = *byte == b'\r' || (*byte == b'\n' && self.last != b'\r');
            self.line = self.line.saturating_add(u64::from(ends));
            self.last = *byte;
        }
    }

    fn skip_empty_lines<'a>(&mut self, input: &'a [u8]) -> &'a [u8] {
        let begins = input.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(input.len());
        let (skipped, rest) = input.split_at_checked(begins).unwrap_or((input, &[]));
        self.count_lines(skipped);
        if !rest.is_empty() {
            (self.between, self.began_at) = (false, self.line);
        }
        rest
    }

    fn read(&mut self, input: &[u8]) -> (ReadRecordResult, usize) {
        let cells = self.cells.get_mut(self.cells_end..).unwrap_or_default();
        let ends = self.ends.get_mut(self.ends_end..).unwrap_or_default();
        let (result, read, written, ended) = self.reader.read_record(input, cells, ends);
        self.cells_end = self.cells_end.saturating_add(written);
        self.ends_end = self.ends_end.saturating_add(ended);
        (result, read)
    }

    fn conclude(&mut self, result: &ReadRecordResult, rows: &mut Vec<Row>) -> Result<(), Unusable> {
        match result {
            ReadRecordResult::InputEmpty | ReadRecordResult::End => Ok(()),
            ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                (self.too_long, self.cells_end, self.ends_end) = (true, 0, 0);
                Ok(())
            }
            ReadRecordResult::Record => {
                let row = self.row();
                (self.too_long, self.cells_end, self.ends_end, self.between) = (false, 0, 0, true);
                rows.extend(row?);
                Ok(())
            }
        }
    }

    /// The row that has just ended; `None` for the header and for a row of empty cells.
    fn row(&mut self) -> Result<Option<Row>, Unusable> {
        let cells = if self.too_long { Err(too_long()) } else { self.texts() };
        let Some(columns) = &self.columns else {
            self.columns = Some(columns(cells)?);
            return Ok(None);
        };
        if cells.as_ref().is_ok_and(|cells| cells.iter().all(|cell| cell.trim().is_empty())) {
            return Ok(None);
        }
        let said = cells.and_then(|cells| said(columns, &cells));
        self.number = self.number.saturating_add(1);
        Ok(Some(Row { number: self.number, line: self.began_at, said }))
    }

    fn texts(&self) -> Result<Vec<&str>, Fault> {
        let ends = self.ends.get(..self.ends_end).unwrap_or_default();
        let starts = std::iter::once(&0).chain(ends);
        let cell = |(start, end): (&usize, &usize)| {
            let bytes = self.cells.get(*start..*end).unwrap_or_default();
            std::str::from_utf8(bytes).map_err(|_| Fault::new("row", "The row is not UTF-8 text"))
        };
        starts.zip(ends).map(cell).collect()
    }
}

fn header(code: &'static str, field: &str, message: impl Into<String>) -> Unusable {
    Unusable { code, field: field.to_owned(), message: message.into() }
}

fn columns(names: Result<Vec<&str>, Fault>) -> Result<Vec<Column>, Unusable> {
    let names = names.map_err(|fault| header("header_invalid", "header", fault.message))?;
    let mut columns = Vec::with_capacity(names.len());
    for name in names {
        let column = column(name.trim()).ok_or_else(|| {
            let message = "The columns are id, name, domain, domains, external_ids.<system> and custom.<name>, separated by \
                           commas; the first line of the file names them";
            header("column_unknown", &billfold_core::text::plain(name).chars().take(100).collect::<String>(), message)
        })?;
        if column != Column::ReadOnly && columns.contains(&column) {
            return Err(header("column_twice", name.trim(), "The column is there twice"));
        }
        columns.push(column);
    }
    Ok(columns)
}

fn column(name: &str) -> Option<Column> {
    Some(match name {
        "id" => Column::Id,
        "name" => Column::Name,
        "domain" => Column::Domain,
        "domains" => Column::Domains,
        name if READ_ONLY.contains(&name) => Column::ReadOnly,
        name => match name.split_once('.')? {
            ("external_ids", system) if ExternalId::new(system, "1").is_ok() => Column::External(system.to_owned()),
            ("custom", field) if !field.is_empty() => Column::Custom(from_cell(field).to_owned()),
            _ => return None,
        },
    })
}

/// An empty cell says nothing.
fn said(columns: &[Column], cells: &[&str]) -> Result<Said, Fault> {
    if cells.len() != columns.len() {
        let message = format!("The row has {} cells, and the header has {}", cells.len(), columns.len());
        return Err(Fault::new("row", message));
    }
    let mut said = Said::default();
    for (column, cell) in columns.iter().zip(cells) {
        let text = from_cell(cell);
        if text.trim().is_empty() {
            continue;
        }
        match column {
            Column::Id => said.id = Some(id(text.trim())?),
            Column::Name => said.name = Some(text.to_owned()),
            Column::Domain => said.domain = Some(text.to_owned()),
            Column::Domains => said.domains = Some(list(text)),
            Column::External(system) => drop(said.external_ids.insert(system.clone(), text.trim().to_owned())),
            Column::Custom(field) => drop(said.custom.insert(field.clone(), Value::String(text.to_owned()))),
            Column::ReadOnly => {}
        }
    }
    Ok(said)
}

/// Domains have neither spaces nor semicolons nor commas in them.
fn list(text: &str) -> Vec<String> {
    let part = |c: char| c == ';' || c == ',' || c.is_whitespace();
    text.split(part).filter(|domain| !domain.is_empty()).map(str::to_owned).collect()
}

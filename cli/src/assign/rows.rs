//! From records to evaluation contexts.

use std::borrow::Cow;
use std::fmt;

use bucketry_core::{AttributeValue, ContextError, EvaluationContext, FlagSet};

use super::chunks::lines;
use crate::failure::{Failure, Result};

/// The name of the unit where the input gives it none.
pub(super) const TARGETING_KEY: &str = "targetingKey";

/// Where units and attributes stand in a CSV file.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    count: usize,
    unit: usize,
    unit_name: String,
    /// The columns that the flag sets read.
    attributes: Vec<(usize, String, Cells)>,
}

/// How the cells of a column become attributes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cells {
    /// As strings.
    Text,
    /// What reads as a JSON number, `true` or `false` as that.
    Typed,
}

impl Columns {
    /// The columns that a header names, as far as `sets` read them. Without `unit_column` the unit stands in the column `targetingKey`, or
    /// else in the first.
    pub(super) fn from_header(
        header: &[Cow<'_, str>],
        unit_column: Option<&str>,
        cells: Cells,
        sets: &[&FlagSet],
    ) -> Result<Self> {
        for (at, name) in header.iter().enumerate() {
            if header.iter().take(at).any(|other| other == name) {
                return Err(Failure::new(format!(
                    "the header names column `{name}` twice"
                )));
            }
        }
        let find = |name: &str| header.iter().position(|column| column == name);
        let unit = match unit_column {
            None => find(TARGETING_KEY).unwrap_or(0),
            Some(name) => find(name).ok_or_else(|| {
                let known = header.join("`, `");
                Failure::new(format!("the header has no column `{name}`"))
                    .help(format!("its columns are `{known}`"))
            })?,
        };
        let reads = |set: &&FlagSet, column: &str| {
            let mut attributes = set.attributes();
            attributes.any(|read| attribute_of(read) == column)
        };
        let is_read = |column: &str| sets.iter().any(|set| reads(set, column));
        let attributes = header
            .iter()
            .enumerate()
            .filter(|(_, name)| is_read(name))
            .map(|(at, name)| {
                // A unit is a text: as a number `1.0` would be the unit `1`.
                let cells = if at == unit { Cells::Text } else { cells };
                (at, name.to_string(), cells)
            });
        Ok(Self {
            count: header.len(),
            unit,
            unit_name: header
                .get(unit)
                .map_or_else(String::new, |name| name.to_string()),
            attributes: attributes.collect(),
        })
    }

    /// The columns of a file without header: the unit stands in the first, what the others are is not known.
    pub(super) fn unnamed(count: usize) -> Self {
        Self {
            count,
            unit: 0,
            unit_name: TARGETING_KEY.into(),
            attributes: Vec::new(),
        }
    }

    /// The name of the unit's column.
    pub(super) fn unit_name(&self) -> &str {
        &self.unit_name
    }
}

/// The name of the attribute that a name or a JSON pointer of a condition reads.
fn attribute_of(read: &str) -> Cow<'_, str> {
    match read.strip_prefix('/') {
        None => Cow::Borrowed(read),
        Some(pointer) => {
            let token = pointer.split('/').next().unwrap_or_default();
            Cow::Owned(token.replace("~1", "/").replace("~0", "~"))
        }
    }
}

/// Why a row has no assignment.
#[derive(Debug)]
pub(super) enum BadRow {
    /// Another number of cells than the header has.
    Cells {
        found: usize,
        expected: usize,
    },
    NotUtf8 {
        column: usize,
    },
    NoUnit,
    UnitType,
    Context(ContextError),
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cells { found, expected } => {
                write!(f, "found {found} cells where the first line has {expected}")
            }
            Self::NotUtf8 { column } => write!(f, "cell {} is not UTF-8", column + 1),
            Self::NoUnit => f.write_str("there is no unit; --unit-column says where to find it"),
            Self::UnitType => f.write_str("the unit is neither a string nor a whole number"),
            Self::Context(error) => error.fmt(f),
        }
    }
}

/// What becomes of each row of a chunk.
pub(super) trait RowSink {
    /// Takes a unit and its context. `Err` stops the reading.
    fn row(&mut self, unit: &str, context: &EvaluationContext<'_>)
    -> std::result::Result<(), Stop>;

    /// Takes the number of a line, from 0 in the chunk, and what is wrong there. `Err` stops the reading.
    fn bad_row(&mut self, line: u64, problem: BadRow) -> std::result::Result<(), Stop>;
}

/// Nothing more is wanted.
#[derive(Debug)]
pub(super) struct Stop;

/// A reader of CSV chunks, with its buffers.
#[derive(Debug)]
pub(super) struct CsvRows {
    reader: csv_core::Reader,
    /// The text of all cells of a chunk, one after the other.
    text: Vec<u8>,
    /// Where each cell ends, counted from the beginning of its record.
    ends: Vec<usize>,
    records: Vec<Record>,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    /// Where it begins in the chunk.
    at: usize,
    /// Where its cells begin in `text` and `ends`.
    text: usize,
    ends: usize,
    cells: usize,
}

impl CsvRows {
    pub(super) fn new() -> Self {
        let mut reader = csv_core::Reader::new();
        // Makes a byte order mark that happens to begin a later chunk part of its field.
        reader.read_record(b"\n", &mut [0], &mut [0]);
        Self {
            reader,
            text: Vec::new(),
            ends: Vec::new(),
            records: Vec::new(),
        }
    }

    /// Splits a chunk into cells. Empty lines are no records.
    fn split(&mut self, chunk: &[u8]) {
        // No record is longer split than written, and each cell has a byte of delimiter.
        let room = self.text.len().max(chunk.len() + 1);
        self.text.resize(room, 0);
        self.ends.resize(room, 0);
        self.records.clear();
        let (mut at, mut text, mut ends) = (0, 0, 0);
        loop {
            let input = chunk.get(at..).unwrap_or_default();
            at += input
                .iter()
                .take_while(|byte| matches!(byte, b'\r' | b'\n'))
                .count();
            let input = chunk.get(at..).unwrap_or_default();
            if input.is_empty() {
                return;
            }
            let (_, read, text_written, cells) = self.reader.read_record(
                input,
                self.text.get_mut(text..).unwrap_or_default(),
                self.ends.get_mut(ends..).unwrap_or_default(),
            );
            self.records.push(Record {
                at,
                text,
                ends,
                cells,
            });
            at += read;
            text += text_written;
            ends += cells;
        }
    }

    fn cell(&self, record: &Record, column: usize) -> &[u8] {
        let end = |column: usize| self.ends.get(record.ends + column).copied().unwrap_or(0);
        let start = column.checked_sub(1).map_or(0, end);
        self.text
            .get(record.text + start..record.text + end(column))
            .unwrap_or_default()
    }

    fn utf8_cell(&self, record: &Record, column: usize) -> std::result::Result<&str, BadRow> {
        std::str::from_utf8(self.cell(record, column)).map_err(|_| BadRow::NotUtf8 { column })
    }

    /// The cells of the first record of a chunk, and how many bytes of the chunk it takes.
    pub(super) fn header(
        &mut self,
        chunk: &[u8],
    ) -> std::result::Result<(Vec<Cow<'_, str>>, usize), BadRow> {
        self.split(chunk);
        let Some(record) = self.records.first() else {
            return Ok((Vec::new(), chunk.len()));
        };
        let cells = (0..record.cells).map(|column| self.utf8_cell(record, column));
        let cells = cells.map(|cell| cell.map(Cow::Borrowed));
        let len = self.records.get(1).map_or(chunk.len(), |second| second.at);
        Ok((cells.collect::<std::result::Result<_, _>>()?, len))
    }

    /// Gives each record of a chunk to `sink`.
    pub(super) fn read(
        &mut self,
        chunk: &[u8],
        columns: &Columns,
        sink: &mut impl RowSink,
    ) -> std::result::Result<(), Stop> {
        self.split(chunk);
        // One context for all: nothing is allocated for a row.
        let mut context = EvaluationContext::anonymous();
        for record in &self.records {
            match self.fill(record, columns, &mut context) {
                Ok(unit) => sink.row(unit, &context)?,
                Err(problem) => {
                    let line = lines(chunk.get(..record.at).unwrap_or_default());
                    sink.bad_row(line, problem)?;
                }
            }
        }
        Ok(())
    }

    fn fill<'c>(
        &'c self,
        record: &Record,
        columns: &'c Columns,
        context: &mut EvaluationContext<'c>,
    ) -> std::result::Result<&'c str, BadRow> {
        if record.cells != columns.count {
            return Err(BadRow::Cells {
                found: record.cells,
                expected: columns.count,
            });
        }
        let unit = self.utf8_cell(record, columns.unit)?;
        if unit.is_empty() {
            return Err(BadRow::NoUnit);
        }
        context.clear();
        context.set_targeting_key(unit);
        for (column, name, cells) in &columns.attributes {
            if let Some(value) = cells.attribute(self.utf8_cell(record, *column)?) {
                context.set(name.as_str(), value);
            }
        }
        Ok(unit)
    }
}

impl Cells {
    /// The attribute that a cell is; none if it is empty.
    fn attribute(self, cell: &str) -> Option<AttributeValue<'_>> {
        if cell.is_empty() {
            return None;
        }
        if self == Self::Typed {
            match cell {
                "true" => return Some(AttributeValue::Bool(true)),
                "false" => return Some(AttributeValue::Bool(false)),
                _ => {}
            }
            if is_json_number(cell.as_bytes()) {
                // As docs/flag-set.md, section 1, reads numbers.
                if let Ok(integer) = cell.parse() {
                    return Some(AttributeValue::Integer(integer));
                }
                if let Some(number) = cell.parse().ok().filter(|number: &f64| number.is_finite()) {
                    return Some(AttributeValue::Number(number));
                }
            }
        }
        Some(AttributeValue::from(cell))
    }
}

/// Whether a text is a number of RFC 8259: no sign `+`, no leading zero, no bare point. So `007` and `+49` stay text.
fn is_json_number(text: &[u8]) -> bool {
    fn digits(text: &[u8]) -> (usize, &[u8]) {
        let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        (count, text.get(count..).unwrap_or_default())
    }
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let (count, mut rest) = digits(text);
    if count == 0 || (count > 1 && text.starts_with(b"0")) {
        return false;
    }
    if let Some(fraction) = rest.strip_prefix(b".") {
        let (count, after) = digits(fraction);
        if count == 0 {
            return false;
        }
        rest = after;
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let (count, after) = match exponent {
            [b'+' | b'-', exponent @ ..] => digits(exponent),
            exponent => digits(exponent),
        };
        return count > 0 && after.is_empty();
    }
    rest.is_empty()
}

/// Gives each line of an NDJSON chunk to `sink`. Empty lines are no records.
pub(super) fn read_ndjson(
    chunk: &[u8],
    unit_attribute: Option<&str>,
    sink: &mut impl RowSink,
) -> std::result::Result<(), Stop> {
    for (line, text) in chunk.split(|byte| *byte == b'\n').enumerate() {
        if text.trim_ascii().is_empty() {
            continue;
        }
        match ndjson_context(text, unit_attribute) {
            Ok(context) => {
                let unit = context.targeting_key().unwrap_or_default();
                sink.row(unit, &context)?;
            }
            Err(problem) => sink.bad_row(line as u64, problem)?,
        }
    }
    Ok(())
}

fn ndjson_context(
    line: &[u8],
    unit_attribute: Option<&str>,
) -> std::result::Result<EvaluationContext<'static>, BadRow> {
    let mut context = EvaluationContext::from_json(line).map_err(BadRow::Context)?;
    if let Some(name) = unit_attribute {
        let unit = match context.attribute(name) {
            None | Some(AttributeValue::Null) => return Err(BadRow::NoUnit),
            Some(AttributeValue::String(text)) => text.to_string(),
            Some(AttributeValue::Integer(number)) => number.to_string(),
            Some(_) => return Err(BadRow::UnitType),
        };
        context.set_targeting_key(unit);
    }
    match context.targeting_key() {
        None | Some("") => Err(BadRow::NoUnit),
        Some(_) => Ok(context),
    }
}

#[cfg(test)]
mod tests;

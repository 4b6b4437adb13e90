//! Reading a list of units one after the other, for commands that look at each.

use std::path::PathBuf;

use bucketry_core::{EvaluationContext, FlagSet};
use clap::builder::ValueHint;

use super::chunks::{Chunks, Form};
use super::rows::{BadRow, Cells, Columns, CsvRows, RowSink, Stop, read_ndjson};
use super::{FIRST_CHUNK, form_of, open, read_failure};
use crate::failure::{Failure, Result};
use crate::source::display_name;

/// A list of units, written as `assign` reads it.
#[derive(Debug, clap::Args)]
pub(crate) struct UnitArgs {
    /// Count who moves in a list of units, `-` for standard input: CSV with a header line, or NDJSON contexts
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) units: Option<PathBuf>,
    /// How the units are written [default: by the file's name, else csv]
    #[arg(long, value_name = "FORM", requires = "units")]
    format: Option<Form>,
    /// The column or attribute that is the targeting key [default: targetingKey, in CSV else the first]
    #[arg(long, value_name = "NAME", requires = "units")]
    unit_column: Option<String>,
    /// Read CSV cells that are JSON numbers, true or false as such, not as text
    #[arg(long, requires = "units")]
    typed: bool,
}

impl UnitArgs {
    /// Gives the context of each unit to `each`, with the attributes that `sets` read. Nothing when no list is
    /// named.
    pub(crate) fn read(
        &self,
        sets: &[&FlagSet],
        each: impl FnMut(&EvaluationContext<'_>),
    ) -> Result<()> {
        let Some(path) = self.units.as_deref() else {
            return Ok(());
        };
        let name = display_name(path);
        let cannot_read = |error| read_failure(path, error);
        let form = self.format.or_else(|| form_of(path)).unwrap_or(Form::Csv);
        let (input, _) = open(path)?;
        let mut chunks = Chunks::new(input, form, FIRST_CHUNK).map_err(cannot_read)?;
        let mut sink = Sink {
            each,
            problem: None,
        };
        let (mut chunk, mut rows, mut columns) = (Vec::new(), CsvRows::new(), None);
        while let Some(place) = chunks.next(&mut chunk).map_err(cannot_read)? {
            let read = match (form, &columns) {
                (Form::Ndjson, _) => read_ndjson(&chunk, self.unit_column.as_deref(), &mut sink),
                (Form::Csv, Some(columns)) => rows.read(&chunk, columns, &mut sink),
                (Form::Csv, None) => {
                    let header = rows.header(&chunk);
                    let (header, len) = header
                        .map_err(|problem| Failure::new(format!("`{name}`, header: {problem}")))?;
                    let cells = if self.typed {
                        Cells::Typed
                    } else {
                        Cells::Text
                    };
                    let unit = self.unit_column.as_deref();
                    columns = Some(Columns::from_header(&header, unit, cells, sets)?);
                    chunks.put_back(&mut chunk, len);
                    continue;
                }
            };
            if read.is_err()
                && let Some((line, problem)) = sink.problem
            {
                let line = place.line + line;
                return Err(Failure::new(format!("`{name}`, line {line}: {problem}")));
            }
        }
        Ok(())
    }
}

struct Sink<F> {
    each: F,
    problem: Option<(u64, BadRow)>,
}

impl<F: FnMut(&EvaluationContext<'_>)> RowSink for Sink<F> {
    fn row(&mut self, _: &str, context: &EvaluationContext<'_>) -> std::result::Result<(), Stop> {
        (self.each)(context);
        Ok(())
    }

    fn bad_row(&mut self, line: u64, problem: BadRow) -> std::result::Result<(), Stop> {
        self.problem = Some((line, problem));
        Err(Stop)
    }
}

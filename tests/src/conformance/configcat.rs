//! ConfigCat's matrices: a configuration, and the value of each of its settings for each of some users.

use std::fmt;
use std::path::Path;

use bucketry_core::{AttributeValue, EvaluationContext, FlagSet, UnixMillis, Value};
use bucketry_import::{Format, ImportOptions, import};

use super::{Suite, Tally};

/// What a cell says of somebody who is nobody.
const NULL: &str = "##null##";

/// Columns about the user: identifier, email, country, and an attribute of the matrix's own.
const USER_COLUMNS: usize = 4;

pub(super) struct ConfigCat;

impl Suite for ConfigCat {
    fn name(&self) -> &'static str {
        "configcat"
    }

    fn folder(&self) -> &'static str {
        "configcat"
    }

    fn run(&self, folder: &Path, tally: &mut Tally) -> Result<(), String> {
        let entries = std::fs::read_dir(folder).map_err(|error| error.to_string())?;
        let mut matrices: Vec<_> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "csv"))
            .collect();
        matrices.sort();
        for matrix in matrices {
            run_matrix(&matrix, tally).map_err(|error| format!("{}: {error}", matrix.display()))?;
        }
        Ok(())
    }
}

fn run_matrix(matrix: &Path, tally: &mut Tally) -> Result<(), String> {
    let config = std::fs::read(matrix.with_extension("config.json"));
    let config = config.map_err(|error| format!("its configuration: {error}"))?;
    let imported = import(Format::ConfigCat, &config, &ImportOptions::new())
        .map_err(|error| format!("its configuration: {error}"))?;
    let flag_set = FlagSet::from_json(imported.document.as_bytes())
        .map_err(|error| format!("the imported flag set: {error}"))?;

    let text = std::fs::read_to_string(matrix).map_err(|error| error.to_string())?;
    let stem = matrix.file_stem().unwrap_or_default().to_string_lossy();
    let by_variation = stem.contains("variationid");
    let mut lines = text.trim_start_matches('\u{feff}').lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split(';').collect();
    for (number, line) in lines.enumerate().filter(|(_, line)| !line.is_empty()) {
        let cells: Vec<&str> = line.split(';').collect();
        if cells.len() != header.len() {
            return Err(format!("row {} has another number of cells", number + 2));
        }
        let context = context(&header, &cells);
        for (flag, want) in header.iter().zip(&cells).skip(USER_COLUMNS) {
            let resolution = flag_set.resolve(flag, &context, UnixMillis(0));
            let got = match resolution.variant() {
                Some(variant) if by_variation => variant.to_owned(),
                _ => match resolution.value() {
                    Some(Value::String(value) | Value::Object(value)) => value.to_owned(),
                    Some(Value::Boolean(value)) => value.to_string(),
                    Some(Value::Integer(value)) => value.to_string(),
                    Some(Value::Number(value)) => value.to_string(),
                    _ => format!("{:?}", resolution.error_message()),
                },
            };
            let is_text = matches!(resolution.value(), Some(Value::String(_)));
            let cell = |text: &str| Cell {
                text: text.to_owned(),
                is_text: is_text || by_variation,
            };
            let case = format!("{stem} row {} `{flag}`", number + 2);
            tally.check(&case, &cell(&got), &cell(want));
        }
    }
    Ok(())
}

/// The user of a row.
fn context<'c>(header: &[&'c str], cells: &[&'c str]) -> EvaluationContext<'c> {
    let mut user = header.iter().zip(cells).take(USER_COLUMNS);
    let mut context = match user.next() {
        Some((_, identifier)) if *identifier != NULL => EvaluationContext::new(*identifier),
        _ => return EvaluationContext::anonymous(),
    };
    for (name, cell) in user.filter(|(_, cell)| !cell.is_empty() && **cell != NULL) {
        // A text that is a JSON array of texts is an array to ConfigCat's SDKs.
        let value = match serde_json::from_str::<Vec<String>>(cell) {
            Ok(list) => AttributeValue::from(list),
            Err(_) => AttributeValue::from(*cell),
        };
        context.set(*name, value);
    }
    context
}

/// A value as a matrix writes it.
struct Cell {
    text: String,
    is_text: bool,
}

impl PartialEq for Cell {
    fn eq(&self, other: &Self) -> bool {
        let number = |cell: &Self| cell.text.parse::<f64>().ok();
        self.text == other.text
            || !self.is_text
                && (self.text.eq_ignore_ascii_case(&other.text)
                    || number(self).is_some() && number(self) == number(other))
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

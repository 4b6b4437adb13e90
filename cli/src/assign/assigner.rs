//! From a unit to an output row, and to exposure records.

use bucketry_core::{
    EvaluationContext, Exposure, FlagHandle, FlagSet, Origin, ProducerId, UnixMillis,
};

use super::chunks::Form;
use super::rows::{BadRow, RowSink, Stop};
use super::tally::Tally;

/// What is asked of every unit.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) set: FlagSet,
    pub(super) flags: Vec<String>,
    /// The name of the units in the output.
    pub(super) unit_name: String,
    pub(super) form: Form,
    pub(super) at: UnixMillis,
    /// Who writes exposure records, if they are wanted.
    pub(super) producer: Option<ProducerId>,
    /// Where it runs, for exposure records.
    pub(super) platform: String,
    pub(super) on_error: OnError,
}

/// What a row that cannot be read does.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(super) enum OnError {
    /// Stop there; the rows before it are written
    Fail,
    /// Leave it out and count it
    Skip,
}

impl Plan {
    pub(super) fn handles(&self) -> Vec<FlagHandle<'_>> {
        let flags = self.flags.iter();
        flags.filter_map(|key| self.set.flag(key)).collect()
    }

    /// The first line of the output, if it has one.
    pub(super) fn header(&self) -> Vec<u8> {
        let mut line = Vec::new();
        if self.form == Form::Csv {
            push_csv(&mut line, &self.unit_name);
            for key in &self.flags {
                line.push(b',');
                push_csv(&mut line, key);
            }
            line.push(b'\n');
        }
        line
    }

    /// The origin of an exposure record with this number.
    pub(super) fn origin(&self, number: u64) -> Origin<'_> {
        Origin {
            sequence: self.producer.map(|producer| (producer, number)),
            sdk: Some(concat!("bucketry-cli/", env!("CARGO_PKG_VERSION"))),
            platform: Some(&self.platform),
        }
    }
}

/// What a thread has made of some rows.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) rows: Vec<u8>,
    /// Lines that are all numbered 0.
    pub(super) exposures: Vec<u8>,
    /// Where each of these lines ends.
    pub(super) exposure_ends: Vec<usize>,
    pub(super) units: u64,
    /// The line, from 0 in the chunk, at which to stop, and why.
    pub(super) failure: Option<(u64, BadRow)>,
}

impl Output {
    pub(super) fn len(&self) -> usize {
        self.rows.len() + self.exposures.len()
    }

    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.exposures.clear();
        self.exposure_ends.clear();
        self.units = 0;
        self.failure = None;
    }
}

/// Assigns units, one thread's worth.
#[derive(Debug)]
pub(super) struct Assigner<'p> {
    plan: &'p Plan,
    flags: Vec<FlagColumn<'p>>,
    pub(super) tally: Tally,
}

/// A flag, and how its variants are written.
#[derive(Debug)]
struct FlagColumn<'p> {
    handle: FlagHandle<'p>,
    /// What stands before the variant.
    before: Vec<u8>,
    variants: Vec<Vec<u8>>,
    no_variant: &'static [u8],
}

impl<'p> Assigner<'p> {
    pub(super) fn new(plan: &'p Plan) -> Self {
        let handles = plan.handles();
        let columns = handles.iter().enumerate();
        Self {
            tally: Tally::new(&handles, &plan.unit_name),
            flags: columns
                .map(|(at, handle)| FlagColumn::new(*handle, plan.form, at == 0))
                .collect(),
            plan,
        }
    }

    /// A sink that writes to `output`, and calls `full` after each row.
    pub(super) fn sink<'s, F>(&'s mut self, output: &'s mut Output, full: F) -> Sink<'s, 'p, F>
    where
        F: FnMut(&mut Output) -> Result<(), Stop>,
    {
        Sink {
            assigner: self,
            output,
            after_row: full,
        }
    }
}

impl<'p> FlagColumn<'p> {
    fn new(handle: FlagHandle<'p>, form: Form, first: bool) -> Self {
        let mut before = Vec::new();
        match form {
            Form::Csv => before.push(b','),
            Form::Ndjson => {
                before.extend(if first { &b""[..] } else { b"," });
                push_json(&mut before, handle.key());
                before.push(b':');
            }
        }
        let variants = handle.variants().map(|(name, _)| {
            let mut text = Vec::new();
            match form {
                Form::Csv => push_csv(&mut text, name),
                Form::Ndjson => push_json(&mut text, name),
            }
            text
        });
        Self {
            before,
            variants: variants.collect(),
            no_variant: match form {
                Form::Csv => b"",
                Form::Ndjson => b"null",
            },
            handle,
        }
    }
}

/// See [`Assigner::sink`].
pub(super) struct Sink<'s, 'p, F> {
    assigner: &'s mut Assigner<'p>,
    output: &'s mut Output,
    after_row: F,
}

impl<F> RowSink for Sink<'_, '_, F>
where
    F: FnMut(&mut Output) -> Result<(), Stop>,
{
    fn row(&mut self, unit: &str, context: &EvaluationContext<'_>) -> Result<(), Stop> {
        let Assigner { plan, flags, tally } = &mut *self.assigner;
        let Output {
            rows,
            exposures,
            exposure_ends,
            units,
            ..
        } = &mut *self.output;
        *units += 1;
        tally.units += 1;
        match plan.form {
            Form::Csv => push_csv(rows, unit),
            Form::Ndjson => {
                rows.extend(b"{\"targetingKey\":");
                push_json(rows, unit);
                rows.extend(b",\"variants\":{");
            }
        }
        for (at, flag) in flags.iter().enumerate() {
            let resolution = flag.handle.resolve(context, plan.at);
            let assignment = resolution.assignment();
            tally.count(at, &resolution, assignment.as_ref());
            let variant = resolution.variant_index();
            let variant = variant.and_then(|at| flag.variants.get(at));
            rows.extend(&flag.before);
            rows.extend(variant.map_or(flag.no_variant, Vec::as_slice));
            if let Some(assignment) = assignment.filter(|_| plan.producer.is_some()) {
                Exposure::new(&assignment, plan.at).write_line(&plan.origin(0), exposures);
                exposure_ends.push(exposures.len());
            }
        }
        rows.extend(match plan.form {
            Form::Csv => &b"\n"[..],
            Form::Ndjson => b"}}\n",
        });
        (self.after_row)(self.output)
    }

    fn bad_row(&mut self, line: u64, problem: BadRow) -> Result<(), Stop> {
        match self.assigner.plan.on_error {
            OnError::Skip => {
                self.assigner.tally.bad_rows += 1;
                Ok(())
            }
            OnError::Fail => {
                self.output.failure = Some((line, problem));
                Err(Stop)
            }
        }
    }
}

/// Appends a CSV cell, quoted where RFC 4180 needs it.
fn push_csv(out: &mut Vec<u8>, text: &str) {
    let special = |byte: &u8| matches!(byte, b',' | b'"' | b'\r' | b'\n');
    if !text.as_bytes().iter().any(special) {
        return out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
    for (at, part) in text.split('"').enumerate() {
        if at > 0 {
            out.extend_from_slice(b"\"\"");
        }
        out.extend_from_slice(part.as_bytes());
    }
    out.push(b'"');
}

/// Appends a JSON string.
fn push_json(out: &mut Vec<u8>, text: &str) {
    let plain = |byte: &u8| *byte >= 0x20 && !matches!(byte, b'"' | b'\\');
    if text.as_bytes().iter().all(plain) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        // A vector takes all that is written, and a string is always JSON.
        let _ = serde_json::to_writer(out, text);
    }
}

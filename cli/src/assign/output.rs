//! Where rows and exposure records go.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bucketry_core::{Assignment, Exposure, Reason, Sticky, UnitText};

use super::assigner::{Output, Plan};
use super::pipeline::Writer;
use super::progress::Progress;
use crate::failure::{Failure, Result};

/// A file, or standard output.
#[derive(Debug)]
pub(super) struct Target {
    /// The file, its path, and how much of it is whole lines.
    file: Option<(File, PathBuf, u64)>,
}

impl Target {
    pub(super) const STDOUT: Self = Self { file: None };

    pub(super) fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).map_err(|error| Failure::file("write", path, &error))?;
        Ok(Self {
            file: Some((file, path.into(), 0)),
        })
    }

    pub(super) fn is_stdout(&self) -> bool {
        self.file.is_none()
    }

    /// Writes whole lines. If that fails, no part of them stays in a file.
    pub(super) fn write(&mut self, lines: &[u8]) -> Result<()> {
        let Some((file, path, whole)) = &mut self.file else {
            let mut stdout = io::stdout().lock();
            stdout.write_all(lines)?;
            return Ok(stdout.flush()?);
        };
        if let Err(error) = file.write_all(lines) {
            // Fails for what is no regular file: what a pipe has taken cannot be taken back.
            let _ = file.set_len(*whole);
            return Err(Failure::file("write", path, &error));
        }
        *whole += lines.len() as u64;
        Ok(())
    }
}

/// Gives exposure records their numbers: from 1, without gaps, in the order of the input.
#[derive(Debug)]
pub(super) struct Numbering {
    /// Where in each line the number 0 stands that is to be replaced.
    at: usize,
    next: u64,
    lines: Vec<u8>,
}

impl Numbering {
    /// Finds out where records have their number, by writing one.
    pub(super) fn new(plan: &Plan) -> Self {
        let sample = |number| {
            let assignment = Assignment {
                flag: "",
                rule: None,
                experiment: "",
                phase: 1,
                unit_type: "",
                unit: UnitText::new(""),
                variant: None,
                reason: Reason::Split,
                arm: None,
                enrol: None,
                enrol_cut: None,
                arm_range: None,
                arm_share: None,
                modulus: 1,
                layer: None,
                layer_position: None,
                holdout: None,
                sticky: Sticky::None,
                environment: None,
                revision: 0,
            };
            let mut line = Vec::new();
            Exposure::new(&assignment, plan.at).write_line(&plan.origin(number), &mut line);
            line
        };
        let (zero, one) = (sample(0), sample(1));
        let same = zero.iter().zip(&one).take_while(|(a, b)| a == b);
        Self {
            at: same.count(),
            next: 1,
            lines: Vec::new(),
        }
    }

    /// The lines of `output` with their numbers.
    pub(super) fn number(&mut self, output: &Output) -> &[u8] {
        self.lines.clear();
        let mut start = 0;
        for end in &output.exposure_ends {
            let line = output.exposures.get(start..*end).unwrap_or_default();
            let (before, rest) = line.split_at_checked(self.at).unwrap_or_default();
            self.lines.extend_from_slice(before);
            // A vector takes all that is written.
            let _ = write!(self.lines, "{}", self.next);
            self.lines
                .extend_from_slice(rest.strip_prefix(b"0").unwrap_or_default());
            self.next += 1;
            start = *end;
        }
        &self.lines
    }
}

/// Everything that a run writes.
#[derive(Debug)]
pub(super) struct Outputs {
    pub(super) rows: Target,
    pub(super) exposures: Option<(Target, Numbering)>,
    pub(super) progress: Progress,
}

impl Outputs {
    /// The number of exposure records written, if any are.
    pub(super) fn exposure_count(&self) -> Option<u64> {
        let (_, numbering) = self.exposures.as_ref()?;
        Some(numbering.next - 1)
    }
}

impl Writer for Outputs {
    type Error = Failure;

    fn write(&mut self, output: &Output, done: Option<u64>) -> Result<()> {
        // Who has a row but not its exposure can find out; the other way round not.
        self.rows.write(&output.rows)?;
        if let Some((target, numbering)) = &mut self.exposures {
            target.write(numbering.number(output))?;
        }
        self.progress.add(output.units, done);
        Ok(())
    }
}

//! Who asks: contexts from the command line, from a file or from standard input, one after the other.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use bucketry_core::limits::MAX_CONTEXT_BYTES;
use bucketry_core::{EvaluationContext, PriorAssignment, UnixMillis};
use clap::builder::ValueHint;

use crate::clock;
use crate::failure::{Failure, Result, note};
use crate::source::{EXAMPLE_CONTEXTS, Selected, Selection, display_name, is_stdin};

/// Who asks, and when.
#[derive(Debug, clap::Args)]
pub(crate) struct ContextArgs {
    /// The evaluation context: a JSON object of `targetingKey` and the attributes
    #[arg(short, long, value_name = "JSON", conflicts_with = "contexts")]
    context: Option<String>,
    /// Contexts from a file, `-` for standard input: JSON objects one after the other, as in NDJSON
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    contexts: Option<PathBuf>,
    /// The time that rules and their conditions see [default: now]
    #[arg(long, value_name = "TIME", value_parser = clock::parse)]
    at: Option<UnixMillis>,
    /// An assignment made before, which a sticky experiment keeps to
    #[arg(long, value_name = "EXPERIMENT/PHASE=VARIANT", value_parser = prior)]
    prior: Vec<PriorAssignment<'static>>,
    /// The random number of the unit `$random`
    #[arg(long, value_name = "NUMBER")]
    random: Option<u64>,
}

/// Reads `experiment/phase=variant`. All but the phase may hold any character.
fn prior(text: &str) -> std::result::Result<PriorAssignment<'static>, String> {
    let parts = text.match_indices('=').find_map(|(at, _)| {
        let (left, variant) = (text.get(..at)?, text.get(at + 1..)?);
        let (experiment, phase) = left.rsplit_once('/')?;
        Some((experiment, phase.parse().ok()?, variant))
    });
    let (experiment, phase, variant) =
        parts.ok_or("not of the form EXPERIMENT/PHASE=VARIANT, as in button-test/2=green")?;
    Ok(PriorAssignment {
        experiment: Cow::Owned(experiment.into()),
        phase,
        variant: Cow::Owned(variant.into()),
    })
}

impl ContextArgs {
    /// The time to answer for.
    pub(crate) fn now(&self) -> UnixMillis {
        self.at.unwrap_or_else(clock::now)
    }

    /// Refuses to read both the flag set and the contexts from standard input.
    pub(crate) fn check(&self, selection: &Selection) -> Result<()> {
        if selection.reads_stdin() && self.contexts.as_deref().is_some_and(is_stdin) {
            return Err(Failure::new(
                "flag set and contexts cannot both come from standard input",
            ));
        }
        Ok(())
    }

    /// The contexts to answer for. Without any given that is a visitor of the example shop, or for other flag
    /// sets an empty context.
    pub(crate) fn contexts(self, selected: &Selected) -> Result<Contexts> {
        let (name, reader): (String, Box<dyn BufRead>) = match (self.context, self.contexts) {
            (Some(json), _) => ("--context".into(), Box::new(io::Cursor::new(json))),
            (None, Some(path)) => (display_name(&path), open(&path)?),
            (None, None) if selected.is_example => {
                let first = EXAMPLE_CONTEXTS.lines().next().unwrap_or_default();
                note(format_args!(
                    "no context is given, so the example's visitor asks: {first}"
                ));
                (
                    "examples/contexts.ndjson".into(),
                    Box::new(first.as_bytes()),
                )
            }
            (None, None) => {
                note("no context is given, so an empty one is used; see --context");
                ("--context".into(), Box::new(b"{}".as_slice()))
            }
        };
        Ok(Contexts {
            name,
            reader,
            line: 1,
            count: 0,
            prior: self.prior,
            random: self.random,
        })
    }
}

fn open(path: &Path) -> Result<Box<dyn BufRead>> {
    if is_stdin(path) {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = File::open(path).map_err(|error| Failure::file("read", path, &error))?;
    Ok(Box::new(BufReader::new(file)))
}

/// The contexts of an input, read as they come: no more than one is in memory.
pub(crate) struct Contexts {
    name: String,
    reader: Box<dyn BufRead>,
    line: usize,
    count: u64,
    prior: Vec<PriorAssignment<'static>>,
    random: Option<u64>,
}

/// A context and its place in the input.
#[derive(Debug)]
pub(crate) struct NumberedContext {
    /// From 1.
    pub(crate) number: u64,
    pub(crate) context: EvaluationContext<'static>,
}

impl Contexts {
    fn next_context(&mut self) -> Result<Option<NumberedContext>> {
        let mut text = Vec::new();
        let read = read_object(&mut self.reader, &mut self.line, &mut text);
        let started =
            read.map_err(|error| Failure::new(format!("cannot read `{}`: {error}", self.name)))?;
        let Some(line) = started else {
            return Ok(None);
        };
        let mut context = EvaluationContext::from_json(&text)
            .map_err(|error| Failure::new(format!("{}, line {line}: {error}", self.name)))?;
        for prior in &self.prior {
            context = context.with_prior(prior.clone());
        }
        if let Some(random) = self.random {
            context = context.with_random(random);
        }
        self.count += 1;
        Ok(Some(NumberedContext {
            number: self.count,
            context,
        }))
    }
}

impl Iterator for Contexts {
    type Item = Result<NumberedContext>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_context().transpose()
    }
}

/// Reads up to the end of the next JSON object, or of the line where none begins, and gives the line it began in;
/// none at the end of the input. Reads little more than the longest context that the core accepts.
fn read_object(
    reader: &mut impl BufRead,
    line: &mut usize,
    text: &mut Vec<u8>,
) -> io::Result<Option<usize>> {
    let mut started = None;
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    while text.len() <= MAX_CONTEXT_BYTES {
        let buffer = match reader.fill_buf() {
            Ok(buffer) => buffer,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if buffer.is_empty() {
            break;
        }
        let mut used = 0;
        let mut ended = false;
        for &byte in buffer {
            used += 1;
            if byte == b'\n' {
                *line += 1;
            }
            if text.is_empty() && byte.is_ascii_whitespace() {
                continue;
            }
            started.get_or_insert(*line);
            text.push(byte);
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                _ if in_string => {}
                b'{' => depth += 1,
                b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            ended = match text.first() {
                Some(b'{') => depth == 0,
                _ => byte == b'\n',
            };
            if ended || text.len() > MAX_CONTEXT_BYTES {
                break;
            }
        }
        reader.consume(used);
        if ended {
            break;
        }
    }
    Ok(started)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(input: &str, capacity: usize) -> Vec<(usize, String)> {
        let mut reader = BufReader::with_capacity(capacity, input.as_bytes());
        let (mut line, mut found) = (1, Vec::new());
        loop {
            let mut text = Vec::new();
            match read_object(&mut reader, &mut line, &mut text).unwrap() {
                None => return found,
                Some(line) => found.push((line, String::from_utf8(text).unwrap())),
            }
        }
    }

    #[test]
    fn objects_are_told_apart_however_they_are_laid_out() {
        let input = "\n {\"a\":1}\r\n{\n \"b\": {\"}\\\"{\": [{}]}\n}{\"c\":2} nonsense\n{";
        for capacity in [1, 2, 7, 4096] {
            let found = objects(input, capacity);
            let found: Vec<_> = found.iter().map(|(line, text)| (*line, &**text)).collect();
            let want = [
                (2, "{\"a\":1}"),
                (3, "{\n \"b\": {\"}\\\"{\": [{}]}\n}"),
                (5, "{\"c\":2}"),
                (5, "nonsense\n"),
                (6, "{"), // cut off: the core says so
            ];
            assert_eq!(found, want, "capacity {capacity}");
        }
        assert!(objects(" \n\t", 4096).is_empty());
    }

    #[test]
    fn an_endless_object_is_read_no_further_than_the_limit() {
        let mut reader = BufReader::new(io::repeat(b'{'));
        let mut text = Vec::new();
        read_object(&mut reader, &mut 1, &mut text).unwrap();
        assert_eq!(text.len(), MAX_CONTEXT_BYTES + 1);
    }

    #[test]
    fn prior_assignments_may_hold_slashes_and_equals_signs() {
        for (text, want) in [
            ("exp/2=on", Some(("exp", 2, "on"))),
            ("a/b/1=c/2=d", Some(("a/b", 1, "c/2=d"))),
            ("a=b/3=c", Some(("a=b", 3, "c"))),
            ("exp=on", None),
            ("exp/x=on", None),
        ] {
            let found = prior(text).ok();
            let found = found
                .as_ref()
                .map(|prior| (&*prior.experiment, prior.phase, &*prior.variant));
            assert_eq!(found, want, "{text:?}");
        }
    }
}

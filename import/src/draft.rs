//! The flag set that an importer is writing, and its last check.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bucketry_core::{ErrorCode, EvaluationContext, FlagSet, UnixMillis, ValueType};

use crate::Import;
use crate::error::ImportError;
use crate::format::Malformed;
use crate::output::Out;
use crate::report::{Answer, ImportedFlag, Refusal, Report};
use crate::source::{Problem, ProblemKind};

/// How far a flag stands from the margin.
const FLAG_INDENT: usize = 4;

/// A flag set in the making. Every importer fills one.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) revision: u64,
    pub(crate) environment: Option<String>,
    pub(crate) malformed: Malformed,
    pub(crate) report: Report,
    /// Conditions with a name, which the flags use.
    pub(crate) segments: Vec<(String, Out)>,
    flags: Vec<DraftFlag>,
}

#[derive(Debug)]
struct DraftFlag {
    /// Key and JSON text in the set, written at once to hold it in little memory; none for a flag that
    /// is left out.
    entry: Option<(String, String)>,
    outcome: Result<ImportedFlag, Refusal>,
}

impl Draft {
    pub(crate) const fn new(report: Report, malformed: Malformed) -> Self {
        Self {
            revision: 0,
            environment: None,
            malformed,
            report,
            segments: Vec::new(),
            flags: Vec::new(),
        }
    }

    /// Takes a translated flag.
    pub(crate) fn flag(&mut self, body: Out, imported: ImportedFlag) {
        self.flags.push(DraftFlag {
            entry: Some((imported.key.clone(), body.to_member(FLAG_INDENT))),
            outcome: Ok(imported),
        });
    }

    /// Takes a flag that cannot be translated; it will be in the set, without rules.
    pub(crate) fn refuse(&mut self, key: &str, value_type: &'static str, problem: Problem) {
        let default =
            problem.kind == ProblemKind::Malformed && self.malformed == Malformed::Default;
        let flag = if default {
            let members = [
                ("type", Out::text(value_type)),
                ("variants", Out::Object(Vec::new())),
            ];
            DraftFlag {
                entry: Some((key.to_owned(), Out::object(members).to_member(FLAG_INDENT))),
                outcome: Err(refusal(Some(key), problem, Answer::Default)),
            }
        } else {
            DraftFlag::error(key, value_type, problem)
        };
        self.flags.push(flag);
    }

    /// Notes a flag that cannot even be named; it will not be in the set.
    pub(crate) fn leave_out(&mut self, key: Option<&str>, problem: Problem) {
        self.flags.push(DraftFlag {
            entry: None,
            outcome: Err(refusal(key, problem, Answer::FlagNotFound)),
        });
    }

    /// Writes the document, has the core load it, and turns each flag that the core refuses
    /// (an invalid regular expression, a limit) into a refusal like any other.
    pub(crate) fn finish(mut self) -> Result<Import, ImportError> {
        let mut document = self.render();
        let set = FlagSet::from_json(document.as_bytes()).map_err(ImportError::FlagSet)?;
        let context = EvaluationContext::anonymous();
        let mut any_refused = false;
        for flag in &mut self.flags {
            let Ok(imported) = &flag.outcome else {
                continue;
            };
            let resolution = set.resolve(&imported.key, &context, UnixMillis(0));
            if resolution.error_code() == Some(ErrorCode::ParseError) {
                let reason = resolution.error_message().unwrap_or_default();
                let problem = Problem {
                    kind: ProblemKind::Inexpressible,
                    pointer: imported.pointer.clone(),
                    reason: format!("the flag set refuses what it became: {reason}"),
                };
                let value_type = set.flag(&imported.key).and_then(|flag| flag.value_type());
                let value_type = value_type.map_or("boolean", ValueType::as_str);
                *flag = DraftFlag::error(&imported.key.clone(), value_type, problem);
                any_refused = true;
            }
        }
        if any_refused {
            document = self.render();
        }
        for flag in self.flags {
            match flag.outcome {
                Ok(imported) => self.report.flags.push(imported),
                Err(refusal) => self.report.refusals.push(refusal),
            }
        }
        Ok(Import {
            document,
            report: self.report,
        })
    }

    fn render(&self) -> String {
        let mut text = format!("{{\n  \"format\": 1,\n  \"revision\": {},\n", self.revision);
        if let Some(environment) = &self.environment {
            text.push_str("  \"environment\": ");
            text.push_str(&Out::text(environment).to_member(2));
            text.push_str(",\n");
        }
        if !self.segments.is_empty() {
            text.push_str("  \"segments\": {");
            for (index, (name, condition)) in self.segments.iter().enumerate() {
                text.push_str(if index == 0 { "\n    " } else { ",\n    " });
                text.push_str(&Out::text(name).to_member(FLAG_INDENT));
                text.push_str(": ");
                text.push_str(&condition.to_member(FLAG_INDENT));
            }
            text.push_str("\n  },\n");
        }
        text.push_str("  \"flags\": {");
        let entries = self.flags.iter().filter_map(|flag| flag.entry.as_ref());
        for (index, (key, body)) in entries.enumerate() {
            text.push_str(if index == 0 { "\n    " } else { ",\n    " });
            text.push_str(&Out::text(key).to_member(FLAG_INDENT));
            text.push_str(": ");
            text.push_str(body);
        }
        text.push_str("\n  }\n}\n");
        text
    }
}

impl DraftFlag {
    /// A flag that answers `PARSE_ERROR`.
    fn error(key: &str, value_type: &'static str, problem: Problem) -> Self {
        let error = format!("not imported: {}: {}", problem.pointer, problem.reason);
        let members = [("type", Out::text(value_type)), ("error", Out::text(error))];
        Self {
            entry: Some((key.to_owned(), Out::object(members).to_member(FLAG_INDENT))),
            outcome: Err(refusal(Some(key), problem, Answer::ParseError)),
        }
    }
}

fn refusal(key: Option<&str>, problem: Problem, answer: Answer) -> Refusal {
    Refusal {
        flag: key.map(ToOwned::to_owned),
        pointer: problem.pointer,
        reason: problem.reason,
        answer,
    }
}

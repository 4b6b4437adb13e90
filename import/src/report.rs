//! What came of an import, for a person and for a program.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::format::{Dialect, Format};
use crate::limits;
use crate::output::Out;

/// What came over, what was refused and what is worth a look.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// The format of the document.
    pub format: Format,
    /// The dialect that was read, chosen or found out.
    pub dialect: Dialect,
    /// Whether the document was read as obfuscated.
    pub obfuscated: bool,
    /// The flags that came over, in the order of the document.
    pub flags: Vec<ImportedFlag>,
    /// The flags that did not, and why; in the order of the document.
    pub refusals: Vec<Refusal>,
    /// What is worth a look, at most [`limits::MAX_WARNINGS`].
    pub warnings: Vec<Warning>,
    /// Warnings beyond that number.
    pub omitted_warnings: usize,
}

/// A flag that came over.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ImportedFlag {
    /// Its key in the flag set.
    pub key: String,
    /// JSON pointer (RFC 6901) to it in the source document.
    pub pointer: String,
    /// How many rules it became.
    pub rules: usize,
    /// The attributes that its rules read, in alphabetical order.
    pub attributes: Vec<String>,
    /// The experiments that its exposures name, in alphabetical order.
    pub experiments: Vec<String>,
}

/// A flag that did not come over.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Refusal {
    /// Its key, where it has one that can be told.
    pub flag: Option<String>,
    /// JSON pointer (RFC 6901) to what stood in the way, in the source document.
    pub pointer: String,
    /// Why, for a person.
    pub reason: String,
    /// What the flag set answers instead.
    pub answer: Answer,
}

/// What a flag set answers for a flag that was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
#[non_exhaustive]
pub enum Answer {
    /// `PARSE_ERROR`.
    ParseError,
    /// The caller's default, reason `DEFAULT` ([`crate::Malformed::Default`]).
    Default,
    /// `FLAG_NOT_FOUND`: the flag could not even be named.
    FlagNotFound,
}

/// Something worth a look.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Warning {
    /// The flag that it is about, if it is one.
    pub flag: Option<String>,
    /// JSON pointer (RFC 6901) to the place, in the source document.
    pub pointer: String,
    /// What, for a person.
    pub message: String,
}

impl Answer {
    /// The answer in a few words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ParseError => "PARSE_ERROR",
            Self::Default => "DEFAULT",
            Self::FlagNotFound => "FLAG_NOT_FOUND",
        }
    }
}

impl Report {
    pub(crate) const fn new(format: Format, dialect: Dialect) -> Self {
        Self {
            format,
            dialect,
            obfuscated: false,
            flags: Vec::new(),
            refusals: Vec::new(),
            warnings: Vec::new(),
            omitted_warnings: 0,
        }
    }

    pub(crate) fn warn(
        &mut self,
        flag: Option<&str>,
        pointer: impl FnOnce() -> String,
        message: impl Into<String>,
    ) {
        if self.warnings.len() == limits::MAX_WARNINGS {
            self.omitted_warnings += 1;
            return;
        }
        self.warnings.push(Warning {
            flag: flag.map(ToOwned::to_owned),
            pointer: pointer(),
            message: message.into(),
        });
    }

    /// The report as JSON, for a program.
    #[must_use]
    pub fn to_json(&self) -> String {
        let names = |names: &[String]| Out::Array(names.iter().map(Out::text).collect());
        let flag_key = |flag: &Option<String>| flag.as_ref().map_or(Out::NULL, Out::text);
        let flags = self.flags.iter().map(|flag| {
            Out::object([
                ("key", Out::text(&flag.key)),
                ("pointer", Out::text(&flag.pointer)),
                ("rules", Out::number(flag.rules)),
                ("attributes", names(&flag.attributes)),
                ("experiments", names(&flag.experiments)),
            ])
        });
        let refusals = self.refusals.iter().map(|refusal| {
            Out::object([
                ("flag", flag_key(&refusal.flag)),
                ("pointer", Out::text(&refusal.pointer)),
                ("reason", Out::text(&refusal.reason)),
                ("answer", Out::text(refusal.answer.as_str())),
            ])
        });
        let warnings = self.warnings.iter().map(|warning| {
            Out::object([
                ("flag", flag_key(&warning.flag)),
                ("pointer", Out::text(&warning.pointer)),
                ("message", Out::text(&warning.message)),
            ])
        });
        Out::object([
            ("format", Out::text(self.format.as_str())),
            ("dialect", Out::text(self.dialect.as_str())),
            ("obfuscated", Out::boolean(self.obfuscated)),
            ("flags", Out::Array(flags.collect())),
            ("refusals", Out::Array(refusals.collect())),
            ("warnings", Out::Array(warnings.collect())),
            ("omittedWarnings", Out::number(self.omitted_warnings)),
        ])
        .to_pretty()
    }
}

/// Several lines, the last without a line break: a summary, then a line for each refusal and warning.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}{}): {} flags imported, {} refused",
            self.format,
            self.dialect,
            if self.obfuscated { ", obfuscated" } else { "" },
            self.flags.len(),
            self.refusals.len()
        )?;
        for refusal in &self.refusals {
            write!(
                f,
                "\nrefused, answers {}: {}: {}",
                refusal.answer.as_str(),
                refusal.pointer,
                refusal.reason
            )?;
        }
        for warning in &self.warnings {
            write!(f, "\nwarning: {}: {}", warning.pointer, warning.message)?;
        }
        if self.omitted_warnings > 0 {
            write!(f, "\nand {} more warnings", self.omitted_warnings)?;
        }
        Ok(())
    }
}

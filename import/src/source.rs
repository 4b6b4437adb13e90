//! The foreign document, read with a path: every message can say where it is about.

use alloc::format;
use alloc::string::String;

use bucketry_core::internal::{Json, Kind, push_pointer_token};

use crate::report::Report;

/// The way from the root to a value, kept on the stack of whoever walks it.
#[derive(Clone, Copy, Debug)]
enum Path<'p> {
    Root,
    Member(&'p Self, &'p str),
    Element(&'p Self, usize),
}

impl Path<'_> {
    fn push_to(&self, pointer: &mut String) {
        match self {
            Self::Root => {}
            Self::Member(parent, name) => {
                parent.push_to(pointer);
                push_pointer_token(pointer, name);
            }
            Self::Element(parent, index) => {
                parent.push_to(pointer);
                pointer.push_str(&format!("/{index}"));
            }
        }
    }
}

/// A value of the foreign document and where it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'p, 'd: 'p> {
    json: Json<'d>,
    path: Path<'p>,
}

/// Why a part of the document cannot be taken over.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Problem {
    pub(crate) kind: ProblemKind,
    pub(crate) pointer: String,
    pub(crate) reason: String,
}

/// Whose problem it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ProblemKind {
    /// The format's own SDKs cannot read it either.
    Malformed,
    /// They can; bucketry's flag set cannot say the same exactly.
    Inexpressible,
}

impl<'p, 'd: 'p> Source<'p, 'd> {
    pub(crate) const fn root(json: Json<'d>) -> Self {
        Self {
            json,
            path: Path::Root,
        }
    }

    pub(crate) fn pointer(&self) -> String {
        let mut pointer = String::new();
        self.path.push_to(&mut pointer);
        pointer
    }

    pub(crate) fn malformed(&self, reason: impl Into<String>) -> Problem {
        Problem {
            kind: ProblemKind::Malformed,
            pointer: self.pointer(),
            reason: reason.into(),
        }
    }

    pub(crate) fn inexpressible(&self, reason: impl Into<String>) -> Problem {
        Problem {
            kind: ProblemKind::Inexpressible,
            pointer: self.pointer(),
            reason: reason.into(),
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.json.kind()
    }

    pub(crate) const fn json(&self) -> Json<'d> {
        self.json
    }

    pub(crate) fn members<'q>(&'q self) -> impl Iterator<Item = (&'d str, Source<'q, 'd>)> {
        self.json.members().map(|(name, json)| {
            let path = Path::Member(&self.path, name);
            (name, Source { json, path })
        })
    }

    pub(crate) fn elements<'q>(&'q self) -> impl Iterator<Item = Source<'q, 'd>> {
        self.json
            .elements()
            .enumerate()
            .map(|(index, json)| Source {
                json,
                path: Path::Element(&self.path, index),
            })
    }

    /// The member of this name.
    pub(crate) fn get<'q>(&'q self, name: &str) -> Option<Source<'q, 'd>> {
        let mut members = self.members();
        members.find_map(|(each, value)| (each == name).then_some(value))
    }

    /// The member of this name, unless it is null.
    pub(crate) fn optional<'q>(&'q self, name: &str) -> Option<Source<'q, 'd>> {
        self.get(name).filter(|value| value.kind() != Kind::Null)
    }

    /// The member of this name, which must be there.
    pub(crate) fn required<'q>(&'q self, name: &str) -> Result<Source<'q, 'd>, Problem> {
        self.get(name)
            .ok_or_else(|| self.malformed(format!("lacks `{name}`")))
    }

    /// Checks that this is an object without duplicate members.
    pub(crate) fn expect_object(&self) -> Result<(), Problem> {
        if self.kind() != Kind::Object {
            return Err(self.malformed("is no object"));
        }
        match self.json.duplicate_member() {
            Some(name) => Err(self.malformed(format!("has the member `{name}` twice"))),
            None => Ok(()),
        }
    }

    pub(crate) fn expect_array(&self) -> Result<(), Problem> {
        if self.kind() == Kind::Array {
            Ok(())
        } else {
            Err(self.malformed("is no array"))
        }
    }

    pub(crate) fn string(&self) -> Result<&'d str, Problem> {
        self.json
            .as_str()
            .ok_or_else(|| self.malformed("is no string"))
    }

    pub(crate) fn boolean(&self) -> Result<bool, Problem> {
        self.json
            .as_bool()
            .ok_or_else(|| self.malformed("is no boolean"))
    }

    /// An integer of 0 to 2^32 - 1.
    pub(crate) fn u32(&self) -> Result<u32, Problem> {
        let number = (self.kind() == Kind::Number).then(|| self.json.text().parse());
        match number {
            Some(Ok(number)) => Ok(number),
            _ => Err(self.malformed("is no integer of 0 to 4294967295")),
        }
    }

    /// Warns of every member that is not among `known`.
    pub(crate) fn warn_of_unknown(&self, known: &[&str], flag: Option<&str>, report: &mut Report) {
        for (name, value) in self.members() {
            if !known.contains(&name) {
                report.warn(flag, || value.pointer(), "unknown member, ignored");
            }
        }
    }
}

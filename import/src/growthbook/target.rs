//! What a condition looks at, and how the flag set writes a test of it.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec;

use crate::condition::{Condition, Test, member_of, members};
use crate::output::Out;

/// The attribute that is the targeting key where a context has no attribute of that name.
pub(super) const ID: &str = "id";
pub(super) const TARGETING_KEY: &str = "targetingKey";

/// What a condition looks at.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Target {
    /// An attribute of the context, or of an array's element, by the name that the flag set has for it.
    Attribute(String),
    /// The number of elements of such an attribute.
    Size(String),
    /// What another flag serves.
    Flag {
        key: String,
        /// Whether all its values are booleans.
        boolean: bool,
        /// Whether some of its values are arrays.
        arrays: bool,
    },
    /// Nothing: a path that leads nowhere.
    Missing,
}

impl Target {
    /// A test that is false where the target is missing.
    pub(super) fn test(&self, test: Test) -> Condition {
        match self {
            // The targeting key is a text, which has no elements.
            Self::Attribute(name) if name == ID && asks_elements(&test) => {
                Condition::test(ID, test)
            }
            Self::Attribute(name) if name == ID => Condition::any([
                Condition::test(ID, test.clone()),
                Condition::all([exists(ID).negated(), Condition::test(TARGETING_KEY, test)]),
            ]),
            Self::Attribute(name) => Condition::test(name, test),
            Self::Size(name) => Condition::test(name, vec![("size", members(test))]),
            Self::Flag { key, .. } => Condition::Is(Out::object([
                ("flag", Out::text(key)),
                ("value", members(test)),
            ])),
            Self::Missing => Condition::Always(false),
        }
    }

    /// Whether the target is there and not null.
    pub(super) fn exists(&self) -> Condition {
        match self {
            Self::Attribute(name) if name == ID => {
                Condition::any([exists(ID), exists(TARGETING_KEY)])
            }
            Self::Attribute(name) => exists(name),
            Self::Size(_) => Condition::Always(true),
            Self::Flag { .. } => self.test(vec![("exists", Out::boolean(true))]),
            Self::Missing => Condition::Always(false),
        }
    }

    /// Whether the target is missing, if that is what the comparison with a missing value came to.
    pub(super) fn missing_if(&self, result: bool) -> Condition {
        if result {
            self.exists().negated()
        } else {
            Condition::Always(false)
        }
    }

    pub(super) fn has_type(&self, name: &'static str) -> Condition {
        match self {
            Self::Size(_) => Condition::Always(name == "number"),
            _ => self.test(vec![("hasType", Out::text(name))]),
        }
    }

    /// The member of an object, or the element of an array; none where that cannot be looked at.
    pub(super) fn member(&self, name: &str) -> Option<Self> {
        match self {
            Self::Attribute(own) => Some(Self::Attribute(member_of(own, name))),
            Self::Missing => Some(Self::Missing),
            Self::Size(_) | Self::Flag { .. } => None,
        }
    }

    /// The number of elements of an array.
    pub(super) fn size(&self) -> Option<Self> {
        match self {
            Self::Attribute(own) => Some(Self::Size(own.to_owned())),
            Self::Missing => Some(Self::Missing),
            Self::Size(_) | Self::Flag { .. } => None,
        }
    }

    /// Whether some element of the array passes.
    pub(super) fn any_element(&self, condition: Condition) -> Condition {
        match condition {
            Condition::Always(false) => condition,
            Condition::Any(list) => {
                Condition::any(list.into_iter().map(|each| self.any_element(each)))
            }
            other => self.test(vec![("anyElement", element_test(other))]),
        }
    }
}

/// The operand of `anyElement`: one operator where that says it.
fn element_test(condition: Condition) -> Out {
    if let Condition::Is(Out::Object(test)) = &condition
        && test
            .first()
            .is_some_and(|(name, value)| name == "attribute" && *value == Out::text(""))
    {
        return Out::Object(test.iter().skip(1).cloned().collect());
    }
    Out::object([("where", condition.into_out())])
}

/// Whether a test is of an array or object.
fn asks_elements(test: &Test) -> bool {
    let elements = ["containsAny", "anyElement", "size"];
    test.first()
        .is_some_and(|(operator, _)| elements.contains(operator))
}

fn exists(name: &str) -> Condition {
    Condition::test(name, vec![("exists", Out::boolean(true))])
}

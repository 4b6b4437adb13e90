//! Conditions on their way out: what is constant is folded, what nests is flattened.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use bucketry_core::internal::push_pointer_token;

use crate::output::Out;

/// An operator with its operand and modifiers.
pub(crate) type Test = Vec<(&'static str, Out)>;

/// A condition of a flag set.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Condition {
    Always(bool),
    /// As it is written.
    Is(Out),
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
}

impl Condition {
    /// True when all are.
    pub(crate) fn all(list: impl IntoIterator<Item = Self>) -> Self {
        let mut kept: Vec<Self> = Vec::new();
        for each in list {
            match each {
                Self::Always(true) => {}
                Self::Always(false) => return each,
                Self::All(inner) => kept.extend(inner),
                other => kept.push(other),
            }
        }
        match kept.pop() {
            None => Self::Always(true),
            Some(only) if kept.is_empty() => only,
            Some(last) => {
                kept.push(last);
                Self::All(kept)
            }
        }
    }

    /// True when one is.
    pub(crate) fn any(list: impl IntoIterator<Item = Self>) -> Self {
        let mut kept: Vec<Self> = Vec::new();
        for each in list {
            match each {
                Self::Always(false) => {}
                Self::Always(true) => return each,
                Self::Any(inner) => kept.extend(inner),
                other => kept.push(other),
            }
        }
        match kept.pop() {
            None => Self::Always(false),
            Some(only) if kept.is_empty() => only,
            Some(last) => {
                kept.push(last);
                Self::Any(kept)
            }
        }
    }

    /// The opposite.
    pub(crate) fn negated(self) -> Self {
        match self {
            Self::Always(value) => Self::Always(!value),
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    /// The opposite if asked for.
    pub(crate) fn negated_if(self, negate: bool) -> Self {
        if negate { self.negated() } else { self }
    }

    pub(crate) fn is_never(&self) -> bool {
        *self == Self::Always(false)
    }

    /// A test of an attribute.
    pub(crate) fn test(attribute: impl Into<String>, test: Test) -> Self {
        let attribute = core::iter::once(("attribute", Out::Text(attribute.into())));
        Self::Is(members(attribute.chain(test)))
    }

    /// The condition as a flag set writes it.
    pub(crate) fn into_out(self) -> Out {
        let list = |list: Vec<Self>| Out::Array(list.into_iter().map(Self::into_out).collect());
        match self {
            Self::Always(value) => Out::object([("always", Out::boolean(value))]),
            Self::Is(out) => out,
            Self::All(inner) => Out::object([("all", list(inner))]),
            Self::Any(inner) => Out::object([("any", list(inner))]),
            Self::Not(inner) => Out::object([("not", inner.into_out())]),
        }
    }

    /// The `if` of a rule, unless it always holds.
    pub(crate) fn push_to(self, rule: &mut Test) {
        if self != Self::Always(true) {
            rule.push(("if", self.into_out()));
        }
    }
}

/// An object of these members.
pub(crate) fn members(list: impl IntoIterator<Item = (&'static str, Out)>) -> Out {
    let owned = list.into_iter().map(|(name, value)| (name.into(), value));
    Out::Object(owned.collect())
}

/// `loose`, as a modifier of a test.
pub(crate) const LOOSE: (&str, Out) = ("loose", Out::boolean(true));
/// `ignoreCase`, as a modifier of a test.
pub(crate) const IGNORE_CASE: (&str, Out) = ("ignoreCase", Out::boolean(true));

/// The test for a value to be one of these.
pub(crate) fn one_of(mut operands: Vec<Out>) -> Test {
    match operands.pop() {
        Some(only) if operands.is_empty() => vec![("equals", only)],
        last => {
            operands.extend(last);
            vec![("in", Out::Array(operands))]
        }
    }
}

/// How a flag set writes the attribute of this name: as a pointer where it would be taken for one.
pub(crate) fn attribute_name(name: &str) -> String {
    if !name.starts_with(['/', '$']) {
        return name.into();
    }
    let mut pointer = String::new();
    push_pointer_token(&mut pointer, name);
    pointer
}

/// How a flag set writes a member of what another name leads to.
pub(crate) fn member_of(name: &str, member: &str) -> String {
    let mut pointer = String::new();
    if !name.starts_with('/') && !name.is_empty() {
        push_pointer_token(&mut pointer, name);
    } else {
        pointer.push_str(name);
    }
    push_pointer_token(&mut pointer, member);
    pointer
}

/// Pairs of a `ranges` member.
pub(crate) fn pairs(ranges: impl IntoIterator<Item = (u64, u64)>) -> Out {
    let pair = |(start, end)| Out::Array(vec![Out::number(start), Out::number(end)]);
    Out::Array(ranges.into_iter().map(pair).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_folded_and_nesting_is_flattened() {
        let a = || Condition::test("a", vec![("exists", Out::boolean(true))]);
        let (yes, no) = (Condition::Always(true), Condition::Always(false));
        assert_eq!(Condition::all([yes.clone(), a()]), a());
        assert_eq!(Condition::all([a(), no.clone()]), no);
        assert_eq!(Condition::any([a(), yes.clone()]), yes);
        assert_eq!(Condition::any([]), no);
        assert_eq!(Condition::all([]), yes);
        assert_eq!(a().negated().negated(), a());
        let nested = Condition::all([a(), Condition::all([a(), a()])]);
        assert_eq!(nested, Condition::All(vec![a(), a(), a()]));
    }

    #[test]
    fn names_that_look_like_pointers_are_written_as_pointers() {
        assert_eq!(attribute_name("a.b"), "a.b");
        assert_eq!(attribute_name("$x"), "/$x");
        assert_eq!(attribute_name("/x"), "/~1x");
        assert_eq!(member_of("a", "b/c"), "/a/b~1c");
        assert_eq!(member_of("", "b"), "/b");
        assert_eq!(member_of("/a", "0"), "/a/0");
    }
}

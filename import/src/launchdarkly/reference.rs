//! Attribute references, and where a flag set finds what they name.
//!
//! Users are the context itself: their key is the targeting key, their attributes are its attributes. Another kind
//! is an attribute of the kind's name, an object with a `key`.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::condition::{Condition, attribute_name, member_of};
use crate::output::Out;
use crate::source::{Problem, Source};

use super::{Reader, USER};

const TARGETING_KEY: &str = "targetingKey";

/// What a reference leads to.
pub(super) enum Place {
    /// The kinds of the context.
    Kinds,
    /// Whether the context of this kind is anonymous, which is `false` where it does not say.
    Anonymous { attribute: String, key: String },
    /// An attribute, once the conditions hold: an index into an array leads nowhere.
    Attribute {
        attribute: String,
        guards: Vec<Condition>,
    },
    /// Nothing, ever.
    Nowhere,
}

/// The names on the way, or none for a reference that cannot be read.
pub(super) fn components(reference: &str, literal: bool) -> Option<Vec<String>> {
    if reference.is_empty() || reference == "/" {
        return None;
    }
    if literal || !reference.starts_with('/') {
        return Some(vec![reference.to_owned()]);
    }
    let mut list = Vec::new();
    for token in reference.split('/').skip(1) {
        if token.is_empty() {
            return None;
        }
        let mut rest = token;
        let mut name = String::new();
        while let Some((before, after)) = rest.split_once('~') {
            name.push_str(before);
            let mut after_escape = after.chars();
            match after_escape.next() {
                Some('0') => name.push('~'),
                Some('1') => name.push('/'),
                _ => return None,
            }
            rest = after_escape.as_str();
        }
        name.push_str(rest);
        list.push(name);
    }
    Some(list)
}

/// The attribute that is a context's key.
pub(super) fn key_of(kind: &str) -> String {
    if kind == USER {
        return TARGETING_KEY.to_owned();
    }
    member_of(&attribute_name(kind), "key")
}

/// Whether the context has this kind.
pub(super) fn has_kind(kind: &str) -> Condition {
    Condition::test(key_of(kind), vec![("exists", Out::boolean(true))])
}

/// The condition that the key of a kind is one of these.
pub(super) fn key_in<'p, 'd: 'p>(
    kind: &str,
    values: impl Iterator<Item = Source<'p, 'd>>,
) -> Result<Condition, Problem> {
    let mut keys = Vec::new();
    for value in values {
        keys.push(Out::text(value.string()?));
    }
    if keys.is_empty() {
        return Ok(Condition::Always(false));
    }
    Ok(Condition::test(
        key_of(kind),
        crate::condition::one_of(keys),
    ))
}

/// Where the names lead in the context of a kind. `source` is the reference.
pub(super) fn place(
    reader: &Reader<'_>,
    kind: &str,
    names: &[String],
    source: &Source<'_, '_>,
) -> Result<Place, Problem> {
    let Some((first, rest)) = names.split_first() else {
        return Ok(Place::Nowhere);
    };
    match (first.as_str(), rest.is_empty()) {
        ("kind", true) => return Ok(Place::Kinds),
        ("kind" | "key" | "anonymous", false) => return Ok(Place::Nowhere),
        ("anonymous", true) => {
            let attribute = match kind {
                USER => "anonymous".to_owned(),
                _ => member_of(&attribute_name(kind), "anonymous"),
            };
            let key = key_of(kind);
            return Ok(Place::Anonymous { attribute, key });
        }
        ("key", true) => {
            return Ok(Place::Attribute {
                attribute: key_of(kind),
                guards: Vec::new(),
            });
        }
        (name, _) if kind == USER => {
            if name == TARGETING_KEY {
                let reason = "a user's attribute `targetingKey` cannot be reached";
                return Err(source.inexpressible(reason));
            }
            if reader.kinds.contains(name) {
                let reason = format!(
                    "a user's attribute `{name}` cannot be told from the context of that kind"
                );
                return Err(source.inexpressible(reason));
            }
        }
        _ => {}
    }
    let mut attribute = match kind {
        USER => attribute_name(first),
        _ => member_of(&attribute_name(kind), first),
    };
    let mut guards = Vec::new();
    for name in rest {
        let is_index = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
        if is_index {
            let object = vec![("hasType", Out::text("object"))];
            guards.push(Condition::test(attribute.clone(), object));
        }
        attribute = member_of(&attribute, name);
    }
    Ok(Place::Attribute { attribute, guards })
}

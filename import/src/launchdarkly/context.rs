//! Contexts and users of the vendor's SDKs, as the imported flags read them.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use bucketry_core::internal::Kind;

use crate::output::Out;
use crate::source::{Problem, Source};

use super::USER;

/// Members of a context that are no attributes, at the context's top level.
const NO_ATTRIBUTES: [&str; 3] = ["kind", "key", "_meta"];

/// A single context, a multi-kind context or a user from before there were kinds.
pub(crate) fn translate(root: &Source<'_, '_>) -> Result<Out, Problem> {
    root.expect_object()?;
    let mut kinds: Vec<(&str, BTreeMap<&str, Out>)> = Vec::new();
    match root.get("kind") {
        None => {
            let mut user = attributes(root, true)?;
            if let Some(custom) = root.optional("custom") {
                custom.expect_object()?;
                for (name, value) in custom.members() {
                    if !["kind", "key", "name", "anonymous", "_meta"].contains(&name) {
                        user.insert(name, copy(&value));
                    }
                }
            }
            for name in ["custom", "privateAttributeNames"] {
                user.remove(name);
            }
            kinds.push((USER, user));
        }
        Some(kind) => match kind.string()? {
            "multi" => {
                for (name, context) in root.members().filter(|(name, _)| *name != "kind") {
                    context.expect_object()?;
                    kinds.push((name, attributes(&context, false)?));
                }
                if kinds.is_empty() {
                    return Err(root.malformed("has no kind"));
                }
            }
            name => kinds.push((name, attributes(root, false)?)),
        },
    }
    let mut out: Vec<(String, Out)> = Vec::new();
    for (_, user) in kinds.iter_mut().filter(|(name, _)| *name == USER) {
        if let Some(key) = user.remove("key") {
            out.push(("targetingKey".into(), key));
        }
        for (name, value) in core::mem::take(user) {
            out.push((name.into(), value));
        }
    }
    let names = kinds.iter().map(|(name, _)| Out::text(*name)).collect();
    for (name, context) in kinds.iter().filter(|(name, _)| *name != USER) {
        if out.iter().any(|(other, _)| other == name) {
            let reason = "has a user's attribute and a context kind of one name";
            return Err(root.inexpressible(reason));
        }
        let object = context
            .iter()
            .map(|(name, value)| (String::from(*name).into(), value.clone()));
        out.push(((*name).into(), Out::Object(object.collect())));
    }
    out.push(("kind".into(), Out::Array(names)));
    Ok(Out::Object(
        out.into_iter()
            .map(|(name, value)| (name.into(), value))
            .collect(),
    ))
}

/// The key and the attributes of one context.
fn attributes<'d>(
    context: &Source<'_, 'd>,
    empty_key: bool,
) -> Result<BTreeMap<&'d str, Out>, Problem> {
    let key = context.required("key")?;
    // Users from before there were kinds may have numbers for keys, and empty ones.
    let text = match key.kind() {
        Kind::Number if empty_key => String::from(key.json().text()),
        _ => key.string()?.into(),
    };
    if text.is_empty() && !empty_key {
        return Err(key.malformed("is empty"));
    }
    let mut all = BTreeMap::new();
    for (name, value) in context.members() {
        if !NO_ATTRIBUTES.contains(&name) && value.kind() != Kind::Null {
            if name == "targetingKey" {
                return Err(value.inexpressible("an attribute of this name cannot be reached"));
            }
            all.insert(name, copy(&value));
        }
    }
    all.insert("key", Out::Text(text));
    Ok(all)
}

fn copy(value: &Source<'_, '_>) -> Out {
    let mut json = String::new();
    value.json().minify_to(&mut json);
    Out::Json(json.into())
}

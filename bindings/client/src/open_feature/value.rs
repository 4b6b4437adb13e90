//! From the value of an object flag to OpenFeature's structure.

use ::open_feature::{StructValue, Value as Given};
use bucketry_core::Value;
use serde_json::Value as Json;

use crate::evaluate::Mismatch;

/// The structure that an object flag's value is. A null member is left out, because that SDK has no null.
pub(super) fn structure(value: Value<'_>) -> Result<StructValue, Mismatch> {
    let text = value.as_json().ok_or(Mismatch::Type)?;
    let json = serde_json::from_str(text).map_err(|error| mismatch(&error.to_string()))?;
    match json {
        Json::Object(map) => members(map),
        _ => Err(mismatch(
            "it is a list, which OpenFeature has no getter for",
        )),
    }
}

fn mismatch(why: &str) -> Mismatch {
    Mismatch::Content(why.to_owned())
}

fn members(map: serde_json::Map<String, Json>) -> Result<StructValue, Mismatch> {
    let mut structure = StructValue::default();
    for (name, value) in map {
        if let Some(value) = given(value)? {
            structure.add_field(name, value);
        }
    }
    Ok(structure)
}

/// None is null.
fn given(json: Json) -> Result<Option<Given>, Mismatch> {
    Ok(Some(match json {
        Json::Null => return Ok(None),
        Json::Bool(value) => Given::Bool(value),
        Json::Number(number) => match number.as_i64() {
            Some(value) => Given::Int(value),
            None => Given::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(value) => Given::String(value),
        Json::Array(elements) => {
            let mut list = Vec::with_capacity(elements.len());
            for element in elements {
                let Some(element) = given(element)? else {
                    return Err(mismatch(
                        "it has a list with null, which OpenFeature does not know",
                    ));
                };
                list.push(element);
            }
            Given::Array(list)
        }
        Json::Object(map) => Given::Struct(members(map)?),
    }))
}

//! `bucketry schema`: the JSON Schema of flag sets, for editors.
//!
//! Generated from the tables that the loader reads by, so that a member or an operator that the loader gains is in the
//! schema too, or this file no longer builds or passes its test. What a schema cannot say, only the loader
//! knows: references, overlaps, sums. `tests/schema.rs` holds the two against each other and lists the
//! differences.

mod conditions;
mod node;

use std::io::Write;
use std::process::ExitCode;

use bucketry_core::{ValueType, limits, schema as words};

use self::conditions::{
    condition, element_condition, element_test, hashed_ids, operand_test, position, prerequisite,
    prior, test,
};
use self::node::{Node, constants, list, object};
use crate::failure::{Result, exit};

/// Print the JSON Schema of flag sets, for completion and errors in an editor
///
/// Save it as flag-set.schema.json beside the flag set and begin that with { "$schema": "flag-set.schema.json", …
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Prints the schema.
pub(crate) fn run(_: &Args) -> Result {
    std::io::stdout().lock().write_all(text().as_bytes())?;
    Ok(ExitCode::from(exit::OK))
}

/// The schema as the text of a file.
fn text() -> String {
    let mut text = String::new();
    document().write(&mut text, 0);
    text.push('\n');
    text
}

/// An object with the members of a table; others are unknown, but for those that are for people.
///
/// `members` says what each is, in the order of the table.
fn closed<const N: usize>(
    description: &str,
    table: &[&str; N],
    required: &[&str],
    members: [(&str, Node); N],
) -> Node {
    let names = members.each_ref().map(|(name, _)| *name);
    debug_assert_eq!(&names, table, "the members of a table, each described");
    let node = object! {
        "description": description,
        "type": "object",
        "properties": Node::Object(members.map(|(name, node)| (name.into(), node)).into()).with("description", for_people()),
        "patternProperties": object! { "^x-": true },
        "additionalProperties": false,
    };
    match required {
        [] => node,
        _ => node.with("required", constants(required)),
    }
}

/// The member `description` of every object.
fn for_people() -> Node {
    object! { "description": "For people; ignored. So is every member whose name begins with `x-`." }
}

/// A map from names to something.
fn map(description: &str, max: usize, of: Node) -> Node {
    object! {
        "description": description,
        "type": "object",
        "propertyNames": reference("name"),
        "maxProperties": max,
        "additionalProperties": of,
    }
}

fn reference(definition: &str) -> Node {
    object! { "$ref": format!("#/$defs/{definition}") }
}

/// A definition, with more to say about this use of it.
fn described(definition: &str, description: &str) -> Node {
    reference(definition).with("description", description)
}

fn boolean(description: &str) -> Node {
    object! { "description": description, "type": "boolean" }
}

fn integer(description: &str, minimum: u64, maximum: u64) -> Node {
    object! { "description": description, "type": "integer", "minimum": minimum, "maximum": maximum }
}

fn one_of(description: &str, words: &[&str]) -> Node {
    object! { "description": description, "enum": constants(words) }
}

/// Exactly one of these members.
fn exactly_one(members: &[&str]) -> Node {
    let required = |member: &&str| object! { "required": constants(&[*member]) };
    Node::List(members.iter().map(required).collect())
}

/// One `item`, or an array of so many of them.
fn one_or_many(item: Node, min: usize, max: usize) -> Node {
    let many = object! { "type": "array", "items": item.clone(), "minItems": min, "maxItems": max };
    Node::List(vec![item, many])
}

/// An array of pairs of integers.
fn pair(max: u64) -> Node {
    object! {
        "type": "array",
        "items": object! { "type": "integer", "minimum": 0, "maximum": max },
        "minItems": 2,
        "maxItems": 2,
    }
}

const ALL_32_BITS: u64 = 1 << 32;
/// Of `sha1-60-mod`.
const LARGEST_MODULUS: u64 = 1 << 60;

fn document() -> Node {
    let [
        format,
        revision,
        environment,
        hash,
        metadata,
        segments,
        layers,
        holdouts,
        flags,
    ] = words::SET_MEMBERS;
    object! {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "bucketry flag set",
        "description": "Feature flags and experiments: a flag set of format 1, as docs/flag-set.md defines it. This schema \
    knows names, types and bounds. Only `bucketry validate` knows whether references lead somewhere, weights and ranges \
    fit together, and texts such as versions, addresses and regular expressions can be read.",
        "type": "object",
        "required": constants(&[format]),
        "properties": Node::Object(vec![
            ("$schema".into(), object! { "description": "Where editors find this schema." }),
            (format.into(), object! { "description": "The version of the format.", "const": words::FORMAT }),
            (revision.into(), integer(
                "Rises with every publication; a client never goes back. 0 if absent.",
                0,
                words::MAX_REVISION,
            )),
            (environment.into(), described("name", "Copied into exposure records.")),
            (hash.into(), described("hash", "What salts are hashed with unless something inside says otherwise: `xxh64` if absent.")),
            (metadata.into(), described("metadata", "Of the flag set.")),
            (segments.into(), map("Conditions with a name, to be used by flags and by each other.", limits::MAX_SEGMENTS, reference("condition"))),
            (layers.into(), map("Sets of experiments that exclude each other: no unit is in two of a layer.", limits::MAX_LAYERS, reference("layer"))),
            (holdouts.into(), map("Shares of units that are kept out of experiments.", limits::MAX_LAYERS, reference("holdout"))),
            (flags.into(), map("The flags, by key.", limits::MAX_FLAGS, reference("flag"))),
            ("description".into(), for_people()),
        ]),
        "$defs": object! {
            "flag": flag(),
            "rule": rule(),
            "split": split(),
            "arm": arm(),
            "experiment": experiment(),
            "condition": condition(),
            "prerequisite": prerequisite(),
            "position": position(),
            "hashedIds": hashed_ids(),
            "test": test(),
            "operandTest": operand_test(),
            "elementTest": element_test(),
            "elementCondition": element_condition(),
            "prior": prior(),
            "layer": layer(),
            "holdout": holdout(),
            "metadata": metadata_map(),
            "hash": hash_profile(),
            "nativeHash": native_hash(),
            "unit": unit(),
            "attributeName": attribute_name(),
            "name": text_of(limits::MAX_NAME_BYTES),
            "salt": salt(),
            "percent": percent(),
            "time": time(),
        },
    }
}

/// A text without control characters. Its bytes are counted; this schema can count characters only, which are
/// no more.
fn text_of(max_bytes: usize) -> Node {
    object! {
        "type": "string",
        "minLength": 1,
        "maxLength": max_bytes,
        "pattern": r"^[^\u0000-\u001f\u007f]*$",
    }
}

/// As a name, longer, and with line feeds.
fn salt() -> Node {
    object! {
        "type": "string",
        "minLength": 1,
        "maxLength": limits::MAX_SALT_BYTES,
        "pattern": r"^[^\u0000-\u0009\u000b-\u001f\u007f]*$",
    }
}

fn percent() -> Node {
    object! {
        "description": "Per cent, with at most four digits after the point, written without sign and exponent.",
        "type": "number",
        "minimum": 0,
        "maximum": 100,
    }
}

fn time() -> Node {
    object! {
        "description": "A time: RFC 3339 with an offset and at most three fraction digits, or integer milliseconds since 1970.",
        "type": list!["string", "integer"],
        "pattern": r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d{1,3})?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$",
        "minimum": i64::MIN,
        "maximum": i64::MAX,
        "examples": list!["2026-12-24T18:00:00Z", "2026-12-24T19:00:00+01:00", 1_798_135_200_000_i64],
    }
}

fn attribute_name() -> Node {
    let Node::Object(mut name) = text_of(limits::MAX_NAME_BYTES) else {
        return Node::Bool(false);
    };
    name.retain(|(member, _)| member != "pattern");
    Node::Object(name)
        .with(
            "description",
            "The name of an attribute of the context, a JSON pointer into the attributes if it begins with `/`, or \
`targetingKey`.",
        )
        .with(
            "pattern",
            r"^([^/\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*|/([^~\u0000-\u001f\u007f]|~[01])*)$",
        )
        .with("examples", list!["targetingKey", "country", "/address/city"])
}

fn unit() -> Node {
    let names = one_or_many(reference("attributeName"), 1, limits::MAX_UNIT_CHAIN);
    let [of, empty] = words::UNIT_MEMBERS;
    let mut forms = names.clone();
    if let Node::List(forms) = &mut forms {
        forms.push(closed(
            "Attributes, and what counts as one that is there.",
            &words::UNIT_MEMBERS,
            &[of],
            [
                (of, object! {
                    "description": "The attribute, or several of which the first present one counts.",
                    "anyOf": names,
                }),
                (empty, one_of(
                    "The empty text and the number 0 count as missing.",
                    &words::EMPTY_UNIT,
                )),
            ],
        ));
    }
    object! {
        "description": "Who is assigned: the attribute whose value counts, or several of which the first present one counts. \
    `targetingKey` if absent; `$random` is the caller's random number.",
        "anyOf": forms,
    }
}

fn native_hash() -> Node {
    let names = words::NATIVE_HASHES.map(|(name, _)| name);
    one_of("A hash with two lanes of 2^32 positions.", &names)
}

fn hash_profile() -> Node {
    let names = words::MODULUS_HASHES.map(|(name, _)| name);
    let when = |names: &[&str], properties: Node| {
        object! {
            "if": object! { "properties": object! { "name": object! { "enum": constants(names) } } },
            "then": object! { "properties": properties },
        }
    };
    let not_among = |allowed: &[&str]| -> Vec<&str> {
        let others = names.iter().filter(|name| !allowed.contains(name));
        others.copied().collect()
    };
    let mut bounds: Vec<Node> = Vec::new();
    for bound in [1 << 28, ALL_32_BITS] {
        let bounded = words::MODULUS_HASHES
            .iter()
            .filter(|(_, max)| *max == bound);
        let bounded: Vec<&str> = bounded.map(|(name, _)| *name).collect();
        let modulus = object! { "maximum": bound };
        bounds.push(when(&bounded, object! { "modulus": modulus }));
    }
    bounds.push(when(
        &not_among(&[words::SEED_HASH]),
        object! { "seed": false },
    ));
    bounds.push(when(
        &not_among(&words::TEXT_HASHES),
        object! { "text": false },
    ));
    let with_modulus = closed(
        "A hash of one lane: good for splits and ranges, not for rollouts, layers and holdouts.",
        &words::HASH_MEMBERS,
        &["name", "modulus"],
        [
            (
                "name",
                one_of(
                    "The hash. All but `md5-mod` are for imported flags.",
                    &names,
                ),
            ),
            (
                "modulus",
                integer("The number of positions.", 1, LARGEST_MODULUS),
            ),
            (
                "seed",
                integer("The seed: 0 if absent.", 0, ALL_32_BITS - 1),
            ),
            (
                "text",
                one_of(
                    "What is hashed of a text: `utf8` if absent.",
                    &words::TEXT_UNITS,
                ),
            ),
        ],
    )
    .with("allOf", Node::List(bounds));
    object! {
        "description": "How a salt and a unit become a position, see docs/bucketing.md.",
        "if": object! { "type": "object" },
        "then": with_modulus,
        "else": reference("nativeHash"),
    }
}

fn metadata_map() -> Node {
    map(
        "Facts for people and programs, given out with the answers.",
        limits::MAX_METADATA,
        object! { "type": list!["string", "boolean", "number"] },
    )
}

fn layer() -> Node {
    closed(
        "A layer; experiments take slots of it.",
        &words::LAYER_MEMBERS,
        &[],
        [
            ("unit", reference("unit")),
            ("salt", described("salt", "`layer:<key>` if absent.")),
            ("hash", described("nativeHash", "The flag set's if absent.")),
        ],
    )
}

fn holdout() -> Node {
    closed(
        "A holdout; experiments name it.",
        &words::HOLDOUT_MEMBERS,
        &["percent"],
        [
            ("unit", reference("unit")),
            ("salt", described("salt", "`holdout:<key>` if absent.")),
            ("hash", described("nativeHash", "The flag set's if absent.")),
            (
                "percent",
                described("percent", "Per cent of units that are held out."),
            ),
        ],
    )
}

fn flag() -> Node {
    let of_type = |value_type: ValueType| {
        object! {
            "if": object! {
                "properties": object! { "type": object! { "const": value_type.as_str() } },
                "required": constants(&["type"]),
            },
            "then": object! {
                "properties": object! {
                    "variants": object! { "additionalProperties": value(value_type) },
                },
            },
        }
    };
    let is_boolean = object! { "properties": object! { "type": object! { "const": ValueType::Boolean.as_str() } } };
    let complete = object! {
        "if": object! { "not": object! { "required": constants(&["error"]) } },
        "then": object! {
            "required": constants(&["type"]),
            "if": object! { "not": is_boolean },
            "then": object! { "required": constants(&["variants"]) },
        },
    };
    let mut all = vec![complete];
    all.extend(words::VALUE_TYPES.map(of_type));
    let variant = |description: &str| {
        object! { "description": description, "type": list!["string", "null"] }
    };
    closed(
        "A flag.",
        &words::FLAG_MEMBERS,
        &[],
        [
            ("type", one_of("The type of every variant's value.", &words::VALUE_TYPES.map(ValueType::as_str))),
            ("enabled", boolean("Whether rules are looked at; if not, `off` is served. `true` if absent.")),
            ("variants", map(
                "The values by name. A boolean flag without has `on` and `off`.",
                limits::MAX_VARIANTS,
                Node::Bool(true),
            )),
            ("default", variant("The variant to serve when no rule serves. Absent or null: the caller's default.")),
            ("off", variant("The variant to serve when the flag is disabled. Absent or null: the caller's default.")),
            ("unit", described("unit", "Of the rules that name none: `targetingKey` if absent.")),
            ("hash", described("hash", "Of the rules that name none: the flag set's if absent.")),
            ("rules", object! {
                "description": "Tried in this order; the first that matches and serves wins.",
                "type": "array",
                "maxItems": limits::MAX_RULES,
                "items": reference("rule"),
            }),
            ("metadata", described("metadata", "Of the flag.")),
            ("error", object! {
                "description": "Makes the flag answer PARSE_ERROR with this text. Importers write it for flags that they refuse.",
                "type": "string",
            }),
        ],
    )
    .with("allOf", Node::List(all))
}

fn value(value_type: ValueType) -> Node {
    match value_type {
        ValueType::Boolean => object! { "type": "boolean" },
        ValueType::String => object! { "type": "string" },
        ValueType::Integer => {
            object! { "type": "integer", "minimum": i64::MIN, "maximum": i64::MAX }
        }
        ValueType::Number => object! { "type": "number" },
        ValueType::Object => object! {},
    }
}

fn rule() -> Node {
    closed(
        "A rule: for whom, and what is served. It draws when it has `rollout` or `split`.",
        &words::RULE_MEMBERS,
        &[],
        [
            ("id", described("name", "Unique in the flag; part of the salt, and told in answers.")),
            ("if", described("condition", "For whom. Everyone if absent.")),
            ("from", described("time", "In force from this time on.")),
            ("until", described("time", "In force before this time.")),
            ("serve", object! {
                "description": "The variant to serve. Null: the caller's default.",
                "type": list!["string", "null"],
            }),
            ("split", reference("split")),
            ("rollout", described("percent", "Per cent of units that the rule serves; raising it takes nobody out.")),
            ("experiment", reference("experiment")),
            ("salt", described(
                "salt",
                "What is hashed with the unit. If absent `<experiment key>/<phase>`, or `<flag key>/<rule id>`.",
            )),
            ("unit", described("unit", "The flag's if absent.")),
            ("hash", described("hash", "The flag's if absent.")),
            ("missingUnit", one_of(
                "What happens to a context without the unit: pass on (`skip`, the default), stand at position 0, or end in an error.",
                &words::MISSING_UNIT,
            )),
            ("otherwise", one_of(
                "What happens to a unit that matches and is not enrolled: the next rule (the default), or no rule any more.",
                &words::OTHERWISE,
            )),
            ("reason", one_of(
                "What is told when the rule serves. If absent SPLIT for a rule that draws, else TARGETING_MATCH.",
                &words::RULE_REASONS.map(|reason| reason.as_str()),
            )),
        ],
    )
    .with("oneOf", exactly_one(&["serve", "split"]))
}

fn split() -> Node {
    object! {
        "description": "The arms and their shares: weights by variant, or an array of arms where their order matters or a variant \
    has several.",
        "if": object! { "type": "array" },
        "then": object! {
            "items": reference("arm"),
            "minItems": 1,
            "maxItems": limits::MAX_ARMS,
            "anyOf": list![
                object! { "items": object! { "required": constants(&["weight"]) } },
                object! { "items": object! { "required": constants(&["ranges"]) } },
            ],
        },
        "else": object! {
            "type": "object",
            "minProperties": 1,
            "maxProperties": limits::MAX_ARMS,
            "additionalProperties": weight(),
        },
    }
}

fn weight() -> Node {
    integer("Parts of the sum of all weights.", 0, 1_000_000_000)
}

fn arm() -> Node {
    closed(
        "An arm of a split.",
        &words::ARM_MEMBERS,
        &["variant"],
        [
            ("variant", object! { "description": "The variant.", "type": "string" }),
            ("weight", weight()),
            ("ranges", object! {
                "description": "Ranges of positions, each from its start up to but not including its end.",
                "type": "array",
                "maxItems": limits::MAX_RANGES,
                "items": pair(LARGEST_MODULUS),
            }),
        ],
    )
    .with("oneOf", exactly_one(&["weight", "ranges"]))
}

fn experiment() -> Node {
    let several = object! {
        "type": "array",
        "minItems": 1,
        "maxItems": limits::MAX_RANGES,
        "items": pair(limits::LAYER_SLOTS),
    };
    closed(
        "Makes the rule an experiment: its assignments are recorded as exposures.",
        &words::EXPERIMENT_MEMBERS,
        &["key"],
        [
            ("key", described("name", "The experiment. Rules of several flags may share it.")),
            ("phase", integer("A restart: a new phase draws anew. 1 if absent.", 1, 1_000_000)),
            ("layer", object! { "description": "The layer whose slots the experiment takes.", "type": "string" }),
            ("slots", object! {
                "description": "The slots of the layer, of 10,000: `[start, end]` without the end, or several such pairs.",
                "anyOf": list![pair(limits::LAYER_SLOTS), several],
            }),
            ("holdout", object! {
                "description": "The holdout, or holdouts, whose units are kept out.",
                "anyOf": one_or_many(object! { "type": "string" }, 1, limits::MAX_HOLDOUTS_OF_EXPERIMENT),
            }),
            ("sticky", boolean("Whether a prior assignment of the unit is honoured. `false` if absent.")),
        ],
    )
    .with("dependentRequired", object! {
        "layer": constants(&["slots"]),
        "slots": constants(&["layer"]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_schema_is_the_generated_one() {
        let published = include_str!("../../docs/flag-set.schema.json");
        assert!(
            text() == published,
            "run: cargo run -- schema > docs/flag-set.schema.json"
        );
    }
}

//! Conditions: what kinds there are, and what may stand beside each.

use bucketry_core::limits;
use bucketry_core::schema::{self as words, Operator};

use super::node::{Node, constants, list, object};
use super::{
    LARGEST_MODULUS, boolean, closed, described, exactly_one, for_people, integer, one_of,
    one_or_many, pair, reference,
};

/// Any condition: the member that says which kind it is, and by it what may stand beside. So an editor offers first the
/// kinds, then what belongs to the one chosen.
pub(super) fn condition() -> Node {
    let list_of = |description: &str| {
        object! {
            "description": description,
            "type": "array",
            "maxItems": limits::MAX_CONDITIONS,
            "items": reference("condition"),
        }
    };
    let kind = |kind: &str| match kind {
        "all" => list_of("True when every one of these is; with none, true."),
        "any" => list_of("True when one of these is; with none, false."),
        "not" => described("condition", "True when this is not."),
        "segment" => object! {
            "description": "True when the condition of this segment is.",
            "type": "string",
        },
        "flag" => object! {
            "description": "A prerequisite: what another flag serves. Beside it `is`, `enabled` or `value`.",
            "type": "string",
        },
        "position" => reference("position"),
        "hashedIds" => object! {
            "description": "A list of units as hashes, from `bucketry hash-ids`. Beside it the `salt` they were hashed with, and \
        the `unit`.",
            "type": "string",
            "contentEncoding": "base64",
            "pattern": "^[A-Za-z0-9+/]*={0,2}$",
        },
        "prior" => object! {
            "description": "An experiment: the context has a prior assignment of it. Beside it `phases` and `is`.",
            "$ref": "#/$defs/name",
        },
        "attribute" => described(
            "attributeName",
            "An attribute test. Beside it one operator, such as `equals`.",
        ),
        "always" => boolean("Always true, or always false."),
        "error" => object! {
            "description": "Ends the flag with PARSE_ERROR where it is reached. The text says why, for people.",
            "type": "string",
        },
        // Refused by the test that compares the tables with this file.
        _ => object! { "not": object! {} },
    };
    let mut properties: Vec<(String, Node)> = words::CONDITION_KINDS
        .iter()
        .map(|name| ((*name).into(), kind(name)))
        .collect();
    properties.push(("description".into(), for_people()));
    object! {
        "description": "A condition: exactly one of the members that say what kind it is.",
        "type": "object",
        "properties": Node::Object(properties),
        "patternProperties": object! { "^x-": true },
        "oneOf": exactly_one(&words::CONDITION_KINDS),
        "dependentSchemas": object! {
            "flag": reference("prerequisite"),
            "hashedIds": reference("hashedIds"),
            "prior": reference("prior"),
            "attribute": reference("test"),
        },
        "unevaluatedProperties": false,
    }
}

/// What stands beside `flag`.
pub(super) fn prerequisite() -> Node {
    let [_, is, enabled, value] = words::PREREQUISITE_MEMBERS;
    object! {
        "properties": Node::Object(vec![
            (is.into(), object! {
                "description": "The flag serves this variant, or one of these.",
                "anyOf": one_or_many(object! { "type": "string" }, 0, limits::MAX_VARIANTS),
            }),
            (enabled.into(), boolean("The flag's own `enabled` is this.")),
            (value.into(), described("operandTest", "The flag serves a value that passes this test.")),
        ]),
        "oneOf": exactly_one(&[is, enabled, value]),
    }
}

/// What stands beside `hashedIds`.
pub(super) fn hashed_ids() -> Node {
    let [_, salt, unit] = words::HASHED_IDS_MEMBERS;
    object! {
        "properties": Node::Object(vec![
            (salt.into(), described("salt", "What the ids were hashed with.")),
            (unit.into(), reference("unit")),
        ]),
        "required": constants(&[salt]),
    }
}

/// What stands beside `prior`.
pub(super) fn prior() -> Node {
    let [_, phases, is] = words::PRIOR_MEMBERS;
    object! {
        "properties": Node::Object(vec![
            (phases.into(), object! {
                "description": "From the first phase up to but not including the second. Any phase if absent.",
                "allOf": list![pair(1_000_001)],
            }),
            (is.into(), object! {
                "description": "The last such assignment is of this variant, or of one of these. Any variant if absent.",
                "anyOf": one_or_many(reference("name"), 0, limits::MAX_VARIANTS),
            }),
        ]),
    }
}

/// A condition on the element of an array.
pub(super) fn element_condition() -> Node {
    let list_of = |description: &str| {
        object! {
            "description": description,
            "type": "array",
            "maxItems": limits::MAX_CONDITIONS,
            "items": reference("elementCondition"),
        }
    };
    let properties = object! {
        "all": list_of("True when every one of these is; with none, true."),
        "any": list_of("True when one of these is; with none, false."),
        "not": described("elementCondition", "True when this is not."),
        "always": boolean("Always true, or always false."),
        "attribute": object! {
            "description": "A JSON pointer into the element; empty for the element itself.",
            "type": "string",
            "maxLength": limits::MAX_NAME_BYTES,
            "pattern": "^(/([^~]|~[01])*)?$",
        },
        "description": for_people(),
    };
    object! {
        "description": "A condition on the element of an array.",
        "type": "object",
        "properties": properties,
        "patternProperties": object! { "^x-": true },
        "oneOf": exactly_one(&words::ELEMENT_CONDITION_KINDS),
        "dependentSchemas": object! { "attribute": reference("test") },
        "unevaluatedProperties": false,
    }
}

/// The operand of `anyElement` and `everyElement`: a test, or a condition in `where`.
pub(super) fn element_test() -> Node {
    let [condition] = words::WHERE_MEMBERS;
    let described = described("elementCondition", "The condition that the element passes.");
    let properties = Node::Object(vec![
        (condition.into(), described),
        ("description".into(), for_people()),
    ]);
    object! {
        "description": "One operator and its modifiers, or a condition in `where`.",
        "if": object! { "type": "object", "required": constants(&[condition]) },
        "then": object! {
            "properties": properties,
            "patternProperties": object! { "^x-": true },
            "additionalProperties": false,
        },
        "else": reference("operandTest"),
    }
}

/// The operand of `position`.
pub(super) fn position() -> Node {
    closed(
        "True when the position of the unit under the salt falls in `ranges`, or below `percent`.",
        &words::POSITION_MEMBERS,
        &["salt"],
        [
            ("salt", described("salt", "What is hashed with the unit.")),
            ("unit", described("unit", "The flag's if absent, in a segment `targetingKey`.")),
            ("hash", described("hash", "The flag's if absent, in a segment the flag set's.")),
            ("lane", one_of("Which position counts; `arm` if absent. Not with `percent`.", &words::LANES)),
            ("missing", one_of(
                "What a context without the unit gives: `false` (the default), position 0, or an error.",
                &words::MISSING_POSITION,
            )),
            ("ranges", object! {
                "description": "Ranges of positions, each from its start up to but not including its end.",
                "type": "array",
                "maxItems": limits::MAX_POSITION_RANGES,
                "items": pair(LARGEST_MODULUS),
            }),
            ("percent", described("percent", "Per cent of units for which this is true.")),
        ],
    )
    .with("oneOf", exactly_one(&["ranges", "percent"]))
    .with("dependentSchemas", object! {
        "percent": object! { "properties": object! { "lane": false } },
    })
}

/// One operator and its modifiers.
pub(super) fn test() -> Node {
    let mut properties: Vec<(String, Node)> = words::OPERATORS
        .map(|(name, operator)| (name.into(), operand(operator)))
        .into();
    let names = words::OPERATORS.map(|(name, _)| name);
    let [ignore_case, loose, epoch, collation, lenient] = words::MODIFIERS;
    properties.extend([
        (ignore_case.into(), boolean("Whether A to Z are equal to a to z; no other letters are folded. `false` if absent.")),
        (loose.into(), boolean(
            "With numbers: text that is a JSON number counts. With `semver`: `v2`, `2.0.0.1` and the like are versions. With \
`matches` and `inHashed`: numbers and booleans are read as text. `false` if absent.",
        )),
        (epoch.into(), object! {
            "description": "A number attribute is in seconds since 1970, not milliseconds.",
            "const": "seconds",
        }),
        (collation.into(), one_of(
            "With an order of texts: how they are compared. Code point by code point if absent.",
            &words::COLLATIONS,
        )),
        (lenient.into(), boolean(
            "White space around the text of a number or version does not matter, nor does how people write numbers: `,5`, `+1`, \
`007`. `false` if absent.",
        )),
    ]);
    object! {
        "properties": Node::Object(properties),
        "oneOf": exactly_one(&names),
        "dependentSchemas": Node::Object(vec![
            (ignore_case.into(), true_only_with(ignore_case, Operator::takes_ignore_case)),
            (loose.into(), true_only_with(loose, Operator::takes_loose)),
            (epoch.into(), any_of(Operator::takes_epoch)),
            (collation.into(), of_texts()),
            (lenient.into(), object! {
                "if": object! { "properties": object! { "lenient": object! { "const": true } } },
                "then": any_of(Operator::takes_lenient).with("properties", orders_of("number")),
            }),
        ]),
    }
}

/// One of the operators for which `takes` holds.
fn any_of(takes: fn(Operator) -> bool) -> Node {
    let operators = words::OPERATORS
        .iter()
        .filter(|(_, operator)| takes(*operator));
    let names: Vec<&str> = operators.map(|(name, _)| *name).collect();
    object! { "anyOf": exactly_one(&names) }
}

/// One of the operators that put in order, with a text for its operand.
fn of_texts() -> Node {
    any_of(Operator::orders).with("properties", orders_of("string"))
}

/// The operators that put in order, with an operand of this type.
fn orders_of(operand: &'static str) -> Node {
    let operators = words::OPERATORS
        .iter()
        .filter(|(_, operator)| operator.orders());
    let operators = operators.map(|(name, _)| ((*name).into(), object! { "type": operand }));
    Node::Object(operators.collect())
}

fn true_only_with(modifier: &str, takes: fn(Operator) -> bool) -> Node {
    let is_true = Node::Object(vec![(modifier.into(), object! { "const": true })]);
    object! {
        "if": object! { "properties": is_true },
        "then": any_of(takes),
    }
}

/// A test without `attribute`: of a flag's value, or of the elements of an array.
pub(super) fn operand_test() -> Node {
    object! {
        "description": "One operator and its modifiers.",
        "type": "object",
        "$ref": "#/$defs/test",
        "properties": object! { "description": for_people() },
        "patternProperties": object! { "^x-": true },
        "unevaluatedProperties": false,
    }
}

/// What an operator is compared with.
fn operand(operator: Operator) -> Node {
    let scalar = || list!["string", "number", "boolean"];
    let scalars = |most: usize, description: &str| {
        object! {
            "description": description,
            "type": "array",
            "maxItems": most,
            "items": object! { "type": scalar() },
        }
    };
    let texts = |description: &str| {
        object! {
            "description": description,
            "anyOf": one_or_many(object! { "type": "string" }, 0, limits::MAX_TEXT_OPERANDS),
        }
    };
    let bound = |description: &str| object! { "description": description, "type": list!["number", "string"] };
    match operator {
        Operator::Equals => object! {
            "description": "The attribute is this: a string, a number or a boolean.",
            "type": scalar(),
        },
        Operator::In => scalars(limits::MAX_SET_OPERANDS, "The attribute is one of these."),
        Operator::Contains => texts("The string contains this, or one of these."),
        Operator::StartsWith => texts("The string begins with this, or one of these."),
        Operator::EndsWith => texts("The string ends with this, or one of these."),
        Operator::Matches => object! {
            "description": "The regular expression matches somewhere in the string: the syntax of the Rust regex crate, in linear time, \
        without look-around and back-references.",
            "type": "string",
            "maxLength": limits::MAX_REGEX_BYTES,
        },
        Operator::LessThan => bound("The number, or the text, is less than this."),
        Operator::LessOrEqual => bound("The number, or the text, is at most this."),
        Operator::GreaterThan => bound("The number, or the text, is greater than this."),
        Operator::GreaterOrEqual => bound("The number, or the text, is at least this."),
        Operator::Before => described("time", "The time is before this."),
        Operator::NotAfter => described("time", "The time is this or before."),
        Operator::After => described("time", "The time is after this."),
        Operator::NotBefore => described("time", "The time is this or after."),
        Operator::Semver => object! {
            "description": "The version passes every one of these comparators, separated by single spaces.",
            "type": "string",
            "pattern": r"^(=|!=|<|<=|>|>=)?[vV]?\d[0-9A-Za-z.+-]*( (=|!=|<|<=|>|>=)?[vV]?\d[0-9A-Za-z.+-]*){0,99}$",
            "examples": list![">=2.1.0", ">=2.1.0 <3.0.0"],
        },
        Operator::Cidr => {
            let block = object! {
                "type": "string",
                "pattern": r"^[0-9A-Fa-f:.]+(/(0|[1-9]\d{0,2}))?$",
                "examples": list!["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"],
            };
            object! {
                "description": "The IP address lies in this block, or one of these.",
                "anyOf": one_or_many(block, 0, limits::MAX_TEXT_OPERANDS),
            }
        }
        Operator::ContainsAny => scalars(
            limits::MAX_SET_OPERANDS,
            "The array has one of these as an element.",
        ),
        Operator::ContainsAll => scalars(
            limits::MAX_TEXT_OPERANDS,
            "The array has every one of these as an element.",
        ),
        Operator::InHashed => hashed_operands(),
        Operator::AnyElement => {
            described("elementTest", "Some element of the array passes this test.")
        }
        Operator::EveryElement => described(
            "elementTest",
            "Every element of the array passes this test.",
        ),
        Operator::Size => described(
            "operandTest",
            "The number of elements of the array, or of members of the object, passes this test.",
        ),
        Operator::Exists => boolean("Whether the attribute is there and not null."),
        Operator::HasType => one_of("The attribute is of this type.", &words::ATTRIBUTE_TYPES),
    }
}

/// The operand of `inHashed`.
fn hashed_operands() -> Node {
    let around = |description: &str| {
        object! { "description": description, "type": "string", "maxLength": limits::MAX_SALT_BYTES }
    };
    let length = |description| integer(description, 1, limits::MAX_HASHED_PART_BYTES as u64);
    let digits = |hash: &str, pattern: &str| {
        object! {
            "if": object! { "properties": object! { "hash": object! { "const": hash } } },
            "then": object! {
                "properties": object! {
                    "digests": object! { "items": object! { "pattern": pattern } },
                },
            },
        }
    };
    let [md5, sha256] = words::HASHED_HASHES;
    closed(
        "The digest of the attribute's text is one of these.",
        &words::HASHED_MEMBERS,
        &["hash", "digests"],
        [
            ("hash", one_of("The hash.", &words::HASHED_HASHES)),
            ("digests", object! {
                "description": "Digests in lower-case hexadecimal, of full length.",
                "type": "array",
                "maxItems": limits::MAX_SET_OPERANDS,
                "items": object! { "type": "string" },
            }),
            ("prefix", around("Hashed before the text.")),
            ("suffix", around("Hashed after the text.")),
            ("first", length("Only so many first bytes of the text are hashed; a shorter text is not listed.")),
            ("last", length("Only so many last bytes of the text are hashed; a shorter text is not listed.")),
        ],
    )
    .with("allOf", list![digits(md5, "^[0-9a-f]{32}$"), digits(sha256, "^[0-9a-f]{64}$")])
    .with("dependentSchemas", object! { "first": object! { "properties": object! { "last": false } } })
}

//! The words of the format, in one place: the loader reads by these tables, and the published JSON Schema
//! is generated from them and checked against the loader.

use crate::bucketing::Hash;
use crate::resolution::Reason;
use crate::value::ValueType;

/// The format that this crate reads.
pub const FORMAT: u64 = 1;

/// Largest revision: 2^53 - 1, which every JSON reader holds exactly.
pub const MAX_REVISION: u64 = (1 << 53) - 1;

/// Members of the document.
pub const SET_MEMBERS: [&str; 9] = [
    "format",
    "revision",
    "environment",
    "hash",
    "metadata",
    "segments",
    "layers",
    "holdouts",
    "flags",
];

/// Members of a flag.
pub const FLAG_MEMBERS: [&str; 10] = [
    "type", "enabled", "variants", "default", "off", "unit", "hash", "rules", "metadata", "error",
];

/// Members of a rule.
pub const RULE_MEMBERS: [&str; 14] = [
    "id",
    "if",
    "from",
    "until",
    "serve",
    "split",
    "rollout",
    "experiment",
    "salt",
    "unit",
    "hash",
    "missingUnit",
    "otherwise",
    "reason",
];

/// Members of an experiment.
pub const EXPERIMENT_MEMBERS: [&str; 6] = ["key", "phase", "layer", "slots", "holdout", "sticky"];

/// Members of a layer.
pub const LAYER_MEMBERS: [&str; 3] = ["unit", "salt", "hash"];

/// Members of a holdout.
pub const HOLDOUT_MEMBERS: [&str; 4] = ["unit", "salt", "hash", "percent"];

/// Members of an arm in the array form of a split.
pub const ARM_MEMBERS: [&str; 3] = ["variant", "weight", "ranges"];

/// Members of a `position` condition.
pub const POSITION_MEMBERS: [&str; 7] = [
    "salt", "unit", "hash", "lane", "missing", "ranges", "percent",
];

/// Members of a hash given as an object.
pub const HASH_MEMBERS: [&str; 4] = ["name", "modulus", "seed", "text"];

/// Members of a condition of which exactly one says what kind it is.
pub const CONDITION_KINDS: [&str; 11] = [
    "all",
    "any",
    "not",
    "segment",
    "flag",
    "position",
    "hashedIds",
    "prior",
    "attribute",
    "always",
    "error",
];

/// Members of a condition on another flag.
pub const PREREQUISITE_MEMBERS: [&str; 4] = ["flag", "is", "enabled", "value"];

/// Members of a condition on a list of ids.
pub const HASHED_IDS_MEMBERS: [&str; 3] = ["hashedIds", "salt", "unit"];

/// Kinds of conditions that may stand in `where`.
pub const ELEMENT_CONDITION_KINDS: [&str; 5] = ["all", "any", "not", "attribute", "always"];

/// Members of a condition on prior assignments.
pub const PRIOR_MEMBERS: [&str; 3] = ["prior", "phases", "is"];

/// Members of a unit given as an object.
pub const UNIT_MEMBERS: [&str; 2] = ["of", "empty"];

/// What `empty` of a unit may be.
pub const EMPTY_UNIT: [&str; 1] = ["missing"];

/// Members of the operand of `anyElement` and `everyElement` that is a condition.
pub const WHERE_MEMBERS: [&str; 1] = ["where"];

/// Members that may stand beside an operator and change its reading.
pub const MODIFIERS: [&str; 5] = ["ignoreCase", "loose", "epoch", "collation", "lenient"];

/// What `collation` may be.
pub const COLLATIONS: [&str; 1] = ["paddedVersion"];

/// Members of the operand of `inHashed`.
pub const HASHED_MEMBERS: [&str; 6] = ["hash", "digests", "prefix", "suffix", "first", "last"];

/// The hashes that `inHashed` knows.
pub const HASHED_HASHES: [&str; 2] = ["md5", "sha256"];

/// What `type` of a flag may be.
pub const VALUE_TYPES: [ValueType; 5] = ValueType::ALL;

/// What `hasType` may ask for.
pub const ATTRIBUTE_TYPES: [&str; 5] = crate::condition::TYPE_NAMES;

/// What `reason` of a rule may be.
pub const RULE_REASONS: [Reason; 4] = [
    Reason::Static,
    Reason::Default,
    Reason::TargetingMatch,
    Reason::Split,
];

/// The hashes that are named without more.
pub const NATIVE_HASHES: [(&str, Hash); 3] = Hash::NATIVE;

/// What `missingUnit` of a rule may be; `missing` of a position condition says `false` for `skip`.
pub const MISSING_UNIT: [&str; 3] = ["skip", "zero", "error"];

/// What `missing` of a position condition may be.
pub const MISSING_POSITION: [&str; 3] = ["false", "zero", "error"];

/// What `otherwise` of a rule may be.
pub const OTHERWISE: [&str; 2] = ["next", "stop"];

/// The lanes of a position.
pub const LANES: [&str; 2] = ["arm", "enrol"];

/// The oldest hash profile with a modulus.
pub const MODULUS_HASH: &str = "md5-mod";

/// The hash profiles with a modulus, each with the largest.
pub const MODULUS_HASHES: [(&str, u64); 9] = [
    (MODULUS_HASH, 1 << 32),
    ("sha1-60-mod", 1 << 60),
    ("sha1-28-mod", 1 << 28),
    (SEED_HASH, 1 << 32),
    ("murmur3-32-seed-mod", 1 << 32),
    ("polynomial31-seed-mod", 1 << 32),
    (TEXT_HASHES[0], 1 << 32),
    (TEXT_HASHES[1], 1 << 32),
    ("sha256-le-suffix-mod", 1 << 32),
];

/// The hash profile with a `seed`.
pub const SEED_HASH: &str = "murmur3-32-mod";

/// The hash profiles with a `text`.
pub const TEXT_HASHES: [&str; 2] = ["fnv1a-32-suffix-mod", "fnv1a-32-twice-mod"];

/// What `text` of a hash may be.
pub const TEXT_UNITS: [&str; 3] = ["utf8", "utf16", "codePoints"];

/// Whether a member is for people and other programs, and ignored.
#[must_use]
pub fn is_ignored(member: &str) -> bool {
    member == "description" || member.starts_with("x-")
}

/// An operator of an attribute test.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    missing_docs,
    reason = "the names are those of the documents; docs/flag-set.md defines them"
)]
pub enum Operator {
    Equals,
    In,
    Contains,
    StartsWith,
    EndsWith,
    Matches,
    LessThan,
    LessOrEqual,
    GreaterThan,
    GreaterOrEqual,
    Before,
    NotAfter,
    After,
    NotBefore,
    Semver,
    Cidr,
    ContainsAny,
    ContainsAll,
    InHashed,
    AnyElement,
    EveryElement,
    Size,
    Exists,
    HasType,
}

/// The operators by name.
pub const OPERATORS: [(&str, Operator); 24] = [
    ("equals", Operator::Equals),
    ("in", Operator::In),
    ("contains", Operator::Contains),
    ("startsWith", Operator::StartsWith),
    ("endsWith", Operator::EndsWith),
    ("matches", Operator::Matches),
    ("lessThan", Operator::LessThan),
    ("lessOrEqual", Operator::LessOrEqual),
    ("greaterThan", Operator::GreaterThan),
    ("greaterOrEqual", Operator::GreaterOrEqual),
    ("before", Operator::Before),
    ("notAfter", Operator::NotAfter),
    ("after", Operator::After),
    ("notBefore", Operator::NotBefore),
    ("semver", Operator::Semver),
    ("cidr", Operator::Cidr),
    ("containsAny", Operator::ContainsAny),
    ("containsAll", Operator::ContainsAll),
    ("inHashed", Operator::InHashed),
    ("anyElement", Operator::AnyElement),
    ("everyElement", Operator::EveryElement),
    ("size", Operator::Size),
    ("exists", Operator::Exists),
    ("hasType", Operator::HasType),
];

impl Operator {
    /// Whether `ignoreCase` may stand beside it.
    #[must_use]
    pub const fn takes_ignore_case(self) -> bool {
        matches!(
            self,
            Self::Equals | Self::In | Self::Contains | Self::StartsWith | Self::EndsWith
        )
    }

    /// Whether `lenient` may stand beside it; beside an order only if that is of numbers.
    #[must_use]
    pub const fn takes_lenient(self) -> bool {
        self.orders() || matches!(self, Self::Semver)
    }

    /// Whether `loose` may stand beside it.
    #[must_use]
    pub const fn takes_loose(self) -> bool {
        matches!(
            self,
            Self::Matches
                | Self::LessThan
                | Self::LessOrEqual
                | Self::GreaterThan
                | Self::GreaterOrEqual
                | Self::Semver
                | Self::InHashed
        )
    }

    /// Whether it puts in order, by number or by text: what takes `collation` beside a text.
    #[must_use]
    pub const fn orders(self) -> bool {
        matches!(
            self,
            Self::LessThan | Self::LessOrEqual | Self::GreaterThan | Self::GreaterOrEqual
        )
    }

    /// Whether `epoch` may stand beside it.
    #[must_use]
    pub const fn takes_epoch(self) -> bool {
        matches!(
            self,
            Self::Before | Self::NotAfter | Self::After | Self::NotBefore
        )
    }
}

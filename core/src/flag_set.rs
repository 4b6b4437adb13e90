//! The compiled flag set: flat tables that point into each other by number.
//!
//! A flag set is read far more often than it is made, by many threads, and it lives beside someone else's
//! program: so it is immutable, holds each text once, and takes about as much memory as its document.

use alloc::string::String;
use alloc::vec::Vec;

use crate::bucketing::{Hash, NATIVE_MODULUS, Position, Unit};
use crate::condition::Node;
use crate::context::EvaluationContext;
use crate::diagnostics::{Diagnostic, LoadError};
use crate::hash::Prefix;
use crate::number::Number;
use crate::resolution::{Reason, Resolution};
use crate::symbols::{Symbol, Symbols};
use crate::time::UnixMillis;
use crate::value::{Value, ValueType};
use crate::version::{Comparison, Packed};

/// "None" for 32-bit table indices.
pub(crate) const NONE: u32 = u32::MAX;
/// "None" for 16-bit table indices.
pub(crate) const NONE16: u16 = u16::MAX;

/// Some consecutive entries of a table.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

impl Span {
    #[inline]
    pub(crate) fn of<T>(self, table: &[T]) -> &[T] {
        let start = self.start as usize;
        table
            .get(start..start + self.len as usize)
            .unwrap_or_default()
    }
}

/// A flag. Its number is its key's symbol: the keys are interned first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag {
    pub(crate) variants: u32,
    pub(crate) rules: u32,
    pub(crate) metadata: u32,
    pub(crate) variant_count: u16,
    pub(crate) rule_count: u16,
    /// Index of a variant, or [`NONE16`].
    pub(crate) default: u16,
    /// Likewise.
    pub(crate) off: u16,
    pub(crate) value_type: ValueType,
    pub(crate) state: FlagState,
    /// What resolving gives when no rule serves.
    pub(crate) fallback: Reason,
    /// Index of the [`Draw`] of the flag's only rule, if that rule does nothing but draw by `xxh64` for the
    /// targeting key; else [`NONE`].
    pub(crate) plain_draw: u32,
    /// The `serve` of that rule; [`NONE16`] with a split.
    pub(crate) plain_serve: u16,
    /// Whether some rule has a condition: without one there is nothing to remember.
    pub(crate) reads_attributes: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FlagState {
    Enabled,
    Disabled,
    /// Refused; why stands in [`Tables::refusals`].
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Variant {
    pub(crate) name: Symbol,
    pub(crate) value: VariantValue,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum VariantValue {
    Boolean(bool),
    String(Symbol),
    Integer(i64),
    Number(f64),
    Object(Symbol),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    /// Symbol, or [`NONE`].
    pub(crate) id: u32,
    /// Root node, or [`NONE`] for "always".
    pub(crate) condition: u32,
    /// Index of a [`Draw`], or [`NONE`].
    pub(crate) draw: u32,
    /// Index of a [`Window`], or [`NONE`].
    pub(crate) window: u32,
    /// The variant to serve; [`NONE16`] when the draw's arms decide or the value is left to the caller.
    pub(crate) serve: u16,
    pub(crate) reason: Reason,
    /// Whether a unit that matches and is not enrolled ends the search.
    pub(crate) stop: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Window {
    pub(crate) from: i64,
    pub(crate) until: i64,
}

impl Draw {
    /// Whether it matters where the unit falls.
    #[inline]
    pub(crate) fn needs_position(&self) -> bool {
        self.has_rollout || self.arms.len > 0
    }
}

impl Window {
    /// Whether a time lies in it. A bound that is not given is the end of time, and lies in.
    #[inline]
    pub(crate) const fn contains(self, now: i64) -> bool {
        self.from <= now && (now < self.until || self.until == i64::MAX)
    }
}

/// What a rule needs to draw.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw {
    pub(crate) prefix: Prefix,
    pub(crate) salt: Symbol,
    pub(crate) unit: u16,
    pub(crate) hash: u8,
    pub(crate) missing: MissingUnit,
    /// Exclusive bound of the enrolment position; [`NATIVE_MODULUS`] admits all.
    pub(crate) rollout: u64,
    pub(crate) has_rollout: bool,
    pub(crate) arms: Span,
    /// Index of an [`Experiment`], or [`NONE`].
    pub(crate) experiment: u32,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum MissingUnit {
    /// The rule is passed over; the condition is false.
    Skip,
    /// Both positions are 0.
    Zero,
    /// The resolution ends in `TARGETING_KEY_MISSING`.
    Error,
}

/// A range of arm positions and the variant that owns it. Sorted by `start`, never overlapping.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Arm {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) variant: u16,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Range {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl Range {
    #[inline]
    pub(crate) fn contains(self, position: u64) -> bool {
        self.start <= position && position < self.end
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Experiment {
    pub(crate) key: Symbol,
    pub(crate) phase: u32,
    /// Index of a [`Layer`], or [`NONE`].
    pub(crate) layer: u32,
    pub(crate) slots: Span,
    /// Into [`Tables::holdout_lists`].
    pub(crate) holdouts: Span,
    pub(crate) sticky: bool,
}

/// A layer or a holdout: something with a salt of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Population {
    pub(crate) key: Symbol,
    pub(crate) salt: Symbol,
    pub(crate) unit: u16,
    pub(crate) hash: u8,
    /// Of a holdout: exclusive bound of the enrolment position.
    pub(crate) cut: u64,
}

/// A `position` condition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PositionTest {
    pub(crate) salt: Symbol,
    pub(crate) unit: u16,
    pub(crate) hash: u8,
    pub(crate) enrol_lane: bool,
    pub(crate) missing: MissingUnit,
    pub(crate) ranges: Span,
}

/// A `hashedIds` condition.
#[derive(Debug)]
pub(crate) struct IdList {
    pub(crate) salt: Symbol,
    pub(crate) unit: u16,
    pub(crate) hashes: Vec<u64>,
}

/// The operands of a membership test, by type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ValueSet {
    /// Ascending, into [`Tables::symbol_lists`]; with `ignoreCase` ascending by folded text.
    pub(crate) symbols: Span,
    /// Ascending by value, into [`Tables::numbers`].
    pub(crate) numbers: Span,
    pub(crate) has_true: bool,
    pub(crate) has_false: bool,
}

/// An attribute that some condition or unit reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attribute {
    pub(crate) name: Symbol,
    pub(crate) kind: AttributeKind,
    /// Of a unit: whether the empty text and 0 are missing.
    pub(crate) empty_is_missing: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum AttributeKind {
    TargetingKey,
    Random,
    Name,
    Pointer,
    /// A pointer into the element of an array; empty for the element itself.
    #[cfg(feature = "imported")]
    Element,
}

/// The attribute number of the targeting key, which is always there.
pub(crate) const TARGETING_KEY: u16 = 0;

#[derive(Clone, Copy, Debug)]
pub(crate) struct MetadataEntry {
    pub(crate) name: Symbol,
    pub(crate) value: VariantValue,
}

/// One comparator of a `semver` test.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Comparator {
    pub(crate) comparison: Comparison,
    pub(crate) loose: bool,
    /// The operand as it nearly always is: three numbers.
    pub(crate) packed: Packed,
    /// The comparator as written, for an operand that has more to it.
    pub(crate) text: Symbol,
}

/// Everything that a flag set is made of.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) symbols: Symbols,
    pub(crate) flags: Vec<Flag>,
    pub(crate) variants: Vec<Variant>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) draws: Vec<Draw>,
    pub(crate) windows: Vec<Window>,
    pub(crate) arms: Vec<Arm>,
    pub(crate) experiments: Vec<Experiment>,
    pub(crate) layers: Vec<Population>,
    pub(crate) holdouts: Vec<Population>,
    pub(crate) holdout_lists: Vec<u32>,
    pub(crate) ranges: Vec<Range>,
    pub(crate) hashes: Vec<Hash>,
    /// Unit chains, each some attribute numbers; chain 0 is the targeting key.
    pub(crate) units: Vec<Span>,
    pub(crate) unit_attributes: Vec<u16>,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) nodes: Vec<Node>,
    /// Root node of each segment; [`NONE`] for one whose condition could not be read.
    pub(crate) segments: Vec<Segment>,
    pub(crate) sets: Vec<ValueSet>,
    pub(crate) symbol_lists: Vec<u32>,
    pub(crate) numbers: Vec<Number>,
    pub(crate) times: Vec<i64>,
    pub(crate) comparators: Vec<Comparator>,
    pub(crate) blocks: Vec<crate::address::Block>,
    pub(crate) positions: Vec<PositionTest>,
    pub(crate) id_lists: Vec<IdList>,
    #[cfg(feature = "imported")]
    pub(crate) hashed: Vec<crate::hashed_operands::HashedOperands>,
    #[cfg(feature = "regex")]
    pub(crate) regexes: Vec<(Symbol, regex::Regex)>,
    pub(crate) metadata: Vec<MetadataEntry>,
    pub(crate) metadata_spans: Vec<Span>,
    /// Flag number and reason, ascending by flag.
    pub(crate) refusals: Vec<(u32, String)>,
    /// By flag: of what it is written as, and of all that it uses.
    pub(crate) fingerprints: Vec<u64>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub(crate) name: Symbol,
    pub(crate) root: u32,
}

/// A compiled flag set: immutable, shared between threads, and total. [`FlagSet::resolve`] answers for
/// every flag key and every context and never panics.
///
/// ```
/// use bucketry_core::{EvaluationContext, FlagSet, Reason, UnixMillis};
///
/// let flag_set = FlagSet::from_json(br#"{
///     "format": 1,
///     "flags": {
///         "new-checkout": {
///             "type": "boolean",
///             "default": "off",
///             "rules": [{ "if": { "attribute": "country", "in": ["DE", "FR"] }, "serve": "on" }]
///         }
///     }
/// }"#)?;
/// let context = EvaluationContext::new("user-1").with("country", "DE");
/// let resolution = flag_set.resolve("new-checkout", &context, UnixMillis(0));
/// assert_eq!(resolution.value().and_then(|value| value.as_bool()), Some(true));
/// assert_eq!(resolution.reason(), Reason::TargetingMatch);
/// # Ok::<(), bucketry_core::LoadError>(())
/// ```
#[derive(Debug)]
pub struct FlagSet {
    pub(crate) tables: Tables,
    pub(crate) revision: u64,
    pub(crate) environment: u32,
    pub(crate) metadata: u32,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl FlagSet {
    /// Compiles a flag set document (`docs/flag-set.md`).
    ///
    /// One bad flag does not take down the others: it is kept as a flag that answers `PARSE_ERROR`, and
    /// [`FlagSet::diagnostics`] says where and why.
    ///
    /// # Errors
    ///
    /// [`LoadError`] when the document as a whole is unusable: no JSON, another format, over a
    /// limit, or a top-level member of the wrong type.
    pub fn from_json(bytes: &[u8]) -> Result<Self, LoadError> {
        crate::load::load(bytes)
    }

    /// Compiles a flag set document and refuses it when anything in it is in error: what a publisher and a
    /// CI job want.
    ///
    /// # Errors
    ///
    /// [`LoadError`] as for [`FlagSet::from_json`], or with every diagnostic.
    pub fn from_json_strict(bytes: &[u8]) -> Result<Self, LoadError> {
        let set = Self::from_json(bytes)?;
        if set.diagnostics.iter().any(Diagnostic::is_error) {
            return Err(LoadError::Refused(set.diagnostics));
        }
        Ok(set)
    }

    /// What was found wrong in the document, in document order of the parts checked.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// The revision: 0 when the document names none.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// The environment, if the document names one.
    #[must_use]
    pub fn environment(&self) -> Option<&str> {
        (self.environment != NONE).then(|| self.tables.symbols.get(self.environment))
    }

    /// The flag set's own metadata.
    #[must_use]
    pub fn metadata(&self) -> Metadata<'_> {
        self.metadata_at(self.metadata)
    }

    /// The number of flags, refused ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tables.flags.len()
    }

    /// Whether there is no flag.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tables.flags.is_empty()
    }

    /// The keys of all flags, in the order of the document.
    pub fn flag_keys(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.tables.flags.len()).map(|flag| self.tables.symbols.get(flag as u32))
    }

    /// Whether some rule is in force for a time only. For other sets `now` has no effect, and need not be asked for.
    #[must_use]
    #[inline]
    pub fn reads_time(&self) -> bool {
        !self.tables.windows.is_empty()
    }

    /// The attributes that conditions and units read: names, and JSON pointers where nested ones are
    /// read. A caller who has to fetch or marshal attributes needs no others.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        self.tables
            .attributes
            .iter()
            .filter(|attribute| {
                matches!(attribute.kind, AttributeKind::Name | AttributeKind::Pointer)
            })
            .map(|attribute| self.tables.symbols.get(attribute.name))
    }

    /// The flag of this key: looked up once, resolved many times.
    #[must_use]
    #[inline]
    pub fn flag(&self, key: &str) -> Option<FlagHandle<'_>> {
        let flag = self.tables.symbols.find(key.as_bytes())?;
        self.flag_at(flag)
    }

    #[inline]
    pub(crate) fn flag_at(&self, flag: u32) -> Option<FlagHandle<'_>> {
        ((flag as usize) < self.tables.flags.len()).then_some(FlagHandle { set: self, flag })
    }

    /// Resolves a flag for a context as of `now`.
    ///
    /// Pure, total and free of allocation: the same arguments give the same answer on every platform.
    /// `now` is compared with the `from` and `until` of rules and has no other effect.
    #[must_use]
    #[inline]
    pub fn resolve<'a>(
        &'a self,
        flag_key: &str,
        context: &'a EvaluationContext<'a>,
        now: UnixMillis,
    ) -> Resolution<'a> {
        match self.flag(flag_key) {
            Some(flag) => flag.resolve(context, now),
            None => Resolution::not_found(self, context),
        }
    }

    /// Of a flag and of all that it uses, as they are written.
    pub(crate) fn fingerprint(&self, key: &str) -> Option<u64> {
        let flag = self.tables.symbols.find(key.as_bytes())?;
        self.tables.fingerprints.get(flag as usize).copied()
    }

    #[inline]
    pub(crate) fn variant_at(&self, flag: u32, variant: u16) -> Option<&Variant> {
        if variant == NONE16 {
            return None;
        }
        let flag = self.tables.flags.get(flag as usize)?;
        let index = flag.variants as usize + usize::from(variant);
        self.tables.variants.get(index)
    }

    #[inline]
    pub(crate) fn variant_name(&self, flag: u32, variant: u16) -> Option<&str> {
        Some(
            self.tables
                .symbols
                .get(self.variant_at(flag, variant)?.name),
        )
    }

    #[inline]
    pub(crate) fn variant_value(&self, flag: u32, variant: u16) -> Option<Value<'_>> {
        Some(self.tables.value(self.variant_at(flag, variant)?.value))
    }

    pub(crate) fn rule_at(&self, flag: u32, rule: u16) -> Option<&Rule> {
        let flag = self.tables.flags.get(flag as usize)?;
        if rule >= flag.rule_count {
            return None;
        }
        self.tables
            .rules
            .get(flag.rules as usize + usize::from(rule))
    }

    pub(crate) fn rule_count(&self, flag: u32) -> u16 {
        let flag = self.tables.flags.get(flag as usize);
        flag.map_or(0, |flag| flag.rule_count)
    }

    /// The attributes that the unit of a rule that draws is taken from.
    pub(crate) fn unit_attributes(&self, flag: u32, rule: u16) -> &[u16] {
        let tables = &self.tables;
        let chain = self
            .rule_at(flag, rule)
            .and_then(|rule| tables.draws.get(rule.draw as usize))
            .and_then(|draw| tables.units.get(usize::from(draw.unit)));
        chain.map_or(&[], |chain| chain.of(&tables.unit_attributes))
    }

    pub(crate) fn draw_of(&self, flag: u32, rule: u16) -> Option<&Draw> {
        let draw = self.rule_at(flag, rule)?.draw;
        self.tables.draws.get(draw as usize)
    }

    /// The position of a unit for a rule that draws.
    #[inline]
    pub(crate) fn draw_position(&self, draw: &Draw, unit: Unit<'_>) -> Position {
        let hash = self.tables.hash(draw.hash);
        if let (Some(seed), Unit::Text(text)) = (hash.xxh64_seed(), unit)
            && let Some(hash) = draw.prefix.xxh64(text.as_bytes(), seed)
        {
            return Position::two_lanes(hash);
        }
        self.position(draw.hash, draw.salt, unit)
    }

    /// The position of a unit under a salt.
    pub(crate) fn position(&self, hash: u8, salt: Symbol, unit: Unit<'_>) -> Position {
        let salt = self.tables.symbols.get(salt);
        self.tables.hash(hash).position(salt, &unit.text())
    }

    pub(crate) fn rule_id(&self, flag: u32, rule: u16) -> Option<&str> {
        let id = self.rule_at(flag, rule)?.id;
        (id != NONE).then(|| self.tables.symbols.get(id))
    }

    pub(crate) fn refusal(&self, flag: u32) -> Option<&str> {
        let refusals = &self.tables.refusals;
        let at = refusals
            .binary_search_by_key(&flag, |(flag, _)| *flag)
            .ok()?;
        refusals.get(at).map(|(_, why)| why.as_str())
    }

    pub(crate) fn attribute_name(&self, attribute: u16) -> &str {
        match self.tables.attributes.get(usize::from(attribute)) {
            Some(attribute) => self.tables.symbols.get(attribute.name),
            None => "",
        }
    }

    pub(crate) fn holdout_key(&self, holdout: u32) -> Option<&str> {
        let holdout = self.tables.holdouts.get(holdout as usize)?;
        Some(self.tables.symbols.get(holdout.key))
    }

    pub(crate) fn flag_metadata(&self, flag: u32) -> Metadata<'_> {
        let flag = self.tables.flags.get(flag as usize);
        self.metadata_at(flag.map_or(NONE, |flag| flag.metadata))
    }

    fn metadata_at(&self, index: u32) -> Metadata<'_> {
        let span = self.tables.metadata_spans.get(index as usize);
        Metadata {
            tables: &self.tables,
            entries: span.copied().unwrap_or_default().of(&self.tables.metadata),
        }
    }

    pub(crate) fn experiment_of(&self, flag: u32, rule: u16) -> Option<ExperimentDetails<'_>> {
        let tables = &self.tables;
        let draw = tables.draws.get(self.rule_at(flag, rule)?.draw as usize)?;
        let experiment = tables.experiments.get(draw.experiment as usize)?;
        let hash = tables.hash(draw.hash);
        let layer = tables.layers.get(experiment.layer as usize);
        Some(ExperimentDetails {
            key: tables.symbols.get(experiment.key),
            phase: experiment.phase,
            layer: layer.map(|layer| tables.symbols.get(layer.key)),
            enrol_cut: draw.has_rollout.then_some(draw.rollout),
            modulus: hash.modulus(),
            two_lanes: hash.has_two_lanes(),
            arms: draw.arms.of(&tables.arms),
        })
    }

    /// The bytes that this flag set keeps on the heap, as it accounts for them itself: capacities times
    /// sizes. Compiled regular expressions count as their patterns only.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.tables.heap_bytes()
            + self
                .diagnostics
                .iter()
                .map(Diagnostic::heap_bytes)
                .sum::<usize>()
    }
}

/// What an exposure says about the experiment of a rule.
#[derive(Clone, Copy)]
pub(crate) struct ExperimentDetails<'a> {
    pub(crate) key: &'a str,
    pub(crate) phase: u32,
    pub(crate) layer: Option<&'a str>,
    pub(crate) enrol_cut: Option<u64>,
    pub(crate) modulus: u64,
    pub(crate) two_lanes: bool,
    pub(crate) arms: &'a [Arm],
}

impl ExperimentDetails<'_> {
    pub(crate) fn arm_range(&self, position: u64) -> Option<(u64, u64)> {
        let arm = find_arm(self.arms, position)?;
        Some((arm.start, arm.end))
    }

    /// How many positions lead to the variant of the arm at `position`.
    pub(crate) fn arm_share(&self, position: u64) -> Option<u64> {
        let variant = find_arm(self.arms, position)?.variant;
        let arms = self.arms.iter().filter(|arm| arm.variant == variant);
        Some(arms.map(|arm| arm.end - arm.start).sum())
    }
}

/// The arm that owns a position. Which one it is is chance, so no branch of a short list asks.
#[inline]
pub(crate) fn find_arm(arms: &[Arm], position: u64) -> Option<&Arm> {
    let at = if arms.len() <= 8 {
        let before = arms.iter().map(|arm| usize::from(arm.end <= position));
        before.sum()
    } else {
        arms.partition_point(|arm| arm.end <= position)
    };
    arms.get(at).filter(|arm| arm.start <= position)
}

impl Tables {
    #[inline]
    pub(crate) fn hash(&self, index: u8) -> Hash {
        let hash = self.hashes.get(usize::from(index));
        hash.copied().unwrap_or(Hash::Xxh64)
    }

    /// The bytes of the text that a variant's value is held as.
    pub(crate) fn value_bytes(&self, variant: u32) -> usize {
        let variant = self.variants.get(variant as usize);
        match variant.map(|variant| variant.value) {
            Some(VariantValue::String(text) | VariantValue::Object(text)) => {
                self.symbols.get(text).len()
            }
            _ => 0,
        }
    }

    #[inline]
    pub(crate) fn value(&self, value: VariantValue) -> Value<'_> {
        match value {
            VariantValue::Boolean(value) => Value::Boolean(value),
            VariantValue::String(text) => Value::String(self.symbols.get(text)),
            VariantValue::Integer(value) => Value::Integer(value),
            VariantValue::Number(value) => Value::Number(value),
            VariantValue::Object(json) => Value::Object(self.symbols.get(json)),
        }
    }
}

macro_rules! each_table {
    ($tables:expr, $do:ident) => {
        $do!(
            $tables,
            flags,
            variants,
            rules,
            draws,
            windows,
            arms,
            experiments,
            layers,
            holdouts,
            holdout_lists,
            ranges,
            hashes,
            units,
            unit_attributes,
            attributes,
            nodes,
            segments,
            sets,
            symbol_lists,
            numbers,
            times,
            comparators,
            blocks,
            positions,
            id_lists,
            metadata,
            metadata_spans,
            refusals,
            fingerprints
        )
    };
}

impl Tables {
    pub(crate) fn new(symbols: Symbols) -> Self {
        Self {
            symbols,
            flags: Vec::new(),
            variants: Vec::new(),
            rules: Vec::new(),
            draws: Vec::new(),
            windows: Vec::new(),
            arms: Vec::new(),
            experiments: Vec::new(),
            layers: Vec::new(),
            holdouts: Vec::new(),
            holdout_lists: Vec::new(),
            ranges: Vec::new(),
            hashes: Vec::new(),
            units: Vec::new(),
            unit_attributes: Vec::new(),
            attributes: Vec::new(),
            nodes: Vec::new(),
            segments: Vec::new(),
            sets: Vec::new(),
            symbol_lists: Vec::new(),
            numbers: Vec::new(),
            times: Vec::new(),
            comparators: Vec::new(),
            blocks: Vec::new(),
            positions: Vec::new(),
            id_lists: Vec::new(),
            #[cfg(feature = "imported")]
            hashed: Vec::new(),
            #[cfg(feature = "regex")]
            regexes: Vec::new(),
            metadata: Vec::new(),
            metadata_spans: Vec::new(),
            refusals: Vec::new(),
            fingerprints: Vec::new(),
        }
    }

    /// Gives back what growing reserved. Not in WebAssembly, whose memory never shrinks.
    #[cfg(target_family = "wasm")]
    pub(crate) fn shrink(&mut self) {}

    /// Gives back what growing reserved.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn shrink(&mut self) {
        macro_rules! shrink {
            ($tables:expr, $($table:ident),*) => { $($tables.$table.shrink_to_fit();)* };
        }
        each_table!(self, shrink);
        self.symbols.shrink();
    }

    fn heap_bytes(&self) -> usize {
        fn bytes<T>(table: &Vec<T>) -> usize {
            table.capacity() * size_of::<T>()
        }
        macro_rules! sum {
            ($tables:expr, $($table:ident),*) => { 0 $(+ bytes(&$tables.$table))* };
        }
        let fixed: usize = each_table!(self, sum);
        let ids: usize = self.id_lists.iter().map(|list| bytes(&list.hashes)).sum();
        #[cfg(feature = "imported")]
        let ids = ids
            + bytes(&self.hashed)
            + self
                .hashed
                .iter()
                .map(|each| each.heap_bytes())
                .sum::<usize>();
        let texts: usize = self.refusals.iter().map(|(_, why)| why.capacity()).sum();
        fixed + ids + texts + self.symbols.heap_bytes()
    }
}

/// A flag of a flag set, found once: resolving by handle saves the look-up.
#[derive(Clone, Copy)]
pub struct FlagHandle<'a> {
    pub(crate) set: &'a FlagSet,
    pub(crate) flag: u32,
}

impl<'a> FlagHandle<'a> {
    /// The flag's key.
    #[must_use]
    pub fn key(self) -> &'a str {
        self.set.tables.symbols.get(self.flag)
    }

    /// The type of the flag's values. A refused flag may not have got as far as having one.
    #[must_use]
    pub fn value_type(self) -> Option<ValueType> {
        let flag = self.set.tables.flags.get(self.flag as usize)?;
        (flag.state != FlagState::Refused).then_some(flag.value_type)
    }

    /// Whether the flag is enabled; a refused one is not.
    #[must_use]
    pub fn is_enabled(self) -> bool {
        let flag = self.set.tables.flags.get(self.flag as usize);
        flag.is_some_and(|flag| flag.state == FlagState::Enabled)
    }

    /// The flag's metadata.
    #[must_use]
    pub fn metadata(self) -> Metadata<'a> {
        self.set.flag_metadata(self.flag)
    }

    /// The names and values of the flag's variants.
    pub fn variants(self) -> impl ExactSizeIterator<Item = (&'a str, Value<'a>)> {
        let tables = &self.set.tables;
        let flag = tables.flags.get(self.flag as usize);
        let span = flag.map_or(Span::default(), |flag| Span {
            start: flag.variants,
            len: flag.variant_count.into(),
        });
        span.of(&tables.variants).iter().map(|variant| {
            (
                tables.symbols.get(variant.name),
                tables.value(variant.value),
            )
        })
    }

    /// Resolves the flag; see [`FlagSet::resolve`].
    #[must_use]
    #[inline]
    pub fn resolve(self, context: &'a EvaluationContext<'a>, now: UnixMillis) -> Resolution<'a> {
        crate::resolve::resolve(self.set, self.flag, context, now)
    }
}

impl core::fmt::Debug for FlagHandle<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("FlagHandle").field(&self.key()).finish()
    }
}

/// Metadata of a flag or a flag set: names and scalar values.
#[derive(Clone, Copy)]
pub struct Metadata<'a> {
    tables: &'a Tables,
    entries: &'a [MetadataEntry],
}

impl<'a> Metadata<'a> {
    /// The names and values.
    pub fn iter(self) -> impl ExactSizeIterator<Item = (&'a str, Value<'a>)> {
        let tables = self.tables;
        self.entries
            .iter()
            .map(|entry| (tables.symbols.get(entry.name), tables.value(entry.value)))
    }

    /// The value of this name: a boolean, string, integer or number.
    #[must_use]
    pub fn get(self, name: &str) -> Option<Value<'a>> {
        self.iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.entries.is_empty()
    }
}

impl core::fmt::Debug for Metadata<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// All enrolment positions lie below this.
pub(crate) const ALL_ENROLLED: u64 = NATIVE_MODULUS;

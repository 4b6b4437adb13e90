//! Every bound of the crate, each with the arithmetic that chose it.
//!
//! A document or context over a bound is refused with an error that names the bound. Nothing here
//! depends on the platform, so a flag set that loads on a server loads in a browser.

/// Largest document, in bytes: 64 MiB.
///
/// The largest flag set known from a peer's published figures is 62 MB (about 100,000 flags at 600
/// bytes); a million hashed ids are 9.4 MB. Offsets into the document fit 32 bits with room to spare.
pub const MAX_DOCUMENT_BYTES: usize = 64 << 20;

/// Deepest nesting of arrays and objects in a document or a context.
///
/// Conditions nest 32 levels at two levels of JSON each would be 64 with nothing around them; a
/// document written by a person stays under 20. The reader recurses once a level, at under 200 bytes
/// of stack each: 13 KB.
pub const MAX_DEPTH: u32 = 64;

/// Most characters in one number. 17 digits fix a double and 20 a 64-bit integer; the rest is room.
pub const MAX_NUMBER_BYTES: usize = 128;

/// Most flags in a set: 64 MiB at the 670 bytes that a flag with rules takes.
pub const MAX_FLAGS: usize = 100_000;

/// Most segments in a set.
pub const MAX_SEGMENTS: usize = 10_000;

/// Most layers, and most holdouts, in a set.
pub const MAX_LAYERS: usize = 1_000;

/// Most distinct attribute names that the rules of one set may read. Names are held as 16-bit
/// numbers; the few values at the top have a meaning of their own.
pub const MAX_ATTRIBUTES_READ: usize = 60_000;

/// Most distinct regular expressions in a set. Compiled ones are bounded by
/// [`MAX_REGEX_COMPILED_BYTES`] each, so 256 take at most 256 MiB, and a usual one 10 KB.
pub const MAX_REGEXES: usize = 256;

/// Longest regular expression, in bytes.
pub const MAX_REGEX_BYTES: usize = 1_000;

/// Most memory that one compiled regular expression may take: 1 MiB. `\w{1,100}` with Unicode needs
/// about 700 KB; what needs more is a mistake or an attack.
pub const MAX_REGEX_COMPILED_BYTES: usize = 1 << 20;

/// Most variants of one flag.
pub const MAX_VARIANTS: usize = 1_000;

/// Most rules of one flag.
pub const MAX_RULES: usize = 1_000;

/// Most members of one metadata object.
pub const MAX_METADATA: usize = 64;

/// Most condition nodes in one flag, and in one segment.
pub const MAX_CONDITIONS: usize = 10_000;

/// Deepest nesting of conditions inside one `if` or one segment.
pub const MAX_CONDITION_DEPTH: u32 = 32;

/// Longest chain of segments and prerequisite flags that one resolution may follow. With
/// [`MAX_CONDITION_DEPTH`] this bounds the stack of a resolution: 32 x 32 frames of under 300
/// bytes are 300 KB, which fits the 1 MiB stack of a WebAssembly module.
pub const MAX_REFERENCE_DEPTH: u32 = 32;

/// Most condition nodes and rules that one resolution can reach, a segment or flag counted at each use. Two
/// references at each of 32 levels would be 2^32; 100,000 usual ones are a few milliseconds, and of the
/// dearest, rules that draw by SHA-256, 50.
pub const MAX_CONDITION_STEPS: u32 = 100_000;

/// Most bytes of variants' values that the prerequisites of one set test with `value`, a value counted at each
/// test: 64 MiB, or some seconds at the worst. 10,000 prerequisites on flags with 1,000 short values each
/// stay below.
pub const MAX_TESTED_BYTES: usize = 64 << 20;

/// Most operands of one `in` or `containsAny`, and most digests of one `inHashed`.
pub const MAX_SET_OPERANDS: usize = 100_000;

/// Most operands of one text or address operator, and of one `containsAll`; they are tried one by one.
pub const MAX_TEXT_OPERANDS: usize = 1_000;

/// Most arms of a split.
pub const MAX_ARMS: usize = 1_000;

/// Most ranges of a split.
pub const MAX_RANGES: usize = 10_000;

/// Most ranges of one position condition; they are tried one by one.
pub const MAX_POSITION_RANGES: usize = 1_000;

/// Most ids in one hashed list: 40 MB of memory, 47 MB of document.
pub const MAX_HASHED_IDS: usize = 5_000_000;

/// Longest flag key, variant name, rule id or other name, in bytes.
pub const MAX_NAME_BYTES: usize = 256;

/// Longest salt, in bytes. Room for two names and their joints.
pub const MAX_SALT_BYTES: usize = 1_024;

/// Most bytes of an attribute that one `inHashed` takes from its beginning or end.
pub const MAX_HASHED_PART_BYTES: usize = 10_000;

/// Most attribute names in one unit chain.
pub const MAX_UNIT_CHAIN: usize = 8;

/// Most holdouts of one experiment.
pub const MAX_HOLDOUTS_OF_EXPERIMENT: usize = 16;

/// Slots of a layer: one is 0.01 % of its units.
pub const LAYER_SLOTS: u64 = 10_000;

/// Most attributes of an evaluation context. Attributes are searched one after the other, about 1
/// nanosecond each, so a search stays around a microsecond.
pub const MAX_CONTEXT_ATTRIBUTES: usize = 1_000;

/// Largest context as JSON, in bytes: 1 MiB.
pub const MAX_CONTEXT_BYTES: usize = 1 << 20;

/// Most diagnostics kept for one document; a last one says how many more there were.
pub const MAX_DIAGNOSTICS: usize = 1_000;

//! What can be wrong with a flag set: every message of a diagnostic, and its code.

/// The messages; a code is a place in this list, from 1. Codes are for ever: a message may be worded better, a new one
/// goes to the end. `@` stands for the text of the place, `#` for its name, `%` for a detail.
///
/// `docs/diagnostics.md` is this list.
const MESSAGES: [&str; 131] = [
    "member `format` is missing",
    "expected format 1",
    "expected an integer from 0 to 9007199254740991",
    "more than 10,000 segments",
    "more than 1,000 layers",
    "more than 1,000 holdouts",
    "member `percent` is missing",
    "more than 10,000 conditions",
    "conditions nest deeper than 32 levels",
    "expected a condition, which is an object",
    "expected exactly one of: %",
    "there is no segment `@`",
    "there is no flag `@`",
    "this refers back to itself in a circle",
    "expected exactly one of: is, enabled, value",
    "prerequisites test more than 64 MiB of values",
    "more than 1,000 variants",
    "member `salt` is missing",
    "expected either `ranges` or `percent`",
    "more than 1,000 ranges",
    "`percent` has a lane of its own",
    "another rule has this experiment with another phase, layer, slots, holdout, salt, unit or hash",
    "another experiment of the layer has some of these slots",
    "expected an object",
    "expected a string",
    "expected true or false",
    "a name has 1 to 256 bytes",
    "a salt has 1 to 1,024 bytes",
    "control characters are not allowed here",
    "expected a number from 0 to 100 with at most four decimals",
    "expected a time: RFC 3339 with at most three fraction digits, or integer milliseconds since 1970",
    "expected an array",
    "expected one of: %",
    "expected [start, end], integers with start < end <= %",
    "unknown member `#`",
    "duplicate member `#`",
    "expected a value of type boolean",
    "expected a value of type string",
    "expected a value of type integer",
    "expected a value of type number",
    "expected a value of type object",
    "more than 100,000 flags",
    "two flags have this key",
    "@",
    "member `type` is missing",
    "expected boolean, string, integer, number or object",
    "the flag has no variant `@`",
    "member `variants` is missing",
    "more than 64 members of metadata",
    "expected a string, a boolean or a number",
    "the number is too large for a double, or longer than 128 characters",
    "`~` in a JSON pointer is followed by 0 or 1",
    "more than 60,000 attribute names",
    "more than 60,000 different units",
    "a unit names 1 to 8 attributes",
    "unknown hash `@`",
    "this build of bucketry has no hash with a modulus",
    "member `name` is missing",
    "only `md5-mod` takes a modulus",
    "member `modulus` is missing",
    "expected an integer from 1 to 4294967296",
    "more than 256 different hashes",
    "this needs a hash of two lanes, such as `xxh64`",
    "this refers to something that was refused",
    "segments and prerequisites are chained more than 32 levels deep",
    "resolving this could reach more than 100,000 conditions",
    "member `hash` is missing",
    "member `digests` is missing",
    "`first` and `last` exclude each other",
    "more than 100,000 digests",
    "expected a digest of full length in lower-case hexadecimal",
    "more than 1,024 bytes",
    "expected an integer from 1 to 10000",
    "expected an object with one operator",
    "a second operator `#`",
    "no operator",
    "expected \"seconds\"",
    "this operator does not take this modifier",
    "more than 1,000 operands",
    "expected a number in range",
    "expected an IP address, or a block such as 10.0.0.0/8",
    "more than 100 comparators",
    "expected comparators such as \">=2.1.0 <3.0.0\"",
    "this build of bucketry has no hashed operands",
    "%",
    "the pattern is longer than 1,000 bytes",
    "more than 256 different regular expressions",
    "this build of bucketry has no regular expressions",
    "more than 100,000 operands",
    "the number is out of range",
    "expected a string, a number or a boolean",
    "more than 1,000 rules",
    "two rules have the id `@`",
    "expected either `serve` or `split`",
    "a second rule without `id` draws; give one of them an `id`",
    "`from` is not before `until`",
    "member `key` is missing",
    "expected an integer from 1 to 1000000",
    "a layer needs `slots` beside it",
    "`slots` need a `layer` beside them",
    "there is no holdout `@`",
    "holdout `@` was refused",
    "there is no layer `@`",
    "layer `@` was refused",
    "more than 10,000 ranges",
    "expected at least one range of slots",
    "expected 1 to 16 holdouts",
    "weights sum to 1 up to 4294967295",
    "the flag has no variant `#`",
    "member `variant` is missing",
    "expected either `weight` or `ranges`",
    "arms have either all `weight` or all `ranges`",
    "expected 1 to 10,000 ranges",
    "ranges of arms overlap",
    "expected an integer from 0 to 1000000000",
    "more than 1,000 arms",
    "is not base64",
    "holds a malformed number",
    "does not ascend within 64 bits",
    "holds too many hashes",
    "% more",
    "only the order of texts takes a collation",
    "this build of bucketry has no `size`",
    "this build of bucketry orders no texts",
    "expected an integer from 0 to 4294967295",
    "unknown hash `@` with a modulus",
    "expected an integer from 1 to %",
    "the salt of this hash is a seed: an integer from -2147483648 to 4294967295",
    "this build of bucketry leaves out what only imported flags use",
    "expected a JSON pointer into the element",
    "member `of` is missing",
];

/// One of [`MESSAGES`], by its code. Without the feature `messages` nothing but the code is in a program.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Message(u8);

impl Message {
    /// What a program without `messages` tells too, because it is the document's.
    #[cfg(not(feature = "messages"))]
    pub(crate) const GIVEN: Self = Self::of("@");

    /// The code of a message, searched for when the core is compiled.
    #[expect(
        clippy::indexing_slicing,
        clippy::panic,
        reason = "runs in the compiler alone, where a panic is an error"
    )]
    pub(crate) const fn of(message: &str) -> Self {
        let mut at = 0;
        while at < MESSAGES.len() {
            if is(MESSAGES[at].as_bytes(), message.as_bytes()) {
                return Self(at as u8 + 1);
            }
            at += 1;
        }
        panic!("a message that is not in the list");
    }

    pub(crate) const fn code(self) -> u8 {
        self.0
    }

    /// The message before its gaps are filled.
    #[cfg(feature = "messages")]
    pub(crate) fn template(self) -> &'static str {
        let at = usize::from(self.0).wrapping_sub(1);
        MESSAGES.get(at).copied().unwrap_or_default()
    }
}

#[expect(
    clippy::indexing_slicing,
    reason = "the place was compared with both lengths"
)]
const fn is(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

/// The [`Message`] of a text.
macro_rules! m {
    ($text:literal) => {
        const { $crate::messages::Message::of($text) }
    };
}
pub(crate) use m;

#[cfg(test)]
mod tests {
    use super::MESSAGES;
    use alloc::collections::BTreeSet;
    use alloc::string::String;
    use alloc::vec::Vec;

    #[test]
    fn the_page_of_diagnostics_is_the_list() {
        let page = include_str!("../../docs/diagnostics.md");
        let rows = page.lines().filter(|line| line.starts_with("| "));
        let listed: Vec<String> = rows.skip(2).map(String::from).collect();
        let want: Vec<String> = (MESSAGES.iter().zip(1..))
            .map(|(message, code)| alloc::format!("| {code} | {message} |"))
            .collect();
        assert_eq!(listed, want);
    }

    #[test]
    fn every_message_has_one_code() {
        let distinct: BTreeSet<&str> = MESSAGES.into_iter().collect();
        assert_eq!(distinct.len(), MESSAGES.len());
        assert!(MESSAGES.len() < usize::from(u8::MAX));
    }
}

//! Fingerprints of parts of a document: equal where the parts are written alike.

use crate::exposure::hash_text;
use crate::json::{Json, Kind};
use crate::schema;

/// The fingerprint of a value. The order of members, the space between tokens, the spelling of strings and what is
/// for people make no difference.
///
/// It errs to one side: what means the same may be written in two ways (`1` and `1.0`, an operand or a list of
/// one) and has two fingerprints then. What means something else has the fingerprint of another once in `2^64`.
pub(super) fn fingerprint(json: Json<'_>) -> u64 {
    print(json, true)
}

/// `ignores`: here are no names of the document's author, so what is for people can be told.
fn print(json: Json<'_>, ignores: bool) -> u64 {
    let kind = json.kind();
    let mut sum = kind as u64;
    match kind {
        Kind::Object => {
            for (name, value) in json.members() {
                if !ignores || !schema::is_ignored(name) {
                    let ignores = ignores && name != "variants" && name != "metadata";
                    sum = sum.wrapping_add(hash_text(name, print(value, ignores)));
                }
            }
        }
        Kind::Array => {
            for element in json.elements() {
                sum = mix(sum).wrapping_add(print(element, ignores));
            }
        }
        _ => return hash_text(json.text(), sum),
    }
    mix(sum)
}

/// So that what is added next meets other bits. The multiplier is that of Knuth's MMIX generator.
fn mix(sum: u64) -> u64 {
    (sum ^ sum >> 29).wrapping_mul(0x5851_F42D_4C95_7F2D)
}

//! What a text may be in a flag set.

use bucketry_core::limits::{MAX_NAME_BYTES, MAX_SALT_BYTES};

/// Whether a text can be a name.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&text.len()) && !has_control(text)
}

/// Whether a text can be a salt.
pub(crate) fn is_salt(text: &str) -> bool {
    (1..=MAX_SALT_BYTES).contains(&text.len()) && !has_control(text)
}

/// Whether a text has a character that no name may have.
pub(crate) fn has_control(text: &str) -> bool {
    text.bytes().any(|byte| byte < 0x20 || byte == 0x7F)
}

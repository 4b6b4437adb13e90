//! Eppo's obfuscated form: flag keys, attribute names, operators and the operands of `ONE_OF` are MD5 in
//! hexadecimal, every other text is base64.
//!
//! A hash cannot be undone, but a name can be recognised: the application knows which flags it asks for and
//! which attributes its contexts have.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use bucketry_core::internal::md5;

/// The names that an application knows, by their hashes.
#[derive(Debug)]
pub(super) struct Names<'n> {
    flags: BTreeMap<[u8; 16], &'n str>,
    attributes: BTreeMap<[u8; 16], &'n str>,
}

impl<'n> Names<'n> {
    pub(super) fn new(flags: &'n [String], attributes: &'n [String]) -> Self {
        fn hashed<'n>(names: impl Iterator<Item = &'n str>) -> BTreeMap<[u8; 16], &'n str> {
            names.map(|name| (md5(&[name.as_bytes()]), name)).collect()
        }
        Self {
            flags: hashed(flags.iter().map(String::as_str)),
            // Every context has `id`: the targeting key stands in for it.
            attributes: hashed(attributes.iter().map(String::as_str).chain(["id"])),
        }
    }

    /// The known flag key with this hash.
    pub(super) fn flag(&self, hash: &str) -> Option<&'n str> {
        self.flags.get(&digest(hash)?).copied()
    }

    /// The known attribute with this hash.
    pub(super) fn attribute(&self, hash: &str) -> Option<&'n str> {
        self.attributes.get(&digest(hash)?).copied()
    }
}

/// The one of `names` with this hash.
pub(super) fn recognise<'n>(hash: &str, names: &[&'n str]) -> Option<&'n str> {
    let digest = digest(hash)?;
    names
        .iter()
        .copied()
        .find(|name| md5(&[name.as_bytes()]) == digest)
}

/// The 16 bytes of an MD5 in lower-case hexadecimal.
pub(super) fn digest(hex: &str) -> Option<[u8; 16]> {
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    let mut digest = [0; 16];
    if pairs.len() != digest.len() || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(pairs) {
        for digit in pair {
            *byte = *byte << 4
                | match digit {
                    b'0'..=b'9' => digit - b'0',
                    b'a'..=b'f' => digit - b'a' + 10,
                    _ => return None,
                };
        }
    }
    Some(digest)
}

/// The text behind base64 (RFC 4648 section 4, with or without padding).
pub(super) fn decode_text(base64: &str) -> Option<String> {
    let base64 = base64.as_bytes();
    let digits = match base64 {
        [digits @ .., b'=', b'='] | [digits @ .., b'='] if base64.len().is_multiple_of(4) => digits,
        digits => digits,
    };
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for chunk in digits.chunks(4) {
        let mut bits = 0_u32;
        for digit in chunk {
            let value = match digit {
                b'A'..=b'Z' => digit - b'A',
                b'a'..=b'z' => digit - b'a' + 26,
                b'0'..=b'9' => digit - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(value);
        }
        let whole = match chunk.len() {
            4 => 3,
            3 => 2,
            2 => 1,
            _ => return None,
        };
        bits <<= 6 * (4 - chunk.len());
        bytes.extend(bits.to_be_bytes().into_iter().skip(1).take(whole));
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_undone() {
        // RFC 4648 section 10, and the forms that are none.
        for (base64, want) in [
            ("", Some("")),
            ("Zg==", Some("f")),
            ("Zm8=", Some("fo")),
            ("Zm9v", Some("foo")),
            ("Zm9vYg", Some("foob")),
            ("Zm9vYmE", Some("fooba")),
            ("Zm9vYmFy", Some("foobar")),
            ("bWHDsWFuYQ==", Some("mañana")),
            ("Z", None),
            ("Zg=", None),
            ("Zm9v====", None),
            ("Zm 9v", None),
            ("/w==", None), // not UTF-8
        ] {
            assert_eq!(decode_text(base64).as_deref(), want, "{base64}");
        }
    }

    #[test]
    fn names_are_recognised_by_their_hash() {
        let flags = ["flag".into()];
        let attributes = ["country".into()];
        let names = Names::new(&flags, &attributes);
        assert_eq!(names.flag("327a6c4304ad5938eaf0efb6cc3e53dc"), Some("flag"));
        assert_eq!(
            names.attribute("e909c2d7067ea37437cf97fe11d91bd0"),
            Some("country")
        );
        assert_eq!(
            names.attribute("b80bb7740288fda1f201890375a60c8f"),
            Some("id")
        );
        assert_eq!(names.attribute("327a6c4304ad5938eaf0efb6cc3e53dc"), None);
        assert_eq!(names.flag("327A6C4304AD5938EAF0EFB6CC3E53DC"), None);
        assert_eq!(names.flag("flag"), None);
        let operators = ["ONE_OF", "IS_NULL"];
        let hash = "dbd9c38e0339e6c34bd48cafc59be388";
        assert_eq!(recognise(hash, &operators), Some("IS_NULL"));
    }
}

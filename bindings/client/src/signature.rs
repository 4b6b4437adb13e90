//! Signatures over flag sets: Ed25519, by keys that the program trusts.
//!
//! A signature is over the bytes as they are served, unpacked. It comes in the response header `Bucketry-Signature`, or in a
//! file beside the document: `keyId=<id>; ed25519=<base64>`, several separated by commas while keys are rotated.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bucketry_core::Signature;
use ring::signature::{ED25519, UnparsedPublicKey};

use crate::error::BuildError;

/// An Ed25519 public key.
const KEY_BYTES: usize = 32;

/// More signatures than this are not looked at: each costs a verification.
const MOST: usize = 8;

/// The keys that the program trusts, by id.
#[derive(Default)]
pub(crate) struct Keys(Vec<(String, [u8; KEY_BYTES])>);

impl Keys {
    pub(crate) fn add(&mut self, id: String, base64: &str) -> Result<(), BuildError> {
        let bytes = STANDARD.decode(base64.trim()).unwrap_or_default();
        let Ok(key) = bytes.try_into() else {
            return Err(BuildError::Key {
                id,
                reason: "a signing key is the 32 bytes of an Ed25519 public key in base64"
                    .to_owned(),
            });
        };
        if id.is_empty() || id.contains([';', ',', ' ']) {
            return Err(BuildError::Key {
                id,
                reason: "an id of a key is not empty and has no `;`, `,` and space".to_owned(),
            });
        }
        self.0.push((id, key));
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One right signature by a trusted key is enough; there may be others by keys that come or go.
    pub(crate) fn check(&self, signatures: &str, document: &[u8]) -> Signature<'_> {
        for (id, signature) in signatures.split(',').take(MOST).filter_map(parse) {
            for (known, key) in self.0.iter().filter(|(known, _)| known == id) {
                let key = UnparsedPublicKey::new(&ED25519, key);
                if key.verify(document, &signature).is_ok() {
                    return Signature::Valid { key_id: known };
                }
            }
        }
        Signature::Invalid
    }
}

/// `keyId=<id>; ed25519=<base64>`.
fn parse(text: &str) -> Option<(&str, Vec<u8>)> {
    let mut id = None;
    let mut signature = None;
    for member in text.split(';') {
        let (name, value) = member.trim().split_once('=')?;
        match name {
            "keyId" => id = Some(value),
            "ed25519" => signature = STANDARD.decode(value).ok(),
            _ => {}
        }
    }
    Some((id?, signature?))
}

#[cfg(test)]
mod tests {
    use ring::signature::{Ed25519KeyPair, KeyPair};

    use super::*;

    fn pair(seed: u8) -> (Ed25519KeyPair, String) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let public = STANDARD.encode(pair.public_key());
        (pair, public)
    }

    fn sign(id: &str, pair: &Ed25519KeyPair, document: &[u8]) -> String {
        let signature = STANDARD.encode(pair.sign(document));
        format!("keyId={id}; ed25519={signature}")
    }

    #[test]
    fn a_published_signature_is_right() {
        // RFC 8032, section 7.1, test 3.
        let key = [
            0xfc, 0x51, 0xcd, 0x8e, 0x62, 0x18, 0xa1, 0xa3, 0x8d, 0xa4, 0x7e, 0xd0, 0x02, 0x30,
            0xf0, 0x58, 0x08, 0x16, 0xed, 0x13, 0xba, 0x33, 0x03, 0xac, 0x5d, 0xeb, 0x91, 0x15,
            0x48, 0x90, 0x80, 0x25,
        ];
        let signature = "YpHWV97sJAJIJ+acOr4BowzlSKKEdDpEXjaA19taw6wY/5tTjRbykK5n92CYTcZZSnwV6XFu0o3AJ77O6h7ECg==";
        let mut keys = Keys::default();
        keys.add("rfc".into(), &STANDARD.encode(key)).unwrap();
        let signatures = format!("keyId=rfc; ed25519={signature}");
        let right = Signature::Valid { key_id: "rfc" };
        assert_eq!(keys.check(&signatures, b"\xaf\x82"), right);
        assert_eq!(keys.check(&signatures, b"\xaf\x83"), Signature::Invalid);
    }

    #[test]
    fn one_signature_of_a_trusted_key_is_enough_and_any_other_is_none() {
        let (document, other) = (b"the document".as_slice(), b"another document".as_slice());
        let ((old, old_key), (new, new_key), (strange, _)) = (pair(1), pair(2), pair(3));
        let mut keys = Keys::default();
        keys.add("2025".into(), &old_key).unwrap();
        keys.add("2026".into(), &new_key).unwrap();
        let right = |key_id| Signature::Valid { key_id };
        for (signatures, want) in [
            (sign("2025", &old, document), right("2025")),
            (sign("2026", &new, document), right("2026")),
            // Rotation: a key that this program does not know yet stands first.
            (
                format!(
                    "{}, {}",
                    sign("2027", &strange, document),
                    sign("2026", &new, document)
                ),
                right("2026"),
            ),
            (sign("2026", &new, other), Signature::Invalid),
            (sign("2025", &new, document), Signature::Invalid),
            (sign("2026", &strange, document), Signature::Invalid),
            (sign("2027", &strange, document), Signature::Invalid),
            ("keyId=2026".into(), Signature::Invalid),
            (String::new(), Signature::Invalid),
        ] {
            assert_eq!(keys.check(&signatures, document), want, "{signatures}");
        }
    }

    #[test]
    fn keys_that_are_none_are_refused() {
        let mut keys = Keys::default();
        for (id, key) in [
            ("a", ""),
            ("a", "AAAA"),
            ("a", "no base64"),
            ("", &*pair(1).1),
            ("a;b", &*pair(1).1),
        ] {
            assert!(keys.add(id.into(), key).is_err(), "{id} {key}");
        }
        assert!(keys.is_empty());
    }
}

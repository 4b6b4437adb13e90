//! The operands of `inHashed`.

use alloc::vec::Vec;

use crate::hashed_operands::{Digests, HashedOperands, Part, parse_hex};
use crate::json::Json;
use crate::limits;
use crate::messages::m;
use crate::schema;
use crate::sort::sort;

use super::Loader;

impl<'d> Loader<'d> {
    pub(super) fn hashed(&mut self, operand: Json<'d>) -> u32 {
        let [hash, digests, prefix, suffix, first, last] =
            self.fields(operand, &schema::HASHED_MEMBERS);
        self.need(hash, operand, m!("member `hash` is missing"));
        let is_md5 = self.one_of(hash, &schema::HASHED_HASHES) == 0;
        if !self.need(digests, operand, m!("member `digests` is missing")) {
            return 0;
        }
        let digests = if is_md5 {
            Digests::Md5(self.digests(digests))
        } else {
            Digests::Sha256(self.digests(digests))
        };
        let (prefix, suffix) = (self.affix(prefix), self.affix(suffix));
        let part = match (first.exists(), last.exists()) {
            (false, false) => Part::Whole,
            (true, false) => Part::First(self.part_length(first)),
            (false, true) => Part::Last(self.part_length(last)),
            (true, true) => {
                self.wrong(last, m!("`first` and `last` exclude each other"));
                Part::Whole
            }
        };
        self.tables.hashed.push(HashedOperands {
            digests,
            prefix,
            suffix,
            part,
        });
        self.tables.hashed.len() as u32 - 1
    }

    fn digests<const N: usize>(&mut self, json: Json<'d>) -> Vec<[u8; N]> {
        let bound = m!("more than 100,000 digests");
        let list = self.array(json, limits::MAX_SET_OPERANDS, bound);
        let mut digests = Vec::new();
        for element in list.elements() {
            match element.as_str().and_then(parse_hex) {
                Some(digest) => digests.push(digest),
                None => self.wrong(
                    element,
                    m!("expected a digest of full length in lower-case hexadecimal"),
                ),
            }
        }
        sort(&mut digests);
        digests
    }

    /// A text around the value, empty where there is none.
    fn affix(&mut self, json: Json<'d>) -> u32 {
        let text = if json.exists() { self.text(json) } else { "" };
        if text.len() > limits::MAX_SALT_BYTES {
            self.wrong(json, m!("more than 1,024 bytes"));
        }
        self.tables.symbols.intern(text)
    }

    fn part_length(&mut self, json: Json<'d>) -> usize {
        let range = (1, limits::MAX_HASHED_PART_BYTES as u64);
        let wrong = m!("expected an integer from 1 to 10000");
        self.integer(json, 1, range, wrong) as usize
    }
}

//! The hashes of imported flags.

use crate::bucketing::Hash;
use crate::formula::{Formula, TextUnits};
use crate::json::Json;
use crate::messages::m;
use crate::number::write_u64;
use crate::schema;

use super::Loader;
use super::fields::UNKNOWN;

impl<'d> Loader<'d> {
    /// The number of a hash that is written as an object.
    pub(super) fn modulus_hash(&mut self, json: Json<'d>) -> u8 {
        let [name, modulus, seed, text] = self.fields(json, &schema::HASH_MEMBERS);
        if !self.need(name, json, m!("member `name` is missing")) {
            return 0;
        }
        self.need(modulus, json, m!("member `modulus` is missing"));
        let mut formula = Formula::named(self.text(name));
        match &mut formula {
            Some(Formula::Murmur3 { seed: own }) => {
                let wrong = m!("expected an integer from 0 to 4294967295");
                *own = self.integer(seed, 0, (0, u32::MAX.into()), wrong) as u32;
            }
            _ if seed.exists() => self.wrong(seed, UNKNOWN),
            _ => {}
        }
        match &mut formula {
            Some(Formula::Fnv1aSuffix { text: own } | Formula::Fnv1aTwice { text: own }) => {
                let place = self.one_of(text, &schema::TEXT_UNITS);
                *own = TextUnits::ALL.get(place).copied().unwrap_or_default();
            }
            _ if text.exists() => self.wrong(text, UNKNOWN),
            _ => {}
        }
        let hash = match formula {
            Some(formula) => Hash::Imported {
                formula,
                modulus: self.modulus(modulus, formula.max_modulus()),
            },
            None => Hash::Md5Mod {
                modulus: self.modulus(modulus, Hash::Xxh64.modulus()),
            },
        };
        if formula.is_none() && name.as_str() != Some(schema::MODULUS_HASH) {
            self.wrong(name, m!("unknown hash `@` with a modulus"));
        }
        let hashes = &self.tables.hashes;
        if let Some(number) = hashes.iter().position(|known| *known == hash) {
            return number as u8;
        }
        let number = hashes.len();
        if number > usize::from(u8::MAX) {
            self.wrong(json, m!("more than 256 different hashes"));
        }
        if self.is_wrong() {
            return 0;
        }
        self.tables.hashes.push(hash);
        number as u8
    }

    fn modulus(&mut self, json: Json<'d>, max: u64) -> u64 {
        let modulus = json.as_u64(max).filter(|modulus| *modulus >= 1);
        if json.exists() && modulus.is_none() {
            let wrong = m!("expected an integer from 1 to %");
            self.wrong_with(json, wrong, &[write_u64(max, &mut [0; 20])]);
        }
        modulus.unwrap_or(1)
    }

    /// Refuses a salt that the hash cannot be computed under. `at` is the salt, or what lacks one.
    pub(super) fn check_seed(&mut self, hash: u8, salt: &str, at: Json<'d>) {
        if !self.tables.hash(hash).takes_salt(salt) {
            let wrong =
                m!("the salt of this hash is a seed: an integer from -2147483648 to 4294967295");
            self.wrong(at, wrong);
        }
    }
}

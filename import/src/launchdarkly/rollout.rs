//! Percentages: which part of the positions is whose.
//!
//! The bucket of a context is the first 60 bits of SHA-1, as a fraction. The SDKs compute that fraction and the
//! sums of weights in floating point, and where they round, whole positions go to one side or the other: the bounds
//! here are found by computing as they do.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::format::Dialect;
use crate::names::is_salt;
use crate::output::Out;
use crate::source::{Problem, Source};

use super::Reader;
use super::clause::kind_of;
use super::reference::{Place, components, place};

/// Of the hash: 15 hexadecimal digits.
pub(super) const MODULUS: u64 = 1 << 60;

/// The sum of weights so far.
#[derive(Clone, Copy)]
pub(super) struct Sum {
    dialect: Dialect,
    double: f64,
    single: f32,
}

impl Sum {
    pub(super) const fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            double: 0.0,
            single: 0.0,
        }
    }

    /// Adds a weight and gives the number of positions that are below the sum.
    pub(super) fn add(&mut self, weight: f64) -> u64 {
        self.double += weight / 100_000.0;
        self.single += weight as f32 / 100_000.0;
        let (mut low, mut high) = (0, MODULUS);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.holds(middle) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    fn holds(self, position: u64) -> bool {
        // 15 times F is no double: the divisor is 2^60 in every SDK.
        match self.dialect {
            Dialect::Rust => (position as f32 / MODULUS as f32) < self.single,
            _ => (position as f64 / MODULUS as f64) < self.double,
        }
    }
}

pub(super) fn weight(source: &Source<'_, '_>) -> Result<f64, Problem> {
    let number = source.json().text().parse::<f64>();
    match number {
        Ok(number)
            if source.kind() == bucketry_core::internal::Kind::Number && number.is_finite() =>
        {
            Ok(number)
        }
        _ => Err(source.malformed("is no number")),
    }
}

/// The hash of every rollout.
pub(super) fn hash() -> Out {
    Out::object([
        ("name", Out::text("sha1-60-mod")),
        ("modulus", Out::number(MODULUS)),
    ])
}

/// The salt: a seed, or the key and the salt of flag or segment.
pub(super) fn salt(
    reader: &Reader<'_>,
    owner: &Source<'_, '_>,
    key: &str,
    rollout: Option<&Source<'_, '_>>,
) -> Result<String, Problem> {
    let seed = rollout.and_then(|rollout| rollout.optional("seed"));
    if let Some(seed) = seed {
        let Ok(number) = seed.json().text().parse::<i64>() else {
            return Err(seed.malformed("is no integer"));
        };
        if number != 0 || reader.dialect != Dialect::JavaScript {
            return Ok(format!("{number}."));
        }
    }
    let own = owner.optional("salt");
    let text = match &own {
        Some(salt) => salt.string()?,
        None => "",
    };
    let salt = format!("{key}.{text}.");
    if is_salt(&salt) {
        Ok(salt)
    } else {
        Err(own
            .unwrap_or(*owner)
            .inexpressible("a salt has at most 1,024 bytes and no control characters"))
    }
}

/// The unit that is bucketed by, or that the reference to it is no good.
pub(super) fn unit(
    reader: &Reader<'_>,
    source: &Source<'_, '_>,
    kind_member: &str,
    by_key: bool,
) -> Result<Option<String>, Problem> {
    let (kind, is_named) = kind_of(source, kind_member)?;
    let bucket_by = source
        .optional("bucketBy")
        .filter(|by| by.string() != Ok(""));
    let Some(bucket_by) = bucket_by.filter(|_| !by_key) else {
        return Ok(Some(super::reference::key_of(kind)));
    };
    let Some(names) = components(bucket_by.string()?, !is_named) else {
        return Ok(None);
    };
    if names.first().is_some_and(|name| name == "_meta") {
        return Ok(None);
    }
    match place(reader, kind, &names, &bucket_by)? {
        Place::Attribute { attribute, guards } if guards.is_empty() => Ok(Some(attribute)),
        _ => Err(bucket_by.inexpressible("what this refers to cannot be a unit")),
    }
}

/// A part of the positions.
pub(super) struct Arm {
    /// The variation's number, as it is written.
    pub(super) variation: Option<usize>,
    pub(super) untracked: bool,
    pub(super) range: (u64, u64),
}

/// The arms of a rollout, none of them empty. The last takes what is left.
pub(super) fn arms(
    reader: &Reader<'_>,
    variations: &[Source<'_, '_>],
    count: usize,
) -> Result<Vec<Arm>, Problem> {
    let mut sum = Sum::new(reader.dialect);
    let mut start = 0;
    let mut arms = Vec::new();
    for (index, source) in variations.iter().enumerate() {
        source.expect_object()?;
        let number = source.required("variation")?;
        let variation = number.json().text().parse::<usize>().ok();
        let mut end = match source.optional("weight") {
            Some(each) => sum.add(weight(&each)?),
            None => sum.add(0.0),
        };
        if index + 1 == variations.len() {
            end = MODULUS;
        }
        if start < end {
            arms.push(Arm {
                variation: variation.filter(|variation| *variation < count),
                untracked: source
                    .optional("untracked")
                    .is_some_and(|u| u.boolean() == Ok(true)),
                range: (start, end),
            });
            start = end;
        }
    }
    Ok(arms)
}

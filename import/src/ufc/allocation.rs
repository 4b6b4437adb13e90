//! Allocations: when and for whom, and which share gets what.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::format::Dialect;
use crate::limits::MAX_SHARDS;
use crate::output::Out;
use crate::source::{Problem, Source};

use super::flag::FlagReader;
use crate::names::has_control;
use crate::ranges::Ranges;
use crate::time::Instant;

/// An allocation, read.
pub(super) struct Allocation {
    pub(super) key: String,
    has_rules: bool,
    /// `None`: everybody.
    pub(super) targeting: Option<Out>,
    pub(super) from: Option<Instant>,
    pub(super) until: Option<Instant>,
    pub(super) splits: Vec<Split>,
    pub(super) do_log: bool,
}

/// A split, read: the variation, and the shards that a subject must all fall in.
pub(super) struct Split {
    pub(super) variation: String,
    /// No salt twice.
    pub(super) shards: Vec<(Axis, Ranges)>,
}

/// What a position is computed from beside the unit.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Axis {
    pub(super) salt: String,
    pub(super) modulus: u32,
}

impl FlagReader<'_> {
    pub(super) fn allocation(
        &mut self,
        source: &Source<'_, '_>,
        total_shards: Option<u32>,
    ) -> Result<Allocation, Problem> {
        source.expect_object()?;
        let known = ["key", "rules", "startAt", "endAt", "splits", "doLog"];
        source.warn_of_unknown(&known, Some(self.key), self.report);
        let rules = match self.reader.dialect {
            Dialect::Eppo => source.get("rules"),
            _ => source.optional("rules"),
        };
        let mut targeting = None;
        let mut has_rules = false;
        if let Some(rules) = &rules {
            rules.expect_array()?;
            has_rules = rules.elements().next().is_some();
            targeting = self.targeting(rules)?;
        }
        let splits_source = source.required("splits")?;
        splits_source.expect_array()?;
        let mut splits = Vec::new();
        for split in splits_source.elements() {
            splits.push(self.split(&split, total_shards)?);
        }
        Ok(Allocation {
            key: self.reader.text(&source.required("key")?)?,
            has_rules,
            targeting,
            from: self.instant(source, "startAt")?,
            until: self.instant(source, "endAt")?,
            splits,
            do_log: source
                .get("doLog")
                .map_or(Ok(true), |do_log| do_log.boolean())?,
        })
    }

    fn instant(&self, source: &Source<'_, '_>, name: &str) -> Result<Option<Instant>, Problem> {
        let Some(source) = source.optional(name) else {
            return Ok(None);
        };
        match Instant::parse(&self.reader.text(&source)?) {
            Some(instant) => Ok(Some(instant)),
            None => Err(source.malformed("is no RFC 3339 time")),
        }
    }

    fn split(
        &mut self,
        source: &Source<'_, '_>,
        total_shards: Option<u32>,
    ) -> Result<Split, Problem> {
        source.expect_object()?;
        let known = ["variationKey", "shards", "extraLogging", "serialId"];
        source.warn_of_unknown(&known, Some(self.key), self.report);
        for name in ["extraLogging", "serialId"] {
            if let Some(source) = source
                .optional(name)
                .filter(|_| self.left_behind.insert(name))
            {
                let message =
                    format!("`{name}` has no place in a flag set, left out of each split");
                self.report
                    .warn(Some(self.key), || source.pointer(), message);
            }
        }
        let variation = self.reader.text(&source.required("variationKey")?)?;
        let shards_source = source.required("shards")?;
        shards_source.expect_array()?;
        let mut shards: Vec<(Axis, Ranges)> = Vec::new();
        for shard in shards_source.elements() {
            let (axis, ranges) = self.shard(&shard, total_shards)?;
            let same = shards.iter_mut().find(|(each, _)| *each == axis);
            if let Some((_, both)) = same {
                *both = both.intersection(&ranges);
            } else if shards.len() < MAX_SHARDS {
                shards.push((axis, ranges));
            } else {
                return Err(source.inexpressible("has shards under more than 16 different salts"));
            }
        }
        Ok(Split { variation, shards })
    }

    fn shard(
        &mut self,
        source: &Source<'_, '_>,
        total_shards: Option<u32>,
    ) -> Result<(Axis, Ranges), Problem> {
        source.expect_object()?;
        let known: &[&str] = match total_shards {
            Some(_) => &["salt", "ranges"],
            None => &["salt", "ranges", "totalShards"],
        };
        source.warn_of_unknown(known, Some(self.key), self.report);
        let salt_source = source.required("salt")?;
        let mut salt = self.reader.text(&salt_source)?;
        if has_control(&salt) {
            return Err(salt_source.inexpressible("a salt has no control characters"));
        }
        salt.push('-');
        let modulus = match total_shards {
            Some(total_shards) => total_shards,
            None => source.required("totalShards")?.u32()?,
        };
        if modulus == 0 {
            return Err(source.malformed("has no shards in total"));
        }
        let ranges_source = source.required("ranges")?;
        ranges_source.expect_array()?;
        let mut ranges = Vec::new();
        for range in ranges_source.elements() {
            range.expect_object()?;
            range.warn_of_unknown(&["start", "end"], Some(self.key), self.report);
            let (start, end) = (
                range.required("start")?.u32()?,
                range.required("end")?.u32()?,
            );
            ranges.push((u64::from(start), u64::from(end)));
        }
        Ok((Axis { salt, modulus }, Ranges::new(ranges, modulus.into())))
    }
}

impl Allocation {
    /// Datadog's reason of an assignment; Eppo's SDKs report none.
    pub(super) fn reason(&self) -> &'static str {
        let bounded = self.from.is_some() || self.until.is_some();
        let unsharded = matches!(self.splits.as_slice(), [only] if only.shards.is_empty());
        match (self.has_rules, unsharded) {
            (true, _) => "TARGETING_MATCH",
            (false, true) if bounded => "DEFAULT",
            (false, true) => "STATIC",
            (false, false) => "SPLIT",
        }
    }
}

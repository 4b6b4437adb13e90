//! Who moves, counted over a list of units.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use crate::context::EvaluationContext;
use crate::flag_set::{FlagHandle, FlagSet};
use crate::time::UnixMillis;

/// Counts, context by context, who gets another variant of which flag: for what [`FlagSet::movements`]
/// cannot know, such as how many users a condition holds for.
///
/// Resolves the flags of [`FlagSet::changed_flags`] in both sets for every context. Its memory depends on the
/// flags, not on the number of contexts.
///
/// ```
/// use bucketry_core::{EvaluationContext, FlagSet, UnitComparison, UnixMillis};
///
/// let set = |rollout: u32| FlagSet::from_json(format!(r#"{{
///     "format": 1,
///     "flags": {{ "new-checkout": {{ "type": "boolean", "default": "off", "rules": [
///         {{ "id": "ramp", "serve": "on", "rollout": {rollout} }}
///     ] }} }}
/// }}"#).as_bytes());
/// let (old, new) = (set(10)?, set(60)?);
/// let mut comparison = UnitComparison::new(&old, &new, UnixMillis(0));
/// for user in 0..1_000 {
///     comparison.add(&EvaluationContext::new(user.to_string()));
/// }
/// let moves = comparison.moves();
/// assert_eq!(moves.len(), 1);
/// assert_eq!((moves[0].from.as_deref(), moves[0].to.as_deref()), (Some("off"), Some("on")));
/// assert_eq!(moves[0].units, 507);
/// # Ok::<(), bucketry_core::LoadError>(())
/// ```
#[derive(Clone, Debug)]
pub struct UnitComparison<'a> {
    now: UnixMillis,
    flags: Vec<Compared<'a>>,
    units: u64,
}

#[derive(Clone, Debug)]
struct Compared<'a> {
    key: &'a str,
    handles: [Option<FlagHandle<'a>>; 2],
    /// By the numbers of the variants.
    counts: BTreeMap<(u16, u16), u64>,
}

/// Units that get another variant of a flag.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct UnitMove {
    /// The flag.
    pub flag: String,
    /// The variant until now; none is the caller's default.
    pub from: Option<String>,
    /// The variant from now on; none is the caller's default.
    pub to: Option<String>,
    /// How many.
    pub units: u64,
}

impl<'a> UnitComparison<'a> {
    /// A comparison of two flag sets as of `now`, with no unit counted yet.
    #[must_use]
    pub fn new(old: &'a FlagSet, new: &'a FlagSet, now: UnixMillis) -> Self {
        let flags = old.changed_flags(new).into_iter().map(|key| Compared {
            key,
            handles: [old.flag(key), new.flag(key)],
            counts: BTreeMap::new(),
        });
        Self {
            now,
            flags: flags.collect(),
            units: 0,
        }
    }

    /// Resolves the changed flags for one more context.
    pub fn add(&mut self, context: &EvaluationContext<'_>) {
        self.units += 1;
        for flag in &mut self.flags {
            let [from, to] = flag
                .handles
                .map(|handle| variant(handle, context, self.now));
            *flag.counts.entry((from, to)).or_default() += 1;
        }
    }

    /// Takes over what another comparison of the same two sets has counted, so that several threads can share
    /// the work.
    pub fn merge(&mut self, other: Self) {
        self.units += other.units;
        for (flag, other) in self.flags.iter_mut().zip(other.flags) {
            for (variants, units) in other.counts {
                *flag.counts.entry(variants).or_default() += units;
            }
        }
    }

    /// How many contexts were added.
    #[must_use]
    pub const fn units(&self) -> u64 {
        self.units
    }

    /// Who moves: by flag in the order of [`FlagSet::changed_flags`]. Units that keep the name of their variant
    /// are left out.
    #[must_use]
    pub fn moves(&self) -> Vec<UnitMove> {
        let mut moves = Vec::new();
        for flag in &self.flags {
            let name = |side: usize, variant| {
                let handle = flag.handles.get(side).copied().flatten()?;
                handle
                    .set
                    .variant_name(handle.flag, variant)
                    .map(String::from)
            };
            for ((from, to), units) in &flag.counts {
                let (from, to) = (name(0, *from), name(1, *to));
                if from != to {
                    moves.push(UnitMove {
                        flag: flag.key.into(),
                        from,
                        to,
                        units: *units,
                    });
                }
            }
        }
        moves
    }
}

/// The number of the variant that a flag serves.
fn variant(
    handle: Option<FlagHandle<'_>>,
    context: &EvaluationContext<'_>,
    now: UnixMillis,
) -> u16 {
    handle.map_or(crate::flag_set::NONE16, |handle| {
        let flag = FlagHandle {
            set: handle.set,
            flag: handle.flag,
        };
        flag.resolve(context, now).variant
    })
}

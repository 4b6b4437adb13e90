//! What a flag set says of its experiments, for whoever counts assignments: which rules they have, and the
//! shares that their arms should get.

use crate::flag_set::{ExperimentDetails, FlagHandle, FlagSet};

/// A rule of a flag that belongs to an experiment.
#[derive(Clone, Copy)]
pub struct ExperimentRule<'a> {
    set: &'a FlagSet,
    flag: u32,
    rule: u16,
    details: ExperimentDetails<'a>,
}

/// A range of arm positions and the variant that owns it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ArmRange<'a> {
    /// The variant.
    pub variant: &'a str,
    /// The first position.
    pub start: u64,
    /// The position after the last.
    pub end: u64,
}

impl<'a> FlagHandle<'a> {
    /// The rules of this flag that belong to experiments, in order; none of a refused flag.
    ///
    /// ```
    /// use bucketry_core::FlagSet;
    ///
    /// let flag_set = FlagSet::from_json(br#"{
    ///     "format": 1,
    ///     "flags": {
    ///         "button": {
    ///             "type": "string",
    ///             "variants": { "blue": "blue", "green": "green" },
    ///             "rules": [{ "experiment": { "key": "exp-42" }, "split": { "blue": 3, "green": 1 } }]
    ///         }
    ///     }
    /// }"#)?;
    /// let rule = flag_set.flag("button").and_then(|flag| flag.experiment_rules().next()).unwrap();
    /// assert_eq!((rule.experiment(), rule.phase()), ("exp-42", 1));
    /// let blue = rule.arms().next().unwrap();
    /// assert_eq!((blue.variant, (blue.end - blue.start) * 4), ("blue", rule.modulus() * 3));
    /// # Ok::<(), bucketry_core::LoadError>(())
    /// ```
    pub fn experiment_rules(self) -> impl Iterator<Item = ExperimentRule<'a>> {
        let (set, flag) = (self.set, self.flag);
        let rules = set.rule_count(flag);
        (0..rules).filter_map(move |rule| {
            Some(ExperimentRule {
                set,
                flag,
                rule,
                details: set.experiment_of(flag, rule)?,
            })
        })
    }
}

impl<'a> ExperimentRule<'a> {
    /// The place of the rule in its flag, from 0.
    #[must_use]
    pub fn rule_index(&self) -> usize {
        self.rule.into()
    }

    /// The id of the rule, if it has one.
    #[must_use]
    pub fn rule_id(&self) -> Option<&'a str> {
        self.set.rule_id(self.flag, self.rule)
    }

    /// The key of the experiment.
    #[must_use]
    pub const fn experiment(&self) -> &'a str {
        self.details.key
    }

    /// The phase of the experiment, from 1.
    #[must_use]
    pub const fn phase(&self) -> u32 {
        self.details.phase
    }

    /// The attributes that the unit is taken from, the first that is present: names, JSON pointers,
    /// `targetingKey` or `$random`.
    pub fn unit(&self) -> impl Iterator<Item = &'a str> {
        let set = self.set;
        set.unit_attributes(self.flag, self.rule)
            .iter()
            .map(|attribute| set.attribute_name(*attribute))
    }

    /// The number of arm positions.
    #[must_use]
    pub const fn modulus(&self) -> u64 {
        self.details.modulus
    }

    /// The arms of the split by position; none of a rule that serves one variant. They never overlap, may
    /// leave gaps, and a variant may own several.
    pub fn arms(&self) -> impl ExactSizeIterator<Item = ArmRange<'a>> {
        let (set, flag) = (self.set, self.flag);
        self.details.arms.iter().map(move |arm| ArmRange {
            variant: set.variant_name(flag, arm.variant).unwrap_or_default(),
            start: arm.start,
            end: arm.end,
        })
    }
}

impl core::fmt::Debug for ExperimentRule<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ExperimentRule")
            .field("experiment", &self.experiment())
            .field("phase", &self.phase())
            .field("rule_index", &self.rule_index())
            .finish_non_exhaustive()
    }
}

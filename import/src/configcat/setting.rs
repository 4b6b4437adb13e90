//! A setting: its targeting rules, its percentage options, its default.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::condition::{Condition, Test, attribute_name, members, pairs};
use crate::names::is_name;
use crate::output::Out;
use crate::report::{ImportedFlag, Report};
use crate::source::{Problem, Source};

use super::Reader;
use super::values::{self, Variants};

/// ConfigCat's name of what a flag set calls the targeting key.
const IDENTIFIER: &str = "Identifier";
pub(super) const TARGETING_KEY: &str = "targetingKey";

/// Positions of a percentage option: whole per cents.
const MODULUS: u32 = 100;

/// One setting being read.
pub(super) struct SettingReader<'s, 'r, 'd> {
    pub(super) reader: &'s Reader<'r, 'd>,
    pub(super) key: &'s str,
    pub(super) report: &'s mut Report,
    pub(super) reads: BTreeSet<String>,
    /// The member of a value object that holds a value.
    member: &'static str,
    variants: Variants,
    /// The unit of percentage options, as the document names it.
    unit: Option<String>,
    draws: bool,
}

pub(super) fn translate(
    reader: &Reader<'_, '_>,
    key: &str,
    source: &Source<'_, '_>,
    report: &mut Report,
) -> Result<(Out, ImportedFlag), Problem> {
    source.expect_object()?;
    let known = ["t", "v", "i", "r", "p", "a"];
    source.warn_of_unknown(&known, Some(key), report);
    let (value_type, member) = values::value_type(source)?;
    let mut setting = SettingReader {
        reader,
        key,
        report,
        reads: BTreeSet::new(),
        member,
        variants: Variants::default(),
        unit: None,
        draws: false,
    };
    let default = setting.variant(source)?;
    if let Some(unit) = source.optional("a") {
        let unit = setting.attribute(&unit)?;
        setting.unit = (unit != TARGETING_KEY).then_some(unit);
    }
    let mut rules = Vec::new();
    if let Some(sources) = source.optional("r") {
        sources.expect_array()?;
        for (place, rule) in sources.elements().enumerate() {
            rules.extend(setting.rule(&rule, format!("rule-{}", place + 1))?);
        }
    }
    if let Some(options) = source.optional("p")
        && let Some(split) = setting.split(&options)?
    {
        let mut rule: Test = vec![("id", Out::text("percentages"))];
        rule.extend(split);
        rules.push(members(rule));
    }

    let imported = ImportedFlag {
        key: key.to_owned(),
        pointer: source.pointer(),
        rules: rules.len(),
        attributes: setting.reads.into_iter().collect(),
        experiments: Vec::new(),
    };
    let mut flag: Test = vec![
        ("type", Out::text(value_type)),
        ("variants", setting.variants.into_out()),
        ("default", Out::text(default)),
    ];
    if setting.draws {
        let hash = [
            ("name", Out::text("sha1-28-mod")),
            ("modulus", Out::number(MODULUS)),
        ];
        flag.push(("hash", Out::object(hash)));
        if let Some(unit) = setting.unit {
            flag.push(("unit", Out::text(unit)));
        }
    }
    if !rules.is_empty() {
        flag.push(("rules", Out::Array(rules)));
    }
    Ok((members(flag), imported))
}

impl SettingReader<'_, '_, '_> {
    /// The variant of an object with a value `v` and, perhaps, a variation id `i`.
    fn variant(&mut self, source: &Source<'_, '_>) -> Result<String, Problem> {
        let value = values::read(&source.required("v")?, self.member)?;
        let id = match source.optional("i") {
            Some(id) => Some(id.string()?),
            None => None,
        };
        Ok(self.variants.name(id, value))
    }

    /// A targeting rule: nothing for one that never serves.
    fn rule(&mut self, source: &Source<'_, '_>, id: String) -> Result<Option<Out>, Problem> {
        source.expect_object()?;
        source.warn_of_unknown(&["c", "s", "p"], Some(self.key), self.report);
        let Some(conditions) = source.optional("c") else {
            let message = "the rule has no conditions and is passed over";
            self.report
                .warn(Some(self.key), || source.pointer(), message);
            return Ok(None);
        };
        conditions.expect_array()?;
        let mut all = Vec::new();
        for condition in conditions.elements() {
            all.push(self.condition(&condition)?);
        }
        let condition = Condition::all(all);
        let served = match (source.optional("s"), source.optional("p")) {
            (Some(served), _) => {
                served.expect_object()?;
                served.warn_of_unknown(&["v", "i"], Some(self.key), self.report);
                Some(vec![("serve", Out::text(self.variant(&served)?))])
            }
            (None, Some(options)) => self.split(&options)?,
            (None, None) => return Err(source.malformed("has neither a value nor options")),
        };
        let Some(served) = served else {
            return Err(source.malformed("has no percentage options"));
        };
        let mut rule: Test = vec![("id", Out::text(id))];
        condition.push_to(&mut rule);
        rule.extend(served);
        Ok(Some(members(rule)))
    }

    /// Percentage options as `salt` and `split`; none for an empty list.
    fn split(&mut self, source: &Source<'_, '_>) -> Result<Option<Test>, Problem> {
        source.expect_array()?;
        let mut arms = Vec::new();
        let mut start = 0;
        let mut is_empty = true;
        for option in source.elements() {
            is_empty = false;
            option.expect_object()?;
            option.warn_of_unknown(&["p", "v", "i"], Some(self.key), self.report);
            let percentage = option.required("p")?.u32()?;
            let variant = self.variant(&option)?;
            // What adds up to more than 100 is out of reach.
            let end = percentage.saturating_add(start).min(MODULUS);
            if start < end {
                arms.push(Out::object([
                    ("variant", Out::text(variant)),
                    ("ranges", pairs([(start.into(), end.into())])),
                ]));
            }
            start = end;
        }
        if is_empty {
            return Ok(None);
        }
        if start < MODULUS {
            return Err(source.malformed("adds up to less than 100 per cent"));
        }
        self.draws = true;
        self.reads
            .insert(self.unit.clone().unwrap_or_else(|| TARGETING_KEY.into()));
        Ok(Some(vec![
            ("salt", Out::text(self.key)),
            ("split", Out::Array(arms)),
        ]))
    }

    /// The attribute as the flag set writes it.
    pub(super) fn attribute(&self, source: &Source<'_, '_>) -> Result<String, Problem> {
        let name = source.string()?;
        if name == IDENTIFIER {
            return Ok(TARGETING_KEY.into());
        }
        if name == TARGETING_KEY {
            return Err(source.inexpressible("an attribute of this name cannot be reached"));
        }
        if !is_name(name) {
            return Err(source.inexpressible("is no name that an attribute can have"));
        }
        Ok(attribute_name(name))
    }
}

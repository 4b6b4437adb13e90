//! Conditions of targeting rules: on the user, on a segment, on another setting.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::condition::Condition;
use crate::output::Out;
use crate::source::{Problem, Source};

use super::setting::SettingReader;
use super::values;

/// Most conditions of one segment: what a user is not in it for is written once for each of them.
const MAX_SEGMENT_CONDITIONS: usize = 32;

/// A condition of ConfigCat's is true, false, or cannot be evaluated, because an attribute is missing or no
/// number, say; then the rule is passed over, whichever way the condition is turned.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub(super) holds: Condition,
    pub(super) fails: Condition,
}

impl Verdict {
    pub(super) fn negated_if(self, negate: bool) -> Self {
        if !negate {
            return self;
        }
        Self {
            holds: self.fails,
            fails: self.holds,
        }
    }
}

impl SettingReader<'_, '_, '_> {
    /// What one element of a rule's conditions asks for.
    pub(super) fn condition(&mut self, source: &Source<'_, '_>) -> Result<Condition, Problem> {
        source.expect_object()?;
        source.warn_of_unknown(&["u", "s", "p"], Some(self.key), self.report);
        if let Some(user) = source.optional("u") {
            let salt = self.key.to_owned();
            return Ok(self.user_condition(&user, &salt)?.holds);
        }
        if let Some(segment) = source.optional("s") {
            return self.segment(&segment);
        }
        match source.optional("p") {
            Some(prerequisite) => self.prerequisite(&prerequisite),
            None => {
                Err(source.malformed("asks neither for the user, a segment nor another setting"))
            }
        }
    }

    fn segment(&mut self, source: &Source<'_, '_>) -> Result<Condition, Problem> {
        source.expect_object()?;
        source.warn_of_unknown(&["s", "c"], Some(self.key), self.report);
        let index = source.required("s")?;
        let segment = self.reader.segments.get(index.u32()? as usize).copied();
        let segment = segment.ok_or_else(|| index.malformed("is the number of no segment"))?;
        let comparator = source.required("c")?;
        let wanted = match comparator.u32()? {
            0 => true,
            1 => false,
            _ => return Err(comparator.malformed("is no segment comparator")),
        };
        segment.expect_object()?;
        let name = segment.required("n")?.string()?;
        let conditions = segment.required("r")?;
        conditions.expect_array()?;
        let mut verdicts = Vec::new();
        for condition in conditions.elements() {
            verdicts.push(self.user_condition(&condition, name)?);
        }
        if verdicts.is_empty() {
            return Err(conditions.malformed("is empty"));
        }
        if wanted {
            return Ok(Condition::all(verdicts.into_iter().map(|each| each.holds)));
        }
        if verdicts.len() > MAX_SEGMENT_CONDITIONS {
            let reason = "more than 32 conditions, and a rule asks for users outside";
            return Err(conditions.inexpressible(reason));
        }
        // The conditions are looked at in order up to the first that is not true.
        let mut before: Vec<Condition> = Vec::new();
        let mut outside = Vec::new();
        for verdict in verdicts {
            let path = before.iter().cloned().chain([verdict.fails]);
            outside.push(Condition::all(path));
            before.push(verdict.holds);
        }
        Ok(Condition::any(outside))
    }

    fn prerequisite(&mut self, source: &Source<'_, '_>) -> Result<Condition, Problem> {
        source.expect_object()?;
        source.warn_of_unknown(&["f", "c", "v"], Some(self.key), self.report);
        let flag = source.required("f")?;
        let key = flag.string()?;
        let value_type = self.reader.types.get(key).copied();
        let Some((_, member)) = value_type.and_then(values::known_type) else {
            let reason = format!("the setting `{key}` is not there, or has no type");
            return Err(flag.malformed(reason));
        };
        let value = values::read(&source.required("v")?, member)?;
        let comparator = source.required("c")?;
        let negate = match comparator.u32()? {
            0 => false,
            1 => true,
            _ => return Err(comparator.malformed("is no prerequisite comparator")),
        };
        let condition = Condition::Is(Out::object([
            ("flag", Out::text(key)),
            ("value", Out::object([("equals", value)])),
        ]));
        Ok(condition.negated_if(negate))
    }

    /// A condition on an attribute; `context` is what its confidential texts are salted with.
    fn user_condition(
        &mut self,
        source: &Source<'_, '_>,
        context: &str,
    ) -> Result<Verdict, Problem> {
        source.expect_object()?;
        let known = ["a", "c", "s", "d", "l"];
        source.warn_of_unknown(&known, Some(self.key), self.report);
        let attribute = self.attribute(&source.required("a")?)?;
        let verdict = self.comparison(source, &attribute, context)?;
        self.reads.insert(attribute);
        Ok(verdict)
    }

    /// What confidential texts end with when they are hashed.
    pub(super) fn suffix(&self, source: &Source<'_, '_>, context: &str) -> Result<String, Problem> {
        match self.reader.salt {
            Some(salt) => Ok([salt, context].concat()),
            None => Err(source.malformed("hashes texts, and the document has no salt (`p.s`)")),
        }
    }
}

/// The elements of a list of texts.
pub(super) fn texts<'d>(source: &Source<'_, 'd>) -> Result<Vec<&'d str>, Problem> {
    let list = source.required("l")?;
    list.expect_array()?;
    let mut texts = vec![];
    for element in list.elements() {
        texts.push(element.string()?);
    }
    Ok(texts)
}

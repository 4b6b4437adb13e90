//! Strategies: whom a toggle is on for.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use bucketry_core::internal::Kind;

use crate::condition::{Condition, IGNORE_CASE, Test, attribute_name, members, one_of, pairs};
use crate::names::is_salt;
use crate::output::Out;
use crate::source::{Problem, Source};

use super::constraint::{
    Constraint, TARGETING_KEY, USER_ID, has_current_time, segment_name, split, text_in,
};
use super::toggle::ToggleReader;

/// When a strategy holds: each is one way, and none of them holds together with another.
pub(super) struct Case {
    pub(super) condition: Condition,
    pub(super) from: Option<i64>,
    pub(super) until: Option<i64>,
}

impl Case {
    /// The members of a rule that say so.
    pub(super) fn push_to(&self, rule: &mut Test) {
        self.condition.clone().push_to(rule);
        for (name, bound) in [("from", self.from), ("until", self.until)] {
            rule.extend(bound.map(|millis| {
                let text = crate::time::to_text(millis);
                (name, text.map_or_else(|| Out::number(millis), Out::Text))
            }));
        }
    }
}

impl ToggleReader<'_> {
    pub(super) fn strategy(&mut self, source: &Source<'_, '_>) -> Result<Vec<Case>, Problem> {
        source.expect_object()?;
        let known = [
            "name",
            "parameters",
            "constraints",
            "segments",
            "variants",
            "sortOrder",
            "id",
            "title",
            "disabled",
        ];
        source.warn_of_unknown(&known, Some(self.key), self.report);
        let mut constraints = Vec::new();
        for constraint in source
            .optional("constraints")
            .iter()
            .flat_map(Source::elements)
        {
            constraints.push(self.constraint(&constraint)?);
        }
        for id in source
            .optional("segments")
            .iter()
            .flat_map(Source::elements)
        {
            constraints.extend(self.segment(&id)?);
        }
        let own = self.own(source)?;

        let mut conditions = Vec::new();
        let mut times = Vec::new();
        let (mut from, mut until): (Option<i64>, Option<i64>) = (None, None);
        for constraint in constraints {
            match constraint {
                Constraint::Condition(condition) => conditions.push(condition),
                Constraint::Time {
                    condition,
                    from: start,
                    until: end,
                } => {
                    times.push(condition);
                    from = from.max(start);
                    until = match (until, end) {
                        (Some(a), Some(b)) => Some(a.min(b)),
                        (a, b) => a.or(b),
                    };
                }
            }
        }
        conditions.push(own);
        if times.is_empty() {
            let condition = Condition::all(conditions);
            return Ok(vec![Case {
                condition,
                from: None,
                until: None,
            }]
            .into_iter()
            .filter(possible)
            .collect());
        }
        // With the field the field decides, without it the time of the evaluation.
        let mut given = vec![has_current_time()];
        given.extend(times);
        given.extend(conditions.iter().cloned());
        let mut absent = vec![has_current_time().negated()];
        absent.extend(conditions);
        let given = Case {
            condition: Condition::all(given),
            from: None,
            until: None,
        };
        let absent = Case {
            condition: Condition::all(absent),
            from,
            until,
        };
        Ok([given, absent].into_iter().filter(possible).collect())
    }

    /// The constraints of a segment, or a reference to it. One that is not there is never true.
    fn segment(&mut self, source: &Source<'_, '_>) -> Result<Vec<Constraint>, Problem> {
        let id = super::id_of(source)?;
        let Some(segment) = self.reader.segments.get(&id) else {
            let message = format!("there is no segment {id}: the toggle is off");
            self.report
                .warn(Some(self.key), || source.pointer(), message);
            self.is_off = true;
            return Ok(Vec::new());
        };
        let mut constraints = Vec::new();
        for constraint in segment
            .optional("constraints")
            .iter()
            .flat_map(Source::elements)
        {
            constraints.push(self.constraint(&constraint)?);
        }
        let name = segment_name(&id);
        if !constraints
            .iter()
            .all(|each| matches!(each, Constraint::Condition(_)))
            || !crate::names::is_name(&name)
        {
            return Ok(constraints);
        }
        let conditions = constraints.into_iter().filter_map(|each| match each {
            Constraint::Condition(condition) => Some(condition),
            Constraint::Time { .. } => None,
        });
        let condition = Condition::all(conditions);
        if matches!(condition, Condition::Always(_)) {
            return Ok(vec![Constraint::Condition(condition)]);
        }
        self.shared
            .segments
            .entry(name.clone())
            .or_insert_with(|| condition.into_out());
        let reference = Condition::Is(Out::object([("segment", Out::Text(name))]));
        Ok(vec![Constraint::Condition(reference)])
    }

    /// What the strategy asks itself.
    fn own(&mut self, source: &Source<'_, '_>) -> Result<Condition, Problem> {
        let never = Condition::Always(false);
        let parameters = source.optional("parameters");
        let parameter = |name: &str| parameters.as_ref().and_then(|all| parameter_of(all, name));
        let name = source.required("name")?.string()?;
        match name {
            "default" => Ok(Condition::Always(true)),
            "userWithId" => {
                self.reads.insert(USER_ID.to_owned());
                Ok(parameter("userIds").map_or(never, |ids| text_in(USER_ID, split(&ids))))
            }
            "remoteAddress" => {
                let list = parameter("IPs").unwrap_or_default();
                Ok(self.addresses(source, "remoteAddress", &split(&list)))
            }
            "applicationHostname" => {
                self.reads.insert("hostname".to_owned());
                let list = parameter("hostNames").unwrap_or_default();
                let mut test = one_of(split(&list).into_iter().map(Out::text).collect());
                test.push(IGNORE_CASE);
                Ok(Condition::test("hostname", test))
            }
            "gradualRolloutUserId" | "gradualRolloutSessionId" => {
                let percentage = parameter("percentage").and_then(|text| text.parse().ok());
                let (Some(percentage), Some(group)) = (percentage, parameter("groupId")) else {
                    return Ok(never);
                };
                let field = if name == "gradualRolloutUserId" {
                    USER_ID
                } else {
                    "sessionId"
                };
                let unit = self.unit(&[field], false);
                self.rollout(source, percentage, &unit, &group)
            }
            "gradualRolloutRandom" => {
                let percentage = parameter("percentage").and_then(|text| text.parse().ok());
                let Some(percentage) = percentage else {
                    return Ok(never);
                };
                if percentage >= 100_u64 {
                    return Ok(Condition::Always(true));
                }
                self.rollout(source, percentage, &Out::text("$random"), self.key)
            }
            "flexibleRollout" => {
                let Some(percentage) = parameter("rollout").and_then(|text| text.parse().ok())
                else {
                    return Ok(never);
                };
                let stickiness = parameter("stickiness");
                let unit = match stickiness.as_deref() {
                    None | Some("default") => self.unit(&[USER_ID, "sessionId"], true),
                    Some("random") => self.unit(&[], true),
                    Some(field) => self.unit(&[field], false),
                };
                let random = matches!(stickiness.as_deref(), None | Some("default" | "random"));
                if random && percentage >= 100 {
                    // Whoever asks, and whether or not there is a random number.
                    return Ok(Condition::Always(true));
                }
                let group = parameter("groupId").unwrap_or_else(|| self.key.to_owned());
                self.rollout(source, percentage, &unit, &group)
            }
            other => {
                let message = format!(
                    "the strategy `{other}` is the application's own: it is never true here"
                );
                self.report
                    .warn(Some(self.key), || source.pointer(), message);
                Ok(never)
            }
        }
    }

    /// Whose position counts.
    pub(super) fn unit(&mut self, fields: &[&str], random: bool) -> Out {
        let mut names = Vec::new();
        for field in fields {
            self.reads.insert((*field).to_owned());
            names.push(Out::Text(attribute_name(field)));
            if *field == USER_ID {
                names.push(Out::text(TARGETING_KEY));
            }
        }
        if random {
            names.push(Out::text("$random"));
        }
        match names.pop() {
            Some(only) if names.is_empty() => only,
            last => {
                names.extend(last);
                Out::Array(names)
            }
        }
    }

    fn rollout(
        &self,
        source: &Source<'_, '_>,
        percentage: u64,
        unit: &Out,
        group: &str,
    ) -> Result<Condition, Problem> {
        if percentage == 0 {
            return Ok(Condition::Always(false));
        }
        let salt = salt(source, group)?;
        Ok(Condition::Is(Out::object([(
            "position",
            members([
                ("salt", Out::Text(salt)),
                ("unit", unit.clone()),
                ("hash", hash(0, 100)),
                ("ranges", pairs([(0, percentage.min(100))])),
            ]),
        )])))
    }
}

fn possible(case: &Case) -> bool {
    let in_order = case
        .from
        .zip(case.until)
        .is_none_or(|(from, until)| from < until);
    !case.condition.is_never() && in_order
}

/// A parameter: a text, or a number written as one.
pub(super) fn parameter_of(parameters: &Source<'_, '_>, name: &str) -> Option<String> {
    let value = parameters.optional(name)?;
    let is_text = matches!(value.kind(), Kind::String | Kind::Number);
    is_text.then(|| value.json().text().to_owned())
}

/// `murmur3(group ++ ":" ++ unit)`.
pub(super) fn salt(source: &Source<'_, '_>, group: &str) -> Result<String, Problem> {
    let salt = format!("{group}:");
    if is_salt(&salt) {
        return Ok(salt);
    }
    Err(source.inexpressible("a group id has at most 1,023 bytes and no control characters"))
}

pub(super) fn hash(seed: u32, modulus: u64) -> Out {
    let mut hash = vec![
        ("name", Out::text("murmur3-32-mod")),
        ("modulus", Out::number(modulus)),
    ];
    if seed != 0 {
        hash.push(("seed", Out::number(seed)));
    }
    members(hash)
}

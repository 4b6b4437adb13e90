//! Rules: what they serve, and what they need to draw.

use alloc::string::String;
use alloc::vec::Vec;

use crate::bucketing::{Hash, arm_cut};
use crate::flag_set::{
    ALL_ENROLLED, Arm, Draw, Experiment, MissingUnit, NONE, NONE16, Range, Rule, Span, Window,
};
use crate::hash::Prefix;
use crate::json::{Json, Kind};
use crate::limits;
use crate::number::write_u64;
use crate::resolution::Reason;
use crate::schema;
use crate::sort::{sort, sort_by};

use super::fields::{array, boolean, fields, issue, name, percent, salt, text, time};
use super::{Load, Loader, Scope};

/// What the rules of one flag have used up.
#[derive(Default)]
struct Taken<'d> {
    ids: Vec<&'d str>,
    /// Whether some rule draws under the flag's own salt.
    flag_salt: bool,
}

impl<'d> Loader<'d> {
    /// Reads the rules of a flag.
    pub(super) fn flag_rules(&mut self, number: usize) {
        let Some(&json) = self.flags.get(number) else {
            return;
        };
        let item = self.flag_item(number);
        let edges = self.edges.len();
        let nodes = self.tables.nodes.len();
        if !self.is_refused(number) {
            let read = self.try_flag_rules(number, json).and_then(|()| {
                if self.tables.nodes.len() - nodes > limits::MAX_CONDITIONS {
                    return Err(issue(json, &["more than 10,000 conditions"]));
                }
                Ok(())
            });
            if let Err(issue) = read {
                self.refuse(item, issue);
            }
        }
        self.close_item(item, edges, nodes);
    }

    fn try_flag_rules(&mut self, number: usize, json: Json<'d>) -> Load<'d, ()> {
        let [_, _, _, _, _, unit, hash, rules, _, _] = fields(json, &schema::FLAG_MEMBERS)?;
        let scope = Scope {
            unit: match unit {
                Some(unit) => self.unit(unit)?,
                None => 0,
            },
            hash: match hash {
                Some(hash) => self.hash(hash)?,
                None => self.default_hash,
            },
            item: self.flag_item(number),
        };
        let start = self.tables.rules.len();
        if let Some(rules) = rules {
            let rules = array(rules, limits::MAX_RULES, "more than 1,000 rules")?;
            let mut taken = Taken::default();
            for rule in rules.elements() {
                let rule = self.rule(number as u32, rule, scope, &mut taken)?;
                self.tables.rules.push(rule);
            }
            sort(&mut taken.ids);
            if let Some(id) = taken.ids.windows(2).find_map(|pair| match pair {
                [a, b] if a == b => Some(*a),
                _ => None,
            }) {
                let second = rules
                    .elements()
                    .flat_map(Json::members)
                    .filter(|(name, value)| *name == "id" && value.as_str() == Some(id))
                    .nth(1);
                let at = second.map_or(rules, |(_, value)| value);
                return Err(issue(at, &["two rules have the id `", id, "`"]));
            }
        }
        let count = self.tables.rules.len() - start;
        let own = self.tables.rules.iter().skip(start);
        let reads_attributes = own.into_iter().any(|rule| rule.condition != NONE);
        let plain = match self.tables.rules.get(start..) {
            Some([rule]) if self.is_plain_draw(rule) => (rule.draw, rule.serve),
            _ => (NONE, NONE16),
        };
        if let Some(flag) = self.tables.flags.get_mut(number) {
            (flag.plain_draw, flag.plain_serve) = plain;
            flag.rules = start as u32;
            flag.rule_count = count as u16;
            flag.reads_attributes = reads_attributes;
            if count == 0 && flag.default != NONE16 {
                flag.fallback = Reason::Static;
            }
        }
        Ok(())
    }

    /// Whether a rule draws by `xxh64` for the targeting key and does nothing else.
    fn is_plain_draw(&self, rule: &Rule) -> bool {
        let tables = &self.tables;
        let Some(draw) = tables.draws.get(rule.draw as usize) else {
            return false;
        };
        let experiment = tables.experiments.get(draw.experiment as usize);
        let plain_experiment = experiment.is_none_or(|experiment| {
            experiment.layer == NONE && experiment.holdouts.len == 0 && !experiment.sticky
        });
        rule.condition == NONE
            && rule.window == NONE
            && rule.reason == Reason::Split
            && draw.unit == 0
            && tables.hash(draw.hash) == Hash::Xxh64
            && draw.needs_position()
            && plain_experiment
    }

    fn rule(
        &mut self,
        flag: u32,
        json: Json<'d>,
        scope: Scope,
        taken: &mut Taken<'d>,
    ) -> Load<'d, Rule> {
        let [
            id,
            condition,
            from,
            until,
            serve,
            split,
            rollout,
            experiment,
            own_salt,
            unit,
            hash,
            missing,
            otherwise,
            reason,
        ] = fields(json, &schema::RULE_MEMBERS)?;
        let id = id.map(name).transpose()?;
        taken.ids.extend(id);
        let window = self.window(from, until)?;
        let variants = self.flag_variants(flag);
        // Of the draw only: the conditions of the rule go by the flag's.
        let drawn_unit = match unit {
            Some(unit) => self.unit(unit)?,
            None => scope.unit,
        };
        let drawn_hash = match hash {
            Some(hash) => self.hash(hash)?,
            None => scope.hash,
        };
        let missing = match missing {
            Some(missing) => one_of(missing, &schema::MISSING_UNIT, &MISSING)?,
            None => MissingUnit::Skip,
        };
        let stop = match otherwise {
            Some(otherwise) => one_of(otherwise, &schema::OTHERWISE, &[false, true])?,
            None => false,
        };
        let draws = rollout.is_some() || split.is_some();
        let serve = match (serve, split) {
            (Some(serve), None) => self.variant_in(variants, serve)?,
            (None, Some(_)) => NONE16,
            _ => return Err(issue(json, &["expected either `serve` or `split`"])),
        };
        let condition = match condition {
            Some(condition) => self.condition_tree(condition, scope)?,
            None => NONE,
        };
        let mut draw = NONE;
        if let Some(own_salt) = own_salt {
            salt(own_salt)?;
        }
        if draws || experiment.is_some() {
            let (experiment, default_salt) = match experiment {
                Some(experiment) => self.experiment(experiment)?,
                None => (NONE, None),
            };
            let rule_salt: String = match (own_salt, default_salt) {
                (Some(own), _) => own.text().into(),
                (None, Some(salt)) => salt,
                (None, None) => {
                    if id.is_none() && core::mem::replace(&mut taken.flag_salt, true) {
                        return Err(issue(
                            json,
                            &["a second rule without `id` draws; give one of them an `id`"],
                        ));
                    }
                    let key = self.tables.symbols.get(flag);
                    [key, "/", id.unwrap_or_default()].concat()
                }
            };
            if let Some(rollout) = rollout {
                self.need_two_lanes(drawn_hash, rollout)?;
            }
            let arms = match split {
                Some(split) => self.split(split, variants, drawn_hash)?,
                None => Span::default(),
            };
            draw = self.tables.draws.len() as u32;
            let cut = match rollout {
                Some(rollout) => percent(rollout)?,
                None => ALL_ENROLLED,
            };
            self.tables.draws.push(Draw {
                prefix: Prefix::new(rule_salt.as_bytes()),
                salt: self.tables.symbols.intern(&rule_salt),
                unit: drawn_unit,
                hash: drawn_hash,
                missing,
                rollout: cut,
                has_rollout: rollout.is_some(),
                arms,
                experiment,
            });
        }
        let reason = match reason {
            Some(reason) => one_of(reason, &REASON_NAMES, &schema::RULE_REASONS)?,
            None if draws => Reason::Split,
            None => Reason::TargetingMatch,
        };
        Ok(Rule {
            id: match id {
                Some(id) => self.tables.symbols.intern(id),
                None => NONE,
            },
            condition,
            draw,
            window,
            serve,
            reason,
            stop,
        })
    }

    fn window(&mut self, from: Option<Json<'d>>, until: Option<Json<'d>>) -> Load<'d, u32> {
        let Some(last) = until.or(from) else {
            return Ok(NONE);
        };
        let window = Window {
            from: from.map_or(Ok(i64::MIN), time)?,
            until: until.map_or(Ok(i64::MAX), time)?,
        };
        if window.from >= window.until {
            return Err(issue(last, &["`from` is not before `until`"]));
        }
        self.tables.windows.push(window);
        Ok(self.tables.windows.len() as u32 - 1)
    }

    /// An experiment and its default salt.
    fn experiment(&mut self, json: Json<'d>) -> Load<'d, (u32, Option<String>)> {
        let [key, phase, layer, slots, holdout, sticky] =
            fields(json, &schema::EXPERIMENT_MEMBERS)?;
        let key = key.ok_or_else(|| issue(json, &["member `key` is missing"]))?;
        let key = name(key)?;
        let phase = match phase {
            Some(phase) => phase
                .as_u64(1_000_000)
                .filter(|&phase| phase > 0)
                .ok_or_else(|| issue(phase, &["expected an integer from 1 to 1000000"]))?,
            None => 1,
        };
        let (layer, slots) = match (layer, slots) {
            (Some(layer), Some(slots)) => (self.layer(layer)?, self.slots(slots)?),
            (None, None) => (NONE, Span::default()),
            (Some(_), None) => {
                return Err(issue(json, &["a layer needs `slots` beside it"]));
            }
            (None, Some(slots)) => {
                return Err(issue(slots, &["`slots` need a `layer` beside them"]));
            }
        };
        let holdouts = match holdout {
            Some(holdout) => self.holdout_list(holdout)?,
            None => Span::default(),
        };
        let sticky = match sticky {
            Some(sticky) => boolean(sticky)?,
            None => false,
        };
        let salt = [key, "/", write_u64(phase, &mut [0; 20])].concat();
        let key = self.tables.symbols.intern(key);
        self.tables.experiments.push(Experiment {
            key,
            phase: phase as u32,
            layer,
            slots,
            holdouts,
            sticky,
        });
        Ok((self.tables.experiments.len() as u32 - 1, Some(salt)))
    }

    fn layer(&mut self, json: Json<'d>) -> Load<'d, u32> {
        let key = text(json)?;
        let layer = self.layers.find(&self.tables.symbols, key);
        let layer = layer.ok_or_else(|| issue(json, &["there is no layer `", key, "`"]))?;
        if self.broken_layers.get(layer as usize) == Some(&true) {
            return Err(issue(json, &["layer `", key, "` was refused"]));
        }
        Ok(layer)
    }

    fn slots(&mut self, json: Json<'d>) -> Load<'d, Span> {
        let pairs = array(json, limits::MAX_RANGES, "more than 10,000 ranges")?;
        let mut slots: Vec<Range> = Vec::new();
        if pairs
            .elements()
            .any(|element| element.kind() == Kind::Number)
        {
            slots.push(range(pairs, limits::LAYER_SLOTS)?);
        } else {
            for pair in pairs.elements() {
                slots.push(range(pair, limits::LAYER_SLOTS)?);
            }
        }
        if slots.is_empty() {
            return Err(issue(json, &["expected at least one range of slots"]));
        }
        // The same slots are the same ranges, however they were written.
        sort_by(slots.as_mut_slice(), |a: &Range, b| a.start.cmp(&b.start));
        slots.dedup_by(|next, range| {
            let joins = next.start <= range.end;
            if joins {
                range.end = range.end.max(next.end);
            }
            joins
        });
        let start = self.tables.ranges.len() as u32;
        let ranges = slots.into_iter().map(slots_range);
        self.tables.ranges.extend(ranges);
        Ok(Span {
            start,
            len: self.tables.ranges.len() as u32 - start,
        })
    }

    fn holdout_list(&mut self, json: Json<'d>) -> Load<'d, Span> {
        let start = self.tables.holdout_lists.len() as u32;
        if json.kind() == Kind::String {
            let holdout = self.holdout(json)?;
            self.tables.holdout_lists.push(holdout);
        } else {
            let bound = "expected 1 to 16 holdouts";
            let list = array(json, limits::MAX_HOLDOUTS_OF_EXPERIMENT, bound)?;
            for element in list.elements() {
                let holdout = self.holdout(element)?;
                self.tables.holdout_lists.push(holdout);
            }
            if self.tables.holdout_lists.len() as u32 == start {
                return Err(issue(json, &[bound]));
            }
        }
        Ok(Span {
            start,
            len: self.tables.holdout_lists.len() as u32 - start,
        })
    }

    fn holdout(&mut self, json: Json<'d>) -> Load<'d, u32> {
        let key = text(json)?;
        let holdout = self.holdouts.find(&self.tables.symbols, key);
        let holdout = holdout.ok_or_else(|| issue(json, &["there is no holdout `", key, "`"]))?;
        if self.broken_holdouts.get(holdout as usize) == Some(&true) {
            return Err(issue(json, &["holdout `", key, "` was refused"]));
        }
        Ok(holdout)
    }

    fn split(&mut self, json: Json<'d>, variants: Span, hash: u8) -> Load<'d, Span> {
        let modulus = self.tables.hash(hash).modulus();
        let mut weights: Vec<(u16, u64)> = Vec::new();
        let mut arms: Vec<Arm> = Vec::new();
        let too_many = "more than 1,000 arms";
        if json.kind() == Kind::Object {
            super::fields::no_doubles(json)?;
            let mut members: Vec<_> = json.members().collect();
            if members.len() > limits::MAX_ARMS {
                return Err(issue(json, &[too_many]));
            }
            sort_by(&mut members, |(a, _), (b, _)| a.cmp(b));
            for (name, value) in members {
                let variant = self
                    .variant_of(variants, name)
                    .ok_or_else(|| issue(value, &["the flag has no variant `", name, "`"]))?;
                weights.push((variant, weight(value)?));
            }
        } else {
            let list = array(json, limits::MAX_ARMS, too_many)?;
            for arm in list.elements() {
                let [variant, arm_weight, ranges] = fields(arm, &schema::ARM_MEMBERS)?;
                let variant =
                    variant.ok_or_else(|| issue(arm, &["member `variant` is missing"]))?;
                let variant = self.variant_in(variants, variant)?;
                match (arm_weight, ranges) {
                    (Some(json), None) => weights.push((variant, weight(json)?)),
                    (None, Some(json)) => {
                        for pair in
                            array(json, limits::MAX_RANGES, "more than 10,000 ranges")?.elements()
                        {
                            let Range { start, end } = range(pair, modulus)?;
                            arms.push(Arm {
                                start,
                                end,
                                variant,
                            });
                        }
                    }
                    _ => {
                        return Err(issue(arm, &["expected either `weight` or `ranges`"]));
                    }
                }
            }
            let with_ranges = list
                .elements()
                .filter(|arm| arm.members().any(|(name, _)| name == "ranges"))
                .count();
            if with_ranges > 0 && !weights.is_empty() {
                return Err(issue(
                    json,
                    &["arms have either all `weight` or all `ranges`"],
                ));
            }
            if with_ranges > 0 {
                return self.arms_by_range(json, arms);
            }
        }
        let total: u64 = weights.iter().map(|(_, weight)| weight).sum();
        if total == 0 || total > u64::from(u32::MAX) {
            return Err(issue(json, &["weights sum to 1 up to 4294967295"]));
        }
        let start = self.tables.arms.len() as u32;
        let mut before = 0;
        for (variant, weight) in weights {
            let arm = Arm {
                start: arm_cut(before, total, modulus),
                end: arm_cut(before + weight, total, modulus),
                variant,
            };
            before += weight;
            if arm.start < arm.end {
                self.tables.arms.push(arm);
            }
        }
        Ok(Span {
            start,
            len: self.tables.arms.len() as u32 - start,
        })
    }

    fn arms_by_range(&mut self, json: Json<'d>, mut arms: Vec<Arm>) -> Load<'d, Span> {
        if arms.is_empty() || arms.len() > limits::MAX_RANGES {
            return Err(issue(json, &["expected 1 to 10,000 ranges"]));
        }
        sort_by(&mut arms, |a, b| a.start.cmp(&b.start));
        let overlap = arms
            .windows(2)
            .any(|pair| matches!(pair, [a, b] if a.end > b.start));
        if overlap {
            return Err(issue(json, &["ranges of arms overlap"]));
        }
        let start = self.tables.arms.len() as u32;
        self.tables.arms.append(&mut arms);
        Ok(Span {
            start,
            len: self.tables.arms.len() as u32 - start,
        })
    }
}

pub(super) const MISSING: [MissingUnit; 3] =
    [MissingUnit::Skip, MissingUnit::Zero, MissingUnit::Error];

const REASON_NAMES: [&str; 4] = {
    let [a, b, c, d] = schema::RULE_REASONS;
    [a.as_str(), b.as_str(), c.as_str(), d.as_str()]
};

/// The meaning of a word out of a fixed list.
pub(super) fn one_of<'d, T: Copy, const N: usize>(
    json: Json<'d>,
    words: &[&str; N],
    meanings: &[T; N],
) -> Load<'d, T> {
    let word = text(json)?;
    words
        .iter()
        .zip(meanings)
        .find(|(known, _)| **known == word)
        .map(|(_, meaning)| *meaning)
        .ok_or_else(|| issue(json, &["expected one of: ", &words.join(", ")]))
}

fn weight<'d>(json: Json<'d>) -> Load<'d, u64> {
    json.as_u64(1_000_000_000)
        .ok_or_else(|| issue(json, &["expected an integer from 0 to 1000000000"]))
}

/// A pair `[start, end]` with `start < end <= max`.
pub(super) fn range<'d>(json: Json<'d>, max: u64) -> Load<'d, Range> {
    let mut elements = json.elements();
    let pair = (elements.next(), elements.next(), elements.next());
    if let (Some(start), Some(end), None) = pair {
        if let (Some(start), Some(end)) = (start.as_u64(max), end.as_u64(max)) {
            if start < end {
                return Ok(Range { start, end });
            }
        }
    }
    Err(issue(
        json,
        &[
            "expected [start, end], integers with start < end <= ",
            write_u64(max, &mut [0; 20]),
        ],
    ))
}

fn slots_range(slots: Range) -> Range {
    Range {
        start: crate::bucketing::slot_cut(slots.start),
        end: crate::bucketing::slot_cut(slots.end),
    }
}

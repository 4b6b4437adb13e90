//! Rules: what they serve, and what they need to draw.

use alloc::string::String;

use crate::bucketing::{Hash, slot_cut};
use crate::flag_set::{
    ALL_ENROLLED, Draw, Experiment, MissingUnit, NONE, NONE16, Range, Rule, Span, Window,
};
use crate::hash::Prefix;
use crate::json::{Json, Kind};
use crate::limits;
use crate::messages::m;
use crate::number::write_u64;
use crate::resolution::Reason;
use crate::schema;
use crate::sort::sort_by;

use super::fields::concat;
use super::{Loader, Scope, memo};

impl<'d> Loader<'d> {
    /// Reads the rules of a flag.
    pub(super) fn flag_rules(&mut self, number: usize) {
        let Some(&json) = self.flags.get(number) else {
            return;
        };
        let start = self.open_item();
        if !self.is_refused(number) {
            self.rules(number, json);
            if self.tables.nodes.len() - start.1 > limits::MAX_CONDITIONS {
                self.wrong(json, m!("more than 10,000 conditions"));
            }
        }
        self.close_item(self.flag_item(number), json, start);
    }

    fn rules(&mut self, number: usize, json: Json<'d>) {
        let [_, _, _, _, _, unit, hash, rules, _, _] = self.fields(json, &schema::FLAG_MEMBERS);
        let scope = Scope {
            unit: self.unit_or(unit, 0),
            hash: self.hash_or(hash, self.default_hash),
            item: self.flag_item(number),
            #[cfg(feature = "imported")]
            element: false,
        };
        let start = self.tables.rules.len();
        if rules.exists() {
            let mut own_salt = false;
            let list = self.array(rules, limits::MAX_RULES, m!("more than 1,000 rules"));
            for rule in list.elements() {
                if self.is_wrong() {
                    return;
                }
                let rule = self.rule(number as u32, rule, scope, &mut own_salt);
                self.tables.rules.push(rule);
            }
            self.distinct_ids(rules, start);
        }
        let own = self.tables.rules.get(start..).unwrap_or_default();
        let reads_attributes = own.iter().any(|rule| rule.condition != NONE);
        let plain = match own {
            [rule] if self.is_plain_draw(rule) => (rule.draw, rule.serve),
            _ => (NONE, NONE16),
        };
        let count = own.len() as u16;
        if let Some(flag) = self.tables.flags.get_mut(number) {
            (flag.plain_draw, flag.plain_serve) = plain;
            flag.rules = start as u32;
            flag.rule_count = count;
            flag.reads_attributes = reads_attributes;
            if count == 0 && flag.default != NONE16 {
                flag.fallback = Reason::Static;
            }
        }
    }

    /// Refuses the second of two rules of one id. There are at most 1,000: each is compared with each.
    fn distinct_ids(&mut self, rules: Json<'d>, start: usize) {
        for (at, rule) in (start..).zip(rules.elements()) {
            let id = self.tables.rules.get(at).map_or(NONE, |rule| rule.id);
            let before = self.tables.rules.get(start..at).unwrap_or_default();
            if id != NONE && before.iter().any(|rule| rule.id == id) {
                self.wrong(rule.member("id"), m!("two rules have the id `@`"));
            }
        }
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
            && (draw.arms.len > 0 || rule.serve != NONE16)
            && plain_experiment
    }

    /// `own_salt`: whether a rule draws under the flag's own salt.
    fn rule(&mut self, flag: u32, json: Json<'d>, scope: Scope, own_salt: &mut bool) -> Rule {
        let [
            id,
            condition,
            from,
            until,
            serve,
            split,
            rollout,
            experiment,
            salt,
            unit,
            hash,
            missing,
            otherwise,
            reason,
        ] = self.fields(json, &schema::RULE_MEMBERS);
        let id_text = if id.exists() { self.name(id) } else { "" };
        let mut rule = Rule {
            id: NONE,
            condition: NONE,
            draw: NONE,
            window: self.window(from, until),
            serve: NONE16,
            reason: Reason::TargetingMatch,
            stop: false,
        };
        let variants = self.flag_variants(flag);
        // Of the draw only: the conditions of the rule go by the flag's.
        let unit = self.unit_or(unit, scope.unit);
        let hash = self.hash_or(hash, scope.hash);
        let missing = self.missing_unit(missing, &schema::MISSING_UNIT);
        rule.stop = self.one_of(otherwise, &schema::OTHERWISE) != 0;
        if serve.exists() == split.exists() {
            self.wrong(json, m!("expected either `serve` or `split`"));
        } else if serve.exists() {
            // Null leaves the value to the caller.
            if serve.kind() != Kind::Null {
                rule.serve = self.variant_in(variants, serve);
            }
        }
        if condition.exists() {
            rule.condition = self.condition_tree(condition, scope);
        }
        if salt.exists() {
            self.salt(salt);
        }
        let draws = rollout.exists() || split.exists();
        if (draws || experiment.exists()) && !self.is_wrong() {
            let (experiment, mut rule_salt) = self.experiment(experiment);
            if salt.exists() {
                rule_salt = concat(&[salt.text()]);
            } else if rule_salt.is_empty() {
                if id_text.is_empty() && core::mem::replace(own_salt, true) {
                    self.wrong(
                        json,
                        m!("a second rule without `id` draws; give one of them an `id`"),
                    );
                }
                rule_salt = concat(&[self.tables.symbols.get(flag), "/", id_text]);
            }
            let mut cut = ALL_ENROLLED;
            if rollout.exists() {
                self.need_two_lanes(hash, rollout);
            }
            #[cfg(feature = "imported")]
            if draws {
                self.check_seed(hash, &rule_salt, if salt.exists() { salt } else { json });
            }
            let arms = self.split(split, variants, hash);
            if rollout.exists() {
                cut = self.percent(rollout);
            }
            rule.draw = self.tables.draws.len() as u32;
            rule.reason = if draws {
                Reason::Split
            } else {
                Reason::TargetingMatch
            };
            self.tables.draws.push(Draw {
                prefix: Prefix::new(rule_salt.as_bytes()),
                salt: self.tables.symbols.intern(&rule_salt),
                unit,
                hash,
                missing,
                rollout: cut,
                has_rollout: rollout.exists(),
                arms,
                experiment,
            });
        }
        if reason.exists() {
            let place = self.one_of(reason, &REASON_NAMES);
            let reason = schema::RULE_REASONS.get(place);
            rule.reason = reason.copied().unwrap_or(rule.reason);
        }
        rule.id = self.symbol_or_none(id_text);
        rule
    }

    pub(super) fn missing_unit(&mut self, json: Json<'d>, words: &[&str; 3]) -> MissingUnit {
        match self.one_of(json, words) {
            0 => MissingUnit::Skip,
            1 => MissingUnit::Zero,
            _ => MissingUnit::Error,
        }
    }

    fn window(&mut self, from: Json<'d>, until: Json<'d>) -> u32 {
        let mut window = Window {
            from: i64::MIN,
            until: i64::MAX,
        };
        let mut last = from;
        if from.exists() {
            window.from = self.time(from);
        }
        if until.exists() {
            window.until = self.time(until);
            last = until;
        }
        if !last.exists() {
            return NONE;
        }
        if window.from >= window.until {
            self.wrong(last, m!("`from` is not before `until`"));
        }
        self.tables.windows.push(window);
        self.tables.windows.len() as u32 - 1
    }

    /// An experiment and its default salt; none and no text if there is no experiment.
    fn experiment(&mut self, json: Json<'d>) -> (u32, String) {
        if !json.exists() {
            return (NONE, String::new());
        }
        let [key, phase, layer, slots, holdout, sticky] =
            self.fields(json, &schema::EXPERIMENT_MEMBERS);
        if !self.need(key, json, m!("member `key` is missing")) {
            return (NONE, String::new());
        }
        let name = self.name(key);
        let wrong = m!("expected an integer from 1 to 1000000");
        let phase = self.integer(phase, 1, (1, 1_000_000), wrong);
        let mut experiment = Experiment {
            key: self.tables.symbols.intern(name),
            phase: phase as u32,
            layer: NONE,
            slots: Span::default(),
            holdouts: Span::default(),
            sticky: false,
        };
        match (layer.exists(), slots.exists()) {
            (true, true) => {
                experiment.layer = self.population_of(layer, false);
                experiment.slots = self.slots(slots);
            }
            (false, false) => {}
            (true, false) => self.wrong(json, m!("a layer needs `slots` beside it")),
            (false, true) => self.wrong(slots, m!("`slots` need a `layer` beside them")),
        }
        if holdout.exists() {
            experiment.holdouts = self.holdout_list(holdout);
        }
        experiment.sticky = self.boolean(sticky, false);
        let salt = concat(&[name, "/", write_u64(phase, &mut [0; 20])]);
        self.tables.experiments.push(experiment);
        (self.tables.experiments.len() as u32 - 1, salt)
    }

    /// The number of the layer or holdout that a string names.
    fn population_of(&mut self, json: Json<'d>, holdout: bool) -> u32 {
        let key = self.text(json);
        let (kind, prints, unknown, refused) = if holdout {
            (
                memo::HOLDOUT,
                &self.holdouts,
                m!("there is no holdout `@`"),
                m!("holdout `@` was refused"),
            )
        } else {
            (
                memo::LAYER,
                &self.layers,
                m!("there is no layer `@`"),
                m!("layer `@` was refused"),
            )
        };
        let Some(number) = self.memo.get(kind, key) else {
            self.wrong(json, unknown);
            return NONE;
        };
        match prints.get(number as usize) {
            Some(0) | None => self.wrong(json, refused),
            Some(print) => self.used_print = self.used_print.wrapping_add(*print),
        }
        number
    }

    fn slots(&mut self, json: Json<'d>) -> Span {
        let pairs = self.array(json, limits::MAX_RANGES, m!("more than 10,000 ranges"));
        let mut list = pairs.elements();
        if pairs
            .elements()
            .any(|element| element.kind() == Kind::Number)
        {
            list = pairs.alone();
        }
        let start = self.tables.ranges.len();
        for pair in list {
            let (start, end) = self.range(pair, limits::LAYER_SLOTS);
            self.tables.ranges.push(Range { start, end });
        }
        if self.tables.ranges.len() == start {
            self.wrong(json, m!("expected at least one range of slots"));
        }
        // The same slots are the same ranges, however they were written.
        let slots = self.tables.ranges.get_mut(start..).unwrap_or_default();
        sort_by(slots, |a, b| a.start.cmp(&b.start));
        let mut len = 0;
        let mut joined = Range { start: 0, end: 0 };
        for at in 0..slots.len() {
            let slot = slots.get(at).copied().unwrap_or(joined);
            if len > 0 && slot.start <= joined.end {
                joined.end = joined.end.max(slot.end);
            } else {
                joined = slot;
                len += 1;
            }
            if let Some(slot) = slots.get_mut(len - 1) {
                *slot = Range {
                    start: slot_cut(joined.start),
                    end: slot_cut(joined.end),
                };
            }
        }
        self.tables.ranges.truncate(start + len);
        Span {
            start: start as u32,
            len: len as u32,
        }
    }

    fn holdout_list(&mut self, json: Json<'d>) -> Span {
        let bound = m!("expected 1 to 16 holdouts");
        let list = self.one_or_array(json, limits::MAX_HOLDOUTS_OF_EXPERIMENT, bound);
        let start = self.tables.holdout_lists.len() as u32;
        for element in list {
            let holdout = self.population_of(element, true);
            self.tables.holdout_lists.push(holdout);
        }
        let len = self.tables.holdout_lists.len() as u32 - start;
        if len == 0 {
            self.wrong(json, bound);
        }
        Span { start, len }
    }
}

const REASON_NAMES: [&str; 4] = {
    let [a, b, c, d] = schema::RULE_REASONS;
    [a.as_str(), b.as_str(), c.as_str(), d.as_str()]
};

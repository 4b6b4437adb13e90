//! Splits: the arms of a rule, from weights or from ranges.

use alloc::vec::Vec;

use crate::bucketing::arm_cut;
use crate::flag_set::{Arm, Span};
use crate::json::{Json, Kind};
use crate::limits;
use crate::messages::{Message, m};
use crate::schema;
use crate::sort::sort_by;

use super::Loader;

impl<'d> Loader<'d> {
    pub(super) fn split(&mut self, json: Json<'d>, variants: Span, hash: u8) -> Span {
        if !json.exists() {
            return Span::default();
        }
        let modulus = self.tables.hash(hash).modulus();
        // With weights `start` is the weight of the arm until all are known.
        let mut arms: Vec<Arm> = Vec::new();
        let mut by_range = false;
        if json.kind() == Kind::Object {
            self.weights_by_name(json, variants, &mut arms);
        } else {
            by_range = self.arm_list(json, variants, modulus, &mut arms);
        }
        if self.is_wrong() {
            return Span::default();
        }
        if by_range {
            self.check_ranges(json, &mut arms);
        } else {
            let total: u64 = arms.iter().map(|arm| arm.start).sum();
            if total == 0 || total > u64::from(u32::MAX) {
                self.wrong(json, m!("weights sum to 1 up to 4294967295"));
                return Span::default();
            }
            let mut before = 0;
            for arm in &mut arms {
                let weight = arm.start;
                arm.start = arm_cut(before, total, modulus);
                before += weight;
                arm.end = arm_cut(before, total, modulus);
            }
        }
        let start = self.tables.arms.len() as u32;
        for arm in arms {
            if arm.start < arm.end {
                self.tables.arms.push(arm);
            }
        }
        Span {
            start,
            len: self.tables.arms.len() as u32 - start,
        }
    }

    fn weights_by_name(&mut self, json: Json<'d>, variants: Span, arms: &mut Vec<Arm>) {
        self.no_doubles(json);
        let mut values = Vec::new();
        for (_, value) in json.members() {
            values.push(value);
        }
        if values.len() > limits::MAX_ARMS {
            self.wrong(json, TOO_MANY_ARMS);
        }
        sort_by(&mut values, |a, b| a.name().cmp(b.name()));
        for value in values {
            if self.is_wrong() {
                return;
            }
            let unknown = m!("the flag has no variant `#`");
            let variant = self.variant_of(variants, value.name(), value, unknown);
            let start = self.weight(value);
            arms.push(Arm {
                start,
                end: 0,
                variant,
            });
        }
    }

    /// Whether the arms have ranges.
    fn arm_list(
        &mut self,
        json: Json<'d>,
        variants: Span,
        modulus: u64,
        arms: &mut Vec<Arm>,
    ) -> bool {
        let (mut by_weight, mut by_range) = (false, false);
        let list = self.array(json, limits::MAX_ARMS, TOO_MANY_ARMS);
        for arm in list.elements() {
            if self.is_wrong() {
                return false;
            }
            let [variant, weight, ranges] = self.fields(arm, &schema::ARM_MEMBERS);
            if !self.need(variant, arm, m!("member `variant` is missing")) {
                return false;
            }
            let variant = self.variant_in(variants, variant);
            if weight.exists() == ranges.exists() {
                self.wrong(arm, m!("expected either `weight` or `ranges`"));
            } else if weight.exists() {
                by_weight = true;
                let start = self.weight(weight);
                arms.push(Arm {
                    start,
                    end: 0,
                    variant,
                });
            } else {
                by_range = true;
                let ranges = self.array(ranges, limits::MAX_RANGES, m!("more than 10,000 ranges"));
                for pair in ranges.elements() {
                    let (start, end) = self.range(pair, modulus);
                    arms.push(Arm {
                        start,
                        end,
                        variant,
                    });
                }
            }
        }
        if by_weight && by_range {
            self.wrong(json, m!("arms have either all `weight` or all `ranges`"));
        }
        by_range
    }

    fn check_ranges(&mut self, json: Json<'d>, arms: &mut [Arm]) {
        if arms.is_empty() || arms.len() > limits::MAX_RANGES {
            self.wrong(json, m!("expected 1 to 10,000 ranges"));
        }
        sort_by(arms, |a, b| a.start.cmp(&b.start));
        let mut end = 0;
        for arm in arms {
            if arm.start < end {
                self.wrong(json, m!("ranges of arms overlap"));
            }
            end = arm.end;
        }
    }

    fn weight(&mut self, json: Json<'d>) -> u64 {
        let wrong = m!("expected an integer from 0 to 1000000000");
        self.integer(json, 0, (0, 1_000_000_000), wrong)
    }
}

const TOO_MANY_ARMS: Message = m!("more than 1,000 arms");

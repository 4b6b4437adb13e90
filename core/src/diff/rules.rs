//! Which rule of a flag became which.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::flag_set::{NONE, Rule, Span};

use super::meaning::Side;

/// The rules of one flag in both sets, in pairs.
pub(super) struct Matched {
    /// In the order of the new rules: the old place, and the new.
    pub(super) pairs: Vec<(u16, u16)>,
    pub(super) removed: Vec<u16>,
    pub(super) added: Vec<u16>,
}

/// Pairs rules of one id; of those without, the ones that say the same; what is left of those, in order.
pub(super) fn matched(old: &mut Side<'_>, new: &mut Side<'_>, flags: (u32, u32)) -> Matched {
    let before = entries(old, flags.0);
    let after = entries(new, flags.1);
    let mut partners: Vec<Option<u16>> = vec![None; after.len()];
    let mut taken = vec![false; before.len()];
    let keys: [fn(&Entry<'_>) -> Option<String>; 3] = [
        |entry| entry.id.map(Into::into),
        |entry| entry.id.is_none().then(|| entry.said.clone()),
        |entry| entry.id.is_none().then(String::new),
    ];
    for key in keys {
        // The first place stands last, to be popped first.
        let mut places: BTreeMap<String, Vec<u16>> = BTreeMap::new();
        for (at, (entry, taken)) in before.iter().zip(&taken).enumerate().rev() {
            if let Some(key) = key(entry).filter(|_| !taken) {
                places.entry(key).or_default().push(at as u16);
            }
        }
        for (entry, partner) in after.iter().zip(&mut partners) {
            if partner.is_none() {
                *partner = key(entry).and_then(|key| places.get_mut(&key)?.pop());
                let slot = partner.and_then(|partner| taken.get_mut(usize::from(partner)));
                if let Some(slot) = slot {
                    *slot = true;
                }
            }
        }
    }
    let mut matched = Matched {
        pairs: Vec::new(),
        removed: Vec::new(),
        added: Vec::new(),
    };
    for (at, partner) in partners.into_iter().enumerate() {
        match partner {
            Some(partner) => matched.pairs.push((partner, at as u16)),
            None => matched.added.push(at as u16),
        }
    }
    for (at, taken) in taken.into_iter().enumerate() {
        if !taken {
            matched.removed.push(at as u16);
        }
    }
    matched
}

struct Entry<'a> {
    id: Option<&'a str>,
    said: String,
}

fn entries<'a>(side: &mut Side<'a>, flag: u32) -> Vec<Entry<'a>> {
    let set = side.set;
    rules(side, flag)
        .iter()
        .map(|rule| Entry {
            id: (rule.id != NONE).then(|| set.tables.symbols.get(rule.id)),
            said: side.rule_said(flag, rule),
        })
        .collect()
}

/// The rules of a flag.
pub(super) fn rules<'a>(side: &Side<'a>, flag: u32) -> &'a [Rule] {
    let tables = &side.set.tables;
    let span = tables
        .flags
        .get(flag as usize)
        .map_or(Span::default(), |flag| Span {
            start: flag.rules,
            len: flag.rule_count.into(),
        });
    span.of(&tables.rules)
}

/// The pairs that stand in another order than before: the fewest that could have been moved to get from one
/// order to the other.
pub(super) fn moved(pairs: &[(u16, u16)]) -> Vec<(u16, u16)> {
    // Longest ascending run of old places: the last pair of the best run of each length, and whom each
    // pair follows in its run.
    let mut tails: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(pairs.len());
    let old = |at: usize| pairs.get(at).map(|(old, _)| *old);
    for at in 0..pairs.len() {
        let length = tails.partition_point(|tail| old(*tail) < old(at));
        before.push(
            length
                .checked_sub(1)
                .and_then(|last| tails.get(last).copied()),
        );
        match tails.get_mut(length) {
            Some(tail) => *tail = at,
            None => tails.push(at),
        }
    }
    let mut stays = vec![false; pairs.len()];
    let mut at = tails.last().copied();
    while let Some(place) = at {
        if let Some(stays) = stays.get_mut(place) {
            *stays = true;
        }
        at = before.get(place).copied().flatten();
    }
    let moved = pairs.iter().zip(stays).filter(|(_, stays)| !stays);
    moved.map(|(pair, _)| *pair).collect()
}

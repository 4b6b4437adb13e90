//! Differences as JSON. The members are documented in `docs/cli.md`.

use bucketry_core::{Action, Change, Movement, MovementCase, PhaseBreak, PhaseBreakKind, Share};
use serde::{Serialize, Serializer};

use super::{Differences, Side};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DifferencesJson<'a> {
    same: bool,
    old: SideJson<'a>,
    new: SideJson<'a>,
    changes: Vec<ChangeJson<'a>>,
    movements: Vec<MovementJson<'a>>,
    phase_breaks: Vec<PhaseBreakJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    units: Option<UnitsJson<'a>>,
}

#[derive(Serialize)]
struct SideJson<'a> {
    file: &'a str,
    revision: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChangeJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    flag: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_id: Option<&'a str>,
    action: &'static str,
    subject: &'static str,
    pointer: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<&'a str>,
}

#[derive(Serialize)]
struct MovementJson<'a> {
    flag: &'a str,
    cases: Vec<CaseJson<'a>>,
    /// Why the cases are not all.
    #[serde(skip_serializing_if = "Option::is_none")]
    gap: Option<&'a str>,
}

#[derive(Serialize)]
struct CaseJson<'a> {
    premises: Vec<PremiseJson<'a>>,
    moves: Vec<MoveJson<'a>>,
}

#[derive(Serialize)]
struct PremiseJson<'a> {
    condition: &'a str,
    holds: bool,
}

/// A variant of null is the caller's default.
#[derive(Serialize)]
struct MoveJson<'a> {
    from: Option<&'a str>,
    to: Option<&'a str>,
    share: ShareJson,
    exact: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhaseBreakJson<'a> {
    flag: &'a str,
    rule_index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_id: Option<&'a str>,
    experiment: &'a str,
    phase: u32,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    share: Option<ShareJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    of_assigned: Option<ShareJson>,
}

#[derive(Serialize)]
struct UnitsJson<'a> {
    count: u64,
    moves: Vec<UnitMoveJson<'a>>,
}

#[derive(Serialize)]
struct UnitMoveJson<'a> {
    flag: &'a str,
    from: Option<&'a str>,
    to: Option<&'a str>,
    units: u64,
}

/// A fraction of 1, as a double.
struct ShareJson(Share);

impl Serialize for ShareJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Both are at most 2^96: the quotient is right to 2^-52 of itself.
        serializer.serialize_f64(self.0.numerator() as f64 / self.0.denominator() as f64)
    }
}

pub(super) fn differences(differences: &Differences) -> DifferencesJson<'_> {
    DifferencesJson {
        same: differences.is_empty(),
        old: side(&differences.old),
        new: side(&differences.new),
        changes: differences.changes.iter().map(change).collect(),
        movements: differences.movements.iter().map(movement).collect(),
        phase_breaks: differences.phase_breaks.iter().map(phase_break).collect(),
        units: differences.counted.as_ref().map(|counted| UnitsJson {
            count: counted.units,
            moves: counted
                .moves
                .iter()
                .map(|moved| UnitMoveJson {
                    flag: &moved.flag,
                    from: moved.from.as_deref(),
                    to: moved.to.as_deref(),
                    units: moved.units,
                })
                .collect(),
        }),
    }
}

fn side(side: &Side) -> SideJson<'_> {
    SideJson {
        file: &side.name,
        revision: side.revision,
    }
}

fn change(change: &Change) -> ChangeJson<'_> {
    let rule = change.rule.as_ref();
    ChangeJson {
        flag: change.flag.as_deref(),
        rule_index: rule.map(|rule| rule.index),
        rule_id: rule.and_then(|rule| rule.id.as_deref()),
        action: match change.action {
            Action::Added => "added",
            Action::Removed => "removed",
            Action::Moved => "moved",
            _ => "changed",
        },
        subject: change.subject.as_str(),
        pointer: &change.place,
        before: change.before.as_deref(),
        after: change.after.as_deref(),
    }
}

fn movement(movement: &Movement) -> MovementJson<'_> {
    MovementJson {
        flag: &movement.flag,
        cases: movement.cases.iter().map(case).collect(),
        gap: movement.gap,
    }
}

fn case(case: &MovementCase) -> CaseJson<'_> {
    let premises = case.premises.iter().map(|premise| PremiseJson {
        condition: &premise.condition,
        holds: premise.holds,
    });
    let moves = case.moves.iter().map(|each| MoveJson {
        from: each.from.as_deref(),
        to: each.to.as_deref(),
        share: ShareJson(each.share),
        exact: each.exact,
    });
    CaseJson {
        premises: premises.collect(),
        moves: moves.collect(),
    }
}

fn phase_break(broken: &PhaseBreak) -> PhaseBreakJson<'_> {
    let (kind, from, to, shares) = match &broken.kind {
        PhaseBreakKind::Switched {
            from,
            to,
            share,
            of_assigned,
        } => ("switched", Some(from), Some(to), Some((share, of_assigned))),
        PhaseBreakKind::Left {
            from,
            share,
            of_assigned,
        } => ("left", Some(from), None, Some((share, of_assigned))),
        PhaseBreakKind::Targeting => ("targeting", None, None, None),
        _ => ("other", None, None, None),
    };
    PhaseBreakJson {
        flag: &broken.flag,
        rule_index: broken.rule.index,
        rule_id: broken.rule.id.as_deref(),
        experiment: &broken.experiment,
        phase: broken.phase,
        kind,
        from: from.map(String::as_str),
        to: to.map(String::as_str),
        share: shares.map(|(share, _)| ShareJson(*share)),
        of_assigned: shares.map(|(_, of_assigned)| ShareJson(*of_assigned)),
    }
}

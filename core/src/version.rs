//! Versions: Semantic Versioning 2.0.0, its precedence, and the loose reading of the flag set.

use core::cmp::Ordering;

/// Most numbers of a loose version.
const MAX_NUMBERS: usize = 8;

/// A version, as far as precedence looks at it: build metadata is checked and dropped.
///
/// There is no `Eq`: `1.0` read loosely and `1.0.0` have equal precedence and different text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Version<'a> {
    core: [u64; 3],
    /// What follows the third number of a loose version: empty, or each number after its dot.
    more: &'a [u8],
    /// Empty: a release.
    pre_release: &'a [u8],
}

impl<'a> Version<'a> {
    /// Reads a version that fills `text`.
    ///
    /// With `loose`: a leading `v` or `V`, one to eight numbers, and leading zeros everywhere, are
    /// allowed too. Each number is at most 2^64 - 1.
    pub(crate) fn parse(text: &'a [u8], loose: bool) -> Option<Self> {
        let mut rest = match text {
            [b'v' | b'V', rest @ ..] if loose => rest,
            _ => text,
        };
        let mut version = Self {
            core: [0; 3],
            more: &[],
            pre_release: &[],
        };
        let mut count = 0;
        for number in &mut version.core {
            (*number, rest) = take_number(rest, loose)?;
            count += 1;
            if count < 3 {
                match rest {
                    [b'.', after @ ..] => rest = after,
                    _ if loose => break,
                    _ => return None,
                }
            }
        }
        let more = rest;
        while loose && let [b'.', after @ ..] = rest {
            (_, rest) = take_number(after, loose)?;
            count += 1;
            if count > MAX_NUMBERS {
                return None;
            }
        }
        if rest.is_empty() && more.is_empty() {
            return Some(version);
        }
        version.more = more.get(..more.len() - rest.len())?;
        if let [b'-', after @ ..] = rest {
            let end = after
                .iter()
                .position(|byte| *byte == b'+')
                .unwrap_or(after.len());
            (version.pre_release, rest) = after.split_at_checked(end)?;
            check_identifiers(version.pre_release, !loose)?;
        }
        match rest {
            [] => {}
            [b'+', build @ ..] => check_identifiers(build, false)?,
            _ => return None,
        }
        Some(version)
    }

    /// The version as one number of the same order; [`Packed::NONE`] unless it is three numbers, none of them
    /// huge, and nothing else that precedence looks at.
    pub(crate) fn packed(&self) -> Packed {
        let [major, minor, patch] = self.core;
        let fits = major >> (64 - MINOR_BITS - PATCH_BITS) == 0
            && minor >> MINOR_BITS == 0
            && patch >> PATCH_BITS == 0;
        if fits && self.more.is_empty() && self.pre_release.is_empty() {
            Packed((major << MINOR_BITS | minor) << PATCH_BITS | patch)
        } else {
            Packed::NONE
        }
    }

    /// Precedence by section 11 of the specification; further numbers of loose versions follow the
    /// third, and missing ones are 0.
    pub(crate) fn cmp_precedence(&self, other: &Version<'_>) -> Ordering {
        self.core
            .cmp(&other.core)
            .then_with(|| cmp_more(self.more, other.more))
            .then_with(|| cmp_pre_release(self.pre_release, other.pre_release))
    }
}

/// Bits of the second number of a [`Packed`] version.
const MINOR_BITS: u32 = 18;
/// Bits of the third, which may be a date such as 20260131.
const PATCH_BITS: u32 = 26;

/// A version of three numbers, in one that orders as precedence does.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Packed(pub(crate) u64);

impl Packed {
    /// A version that does not fit. The one whose number this would be does not either.
    pub(crate) const NONE: Self = Self(u64::MAX);

    /// Reads what most versions are: three numbers and two dots, nothing that needs thought. None says that
    /// [`Version::parse`] has to look.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        // No number of so few digits overflows.
        if text.len() > 18 {
            return None;
        }
        let mut core = [0_u64; 3];
        let mut rest = text.iter();
        for (place, number) in core.iter_mut().enumerate() {
            *number = digit(*rest.next()?)?;
            loop {
                match rest.next() {
                    Some(b'.') if place < 2 => break,
                    // After a leading zero nothing follows.
                    Some(byte) if *number != 0 => *number = *number * 10 + digit(*byte)?,
                    None if place == 2 => break,
                    _ => return None,
                }
            }
        }
        let version = Version {
            core,
            more: &[],
            pre_release: &[],
        };
        Some(version.packed()).filter(|packed| *packed != Self::NONE)
    }

    pub(crate) const fn version(self) -> Version<'static> {
        Version {
            core: [
                self.0 >> MINOR_BITS >> PATCH_BITS,
                self.0 >> PATCH_BITS & ((1 << MINOR_BITS) - 1),
                self.0 & ((1 << PATCH_BITS) - 1),
            ],
            more: &[],
            pre_release: &[],
        }
    }

    /// The three numbers.
    pub(crate) const fn numbers(self) -> [u64; 3] {
        self.version().core
    }
}

/// What a comparator asks of the order of version and operand.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Comparison {
    /// `=`, or nothing.
    Equal,
    /// `!=`.
    NotEqual,
    /// `<`.
    Less,
    /// `<=`.
    LessOrEqual,
    /// `>`.
    Greater,
    /// `>=`.
    GreaterOrEqual,
}

impl Comparison {
    /// Whether `order`, of the value to the operand, is one that is asked for.
    #[inline]
    pub(crate) const fn holds(self, order: Ordering) -> bool {
        // What it asks for, as bits: less 1, equal 2, greater 4. A table, not a jump.
        let asked = match self {
            Self::Equal => 2,
            Self::NotEqual => 5,
            Self::Less => 1,
            Self::LessOrEqual => 3,
            Self::Greater => 4,
            Self::GreaterOrEqual => 6,
        };
        asked >> (order as i8 + 1) & 1 == 1
    }
}

/// The comparators of a text such as `>=2.1.0 <3.0.0`: one or more, single spaces between them.
///
/// Each is `None` if it does not read; an empty text has one, which does not.
pub(crate) fn comparators(
    text: &[u8],
    loose: bool,
) -> impl Iterator<Item = Option<(Comparison, Version<'_>)>> {
    text.split(|byte| *byte == b' ').map(move |comparator| {
        let (comparison, version) = match comparator {
            [b'!', b'=', version @ ..] => (Comparison::NotEqual, version),
            [b'<', b'=', version @ ..] => (Comparison::LessOrEqual, version),
            [b'>', b'=', version @ ..] => (Comparison::GreaterOrEqual, version),
            [b'=', version @ ..] => (Comparison::Equal, version),
            [b'<', version @ ..] => (Comparison::Less, version),
            [b'>', version @ ..] => (Comparison::Greater, version),
            version => (Comparison::Equal, version),
        };
        Some((comparison, Version::parse(version, loose)?))
    })
}

/// The number that `text` begins with, and what follows it.
fn take_number(text: &[u8], leading_zeros: bool) -> Option<(u64, &[u8])> {
    let (first, mut rest) = text.split_first()?;
    let mut number = digit(*first)?;
    while let Some((byte, after)) = rest.split_first()
        && let Some(digit) = digit(*byte)
    {
        if *first == b'0' && !leading_zeros {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(digit)?;
        rest = after;
    }
    Some((number, rest))
}

fn digit(byte: u8) -> Option<u64> {
    byte.is_ascii_digit().then(|| u64::from(byte - b'0'))
}

/// Dot-separated identifiers, none empty; numeric ones without leading zeros if `strict`.
fn check_identifiers(text: &[u8], strict: bool) -> Option<()> {
    text.split(|byte| *byte == b'.')
        .all(|identifier| {
            let alphabet = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
            let padded = identifier.len() > 1 && identifier.starts_with(b"0");
            !identifier.is_empty()
                && identifier.iter().all(alphabet)
                && !(strict && padded && is_numeric(identifier))
        })
        .then_some(())
}

fn is_numeric(identifier: &[u8]) -> bool {
    identifier.iter().all(u8::is_ascii_digit)
}

fn cmp_more(mut left: &[u8], mut right: &[u8]) -> Ordering {
    fn next<'a>(rest: &mut &'a [u8]) -> u64 {
        let number = rest
            .strip_prefix(b".")
            .and_then(|after: &'a [u8]| take_number(after, true));
        number.map_or(0, |(number, after)| {
            *rest = after;
            number
        })
    }
    while !left.is_empty() || !right.is_empty() {
        let order = next(&mut left).cmp(&next(&mut right));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

fn cmp_pre_release(left: &[u8], right: &[u8]) -> Ordering {
    if left.is_empty() || right.is_empty() {
        // A release comes after its pre-releases.
        return left.is_empty().cmp(&right.is_empty());
    }
    let mut others = right.split(|byte| *byte == b'.');
    for identifier in left.split(|byte| *byte == b'.') {
        // More identifiers come after fewer when all before are equal.
        let Some(other) = others.next() else {
            return Ordering::Greater;
        };
        let order = cmp_identifiers(identifier, other);
        if order.is_ne() {
            return order;
        }
    }
    if others.next().is_some() {
        Ordering::Less
    } else {
        Ordering::Equal
    }
}

fn cmp_identifiers(left: &[u8], right: &[u8]) -> Ordering {
    match (is_numeric(left), is_numeric(right)) {
        (true, true) => {
            // Any length: without leading zeros, the longer is the larger.
            let (left, right) = (significant(left), significant(right));
            left.len().cmp(&right.len()).then_with(|| left.cmp(right))
        }
        (false, false) => left.cmp(right),
        // Numeric ones come first.
        (left_numeric, right_numeric) => right_numeric.cmp(&left_numeric),
    }
}

fn significant(mut digits: &[u8]) -> &[u8] {
    while let [b'0', rest @ ..] = digits {
        digits = rest;
    }
    digits
}

/// Compares two texts as padded versions, which are keys for sorting: no version needs to be well-formed.
///
/// An empty text is `0`; a leading `v` and all from the first `+` on go; the rest is split at `-` and `.`; digits
/// alone are filled up with spaces to five; three parts get a fourth, `~`; joined by `-`, bytes decide.
/// Source: `growthbook/growthbook: packages/sdk-js/src/util.ts`, `paddedVersionString`.
#[cfg(feature = "imported")]
pub(crate) fn compare_padded(a: &[u8], b: &[u8]) -> Ordering {
    padded(a).cmp(padded(b))
}

#[cfg(feature = "imported")]
fn padded(text: &[u8]) -> impl Iterator<Item = u8> {
    let text = if text.is_empty() { b"0" } else { text };
    let text = text.strip_prefix(b"v").unwrap_or(text);
    let text = text.split(|byte| *byte == b'+').next().unwrap_or_default();
    let parts = text.split(|byte| matches!(byte, b'-' | b'.'));
    let last: &[u8] = if parts.clone().count() == 3 {
        b"-~"
    } else {
        b""
    };
    let parts = parts.enumerate().flat_map(|(place, part)| {
        let digits = !part.is_empty() && part.iter().all(u8::is_ascii_digit);
        let spaces = if digits {
            5_usize.saturating_sub(part.len())
        } else {
            0
        };
        let separator = core::iter::repeat_n(b'-', usize::from(place > 0));
        separator
            .chain(core::iter::repeat_n(b' ', spaces))
            .chain(part.iter().copied())
    });
    parts.chain(last.iter().copied())
}

#[cfg(test)]
mod tests;

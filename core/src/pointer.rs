//! Attributes inside attributes: JSON pointers (RFC 6901) into a context.

use alloc::borrow::Cow;

use crate::value::AttributeValue;

/// The value that a JSON pointer leads to.
pub(crate) fn follow<'v, 'a>(
    attributes: &'v [(Cow<'a, str>, AttributeValue<'a>)],
    pointer: &[u8],
) -> Option<&'v AttributeValue<'a>> {
    let mut tokens = pointer.split(|&byte| byte == b'/').skip(1);
    let first = tokens.next()?;
    tokens.try_fold(member(attributes, first)?, step)
}

/// What a JSON pointer leads to from a value: itself, when it is empty.
#[cfg(feature = "imported")]
pub(crate) fn descend<'v, 'a>(
    value: &'v AttributeValue<'a>,
    pointer: &[u8],
) -> Option<&'v AttributeValue<'a>> {
    let mut tokens = pointer.split(|&byte| byte == b'/').skip(1);
    tokens.try_fold(value, step)
}

fn step<'v, 'a>(value: &'v AttributeValue<'a>, token: &[u8]) -> Option<&'v AttributeValue<'a>> {
    match value {
        AttributeValue::Object(members) => member(members, token),
        AttributeValue::Array(elements) => elements.get(array_index(token)?),
        _ => None,
    }
}

fn member<'v, 'a>(
    members: &'v [(Cow<'a, str>, AttributeValue<'a>)],
    token: &[u8],
) -> Option<&'v AttributeValue<'a>> {
    members
        .iter()
        .rev()
        .find(|(name, _)| token_is(token, name.as_bytes()))
        .map(|(_, value)| value)
}

/// Whether a pointer token, with `~0` for `~` and `~1` for `/`, is this name.
fn token_is(token: &[u8], name: &[u8]) -> bool {
    let mut token = token.iter();
    let mut name = name.iter();
    loop {
        let wanted = match token.next() {
            Some(b'~') => match token.next() {
                Some(b'0') => Some(&b'~'),
                Some(b'1') => Some(&b'/'),
                _ => return false,
            },
            byte => byte,
        };
        match (wanted, name.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if a == b => {}
            _ => return false,
        }
    }
}

/// An array index of RFC 6901: digits without leading zero.
fn array_index(token: &[u8]) -> Option<usize> {
    if token.is_empty() || token.len() > 9 || token.len() > 1 && token.first() == Some(&b'0') {
        return None;
    }
    token.iter().try_fold(0, |index, byte| {
        byte.is_ascii_digit()
            .then(|| index * 10 + usize::from(byte - b'0'))
    })
}

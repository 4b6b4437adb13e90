//! Reading members of objects, with a pointer for whatever is wrong.

use alloc::string::String;

use crate::bucketing::enrol_cut;
use crate::json::{Json, Kind, push_pointer_token};
use crate::limits;
use crate::number::parse_percent;
use crate::schema;
use crate::time::parse_rfc3339;

/// One thing wrong, and where. The pointer is made when it is known what it is needed for: a document may
/// hold 100,000 broken flags, and the way from the root to the last is long.
pub(super) struct Issue<'d> {
    at: Json<'d>,
    /// A member of `at` that is wrong by its name.
    member: Option<&'d str>,
    pub(super) message: String,
}

pub(super) type Load<'d, T> = Result<T, Issue<'d>>;

#[cold]
pub(super) fn issue<'d>(at: Json<'d>, message: &[&str]) -> Issue<'d> {
    Issue {
        at,
        member: None,
        message: message.concat(),
    }
}

impl<'d> Issue<'d> {
    /// The JSON pointer to the place. `base`, if the place lies in it, saves searching from the root; its own
    /// pointer is `/` `kind` `/` `name`.
    pub(super) fn pointer(&self, base: Option<(Json<'d>, &str, &str)>) -> String {
        let mut pointer = match base {
            Some((base, kind, name)) if self.at.is_in(base) => {
                let mut pointer = String::new();
                push_pointer_token(&mut pointer, kind);
                push_pointer_token(&mut pointer, name);
                self.at.pointer_from(base, &mut pointer);
                pointer
            }
            _ => self.at.pointer(),
        };
        if let Some(member) = self.member {
            push_pointer_token(&mut pointer, member);
        }
        pointer
    }
}

/// The members of an object by name; an unknown or a double one is an error.
pub(super) fn fields<'d, const N: usize>(
    json: Json<'d>,
    names: &[&str; N],
) -> Load<'d, [Option<Json<'d>>; N]> {
    let mut found = [None; N];
    fill_fields(json, names, &mut found)?;
    Ok(found)
}

/// The body of [`fields`], compiled once.
fn fill_fields<'d>(json: Json<'d>, names: &[&str], found: &mut [Option<Json<'d>>]) -> Load<'d, ()> {
    if json.kind() != Kind::Object {
        return Err(issue(json, &["expected an object"]));
    }
    let mut check_doubles = false;
    for (member, value) in json.members() {
        let slot = names
            .iter()
            .position(|&name| name == member)
            .and_then(|at| found.get_mut(at));
        match slot {
            Some(slot) if slot.is_none() => *slot = Some(value),
            Some(_) => return Err(double(json, member)),
            None if schema::is_ignored(member) => check_doubles = true,
            None => return Err(unknown(value, member)),
        }
    }
    if check_doubles {
        no_doubles(json)?;
    }
    Ok(())
}

#[cold]
pub(super) fn unknown<'d>(value: Json<'d>, member: &str) -> Issue<'d> {
    issue(value, &["unknown member `", member, "`"])
}

#[cold]
pub(super) fn double<'d>(json: Json<'d>, member: &'d str) -> Issue<'d> {
    Issue {
        at: json,
        member: Some(member),
        message: ["duplicate member `", member, "`"].concat(),
    }
}

pub(super) fn no_doubles<'d>(json: Json<'d>) -> Load<'d, ()> {
    match json.duplicate_member() {
        Some(member) => Err(double(json, member)),
        None => Ok(()),
    }
}

pub(super) fn text<'d>(json: Json<'d>) -> Load<'d, &'d str> {
    json.as_str()
        .ok_or_else(|| issue(json, &["expected a string"]))
}

pub(super) fn boolean<'d>(json: Json<'d>) -> Load<'d, bool> {
    json.as_bool()
        .ok_or_else(|| issue(json, &["expected true or false"]))
}

/// A name: see `docs/flag-set.md`, section 1.
pub(super) fn name<'d>(json: Json<'d>) -> Load<'d, &'d str> {
    let name = text(json)?;
    check_name(json, name)?;
    Ok(name)
}

pub(super) fn check_name<'d>(at: Json<'d>, name: &str) -> Load<'d, ()> {
    if name.is_empty() || name.len() > limits::MAX_NAME_BYTES {
        return Err(issue(at, &["a name has 1 to 256 bytes"]));
    }
    no_controls(at, name)
}

pub(super) fn salt<'d>(json: Json<'d>) -> Load<'d, &'d str> {
    let salt = text(json)?;
    if salt.is_empty() || salt.len() > limits::MAX_SALT_BYTES {
        return Err(issue(json, &["a salt has 1 to 1,024 bytes"]));
    }
    no_controls(json, salt)?;
    Ok(salt)
}

fn no_controls<'d>(at: Json<'d>, text: &str) -> Load<'d, ()> {
    if text.bytes().any(|byte| byte < 0x20 || byte == 0x7F) {
        return Err(issue(at, &["control characters are not allowed here"]));
    }
    Ok(())
}

/// A percentage, as the exclusive bound of the enrolment position.
pub(super) fn percent<'d>(json: Json<'d>) -> Load<'d, u64> {
    let ppm = match json.kind() {
        Kind::Number => parse_percent(json.text().as_bytes()),
        _ => None,
    };
    ppm.map(enrol_cut).ok_or_else(|| {
        issue(
            json,
            &["expected a number from 0 to 100 with at most four decimals"],
        )
    })
}

/// A time, in milliseconds since 1970.
pub(super) fn time<'d>(json: Json<'d>) -> Load<'d, i64> {
    let millis = match json.as_str() {
        Some(text) => parse_rfc3339(text.as_bytes())
            .filter(|time| time.fraction_digits <= 3)
            .map(|time| time.millis.0),
        None => match json.number() {
            Some(crate::number::Number::Integer(millis)) => Some(millis),
            _ => None,
        },
    };
    millis.ok_or_else(|| {
        issue(
            json,
            &["expected a time: RFC 3339 with at most three fraction digits, or integer milliseconds since 1970"],
        )
    })
}

pub(super) fn array<'d>(json: Json<'d>, max: usize, too_many: &str) -> Load<'d, Json<'d>> {
    if json.kind() != Kind::Array {
        return Err(issue(json, &["expected an array"]));
    }
    if json.elements().count() > max {
        return Err(issue(json, &[too_many]));
    }
    Ok(json)
}

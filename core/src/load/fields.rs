//! Reading members of objects, and saying what is wrong with them.

use alloc::string::String;

use crate::bucketing::enrol_cut;
use crate::json::{Elements, Json, Kind, push_pointer_token};
use crate::limits;
use crate::messages::{Message, m};
use crate::number::{Number, parse_percent, write_u64};
use crate::schema;
use crate::time::parse_rfc3339;

use super::Loader;

/// One thing wrong, and where. Pointer and message are made when it is known what they are needed for: a
/// document may hold 100,000 broken flags, and the way from the root to the last is long.
pub(super) struct Issue<'d> {
    at: Json<'d>,
    message: Message,
    #[cfg(feature = "messages")]
    detail: String,
}

impl<'d> Issue<'d> {
    pub(super) fn new(at: Json<'d>, message: Message) -> Self {
        Self {
            at,
            message,
            #[cfg(feature = "messages")]
            detail: String::new(),
        }
    }

    pub(super) const fn code(&self) -> u8 {
        self.message.code()
    }

    /// What is wrong, for a person.
    #[cfg(not(feature = "messages"))]
    pub(super) fn message(&self) -> String {
        if self.message == Message::GIVEN {
            return concat(&[self.at.text()]);
        }
        let code = u64::from(self.code());
        concat(&["problem ", write_u64(code, &mut [0; 20])])
    }

    /// What is wrong, for a person.
    #[cfg(feature = "messages")]
    pub(super) fn message(&self) -> String {
        let mut message = String::new();
        for character in self.message.template().chars() {
            match character {
                '@' => message.push_str(self.at.text()),
                '#' => message.push_str(self.at.name()),
                '%' => message.push_str(&self.detail),
                _ => message.push(character),
            }
        }
        message
    }

    /// The JSON pointer to the place, searched from the root.
    pub(super) fn pointer_from_root(&self) -> String {
        self.at.pointer()
    }

    /// The JSON pointer to the place, which is in `base` or stands beside it. `prefix` is the pointer to the object
    /// that `base` is a member of: searching from the root would be a long way, which a hostile
    /// document makes us go a thousand times.
    pub(super) fn pointer(&self, prefix: &str, base: Json<'d>) -> String {
        let base = if self.at.is_in(base) { base } else { self.at };
        let mut pointer = String::from(prefix);
        push_pointer_token(&mut pointer, base.name());
        self.at.pointer_from(base, &mut pointer);
        pointer
    }
}

/// What is wrong with what is being read. Only what was found first is told: reading goes on with
/// defaults, and what comes of it is thrown away. Neither a caller nor the code that a browser loads has to step
/// out of every reading that may fail.
pub(super) struct Problem<'d> {
    pub(super) issue: Issue<'d>,
    /// How many references there were before.
    pub(super) edges: usize,
}

impl<'d> Loader<'d> {
    #[cold]
    #[inline(never)]
    pub(super) fn wrong(&mut self, at: Json<'d>, message: Message) {
        self.wrong_with(at, message, &[]);
    }

    /// With the parts of a list in the message's place of the detail.
    #[cold]
    #[inline(never)]
    pub(super) fn wrong_with(&mut self, at: Json<'d>, message: Message, detail: &[&str]) {
        if self.problem.is_some() {
            return;
        }
        #[cfg_attr(
            not(feature = "messages"),
            expect(unused_mut, reason = "has no detail")
        )]
        let mut issue = Issue::new(at, message);
        #[cfg(not(feature = "messages"))]
        let _ = detail;
        #[cfg(feature = "messages")]
        for part in detail {
            if !issue.detail.is_empty() {
                issue.detail.push_str(", ");
            }
            issue.detail.push_str(part);
        }
        self.problem = Some(Problem {
            issue,
            edges: self.edges.len(),
        });
    }

    pub(super) fn is_wrong(&self) -> bool {
        self.problem.is_some()
    }

    /// The members of an object by name; an unknown or a double one is wrong.
    pub(super) fn fields<const N: usize>(
        &mut self,
        json: Json<'d>,
        names: &[&str; N],
    ) -> [Json<'d>; N] {
        let mut found = [json.absent(); N];
        self.fill_fields(json, names, &mut found);
        found
    }

    /// The body of [`fields`](Self::fields), compiled once.
    #[inline(never)]
    fn fill_fields(&mut self, json: Json<'d>, names: &[&str], found: &mut [Json<'d>]) {
        if !self.is_object(json) {
            return;
        }
        let mut check_doubles = false;
        for (member, value) in json.members() {
            let slot = names
                .iter()
                .position(|&name| name == member)
                .and_then(|at| found.get_mut(at));
            match slot {
                Some(slot) if slot.exists() => self.wrong(value, DOUBLE),
                Some(slot) => *slot = value,
                None if schema::is_ignored(member) => check_doubles = true,
                None => self.wrong(value, UNKNOWN),
            }
        }
        if check_doubles {
            self.no_doubles(json);
        }
    }

    pub(super) fn is_object(&mut self, json: Json<'d>) -> bool {
        let is_object = json.kind() == Kind::Object;
        if !is_object {
            self.wrong(json, m!("expected an object"));
        }
        is_object
    }

    #[inline(never)]
    pub(super) fn no_doubles(&mut self, json: Json<'d>) {
        if let Some(second) = json.duplicate() {
            self.wrong(second, DOUBLE);
        }
    }

    /// A member that must be there.
    pub(super) fn need(&mut self, json: Json<'d>, parent: Json<'d>, missing: Message) -> bool {
        if !json.exists() {
            self.wrong(parent, missing);
        }
        json.exists()
    }

    #[inline(never)]
    pub(super) fn text(&mut self, json: Json<'d>) -> &'d str {
        if json.kind() != Kind::String {
            self.wrong(json, m!("expected a string"));
        }
        json.text()
    }

    #[inline(never)]
    pub(super) fn boolean(&mut self, json: Json<'d>, default: bool) -> bool {
        let value = json.as_bool();
        if value.is_none() && json.exists() {
            self.wrong(json, m!("expected true or false"));
        }
        value.unwrap_or(default)
    }

    /// An integer of a range; a default if it is absent.
    #[inline(never)]
    pub(super) fn integer(
        &mut self,
        json: Json<'d>,
        default: u64,
        range: (u64, u64),
        wrong: Message,
    ) -> u64 {
        if !json.exists() {
            return default;
        }
        let value = json.as_u64(range.1).filter(|value| *value >= range.0);
        if value.is_none() {
            self.wrong(json, wrong);
        }
        value.unwrap_or(default)
    }

    /// A name: see `docs/flag-set.md`, section 1.
    pub(super) fn name(&mut self, json: Json<'d>) -> &'d str {
        let name = self.text(json);
        self.check_name(json, name);
        name
    }

    pub(super) fn check_name(&mut self, at: Json<'d>, name: &str) {
        let bound = m!("a name has 1 to 256 bytes");
        self.check_text(at, name, limits::MAX_NAME_BYTES, bound);
    }

    pub(super) fn salt(&mut self, json: Json<'d>) -> &'d str {
        let salt = self.text(json);
        let bound = m!("a salt has 1 to 1,024 bytes");
        self.check_length(json, salt, limits::MAX_SALT_BYTES, bound);
        // Formulas of imported flags have line feeds in their salts.
        if salt.bytes().any(|byte| is_control(byte) && byte != b'\n') {
            self.wrong(json, CONTROL);
        }
        salt
    }

    #[inline(never)]
    fn check_text(&mut self, at: Json<'d>, text: &str, max: usize, bound: Message) {
        self.check_length(at, text, max, bound);
        if text.bytes().any(is_control) {
            self.wrong(at, CONTROL);
        }
    }

    fn check_length(&mut self, at: Json<'d>, text: &str, max: usize, bound: Message) {
        if text.is_empty() || text.len() > max {
            self.wrong(at, bound);
        }
    }

    /// A percentage, as the exclusive bound of the enrolment position.
    pub(super) fn percent(&mut self, json: Json<'d>) -> u64 {
        let ppm = match json.kind() {
            Kind::Number => parse_percent(json.text().as_bytes()),
            _ => None,
        };
        if ppm.is_none() {
            self.wrong(
                json,
                m!("expected a number from 0 to 100 with at most four decimals"),
            );
        }
        ppm.map_or(0, enrol_cut)
    }

    /// A time, in milliseconds since 1970.
    #[inline(never)]
    pub(super) fn time(&mut self, json: Json<'d>) -> i64 {
        let millis = match json.as_str() {
            Some(text) => parse_rfc3339(text.as_bytes())
                .filter(|time| time.fraction_digits <= 3)
                .map(|time| time.millis.0),
            None => match json.number() {
                Some(Number::Integer(millis)) => Some(millis),
                _ => None,
            },
        };
        if millis.is_none() {
            self.wrong(
                json,
                m!("expected a time: RFC 3339 with at most three fraction digits, or integer milliseconds since 1970"),
            );
        }
        millis.unwrap_or_default()
    }

    /// An array; absent if it is none, or too long.
    #[inline(never)]
    pub(super) fn array(&mut self, json: Json<'d>, max: usize, too_many: Message) -> Json<'d> {
        if json.kind() != Kind::Array {
            self.wrong(json, m!("expected an array"));
        } else if json.elements().count() > max {
            self.wrong(json, too_many);
        } else {
            return json;
        }
        json.absent()
    }

    /// What stands for a list of strings: one of them, or an array.
    pub(super) fn one_or_array(
        &mut self,
        json: Json<'d>,
        max: usize,
        too_many: Message,
    ) -> Elements<'d> {
        if json.kind() == Kind::String {
            json.alone()
        } else {
            self.array(json, max, too_many).elements()
        }
    }

    /// A word's place in a fixed list; 0 if it is absent.
    #[inline(never)]
    pub(super) fn one_of(&mut self, json: Json<'d>, words: &[&str]) -> usize {
        if !json.exists() {
            return 0;
        }
        let word = self.text(json);
        for (place, known) in words.iter().enumerate() {
            if *known == word {
                return place;
            }
        }
        self.wrong_with(json, m!("expected one of: %"), words);
        0
    }

    /// A pair `[start, end]` with `start < end <= max`.
    #[inline(never)]
    pub(super) fn range(&mut self, json: Json<'d>, max: u64) -> (u64, u64) {
        let mut elements = json.elements();
        if let (Some(start), Some(end), None) = (elements.next(), elements.next(), elements.next())
            && let (Some(start), Some(end)) = (start.as_u64(max), end.as_u64(max))
            && start < end
        {
            return (start, end);
        }
        self.wrong_with(
            json,
            m!("expected [start, end], integers with start < end <= %"),
            &[write_u64(max, &mut [0; 20])],
        );
        (0, 1)
    }
}

const CONTROL: Message = m!("control characters are not allowed here");

fn is_control(byte: u8) -> bool {
    byte < 0x20 || byte == 0x7F
}

pub(super) const UNKNOWN: Message = m!("unknown member `#`");
pub(super) const DOUBLE: Message = m!("duplicate member `#`");

/// As `concat` of a slice, which brings overflow checks and their messages.
pub(super) fn concat(parts: &[&str]) -> String {
    let mut text = String::new();
    for part in parts {
        text.push_str(part);
    }
    text
}

//! A JSON reader: text in, a flat tree of nodes that borrow from it out.
//!
//! The core reads JSON itself because what it needs is small and particular: exact numbers, a JSON
//! pointer for every message, duplicate members seen, bounded depth, and a few kilobytes in a browser.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::json_write::push_string;
use crate::limits;
use crate::number::{Number, is_number, parse_json_number, write_u64};
use crate::sort::sort_by;

/// The kind of a JSON value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Kind {
    Null,
    True,
    False,
    Number,
    String,
    Array,
    Object,
}

/// Where the text of a string is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    Source,
    Unescaped,
}

/// One value. The children of a container follow it; `next` is the node after all of them. The members
/// of an object are pairs of nodes: the name, then the value.
#[derive(Clone, Copy, Debug)]
struct Node {
    kind: Kind,
    place: Place,
    start: u32,
    end: u32,
    next: u32,
}

/// A parsed text.
#[derive(Debug)]
pub struct Document<'s> {
    source: &'s str,
    unescaped: String,
    nodes: Vec<Node>,
}

/// Why a text is not JSON, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SyntaxError {
    /// Line of the offending character, from 1.
    pub line: usize,
    /// Column of the offending character in characters, from 1.
    pub column: usize,
    /// What is wrong there.
    pub problem: SyntaxProblem,
}

/// What is wrong with a text that should be JSON.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SyntaxProblem {
    /// The text is longer than this many bytes.
    TooLarge(usize),
    /// Arrays and objects nest deeper than [`limits::MAX_DEPTH`].
    TooDeep,
    /// The bytes are not UTF-8.
    NotUtf8,
    /// The text ends in the middle of a value.
    UnexpectedEnd,
    /// This character cannot stand here; the text says what could.
    Expected(&'static str),
    /// A string holds a control character that must be escaped.
    ControlCharacter,
    /// An escape sequence in a string is not one, or half of a surrogate pair.
    Escape,
    /// Something follows after the value.
    TrailingText,
}

impl fmt::Display for SyntaxProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(bound) => write!(f, "the text is longer than {bound} bytes"),
            Self::TooDeep => write!(f, "values nest deeper than {} levels", limits::MAX_DEPTH),
            Self::NotUtf8 => f.write_str("the bytes are not UTF-8"),
            Self::UnexpectedEnd => f.write_str("the text ends in the middle of a value"),
            Self::Expected(what) => write!(f, "expected {what}"),
            Self::ControlCharacter => f.write_str("unescaped control character in a string"),
            Self::Escape => f.write_str("invalid escape sequence in a string"),
            Self::TrailingText => f.write_str("unexpected text after the value"),
        }
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let SyntaxProblem::TooLarge(_) = self.problem {
            return self.problem.fmt(f);
        }
        write!(
            f,
            "{} at line {} column {}",
            self.problem, self.line, self.column
        )
    }
}

impl core::error::Error for SyntaxError {}

impl<'s> Document<'s> {
    /// Parses a text of at most `max_bytes`.
    ///
    /// # Errors
    ///
    /// [`SyntaxError`] when the text is longer, nests too deep, or is not JSON in UTF-8.
    pub fn parse(bytes: &'s [u8], max_bytes: usize) -> Result<Self, SyntaxError> {
        if bytes.len() > max_bytes {
            return Err(SyntaxError {
                line: 1,
                column: 1,
                problem: SyntaxProblem::TooLarge(max_bytes),
            });
        }
        let source = core::str::from_utf8(bytes)
            .map_err(|error| locate(bytes, error.valid_up_to(), SyntaxProblem::NotUtf8))?;
        let mut parser = Parser {
            bytes,
            at: 0,
            document: Document {
                source,
                unescaped: String::new(),
                // One node to 12 bytes of text is what flag sets come to.
                nodes: Vec::with_capacity(bytes.len() / 12 + 1),
            },
        };
        match parser.text() {
            Ok(()) => Ok(parser.document),
            Err(problem) => Err(locate(bytes, parser.at, problem)),
        }
    }

    /// The value that the text is.
    pub fn root(&self) -> Json<'_> {
        Json {
            document: self,
            index: 0,
        }
    }
}

fn locate(bytes: &[u8], at: usize, problem: SyntaxProblem) -> SyntaxError {
    let before = bytes.get(..at).unwrap_or(bytes);
    let line_start = before
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |newline| newline + 1);
    let starts_character = |byte: &&u8| **byte & 0xC0 != 0x80;
    SyntaxError {
        line: before.iter().filter(|&&byte| byte == b'\n').count() + 1,
        column: before
            .iter()
            .skip(line_start)
            .filter(starts_character)
            .count()
            + 1,
        problem,
    }
}

struct Parser<'s> {
    bytes: &'s [u8],
    at: usize,
    document: Document<'s>,
}

type Parsed = Result<(), SyntaxProblem>;

impl Parser<'_> {
    fn text(&mut self) -> Parsed {
        // A byte order mark is allowed by RFC 8259 section 8.1 to be ignored.
        if self.bytes.starts_with(&[0xEF, 0xBB, 0xBF]) {
            self.at = 3;
        }
        self.value(0)?;
        self.white_space();
        if self.at < self.bytes.len() {
            return Err(SyntaxProblem::TrailingText);
        }
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn white_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn push(&mut self, kind: Kind, start: usize, end: usize) -> usize {
        let index = self.document.nodes.len();
        self.document.nodes.push(Node {
            kind,
            place: Place::Source,
            start: offset(start),
            end: offset(end),
            next: offset(index + 1),
        });
        index
    }

    fn value(&mut self, depth: u32) -> Parsed {
        self.white_space();
        let start = self.at;
        match self.peek() {
            None => Err(SyntaxProblem::UnexpectedEnd),
            Some(b'"') => self.string(),
            Some(b'{') => self.container(Kind::Object, depth),
            Some(b'[') => self.container(Kind::Array, depth),
            Some(b't') => self.word(b"true", Kind::True),
            Some(b'f') => self.word(b"false", Kind::False),
            Some(b'n') => self.word(b"null", Kind::Null),
            Some(b'-' | b'0'..=b'9') => {
                while let Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E') = self.peek() {
                    self.at += 1;
                }
                if !is_number(self.bytes.get(start..self.at).unwrap_or_default()) {
                    self.at = start;
                    return Err(SyntaxProblem::Expected("a number as JSON writes it"));
                }
                self.push(Kind::Number, start, self.at);
                Ok(())
            }
            Some(_) => Err(SyntaxProblem::Expected("a value")),
        }
    }

    fn word(&mut self, word: &'static [u8], kind: Kind) -> Parsed {
        let start = self.at;
        let end = start + word.len();
        match self.bytes.get(start..end) {
            Some(found) if found == word => {
                self.at = end;
                self.push(kind, start, end);
                Ok(())
            }
            _ => Err(SyntaxProblem::Expected("a value")),
        }
    }

    fn container(&mut self, kind: Kind, depth: u32) -> Parsed {
        if depth == limits::MAX_DEPTH {
            return Err(SyntaxProblem::TooDeep);
        }
        let close = if kind == Kind::Object { b'}' } else { b']' };
        let start = self.at;
        let index = self.push(kind, start, start);
        self.at += 1;
        self.white_space();
        if self.peek() == Some(close) {
            self.at += 1;
        } else {
            loop {
                if kind == Kind::Object {
                    self.white_space();
                    match self.peek() {
                        Some(b'"') => self.string()?,
                        Some(_) => return Err(SyntaxProblem::Expected("a member name in quotes")),
                        None => return Err(SyntaxProblem::UnexpectedEnd),
                    }
                    self.white_space();
                    match self.peek() {
                        Some(b':') => self.at += 1,
                        Some(_) => return Err(SyntaxProblem::Expected("`:`")),
                        None => return Err(SyntaxProblem::UnexpectedEnd),
                    }
                }
                self.value(depth + 1)?;
                self.white_space();
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(byte) if byte == close => {
                        self.at += 1;
                        break;
                    }
                    Some(_) if kind == Kind::Object => {
                        return Err(SyntaxProblem::Expected("`,` or `}`"));
                    }
                    Some(_) => return Err(SyntaxProblem::Expected("`,` or `]`")),
                    None => return Err(SyntaxProblem::UnexpectedEnd),
                }
            }
        }
        let next = offset(self.document.nodes.len());
        let end = offset(self.at);
        if let Some(node) = self.document.nodes.get_mut(index) {
            node.next = next;
            node.end = end;
        }
        Ok(())
    }

    fn string(&mut self) -> Parsed {
        self.at += 1;
        let start = self.at;
        loop {
            match self.peek() {
                None => return Err(SyntaxProblem::UnexpectedEnd),
                Some(b'"') => {
                    self.push(Kind::String, start, self.at);
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => return self.escaped_string(start),
                Some(0..=0x1F) => return Err(SyntaxProblem::ControlCharacter),
                Some(_) => self.at += 1,
            }
        }
    }

    /// A string with escapes: its text is copied, unescaped, to the document's own buffer.
    fn escaped_string(&mut self, start: usize) -> Parsed {
        let unescaped = self.document.unescaped.len();
        let mut plain = start;
        loop {
            match self.peek() {
                None => return Err(SyntaxProblem::UnexpectedEnd),
                Some(0..=0x1F) => return Err(SyntaxProblem::ControlCharacter),
                Some(byte @ (b'"' | b'\\')) => {
                    let text = self.document.source.get(plain..self.at).unwrap_or_default();
                    self.document.unescaped.push_str(text);
                    self.at += 1;
                    if byte == b'"' {
                        let index =
                            self.push(Kind::String, unescaped, self.document.unescaped.len());
                        if let Some(node) = self.document.nodes.get_mut(index) {
                            node.place = Place::Unescaped;
                        }
                        return Ok(());
                    }
                    let character = self.escape()?;
                    self.document.unescaped.push(character);
                    plain = self.at;
                }
                Some(_) => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<char, SyntaxProblem> {
        let byte = self.peek().ok_or(SyntaxProblem::UnexpectedEnd)?;
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{C}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.hex4()?;
                let code = if first & 0xFC00 == 0xD800 {
                    if self.bytes.get(self.at..self.at + 2) != Some(b"\\u") {
                        return Err(SyntaxProblem::Escape);
                    }
                    self.at += 2;
                    let second = self.hex4()?;
                    if second & 0xFC00 != 0xDC00 {
                        return Err(SyntaxProblem::Escape);
                    }
                    0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00)
                } else {
                    first
                };
                char::from_u32(code).ok_or(SyntaxProblem::Escape)?
            }
            _ => return Err(SyntaxProblem::Escape),
        })
    }

    fn hex4(&mut self) -> Result<u32, SyntaxProblem> {
        let mut code = 0;
        for _ in 0..4 {
            let byte = self.peek().ok_or(SyntaxProblem::UnexpectedEnd)?;
            let digit = char::from(byte).to_digit(16).ok_or(SyntaxProblem::Escape)?;
            code = code << 4 | digit;
            self.at += 1;
        }
        Ok(code)
    }
}

/// Texts are at most [`limits::MAX_DOCUMENT_BYTES`] long, so that their offsets fit.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// One value of a [`Document`].
#[derive(Clone, Copy, Debug)]
pub struct Json<'d> {
    document: &'d Document<'d>,
    index: u32,
}

impl<'d> Json<'d> {
    fn node(self) -> &'d Node {
        static NULL: Node = Node {
            kind: Kind::Null,
            place: Place::Source,
            start: 0,
            end: 0,
            next: u32::MAX,
        };
        self.document
            .nodes
            .get(self.index as usize)
            .unwrap_or(&NULL)
    }

    fn at(self, index: u32) -> Self {
        Self { index, ..self }
    }

    /// What stands for a member that is not there: null, and nowhere.
    pub(crate) fn absent(self) -> Self {
        self.at(u32::MAX - 1)
    }

    /// Whether this is not [`absent`](Self::absent).
    pub(crate) fn exists(self) -> bool {
        self.index != u32::MAX - 1
    }

    /// The name of the member that this is the value of.
    pub(crate) fn name(self) -> &'d str {
        self.at(self.index.wrapping_sub(1)).text()
    }

    /// The first member of this name, or what is [`absent`](Self::absent).
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub(crate) fn member(self, name: &str) -> Self {
        for (known, value) in self.members() {
            if known == name {
                return value;
            }
        }
        self.absent()
    }

    /// This value as the only one of a list.
    pub(crate) fn alone(self) -> Elements<'d> {
        Elements {
            json: self,
            end: self.index + 1,
        }
    }

    /// What kind of value this is.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub fn kind(self) -> Kind {
        self.node().kind
    }

    /// The text of a string; of anything else its JSON as it stands in the source.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub fn text(self) -> &'d str {
        let node = self.node();
        let text: &'d str = match node.place {
            Place::Source => self.document.source,
            Place::Unescaped => &self.document.unescaped,
        };
        text.get(node.start as usize..node.end as usize)
            .unwrap_or_default()
    }

    /// The text, if this is a string.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub fn as_str(self) -> Option<&'d str> {
        (self.kind() == Kind::String).then(|| self.text())
    }

    /// The boolean, if this is one.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub fn as_bool(self) -> Option<bool> {
        match self.kind() {
            Kind::True => Some(true),
            Kind::False => Some(false),
            _ => None,
        }
    }

    /// The number, if this is one that is in range.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub(crate) fn number(self) -> Option<Number> {
        if self.kind() != Kind::Number {
            return None;
        }
        parse_json_number(self.text().as_bytes())
    }

    /// The integer, if this is one and lies in `0..=max`.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub(crate) fn as_u64(self, max: u64) -> Option<u64> {
        match self.number()? {
            Number::Integer(value) => u64::try_from(value).ok().filter(|&value| value <= max),
            Number::Double(_) => None,
        }
    }

    /// The elements, if this is an array; none otherwise.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub fn elements(self) -> Elements<'d> {
        let node = self.node();
        let end = if node.kind == Kind::Array {
            node.next
        } else {
            self.index + 1
        };
        Elements {
            json: self.at(self.index + 1),
            end,
        }
    }

    /// The members, if this is an object; none otherwise.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub fn members(self) -> Members<'d> {
        let node = self.node();
        let end = if node.kind == Kind::Object {
            node.next
        } else {
            self.index + 1
        };
        Members {
            json: self.at(self.index + 1),
            end,
        }
    }

    /// The second of two members of one name, if this object has such.
    pub fn duplicate_member(self) -> Option<&'d str> {
        self.duplicate().map(Self::name)
    }

    /// The value of the second of two members of one name, if this object has such.
    pub(crate) fn duplicate(self) -> Option<Self> {
        const FEW: usize = 16;
        for (count, (name, value)) in self.members().enumerate() {
            if count == FEW {
                return self.duplicate_of_many();
            }
            if self.members().take(count).any(|(before, _)| before == name) {
                return Some(value);
            }
        }
        None
    }

    /// Comparing each with each would let a hostile document stall the loader.
    #[inline(never)]
    fn duplicate_of_many(self) -> Option<Self> {
        let mut values = Vec::new();
        for (_, value) in self.members() {
            values.push(value);
        }
        sort_by(&mut values, |a, b| {
            a.name().cmp(b.name()).then(a.index.cmp(&b.index))
        });
        let mut before: Option<Self> = None;
        for value in values {
            if before.is_some_and(|before| before.name() == value.name()) {
                return Some(value);
            }
            before = Some(value);
        }
        None
    }

    /// The JSON pointer (RFC 6901) to this value.
    pub(crate) fn pointer(self) -> String {
        let mut pointer = String::new();
        self.pointer_from(self.at(0), &mut pointer);
        pointer
    }

    /// Whether this value is `base` or lies in it.
    pub(crate) fn is_in(self, base: Self) -> bool {
        (base.index..base.node().next).contains(&self.index)
    }

    /// Appends the way from `base`, which this value lies in. Takes time in proportion to what of `base`
    /// lies before this value.
    pub(crate) fn pointer_from(self, base: Self, pointer: &mut String) {
        let mut node = base;
        while node.index != self.index {
            let mut child = None;
            for (name, value) in node.members() {
                // A member's name lies before its value and is in none: the pointer ends at the object.
                if self.is_in(value) {
                    push_pointer_token(pointer, name);
                    child = Some(value);
                }
                if value.index >= self.index || child.is_some() {
                    break;
                }
            }
            for (position, value) in node.elements().enumerate() {
                if self.is_in(value) {
                    pointer.push('/');
                    pointer.push_str(write_u64(position as u64, &mut [0; 20]));
                    child = Some(value);
                    break;
                }
            }
            match child {
                Some(child) => node = child,
                None => return,
            }
        }
    }

    /// Appends this value's JSON to `out`, without white space between tokens.
    pub fn minify_to(self, out: &mut String) {
        if self.kind() == Kind::String {
            // A string's node is what stands between its quotes.
            let mut quoted = Vec::new();
            push_string(&mut quoted, self.text());
            out.push_str(core::str::from_utf8(&quoted).unwrap_or_default());
            return;
        }
        let node = self.node();
        let text = self
            .document
            .source
            .get(node.start as usize..node.end as usize)
            .unwrap_or_default();
        let mut in_string = false;
        let mut escaped = false;
        let mut plain = 0;
        for (at, byte) in text.bytes().enumerate() {
            if in_string {
                if escaped {
                    escaped = false;
                } else if byte == b'\\' {
                    escaped = true;
                } else if byte == b'"' {
                    in_string = false;
                }
            } else if byte == b'"' {
                in_string = true;
            } else if matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                out.push_str(text.get(plain..at).unwrap_or_default());
                plain = at + 1;
            }
        }
        out.push_str(text.get(plain..).unwrap_or_default());
    }
}

/// Appends `/` and a name, escaped as RFC 6901 asks.
pub fn push_pointer_token(pointer: &mut String, name: &str) {
    pointer.push('/');
    for character in name.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            _ => pointer.push(character),
        }
    }
}

/// The elements of an array.
#[derive(Clone, Debug)]
pub struct Elements<'d> {
    json: Json<'d>,
    end: u32,
}

impl<'d> Iterator for Elements<'d> {
    type Item = Json<'d>;

    #[cfg_attr(target_family = "wasm", inline(never))]
    fn next(&mut self) -> Option<Json<'d>> {
        if self.json.index >= self.end {
            return None;
        }
        let element = self.json;
        self.json.index = element.node().next;
        Some(element)
    }
}

/// The members of an object.
#[derive(Clone, Debug)]
pub struct Members<'d> {
    json: Json<'d>,
    end: u32,
}

impl<'d> Iterator for Members<'d> {
    type Item = (&'d str, Json<'d>);

    #[cfg_attr(target_family = "wasm", inline(never))]
    fn next(&mut self) -> Option<(&'d str, Json<'d>)> {
        if self.json.index >= self.end {
            return None;
        }
        let name = self.json.text();
        let value = self.json.at(self.json.index + 1);
        self.json.index = value.node().next;
        Some((name, value))
    }
}

//! Regular expressions: from ECMAScript's syntax without flags to the flag set's, with the same matches.
//!
//! `\d`, `\w` and `\b` are ASCII there and Unicode here, `.` and `\s` differ in which spaces and line ends they
//! know, and a class has no set operations there. Look-around and back-references have no counterpart.

use alloc::format;
use alloc::string::String;

/// Why a pattern has no counterpart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Untranslatable {
    /// It is no regular expression there either, and matches nothing.
    Invalid,
    /// The flag set's expressions cannot say it.
    Unsupported(&'static str),
}

use Untranslatable::{Invalid, Unsupported};

const LINE_ENDS: &str = r"\n\r\x{2028}\x{2029}";
const SPACES: &str =
    r"\t-\r \x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}\x{FEFF}";

struct Reader<'p> {
    rest: core::iter::Peekable<core::str::Chars<'p>>,
    out: String,
    depth: usize,
}

/// The pattern with the meaning that `pattern` has for `RegExp`, with the flag `i` if `ignore_case`.
pub(super) fn translate(pattern: &str, ignore_case: bool) -> Result<String, Untranslatable> {
    let mut reader = Reader {
        rest: pattern.chars().peekable(),
        out: String::new(),
        depth: 0,
    };
    if ignore_case {
        reader.out.push_str("(?i)");
    }
    reader.disjunction()?;
    if reader.depth > 0 {
        return Err(Invalid);
    }
    Ok(reader.out)
}

impl Reader<'_> {
    fn disjunction(&mut self) -> Result<(), Untranslatable> {
        // Whether what came last can be repeated.
        let mut atom = false;
        while let Some(character) = self.rest.next() {
            let repeatable = core::mem::replace(&mut atom, true);
            match character {
                '^' | '$' | '|' => {
                    // Both have no multi-line mode here; `$` is the very end in both.
                    self.out.push(character);
                    atom = false;
                }
                '*' | '+' | '?' if !repeatable => return Err(Invalid),
                '*' | '+' | '?' => {
                    self.out.push(character);
                    self.lazy();
                    atom = false;
                }
                '{' => {
                    if let Some(quantifier) = self.counts()? {
                        if !repeatable {
                            return Err(Invalid);
                        }
                        self.out.push_str(&quantifier);
                        self.lazy();
                        atom = false;
                    } else {
                        self.out.push_str("\\{");
                    }
                }
                '}' | ']' => {
                    self.out.push('\\');
                    self.out.push(character);
                }
                '.' => self.out.push_str(&format!("[^{LINE_ENDS}]")),
                '(' => {
                    self.group()?;
                    self.depth += 1;
                    atom = false;
                }
                ')' if self.depth == 0 => return Err(Invalid),
                ')' => {
                    self.depth -= 1;
                    self.out.push(')');
                }
                '[' => self.class()?,
                '\\' => atom = self.escape()?,
                _ => self.literal(character),
            }
        }
        Ok(())
    }

    fn lazy(&mut self) {
        if self.rest.next_if_eq(&'?').is_some() {
            self.out.push('?');
        }
    }

    /// `{2}`, `{2,}` or `{2,3}` after the brace; nothing is taken if it is none.
    fn counts(&mut self) -> Result<Option<String>, Untranslatable> {
        let ahead: String = self.rest.clone().take_while(|c| *c != '}').collect();
        if self.rest.clone().nth(ahead.chars().count()) != Some('}') {
            return Ok(None);
        }
        let (low, high) = ahead.split_once(',').unwrap_or((&ahead, &ahead));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if low.is_empty() || !digits(low) || !digits(high) {
            return Ok(None);
        }
        let number = |text: &str| text.parse::<u32>().unwrap_or(u32::MAX);
        if !high.is_empty() && number(low) > number(high) {
            return Err(Invalid);
        }
        for _ in 0..=ahead.chars().count() {
            self.rest.next();
        }
        Ok(Some(format!("{{{ahead}}}")))
    }

    fn group(&mut self) -> Result<(), Untranslatable> {
        if self.rest.next_if_eq(&'?').is_none() {
            self.out.push('(');
            return Ok(());
        }
        let around = "has look-around, which takes more than linear time";
        match self.rest.next() {
            Some(':') => self.out.push_str("(?:"),
            Some('=' | '!') => return Err(Unsupported(around)),
            Some('<') => {
                if let Some('=' | '!') = self.rest.peek() {
                    return Err(Unsupported(around));
                }
                // The name matters to nobody here.
                let mut named = false;
                loop {
                    match self.rest.next() {
                        Some('>') if named => break,
                        Some(c) if c.is_alphanumeric() || c == '_' || c == '$' => named = true,
                        _ => return Err(Invalid),
                    }
                }
                self.out.push('(');
            }
            Some('i' | 'm' | 's' | '-') => {
                return Err(Unsupported(
                    "has a group with modifiers, which not all of the SDKs know",
                ));
            }
            _ => return Err(Invalid),
        }
        Ok(())
    }

    /// What follows a backslash outside a class; whether it can be repeated.
    fn escape(&mut self) -> Result<bool, Untranslatable> {
        let Some(character) = self.rest.next() else {
            return Err(Invalid);
        };
        match character {
            'b' | 'B' => {
                self.out.push_str(if character == 'b' {
                    r"(?-u:\b)"
                } else {
                    r"(?-u:\B)"
                });
                if character == 'B' {
                    // Without Unicode it may match between the bytes of a letter, which `regex` refuses.
                    return Err(Unsupported("has `\\B`"));
                }
                return Ok(false);
            }
            'k' => return Err(Unsupported("may have a back-reference")),
            '1'..='9' => return Err(Unsupported("has a back-reference or an octal escape")),
            'd' | 'D' | 'w' | 'W' | 's' | 'S' => {
                let (set, negated) = shorthand(character);
                self.out
                    .push_str(&format!("[{}{set}]", if negated { "^" } else { "" }));
            }
            _ => {
                let character = self.character_escape(character)?;
                self.literal(character);
            }
        }
        Ok(true)
    }

    /// The character that an escape stands for, inside a class and outside.
    fn character_escape(&mut self, character: char) -> Result<char, Untranslatable> {
        Ok(match character {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{B}',
            'f' => '\u{C}',
            '0' if self.rest.peek().is_some_and(char::is_ascii_digit) => {
                return Err(Unsupported("has an octal escape"));
            }
            '0' => '\0',
            'c' => return Err(Unsupported("has a control escape")),
            'p' | 'P' => character,
            'x' => self.code(2).unwrap_or('x'),
            'u' => self.code(4).unwrap_or('u'),
            other => other,
        })
    }

    /// So many hexadecimal digits as a character; nothing is taken where they are not there.
    fn code(&mut self, digits: usize) -> Option<char> {
        let text: String = self.rest.clone().take(digits).collect();
        let plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let code = u32::from_str_radix(&text, 16).ok().filter(|_| plain)?;
        let character = char::from_u32(code)?;
        for _ in 0..digits {
            self.rest.next();
        }
        Some(character)
    }

    fn class(&mut self) -> Result<(), Untranslatable> {
        let negated = self.rest.next_if_eq(&'^').is_some();
        let mut inner = String::new();
        // The last single character, which a `-` may make the start of a range.
        let mut open: Option<char> = None;
        let mut empty = true;
        loop {
            let Some(character) = self.rest.next() else {
                return Err(Invalid);
            };
            let item = match character {
                ']' => break,
                '\\' => self.class_escape()?,
                other => Ok(other),
            };
            empty = false;
            // `a-z`, unless one side is a set or the class ends.
            let range = match (open, &item) {
                (Some(start), Ok('-')) if character == '-' && self.rest.peek() != Some(&']') => {
                    Some(start)
                }
                _ => None,
            };
            if let Some(start) = range {
                let end = match self.rest.next() {
                    Some('\\') => self.class_escape()?,
                    Some(other) => Ok(other),
                    None => return Err(Invalid),
                };
                match end {
                    Ok(end) if end < start => return Err(Invalid),
                    Ok(end) => {
                        inner.push('-');
                        push_escaped(&mut inner, end);
                    }
                    Err(set) => {
                        inner.push_str("\\-");
                        inner.push_str(&set);
                    }
                }
                open = None;
                continue;
            }
            match item {
                Ok(character) => {
                    push_escaped(&mut inner, character);
                    open = Some(character);
                }
                Err(set) => {
                    inner.push_str(&set);
                    open = None;
                }
            }
        }
        match (empty, negated) {
            (true, false) => self.out.push_str(r"[^\x{0}-\x{10FFFF}]"),
            (true, true) => self.out.push_str(r"[\x{0}-\x{10FFFF}]"),
            (false, _) => {
                self.out.push_str(if negated { "[^" } else { "[" });
                self.out.push_str(&inner);
                self.out.push(']');
            }
        }
        Ok(())
    }

    /// An escape in a class: a character, or a set of them as it is written here.
    fn class_escape(&mut self) -> Result<Result<char, String>, Untranslatable> {
        let Some(character) = self.rest.next() else {
            return Err(Invalid);
        };
        Ok(match character {
            'd' | 'D' | 'w' | 'W' | 's' | 'S' => {
                let (set, negated) = shorthand(character);
                Err(format!("[{}{set}]", if negated { "^" } else { "" }))
            }
            'b' => Ok('\u{8}'),
            '1'..='9' => return Err(Unsupported("has an octal escape")),
            _ => Ok(self.character_escape(character)?),
        })
    }

    fn literal(&mut self, character: char) {
        push_escaped(&mut self.out, character);
    }
}

fn shorthand(character: char) -> (&'static str, bool) {
    let set = match character.to_ascii_lowercase() {
        'd' => "0-9",
        'w' => "0-9A-Z_a-z",
        _ => SPACES,
    };
    (set, character.is_ascii_uppercase())
}

/// A character as itself, in a class and outside.
fn push_escaped(out: &mut String, character: char) {
    if character.is_ascii_punctuation()
        && !matches!(
            character,
            '/' | '_' | '"' | '\'' | ',' | ':' | ';' | '=' | '!' | '%' | '@' | '`' | '<' | '>'
        )
    {
        out.push('\\');
        out.push(character);
    } else if character.is_control() {
        out.push_str(&format!("\\x{{{:X}}}", u32::from(character)));
    } else {
        out.push(character);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_expressions_stay_as_they_are() {
        for pattern in [
            "^hello",
            "(Mobile|Tablet)",
            "a{2,3}?b+",
            "[a-z0-9]+$",
            "a@b",
            "x|y|",
        ] {
            assert_eq!(translate(pattern, false).as_deref(), Ok(pattern));
        }
        assert_eq!(translate("a", true).as_deref(), Ok("(?i)a"));
    }

    #[test]
    fn what_means_something_else_is_rewritten() {
        for (pattern, want) in [
            (r"\d\w\/", "[0-9][0-9A-Z_a-z]/"),
            (r"\bx", r"(?-u:\b)x"),
            (".", r"[^\n\r\x{2028}\x{2029}]"),
            ("[[:a]", r"[\[:a]"),
            ("[a&&b~~!--d]", r"[a\&\&b\~\~!-\-d]"),
            (r"[\w-]", r"[[0-9A-Z_a-z]\-]"),
            (r"[\d-x]", r"[[0-9]\-x]"),
            ("{", r"\{"),
            ("a{,3}", r"a\{,3\}"),
            ("x]", r"x\]"),
            (r"\u0041\x42\p", "ABp"),
            ("[^]", r"[\x{0}-\x{10FFFF}]"),
            ("(?<year>[0-9])", "([0-9])"),
            ("a#b &", r"a\#b \&"),
        ] {
            assert_eq!(translate(pattern, false).as_deref(), Ok(want), "{pattern}");
        }
    }

    #[test]
    fn what_is_invalid_there_and_what_is_unknown_here_are_told_apart() {
        for pattern in [
            "/???***[)",
            "*a",
            "a**",
            "(",
            ")",
            "[b-a]",
            "a{3,2}",
            "\\",
            "[",
            "(?x)",
            "{1}",
        ] {
            assert_eq!(translate(pattern, false), Err(Invalid), "{pattern}");
        }
        for pattern in ["(?=a)", "(?<!a)", r"(a)\1", r"\B", "(?i:a)"] {
            let result = translate(pattern, false);
            assert!(
                matches!(result, Err(Unsupported(_))),
                "{pattern}: {result:?}"
            );
        }
    }
}

//! Where in a JSON text the places are that JSON pointers lead to.

use std::ops::Range;

/// A place in a text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    /// From 1.
    pub(crate) line: usize,
    /// In characters, from 1.
    pub(crate) column: usize,
    /// The line's text, cut to a length that a terminal shows.
    pub(crate) excerpt: String,
    /// The part of `excerpt` that the pointer leads to, in characters.
    pub(crate) marked: Range<usize>,
}

/// Most characters of a line that are shown.
const EXCERPT: usize = 120;

/// The places in `text`, which is well-formed JSON, that `pointers` (RFC 6901) lead to, in the same order. Of a
/// member the place begins at its name. A pointer that leads nowhere gets the last place on its way; of two
/// members of one name the last is meant.
///
/// Takes one pass over the text, however many pointers there are.
pub(crate) fn locate(text: &str, pointers: &[&str]) -> Vec<Place> {
    let wanted: Vec<Wanted> = pointers
        .iter()
        .enumerate()
        .map(|(index, pointer)| Wanted {
            index,
            tokens: tokens(pointer),
        })
        .collect();
    let mut scanner = Scanner {
        text,
        at: 0,
        found: vec![None; pointers.len()],
    };
    scanner.skip("\u{FEFF}");
    scanner.white_space();
    let start = scanner.at;
    scanner.value(&wanted.iter().collect::<Vec<_>>(), 0, start);
    let mut places = Places::new(text);
    scanner
        .found
        .iter()
        .map(|range| places.place(&range.clone().unwrap_or_default()))
        .collect()
}

struct Wanted {
    index: usize,
    tokens: Vec<String>,
}

fn tokens(pointer: &str) -> Vec<String> {
    let unescape = |token: &str| token.replace("~1", "/").replace("~0", "~");
    pointer.split('/').skip(1).map(unescape).collect()
}

/// A walk over JSON that is known to be well formed; of anything else it makes what it can.
struct Scanner<'t> {
    text: &'t str,
    at: usize,
    found: Vec<Option<Range<usize>>>,
}

impl Scanner<'_> {
    /// Passes over a value. `wanted` are those whose way leads here, `depth` their tokens used so far, and
    /// `start` is where the value or the name before it begins.
    fn value(&mut self, wanted: &[&Wanted], depth: usize, start: usize) {
        let opening = self.peek();
        match opening {
            Some(b'{' | b'[') if wanted.iter().any(|each| each.tokens.len() > depth) => {
                self.children(wanted, depth);
            }
            Some(b'{' | b'[') => self.skip_container(),
            Some(b'"') => {
                self.string();
            }
            _ => self.scalar(),
        }
        for each in wanted {
            if let Some(found @ None) = self.found.get_mut(each.index) {
                *found = Some(start..self.at);
            }
        }
    }

    fn children(&mut self, wanted: &[&Wanted], depth: usize) {
        let is_object = self.peek() == Some(b'{');
        self.at += 1;
        let mut index = 0_usize;
        loop {
            self.white_space();
            if !matches!(self.peek(), Some(byte) if !matches!(byte, b'}' | b']')) {
                break;
            }
            let start = self.at;
            let name = if is_object {
                let name = self.string();
                self.white_space();
                self.skip(":");
                self.white_space();
                name
            } else {
                index.to_string()
            };
            let inside: Vec<&Wanted> = wanted
                .iter()
                .copied()
                .filter(|each| each.tokens.get(depth) == Some(&name))
                .collect();
            for each in &inside {
                // An earlier member of this name is not the one that counts.
                if let Some(found) = self.found.get_mut(each.index) {
                    *found = None;
                }
            }
            self.value(&inside, depth + 1, start);
            index += 1;
            self.white_space();
            self.skip(",");
        }
        self.at += 1;
    }

    /// Passes over an array or object of no interest.
    fn skip_container(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.skip_string();
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                break;
            }
        }
    }

    /// Passes over a string and gives its text.
    fn string(&mut self) -> String {
        let start = self.at;
        self.skip_string();
        let token = self.text.get(start..self.at).unwrap_or_default();
        serde_json::from_str(token).unwrap_or_default()
    }

    fn skip_string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'\\' => self.at += 1,
                b'"' => break,
                _ => {}
            }
        }
    }

    fn scalar(&mut self) {
        let start = self.at;
        while let Some(byte) = self.peek() {
            if matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace() {
                break;
            }
            self.at += 1;
        }
        // Always forward, or text that is no JSON would hold the walk up for ever.
        self.at = self.at.max(start + 1);
    }

    fn white_space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn skip(&mut self, token: &str) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if rest.starts_with(token) {
            self.at += token.len();
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

/// Lines and columns of a text.
pub(crate) struct Places<'t> {
    text: &'t str,
    /// Where each line begins.
    lines: Vec<usize>,
}

impl<'t> Places<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        let after_breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            text,
            lines: std::iter::once(0).chain(after_breaks).collect(),
        }
    }

    /// The place at a line and column as the core counts them.
    pub(crate) fn at(&mut self, line: usize, column: usize) -> Place {
        let start = self.lines.get(line.saturating_sub(1));
        let start = start.copied().unwrap_or(self.text.len());
        let rest = self.text.get(start..).unwrap_or_default();
        let at = rest.char_indices().nth(column.saturating_sub(1));
        let at = start + at.map_or(rest.len(), |(at, _)| at);
        let end = self.text.get(at..).and_then(|rest| rest.chars().next());
        self.place(&(at..at + end.map_or(0, char::len_utf8)))
    }

    fn place(&mut self, range: &Range<usize>) -> Place {
        let line = self.lines.partition_point(|&start| start <= range.start);
        let start = self.lines.get(line.saturating_sub(1)).copied();
        let start = start.unwrap_or_default();
        let rest = self.text.get(start..).unwrap_or_default();
        let length = rest.find(['\n', '\r']).unwrap_or(rest.len());
        let characters = |from: usize, to: usize| {
            let text = self.text.get(from..to).unwrap_or_default();
            text.chars().count()
        };
        let column = characters(start, range.start);
        let marked = characters(range.start, range.end.min(start + length)).max(1);
        // Of a long line the part around the place is shown, as it is where generated documents have one line.
        let skipped = if column + marked <= EXCERPT {
            0
        } else {
            column
        };
        let line_text = rest.get(..length).unwrap_or_default();
        let excerpt: String = line_text.chars().skip(skipped).take(EXCERPT).collect();
        let from = column - skipped;
        Place {
            line,
            column: column + 1,
            marked: from..(from + marked).min(EXCERPT.max(from + 1)),
            excerpt,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{
  "a": [1, {"b~/c": "ü\"}", "d": null}],
  "żółw": { "x": true, "x": false },
  "empty": {}, "nested": [[[]], "[{"]
}"#;

    /// The text from the name or value that each pointer leads to, to the end of its line or value.
    fn marked(pointers: &[&str]) -> Vec<(usize, usize, String)> {
        let text = |place: Place| {
            let Range { start, end } = place.marked;
            let marked = place.excerpt.chars().skip(start).take(end - start);
            (place.line, place.column, marked.collect())
        };
        locate(TEXT, pointers).into_iter().map(text).collect()
    }

    #[test]
    fn pointers_lead_to_names_and_elements() {
        for (pointer, line, column, text) in [
            ("", 1, 1, "{"),
            ("/a", 2, 3, r#""a": [1, {"b~/c": "ü\"}", "d": null}]"#),
            ("/a/0", 2, 9, "1"),
            ("/a/1/b~0~1c", 2, 13, r#""b~/c": "ü\"}""#),
            ("/a/1/d", 2, 29, r#""d": null"#),
            ("/żółw/x", 3, 24, r#""x": false"#), // the last of two
            ("/nested/0/0", 4, 28, "[]"),
            ("/nested/1", 4, 33, r#""[{""#),
            ("/empty/none", 4, 3, r#""empty": {}"#), // as far as it leads
            ("/a/7", 2, 3, r#""a": [1, {"b~/c": "ü\"}", "d": null}]"#),
        ] {
            let want = (line, column, String::from(text));
            assert_eq!(marked(&[pointer]), [want], "{pointer:?}");
        }
    }

    #[test]
    fn many_pointers_take_one_pass_and_keep_their_order() {
        let found = marked(&["/nested/1", "/a/0", "/a", "/a/0"]);
        let lines: Vec<_> = found.iter().map(|place| (place.0, place.1)).collect();
        assert_eq!(lines, [(4, 33), (2, 9), (2, 3), (2, 9)]);
    }

    #[test]
    fn of_a_long_line_the_part_around_the_place_is_shown() {
        let text = format!("[{}\"here\"]", "0,".repeat(500));
        let place = &locate(&text, &["/500"])[0];
        assert_eq!((place.line, place.column), (1, 1_002));
        assert_eq!(place.excerpt, "\"here\"]");
        assert_eq!(place.marked, 0..6);
    }

    #[test]
    fn text_that_is_no_json_is_survived() {
        for text in [
            "", "{", "[", "{\"a\"", "{\"a\":", "}{", "[,,]", "\"\\", "{:}", "[1 2",
        ] {
            let places = locate(text, &["", "/a", "/0"]);
            assert_eq!(places.len(), 3, "{text:?}");
        }
    }

    #[test]
    fn lines_and_columns_lead_back_to_their_place() {
        let place = Places::new(TEXT).at(3, 5);
        assert_eq!((place.line, place.column), (3, 5));
        assert_eq!(place.excerpt.chars().nth(place.marked.start), Some('ó'));
        let end = Places::new("{").at(1, 2);
        assert_eq!((end.line, end.column, end.marked), (1, 2, 1..2));
    }
}

//! JSON with its members in the order given: a schema is for people to read, too.

/// A piece of JSON.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Bool(bool),
    Integer(i64),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

/// An object: `object! { "name": value, … }`.
macro_rules! object {
    ($($name:literal: $value:expr),* $(,)?) => {
        $crate::schema::node::Node::Object(vec![$(($name.into(), ($value).into())),*])
    };
}

/// An array: `list![value, …]`.
macro_rules! list {
    ($($value:expr),* $(,)?) => {
        $crate::schema::node::Node::List(vec![$(($value).into()),*])
    };
}

pub(super) use {list, object};

/// An array of words.
pub(super) fn constants(words: &[&str]) -> Node {
    Node::List(words.iter().map(|word| (*word).into()).collect())
}

impl From<bool> for Node {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Node {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<i32> for Node {
    fn from(value: i32) -> Self {
        Self::Integer(value.into())
    }
}

impl From<u64> for Node {
    /// The bounds of the format are all below 2^63.
    fn from(value: u64) -> Self {
        Self::Integer(value as i64)
    }
}

impl From<usize> for Node {
    fn from(value: usize) -> Self {
        Self::from(value as u64)
    }
}

impl From<&str> for Node {
    fn from(value: &str) -> Self {
        Self::Text(value.into())
    }
}

impl From<String> for Node {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl Node {
    /// This object with one member more.
    pub(super) fn with(mut self, name: &str, value: impl Into<Self>) -> Self {
        if let Self::Object(members) = &mut self {
            members.push((name.into(), value.into()));
        }
        self
    }

    /// Writes the text, indented by `depth`. What fits into a line stands on one.
    pub(super) fn write(&self, out: &mut String, depth: usize) {
        const WIDTH: usize = 100;
        let start = out.len();
        self.write_line(out);
        if out.len() - start + 2 * depth <= WIDTH {
            return;
        }
        let (open, close, len) = match self {
            Self::List(elements) => ('[', ']', elements.len()),
            Self::Object(members) => ('{', '}', members.len()),
            _ => return,
        };
        out.truncate(start);
        out.push(open);
        let indent = |out: &mut String, depth: usize| {
            out.push('\n');
            out.extend(std::iter::repeat_n("  ", depth));
        };
        for at in 0..len {
            indent(out, depth + 1);
            match self {
                Self::Object(members) => {
                    if let Some((name, value)) = members.get(at) {
                        quote(out, name);
                        out.push_str(": ");
                        value.write(out, depth + 1);
                    }
                }
                Self::List(elements) => {
                    if let Some(element) = elements.get(at) {
                        element.write(out, depth + 1);
                    }
                }
                _ => {}
            }
            if at + 1 < len {
                out.push(',');
            }
        }
        indent(out, depth);
        out.push(close);
    }

    fn write_line(&self, out: &mut String) {
        let comma = |out: &mut String, at: usize| {
            if at > 0 {
                out.push_str(", ");
            }
        };
        match self {
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Integer(value) => out.push_str(&value.to_string()),
            Self::Text(text) => quote(out, text),
            Self::List(elements) => {
                out.push('[');
                for (at, element) in elements.iter().enumerate() {
                    comma(out, at);
                    element.write_line(out);
                }
                out.push(']');
            }
            Self::Object(members) if members.is_empty() => out.push_str("{}"),
            Self::Object(members) => {
                out.push_str("{ ");
                for (at, (name, value)) in members.iter().enumerate() {
                    comma(out, at);
                    quote(out, name);
                    out.push_str(": ");
                    value.write_line(out);
                }
                out.push_str(" }");
            }
        }
    }
}

fn quote(out: &mut String, text: &str) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

//! What a peer must be able to do.

use crate::work::{Flag, Kind, User};

/// A variant of a split.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Arm {
    Control,
    Treatment,
    /// Neither: a wrong answer.
    Other,
}

impl Arm {
    /// The arm of this name.
    pub fn named(name: &str) -> Self {
        match name {
            "control" => Self::Control,
            "treatment" => Self::Treatment,
            _ => Self::Other,
        }
    }
}

/// One way into one implementation.
///
/// Timed are [`boolean`](Self::boolean) and [`variant`](Self::variant) with the drop of what they
/// return, [`all`](Self::all), [`context`](Self::context) and [`load`](Self::load).
pub trait Implementation {
    /// A flag set, ready to evaluate.
    type Config: 'static;
    /// How a program names a flag in a call: its key, or something looked up before.
    type Flag: Copy;
    /// A user, ready to evaluate.
    type Context;
    /// What an evaluation of a boolean flag returns.
    type Boolean<'a>;
    /// What an evaluation of a split returns.
    type Variant<'a>;

    /// The document that describes `flags` in the format of the implementation.
    fn document(flags: &[Flag]) -> Vec<u8>;

    /// Makes a document ready, the whole way from its bytes.
    fn load(document: &[u8]) -> Self::Config;

    /// What `key` is called in [`boolean`](Self::boolean) and [`variant`](Self::variant).
    fn flag(config: &'static Self::Config, key: &'static str) -> Self::Flag;

    /// The evaluation context of a user: key and eight attributes.
    fn context(user: &'static User) -> Self::Context;

    /// Evaluates a boolean flag.
    fn boolean<'a>(
        config: &'a Self::Config,
        flag: Self::Flag,
        context: &'a Self::Context,
    ) -> Self::Boolean<'a>;

    /// Evaluates a split.
    fn variant<'a>(
        config: &'a Self::Config,
        flag: Self::Flag,
        context: &'a Self::Context,
    ) -> Self::Variant<'a>;

    /// The answer in a result of [`boolean`](Self::boolean).
    fn is_on(answer: &Self::Boolean<'_>) -> bool;

    /// The answer in a result of [`variant`](Self::variant).
    fn arm(answer: &Self::Variant<'_>) -> Arm;

    /// Evaluates every flag for one user and returns how many there were. `flags` lists them in
    /// the order of the document, for implementations that have no such call of their own.
    fn all(config: &Self::Config, flags: &[(Self::Flag, Kind)], context: &Self::Context) -> usize {
        for (flag, kind) in flags {
            match kind {
                Kind::Split => {
                    std::hint::black_box(&Self::variant(config, *flag, context));
                }
                Kind::On | Kind::Rules(_) => {
                    std::hint::black_box(&Self::boolean(config, *flag, context));
                }
            }
        }
        flags.len()
    }
}

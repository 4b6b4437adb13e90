//! Which formats there are, and what a caller may choose about them.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

/// A foreign flag format.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// ConfigCat's Config JSON, version 6: `configcat`.
    ConfigCat,
    /// GrowthBook's payload for SDKs, or the context object of an SDK: `growthbook`.
    GrowthBook,
    /// LaunchDarkly's flags and segments for server-side SDKs: `launchdarkly`.
    LaunchDarkly,
    /// What Unleash gives to its SDKs, whole or as delta events: `unleash`.
    Unleash,
    /// Universal Flag Configuration, Eppo's and Datadog's: `ufc`.
    Ufc,
}

/// Whose reading of a format is meant, where a format's own SDKs disagree.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// UFC as Datadog's SDKs read it: `datadog`.
    Datadog,
    /// UFC as Eppo's SDKs read it: `eppo`.
    Eppo,
    /// GrowthBook as its JavaScript SDKs read it, which hash the code units of UTF-16; LaunchDarkly as its JavaScript SDKs read
    /// it, which compute shares in doubles and take a seed of 0 for none; ConfigCat as all its SDKs but one read it: `javascript`.
    JavaScript,
    /// GrowthBook as its Python SDK reads it, which hashes code points; LaunchDarkly as its Python SDK reads it, in
    /// doubles: `python`.
    Python,
    /// GrowthBook as its Rust SDK reads it, which hashes the bytes of UTF-8 and knows `$notRegex`; LaunchDarkly as its Rust, Go,
    /// Java and .NET SDKs read it, which compute shares in singles; ConfigCat as its Rust SDK reads it: `rust`.
    Rust,
    /// Unleash as its engine reads it, which most of its SDKs share: `yggdrasil`.
    Yggdrasil,
}

/// What a flag answers that the source's own SDKs cannot read either.
///
/// A flag that only bucketry cannot express answers `PARSE_ERROR` whatever is chosen here.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Hash)]
pub enum Malformed {
    /// The error `PARSE_ERROR`, so that nobody takes the caller's default for a decision. The
    /// default.
    #[default]
    ParseError,
    /// The caller's default with reason `DEFAULT`, as SDKs do that drop such a flag in silence.
    Default,
}

impl Format {
    /// Every format, in alphabetical order of the names.
    pub const ALL: &[Self] = &[
        Self::ConfigCat,
        Self::GrowthBook,
        Self::LaunchDarkly,
        Self::Ufc,
        Self::Unleash,
    ];

    /// The name: what [`Format::from_str`] reads and [`fmt::Display`] writes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConfigCat => "configcat",
            Self::GrowthBook => "growthbook",
            Self::Ufc => "ufc",
            Self::LaunchDarkly => "launchdarkly",
            Self::Unleash => "unleash",
        }
    }

    /// The dialects that this format has.
    #[must_use]
    pub const fn dialects(self) -> &'static [Dialect] {
        match self {
            Self::ConfigCat => &[Dialect::JavaScript, Dialect::Rust],
            Self::GrowthBook => &[Dialect::JavaScript, Dialect::Python, Dialect::Rust],
            Self::LaunchDarkly => &[Dialect::JavaScript, Dialect::Python, Dialect::Rust],
            Self::Unleash => &[Dialect::Yggdrasil],
            Self::Ufc => &[Dialect::Datadog, Dialect::Eppo],
        }
    }
}

impl Dialect {
    /// Every dialect of every format, in alphabetical order of the names.
    pub const ALL: &[Self] = &[
        Self::Datadog,
        Self::Eppo,
        Self::JavaScript,
        Self::Python,
        Self::Rust,
        Self::Yggdrasil,
    ];

    /// The name: what [`Dialect::from_str`] reads and [`fmt::Display`] writes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Datadog => "datadog",
            Self::Eppo => "eppo",
            Self::JavaScript => "javascript",
            Self::Python => "python",
            Self::Rust => "rust",
            Self::Yggdrasil => "yggdrasil",
        }
    }
}

impl Malformed {
    /// Both choices.
    pub const ALL: &[Self] = &[Self::ParseError, Self::Default];

    /// The name: what [`Malformed::from_str`] reads and [`fmt::Display`] writes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ParseError => "parse-error",
            Self::Default => "default",
        }
    }
}

/// A name that is not one of those there are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnknownName {
    kind: &'static str,
    name: String,
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown {} `{}`", self.kind, self.name)
    }
}

impl core::error::Error for UnknownName {}

macro_rules! named {
    ($type:ty, $kind:literal) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $type {
            type Err = UnknownName;

            fn from_str(name: &str) -> Result<Self, UnknownName> {
                let found = Self::ALL.iter().find(|each| each.as_str() == name);
                found.copied().ok_or_else(|| UnknownName {
                    kind: $kind,
                    name: name.into(),
                })
            }
        }
    };
}

named!(Format, "format");
named!(Dialect, "dialect");
named!(Malformed, "answer of malformed flags");

/// What a caller may choose about an import. The default is right for a plain document.
///
/// ```
/// use bucketry_import::{Dialect, ImportOptions};
///
/// let options = ImportOptions::new()
///     .dialect(Dialect::Eppo)
///     .known_flags(["new-checkout"])
///     .known_attributes(["country", "age"]);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ImportOptions {
    pub(crate) dialect: Option<Dialect>,
    pub(crate) malformed: Malformed,
    pub(crate) obfuscated: Option<bool>,
    pub(crate) flag_keys: Vec<String>,
    pub(crate) attributes: Vec<String>,
    pub(crate) sticky: bool,
}

impl ImportOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whose reading is meant. Default: found out from the document, as `docs/import.md` says for each
    /// format.
    pub const fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = Some(dialect);
        self
    }

    /// What a malformed flag answers. Default: [`Malformed::ParseError`].
    pub const fn malformed(mut self, malformed: Malformed) -> Self {
        self.malformed = malformed;
        self
    }

    /// Whether names and texts of the document are hashed and encoded. Default: found out from the
    /// document.
    pub const fn obfuscated(mut self, obfuscated: bool) -> Self {
        self.obfuscated = Some(obfuscated);
        self
    }

    /// Whether the SDK in use was given a store for sticky assignments, where a format leaves that to the application
    /// (GrowthBook's sticky buckets). Default: no.
    pub const fn sticky(mut self, sticky: bool) -> Self {
        self.sticky = sticky;
        self
    }

    /// The flag keys that the application asks for. An obfuscated document has only hashes of them:
    /// a flag whose key is not among these is left out.
    pub fn known_flags<S: Into<String>>(mut self, keys: impl IntoIterator<Item = S>) -> Self {
        self.flag_keys.extend(keys.into_iter().map(Into::into));
        self
    }

    /// The attributes that the application's contexts have. An obfuscated document has only hashes of them:
    /// a flag that reads another is refused.
    pub fn known_attributes<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.attributes.extend(names.into_iter().map(Into::into));
        self
    }
}

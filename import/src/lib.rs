#![no_std]
//! Foreign flag formats translated into bucketry flag sets.
//!
//! JSON in, JSON out: [`import`] takes a document of another flag service and gives a flag set document
//! (`docs/flag-set.md`) that answers the same, hash formula included, so that every user keeps
//! the variant they have. The flag set is the only intermediate representation: what a flag became can be
//! read, compared and committed.
//!
//! What cannot be said exactly is refused, flag by flag, with the place and the reason in the [`Report`];
//! nothing is approximated. `docs/import.md` says what each member of each format becomes.
//!
//! Like the core this crate is pure: no I/O, no clock, no randomness, no threads.
//!
//! ```
//! use bucketry_core::{EvaluationContext, FlagSet, UnixMillis};
//! use bucketry_import::{Format, ImportOptions, import};
//!
//! let ufc = br#"{
//!   "createdAt": "2026-01-31T12:00:00Z",
//!   "environment": { "name": "production" },
//!   "flags": {
//!     "new-checkout": {
//!       "key": "new-checkout", "enabled": true, "variationType": "BOOLEAN",
//!       "variations": { "on": { "key": "on", "value": true }, "off": { "key": "off", "value": false } },
//!       "allocations": [{
//!         "key": "half",
//!         "splits": [{
//!           "variationKey": "on",
//!           "shards": [{ "salt": "s", "totalShards": 100, "ranges": [{ "start": 50, "end": 100 }] }]
//!         }]
//!       }]
//!     }
//!   }
//! }"#;
//! let imported = import(Format::Ufc, ufc, &ImportOptions::new())?;
//! assert!(imported.report.refusals.is_empty());
//!
//! let flag_set = FlagSet::from_json(imported.document.as_bytes())?;
//! let context = EvaluationContext::new("user-1");
//! let resolution = flag_set.resolve("new-checkout", &context, UnixMillis(0));
//! assert_eq!(resolution.variant(), Some("on")); // MD5("s-user-1") begins with 0xfbca03d1, and that modulo 100 is 65
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

extern crate alloc;

mod condition;
mod configcat;
mod draft;
mod error;
mod format;
mod growthbook;
mod launchdarkly;
mod letters;
pub mod limits;
mod names;
mod output;
mod ranges;
mod report;
mod source;
#[cfg(test)]
mod tests;
mod time;
mod ufc;
mod unleash;

use alloc::string::String;

use bucketry_core::internal::Document;
use bucketry_core::limits::MAX_DOCUMENT_BYTES;

pub use error::ImportError;
pub use format::{Dialect, Format, ImportOptions, Malformed, UnknownName};
pub use report::{Answer, ImportedFlag, Refusal, Report, Warning};

use source::Source;

/// A translated document.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Import {
    /// The flag set document, JSON with line breaks. It loads strictly if nothing was refused.
    pub document: String,
    /// What came over and what did not.
    pub report: Report,
}

/// Translates a document of a foreign format into a flag set document.
///
/// Every flag of the source is either in [`Report::flags`] or in [`Report::refusals`]. The translated
/// document has been loaded once to see that the core accepts it.
///
/// # Errors
///
/// [`ImportError`] when the document as a whole is of no use: no JSON, over a limit of the core
/// (64 MiB, 64 levels, 100,000 flags), or without the frame that the format asks for.
pub fn import(
    format: Format,
    bytes: &[u8],
    options: &ImportOptions,
) -> Result<Import, ImportError> {
    if let Some(dialect) = options.dialect
        && !format.dialects().contains(&dialect)
    {
        return Err(ImportError::Dialect { format, dialect });
    }
    let document = Document::parse(bytes, MAX_DOCUMENT_BYTES).map_err(ImportError::Syntax)?;
    let root = Source::root(document.root());
    let draft = match format {
        Format::ConfigCat => configcat::translate(&root, options)?,
        Format::GrowthBook => growthbook::translate(&root, options)?,
        Format::Ufc => ufc::translate(&root, options)?,
        Format::LaunchDarkly => launchdarkly::translate(&root, options)?,
        Format::Unleash => unleash::translate(&root, options)?,
    };
    draft.finish()
}

/// Translates a context of a foreign format's own SDKs into the JSON of an evaluation context, as the imported flags
/// read it; JSON in, JSON out.
///
/// LaunchDarkly's contexts have kinds, which become attributes, and its users a `key`, which becomes the targeting key. What the
/// other formats call attributes are attributes: their contexts come back as they are.
///
/// # Errors
///
/// [`ImportError`] when the text is no JSON object, or no context of the format.
///
/// ```
/// use bucketry_import::{Format, context};
///
/// let multi = br#"{"kind": "multi", "user": {"key": "u1", "plan": "pro"}, "org": {"key": "o1"}}"#;
/// let context = context(Format::LaunchDarkly, multi)?;
/// assert_eq!(context.trim(), r#"{ "targetingKey": "u1", "plan": "pro", "org": { "key": "o1" }, "kind": ["user", "org"] }"#);
/// # Ok::<(), bucketry_import::ImportError>(())
/// ```
pub fn context(format: Format, bytes: &[u8]) -> Result<String, ImportError> {
    let document = Document::parse(bytes, MAX_DOCUMENT_BYTES).map_err(ImportError::Syntax)?;
    let root = Source::root(document.root());
    if format == Format::LaunchDarkly {
        return Ok(launchdarkly::translate_context(&root)?.to_pretty());
    }
    root.expect_object()?;
    let mut json = String::new();
    document.root().minify_to(&mut json);
    Ok(json)
}

/// The code blocks of the document are tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/import.md")]
struct Documentation;

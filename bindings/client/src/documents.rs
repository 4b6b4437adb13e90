//! From what a source gave to the document that core reads: signatures are checked, foreign formats translated.

use std::borrow::Cow;

use bucketry_core::Signature;

use crate::source::Fetched;

/// What is made of documents, the same for all sources.
#[derive(Default)]
pub(crate) struct Documents {
    #[cfg(feature = "signature")]
    pub(crate) keys: crate::signature::Keys,
    #[cfg(feature = "import")]
    pub(crate) import: Option<(bucketry_import::Format, bucketry_import::ImportOptions)>,
}

/// A document as core gets it.
pub(crate) struct Understood<'a> {
    pub(crate) signature: Signature<'a>,
    pub(crate) document: Cow<'a, [u8]>,
    /// Why it could not be translated; the document is then empty, and core refuses it.
    pub(crate) refused: Option<String>,
}

impl Documents {
    /// The name of the foreign format; none for flag sets.
    pub(crate) fn format(&self) -> Option<String> {
        #[cfg(feature = "import")]
        if let Some((format, _)) = &self.import {
            return Some(format.to_string());
        }
        None
    }

    pub(crate) fn understand<'a>(&'a self, fetched: &'a Fetched) -> Understood<'a> {
        let mut understood = Understood {
            signature: self.check(fetched),
            document: Cow::Borrowed(&fetched.body),
            refused: None,
        };
        if fetched.status == 200 && understood.signature != Signature::Invalid {
            self.translate(&mut understood);
        }
        understood
    }

    fn check<'a>(&'a self, fetched: &'a Fetched) -> Signature<'a> {
        if fetched.trusted {
            return Signature::Valid {
                key_id: "of the program",
            };
        }
        #[cfg(feature = "signature")]
        if let Some(signatures) = &fetched.signature {
            return self.keys.check(signatures, &fetched.body);
        }
        Signature::Absent
    }

    #[cfg(feature = "import")]
    fn translate(&self, understood: &mut Understood<'_>) {
        let Some((format, options)) = &self.import else {
            return;
        };
        match bucketry_import::import(*format, &understood.document, options) {
            Ok(imported) => {
                // A flag that could not be translated answers PARSE_ERROR and says why, as any other that is in error.
                understood.document = Cow::Owned(imported.document.into_bytes());
            }
            Err(error) => {
                understood.refused = Some(format!("it is no {format} document: {error}"));
                understood.document = Cow::Borrowed(&[]);
            }
        }
    }

    #[cfg(not(feature = "import"))]
    #[expect(
        clippy::unused_self,
        reason = "with the feature `import` it does something"
    )]
    fn translate(&self, _: &mut Understood<'_>) {}
}

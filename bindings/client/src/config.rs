//! What a client was built with: the same for its whole life, in a forked child too.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bucketry_core::{Reading, RefreshConfig};

use crate::documents::Documents;
use crate::error::BuildError;
use crate::source::Source;
use crate::source::file::FileSource;
use crate::source::inline::InlineSource;

/// Everything that was set.
pub(crate) struct Config {
    /// In order of preference.
    pub(crate) sources: Vec<SourceKind>,
    pub(crate) refresh: RefreshConfig,
    pub(crate) documents: Documents,
    /// Whether a signature is required.
    pub(crate) signed: bool,
    pub(crate) reading: Reading,
    pub(crate) stale_after: Option<Duration>,
    pub(crate) request_timeout: Duration,
    pub(crate) max_bytes: usize,
    pub(crate) cache_dir: Option<PathBuf>,
    pub(crate) drop_limit: Duration,
    #[cfg(feature = "http")]
    pub(crate) http: crate::source::http::HttpOptions,
}

/// A source as it was named: what it is made of, so that a forked child can make its own.
pub(crate) enum SourceKind {
    #[cfg(feature = "http")]
    Url(crate::source::url::UrlOptions),
    File(PathBuf),
    Inline(Arc<[u8]>),
    Custom(Arc<dyn Source>),
}

impl Config {
    /// The sources, made anew: in a forked child with connections of its own.
    pub(crate) fn make_sources(&self) -> Result<Vec<Arc<dyn Source>>, BuildError> {
        let make = |kind: &SourceKind| -> Result<Arc<dyn Source>, BuildError> {
            Ok(match kind {
                #[cfg(feature = "http")]
                SourceKind::Url(options) => {
                    Arc::new(crate::source::url::UrlSource::new(options, &self.http)?)
                }
                SourceKind::File(path) => Arc::new(FileSource::new(path)),
                SourceKind::Inline(document) => Arc::new(InlineSource(Arc::clone(document))),
                SourceKind::Custom(source) => {
                    source.in_child().unwrap_or_else(|| Arc::clone(source))
                }
            })
        };
        self.sources.iter().map(make).collect()
    }

    /// Of a client that asks nobody.
    pub(crate) fn for_tests() -> Self {
        Self {
            sources: Vec::new(),
            refresh: RefreshConfig::new(),
            documents: Documents::default(),
            signed: false,
            reading: Reading::Strict,
            stale_after: None,
            request_timeout: Duration::ZERO,
            max_bytes: 0,
            cache_dir: None,
            drop_limit: Duration::ZERO,
            #[cfg(feature = "http")]
            http: crate::source::http::HttpOptions::default(),
        }
    }
}

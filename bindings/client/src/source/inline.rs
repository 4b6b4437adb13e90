//! A flag set that the program brings along.

use std::sync::Arc;

use super::{Fetched, Request, Source, SourceError, SourceFuture};

pub(crate) const NAME: &str = "inline document";

pub(crate) struct InlineSource(pub(crate) Arc<[u8]>);

impl Source for InlineSource {
    fn name(&self) -> &str {
        NAME
    }

    fn fetch<'a>(&'a self, request: &'a Request) -> SourceFuture<'a, Result<Fetched, SourceError>> {
        Box::pin(async move {
            // It never changes: what was taken once is the newest.
            Ok(if request.etag.is_some() {
                Fetched::not_modified()
            } else {
                Fetched {
                    trusted: true,
                    ..Fetched::document(&*self.0).with_etag("inline")
                }
            })
        })
    }
}

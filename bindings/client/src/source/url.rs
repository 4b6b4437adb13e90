//! A flag set at an address.

use std::time::SystemTime;

use reqwest::header::{ETAG, HeaderMap, IF_NONE_MATCH, LINK, LOCATION};
use reqwest::{Response, StatusCode, Url};

use super::http::{HttpOptions, describe, retry_after, without_secrets};
use super::{Changes, Fetched, Request, Source, SourceError, SourceFuture, sse};
use crate::error::BuildError;

/// Redirects that are followed for one request.
const MAX_REDIRECTS: usize = 5;

/// Where to ask.
#[derive(Clone, Debug)]
pub(crate) struct UrlOptions {
    pub(crate) url: Url,
    /// Of the event stream; without it, the response says where it is.
    pub(crate) events: Option<Url>,
    pub(crate) streaming: bool,
}

impl UrlOptions {
    pub(crate) fn parse(text: &str) -> Result<Url, BuildError> {
        let refuse = |url: String, reason: &str| BuildError::Url {
            url,
            reason: reason.to_owned(),
        };
        // What cannot be read cannot be cleaned of secrets either.
        let url = Url::parse(text)
            .map_err(|error| refuse("the address".to_owned(), &error.to_string()))?;
        match url.scheme() {
            "http" => Ok(url),
            "https" if cfg!(feature = "tls") => Ok(url),
            "https" => Err(refuse(
                without_secrets(&url),
                "this build has no TLS; enable the feature `tls`",
            )),
            _ => Err(refuse(
                without_secrets(&url),
                "only http and https can be asked",
            )),
        }
    }
}

pub(crate) struct UrlSource {
    options: UrlOptions,
    name: String,
    client: reqwest::Client,
    headers: HeaderMap,
    /// Where the response said that the event stream is.
    found: tokio::sync::watch::Sender<Option<Url>>,
}

impl UrlSource {
    pub(crate) fn new(options: &UrlOptions, http: &HttpOptions) -> Result<Self, BuildError> {
        Ok(Self {
            name: without_secrets(&options.url),
            client: http.client()?,
            headers: http.headers.clone(),
            found: tokio::sync::watch::Sender::new(options.events.clone()),
            options: options.clone(),
        })
    }

    async fn get(&self, request: &Request) -> Result<Fetched, SourceError> {
        let (url, mut response) = self.follow(request).await?;
        let status = response.status().as_u16();
        let header = |name| {
            let value = response.headers().get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        let mut fetched = Fetched {
            status,
            etag: header(ETAG.as_str()),
            signature: header("bucketry-signature"),
            retry_after: retry_after(response.headers(), SystemTime::now()),
            body: Vec::new(),
            trusted: false,
        };
        if status == 200 {
            self.find_events(&url, response.headers());
            // Of what comes compressed this is the size unpacked.
            while let Some(chunk) = response
                .chunk()
                .await
                .map_err(|error| SourceError::new(describe(&error)))?
            {
                fetched.body.extend_from_slice(&chunk);
                if fetched.body.len() > request.max_bytes {
                    // The client refuses it for its size; more of it would only cost memory.
                    break;
                }
            }
        }
        Ok(fetched)
    }

    /// Follows redirects: a few, never from TLS to plain HTTP, and with the caller's headers only to where they were
    /// meant for.
    async fn follow(&self, request: &Request) -> Result<(Url, Response), SourceError> {
        let mut url = self.options.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let mut asked = self.client.get(url.clone());
            if url.origin() == self.options.url.origin() {
                asked = asked.headers(self.headers.clone());
            }
            if let Some(etag) = &request.etag {
                asked = asked.header(IF_NONE_MATCH, etag);
            }
            let response = asked
                .send()
                .await
                .map_err(|error| SourceError::new(describe(&error)))?;
            let Some(next) = redirect(&response) else {
                return Ok((url, response));
            };
            let next = url.join(&next).map_err(|error| {
                SourceError::new(format_args!("redirected to no address: {error}"))
            })?;
            if url.scheme() == "https" && next.scheme() != "https" {
                return Err(SourceError::new(
                    "redirected from https to http, which is not followed",
                ));
            }
            url = next;
        }
        Err(SourceError::new(format_args!(
            "redirected more than {MAX_REDIRECTS} times; check the address"
        )))
    }

    fn find_events(&self, url: &Url, headers: &HeaderMap) {
        if self.options.events.is_some() || !self.options.streaming {
            return;
        }
        let links = headers
            .get_all(LINK)
            .iter()
            .filter_map(|link| link.to_str().ok());
        let found = links.flat_map(|text| sse::monitor_link(text)).next();
        let found = found.and_then(|link| url.join(link).ok());
        // Headers of the caller go to the stream too, so it must be where they are meant for.
        let found = found.filter(|found| found.origin() == self.options.url.origin());
        self.found.send_if_modified(|known| {
            let changed = *known != found;
            *known = found;
            changed
        });
    }
}

/// Where the response sends on to.
fn redirect(response: &Response) -> Option<String> {
    let status = response.status();
    let redirects = [
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::FOUND,
        StatusCode::SEE_OTHER,
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ];
    if !redirects.contains(&status) {
        return None;
    }
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    Some(location.to_owned())
}

impl Source for UrlSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn fetch<'a>(&'a self, request: &'a Request) -> SourceFuture<'a, Result<Fetched, SourceError>> {
        Box::pin(self.get(request))
    }

    fn watch<'a>(&'a self, changes: Changes) -> SourceFuture<'a, ()> {
        Box::pin(async move {
            if !self.options.streaming {
                return;
            }
            sse::listen(
                &self.client,
                &self.headers,
                self.found.subscribe(),
                &changes,
            )
            .await;
        })
    }
}

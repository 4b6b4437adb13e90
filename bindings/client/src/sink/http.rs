//! Exposures to a collector over HTTP: `docs/exposures.md` section 7.

use std::fmt;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, DATE, HeaderMap, LOCATION};
use reqwest::{Response, Url};
use tracing::debug;

use super::{Batch, Delivered, Sink, SinkFuture};
use crate::error::BuildError;
use crate::source::http::{HttpOptions, describe, retry_after, without_secrets};
use crate::source::url::UrlOptions;

/// Bodies from this size on are compressed.
const COMPRESSED_FROM: usize = 1 << 10;
/// Most that is read of an answer's body: it is for a person.
const ANSWER_BYTES: usize = 4 << 10;

/// Posts each batch as NDJSON to an address, as `docs/exposures.md` section 7 says: `bucketry serve` takes it, and whatever stores a
/// body durably before it answers 2xx.
///
/// Redirects are not followed: exposures name people, and go only where they were sent.
pub struct HttpSink {
    url: Url,
    /// The address without what may be secret in it.
    name: String,
    http: HttpOptions,
    timeout: Duration,
    gzip: bool,
    /// The receiver does not take what is compressed.
    plain: AtomicBool,
    client: OnceLock<Result<reqwest::Client, String>>,
}

impl HttpSink {
    /// Posts to `url`.
    ///
    /// # Errors
    ///
    /// When that is no address that this build can ask.
    pub fn new(url: impl AsRef<str>) -> Result<Self, BuildError> {
        Self::with(UrlOptions::parse(url.as_ref())?, HttpOptions::default())
    }

    /// With what a client does its HTTP with.
    pub(crate) fn with(url: Url, http: HttpOptions) -> Result<Self, BuildError> {
        Ok(Self {
            name: without_secrets(&url),
            url,
            http,
            timeout: Duration::from_secs(30),
            gzip: true,
            plain: AtomicBool::new(false),
            client: OnceLock::new(),
        })
    }

    /// Sends a header with every batch.
    ///
    /// # Errors
    ///
    /// When it holds bytes that no header may.
    pub fn header(
        mut self,
        name: impl AsRef<str>,
        value: impl AsRef<str>,
    ) -> Result<Self, BuildError> {
        self.http.header(name.as_ref(), value.as_ref())?;
        Ok(self)
    }

    /// Sends `Authorization: Bearer ...` with every batch.
    ///
    /// # Errors
    ///
    /// When the token holds bytes that no header may.
    pub fn bearer_token(self, token: impl fmt::Display) -> Result<Self, BuildError> {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// Trusts these certificates (PEM) beside Mozilla's.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.http.roots.push(pem.into());
        self
    }

    /// Makes the HTTP client: for a proxy, a client certificate, another TLS. Called once, and again in a forked child. The
    /// client must not follow redirects itself.
    #[must_use]
    pub fn http_client(
        mut self,
        make: impl Fn() -> Result<reqwest::Client, reqwest::Error> + Send + Sync + 'static,
    ) -> Self {
        self.http.factory = Some(Arc::new(make));
        self
    }

    /// How long to wait for an answer, from the first byte sent to the last one read. Default: 30 s. What is longer than
    /// [`ExposureOptions::send_timeout`](crate::ExposureOptions::send_timeout) is cut to that.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long to wait for a connection. Default: 5 s.
    #[must_use]
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.http.connect_timeout = timeout;
        self
    }

    /// Whether bodies are compressed. Default: yes; a receiver that answers 415 gets them plain from then on.
    #[must_use]
    pub const fn gzip(mut self, gzip: bool) -> Self {
        self.gzip = gzip;
        self
    }

    /// Makes the HTTP client now, so that what is wrong with it is told where the sink is built.
    pub(crate) fn check(self) -> Result<Self, BuildError> {
        let client = self.http.client()?;
        let _ = self.client.set(Ok(client));
        Ok(self)
    }

    fn client(&self) -> Result<&reqwest::Client, String> {
        let make = || self.http.client().map_err(|error| error.to_string());
        self.client
            .get_or_init(make)
            .as_ref()
            .map_err(String::clone)
    }

    async fn post(&self, batch: &Batch) -> Result<Delivered, String> {
        let compressed =
            self.gzip && batch.body.len() >= COMPRESSED_FROM && !self.plain.load(Ordering::Relaxed);
        let mut response = self.send(batch, compressed).await?;
        if compressed && response.status().as_u16() == 415 {
            self.plain.store(true, Ordering::Relaxed);
            debug!(target: "bucketry", url = self.name, "the receiver takes no gzip; batches go plain from now on");
            response = self.send(batch, false).await?;
        }
        self.read(response).await
    }

    async fn send(&self, batch: &Batch, compressed: bool) -> Result<Response, String> {
        let request = self
            .client()?
            .post(self.url.clone())
            .headers(self.http.headers.clone())
            .header(CONTENT_TYPE, "application/x-ndjson")
            .header("idempotency-key", batch.id.to_string())
            .header("bucketry-attempt", batch.attempt)
            .timeout(self.timeout);
        let request = if compressed {
            let body = gzip(&batch.body).map_err(|error| error.to_string())?;
            request.header(CONTENT_ENCODING, "gzip").body(body)
        } else {
            request.body(batch.body.clone())
        };
        request.send().await.map_err(|error| describe(&error))
    }

    async fn read(&self, mut response: Response) -> Result<Delivered, String> {
        let status = response.status();
        if status.is_redirection() {
            let to = response.headers().get(LOCATION);
            let to = to
                .and_then(|to| to.to_str().ok())
                .unwrap_or("another address");
            return Err(format!(
                "answered with status {status} and `{to}`, which is not followed; give the sink the address that is right"
            ));
        }
        let retry_after = retry_after(response.headers(), now(response.headers()));
        // Read to its end, a connection can be used again.
        let mut answer = Vec::new();
        while answer.len() < ANSWER_BYTES
            && let Ok(Some(chunk)) = response.chunk().await
        {
            answer.extend_from_slice(&chunk);
        }
        if !status.is_success() {
            answer.truncate(200);
            let answer = String::from_utf8_lossy(&answer);
            debug!(target: "bucketry", url = self.name, status = status.as_u16(), "the receiver says: {answer}");
        }
        Ok(Delivered::Status {
            status: status.as_u16(),
            retry_after,
        })
    }
}

impl Sink for HttpSink {
    fn deliver<'a>(&'a self, batch: &'a Batch) -> SinkFuture<'a, Delivered> {
        Box::pin(async move { self.post(batch).await.unwrap_or_else(Delivered::Failed) })
    }

    fn name(&self) -> &str {
        &self.name
    }

    /// With connections of its own: two processes cannot speak over one.
    fn in_child(&self) -> Option<Arc<dyn Sink>> {
        Some(Arc::new(Self {
            url: self.url.clone(),
            name: self.name.clone(),
            http: self.http.clone(),
            timeout: self.timeout,
            gzip: self.gzip,
            plain: AtomicBool::new(self.plain.load(Ordering::Relaxed)),
            client: OnceLock::new(),
        }))
    }
}

fn gzip(body: &[u8]) -> std::io::Result<Vec<u8>> {
    // Fast, because it runs where the flag set is refreshed too: 256 KiB take a millisecond, and become a tenth.
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 8), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

/// The time by the receiver's clock, which is the one that its dates are by.
fn now(headers: &HeaderMap) -> SystemTime {
    let date = headers.get(DATE).and_then(|date| date.to_str().ok());
    let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
    date.unwrap_or_else(SystemTime::now)
}

impl fmt::Debug for HttpSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSink")
            .field("url", &self.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

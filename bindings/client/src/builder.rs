//! What a client is made of.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bucketry_core::{ConfigError, FlagSet, Reading, Refresh, RefreshConfig};
use tokio::sync::mpsc;

use crate::client::Client;
use crate::clock::Clock;
use crate::config::{Config, SourceKind};
use crate::documents::Documents;
use crate::error::BuildError;
use crate::events::{Callback, Event};
use crate::exposures::{ExposureOptions, Exposures, ExposuresConfig};
use crate::overrides::{Override, Overrides};
use crate::shared::{Arm, Held, Recorder, Shared};
use crate::sink::{NdjsonSink, Sink};
use crate::source::{Fetched, Source};
use crate::spool::SpoolOptions;
use crate::status::{Origin, State};
use crate::worker;

/// Collects what a client is made of: [`Client::builder`].
///
/// ```
/// use bucketry::{Client, EvaluationContext};
///
/// let client = Client::builder()
///     .inline(r#"{ "format": 1, "flags": { "new-checkout": { "type": "boolean", "default": "on" } } }"#)
///     .build()?;
/// assert!(client.bool_value("new-checkout", &EvaluationContext::new("user-1"), false));
/// # Ok::<(), bucketry::BuildError>(())
/// ```
#[must_use]
pub struct Builder {
    sources: Vec<Named>,
    refresh: RefreshConfig,
    #[cfg(feature = "import")]
    import: Option<(bucketry_import::Format, bucketry_import::ImportOptions)>,
    #[cfg(feature = "signature")]
    keys: Vec<(String, String)>,
    reading: Reading,
    interval: Duration,
    stale_after: Option<Duration>,
    request_timeout: Duration,
    max_bytes: usize,
    cache_dir: Option<PathBuf>,
    drop_limit: Duration,
    overrides: Overrides,
    sink: Option<Arc<dyn Sink>>,
    exposures: ExposureOptions,
    spool: Option<SpoolOptions>,
    callbacks: Vec<Callback>,
    #[cfg(feature = "http")]
    http: crate::source::http::HttpOptions,
    #[cfg(feature = "http")]
    headers: Vec<(String, String)>,
    #[cfg(feature = "http")]
    events_url: Option<String>,
    #[cfg(feature = "http")]
    streaming: bool,
    #[cfg(feature = "http")]
    exposures_url: Option<String>,
}

enum Named {
    #[cfg(feature = "http")]
    Url(String),
    Kind(SourceKind),
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            sources: Vec::new(),
            refresh: RefreshConfig::new(),
            #[cfg(feature = "import")]
            import: None,
            #[cfg(feature = "signature")]
            keys: Vec::new(),
            reading: Reading::Lenient,
            interval: Duration::from_secs(30),
            stale_after: Some(Duration::from_secs(600)),
            request_timeout: Duration::from_secs(10),
            max_bytes: 16 << 20,
            cache_dir: None,
            drop_limit: Duration::from_secs(2),
            overrides: Overrides::default(),
            sink: None,
            exposures: ExposureOptions::new(),
            spool: None,
            callbacks: Vec::new(),
            #[cfg(feature = "http")]
            http: crate::source::http::HttpOptions::default(),
            #[cfg(feature = "http")]
            headers: Vec::new(),
            #[cfg(feature = "http")]
            events_url: None,
            #[cfg(feature = "http")]
            streaming: true,
            #[cfg(feature = "http")]
            exposures_url: None,
        }
    }

    /// Adds a flag set at an `http` or `https` address.
    ///
    /// Several sources are asked in the order in which they were added: the next one only while all before it fail. What a
    /// preferred source gave is replaced by a stand-in only if that has a higher revision.
    #[cfg(feature = "http")]
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.sources.push(Named::Url(url.into()));
        self
    }

    /// Adds a flag set in a file. It is looked at once a second and read when it has changed; replacing it by another
    /// file of its name, or by a symbolic link that points elsewhere (a Kubernetes config map), counts as a change.
    pub fn file(self, path: impl Into<PathBuf>) -> Self {
        self.named(SourceKind::File(path.into()))
    }

    /// Adds a flag set that the program brings along. As the only or first source it is read by [`build`](Self::build), so that
    /// the client is ready at once; after others it is what evaluations use until one of them answers.
    pub fn inline(self, document: impl AsRef<[u8]>) -> Self {
        self.named(SourceKind::Inline(document.as_ref().into()))
    }

    /// Adds a source of your own.
    pub fn source(self, source: impl Source) -> Self {
        self.named(SourceKind::Custom(Arc::new(source)))
    }

    fn named(mut self, kind: SourceKind) -> Self {
        self.sources.push(Named::Kind(kind));
        self
    }

    /// How long to wait after a good answer before a source is asked again. 1 second to 7 days; default: 30 s. Each wait is
    /// drawn up to 10 % shorter or longer, so that clients do not ask in step.
    pub const fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// How long a request may take as a whole: connecting, redirects, the last byte. 1 second to 1 hour; default: 10 s.
    pub const fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// How long connecting may take, the TLS handshake included. Default: 5 s.
    #[cfg(feature = "http")]
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.http.connect_timeout = timeout;
        self
    }

    /// How long the flag set may be without word from a source before the client counts as stale; `None`: never. At least the
    /// interval; default: 10 min. Evaluations go on in any case.
    pub const fn stale_after(mut self, age: Option<Duration>) -> Self {
        self.stale_after = age;
        self
    }

    /// How long to wait after failures: `first` after one, doubling to `cap`; half of it is drawn. 10 ms to 1 day; default:
    /// 1 s and 5 min.
    pub const fn backoff(mut self, first: Duration, cap: Duration) -> Self {
        self.refresh = self.refresh.backoff(first, cap);
        self
    }

    /// Largest document, in bytes unpacked. Default: 16 MiB; up to 64 MiB.
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Refuses a flag set with anything in error as a whole and keeps the last good one. Default: what is right in it works, and
    /// flags in error answer `PARSE_ERROR`.
    pub const fn strict(mut self, strict: bool) -> Self {
        self.reading = if strict {
            Reading::Strict
        } else {
            Reading::Lenient
        };
        self
    }

    /// Sends a header with every request to a URL source, but to no other host that a redirect leads to.
    #[cfg(feature = "http")]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sends `Authorization: Bearer ...`, as [`header`](Self::header) does.
    #[cfg(feature = "http")]
    pub fn bearer_token(self, token: impl std::fmt::Display) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// Where the server sends events when the flag set changes (`text/event-stream`, events named `change`). Default: where the
    /// response's header `Link: <...>; rel="monitor"` says, if it does.
    #[cfg(feature = "http")]
    pub fn events_url(mut self, url: impl Into<String>) -> Self {
        self.events_url = Some(url.into());
        self
    }

    /// Whether to listen to such events. Default: yes. Polling goes on in any case, so that a stream which dies in silence
    /// costs an interval at most.
    #[cfg(feature = "http")]
    pub const fn streaming(mut self, streaming: bool) -> Self {
        self.streaming = streaming;
        self
    }

    /// Trusts these certificates (PEM) beside Mozilla's.
    #[cfg(feature = "tls")]
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.http.roots.push(pem.into());
        self
    }

    /// Makes the HTTP client: for a proxy, a client certificate, another TLS. Called once for each URL source, and again in a
    /// forked child, where the parent's connections must not be used. The client should not follow redirects itself.
    #[cfg(feature = "http")]
    pub fn http_client(
        mut self,
        make: impl Fn() -> Result<reqwest::Client, reqwest::Error> + Send + Sync + 'static,
    ) -> Self {
        self.http.factory = Some(Arc::new(make));
        self
    }

    /// Trusts flag sets that are signed by this Ed25519 public key (32 bytes in base64), and no others: with the first key a
    /// signature is required. While keys are rotated there are several, told apart by their ids.
    ///
    /// The signature stands in the response header `Bucketry-Signature: keyId=<id>; ed25519=<base64>`, or in a file beside the
    /// document with `.sig` added to its name. An inline document needs none. Flag sets should have revisions: an older one with
    /// its old signature is refused by its revision.
    #[cfg(feature = "signature")]
    pub fn signing_key(mut self, id: impl Into<String>, public_key: impl Into<String>) -> Self {
        self.keys.push((id.into(), public_key.into()));
        self
    }

    /// Takes documents to be of another flag service's format, and translates them: the client polls an existing service
    /// directly. A document that cannot be translated is refused, a flag that cannot be answers `PARSE_ERROR`.
    #[cfg(feature = "import")]
    pub fn import(
        mut self,
        format: bucketry_import::Format,
        options: bucketry_import::ImportOptions,
    ) -> Self {
        self.import = Some((format, options));
        self
    }

    /// Keeps the last good flag set in a file of this directory, and begins with it when a later process finds no source
    /// that answers. The directory is made if there is none. Default: none.
    pub fn cache_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.cache_dir = Some(directory.into());
        self
    }

    /// Delivers exposures to this sink. Without a sink none are recorded.
    pub fn sink(mut self, sink: impl Sink) -> Self {
        #[cfg(feature = "http")]
        {
            self.exposures_url = None;
        }
        self.sink = Some(Arc::new(sink));
        self
    }

    /// Delivers exposures into rotating NDJSON files in this directory: [`NdjsonSink`].
    pub fn exposures_to_dir(self, directory: impl Into<PathBuf>) -> Self {
        self.sink(NdjsonSink::new(directory))
    }

    /// Delivers exposures by posting them to this address: [`HttpSink`](crate::HttpSink). What is set here for HTTP holds there
    /// too; the headers only where the address is on the host of a URL source. Another host gets an `HttpSink` with its own.
    #[cfg(feature = "http")]
    pub fn exposures_to_url(mut self, url: impl Into<String>) -> Self {
        self.exposures_url = Some(url.into());
        self.sink = None;
        self
    }

    /// How exposures are recorded and held until they are delivered.
    pub fn exposure_options(mut self, options: ExposureOptions) -> Self {
        self.exposures = options;
        self
    }

    /// Keeps exposures in this directory until they are delivered, so that the next process delivers what this one could not,
    /// also after a crash: a path, or [`SpoolOptions`]. Default: none, so that a process that is killed loses what it holds.
    pub fn spool(mut self, spool: impl Into<SpoolOptions>) -> Self {
        self.spool = Some(spool.into());
        self
    }

    /// How long dropping the last handle without closing may take to deliver what is pending. Default: 2 s; zero: no time.
    pub const fn drop_limit(mut self, limit: Duration) -> Self {
        self.drop_limit = limit;
        self
    }

    /// Makes a flag answer so for everyone: see [`Client::set_override`].
    pub fn override_flag(mut self, flag_key: impl Into<String>, to: impl Into<Override>) -> Self {
        self.overrides.set(flag_key.into(), None, to.into());
        self
    }

    /// Calls this with every event: see [`Client::on_event`].
    pub fn on_event(mut self, callback: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.callbacks.push(Arc::new(callback));
        self
    }

    /// Starts the client. Never waits for the network or a disk: [`Client::ready`] does.
    ///
    /// # Errors
    ///
    /// [`BuildError`] when a setting cannot work at all. What may be repaired later (a server that is down, a file that is
    /// not there yet) is no error here.
    pub fn build(self) -> Result<Client, BuildError> {
        let callbacks = self.callbacks.clone();
        let clock = Clock::system();
        let recorder = match self.chosen_sink()? {
            Some(sink) => Recorder::Log(Arc::new(self.exposures(&sink, &clock)?)),
            None => Recorder::Off,
        };
        let (config, overrides) = self.config()?;
        let held = Held {
            flag_set: None,
            origin: None,
            overrides: (!overrides.is_empty()).then(|| Arc::new(overrides)),
            recorder,
        };
        let (held, ready) = config.begin_inline(held)?;
        let sources = config.make_sources()?;
        let (sender, commands) = mpsc::unbounded_channel();
        let arm = Arm::new(Some(sender), State::default());
        let shared = Shared::new(config, clock, held, arm);
        if ready {
            shared.confirm(shared.clock.monotonic(), Duration::ZERO);
        }
        for callback in callbacks {
            shared.add_callback(callback).map_err(BuildError::Thread)?;
        }
        worker::start(&shared, &shared.arm(), commands, sources).map_err(BuildError::Thread)?;
        Ok(Client::new(shared))
    }

    /// The sink that was named.
    fn chosen_sink(&self) -> Result<Option<Arc<dyn Sink>>, BuildError> {
        #[cfg(feature = "http")]
        if let Some(url) = &self.exposures_url {
            use crate::source::url::UrlOptions;

            let url = UrlOptions::parse(url)?;
            let mut http = self.http.clone();
            let is_here = |source: &Named| match source {
                Named::Url(source) => {
                    UrlOptions::parse(source).is_ok_and(|source| source.origin() == url.origin())
                }
                Named::Kind(_) => false,
            };
            if self.sources.iter().any(is_here) {
                for (name, value) in &self.headers {
                    http.header(name, value)?;
                }
            }
            let sink = crate::sink::HttpSink::with(url, http)?.check()?;
            return Ok(Some(Arc::new(sink)));
        }
        Ok(self.sink.clone())
    }

    fn exposures(&self, sink: &Arc<dyn Sink>, clock: &Clock) -> Result<Exposures, ConfigError> {
        let clock = clock.clone();
        Exposures::new(ExposuresConfig {
            sink: Arc::clone(sink),
            options: self.exposures.clone(),
            spool: self.spool.clone(),
            sdk: concat!("bucketry-rust/", env!("CARGO_PKG_VERSION")).to_owned(),
            platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
            clock: Arc::new(move || clock.times()),
        })
    }

    fn config(self) -> Result<(Config, Overrides), BuildError> {
        if self.sources.is_empty() {
            return Err(BuildError::NoSource);
        }
        let refresh = self
            .refresh
            .interval(self.interval)
            .request_timeout(self.request_timeout)
            .max_bytes(self.max_bytes)
            .stale_after(self.stale_after)
            .reading(self.reading);
        #[cfg_attr(
            not(any(feature = "import", feature = "signature")),
            expect(unused_mut, reason = "only these features change it")
        )]
        let mut documents = Documents::default();
        #[cfg(feature = "import")]
        {
            documents.import = self.import;
        }
        #[cfg(not(feature = "signature"))]
        let signed = false;
        #[cfg(feature = "signature")]
        let (refresh, signed) = {
            for (id, key) in self.keys {
                documents.keys.add(id, &key)?;
            }
            let signed = !documents.keys.is_empty();
            let signing = if signed {
                bucketry_core::Signing::Required
            } else {
                bucketry_core::Signing::Optional
            };
            (refresh.signing(signing), signed)
        };
        check(&refresh)?;
        #[cfg(feature = "http")]
        let http = {
            let mut http = self.http;
            for (name, value) in &self.headers {
                http.header(name, value)?;
            }
            http
        };
        let mut sources = Vec::new();
        for source in self.sources {
            sources.push(match source {
                #[cfg(feature = "http")]
                Named::Url(url) => {
                    use crate::source::url::UrlOptions;

                    let events = self.events_url.as_deref().map(UrlOptions::parse);
                    SourceKind::Url(UrlOptions {
                        url: UrlOptions::parse(&url)?,
                        events: events.transpose()?,
                        streaming: self.streaming,
                    })
                }
                Named::Kind(kind) => kind,
            });
        }
        let config = Config {
            sources,
            refresh,
            documents,
            signed,
            reading: self.reading,
            stale_after: self.stale_after,
            request_timeout: self.request_timeout,
            max_bytes: self.max_bytes,
            cache_dir: self.cache_dir,
            drop_limit: self.drop_limit,
            #[cfg(feature = "http")]
            http,
        };
        Ok((config, self.overrides))
    }
}

fn check(refresh: &RefreshConfig) -> Result<(), ConfigError> {
    Refresh::new(refresh.clone()).map(drop)
}

impl Config {
    /// With an inline document in front, the flag set is there before anything runs.
    fn begin_inline(&self, mut held: Held) -> Result<(Held, bool), BuildError> {
        let Some(SourceKind::Inline(document)) = self.sources.first() else {
            return Ok((held, false));
        };
        let read = match self.reading {
            Reading::Strict => FlagSet::from_json_strict,
            Reading::Lenient => FlagSet::from_json,
        };
        let fetched = Fetched::document(&**document);
        let understood = self.documents.understand(&fetched);
        if let Some(reason) = understood.refused {
            return Err(BuildError::Import(reason));
        }
        let flag_set = read(&understood.document).map_err(BuildError::Inline)?;
        held.flag_set = Some(Arc::new(flag_set));
        held.origin = Some(Origin::Source(crate::source::inline::NAME.into()));
        Ok((held, true))
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").finish_non_exhaustive()
    }
}

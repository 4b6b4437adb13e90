//! What all HTTP of a client has in common.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::error::BuildError;

/// Makes HTTP clients: also in a forked child, where the parent's connections must not be used.
pub(crate) type ClientFactory =
    Arc<dyn Fn() -> Result<reqwest::Client, reqwest::Error> + Send + Sync>;

/// How HTTP is done.
#[derive(Clone)]
pub(crate) struct HttpOptions {
    pub(crate) headers: HeaderMap,
    pub(crate) connect_timeout: Duration,
    /// PEM certificates to trust beside Mozilla's.
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "there is no TLS"))]
    pub(crate) roots: Vec<Vec<u8>>,
    pub(crate) factory: Option<ClientFactory>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            headers: HeaderMap::new(),
            connect_timeout: Duration::from_secs(5),
            roots: Vec::new(),
            factory: None,
        }
    }
}

/// As servers see it.
const USER_AGENT: &str = concat!("bucketry-rust/", env!("CARGO_PKG_VERSION"));

impl HttpOptions {
    pub(crate) fn header(&mut self, name: &str, value: &str) -> Result<(), BuildError> {
        let wrong = || BuildError::Header {
            name: name.to_owned(),
        };
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| wrong())?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(())
    }

    /// A client of our own. Redirects are followed by whoever asks, who knows what may be sent where.
    pub(crate) fn client(&self) -> Result<reqwest::Client, BuildError> {
        if let Some(factory) = &self.factory {
            return factory().map_err(|error| BuildError::Http(describe(&error)));
        }
        let builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(self.connect_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false);
        #[cfg(feature = "tls")]
        let builder = builder.tls_backend_preconfigured(self.tls()?);
        builder
            .build()
            .map_err(|error| BuildError::Http(describe(&error)))
    }

    /// TLS by ring with roots that are compiled in: a container without certificates works, and no process-wide provider
    /// is needed or set.
    #[cfg(feature = "tls")]
    fn tls(&self) -> Result<rustls::ClientConfig, BuildError> {
        use rustls::pki_types::CertificateDer;
        use rustls::pki_types::pem::PemObject;

        let mut roots = rustls::RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        for pem in &self.roots {
            let wrong = |reason: String| BuildError::Key {
                id: "root certificate".to_owned(),
                reason,
            };
            let mut found = false;
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
                let added = roots.add(certificate);
                added.map_err(|error| wrong(error.to_string()))?;
                found = true;
            }
            if !found {
                return Err(wrong("it holds no `BEGIN CERTIFICATE`".to_owned()));
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| BuildError::Http(error.to_string()))?;
        Ok(config.with_root_certificates(roots).with_no_client_auth())
    }
}

/// An error and what it comes from, without the address, which may hold secrets and is told elsewhere.
pub(crate) fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = match error.downcast_ref::<reqwest::Error>() {
        Some(error) if error.is_connect() => "could not connect".to_owned(),
        Some(error) if error.is_timeout() => "took too long".to_owned(),
        Some(error) if error.is_body() || error.is_decode() => "the body broke off".to_owned(),
        Some(error) if error.is_request() => "the request failed".to_owned(),
        _ => error.to_string(),
    };
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

/// The wait that a `Retry-After` asks for, in either of its forms: seconds, or a date.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers
        .get(reqwest::header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    Some(at.duration_since(now).unwrap_or_default())
}

/// An address for messages and file names: without user, password, query and fragment, which may be secret.
pub(crate) fn without_secrets(url: &reqwest::Url) -> String {
    let mut url = url.clone();
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now = httpdate::parse_http_date("Wed, 21 Oct 2026 07:28:00 GMT").unwrap();
        for (text, want) in [
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("Wed, 21 Oct 2026 07:29:30 GMT", Some(90)),
            // The form of RFC 850, which clients must still read.
            ("Wednesday, 21-Oct-26 07:28:05 GMT", Some(5)),
            // A date that is past: at once.
            ("Wed, 21 Oct 2026 07:00:00 GMT", Some(0)),
            ("soon", None),
            ("-5", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", HeaderValue::from_str(text).unwrap());
            let got = retry_after(&headers, now);
            assert_eq!(got, want.map(Duration::from_secs), "{text:?}");
        }
    }

    #[test]
    fn messages_hold_no_secret_of_an_address() {
        let url = reqwest::Url::parse("https://user:pass@h.example/a/b.json?token=1#x").unwrap();
        assert_eq!(without_secrets(&url), "https://h.example/a/b.json");
    }
}

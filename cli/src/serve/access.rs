//! Who may write.

use std::env;
use std::fs;
use std::path::Path;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use headers::authorization::Bearer;
use headers::{Authorization, HeaderMapExt};
use sha2::{Digest, Sha256};

use crate::failure::{Failure, Result};

/// Holds the token, where no file does.
pub(super) const TOKEN_VARIABLE: &str = "BUCKETRY_TOKEN";
/// Shorter tokens are guessed.
const MIN_TOKEN_BYTES: usize = 16;
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Which tokens may write, and which web pages may ask.
#[derive(Debug, Default)]
pub(super) struct Access {
    /// Digests, so that comparing takes the same time whatever was sent. None: everybody may write.
    tokens: Vec<[u8; 32]>,
    pub(super) origins: Vec<HeaderValue>,
    pub(super) any_origin: bool,
}

/// Why a request may not write.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Denied {
    /// It says nothing of who it is.
    Unknown,
    /// What it says is not right.
    Wrong,
    /// It comes from a web page that is not on the list.
    Origin,
}

impl Access {
    /// Reads the tokens, one a line, from the file or else from the environment.
    pub(super) fn read(file: Option<&Path>, origins: &[String]) -> Result<Self> {
        let text = match file {
            Some(path) => Some(
                fs::read_to_string(path).map_err(|error| Failure::file("read", path, &error))?,
            ),
            None => env::var(TOKEN_VARIABLE).ok(),
        };
        let from = file.map_or(TOKEN_VARIABLE.into(), |path| path.display().to_string());
        let mut tokens = Vec::new();
        for token in text.iter().flat_map(|text| text.lines()).map(str::trim) {
            if token.is_empty() {
                continue;
            }
            if token.len() < MIN_TOKEN_BYTES {
                let short =
                    format!("`{from}` has a token of less than {MIN_TOKEN_BYTES} characters");
                return Err(Failure::new(short).help("make one with: openssl rand -hex 16"));
            }
            tokens.push(Sha256::digest(token.as_bytes()).into());
        }
        if text.is_some() && tokens.is_empty() {
            // Said to be protected, and open to everybody: that must not happen silently.
            return Err(Failure::new(format!("`{from}` holds no token")));
        }
        let any_origin = origins.iter().any(|origin| origin == "*");
        let named = origins.iter().filter(|origin| *origin != "*");
        let named = named.map(|origin| {
            let value = HeaderValue::from_str(origin.trim_end_matches('/'));
            value.map_err(|_| Failure::new(format!("`{origin}` is no origin")))
        });
        Ok(Self {
            tokens,
            origins: named.collect::<Result<_>>()?,
            any_origin,
        })
    }

    /// Whether writes need a token.
    pub(super) const fn is_protected(&self) -> bool {
        !self.tokens.is_empty()
    }

    /// Whether a request with these headers may write.
    pub(super) fn check(&self, headers: &HeaderMap) -> std::result::Result<(), Denied> {
        // A page of any site can make a browser post to this machine.
        if let Some(origin) = headers.get(header::ORIGIN)
            && !self.any_origin
            && !self.origins.contains(origin)
        {
            return Err(Denied::Origin);
        }
        if self.tokens.is_empty() {
            return Ok(());
        }
        let bearer = headers.typed_get::<Authorization<Bearer>>();
        let key = headers.get(API_KEY).and_then(|key| key.to_str().ok());
        let token = bearer.as_ref().map(|bearer| bearer.token()).or(key);
        let Some(token) = token else {
            return Err(Denied::Unknown);
        };
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        match self.tokens.contains(&digest) {
            true => Ok(()),
            false => Err(Denied::Wrong),
        }
    }
}

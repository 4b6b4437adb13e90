//! Providers in each state, of real clients.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bucketry::open_feature::Provider;
use bucketry::source::{Fetched, Request, Source, SourceError, SourceFuture};
use bucketry::testing::TestClient;
use bucketry::{Client, Status};

/// A provider that has the flags of the document.
pub(crate) fn stable(flags: &str) -> Result<Provider, String> {
    let client = TestClient::from_json(flags).map_err(|error| error.to_string())?;
    Ok(Provider::new((*client).clone()))
}

/// How a source behaves.
enum Behaviour {
    Silent,
    Failing,
    /// It gives this document once, and fails from then on.
    Once(String, AtomicBool),
}

impl Source for Behaviour {
    fn name(&self) -> &str {
        "scenario"
    }

    fn fetch<'a>(&'a self, _: &'a Request) -> SourceFuture<'a, Result<Fetched, SourceError>> {
        Box::pin(async move {
            match self {
                Self::Silent => std::future::pending().await,
                Self::Once(document, given) if !given.swap(true, Ordering::Relaxed) => {
                    Ok(Fetched::document(document.as_str()))
                }
                Self::Failing | Self::Once(..) => Err(SourceError::new("it is gone")),
            }
        })
    }
}

/// A provider whose client comes into this state.
pub(crate) fn in_state(state: &str, flags: &str) -> Result<Provider, String> {
    let (behaviour, want) = match state {
        "stable" => return stable(flags),
        "not ready" => (Behaviour::Silent, Status::NotReady),
        "error" => (Behaviour::Failing, Status::Error),
        "stale" => (
            Behaviour::Once(flags.to_owned(), AtomicBool::new(false)),
            Status::Stale,
        ),
        other => return Err(format!("there is no provider that is {other}")),
    };
    let second = Duration::from_secs(1);
    let client = Client::builder()
        .source(behaviour)
        .interval(second)
        .stale_after(Some(second))
        .build()
        .map_err(|error| error.to_string())?;
    let begun = Instant::now();
    while client.status() != want {
        if begun.elapsed() > 60 * second {
            return Err(format!("the client is {} after a minute", client.status()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(Provider::new(client).ready_within(Duration::ZERO))
}

//! Feature flags and experiments for Rust programs: evaluated in the process, refreshed in the background.
//!
//! ```
//! use std::time::Duration;
//!
//! use bucketry::{Client, EvaluationContext};
//!
//! let client = Client::builder()
//!     .inline(r#"{
//!         "format": 1,
//!         "flags": {
//!             "new-checkout": {
//!                 "type": "boolean", "default": "off",
//!                 "rules": [{ "if": { "attribute": "country", "in": ["DE", "FR"] }, "serve": "on" }]
//!             }
//!         }
//!     }"#) // or .url("https://flags.example.com/flags.json")
//!     .build()?;
//! client.ready(Duration::from_secs(2))?;
//!
//! let user = EvaluationContext::new("user-1").with("country", "DE");
//! assert!(client.bool_value("new-checkout", &user, false));
//!
//! let details = client.bool_details("new-checkout", &user, false);
//! println!("{} because of {}", details.value, details.reason);
//! let _ = client.close(Duration::from_secs(5));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | to | see |
//! | --- | --- |
//! | build a client | [`Client::builder`], [`Builder`] |
//! | evaluate | [`Client::bool_value`] and its sisters, each with details |
//! | keep one flag set for a whole request | [`Client::snapshot`] |
//! | look without exposing | [`Client::peek`] |
//! | know how things stand | [`Client::ready`], [`Client::state`], [`Client::events`], [`Client::metrics`] |
//! | bring a source of your own | [`source::Source`] |
//! | use it through OpenFeature | `open_feature::Provider`, with the feature `open-feature` |
//! | test | [`testing::TestClient`], [`Client::set_override`] |
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::string_slice,
        reason = "a test fails by panicking"
    )
)]

mod builder;
mod cache;
mod client;
mod clock;
mod config;
mod counts;
mod documents;
mod error;
mod evaluate;
mod events;
mod exposures;
mod fork;
mod metrics;
#[cfg(feature = "open-feature")]
pub mod open_feature;
mod overrides;
mod random;
mod shared;
#[cfg(feature = "signature")]
mod signature;
mod sink;
mod snapshot;
pub mod source;
mod spool;
mod status;
pub mod testing;
mod wait;
mod worker;

pub use bucketry_core::{
    AttributeValue, Counters, ErrorCode, EvaluationContext, Explanation, FlagSet, LoadError,
    PriorAssignment, Reason, Recorded, UnixMillis,
};
#[cfg(feature = "import")]
pub use bucketry_import::{Dialect, Format, ImportOptions, Malformed};
pub use builder::Builder;
pub use client::Client;
pub use error::BuildError;
pub use evaluate::{EvaluationDetails, FlagMetadata, MetadataValue};
pub use events::{Event, Events};
pub use exposures::{DeliveryStatus, Dropped, ExposureOptions, FlushReport, Kept};
pub use metrics::{Evaluations, Metrics};
pub use overrides::Override;
#[cfg(feature = "http")]
pub use sink::HttpSink;
#[cfg(feature = "opentelemetry")]
pub use sink::OpenTelemetrySink;
pub use sink::{
    Batch, Blocking, BlockingSink, Delivered, Durability, ExposureFiles, NdjsonSink, Sink,
    SinkFuture, callback,
};
pub use snapshot::{Peek, Snapshot};
pub use spool::SpoolOptions;
pub use status::{NotReady, Origin, State, Status};

/// Compiles the blocks of the document.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/delivery.md")]
struct Delivery;

/// The code blocks of the document are tests.
#[cfg(all(doctest, feature = "http"))]
#[doc = include_str!("../../../docs/client.md")]
struct Documentation;

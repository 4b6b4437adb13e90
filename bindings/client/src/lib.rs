//! Feature flags and experiments for Rust programs.
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
#![allow(dead_code, reason = "what the client calls is here before the client")]

mod exposures;
mod random;
mod sink;

pub use exposures::{DeliveryStatus, Dropped, ExposureOptions, FlushReport, Kept};
pub use sink::{
    Batch, Blocking, BlockingSink, Delivered, Durability, NdjsonSink, Sink, SinkFuture, callback,
};

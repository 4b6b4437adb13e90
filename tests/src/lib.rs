//! Test support.

pub mod conformance;

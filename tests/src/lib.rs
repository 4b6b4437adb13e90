//! Test support.

pub mod conformance;
pub mod heap;
pub mod protocol;
pub mod random;
pub mod statistics;

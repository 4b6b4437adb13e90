//! Test support.

pub mod conformance;
pub mod heap;
pub mod random;
pub mod statistics;

//! Test support.

pub mod conformance;
pub mod generate;
pub mod heap;
pub mod protocol;
pub mod random;
pub mod statistics;

/// The README's code is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}

/// Likewise the page about exposures.
#[cfg(doctest)]
#[doc = include_str!("../../docs/exposures.md")]
mod exposures {}

//! Feature flags and experiments for Rust programs.

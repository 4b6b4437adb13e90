//! What every measured implementation shares.
//!
//! | module | |
//! | --- | --- |
//! | [`work`] | the flags and the users, described once |
//! | [`implementation`] | what a peer must be able to do |
//! | [`run`] | checks the answers, then measures |
//! | [`floors`] | the same decisions written by hand |
//! | [`measure`] | CPU time in short samples |
//! | [`heap`] | an allocator that counts |
//!
//! A peer is a program of its own, so that its dependencies and their features touch no other
//! peer. It prints one line a measurement ([`run::Run`]); the program `bucketry-bench` builds and
//! runs them all and makes the table.

pub mod floors;
pub mod heap;
pub mod implementation;
pub mod measure;
pub mod run;
pub mod work;

pub use implementation::{Arm, Implementation};
pub use run::Run;
pub use work::{Flag, Kind, Rule, User};

#[global_allocator]
static HEAP: heap::Counting = heap::Counting;

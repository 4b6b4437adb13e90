//! Whole clients and a whole server over a bad network, in virtual time.
//!
//! A client here is what a wrapper is around the core: a host that drives one `Refresh` and one `ExposureLog`, with a
//! disk, two clocks and a process that ends. The server publishes flag sets and collects exposures. Between them
//! packets are lost, delayed, doubled and overtaken; the server stumbles, is away, sends what is no flag
//! set or the wrong one; devices sleep, clocks jump, disks are full, processes are killed, restarted and forked. A seed decides
//! all of it, so a failure can be had again. What must hold at every step and at the end stands in `laws.rs`
//! and `rules.rs`; `faults.rs` makes hosts that are wrong on purpose, each of which the laws must catch.
//!
//! | variable | |
//! | --- | --- |
//! | `SIMULATION_SEEDS` | how many seeds to run; default 10,000 |
//! | `SIMULATION_SEED` | this seed alone, with its trace |
//! | `SIMULATION_FAULT` | with this fault of the host, by its name |
#![allow(
    clippy::cast_possible_wrap,
    reason = "virtual time is far from the ends of its type"
)]

mod books;
mod client;
mod disk;
mod faults;
mod herd;
mod host;
mod laws;
mod mishaps;
mod network;
mod process;
mod rules;
mod seeds;
mod server;
mod settings;
mod store;
mod trace;
mod world;

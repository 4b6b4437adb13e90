//! Every bound of the crate beside those of the core, each with the arithmetic that chose it.

/// Most warnings kept for one import; [`crate::Report::omitted_warnings`] counts the rest. A document
/// of 64 MiB can hold 10 million unknown members.
pub const MAX_WARNINGS: usize = 1_000;

/// Most shards of one split under different salts. One or two are usual (traffic and split); what all
/// splits agree in is found by comparing each shard of one with each of another.
pub const MAX_SHARDS: usize = 16;

/// Most bytes of conditions that one import may repeat: 16 MiB. An allocation that does not fit one rule
/// becomes a rule a split, each with the whole targeting: 100 splits under 1 KB of targeting in 100
/// flags are 10 MB. Without a bound 60 bytes of a hostile document could repeat a million.
pub const MAX_REPEATED_BYTES: usize = 16 << 20;

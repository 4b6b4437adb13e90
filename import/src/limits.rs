//! Every bound of the crate beside those of the core, each with the arithmetic that chose it.

/// Most warnings kept for one import; [`crate::Report::omitted_warnings`] counts the rest. A document
/// of 64 MiB can hold 10 million unknown members.
pub const MAX_WARNINGS: usize = 1_000;

/// Most bytes of conditions that one allocation may repeat: 1 MiB. An allocation whose splits
/// are no one split over one salt becomes a rule a split, each with the whole targeting; 1,000 splits under
/// 1 KB of targeting stay inside, and a hostile document cannot grow by more than this for each
/// 8 bytes of its own.
pub const MAX_REPEATED_BYTES: usize = 1 << 20;

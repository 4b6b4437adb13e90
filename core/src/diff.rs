//! Comparing two flag sets.

mod meaning;
#[cfg(test)]
mod tests;

//! How far a run is, on a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::style::percent;

/// Often enough to look alive.
const INTERVAL: Duration = Duration::from_millis(200);

/// Counts units, and shows the count on stderr.
#[derive(Debug)]
pub(super) struct Progress {
    start: Instant,
    /// When it was shown last; `None` where it is not to be shown.
    shown: Option<Instant>,
    input_bytes: Option<u64>,
    units: u64,
    bytes: u64,
}

impl Progress {
    /// Shown if stderr is a terminal that the rows do not go to as well. `input_bytes` is the length of the input
    /// where that is known.
    pub(super) fn new(rows_to_stdout: bool, input_bytes: Option<u64>) -> Self {
        let start = Instant::now();
        let mixed = rows_to_stdout && io::stdout().is_terminal();
        let show = io::stderr().is_terminal() && !mixed;
        Self {
            start,
            shown: show.then_some(start),
            input_bytes,
            units: 0,
            bytes: 0,
        }
    }

    pub(super) fn units(&self) -> u64 {
        self.units
    }

    /// The time since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Counts units; `bytes` of the input are through with.
    pub(super) fn add(&mut self, units: u64, bytes: Option<u64>) {
        self.units += units;
        self.bytes = bytes.unwrap_or(self.bytes);
        let Some(shown) = &mut self.shown else { return };
        let now = Instant::now();
        if now.duration_since(*shown) < INTERVAL {
            return;
        }
        *shown = now;
        let share = match self.input_bytes {
            // A file may grow while it is read.
            Some(whole) if whole > 0 => format!(", {} %", percent(self.bytes.min(whole), whole)),
            _ => String::new(),
        };
        let rate = rate(self.units, self.elapsed());
        // Where stderr is closed there is nobody to show it to.
        let _ = write!(
            io::stderr(),
            "\r\x1b[K{} units, {rate} units/s{share}",
            self.units
        );
    }

    /// Takes the count off the terminal.
    pub(super) fn clear(&self) {
        if self.shown.is_some_and(|shown| shown > self.start) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// Units a second.
pub(super) fn rate(units: u64, elapsed: Duration) -> u64 {
    (units as f64 / elapsed.as_secs_f64().max(1e-9)) as u64
}

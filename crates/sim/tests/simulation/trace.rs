//! What happened in a world, line by line, and a hash of it.
//!
//! The hash says quickly whether two runs were one and the same; the lines say where they parted.

use std::fmt::Arguments;

use xxhash_rust::xxh3::Xxh3;

use crate::timeline::Micros;

/// Everything that was said so far.
pub(crate) struct Trace {
    lines: Vec<String>,
    hash: Xxh3,
}

impl Trace {
    pub(crate) fn new() -> Self {
        Self {
            lines: Vec::new(),
            hash: Xxh3::new(),
        }
    }

    /// Says what happened at `now`.
    pub(crate) fn say(&mut self, now: Micros, what: Arguments<'_>) {
        let line = format!("{:>10.3} {what}", now as f64 / 1e6);
        self.hash.update(line.as_bytes());
        self.hash.update(b"\n");
        self.lines.push(line);
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash.digest()
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines
    }
}

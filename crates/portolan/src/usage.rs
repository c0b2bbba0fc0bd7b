//! Mistakes in what a command was given: all told at once, exit code 2.

use std::fmt;

/// The mistakes, each of which names its setting.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) Vec<String>);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for Usage {}

//! The command line of a process as it is shown: secrets masked, in one line, not too long.
//!
//! Told only where somebody switched it on. Rules find what is marked as a secret (see [`names`] and
//! [`mask`]); a password that stands alone, as in `login alice hunter2`, looks like any other word.
//! Where a rule is in doubt it masks.
//! Holds: at most [`STRING_CHARS_MAX`] characters, none of them a control character; what is cut off
//! has been masked before, so that no cut can uncover anything.

mod mask;
mod names;
mod programs;

use portolan_wire::caps::STRING_CHARS_MAX;

use crate::processes::Arguments;
use mask::Masker;

/// What stands for the rest of a line that was cut.
const MORE: char = '…';

/// The command line as it is shown. `None`: there is none.
pub(crate) fn shown(arguments: &Arguments) -> Option<String> {
    let mut masker = Masker::default();
    let masked: Vec<String> = arguments.0.iter().map(|it| masker.argument(it)).collect();
    let line = masked.join(" ");
    let line = line.trim();
    (!line.is_empty()).then(|| cut(line))
}

/// A line of a script shows as one with the next.
fn plain(char: char) -> char {
    match char {
        char if char.is_whitespace() => ' ',
        char if char.is_control() => '\u{fffd}',
        char => char,
    }
}

fn cut(line: &str) -> String {
    if line.chars().count() <= STRING_CHARS_MAX {
        return line.chars().map(plain).collect();
    }
    let kept = line.chars().take(STRING_CHARS_MAX - 1);
    kept.map(plain).chain([MORE]).collect()
}

#[cfg(test)]
#[path = "command_line_tests.rs"]
mod tests;

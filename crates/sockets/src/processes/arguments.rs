//! The arguments of a process: `/proc/PID/cmdline`.
//!
//! A process may write anything there, also at any length; nothing in it is believed.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Most bytes that are read.
const BYTES_MAX: u64 = 64 << 10;

/// Arguments, the program's name first. Bytes that are no UTF-8 are U+FFFD.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments(pub(crate) Vec<String>);

impl Arguments {
    /// Those of the process with that folder; none where they may not be read, or there are none.
    pub(crate) fn read(folder: &Path) -> Self {
        let mut bytes = Vec::new();
        let read = File::open(folder.join("cmdline"))
            .and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut bytes));
        match read {
            Ok(_) => Self::parse(&bytes),
            Err(_) => Self::default(),
        }
    }

    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let is_cut = bytes.len() as u64 > BYTES_MAX;
        let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
        let arguments = bytes.split(|byte| *byte == 0);
        let mut arguments: Vec<String> = arguments
            .map(|it| String::from_utf8_lossy(it).into_owned())
            .collect();
        // Half an argument may not show what kind it is.
        if is_cut || bytes.is_empty() {
            arguments.pop();
        }
        Self(arguments)
    }

    /// The value of an option, given as `--name value` or `--name=value`.
    pub(crate) fn option(&self, name: &str) -> Option<&str> {
        let mut arguments = self.0.iter().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.strip_prefix(name) {
                Some("") => return arguments.next().map(String::as_str),
                Some(rest) if rest.starts_with('=') => return rest.get(1..),
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_option_is_found_in_both_forms() {
        let told =
            Arguments::parse(b"dockerd\0--data-root\0/d\0--config-file=/c\0--data-rooted=/x\0");
        assert_eq!(told.option("--data-root"), Some("/d"));
        assert_eq!(told.option("--config-file"), Some("/c"));
        assert_eq!(told.option("--graph"), None);
        assert_eq!(Arguments::parse(b"a\0-b\0").option("-b"), None);
        assert_eq!(Arguments::parse(b""), Arguments::default());
        assert_eq!(Arguments::parse(b"a\0\0").0, ["a", ""]);
    }

    #[test]
    fn an_argument_that_was_cut_is_left_out() {
        let long = [b"a\0b\0".as_slice(), &vec![b'x'; 1 << 20]].concat();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("cmdline"), long).unwrap();
        assert_eq!(Arguments::read(folder.path()).0, ["a", "b"]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let told = Arguments::parse(&bytes);
            prop_assert!(told.0.iter().all(|it| !it.contains('\0')));
        }
    }
}

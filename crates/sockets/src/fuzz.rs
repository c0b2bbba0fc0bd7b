//! The parsers of what the kernel, `/proc` and container runtimes give, each as a function of bytes.
//!
//! For the fuzz targets in `fuzz/`, and for the test that runs their corpora. A target may not
//! panic, hang, or allocate far beyond what it was given; what it reads is not looked at.

use std::io;

use portolan_wire::open_port::Transport;

use crate::cgroup::Placement;
use crate::diag::{Channel, Effort, Query, dump};
use crate::namespaces::parse_mounts;
use crate::processes::{Arguments, Stat, bracketed};
use crate::{command_line, events, proc_net, runtimes, users};

/// A parser under its name, which is also that of its fuzz target and of its corpus.
pub type Target = (&'static str, fn(&[u8]));

/// Those of the kernel's own forms.
const KERNEL: &[Target] = &[
    ("netlink", netlink),
    ("proc_net", tables),
    ("stat", |bytes| _ = Stat::parse(bytes)),
    ("link", |bytes| _ = bracketed(bytes, b"socket:[")),
    ("cgroup", cgroup),
    ("mounts", |bytes| _ = parse_mounts(bytes)),
    ("passwd", |bytes| _ = users::parse(bytes)),
    ("command_line", |bytes| {
        _ = command_line::shown(&Arguments::parse(bytes));
    }),
];

/// All of them.
pub fn targets() -> impl Iterator<Item = &'static Target> {
    [KERNEL, events::fuzz::TARGETS, runtimes::fuzz::TARGETS]
        .into_iter()
        .flatten()
}

/// Runs the parser of that name.
///
/// # Panics
/// Where there is none.
pub fn run(name: &str, bytes: &[u8]) {
    let target = targets().find(|(known, _)| *known == name);
    let (_, parse) = target.unwrap_or_else(|| panic!("no parser is called {name}"));
    parse(bytes);
}

fn tables(bytes: &[u8]) {
    for transport in [Transport::Tcp, Transport::Udp] {
        _ = proc_net::parse(bytes, transport, &mut Vec::new());
    }
}

fn cgroup(bytes: &[u8]) {
    _ = Placement::parse(&String::from_utf8_lossy(bytes));
}

/// The bytes are the kernel's answer to each dump; then it falls silent.
fn netlink(bytes: &[u8]) {
    for transport in [Transport::Tcp, Transport::Udp] {
        for query in Query::lists_of(transport).iter().copied().flatten() {
            let mut kernel = Kernel(Some(bytes));
            _ = dump(&mut kernel, *query, &mut Effort::default());
        }
    }
}

struct Kernel<'a>(Option<&'a [u8]>);

impl Channel for Kernel<'_> {
    fn open() -> io::Result<Self> {
        Ok(Self(None))
    }

    fn send(&mut self, _request: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let bytes = self.0.take().ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.clear();
        buffer.extend(bytes.iter().take(buffer.capacity()));
        Ok(bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn names_in(folder: &Path) -> BTreeSet<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let path = entries.map(|entry| entry.unwrap().path());
        path.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn every_parser_has_a_corpus_and_a_target_and_survives_its_corpus() {
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
        let known: BTreeSet<_> = targets().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(names_in(&fuzz.join("corpus")), known);
        assert_eq!(names_in(&fuzz.join("fuzz_targets")), known);
        for (name, parse) in targets() {
            let corpus = fuzz.join("corpus").join(name);
            let mut read = 0;
            for entry in std::fs::read_dir(corpus).unwrap() {
                parse(&std::fs::read(entry.unwrap().path()).unwrap());
                read += 1;
            }
            assert!(read > 0, "the corpus of {name} is empty");
        }
    }
}

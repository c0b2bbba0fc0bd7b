//! Reading all of the log again: does every line follow from the one before?

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;

use portolan_wire::caps;

use crate::audit::AuditError;
use crate::audit::line::{self, Link};
use crate::audit::log::{current, set_aside};

/// A log that is as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Its files.
    pub files: usize,
    /// Its whole lines.
    pub entries: u64,
    /// The hash of the last line: kept elsewhere, it proves later that nothing before was rewritten.
    pub last_hash: String,
    /// Bytes behind the last whole line: a crash cut it short, or it is being written now.
    pub torn_bytes: usize,
}

/// Verifies the audit log of a data folder, from its first line.
///
/// # Errors
/// A file cannot be read, or a line is not as it was written: both are named.
pub fn verify(data_dir: &Path) -> Result<Verified, AuditError> {
    let path = current(data_dir);
    let failed = |source| AuditError::File {
        what: "read",
        path: path.clone(),
        source,
    };
    let mut files: Vec<_> = set_aside(data_dir).map_err(failed)?;
    let mut chain = Chain {
        last: Link::before_all(),
        torn_bytes: 0,
    };
    for (first, path) in &files {
        if *first != chain.last.sequence + 1 {
            let what = format!(
                "its name says that it begins with entry {first}, and entry {} is next",
                chain.last.sequence + 1
            );
            return Err(broken(path, 1, what));
        }
        chain.follow(path)?;
        if chain.torn_bytes > 0 {
            return Err(broken(path, 0, "its last line is cut short".to_owned()));
        }
    }
    // A crash between two files leaves none to append to.
    if path.exists() || files.is_empty() {
        chain.follow(&path)?;
        files.push((0, path));
    }
    Ok(Verified {
        files: files.len(),
        entries: chain.last.sequence,
        last_hash: chain.last.hash,
        torn_bytes: chain.torn_bytes,
    })
}

struct Chain {
    last: Link,
    torn_bytes: usize,
}

impl Chain {
    fn follow(&mut self, path: &Path) -> Result<(), AuditError> {
        let failed = |source| AuditError::File {
            what: "read",
            path: path.to_owned(),
            source,
        };
        let mut file = BufReader::new(File::open(path).map_err(failed)?);
        let mut number = 0;
        let mut line = Vec::new();
        while next(&mut file, &mut line).map_err(failed)? > 0 {
            number += 1;
            let Some(text) = line.strip_suffix(b"\n") else {
                if line.len() >= caps::AUDIT_LINE_BYTES_MAX {
                    return Err(broken(
                        path,
                        number,
                        "it is too long to be an entry".to_owned(),
                    ));
                }
                self.torn_bytes = line.len();
                return Ok(());
            };
            self.add(text).map_err(|what| broken(path, number, what))?;
        }
        Ok(())
    }

    fn add(&mut self, text: &[u8]) -> Result<(), String> {
        let (link, previous) = line::read(text)?;
        let expected = self.last.sequence + 1;
        if link.sequence != expected {
            return Err(format!(
                "it is entry {}, and entry {expected} is next",
                link.sequence
            ));
        }
        if previous != self.last.hash {
            return Err("it does not follow from the line before: one of them was replaced".into());
        }
        self.last = link;
        Ok(())
    }
}

fn next(file: &mut BufReader<File>, line: &mut Vec<u8>) -> io::Result<usize> {
    line.clear();
    let longest = caps::AUDIT_LINE_BYTES_MAX as u64;
    file.by_ref().take(longest).read_until(b'\n', line)
}

fn broken(path: &Path, line: u64, what: String) -> AuditError {
    AuditError::Broken {
        path: path.to_owned(),
        line,
        what,
    }
}

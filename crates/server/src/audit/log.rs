//! The files: lines are appended, whole files set aside under the number of their first line.
//!
//! Holds: a line that was written in part is cut off before the next one, and at a start that is told
//! by a line of its own; any other fault at the end of the log keeps the server from starting.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use portolan_wire::caps;
use portolan_wire::time::UnixMicros;

use crate::audit::line::{self, Link};
use crate::audit::{Act, AuditError};

const CURRENT: &str = "audit.log";

/// The open log.
pub(super) struct Log {
    folder: PathBuf,
    file: File,
    /// Bytes of whole lines in the file.
    bytes: u64,
    bytes_max: u64,
    /// The number of the file's first line.
    first: u64,
    last: Link,
    /// Whether part of a line may stand behind the whole ones.
    torn: bool,
}

/// The file that lines are appended to.
pub(super) fn current(folder: &Path) -> PathBuf {
    folder.join(CURRENT)
}

/// The files that are whole, with the numbers of their first lines, by these.
pub(super) fn set_aside(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let number = name
            .and_then(|name| name.strip_prefix("audit-"))
            .and_then(|name| name.strip_suffix(".log"))
            .and_then(|number| number.parse().ok());
        if let Some(number) = number {
            files.push((number, path));
        }
    }
    files.sort();
    Ok(files)
}

impl Log {
    /// Opens the log of a data folder, or begins one. A line that was cut short by a crash is taken
    /// away, and a line says so.
    pub(super) fn open(folder: &Path, now: UnixMicros) -> Result<Self, AuditError> {
        Self::open_with(folder, now, caps::AUDIT_FILE_BYTES_MAX)
    }

    fn open_with(folder: &Path, now: UnixMicros, bytes_max: u64) -> Result<Self, AuditError> {
        let path = current(folder);
        let failed = |what| {
            let path = path.clone();
            move |source| AuditError::File { what, path, source }
        };
        let before = set_aside(folder).map_err(failed("look for"))?;
        let before = match before.last() {
            Some((_, path)) => tail(path)?.last,
            None => Link::before_all(),
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed("open"))?;
        sync_folder(folder).map_err(failed("open"))?;
        let Tail {
            bytes,
            torn,
            first,
            last,
        } = tail(&path)?;
        let empty = bytes == 0;
        file.seek(SeekFrom::Start(bytes)).map_err(failed("read"))?;
        let mut log = Self {
            folder: folder.to_owned(),
            file,
            bytes,
            bytes_max,
            first: if empty { before.sequence + 1 } else { first },
            last: if empty { before } else { last },
            torn: torn > 0,
        };
        if torn > 0 {
            tracing::warn!(
                bytes = torn,
                "the last line of the audit log was cut short by a crash; it goes on after the line before"
            );
            let told = Act {
                at: now,
                actor: None,
                source: None,
                action: "audit.torn_line",
                target: CURRENT.to_owned(),
                outcome: "done".to_owned(),
                detail: format!("{torn} bytes of a line that a crash cut short were taken away"),
                count: 1,
            };
            log.append(&told)
                .and_then(|()| log.sync())
                .map_err(failed("write"))?;
        }
        Ok(log)
    }

    /// Appends a line; nothing is synced yet. After an error nothing of the line stays.
    pub(super) fn append(&mut self, act: &Act) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.bytes)?;
            self.file.seek(SeekFrom::Start(self.bytes))?;
            self.torn = false;
        }
        if self.bytes >= self.bytes_max {
            self.turn_over()?;
        }
        let (line, link) = line::write(act, &self.last).map_err(io::Error::other)?;
        self.torn = true;
        self.file.write_all(&line)?;
        self.torn = false;
        self.bytes += line.len() as u64;
        self.last = link;
        Ok(())
    }

    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn turn_over(&mut self) -> io::Result<()> {
        self.file.sync_all()?;
        let path = current(&self.folder);
        let aside = self.folder.join(format!("audit-{:020}.log", self.first));
        std::fs::rename(&path, aside)?;
        let next = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        sync_folder(&self.folder)?;
        self.file = next;
        self.bytes = 0;
        self.first = self.last.sequence + 1;
        Ok(())
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// How a file begins and ends.
struct Tail {
    /// Bytes of whole lines.
    bytes: u64,
    /// Bytes behind them.
    torn: u64,
    /// The number of the first line.
    first: u64,
    last: Link,
}

/// Looks at the first line and at the last whole one. That every line follows from the one before is
/// for `portolan audit verify`, since it takes a read of all.
fn tail(path: &Path) -> Result<Tail, AuditError> {
    let failed = |source| AuditError::File {
        what: "read",
        path: path.to_owned(),
        source,
    };
    let mut text = Vec::new();
    File::open(path)
        .and_then(|mut file| file.read_to_end(&mut text))
        .map_err(failed)?;
    let whole = text
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |at| at + 1);
    let (lines, torn) = text.split_at(whole);
    let mut tail = Tail {
        bytes: whole as u64,
        torn: torn.len() as u64,
        first: 0,
        last: Link::before_all(),
    };
    let Some(lines) = lines.strip_suffix(b"\n") else {
        return Ok(tail);
    };
    let lines: Vec<&[u8]> = lines.split(|&byte| byte == b'\n').collect();
    let read = |line: &[u8], number: usize| {
        line::read(line).map_err(|what| AuditError::Broken {
            path: path.to_owned(),
            line: number as u64,
            what,
        })
    };
    if let (Some(first), Some(last)) = (lines.first(), lines.last()) {
        tail.first = read(first, 1)?.0.sequence;
        tail.last = read(last, lines.len())?.0;
    }
    Ok(tail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::verify;

    fn act(number: u64) -> Act {
        Act {
            at: UnixMicros(1_764_000_000_000_000),
            actor: Some("a".into()),
            source: Some([10, 0, 0, 1].into()),
            action: "token.create",
            target: format!("\"{number}\"\n"),
            outcome: "done".into(),
            detail: String::new(),
            count: 1,
        }
    }

    fn log(folder: &Path) -> Log {
        Log::open_with(folder, UnixMicros(0), 1_000).unwrap()
    }

    #[test]
    fn the_chain_goes_on_across_files_and_restarts() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..4 {
            let mut log = log(folder.path());
            for number in 0..5 {
                log.append(&act(round * 5 + number)).unwrap();
            }
        }
        let found = verify(folder.path()).unwrap();
        assert_eq!((found.entries, found.torn_bytes), (20, 0));
        assert!(found.files >= 4, "{found:?}");
        assert_eq!(set_aside(folder.path()).unwrap()[0].0, 1);
    }

    #[test]
    fn a_line_that_a_crash_cut_short_is_told_and_the_log_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        log(folder.path()).append(&act(1)).unwrap();
        let path = current(folder.path());
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"sequence\":2,").unwrap();
        assert_eq!(verify(folder.path()).unwrap().torn_bytes, 14);
        log(folder.path()).append(&act(2)).unwrap();
        let found = verify(folder.path()).unwrap();
        assert_eq!((found.entries, found.torn_bytes), (3, 0));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.contains("\"audit.torn_line\"") && text.contains("14 bytes"),
            "{text}"
        );
    }

    /// What can be done to a log, and where it must be found.
    #[test]
    fn every_line_that_is_changed_lost_swapped_or_slipped_in_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut written = Log::open(folder.path(), UnixMicros(0)).unwrap();
        (1..=4).for_each(|number| written.append(&act(number)).unwrap());
        let path = current(folder.path());
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let changed = lines[1].replace("token.create", "token.revoke");
        let cases = [
            (vec![lines[0], &changed, lines[2], lines[3]], 2),
            (vec![lines[0], lines[2], lines[3]], 2),
            (vec![lines[1], lines[2], lines[3]], 1),
            (vec![lines[0], lines[2], lines[1], lines[3]], 2),
            (vec![lines[0], lines[0], lines[1]], 2),
            (vec![lines[0], lines[1], "", lines[2]], 3),
        ];
        for (lines, place) in cases {
            std::fs::write(&path, lines.join("\n") + "\n").unwrap();
            match verify(folder.path()) {
                Err(AuditError::Broken {
                    path: named, line, ..
                }) => {
                    assert_eq!((named, line), (path.clone(), place), "{lines:?}");
                }
                other => panic!("{lines:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn every_byte_of_a_line_counts() {
        let folder = tempfile::tempdir().unwrap();
        let mut written = Log::open(folder.path(), UnixMicros(0)).unwrap();
        (1..=2).for_each(|number| written.append(&act(number)).unwrap());
        let path = current(folder.path());
        let bytes = std::fs::read(&path).unwrap();
        // The very last line break is the one whose loss looks like a crash.
        for place in 0..bytes.len() - 1 {
            let mut changed = bytes.clone();
            changed[place] ^= 0x01;
            std::fs::write(&path, &changed).unwrap();
            assert!(verify(folder.path()).is_err(), "byte {place}");
        }
    }

    #[test]
    fn a_log_whose_last_line_was_changed_is_not_written_on() {
        let folder = tempfile::tempdir().unwrap();
        log(folder.path()).append(&act(1)).unwrap();
        let path = current(folder.path());
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("done", "DONE")).unwrap();
        let refused = Log::open(folder.path(), UnixMicros(0)).err().unwrap();
        assert!(
            matches!(refused, AuditError::Broken { line: 1, .. }),
            "{refused}"
        );
    }
}

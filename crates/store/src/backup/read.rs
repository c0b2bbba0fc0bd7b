//! Reads a backup: first its checksum, over the whole file; only then what is in it.
//!
//! Twice through the file, so that a file that was cut or altered is refused before the first entry
//! is handed out.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use portolan_wire::caps;
use xxhash_rust::xxh3::Xxh3;
use zstd::stream::read::Decoder;

use super::entries::{Ended, Entries};
use super::head::{CHECKSUM_BYTES, Codec, Counted, HEADER_BYTES, Header, NoHeader, TRAILER_BYTES};
use super::{BackupError, Summary};
use crate::{EachEntry, EachHistoryPart, SeenAt};

/// A backup whose checksum fits its content.
#[derive(Debug)]
pub struct Backup {
    path: PathBuf,
    file: File,
    header: Header,
    counted: Counted,
    bytes: u64,
}

/// Reads a backup from its first byte to its last, and says what it holds.
///
/// # Errors
/// It cannot be read, or is not, or is no longer, what `portolan backup` wrote.
pub fn check(path: &Path) -> Result<Summary, BackupError> {
    let backup = Backup::open(path)?;
    let summary = backup.summary();
    backup.read(&mut |_| Ok(()), &mut |_| Ok(()))?;
    Ok(summary)
}

impl Backup {
    /// Opens a backup and compares its content with its checksum.
    ///
    /// # Errors
    /// It cannot be read, or is not, or is no longer, what `portolan backup` wrote.
    pub fn open(path: &Path) -> Result<Self, BackupError> {
        let mut file = File::open(path).map_err(BackupError::read(path))?;
        let bytes = file.metadata().map_err(BackupError::read(path))?.len();
        let damaged = |what: &str| Err(BackupError::damaged(path, what));
        let Some(header) = first(&mut file).map_err(BackupError::read(path))? else {
            return Err(BackupError::NotABackup { path: path.into() });
        };
        let header = match Header::decode(&header) {
            Ok(header) => header,
            Err(NoHeader::NotABackup) => return Err(BackupError::NotABackup { path: path.into() }),
            Err(NoHeader::Altered) => return damaged("its first 76 bytes are altered"),
            Err(NoHeader::Format { found, codec }) => {
                let path = path.into();
                return Err(BackupError::Format { path, found, codec });
            }
        };
        let trailer = match last(&mut file, bytes).map_err(BackupError::read(path))? {
            Some(trailer) => Counted::decode(&trailer),
            None => None,
        };
        let Some((counted, checksum)) = trailer else {
            return damaged(&format!(
                "it ends after {bytes} bytes without its trailer, so it was cut short or something was added"
            ));
        };
        let before = bytes - CHECKSUM_BYTES as u64;
        if checksum_of(&mut file, before).map_err(BackupError::read(path))? != checksum {
            return damaged("its content does not fit its checksum");
        }
        Ok(Self {
            path: path.into(),
            file,
            header,
            counted,
            bytes,
        })
    }

    /// What it holds.
    pub fn summary(&self) -> Summary {
        Summary {
            store_id: self.header.store_id,
            at: self.header.at,
            bytes: self.bytes,
        }
    }

    /// Hands out every entry and the whole history, and then says who was heard when.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), and what `each` and `history` say.
    pub fn read(
        mut self,
        each: EachEntry<'_>,
        history: EachHistoryPart<'_>,
    ) -> Result<Vec<SeenAt>, BackupError> {
        let body_bytes = self.bytes - (HEADER_BYTES + TRAILER_BYTES) as u64;
        let packed = self
            .file
            .seek(SeekFrom::Start(HEADER_BYTES as u64))
            .map(|_| BufReader::new(self.file.by_ref().take(body_bytes)))
            .map_err(BackupError::read(&self.path))?;
        let read = match self.header.codec {
            Codec::Plain => Entries::new(packed).read(each, history),
            Codec::Zstd => unpack(packed)
                .map_err(Ended::Io)
                .and_then(|body| Entries::new(BufReader::new(body)).read(each, history)),
        };
        let (counted, seen) = read.map_err(|ended| match ended {
            Ended::Io(source) if source.kind() == io::ErrorKind::UnexpectedEof => {
                BackupError::damaged(&self.path, "its body ends early")
            }
            Ended::Io(source) => BackupError::damaged(&self.path, source.to_string()),
            Ended::Altered(what) => BackupError::damaged(&self.path, what),
            Ended::Refused(error) => BackupError::Store(error),
        })?;
        if counted != self.counted {
            return Err(BackupError::damaged(
                &self.path,
                format!(
                    "it says that it holds {} hosts and {} records, and holds {} and {}, or others",
                    self.counted.hosts, self.counted.records, counted.hosts, counted.records
                ),
            ));
        }
        Ok(seen)
    }
}

fn unpack<R: io::BufRead>(packed: R) -> io::Result<Decoder<'static, R>> {
    let mut body = Decoder::with_buffer(packed)?;
    body.window_log_max(caps::ZSTD_WINDOW_LOG_MAX)?;
    Ok(body)
}

fn first(file: &mut File) -> io::Result<Option<[u8; HEADER_BYTES]>> {
    let mut header = [0; HEADER_BYTES];
    read_whole(file, &mut header).map(|whole| whole.then_some(header))
}

fn last(file: &mut File, bytes: u64) -> io::Result<Option<[u8; TRAILER_BYTES]>> {
    if bytes < (HEADER_BYTES + TRAILER_BYTES) as u64 {
        return Ok(None);
    }
    let mut trailer = [0; TRAILER_BYTES];
    file.seek(SeekFrom::Start(bytes - TRAILER_BYTES as u64))?;
    read_whole(file, &mut trailer).map(|whole| whole.then_some(trailer))
}

/// Whether there were as many bytes.
fn read_whole(file: &mut File, bytes: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(cause) => Err(cause),
    }
}

fn checksum_of(file: &mut File, bytes: u64) -> io::Result<u128> {
    file.seek(SeekFrom::Start(0))?;
    let mut sum = Xxh3::new();
    let mut rest = file.take(bytes);
    let mut step = vec![0; 64 * 1024];
    loop {
        let read = rest.read(&mut step)?;
        match step.get(..read) {
            Some(read) if !read.is_empty() => sum.update(read),
            _ => return Ok(sum.digest128()),
        }
    }
}

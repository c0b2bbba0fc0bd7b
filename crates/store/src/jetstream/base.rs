//! Bases: copies of the whole store beside the log, of which a new server begins.
//!
//! A base is a backup in pieces. When the log since the last one is half as long as that one, any
//! server makes the next; the last two are kept, and the log since the older of them. So a server that
//! is reading one is not overtaken by the next, and the cluster holds at most some four times of what
//! one server does.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::log::{Log, LogError};
use super::place::{PARTS, not_answered};
use super::serving::JetStreamStore;
use crate::{Store, StoreError, backup};

const NAME: &str = "base";
/// The name of the newest bases.
const NEWEST: &str = "bases";
/// Bytes of a piece, where the log takes as much.
const PIECE_BYTES: usize = 1 << 20;
/// Shortest log since a base that another one is made of, in bytes.
pub const MAKE_BASE_AFTER_BYTES: u64 = 64 << 20;

/// A base in the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Base {
    id: String,
    /// The last commit in it.
    pub(super) commit: u64,
    pieces: u64,
    bytes: u64,
}

/// The bases that are kept.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Bases {
    /// The newest.
    pub(super) newest: Option<Base>,
    older: Option<Base>,
}

/// What making a base came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaseMade {
    /// The last commit in it.
    pub commit: u64,
    /// Its bytes.
    pub bytes: u64,
}

impl Bases {
    /// Those of the cluster, with their revision.
    pub(super) fn of(log: &dyn Log) -> Result<(u64, Self), StoreError> {
        let Some(named) = log.get(NEWEST).map_err(not_answered)? else {
            return Ok((0, Self::default()));
        };
        let bases = serde_json::from_slice(&named.value).map_err(|cause| {
            let what = format!("the list of the cluster's bases does not decode: {cause}");
            StoreError::AnotherLog { what }
        })?;
        Ok((named.revision, bases))
    }

    fn encode(&self) -> Result<Vec<u8>, StoreError> {
        serde_json::to_vec(self).map_err(|cause| StoreError::Write {
            what: format!("the list of bases does not encode: {cause}"),
        })
    }
}

impl JetStreamStore {
    /// Makes a base if the log has become long enough since the last one.
    ///
    /// # Errors
    /// The cluster does not answer, or the store cannot be read.
    pub fn make_base_if_due(&self) -> Result<Option<BaseMade>, StoreError> {
        let (_, bases) = Bases::of(&*self.log)?;
        let ends = self.log.ends().map_err(not_answered)?;
        let messages = (ends.last + 1).saturating_sub(ends.first).max(1);
        let based = bases.newest.as_ref().map_or(0, |base| base.commit);
        // About: messages are not all of one size.
        let since = ends.bytes / messages * ends.last.saturating_sub(based);
        let half = bases.newest.as_ref().map_or(0, |base| base.bytes / 2);
        if since < half.max(MAKE_BASE_AFTER_BYTES) {
            return Ok(None);
        }
        self.make_base()
    }

    /// Makes a base of what this server holds, and trims the log; `None` where another server was
    /// first with a newer one.
    ///
    /// # Errors
    /// Those of [`make_base_if_due`](Self::make_base_if_due).
    pub fn make_base(&self) -> Result<Option<BaseMade>, StoreError> {
        let id = format!("{:x}-{}", self.writer, self.next_try());
        let Some((base, gone)) = publish(&*self.log, &*self.local, id)? else {
            return Ok(None);
        };
        if let Some(gone) = gone {
            drop_base(&*self.log, &gone)?;
        }
        let (_, bases) = Bases::of(&*self.log)?;
        if let Some(older) = bases.older {
            self.trim(older.commit)?;
        }
        Ok(Some(BaseMade {
            commit: base.commit,
            bytes: base.bytes,
        }))
    }

    /// Drops what is in the log up to `commit`, and the parts of those commits.
    fn trim(&self, commit: u64) -> Result<(), StoreError> {
        self.log.trim(commit + 1).map_err(not_answered)?;
        for name in self.log.names(PARTS).map_err(not_answered)? {
            let number = name.split('.').nth(1).and_then(|word| word.parse().ok());
            if number.is_some_and(|number: u64| number <= commit) {
                self.log.remove(&name).map_err(not_answered)?;
            }
        }
        Ok(())
    }
}

fn drop_base(log: &dyn Log, base: &Base) -> Result<(), StoreError> {
    log.remove(&format!("{NAME}.{}", base.id))
        .map_err(not_answered)
}

/// Puts a base into the cluster; also says which one is kept no longer. `None` where there is a newer
/// one.
fn publish(
    log: &dyn Log,
    local: &dyn Store,
    id: String,
) -> Result<Option<(Base, Option<Base>)>, StoreError> {
    let base = put(log, local, id)?;
    loop {
        let (revision, bases) = Bases::of(log)?;
        if let Some(newest) = &bases.newest
            && newest.commit >= base.commit
        {
            drop_base(log, &base)?;
            return Ok(None);
        }
        let next = Bases {
            newest: Some(base.clone()),
            older: bases.newest,
        };
        if log
            .swap(NEWEST, revision, &next.encode()?)
            .map_err(not_answered)?
        {
            return Ok(Some((base, bases.older)));
        }
    }
}

/// Makes a store the only base, in place of those of the list of that revision.
pub(super) fn begin_anew(
    log: &dyn Log,
    revision: u64,
    local: &dyn Store,
    id: String,
) -> Result<(), StoreError> {
    let base = put(log, local, id)?;
    let (_, former) = Bases::of(log)?;
    let bases = Bases {
        newest: Some(base.clone()),
        older: None,
    };
    if !log
        .swap(NEWEST, revision, &bases.encode()?)
        .map_err(not_answered)?
    {
        drop_base(log, &base)?;
        return Err(StoreError::AnotherLog {
            what: "a server of the cluster has made a base meanwhile: stop all of them first"
                .to_owned(),
        });
    }
    let former = former.newest.into_iter().chain(former.older);
    former
        .into_iter()
        .try_for_each(|base| drop_base(log, &base))
}

/// Puts the pieces of a base.
fn put(log: &dyn Log, local: &dyn Store, id: String) -> Result<Base, StoreError> {
    let mut pieces = Pieces {
        log,
        name: format!("{NAME}.{id}"),
        room: PIECE_BYTES.min(log.bytes_max()),
        piece: Vec::new(),
        put: 0,
        failed: None,
    };
    let written = backup::write(local, &mut pieces);
    let written = match pieces.failed.take() {
        Some(error) => Err(not_answered(error)),
        None => written,
    };
    let whole = written.and_then(|summary| {
        pieces.put_piece().map_err(not_answered)?;
        Ok(summary)
    });
    match whole {
        Ok(summary) => Ok(Base {
            id,
            commit: summary.at.commit,
            pieces: pieces.put,
            bytes: summary.bytes,
        }),
        Err(error) => {
            // What cannot be dropped now stays: nothing names it.
            let _stays = log.remove(&pieces.name);
            Err(error)
        }
    }
}

/// Takes a backup apart.
struct Pieces<'a> {
    log: &'a dyn Log,
    name: String,
    room: usize,
    piece: Vec<u8>,
    put: u64,
    /// Why a piece could not be put: who writes a backup hears only that it goes no further.
    failed: Option<LogError>,
}

impl Pieces<'_> {
    fn put_piece(&mut self) -> Result<(), LogError> {
        if !self.piece.is_empty() {
            let name = format!("{}.{}", self.name, self.put);
            self.log.put(&name, &self.piece)?;
            self.put += 1;
            self.piece.clear();
        }
        Ok(())
    }
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.piece.len() == self.room {
            self.put_piece().map_err(|error| {
                self.failed = Some(error.clone());
                io::Error::other(error)
            })?;
        }
        let taken = bytes.len().min(self.room - self.piece.len());
        self.piece.extend(bytes.iter().take(taken));
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Puts the pieces of a base together, in a file.
pub(super) fn fetch(log: &dyn Log, base: &Base, file: &Path) -> Result<(), StoreError> {
    let cannot = |cause: io::Error| StoreError::Write {
        what: format!("{}: {cause}", file.display()),
    };
    let mut out = BufWriter::new(File::create(file).map_err(cannot)?);
    for number in 0..base.pieces {
        let name = format!("{NAME}.{}.{number}", base.id);
        let piece = log.get(&name).map_err(not_answered)?;
        let piece = piece.ok_or_else(|| StoreError::Unavailable {
            what: format!("{name} is gone: a newer base has taken its place, or it is damaged"),
        })?;
        out.write_all(&piece.value).map_err(cannot)?;
    }
    out.into_inner()
        .map_err(|error| cannot(error.into_error()))?
        .sync_all()
        .map_err(cannot)
}

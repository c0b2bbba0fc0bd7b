//! Which process holds which open port, told by one pass of the kernel over all files.
//!
//! Some 0.6 us a file for all namespaces together, where reading `/proc/PID/fd` takes 5 us.

use std::fs::File;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aya::Ebpf;
use aya::programs::Iter;

use super::attach::{HOLDERS, program};
use super::record::Fields;
use crate::owners::{HolderSource, KernelHolder};

/// `struct holder` of `bpf/portolan.bpf.c`.
const RECORD_BYTES: usize = 24;

/// Walks over all files, once a call.
#[derive(Clone)]
pub struct HolderWalk(Arc<Mutex<Ebpf>>);

impl HolderWalk {
    pub(super) fn new(programs: Arc<Mutex<Ebpf>>) -> Self {
        Self(programs)
    }

    /// Hands out every descriptor of an open port that a process of the caller's process namespace
    /// has; see [`Watch::holders`](super::Watch::holders).
    ///
    /// # Errors
    /// The kernel refused it, or what it wrote was cut.
    pub fn holders(&mut self, each: impl FnMut(KernelHolder)) -> io::Result<()> {
        let mut file = {
            let mut programs = locked(&self.0);
            let walk: &mut Iter = program(&mut programs, HOLDERS).map_err(io::Error::other)?;
            open(walk).map_err(io::Error::other)?
        };
        read(&mut file, each)
    }
}

impl HolderSource for HolderWalk {
    fn holders(&mut self, each: &mut dyn FnMut(KernelHolder)) -> io::Result<()> {
        Self::holders(self, each)
    }
}

impl std::fmt::Debug for HolderWalk {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.debug_struct("HolderWalk").finish_non_exhaustive()
    }
}

/// The programs, also after a panic elsewhere: no change to them is ever half done.
pub(super) fn locked(programs: &Mutex<Ebpf>) -> MutexGuard<'_, Ebpf> {
    programs.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A link lasts for one file, so each pass makes its own.
fn open(program: &mut Iter) -> Result<File, Box<dyn std::error::Error + Send + Sync>> {
    let id = program.attach()?;
    Ok(program.take_link(id)?.into_file()?)
}

pub(super) fn read(from: &mut impl Read, mut each: impl FnMut(KernelHolder)) -> io::Result<()> {
    let mut buffer = [0; 4096];
    let mut filled = 0;
    loop {
        let read = match from.read(buffer.get_mut(filled..).unwrap_or_default()) {
            // The kernel pauses after each million of files.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
                ) =>
            {
                continue;
            }
            other => other?,
        };
        filled += read;
        let ready = buffer.get(..filled).unwrap_or_default();
        let (records, rest) = ready.as_chunks::<RECORD_BYTES>();
        records.iter().filter_map(parse).for_each(&mut each);
        let begin = filled - rest.len();
        if read == 0 {
            let whole = begin == filled;
            return if whole {
                Ok(())
            } else {
                Err(io::ErrorKind::UnexpectedEof.into())
            };
        }
        buffer.copy_within(begin..filled, 0);
        filled -= begin;
    }
}

fn parse(record: &[u8; RECORD_BYTES]) -> Option<KernelHolder> {
    let mut fields = Fields(record);
    Some(KernelHolder {
        inode: u64::from_ne_bytes(fields.take()?),
        pid: u32::from_ne_bytes(fields.take()?),
        fd: u32::from_ne_bytes(fields.take()?),
        netns: u32::from_ne_bytes(fields.take()?).into(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives bytes in pieces of a size, as a pipe may.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.1.min(self.0.len()).min(buffer.len());
            let (now, later) = self.0.split_at(length);
            buffer[..length].copy_from_slice(now);
            self.0 = later;
            Ok(length)
        }
    }

    proptest! {
        #[test]
        fn holders_are_read_whole_in_whatever_pieces_they_come(
            told in proptest::collection::vec(any::<(u64, u32, u32, u32)>(), 0..400),
            piece in 1_usize..5_000,
            cut in 0_usize..RECORD_BYTES,
        ) {
            let mut bytes = Vec::new();
            for (inode, pid, fd, netns) in &told {
                bytes.extend(inode.to_ne_bytes());
                for number in [*pid, *fd, *netns, 0] {
                    bytes.extend(number.to_ne_bytes());
                }
            }
            bytes.extend(vec![0; cut]);
            let mut heard = Vec::new();
            let result = read(&mut Pieces(&bytes, piece), |it| heard.push(it));
            prop_assert_eq!(result.is_ok(), cut == 0);
            let expected: Vec<_> = told
                .iter()
                .map(|(inode, pid, fd, netns)| KernelHolder {
                    inode: *inode,
                    pid: *pid,
                    fd: *fd,
                    netns: u64::from(*netns),
                })
                .collect();
            prop_assert_eq!(heard, expected);
        }
    }
}

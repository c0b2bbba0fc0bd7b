//! One dump from request to `NLMSG_DONE`, taken again where the kernel says it is not whole.

use std::io;

use rustix::io::Errno;

use super::message::{Malformed, Message, next, socket};
use super::request::Query;
use crate::kernel_socket::KernelSocket;

/// How often one dump is taken before what was gathered has to do, or the error is told.
pub(crate) const ATTEMPTS_MAX: u32 = 4;
/// Bytes of one datagram at most: the kernel builds dumps in at most 32 KiB.
const DATAGRAM_BYTES_MAX: usize = 64 << 10;

/// A two-way path to the kernel. The real one is [`super::Netlink`]; tests script another.
pub(crate) trait Channel: Sized {
    /// A new path in the current network namespace.
    fn open() -> io::Result<Self>;
    /// Sends one request.
    fn send(&mut self, request: &[u8]) -> io::Result<()>;
    /// Receives one datagram of the kernel into the capacity of `buffer`, in place of what is in it, and
    /// tells its whole length, even beyond that.
    fn receive(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize>;
}

/// What asking cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Effort {
    pub(crate) dumps: u64,
    pub(crate) retries: u64,
}

/// The open ports that one query found.
#[derive(Debug, Default)]
pub(crate) struct Dump {
    /// Ordered by id, each once.
    pub(crate) sockets: Vec<KernelSocket>,
    /// Whether it came in several datagrams: then the kernel let go of its table in between, and
    /// what moved in it meanwhile may be missing.
    pub(crate) in_parts: bool,
}

/// Takes a dump over `channel`, which is replaced where it can no longer be trusted.
///
/// An interrupted dump is taken again; should every attempt be interrupted, what all of them saw
/// together is the answer, as a port that is open must not be shown as absent.
///
/// # Errors
/// The kernel's refusal (`EPERM`, `EACCES`, `ENOENT` without the module, …), or the last failure
/// when [`ATTEMPTS_MAX`] attempts failed.
pub(crate) fn dump<C: Channel>(
    channel: &mut C,
    query: Query,
    effort: &mut Effort,
) -> io::Result<Dump> {
    let mut gathered = Vec::new();
    let mut attempt = 1;
    loop {
        effort.dumps += 1;
        let last = attempt == ATTEMPTS_MAX;
        match once(channel, query, attempt) {
            Ok(answer) if !answer.interrupted => return Ok(answer.into_dump()),
            Ok(mut answer) => {
                // What was seen last goes first, and counts.
                answer.found.append(&mut gathered);
                gathered = std::mem::take(&mut answer.found);
                if last {
                    answer.found = gathered;
                    return Ok(answer.into_dump());
                }
            }
            Err(error) if last || !is_passing(&error) => return Err(error),
            // The old socket may still be in the middle of its dump, which would answer EBUSY.
            Err(_) => *channel = C::open()?,
        }
        effort.retries += 1;
        attempt += 1;
    }
}

/// What one attempt brought.
#[derive(Default)]
struct Answer {
    /// A table that changes while it is dumped may show a socket twice.
    found: Vec<KernelSocket>,
    interrupted: bool,
    datagrams: u32,
}

impl Answer {
    fn into_dump(mut self) -> Dump {
        self.found.sort_by_key(|socket| socket.id);
        self.found.dedup_by_key(|socket| socket.id);
        Dump {
            sockets: self.found,
            in_parts: self.datagrams > 1,
        }
    }
}

fn once<C: Channel>(channel: &mut C, query: Query, sequence: u32) -> io::Result<Answer> {
    channel.send(&query.encode(sequence))?;
    let mut buffer = Vec::with_capacity(DATAGRAM_BYTES_MAX);
    let mut answer = Answer::default();
    loop {
        let length = channel.receive(&mut buffer)?;
        // Beyond the buffer: the datagram was cut, and with it a socket may be lost.
        let mut datagram = buffer.get(..length).ok_or(Errno::MSGSIZE)?;
        answer.datagrams += 1;
        while let Some(framed) = next(&mut datagram) {
            let framed = framed.map_err(malformed)?;
            if framed.sequence != sequence {
                continue;
            }
            answer.interrupted |= framed.interrupted;
            match framed.message {
                Message::Socket(payload) => {
                    let socket = socket(payload, query.transport()).map_err(malformed)?;
                    answer.found.extend(socket);
                }
                Message::Done(0) => return Ok(answer),
                Message::Done(error) => {
                    return Err(io::Error::from_raw_os_error(error.wrapping_neg()));
                }
                Message::Overrun => return Err(Errno::NOBUFS.into()),
                Message::Other => {}
            }
        }
    }
}

fn malformed(error: Malformed) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Whether the next attempt may fare better: lost datagrams, a silent kernel, a dump still busy.
fn is_passing(error: &io::Error) -> bool {
    const PASSING: [Errno; 6] = [
        Errno::NOBUFS,
        Errno::MSGSIZE,
        Errno::AGAIN,
        Errno::BUSY,
        Errno::INTR,
        Errno::NOMEM,
    ];
    error.kind() == io::ErrorKind::InvalidData
        || error
            .raw_os_error()
            .is_some_and(|code| PASSING.contains(&Errno::from_raw_os_error(code)))
}

#[cfg(test)]
#[path = "dump_tests.rs"]
mod tests;

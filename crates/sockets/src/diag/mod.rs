//! Asks the kernel for its open ports over NETLINK_SOCK_DIAG.
//!
//! The kernel filters by state, so 20,000 connections beside 1,000 listeners cost nothing; reading
//! `/proc/net/tcp` formats and parses every one of them. The parser is our own and in one place
//! ([`message`]): it is small, every read is checked against the bytes at hand, and it needs a
//! tenth of what a general netlink library carries.
//!
//! Holds: only the kernel's messages (port id 0) with the sequence of the current request are
//! read; a dump that the kernel marks as inconsistent or cuts short is taken again, at most
//! [`dump::ATTEMPTS_MAX`] times.
//! Limits: TCP and UDP. An MPTCP listener is in the dump of TCP. UDP-Lite, SCTP and raw sockets need
//! dumps of their own and are out of scope.

mod channel;
mod dump;
mod message;
mod request;

pub(crate) use channel::Netlink;
pub(crate) use dump::{Channel, Effort, dump};
pub(crate) use request::Query;

//! What happened to sockets between two looks, as the kernel's events tell it.
//!
//! A socket that opened and closed before any look held it is a transient. One that stays open, or
//! closes after a look held it, is for the next look to tell: the namespaces that need one are kept.
//! Rejected: keeping the set by events alone, since an event that is lost would be wrong for ever.
//! Pure: whether a look held a socket is asked of the caller.
//! Holds: a UDP port of the ephemeral range is counted and neither told nor looked for, as each
//! question to a name server makes one. Limit: [`OPEN_MAX`] sockets; beyond it an opening counts as
//! lost.

use std::collections::{BTreeSet, HashMap};

use portolan_sockets::{Event, EventKind};
use portolan_wire::open_port::Transport;

/// Most sockets that opened and that no look has held yet.
const OPEN_MAX: usize = 4_096;
/// After so many looks that did not hold it, a socket that did not close is no open port any more: a
/// UDP socket that was connected.
const MISSES_MAX: u8 = 2;

/// A socket that came and went.
#[derive(Debug)]
pub(crate) struct Passed {
    pub(crate) opened: Event,
    pub(crate) closed: Event,
}

#[derive(Debug)]
struct Open {
    event: Event,
    /// Looks into its namespace since that did not hold it.
    misses: u8,
}

/// What the next look has to find out.
#[derive(Debug, Default)]
pub(crate) struct Between {
    /// By cookie.
    open: HashMap<u64, Open>,
    /// Namespaces in which something that a look held closed.
    touched: BTreeSet<u64>,
    /// Openings of ephemeral UDP ports.
    ephemeral: u64,
}

impl Between {
    /// Takes an event; `Err` where there is no place for it. `held`: whether the last look into a
    /// namespace held the socket with a cookie.
    pub(crate) fn note(
        &mut self,
        event: Event,
        held: impl Fn(u64, u64) -> bool,
    ) -> Result<Option<Passed>, NoPlace> {
        let is_held = held(event.netns, event.cookie);
        match event.kind {
            EventKind::Opened if is_held => Ok(None),
            EventKind::Opened if event.transport == Transport::Udp && event.ephemeral => {
                self.ephemeral += 1;
                Ok(None)
            }
            EventKind::Opened if self.open.len() >= OPEN_MAX => Err(NoPlace),
            EventKind::Opened => {
                self.open.insert(event.cookie, Open { event, misses: 0 });
                Ok(None)
            }
            EventKind::Undone => {
                self.open.remove(&event.cookie);
                Ok(None)
            }
            EventKind::Closed => Ok(self.closed(event, is_held)),
        }
    }

    fn closed(&mut self, closed: Event, is_held: bool) -> Option<Passed> {
        if is_held {
            self.touched.insert(closed.netns);
        }
        let Open { event: opened, .. } = self.open.remove(&closed.cookie)?;
        (!is_held).then_some(Passed { opened, closed })
    }

    /// The namespaces to look into.
    pub(crate) fn to_look_into(&self) -> BTreeSet<u64> {
        let fresh = self.open.values().filter(|open| open.misses == 0);
        let fresh = fresh.map(|open| open.event.netns);
        fresh.chain(self.touched.iter().copied()).collect()
    }

    /// Those namespaces were looked into, or all of them.
    pub(crate) fn looked(
        &mut self,
        netns: Option<&BTreeSet<u64>>,
        held: impl Fn(u64, u64) -> bool,
    ) {
        let was_looked_into = |inode: u64| netns.is_none_or(|these| these.contains(&inode));
        self.touched.retain(|inode| !was_looked_into(*inode));
        self.open.retain(|cookie, open| {
            let inode = open.event.netns;
            if held(inode, *cookie) {
                return false;
            }
            open.misses += u8::from(was_looked_into(inode));
            open.misses < MISSES_MAX
        });
    }

    /// The opening of a socket that no look has held before.
    pub(crate) fn opening(&self, cookie: u64) -> Option<&Event> {
        self.open.get(&cookie).map(|open| &open.event)
    }

    /// How many UDP ports of an ephemeral range were opened.
    pub(crate) fn ephemeral(&self) -> u64 {
        self.ephemeral
    }
}

/// More sockets opened than are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoPlace;

#[cfg(test)]
#[path = "between_tests.rs"]
mod tests;

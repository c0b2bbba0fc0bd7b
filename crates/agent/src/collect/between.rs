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

/// How old a socket is before a look may hold it, in nanoseconds: a port that lives a millisecond is a
/// transient even where a look happens to meet it.
const SETTLED_NS: u64 = 10_000_000;
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
    /// Looks into its namespace since that did not meet it.
    misses: u8,
    /// The last look met it and left it out.
    is_met: bool,
}

impl Open {
    fn new(event: Event) -> Self {
        Self {
            event,
            misses: 0,
            is_met: false,
        }
    }

    fn settles_in(&self, now_ns: u64) -> u64 {
        (self.event.at_ns + SETTLED_NS).saturating_sub(now_ns)
    }
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
    /// Takes an event; `Err` where there is no place for it. `held`: whether the last look held the
    /// socket with a cookie, and told it.
    pub(crate) fn note(
        &mut self,
        event: Event,
        held: impl Fn(u64) -> bool,
    ) -> Result<Option<Passed>, NoPlace> {
        let is_held = held(event.cookie);
        match event.kind {
            EventKind::Opened if is_held => Ok(None),
            EventKind::Opened if is_client_like(&event) => {
                self.ephemeral += 1;
                if self.open.len() < OPEN_MAX {
                    self.open.insert(event.cookie, Open::new(event));
                }
                Ok(None)
            }
            EventKind::Opened if self.open.len() >= OPEN_MAX => Err(NoPlace),
            EventKind::Opened => {
                self.open.insert(event.cookie, Open::new(event));
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
        let Open {
            event: opened,
            is_met,
            ..
        } = self.open.remove(&closed.cookie)?;
        if is_met {
            // Who looked knows it as open.
            self.touched.insert(closed.netns);
        }
        let is_told = !is_held && !is_client_like(&opened);
        is_told.then_some(Passed { opened, closed })
    }

    /// The namespaces to look into at `now_ns` of the events' clock.
    pub(crate) fn to_look_into(&self, now_ns: u64) -> BTreeSet<u64> {
        let settled = self.fresh().filter(|open| open.settles_in(now_ns) == 0);
        let netns = settled.map(|open| open.event.netns);
        netns.chain(self.touched.iter().copied()).collect()
    }

    /// In how many nanoseconds there is a namespace to look into, if nothing else happens.
    pub(crate) fn look_in(&self, now_ns: u64) -> Option<u64> {
        if !self.touched.is_empty() {
            return Some(0);
        }
        self.fresh().map(|open| open.settles_in(now_ns)).min()
    }

    /// What is to be looked for.
    fn fresh(&self) -> impl Iterator<Item = &Open> {
        let wanted = |open: &&Open| open.misses == 0 && !is_client_like(&open.event);
        self.open.values().filter(wanted)
    }

    /// Whether a socket opened so short a time ago that a look must not hold it.
    pub(crate) fn is_young(&self, cookie: u64, now_ns: u64) -> bool {
        let open = self.open.get(&cookie);
        open.is_some_and(|open| open.settles_in(now_ns) > 0)
    }

    /// Whether a socket opened that no look has held yet.
    pub(crate) fn is_new(&self, cookie: u64) -> bool {
        self.open.contains_key(&cookie)
    }

    /// Those namespaces were looked into at `now_ns`, or all of them. `met`: the sockets that were there;
    /// `held`: those of them that are told.
    pub(crate) fn looked(
        &mut self,
        netns: Option<&BTreeSet<u64>>,
        now_ns: u64,
        met: impl Fn(u64) -> bool,
        held: impl Fn(u64) -> bool,
    ) {
        let was_looked_into = |inode: u64| netns.is_none_or(|these| these.contains(&inode));
        self.touched.retain(|inode| !was_looked_into(*inode));
        self.open.retain(|cookie, open| {
            if held(*cookie) {
                return false;
            }
            if was_looked_into(open.event.netns) {
                open.is_met = met(*cookie);
                let is_missed = !open.is_met && open.settles_in(now_ns) == 0;
                open.misses += u8::from(is_missed);
            }
            open.misses < MISSES_MAX
        });
    }

    /// How many UDP ports of an ephemeral range were opened.
    pub(crate) fn ephemeral(&self) -> u64 {
        self.ephemeral
    }
}

/// Whether it is a UDP port of an ephemeral range.
fn is_client_like(opened: &Event) -> bool {
    opened.transport == Transport::Udp && opened.ephemeral
}

/// More sockets opened than are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoPlace;

#[cfg(test)]
#[path = "between_tests.rs"]
mod tests;

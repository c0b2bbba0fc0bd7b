//! When each network namespace was last looked into, and what came of it.
//!
//! A look into every namespace costs 0.1 ms each, so a host with many is not looked at whole each
//! time: what is known of the others is told as it was at their last look. Coverage is counted over
//! the last look of every namespace that exists, so it says the same whether a namespace was looked
//! into now or a moment ago.
//! Holds: what is known of a namespace serves only while it surely is the same namespace; one that
//! was not looked into since it came is looked into whatever was asked for.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::time::{Duration, Instant};

use super::known::Sockets;
use super::unseen::Hidden;
use crate::namespaces::{Listing, NsKey};

/// How old what is known of a namespace may get before it is looked into whatever that costs: as
/// long as the slowest agent waits between two looks.
const AGE_MAX: Duration = Duration::from_secs(30);

/// Which namespaces a scan looks into, beside those that were not looked into before.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which<'a> {
    /// Each of them.
    All,
    /// Those with these inodes, and those whose inode cannot be told.
    These(&'a BTreeSet<u64>),
    /// The host's and the collector's own, and that many of the others: those whose last look is
    /// the longest ago. More only where a last look is [`AGE_MAX`] ago.
    Turn(usize),
}

/// What came of the last look.
#[derive(Debug)]
enum Outcome {
    Listed {
        entered: bool,
        netlink_refused: Option<String>,
    },
    Refused(String),
}

#[derive(Debug)]
struct Visit {
    at: Instant,
    outcome: Outcome,
}

/// The last look into each namespace.
#[derive(Debug, Default)]
pub(super) struct Visits {
    by_key: BTreeMap<NsKey, Visit>,
}

impl Visits {
    pub(super) fn note_listing(&mut self, netns: NsKey, listing: &Listing, at: Instant) {
        let outcome = Outcome::Listed {
            entered: listing.entered,
            netlink_refused: listing.netlink_refused.as_ref().map(io::Error::to_string),
        };
        self.by_key.insert(netns, Visit { at, outcome });
    }

    pub(super) fn note_refusal(&mut self, netns: NsKey, because: &io::Error, at: Instant) {
        let outcome = Outcome::Refused(because.to_string());
        self.by_key.insert(netns, Visit { at, outcome });
    }

    /// Forgets the looks into every namespace that is not there any more, or may be another one.
    pub(super) fn retain(&mut self, is_the_same: impl Fn(NsKey) -> bool) {
        self.by_key.retain(|netns, _| is_the_same(*netns));
    }

    /// The namespaces to look into; `always` are looked into in every turn.
    pub(super) fn choose(
        &self,
        which: Which<'_>,
        found: impl Iterator<Item = NsKey>,
        always: [NsKey; 2],
        now: Instant,
    ) -> HashSet<NsKey> {
        match which {
            Which::All => found.collect(),
            Which::These(inodes) => found
                .filter(|netns| match netns {
                    NsKey::Inode(inode) => {
                        inodes.contains(inode) || !self.by_key.contains_key(netns)
                    }
                    NsKey::Tables(_) => true,
                })
                .collect(),
            Which::Turn(others_max) => self.turn(others_max, found, always, now),
        }
    }

    fn turn(
        &self,
        others_max: usize,
        found: impl Iterator<Item = NsKey>,
        always: [NsKey; 2],
        now: Instant,
    ) -> HashSet<NsKey> {
        let (mut chosen, mut others) = (HashSet::new(), Vec::new());
        for netns in found {
            match self.by_key.get(&netns) {
                Some(visit) if !always.contains(&netns) => others.push((visit.at, netns)),
                _ => {
                    chosen.insert(netns);
                }
            }
        }
        others.sort_unstable();
        let is_old = |at: Instant| now.duration_since(at) >= AGE_MAX;
        let next = others.iter().enumerate();
        let next = next.take_while(|(place, (at, _))| *place < others_max || is_old(*at));
        chosen.extend(next.map(|(_, (_, netns))| *netns));
        chosen
    }

    /// What remained hidden at the last look into each namespace.
    pub(super) fn hidden(&self, sockets: &Sockets) -> Hidden {
        let mut hidden = Hidden::default();
        for (netns, visit) in &self.by_key {
            match &visit.outcome {
                Outcome::Listed {
                    entered,
                    netlink_refused,
                } => {
                    hidden.namespaces += 1;
                    hidden.by_tables += u64::from(!entered);
                    hidden.netlink_refused = hidden
                        .netlink_refused
                        .take()
                        .or_else(|| netlink_refused.clone());
                }
                Outcome::Refused(because) => {
                    hidden.skipped += 1;
                    hidden.kept += sockets.count(*netns);
                    hidden.skipped_because = hidden
                        .skipped_because
                        .take()
                        .or_else(|| Some(because.clone()));
                }
            }
        }
        hidden
    }

    /// How long ago the namespace was looked into that waits the longest.
    pub(super) fn oldest(&self, now: Instant) -> Duration {
        let ages = self
            .by_key
            .values()
            .map(|visit| now.duration_since(visit.at));
        ages.max().unwrap_or_default()
    }
}

#[cfg(test)]
#[path = "visits_tests.rs"]
mod tests;

//! Which hosts are fresh: heard within three of their own intervals.
//!
//! Beside the commits, because a heartbeat changes no truth. Freshness ends without anybody asking:
//! every fresh host has one entry in a wheel of due seconds; when it comes due the host is either
//! stale or was heard meanwhile and is entered again. So neither a heartbeat nor a query scans.
//! Holds: a scope's counts are those of its hosts; a host is counted in one scope.
//! Lock order: a host's own state, then the wheel.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use portolan_wire::caps;

use crate::host::Host;
use crate::project::Project;

/// Whether a host was heard lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Heard within three of its own intervals.
    Fresh,
    /// Silent for longer. Its ports are still counted: silence closes nothing.
    Stale,
}

/// How many hosts of a scope are fresh, and how many there are; readable without a lock.
///
/// Both stand in one word (hosts << 32 | fresh), so that a reader never sees more fresh than hosts.
#[derive(Debug, Default)]
pub struct HostCounts(AtomicU64);

const ONE_HOST: u64 = 1 << 32;

impl HostCounts {
    /// Fresh and stale hosts.
    pub fn fresh_and_stale(&self) -> (u64, u64) {
        let word = self.0.load(Ordering::Acquire);
        let (hosts, fresh) = (word >> 32, word & 0xffff_ffff);
        (fresh, hosts.saturating_sub(fresh))
    }

    fn add(&self, word: u64) {
        self.0.fetch_add(word, Ordering::AcqRel);
    }

    fn subtract(&self, word: u64) {
        self.0.fetch_sub(word, Ordering::AcqRel);
    }
}

/// When a host was heard. Shared by all versions of the host.
#[derive(Debug, Default)]
pub(crate) struct Live(Mutex<LiveState>);

#[derive(Debug, Default)]
struct LiveState {
    heard_s: u32,
    interval_s: u32,
    fresh: bool,
    /// The second of its entry in the wheel; an entry of another second is an old one.
    entered_s: u32,
    /// Until when the host is shown as spoken for by two agents.
    conflict_until_s: u32,
    /// The counts it is in: of its enterprise project, and of the whole project.
    counted: Option<[Arc<HostCounts>; 2]>,
}

impl Live {
    pub(crate) fn freshness(&self) -> (Freshness, u32) {
        let state = self.0.lock();
        (
            if state.fresh {
                Freshness::Fresh
            } else {
                Freshness::Stale
            },
            state.heard_s,
        )
    }

    pub(crate) fn conflict_until_s(&self) -> u32 {
        self.0.lock().conflict_until_s
    }
}

/// The wheel of all hosts.
#[derive(Debug, Default)]
pub struct Liveness {
    /// Before this second nobody could be heard: after a restart a host is fresh until then plus
    /// three intervals.
    started_s: u32,
    due: Mutex<BTreeMap<u32, Vec<Arc<Live>>>>,
}

impl Liveness {
    /// An empty wheel of a server that started at `now_s` (seconds since 1970).
    pub fn new(now_s: u32) -> Self {
        Self {
            started_s: now_s,
            due: Mutex::default(),
        }
    }

    /// A report of the host was committed; also enters a new host, and moves one that has changed
    /// its enterprise project. It was heard at `heard_s`; `now_s` decides whether that is lately
    /// enough. Only who sees every commit in order may call it; others call
    /// [`touched`](Self::touched).
    pub fn heard(&self, project: &Project, host: &Host, heard_s: u32, now_s: u32) {
        let Some(scope) = project.group_counts(&host.facts.enterprise_project) else {
            return;
        };
        let mut state = host.live.0.lock();
        let counts = [Arc::clone(scope), Arc::clone(project.whole_counts())];
        let moved = state
            .counted
            .as_ref()
            .is_none_or(|[at, _]| !Arc::ptr_eq(at, scope));
        if moved {
            state.leave_counts();
            let word = ONE_HOST + u64::from(state.fresh);
            counts.iter().for_each(|count| count.add(word));
            state.counted = Some(counts);
        }
        state.interval_s = host.facts.heartbeat_interval_s;
        self.refresh(host, &mut state, heard_s, now_s);
    }

    /// A heartbeat of the host was heard at `now_s`. The view in which it was found may be old: it
    /// enters and moves nobody, so a host that was removed meanwhile is not counted again.
    pub fn touched(&self, host: &Host, now_s: u32) {
        let mut state = host.live.0.lock();
        if state.counted.is_some() {
            self.refresh(host, &mut state, now_s, now_s);
        }
    }

    fn refresh(&self, host: &Host, state: &mut LiveState, heard_s: u32, now_s: u32) {
        state.heard_s = state.heard_s.max(heard_s);
        let due_s = state.due_s(self.started_s);
        // A host whose interval has become shorter comes due before its entry does.
        if due_s > now_s && (!state.fresh || due_s < state.entered_s) {
            if !state.fresh {
                state.set_fresh(true);
            }
            self.enter(due_s, state, &host.live);
        }
    }

    /// Two agents speak for the host: it is shown so for three of its intervals.
    pub fn conflict(&self, host: &Host, now_s: u32) {
        let patience_s = host
            .facts
            .heartbeat_interval_s
            .saturating_mul(caps::FRESH_INTERVALS);
        host.live.0.lock().conflict_until_s = now_s.saturating_add(patience_s);
    }

    /// The host is gone from the census.
    pub fn forget(&self, host: &Host) {
        let mut state = host.live.0.lock();
        state.leave_counts();
        state.fresh = false;
    }

    /// Makes stale what came due by `now_s`. Called each second.
    pub fn roll(&self, now_s: u32) {
        let later = {
            let mut due = self.due.lock();
            let later = due.split_off(&now_s.saturating_add(1));
            std::mem::replace(&mut *due, later)
        };
        for (entered_s, lives) in later {
            for live in lives {
                let mut state = live.0.lock();
                let due_s = state.due_s(self.started_s);
                if !state.fresh || state.entered_s != entered_s {
                    continue;
                }
                if due_s > now_s {
                    self.enter(due_s, &mut state, &live);
                } else {
                    state.set_fresh(false);
                }
            }
        }
    }

    fn enter(&self, due_s: u32, state: &mut LiveState, live: &Arc<Live>) {
        state.entered_s = due_s;
        self.due
            .lock()
            .entry(due_s)
            .or_default()
            .push(Arc::clone(live));
    }
}

impl LiveState {
    /// The first second at which the host is no longer fresh.
    fn due_s(&self, started_s: u32) -> u32 {
        let patience_s = self.interval_s.saturating_mul(caps::FRESH_INTERVALS);
        self.heard_s
            .max(started_s)
            .saturating_add(patience_s)
            .saturating_add(1)
    }

    fn set_fresh(&mut self, fresh: bool) {
        self.fresh = fresh;
        for counts in self.counted.iter().flatten() {
            if fresh {
                counts.add(1);
            } else {
                counts.subtract(1);
            }
        }
    }

    fn leave_counts(&mut self) {
        let word = ONE_HOST + u64::from(self.fresh);
        for counts in self.counted.take().iter().flatten() {
            counts.subtract(word);
        }
    }
}

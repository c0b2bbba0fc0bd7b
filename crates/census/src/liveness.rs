//! Who was heard when: which hosts become fresh or stale, and which have been silent too long.
//!
//! Beside the commits, because a heartbeat changes no truth. Freshness ends without anybody asking:
//! every host has one entry in a wheel of due seconds. When that of a fresh host comes due, the host
//! is either stale or was heard meanwhile and is entered again; that of a stale one comes due when it
//! is to be retired. So neither a heartbeat nor a query scans. What has changed waits until the writer
//! takes it into the census, whose counts are then those of the hosts that it calls fresh.
//! Holds: whoever becomes fresh or stale is told, once; nobody is retired who was not waited for.
//! Lock order: a host's own state, then the wheel or what waits.
//! Limits: what waits is one entry a host; [`caps::SILENT_RETIRED_MAX`] hosts a roll.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;
use portolan_wire::caps;
use portolan_wire::ids::{HostKey, ProjectId};

use crate::host::Host;

/// Whether a host was heard lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Freshness {
    /// Heard within three of its own intervals.
    Fresh,
    /// Silent for longer. Its ports are still counted: silence closes nothing.
    Stale,
}

/// A host that has been silent for so long that it is to be retired, unless it is heard until then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silent {
    /// The host.
    pub key: HostKey,
    /// When it was last heard, in seconds since 1970.
    pub heard_s: u32,
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
    /// Its name, while it is in the census.
    key: Option<HostKey>,
    /// Whether it waits among what has changed.
    waits: bool,
}

impl Live {
    pub(crate) fn heard_s(&self) -> u32 {
        self.0.lock().heard_s
    }

    pub(crate) fn conflict_until_s(&self) -> u32 {
        self.0.lock().conflict_until_s
    }
}

/// A wheel that stood still for longer was not looking: the server was stopped, or its clock was set.
const AWAY_S: u32 = 60;
/// A host that should be retired and still is not is told again after so many seconds.
const TOLD_AGAIN_S: u32 = 60;

/// The wheel of all hosts.
#[derive(Debug, Default)]
pub struct Liveness {
    /// Before this second nobody could be heard: after a restart a host is fresh until then plus
    /// three intervals.
    started_s: u32,
    /// How long a host may be silent until it is retired; `None`: for ever.
    retire_after_s: Option<u32>,
    /// Since when it has been looked each second, and when it last was.
    looking_since_s: AtomicU32,
    looked_s: AtomicU32,
    due: Mutex<BTreeMap<u32, Vec<Arc<Live>>>>,
    changed: Mutex<VecDeque<Arc<Live>>>,
}

impl Liveness {
    /// An empty wheel of a server that started at `now_s` (seconds since 1970), which retires nobody.
    pub fn new(now_s: u32) -> Self {
        Self {
            started_s: now_s,
            retire_after_s: None,
            looking_since_s: now_s.into(),
            looked_s: now_s.into(),
            due: Mutex::default(),
            changed: Mutex::default(),
        }
    }

    /// The same that tells who has been silent for so many seconds; `None`: nobody.
    pub fn retiring_after(self, retire_after_s: Option<u32>) -> Self {
        Self {
            retire_after_s,
            ..self
        }
    }

    /// A report of the host was committed; also enters a new host. It was heard at `heard_s`; `now_s`
    /// decides whether that is lately enough. Only who sees every commit in order may call it; others
    /// call [`touched`](Self::touched).
    pub fn heard(&self, project: &ProjectId, host: &Host, heard_s: u32, now_s: u32) {
        let mut state = host.live.0.lock();
        if state.key.is_none() {
            state.key = Some(HostKey {
                project: project.clone(),
                host: host.facts.id.clone(),
            });
        }
        state.interval_s = host.facts.heartbeat_interval_s;
        // Its moment may be ahead of a clock that was set back.
        let committed_s = u32::try_from(host.facts.at.seconds()).unwrap_or(0);
        self.refresh(host, &mut state, heard_s.max(committed_s), now_s);
        if state.fresh != host.fresh {
            self.tell(&mut state, &host.live);
        }
        if !state.fresh && state.entered_s == 0 {
            self.enter_retirement(&mut state, &host.live, now_s);
        }
    }

    /// A host that is retired was last heard at `heard_s`: to be told, and nothing else.
    pub fn was_heard(&self, retired: &Host, heard_s: u32) {
        retired.live.0.lock().heard_s = heard_s;
    }

    /// A heartbeat of the host was heard at `now_s`. The view in which it was found may be old: it
    /// enters nobody, so a host that was removed meanwhile is not counted again.
    pub fn touched(&self, host: &Host, now_s: u32) {
        let mut state = host.live.0.lock();
        if state.key.is_some() && self.refresh(host, &mut state, now_s, now_s) {
            self.tell(&mut state, &host.live);
        }
    }

    /// Whether the host has become fresh.
    fn refresh(&self, host: &Host, state: &mut LiveState, heard_s: u32, now_s: u32) -> bool {
        state.heard_s = state.heard_s.max(heard_s);
        let due_s = state.due_s(self.started_s);
        // A host whose interval has become shorter comes due before its entry does.
        if due_s <= now_s || (state.fresh && due_s >= state.entered_s) {
            return false;
        }
        let was_fresh = std::mem::replace(&mut state.fresh, true);
        self.enter(due_s, state, &host.live);
        !was_fresh
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
        state.key = None;
        state.fresh = false;
    }

    /// Makes stale what came due by `now_s`, and tells who is to be retired; who then is not retired
    /// is told again later. Called each second.
    pub fn roll(&self, now_s: u32) -> Vec<Silent> {
        let looked_s = self.looked_s.swap(now_s, Ordering::AcqRel);
        if now_s > looked_s.saturating_add(AWAY_S) {
            self.looking_since_s.store(now_s, Ordering::Release);
        }
        let later = {
            let mut due = self.due.lock();
            let later = due.split_off(&now_s.saturating_add(1));
            std::mem::replace(&mut *due, later)
        };
        let mut silent = Vec::new();
        for (entered_s, lives) in later {
            for live in lives {
                let mut state = live.0.lock();
                if state.key.is_none() || state.entered_s != entered_s {
                    continue;
                }
                if state.fresh {
                    self.fresh_comes_due(&mut state, &live, now_s);
                } else {
                    self.stale_comes_due(&mut state, &live, now_s, &mut silent);
                }
            }
        }
        silent
    }

    fn fresh_comes_due(&self, state: &mut LiveState, live: &Arc<Live>, now_s: u32) {
        let due_s = state.due_s(self.started_s);
        if due_s > now_s {
            self.enter(due_s, state, live);
            return;
        }
        state.fresh = false;
        self.tell(state, live);
        self.enter_retirement(state, live, now_s);
    }

    fn stale_comes_due(
        &self,
        state: &mut LiveState,
        live: &Arc<Live>,
        now_s: u32,
        silent: &mut Vec<Silent>,
    ) {
        let Some(retire_s) = self.retire_s(state) else {
            return;
        };
        if retire_s > now_s {
            self.enter(retire_s, state, live);
        } else if silent.len() == caps::SILENT_RETIRED_MAX {
            self.enter(now_s.saturating_add(1), state, live);
        } else {
            let heard_s = state.heard_s;
            silent.extend(state.key.clone().map(|key| Silent { key, heard_s }));
            self.enter(now_s.saturating_add(TOLD_AGAIN_S), state, live);
        }
    }

    fn enter_retirement(&self, state: &mut LiveState, live: &Arc<Live>, now_s: u32) {
        if let Some(retire_s) = self.retire_s(state) {
            self.enter(retire_s.max(now_s.saturating_add(1)), state, live);
        }
    }

    /// The first second at which a host that stays silent is to be retired.
    fn retire_s(&self, state: &LiveState) -> Option<u32> {
        let silent_s = state.heard_s.saturating_add(self.retire_after_s?);
        // While nobody was looking, nobody could be heard.
        let looking_since_s = self.looking_since_s.load(Ordering::Acquire);
        let waited_s = looking_since_s.saturating_add(state.patience_s());
        Some(silent_s.max(waited_s).saturating_add(1))
    }

    fn enter(&self, due_s: u32, state: &mut LiveState, live: &Arc<Live>) {
        state.entered_s = due_s;
        self.due
            .lock()
            .entry(due_s)
            .or_default()
            .push(Arc::clone(live));
    }

    /// Lets it wait that the host has become fresh or stale.
    fn tell(&self, state: &mut LiveState, live: &Arc<Live>) {
        if !std::mem::replace(&mut state.waits, true) {
            self.changed.lock().push_back(Arc::clone(live));
        }
    }

    /// Takes out `most` hosts that have become fresh or stale, or were for a while, and what they are
    /// now. For the one writer of the census.
    pub fn take_changed(&self, most: usize) -> Vec<(HostKey, bool)> {
        let lives: Vec<_> = {
            let mut changed = self.changed.lock();
            let most = most.min(changed.len());
            changed.drain(..most).collect()
        };
        let now = lives.iter().filter_map(|live| {
            let mut state = live.0.lock();
            state.waits = false;
            Some((state.key.clone()?, state.fresh))
        });
        now.collect()
    }

    /// How many wait to be taken.
    pub fn changed(&self) -> usize {
        self.changed.lock().len()
    }
}

impl LiveState {
    fn patience_s(&self) -> u32 {
        self.interval_s.saturating_mul(caps::FRESH_INTERVALS)
    }

    /// The first second at which the host is no longer fresh.
    fn due_s(&self, started_s: u32) -> u32 {
        self.heard_s
            .max(started_s)
            .saturating_add(self.patience_s())
            .saturating_add(1)
    }
}

//! Looks at the host that the agent runs on, woken by the kernel where that is allowed.
//!
//! A look goes into the namespaces that events named, into all of them when that was long ago or
//! events were lost, and without events into the host's and some others in turn.
//! Limit: [`TRANSIENTS_MAX`] sockets that passed wait for a look to find where; the rest is counted as
//! lost events.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use portolan_sockets::{Collector, Event, EventKind, Options, Scan, ScanError};
use portolan_wire::caps::TRANSIENTS_MAX;
use portolan_wire::open_port::Identity;
use portolan_wire::report::{Host, Transient};

use super::between::{Between, Passed};
use super::moments::Moments;
use super::told_owners::ToldOwners;
use super::watching::Watching;
use super::{Collect, Happened, Ids};
use crate::budget::{Budget, Caps, Meter, Reached, Step, Verdict};
use crate::machine::{Tempo, WATCHED_LOOK_GAP};
use crate::meter::{self, ProcessMeter};
use crate::snapshot::Snapshot;
use crate::state::StateDir;
use crate::withhold::Withhold;

/// How long a description of the host serves.
const HOST_AGE_MAX: Duration = Duration::from_secs(60);
/// Shortest time between two writes of the client UDP ports that were told.
const KEEP_GAP: Duration = Duration::from_secs(60);
/// Shortest time between two tellings of what cannot be seen; its numbers may change every second.
const UNSEEN_GAP: Duration = Duration::from_secs(600);
/// CPU for looks into namespaces beside the host's, while there are no events.
const OTHERS_CPU: Duration = Duration::from_millis(5);

/// Looks at the host that it runs on.
pub(crate) struct System<'a> {
    collector: Collector,
    /// As it was told to look, for the next collector.
    options: Options,
    watching: Watching,
    between: Between,
    told_owners: ToldOwners,
    /// The cookies of the sockets that the last look told.
    held: HashSet<u64>,
    /// Transients that were found while looking.
    passed: Vec<Transient>,
    /// What passed in namespaces that no look has found yet, and so cannot be named: of a container that
    /// has just begun, or before the first look.
    unplaced: Vec<Passed>,
    /// When every namespace was looked into last; never, or no longer to be relied on.
    all_looked_at: Option<Instant>,
    newest: Option<Snapshot>,
    budget: Option<Budget>,
    meter: Box<dyn Meter + 'a>,
    withhold: Withhold,
    state: &'a StateDir,
    kept_at: Instant,
    kept: Withhold,
    ids: Ids,
    host: Host,
    host_at: Instant,
    unseen: Vec<String>,
    unseen_at: Option<Instant>,
}

/// How an agent may look.
#[derive(Clone, Debug)]
pub(crate) struct Means {
    /// Where and how.
    pub(crate) look: Options,
    /// Whether to use the kernel's events where they can be had.
    pub(crate) events: bool,
    /// What it may cost, if that is bounded.
    pub(crate) caps: Option<Caps>,
}

impl<'a> System<'a> {
    /// `withhold` knows what was told when the agent last ran.
    pub(crate) fn new(ids: Ids, means: Means, withhold: Withhold, state: &'a StateDir) -> Self {
        let now = Instant::now();
        let mut collector = Collector::new(means.look.clone());
        let watching = Watching::start(means.events, &mut collector);
        Self {
            collector,
            options: means.look,
            watching,
            between: Between::default(),
            told_owners: ToldOwners::default(),
            held: HashSet::new(),
            passed: Vec::new(),
            unplaced: Vec::new(),
            all_looked_at: None,
            newest: None,
            budget: means.caps.map(Budget::new),
            meter: Box::new(ProcessMeter),
            kept: withhold.clone(),
            withhold,
            state,
            kept_at: now,
            host: ids.describe(),
            host_at: now,
            ids,
            unseen: Vec::new(),
            unseen_at: None,
        }
    }

    /// Takes what waits in the ring.
    fn drain(&mut self) {
        let events = self.pull();
        self.note(events);
    }

    fn pull(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        if self.watching.drain(|event| events.push(event)) {
            self.all_looked_at = None;
        }
        events
    }

    fn note(&mut self, events: Vec<Event>) {
        let (mut passed, mut no_place) = (Vec::new(), 0);
        for event in events {
            self.told_owners.note(&event);
            let held = &self.held;
            match self.between.note(event, |cookie| held.contains(&cookie)) {
                Ok(one) => passed.extend(one),
                Err(_no_place) => no_place += 1,
            }
        }
        if no_place > 0 {
            self.watching.lose(no_place);
            self.all_looked_at = None;
        }
        self.tell(passed);
    }

    /// Tells what passed, as soon as it can be said where.
    fn tell(&mut self, passed: Vec<Passed>) {
        let is_known = |it: &Passed| self.collector.knows_namespace(it.opened.netns);
        let (placed, mut unplaced): (Vec<_>, Vec<_>) = passed.into_iter().partition(is_known);
        self.unplaced.append(&mut unplaced);
        let beyond = self.unplaced.len().saturating_sub(TRANSIENTS_MAX);
        self.unplaced.truncate(TRANSIENTS_MAX);
        self.watching.lose(beyond as u64);
        self.tell_placed(placed);
    }

    /// What passed and is not open by another socket is a transient.
    fn tell_placed(&mut self, passed: Vec<Passed>) {
        if passed.is_empty() {
            return;
        }
        let moments = Moments::now();
        for one in passed {
            let namespace = self.collector.namespace(one.opened.netns);
            let transient = moments.transient(one, namespace);
            let identity = Identity {
                netns: transient.netns.as_deref(),
                transport: transient.transport,
                laddr: transient.laddr,
                port: transient.port,
            };
            let is_open = self.newest.as_ref().is_some_and(|it| it.holds(identity));
            if !is_open && transient.port != 0 {
                self.passed.push(transient);
            }
        }
    }

    /// Looks where it has to.
    fn scan(&mut self, now: Instant) -> Result<Scan, ScanError> {
        self.drain();
        let everywhere = |at: Instant| now.saturating_duration_since(at) >= WATCHED_LOOK_GAP;
        let is_due = self.all_looked_at.is_none_or(everywhere);
        let mut touched = self.between.to_look_into(Moments::now().boot_ns());
        touched.extend(self.unplaced.iter().map(|it| it.opened.netns));
        let is_watched = self.watching.is_attached();
        let (result, looked_into) = if is_due || is_watched && touched.is_empty() {
            self.all_looked_at = Some(now);
            (self.collector.scan(), None)
        } else if is_watched {
            (self.collector.look_into(&touched), Some(touched))
        } else {
            (self.collector.scan_within(OTHERS_CPU), None)
        };
        let mut scan = result.inspect_err(|_| self.all_looked_at = None)?;
        let events = self.pull();
        self.take_in(&mut scan, looked_into.as_ref(), events);
        Ok(scan)
    }

    /// Brings a scan and the events together: what is too young is left to the next look, and who
    /// opened what is known.
    fn take_in(
        &mut self,
        scan: &mut Scan,
        looked_into: Option<&BTreeSet<u64>>,
        events: Vec<Event>,
    ) {
        // What opened while the look was under way and was met counts as opened before it. All else
        // keeps its order: a socket may close and open again.
        let met: HashSet<u64> = scan.sockets.iter().filter_map(|it| it.cookie).collect();
        let mut to_open = met.clone();
        let (known, rest): (Vec<_>, Vec<_>) = events
            .into_iter()
            .partition(|event| event.kind == EventKind::Opened && to_open.remove(&event.cookie));
        self.note(known);
        // Met, and closed before the look was over, however long that took: it came and went.
        let last: HashMap<u64, EventKind> = rest
            .iter()
            .map(|event| (event.cookie, event.kind))
            .collect();
        let is_over = |cookie| last.get(&cookie) == Some(&EventKind::Closed);
        let now_ns = Moments::now().boot_ns();
        let between = &self.between;
        let is_passing =
            |cookie| between.is_young(cookie, now_ns) || between.is_new(cookie) && is_over(cookie);
        scan.sockets.retain(|it| !it.cookie.is_some_and(is_passing));
        self.held = scan.sockets.iter().filter_map(|it| it.cookie).collect();
        let held = &self.held;
        self.between.looked(
            looked_into,
            now_ns,
            |it| met.contains(&it),
            |it| held.contains(&it),
        );
        self.told_owners.fill(scan);
        // A namespace that this look did not find is gone.
        let unplaced = std::mem::take(&mut self.unplaced);
        self.tell_placed(unplaced);
        self.note(rest);
    }

    fn mode(&self) -> &'static str {
        let step = self.budget.as_ref().map_or(Step::Free, Budget::step);
        match (step, self.watching.is_attached()) {
            (Step::Slow | Step::Detached, _) => "slow",
            (Step::Free, true) => "events",
            (Step::Free, false) => "poll",
        }
    }

    fn refresh_host(&mut self, now: Instant) {
        if now.saturating_duration_since(self.host_at) >= HOST_AGE_MAX {
            self.host = self.ids.describe();
            self.host_at = now;
        }
    }

    /// What cannot be seen is said once, and now and then again when it is something else.
    fn tell_unseen(&mut self, unseen: Vec<String>, now: Instant) {
        let is_due = |at: Instant| now.saturating_duration_since(at) >= UNSEEN_GAP;
        if unseen != self.unseen && self.unseen_at.is_none_or(is_due) {
            for sentence in &unseen {
                tracing::warn!(unseen = %sentence, "not all of this host can be seen");
            }
            self.unseen = unseen;
            self.unseen_at = Some(now);
        }
    }

    fn keep_told(&mut self) {
        if self.withhold == self.kept {
            return;
        }
        if let Err(error) = self.state.keep_client_udp(self.withhold.told()) {
            tracing::warn!(%error, "what was told of UDP clients cannot be kept; a restart may show their ports as closed and opened");
        }
        self.kept = self.withhold.clone();
    }

    /// Forgets what the next look reads again.
    fn drop_caches(&mut self) {
        self.collector = Collector::new(self.options.clone());
        self.all_looked_at = None;
        self.watching.share_holders(&mut self.collector);
    }

    fn obey(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Fine => {}
            Verdict::DropCaches(reached) => {
                tell_reached(reached, "dropping what can be read again");
                self.drop_caches();
            }
            Verdict::Tighten(step, reached) => {
                if step == Step::Detached {
                    tell_reached(
                        reached,
                        "letting the kernel's events go, and looking rarely",
                    );
                    // What waits in the ring would be lost with it.
                    self.drain();
                    self.watching.detach();
                } else {
                    tell_reached(reached, "looking rarely");
                }
            }
            Verdict::Loosen(step) => {
                tracing::info!(
                    ?step,
                    "the agent has cost little for some time; looking more often"
                );
                self.watching.attach(&mut self.collector);
                self.all_looked_at = None;
            }
        }
    }
}

/// A cap is told in the log: the report says the mode alone.
fn tell_reached(reached: Reached, doing: &'static str) {
    match reached {
        Reached::Cpu { last_minute } => tracing::warn!(
            cpu_ms = u64::try_from(last_minute.as_millis()).unwrap_or(u64::MAX),
            doing,
            "the agent has used more CPU in the last minute than --cpu-max allows"
        ),
        Reached::Memory { bytes } => tracing::warn!(
            rss_bytes = bytes,
            doing,
            "the agent has more memory than --memory-max allows"
        ),
    }
}

impl Collect for System<'_> {
    fn look(&mut self) -> Result<(Snapshot, Duration), ScanError> {
        let scan = self.scan(Instant::now())?;
        // The scan counts its own CPU, because it has more than one thread; the rest is this one's.
        let after_scan = meter::thread_cpu();
        let now = Instant::now();
        self.refresh_host(now);
        self.tell_unseen(scan.unseen, now);
        let open_ports = self.withhold.filter(scan.sockets, now);
        if now.saturating_duration_since(self.kept_at) >= KEEP_GAP {
            self.keep_told();
            self.kept_at = now;
        }
        let mut coverage = scan.coverage;
        if self.watching.is_attached() || self.watching.lost() > 0 {
            coverage.events_lost = Some(self.watching.lost());
        }
        let usage = self.meter.usage(self.watching.kernel());
        let is_watched = self.watching.is_attached();
        let ephemeral_udp = is_watched.then(|| self.between.ephemeral());
        let snapshot = Snapshot::new(
            self.host.clone(),
            meter::wall_clock(),
            meter::agent(self.mode(), usage, ephemeral_udp),
            coverage,
            open_ports,
        );
        self.newest = Some(snapshot.clone());
        let rest = meter::thread_cpu().saturating_sub(after_scan);
        Ok((snapshot, scan.statistics.cpu + rest))
    }

    fn events(&self) -> Option<BorrowedFd<'_>> {
        self.watching.fd()
    }

    fn happened(&mut self) -> Happened {
        self.drain();
        let look_in = match self.all_looked_at {
            _ if !self.watching.is_attached() => None,
            None => Some(Duration::ZERO),
            Some(_) if !self.unplaced.is_empty() => Some(Duration::ZERO),
            Some(_) => {
                let wait_ns = self.between.look_in(Moments::now().boot_ns());
                wait_ns.map(Duration::from_nanos)
            }
        };
        Happened {
            transients: std::mem::take(&mut self.passed),
            look_in,
        }
    }

    fn upkeep(&mut self, now: Duration) -> Tempo {
        if let Some(budget) = &mut self.budget
            && budget.is_due(now)
        {
            let usage = self.meter.usage(self.watching.kernel());
            let verdict = budget.check(now, usage);
            self.obey(verdict);
        }
        let step = self.budget.as_ref().map_or(Step::Free, Budget::step);
        Tempo {
            is_watched: self.watching.is_attached(),
            is_slow: step > Step::Free,
        }
    }
}

impl Drop for System<'_> {
    fn drop(&mut self) {
        self.keep_told();
    }
}

#[cfg(test)]
#[path = "system_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "budget_tests.rs"]
mod budget_tests;

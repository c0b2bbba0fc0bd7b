//! The end of all faults, and what must come of it: the census shows the world as it is.

use std::collections::{BTreeMap, BTreeSet};

use portolan_census::{Freshness, Pair, Selection};
use portolan_store::Snapshot;
use portolan_wire::ids::{HostId, HostKey};
use portolan_wire::open_port::OpenPort;

use crate::broken::{Broken, Rule, must};
use crate::checks::check;
use crate::past;
use crate::real_host::Truth;
use crate::server::Job;
use crate::timeline::{Micros, SECOND};

use super::network::LATE_MAX;
use super::{Event, Node, Phase, World};

/// The longest that a host may take to be shown as it is, where nobody has to help: the longest delay
/// of an agent (60 s), once for a report that turns out to be stale and once for the one after it;
/// a late message (80 s) that comes in between; the heartbeat that finds out (30 s).
const HEALING_ALONE_MAX: Micros = 240 * SECOND;
/// The same where an agent has to find another one silent before it takes its place: three intervals
/// until the server no longer counts that one as speaking (90 s), three in which the agent is told so,
/// and the longest delays before, between and after. A person who helps needs no more.
const HEALING_MAX: Micros = 420 * SECOND;
/// When a person has read the logs.
const HELP_AFTER: Micros = 120 * SECOND;
/// When a person has seen that this did not help, and removes the host from the server.
const REMOVED_AFTER: Micros = 200 * SECOND;
/// When the hosts of a healed world change once more, and how long it may take until that is shown:
/// the longest time between two looks (12 s here), a slow commit, two ways.
const NEWS_AFTER: Micros = 10 * SECOND;
const NEWS_SHOWN_WITHIN: Micros = 20 * SECOND;
/// How long a healed world is looked at.
const LOOKED_AT_FOR: Micros = 240 * SECOND;

impl World {
    /// Every fault ends: clocks are right, what is down comes up, grants are as hosts are.
    pub(super) fn heal(&mut self) {
        self.say(format_args!("HEALS"));
        self.phase = Phase::Healing(self.time.now());
        self.odds.calm();
        self.server_offset_s = 0;
        self.overloaded_until = 0;
        let mut disk = self.disk.lock().unwrap();
        (disk.full, disk.interruption) = (false, None);
        drop(disk);
        self.time.after(SECOND, Event::ServerStarts);
        let ends_clones = self.dice.faults.chance(500);
        for number in 0..self.nodes.len() {
            let node = &mut self.nodes[number];
            let real = &mut node.real;
            (real.cut_off_until, real.blind_until, real.clock_offset_s) = (0, 0, 0);
            real.granted = Selection::Whole;
            node.was_told_of_clone = false;
            if node.is_clone && ends_clones {
                self.end_clone(number);
            }
            self.time.after(SECOND, Event::AgentStarts { node: number });
        }
    }

    /// A person gives the clone an id of its own; the original stays what it is.
    fn end_clone(&mut self, number: usize) {
        self.nodes[number].is_clone = false;
        let key = self.nodes[number].real.key.clone();
        let is_second = self.nodes[..number].iter().any(|node| node.real.key == key);
        if is_second {
            let real = &mut self.nodes[number].real;
            real.key.host = HostId::from(format!("{}-clone", key.host));
            real.folder = None;
            self.agent_stops(number);
            let host = &self.nodes[number].real.key.host.clone();
            self.say(format_args!("node {number} is given the id {host}"));
        }
    }

    /// What is looked at each second.
    pub(super) fn heals_on(&mut self) -> Result<(), Broken> {
        let now = self.time.now();
        match self.phase {
            Phase::Faults | Phase::Over => Ok(()),
            Phase::Healing(since) => {
                self.note_flags();
                match self.first_unlike() {
                    // What was under way when faults ended may still come.
                    None if now - since <= LATE_MAX + SECOND => Ok(()),
                    None => {
                        self.say(format_args!("HEALED"));
                        self.figures.healed_after = now - since;
                        self.phase = Phase::Settled(now);
                        Ok(())
                    }
                    Some((number, unlike)) => {
                        if self.server_clock_stepped && now - since == HELP_AFTER {
                            self.help();
                        }
                        if self.server_clock_stepped && now - since == REMOVED_AFTER {
                            self.remove();
                        }
                        let node = &self.nodes[number];
                        let most = if node.may_need_help {
                            HEALING_MAX
                        } else {
                            HEALING_ALONE_MAX
                        };
                        must(now - since <= most, Rule::Converges, || {
                            let complaint = node.complaint;
                            format!("node {number}: {unlike} (its agent says: {complaint:?})")
                        })
                    }
                }
            }
            Phase::Settled(since) => {
                self.note_flags();
                self.stays_healed(since)
            }
        }
    }

    /// A person reads the agents' logs and restarts those that say they need one: only where the
    /// server's clock was ahead, so that it counts agents as speaking that have long been gone.
    fn help(&mut self) {
        for number in 0..self.nodes.len() {
            let node = &self.nodes[number];
            if let (Some(complaint), true, false) =
                (node.complaint, node.may_need_help, node.is_clone)
            {
                self.figures.helped += 1;
                self.say(format_args!(
                    "node {number} is restarted by a person: {complaint}"
                ));
                self.agent_stops(number);
                self.time
                    .after(2 * SECOND, Event::AgentStarts { node: number });
            }
        }
    }

    /// A person removes hosts that are held for an agent which is gone for ever, and whose place no
    /// other takes because its last generation lies ahead: all that speak for them complain.
    fn remove(&mut self) {
        let keys: BTreeSet<_> = self
            .nodes
            .iter()
            .map(|node| node.real.key.clone())
            .collect();
        for key in keys {
            let mut speakers = self.nodes.iter().filter(|node| node.real.key == key);
            if speakers.all(|node| node.complaint.is_some() && node.may_need_help) {
                self.figures.removed += 1;
                self.say(format_args!(
                    "{}/{} is removed by a person",
                    key.project, key.host
                ));
                self.submit(Job::Retire(key));
            }
        }
    }

    /// The first host that is not shown as it is.
    fn first_unlike(&self) -> Option<(usize, String)> {
        if self.server.is_none() {
            return Some((0, "the server is down".to_owned()));
        }
        self.nodes.iter().enumerate().find_map(|(number, node)| {
            let Some(stored) = self.model.durable().get(&node.real.key) else {
                return Some((number, "it is not known".to_owned()));
            };
            // Of clones any one may be shown, but no mixture and nothing else.
            let mut speakers = self
                .nodes
                .iter()
                .filter(|other| other.real.key == node.real.key);
            let is_like = speakers.any(|speaker| is_like(stored, speaker));
            (!is_like).then(|| {
                let set =
                    |ports: &[OpenPort]| ports.iter().map(|port| port.port).collect::<Vec<_>>();
                let (held, is) = (set(&stored.open_ports), set(&node.real.truth().open_ports));
                (
                    number,
                    format!("held is {:?} {held:?}, it has {is:?}", stored.pair),
                )
            })
        })
    }

    fn note_flags(&mut self) {
        let Some(process) = &self.server else { return };
        let state = process.published.state.load();
        let now_s = process.now_s();
        for key in self.nodes.iter().map(|node| &node.real.key) {
            if state.host(key).is_some_and(|host| host.in_conflict(now_s)) {
                self.flagged.insert(key.clone());
            }
        }
    }

    fn stays_healed(&mut self, since: Micros) -> Result<(), Broken> {
        let elapsed = self.time.now() - since;
        if elapsed == NEWS_AFTER {
            self.say(format_args!("every host opens one more port"));
            // Clones keep each other from being heard.
            let nodes = self.nodes.iter_mut().filter(|node| !node.is_clone);
            nodes.for_each(|node| node.real.open_one_more());
        }
        let is_news = (NEWS_AFTER..=NEWS_AFTER + NEWS_SHOWN_WITHIN).contains(&elapsed);
        if let Some((number, unlike)) = self.first_unlike().filter(|_| !is_news) {
            let what = format!("node {number} again: {unlike}");
            return Err(Broken::new(Rule::Converges, what));
        }
        if elapsed >= LOOKED_AT_FOR / 2 && self.at_half.is_none() {
            self.at_half = Some(self.pairs());
        }
        if elapsed >= LOOKED_AT_FOR {
            self.phase = Phase::Over;
            self.end()?;
        }
        Ok(())
    }

    fn pairs(&self) -> BTreeMap<HostKey, Pair> {
        let hosts = self.model.durable().iter();
        hosts
            .map(|(key, stored)| (key.clone(), stored.pair))
            .collect()
    }

    /// The last look.
    fn end(&mut self) -> Result<(), Broken> {
        let Some(process) = &self.server else {
            return Ok(());
        };
        check(&process.store, &process.published, &self.model)?;
        let state = process.published.state.load();
        let compared = past::check(&*process.store, &self.model, &state, &mut self.dice.server)?;
        self.figures.moments_compared += compared.moments;
        self.figures.returned += compared.returned;
        let (at_half, at_end) = (self.at_half.clone().unwrap_or_default(), self.pairs());
        for (number, node) in self.nodes.iter().enumerate() {
            let key = &node.real.key;
            let Some(host) = state.host(key) else {
                continue;
            };
            if node.is_clone {
                let told = self.flagged.contains(key);
                let told_to_agent = self
                    .nodes
                    .iter()
                    .any(|node| node.real.key == *key && node.was_told_of_clone);
                self.figures.clones_flagged += u64::from(told);
                self.figures.clones_told_to_agents_only += u64::from(told_to_agent && !told);
                // Two machines that have the same ports open look like one that repeats itself.
                let digest = node.real.look(0).digest();
                let mut speakers = self.nodes.iter().filter(|other| other.real.key == *key);
                let differ = speakers.any(|other| other.real.look(0).digest() != digest);
                must(told || told_to_agent || !differ, Rule::CloneIsTold, || {
                    format!("node {number} has a clone, and nobody says so")
                })?;
                continue;
            }
            let (freshness, _) = host.freshness();
            must(freshness == Freshness::Fresh, Rule::Converges, || {
                format!("node {number} is stale")
            })?;
            // A flag lasts until a moment of the server's clock, so it outlasts a step back of it.
            let is_flagged = host.in_conflict(process.now_s()) && !self.server_clock_stepped;
            must(!is_flagged, Rule::Converges, || {
                format!("node {number} is in conflict")
            })?;
            must(at_half.get(key) == at_end.get(key), Rule::Converges, || {
                format!("node {number} goes on reporting what has not changed")
            })?;
        }
        Ok(())
    }
}

/// Whether a host is held as it is, and its agent was told so: one whose report came through late,
/// after another one was refused, still waits before it speaks again.
fn is_like(stored: &Snapshot, node: &Node) -> bool {
    let is_told = node.agent.as_ref().is_some_and(|agent| agent.is_told_held);
    if !is_told && !node.is_clone {
        return false;
    }
    // An old report under a pair that was used twice, of the same set, is taken for a repetition:
    // what the digest leaves out (pids, coverage, the enterprise project) then stays old until
    // something changes.
    if !node.owns_its_pairs {
        let digest = node.real.look(0).digest();
        let agent_id = node.real.truth().host.agent_id;
        return (&stored.host.agent_id, stored.digest) == (&agent_id, digest);
    }
    let Truth {
        host,
        coverage,
        open_ports,
    } = node.real.truth();
    (&stored.host, &stored.coverage, &stored.open_ports) == (&host, &coverage, &open_ports)
}

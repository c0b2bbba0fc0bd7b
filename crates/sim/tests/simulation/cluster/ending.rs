//! The end of all faults, and what must come of it: all servers hold the same, and show the world.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use portolan_store::history::{Change, ChangeKind, changes};
use portolan_store::{HistoryOrder, Store};
use portolan_wire::ids::HostKey;

use crate::broken::{Broken, Rule, must};
use crate::checks::{check, told};
use crate::past;
use crate::real_host::Truth as Real;
use crate::timeline::{Micros, SECOND};

use super::agents::CAME_AND_WENT;
use super::serving::works;
use super::wire::Weather;
use super::{Event, SERVERS, World};

/// The longest that a host may take to be shown as it is: the longest delays of an agent (60 s) around
/// a report that turns out to be stale, a late message (50 s) in between, and the heartbeat that finds
/// out (30 s).
const HEALING_MAX: Micros = 210 * SECOND;
/// How long news may take: the longest time between two looks, slow commits, and late messages of the
/// log.
const NEWS_SHOWN_WITHIN: Micros = 40 * SECOND;

impl World {
    pub(super) fn heal(&mut self) {
        self.say(format_args!("HEALS"));
        self.has_faults = false;
        let odds = &mut self.odds;
        (odds.request_lost, odds.answer_lost) = (0, 0);
        (odds.duplicated, odds.late, odds.moves) = (0, 0, 0);
        for number in 0..SERVERS {
            let server = &mut self.servers[number];
            server.wire.set_weather(Weather::default());
            server.folder.killed_at.set(None);
            server.offset_s = 0;
            if let Some(disk) = server.folder.disk() {
                disk.lock().unwrap().interruption = None;
            }
            self.set_full(number, false);
            self.reconnected(number);
            self.time
                .after(SECOND, Event::ServerStarts { server: number });
        }
        for (number, node) in self.nodes.iter_mut().enumerate() {
            (node.real.cut_off_until, node.real.clock_offset_s) = (0, 0);
            self.time.after(SECOND, Event::AgentStarts { node: number });
        }
        self.time.after(HEALING_MAX, Event::News);
        self.time
            .after(HEALING_MAX + NEWS_SHOWN_WITHIN, Event::Ends);
    }

    pub(super) fn news(&mut self) {
        self.say(format_args!("every host opens one more port"));
        let nodes = self.nodes.iter_mut();
        nodes.for_each(|node| node.real.open_one_more());
    }

    pub(super) fn end(&mut self) -> Result<(), Broken> {
        self.is_over = true;
        while self.truth.late(true) {}
        self.truth.catch_up()?;
        // What waits at one may make a commit that the others have to take in.
        for number in (0..SERVERS).chain(0..SERVERS) {
            self.takes_in_all(number)?;
        }
        self.count_all();
        self.truth.keeps_all()?;
        self.all_hold_the_same()?;
        self.shows_the_world()?;
        self.transients_are_told_once()
    }

    fn takes_in_all(&mut self, number: usize) -> Result<(), Broken> {
        let server = &mut self.servers[number];
        let Some(process) = &mut server.process else {
            let what = format!("server {number} is down at the end");
            return Err(Broken::new(Rule::Converges, what));
        };
        server.wire.arrive(u64::MAX);
        let (_, outcome) = process.serve();
        outcome.map_err(works)?;
        self.truth.catch_up()
    }

    fn count_all(&mut self) {
        for server in &self.servers {
            self.figures.begun(&server.folder);
            if let Some(process) = &server.process {
                self.figures.counted(&process.published.counters);
            }
        }
    }

    fn all_hold_the_same(&mut self) -> Result<(), Broken> {
        let mut first = None;
        let of_log = history(&self.truth.store())?;
        for number in 0..SERVERS {
            let state = self.state(number)?;
            self.truth.is_shown(number, &state)?;
            let server = &self.servers[number];
            let Some(process) = &server.process else {
                continue;
            };
            check(
                &server.folder.opened(),
                &process.published,
                &self.truth.model,
            )?;
            let held = (process.store.epoch(), state.commit(), told(&state));
            let is_same = first.get_or_insert_with(|| held.clone()) == &held;
            must(is_same, Rule::CensusIsReplay, || {
                format!("server {number} holds another census: {held:?}, {first:?}")
            })?;
            let records = history(&*process.store)?;
            must(records == of_log, Rule::PastIsKept, || {
                format!("server {number} has another history")
            })?;
        }
        let state = self.state(0)?;
        let store = self.servers[0].folder.opened();
        let die = &mut self.dice.server;
        let compared = past::check(&store, &self.truth.model, &state, die)?;
        self.figures.moments_compared += compared.moments;
        self.figures.returned += compared.returned;
        Ok(())
    }

    fn state(&self, number: usize) -> Result<std::sync::Arc<portolan_census::State>, Broken> {
        let process = self.servers[number].process.as_ref();
        let process = process.ok_or_else(|| works("a server is down"))?;
        Ok(process.published.state.load_full())
    }

    /// Every host is held as it is.
    fn shows_the_world(&self) -> Result<(), Broken> {
        for (number, node) in self.nodes.iter().enumerate() {
            let stored = self.truth.model.durable().get(&node.real.key);
            let Real {
                host,
                coverage,
                open_ports,
            } = node.real.truth();
            let is_like = stored.is_some_and(|stored| {
                (&stored.host, &stored.coverage, &stored.open_ports)
                    == (&host, &coverage, &open_ports)
            });
            must(is_like, Rule::Converges, || {
                format!("node {number} is held as {stored:?}, and has {open_ports:?}")
            })?;
        }
        Ok(())
    }

    /// A transient is told at most once, and once where its agent went on. A host that was removed
    /// may come back by the very report that it had.
    fn transients_are_told_once(&mut self) -> Result<(), Broken> {
        let mut removals = BTreeMap::<HostKey, u64>::new();
        let mut found = BTreeMap::<String, Vec<u64>>::new();
        let mut count = |change: Change| {
            let removals = removals.entry(change.key).or_default();
            *removals += u64::from(change.kind == ChangeKind::Retired);
            let path = change.port.and_then(|port| port.path);
            if let (ChangeKind::Transient, Some(path)) = (change.kind, path)
                && path.starts_with(CAME_AND_WENT)
            {
                found.entry(path).or_default().push(*removals);
            }
            ControlFlow::Continue(())
        };
        let (store, order) = (self.truth.store(), HistoryOrder::Ascending);
        changes(&store, .., order, &mut count).map_err(works)?;
        for (path, (node, life)) in &self.transients {
            let told = found.remove(path).unwrap_or_default();
            let goes_on = self.nodes[*node].lives == *life;
            self.figures.transients += told.len() as u64;
            let is_once = told.windows(2).all(|two| two[0] != two[1]);
            must(
                is_once && !(told.is_empty() && goes_on),
                Rule::PastIsKept,
                || format!("{path} of node {node} was told after removals {told:?}"),
            )?;
        }
        must(found.is_empty(), Rule::PastIsKept, || {
            format!("nobody had {found:?}")
        })
    }
}

fn history(store: &dyn Store) -> Result<Vec<(u64, Vec<u8>)>, Broken> {
    let mut all = Vec::new();
    let mut keep = |commit, record: &[u8]| {
        all.push((commit, record.to_vec()));
        Ok(ControlFlow::Continue(()))
    };
    let whole = 0..=u64::MAX;
    store
        .history(whole, HistoryOrder::Ascending, &mut keep)
        .map_err(works)?;
    Ok(all)
}

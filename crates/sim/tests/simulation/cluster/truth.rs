//! What the log says, commit by commit: every server has to show just that.
//!
//! A witness that nothing befalls follows the log from its beginning. What it holds is checked against
//! what agents told and operators asked, and is what all servers are compared with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portolan_census::{Choice, Pair, State};
use portolan_store::jetstream::{Epoch, JetStreamStore, Log, Model as Cluster, ModelLog, open_in};
use portolan_store::{RecordKey, RecordKind, Shared, StoreError, rebuild_all};
use portolan_wire::digest::Digest;
use portolan_wire::ids::HostKey;
use portolan_wire::time::UnixMicros;

use crate::broken::{Broken, Rule, must};
use crate::journal::RecordInFrame;
use crate::log_store::LogStore;
use crate::model::{Model, Waiting};

use super::folder::SimulatedFolder;

/// A host as one commit left it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shown {
    pair: Pair,
    digest: Digest,
    is_retired: bool,
    choices: BTreeSet<Choice>,
}

/// All that one commit left.
#[derive(Clone, Debug, Default)]
struct Moment {
    at: UnixMicros,
    hosts: BTreeMap<HostKey, Shown>,
    records: BTreeMap<RecordKey, Vec<u8>>,
}

/// See the module's text.
pub(super) struct Truth {
    cluster: Arc<Cluster>,
    log: Arc<ModelLog>,
    folder: SimulatedFolder,
    witness: Option<JetStreamStore>,
    /// What was told and asked, and all versions of all hosts.
    pub(super) model: Model,
    /// By commit; the first is before all.
    moments: Vec<Moment>,
    choices: BTreeMap<HostKey, BTreeSet<Choice>>,
    acknowledged: BTreeMap<HostKey, (Pair, Digest)>,
}

fn works(error: &StoreError) -> Broken {
    Broken::new(Rule::Works, format!("the witness: {error}"))
}

impl Truth {
    pub(super) fn of(cluster: &Arc<Cluster>) -> Self {
        Self {
            cluster: Arc::clone(cluster),
            log: Arc::new(cluster.server()),
            folder: SimulatedFolder::default(),
            witness: None,
            model: Model::default(),
            moments: vec![Moment::default()],
            choices: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
        }
    }

    /// Where the log begins, and its last commit.
    pub(super) fn ends(&self) -> (u64, u64) {
        let ends = self.log.ends();
        ends.map_or((1, 0), |ends| (ends.first, ends.last))
    }

    /// Takes in what was appended, commit by commit.
    pub(super) fn catch_up(&mut self) -> Result<(), Broken> {
        self.begin()?;
        self.log.arrive(u64::MAX);
        while let Some(witness) = &self.witness {
            let next = Shared::next(witness).map_err(|error| works(&error))?;
            if next.is_none() {
                break;
            }
            self.take_in()?;
        }
        Ok(())
    }

    fn take_in(&mut self) -> Result<(), Broken> {
        let disk = self.folder.disk().unwrap();
        let frames = self.model.became_durable(disk.lock().unwrap().durable())?;
        for frame in frames {
            let changed = frame.records.iter().map(RecordInFrame::key);
            let mut kinds = changed.map(|key| key.kind);
            if kinds.any(|kind| kind == RecordKind::Ignore) {
                self.read_choices(&self.folder.opened())?;
            }
            must(
                self.moments.len() as u64 == frame.commit,
                Rule::PastIsKept,
                || format!("commit {} is in place of another", frame.commit),
            )?;
            self.moments.push(self.moment(UnixMicros(frame.at)));
        }
        Ok(())
    }

    /// The witness begins once there is a log.
    fn begin(&mut self) -> Result<(), Broken> {
        let is_made = self.log.get("epoch").is_ok_and(|epoch| epoch.is_some());
        if self.witness.is_some() || !is_made {
            return Ok(());
        }
        let log = Arc::clone(&self.log) as Arc<dyn Log>;
        let witness = open_in(log, &self.folder, Epoch::new(0, UnixMicros(0)), 0)
            .map_err(|error| works(&error))?;
        witness.on_arrival(Box::new(|| {}));
        self.witness = Some(witness);
        Ok(())
    }

    fn read_choices(&mut self, store: &LogStore) -> Result<(), Broken> {
        let rebuilt = rebuild_all(store, |_| {}).map_err(|error| works(&error))?;
        self.choices.clear();
        for key in self.model.durable().keys() {
            let host = rebuilt.state.host(key);
            let choices = host.into_iter().flat_map(|host| host.ignored.choices());
            self.choices.insert(key.clone(), choices.cloned().collect());
        }
        Ok(())
    }

    fn moment(&self, at: UnixMicros) -> Moment {
        let live = self.model.durable().iter().map(|held| (held, false));
        let retired = self.model.durable_retired().iter().map(|held| (held, true));
        let hosts = live.chain(retired).map(|((key, stored), is_retired)| {
            let choices = self.choices.get(key).filter(|_| !is_retired);
            let shown = Shown {
                pair: stored.pair,
                digest: stored.digest,
                is_retired,
                choices: choices.cloned().unwrap_or_default(),
            };
            (key.clone(), shown)
        });
        Moment {
            at,
            hosts: hosts.collect(),
            records: self.model.durable_records().clone(),
        }
    }

    /// A server shows what the commits that it holds left, and nothing else: silence and failures
    /// change no host.
    pub(super) fn is_shown(&self, server: usize, state: &State) -> Result<(), Broken> {
        let commit = state.commit();
        let place = usize::try_from(commit).unwrap();
        let Some(moment) = self.moments.get(place) else {
            let what = format!("server {server} shows commit {commit}, which is not in the log");
            return Err(Broken::new(Rule::AcknowledgedIsKept, what));
        };
        let mut shown = BTreeMap::new();
        for (id, project) in state.projects() {
            let live = project.hosts_after(None).map(|host| (host, false));
            let retired = project.all_retired().map(|host| (host, true));
            for (host, is_retired) in live.chain(retired) {
                let key = HostKey {
                    project: id.clone(),
                    host: host.facts.id.clone(),
                };
                let held = Shown {
                    pair: host.facts.pair,
                    digest: host.facts.digest,
                    is_retired,
                    choices: host.ignored.choices().iter().cloned().collect(),
                };
                shown.insert(key, held);
            }
        }
        must(
            shown == moment.hosts && (commit == 0 || state.at() == moment.at),
            Rule::ServersShowTheLog,
            || {
                format!(
                    "server {server} shows {shown:?} after commit {commit}, and the log says {moment:?}"
                )
            },
        )
    }

    /// What the records of a server that holds `commit` are.
    pub(super) fn records_are(
        &self,
        server: usize,
        commit: u64,
        records: &[(RecordKey, Vec<u8>)],
    ) -> Result<(), Broken> {
        let moment = &self.moments[usize::try_from(commit).unwrap()];
        let records = records.iter().map(|(key, value)| (key, value));
        must(records.eq(&moment.records), Rule::CensusIsReplay, || {
            format!("server {server} has other records after commit {commit}")
        })
    }

    fn said(&self, key: &HostKey, durable: usize) -> Option<(Pair, Digest)> {
        let moment = self.moments.get(durable)?;
        let shown = moment.hosts.get(key)?;
        Some((shown.pair, shown.digest))
    }

    /// A report was acknowledged when the log ended at commit `durable`.
    pub(super) fn acknowledges(
        &mut self,
        waiting: &Waiting,
        durable: usize,
        visible: &State,
    ) -> Result<(), Broken> {
        let newest = (waiting.version.pair, waiting.version.digest);
        let key = &waiting.key;
        let host = visible.host(key).or_else(|| visible.retired(key));
        let shown = host.map(|host| (host.facts.pair, host.facts.digest));
        for (held, how) in [(self.said(key, durable), "in the log"), (shown, "visible")] {
            must(keeps(held, newest), Rule::AcknowledgedIsKept, || {
                format!(
                    "{} {:?} is acknowledged and not {how}: {held:?}",
                    key.host, newest.0
                )
            })?;
        }
        let acknowledged = self.acknowledged.entry(key.clone()).or_insert(newest);
        if acknowledged.0 < newest.0 {
            *acknowledged = newest;
        }
        Ok(())
    }

    /// A report was called stale when the log ended at commit `durable`.
    pub(super) fn is_stale(&self, waiting: &Waiting, durable: usize) -> Result<(), Broken> {
        let held = self.said(&waiting.key, durable);
        let is_older = held.is_some_and(|(pair, _)| pair > waiting.version.pair);
        must(is_older, Rule::OlderNeverWins, || {
            let (key, pair) = (&waiting.key, waiting.version.pair);
            format!("{} {pair:?} is stale, and held is {held:?}", key.host)
        })
    }

    fn after(&self, commit: u64) -> Option<&Moment> {
        self.moments.get(usize::try_from(commit).ok()?)
    }

    /// Whether a record had that value after `commit`.
    pub(super) fn has_record(&self, commit: u64, key: &RecordKey, value: Option<&Vec<u8>>) -> bool {
        let moment = self.after(commit);
        moment.is_some_and(|moment| moment.records.get(key) == value)
    }

    /// Whether that was ignored of a host after `commit`; `None` where there was no such host.
    pub(super) fn has_choice(&self, commit: u64, key: &HostKey, choice: &Choice) -> Option<bool> {
        let shown = self.after(commit)?.hosts.get(key)?;
        (!shown.is_retired).then(|| shown.choices.contains(choice))
    }

    /// Nothing that was acknowledged is lost at the end.
    pub(super) fn keeps_all(&self) -> Result<(), Broken> {
        for (key, newest) in &self.acknowledged {
            let held = self.said(key, self.moments.len() - 1);
            must(keeps(held, *newest), Rule::AcknowledgedIsKept, || {
                let pair = newest.0;
                format!("{} {pair:?} was acknowledged; there is {held:?}", key.host)
            })?;
        }
        Ok(())
    }

    /// The history as the log has it.
    pub(super) fn store(&self) -> LogStore {
        self.folder.opened()
    }

    /// A late append reaches the log, or never will.
    pub(super) fn late(&self, reaches: bool) -> bool {
        if reaches {
            return self.cluster.deliver_delayed();
        }
        self.cluster.drop_delayed();
        false
    }
}

fn keeps(held: Option<(Pair, Digest)>, acknowledged: (Pair, Digest)) -> bool {
    held.is_some_and(|held| held.0 > acknowledged.0 || held == acknowledged)
}

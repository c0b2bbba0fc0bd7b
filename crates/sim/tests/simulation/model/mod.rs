//! What the world knows beside the program: who told what, what was acknowledged, what must be.
//!
//! Naive on purpose: maps from hosts to what is held, and rules over them. A report whose answer
//! nobody has seen is neither applied nor refused: [`Fate::Maybe`] is a value, and the disk decides
//! it after the next crash.

mod durable;
mod past;
mod speakers;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use portolan_census::{Choice, Pair, Selection, State};
use portolan_store::{
    Asked, Decision, Ignoring, IgnoringDone, RecordKey, RecordKind, Retirement, Snapshot,
};
use portolan_wire::digest::Digest;
use portolan_wire::ids::{EnterpriseProjectId, HostKey};
use portolan_wire::report::Report;
use portolan_wire::time::UnixMicros;

use crate::broken::{Broken, Rule, must};

use durable::versions;
pub(crate) use past::Past;
pub(crate) use speakers::Moment;
use speakers::Speakers;

/// One version of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) pair: Pair,
    pub(crate) digest: Digest,
    pub(crate) enterprise_project: EnterpriseProjectId,
}

impl Version {
    pub(crate) fn of(report: &Report) -> Self {
        Self {
            pair: Pair {
                generation: report.generation,
                sequence: report.sequence,
            },
            digest: report.digest(),
            enterprise_project: report.host.enterprise_project_id.as_str().into(),
        }
    }
}

/// What is known of a report that an agent told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It was sent. It may be applied, or not: it, or a repetition of it, may be under way.
    Maybe,
    /// It was applied, and nobody was told so.
    Applied,
    /// The server said that it holds it.
    Acknowledged,
}

/// The hosts of one server, as they must be.
#[derive(Default)]
pub(crate) struct Model {
    /// By host, pair and agent: the sets that were told, which is one but where machines or lives
    /// of an agent got at each other's pairs.
    told: BTreeMap<(HostKey, Pair, String), BTreeMap<Digest, Fate>>,
    /// What census and disk must hold while the server is up.
    held: BTreeMap<HostKey, Version>,
    /// What is durable.
    durable: BTreeMap<HostKey, Snapshot>,
    /// The same of hosts that are retired: the census keeps their last versions, the disk too.
    retired: BTreeMap<HostKey, Version>,
    durable_retired: BTreeMap<HostKey, Snapshot>,
    /// Every version of each host that was durable.
    past: Past,
    /// Bytes of the journal that `durable` has in it.
    bytes_seen: usize,
    /// The newest report of each host that was acknowledged.
    acknowledged: BTreeMap<HostKey, (Pair, Digest)>,
    /// Which agents speak for which host.
    speakers: Speakers,
    /// Hosts whose removal waits for the committer.
    retiring: BTreeSet<HostKey>,
    /// Before when a host was retired that may be forgotten by the committer now.
    forgetting: Option<UnixMicros>,
    /// The records beside the hosts, as acknowledged and as durable.
    records: BTreeMap<RecordKey, Vec<u8>>,
    durable_records: BTreeMap<RecordKey, Vec<u8>>,
    /// What is ignored of each host, as acknowledged.
    ignored: BTreeMap<HostKey, BTreeSet<Choice>>,
    /// How many reports were acknowledged.
    pub(crate) acknowledgements: u64,
}

/// A report as it waits for the committer.
pub(crate) struct Waiting {
    /// What its answer is made of.
    pub(crate) asked: Asked,
    pub(crate) key: HostKey,
    pub(crate) version: Version,
    pub(crate) agent_id: String,
    pub(crate) granted: Selection,
}

impl Model {
    /// An agent sends a report. `owns_its_pairs`: no other machine and no life of it before a clock
    /// went back by days can have used them.
    pub(crate) fn sent(
        &mut self,
        key: &HostKey,
        report: &Report,
        owns_its_pairs: bool,
    ) -> Result<(), Broken> {
        let version = Version::of(report);
        let agent_id = report.host.agent_id.clone().unwrap_or_default();
        let told = self
            .told
            .entry((key.clone(), version.pair, agent_id))
            .or_default();
        told.entry(version.digest).or_insert(Fate::Maybe);
        must(
            told.len() == 1 || !owns_its_pairs,
            Rule::AgentKeepsItsWord,
            || format!("{} told two sets under {:?}", key.host, version.pair),
        )
    }

    /// The committer decided a report.
    pub(crate) fn decided(
        &mut self,
        waiting: &Waiting,
        decision: Decision,
        state: &State,
        moment: &Moment,
    ) -> Result<(), Broken> {
        let Waiting {
            key,
            version,
            granted,
            ..
        } = waiting;
        let held = self.held.get(key);
        let is_granted = granted.holds(&version.enterprise_project)
            && held.is_none_or(|held| granted.holds(&held.enterprise_project));
        must(
            is_granted != (decision == Decision::NotGranted),
            Rule::GrantsHold,
            || format!("{} granted: {is_granted}, and {decision:?}", key.host),
        )?;
        let order = match (held, self.retired.get(key)) {
            (Some(held), _) => version.pair.cmp(&held.pair),
            // No report but an older one keeps it away; and to who may not see whose it was, it is new.
            (None, Some(kept)) if granted.holds(&kept.enterprise_project) => {
                version.pair.cmp(&kept.pair).then(Ordering::Greater)
            }
            (None, _) => Ordering::Greater,
        };
        let is_same = held.is_some_and(|held| held.digest == version.digest);
        let is_ordered = match decision {
            Decision::Accepted { fresh: true } => order.is_gt(),
            Decision::Accepted { fresh: false } => order.is_eq() && is_same,
            Decision::Stale { .. } => order.is_lt(),
            Decision::Conflict => order.is_gt() || order.is_eq() && !is_same,
            Decision::NotGranted => true,
        };
        must(is_ordered, Rule::OlderNeverWins, || {
            format!("{} {version:?} after {held:?} is {decision:?}", key.host)
        })?;
        match order {
            Ordering::Greater => self.speakers.judge(waiting, decision, moment)?,
            Ordering::Less => self.speakers.judge_older(waiting, decision, moment)?,
            Ordering::Equal => {}
        }
        if decision == (Decision::Accepted { fresh: true }) {
            self.held.insert(key.clone(), version.clone());
            self.retired.remove(key);
            self.speakers.speaks(key, &waiting.agent_id, moment.now);
        }
        match decision {
            Decision::Accepted { .. } => self.acknowledge(waiting, state),
            _ => Ok(()),
        }
    }

    /// The committer answers that the server holds a report.
    fn acknowledge(&mut self, waiting: &Waiting, state: &State) -> Result<(), Broken> {
        let Waiting {
            key,
            version,
            agent_id,
            ..
        } = waiting;
        self.acknowledgements += 1;
        let told = self
            .told
            .get_mut(&(key.clone(), version.pair, agent_id.clone()));
        if let Some(fate) = told.and_then(|told| told.get_mut(&version.digest)) {
            *fate = Fate::Acknowledged;
        }
        let newest = (version.pair, version.digest);
        // A removal in the same batch may have taken it back already.
        if !self.retiring.contains(key) {
            let durable = self.durable.get(key).map(|held| (held.pair, held.digest));
            let visible = state
                .host(key)
                .map(|host| (host.facts.pair, host.facts.digest));
            for (held, how) in [(durable, "durable"), (visible, "visible")] {
                must(keeps(held, newest), Rule::AcknowledgedIsKept, || {
                    let pair = version.pair;
                    format!(
                        "{} {pair:?} is acknowledged and not {how}: {held:?}",
                        key.host
                    )
                })?;
            }
        }
        let acknowledged = self.acknowledged.entry(key.clone()).or_insert(newest);
        if acknowledged.0 < newest.0 {
            *acknowledged = newest;
        }
        Ok(())
    }

    /// An operator asks for the removal of a host.
    pub(crate) fn retires(&mut self, key: &HostKey) {
        self.retiring.insert(key.clone());
    }

    /// The committer removed a host, or did not know it.
    pub(crate) fn retired(&mut self, key: &HostKey, retirement: Retirement) -> Result<(), Broken> {
        let held = self.held.remove(key);
        let was_held = held.is_some();
        self.retired.extend(held.map(|held| (key.clone(), held)));
        self.acknowledged.remove(key);
        self.ignored.remove(key);
        self.speakers.forget(key);
        must(
            was_held == (retirement == Retirement::Retired),
            Rule::Works,
            || {
                format!(
                    "{} was held: {was_held}; removing it: {retirement:?}",
                    key.host
                )
            },
        )
    }

    /// Hosts that were retired before then may be forgotten.
    pub(crate) fn forgets(&mut self, before: UnixMicros) {
        self.forgetting = self.forgetting.max(Some(before));
    }

    /// The committer has forgotten the hosts that were retired before then.
    pub(crate) fn forgotten(&mut self, before: UnixMicros) {
        let Self {
            retired,
            durable_retired,
            ..
        } = self;
        // One that came back behind it in the same batch is not retired any more, but was forgotten.
        retired.retain(|key, _| {
            let kept = durable_retired.get(key).and_then(|kept| kept.retired_at);
            kept.is_some_and(|at| at >= before)
        });
    }

    /// The committer made ports ignored, or ignored no longer, or did not know the host.
    pub(crate) fn ignored(&mut self, wanted: &Ignoring, told: IgnoringDone) -> Result<(), Broken> {
        for (host, choice) in &wanted.items {
            let key = HostKey {
                project: wanted.project.clone(),
                host: host.clone(),
            };
            let is_held = self.held.contains_key(&key);
            must(is_held == (told == IgnoringDone::Done), Rule::Works, || {
                format!("{host} is held: {is_held}; ignoring a port of it: {told:?}")
            })?;
            if is_held && wanted.ignore {
                self.ignored.entry(key).or_default().insert(choice.clone());
            } else if let Some(choices) = self.ignored.get_mut(&key) {
                choices.remove(choice);
            }
        }
        self.ignored.retain(|_, choices| !choices.is_empty());
        Ok(())
    }

    /// The committer changed a record.
    pub(crate) fn changed(&mut self, key: &RecordKey, value: Option<&Vec<u8>>) {
        match value {
            Some(value) => self.records.insert(key.clone(), value.clone()),
            None => self.records.remove(key),
        };
    }

    /// All answers of a batch were taken in: what is durable is what they said, and what is shown.
    pub(crate) fn batch_ends(&mut self, state: &State) -> Result<(), Broken> {
        self.retiring.clear();
        self.forgetting = None;
        // What is ignored has records of the committer's own: only whose they are is known here.
        let (ignored, records): (BTreeMap<_, _>, _) =
            (self.durable_records.iter()).partition(|(key, _)| key.kind == RecordKind::Ignore);
        must(
            self.records.iter().eq::<BTreeMap<_, _>>(records),
            Rule::AcknowledgedIsKept,
            || {
                format!(
                    "records are {:?}, durable are {:?}",
                    self.records, self.durable_records
                )
            },
        )?;
        let hosts: BTreeSet<String> = (self.ignored.keys())
            .map(|key| format!("{}/{}", key.host, key.project))
            .collect();
        must(
            hosts.iter().eq(ignored.keys().map(|key| &key.id)),
            Rule::AcknowledgedIsKept,
            || format!("ignored is {:?}, durable {ignored:?}", self.ignored),
        )?;
        let durable = versions(&self.durable);
        must(durable == self.held, Rule::AcknowledgedIsKept, || {
            format!("held is {:?}, durable is {durable:?}", self.held)
        })?;
        let durable = versions(&self.durable_retired);
        must(durable == self.retired, Rule::AcknowledgedIsKept, || {
            format!("retired is {:?}, durable is {durable:?}", self.retired)
        })?;
        self.is_shown(state)
    }

    /// The census shows what is held, and nothing else: only a report changes a host, silence does
    /// not, and neither do failures.
    pub(crate) fn is_shown(&self, state: &State) -> Result<(), Broken> {
        let hosts = state
            .projects()
            .map(|(_, project)| project.host_count())
            .sum::<usize>();
        must(hosts == self.held.len(), Rule::SilenceClosesNothing, || {
            format!("{hosts} hosts are shown, {} are held", self.held.len())
        })?;
        for (key, held) in &self.held {
            let shown = state.host(key).map(|host| Version {
                pair: host.facts.pair,
                digest: host.facts.digest,
                enterprise_project: host.facts.enterprise_project.clone(),
            });
            must(
                shown.as_ref() == Some(held),
                Rule::SilenceClosesNothing,
                || {
                    format!(
                        "{} is shown as {shown:?} without a report, held is {held:?}",
                        key.host
                    )
                },
            )?;
            let shown = state.host(key).map(|host| host.ignored.choices());
            let choices = self.ignored.get(key);
            must(
                shown.is_some_and(|shown| shown.iter().eq(choices.into_iter().flatten())),
                Rule::AcknowledgedIsKept,
                || format!("{} ignores {shown:?}, told was {choices:?}", key.host),
            )?;
        }
        Ok(())
    }

    /// How many reports were applied without anybody being told so.
    pub(crate) fn applied_untold(&self) -> u64 {
        let fates = self.told.values().flat_map(BTreeMap::values);
        fates.filter(|fate| **fate == Fate::Applied).count() as u64
    }

    /// The records as they are on the disk.
    pub(crate) fn durable_records(&self) -> &BTreeMap<RecordKey, Vec<u8>> {
        &self.durable_records
    }

    /// Every version of each host that was on the disk.
    pub(crate) fn past(&self) -> &Past {
        &self.past
    }

    /// Retired hosts as they are on the disk.
    pub(crate) fn durable_retired(&self) -> &BTreeMap<HostKey, Snapshot> {
        &self.durable_retired
    }

    /// The hosts as they are on the disk.
    pub(crate) fn durable(&self) -> &BTreeMap<HostKey, Snapshot> {
        &self.durable
    }
}

/// Whether `held` is what was acknowledged, or something newer.
fn keeps(held: Option<(Pair, Digest)>, acknowledged: (Pair, Digest)) -> bool {
    held.is_some_and(|held| held.0 > acknowledged.0 || held == acknowledged)
}

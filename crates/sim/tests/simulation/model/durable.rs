//! What is on the disk, batch by batch, and what a crash may have made of it.

use std::collections::{BTreeMap, BTreeSet};

use portolan_census::State;
use portolan_store::{RecordKind, Snapshot};
use portolan_wire::digest::Digest;
use portolan_wire::ids::HostKey;
use portolan_wire::time::UnixMicros;

use crate::broken::{Broken, Rule, must};
use crate::journal::{Frame, HostInFrame, frames};
use crate::timeline::Micros;

use super::{Fate, Model, Version, keeps};

impl Model {
    /// Of the bytes of the journal those that were not durable when last looked at.
    pub(crate) fn unseen<'a>(&self, journal: &'a [u8]) -> &'a [u8] {
        journal.get(self.bytes_seen..).unwrap_or_default()
    }

    /// Reads what has become durable, and checks each version against the one before it. Says which
    /// batches these are.
    pub(crate) fn became_durable(&mut self, durable: &[u8]) -> Result<Vec<Frame>, Broken> {
        // What a crash took back was never called durable.
        let news = durable.get(self.bytes_seen..).ok_or_else(|| {
            let what = format!(
                "{} of {} durable bytes are left",
                durable.len(),
                self.bytes_seen
            );
            Broken::new(Rule::AcknowledgedIsKept, what)
        })?;
        let (frames, len) = frames(news);
        self.bytes_seen += len;
        for write in frames.iter().flat_map(|frame| &frame.records) {
            match &write.value {
                Some(value) => self.durable_records.insert(write.key(), value.clone()),
                None => self.durable_records.remove(&write.key()),
            };
        }
        for frame in &frames {
            for write in &frame.hosts {
                self.wrote(write)?;
            }
            self.past.batch_ends(UnixMicros(frame.at));
        }
        Ok(frames)
    }

    fn wrote(&mut self, write: &HostInFrame) -> Result<(), Broken> {
        let key = write.key();
        let Some(value) = &write.value else {
            let kept = self.durable_retired.remove(&key);
            let is_asked = kept.is_some_and(|kept| self.is_forgotten(&kept));
            self.past.forget(&key);
            return must(is_asked, Rule::AcknowledgedIsKept, || {
                format!("{} was forgotten, and nobody asked for it", key.host)
            });
        };
        let stored = Snapshot::decode(key.host.as_str(), value)
            .map_err(|error| Broken::new(Rule::Works, error.to_string()))?;
        self.follows(&key, &stored)?;
        if self
            .durable_retired
            .get(&key)
            .is_some_and(|kept| self.is_forgotten(kept))
        {
            self.past.may_begin_again(&key);
        }
        self.past.add(&key, stored.clone());
        if stored.retired_at.is_none() {
            self.durable_retired.remove(&key);
            self.durable.insert(key, stored);
            return Ok(());
        }
        must(
            self.retiring.contains(&key),
            Rule::AcknowledgedIsKept,
            || format!("{} was retired, and nobody asked for it", key.host),
        )?;
        self.durable.remove(&key);
        self.acknowledged.remove(&key);
        self.durable_retired.insert(key, stored);
        Ok(())
    }

    /// Whether what is kept of a retired host may be forgotten by the batch.
    fn is_forgotten(&self, kept: &Snapshot) -> bool {
        self.forgetting > kept.retired_at
    }

    fn follows(&mut self, key: &HostKey, stored: &Snapshot) -> Result<(), Broken> {
        let live = self.durable.get(key);
        let before = live.or_else(|| self.durable_retired.get(key));
        let newer = before.is_none_or(|before| {
            // Retired in the batch or before it, it may come back under the same pair, and by a
            // credential that may not see whose it was under any.
            let may_return = self.retiring.contains(key) || before.retired_at.is_some();
            let is_anew = stored.host.enterprise_project_id != before.host.enterprise_project_id
                || before.retired_at.is_some() && self.is_forgotten(before);
            let is_ordered = if may_return {
                stored.pair >= before.pair || is_anew
            } else {
                stored.pair > before.pair
            };
            is_ordered && stored.at > before.at
        });
        must(newer, Rule::OlderNeverWins, || {
            let before = before.map(|before| (before.pair, before.at));
            format!(
                "{} became {:?} at {} after {before:?}",
                key.host, stored.pair, stored.at
            )
        })?;
        let agent_id = stored.host.agent_id.clone().unwrap_or_default();
        let told = self.told.get_mut(&(key.clone(), stored.pair, agent_id));
        let fate = told.and_then(|told| told.get_mut(&stored.digest));
        let is_as_told = fate.is_some() && Digest::of(&stored.open_ports) == stored.digest;
        if let Some(fate) = fate
            && *fate == Fate::Maybe
        {
            *fate = Fate::Applied;
        }
        must(is_as_told, Rule::AcknowledgedIsKept, || {
            format!(
                "{} {:?} on disk is not what an agent told",
                key.host, stored.pair
            )
        })
    }

    /// The server is up again over what was left on the disk. `interrupted` is the batch that a
    /// crash at `down_since` cut short, if one did: it may be there now, whole.
    pub(crate) fn restarted(
        &mut self,
        durable: &[u8],
        interrupted: Option<&Frame>,
        state: &State,
        down_since: Micros,
    ) -> Result<(), Broken> {
        let found = self.became_durable(durable)?;
        let is_whole = match found.as_slice() {
            [] => true,
            [frame] => Some(frame) == interrupted,
            _ => false,
        };
        must(is_whole, Rule::BatchIsWhole, || {
            format!(
                "after the crash there are {} batches, not the one cut short",
                found.len()
            )
        })?;
        for key in found
            .iter()
            .flat_map(|frame| &frame.hosts)
            .map(HostInFrame::key)
        {
            match self.durable.get(&key) {
                Some(stored) => {
                    let agent_id = stored.host.agent_id.as_deref().unwrap_or_default();
                    self.speakers.speaks(&key, agent_id, down_since);
                }
                None => self.speakers.forget(&key),
            }
        }
        let is_kept = |key: &HostKey| !self.retiring.contains(key);
        for (key, newest) in self.acknowledged.iter().filter(|(key, _)| is_kept(key)) {
            let held = self.durable.get(key).map(|held| (held.pair, held.digest));
            must(keeps(held, *newest), Rule::AcknowledgedIsKept, || {
                let (pair, _) = newest;
                format!(
                    "{} {pair:?} was acknowledged; after the crash there is {held:?}",
                    key.host
                )
            })?;
        }
        // The batch may have removed a host and taken it anew, under an older pair.
        let Self {
            acknowledged,
            retiring,
            ..
        } = self;
        acknowledged.retain(|key, _| !retiring.contains(key));
        self.held = versions(&self.durable);
        self.retired = versions(&self.durable_retired);
        let records = self.durable_records.iter();
        let records = records.filter(|(key, _)| key.kind != RecordKind::Ignore);
        self.records = records
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        self.restarted_ignoring(found.last(), state);
        self.batch_ends(state)
    }

    /// Only the batch that was cut short may have changed what is ignored.
    fn restarted_ignoring(&mut self, found: Option<&Frame>, state: &State) {
        let changed = found.into_iter().flat_map(|frame| &frame.records);
        let changed: BTreeSet<String> = changed.map(|write| write.key().id).collect();
        for key in self.durable.keys() {
            if changed.contains(&format!("{}/{}", key.host, key.project)) {
                let host = state.host(key);
                let choices = host.into_iter().flat_map(|host| host.ignored.choices());
                self.ignored.insert(key.clone(), choices.cloned().collect());
            }
        }
        let Self {
            ignored, durable, ..
        } = self;
        ignored.retain(|key, choices| !choices.is_empty() && durable.contains_key(key));
    }
}

pub(super) fn versions(durable: &BTreeMap<HostKey, Snapshot>) -> BTreeMap<HostKey, Version> {
    let durable = durable.iter();
    durable
        .map(|(key, stored)| (key.clone(), version(stored)))
        .collect()
}

fn version(stored: &Snapshot) -> Version {
    Version {
        pair: stored.pair,
        digest: stored.digest,
        enterprise_project: stored.host.enterprise_project_id.as_str().into(),
    }
}

//! What is on the disk, batch by batch, and what a crash may have made of it.

use std::collections::{BTreeMap, BTreeSet};

use portolan_census::State;
use portolan_store::{RecordKind, Snapshot};
use portolan_wire::digest::Digest;
use portolan_wire::ids::HostKey;

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
        for write in frames.iter().flat_map(|frame| &frame.hosts) {
            let key = write.key();
            let Some(value) = &write.value else {
                must(
                    self.retiring.contains(&key),
                    Rule::AcknowledgedIsKept,
                    || format!("{} was removed, and nobody asked for it", key.host),
                )?;
                self.durable.remove(&key);
                self.acknowledged.remove(&key);
                continue;
            };
            let stored = Snapshot::decode(key.host.as_str(), value)
                .map_err(|error| Broken::new(Rule::Works, error.to_string()))?;
            self.follows(&key, &stored)?;
            self.durable.insert(key, stored);
        }
        Ok(frames)
    }

    fn follows(&mut self, key: &HostKey, stored: &Snapshot) -> Result<(), Broken> {
        // Removed and reported anew in one batch, it begins again.
        let before = self
            .durable
            .get(key)
            .filter(|_| !self.retiring.contains(key));
        let newer = before.is_none_or(|before| stored.pair > before.pair && stored.at > before.at);
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
        self.held = self.durable_versions();
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

    pub(super) fn durable_versions(&self) -> BTreeMap<HostKey, Version> {
        let durable = self.durable.iter();
        durable
            .map(|(key, stored)| (key.clone(), version(stored)))
            .collect()
    }
}

fn version(stored: &Snapshot) -> Version {
    Version {
        pair: stored.pair,
        digest: stored.digest,
        enterprise_project: stored.host.enterprise_project_id.as_str().into(),
    }
}

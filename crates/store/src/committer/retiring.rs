//! Hosts that go: retired by an operator or for their silence, and at last forgotten.
//!
//! Holds: a retirement is one recorded commit, by which the ports leave the counts and none is closed;
//! what was known of the host is kept until it is forgotten, so that it can come back.

use std::sync::Arc;

use portolan_census::{Cells, Commit, Host, HostFacts, Retired, Selection};
use portolan_wire::caps;
use portolan_wire::ids::HostKey;
use portolan_wire::time::UnixMicros;

use crate::committer::Retirement;
use crate::committer::batch;
use crate::committer::round::{Round, part};
use crate::history::compare::retirement;
use crate::history::record::{Counts, Kind, NewEntry};
use crate::record::RecordChange;
use crate::snapshot::form::split;
use crate::{StoreError, ignoring};

impl Round<'_> {
    pub(super) fn retire(
        &mut self,
        key: HostKey,
        granted: &Selection,
    ) -> Result<Retirement, StoreError> {
        // A host that the caller may not see is as unknown as one that is not there.
        let Some(host) = self.held(&key, granted) else {
            return Ok(Retirement::Unknown);
        };
        self.carry_out_retirement(key, host)?;
        Ok(Retirement::Retired)
    }

    pub(super) fn retire_silent(
        &mut self,
        key: HostKey,
        silent_since_s: u32,
    ) -> Result<bool, StoreError> {
        let Some(host) = self.held(&key, &Selection::Whole) else {
            return Ok(false);
        };
        // Its last report counts beside what was heard: it may stand in this very batch.
        let (_, heard_s) = host.freshness();
        if heard_s > silent_since_s || host.facts.at.seconds() > i64::from(silent_since_s) {
            return Ok(false);
        }
        self.carry_out_retirement(key, host)?;
        self.outcome.retired_silent += 1;
        Ok(true)
    }

    fn carry_out_retirement(&mut self, key: HostKey, host: Arc<Host>) -> Result<(), StoreError> {
        if !host.ignored.is_empty() {
            self.records(vec![RecordChange::remove(ignoring::key(&key))])?;
        }
        let held = &host.facts;
        let value = self.value(&key)?;
        let at = self.moments.of_version(Some(held));
        let mut facts = HostFacts {
            at,
            cells: Cells::default(),
            history_at: self.commit,
            retired_at: Some(at),
            ..held.clone()
        };
        let (head, body) = split(&value)?;
        let back = (head.first_seen, head.way.further());
        let write = batch::write(key.clone(), &mut facts, back, body, Some(held))?;
        let (detail, rows) = retirement(&value)?;
        self.gathered.entry(NewEntry {
            key: &key,
            kind: Kind::Retired,
            at,
            before_at: Some(held.at),
            previous: held.history_at,
            counts: Counts::Replaces {
                before: Some(part(held, &host.ignored)),
                after: None,
            },
            detail: &detail,
            rows,
        })?;
        self.gathered.host(write, at);
        self.working.apply(Commit::Retire(Retired {
            project: key.project,
            facts,
        }));
        self.outcome.retired.push(host);
        Ok(())
    }

    pub(super) fn forget_retired(&mut self, before: UnixMicros) -> u64 {
        let projects = self.working.projects();
        let retired = projects.flat_map(|(id, project)| {
            let hosts = project.all_retired();
            hosts.map(move |host| (id.clone(), Arc::clone(host)))
        });
        let old = retired.filter(|(_, host)| host.facts.retired_at.is_none_or(|at| at < before));
        let old: Vec<_> = old.take(caps::FORGOTTEN_MAX).collect();
        for (project, host) in &old {
            let key = HostKey {
                project: project.clone(),
                host: host.facts.id.clone(),
            };
            let write = batch::removal(key.clone(), &host.facts);
            self.gathered.host(write, self.moments.now());
            self.working.apply(Commit::Forget(key));
        }
        old.len() as u64
    }
}

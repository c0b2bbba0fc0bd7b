//! Which agents speak for a host, and whether two of them do at the same time.

use std::collections::BTreeMap;

use portolan_store::Decision;
use portolan_wire::caps;
use portolan_wire::ids::HostKey;

use crate::broken::{Broken, Rule, must};
use crate::timeline::{Micros, SECOND};

use super::Waiting;

/// How long an agent that another one took over from has to wait after that one's last word.
const PATIENCE: Micros =
    caps::HEARTBEAT_INTERVAL_S_DEFAULT as Micros * caps::FRESH_INTERVALS as Micros * SECOND;

/// What the world knows at the moment of a decision.
pub(crate) struct Moment {
    pub(crate) now: Micros,
    /// When the server last heard the host.
    pub(crate) heard: Option<Micros>,
    /// The server's clock never jumped, so that its seconds are true ones.
    pub(crate) is_clock_right: bool,
}

/// The agents of every host.
#[derive(Default)]
pub(super) struct Speakers(BTreeMap<HostKey, Agents>);

struct Agents {
    current: String,
    previous: Option<String>,
    committed: Micros,
}

impl Speakers {
    /// A report of that agent made a new version of the host.
    pub(super) fn speaks(&mut self, key: &HostKey, agent_id: &str, now: Micros) {
        let before = self.0.remove(key);
        let previous = match before {
            Some(agents) if agents.current == agent_id => agents.previous,
            before => before.map(|agents| agents.current),
        };
        let agents = Agents {
            current: agent_id.to_owned(),
            previous,
            committed: now,
        };
        self.0.insert(key.clone(), agents);
    }

    pub(super) fn forget(&mut self, key: &HostKey) {
        self.0.remove(key);
    }

    /// Judges the decision on a report with a newer pair.
    pub(super) fn judge(
        &self,
        waiting: &Waiting,
        decision: Decision,
        moment: &Moment,
    ) -> Result<(), Broken> {
        let agents = self.0.get(&waiting.key).filter(|_| moment.is_clock_right);
        let is_back = agents.is_some_and(|agents| {
            agents.current != waiting.agent_id
                && agents.previous.as_deref() == Some(waiting.agent_id.as_str())
        });
        let committed = agents.map_or(0, |agents| agents.committed);
        let last_word = moment.heard.unwrap_or(0).max(committed);
        // A server that restarts may have forgotten a minute of heartbeats, but no report; and it
        // counts whole seconds.
        let is_right = match decision {
            Decision::Conflict if agents.is_some() => {
                is_back && since(moment, last_word) <= PATIENCE + 2 * SECOND
            }
            Decision::Accepted { .. } => !is_back || since(moment, committed) + SECOND >= PATIENCE,
            _ => true,
        };
        must(is_right, Rule::ConflictIsReal, || {
            let silent_s = since(moment, last_word) / SECOND;
            format!("{} {decision:?} after {silent_s} s", waiting.key.host)
        })
    }

    /// Judges what the decision on a report with an older pair says of another agent.
    pub(super) fn judge_older(
        &self,
        waiting: &Waiting,
        decision: Decision,
        moment: &Moment,
    ) -> Result<(), Broken> {
        let agents = self.0.get(&waiting.key).filter(|_| moment.is_clock_right);
        let (Some(agents), Decision::Stale { beside }) = (agents, decision) else {
            return Ok(());
        };
        let last_word = moment.heard.unwrap_or(0).max(agents.committed);
        let is_right = if beside {
            agents.current != waiting.agent_id && since(moment, last_word) <= PATIENCE + 2 * SECOND
        } else {
            // As above: of heartbeats a server may have forgotten a minute, of reports none.
            agents.current == waiting.agent_id
                || since(moment, agents.committed) + SECOND >= PATIENCE
        };
        must(is_right, Rule::ConflictIsReal, || {
            let silent_s = since(moment, last_word) / SECOND;
            format!(
                "{} is stale, beside: {beside}, after {silent_s} s",
                waiting.key.host
            )
        })
    }
}

fn since(moment: &Moment, then: Micros) -> Micros {
    moment.now.saturating_sub(then)
}

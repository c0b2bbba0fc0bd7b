//! What can go wrong in one world, and how often.
//!
//! Drawn anew for each seed, most kinds of fault being absent from most worlds: where everything
//! fails all the time little ever gets far enough to break.

use crate::dice::Die;
use crate::timeline::{Micros, SECOND};

/// A fault that comes from outside at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// The server's process is killed; what was written stays written.
    ServerKilled,
    /// The server's machine loses power; what was not synced may be lost.
    PowerLost,
    /// One of the next commits is interrupted.
    CommitInterrupted,
    /// The disk is full for a while: writes are refused, nothing is broken.
    DiskFull,
    /// The server's clock jumps.
    ServerClockStep,
    /// The server sheds load for a while.
    Overload,
    /// An agent's clock jumps.
    AgentClockStep,
    /// An agent's clock jumps by days.
    AgentClockFar,
    /// An agent is restarted.
    AgentRestart,
    /// An agent comes back without its state folder: it enrols anew, under another agent id.
    StateLost,
    /// A host's machine is off for minutes.
    HostOff,
    /// A host cannot reach the server for minutes.
    HostCutOff,
    /// An agent cannot look for a while.
    Blind,
    /// A host is moved to another enterprise project.
    Moved,
    /// An operator removes a host, whose agent goes on.
    Retired,
    /// An operator makes or removes a token: a record beside the hosts.
    RecordChanged,
    /// An operator ignores a port of a host, or ignores it no longer.
    Ignored,
    /// A host's machine is cloned, its id included; the clone enrols as an agent of its own.
    Cloned,
    /// The same, with a copy of the state folder: two agents with one agent id.
    ClonedWithState,
}

impl Fault {
    pub(crate) const ALL: [Self; 19] = [
        Self::ServerKilled,
        Self::PowerLost,
        Self::CommitInterrupted,
        Self::DiskFull,
        Self::ServerClockStep,
        Self::Overload,
        Self::AgentClockStep,
        Self::AgentClockFar,
        Self::AgentRestart,
        Self::StateLost,
        Self::HostOff,
        Self::HostCutOff,
        Self::Blind,
        Self::Moved,
        Self::Retired,
        Self::RecordChanged,
        Self::Ignored,
        Self::Cloned,
        Self::ClonedWithState,
    ];
}

/// The odds of one world. Chances are in thousandths.
pub(crate) struct Odds {
    /// Hosts at the beginning.
    pub(crate) hosts: usize,
    /// How long faults come.
    pub(crate) faults_for: Micros,
    /// Longest time between two faults from outside.
    pub(crate) fault_gap_max: Micros,
    /// Longest time between two changes of a host.
    pub(crate) change_gap_max: Micros,
    /// Of each fault in [`Fault::ALL`], how much it weighs.
    pub(crate) weights: [u64; Fault::ALL.len()],
    pub(crate) request_lost: u64,
    pub(crate) answer_lost: u64,
    pub(crate) duplicated: u64,
    pub(crate) late: u64,
    /// Whether the hosts' clocks are wrong from the beginning.
    pub(crate) clocks_differ: bool,
}

impl Odds {
    pub(crate) fn draw(die: &mut Die) -> Self {
        let mut sometimes = |often: &[u64]| {
            if die.chance(400) {
                0
            } else {
                die.one_of(often)
            }
        };
        let (request_lost, answer_lost) = (sometimes(&[10, 100, 400]), sometimes(&[10, 100, 400]));
        let (duplicated, late) = (sometimes(&[20, 200]), sometimes(&[20, 200]));
        let weights = Fault::ALL.map(|fault| {
            let rarely = matches!(fault, Fault::Cloned | Fault::ClonedWithState);
            let absent = if rarely { 850 } else { 500 };
            if die.chance(absent) {
                0
            } else {
                die.from(1..=4)
            }
        });
        Self {
            hosts: 1 + die.below(5),
            faults_for: die.from(120..=700) * SECOND,
            fault_gap_max: die.one_of(&[5, 20, 60]) * SECOND,
            change_gap_max: die.one_of(&[4, 30, 120]) * SECOND,
            weights,
            request_lost,
            answer_lost,
            duplicated,
            late,
            clocks_differ: die.chance(300),
        }
    }

    /// Every fault is over.
    pub(crate) fn calm(&mut self) {
        self.weights = [0; Fault::ALL.len()];
        (self.request_lost, self.answer_lost) = (0, 0);
        (self.duplicated, self.late) = (0, 0);
    }
}

//! What a world is stopped by: something that must always hold did not.

use std::fmt;

/// The rules; invariants are numbered as in the design.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Invariant 1: nothing is acknowledged before it is durable, no acknowledged report is lost.
    AcknowledgedIsKept,
    /// Invariant 2: the census equals a replay of the store.
    CensusIsReplay,
    /// Invariant 3: repetition changes nothing, an older report never wins.
    OlderNeverWins,
    /// Invariant 4: every count equals a recount from the sets.
    CountsAreRecounts,
    /// History: any moment is shown as it was, and the changes lead from each to the next.
    PastIsKept,
    /// Invariant 5: silence closes no port, and is shown.
    SilenceClosesNothing,
    /// Invariant 8: a credential acts in its own enterprise projects only.
    GrantsHold,
    /// An agent keeps its promises: one pair carries one set, a heartbeat confirms what was
    /// acknowledged and seen last, and another agent is not outbid.
    AgentKeepsItsWord,
    /// A batch is on disk whole or not at all.
    BatchIsWhole,
    /// In a cluster a server shows what the commits that it holds left, and nothing else: no host
    /// changes by silence, and no two servers differ after one commit.
    ServersShowTheLog,
    /// Once faults end, the census shows the world as it is within bounded time.
    Converges,
    /// Two agents are in conflict exactly when one comes back while the other still speaks.
    ConflictIsReal,
    /// Two machines with one id are shown as such.
    CloneIsTold,
    /// Nothing that was used refused to work.
    Works,
}

impl Rule {
    const fn words(self) -> &'static str {
        match self {
            Self::AcknowledgedIsKept => "invariant 1 (acknowledged is durable, visible, kept)",
            Self::CensusIsReplay => "invariant 2 (the census equals a replay)",
            Self::OlderNeverWins => "invariant 3 (repetition changes nothing, older never wins)",
            Self::CountsAreRecounts => "invariant 4 (counts equal a recount)",
            Self::PastIsKept => "the past is shown as it was",
            Self::SilenceClosesNothing => "invariant 5 (silence closes nothing, and is shown)",
            Self::GrantsHold => "invariant 8 (grants)",
            Self::AgentKeepsItsWord => "an agent keeps its word",
            Self::BatchIsWhole => "a batch is there whole or not at all",
            Self::ServersShowTheLog => "every server shows what the log says (2 and 5)",
            Self::Converges => "once faults end the census shows the world",
            Self::ConflictIsReal => "a conflict is one of two agents that both speak",
            Self::CloneIsTold => "clones are told",
            Self::Works => "everything works",
        }
    }
}

/// One thing that did not hold.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    pub(crate) rule: Rule,
    pub(crate) what: String,
}

impl Broken {
    pub(crate) fn new(rule: Rule, what: impl Into<String>) -> Self {
        Self {
            rule,
            what: what.into(),
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule.words(), self.what)
    }
}

/// Breaks `rule` unless `holds`.
pub(crate) fn must(holds: bool, rule: Rule, what: impl FnOnce() -> String) -> Result<(), Broken> {
    if holds {
        Ok(())
    } else {
        Err(Broken::new(rule, what()))
    }
}

//! Which faults come, and in what order: all of it follows from one number.

use std::fmt;

/// Seconds that a process is halted: longer than a leader is waited for.
const HALTED_S: u64 = 8;

/// What happens to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The node that leads the log is killed, and started again.
    KillLeader,
    /// A node is killed, and started again.
    KillNode(usize),
    /// All nodes are killed at once, and started again.
    KillAllNodes,
    /// A node stands still for so many seconds.
    HaltNode(usize, u64),
    /// A server is killed, and started again.
    KillServer(usize),
    /// A server is killed, and started again with an empty data folder.
    EmptyServer(usize),
    /// A server stands still for so many seconds.
    HaltServer(usize, u64),
}

/// The faults of a run.
pub(crate) struct Schedule {
    seed: u64,
    count: Option<usize>,
}

impl Schedule {
    /// The short selection, or what the environment says.
    pub(crate) fn from_environment() -> Self {
        let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().unwrap());
        Self {
            seed: number("FAULT_SEED").unwrap_or(1),
            count: number("FAULTS").map(|count| usize::try_from(count).unwrap()),
        }
    }

    pub(crate) fn faults(&self) -> Vec<Fault> {
        let mut random = fastrand::Rng::with_seed(self.seed);
        let mut any = |number: usize| {
            let which = random.usize(0..3);
            match number % 7 {
                0 => Fault::KillLeader,
                1 => Fault::KillServer(which),
                2 => Fault::HaltNode(which, HALTED_S),
                3 => Fault::KillAllNodes,
                4 => Fault::EmptyServer(which),
                5 => Fault::KillNode(which),
                _ => Fault::HaltServer(which, HALTED_S),
            }
        };
        let mut faults: Vec<Fault> = match self.count {
            None => (0..5).map(&mut any).collect(),
            Some(count) => (0..count).map(&mut any).collect(),
        };
        if self.count.is_some() {
            fastrand::Rng::with_seed(!self.seed).shuffle(&mut faults);
        }
        faults
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "FAULT_SEED={}", self.seed)?;
        self.count
            .map_or(Ok(()), |count| write!(to, " FAULTS={count}"))
    }
}

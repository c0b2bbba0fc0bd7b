//! A fleet of hosts with open ports, made from a seed: the same for tests, benches and peers.
//!
//! Each host is computed by itself from (seed, number of the host, step), so a million hosts need
//! no memory and any number of threads or processes can make their part. A recorded fleet of real
//! hosts would be truer, and nobody may publish one.
//! Holds: the same seed, host and step give the same report, on every machine; a report is in
//! canonical form and within every cap of the wire; (generation, sequence) rises with the step.
//! Limits: hosts 0 to 16,777,214; a step is [`STEP_S`] seconds.

mod catalogue;
mod day;
mod draws;
mod figures;
mod plan;
mod render;
mod sockets;
mod weighted;

use portolan_wire::ids::EnterpriseProjectId;
use portolan_wire::report::Report;
use portolan_wire::time::UnixMicros;

use catalogue::Catalogue;
pub use day::{STEP_S, STEPS_PER_HOUR};
pub use figures::Figures;
use weighted::Weighted;

/// What makes a fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Other seeds make other hosts; all of a fleet's shares stay. 1 by default.
    pub seed: u64,
    /// Number of hosts, 1,000 by default. Host `i` is the same in fleets of every size.
    pub hosts: u32,
    /// The project that the fleet belongs to, `fleet` by default.
    pub project: String,
    /// Number of enterprise projects, 1,000 by default; 0 counts as 1. The largest is `0`, the
    /// n-th has an n-th of its hosts, as sizes of groups mostly do (Zipf with exponent 1).
    pub enterprise_projects: u32,
    /// The moment of step 0, 2026-01-01T00:00:00Z by default.
    pub started_at: UnixMicros,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            hosts: 1_000,
            project: "fleet".to_owned(),
            enterprise_projects: 1_000,
            started_at: UnixMicros::from_seconds(1_767_225_600),
        }
    }
}

/// A fleet; see the module's text.
#[derive(Clone, Debug)]
pub struct Fleet {
    options: Options,
    catalogue: Catalogue,
    enterprise_projects: Vec<String>,
    enterprise_project_sizes: Weighted,
}

impl Fleet {
    /// Prepares the tables that all hosts share: about 1 MB and a few milliseconds.
    pub fn new(options: Options) -> Self {
        let count = options.enterprise_projects.max(1);
        let sizes: Vec<f64> = (1..=count).map(|rank| 1.0 / f64::from(rank)).collect();
        Self {
            catalogue: Catalogue::new(),
            enterprise_projects: (0..count).map(enterprise_project_id).collect(),
            enterprise_project_sizes: Weighted::new(&sizes),
            options,
        }
    }

    /// What the fleet was made from.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The ids of the enterprise projects, the largest first.
    pub fn enterprise_projects(&self) -> &[String] {
        &self.enterprise_projects
    }

    /// The id of host `i`, without making its report.
    pub fn host_id(&self, i: u32) -> String {
        render::host_id(self.options.seed, i)
    }

    /// The first report of host `i`. Hosts beyond the size of the fleet can be asked for, too.
    pub fn host(&self, i: u32) -> Report {
        self.host_at(i, 0)
    }

    /// The report of host `i`, `step` times [`STEP_S`] seconds after its first one.
    pub fn host_at(&self, i: u32, step: u32) -> Report {
        let plan = plan::plan(&self.catalogue, self.options.seed, i, step);
        render::report(self, i, step, &plan)
    }

    /// Whether the open ports of host `i` may differ between `step - 1` and `step`; where this is
    /// false they do not, so a heartbeat says all. Costs a hundredth of a report.
    pub fn changes_at(&self, i: u32, step: u32) -> bool {
        day::happens(self.options.seed, i, step)
    }

    /// The steps of an hour, counted from 0, at which [`changes_at`](Self::changes_at) is true of host
    /// `i`, ascending; costs hardly more than one step.
    pub fn changes_in_hour(&self, i: u32, hour: u32) -> Vec<u32> {
        day::steps_in(self.options.seed, i, hour)
    }

    /// Whether host `i` is one of the few that change at every other step.
    pub fn flaps(&self, i: u32) -> bool {
        day::flap(self.options.seed, i, 0).is_some()
    }

    /// The first reports of all hosts, in order.
    pub fn reports(&self) -> impl Iterator<Item = Report> + '_ {
        (0..self.options.hosts).map(|i| self.host(i))
    }
}

fn enterprise_project_id(place: u32) -> String {
    match place {
        0 => EnterpriseProjectId::DEFAULT.to_owned(),
        _ => format!("ep-{place:04}"),
    }
}

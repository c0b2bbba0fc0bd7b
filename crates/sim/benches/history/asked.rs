//! Questions about the past, each timed by the CPU of this process, user and system.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use portolan_census::{
    Filter, MomentCounts, Page, PageRequest, Selection, Sockets, Start, State, differences,
};
use portolan_sim::bench::machine::own_cpu;
use portolan_sim::bench::spread::Spread;
use portolan_sim::bench::table::Table;
use portolan_sim::fleet::{Figures, Fleet};
use portolan_store::history::{HostAt, counts_at, host_at};
use portolan_wire::hss::port_statistics::SortDir;
use portolan_wire::ids::{EnterpriseProjectId, HostKey};
use portolan_wire::open_port::Category;
use portolan_wire::time::UnixMicros;

use crate::must_be;
use crate::step_of_hour;
use crate::stored::Stored;

const HOUR_MICROS: i64 = 3_600_000_000;
/// Rows of a first page, as the API gives them.
const PAGE_ROWS: usize = 10;
/// Hosts that are asked about in one turn.
const HOSTS_ASKED: u32 = 100;

/// Whether what is asked for may be in memory already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Temper {
    Cold,
    Warm,
}

/// What a question took.
struct Taken {
    temper: Temper,
    cpu: Duration,
    time: Duration,
}

/// What is asked.
enum What {
    /// The first page of a selection at a moment.
    Page(Selection, UnixMicros),
    /// What differs between two moments.
    Difference(UnixMicros, UnixMicros),
    /// Each of these hosts at a moment.
    Hosts(Vec<HostKey>, UnixMicros),
}

struct Question {
    name: String,
    what: What,
    taken: RefCell<Vec<Taken>>,
}

pub(crate) struct Asking<'a> {
    state: &'a State,
    project: String,
    /// Noon of the first day: half a day from what is known, the furthest that there is.
    noon: UnixMicros,
    questions: Vec<Question>,
}

impl<'a> Asking<'a> {
    pub(crate) fn new(state: &'a State, fleet: &Fleet, days: u32) -> anyhow::Result<Self> {
        let options = fleet.options();
        let start = options.started_at;
        let end = start.plus_micros(i64::from(days) * 24 * HOUR_MICROS);
        let back = |hours: i64| end.plus_micros(-hours * HOUR_MICROS);
        let noon = start.plus_micros(12 * HOUR_MICROS);
        let eps = fleet.enterprise_projects();
        let one = |place: usize| {
            let id = eps.get(place).map_or("0", String::as_str);
            Selection::of([EnterpriseProjectId::from(id)])
        };
        let far = format!("{} days", f64::from(days) - 0.5);
        let (flapping, others): (Vec<u32>, Vec<u32>) =
            (0..options.hosts).partition(|host| fleet.flaps(*host));
        let keys = |hosts: &[u32], most: u32| {
            let key = |host: &u32| HostKey {
                project: options.project.as_str().into(),
                host: fleet.host_id(*host).as_str().into(),
            };
            let step = (hosts.len() / most as usize).max(1);
            let some = hosts.iter().step_by(step).take(most as usize);
            some.map(key).collect::<Vec<_>>()
        };
        let flapping = keys(&flapping, 1);
        ensure!(!flapping.is_empty(), "no host flaps: too few hosts");
        let asked = [
            (
                "first page, 1 hour back".to_owned(),
                What::Page(Selection::Whole, back(1)),
            ),
            (
                "first page, 12 hours back".to_owned(),
                What::Page(Selection::Whole, back(12)),
            ),
            (
                format!("first page, {far} back"),
                What::Page(Selection::Whole, noon),
            ),
            (
                format!("first page of the largest enterprise project, {far} back"),
                What::Page(one(0), noon),
            ),
            (
                format!("first page of a small enterprise project, {far} back"),
                What::Page(one(100), noon),
            ),
            (
                format!("all that differs between {far} and 12 hours back"),
                What::Difference(noon, back(12)),
            ),
            (
                format!("{HOSTS_ASKED} hosts, 1 hour back"),
                What::Hosts(keys(&others, HOSTS_ASKED), back(1)),
            ),
            (
                format!("{HOSTS_ASKED} hosts, {far} back"),
                What::Hosts(keys(&others, HOSTS_ASKED), noon),
            ),
            (
                "a host that flaps, 1 hour back".to_owned(),
                What::Hosts(flapping.clone(), back(1)),
            ),
            (
                format!("a host that flaps, {far} back"),
                What::Hosts(flapping, noon),
            ),
        ];
        let question = |(name, what)| Question {
            name,
            what,
            taken: RefCell::default(),
        };
        Ok(Self {
            state,
            project: options.project.clone(),
            noon,
            questions: asked.into_iter().map(question).collect(),
        })
    }

    /// Asks each question once.
    pub(crate) fn ask(&self, stored: &Stored, temper: Temper) -> anyhow::Result<()> {
        for question in &self.questions {
            let (begun, cpu) = (Instant::now(), own_cpu());
            self.answer(stored, &question.what)
                .with_context(|| question.name.clone())?;
            question.taken.borrow_mut().push(Taken {
                temper,
                cpu: own_cpu().saturating_sub(cpu),
                time: begun.elapsed(),
            });
        }
        Ok(())
    }

    fn answer(&self, stored: &Stored, what: &What) -> anyhow::Result<()> {
        match what {
            What::Page(selection, at) => {
                let page = page(&self.counts(stored, selection, *at)?, PAGE_ROWS);
                ensure!(!page.rows.is_empty(), "the page is empty");
            }
            What::Difference(from, to) => {
                let rows = |at| {
                    let counts = self.counts(stored, &Selection::Whole, at)?;
                    anyhow::Ok(page(&counts, usize::MAX).rows)
                };
                let found = differences(&rows(*from)?, &rows(*to)?);
                ensure!(!found.is_empty(), "nothing differs");
            }
            What::Hosts(hosts, at) => {
                for host in hosts {
                    let then = host_at(&*stored.store, host, *at)?;
                    ensure!(
                        matches!(then, HostAt::Present(_)),
                        "{} was {then:?}",
                        host.host
                    );
                }
            }
        }
        Ok(())
    }

    fn counts(
        &self,
        stored: &Stored,
        selection: &Selection,
        at: UnixMicros,
    ) -> anyhow::Result<MomentCounts> {
        Ok(counts_at(
            &*stored.store,
            self.state,
            &self.project,
            selection,
            at,
        )?)
    }

    /// Compares the counts of a past moment with the generator's own.
    pub(crate) fn compare(&self, stored: &Stored, fleet: &Fleet) -> anyhow::Result<()> {
        let hosts = fleet.options().hosts;
        must_be("hosts in the store", stored.hosts(), hosts.into())?;
        let made = Figures::of(fleet, 0..hosts, step_of_hour(12));
        let counts = self.counts(stored, &Selection::Whole, self.noon)?;
        let rows = page(&counts, 1).total;
        must_be(
            "rows at noon of the first day",
            rows,
            made.host_rows() as u64,
        )
    }

    pub(crate) fn tell(&self, table: &mut Table) {
        for (temper, name) in [(Temper::Warm, "again"), (Temper::Cold, "cold")] {
            for question in &self.questions {
                let taken = question.taken.borrow();
                let of = || taken.iter().filter(|taken| taken.temper == temper);
                let cpu = Spread::of(of().map(|taken| millis(taken.cpu)));
                table.spread(format!("CPU of {}, {name}", question.name), cpu, shown);
                if temper == Temper::Cold {
                    let time = Spread::of(of().map(|taken| millis(taken.time)));
                    table.spread(format!("time of {}, {name}", question.name), time, shown);
                }
            }
        }
    }
}

fn page(counts: &MomentCounts, limit: usize) -> Page {
    let filter = Filter {
        category: Category::Host,
        sockets: Sockets::All,
        transport: None,
        port: None,
        port_string: None,
        status: None,
    };
    let request = PageRequest {
        sort_dir: SortDir::Asc,
        start: Start::Offset(0),
        limit,
    };
    counts.page(&filter, &request)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn shown(millis: f64) -> String {
    format!("{millis:.2} ms")
}

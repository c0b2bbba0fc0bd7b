//! What the generated fleet holds, and how fast it is made.

use std::time::Instant;

use portolan_sim::fleet::{Figures, Fleet};

use portolan_sim::bench::table::{Table, whole};

/// Hosts whose reports are made to measure how fast that is.
const REPORTS_MADE: usize = 100_000;

/// Counts the fleet on all cores.
pub(crate) fn count(fleet: &Fleet, step: u32) -> Option<Figures> {
    let hosts = fleet.options().hosts;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let share = hosts.div_ceil(u32::try_from(cores).unwrap_or(1)).max(1);
    std::thread::scope(|scope| {
        let parts: Vec<_> = (0..hosts)
            .step_by(share as usize)
            .map(|first| first..first.saturating_add(share).min(hosts))
            .map(|part| scope.spawn(move || Figures::of(fleet, part, step)))
            .collect();
        let counted = parts.into_iter().filter_map(|part| part.join().ok());
        counted.reduce(|figures, part| figures.merged(&part))
    })
}

/// Writes the figures into the table.
pub(crate) fn tell(table: &mut Table, fleet: &Fleet) {
    if let Some(figures) = count(fleet, 0) {
        let hosts = figures.hosts as f64;
        let each = |count: u64| format!("{:.2}", count as f64 / hosts);
        let seed = format!("seed {}", fleet.options().seed);
        table.figure("hosts", whole(hosts), seed);
        table.figure("open ports a host", each(figures.sockets), "");
        let note = "of category, port, type";
        table.figure("distinct a host", each(figures.distinct_per_host), note);
        let containers = format!("{} containers a host", each(figures.containers));
        table.figure(
            "hosts with containers",
            each(figures.hosts_with_containers),
            containers,
        );
        let (host, container) = (figures.host_rows(), figures.container_rows());
        table.figure(
            "rows (port, type)",
            whole(figures.rows_of_any_category() as f64),
            "",
        );
        table.figure("rows of category host", whole(host as f64), "");
        table.figure("rows of category container", whole(container as f64), "");
        let rows = whole((host + container) as f64);
        table.figure("rows (category, port, type)", rows, "");
    }
    let started = Instant::now();
    let ports: usize = fleet
        .reports()
        .take(REPORTS_MADE)
        .map(|report| report.open_ports.len())
        .sum();
    let made = REPORTS_MADE.min(fleet.options().hosts as usize) as f64;
    let rate = whole(made / started.elapsed().as_secs_f64());
    let note = format!(
        "on one core, of {} open ports, not serialised",
        whole(ports as f64)
    );
    table.figure("reports made a second", rate, note);
}

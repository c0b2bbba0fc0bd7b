//! Writes the open ports of the fleet as rows, for databases that are measured beside Portolan.
//!
//! CSV with a head, because every database reads it at full speed; an absent value is empty.
//! Holds: a row is an open port; `asset` is the same number for the same asset and for no other.
//! Numbers instead of names, so that no database compares 64 characters where 8 bytes would do.
//! Limit: one thread, and memory for one host.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufWriter, Write};

use portolan_sim::fleet::Fleet;
use portolan_wire::open_port::{Category, OpenPort};
use portolan_wire::report::Report;

const HEAD: &str = "host_id,host_name,enterprise_project_id,category,asset,port,type,laddr,pid,path,\
                    container_name\n";

/// Writes the whole fleet to stdout.
pub(crate) fn print(fleet: &Fleet) -> anyhow::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    write(fleet, &mut out)?;
    out.flush()?;
    Ok(())
}

fn write(fleet: &Fleet, out: &mut impl Write) -> io::Result<()> {
    out.write_all(HEAD.as_bytes())?;
    let mut assets = 0;
    let mut text = String::new();
    for report in fleet.reports() {
        text.clear();
        assets += add_host(&mut text, &report, assets);
        out.write_all(text.as_bytes())?;
    }
    Ok(())
}

/// Adds the rows of a host, whose assets are numbered from `first`; how many assets it has.
fn add_host(text: &mut String, report: &Report, first: u64) -> u64 {
    let mut containers = BTreeMap::new();
    for port in &report.open_ports {
        let asset = match port.container_asset() {
            None => first,
            Some(container) => {
                let next = first + 1 + containers.len() as u64;
                *containers.entry(container).or_insert(next)
            }
        };
        add_row(text, report, port, asset);
    }
    1 + containers.len() as u64
}

fn add_row(text: &mut String, report: &Report, port: &OpenPort, asset: u64) {
    let host = &report.host;
    add_text(text, &host.host_id);
    add_text(text, host.host_name.as_deref().unwrap_or_default());
    add_text(text, &host.enterprise_project_id);
    add_text(
        text,
        match port.category() {
            Category::Host => "host",
            Category::Container => "container",
        },
    );
    add_number(text, Some(asset));
    add_number(text, Some(port.port.into()));
    add_text(text, port.transport.as_str());
    add_text(text, &port.laddr.to_string());
    add_number(text, port.pid.map(u64::from));
    add_text(text, port.path.as_deref().unwrap_or_default());
    add_text(text, port.container_name.as_deref().unwrap_or_default());
    text.pop();
    text.push('\n');
}

/// Adds a value and the comma behind it.
fn add_number(text: &mut String, number: Option<u64>) {
    if let Some(number) = number {
        // Writing to a string does not fail.
        let _written = write!(text, "{number}");
    }
    text.push(',');
}

/// Adds a value, in quotes where RFC 4180 wants them, and the comma behind it.
fn add_text(text: &mut String, value: &str) {
    if value.contains([',', '"', '\n', '\r']) {
        text.push('"');
        text.push_str(&value.replace('"', "\"\""));
        text.push('"');
    } else {
        text.push_str(value);
    }
    text.push(',');
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use portolan_sim::fleet::{Figures, Options};

    use super::*;

    #[test]
    fn the_rows_count_as_the_fleet_does() {
        let fleet = Fleet::new(Options {
            hosts: 300,
            ..Options::default()
        });
        let mut csv = Vec::new();
        write(&fleet, &mut csv).unwrap();
        let csv = String::from_utf8(csv).unwrap();
        let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
        let (head, rows) = lines.split_first().unwrap();
        assert_eq!(head[3..7], ["category", "asset", "port", "type"]);
        assert!(rows.iter().all(|row| row.len() == head.len()));
        let figures = Figures::of(&fleet, 0..300, 0);
        assert_eq!(rows.len() as u64, figures.sockets);
        let counted = |category| {
            let of_it = rows.iter().filter(|row| row[3] == category);
            of_it.map(|r| (r[5], r[6])).collect::<BTreeSet<_>>().len()
        };
        assert_eq!(counted("host"), figures.host_rows());
        assert_eq!(counted("container"), figures.container_rows());
    }

    #[test]
    fn a_number_stands_for_one_asset_and_an_asset_has_one_number() {
        let fleet = Fleet::new(Options {
            hosts: 300,
            ..Options::default()
        });
        let mut csv = Vec::new();
        write(&fleet, &mut csv).unwrap();
        let csv = String::from_utf8(csv).unwrap();
        let reports: Vec<Report> = fleet.reports().collect();
        let assets = reports.iter().flat_map(|report| {
            let ports = report.open_ports.iter();
            ports.map(|port| (report.host.host_id.as_str(), port.container_asset()))
        });
        let numbers = csv
            .lines()
            .skip(1)
            .map(|line| line.split(',').nth(4).unwrap());
        let pairs: BTreeSet<_> = assets.clone().zip(numbers.clone()).collect();
        assert_eq!(pairs.len(), assets.collect::<BTreeSet<_>>().len());
        assert_eq!(pairs.len(), numbers.collect::<BTreeSet<_>>().len());
        assert!(pairs.len() > 300, "the fleet has containers");
    }

    #[test]
    fn a_value_with_a_comma_or_a_quote_stays_one_value() {
        let mut text = String::new();
        add_text(&mut text, "/opt/a,b/\"c\"");
        add_text(&mut text, "plain");
        add_number(&mut text, None);
        assert_eq!(text, "\"/opt/a,b/\"\"c\"\"\",plain,,");
    }
}

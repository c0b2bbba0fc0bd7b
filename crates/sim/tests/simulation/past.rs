//! What can be checked of the history at the end of a world: every moment is shown as it was, and the
//! changes lead from each version of a host to the next.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::ops::ControlFlow;

use portolan_census::{Cells, Counted, State};
use portolan_store::history::{
    Change, ChangeKind, HostAt, Moments, Net, changes, changes_of_host, host_at, net_cells,
};
use portolan_store::{HistoryOrder, Snapshot, Store, StoreError};
use portolan_wire::ids::{EnterpriseProjectId, HostKey};
use portolan_wire::open_port::{OpenPort, Transport};
use portolan_wire::time::UnixMicros;

use crate::broken::{Broken, Rule, must};
use crate::dice::Die;
use crate::model::Model;

/// What was there to compare.
pub(crate) struct Compared {
    pub(crate) moments: u64,
    pub(crate) returned: u64,
}

/// Checks the whole history of a store.
pub(crate) fn check(
    store: &dyn Store,
    model: &Model,
    state: &State,
    die: &mut Die,
) -> Result<Compared, Broken> {
    let mut moments = 0;
    for (key, versions) in model.past().hosts() {
        let mut shown_before = Some(None);
        for (place, version) in versions.iter().enumerate() {
            if let (Some(before), Some(until)) = (shown_before, version.before_until) {
                let from = before.map_or(UnixMicros(0), |before: &Snapshot| before.at);
                moments += was_shown(store, key, before, (from, until), die)?;
            }
            shown_before = Some(Some(&version.snapshot));
            if place + 1 == versions.len() {
                let from = version.snapshot.at;
                let until = from.plus_micros(60_000_000);
                moments += was_shown(store, key, shown_before.flatten(), (from, until), die)?;
            }
        }
    }
    let all = all_changes(store)?;
    are_ordered(&all)?;
    of_each_host(store, model, &all)?;
    lead_to_the_sets(store, model, &all)?;
    add_up_to_the_counts(store, model, state)?;
    let returned = all
        .iter()
        .filter(|change| change.kind == ChangeKind::Returned);
    Ok(Compared {
        moments,
        returned: returned.count() as u64,
    })
}

fn works(error: StoreError) -> Broken {
    Broken::new(Rule::Works, error.to_string())
}

/// At both ends of a time and at some moment within it a host is shown as it was.
fn was_shown(
    store: &dyn Store,
    key: &HostKey,
    was: Option<&Snapshot>,
    (from, until): (UnixMicros, UnixMicros),
    die: &mut Die,
) -> Result<u64, Broken> {
    if until < from {
        return Ok(0);
    }
    let within = die.from(0..=until.0.abs_diff(from.0));
    let within = UnixMicros(from.0.checked_add_unsigned(within).unwrap());
    for at in [from, within, until] {
        let shown = host_at(store, key, at).map_err(works)?;
        let expected = match was {
            None => HostAt::Absent,
            Some(was) if was.retired_at.is_some() => HostAt::Retired(Box::new(was.clone())),
            Some(was) => HostAt::Present(Box::new(was.clone())),
        };
        must(shown == expected, Rule::PastIsKept, || {
            format!(
                "{} at {at} is shown as {shown:?}, and was {expected:?}",
                key.host
            )
        })?;
    }
    Ok(3)
}

fn all_changes(store: &dyn Store) -> Result<Vec<Change>, Broken> {
    let mut all = Vec::new();
    let mut keep = |change| {
        all.push(change);
        ControlFlow::Continue(())
    };
    changes(store, .., HistoryOrder::Ascending, &mut keep).map_err(works)?;
    Ok(all)
}

fn are_ordered(all: &[Change]) -> Result<(), Broken> {
    for pair in all.windows(2) {
        let is_ordered = pair[0].position < pair[1].position && pair[0].at <= pair[1].at;
        must(is_ordered, Rule::PastIsKept, || {
            format!("{pair:?} are not in order")
        })?;
    }
    Ok(())
}

/// Along its own chain a host has the changes that all have of it, in either order.
fn of_each_host(store: &dyn Store, model: &Model, all: &[Change]) -> Result<(), Broken> {
    for key in model.durable().keys().chain(model.durable_retired().keys()) {
        let (mut ascending, mut descending) = (Vec::new(), Vec::new());
        for (order, into) in [
            (HistoryOrder::Ascending, &mut ascending),
            (HistoryOrder::Descending, &mut descending),
        ] {
            let mut keep = |change| {
                into.push(change);
                ControlFlow::Continue(())
            };
            changes_of_host(store, key, .., order, &mut keep).map_err(works)?;
        }
        descending.reverse();
        // What was before it was forgotten is not in the chain of a host that begins anew.
        let mut of_host: Vec<_> = all.iter().filter(|change| change.key == *key).collect();
        let earlier = of_host.len().saturating_sub(ascending.len());
        let is_whole = earlier == 0 || ascending.first().is_some_and(is_baseline);
        let of_host = of_host.split_off(earlier);
        let is_same = ascending.iter().eq(of_host) && ascending == descending;
        must(is_same && is_whole, Rule::PastIsKept, || {
            format!("{} has the changes {ascending:?}", key.host)
        })?;
    }
    Ok(())
}

fn is_baseline(change: &Change) -> bool {
    change.kind == ChangeKind::Baseline
}

/// Where a port is open, whichever container has it: a twin takes the place of another without a change.
type Place = (bool, Transport, IpAddr, u16);

fn place(port: &OpenPort) -> Place {
    (port.netns.is_some(), port.transport, port.laddr, port.port)
}

/// From its baseline on, the changes of a host lead to the set that it has at the end.
fn lead_to_the_sets(store: &dyn Store, model: &Model, all: &[Change]) -> Result<(), Broken> {
    let last = model.durable().iter().chain(model.durable_retired());
    for (key, last) in last {
        let changes: Vec<_> = all.iter().filter(|change| change.key == *key).collect();
        let Some(begin) = changes.iter().rposition(|change| is_baseline(change)) else {
            return Err(Broken::new(
                Rule::PastIsKept,
                format!("{} has no baseline", key.host),
            ));
        };
        let mut set = HashMap::<Place, i64>::new();
        let mut count = |port: &OpenPort, by: i64| *set.entry(place(port)).or_default() += by;
        match host_at(store, key, changes[begin].at).map_err(works)? {
            HostAt::Present(first) => first.open_ports.iter().for_each(|port| count(port, 1)),
            other => {
                let what = format!("{} had a baseline, and is {other:?}", key.host);
                return Err(Broken::new(Rule::PastIsKept, what));
            }
        }
        for change in &changes[begin..] {
            match (change.kind, &change.port) {
                (ChangeKind::Opened, Some(port)) => count(port, 1),
                (ChangeKind::Closed, Some(port)) => count(port, -1),
                _ => {}
            }
        }
        last.open_ports.iter().for_each(|port| count(port, -1));
        set.retain(|_, count| *count != 0);
        must(set.is_empty(), Rule::PastIsKept, || {
            format!(
                "the changes of {} do not lead to its set: {set:?}",
                key.host
            )
        })?;
    }
    Ok(())
}

/// All that ever was done to the counts, together, is what the sets count at the end.
fn add_up_to_the_counts(store: &dyn Store, model: &Model, state: &State) -> Result<(), Broken> {
    let whole = Moments {
        after: UnixMicros(i64::MIN),
        until: UnixMicros(i64::MAX),
    };
    let nothing = Cells::default();
    for project in ["p", "q"] {
        let net = net_cells(store, project, 0..=u64::MAX, whole).map_err(works)?;
        let mut sums = Net::default();
        let of_project = model
            .durable()
            .iter()
            .filter(|(key, _)| key.project.as_str() == project);
        for (key, stored) in of_project {
            let cells = Cells::of(stored.open_ports.iter().map(Counted::from));
            let scope = EnterpriseProjectId::from(stored.host.enterprise_project_id.as_str());
            let ignored = state
                .host(key)
                .map(|host| host.ignored.cells())
                .unwrap_or_default();
            for (number, by) in cells.changes_since(&nothing) {
                *sums.cells.entry((scope.clone(), number)).or_default() += i64::from(by);
            }
            for (number, by) in ignored.changes_since(&nothing) {
                *sums.ignored.entry((scope.clone(), number)).or_default() += i64::from(by);
            }
        }
        must(net == sums, Rule::PastIsKept, || {
            let sorted = |net: &Net| format!("{:?}", net.cells.iter().collect::<BTreeMap<_, _>>());
            format!(
                "{project} counted {}, and has {}",
                sorted(&net),
                sorted(&sums)
            )
        })?;
    }
    Ok(())
}

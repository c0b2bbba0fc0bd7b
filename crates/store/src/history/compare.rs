//! What a report makes of a host, as the history tells it: worked out from the stored value before it.
//!
//! Pure and without order, so that it is done for many hosts at once before the committer decides. Only
//! the moment is missing, which is the committer's to give.

use portolan_census::Selection;
use portolan_wire::report::Transient;

use super::HistoryError;
use super::detail::{Before, Detail, StoredTransient};
use super::record::Kind;
use super::sets::{self, NOW, SetDelta};
use super::waypoint::{Way, Waypoint};
use crate::snapshot::first_seen::Runs;
use crate::snapshot::form::{Body, Head, Set, Told, split};

/// A version of a host that may come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Next<'a> {
    pub(crate) enterprise_project: &'a str,
    pub(crate) heartbeat_interval_s: u32,
    pub(crate) body: Body<'a>,
    pub(crate) transients: &'a [Transient],
    /// What the credential of the report is granted.
    pub(crate) granted: &'a Selection,
}

/// What becomes of a host with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Compared {
    pub(crate) kind: Kind,
    /// Encoded.
    pub(crate) detail: Vec<u8>,
    pub(crate) rows: u32,
    /// When its ports were opened, [`NOW`] in the place of the moment that it will get.
    first_seen: Vec<i64>,
    /// Where its waypoints begin; `None` where this version has one.
    way: Option<Way>,
}

impl Compared {
    /// About how much memory it holds.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + self.detail.len() + self.first_seen.len() * size_of::<i64>()
    }

    /// Since when the ports are open of a version that is committed at `at`.
    pub(crate) fn first_seen(&self, at: i64) -> Runs {
        let moments = self.first_seen.iter();
        Runs::of(moments.map(|&since| if since == NOW { at } else { since }))
    }

    /// Where the waypoints begin of a version of that commit.
    pub(crate) fn way(&self, commit: u64) -> Way {
        let here = Way {
            newest: commit,
            since: 0,
        };
        self.way.unwrap_or(here)
    }
}

/// Compares with the stored value `before`, that of a retired host included; `None` of a new host.
pub(crate) fn compare(before: Option<&[u8]>, next: Next<'_>) -> Result<Compared, HistoryError> {
    let (told, set) = next.body.told()?;
    let Some(value) = before else {
        let delta = SetDelta {
            ports: Vec::new(),
            first_seen: vec![NOW; set.len()? as usize],
        };
        let mut compared = finish(Kind::Baseline, None, &told, delta, next)?;
        compared.way = Some(Way::default());
        return Ok(compared);
    };
    let (head, body) = split(value)?;
    let (was, old_set) = body.told()?;
    let kind = kind(&head, next);
    let delta = delta(kind, &head, old_set, set)?;
    let before = before_of(&head, was, &told, next);
    let mut compared = finish(kind, Some(before), &told, delta, next)?;
    if head.way.is_long() {
        let waypoint = Waypoint {
            previous: head.way.newest,
            before: value,
        };
        compared.detail = postcard::to_extend(&waypoint, compared.detail)?;
    } else {
        compared.way = Some(head.way.further());
    }
    Ok(compared)
}

fn kind(head: &Head<'_>, next: Next<'_>) -> Kind {
    let is_moved = head.enterprise_project != next.enterprise_project;
    match head.retired_at {
        Some(_) if next.granted.holds(&head.enterprise_project.into()) => Kind::Returned,
        // Who brings it back may not know whose it was.
        Some(_) => Kind::Baseline,
        None if is_moved => Kind::Moved,
        None => Kind::Reported,
    }
}

fn delta<'a>(
    kind: Kind,
    head: &Head<'_>,
    old: Set<'a>,
    new: Set<'a>,
) -> Result<SetDelta<'a>, HistoryError> {
    let moments = head.first_seen.moments(old.len()? as usize)?;
    let since: Vec<i64> = moments.into_iter().map(|at| at.0).collect();
    if kind == Kind::Baseline {
        let mut delta = sets::delta(old.open_ports()?, &since, Vec::new());
        delta.first_seen = vec![NOW; new.len()? as usize];
        return Ok(delta);
    }
    if old == new {
        return Ok(SetDelta {
            ports: Vec::new(),
            first_seen: since,
        });
    }
    Ok(sets::delta(old.open_ports()?, &since, new.open_ports()?))
}

fn before_of<'a>(head: &Head<'a>, was: Told<'a>, told: &Told<'a>, next: Next<'_>) -> Before<'a> {
    let is_moved = head.enterprise_project != next.enterprise_project;
    let interval_s = head.heartbeat_interval_s;
    Before {
        generation: head.generation,
        sequence: head.sequence,
        observed_at: was.observed_at,
        retired_at: head.retired_at,
        heartbeat_interval_s: (interval_s != next.heartbeat_interval_s).then_some(interval_s),
        enterprise_project: is_moved.then_some(head.enterprise_project),
        agent: (was.agent != told.agent).then_some(was.agent),
        coverage: (was.coverage != told.coverage).then_some(was.coverage),
        host: (was.host != told.host).then_some(was.host),
    }
}

fn finish(
    kind: Kind,
    before: Option<Before<'_>>,
    told: &Told<'_>,
    delta: SetDelta<'_>,
    next: Next<'_>,
) -> Result<Compared, HistoryError> {
    let detail = Detail {
        observed_at: Some(told.observed_at),
        host_name: told.host.host_name,
        open_ports: u32::try_from(delta.first_seen.len()).unwrap_or(u32::MAX),
        before,
        ports: delta.ports,
        transients: next.transients.iter().map(StoredTransient::from).collect(),
    };
    Ok(Compared {
        kind,
        rows: detail.rows(kind),
        detail: postcard::to_stdvec(&detail)?,
        first_seen: delta.first_seen,
        way: None,
    })
}

/// The detail of the retirement of a host with that stored value, and how many rows it has.
pub(crate) fn retirement(value: &[u8]) -> Result<(Vec<u8>, u32), HistoryError> {
    let (head, body) = split(value)?;
    let (told, set) = body.told()?;
    let detail = Detail {
        observed_at: None,
        host_name: told.host.host_name,
        open_ports: set.len()?,
        before: Some(Before {
            generation: head.generation,
            sequence: head.sequence,
            observed_at: told.observed_at,
            retired_at: head.retired_at,
            heartbeat_interval_s: None,
            enterprise_project: None,
            agent: None,
            coverage: None,
            host: None,
        }),
        ports: Vec::new(),
        transients: Vec::new(),
    };
    Ok((postcard::to_stdvec(&detail)?, detail.rows(Kind::Retired)))
}

//! Damped changes: of a port that flaps, one change stands for all of a window.
//!
//! Windows are aligned and are told once they are over, so that what stands for what depends on the
//! changes alone, and not on who asks when. A window with too many changes is shown as it is: it is read
//! once, and not kept.
//! Limits: `caps::DAMPED_CHANGES_MAX` of what is wanted, `caps::CHANGES_LOOKED_AT_MAX` of all.

use std::collections::HashMap;
use std::mem;
use std::net::IpAddr;
use std::ops::{Bound, ControlFlow};

use portolan_store::history::{Change, ChangeKind, Position, Step};
use portolan_store::{HistoryOrder, Store, StoreError};
use portolan_wire::caps;
use portolan_wire::ids::HostId;
use portolan_wire::open_port::Transport;
use portolan_wire::time::UnixMicros;

use super::ids::{Cursor, Window};
use super::look::{Found, Most, Span, before_commit, end_of, further, is_past, start_of, walk};
use super::shown::Folded;
use super::wanted::Wanted;

const WINDOW_MICROS: i64 = caps::DAMPED_WINDOW_S as i64 * 1_000_000;

/// A change, and what it stands for.
pub(super) type Row = (Change, Option<Folded>);

/// The number of the window of a moment.
pub(super) fn window_of(at: UnixMicros) -> i64 {
    at.0.div_euclid(WINDOW_MICROS)
}

/// When a window begins.
pub(super) fn begin_of(window: i64) -> UnixMicros {
    UnixMicros(window.saturating_mul(WINDOW_MICROS))
}

/// A page of damped changes: of the windows before `open`, from a cursor on.
pub(super) fn page(
    store: &dyn Store,
    wanted: &Wanted,
    order: HistoryOrder,
    from: Option<Cursor>,
    open: i64,
    most: Most,
) -> Result<Found<Row, Cursor>, StoreError> {
    let from = from.unwrap_or(Cursor {
        after: None,
        window: None,
    });
    let mut page = Damping {
        order,
        from,
        most,
        window: None,
        held: Vec::new(),
        as_is: false,
        looked_at: 0,
        looked_at_of_window: 0,
        found: Found {
            rows: Vec::new(),
            next: None,
        },
    };
    let span = span(store, wanted, order, from, open)?;
    walk(store, wanted, span, order, &mut |step| {
        let window = window_of(step.at());
        match order {
            _ if is_past(wanted, order, step.at()) => ControlFlow::Break(()),
            HistoryOrder::Ascending if window >= open => ControlFlow::Break(()),
            HistoryOrder::Descending if window >= open => ControlFlow::Continue(()),
            _ => page.take(step, window, wanted),
        }
    })?;
    // At the end the last window is over as well.
    if page.found.next.is_none() {
        let _full = page.end_window();
    }
    Ok(page.found)
}

fn span(
    store: &dyn Store,
    wanted: &Wanted,
    order: HistoryOrder,
    from: Cursor,
    open: i64,
) -> Result<Span, StoreError> {
    let as_is = from.window.is_some_and(|window| window.as_is);
    let number = from.window.map(|window| window.number);
    match order {
        HistoryOrder::Ascending => {
            let begin = number.map(begin_of).or(wanted.query.since);
            let start = match (from.after.filter(|_| as_is), begin) {
                (Some(after), _) => Bound::Excluded(after),
                (None, Some(at)) => start_of(store, at)?,
                (None, None) => Bound::Unbounded,
            };
            Ok((start, Bound::Unbounded))
        }
        HistoryOrder::Descending => {
            let end = number.map_or(begin_of(open), |number| begin_of(number.saturating_add(1)));
            let end = wanted.query.until.map_or(end, |until| until.min(end));
            let last = match from.after.filter(|_| as_is) {
                Some(after) => Bound::Excluded(after),
                None => end_of(store, end)?,
            };
            Ok((Bound::Unbounded, last))
        }
    }
}

/// A page in the making.
struct Damping {
    order: HistoryOrder,
    from: Cursor,
    most: Most,
    /// The window that is being read.
    window: Option<i64>,
    /// What is wanted of it, so far.
    held: Vec<Change>,
    /// It is shown as it is.
    as_is: bool,
    looked_at: usize,
    looked_at_of_window: usize,
    found: Found<Row, Cursor>,
}

impl Damping {
    fn take(&mut self, step: Step, window: i64, wanted: &Wanted) -> ControlFlow<()> {
        if self.is_told(window) {
            return ControlFlow::Continue(());
        }
        // A commit without changes ends the window before it, too.
        if self.window != Some(window) {
            self.end_window()?;
            self.begin_window(window)?;
        }
        self.looked_at += 1;
        self.looked_at_of_window += 1;
        let position = match &step {
            Step::Commit { commit, .. } => {
                let before = before_commit(self.order, *commit);
                further(self.order, before, self.from.after)
            }
            Step::Change(change) => change.position,
        };
        if let Step::Change(change) = step
            && wanted.shows(&change)
        {
            if self.as_is {
                self.tell((change, None))?;
            } else {
                self.held.push(change);
            }
        }
        let too_many = self.held.len() > caps::DAMPED_CHANGES_MAX
            || self.looked_at_of_window > self.most.looked_at;
        if too_many && !self.as_is {
            self.as_is = true;
            for change in mem::take(&mut self.held) {
                self.tell((change, None))?;
            }
        }
        if self.as_is && self.looked_at >= self.most.looked_at {
            return self.go_on(Some(position));
        }
        ControlFlow::Continue(())
    }

    /// Whether a window was told of whole before this page.
    fn is_told(&self, window: i64) -> bool {
        self.from.window.is_some_and(|from| match self.order {
            HistoryOrder::Ascending => window < from.number,
            HistoryOrder::Descending => window > from.number,
        })
    }

    fn begin_window(&mut self, window: i64) -> ControlFlow<()> {
        self.window = Some(window);
        self.looked_at_of_window = 0;
        let is_first = self.from.window.filter(|from| from.number == window);
        self.as_is = is_first.is_some_and(|from| from.as_is);
        if self.looked_at >= self.most.looked_at {
            return self.go_on(None);
        }
        ControlFlow::Continue(())
    }

    fn end_window(&mut self) -> ControlFlow<()> {
        let mut held = mem::take(&mut self.held);
        if self.order == HistoryOrder::Descending {
            held.reverse();
        }
        let mut rows = fold(held);
        if self.order == HistoryOrder::Descending {
            rows.reverse();
        }
        rows.into_iter().try_for_each(|row| self.tell(row))
    }

    /// Puts a row on the page, unless an earlier page had it; breaks where the page is full.
    fn tell(&mut self, row: Row) -> ControlFlow<()> {
        let position = row.0.position;
        let is_told = self.from.after.is_some_and(|after| {
            let in_that_window = self.from.window.map(|from| from.number) == self.window;
            in_that_window
                && match self.order {
                    HistoryOrder::Ascending => position <= after,
                    HistoryOrder::Descending => position >= after,
                }
        });
        if is_told {
            return ControlFlow::Continue(());
        }
        self.found.rows.push(row);
        if self.found.rows.len() == self.most.rows {
            return self.go_on(Some(position));
        }
        ControlFlow::Continue(())
    }

    /// Ends the page: the next one goes on behind `after` in the window that is being read.
    fn go_on(&mut self, after: Option<Position>) -> ControlFlow<()> {
        let as_is = self.as_is;
        let window = self.window.map(|number| Window { number, as_is });
        self.found.next = Some(Cursor { after, window });
        ControlFlow::Break(())
    }
}

/// The changes of a window, in ascending order: of those of one port that are many the last, which
/// stands for all.
fn fold(changes: Vec<Change>) -> Vec<Row> {
    let mut many = HashMap::<(HostId, Key), (Folded, Position)>::new();
    for change in &changes {
        let Some(key) = key(change) else { continue };
        let first = Folded {
            count: 0,
            first_at: change.at,
        };
        let (folded, last) = many.entry(key).or_insert((first, change.position));
        folded.count += 1;
        *last = change.position;
    }
    let mut rows = Vec::with_capacity(changes.len());
    for change in changes {
        let of = key(&change).and_then(|key| many.get(&key));
        match of.filter(|(folded, _)| folded.count >= caps::DAMPED_CHANGES_MIN) {
            None => rows.push((change, None)),
            Some((folded, last)) if *last == change.position => rows.push((change, Some(*folded))),
            Some(_) => {}
        }
    }
    rows
}

/// The identity of an open port, of its own.
type Key = (Option<String>, Transport, IpAddr, u16);

/// Which open port a change is of that can flap.
fn key(change: &Change) -> Option<(HostId, Key)> {
    let flaps = match change.kind {
        ChangeKind::Opened
        | ChangeKind::Closed
        | ChangeKind::OwnerChanged
        | ChangeKind::Transient => true,
        ChangeKind::Baseline | ChangeKind::Moved | ChangeKind::Retired | ChangeKind::Returned => {
            false
        }
    };
    let port = change.port.as_ref().filter(|_| flaps)?;
    let identity = (port.netns.clone(), port.transport, port.laddr, port.port);
    Some((change.key.host.clone(), identity))
}

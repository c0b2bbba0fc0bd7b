//! What differs between the rows of two moments.

use std::cmp::Ordering;

use portolan_wire::open_port::Transport;

use crate::page::PageRow;

/// A row that is not the same at both moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowDifference {
    /// The port.
    pub port: u16,
    /// The transport.
    pub transport: Transport,
    /// On how many assets it was open; 0 where there was no such row.
    pub before: u64,
    /// On how many it is open then; 0 where there is no such row.
    pub after: u64,
}

/// The rows whose counts differ. Both lists are in ascending order, and so is the answer.
pub fn differences(before: &[PageRow], after: &[PageRow]) -> Vec<RowDifference> {
    let key = |row: &PageRow| (row.port, row.transport);
    let (mut old, mut new) = (before.iter().peekable(), after.iter().peekable());
    let mut found = Vec::new();
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return found,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(was), Some(is)) => key(was).cmp(&key(is)),
        };
        let was = if order.is_le() { old.next() } else { None };
        let is = if order.is_ge() { new.next() } else { None };
        let num = |row: Option<&PageRow>| row.map_or(0, |row| row.num);
        let (num_before, num_after) = (num(was), num(is));
        if let Some(row) = was.or(is).filter(|_| num_before != num_after) {
            found.push(RowDifference {
                port: row.port,
                transport: row.transport,
                before: num_before,
                after: num_after,
            });
        }
    }
}

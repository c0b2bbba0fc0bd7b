//! Which of several holders owns a socket.
//!
//! A server that forks shares its socket with its children: the owner is the ancestor of them all.
//! Where a socket was passed on to strangers, the one with most descendants among the holders
//! counts, then the oldest, then the lowest pid: a rule that does not depend on the order in which
//! holders were found.

use super::Holder;

/// How many generations up an ancestor is sought; deeper trees of holders do not occur.
const GENERATIONS_MAX: usize = 64;

/// The owner among `holders`; `parent` tells the pid and start of a process's parent.
pub(crate) fn choose(
    holders: &[Holder],
    parent: impl Fn(u32) -> Option<(u32, u64)>,
) -> Option<Holder> {
    let eldest_of = |holder: &Holder| eldest(holder, holders, &parent);
    let eldest: Vec<Holder> = holders.iter().map(eldest_of).collect();
    let descendants = |one: &Holder| eldest.iter().filter(|it| it.pid == one.pid).count();
    eldest.iter().copied().min_by_key(|one| {
        (
            std::cmp::Reverse(descendants(one)),
            one.start_ticks,
            one.pid,
        )
    })
}

/// The farthest ancestor of a holder that is a holder itself; else the holder.
fn eldest(
    holder: &Holder,
    holders: &[Holder],
    parent: &impl Fn(u32) -> Option<(u32, u64)>,
) -> Holder {
    let mut eldest = *holder;
    let (mut pid, mut start_ticks) = (holder.pid, holder.start_ticks);
    for _ in 0..GENERATIONS_MAX {
        let Some((above, above_start)) = parent(pid) else {
            break;
        };
        // A parent that is younger than its child is a reused pid.
        if above == pid || above_start > start_ticks {
            break;
        }
        (pid, start_ticks) = (above, above_start);
        eldest = holders
            .iter()
            .copied()
            .find(|it| it.pid == pid)
            .unwrap_or(eldest);
    }
    eldest
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// pid -> (parent, start)
    type Family = BTreeMap<u32, (u32, u64)>;

    fn owner(family: &Family, holders: &[u32]) -> Option<u32> {
        let holders: Vec<Holder> = holders
            .iter()
            .map(|pid| Holder {
                pid: *pid,
                start_ticks: family[pid].1,
                fd: 3,
            })
            .collect();
        let parent = |pid: u32| {
            let above = family.get(&pid)?.0;
            Some((above, family.get(&above)?.1))
        };
        choose(&holders, parent).map(|holder| holder.pid)
    }

    #[test]
    fn a_preforked_server_is_owned_by_its_master_whatever_the_pids() {
        let family = Family::from([
            (1, (0, 1)),
            (900, (1, 50)),
            (30, (900, 60)),
            (31, (900, 60)),
        ]);
        assert_eq!(owner(&family, &[30, 31, 900]), Some(900));
        assert_eq!(owner(&family, &[30, 31]), Some(30), "the master is gone");
        assert_eq!(owner(&family, &[]), None);
    }

    #[test]
    fn an_ancestor_counts_across_a_generation_that_holds_nothing() {
        let family = Family::from([(10, (1, 5)), (11, (10, 6)), (12, (11, 7))]);
        assert_eq!(owner(&family, &[12, 10]), Some(10));
    }

    #[test]
    fn of_strangers_the_one_with_descendants_then_the_oldest_counts() {
        let family = Family::from([(5, (1, 90)), (6, (1, 10)), (7, (5, 95))]);
        assert_eq!(owner(&family, &[5, 6, 7]), Some(5));
        assert_eq!(owner(&family, &[5, 6]), Some(6));
    }

    #[test]
    fn a_reused_parent_pid_is_no_ancestor() {
        let family = Family::from([(5, (1, 90)), (7, (5, 20))]);
        assert_eq!(
            owner(&family, &[5, 7]),
            Some(7),
            "7 is older than its alleged parent"
        );
    }

    proptest! {
        #[test]
        fn the_owner_is_a_holder_and_does_not_depend_on_the_order(
            parents in proptest::collection::vec(0u32..12, 12),
            starts in proptest::collection::vec(0u64..5, 12),
            mut holders in proptest::collection::vec(0u32..12, 1..8),
        ) {
            holders.sort_unstable();
            holders.dedup();
            let family: Family = (0..12).map(|pid| (pid, (parents[pid as usize], starts[pid as usize]))).collect();
            let first = owner(&family, &holders).unwrap();
            prop_assert!(holders.contains(&first));
            holders.reverse();
            prop_assert_eq!(owner(&family, &holders), Some(first));
        }
    }
}

use super::*;

const HOST: NsKey = NsKey::Inode(1);

fn keys(inodes: impl IntoIterator<Item = u64>) -> HashSet<NsKey> {
    inodes.into_iter().map(NsKey::Inode).collect()
}

/// Visits of the namespaces 1 to `last`, all at one moment.
fn visited(last: u64, at: Instant) -> Visits {
    let mut visits = Visits::default();
    for inode in 1..=last {
        visits.note_listing(NsKey::Inode(inode), &Listing::default(), at);
    }
    visits
}

#[test]
fn named_namespaces_and_strangers_are_looked_into_and_no_others() {
    let now = Instant::now();
    let visits = visited(4, now);
    let asked = BTreeSet::from([2, 9]);
    let tables = NsKey::Tables(7);
    let found = || (1..=5).map(NsKey::Inode).chain([tables]);
    let chosen = visits.choose(Which::These(&asked), found(), [HOST; 2], now);
    let mut expected = keys([2, 5]);
    expected.insert(tables);
    assert_eq!(chosen, expected);
    assert_eq!(visits.choose(Which::All, found(), [HOST; 2], now).len(), 6);
}

#[test]
fn every_namespace_has_its_turn_within_a_bound_and_the_host_each_time() {
    let mut now = Instant::now();
    let mut visits = visited(11, now);
    let mut seen = HashSet::new();
    // Ten others, three a turn: four turns.
    for _ in 0..4 {
        now += Duration::from_secs(1);
        let chosen = visits.choose(Which::Turn(3), (1..=11).map(NsKey::Inode), [HOST; 2], now);
        assert!(chosen.contains(&HOST));
        assert_eq!(chosen.len(), 4);
        for netns in &chosen {
            visits.note_listing(*netns, &Listing::default(), now);
        }
        seen.extend(chosen);
    }
    assert_eq!(seen, keys(1..=11));
    assert_eq!(visits.oldest(now), Duration::from_secs(3));
}

#[test]
fn a_newcomer_is_looked_into_beside_those_whose_turn_it_is() {
    let now = Instant::now();
    let visits = visited(5, now);
    let found = || (1..=7).map(NsKey::Inode);
    let chosen = visits.choose(Which::Turn(0), found(), [HOST; 2], now);
    assert_eq!(chosen, keys([1, 6, 7]));
}

#[test]
fn a_look_that_is_too_long_ago_is_taken_again_beyond_the_share() {
    let start = Instant::now();
    let mut visits = visited(9, start);
    visits.note_listing(NsKey::Inode(5), &Listing::default(), start + AGE_MAX / 2);
    let turn = |age| {
        visits.choose(
            Which::Turn(1),
            (1..=9).map(NsKey::Inode),
            [HOST; 2],
            start + age,
        )
    };
    assert_eq!(turn(AGE_MAX - Duration::from_millis(1)), keys([1, 2]));
    assert_eq!(turn(AGE_MAX), keys([1, 2, 3, 4, 6, 7, 8, 9]));
}

#[test]
fn what_is_hidden_is_counted_over_the_last_look_of_each_namespace() {
    let now = Instant::now();
    let mut visits = visited(2, now);
    let inside = Listing {
        entered: true,
        netlink_refused: Some(io::ErrorKind::PermissionDenied.into()),
        ..Listing::default()
    };
    visits.note_listing(NsKey::Inode(1), &inside, now);
    visits.note_refusal(NsKey::Inode(3), &io::ErrorKind::OutOfMemory.into(), now);
    let hidden = visits.hidden(&Sockets::default());
    assert_eq!(
        (hidden.namespaces, hidden.by_tables, hidden.skipped),
        (2, 1, 1)
    );
    assert!(hidden.netlink_refused.is_some() && hidden.skipped_because.is_some());
    visits.retain(|netns| netns == NsKey::Inode(2));
    let hidden = visits.hidden(&Sockets::default());
    assert_eq!(
        (hidden.namespaces, hidden.by_tables, hidden.skipped),
        (1, 1, 0)
    );
    assert!(hidden.netlink_refused.is_none() && hidden.skipped_because.is_none());
}

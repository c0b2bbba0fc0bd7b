use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

const NETNS: u64 = 4_026_531_840;

fn event(kind: EventKind, cookie: u64) -> Event {
    Event {
        kind,
        transport: Transport::Tcp,
        laddr: [127, 0, 0, 1].into(),
        v6only: None,
        port: 4444,
        netns: NETNS,
        cookie,
        pid: 7,
        start_ns: 0,
        uid: 0,
        comm: String::new(),
        path: None,
        cgroup: 0,
        at_ns: 0,
        ephemeral: false,
    }
}

const NOTHING: fn(u64) -> bool = |_| false;
/// When all that opened at 0 has settled.
const LATER: u64 = SETTLED_NS;

fn note(between: &mut Between, kind: EventKind, cookie: u64) -> Option<Passed> {
    between.note(event(kind, cookie), NOTHING).unwrap()
}

#[test]
fn what_opens_and_closes_has_passed_and_needs_no_look() {
    let mut between = Between::default();
    assert!(note(&mut between, EventKind::Opened, 1).is_none());
    assert_eq!(between.to_look_into(LATER), BTreeSet::from([NETNS]));
    let passed = note(&mut between, EventKind::Closed, 1).unwrap();
    assert_eq!((passed.opened.cookie, passed.closed.cookie), (1, 1));
    assert!(between.to_look_into(LATER).is_empty());
    assert!(note(&mut between, EventKind::Closed, 1).is_none(), "once");
}

#[test]
fn what_has_just_opened_is_left_to_settle() {
    let mut between = Between::default();
    note(&mut between, EventKind::Opened, 1);
    let soon = SETTLED_NS - 1;
    assert!(between.is_young(1, soon) && !between.is_young(1, LATER) && !between.is_young(2, soon));
    assert!(between.to_look_into(soon).is_empty());
    assert_eq!(
        (between.look_in(0), between.look_in(LATER)),
        (Some(SETTLED_NS), Some(0))
    );
    // Looks that leave it out, because it is young, do not miss it.
    (0..9).for_each(|_| between.looked(None, soon, NOTHING, NOTHING));
    assert_eq!(between.to_look_into(LATER), BTreeSet::from([NETNS]));
    assert!(note(&mut between, EventKind::Closed, 1).is_some());
    assert_eq!(between.look_in(LATER), None);
}

#[test]
fn a_listen_that_failed_is_nothing() {
    let mut between = Between::default();
    note(&mut between, EventKind::Opened, 1);
    note(&mut between, EventKind::Undone, 1);
    assert!(between.to_look_into(LATER).is_empty());
    assert!(note(&mut between, EventKind::Closed, 1).is_none());
}

#[test]
fn what_a_look_held_is_for_the_next_look_to_miss() {
    let mut between = Between::default();
    note(&mut between, EventKind::Opened, 1);
    between.looked(None, LATER, |cookie| cookie == 1, |cookie| cookie == 1);
    assert!(between.to_look_into(LATER).is_empty());
    let closed = between.note(event(EventKind::Closed, 1), |cookie| cookie == 1);
    assert!(closed.unwrap().is_none());
    assert_eq!(between.to_look_into(LATER), BTreeSet::from([NETNS]));
    between.looked(Some(&BTreeSet::from([NETNS + 1])), LATER, NOTHING, NOTHING);
    assert_eq!(
        between.to_look_into(LATER),
        BTreeSet::from([NETNS]),
        "another one"
    );
    between.looked(Some(&BTreeSet::from([NETNS])), LATER, NOTHING, NOTHING);
    assert!(between.to_look_into(LATER).is_empty());
}

#[test]
fn what_a_look_met_and_left_out_is_looked_for_once_it_has_closed() {
    let mut between = Between::default();
    note(&mut between, EventKind::Opened, 1);
    assert!(between.is_new(1) && !between.is_new(2));
    between.looked(None, 0, |cookie| cookie == 1, NOTHING);
    assert!(note(&mut between, EventKind::Closed, 1).is_some());
    assert_eq!(
        between.to_look_into(0),
        BTreeSet::from([NETNS]),
        "the collector still knows it as open"
    );
}

#[test]
fn an_event_that_is_read_after_the_look_that_held_its_socket_is_no_news() {
    let mut between = Between::default();
    let opened = between.note(event(EventKind::Opened, 1), |_| true);
    assert!(opened.unwrap().is_none());
    assert!(between.to_look_into(LATER).is_empty());
}

#[test]
fn what_looks_miss_and_does_not_close_is_sought_once_and_then_forgotten() {
    let mut between = Between::default();
    note(&mut between, EventKind::Opened, 1);
    between.looked(None, LATER, NOTHING, NOTHING);
    assert!(between.to_look_into(LATER).is_empty(), "it was looked for");
    let passed = note(&mut between, EventKind::Closed, 1);
    assert!(passed.is_some(), "the look may have come too late");
    note(&mut between, EventKind::Opened, 2);
    between.looked(None, LATER, NOTHING, NOTHING);
    between.looked(None, LATER, NOTHING, NOTHING);
    assert!(
        note(&mut between, EventKind::Closed, 2).is_none(),
        "it was connected"
    );
}

#[test]
fn ephemeral_udp_is_counted_and_ephemeral_tcp_told() {
    let mut between = Between::default();
    let ephemeral = |kind, transport| Event {
        transport,
        ephemeral: true,
        ..event(kind, 1)
    };
    for kind in [EventKind::Opened, EventKind::Closed] {
        let passed = between.note(ephemeral(kind, Transport::Udp), NOTHING);
        assert!(passed.unwrap().is_none());
        let is_open = kind == EventKind::Opened;
        assert_eq!(
            between.is_young(1, 0),
            is_open,
            "a look that meets it leaves it out"
        );
        assert_eq!(
            (between.to_look_into(LATER).len(), between.look_in(0)),
            (0, None)
        );
    }
    assert!(between.to_look_into(LATER).is_empty());
    assert_eq!((between.ephemeral(), between.look_in(0)), (1, None));
    let _opened = between.note(ephemeral(EventKind::Opened, Transport::Tcp), NOTHING);
    let passed = between.note(ephemeral(EventKind::Closed, Transport::Tcp), NOTHING);
    assert!(passed.unwrap().is_some());
    assert_eq!(between.ephemeral(), 1);
}

#[test]
fn an_opening_for_which_there_is_no_place_is_told() {
    let mut between = Between::default();
    for cookie in 0..OPEN_MAX as u64 {
        assert!(
            between
                .note(event(EventKind::Opened, cookie), NOTHING)
                .is_ok()
        );
    }
    let more = between.note(event(EventKind::Opened, OPEN_MAX as u64), NOTHING);
    assert_eq!(more.map(|_| ()), Err(NoPlace));
    assert!(note(&mut between, EventKind::Closed, 0).is_some());
    assert!(
        between
            .note(event(EventKind::Opened, OPEN_MAX as u64), NOTHING)
            .is_ok()
    );
}

/// One socket's life: when it opens and closes, in steps of the world.
#[derive(Clone, Copy, Debug)]
struct Life {
    opens: u8,
    closes: u8,
}

proptest! {
    /// Against a world in which looks come now and then and events are read late: a socket that no
    /// look held has passed exactly once, and one that a look held never.
    #[test]
    fn each_socket_is_either_held_by_a_look_or_has_passed(
        lives in prop::collection::vec((0_u8..40, 0_u8..8), 1..30),
        looks in prop::collection::vec(any::<bool>(), 50),
        reads in prop::collection::vec(any::<bool>(), 50),
    ) {
        let lives: Vec<Life> = lives
            .into_iter()
            .map(|(opens, lasts)| Life { opens, closes: opens + lasts })
            .collect();
        let (mut between, mut ring) = (Between::default(), Vec::new());
        let (mut held, mut ever_held) = (HashSet::new(), HashSet::new());
        let mut passed = Vec::new();
        for step in 0..50_u8 {
            for (cookie, life) in (0_u64..).zip(&lives) {
                if life.opens == step {
                    ring.push(event(EventKind::Opened, cookie));
                }
                if life.closes == step {
                    ring.push(event(EventKind::Closed, cookie));
                }
            }
            let looks_now = looks[usize::from(step)] || step == 49;
            // Events are read before each look, and now and then between.
            if reads[usize::from(step)] || looks_now {
                for event in ring.drain(..) {
                    let is_held = |cookie| held.contains(&cookie);
                    passed.extend(between.note(event, is_held).unwrap());
                }
            }
            if looks_now {
                held = (0_u64..)
                    .zip(&lives)
                    .filter(|(_, life)| life.opens <= step && step < life.closes)
                    .map(|(cookie, _)| cookie)
                    .collect();
                ever_held.extend(held.iter().copied());
                let is_held = |cookie| held.contains(&cookie);
                between.looked(None, LATER, is_held, is_held);
            }
        }
        let mut told: Vec<u64> = passed.iter().map(|passed| passed.closed.cookie).collect();
        told.sort_unstable();
        let expected: Vec<u64> = (0..lives.len() as u64)
            .filter(|cookie| !ever_held.contains(cookie))
            .collect();
        prop_assert_eq!(told, expected);
    }
}

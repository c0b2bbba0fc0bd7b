use super::*;

const NETNS: NsKey = NsKey::Inode(9);

fn listing(cookies: &[u64]) -> Listing {
    let socket = |cookie: &u64| KernelSocket {
        id: SocketId::Cookie(*cookie),
        transport: Transport::Udp,
        address: "0.0.0.0".parse().unwrap(),
        port: 40_000,
        v6only: None,
        interface: 0,
        uid: 0,
        inode: 5,
        cgroup: 0,
    };
    let sockets = cookies.iter().map(socket).collect();
    Listing {
        sockets,
        ephemeral: Some(32_768..=60_999),
        ..Listing::default()
    }
}

#[test]
fn a_socket_lives_from_its_first_scan_until_a_scan_without_it() {
    let (first, mut sockets) = (Instant::now(), Sockets::default());
    let later = first + Duration::from_secs(1);
    // A list may name a socket twice.
    for (now, cookies) in [(first, &[1, 2, 1][..]), (later, &[2, 3, 2])] {
        sockets.note(NETNS, listing(cookies), now);
    }
    let mut seen: Vec<_> = sockets
        .iter()
        .map(|(_, known)| (known.socket.id, known.first_seen))
        .collect();
    seen.sort();
    assert_eq!(
        seen,
        [(SocketId::Cookie(2), first), (SocketId::Cookie(3), later)]
    );
    sockets.note(NsKey::Inode(8), listing(&[3]), later);
    assert_eq!(sockets.iter().count(), 3, "other namespaces stay");
    assert_eq!(
        (sockets.count(NETNS), sockets.count(NsKey::Inode(7))),
        (2, 0)
    );
    sockets.retain(|netns| netns == NETNS);
    assert_eq!(sockets.namespaces().collect::<Vec<_>>(), [NETNS]);
    sockets.note(NETNS, listing(&[]), later);
    assert_eq!(sockets.namespaces().count(), 0);
}

#[test]
fn a_known_socket_that_is_not_in_a_list_is_missing() {
    let mut sockets = Sockets::default();
    sockets.note(NETNS, listing(&[1, 2]), Instant::now());
    let missing = |cookies| sockets.is_missing(NETNS, Transport::Udp, &listing(cookies).sockets);
    assert!(missing(&[1, 3]));
    assert!(!missing(&[1, 2, 3]));
    assert!(!sockets.is_missing(NETNS, Transport::Tcp, &[]));
    assert!(!sockets.is_missing(NsKey::Inode(8), Transport::Udp, &[]));
}

#[test]
fn searches_in_vain_come_ever_more_rarely_and_a_lost_owner_is_sought_at_once() {
    let (start, mut sockets) = (Instant::now(), Sockets::default());
    sockets.note(NETNS, listing(&[1]), start);
    let (_, known) = sockets.iter_mut().next().unwrap();
    let mut now = start;
    let mut pauses = Vec::new();
    for _ in 0..8 {
        assert!(known.is_due(now));
        known.settle(None, Vec::new(), now);
        let due = (1..=600)
            .find(|s| known.is_due(now + Duration::from_secs(*s)))
            .unwrap();
        pauses.push(due);
        now += Duration::from_secs(due);
    }
    assert_eq!(pauses, [1, 4, 16, 64, 256, 600, 600, 600]);
    let holder = Holder {
        pid: 7,
        start_ticks: 1,
        fd: 3,
    };
    known.settle(Some(holder), vec![holder], now);
    assert!(!known.is_due(now + SEARCH_PAUSE_MAX));
    known.lose_owner(now);
    assert!(known.is_due(now));
}

#[test]
fn only_wildcard_udp_in_the_ephemeral_range_looks_like_a_client() {
    let range = 32_768..=60_999;
    let mut socket = listing(&[1]).sockets.remove(0);
    assert!(looks_like_client(&socket, Some(&range)));
    assert!(!looks_like_client(&socket, None));
    socket.port = 5353;
    assert!(!looks_like_client(&socket, Some(&range)));
    socket.port = 40_000;
    socket.address = "127.0.0.1".parse().unwrap();
    assert!(!looks_like_client(&socket, Some(&range)));
    socket.address = "::".parse().unwrap();
    assert!(looks_like_client(&socket, Some(&range)));
    socket.transport = Transport::Tcp;
    assert!(!looks_like_client(&socket, Some(&range)));
}

#[test]
fn the_owners_of_what_is_gone_are_told() {
    let (now, mut sockets) = (Instant::now(), Sockets::default());
    assert_eq!(sockets.note(NETNS, listing(&[1, 2, 3, 4]), now), []);
    let holder = |pid| Holder {
        pid,
        start_ticks: 1,
        fd: 3,
    };
    for (pid, (_, known)) in (1..).zip(sockets.iter_mut().take(3)) {
        known.settle(Some(holder(pid)), vec![holder(pid)], now);
    }
    assert_eq!(sockets.note(NETNS, listing(&[4, 3, 2, 1]), now), []);
    let gone = sockets.note(NETNS, listing(&[2, 5]), now);
    assert_eq!(gone, [holder(1), holder(3)], "the fourth had no owner");
}

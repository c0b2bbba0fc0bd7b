use std::cell::RefCell;
use std::collections::VecDeque;

use portolan_wire::open_port::Transport;

use super::super::message::tests::{framed, listener};
use super::super::request::Family;
use super::{ATTEMPTS_MAX, Channel, DATAGRAM_BYTES_MAX, Dump, Effort, Errno, Query, dump, io};
use crate::kernel_socket::SocketId;

/// What the scripted kernel does on one attempt.
#[derive(Clone)]
enum Answer {
    Fails(Errno),
    Sends(Vec<Vec<u8>>),
}

thread_local! {
    static SCRIPT: RefCell<VecDeque<Answer>> = const { RefCell::new(VecDeque::new()) };
}

/// A kernel that follows the script of its thread, one answer a request.
#[derive(Default)]
struct Scripted {
    waiting: VecDeque<Vec<u8>>,
    fails: Option<Errno>,
}

impl Channel for Scripted {
    fn open() -> io::Result<Self> {
        Ok(Self::default())
    }

    fn send(&mut self, request: &[u8]) -> io::Result<()> {
        assert_eq!(request.len(), 72);
        match SCRIPT
            .with_borrow_mut(VecDeque::pop_front)
            .expect("a request beyond the script")
        {
            Answer::Fails(error) => self.fails = Some(error),
            Answer::Sends(datagrams) => self.waiting = datagrams.into(),
        }
        Ok(())
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        if let Some(error) = self.fails {
            return Err(error.into());
        }
        let datagram = self
            .waiting
            .pop_front()
            .expect("a receive beyond the script");
        let length = datagram.len().min(buffer.capacity());
        buffer.clear();
        buffer.extend_from_slice(&datagram[..length]);
        Ok(datagram.len())
    }
}

fn run(script: impl IntoIterator<Item = Answer>) -> (io::Result<Dump>, Effort) {
    SCRIPT.with_borrow_mut(|kept| *kept = script.into_iter().collect());
    let mut effort = Effort::default();
    let query = Query::ByFamily(Transport::Tcp, Family::V6);
    let dump = dump(&mut Scripted::default(), query, &mut effort);
    SCRIPT.with_borrow(|kept| assert!(kept.is_empty(), "{} answers unasked", kept.len()));
    (dump, effort)
}

fn one_socket(sequence: u32, flags: u16, cookie: u8) -> Vec<u8> {
    let mut payload = listener();
    payload[44] = cookie;
    framed(20, flags, sequence, &payload)
}

fn done(sequence: u32, flags: u16) -> Vec<u8> {
    framed(3, flags, sequence, &0i32.to_ne_bytes())
}

fn count(dump: io::Result<Dump>) -> usize {
    dump.unwrap().sockets.len()
}

#[test]
fn a_dump_in_two_datagrams_has_both_parts_and_says_so() {
    let sends = Answer::Sends(vec![one_socket(1, 2, 1), one_socket(1, 2, 2), done(1, 2)]);
    let (dump, effort) = run([sends]);
    let dump = dump.unwrap();
    assert_eq!((dump.sockets.len(), dump.in_parts), (2, true));
    assert_eq!(
        effort,
        Effort {
            dumps: 1,
            retries: 0
        }
    );
}

#[test]
fn an_interrupted_dump_is_taken_again_and_the_whole_one_counts_alone() {
    let first = Answer::Sends(vec![[one_socket(1, 0x12, 1), done(1, 0x12)].concat()]);
    let second = Answer::Sends(vec![[one_socket(2, 2, 2), done(2, 2)].concat()]);
    let (dump, effort) = run([first, second]);
    let ids: Vec<_> = dump
        .unwrap()
        .sockets
        .iter()
        .map(|socket| socket.id)
        .collect();
    let SocketId::Cookie(cookie) = ids[0] else {
        panic!("{ids:?}")
    };
    assert_eq!(
        (ids.len(), cookie & 0xff),
        (1, 2),
        "the first one closed meanwhile"
    );
    assert_eq!(
        effort,
        Effort {
            dumps: 2,
            retries: 1
        }
    );
}

#[test]
fn when_every_attempt_is_interrupted_all_that_was_seen_is_told() {
    let script = (1..=ATTEMPTS_MAX).map(|n| {
        let cookie = u8::try_from(n).unwrap();
        Answer::Sends(vec![[one_socket(n, 2, cookie), done(n, 0x12)].concat()])
    });
    let (dump, effort) = run(script);
    assert_eq!(count(dump), ATTEMPTS_MAX as usize);
    assert_eq!(
        effort,
        Effort {
            dumps: 4,
            retries: 3
        }
    );
}

#[test]
fn lost_datagrams_are_asked_for_again_and_in_the_end_told() {
    let lost = Answer::Fails(Errno::NOBUFS);
    let good = Answer::Sends(vec![[one_socket(2, 2, 1), done(2, 2)].concat()]);
    let (dump, _) = run([lost.clone(), good]);
    assert_eq!(count(dump), 1);
    let (dump, effort) = run(vec![lost; 4]);
    assert_eq!(
        dump.unwrap_err().raw_os_error(),
        Some(Errno::NOBUFS.raw_os_error())
    );
    assert_eq!(
        effort,
        Effort {
            dumps: 4,
            retries: 3
        }
    );
}

#[test]
fn an_overrun_a_cut_datagram_and_a_malformed_one_are_asked_for_again() {
    for bad in [
        framed(4, 0, 1, &[]),
        vec![0; DATAGRAM_BYTES_MAX + 1],
        vec![1, 2, 3],
    ] {
        let good = Answer::Sends(vec![[one_socket(2, 2, 1), done(2, 2)].concat()]);
        let (dump, effort) = run([Answer::Sends(vec![bad]), good]);
        assert_eq!(count(dump), 1);
        assert_eq!(effort.retries, 1);
    }
}

#[test]
fn a_refusal_is_told_at_once() {
    let refused = framed(2, 0, 1, &(-Errno::ACCESS.raw_os_error()).to_ne_bytes());
    let (dump, effort) = run([Answer::Sends(vec![refused])]);
    assert_eq!(
        dump.unwrap_err().raw_os_error(),
        Some(Errno::ACCESS.raw_os_error())
    );
    assert_eq!(
        effort,
        Effort {
            dumps: 1,
            retries: 0
        }
    );
}

#[test]
fn messages_of_another_request_are_passed_over() {
    let stale = [one_socket(77, 2, 9), done(77, 2)].concat();
    let own = [one_socket(1, 2, 1), done(1, 2)].concat();
    let (dump, _) = run([Answer::Sends(vec![stale, own])]);
    assert_eq!(count(dump), 1);
}

#[test]
fn one_pass_over_both_families_tells_the_same_as_a_dump_of_each() {
    use std::net::{IpAddr, SocketAddr, TcpListener};

    use rustix::net::{AddressFamily, SocketType, ipproto, sockopt};
    let listen = |address: &str, v6only: Option<bool>, protocol| {
        let address: SocketAddr = address.parse().unwrap();
        let family = match address.ip() {
            IpAddr::V4(_) => AddressFamily::INET,
            IpAddr::V6(_) => AddressFamily::INET6,
        };
        let socket = rustix::net::socket(family, SocketType::STREAM, Some(protocol)).unwrap();
        if let Some(v6only) = v6only {
            sockopt::set_ipv6_v6only(&socket, v6only).unwrap();
        }
        rustix::net::bind(&socket, &address).unwrap();
        rustix::net::listen(&socket, 8).unwrap();
        TcpListener::from(socket)
    };
    let held = [
        listen("0.0.0.0:0", None, ipproto::TCP),
        listen("127.0.0.1:0", None, ipproto::MPTCP),
        listen("[::]:0", Some(true), ipproto::TCP),
        listen("[::]:0", Some(false), ipproto::TCP),
        listen("[::ffff:127.0.0.1]:0", Some(false), ipproto::TCP),
        listen("[::1]:0", None, ipproto::MPTCP),
    ];
    let ports = held.each_ref().map(|it| it.local_addr().unwrap().port());
    // Other tests listen as well, at the same time.
    let dumped = |queries: &[Query]| {
        let mut channel = super::super::Netlink::open().unwrap();
        let mut sockets = Vec::new();
        for query in queries {
            let found = dump(&mut channel, *query, &mut Effort::default());
            sockets.extend(found.unwrap().sockets);
        }
        sockets.retain(|socket| ports.contains(&socket.port));
        sockets.sort_by_key(|socket| socket.id);
        sockets
    };
    let [one_pass, by_family] = Query::lists_of(Transport::Tcp) else {
        panic!("TCP is asked for in two ways");
    };
    let found = dumped(one_pass);
    assert_eq!(found, dumped(by_family));
    let mut told: Vec<_> = found
        .iter()
        .map(|it| (it.port, it.address.to_string(), it.v6only))
        .collect();
    told.sort();
    let addresses = ["0.0.0.0", "127.0.0.1", "::", "::", "127.0.0.1", "::1"];
    // What is bound to an IPv6 address of its own takes nothing else.
    let v6only = [None, None, Some(true), Some(false), None, Some(true)];
    let mut expected: Vec<_> = (0..held.len())
        .map(|at| (ports[at], addresses[at].to_owned(), v6only[at]))
        .collect();
    expected.sort();
    assert_eq!(told, expected);
    assert!(found.iter().all(|it| it.inode != 0), "{found:?}");
}

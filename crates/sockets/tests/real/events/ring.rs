//! The ring when it is full, and what is left when the watch ends.

use std::fs::{read_dir, read_link};

use portolan_sockets::Watch;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::program::Program;
use crate::scene::{isolated, netns_inode};

const AT_ONCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

fn is_readable(watch: &Watch) -> bool {
    let fd = watch.fd();
    let mut polled = [PollFd::new(&fd, PollFlags::IN)];
    poll(&mut polled, Some(&AT_ONCE)).unwrap() > 0
}

#[test]
fn what_a_full_ring_cannot_hold_is_counted_and_later_events_come_again() {
    isolated(
        module_path!(),
        "what_a_full_ring_cannot_hold_is_counted_and_later_events_come_again",
        || {
            let netns = netns_inode("thread-self");
            let mut watch = Watch::attach_with_ring(64 << 10).unwrap();
            let mut program = Program::start(
                "
say('ready')
while hear():
    for _ in range(300): tcp('127.0.0.1', 8000).close()
    say('done'); hear(); tcp('127.0.0.1', 8001).close(); say('one')
",
            );
            for _ in 0..2 {
                program.tell("many");
                assert_eq!(program.hear(), "done");
                assert!(is_readable(&watch));
                let mut held = 0;
                // Those of the rest of the machine take room as well.
                let lost = watch.drain(|_| held += 1);
                assert!(held > 0 && lost > 0 && held + lost >= 600, "{held} {lost}");
                program.tell("one");
                assert_eq!(program.hear(), "one");
                let mut ports = Vec::new();
                assert_eq!(
                    watch.drain(|event| {
                        if event.netns == netns {
                            ports.push(event.port);
                        }
                    }),
                    0
                );
                assert_eq!(ports, [8001, 8001]);
            }
            assert!(watch.cost().lost > 600, "{:?}", watch.cost());
        },
    );
}

/// What of BPF this process has: all, or links alone, by which programs are attached.
fn descriptors(kind: &str) -> usize {
    let links = read_dir("/proc/self/fd").unwrap().flatten();
    let links = links.filter_map(|entry| read_link(entry.path()).ok());
    links
        .filter(|link| link.to_string_lossy().contains(kind))
        .count()
}

#[test]
fn a_watch_that_ends_leaves_nothing_attached() {
    isolated(
        module_path!(),
        "a_watch_that_ends_leaves_nothing_attached",
        || {
            let watch = Watch::attach().unwrap();
            let mut walk = watch.holder_walk();
            assert_eq!(descriptors("bpf_link"), 4);
            drop(watch);
            assert_eq!(descriptors("bpf_link"), 0);
            let _program = Program::start("s = tcp('127.0.0.1', 8000); say('ready'); hear()");
            let mut holders = 0;
            walk.holders(|_| holders += 1).unwrap();
            assert_eq!(holders, 1);
            drop(walk);
            assert_eq!(descriptors("bpf"), 0);
        },
    );
}

/// The resident memory of this process, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

#[test]
fn the_memory_that_loading_takes_is_given_back() {
    isolated(
        module_path!(),
        "the_memory_that_loading_takes_is_given_back",
        || {
            let before = resident();
            let watch = Watch::attach().unwrap();
            let grown = resident().saturating_sub(before);
            assert!(grown < 6 * 1_024, "{grown} KiB beside {before}");
            drop(watch);
        },
    );
}

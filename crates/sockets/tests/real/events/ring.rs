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
            let mut watch = Watch::attach_with_ring(4_096).unwrap();
            let mut program = Program::start(
                "
say('ready')
while hear():
    for _ in range(50): tcp('127.0.0.1', 8000).close()
    say('done'); hear(); tcp('127.0.0.1', 8001).close(); say('one')
",
            );
            for _ in 0..2 {
                program.tell("many");
                assert_eq!(program.hear(), "done");
                assert!(is_readable(&watch));
                let mut held = 0;
                let lost = watch.drain(|event| held += u64::from(event.netns == netns));
                assert!(held > 0 && lost > 0 && held + lost >= 100, "{held} {lost}");
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
            assert!(watch.cost().lost > 100, "{:?}", watch.cost());
        },
    );
}

/// The programs, links and maps that this process has.
fn bpf_descriptors() -> usize {
    let links = read_dir("/proc/self/fd").unwrap().flatten();
    let links = links.filter_map(|entry| read_link(entry.path()).ok());
    links
        .filter(|link| link.to_string_lossy().contains("bpf"))
        .count()
}

#[test]
fn a_watch_that_ends_leaves_nothing_attached() {
    isolated(
        module_path!(),
        "a_watch_that_ends_leaves_nothing_attached",
        || {
            assert_eq!(bpf_descriptors(), 0);
            let watch = Watch::attach().unwrap();
            assert!(bpf_descriptors() > 8);
            drop(watch);
            assert_eq!(bpf_descriptors(), 0);
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

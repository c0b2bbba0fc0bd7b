use portolan_wire::open_port::Transport;

use super::*;
use crate::fake_proc::{FakeProc, NETNS};
use crate::kernel_socket::{KernelSocket, SocketId};
use crate::namespaces::{Listing, Mounts};

const INODE: u64 = 42;

/// A collector's state with one listener of inode [`INODE`], whose owner is not known yet.
struct Scene {
    fake: FakeProc,
    processes: Processes,
    sockets: Sockets,
    statistics: Statistics,
}

impl Scene {
    fn new() -> Self {
        let fake = FakeProc::new();
        let processes = Processes::new(fake.root().to_owned());
        let mut sockets = Sockets::default();
        let socket = KernelSocket {
            id: SocketId::Cookie(1),
            transport: Transport::Tcp,
            address: "127.0.0.1".parse().unwrap(),
            port: 80,
            v6only: None,
            interface: 0,
            uid: 0,
            inode: INODE,
            cgroup: 0,
        };
        let listing = Listing {
            sockets: vec![socket],
            ..Listing::default()
        };
        sockets.begin();
        sockets.note(NsKey::Inode(NETNS), listing, Instant::now());
        Self {
            fake,
            processes,
            sockets,
            statistics: Statistics::default(),
        }
    }

    fn list_processes(&mut self, now: Instant) -> Namespaces {
        self.processes.refresh(now).unwrap();
        Namespaces::find(&self.processes, &Mounts::default()).unwrap()
    }

    /// The owner's pid and the number of holders afterwards.
    fn attribute(&mut self, namespaces: &Namespaces, now: Instant) -> (Option<u32>, usize) {
        let statistics = &mut self.statistics;
        let (sockets, processes) = (&mut self.sockets, &mut self.processes);
        attribute(sockets, processes, namespaces, false, now, statistics).unwrap();
        let (_, known) = self.sockets.iter().next().unwrap();
        (known.owner.map(|owner| owner.pid), known.holders.len())
    }
}

#[test]
fn a_holder_that_started_after_the_processes_were_listed_is_found() {
    let mut scene = Scene::new();
    let now = Instant::now();
    let namespaces = scene.list_processes(now);
    scene.fake.start(7, 1, 100, &[(3, INODE)]);
    assert_eq!(scene.attribute(&namespaces, now), (Some(7), 1));
}

#[test]
fn a_process_that_holds_a_socket_by_two_descriptors_is_one_holder() {
    let mut scene = Scene::new();
    let now = Instant::now();
    scene
        .fake
        .start(7, 1, 100, &[(3, INODE), (4, INODE), (5, 1)]);
    scene.fake.start(8, 7, 101, &[(3, INODE)]);
    let namespaces = scene.list_processes(now);
    assert_eq!(scene.attribute(&namespaces, now), (Some(7), 2));
    assert_eq!(
        (scene.statistics.fd_dirs_walked, scene.statistics.fds_read),
        (2, 4)
    );
}

#[test]
fn a_stranger_with_the_pid_and_even_the_socket_of_the_owner_is_looked_at_anew() {
    let mut scene = Scene::new();
    let now = Instant::now();
    scene.fake.start(7, 1, 100, &[(3, INODE)]);
    let namespaces = scene.list_processes(now);
    assert_eq!(scene.attribute(&namespaces, now), (Some(7), 1));
    scene.fake.start(7, 1, 200, &[(3, INODE)]);
    let namespaces = scene.list_processes(now);
    assert_eq!(scene.attribute(&namespaces, now), (Some(7), 1));
    assert_eq!(scene.statistics.sockets_searched, 1);
    let (_, known) = scene.sockets.iter().next().unwrap();
    assert!(
        known.holders.iter().all(|holder| holder.start_ticks != 100),
        "{:?}",
        known.holders
    );
}

#[test]
fn an_owner_that_closed_its_socket_is_found_out_at_the_next_check() {
    let mut scene = Scene::new();
    let now = Instant::now();
    scene.fake.start(7, 1, 100, &[(3, INODE)]);
    scene.fake.start(8, 1, 101, &[]);
    let namespaces = scene.list_processes(now);
    assert_eq!(scene.attribute(&namespaces, now), (Some(7), 1));
    // The same processes, as their folders show, with other files.
    std::fs::remove_file(scene.fake.root().join("7/fd/3")).unwrap();
    std::os::unix::fs::symlink(
        format!("socket:[{INODE}]"),
        scene.fake.root().join("8/fd/9"),
    )
    .unwrap();
    let rested = now + YOUNG;
    assert_eq!(
        scene.attribute(&namespaces, rested).0,
        Some(7),
        "nobody asked"
    );
    assert_eq!(scene.attribute(&namespaces, now + RECHECK_AFTER).0, Some(8));
}

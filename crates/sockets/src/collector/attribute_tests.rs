use portolan_wire::open_port::Transport;

use super::*;
use crate::fake_proc::{FakeProc, NETNS};
use crate::kernel_socket::{KernelSocket, SocketId};
use crate::namespaces::{Listing, Mounts};
use crate::owners::KernelHolder;

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
        self.attribute_by(None, namespaces, now)
    }

    fn attribute_by(
        &mut self,
        source: Option<&mut dyn HolderSource>,
        namespaces: &Namespaces,
        now: Instant,
    ) -> (Option<u32>, usize) {
        let statistics = &mut self.statistics;
        let (sockets, processes) = (&mut self.sockets, &mut self.processes);
        attribute(
            sockets, processes, namespaces, source, false, now, statistics,
        )
        .unwrap();
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

/// A kernel that lists what it is told to, and then fails or not.
struct Lists {
    holders: Vec<(u32, u32)>,
    fails: bool,
}

impl HolderSource for Lists {
    fn holders(&mut self, each: &mut dyn FnMut(KernelHolder)) -> io::Result<()> {
        for (pid, fd) in &self.holders {
            each(KernelHolder {
                inode: INODE,
                pid: *pid,
                fd: *fd,
                netns: NETNS,
            });
        }
        match self.fails {
            true => Err(io::ErrorKind::Other.into()),
            false => Ok(()),
        }
    }
}

/// A scene with a crowd that was there before, of which `holders` hold the socket by descriptor 3.
fn crowd(holders: &[u32]) -> (Scene, Namespaces, Instant) {
    let scene = Scene::new();
    for pid in 10..40 {
        let files: &[(u32, u64)] = match holders.contains(&pid) {
            true => &[(3, INODE), (4, INODE)],
            false => &[(3, 1)],
        };
        scene.fake.start(pid, 1, u64::from(pid), files);
    }
    let mut scene = scene;
    let now = Instant::now();
    let namespaces = scene.list_processes(now);
    (scene, namespaces, now)
}

#[test]
fn holders_that_the_kernel_lists_are_not_walked_for() {
    let (mut scene, namespaces, now) = crowd(&[20, 30]);
    let mut kernel = Lists {
        holders: vec![(30, 4), (30, 3), (20, 3)],
        fails: false,
    };
    let found = scene.attribute_by(Some(&mut kernel), &namespaces, now);
    assert_eq!(found, (Some(20), 2));
    let statistics = scene.statistics;
    assert_eq!(
        (statistics.holder_passes, statistics.fd_dirs_walked),
        (1, 0)
    );
    let (_, known) = scene.sockets.iter().next().unwrap();
    assert!(known.holders.iter().all(|holder| holder.fd == 3));
}

#[test]
fn a_holder_by_a_pid_of_elsewhere_is_not_believed_and_the_true_one_is_walked_for() {
    let (mut scene, namespaces, now) = crowd(&[20]);
    let mut kernel = Lists {
        holders: vec![(30, 3), (500, 3)],
        fails: false,
    };
    let found = scene.attribute_by(Some(&mut kernel), &namespaces, now);
    assert_eq!(found, (Some(20), 1));
    assert!(scene.statistics.fd_dirs_walked > 0);
}

#[test]
fn a_pass_that_failed_gives_no_holder_and_all_is_walked_for() {
    let (mut scene, namespaces, now) = crowd(&[20, 21]);
    let mut kernel = Lists {
        holders: vec![(20, 3)],
        fails: true,
    };
    let found = scene.attribute_by(Some(&mut kernel), &namespaces, now);
    assert!(matches!(found, (Some(20 | 21), 1)), "{found:?}");
    let statistics = scene.statistics;
    assert_eq!(
        (statistics.holder_passes, statistics.holder_passes_failed),
        (0, 1)
    );
    assert!(statistics.fd_dirs_walked > 0);
}

#[test]
fn a_few_newcomers_are_walked_before_the_kernel_is_asked_for_everything() {
    let (mut scene, namespaces, now) = crowd(&[20]);
    let mut kernel = Lists {
        holders: vec![(20, 3)],
        fails: false,
    };
    scene.attribute_by(Some(&mut kernel), &namespaces, now);
    scene.fake.end(20);
    scene.fake.start(7, 1, 100, &[(3, INODE)]);
    let namespaces = scene.list_processes(now);
    let found = scene.attribute_by(Some(&mut kernel), &namespaces, now);
    assert_eq!(found, (Some(7), 1));
    let statistics = scene.statistics;
    assert_eq!(
        (statistics.holder_passes, statistics.fd_dirs_walked),
        (1, 1)
    );
}

use super::*;
use crate::fake_proc::{FakeProc, NETNS};

#[test]
fn a_new_folder_with_another_start_is_another_process_and_else_the_same() {
    let fake = FakeProc::new();
    let now = Instant::now();
    let mut processes = Processes::new(fake.root().to_owned());
    fake.start(7, 1, 100, &[]);
    processes.refresh(now).unwrap();
    assert!(processes.is_same(7, 100));
    assert_eq!(processes.get(7).unwrap().netns, Some(NsKey::Inode(NETNS)));
    processes.note_walk(7, Walk::Whole);

    // The kernel may forget the folder of a living process and make a new one.
    fake.start(7, 1, 100, &[]);
    processes.refresh(now).unwrap();
    assert!(processes.get(7).unwrap().walked, "it is the same process");

    fake.start(7, 1, 200, &[]);
    processes.refresh(now).unwrap();
    assert!(processes.is_same(7, 200) && !processes.is_same(7, 100));
    assert!(!processes.get(7).unwrap().walked, "it is another process");

    fake.end(7);
    processes.refresh(now).unwrap();
    assert!(processes.get(7).is_none());
}

#[test]
fn a_process_whose_folder_stays_is_only_listed() {
    let fake = FakeProc::new();
    let now = Instant::now();
    let mut processes = Processes::new(fake.root().to_owned());
    fake.start(7, 1, 100, &[]);
    processes.refresh(now).unwrap();
    assert_eq!(processes.reads, 1);
    fake.falsify_start(7, 999);
    processes.refresh(now + YOUNG).unwrap();
    assert_eq!(processes.reads, 1);
    assert!(processes.is_same(7, 100));
}

#[test]
fn young_processes_are_read_at_each_scan_and_old_ones_a_few_at_a_time() {
    let fake = FakeProc::new();
    let start = Instant::now();
    let mut processes = Processes::new(fake.root().to_owned());
    for pid in 1..=80 {
        fake.start(pid, 0, 1, &[]);
    }
    let mut reads_at = |millis: u64| {
        let before = processes.reads;
        processes
            .refresh(start + Duration::from_millis(millis))
            .unwrap();
        processes.reads - before
    };
    assert_eq!(reads_at(0), 80, "newcomers");
    assert_eq!(reads_at(0), 0, "the same scan lists twice");
    assert_eq!(reads_at(1_999), 80, "young");
    assert_eq!(reads_at(2_000), 0);
    assert_eq!(reads_at(31_998), 0);
    assert_eq!(
        [32_000, 33_000, 34_000, 35_000].map(reads_at),
        [32, 32, 16, 0]
    );
}

#[test]
fn a_pid_that_is_another_process_by_the_time_it_is_read_tells_nothing() {
    let fake = FakeProc::new();
    let now = Instant::now();
    let mut processes = Processes::new(fake.root().to_owned());
    fake.start(7, 1, 100, &[]);
    processes.refresh(now).unwrap();
    fake.start(7, 1, 200, &[]);
    assert_eq!(processes.program(7), None);
    assert_eq!(processes.placement(7), None);
    processes.refresh(now).unwrap();
    assert_eq!(processes.program(7), Some(Arc::default()));
    assert_eq!(processes.placement(7), Some(Arc::default()));
}

#[test]
fn a_process_that_ended_before_it_was_read_tells_no_more_than_its_container() {
    let fake = FakeProc::new();
    let mut processes = Processes::new(fake.root().to_owned());
    fake.start(7, 1, 100, &[]);
    processes.refresh(Instant::now()).unwrap();
    fake.become_zombie(7);
    assert_eq!(processes.program(7), None);
    assert_eq!(processes.placement(7), None);
    let cgroup = fake.root().join("7/cgroup");
    std::fs::write(&cgroup, "1:pids:/\n").unwrap();
    assert_eq!(processes.placement(7), None);
    std::fs::write(&cgroup, "1:pids:/\n0::/lxc/web (deleted)\n").unwrap();
    let container = processes.placement(7).unwrap().container.clone();
    assert_eq!(container.as_deref(), Some("web"));
}

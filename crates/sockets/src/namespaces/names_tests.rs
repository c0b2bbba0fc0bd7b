use std::time::Instant;

use super::*;
use crate::fake_proc::FakeProc;
use crate::namespaces::Mounts;

const KEY: NsKey = NsKey::Inode(4_026_532_177);

fn chosen(mounts: &[&str], container: Option<&str>, taken: &[&str]) -> String {
    let mounts = mounts.iter().map(Into::into).collect();
    let found = Found {
        members: Vec::new(),
        mounts,
    };
    let is_taken = |text: &str| taken.contains(&text);
    let container = container.map(str::to_owned);
    choose(KEY, &found, container, "0a1b2c3d-4e5f-6071", is_taken).text
}

#[test]
fn a_container_then_a_mount_then_the_inode_names_a_namespace() {
    let run = ["/run/docker/netns/5f", "/run/netns/blue"];
    assert_eq!(chosen(&run, Some("c1"), &[]), "c1");
    assert_eq!(chosen(&run, None, &[]), "blue");
    assert_eq!(chosen(&["/var/run/netns/cni-1"], None, &[]), "cni-1");
    assert_eq!(
        chosen(&["/run/docker/netns/5f"], None, &[]),
        "netns:4026532177@0a1b2c3d"
    );
    assert_eq!(
        chosen(&["/run/netns/a/b"], None, &[]),
        "netns:4026532177@0a1b2c3d"
    );
}

#[test]
fn a_name_that_is_taken_is_not_given_twice() {
    let run = ["/run/netns/blue"];
    assert_eq!(chosen(&run, Some("c1"), &["c1"]), "blue");
    assert_eq!(
        chosen(&run, Some("c1"), &["c1", "blue"]),
        "netns:4026532177@0a1b2c3d"
    );
}

#[test]
fn a_name_beyond_the_cap_or_with_control_characters_is_not_used() {
    let long = format!("/run/netns/{}", "x".repeat(129));
    assert_eq!(chosen(&[&long], None, &[]), "netns:4026532177@0a1b2c3d");
    assert_eq!(
        chosen(&["/run/netns/a\nb"], None, &[]),
        "netns:4026532177@0a1b2c3d"
    );
}

const WEB: &str = "/lxc/web";

/// Names by what is in the process file system now.
fn update(names: &mut Names, processes: &mut Processes) {
    let namespaces = Namespaces::find(processes, &Mounts::default()).unwrap();
    names.update(&namespaces, processes, "0a1b2c3d-4e5f-6071");
}

#[test]
fn a_container_that_starts_again_while_processes_are_listed_takes_its_name_along() {
    let fake = FakeProc::new();
    let mut processes = Processes::new(fake.root().to_owned());
    let mut names = Names::default();
    fake.start(7, 1, 100, &[]);
    fake.contain(7, 70, WEB);
    processes.refresh(Instant::now()).unwrap();
    update(&mut names, &mut processes);
    assert_eq!(names.text(NsKey::Inode(70)), Some("web"));
    // Both are in the list, but the old one is gone by now.
    fake.start(8, 1, 200, &[]);
    fake.contain(8, 80, WEB);
    processes.refresh(Instant::now()).unwrap();
    fake.end(7);
    update(&mut names, &mut processes);
    assert_eq!(names.text(NsKey::Inode(80)), Some("web"));
    assert_ne!(names.text(NsKey::Inode(70)), Some("web"));
}

#[test]
fn a_name_lasts_as_long_as_one_process_stays() {
    let fake = FakeProc::new();
    let mut processes = Processes::new(fake.root().to_owned());
    let mut names = Names::default();
    for (pid, cgroup) in [(7, WEB), (8, "/lxc/app")] {
        fake.start(pid, 1, u64::from(pid), &[]);
        fake.contain(pid, 70, cgroup);
    }
    let mut name_after = |change: &dyn Fn()| {
        change();
        processes.refresh(Instant::now()).unwrap();
        update(&mut names, &mut processes);
        names.text(NsKey::Inode(70)).map(str::to_owned)
    };
    assert_eq!(name_after(&|| {}).as_deref(), Some("web"));
    assert_eq!(name_after(&|| fake.end(7)).as_deref(), Some("web"));
    // Another one with the pid, in another namespace with the inode.
    let replace = || {
        fake.start(8, 1, 300, &[]);
        fake.contain(8, 70, "/lxc/other");
    };
    assert_eq!(name_after(&replace).as_deref(), Some("other"));
    assert_eq!(name_after(&|| fake.end(8)), None);
}

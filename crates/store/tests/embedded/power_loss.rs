//! A simulated power loss under 64 concurrent writers.
//!
//! The store is on an ext4 in an image file, mounted through a loop device. The image holds only what
//! the file system has really sent to its device: the writers are stopped, the image is copied, the
//! writers are killed, and the copy is mounted in its place, as after the power came back. It tests
//! neither a disk that lies about having flushed nor torn sectors.
//!
//! Needs root, a free loop device and `mkfs.ext4`, and fails where one is missing, as every test does
//! that cannot be run: one that passes without having been run proves nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::model::long;
use crate::writers::{Told, Writers, assert_holds};

/// Set for the child process alone: the folder that it may mount in.
const FOLDER: &str = "PORTOLAN_TEST_POWER_FOLDER";

/// An ext4 in a file.
struct Disk {
    image: PathBuf,
    mounted: PathBuf,
}

fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).output().unwrap()
}

fn must(program: &str, arguments: &[&str]) {
    let ended = run(program, arguments);
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.success(), "{program} {arguments:?}: {told}");
}

impl Disk {
    /// Makes and mounts one.
    fn make(folder: &Path) -> Self {
        let disk = Self {
            image: folder.join("0.img"),
            mounted: folder.join("disk"),
        };
        fs::create_dir(&disk.mounted).unwrap();
        let image = disk.image.to_str().unwrap();
        must("truncate", &["-s", "256M", image]);
        let mut mkfs = Command::new("mkfs.ext4");
        // Where an ordinary user's PATH lacks it, it is in /usr/sbin.
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
        let made = mkfs.args(["-q", "-F", image]).env("PATH", path).output();
        let made = made.expect("mkfs.ext4, of Debian's package e2fsprogs");
        assert!(made.status.success(), "{made:?}");
        disk.mount();
        disk
    }

    fn mount(&self) {
        let (image, mounted) = (self.image.to_str().unwrap(), self.mounted.to_str().unwrap());
        let ended = run("mount", &["-o", "loop", image, mounted]);
        assert!(
            ended.status.success(),
            "a power loss needs a disk that can lose it: root, and a free loop device (/dev/loop-control): {}",
            String::from_utf8_lossy(&ended.stderr)
        );
    }

    /// Takes the power away from whoever wrote, who must have been stopped, and gives it back.
    fn lose_power(&mut self, round: usize, end_writers: impl FnOnce()) {
        let copy = self.image.with_file_name(format!("{}.img", round + 1));
        self.copy_at_rest(&copy);
        end_writers();
        must("umount", &[self.mounted.to_str().unwrap()]);
        fs::remove_file(&self.image).unwrap();
        self.image = copy;
        self.mount();
    }

    /// Copies the image as it is at one moment. The kernel may just be writing pages back; two
    /// equal copies in a row say that it was not.
    fn copy_at_rest(&self, to: &Path) {
        let copy = |to: &Path| {
            let (image, to) = (self.image.to_str().unwrap(), to.to_str().unwrap());
            must("cp", &["--sparse=always", image, to]);
        };
        let second = to.with_extension("again");
        for _ in 0..20 {
            copy(to);
            copy(&second);
            let equal = run("cmp", &[to.to_str().unwrap(), second.to_str().unwrap()]);
            if equal.status.success() {
                fs::remove_file(second).unwrap();
                return;
            }
        }
        panic!("the image never came to rest");
    }
}

/// Stops a process, and waits until all its threads stand still.
fn stop(pid: u32) {
    must("kill", &["-STOP", &pid.to_string()]);
    let tasks = PathBuf::from(format!("/proc/{pid}/task"));
    let stands_still = |task: &Path| {
        let stat = fs::read_to_string(task.join("stat")).unwrap();
        // The state follows the name, which is in brackets and may hold anything.
        stat.rsplit_once(") ").unwrap().1.starts_with('T')
    };
    let all = || {
        let tasks = fs::read_dir(&tasks).unwrap();
        tasks
            .map(|task| task.unwrap().path())
            .all(|task| stands_still(&task))
    };
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !all() {
        assert!(std::time::Instant::now() < until, "process {pid} runs on");
        std::thread::yield_now();
    }
}

/// The child, in a mount namespace of its own.
#[test]
fn child_loses_power_again_and_again() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let rounds = if long() { 40 } else { 3 };
    let mut disk = Disk::make(Path::new(&folder));
    let data = disk.mounted.join("data");
    let unsynced = disk.mounted.join("unsynced");
    let mut told = Told::none();
    let mut losses = 0;
    for round in 0..rounds {
        let writers = Writers::start(&data, &told);
        writers.wait_for(300 + (round * 397) % 2000, &mut told);
        // Nobody syncs this one: it shows whether the power loss is one.
        fs::write(&unsynced, vec![7; 1 << 20]).unwrap();
        stop(writers.pid());
        disk.lose_power(round, || writers.kill(&mut told));
        let kept = fs::read(&unsynced).unwrap_or_default();
        losses += usize::from(kept != vec![7; 1 << 20]);
        told = assert_holds(&data, &told, round % 2 == 1);
        let _absent = fs::remove_file(&unsynced);
    }
    assert!(
        losses > 0,
        "in {rounds} rounds nothing was lost that was not synced"
    );
    println!("{rounds} power losses, {} steps told", told.total());
}

/// Invariant 1: nothing acknowledged is lost.
#[test]
fn a_power_loss_with_64_concurrent_writers_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    // The mounts are seen, and live, in the child's own mount namespace alone.
    let ended = Command::new("unshare")
        .args(["--mount", "--"])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "power_loss::child_loses_power_again_and_again",
            "--nocapture",
        ])
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&ended.stdout);
    assert!(
        ended.status.success(),
        "{told}{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    assert!(told.contains("1 passed"), "{told}");
    print!("{told}");
}

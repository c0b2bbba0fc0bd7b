//! What the kernel tells of processes, folders and the machine.
//!
//! Sources: proc_pid_stat(5) and proc_pid_status(5) for processes, stat(2) for what files occupy.
//! Limits: CPU comes in clock ticks, 10 ms on Linux, so a measured time should be 1 s or more.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use portolan_wire::time::UnixMicros;

use crate::bench::table::{Table, megabytes};

/// User and system time of a process since its start, its ended threads included.
pub fn cpu(pid: u32) -> anyhow::Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("could not read {path}"))?;
    let ticks = cpu_ticks(&stat).with_context(|| format!("{path} is not as proc(5) says"))?;
    Ok(Duration::from_secs_f64(
        ticks as f64 / rustix::param::clock_ticks_per_second() as f64,
    ))
}

/// User and system time of this process since its start, its ended threads included, to the
/// nanosecond.
pub fn own_cpu() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    spent.try_into().unwrap_or_default()
}

/// The fields 14 (utime) and 15 (stime), together.
fn cpu_ticks(stat: &str) -> Option<u64> {
    // Field 2 is the name in parentheses, which may hold spaces and parentheses; 3 follows it.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// Resident memory of a process, in bytes.
pub fn rss_bytes(pid: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("could not read {path}"))?;
    kilobytes_of(&status, "VmRSS:")
        .map(|kb| kb * 1_024)
        .with_context(|| format!("{path} has no VmRSS"))
}

/// The value of a line such as `VmRSS:     1234 kB`.
fn kilobytes_of(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// What the files of a folder occupy on disk, in bytes: blocks, not lengths, because stores
/// allocate journals before they fill them.
pub fn disk_bytes(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in
        fs::read_dir(folder).with_context(|| format!("could not read {}", folder.display()))?
    {
        let entry = entry?;
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            // A running store deletes files between the listing and the question.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        // st_blocks counts units of 512 bytes, whatever the file system's block is (stat(2)).
        bytes += metadata.blocks() * 512;
        if metadata.is_dir() {
            bytes += disk_bytes(&entry.path())?;
        }
    }
    Ok(bytes)
}

/// Writes the machine, the date and, where a folder is given, its file system into the table.
pub fn describe(table: &mut Table, folder: Option<&Path>) {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpus = read("/proc/cpuinfo");
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown", |(_, model)| model);
    let memory = kilobytes_of(&read("/proc/meminfo"), "MemTotal:").unwrap_or(0) * 1_024;
    table.figure(
        "cores",
        cores.to_string(),
        format!("{model}; {} memory", megabytes(memory)),
    );
    table.figure("kernel", read("/proc/sys/kernel/osrelease").trim(), now());
    if let Some(folder) = folder {
        let kind = rustix::fs::statfs(folder).map_or("unknown", |fs| file_system(fs.f_type as u64));
        table.figure("file system", kind, "of the data folder");
    }
}

/// Names by the magic numbers of include/uapi/linux/magic.h.
fn file_system(magic: u64) -> &'static str {
    match magic {
        0xef53 => "ext4",
        0x5846_5342 => "xfs",
        0x9123_683e => "btrfs",
        0x2fc1_2fc1 => "zfs",
        0xf2f5_2010 => "f2fs",
        0x794c_7630 => "overlay",
        0x0102_1994 => "tmpfs, where a sync costs nothing",
        _ => "unknown",
    }
}

#[expect(clippy::disallowed_methods, reason = "when a bench was run")]
fn now() -> String {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixMicros::from_seconds(i64::try_from(since.as_secs()).unwrap_or(i64::MAX)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_fields_14_and_15_whatever_the_name_of_the_process() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 90 0 0 0 150 25 0 0 20 0 4 0 100 0 0";
        assert_eq!(cpu_ticks(stat), Some(175));
        assert_eq!(cpu_ticks("7 (a) S 1 7"), None);
        assert_eq!(cpu_ticks(""), None);
    }

    #[test]
    fn this_process_has_used_cpu_and_memory_and_none_has_the_pid_0() {
        let own = std::process::id();
        let before = cpu(own).unwrap();
        while cpu(own).unwrap() == before {
            std::hint::black_box(0);
        }
        assert!(rss_bytes(own).unwrap() > 100_000);
        assert!(cpu(0).is_err());
        assert!(rss_bytes(0).is_err());
    }

    #[test]
    fn a_line_in_kilobytes_is_found_by_its_name() {
        let status = "VmHWM:\t    9 kB\nVmRSS:\t   12 kB\n";
        assert_eq!(kilobytes_of(status, "VmRSS:"), Some(12));
        assert_eq!(kilobytes_of(status, "VmSwap:"), None);
    }

    #[test]
    fn a_folder_occupies_what_its_files_do_at_every_depth() {
        let folder = tempfile::tempdir().unwrap();
        let empty = disk_bytes(folder.path()).unwrap();
        fs::create_dir(folder.path().join("deep")).unwrap();
        fs::write(folder.path().join("deep/file"), vec![1; 1_000_000]).unwrap();
        let written = disk_bytes(folder.path()).unwrap() - empty;
        assert!((1_000_000..1_200_000).contains(&written), "{written}");
    }
}

//! Reads `/proc/PID/stat`.

/// `PF_KTHREAD` of include/linux/sched.h.
const KERNEL_THREAD: u64 = 0x0020_0000;

/// `PF_EXITING` of the same: it ends. Its memory goes first, then its files.
const EXITING: u64 = 0x4;

/// What the collector needs of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) parent: u32,
    pub(crate) kernel_thread: bool,
    /// It ends, or has ended and waits for its parent to notice: its program shows no longer.
    pub(crate) ended: bool,
    /// When it started, in clock ticks since boot: with the pid it names a process for good.
    pub(crate) start_ticks: u64,
}

impl Stat {
    /// The fields of proc_pid_stat(5). The name may hold any byte, also spaces and parentheses, so
    /// counting starts behind its last `)`.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let name_end = bytes.iter().rposition(|byte| *byte == b')')?;
        let rest = str::from_utf8(bytes.get(name_end + 1..)?).ok()?;
        // state 3, parent 4, flags 9, start 22
        let mut fields = rest.split_ascii_whitespace();
        let state = fields.next()?;
        let parent = fields.next()?.parse().ok()?;
        let flags: u64 = fields.nth(4)?.parse().ok()?;
        let start_ticks = fields.nth(12)?.parse().ok()?;
        Some(Self {
            parent,
            kernel_thread: flags & KERNEL_THREAD != 0,
            ended: flags & EXITING != 0 || matches!(state, "Z" | "X"),
            start_ticks,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SSHD: &str =
        "812 (sshd) S 1 812 812 0 -1 4194560 1471 0 9 0 3 2 0 0 20 0 1 0 8934 15937536 1894\n";

    #[test]
    fn known_samples_are_read_exactly() {
        let sshd = Stat {
            parent: 1,
            kernel_thread: false,
            ended: false,
            start_ticks: 8934,
        };
        assert_eq!(Stat::parse(SSHD.as_bytes()), Some(sshd));
        let zombie = SSHD.replace(") S ", ") Z ");
        let exiting = SSHD.replace(" 4194560 ", " 4194564 ");
        let ended = Stat {
            ended: true,
            ..sshd
        };
        for line in [zombie, exiting] {
            assert_eq!(Stat::parse(line.as_bytes()), Some(ended));
        }
        let thread = "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 3 0 0";
        let expected = Stat {
            parent: 0,
            kernel_thread: true,
            ended: false,
            start_ticks: 3,
        };
        assert_eq!(Stat::parse(thread.as_bytes()), Some(expected));
    }

    #[test]
    fn a_name_that_imitates_the_fields_misleads_nobody() {
        let imitating = SSHD.replace("sshd", "x) S 77 1 1 0 -1 0 (y");
        assert_eq!(
            Stat::parse(imitating.as_bytes()),
            Stat::parse(SSHD.as_bytes())
        );
    }

    #[test]
    fn a_cut_line_is_refused() {
        let end = SSHD.find("8934").unwrap();
        for length in 0..=end {
            assert_eq!(Stat::parse(&SSHD.as_bytes()[..length]), None, "{length}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_every_name_reads_back(
            junk in proptest::collection::vec(any::<u8>(), 0..200),
            name in proptest::collection::vec(any::<u8>(), 0..16),
            parent in any::<u32>(),
            start_ticks in any::<u64>(),
        ) {
            let _whatever = Stat::parse(&junk);
            let mut line = b"7 (".to_vec();
            line.extend(name);
            line.extend(format!(") R {parent} 0 0 0 0 64 0 0 0 0 0 0 0 0 0 0 1 0 {start_ticks} 1").bytes());
            let expected = Stat { parent, kernel_thread: false, ended: false, start_ticks };
            prop_assert_eq!(Stat::parse(&line), Some(expected));
        }
    }
}

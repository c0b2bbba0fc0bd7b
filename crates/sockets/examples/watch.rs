//! Shows what the kernel tells of ports, for some seconds, and what that cost:
//! `cargo run --release -p portolan-sockets --example watch -- 10`, as root.
//! With `sysctl kernel.bpf_stats_enabled=1` the kernel measures the cost.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::error::Error;
use std::time::{Duration, Instant};

use portolan_sockets::Watch;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

fn main() -> Result<(), Box<dyn Error>> {
    let seconds = std::env::args().nth(1).map_or(Ok(10), |it| it.parse())?;
    let begin = Instant::now();
    let mut watch = Watch::attach()?;
    println!("attached in {:?}", begin.elapsed());
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut lost = 0;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        let left = Timespec::try_from(left)?;
        poll(&mut [PollFd::new(&watch.fd(), PollFlags::IN)], Some(&left))?;
        lost += watch.drain(|event| println!("{event:?}"));
    }
    let begin = Instant::now();
    let mut holders = 0_u32;
    watch.holders(|_| holders += 1)?;
    println!(
        "{holders} holders in {:?}, {lost} events lost",
        begin.elapsed()
    );
    println!("{:#?}", watch.cost());
    Ok(())
}

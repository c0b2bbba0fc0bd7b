//! What looking once a second costs, second after second.

use std::time::{Duration, Instant};

use portolan_sockets::{Collector, Options};

use crate::cost;
use crate::figures::ms;

/// Looks once a second for that many seconds, at all namespaces and then in turn, and prints the
/// share of a core.
pub(crate) fn watch(seconds: u64) -> anyhow::Result<()> {
    println!(
        "\n| once a second, for {seconds} s | CPU ms a look | of a core | oldest look |\n|---|---:|---:|---:|"
    );
    for (what, within) in [
        ("all namespaces", Duration::MAX),
        ("as much as 5 ms are enough for", Duration::from_millis(5)),
        ("the own one and one other", Duration::ZERO),
    ] {
        let mut collector = Collector::new(Options::default());
        collector.scan()?;
        let (mut whole, mut oldest) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..seconds {
            let start = Instant::now();
            let (scan, cost) = cost::of(|| collector.scan_within(within));
            oldest = oldest.max(scan?.statistics.oldest_look);
            whole += cost;
            // A bench of a pace keeps it; nothing is waited for.
            std::thread::sleep(Duration::from_secs(1).saturating_sub(start.elapsed()));
        }
        let looks = u32::try_from(seconds).unwrap_or(u32::MAX).max(1);
        let share = whole.as_secs_f64() / Duration::from_secs(seconds).as_secs_f64() * 100.0;
        let (each, age) = (ms(&(whole / looks)), oldest.as_secs_f64());
        println!("| {what} | {each:.2} | {share:.2} % | {age:.1} s |");
    }
    Ok(())
}

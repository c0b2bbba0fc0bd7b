//! Takes the figures, turn by turn, and prints them as a Markdown table.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use portolan_sockets::{Collector, HolderWalk, Options, Scan, Watch};

use crate::contenders::ALL;
use crate::scene::{Scene, Size, netns_of};
use crate::{Args, cost, steady};

/// One line of the table: what was measured, and each of its rounds.
struct Line {
    what: String,
    rounds: Vec<Duration>,
}

/// How long processes of the scene may count as new.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);
/// Looks one after the other, with warm caches.
const IN_A_ROW: u32 = 20;

/// Makes the scene and measures.
pub(crate) fn take(args: &Args) -> anyhow::Result<()> {
    let mut scene = Scene::make(&args.size)?;
    let mut collector = collector();
    check(&collector.scan()?, &args.size)?;
    settle(&mut collector)?;
    // A walk works also once its watch has ended, whose events would cost what is measured.
    let walk = Watch::attach()
        .inspect_err(|error| println!("without the kernel's list of holders: {error}\n"))
        .map(|watch| watch.holder_walk())
        .ok();
    let mut lines: Vec<Line> = Vec::new();
    for round in 0..=args.rounds {
        let taken = one_round(&mut scene, &mut collector, walk.as_ref(), &args.size)?;
        // The first one warms caches.
        if round == 0 {
            lines.extend(taken.into_iter().map(|(what, _)| Line {
                what,
                rounds: Vec::new(),
            }));
            continue;
        }
        for (line, (_, cost)) in lines.iter_mut().zip(taken) {
            line.rounds.push(cost);
        }
    }
    print(&mut lines, &args.size);
    if args.steady > 0 {
        steady::watch(args.steady)?;
    }
    Ok(())
}

/// Waits until no process of the scene is young: those are read again in each scan.
fn settle(collector: &mut Collector) -> anyhow::Result<()> {
    let start = Instant::now();
    while collector.scan()?.statistics.pids_looked_at > 0 {
        ensure!(start.elapsed() < SETTLED_WITHIN, "processes come and go");
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn collector() -> Collector {
    Collector::new(Options::default())
}

/// Whether the collector finds what was made.
fn check(scan: &Scan, size: &Size) -> anyhow::Result<()> {
    let (tcp, udp) = size.own();
    let expected = tcp + udp + size.others();
    let owned = scan.sockets.iter().filter(|it| it.port.pid.is_some());
    ensure!(
        owned.count() == expected && scan.sockets.len() == expected,
        "found {} sockets, not {expected}, with owners: {:?}",
        scan.sockets.len(),
        scan.unseen
    );
    Ok(())
}

fn one_round(
    scene: &mut Scene,
    kept: &mut Collector,
    walk: Option<&HolderWalk>,
    size: &Size,
) -> anyhow::Result<Vec<(String, Duration)>> {
    let own = BTreeSet::from([netns_of("self")?]);
    let mut taken = Vec::new();
    let mut note = |what: &str, cost: Duration| taken.push((what.to_owned(), cost));
    let (first, cost) = cost::of(|| collector().scan());
    check(&first?, size)?;
    note("Portolan, first scan, all namespaces", cost);
    if let Some(walk) = walk {
        let mut collector = collector();
        collector.set_holders(Box::new(walk.clone()));
        let (first, cost) = cost::of(|| collector.scan());
        let first = first?;
        check(&first, size)?;
        ensure!(
            first.statistics.holder_passes == 1 && first.statistics.fd_dirs_walked == 0,
            "the kernel did not tell all holders: {:?}",
            first.statistics
        );
        note("Portolan, first scan, holders from the kernel", cost);
    }
    let (all, cost) = cost::of(|| kept.scan());
    let all = all?;
    ensure!(all.statistics.fd_dirs_walked == 0, "something changed");
    note("Portolan, unchanged scan, all namespaces", cost);
    let (_, cost) = cost::of(|| kept.look_into(&own));
    note("Portolan, unchanged look into the own namespace", cost);
    let (_, cost) = cost::of(|| {
        for _ in 0..IN_A_ROW {
            let _unchanged = kept.look_into(&own);
        }
    });
    note("the same, one of 20 in a row", cost / IN_A_ROW);
    let (_, cost) = cost::of(|| kept.look_into(&BTreeSet::new()));
    note("Portolan, look into none", cost);
    scene.server()?.open()?;
    let (scan, cost) = cost::of(|| kept.scan());
    ensure!(
        scan?.statistics.sockets_searched == 1,
        "a listener was opened"
    );
    note("Portolan, one new listener, all namespaces", cost);
    scene.server()?.close()?;
    kept.scan()?;
    let there = scene.server_elsewhere()?;
    there.open()?;
    let elsewhere = BTreeSet::from([there.netns()?]);
    let (scan, cost) = cost::of(|| kept.look_into(&elsewhere));
    ensure!(
        scan?.statistics.sockets_searched == 1,
        "a listener was opened"
    );
    note("Portolan, one new listener, look into its namespace", cost);
    there.close()?;
    kept.scan()?;
    for contender in ALL {
        let (tcp, udp) = size.own();
        let cost = contender
            .list(tcp + udp)
            .with_context(|| contender.name())?;
        note(&contender.name(), cost);
    }
    let mut each = Duration::ZERO;
    for pid in scene.elsewhere().take(2) {
        let netns = format!("--net=/proc/{pid}/ns/net");
        each += cost::of_command(&["nsenter", &netns, "ss", "-H", "-lntup"])?;
    }
    note("`ss -H -lntup` in one further namespace", each / 2);
    Ok(taken)
}

fn print(lines: &mut [Line], size: &Size) {
    let (tcp, udp) = size.own();
    println!(
        "{tcp} TCP and {udp} UDP in the own namespace, {} more in {} others\n",
        size.others(),
        size.namespaces
    );
    let ss = "`ss -H -lntup`";
    let reference = lines.iter_mut().find(|line| line.what == ss).map(median);
    println!("| what | CPU ms, median (range) | of `ss` |\n|---|---:|---:|");
    for line in lines {
        let middle = median(line);
        let range = (line.rounds.first(), line.rounds.last());
        let (lowest, highest) = (range.0.map_or(0.0, ms), range.1.map_or(0.0, ms));
        let of_ss = reference.map_or(0.0, |ss| middle.as_secs_f64() / ss.as_secs_f64());
        let (what, middle) = (&line.what, ms(&middle));
        println!("| {what} | {middle:.2} ({lowest:.2} to {highest:.2}) | {of_ss:.3} |");
    }
}

/// The middle one; sorts them.
fn median(line: &mut Line) -> Duration {
    line.rounds.sort_unstable();
    let middle = line.rounds.get(line.rounds.len() / 2);
    middle.copied().unwrap_or_default()
}

pub(crate) fn ms(duration: &Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

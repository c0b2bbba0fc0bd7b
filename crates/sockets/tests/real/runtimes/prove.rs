//! What holds for every runtime.

use super::show::{Shown, assert_shows};
use super::{Network, Runtime};
use crate::scene::{collector, eventually, netns_inode};

const WEB: &str = "shared=0.0.0.0:8080 tcp=[::]:8081 udp=0.0.0.0:5300";

/// Starts, restarts, replaces and removes containers, and asks after each step.
pub(super) fn prove(runtime: &impl Runtime) {
    let mut collector = collector();
    let web = runtime.start("web", Network::Own, WEB);
    let hosted = runtime.start("hosted", Network::Host, "tcp=127.0.0.1:8082");
    let beside = runtime.start(
        "beside",
        Network::Of(&web),
        "tcp=0.0.0.0:8083 udp=[::]:5301",
    );
    let of_hosted = [Shown::of(&hosted, None, "tcp 127.0.0.1:8082")];
    let of_web = |web, netns| {
        [
            Shown::of(web, Some(netns), "tcp 0.0.0.0:8080").held_by(2),
            Shown::of(web, Some(netns), "tcp *:8081"),
            Shown::of(web, Some(netns), "udp 0.0.0.0:5300"),
        ]
    };
    let of_beside = |netns| {
        [
            Shown::of(&beside, Some(netns), "tcp 0.0.0.0:8083"),
            Shown::of(&beside, Some(netns), "udp *:5301"),
        ]
    };
    let all = |rows: &[&[Shown]]| rows.concat();
    assert_shows(
        &mut collector,
        &all(&[&of_web(&web, &web), &of_beside(&web), &of_hosted]),
    );

    // It comes back with its id in a new namespace; the other stays in the old one.
    let again = runtime.restart(&web);
    assert_eq!(again.id, web.id);
    assert_ne!(again.pid, web.pid);
    assert_ne!(netns_inode(again.pid), netns_inode(beside.pid));
    assert_shows(
        &mut collector,
        &all(&[&of_web(&again, &again), &of_beside(&beside), &of_hosted]),
    );
    // What a collector remembers must not make it disagree with one that starts now.
    assert_shows(
        &mut crate::scene::collector(),
        &all(&[&of_web(&again, &again), &of_beside(&beside), &of_hosted]),
    );

    runtime.remove("beside");
    assert_shows(&mut collector, &all(&[&of_web(&again, &again), &of_hosted]));

    // Another one takes its name.
    runtime.remove("web");
    let other = runtime.start("web", Network::Own, WEB);
    assert_shows(&mut collector, &all(&[&of_web(&other, &other), &of_hosted]));

    runtime.remove("web");
    runtime.remove("hosted");
    assert_shows(&mut collector, &[]);
    eventually("only the host's namespace is left", || {
        collector.scan().unwrap().coverage.namespaces == Some(1)
    });
}

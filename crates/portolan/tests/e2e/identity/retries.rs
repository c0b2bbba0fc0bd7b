//! Answers that are lost after the server took the report.

use super::proxy::Proxy;
use super::scene::Scene;

#[test]
fn a_report_whose_answer_is_lost_is_sent_again_and_counted_once() {
    let mut scene = Scene::start();
    let host = scene.add("h", "a", &[22]);
    let proxy = Proxy::before(&scene.reads.url, 3);
    scene.computers[host].server_url = Some(proxy.url.clone());
    scene.start_agent(host);
    scene.pass_s(20);
    assert_eq!(proxy.lost(), 3);
    let became = |scene: &Scene, what: &str| {
        let name = format!("portolan_reports_total{{result=\"{what}\"}}");
        scene.reads.metric(&name)
    };
    assert_eq!(
        (became(&scene, "accepted"), became(&scene, "repeated")),
        (1, 3)
    );
    assert_eq!(scene.reads.metric("portolan_commits_total"), 1);
    let page = scene.host("h");
    assert_eq!((&page["sequence"], scene.num(22)), (&1.into(), 1), "{page}");
    assert!(!scene.in_conflict("h"));
    // A set that changes while the fate of the last report is unknown: neither is counted beside
    // the other, whichever arrived.
    let lossy = Proxy::before(&scene.reads.url, 1);
    scene.stop_agent(host);
    scene.computers[host].server_url = Some(lossy.url.clone());
    scene.start_agent(host);
    scene.computers[host].ports = vec![22, 80];
    scene.pass_s(1);
    scene.computers[host].ports = vec![22, 443];
    scene.pass_s(20);
    assert_eq!(lossy.lost(), 1);
    let nums = [22, 80, 443].map(|port| scene.num(port));
    assert_eq!(nums, [1, 0, 1]);
    assert!(!scene.in_conflict("h") && scene.is_fresh("h"));
    scene.end();
}

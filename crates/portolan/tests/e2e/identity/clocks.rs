//! Clocks of hosts that are wrong, and state folders that are lost: the newest set is counted.

use std::time::Duration;

use super::scene::{DAY_S, Scene};

const TEN_MINUTES: Duration = Duration::from_secs(600);

#[test]
fn a_clock_that_is_set_back_keeps_no_change_from_the_counts() {
    let mut scene = Scene::start();
    let host = scene.run("h", "a", &[22]);
    scene.pass_s(60);
    // While the agent runs.
    scene.computers[host].clock_off_s = -DAY_S;
    scene.computers[host].ports = vec![22, 80];
    scene.pass_s(5);
    assert_eq!((scene.num(22), scene.num(80)), (1, 1));
    // Between two starts of it.
    let before = scene.generation(host);
    scene.stop_agent(host);
    scene.computers[host].ports = vec![443];
    scene.start_agent(host);
    assert_eq!(scene.generation(host), before + 1);
    scene.pass_s(5);
    assert_eq!((scene.num(22), scene.num(80), scene.num(443)), (0, 0, 1));
    assert!(!scene.in_conflict("h"));
    scene.end();
}

#[test]
fn an_agent_that_started_under_a_clock_two_days_ahead_is_counted_once_the_clock_is_right() {
    let mut scene = Scene::start();
    scene.run("other", "a", &[22]);
    let ahead = scene.add("h", "b", &[22, 80]);
    scene.computers[ahead].clock_off_s = 2 * DAY_S;
    scene.start_agent(ahead);
    scene.pass_s(300);
    assert_eq!((scene.num(22), scene.num(80)), (1, 0), "it is refused");
    assert!(
        scene
            .reads
            .metric("portolan_reports_total{result=\"rejected\"}")
            > 3
    );
    let wrong = scene.generation(ahead);
    scene.computers[ahead].clock_off_s = 0;
    scene.pass_until("it is counted, without a restart", TEN_MINUTES, |scene| {
        scene.num(80) == 1
    });
    assert_eq!(scene.num(22), 2);
    assert!(scene.generation(ahead) < wrong, "kept in the state folder");
    // The next start goes on from it.
    scene.stop_agent(ahead);
    scene.computers[ahead].ports = vec![443];
    scene.start_agent(ahead);
    scene.pass_s(5);
    assert_eq!((scene.num(22), scene.num(443)), (1, 1));
    scene.end();
}

#[test]
fn an_agent_that_lost_its_state_folder_is_counted_at_once_while_its_clock_is_right() {
    let mut scene = Scene::start();
    let host = scene.run("h", "before", &[22]);
    scene.pass_s(60);
    scene.stop_agent(host);
    let computer = &mut scene.computers[host];
    (computer.folder, computer.next_agent_id, computer.ports) = (None, "after", vec![80]);
    scene.start_agent(host);
    scene.pass_s(5);
    assert_eq!((scene.num(22), scene.num(80)), (0, 1));
    assert_eq!(scene.host("h")["agent_id"], "after");
    scene.pass_s(600);
    assert!(scene.is_fresh("h") && !scene.in_conflict("h"));
    scene.end();
}

/// What it reported before lies ahead of its clock, under an agent id that nobody has any more.
#[test]
fn an_agent_that_lost_its_state_folder_is_counted_within_minutes_while_its_clock_is_behind() {
    let mut scene = Scene::start();
    let host = scene.run("h", "before", &[22]);
    scene.pass_s(60);
    let held = scene.generation(host);
    scene.stop_agent(host);
    let computer = &mut scene.computers[host];
    (computer.folder, computer.next_agent_id, computer.ports) = (None, "after", vec![80]);
    computer.clock_off_s = -10 * DAY_S;
    scene.start_agent(host);
    scene.pass_s(150);
    // Silence closes no port: until it is known that nobody else speaks, the old set stays.
    assert_eq!((scene.num(22), scene.num(80)), (1, 0));
    let took_s = scene.pass_until("the new set is counted", TEN_MINUTES, |scene| {
        scene.num(80) == 1
    });
    assert!(took_s >= 30, "{took_s}");
    assert_eq!(scene.num(22), 0);
    assert_eq!(scene.host("h")["agent_id"], "after");
    assert_eq!(scene.generation(host), held + 1, "kept in the state folder");
    scene.computers[host].ports = vec![80, 443];
    scene.pass_s(5);
    assert_eq!((scene.num(80), scene.num(443)), (1, 1));
    scene.pass_s(120);
    assert!(scene.is_fresh("h") && !scene.in_conflict("h"));
    scene.end();
}

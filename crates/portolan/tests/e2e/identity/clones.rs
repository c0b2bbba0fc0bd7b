//! Two machines, or two agents, that claim to be one host: shown, never mixed.

use std::time::Duration;

use super::scene::Scene;

const MINUTE_S: u64 = 60;

/// The set of one of two machines is counted, whole, and nothing of the other.
fn assert_one_of_two(scene: &Scene) {
    let (both, first, second) = (scene.num(22), scene.num(1_001), scene.num(2_002));
    assert_eq!((both, first + second), (1, 1), "{first} and {second}");
    let held = &scene.host("h")["data_list"];
    assert_eq!(held.as_array().unwrap().len(), 2, "{held}");
}

#[test]
fn a_clone_is_shown_and_never_mixed_with_its_original_until_it_has_an_id_of_its_own() {
    let mut scene = Scene::start();
    let original = scene.run("h", "original", &[22, 1_001]);
    scene.pass_s(MINUTE_S);
    assert_eq!((scene.num(1_001), scene.in_conflict("h")), (1, false));
    // An image without a state folder: the same machine-id, another agent.
    let clone = scene.run("h", "clone", &[22, 2_002]);
    scene.pass_s(MINUTE_S);
    // The clone's agent has nothing to say but heartbeats for half an hour.
    scene.pass(Duration::from_secs(30 * MINUTE_S), |scene| {
        assert_one_of_two(scene);
        assert!(scene.in_conflict("h"));
        assert_eq!(scene.num(2_002), 1, "the newer start is held all the time");
    });
    assert!(scene.reads.metric("portolan_identity_conflicts_total") > 10);
    // Whatever changes on either side, nothing is mixed.
    for round in 0_u16..4 {
        scene.computers[original].ports = vec![22, 1_001 + 10_000 * (round % 2)];
        scene.computers[clone].ports = vec![22, 2_002];
        scene.pass_s(2 * MINUTE_S);
        assert_one_of_two(&scene);
        assert!(scene.in_conflict("h"));
    }
    // A person gives the clone an id of its own.
    scene.stop_agent(clone);
    let computer = &mut scene.computers[clone];
    (computer.host_id, computer.folder) = ("h-clone", None);
    scene.start_agent(clone);
    scene.computers[original].ports = vec![22, 1_001];
    let hour = Duration::from_secs(3_600);
    scene.pass_s(5);
    // Until the original has found the other silent, its ports are those of the clone's last report.
    scene.pass_until("the original is counted again", hour, |scene| {
        assert_eq!(scene.num(1_001) + scene.num(2_002), 2);
        scene.num(1_001) == 1
    });
    scene.pass_until("the flag goes out", hour, |scene| !scene.in_conflict("h"));
    let nums = [22, 1_001, 2_002].map(|port| scene.num(port));
    assert_eq!(nums, [2, 1, 1]);
    assert!(!scene.in_conflict("h-clone"));
    scene.end();
}

/// A machine copied with its state folder: one agent id, one last generation, two sets.
#[test]
fn a_clone_with_the_state_folder_of_its_original_is_shown_and_never_mixed_with_it() {
    for apart_s in [0, 7] {
        let mut scene = Scene::start();
        let original = scene.run("h", "both", &[22, 1_001]);
        scene.pass_s(MINUTE_S);
        scene.stop_agent(original);
        let folder = scene.computers[original].folder.clone();
        let clone = scene.add("h", "both", &[22, 2_002]);
        scene.computers[clone].folder = folder;
        scene.start_agent(original);
        scene.pass_s(apart_s);
        scene.start_agent(clone);
        scene.pass_s(MINUTE_S);
        scene.pass(Duration::from_secs(10 * MINUTE_S), assert_one_of_two);
        assert!(scene.in_conflict("h"), "{apart_s} s apart");
        scene.end();
    }
}

/// Of two agents the one that is held goes silent: the other takes its place, and not before.
#[test]
fn the_second_agent_of_a_host_takes_over_when_the_first_has_gone_silent() {
    let mut scene = Scene::start();
    let first = scene.run("h", "first", &[22, 1_001]);
    scene.pass_s(MINUTE_S);
    let second = scene.run("h", "second", &[22, 2_002]);
    scene.pass_s(20 * MINUTE_S);
    assert_eq!((scene.num(1_001), scene.num(2_002)), (0, 1));
    let held = scene.generation(second);
    scene.stop_agent(second);
    let within = Duration::from_secs(10 * MINUTE_S);
    let took_s = scene.pass_until("the first is counted again", within, |scene| {
        assert_one_of_two(scene);
        scene.num(1_001) == 1
    });
    assert!(
        took_s >= 180,
        "three intervals of silence, and three more: {took_s} s"
    );
    assert_eq!(
        scene.generation(first),
        held + 1,
        "kept in the state folder"
    );
    scene.pass_s(2 * MINUTE_S);
    assert!(scene.is_fresh("h") && !scene.in_conflict("h"));
    // The one that was silent comes back while the other speaks: a clone again, and not mixed.
    scene.start_agent(second);
    scene.pass_s(MINUTE_S);
    assert_one_of_two(&scene);
    assert!(scene.in_conflict("h"));
    scene.end();
}

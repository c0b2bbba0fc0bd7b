use super::*;

const MACHINE: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "ffffffffffffffff0123456789abcdef";
const UUID: &str = "4c4c4544-0042-3510-8054-b7c04f333432";
const NOW: u64 = 1_764_000_000;

fn sources(cloud: Option<&str>, machine: Option<&str>, product: Option<&str>) -> Sources {
    Sources {
        cloud_instance_id: cloud.map(str::to_owned),
        machine_id: machine.map(str::to_owned),
        product_uuid: product.map(str::to_owned),
    }
}

/// A start with ids that count up, so that a new one is seen.
fn start(last: Option<&Kept>, sources: &Sources, now_s: u64) -> Kept {
    let mut count = last.map_or(0, |last| last.generation);
    Kept::at_start(last.cloned(), sources, now_s, || {
        count += 1;
        format!("{count:032x}")
    })
}

#[test]
fn the_host_id_is_a_keyed_hash_of_exactly_these_bytes() {
    let reference = |message: &[u8]| {
        let mut hash = Hmac::<Sha256>::new_from_slice(b"portolan-host-id-1").unwrap();
        hash.update(message);
        let bytes = hash.finalize().into_bytes();
        bytes
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let with = start(None, &sources(None, Some(MACHINE), Some(UUID)), NOW);
    assert_eq!(
        with.host.host_id,
        reference(format!("{MACHINE}\n{UUID}").as_bytes())
    );
    let without = start(None, &sources(None, Some(MACHINE), None), NOW);
    assert_eq!(
        without.host.host_id,
        reference(format!("{MACHINE}\n").as_bytes())
    );
    assert_ne!(with.host.host_id, without.host.host_id);
    assert!(
        !serde_json::to_string(&with).unwrap().contains(MACHINE),
        "never the raw machine-id"
    );
}

/// The value was computed by another implementation: `printf '0123456789abcdef0123456789abcdef\n' |
/// openssl dgst -sha256 -hmac portolan-host-id-1`.
#[test]
fn the_host_id_of_a_known_machine_is_known() {
    let kept = start(None, &sources(None, Some(MACHINE), None), NOW);
    assert_eq!(kept.host.host_id, "2bc5137d8be499c0178f2ceffe701617");
}

#[test]
fn a_kept_host_id_stays_whether_dmi_is_readable_or_not() {
    let first = start(None, &sources(None, Some(MACHINE), None), NOW);
    let second = start(Some(&first), &sources(None, Some(MACHINE), Some(UUID)), NOW);
    assert_eq!(second.host.host_id, first.host.host_id);
    assert_eq!(second.agent_id, first.agent_id);
    assert!(
        second.host.product.is_some(),
        "noted, so that a clone is noticed later"
    );
    let third = start(Some(&second), &sources(None, None, None), NOW);
    assert_eq!((third.host, third.agent_id), (second.host, first.agent_id));
}

#[test]
fn a_clone_with_another_machine_id_or_board_gets_new_ids() {
    let first = start(None, &sources(None, Some(MACHINE), Some(UUID)), NOW);
    let other_board = "11111111-0042-3510-8054-b7c04f333432";
    for clone in [
        sources(None, Some(OTHER), Some(UUID)),
        sources(None, Some(OTHER), None),
        sources(None, Some(MACHINE), Some(other_board)),
    ] {
        let second = start(Some(&first), &clone, NOW);
        assert_ne!(second.host.host_id, first.host.host_id, "{clone:?}");
        assert_ne!(second.agent_id, first.agent_id, "{clone:?}");
        assert_eq!(
            start(Some(&second), &clone, NOW).host,
            second.host,
            "and keeps them"
        );
    }
}

#[test]
fn a_cloud_instance_id_wins_over_a_shared_machine_id() {
    let first = start(None, &sources(Some("i-1"), Some(MACHINE), None), NOW);
    assert_eq!(
        (first.host.host_id.as_str(), first.host.basis),
        ("i-1", Basis::Cloud)
    );
    let clone = start(
        Some(&first),
        &sources(Some("i-2"), Some(MACHINE), None),
        NOW,
    );
    assert_eq!(clone.host.host_id, "i-2");
    assert_ne!(clone.agent_id, first.agent_id);
    let early = start(Some(&first), &sources(None, Some(MACHINE), None), NOW);
    assert_eq!(
        early.host, first.host,
        "cloud-init has not run yet: the kept id stays"
    );
}

#[test]
fn a_machine_that_tells_nothing_keeps_a_random_id() {
    let first = start(None, &Sources::default(), NOW);
    assert_eq!(first.host.basis, Basis::Random);
    assert_eq!(
        start(Some(&first), &Sources::default(), NOW).host,
        first.host
    );
    let later = start(Some(&first), &sources(None, Some(MACHINE), None), NOW);
    assert_eq!(later.host.basis, Basis::MachineId);
}

#[test]
fn the_generation_rises_whatever_the_clock_does() {
    let machine = sources(None, Some(MACHINE), None);
    let first = start(None, &machine, NOW);
    assert_eq!(first.generation, NOW);
    assert_eq!(
        start(Some(&first), &machine, NOW).generation,
        NOW + 1,
        "twice in a second"
    );
    assert_eq!(
        start(Some(&first), &machine, NOW - 5_000).generation,
        NOW + 1,
        "clock went back"
    );
    assert_eq!(start(Some(&first), &machine, NOW + 9).generation, NOW + 9);
}

#[test]
fn a_generation_that_no_server_would_take_is_not_gone_on_from() {
    let machine = sources(None, Some(MACHINE), None);
    let wrong = start(None, &machine, NOW + 10 * 365 * 86_400);
    assert_eq!(start(Some(&wrong), &machine, NOW).generation, NOW);
    let just_taken = start(None, &machine, NOW + GENERATION_AHEAD_S_MAX - 1);
    let next = start(Some(&just_taken), &machine, NOW).generation;
    assert_eq!(next, NOW + GENERATION_AHEAD_S_MAX);
}

#[test]
fn random_ids_are_host_ids_and_differ() {
    let (one, other) = (random_id(), random_id());
    assert!(is_host_id(&one) && one.len() == 32);
    assert_ne!(one, other);
    assert_ne!(random_seed(), random_seed());
}

#[test]
fn host_ids_are_1_to_64_of_the_allowed_characters() {
    for good in ["a", "A-z.0_9:", &"x".repeat(64)] {
        assert!(is_host_id(good), "{good}");
    }
    for bad in ["", &"x".repeat(65), "a b", "ä", "a/b", "a\0"] {
        assert!(!is_host_id(bad), "{bad}");
    }
}

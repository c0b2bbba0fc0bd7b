use std::path::Path;

use super::*;

/// A folder with a token file, and the flags that are required.
fn fine() -> (tempfile::TempDir, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "t".repeat(32)).unwrap();
    let token = token.to_str().unwrap().to_owned();
    let args = [
        "--server",
        "http://127.0.0.1:8080",
        "--token-file",
        &token,
        "--project",
        "p1",
    ];
    (folder, args.map(str::to_owned).to_vec())
}

fn check(args: &[String]) -> Result<Config, Mistakes> {
    let args = std::iter::once("portolan-agent").chain(args.iter().map(String::as_str));
    Flags::read(args.map(OsString::from)).unwrap().check()
}

fn with(flag: &str, value: &str) -> Result<Config, Mistakes> {
    let (_folder, mut args) = fine();
    args.extend([flag.to_owned(), value.to_owned()]);
    check(&args)
}

#[test]
fn the_required_flags_suffice_and_the_rest_has_defaults() {
    let (_folder, args) = fine();
    let config = check(&args).unwrap();
    assert_eq!(config.server.as_str(), "http://127.0.0.1:8080");
    assert_eq!(
        (config.project.as_str(), config.enterprise_project.as_str()),
        ("p1", "0")
    );
    assert_eq!(config.scan_interval, ScanInterval::Auto);
    assert_eq!(config.state_dir, PathBuf::from("/var/lib/portolan-agent"));
    assert_eq!((config.events, config.caps), (true, Some(Caps::default())));
    assert_eq!((config.ca_file, config.host_id), (None, None));
    assert_eq!(config.look, Options::default());
}

#[test]
fn all_mistakes_are_told_at_once() {
    let args = [
        "--server",
        "ftp://h",
        "--token-file",
        "/does/not/exist",
        "--project",
        "",
        "--enterprise-project",
        "all_granted_eps",
        "--scan-interval",
        "1h",
        "--events",
        "on",
        "--cpu-max",
        "2",
        "--memory-max",
        "64",
        "--ca-file",
        "/does/not/exist/either",
        "--host-id",
        "a b",
        "--host-root",
        "/does/not/exist",
    ];
    let text = check(&args.map(str::to_owned)).unwrap_err().to_string();
    let first_line = format!("{} mistakes in the configuration:\n", args.len() / 2);
    assert!(text.starts_with(&first_line), "{text}");
    for flag in args.iter().step_by(2) {
        assert_eq!(
            text.matches(&format!("\n  {flag}: ")).count(),
            1,
            "{flag} in {text}"
        );
    }
}

#[test]
fn what_is_required_and_missing_is_told_at_once() {
    let text = check(&[]).unwrap_err().to_string();
    let expected = "3 mistakes in the configuration:\n  \
                    --server: missing, and so is PORTOLAN_SERVER\n  \
                    --token-file: missing, and so is PORTOLAN_TOKEN_FILE\n  \
                    --project: missing, and so is PORTOLAN_PROJECT";
    assert_eq!(text, expected);
}

#[test]
fn a_flag_that_does_not_exist_is_refused() {
    assert!(Flags::read(["portolan-agent", "--sever", "x"].map(OsString::from)).is_err());
}

#[test]
fn scan_intervals_are_read_within_their_limits() {
    let fixed = |ms| ScanInterval::Fixed(Duration::from_millis(ms));
    let good = [
        ("auto", ScanInterval::Auto),
        ("100ms", fixed(100)),
        ("500ms", fixed(500)),
        ("1s", fixed(1_000)),
        ("2m", fixed(120_000)),
        ("60m", fixed(3_600_000)),
    ];
    for (text, expected) in good {
        assert_eq!(
            with("--scan-interval", text).unwrap().scan_interval,
            expected,
            "{text}"
        );
    }
    for bad in [
        "",
        "1",
        "s",
        "99ms",
        "0s",
        "61m",
        "-1s",
        "1.5s",
        "1 s",
        "99999999999999999999s",
        "AUTO",
    ] {
        assert!(interval(bad).is_err(), "{bad}");
    }
}

#[test]
fn events_can_be_switched_off_and_caps_be_given() {
    assert!(!with("--events", "off").unwrap().events);
    assert!(with("--events", "auto").unwrap().events);
    let caps = with("--cpu-max", "5%").unwrap().caps.unwrap();
    assert_eq!(caps.cpu_a_minute, Duration::from_secs(3));
    let caps = with("--memory-max", "1GiB").unwrap().caps.unwrap();
    assert_eq!(caps.memory_bytes, 1 << 30);
}

#[test]
fn ids_are_taken_up_to_their_limits_and_refused_beyond() {
    for (flag, max) in [("--enterprise-project", 128), ("--host-id", 64)] {
        assert!(with(flag, &"x".repeat(max)).is_ok(), "{flag}");
        let text = with(flag, &"x".repeat(max + 1)).unwrap_err().to_string();
        assert!(text.contains(&format!("1 to {max}")), "{text}");
        assert!(with(flag, "").is_err(), "{flag}");
    }
    assert_eq!(checked_project("ä".repeat(256)), Ok("ä".repeat(256)));
    assert!(checked_project("ä".repeat(257)).is_err());
}

#[test]
fn a_ca_file_without_a_certificate_is_a_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, "no certificate").unwrap();
    let text = with("--ca-file", path.to_str().unwrap())
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("--ca-file") && text.contains("no certificate"),
        "{text}"
    );
}

#[test]
fn command_lines_are_told_when_asked_for_and_the_host_may_be_elsewhere() {
    let told = |flags: &[&str]| {
        let (_folder, mut args) = fine();
        args.extend(flags.iter().map(|it| (*it).to_owned()));
        check(&args).map(|config| config.look)
    };
    assert!(!told(&[]).unwrap().command_lines);
    assert!(told(&["--command-lines"]).unwrap().command_lines);
    assert!(told(&["--command-lines=true"]).unwrap().command_lines);
    assert!(!told(&["--command-lines=false"]).unwrap().command_lines);
    let text = told(&["--command-lines=yes"]).unwrap_err().to_string();
    assert!(
        text.contains("--command-lines: true or false, got \"yes\""),
        "{text}"
    );
    let host = tempfile::tempdir().unwrap();
    let root = host.path().to_str().unwrap();
    assert!(told(&["--host-root", root]).is_err(), "nobody's root");
    std::fs::create_dir(host.path().join("etc")).unwrap();
    let look = told(&["--host-root", root]).unwrap();
    assert_eq!(look.host_root, host.path());
    assert_eq!(look.passwd, host.path().join("etc/passwd"));
    assert_eq!(look.proc_root, PathBuf::from("/proc"));
}

#[test]
fn an_enrol_key_takes_the_place_of_a_token_and_may_be_missing() {
    let (_folder, mut args) = fine();
    args.extend(["--enrol-key-file".to_owned(), "/nowhere/key".to_owned()]);
    let told = check(&args).unwrap_err().to_string();
    assert!(
        told.contains("--enrol-key-file: with --token-file"),
        "{told}"
    );
    args.drain(2..4);
    let config = check(&args).unwrap();
    assert!(
        matches!(config.token, TokenSource::EnrolKey(path) if path == Path::new("/nowhere/key"))
    );
    assert_eq!(config.rotate_after, ROTATE_AFTER_DEFAULT);
}

#[test]
fn a_token_becomes_as_old_as_is_said_within_limits() {
    let hours = |hours: u64| Duration::from_secs(hours * 3_600);
    for (text, expected) in [("1h", 1), ("36h", 36), ("30d", 720), ("365d", 8_760)] {
        assert_eq!(
            with("--rotate-after", text).unwrap().rotate_after,
            hours(expected),
            "{text}"
        );
    }
    for bad in ["", "h", "0h", "366d", "30", "30m", "ä", "99999999999d"] {
        assert!(period(bad.to_owned()).is_err(), "{bad}");
    }
}

#[test]
fn a_certificate_needs_its_key_and_both_are_read() {
    let told = with("--tls-cert", "/nowhere").unwrap_err().to_string();
    assert!(
        told.contains("--tls-cert and --tls-key go together"),
        "{told}"
    );
    let (folder, mut args) = fine();
    let path = folder.path().join("token").to_str().unwrap().to_owned();
    args.extend(["--tls-cert".into(), path.clone(), "--tls-key".into(), path]);
    let told = check(&args).unwrap_err().to_string();
    assert!(
        told.contains("--tls-cert: ") && told.contains("no certificate"),
        "{told}"
    );
}

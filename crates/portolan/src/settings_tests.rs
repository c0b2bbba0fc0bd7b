use super::*;

fn arguments(config: Option<&Path>) -> cli::Serve {
    cli::Serve {
        config: config.map(Into::into),
        listen: None,
        data_dir: None,
        credentials: None,
        insecure_http: None,
        tls_cert: None,
        tls_key: None,
        tls_client_ca: None,
        tls_client_certificate: None,
        secret_key_file: None,
        retire_after: None,
        nats: cli::Nats::default(),
        accept_data_loss: None,
        max_lag: None,
    }
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

#[test]
fn without_anything_it_listens_on_loopback() {
    let serve = read(&arguments(None)).unwrap();
    assert_eq!(serve.listen, LISTEN.parse().unwrap());
    assert_eq!(serve.data_dir, Path::new(DATA_DIR));
    assert!(!serve.answers.status_field);
}

#[test]
fn the_command_line_wins_over_the_file() {
    let file =
        file("[server]\nlisten = \"127.0.0.1:1\"\ndata_dir = \"/a\"\n[hss]\nstatus_field = true\n");
    let mut given = arguments(Some(file.path()));
    given.data_dir = Some("/b".into());
    let serve = read(&given).unwrap();
    assert_eq!((serve.listen.port(), serve.data_dir), (1, "/b".into()));
    assert!(serve.answers.status_field);
}

#[test]
fn all_mistakes_are_told_at_once() {
    let file = file("[server]\nlisten = \"0.0.0.0:1\"\n");
    let mut given = arguments(Some(file.path()));
    given.credentials = Some("/nowhere/credentials".into());
    let mistakes = read(&given).unwrap_err();
    assert_eq!(mistakes.len(), 2, "{mistakes:?}");
    assert!(
        mistakes[0].contains("--insecure-http") && mistakes[1].contains("/nowhere/credentials")
    );
    given.credentials = None;
    given.insecure_http = Some("true".into());
    assert!(read(&given).is_ok());
}

#[test]
fn a_malformed_address_is_told_with_the_other_mistakes_wherever_it_stands() {
    let text = "[server]\nlisten = \"nowhere\"\ntls_cert = \"/c\"\n";
    let file = file(text);
    let mut given = arguments(Some(file.path()));
    let said = |given: &cli::Serve| {
        let mistakes = read(given).unwrap_err();
        assert_eq!(mistakes.len(), 2, "{mistakes:?}");
        assert!(mistakes[1].contains("--tls-key"), "{mistakes:?}");
        mistakes[0].clone()
    };
    let told = "must be an address and a port, such as 127.0.0.1:8080, got";
    assert_eq!(said(&given), format!("server.listen {told} nowhere"));
    given.listen = Some("nope".into());
    assert_eq!(said(&given), format!("--listen {told} nope"));
    given.insecure_http = Some("maybe".into());
    let mistakes = read(&given).unwrap_err();
    let told = "--insecure-http must be true or false, got maybe";
    assert_eq!((mistakes.len(), mistakes[1].as_str()), (3, told));
}

#[test]
fn certificates_of_clients_need_a_ca_and_tls_and_are_required_unless_said_otherwise() {
    let said = |ca: Option<&str>, whether: Option<&str>| {
        client_certificates(ca.map(Into::into), whether)
            .map(|clients| clients.map(|clients| clients.is_required))
    };
    assert_eq!(said(None, None), Ok(None));
    assert_eq!(said(Some("/ca"), None), Ok(Some(true)));
    assert_eq!(said(Some("/ca"), Some("required")), Ok(Some(true)));
    assert_eq!(said(Some("/ca"), Some("optional")), Ok(Some(false)));
    assert!(
        said(None, Some("optional"))
            .unwrap_err()
            .contains("--tls-client-ca")
    );
    assert!(
        said(Some("/ca"), Some("no"))
            .unwrap_err()
            .contains("got no")
    );
    let file = file("[server]\ntls_client_ca = \"/ca\"\n");
    let mistakes = read(&arguments(Some(file.path()))).unwrap_err();
    assert_eq!(mistakes, ["--tls-client-ca needs --tls-cert and --tls-key"]);
}

#[test]
fn tls_takes_the_place_of_insecure_http_and_needs_both_files_readable() {
    let file = file("[server]\nlisten = \"0.0.0.0:1\"\ntls_cert = \"/c\"\n");
    let mut given = arguments(Some(file.path()));
    let mistakes = read(&given).unwrap_err();
    assert!(mistakes[0].contains("--tls-key"), "{mistakes:?}");
    given.tls_key = Some("/k".into());
    let mistakes = read(&given).unwrap_err();
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    assert!(mistakes[0].contains("/c"), "{mistakes:?}");
}

#[test]
fn an_unknown_key_of_the_file_is_a_mistake() {
    let file = file("[server]\nlissten = \"127.0.0.1:1\"\n");
    assert!(read(&arguments(Some(file.path()))).unwrap_err()[0].contains("lissten"));
}

#[test]
fn a_keystone_is_told_whole_or_all_that_is_wrong_with_it() {
    let password = file("secret\n");
    let whole = format!(
        "[auth.keystone]\nurl = \"https://k.example:5000/v3\"\nuser = \"portolan\"\n\
         password_file = {:?}\nproject = \"service\"\n\
         [auth.keystone.roles]\nreader = [\"reader\", \"member\"]\n\
         [auth.keystone.enterprise_projects]\n\"*\" = [\"0\"]\n",
        password.path()
    );
    let told = read(&arguments(Some(file(&whole).path()))).unwrap();
    let keystone = told.keystone.unwrap();
    assert_eq!(keystone.user.domain, "Default");
    assert_eq!(keystone.roles.reader, ["reader", "member"]);
    assert!(!format!("{keystone:?}").contains("secret"));
    let wrong = file(
        "[auth.keystone]\nurl = \"k.example\"\nuser_domain = \"\"\npassword_file = \"/nowhere\"\n\
         ca_file = \"/nowhere/ca\"\n[auth.keystone.enterprise_projects]\np1 = []\n",
    );
    let mistakes = read(&arguments(Some(wrong.path()))).unwrap_err();
    let parts = [
        "auth.keystone.url must be an address",
        "auth.keystone.user must be given",
        "auth.keystone.user_domain must be given",
        "auth.keystone.project must be given",
        "auth.keystone.password_file /nowhere",
        "auth.keystone.roles must name",
        "auth.keystone.enterprise_projects.\"p1\": enterprise_projects must name",
        "auth.keystone.ca_file",
    ];
    assert_eq!(mistakes.len(), parts.len(), "{mistakes:?}");
    for part in parts {
        assert!(
            mistakes.iter().any(|told| told.contains(part)),
            "{part}: {mistakes:?}"
        );
    }
    let plain = whole.replace("https://k.example", "http://k.example");
    let mistakes = read(&arguments(Some(file(&plain).path()))).unwrap_err();
    assert!(mistakes[0].contains("insecure_http"), "{mistakes:?}");
    for allowed in [
        whole.replace("https://k.example", "http://127.0.0.1"),
        whole.replace("https://k.example", "http://[::1]"),
        plain.replace("user =", "insecure_http = true\nuser ="),
    ] {
        let read = read(&arguments(Some(file(&allowed).path())));
        assert!(read.is_ok(), "{allowed}: {read:?}");
    }
    let unknown = file("[auth.keystone]\npassword = \"x\"\n");
    assert!(read(&arguments(Some(unknown.path()))).unwrap_err()[0].contains("password"));
}

const PACKAGED: &str = include_str!("../../../deploy/debian/server/portolan.toml");

#[test]
fn the_packages_file_says_what_is_so_without_it() {
    let packaged = file(PACKAGED);
    let told = read(&arguments(Some(packaged.path()))).unwrap();
    let without = read(&arguments(None)).unwrap();
    assert_eq!(format!("{told:?}"), format!("{without:?}"));
}

/// Its examples can be used by taking the `#` away.
#[test]
fn every_example_in_the_packages_file_is_a_setting() {
    let is_example = |line: &&str| line.starts_with("# ") && line.contains(" = ");
    let count = PACKAGED.lines().filter(is_example).count();
    let uncommented: String = PACKAGED
        .lines()
        .map(|line| {
            line.strip_prefix("# ")
                .filter(|_| is_example(&line))
                .unwrap_or(line)
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let read: File = toml::from_str(&uncommented).unwrap();
    let server = &read.server;
    let paths = [
        &server.tls_cert,
        &server.tls_key,
        &server.tls_client_ca,
        &server.credentials,
        &server.secret_key_file,
    ];
    assert!(paths.iter().all(|path| path.is_some()), "{read:?}");
    assert_eq!(
        read.throttle.calls_a_second,
        Some(caps::CALLS_A_SECOND_DEFAULT)
    );
    assert_eq!(
        retire_after(None, server.retire_after.as_deref()),
        Ok(Some(caps::RETIRE_AFTER_S_DEFAULT))
    );
    let kept = read.history.read(&mut Vec::new());
    assert_eq!(kept, Retention::default());
    assert!(read.history.retention.is_some() && read.history.bytes_max.is_some());
    assert_eq!(server.tls_client_certificate.as_deref(), Some("required"));
    // Those, that one, two that say yes or no, two numbers and two periods.
    assert_eq!(count, paths.len() + 7);
}

#[test]
fn calls_are_throttled_beyond_loopback_and_as_the_file_says() {
    let read = |text: &str| {
        let file = file(text);
        let mut given = arguments(Some(file.path()));
        given.insecure_http = Some("true".into());
        read(&given).map(|serve| serve.answers.calls_a_second.map_or(0, NonZeroU32::get))
    };
    let beyond = "[server]\nlisten = \"0.0.0.0:1\"\n";
    assert_eq!(read(""), Ok(0));
    assert_eq!(read(beyond), Ok(200));
    assert_eq!(read("[throttle]\ncalls_a_second = 7\n"), Ok(7));
    assert_eq!(
        read(&format!("{beyond}[throttle]\ncalls_a_second = 0\n")),
        Ok(0)
    );
    let mistakes = read("[throttle]\ncalls_a_second = 1000001\n").unwrap_err();
    assert!(
        mistakes[0].contains("throttle.calls_a_second must be 0 to 1000000"),
        "{mistakes:?}"
    );
}

#[test]
fn silent_hosts_are_retired_after_what_is_given_and_never_at_once() {
    let of = |given: Option<&str>, written: &str| {
        let file = file(written);
        let mut arguments = arguments(Some(file.path()));
        arguments.retire_after = given.map(Into::into);
        read(&arguments).map(|serve| serve.retire_after_s)
    };
    let written = "[server]\nretire_after = \"12h\"\n";
    for (given, written, read) in [
        (None, "", Some(30 * 86_400)),
        (None, written, Some(12 * 3_600)),
        (Some("2d"), written, Some(2 * 86_400)),
        (Some("1h"), written, Some(3_600)),
        (Some("never"), written, None),
    ] {
        assert_eq!(of(given, written).unwrap(), read, "{given:?}");
    }
    for wrong in ["0", "0h", "0d", "1", "59m", "-1d", "forever", ""] {
        let told = of(Some(wrong), written).unwrap_err();
        let expected = format!(
            "--retire-after must be never, or at least 1h in hours or days, such as 12h or 30d, got {wrong}"
        );
        assert_eq!(told, [expected]);
        let told = of(None, &format!("[server]\nretire_after = {wrong:?}\n")).unwrap_err();
        assert!(
            told[0].starts_with("server.retire_after must be"),
            "{told:?}"
        );
    }
}

#[test]
fn a_cluster_is_read_with_what_belongs_to_it() {
    let file = file(
        "[server]\nsecret_key_file = \"/k\"\n[cluster]\nstore = \"nats://a,b,c\"\nmax_lag = \"20s\"\n",
    );
    let mut given = arguments(Some(file.path()));
    let cluster = read(&given).unwrap().cluster.unwrap();
    assert_eq!(cluster.settings.max_lag.as_secs(), 20);
    assert!(!cluster.settings.accepts_data_loss);
    given.max_lag = Some("3s".into());
    given.accept_data_loss = Some("true".into());
    let cluster = read(&given).unwrap().cluster.unwrap();
    assert_eq!(cluster.settings.max_lag.as_secs(), 3);
    assert!(cluster.settings.accepts_data_loss);
    assert!(read(&arguments(None)).unwrap().cluster.is_none());
}

#[test]
fn all_mistakes_about_a_cluster_are_told_at_once() {
    let mut given = arguments(None);
    given.nats.store = Some("http://a".into());
    given.nats.nats_monitor = Some("a:8222".into());
    given.nats.nats_replicas = Some(9);
    given.accept_data_loss = Some("yes".into());
    given.max_lag = Some("0s".into());
    let mistakes = read(&given).unwrap_err();
    for told in [
        "--store",
        "--nats-monitor",
        "replicas",
        "--accept-data-loss",
        "--max-lag",
    ] {
        let is_told = mistakes.iter().any(|mistake| mistake.contains(told));
        assert!(is_told, "{told}: {mistakes:?}");
    }
    let mut without = arguments(None);
    without.nats.nats_creds = Some("/c".into());
    assert_eq!(read(&without).unwrap_err().len(), 1);
}

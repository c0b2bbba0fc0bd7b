use super::*;

fn read(url: &str) -> Result<NatsSettings, Vec<String>> {
    NatsSettings::read(NatsGiven {
        url: url.to_owned(),
        ..NatsGiven::default()
    })
}

#[test]
fn several_servers_are_one_address() {
    let settings = read("nats://a,b.example:4223,[::1]:4224").unwrap();
    assert_eq!(settings.shown(), "nats://a,b.example:4223,[::1]:4224");
    assert_eq!(settings.addresses.len(), 3);
    assert!(!settings.uses_tls);
    assert_eq!(
        (settings.replicas, settings.prefix.as_str()),
        (3, "PORTOLAN")
    );
}

#[test]
fn a_password_is_used_and_not_shown() {
    let settings = read("tls://user:p%40ss@a,b").unwrap();
    assert_eq!(
        settings.login(),
        Some(("user".to_owned(), "p@ss".to_owned()))
    );
    assert_eq!(settings.shown(), "tls://a,b");
    assert!(settings.uses_tls);
    let debug = format!("{settings:?}");
    assert!(!debug.contains("user") && !debug.contains("ss"), "{debug}");
}

#[test]
fn a_password_comes_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "secret word\n").unwrap();
    let settings = NatsSettings::read(NatsGiven {
        url: "nats://user@a".to_owned(),
        password_file: Some(file),
        ..NatsGiven::default()
    });
    let login = settings.unwrap().login();
    assert_eq!(login, Some(("user".to_owned(), "secret word".to_owned())));
}

#[test]
fn all_mistakes_are_told_at_once_without_the_password() {
    let mistakes = NatsSettings::read(NatsGiven {
        url: "nats://user:hidden@a,,b/c".to_owned(),
        creds_file: Some("creds".into()),
        ca_file: Some("ca".into()),
        client_key_file: Some("key".into()),
        replicas: Some(0),
        prefix: Some("a_b".to_owned()),
        ..NatsGiven::default()
    });
    let mistakes = mistakes.unwrap_err();
    assert_eq!(
        mistakes,
        [
            "\"\" is no address of a NATS server, such as a.example or a.example:4222",
            "\"b/c\" is no address of a NATS server, such as a.example or a.example:4222",
            "a user and a credentials file: give one of them",
            "a client's certificate and its key go together",
            "certificates are used with tls:// alone",
            "replicas must be 1 to 5, got 0",
            "the prefix of streams must be 1 to 32 of A-Z, 0-9 and -, got \"a_b\"",
        ]
    );
}

#[test]
fn what_does_not_name_the_protocol_is_no_address() {
    for url in ["", "a,b", "http://a", "nats:a"] {
        assert!(read(url).is_err(), "{url}");
    }
    assert!(read("nats://").is_err());
    assert!(read("nats://user@a").is_err(), "no password");
    assert!(read("nats://:word@a").is_err(), "no user");
}

use proptest::prelude::*;

use super::*;

fn line(arguments: &[&str]) -> String {
    let arguments = arguments.iter().map(|it| (*it).to_owned()).collect();
    shown(&Arguments(arguments)).unwrap_or_default()
}

/// Arguments, one a word, and how they are shown. `S` and all that has it is a secret.
const TABLE: [(&str, &str); 57] = [
    // Nothing to hide.
    ("/usr/sbin/sshd -D", "/usr/sbin/sshd -D"),
    ("nginx -g daemon_off;", "nginx -g daemon_off;"),
    (
        "httpd -f -p 0.0.0.0:8080 -h /www",
        "httpd -f -p 0.0.0.0:8080 -h /www",
    ),
    (
        "ssh -p2222 -L 80:localhost:80 host",
        "ssh -p2222 -L 80:localhost:80 host",
    ),
    (
        "docker run -p 8080:80/tcp redis:7",
        "docker run -p 8080:80/tcp redis:7",
    ),
    (
        "java -Xmx1g -jar /opt/app.jar --server.port=80",
        "java -Xmx1g -jar /opt/app.jar --server.port=80",
    ),
    (
        "kube-apiserver --authorization-mode=RBAC --etcd-servers=https://a:2379,https://b:2379",
        "kube-apiserver --authorization-mode=RBAC --etcd-servers=https://a:2379,https://b:2379",
    ),
    ("curl https://host/a?b=c:d", "curl https://host/a?b=c:d"),
    // Options.
    ("a --password S -v", "a --password *** -v"),
    ("a --password=S -v", "a --password=*** -v"),
    // In doubt: the value of `-p`. What follows is masked for its name.
    ("a -password S -v", "a -p*** *** -v"),
    (
        "a --token S --secret S --api-key S x",
        "a --token *** --secret *** --api-key *** x",
    ),
    ("a --client-secret=S=S", "a --client-secret=***"),
    ("a --requirepass S", "a --requirepass ***"),
    (
        "redis-server --masterauth S",
        "redis-server --masterauth ***",
    ),
    (
        "beam.smp -sname a -setcookie S -x",
        "beam.smp -sname a -setcookie *** -x",
    ),
    ("tailscale up --authkey=S", "tailscale up --authkey=***"),
    ("a --auth-key S", "a --auth-key ***"),
    ("consul agent -encrypt S", "consul agent -encrypt ***"),
    (
        "a --access-key 0123456789abcdef0123456789abcdef",
        "a --access-key ***",
    ),
    ("a --token --password S", "a --token *** ***"),
    ("a --password", "a --password"),
    ("a --password= b", "a --password= b"),
    // Of `-p`.
    ("mysql -uroot -pS db", "mysql -uroot -p*** db"),
    ("mysql -p 1234 db", "mysql -p *** db"),
    (
        "/usr/bin/mysqldump -p1234 db",
        "/usr/bin/mysqldump -p*** db",
    ),
    ("sudo mysql -p1234", "sudo mysql -p***"),
    ("any -pS", "any -p***"),
    ("any -p S x", "any -p *** x"),
    ("any -p 123456", "any -p ***"),
    (
        "sshpass -p 1234 ssh -p 22 host",
        "sshpass -p *** ssh -p *** host",
    ),
    // Of single programs.
    ("redis-cli -a S ping", "redis-cli -a *** ping"),
    ("curl -u alice:S https://host", "curl -u *** https://host"),
    (
        "curl --user alice:S https://host",
        "curl --user *** https://host",
    ),
    ("curl -ualice:S https://host", "curl -u*** https://host"),
    ("ldapsearch -x -w S", "ldapsearch -x -w ***"),
    ("ss-server -p 8388 -k S", "ss-server -p 8388 -k ***"),
    ("etcdctl --user root:S get", "etcdctl --user *** get"),
    ("mosquitto_sub -u a -P S", "mosquitto_sub -u a -P ***"),
    ("other -a b -u c -w d", "other -a b -u c -w d"),
    // Variables, fields, headers.
    ("env PGPASSWORD=S psql", "env PGPASSWORD=*** psql"),
    (
        "env AWS_SECRET_ACCESS_KEY=S AWS_REGION=eu a",
        "env AWS_SECRET_ACCESS_KEY=*** AWS_REGION=eu a",
    ),
    (
        "java -Djavax.net.ssl.keyStorePassword=S -jar a.jar",
        "java -Djavax.net.ssl.keyStorePassword=*** -jar a.jar",
    ),
    ("curl -H X-Api-Key:S host", "curl -H X-Api-Key:*** host"),
    (
        "openssl enc -k S -pass pass:S",
        "openssl enc -k *** -p*** ***",
    ),
    (
        "a jdbc:sqlserver://h;user=sa;password=S;x=S",
        "a jdbc:sqlserver://h;user=sa;password=***",
    ),
    (
        "a https://host/?a=b&token=S&c=S",
        "a https://host/?a=b&token=***",
    ),
    (
        "a {\"user\":\"x\",\"password\":\"S\"}",
        "a {\"user\":\"x\",\"password\":***",
    ),
    (
        "a AccountName=x;AccountKey=S==",
        "a AccountName=x;AccountKey=***",
    ),
    // URLs.
    (
        "a postgres://alice:S@host:5432/db",
        "a postgres://***@host:5432/db",
    ),
    ("a https://S@host/x", "a https://***@host/x"),
    ("a --url=redis://:S@host", "a --url=redis://***@host"),
    ("a amqp://u:S@h1,amqp://u:S@h2", "a amqp://***@h2"),
    ("a https://u:S/S?S#S@host", "a https://***@host"),
    (
        "exporter --dsn=root:S@tcp(db:3306)/x",
        "exporter --dsn=root:***@tcp(db:3306)/x",
    ),
    ("sqlplus a:S@S@db", "sqlplus a:***@db"),
    ("ssh user@host -o a:b", "ssh user@host -o a:b"),
];

#[test]
fn what_is_marked_as_a_secret_is_masked_and_all_else_is_shown() {
    for (given, expected) in TABLE {
        let arguments: Vec<&str> = given.split(' ').collect();
        assert_eq!(line(&arguments), expected, "{given}");
    }
}

#[test]
fn many_words_in_one_argument_are_masked_as_well() {
    for (argument, expected) in [
        ("mysql -psecret db", "mysql -p***"),
        (
            "exec mysqld --password two words",
            "exec mysqld --password ***",
        ),
        ("run --token 'a b' --more", "run --token ***"),
        ("PASSWORD='a b' run", "PASSWORD=***"),
        ("Authorization: Bearer abc", "Authorization:***"),
        ("password = \"a b\"", "password =***"),
        (
            "fetch https://a:b@c/d and go",
            "fetch https://***@c/d and go",
        ),
        (
            "nginx: master process /usr/sbin/nginx",
            "nginx: master process /usr/sbin/nginx",
        ),
        ("postgres: checkpointer ", "postgres: checkpointer"),
    ] {
        assert_eq!(line(&["sh", "-c", argument]), format!("sh -c {expected}"));
        assert_eq!(
            line(&[argument]),
            expected,
            "a title that the process gave itself"
        );
    }
    // An option at the end of one argument has its value in the next.
    assert_eq!(
        line(&["sh", "run --password", "S", "x"]),
        "sh run --password *** x"
    );
}

#[test]
fn a_long_line_is_cut_between_characters_after_it_was_masked() {
    let long = "é".repeat(300);
    let shown = line(&[&long]);
    assert_eq!(shown.chars().count(), STRING_CHARS_MAX);
    assert!(shown.ends_with("é…"));
    let exact = "é".repeat(STRING_CHARS_MAX);
    assert_eq!(line(&[&exact]), exact);
    let url = format!("https://{}@host", "S".repeat(1_000));
    assert_eq!(line(&["a", &url]), "a https://***@host");
}

#[test]
fn a_line_that_would_steer_a_terminal_does_not_and_an_empty_one_is_none() {
    assert_eq!(line(&["a\u{1b}[2J", "b\nc"]), "a\u{fffd}[2J b c");
    assert_eq!(shown(&Arguments(Vec::new())), None);
    assert_eq!(shown(&Arguments(vec![String::new(), String::new()])), None);
}

/// A name of a secret between other words.
fn secret_name() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "password",
        "PASSWORD",
        "token",
        "secret",
        "client-secret",
        "API_KEY",
        "apiKey",
        "db.passwd",
    ]);
    ("[a-z]{0,5}", word).prop_map(|(before, word)| match before.as_str() {
        "" => word.to_owned(),
        before => format!("{before}-{word}"),
    })
}

/// In one of the forms that are masked, by `%n` for the name and `%v` for the value.
fn form() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "--%n\0%v",
        "-x\0--%n=%v",
        "%n=%v",
        "%n: %v",
        "run --%n %v",
        "{\"%n\": \"%v\"}",
        "-D%n=%v",
        "x://u:%v@host/%n",
        "https://h/?a=b&%n=%v",
        "-p%v",
        "env\0%n=%v\0x",
    ])
}

proptest! {
    #[test]
    fn no_secret_is_shown(
        before in prop::collection::vec("[a-z=:/@ -]{0,8}", 0..4),
        name in secret_name(), value in "Q[A-Za-z0-9+/=_!]{5,40}Q", form in form(),
        after in prop::collection::vec("[a-z=:/@ -]{0,8}", 0..4),
    ) {
        let planted = form.replace("%n", &name).replace("%v", &value);
        let all = before.iter().map(String::as_str).chain(planted.split('\0')).chain(after.iter().map(String::as_str));
        let shown = line(&all.collect::<Vec<_>>());
        prop_assert!(!shown.contains('Q'), "{shown}");
    }

    #[test]
    fn no_arguments_make_it_panic_or_longer_than_its_limit(arguments in prop::collection::vec("\\PC{0,40}|[-p= :/@\"a\u{e9}]{0,20}", 0..12)) {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let shown = line(&arguments);
        prop_assert!(shown.chars().count() <= STRING_CHARS_MAX);
        prop_assert!(!shown.contains(char::is_control));
    }
}

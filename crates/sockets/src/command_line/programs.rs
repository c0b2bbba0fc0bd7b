//! Options that take a secret with some programs only.
//!
//! `-p` is a port with most programs and a password with some. Any program may be started by
//! another one (`sudo mysql`, `sh -c "mysql …"`), so every word may name one.

/// A program by the begin of its name, and its options without hyphens.
const OPTIONS: [(&str, &[&str]); 16] = [
    ("mysql", &["p"]),
    ("mariadb", &["p"]),
    ("mongo", &["p"]),
    ("sshpass", &["p"]),
    ("redis-cli", &["a"]),
    ("ldap", &["w"]),
    ("sqlcmd", &["P"]),
    ("curl", &["u", "U", "user", "proxy-user"]),
    ("smbclient", &["U", "user"]),
    ("rpcclient", &["U", "user"]),
    ("snmp", &["A", "X", "c"]),
    ("etcdctl", &["user"]),
    ("mosquitto", &["P"]),
    ("openssl", &["k", "K"]),
    ("ss-", &["k"]),
    ("ttyd", &["c"]),
];

/// The options of the program that this word names.
pub(super) fn options(word: &str) -> &'static [&'static str] {
    let name = word.rsplit('/').next().unwrap_or(word);
    let found = OPTIONS
        .iter()
        .find(|(program, _)| name.starts_with(program));
    found.map_or(&[], |(_, options)| options)
}

/// Whether that is a port, a range or a mapping of ports, as the value of `-p` mostly is.
pub(super) fn is_port(value: &str) -> bool {
    let value = value
        .strip_suffix("/tcp")
        .or(value.strip_suffix("/udp"))
        .unwrap_or(value);
    let mut parts = value
        .split(['.', ':', '-', '[', ']'])
        .filter(|it| !it.is_empty());
    let is_number =
        |it: &str| it.bytes().all(|byte| byte.is_ascii_digit()) && it.parse::<u16>().is_ok();
    !value.is_empty() && value.contains(|it: char| it.is_ascii_digit()) && parts.all(is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_known_by_the_begin_of_its_name() {
        assert_eq!(options("/usr/bin/mysqldump"), ["p"]);
        assert_eq!(options("redis-cli"), ["a"]);
        assert_eq!(options("/opt/mysql/bin/other"), [""; 0]);
    }

    #[test]
    fn ports_and_their_mappings_are_no_passwords() {
        for port in [
            "80",
            "0",
            "8080:80",
            "127.0.0.1:8080:80/tcp",
            "53:53/udp",
            "9000-9010",
            "[::]:80",
        ] {
            assert!(is_port(port), "{port}");
        }
        for other in [
            "",
            "hunter2",
            "65536",
            "123456",
            "80x",
            "/tcp",
            ":",
            "1.2.3.4.a",
        ] {
            assert!(!is_port(other), "{other}");
        }
    }
}

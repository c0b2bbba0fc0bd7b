//! What a report tells of the host beside its ports: names, addresses, system.
//!
//! Asked again now and then, because addresses come and go. Addresses come from `getifaddrs` by the
//! crate `if-addrs`: rustix has no such call, and /proc/net/fib_trie holds broadcast addresses that
//! only look like the host's. Holds: everything fits the limits of the interface; what cannot be
//! found out is left out. No request leaves the host.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use portolan_wire::caps::{ADDRESSES_MAX, STRING_CHARS_MAX};
use portolan_wire::report::Host;

/// Addresses of documentation networks (RFC 5737, RFC 3849): only the default route leads there.
const BEYOND_THE_DEFAULT_ROUTE: [&str; 2] = ["198.51.100.1:9", "[2001:db8::1]:9"];

/// Describes this host; the ids and the enterprise project are the caller's.
pub(crate) fn describe(host_id: &str, agent_id: &str, enterprise_project_id: &str) -> Host {
    let uname = rustix::system::uname();
    let addresses = addresses();
    Host {
        host_id: host_id.to_owned(),
        host_name: text(&uname.nodename().to_string_lossy()),
        host_ip: main_address(&addresses).map(|address| address.to_string()),
        host_ips: addresses.iter().map(IpAddr::to_string).collect(),
        agent_id: Some(agent_id.to_owned()),
        enterprise_project_id: enterprise_project_id.to_owned(),
        os_type: text(&uname.sysname().to_string_lossy()),
        os_name: os_name(),
        kernel_version: text(&uname.release().to_string_lossy()),
    }
}

/// All addresses of this host but loopback and link-local ones, IPv4 first.
fn addresses() -> BTreeSet<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let told = interfaces
        .iter()
        .map(|interface| interface.ip())
        .filter(|address| is_told(*address));
    told.collect::<BTreeSet<_>>()
        .into_iter()
        .take(ADDRESSES_MAX)
        .collect()
}

fn is_told(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local() && !v4.is_unspecified(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local() && !v6.is_unspecified(),
    }
}

/// The source address of the default route, else the first address there is.
fn main_address(addresses: &BTreeSet<IpAddr>) -> Option<IpAddr> {
    let routed = BEYOND_THE_DEFAULT_ROUTE
        .iter()
        .find_map(|target| source_towards(target));
    routed.or_else(|| addresses.first().copied())
}

/// Connecting a UDP socket sends nothing; it only makes the kernel choose a route.
fn source_towards(target: &str) -> Option<IpAddr> {
    let target: SocketAddr = target.parse().ok()?;
    let any = if target.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(target).ok()?;
    let source = socket.local_addr().ok()?.ip();
    is_told(source).then_some(source)
}

/// The distribution by os-release(5), whose second place is for systems without /etc's.
fn os_name() -> Option<String> {
    let release = ["/etc/os-release", "/usr/lib/os-release"]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok())?;
    text(&pretty_name(&release)?)
}

fn pretty_name(release: &str) -> Option<String> {
    let value = release
        .lines()
        .find_map(|line| line.trim().strip_prefix("PRETTY_NAME="))?;
    let unquoted = ['"', '\''].iter().find_map(|quote| {
        value
            .strip_prefix(*quote)
            .and_then(|rest| rest.strip_suffix(*quote))
    });
    Some(unquoted.unwrap_or(value).replace("\\", ""))
}

/// `value` as the interface takes it: not empty, no NUL, cut to the limit.
fn text(value: &str) -> Option<String> {
    let kept: String = value
        .trim()
        .chars()
        .filter(|char| *char != '\0')
        .take(STRING_CHARS_MAX)
        .collect();
    (!kept.is_empty()).then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_distribution_is_read_with_and_without_quotes() {
        let cases = [
            (
                "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
                "Debian GNU/Linux 12 (bookworm)",
            ),
            ("PRETTY_NAME='Alpine Linux v3.20'", "Alpine Linux v3.20"),
            ("PRETTY_NAME=Void", "Void"),
            ("PRETTY_NAME=\"A \\\"B\\\"\"", "A \"B\""),
        ];
        for (release, name) in cases {
            assert_eq!(pretty_name(release).as_deref(), Some(name));
        }
        assert_eq!(pretty_name("NAME=x\nMY_PRETTY_NAME=y"), None);
    }

    #[test]
    fn loopback_link_local_and_unspecified_addresses_are_not_told() {
        let told = |address: &str| is_told(address.parse().unwrap());
        for address in [
            "10.0.3.17",
            "203.0.113.9",
            "fd00::17",
            "2001:db8::17",
            "100.64.0.1",
        ] {
            assert!(told(address), "{address}");
        }
        for address in [
            "127.0.0.1",
            "::1",
            "169.254.1.1",
            "fe80::1",
            "0.0.0.0",
            "::ffff:127.0.0.1",
        ] {
            assert!(!told(address), "{address}");
        }
    }

    #[test]
    fn texts_are_cut_to_what_the_interface_takes() {
        assert_eq!(text(""), None);
        assert_eq!(text(" \0 "), None);
        assert_eq!(
            text(&"ä".repeat(300)).unwrap().chars().count(),
            STRING_CHARS_MAX
        );
    }

    #[test]
    fn this_host_is_described_without_its_loopback() {
        let host = describe("h1", "a1", "0");
        assert_eq!(host.os_type.as_deref(), Some("Linux"));
        assert!(host.kernel_version.is_some() && host.host_name.is_some());
        assert!(
            !host
                .host_ips
                .iter()
                .any(|address| address == "127.0.0.1" || address == "::1")
        );
    }
}

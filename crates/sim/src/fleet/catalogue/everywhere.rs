//! The system services that most hosts have, and how many of them.
//!
//! Shares follow the fleet's definition where it names them (22, 123, 68, 111); the others are
//! what a plain Debian or RHEL server of a company with monitoring shows.
//! Holds: the order is the order of their programs in the catalogue.

use portolan_wire::open_port::Transport;

use super::super::sockets::Binding;

/// A system service.
#[derive(Debug)]
pub(in super::super) struct Everywhere {
    pub(in super::super) port: u16,
    /// Both or none of them are open on a host.
    pub(in super::super) transports: &'static [Transport],
    /// On how many hosts, in a thousandth.
    pub(in super::super) per_mille: u32,
    pub(in super::super) binding: Binding,
    pub(super) path: &'static str,
    pub(super) user: &'static str,
    pub(super) unit: &'static str,
}

const TCP: &[Transport] = &[Transport::Tcp];
const UDP: &[Transport] = &[Transport::Udp];
const BOTH: &[Transport] = &[Transport::Tcp, Transport::Udp];

const fn service(
    port: u16,
    transports: &'static [Transport],
    per_mille: u32,
    binding: Binding,
    [path, user, unit]: [&'static str; 3],
) -> Everywhere {
    Everywhere {
        port,
        transports,
        per_mille,
        binding,
        path,
        user,
        unit,
    }
}

/// All of them.
#[rustfmt::skip] // one service a line reads as the table it is
pub(in super::super) const EVERYWHERE: &[Everywhere] = &[
    service(22, TCP, 1_000, Binding::AnyBoth, ["/usr/sbin/sshd", "root", "ssh.service"]),
    service(123, UDP, 900, Binding::AnyBoth, ["/usr/sbin/ntpd", "ntp", "ntp.service"]),
    service(68, UDP, 850, Binding::AnyV4, ["/usr/sbin/dhclient", "root", "networking.service"]),
    service(111, BOTH, 750, Binding::AnyBoth, ["/usr/sbin/rpcbind", "_rpc", "rpcbind.service"]),
    service(53, BOTH, 450, Binding::Resolver, ["/usr/lib/systemd/systemd-resolved", "systemd-resolve", "systemd-resolved.service"]),
    service(25, TCP, 550, Binding::LoopbackBoth, ["/usr/lib/postfix/sbin/master", "root", "postfix.service"]),
    service(323, UDP, 400, Binding::LoopbackBoth, ["/usr/sbin/chronyd", "_chrony", "chrony.service"]),
    service(546, UDP, 300, Binding::OwnV6, ["/usr/lib/systemd/systemd-networkd", "systemd-network", "systemd-networkd.service"]),
    service(5353, UDP, 150, Binding::AnyBoth, ["/usr/sbin/avahi-daemon", "avahi", "avahi-daemon.service"]),
    service(9100, TCP, 650, Binding::AnyDual, ["/usr/bin/prometheus-node-exporter", "prometheus", "prometheus-node-exporter.service"]),
    service(10050, TCP, 350, Binding::AnyV4, ["/usr/sbin/zabbix_agentd", "zabbix", "zabbix-agent.service"]),
    service(161, UDP, 250, Binding::AnyV4, ["/usr/sbin/snmpd", "Debian-snmp", "snmpd.service"]),
    service(631, TCP, 100, Binding::LoopbackBoth, ["/usr/sbin/cupsd", "root", "cups.service"]),
    service(5666, TCP, 150, Binding::AnyDual, ["/usr/sbin/nrpe", "nagios", "nagios-nrpe-server.service"]),
    service(8125, UDP, 200, Binding::LoopbackV4, ["/opt/datadog-agent/bin/agent/agent", "dd-agent", "datadog-agent.service"]),
];

//! Well-known services by popularity, and names for the programs that no table names.

use portolan_wire::open_port::Transport::{self, Tcp, Udp};

use super::{Program, Service};

/// Port, type, path and user of the well-known services, the most popular first.
#[rustfmt::skip] // one service a line reads as the table it is
const NAMED: &[(u16, Transport, &str, &str)] = &[
    (80, Tcp, "/usr/sbin/nginx", "www-data"),
    (443, Tcp, "/usr/sbin/nginx", "www-data"),
    (8080, Tcp, "/usr/lib/jvm/java-17-openjdk-amd64/bin/java", "tomcat"),
    (3306, Tcp, "/usr/sbin/mysqld", "mysql"),
    (5432, Tcp, "/usr/lib/postgresql/15/bin/postgres", "postgres"),
    (6379, Tcp, "/usr/bin/redis-server", "redis"),
    (8443, Tcp, "/usr/lib/jvm/java-17-openjdk-amd64/bin/java", "tomcat"),
    (9090, Tcp, "/usr/bin/prometheus", "prometheus"),
    (3000, Tcp, "/usr/share/grafana/bin/grafana", "grafana"),
    (2049, Tcp, "/usr/sbin/rpc.nfsd", "root"),
    (514, Udp, "/usr/sbin/rsyslogd", "syslog"),
    (8000, Tcp, "/usr/bin/python3.11", "app"),
    (27017, Tcp, "/usr/bin/mongod", "mongodb"),
    (11211, Tcp, "/usr/bin/memcached", "memcache"),
    (5672, Tcp, "/usr/lib/erlang/erts-13.1.5/bin/beam.smp", "rabbitmq"),
    (9200, Tcp, "/usr/share/elasticsearch/jdk/bin/java", "elasticsearch"),
    (2379, Tcp, "/usr/bin/etcd", "etcd"),
    (2380, Tcp, "/usr/bin/etcd", "etcd"),
    (10250, Tcp, "/usr/bin/kubelet", "root"),
    (10256, Tcp, "/usr/bin/kube-proxy", "root"),
    (8500, Tcp, "/usr/bin/consul", "consul"),
    (8301, Tcp, "/usr/bin/consul", "consul"),
    (8301, Udp, "/usr/bin/consul", "consul"),
    (21, Tcp, "/usr/sbin/vsftpd", "root"),
    (389, Tcp, "/usr/sbin/slapd", "openldap"),
    (636, Tcp, "/usr/sbin/slapd", "openldap"),
    (137, Udp, "/usr/sbin/nmbd", "root"),
    (138, Udp, "/usr/sbin/nmbd", "root"),
    (139, Tcp, "/usr/sbin/smbd", "root"),
    (445, Tcp, "/usr/sbin/smbd", "root"),
    (3128, Tcp, "/usr/sbin/squid", "proxy"),
    (1194, Udp, "/usr/sbin/openvpn", "nobody"),
    (51820, Udp, "/usr/bin/wireguard-go", "root"),
    (500, Udp, "/usr/lib/ipsec/charon", "root"),
    (4500, Udp, "/usr/lib/ipsec/charon", "root"),
    (2181, Tcp, "/usr/lib/jvm/java-11-openjdk-amd64/bin/java", "zookeeper"),
    (9092, Tcp, "/usr/lib/jvm/java-11-openjdk-amd64/bin/java", "kafka"),
    (9042, Tcp, "/usr/lib/jvm/java-11-openjdk-amd64/bin/java", "cassandra"),
    (7000, Tcp, "/usr/lib/jvm/java-11-openjdk-amd64/bin/java", "cassandra"),
    (4369, Tcp, "/usr/bin/epmd", "epmd"),
    (25672, Tcp, "/usr/lib/erlang/erts-13.1.5/bin/beam.smp", "rabbitmq"),
    (15672, Tcp, "/usr/lib/erlang/erts-13.1.5/bin/beam.smp", "rabbitmq"),
    (110, Tcp, "/usr/sbin/dovecot", "root"),
    (143, Tcp, "/usr/sbin/dovecot", "root"),
    (993, Tcp, "/usr/sbin/dovecot", "root"),
    (995, Tcp, "/usr/sbin/dovecot", "root"),
    (587, Tcp, "/usr/sbin/exim4", "Debian-exim"),
    (465, Tcp, "/usr/sbin/exim4", "Debian-exim"),
    (69, Udp, "/usr/sbin/in.tftpd", "root"),
    (67, Udp, "/usr/sbin/dhcpd", "dhcpd"),
    (1812, Udp, "/usr/sbin/freeradius", "freerad"),
    (1813, Udp, "/usr/sbin/freeradius", "freerad"),
    (5060, Udp, "/usr/sbin/asterisk", "asterisk"),
    (5060, Tcp, "/usr/sbin/asterisk", "asterisk"),
    (1883, Tcp, "/usr/sbin/mosquitto", "mosquitto"),
    (6443, Tcp, "/usr/bin/kube-apiserver", "root"),
    (8086, Tcp, "/usr/bin/influxd", "influxdb"),
    (9093, Tcp, "/usr/bin/prometheus-alertmanager", "prometheus"),
    (3260, Tcp, "/usr/sbin/tgtd", "root"),
    (24007, Tcp, "/usr/sbin/glusterd", "root"),
    (6789, Tcp, "/usr/bin/ceph-mon", "ceph"),
    (6800, Tcp, "/usr/bin/ceph-osd", "ceph"),
    (873, Tcp, "/usr/bin/rsync", "root"),
    (5900, Tcp, "/usr/bin/qemu-system-x86_64", "libvirt-qemu"),
    (16509, Tcp, "/usr/sbin/libvirtd", "root"),
    (1521, Tcp, "/opt/oracle/product/19c/bin/tnslsnr", "oracle"),
    (50000, Tcp, "/opt/ibm/db2/V11.5/bin/db2sysc", "db2inst1"),
    (4505, Tcp, "/usr/bin/salt-master", "salt"),
    (4506, Tcp, "/usr/bin/salt-master", "salt"),
    (8140, Tcp, "/opt/puppetlabs/server/bin/puppetserver", "puppet"),
];

/// The named services, whose programs go to the end of `programs`, each path once.
pub(super) fn named(programs: &mut Vec<Program>) -> Vec<Service> {
    let first = programs.len();
    let mut services = Vec::with_capacity(NAMED.len());
    for (port, transport, path, user) in NAMED {
        let known = programs
            .iter()
            .skip(first)
            .position(|program| program.path == *path);
        let place = known.map_or(programs.len(), |place| first + place);
        if known.is_none() {
            programs.push(Program {
                path: (*path).to_owned(),
                user,
                unit: None,
            });
        }
        let program = u16::try_from(place).unwrap_or(0);
        services.push(Service {
            port: *port,
            transport: *transport,
            program,
        });
    }
    services
}

/// Programs of companies' own, such as `/opt/billing/bin/billing-gateway`.
pub(super) fn made_up_programs() -> impl Iterator<Item = Program> {
    const TEAMS: [&str; 18] = [
        "billing", "checkout", "fraud", "ledger", "search", "media", "maps", "mail", "identity",
        "pricing", "stock", "fleet", "risk", "quotes", "claims", "rewards", "tickets", "weather",
    ];
    const PARTS: [(&str, &str); 16] = [
        ("gateway", "app"),
        ("worker", "app"),
        ("scheduler", "app"),
        ("indexer", "search"),
        ("relay", "relay"),
        ("cache", "app"),
        ("exporter", "nobody"),
        ("proxy", "proxy"),
        ("store", "data"),
        ("sync", "data"),
        ("api", "www-data"),
        ("admin", "www-data"),
        ("stream", "app"),
        ("replica", "data"),
        ("notifier", "app"),
        ("agent", "root"),
    ];
    // Teams run on within a part, so that neighbours in popularity are of different teams.
    PARTS.iter().flat_map(|(part, user)| {
        TEAMS.iter().map(move |team| Program {
            path: format!("/opt/{team}/bin/{team}-{part}"),
            user,
            unit: None,
        })
    })
}

//! The container images that the fleet runs, and the ports inside them.

use portolan_wire::open_port::Transport;

/// A container image.
#[derive(Debug)]
pub(in super::super) struct Image {
    pub(in super::super) name: &'static str,
    pub(in super::super) image: &'static str,
    pub(in super::super) path: &'static str,
    pub(in super::super) user: &'static str,
    pub(in super::super) ports: &'static [(u16, Transport)],
}

const TCP: Transport = Transport::Tcp;
const UDP: Transport = Transport::Udp;

const fn image(
    [name, image, path, user]: [&'static str; 4],
    ports: &'static [(u16, Transport)],
) -> Image {
    Image {
        name,
        image,
        path,
        user,
        ports,
    }
}

/// All of them, each as likely as another.
#[rustfmt::skip] // one image a line reads as the table it is
pub(in super::super) const IMAGES: &[Image] = &[
    image(["web", "nginx:1.27", "/usr/sbin/nginx", "root"], &[(80, TCP), (443, TCP)]),
    image(["cache", "redis:7", "/usr/local/bin/redis-server", "redis"], &[(6379, TCP)]),
    image(["db", "postgres:16", "/usr/lib/postgresql/16/bin/postgres", "postgres"], &[(5432, TCP)]),
    image(["sql", "mysql:8.4", "/usr/sbin/mysqld", "mysql"], &[(3306, TCP), (33060, TCP)]),
    image(["metrics", "prom/prometheus:v2.55.0", "/bin/prometheus", "nobody"], &[(9090, TCP)]),
    image(["board", "grafana/grafana:11.2.0", "/usr/share/grafana/bin/grafana", "grafana"], &[(3000, TCP)]),
    image(["queue", "rabbitmq:3-management", "/opt/erlang/lib/erlang/erts-14.2/bin/beam.smp", "rabbitmq"], &[(4369, TCP), (5672, TCP), (15672, TCP), (25672, TCP)]),
    image(["search", "elasticsearch:8.15.0", "/usr/share/elasticsearch/jdk/bin/java", "elasticsearch"], &[(9200, TCP), (9300, TCP)]),
    image(["objects", "minio/minio:RELEASE.2024-10-02", "/usr/bin/minio", "root"], &[(9000, TCP), (9001, TCP)]),
    image(["secrets", "hashicorp/vault:1.18", "/bin/vault", "vault"], &[(8200, TCP), (8201, TCP)]),
    image(["dns", "coredns/coredns:1.11.3", "/coredns", "nonroot"], &[(53, TCP), (53, UDP), (8080, TCP), (8181, TCP), (9153, TCP)]),
    image(["log", "apache/kafka:3.8.0", "/opt/java/openjdk/bin/java", "appuser"], &[(9092, TCP), (9093, TCP)]),
    image(["mesh", "envoyproxy/envoy:v1.31.2", "/usr/local/bin/envoy", "envoy"], &[(15000, TCP), (15001, TCP), (15006, TCP), (15020, TCP), (15021, TCP), (15090, TCP)]),
    image(["shop", "registry.example/shop:41", "/usr/local/bin/node", "node"], &[(3000, TCP), (9229, TCP)]),
    image(["orders", "registry.example/orders:7", "/opt/java/openjdk/bin/java", "app"], &[(8080, TCP), (8081, TCP), (8778, TCP)]),
    image(["jobs", "registry.example/jobs:103", "/usr/local/bin/python3.12", "app"], &[(8000, TCP)]),
    image(["voice", "registry.example/voice:12", "/usr/local/bin/sipd", "app"], &[(5060, UDP), (5060, TCP), (5061, TCP)]),
    image(["collector", "otel/opentelemetry-collector:0.111.0", "/otelcol", "10001"], &[(4317, TCP), (4318, TCP), (8888, TCP), (13133, TCP)]),
];

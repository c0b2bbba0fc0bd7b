//! What a server allows its clients, and the list of limits that `/metrics` counts.

use std::time::Duration;

use portolan_wire::caps;

/// How many connections a server holds, and how long it waits for their clients. All but tests keep
/// the limits of `caps`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most connections, 1 or more; fewer where the process may open fewer files.
    pub connections: usize,
    /// Whether this machine's own addresses may hold them all: a proxy beside the server does.
    pub spares_loopback: bool,
    /// Longest time from one answer to the end of the next request's head.
    pub head: Duration,
    /// Longest time for a TLS handshake.
    pub tls_handshake: Duration,
    /// Longest time to send a request's body.
    pub body: Duration,
    /// Longest time that a client may take nothing of an answer.
    pub answer_stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: caps::CONNECTIONS_MAX,
            spares_loopback: true,
            head: Duration::from_secs(caps::HEAD_READ_S_MAX),
            tls_handshake: Duration::from_secs(caps::TLS_HANDSHAKE_S_MAX),
            body: Duration::from_secs(caps::BODY_READ_S_MAX),
            answer_stall: Duration::from_secs(caps::WRITE_STALL_S_MAX),
        }
    }
}

/// A limit that a client has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// All connections are taken: the next one waits.
    Connections,
    /// One address holds its share: its next connection is closed.
    ConnectionsOfAnAddress,
    TlsHandshakeTime,
    /// A head that is slow, or none on a connection that is kept.
    HeadTime,
    HeadBytes,
    TargetBytes,
    BodyTime,
    BodySentBytes,
    BodyUnpackedBytes,
    LargeBodies,
    CommitQueue,
    /// A client that takes nothing of its answer.
    AnswerStall,
    /// A host or a project has as many ignored ports as it may.
    IgnoredPorts,
}

impl Limit {
    /// Every limit, in the order of its counters.
    pub(crate) const ALL: [Self; 13] = [
        Self::Connections,
        Self::ConnectionsOfAnAddress,
        Self::TlsHandshakeTime,
        Self::HeadTime,
        Self::HeadBytes,
        Self::TargetBytes,
        Self::BodyTime,
        Self::BodySentBytes,
        Self::BodyUnpackedBytes,
        Self::LargeBodies,
        Self::CommitQueue,
        Self::AnswerStall,
        Self::IgnoredPorts,
    ];

    /// The limit as `/metrics` names it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::ConnectionsOfAnAddress => "connections_of_an_address",
            Self::TlsHandshakeTime => "tls_handshake_time",
            Self::HeadTime => "head_time",
            Self::HeadBytes => "head_bytes",
            Self::TargetBytes => "target_bytes",
            Self::BodyTime => "body_time",
            Self::BodySentBytes => "body_sent_bytes",
            Self::BodyUnpackedBytes => "body_unpacked_bytes",
            Self::LargeBodies => "large_bodies",
            Self::CommitQueue => "commit_queue",
            Self::AnswerStall => "answer_stall",
            Self::IgnoredPorts => "ignored_ports",
        }
    }
}

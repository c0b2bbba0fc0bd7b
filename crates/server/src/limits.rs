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
    /// Most streams of changes.
    pub streams: usize,
    /// Most of them of one credential.
    pub streams_of_a_credential: usize,
    /// Time between two pings of a stream.
    pub stream_ping: Duration,
    /// Longest time that a reader of a stream may take nothing; less than `answer_stall`, so that it
    /// is told.
    pub stream_stall: Duration,
    /// Time between two looks at the credential of a stream.
    pub stream_credential: Duration,
    /// Most changes, and commits with none, that a page of changes looks through; 2 or more.
    pub changes_looked_at: usize,
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
            streams: caps::STREAMS_MAX,
            streams_of_a_credential: caps::STREAMS_OF_A_CREDENTIAL_MAX,
            stream_ping: Duration::from_secs(caps::STREAM_PING_S),
            stream_stall: Duration::from_secs(caps::STREAM_STALL_S_MAX),
            stream_credential: Duration::from_secs(caps::STREAM_CREDENTIAL_S),
            changes_looked_at: caps::CHANGES_LOOKED_AT_MAX,
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
    /// One credential holds its share of the room for large bodies.
    LargeBodiesOfACredential,
    CommitQueue,
    /// A request that reads from the store waits for its turn.
    StoreReads,
    /// One that looks through the sets of many hosts does.
    StoreScans,
    /// So many exports run that there is no place for another.
    Exports,
    /// One credential has its part of the places for exports.
    ExportsOfACredential,
    /// A client that takes nothing of its answer.
    AnswerStall,
    /// Too many wrong passwords for one user from one address.
    LoginFailures,
    /// Too many log-ins wait for their password's check.
    PasswordChecks,
    /// A log-in ended because its user has many newer ones.
    SessionsOfACredential,
    /// A log-in ended because the server has many newer ones.
    Sessions,
    /// Too many requests wait for the Keystone elsewhere.
    KeystoneWaiting,
    /// An answer of that Keystone was let go before its time.
    KeystoneTokens,
    /// An access key that is refused from an address after too many failures.
    SignatureFailures,
    /// A failure that is not counted, since too many others are.
    SignatureFailuresKept,
    /// A credential that calls too often.
    CallsOfACredential,
    /// A host or a project has as many ignored ports as it may.
    IgnoredPorts,
    /// All streams of changes are taken.
    Streams,
    /// One credential has its share of them.
    StreamsOfACredential,
}

impl Limit {
    /// Every limit, in the order of its counters.
    pub(crate) const ALL: [Self; 29] = [
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
        Self::LargeBodiesOfACredential,
        Self::CommitQueue,
        Self::StoreReads,
        Self::StoreScans,
        Self::Exports,
        Self::ExportsOfACredential,
        Self::AnswerStall,
        Self::LoginFailures,
        Self::PasswordChecks,
        Self::SessionsOfACredential,
        Self::Sessions,
        Self::KeystoneWaiting,
        Self::KeystoneTokens,
        Self::SignatureFailures,
        Self::SignatureFailuresKept,
        Self::CallsOfACredential,
        Self::IgnoredPorts,
        Self::Streams,
        Self::StreamsOfACredential,
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
            Self::LargeBodiesOfACredential => "large_bodies_of_a_credential",
            Self::CommitQueue => "commit_queue",
            Self::StoreReads => "store_reads",
            Self::StoreScans => "store_scans",
            Self::Exports => "exports",
            Self::ExportsOfACredential => "exports_of_a_credential",
            Self::AnswerStall => "answer_stall",
            Self::LoginFailures => "login_failures",
            Self::PasswordChecks => "password_checks",
            Self::SessionsOfACredential => "sessions_of_a_credential",
            Self::Sessions => "sessions",
            Self::KeystoneWaiting => "keystone_waiting",
            Self::KeystoneTokens => "keystone_tokens",
            Self::SignatureFailures => "signature_failures",
            Self::SignatureFailuresKept => "signature_failures_kept",
            Self::CallsOfACredential => "calls_of_a_credential",
            Self::IgnoredPorts => "ignored_ports",
            Self::Streams => "streams",
            Self::StreamsOfACredential => "streams_of_a_credential",
        }
    }
}

//! Every limit of the program, in one place, with its unit in its name.
//!
//! What happens beyond a limit is told at the use: an error that names it, never a silent cut.

/// Longest request target (path and query), in bytes; beyond it 414.
pub const TARGET_BYTES_MAX: usize = 8_192;
/// Longest project id, in characters.
pub const PROJECT_ID_CHARS_MAX: usize = 256;
/// Longest enterprise project id that a query may carry, in characters.
pub const ENTERPRISE_PROJECT_ID_CHARS_MAX: usize = 128;
/// Shortest token, in characters.
pub const TOKEN_CHARS_MIN: usize = 32;
/// Longest token, in characters.
pub const TOKEN_CHARS_MAX: usize = 4_096;

/// Fewest rows of a page of the HSS API.
pub const PAGE_LIMIT_MIN: u32 = 10;
/// Most rows of a page.
pub const PAGE_LIMIT_MAX: u32 = 200;
/// Largest offset of a page of the HSS API.
pub const PAGE_OFFSET_MAX: u32 = 2_000_000;
/// Longest string parameter of the HSS API, in characters.
pub const PARAMETER_CHARS_MAX: usize = 256;

/// Largest body of a report or heartbeat request as sent, in bytes.
pub const BODY_SENT_BYTES_MAX: usize = 12 << 20;
/// Largest body of a report or heartbeat request after decompression, in bytes.
pub const BODY_UNPACKED_BYTES_MAX: usize = 64 << 20;
/// Largest body as sent, in bytes, that needs no room among the large ones.
pub const SMALL_BODY_SENT_BYTES_MAX: usize = 64 << 10;
/// Largest body after decompression, in bytes, that needs no room among the large ones.
pub const SMALL_BODY_UNPACKED_BYTES_MAX: usize = 1 << 20;
/// Most bytes as sent of all bodies together that are not small; beyond it 429 with Retry-After.
pub const LARGE_BODIES_SENT_BYTES_MAX: usize = 256 << 20;
/// Most bytes after decompression of all bodies together that are not small; beyond it a body waits
/// for its turn. The reports read from them take up to some twelve times as much.
pub const LARGE_BODIES_UNPACKED_BYTES_MAX: usize = 128 << 20;
/// Longest time that a body waits for its turn, in seconds; then 429 with Retry-After.
pub const LARGE_BODY_WAIT_S_MAX: u64 = 30;
/// Largest zstd window, as a power of two: 8 MiB.
pub const ZSTD_WINDOW_LOG_MAX: u32 = 23;
/// Deepest nesting of a JSON body.
pub const JSON_DEPTH_MAX: usize = 16;
/// Most characters of a faulty value that an error shows.
pub const FAULT_VALUE_CHARS_MAX: usize = 64;
/// Most reports or heartbeats of one request.
pub const BATCH_MAX: usize = 1_000;

/// Longest host id, in characters of `[A-Za-z0-9._:-]`.
pub const HOST_ID_CHARS_MAX: usize = 64;
/// Longest agent id, in characters.
pub const AGENT_ID_CHARS_MAX: usize = 64;
/// Longest path of a program and longest container name, in characters.
pub const PATH_CHARS_MAX: usize = 4_096;
/// Longest name of a network namespace and longest container id, in characters.
pub const NETNS_CHARS_MAX: usize = 128;
/// Longest string of every other kind, in characters.
pub const STRING_CHARS_MAX: usize = 256;
/// Most addresses in `host.host_ips` and most entries in `published` of one open port.
pub const ADDRESSES_MAX: usize = 256;
/// Largest process id of Linux (`PID_MAX_LIMIT`, include/linux/threads.h).
pub const PID_MAX: u32 = 4_194_304;
/// Largest generation and sequence: the largest integer that every JSON reader keeps exact.
pub const PAIR_MAX: u64 = (1 << 53) - 1;
/// How far ahead of the server's clock a generation may be, in seconds.
pub const GENERATION_AHEAD_S_MAX: u64 = 86_400;
/// How far `observed_at` may be from the server's clock before a report is counted as skewed, in
/// seconds: more than a body's way takes.
pub const CLOCK_SKEW_S: u64 = 60;
/// Most open ports of one report.
pub const OPEN_PORTS_MAX: usize = 20_000;
/// Most transients of one report.
pub const TRANSIENTS_MAX: usize = 1_000;
/// Shortest heartbeat interval of a host, in seconds.
pub const HEARTBEAT_INTERVAL_S_MIN: u32 = 1;
/// Longest heartbeat interval of a host, in seconds.
pub const HEARTBEAT_INTERVAL_S_MAX: u32 = 86_400;
/// Heartbeat interval of a host that names none, in seconds.
pub const HEARTBEAT_INTERVAL_S_DEFAULT: u32 = 30;
/// A host is fresh while it was heard within this many of its own intervals.
pub const FRESH_INTERVALS: u32 = 3;

/// Most submissions that wait for the committer; beyond it 429 with Retry-After.
pub const COMMIT_QUEUE_MAX: usize = 16_384;
/// Most bytes of submissions that wait for the committer; beyond it 429 with Retry-After.
pub const COMMIT_QUEUE_BYTES_MAX: usize = 256 << 20;
/// Reports after which a durable write takes no further request; the last one that it takes may bring
/// [`BATCH_MAX`].
pub const COMMIT_BATCH_MAX: usize = 4_096;
/// Longest id of a record beside the hosts (a credential, a user), in bytes: a host id and a project
/// id of 256 characters of four bytes fit.
pub const RECORD_ID_BYTES_MAX: usize = 1_280;
/// Longest value of a record beside the hosts, in bytes.
pub const RECORD_VALUE_BYTES_MAX: usize = 1 << 20;
/// What the embedded store leaves free on its file system beside what it writes, in bytes: a new
/// journal (64 MiB) and all five memtables on their way into tables (32 MiB each), so that neither
/// fails half-way, and as much again as one memtable for what others write meanwhile. It is also
/// what the next start needs, which copies the journals (64 to 200 MiB) before it looks at them.
/// Below it 503 with Retry-After, and nothing is written.
pub const STORE_FREE_BYTES_MIN: u64 = 256 << 20;
/// What it leaves free besides for merging tables, in bytes, or the size of all its tables if that
/// is less: the first merge takes up to eight tables of 32 MiB and a level of some 256 MiB, and
/// removes them only when the new ones are written. Twice the level, as one may be over its target.
pub const STORE_MERGE_BYTES_MAX: u64 = 768 << 20;
/// Longest key or value in a backup, in bytes: no host's snapshot comes near it, since the body it
/// came in has at most 64 MiB.
pub const BACKUP_VALUE_BYTES_MAX: usize = 128 << 20;
/// Longest time that the receiver of a backup may take for the next 64 KiB, in seconds: the store
/// keeps what it has replaced for as long as a backup is under way.
pub const BACKUP_STALL_S_MAX: u64 = 60;
/// Most pages of unions of enterprise projects that are kept; then all are let go. One takes up to
/// 16 KiB.
pub const UNION_PAGES_MAX: usize = 256;
/// Most requests that read from the store at once; others wait for their turn.
pub const STORE_READS_MAX: usize = 8;
/// Most tokens, access keys and users together that a server keeps; beyond it 409.
pub const CREDENTIALS_MAX: usize = 10_000;
/// Most enterprise projects that one credential names; who needs more has all of them.
pub const CREDENTIAL_ENTERPRISE_PROJECTS_MAX: usize = 1_000;
/// Shortest password of a user, in characters.
pub const PASSWORD_CHARS_MIN: usize = 12;
/// Longest password of a user, in characters.
pub const PASSWORD_CHARS_MAX: usize = 1_024;
/// Most open ports that one request ignores, or ignores no longer.
pub const IGNORING_ITEMS_MAX: usize = 200;
/// Longest agent, host and container id of such a request, in characters.
pub const IGNORING_ID_CHARS_MAX: usize = 64;
/// Most ports that are ignored of one host, whether or not they are open; beyond it 400.
pub const IGNORED_OF_A_HOST_MAX: usize = 1_000;
/// Most ports that are ignored of one project; beyond it 400. One takes some 100 bytes.
pub const IGNORED_OF_A_PROJECT_MAX: u64 = 100_000;
/// Largest file of the audit log, in bytes; then the chain goes on in the next.
pub const AUDIT_FILE_BYTES_MAX: u64 = 64 << 20;
/// Most refused credentials of one minute that get a line of their own in the audit log; the rest is
/// counted by reason and source address.
pub const AUDIT_REFUSALS_TOLD_MAX: u32 = 60;
/// Most pairs of reason and source address whose refusals are counted apart in one minute; the rest
/// is counted together. With lines of some 400 bytes an attack writes some 70 MB a day at most.
pub const AUDIT_REFUSAL_SOURCES_MAX: usize = 64;
/// Most messages that wait for the audit log: acts wait for room, refusals are only counted then.
pub const AUDIT_QUEUE_MAX: usize = 1_024;
/// Most characters of a request's path in the audit log.
pub const AUDIT_TARGET_CHARS_MAX: usize = 256;
/// Longest line of the audit log that is read, in bytes: far beyond what is written.
pub const AUDIT_LINE_BYTES_MAX: usize = 256 << 10;
/// Most connections the server holds open.
pub const CONNECTIONS_MAX: usize = 4_096;
/// One address may hold one part in this many of the connections, this machine's own apart; the next
/// one is closed at once.
pub const CONNECTIONS_OF_AN_ADDRESS_PART: usize = 4;
/// File descriptors that are left to the store and the log; connections share the others that the
/// process may open.
pub const DESCRIPTORS_RESERVED: u64 = 256;
/// Most bytes of answers that a connection hands to the kernel beyond what its client takes. Without
/// it the kernel takes some 4 MiB, thousands of answers that each client is worth which never reads.
pub const CONNECTION_UNSENT_BYTES_MAX: u32 = 64 << 10;
/// Longest time that a client may take nothing of an answer, in seconds; then the connection ends.
pub const WRITE_STALL_S_MAX: u64 = 60;
/// Most bytes of one request's head.
pub const HEAD_BYTES_MAX: usize = 64 << 10;
/// Longest time from one answer to the end of the next request's head, in seconds: how long a slow
/// sender holds a connection, and how long an idle one is kept. Longer than the default heartbeat
/// interval, so that agents keep theirs.
pub const HEAD_READ_S_MAX: u64 = 40;
/// Longest time for a TLS handshake, in seconds.
pub const TLS_HANDSHAKE_S_MAX: u64 = 10;
/// Longest time to send a request's body, in seconds.
pub const BODY_READ_S_MAX: u64 = 60;

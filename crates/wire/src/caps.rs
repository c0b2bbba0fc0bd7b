//! Every limit of the program, in one place, with its unit in its name.
//!
//! What happens beyond a limit is told at the use: an error that names it, never a silent cut.

/// Longest request target, in bytes as received: path and query, and of one in absolute form scheme
/// and host as well; beyond it 414. A fragment, which no client sends, is dropped before it is counted.
pub const TARGET_BYTES_MAX: usize = 8_192;
/// Longest project id, in characters.
pub const PROJECT_ID_CHARS_MAX: usize = 256;
/// Longest enterprise project id that a query may carry, in characters.
pub const ENTERPRISE_PROJECT_ID_CHARS_MAX: usize = 128;
/// Shortest token, in characters.
pub const TOKEN_CHARS_MIN: usize = 32;
/// Longest token, in characters.
pub const TOKEN_CHARS_MAX: usize = 4_096;
/// How long ago a request may have been signed, and how far ahead of the server's clock, in seconds.
pub const SIGNATURE_SKEW_S_MAX: u64 = 900;
/// Most signatures in a row that do not hold, of one access key from one address; one more, and it is
/// refused from there for [`SIGNATURE_LOCK_S`].
pub const SIGNATURE_FAILURES_MAX: u32 = 5;
/// How long an access key is refused from an address after too many such signatures, and after how
/// long without one they are forgotten, in seconds.
pub const SIGNATURE_LOCK_S: u32 = 300;
/// Most pairs of access key and address whose failures are kept; while it is full, others' are not
/// counted.
pub const SIGNATURE_FAILURES_KEPT_MAX: usize = 4_096;
/// Calls of one credential to one route in a second, where nothing else is configured.
pub const CALLS_A_SECOND_DEFAULT: u32 = 200;
/// Most calls a second that can be configured: what a microsecond's clock tells apart.
pub const CALLS_A_SECOND_MAX: u32 = 1_000_000;

/// Fewest rows of a page of the HSS API.
pub const PAGE_LIMIT_MIN: u32 = 10;
/// Most rows of a page.
pub const PAGE_LIMIT_MAX: u32 = 200;
/// Largest offset of a page of the HSS API.
pub const PAGE_OFFSET_MAX: u32 = 2_000_000;
/// Longest string parameter of the HSS API, in characters.
pub const PARAMETER_CHARS_MAX: usize = 256;
/// Most characters of a host id that is asked for; no host has so long a one.
pub const ASKED_HOST_ID_CHARS_MAX: usize = 128;
/// Most values of a parameter that lists some.
pub const LISTED_VALUES_MAX: usize = 100;
/// Most characters of one of them.
pub const LISTED_CHARS_MAX: usize = 128;
/// Longest `host_id`, `host_name` and `host_ip` of a query of a host's ports, in characters.
pub const HOST_PARAMETER_CHARS_MAX: usize = 128;
/// Longest path in a row of the HSS API about the hosts of a port, in characters; cut beyond it.
pub const PORT_HOST_PATH_CHARS_MAX: usize = 512;
/// Longest path in a row of the HSS API about the ports of a host, in characters; cut beyond it.
pub const HOST_PORT_PATH_CHARS_MAX: usize = 256;
/// Longest container name in a row of the HSS API, in characters; cut beyond it.
pub const CONTAINER_NAME_SHOWN_CHARS_MAX: usize = 256;
/// Longest address of a host in a row of the HSS API, in characters; cut beyond it.
pub const HOST_IP_SHOWN_CHARS_MAX: usize = 128;

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
/// One credential may hold one part in this many of [`LARGE_BODIES_SENT_BYTES_MAX`]; beyond it 429
/// with Retry-After.
pub const LARGE_BODIES_SENT_OF_A_CREDENTIAL_PART: usize = 4;
/// Most bytes as sent of such bodies of requests whose signature is not checked yet, which needs the
/// whole body, beside those of [`LARGE_BODIES_SENT_BYTES_MAX`]: who signs wrongly takes no room from
/// those who send tokens, and one address has one part in [`PART_OF_AN_ADDRESS`]. Beyond it 429 with
/// Retry-After.
pub const UNPROVEN_BODIES_SENT_BYTES_MAX: usize = 64 << 20;
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
/// Most hosts that become fresh or stale in the counts at once; the others follow in the next second.
pub const FRESHNESS_CHANGES_MAX: usize = 16_384;
/// How long a host is silent until it is retired, where nothing else is configured, in seconds: 30
/// days.
pub const RETIRE_AFTER_S_DEFAULT: u32 = 30 * 86_400;
/// Shortest such silence that can be configured, in seconds: an hour.
pub const RETIRE_AFTER_S_MIN: u32 = 3_600;
/// Most hosts that are retired for their silence in a second; the others follow in the next one.
pub const SILENT_RETIRED_MAX: usize = 1_000;

/// Most submissions that wait for the committer; beyond it 429 with Retry-After.
pub const COMMIT_QUEUE_MAX: usize = 16_384;
/// Longest time that reports wait for the committer, in seconds, at the rate that it was measured to
/// have; beyond it 429 with Retry-After. An agent waits 30 s for its answer.
pub const COMMIT_QUEUE_WAIT_S_MAX: usize = 20;
/// Longest Retry-After, in seconds; an agent obeys none beyond it, as a wrong value must not silence a
/// host for a day.
pub const RETRY_AFTER_S_MAX: u32 = 600;
/// Most bytes of submissions that wait for the committer; beyond it 429 with Retry-After.
pub const COMMIT_QUEUE_BYTES_MAX: usize = 256 << 20;
/// Reports after which a durable write takes no further request; the last one that it takes may bring
/// [`BATCH_MAX`].
pub const COMMIT_BATCH_MAX: usize = 4_096;
/// Most bytes of what one commit adds to the history: some hundred thousand changes. A report that would
/// pass it waits for the next commit; alone it may be longer, up to what two bodies say.
pub const COMMIT_HISTORY_BYTES_MAX: usize = 16 << 20;
/// Most changes of one commit; a report that would pass it waits for the next one. One alone fits, which
/// opens and closes [`OPEN_PORTS_MAX`] and tells of [`TRANSIENTS_MAX`].
pub const COMMIT_HISTORY_ROWS_MAX: u32 = 65_536;
/// Reports of a batch from which the stored values before them are read and compared by several
/// threads.
pub const COMPARED_ALONE_MAX: usize = 64;
/// Most threads that do so.
pub const COMPARING_THREADS_MAX: usize = 8;
/// Most hosts that one commit forgets; the rest follow with the next.
pub const FORGOTTEN_MAX: usize = 4_096;
/// Most records of the history that are kept in memory for those who follow it.
pub const RECENT_COMMITS_MAX: usize = 4_096;
/// Most bytes of them together.
pub const RECENT_BYTES_MAX: usize = 64 << 20;
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
/// Longest part of a checkpoint that is kept beside the history, in bytes.
pub const CHECKPOINT_PART_BYTES_MAX: usize = 1 << 20;
/// Longest name of such a part, in bytes.
pub const CHECKPOINT_NAME_BYTES_MAX: usize = 4096;
/// Longest key or value in a backup, in bytes: no host's snapshot comes near it, since the body it
/// came in has at most 64 MiB.
pub const BACKUP_VALUE_BYTES_MAX: usize = 128 << 20;
/// Longest time that the receiver of a backup may take for the next 64 KiB, in seconds: the store
/// keeps what it has replaced for as long as a backup is under way.
pub const BACKUP_STALL_S_MAX: u64 = 60;
/// Most pages of unions of enterprise projects that are kept; a credential that would need one more
/// lets its own go, or if it has none those of the one that has the most. One takes up to 16 KiB.
pub const UNION_PAGES_MAX: usize = 256;
/// Most of them of one credential; then its own are let go.
pub const UNION_PAGES_OF_A_CREDENTIAL_MAX: usize = 64;
/// Most requests that read from the store at once; others wait for their turn.
pub const STORE_READS_MAX: usize = 8;
/// Most requests that look through the stored sets of many hosts at once; others wait for their
/// turn.
pub const STORE_SCANS_MAX: usize = 2;
/// Most changes, and records without one, that a page of changes looks through; then the page is short
/// and the next goes on.
pub const CHANGES_LOOKED_AT_MAX: usize = 50_000;
/// The length of the windows of damped changes, in seconds.
pub const DAMPED_WINDOW_S: u32 = 300;
/// Changes of one open port within a window from which on damped changes show one of them.
pub const DAMPED_CHANGES_MIN: u32 = 3;
/// Most changes of a window that are looked at together to be damped; a window with more is shown as
/// it is.
pub const DAMPED_CHANGES_MAX: usize = 10_000;
/// Most streams of changes that are open at once; beyond it 429 with Retry-After.
pub const STREAMS_MAX: usize = 2_048;
/// Most of them of one credential; beyond it 429 with Retry-After.
pub const STREAMS_OF_A_CREDENTIAL_MAX: usize = 1_024;
/// Time between two pings of a stream, in seconds.
pub const STREAM_PING_S: u64 = 15;
/// Longest time that a reader of a stream may take nothing of what waits for it, in seconds; then it is
/// told from where to resume, and cut.
pub const STREAM_STALL_S_MAX: u64 = 30;
/// Time between two looks at the credential of a stream, in seconds.
pub const STREAM_CREDENTIAL_S: u64 = 30;
/// Bytes that a stream hands on at once.
pub const STREAM_CHUNK_BYTES: usize = 16 << 10;
/// Most such pieces that wait for a reader.
pub const STREAM_CHUNKS_MAX: usize = 4;
/// Most changes of the newest commits that are kept decoded for streams, the newest commit's apart.
pub const STREAM_DECODED_MAX: usize = 20_000;
/// Longest record of a commit that streams decode whole and share, in bytes: some ten thousand changes.
/// A longer one is read from the store, a page at a time.
pub const STREAM_RECORD_BYTES_MAX: usize = 1 << 20;
/// Hosts a second whose counts are compared with the store in the background, for as long as the
/// server runs: some 50 us each, so that it takes less than 1 % of a core.
pub const RECOUNT_HOSTS_A_SECOND: u32 = 100;
/// How many hosts' cells are summed in the background in the time of one such comparison.
pub const RECOUNT_SUMMED_A_HOST: u32 = 4;
/// Most exports at once; beyond it 429 with Retry-After. Each holds up to ten chunks of 64 KiB and the
/// set of one host.
pub const EXPORTS_MAX: usize = 16;
/// Most of them of one credential; beyond it 429 with Retry-After.
pub const EXPORTS_OF_A_CREDENTIAL_MAX: usize = EXPORTS_MAX / PART_OF_AN_ADDRESS;
/// Most hosts that are enrolled at a server at a time; beyond it 409. One takes about a kilobyte of
/// memory.
pub const ENROLMENTS_MAX: usize = 1_000_000;
/// Shortest key by which an enrolment whose answer was lost is asked for again, in characters.
pub const RETRY_KEY_CHARS_MIN: usize = 32;
/// Longest such key, in characters.
pub const RETRY_KEY_CHARS_MAX: usize = 128;
/// Most tokens, access keys, users and enrol keys together that a server keeps; beyond it 409.
pub const CREDENTIALS_MAX: usize = 10_000;
/// Most enterprise projects that one credential names; who needs more has all of them.
pub const CREDENTIAL_ENTERPRISE_PROJECTS_MAX: usize = 1_000;
/// Shortest password of a user, in characters.
pub const PASSWORD_CHARS_MIN: usize = 12;
/// Longest password of a user, in characters.
pub const PASSWORD_CHARS_MAX: usize = 1_024;
/// Most tokens of log-ins that one user, or another credential that they come from, has at a time;
/// beyond it the oldest ends.
pub const SESSIONS_OF_A_CREDENTIAL_MAX: usize = 256;
/// Most tokens of log-ins that a server keeps, beside [`CREDENTIALS_MAX`]; beyond it the oldest ends.
pub const SESSIONS_MAX: usize = 16_384;
/// Longest life of a log-in's token, in seconds.
pub const SESSION_S_MAX: i64 = 86_400;
/// Largest body of a request for a log-in, in bytes: it is read before anybody is known.
pub const LOGIN_BODY_BYTES_MAX: usize = 64 << 10;
/// Most passwords that are checked or hashed at once: each takes tens of milliseconds of a core and
/// 19 MiB.
pub const PASSWORD_CHECKS_MAX: usize = 2;
/// Most log-ins that wait for their password's check; beyond it 429 with Retry-After.
pub const PASSWORD_CHECKS_WAITING_MAX: usize = 256;
/// Wrong passwords in a row for one user from one address; then that address waits
/// [`LOGIN_LOCKED_S`] before the next one for that user is looked at.
pub const LOGIN_FAILURES_MAX: u32 = 5;
/// How long it waits, in seconds; also how long a wrong password is remembered.
pub const LOGIN_LOCKED_S: u32 = 300;
/// Most pairs of user and address whose wrong passwords are counted; beyond it the pair that has been
/// quiet for longest is forgotten.
pub const LOGIN_FAILURES_TRACKED_MAX: usize = 8_192;
/// Most projects that one answer of the Keystone API lists; beyond it the answer says that it is cut.
pub const PROJECTS_LISTED_MAX: usize = 1_000;
/// Longest time that a Keystone elsewhere is believed about a token, in seconds: so late is a
/// revocation there seen here.
pub const KEYSTONE_KEPT_S: i64 = 300;
/// How long it is believed that it does not know a token, in seconds.
pub const KEYSTONE_REFUSED_KEPT_S: i64 = 5;
/// Most tokens that it was good to, and most that it refused, whose answers are kept; beyond it the
/// oldest goes.
pub const KEYSTONE_TOKENS_MAX: usize = 10_000;
/// Most requests to it at once.
pub const KEYSTONE_REQUESTS_MAX: usize = 8;
/// Most requests here that wait for it; beyond it 503.
pub const KEYSTONE_WAITING_MAX: usize = 256;
/// Longest time that a request here waits for it, in seconds; then 503.
pub const KEYSTONE_ANSWER_S_MAX: u64 = 10;
/// Longest time for one request to it, in seconds.
pub const KEYSTONE_REQUEST_S_MAX: u64 = 5;
/// Longest answer of it that is read, in bytes.
pub const KEYSTONE_ANSWER_BYTES_MAX: u64 = 1 << 20;
/// Most open ports that one request ignores, or ignores no longer.
pub const IGNORING_ITEMS_MAX: usize = 200;
/// Longest agent and host id of such a request, in characters.
pub const IGNORING_ID_CHARS_MAX: usize = 64;
/// One address, or one credential, may have one part in this many of what many wait for: places for
/// passwords and for a Keystone elsewhere, room for bodies whose signature is not checked yet.
pub const PART_OF_AN_ADDRESS: usize = 4;
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
/// Most bytes of one request's head, one blank after the colon of each header counted; beyond it 431.
/// A head that is not yet whole at so many bytes is refused without being read further.
pub const HEAD_BYTES_MAX: usize = 64 << 10;
/// Longest time from one answer to the end of the next request's head, in seconds: how long a slow
/// sender holds a connection, and how long an idle one is kept. Longer than the default heartbeat
/// interval, so that agents keep theirs.
pub const HEAD_READ_S_MAX: u64 = 40;
/// Longest time for a TLS handshake, in seconds.
pub const TLS_HANDSHAKE_S_MAX: u64 = 10;
/// Longest time to send a request's body, in seconds.
pub const BODY_READ_S_MAX: u64 = 60;
/// Most rows of counts in one part of a checkpoint: below 1 MiB.
pub const CHECKPOINT_PART_ROWS: usize = 65_536;
/// Days of history that are kept unless told otherwise.
pub const HISTORY_DAYS_DEFAULT: u32 = 90;
/// Most days of history that can be asked for: ten years.
pub const HISTORY_DAYS_MAX: u32 = 3_653;
/// Bytes of history that are kept unless told otherwise: 64 GiB.
pub const HISTORY_BYTES_DEFAULT: u64 = 64 << 30;
/// Most counts of past moments that are kept for the next page of the same question.
pub const PAST_COUNTS_MAX: usize = 16;
/// Longest time that a call waits for an answer of NATS, in seconds.
pub const NATS_CALL_S_MAX: u64 = 5;
/// Time between two pings of NATS, in seconds; after two without an answer another node is tried.
pub const NATS_PING_S: u64 = 5;
/// Largest message that is sent to NATS, its headers included, in bytes: what its `max_payload` must
/// allow. A longer commit goes in parts.
pub const NATS_MESSAGE_BYTES: usize = 4 << 20;
/// What of it is left to headers, in bytes.
pub const NATS_HEADERS_BYTES: usize = 1 << 10;
/// Most messages of the cluster's log that have come in and wait to be taken; more are fetched once
/// half of them are.
pub const LOG_INCOMING_MESSAGES_MAX: usize = 4_096;
/// Most bytes of them.
pub const LOG_INCOMING_BYTES_MAX: usize = 64 << 20;
/// Longest answer of a NATS node's monitor that is read, in bytes.
pub const NATS_MONITOR_BYTES_MAX: u64 = 4 << 20;

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Tells when ports open and close, and which processes hold sockets.
 *
 * Everything about a process is put into the event here: it may be gone before anybody reads. What
 * never changes an open port (connections, accepts) is left after two comparisons.
 * `crates/sockets/src/events` loads it and knows the same layouts. Rebuild by `cargo xtask bpf`.
 */
#include "kernel.h"

/* What the loader fills in. */
volatile const u32 pid_namespace = 0; /* the inode of the reader's process namespace */

enum kind { OPENED = 1, CLOSED = 2, UNDONE = 3 };
enum flag { IS_V6ONLY = 1, IS_EPHEMERAL = 2 };

enum {
	SHORT_PATH = 512, /* takes paths of 256 bytes; longer ones get the long record */
	LONG_PATH = 4352, /* takes paths of 4,096 bytes; of longer ones nothing is told */
	NAME_MAX = 256, /* one component and its end */
	STEPS_MAX = 64, /* components and mounts on the way to the root */
	PID_LEVELS_MAX = 8, /* nested process namespaces that are searched for the reader's */
};

struct event {
	u8 kind;
	u8 protocol;
	u8 family;
	u8 flags;
	u16 port;
	u16 path_bytes;
	u32 pid;
	u32 uid;
	u32 netns;
	u32 reserved;
	u64 cookie;
	u64 start_ns;
	u64 cgroup;
	u64 at_ns;
	u8 address[16];
	char comm[16];
};

/* `path`: the names from the executable up to the root, each ended by 0. */
struct short_event {
	struct event event;
	u8 path[SHORT_PATH];
};

struct long_event {
	struct event event;
	u8 path[LONG_PATH];
};

struct holder {
	u64 inode;
	u32 pid;
	u32 fd;
	u32 netns;
	u32 reserved;
};

struct {
	int (*type)[BPF_MAP_TYPE_RINGBUF];
	int (*max_entries)[1 << 20];
} events SEC(".maps");

/* One number a CPU, so that nobody waits for another. */
enum counter {
	RUNS_STATE,
	RUNS_BIND,
	RUNS_RELEASE,
	EVENTS_STATE,
	EVENTS_BIND,
	EVENTS_RELEASE,
	LOST,
	COUNTERS,
};

struct {
	int (*type)[BPF_MAP_TYPE_PERCPU_ARRAY];
	u32 *key;
	u64 *value;
	int (*max_entries)[COUNTERS];
} counters SEC(".maps");

INLINE void count(u32 counter)
{
	u64 *value = bpf_map_lookup_elem(&counters, &counter);
	/* A program may be interrupted by another task of its CPU, and no loss may go uncounted. */
	if (value)
		__sync_fetch_and_add(value, 1);
}

/* The process's number as the reader sees it; 0 where its namespace does not show it. */
INLINE u32 visible_pid(struct task_struct *task)
{
	struct signal_struct *signal = READ(task, signal);
	struct pid *pid = READ(signal, pids[PIDTYPE_TGID]);
	u32 level = READ(pid, level);
	for (u32 i = 0; i < PID_LEVELS_MAX && i <= level; i++) {
		struct upid *number = (void *)pid + OFFSET_OF(struct pid, numbers) + i * sizeof(*number);
		struct pid_namespace *ns = READ(number, ns);
		if (READ(ns, ns.inum) == pid_namespace)
			return READ(number, nr);
	}
	return 0;
}

INLINE int is_ephemeral(struct net *net, u16 port)
{
	u32 low, high;
	if (EXISTS(struct net, ipv4.ip_local_ports.range)) {
		u32 range = READ(net, ipv4.ip_local_ports.range);
		low = range & 0xffff;
		high = range >> 16;
	} else if (EXISTS(struct net___pair, ipv4.ip_local_ports.range)) {
		struct net___pair *pair = (void *)net;
		low = READ(pair, ipv4.ip_local_ports.range[0]);
		high = READ(pair, ipv4.ip_local_ports.range[1]);
	} else {
		return 0;
	}
	return low <= port && port <= high;
}

INLINE int is_v6only(struct sock *sk)
{
	u8 byte;
	u32 offset = __builtin_preserve_field_info(sk->__sk_common.skc_ipv6only, 0);
	u32 left = __builtin_preserve_field_info(sk->__sk_common.skc_ipv6only, 4);
	u32 size = __builtin_preserve_field_info(sk->__sk_common.skc_ipv6only, 1);
	u64 bits = 0;
	/* A bit field is read with the unit that holds it: 1 byte in all kernels known. */
	if (size != sizeof(byte))
		return 0;
	bpf_probe_read_kernel(&byte, sizeof(byte), (void *)sk + offset);
	bits = byte;
	return (bits << left) >> 63;
}

INLINE void tell_socket(struct event *e, struct sock *sk, u8 protocol)
{
	struct net *net = READ(sk, __sk_common.skc_net.net);
	u16 family = READ(sk, __sk_common.skc_family);
	e->protocol = protocol;
	e->family = family;
	e->port = READ(sk, __sk_common.skc_num);
	e->netns = READ(net, ns.inum);
	e->flags = is_ephemeral(net, e->port) ? IS_EPHEMERAL : 0;
	if (family == AF_INET6) {
		bpf_probe_read_kernel(e->address, 16, &sk->__sk_common.skc_v6_rcv_saddr);
		if (is_v6only(sk))
			e->flags |= IS_V6ONLY;
	} else {
		__builtin_memset(e->address, 0, sizeof(e->address));
		bpf_probe_read_kernel(e->address, 4, &sk->__sk_common.skc_rcv_saddr);
	}
}

INLINE void tell_process(struct event *e)
{
	struct task_struct *task = bpf_get_current_task();
	struct task_struct *leader = READ(task, group_leader);
	e->pid = visible_pid(task);
	e->uid = bpf_get_current_uid_gid();
	e->start_ns = READ(leader, start_boottime);
	e->cgroup = bpf_get_current_cgroup_id();
	bpf_probe_read_kernel(e->comm, sizeof(e->comm), &leader->comm);
}

INLINE void tell(struct event *e, struct sock *sk, u8 kind, u8 protocol, u64 cookie)
{
	e->kind = kind;
	e->cookie = cookie;
	e->at_ns = bpf_ktime_get_boot_ns();
	e->reserved = 0;
	tell_socket(e, sk, protocol);
	tell_process(e);
}

/*
 * Writes the names from the executable up to the root of its mount namespace, as the link
 * /proc/PID/exe names it; none where there is no executable. Gives 0 where they do not fit.
 *
 * How much is used stays in the record and in no register: the verifier, which follows every
 * register, then sees the same state in each round and not another one for each length.
 */
INLINE int executable(struct event *e, u8 *path, u32 room)
{
	volatile u16 *used = &e->path_bytes;
	struct task_struct *task = bpf_get_current_task();
	struct mm_struct *mm = READ(task, mm);
	struct file *file = mm ? READ(mm, exe_file) : 0;
	struct dentry *dentry;
	struct vfsmount *mnt;

	*used = 0;
	if (!file)
		return 1;
	dentry = READ(file, f_path.dentry);
	mnt = READ(file, f_path.mnt);
	for (u32 i = 0; i < STEPS_MAX; i++) {
		struct dentry *parent = READ(dentry, d_parent);
		if (dentry == READ(mnt, mnt_root)) {
			struct mount *mount = (void *)mnt - OFFSET_OF(struct mount, mnt);
			struct mount *above = READ(mount, mnt_parent);
			if (above == mount)
				return 1;
			dentry = READ(mount, mnt_mountpoint);
			mnt = (void *)above + OFFSET_OF(struct mount, mnt);
			continue;
		}
		u32 at = *used;
		if (at > room - NAME_MAX)
			break;
		long wrote = bpf_probe_read_kernel_str(path + at, NAME_MAX, READ(dentry, d_name.name));
		if (wrote <= 1)
			break;
		*used = at + wrote;
		/* A file of no folder: made by memfd_create(2). */
		if (parent == dentry)
			return 1;
		dentry = parent;
	}
	*used = 0;
	return 0;
}

INLINE void submit(struct event *e, struct sock *sk, u8 kind, u8 protocol, u64 cookie)
{
	tell(e, sk, kind, protocol, cookie);
	bpf_ringbuf_submit(e, 0);
}

/* These give what is to be counted: LOST where the ring has no room, else `done`. */
INLINE u32 opened(struct sock *sk, u8 protocol, u64 cookie, u32 done)
{
	struct short_event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e)
		return LOST;
	if (executable(&e->event, e->path, SHORT_PATH)) {
		submit(&e->event, sk, OPENED, protocol, cookie);
		return done;
	}
	bpf_ringbuf_discard(e, 0);
	struct long_event *l = bpf_ringbuf_reserve(&events, sizeof(*l), 0);
	if (!l)
		return LOST;
	executable(&l->event, l->path, LONG_PATH);
	submit(&l->event, sk, OPENED, protocol, cookie);
	return done;
}

INLINE u32 closed(struct sock *sk, u8 kind, u8 protocol, u64 cookie, u32 done)
{
	struct event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e)
		return LOST;
	e->path_bytes = 0;
	tell(e, sk, kind, protocol, cookie);
	/* A port that listen() chose was given back before; what is left of it is the copy for headers. */
	if (!e->port) {
		struct inet_sock *inet = (void *)sk;
		e->port = __builtin_bswap16(READ(inet, inet_sport));
	}
	bpf_ringbuf_submit(e, 0);
	return done;
}

/*
 * A socket is in LISTEN before its port is taken: listen() that finds it taken goes back to CLOSE.
 * SOCK_RCU_FREE is set when a listener is entered into the table of listeners, and not before.
 */
INLINE int never_listened(struct sock *sk)
{
	return !(READ(sk, __sk_common.skc_flags) >> ENUM_VALUE(enum sock_flags, SOCK_RCU_FREE) & 1);
}

/* TP_PROTO(const struct sock *sk, const int oldstate, const int newstate) */
SEC("tp_btf/inet_sock_set_state")
int tcp_state(u64 *ctx)
{
	u32 before = ctx[1], after = ctx[2];
	count(RUNS_STATE);
	/* An accepted connection begins as a copy of its listener: LISTEN to SYN_RECV is no end. */
	int opens = after == TCP_LISTEN;
	int closes = before == TCP_LISTEN && after == TCP_CLOSE;
	if (!opens && !closes)
		return 0;
	struct sock *sk = (void *)ctx[0];
	/* MPTCP shows its TCP socket here, too. */
	if (READ(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	u64 cookie = bpf_get_socket_cookie(sk);
	if (opens)
		count(opened(sk, IPPROTO_TCP, cookie, EVENTS_STATE));
	else
		count(closed(sk, never_listened(sk) ? UNDONE : CLOSED, IPPROTO_TCP, cookie, EVENTS_STATE));
	return 0;
}

/* What the kernel hands to these is its own struct sock. */
INLINE int bound(struct bpf_sock *ctx)
{
	count(RUNS_BIND);
	if (ctx->protocol == IPPROTO_UDP)
		count(opened((void *)ctx, IPPROTO_UDP, bpf_get_socket_cookie(ctx), EVENTS_BIND));
	return 1;
}

SEC("cgroup/post_bind4")
int udp_bound4(struct bpf_sock *ctx)
{
	return bound(ctx);
}

SEC("cgroup/post_bind6")
int udp_bound6(struct bpf_sock *ctx)
{
	return bound(ctx);
}

/*
 * Only a socket with a cookie is told: it got one when its bind was told, or when somebody listed it.
 * A client's that was bound by sending has none, and would make an event of each DNS query.
 */
SEC("cgroup/sock_release")
int udp_released(struct bpf_sock *ctx)
{
	struct sock *sk = (void *)ctx;
	count(RUNS_RELEASE);
	if (ctx->protocol != IPPROTO_UDP || !READ(sk, __sk_common.skc_num))
		return 1;
	u64 cookie = READ(sk, __sk_common.skc_cookie.counter);
	if (cookie)
		count(closed(sk, CLOSED, IPPROTO_UDP, cookie, EVENTS_RELEASE));
	return 1;
}

/* One run a file of each process; those that are open ports are written. */
SEC("iter/task_file")
int holders(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	if (!task || !file)
		return 0;
	struct socket *socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	struct sock *sk = READ(socket, sk);
	u16 family = READ(sk, __sk_common.skc_family);
	if (family != AF_INET && family != AF_INET6)
		return 0;
	u8 state = READ(sk, __sk_common.skc_state);
	u16 protocol = READ(sk, sk_protocol);
	int udp = protocol == IPPROTO_UDP && state == TCP_CLOSE && READ(sk, __sk_common.skc_num);
	if (state != TCP_LISTEN && !udp)
		return 0;
	struct inode *inode = READ(file, f_inode);
	struct net *net = READ(sk, __sk_common.skc_net.net);
	struct holder holder = {
		.inode = READ(inode, i_ino),
		.pid = visible_pid(task),
		.fd = ctx->fd,
		.netns = READ(net, ns.inum),
	};
	bpf_seq_write(ctx->meta->seq, &holder, sizeof(holder));
	return 0;
}

/* The kernel lets only such programs read its memory. */
char gpl[] SEC("license") = "GPL";

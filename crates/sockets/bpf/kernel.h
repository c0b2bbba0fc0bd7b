/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What of the kernel the program reads: only the fields, in no order. The loader looks up where they
 * are in the running kernel (CO-RE), so neither kernel headers nor a dump of all types is needed.
 */
#ifndef PORTOLAN_KERNEL_H
#define PORTOLAN_KERNEL_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef int s32;
typedef unsigned long long u64;
typedef long long s64;

#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define KERNEL __attribute__((preserve_access_index))

/* include/linux/ns_common.h and those of network and process namespaces */
struct ns_common {
	u32 inum;
} KERNEL;

struct local_ports {
	u32 range; /* high << 16 | low, since 6.8 */
} KERNEL;

struct netns_ipv4 {
	struct local_ports ip_local_ports;
} KERNEL;

struct net {
	struct ns_common ns;
	struct netns_ipv4 ipv4;
} KERNEL;

/* The same before 6.8. What follows ___ is not part of the name that is looked up. */
struct local_ports___pair {
	s32 range[2];
} KERNEL;

struct netns_ipv4___pair {
	struct local_ports___pair ip_local_ports;
} KERNEL;

struct net___pair {
	struct netns_ipv4___pair ipv4;
} KERNEL;

typedef struct {
	struct net *net;
} possible_net_t;

struct pid_namespace {
	struct ns_common ns;
} KERNEL;

struct upid {
	s32 nr;
	struct pid_namespace *ns;
} KERNEL;

struct pid {
	u32 level;
	struct upid numbers[1];
} KERNEL;

/* include/net/sock.h */
struct in6_addr {
	u8 bytes[16];
};

typedef struct {
	s64 counter;
} atomic64_t;

struct sock_common {
	u32 skc_rcv_saddr;
	u16 skc_num;
	u16 skc_family;
	u8 skc_state;
	u8 skc_ipv6only : 1;
	possible_net_t skc_net;
	struct in6_addr skc_v6_rcv_saddr;
	atomic64_t skc_cookie;
	unsigned long skc_flags;
} KERNEL;

struct sock {
	struct sock_common __sk_common;
	u16 sk_protocol;
} KERNEL;

struct inet_sock {
	u16 inet_sport; /* big-endian */
} KERNEL;

enum sock_flags {
	SOCK_RCU_FREE = 23, /* the running kernel's number is looked up */
};

struct socket {
	struct sock *sk;
} KERNEL;

/* Files, their names, and where they are mounted */
struct qstr {
	const u8 *name;
} KERNEL;

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
} KERNEL;

struct vfsmount {
	struct dentry *mnt_root;
} KERNEL;

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
} KERNEL;

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
} KERNEL;

struct inode {
	unsigned long i_ino;
} KERNEL;

struct file {
	struct path f_path;
	struct inode *f_inode;
} KERNEL;

struct mm_struct {
	struct file *exe_file;
} KERNEL;

/* include/linux/sched.h */
struct signal_struct {
	struct pid *pids[4];
} KERNEL;

struct task_struct {
	struct task_struct *group_leader;
	struct mm_struct *mm;
	struct signal_struct *signal;
	u64 start_boottime;
	char comm[16];
} KERNEL;

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
} KERNEL;

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	u32 fd;
	struct file *file;
} KERNEL;

/* include/uapi/linux/bpf.h: these places never change */
struct bpf_sock {
	u32 bound_dev_if;
	u32 family;
	u32 type;
	u32 protocol;
};

enum {
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_RINGBUF = 27,
};

static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static u64 (*bpf_get_current_uid_gid)(void) = (void *)15;
static void *(*bpf_get_current_task)(void) = (void *)35;
static u64 (*bpf_get_socket_cookie)(void *socket) = (void *)46;
static u64 (*bpf_get_current_cgroup_id)(void) = (void *)80;
static long (*bpf_probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static long (*bpf_probe_read_kernel_str)(void *to, u32 size, const void *from) = (void *)115;
static u64 (*bpf_ktime_get_boot_ns)(void) = (void *)125;
static long (*bpf_seq_write)(struct seq_file *to, const void *data, u32 size) = (void *)127;
static void *(*bpf_ringbuf_reserve)(void *ring, u64 size, u64 flags) = (void *)131;
static void (*bpf_ringbuf_submit)(void *data, u64 flags) = (void *)132;
static void (*bpf_ringbuf_discard)(void *data, u64 flags) = (void *)133;
static struct socket *(*bpf_sock_from_file)(struct file *file) = (void *)162;

/* include/uapi/linux/in.h, include/linux/socket.h, include/net/tcp_states.h, include/linux/pid_types.h */
enum { IPPROTO_TCP = 6, IPPROTO_UDP = 17 };
enum { AF_INET = 2, AF_INET6 = 10 };
enum { TCP_CLOSE = 7, TCP_LISTEN = 10 };
enum { PIDTYPE_TGID = 1 };

/* Reads a field by its path from a pointer: READ(task, comm). 0 where the pointer leads nowhere. */
#define READ(from, field)                                                                          \
	({                                                                                         \
		typeof((from)->field) value_;                                                      \
		bpf_probe_read_kernel(&value_, sizeof(value_), &(from)->field);                    \
		value_;                                                                            \
	})

#define OFFSET_OF(type, field) __builtin_preserve_field_info(((type *)0)->field, 0)
#define EXISTS(type, field) __builtin_preserve_field_info(((type *)0)->field, 2)
#define ENUM_VALUE(type, name) __builtin_preserve_enum_value(*(typeof(type) *)name, 1)

#endif

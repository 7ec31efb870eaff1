/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/watch/marker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "engine/watch/watch_priv.h"

#define MAX_INSNS 1024
#define MAX_FDS 16384 /* splices out of larger descriptors are marked, each */
#define LINE_BYTES 64 /* of a write, in which an error is looked for */

/* What the program and we share, as one value of a map. */
struct marks {
	uint64_t on;
	int64_t last_ret; /* of the last call that was not a write */
	uint64_t in_xfer; /* a splice came after the last command */
	uint64_t refused; /* a pipe was refused more room after the last splice */
	uint64_t all;     /* sum of `spliced` */
	struct marker_call call;
	uint64_t spliced[MAX_FDS];
};

struct marker {
	int map, prog, link;
	struct marks *marks;
};

/* ---- the program ---------------------------------------------------------------------------------- */

/* Jumps to places that are not known yet: patched at the end. */
enum place { PLACE_PASS, PLACE_MARK, NR_PLACES };

struct program {
	struct bpf_insn insn[MAX_INSNS];
	unsigned nr;
	uint8_t to[MAX_INSNS]; /* place + 1 that instruction i jumps to */
};

/* On the program's stack. */
enum {
	STACK_PID = -8,
	STACK_REGS = STACK_PID - (int)ARCH_PT_BYTES,
	STACK_TEXT = STACK_REGS - LINE_BYTES,
};

static void emit(struct program *p, uint8_t code, uint8_t dst, uint8_t src, int off, int32_t imm)
{
	p->insn[p->nr++] = (struct bpf_insn){ .code = code,
					      .dst_reg = dst & 15,
					      .src_reg = src & 15,
					      .off = (int16_t)off,
					      .imm = imm };
}

static void mov(struct program *p, uint8_t dst, uint8_t src)
{
	emit(p, BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0);
}

static void mov_imm(struct program *p, uint8_t dst, int32_t imm)
{
	emit(p, BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, imm);
}

/* A 64-bit constant, or (what: BPF_PSEUDO_MAP_VALUE) the address of the value of map `imm`. */
static void load_imm(struct program *p, uint8_t dst, uint8_t what, uint64_t imm)
{
	emit(p, BPF_LD | BPF_DW | BPF_IMM, dst, what, 0, (int32_t)(uint32_t)imm);
	emit(p, 0, 0, 0, 0, what ? 0 : (int32_t)(uint32_t)(imm >> 32));
}

static void load(struct program *p, uint8_t size, uint8_t dst, uint8_t base, int off)
{
	emit(p, BPF_LDX | BPF_MEM | size, dst, base, off, 0);
}

static void store(struct program *p, uint8_t base, int off, uint8_t src)
{
	emit(p, BPF_STX | BPF_MEM | BPF_DW, base, src, off, 0);
}

static void call(struct program *p, int32_t helper)
{
	emit(p, BPF_JMP | BPF_CALL, 0, 0, 0, helper);
}

/* if (reg OP imm) goto place; OP is one of BPF_JEQ, BPF_JNE, BPF_JSGT, BPF_JSET, ... */
static void jump(struct program *p, uint8_t op, uint8_t reg, int32_t imm, enum place to)
{
	p->to[p->nr] = (uint8_t)(to + 1);
	emit(p, BPF_JMP | op | BPF_K, reg, 0, 0, imm);
}

static void jump_always(struct program *p, enum place to)
{
	p->to[p->nr] = (uint8_t)(to + 1);
	emit(p, BPF_JMP | BPF_JA, 0, 0, 0, 0);
}

/* if (reg OP imm) skip what comes until here(), which is given what this returns. */
static unsigned skip_if(struct program *p, uint8_t op, uint8_t reg, int32_t imm)
{
	emit(p, BPF_JMP | op | BPF_K, reg, 0, 0, imm);
	return p->nr - 1;
}

static void here(struct program *p, unsigned from)
{
	p->insn[from].off = (int16_t)(p->nr - from - 1);
}

/* Argument `i` of the call. */
static void load_arg(struct program *p, uint8_t dst, unsigned i)
{
	static const int at[6] = ARCH_PT_ARGS;

	load(p, BPF_DW, dst, BPF_REG_10, STACK_REGS + at[i]);
}

/* Registers: r6 the call's number, r7 struct marks, r9 what it returned. */

/* Reads at most LINE_BYTES of what was written or sent; the rest of the text is zero. */
static void read_text(struct program *p)
{
	mov_imm(p, BPF_REG_1, 0);
	for (int i = 0; i < LINE_BYTES; i += 8)
		store(p, BPF_REG_10, STACK_TEXT + i, BPF_REG_1);
	load_arg(p, BPF_REG_2, 2);
	unsigned small = skip_if(p, BPF_JLE, BPF_REG_2, LINE_BYTES);

	mov_imm(p, BPF_REG_2, LINE_BYTES);
	here(p, small);
	load_arg(p, BPF_REG_3, 1);
	mov(p, BPF_REG_1, BPF_REG_10);
	emit(p, BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_1, 0, 0, STACK_TEXT);
	call(p, BPF_FUNC_probe_read_user);
}

/* An image that cannot be written, a reset (one character), an error in the log. */
static void on_write(struct program *p)
{
	unsigned other = skip_if(p, BPF_JNE, BPF_REG_6, SYS_write);

	jump(p, BPF_JEQ, BPF_REG_9, -EINTR, PLACE_PASS);
	jump(p, BPF_JEQ, BPF_REG_9, -EAGAIN, PLACE_PASS);
	jump(p, BPF_JSLT, BPF_REG_9, 0, PLACE_MARK);
	load_arg(p, BPF_REG_2, 2);
	jump(p, BPF_JLE, BPF_REG_2, 2, PLACE_MARK);
	read_text(p);
	/* "(00.123456) Error (", "(00.123456) pie: 4242: Error (" */
	for (int i = 10; i + 3 <= LINE_BYTES; i++) {
		static const char word[] = "Err";
		unsigned next[3];

		for (int k = 0; k < 3; k++) {
			load(p, BPF_B, BPF_REG_1, BPF_REG_10, STACK_TEXT + i + k);
			next[k] = skip_if(p, BPF_JNE, BPF_REG_1, word[k]);
		}
		jump_always(p, PLACE_MARK);
		for (int k = 0; k < 3; k++)
			here(p, next[k]);
	}
	jump_always(p, PLACE_PASS);
	here(p, other);
}

/*
 * Commands to the parasite, but for DUMPPAGES, behind which a pipe is passed by sendmsg(); and what
 * opens and closes objects at a page server, not its entries.
 */
static void on_sendto(struct program *p)
{
	unsigned other = skip_if(p, BPF_JNE, BPF_REG_6, SYS_sendto);

	load_arg(p, BPF_REG_2, 2);
	unsigned server = skip_if(p, BPF_JNE, BPF_REG_2, sizeof(struct parasite_msg));

	mov_imm(p, BPF_REG_1, 0);
	store(p, BPF_REG_7, offsetof(struct marks, in_xfer), BPF_REG_1);
	read_text(p);
	load(p, BPF_W, BPF_REG_1, BPF_REG_10, STACK_TEXT + (int)offsetof(struct parasite_msg, cmd));
	jump(p, BPF_JEQ, BPF_REG_1, CMD_DUMPPAGES, PLACE_PASS);
	jump_always(p, PLACE_MARK);
	here(p, server);
	unsigned head = skip_if(p, BPF_JEQ, BPF_REG_2, 24);

	jump(p, BPF_JNE, BPF_REG_2, 32, PLACE_PASS);
	here(p, head);
	read_text(p);
	load(p, BPF_B, BPF_REG_1, BPF_REG_10, STACK_TEXT);
	jump(p, BPF_JEQ, BPF_REG_1, SERVER_ADD, PLACE_PASS);
	jump(p, BPF_JEQ, BPF_REG_1, SERVER_HOLE, PLACE_PASS);
	jump(p, BPF_JEQ, BPF_REG_1, SERVER_ADD_F, PLACE_PASS);
	jump_always(p, PLACE_MARK);
	here(p, other);
}

/* Replies of the parasite that are errors, or none; replies of a page server. */
static void on_recvfrom(struct program *p)
{
	unsigned other = skip_if(p, BPF_JNE, BPF_REG_6, SYS_recvfrom);

	load_arg(p, BPF_REG_2, 2);
	jump(p, BPF_JEQ, BPF_REG_2, 24, PLACE_MARK);
	jump(p, BPF_JEQ, BPF_REG_2, 32, PLACE_MARK);
	jump(p, BPF_JNE, BPF_REG_2, sizeof(struct parasite_msg), PLACE_PASS);
	jump(p, BPF_JNE, BPF_REG_9, sizeof(struct parasite_msg), PLACE_MARK);
	read_text(p);
	load(p, BPF_W, BPF_REG_1, BPF_REG_10, STACK_TEXT + (int)offsetof(struct parasite_msg, err));
	jump(p, BPF_JSET, BPF_REG_1, INT32_MIN, PLACE_MARK);
	jump_always(p, PLACE_PASS);
	here(p, other);
}

/* The first of a chunk is marked, it shows where the pages go; the others are counted. */
static void on_splice(struct program *p)
{
	unsigned other = skip_if(p, BPF_JNE, BPF_REG_6, SYS_splice);

	jump(p, BPF_JEQ, BPF_REG_9, -EINTR, PLACE_PASS);
	jump(p, BPF_JEQ, BPF_REG_9, -EAGAIN, PLACE_PASS);
	jump(p, BPF_JSLE, BPF_REG_9, 0, PLACE_MARK);
	load(p, BPF_DW, BPF_REG_1, BPF_REG_7, offsetof(struct marks, in_xfer));
	mov_imm(p, BPF_REG_2, 1);
	store(p, BPF_REG_7, offsetof(struct marks, in_xfer), BPF_REG_2);
	mov_imm(p, BPF_REG_2, 0);
	store(p, BPF_REG_7, offsetof(struct marks, refused), BPF_REG_2);
	jump(p, BPF_JEQ, BPF_REG_1, 0, PLACE_MARK);
	load_arg(p, BPF_REG_2, 0);
	emit(p, BPF_ALU64 | BPF_LSH | BPF_K, BPF_REG_2, 0, 0, 32); /* an int */
	emit(p, BPF_ALU64 | BPF_RSH | BPF_K, BPF_REG_2, 0, 0, 32);
	jump(p, BPF_JGE, BPF_REG_2, MAX_FDS, PLACE_MARK);
	emit(p, BPF_ALU64 | BPF_LSH | BPF_K, BPF_REG_2, 0, 0, 3);
	mov(p, BPF_REG_1, BPF_REG_7);
	emit(p, BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_1, BPF_REG_2, 0, 0);
	load(p, BPF_DW, BPF_REG_3, BPF_REG_1, offsetof(struct marks, spliced));
	emit(p, BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_3, BPF_REG_9, 0, 0);
	store(p, BPF_REG_1, offsetof(struct marks, spliced), BPF_REG_3);
	load(p, BPF_DW, BPF_REG_3, BPF_REG_7, offsetof(struct marks, all));
	emit(p, BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_3, BPF_REG_9, 0, 0);
	store(p, BPF_REG_7, offsetof(struct marks, all), BPF_REG_3);
	jump_always(p, PLACE_PASS);
	here(p, other);
}

/* A pipe that has grown; of those that may not, the first of a chunk. */
static void on_fcntl(struct program *p)
{
	unsigned other = skip_if(p, BPF_JNE, BPF_REG_6, SYS_fcntl);

	load_arg(p, BPF_REG_2, 1);
	jump(p, BPF_JNE, BPF_REG_2, F_SETPIPE_SZ, PLACE_PASS);
	jump(p, BPF_JSGE, BPF_REG_9, 0, PLACE_MARK);
	load(p, BPF_DW, BPF_REG_1, BPF_REG_7, offsetof(struct marks, refused));
	mov_imm(p, BPF_REG_2, 1);
	store(p, BPF_REG_7, offsetof(struct marks, refused), BPF_REG_2);
	jump(p, BPF_JEQ, BPF_REG_1, 0, PLACE_MARK);
	jump_always(p, PLACE_PASS);
	here(p, other);
}

/* A call that matters if one of its arguments has one of some values (has a bit of: BPF_JSET). */
static void on_arg(struct program *p, int32_t nr, unsigned arg, uint8_t op, const uint32_t *v,
		   size_t nr_v)
{
	unsigned other = skip_if(p, BPF_JNE, BPF_REG_6, nr);

	load_arg(p, BPF_REG_2, arg);
	emit(p, BPF_ALU64 | BPF_LSH | BPF_K, BPF_REG_2, 0, 0, 32);
	emit(p, BPF_ALU64 | BPF_RSH | BPF_K, BPF_REG_2, 0, 0, 32);
	for (size_t i = 0; i < nr_v; i++) {
		load_imm(p, BPF_REG_3, 0, v[i]);
		p->to[p->nr] = PLACE_MARK + 1;
		emit(p, BPF_JMP | op | BPF_X, BPF_REG_2, BPF_REG_3, 0, 0);
	}
	jump_always(p, PLACE_PASS);
	here(p, other);
}

#define ON_ARG(p, nr, arg, op, ...)                                                                \
	on_arg(p, nr, arg, op, (const uint32_t[]){ __VA_ARGS__ },                                  \
	       sizeof((uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

static void on_others(struct program *p)
{
	static const int32_t always[] = { SYS_sendmsg, SYS_pread64, SYS_vmsplice, SYS_kill,
					  SYS_pipe,    SYS_pipe2,   SYS_connect };

	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		jump(p, BPF_JEQ, BPF_REG_6, always[i], PLACE_MARK);
	ON_ARG(p, SYS_ioctl, 1, BPF_JEQ, PAGEMAP_SCAN_NR);
	ON_ARG(p, SYS_open, 1, BPF_JSET, O_CREAT);
	ON_ARG(p, SYS_openat, 2, BPF_JSET, O_CREAT);
	ON_ARG(p, SYS_ptrace, 0, BPF_JEQ, PTRACE_SEIZE, PTRACE_DETACH, REQ_SETREGS,
	       PTRACE_SETREGSET);
}

/* The process, by its pid as we see it, on, and its registers on the stack. */
static void prologue(struct program *p, int map, pid_t pid, const struct stat *ns)
{
	mov(p, BPF_REG_6, BPF_REG_1);
	load_imm(p, BPF_REG_7, BPF_PSEUDO_MAP_VALUE, (uint64_t)map);
	load(p, BPF_DW, BPF_REG_1, BPF_REG_7, offsetof(struct marks, on));
	jump(p, BPF_JEQ, BPF_REG_1, 0, PLACE_PASS);
	/* As the kernel writes a device's number. */
	load_imm(p, BPF_REG_1, 0, (uint64_t)major(ns->st_dev) << 20 | minor(ns->st_dev));
	load_imm(p, BPF_REG_2, 0, ns->st_ino);
	mov(p, BPF_REG_3, BPF_REG_10);
	emit(p, BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_3, 0, 0, STACK_PID);
	mov_imm(p, BPF_REG_4, sizeof(struct bpf_pidns_info));
	call(p, BPF_FUNC_get_ns_current_pid_tgid);
	jump(p, BPF_JNE, BPF_REG_0, 0, PLACE_PASS);
	load(p, BPF_W, BPF_REG_1, BPF_REG_10,
	     STACK_PID + (int)offsetof(struct bpf_pidns_info, tgid));
	jump(p, BPF_JNE, BPF_REG_1, pid, PLACE_PASS);
	load(p, BPF_DW, BPF_REG_9, BPF_REG_6, 8);
	load(p, BPF_DW, BPF_REG_3, BPF_REG_6, 0);
	mov(p, BPF_REG_1, BPF_REG_10);
	emit(p, BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_1, 0, 0, STACK_REGS);
	mov_imm(p, BPF_REG_2, ARCH_PT_BYTES);
	call(p, BPF_FUNC_probe_read_kernel);
	jump(p, BPF_JNE, BPF_REG_0, 0, PLACE_PASS);
	load(p, BPF_W, BPF_REG_6, BPF_REG_10, STACK_REGS + (int)ARCH_PT_CALL);
}

/* Tells which call it is, and stops the process behind it. */
static void mark(struct program *p)
{
	store(p, BPF_REG_7, offsetof(struct marks, call.nr), BPF_REG_6);
	store(p, BPF_REG_7, offsetof(struct marks, call.ret), BPF_REG_9);
	for (unsigned i = 0; i < 6; i++) {
		load_arg(p, BPF_REG_1, i);
		store(p, BPF_REG_7, (int)(offsetof(struct marks, call.arg) + i * 8), BPF_REG_1);
	}
	mov_imm(p, BPF_REG_1, MARKER_SIGNAL);
	call(p, BPF_FUNC_send_signal);
}

static void assemble(struct program *p, int map, pid_t pid, const struct stat *ns)
{
	unsigned place[NR_PLACES];

	prologue(p, map, pid, ns);
	on_write(p);
	store(p, BPF_REG_7, offsetof(struct marks, last_ret), BPF_REG_9);
	on_splice(p);
	on_sendto(p);
	on_recvfrom(p);
	on_fcntl(p);
	on_others(p);
	place[PLACE_PASS] = p->nr;
	mov_imm(p, BPF_REG_0, 0);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	place[PLACE_MARK] = p->nr;
	mark(p);
	mov_imm(p, BPF_REG_0, 0);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	for (unsigned i = 0; i < p->nr; i++)
		if (p->to[i])
			p->insn[i].off = (int16_t)(place[p->to[i] - 1] - i - 1);
}

/* ---- loading it -------------------------------------------------------------------------------------- */

static int bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static int make_map(void)
{
	union bpf_attr attr = { 0 };

	attr.map_type = BPF_MAP_TYPE_ARRAY;
	attr.key_size = sizeof(uint32_t);
	attr.value_size = sizeof(struct marks);
	attr.max_entries = 1;
	attr.map_flags = BPF_F_MMAPABLE;
	return bpf(BPF_MAP_CREATE, &attr);
}

static int load_program(const struct program *p)
{
	union bpf_attr attr = { 0 };

	attr.prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT;
	attr.insns = (uint64_t)p->insn;
	attr.insn_cnt = p->nr;
	attr.license = (uint64_t) "GPL";
	strcpy(attr.prog_name, "stepdump_marker");
	return bpf(BPF_PROG_LOAD, &attr);
}

static int attach_program(int prog)
{
	union bpf_attr attr = { 0 };

	attr.raw_tracepoint.name = (uint64_t) "sys_exit";
	attr.raw_tracepoint.prog_fd = (uint32_t)prog;
	return bpf(BPF_RAW_TRACEPOINT_OPEN, &attr);
}

static struct err *marker_load(struct marker *m, pid_t pid)
{
	AUTO_FREE struct program *p = xzalloc(sizeof(*p));
	struct stat ns;

	if (stat("/proc/self/ns/pid", &ns))
		return err_sys(errno, "look at our pid namespace");
	m->map = make_map();
	if (m->map < 0)
		return err_sys(errno, "make a BPF map");
	void *at = mmap(NULL, sizeof(*m->marks), PROT_READ | PROT_WRITE, MAP_SHARED, m->map, 0);

	if (at == MAP_FAILED)
		return err_sys(errno, "map a BPF map");
	m->marks = at;
	assemble(p, m->map, pid, &ns);
	m->prog = load_program(p);
	if (m->prog < 0)
		return err_sys(errno, "load a BPF program");
	m->link = attach_program(m->prog);
	return m->link < 0 ? err_sys(errno, "attach a BPF program to sys_exit") : NULL;
}

struct err *marker_new(pid_t pid, struct marker **ret)
{
	struct marker *m = xzalloc(sizeof(*m));
	struct err *e;

	m->map = m->prog = m->link = -1;
	e = marker_load(m, pid);
	if (e) {
		marker_free(m);
		return err_code(e, ERR_UNSUPPORTED);
	}
	*ret = m;
	return NULL;
}

void marker_free(struct marker *m)
{
	if (!m)
		return;
	if (m->marks)
		munmap(m->marks, sizeof(*m->marks));
	close_fd(&m->link);
	close_fd(&m->prog);
	close_fd(&m->map);
	free(m);
}

/* ---- what it has counted ------------------------------------------------------------------------------- */

void marker_switch(struct marker *m, bool on)
{
	__atomic_store_n(&m->marks->on, on, __ATOMIC_SEQ_CST);
}

struct marker_call marker_call(const struct marker *m)
{
	return m->marks->call;
}

int marker_last_errno(const struct marker *m)
{
	int64_t ret = __atomic_load_n(&m->marks->last_ret, __ATOMIC_RELAXED);

	return ret < 0 && ret > -512 ? (int)-ret : 0;
}

uint64_t marker_spliced(const struct marker *m, int fd)
{
	return fd < 0 || fd >= MAX_FDS ? 0 :
					 __atomic_load_n(&m->marks->spliced[fd], __ATOMIC_RELAXED);
}

uint64_t marker_spliced_all(const struct marker *m)
{
	return __atomic_load_n(&m->marks->all, __ATOMIC_RELAXED);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Borrowing the leader thread: we, not compel, save everything that foreign code can change in it,
 * and put it back afterwards.
 *
 * Calls are injected through a system call instruction that is already there (the vDSO has one),
 * from its entry stop to its exit stop.  compel would write one and a breakpoint over the program's
 * text with SIGTRAP blocked, and on a blocked int3 the kernel resets the program's SIGTRAP handler
 * to the default.  Our way avoids that loss.
 *
 * A system call that the freeze interrupted is restarted by the kernel when the thread leaves
 * get_signal(), on x86-64 from orig_ax, ax and the restart_block.  So registers are put back while
 * the thread is inside get_signal(), and nothing that resets the restart_block is ever run.  What
 * another processor does: engine/arch.
 *
 * From the first change to the last the leader would, if we died, go on in the stub (engine/arch/stub.h),
 * which lies in zeros at the end of the vDSO.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/io.h"
#include "base/undo.h"
#include "engine/arch/arch.h"
#include "engine/keeper/keeper_priv.h"

#define ERESTART_FIRST 512 /* ERESTARTSYS and friends: never seen by programs */
#define ERESTART_LAST 516

/* How much of an executable mapping is searched for an instruction. */
#define SEARCH_MAX (1u << 20)
#define SEARCH_STEP (16u << 10)

/* struct rseq and struct rseq_cs of the kernel's API. */
#define RSEQ_CS_OFFSET 8
struct rseq_cs_abi {
	uint32_t version, flags;
	uint64_t start_ip, post_commit_offset, abort_ip;
};

struct search {
	int mem_fd;
	bool vdso; /* look there, or everywhere else */
	uint64_t insn_ip, text_ip, stub_ip, nr_maps;
};

/* Mappings are read in steps that overlap by less than an instruction.  Nothing is allocated: the keeper may be out
 * of memory when it puts targets back. */
static uint64_t find_insn(int mem_fd, uint64_t start, uint64_t end)
{
	static uint8_t buf[SEARCH_STEP];

	end = end - start < SEARCH_MAX ? end : start + SEARCH_MAX;
	for (uint64_t at = start; at + ARCH_INSN_LEN <= end;
	     at += sizeof(buf) - ARCH_INSN_LEN + ARCH_INSN_ALIGN) {
		size_t len = end - at < sizeof(buf) ? end - at : sizeof(buf);
		ssize_t n = pread_full(mem_fd, buf, len, (off_t)at);

		for (ssize_t i = 0; i + (ssize_t)ARCH_INSN_LEN <= n; i += ARCH_INSN_ALIGN)
			if (arch_is_syscall(buf + i))
				return at + (uint64_t)i;
	}
	return 0;
}

/* Zeros at the end of a mapping, where no code is. */
static uint64_t find_zeros(int mem_fd, uint64_t end)
{
	uint8_t buf[ARCH_STUB_MAX];
	uint64_t at = end - sizeof(buf);
	size_t nr = 0;

	if (!arch_stub.len || arch_stub.len > sizeof(buf) ||
	    pread_full(mem_fd, buf, sizeof(buf), (off_t)at) != (ssize_t)sizeof(buf))
		return 0;
	while (nr < sizeof(buf) && !buf[nr])
		nr++;
	return nr == sizeof(buf) ? at : 0;
}

static bool search_map(const struct proc_map *m, void *arg)
{
	struct search *s = arg;

	if (!strcmp(m->name, "[vsyscall]")) /* not counted by vm.max_map_count */
		return true;
	s->nr_maps++;
	if (m->perms[2] != 'x' || m->perms[3] != 'p' || s->vdso != !strcmp(m->name, "[vdso]"))
		return true;
	if (!s->insn_ip)
		s->insn_ip = find_insn(s->mem_fd, m->start, m->end);
	/* In the vDSO the name that compel writes at text_ip + 8 falls on the padding of the ELF
	 * identification, which is not code. */
	if (!s->text_ip)
		s->text_ip = m->start;
	if (s->vdso && !s->stub_ip)
		s->stub_ip = find_zeros(s->mem_fd, m->end);
	return s->vdso || !s->insn_ip || !s->text_ip;
}

void borrow_look(struct held *h)
{
	struct search s = { .vdso = true };
	uint8_t insn[ARCH_INSN_LEN];
	char path[64];

	/* Another process may share the memory, so what was found may be gone. */
	if (h->nr_maps && !pt_read(h->pid, h->own.insn_ip, insn, sizeof(insn)) &&
	    arch_is_syscall(insn))
		return;
	snprintf(path, sizeof(path), "/proc/%d/mem", h->pid);
	AUTO_CLOSE int mem_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (mem_fd < 0)
		return;
	s.mem_fd = mem_fd;
	kproc_each_map(h->pid, search_map, &s);
	h->nr_maps = s.nr_maps;
	s.vdso = false;
	if (!s.insn_ip || !s.text_ip)
		kproc_each_map(h->pid, search_map, &s);
	h->own.insn_ip = s.insn_ip;
	h->own.text_ip = s.text_ip;
	h->own.stub_ip = s.stub_ip;
}

static struct err *find_places(struct held *h)
{
	borrow_look(h);
	if (h->own.insn_ip && h->own.text_ip)
		return NULL;
	return err_pid(err_new(ERR_UNSUPPORTED,
			       "cannot inject into %d: it has no private executable mapping with "
			       "a system call instruction that we can read",
			       h->pid),
		       h->pid);
}

/*
 * A restartable sequence that the freeze interrupted: the kernel sends the thread to the abort
 * handler when it next returns to user space.  With foreign code in between it would see another
 * ip and forget the sequence, so we do what it would have done.
 */
static void leave_rseq(struct held *h)
{
	struct user_regs_struct *r = &h->own.regs;
	struct rseq_cs_abi cs;
	uint64_t area = pt_rseq_area(h->pid), cs_addr, none = 0;

	if (!area || pt_read(h->pid, area + RSEQ_CS_OFFSET, &cs_addr, sizeof(cs_addr)) ||
	    !cs_addr || pt_read(h->pid, cs_addr, &cs, sizeof(cs)))
		return;
	if (arch_ip(r) - cs.start_ip >= cs.post_commit_offset)
		return;
	/* First the registers: outside of the sequence, its note means nothing. */
	struct user_regs_struct before = *r;

	arch_jump(r, cs.abort_ip);
	if (pt_set_regs(h->pid, r) || pt_write(h->pid, area + RSEQ_CS_OFFSET, &none, sizeof(none)))
		*r = before;
}

static struct err *borrow_lost(struct held *h, const char *what, int err)
{
	if (err == -ESRCH && (h->gone || pt_has_news(h->pid))) {
		h->gone = true;
		return held_gone_err(h);
	}
	return err_pid(err_sys(-err, "cannot %s of %d", what, h->pid), h->pid);
}

void borrow_stub(struct held *h, bool there)
{
	uint8_t stub[ARCH_STUB_MAX] = { 0 };
	char path[64];

	if (!h->own.stub_ip)
		return;
	if (there)
		arch_stub_make(&h->own.regs, h->own.sigmask, stub);
	snprintf(path, sizeof(path), "/proc/%d/mem", h->pid);
	AUTO_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0 && pwrite_full(fd, stub, arch_stub.len, (off_t)h->own.stub_ip) > 0)
		return;
	/* Refused there, by proc_mem.force_override= perhaps.  Only a stopped task can be asked. */
	if (pt_write(h->pid, h->own.stub_ip, stub, arch_stub.len) && there)
		h->own.stub_ip = 0;
}

int borrow_park(struct held *h)
{
	struct user_regs_struct regs = h->own.regs;

	if (h->own.stub_ip) {
		arch_jump(&regs, h->own.stub_ip + arch_stub.leave);
		arch_stub_args(&regs, STUB_UNDO_NOTHING, 0, &h->ours);
	}
	return pt_set_regs(h->pid, &regs);
}

struct err *borrow_begin(struct held *h)
{
	struct journal *own = &h->own;
	size_t xstate_len;
	int err;

	own->pid = h->pid;
	own->start_time_ticks = h->start_time_ticks;
	own->map_start = own->map_end = 0;
	h->ours = (struct arch_stub_own){ .fd = -1 };
	err = FAULT_NEG(BORROW_REGS, pt_get_regs(h->pid, &own->regs));
	if (!err)
		err = pt_get_sigmask(h->pid, &own->sigmask);
	if (!err)
		err = pt_get_xstate(h->pid, own->xstate, &xstate_len);
	if (err)
		return borrow_lost(h, "read the registers", err);
	own->xstate_len = xstate_len;
	TRY(find_places(h));
	err = FAULT_NEG(BORROW_TEXT, pt_read(h->pid, own->text_ip, own->text, sizeof(own->text)));
	if (err)
		return borrow_lost(h, "read the text", err);
	TRY(journal_write(own));
	leave_rseq(h);
	borrow_stub(h, true);
	err = borrow_park(h);
	if (!err)
		err = FAULT_NEG(BORROW_MASK, pt_set_sigmask(h->pid, ~0ull));
	if (err) {
		pt_set_regs(h->pid, &own->regs);
		borrow_stub(h, false);
		journal_remove(h->pid);
		return borrow_lost(h, "block the signals", err);
	}
	h->borrowed = true;
	return NULL;
}

struct err *borrow_end(struct held *h)
{
	struct journal *own = &h->own;
	int err;

	if (!h->borrowed)
		return NULL;
	err = pt_set_xstate(h->pid, own->xstate, own->xstate_len);
	/* With the stub in place the registers come last, since it restores the mask as well. */
	if (!err && own->stub_ip)
		err = pt_set_sigmask(h->pid, own->sigmask);
	if (!err)
		err = pt_set_regs(h->pid, &own->regs);
	if (!err && !own->stub_ip)
		err = pt_set_sigmask(h->pid, own->sigmask);
	if (!err)
		borrow_stub(h, false);
	if (!err || h->gone || pt_has_news(h->pid)) {
		h->borrowed = false;
		journal_remove(h->pid);
		if (!err)
			undo_note(
				h->pid, "registers",
				"registers, extended state and signal mask of the main thread put back");
		if (err)
			return borrow_lost(h, "put back the registers", err);
		return NULL;
	}
	return err_pid(err_hint(err_new(ERR_HARM, "cannot put back the registers of %d: %s", h->pid,
					strerror(-err)),
				"rescue %d", h->pid),
		       h->pid);
}

/* Resumes the leader until it makes a stop of the kind `want`. */
static struct err *run_to(struct held *h, enum pt_stop want)
{
	uint64_t deadline = pt_now_ns() + CALL_TIMEOUT_NS;
	int sig = 0, status;

	for (;;) {
		int err = want == STOP_SYSCALL ? pt_syscall(h->pid, sig) : pt_cont(h->pid, sig);

		if (err)
			return borrow_lost(h, "resume the leader", err);
		h->running = true;
		err = pt_wait(h->pid, deadline, &status);
		if (err == -ETIMEDOUT) {
			TRY(held_stop_leader(h, CALL_TIMEOUT_NS / 10));
			return err_pid(err_hint(err_new(ERR_SYS,
							"a system call injected into %d does "
							"not end",
							h->pid),
						"is its cgroup frozen?"),
				       h->pid);
		}
		if (err)
			return borrow_lost(h, "wait for the leader", -ESRCH);
		h->running = false;
		enum pt_stop stop = pt_classify(status, &sig);
		if (stop == want)
			return NULL;
		switch (stop) {
		case STOP_DEAD:
			h->gone = true;
			return held_gone_err(h);
		case STOP_EVENT: /* somebody sent SIGSTOP or SIGCONT: takes effect later */
		case STOP_SYSCALL:
			sig = 0;
			break;
		default:
			if (sig == SIGSTOP)
				break; /* cannot be blocked: takes effect when we let go */
			return err_pid(err_new(ERR_SYS,
					       "a system call injected into %d got signal %d",
					       h->pid, sig),
				       h->pid);
		}
	}
}

struct err *borrow_to_syscall(struct held *h)
{
	return run_to(h, STOP_SYSCALL);
}

struct err *borrow_to_signal_stop(struct held *h)
{
	int err = borrow_park(h);

	if (!err)
		err = pt_interrupt(h->pid);
	if (err)
		return borrow_lost(h, "put back the registers", err);
	return run_to(h, STOP_EVENT);
}

/* The registers for that call.  Those that end something of ours are made by the stub's own
 * instructions for that, behind which it is not done again. */
static void borrow_call_regs(struct held *h, long nr, const uint64_t args[6],
			     struct user_regs_struct *regs)
{
	enum arch_stub_undo undo = STUB_UNDO_NOTHING;
	uint32_t at = arch_stub.call;

	if (nr == SYS_memfd_create || nr == SYS_userfaultfd)
		undo = STUB_UNDO_FD;
	else if (nr == SYS_mmap)
		undo = STUB_UNDO_MAP;
	else if (nr == SYS_close && (int)args[0] == h->ours.fd)
		at = arch_stub.close;
	else if (nr == SYS_munmap && h->ours.len && args[0] == h->ours.start)
		at = arch_stub.unmap;
	*regs = h->own.regs;
	arch_set_call(regs, h->own.stub_ip ? h->own.stub_ip + at : h->own.insn_ip, nr, args);
	if (h->own.stub_ip)
		arch_stub_args(regs, undo, args[1], &h->ours);
}

/* What is ours after that call. */
static void borrow_note_call(struct held *h, long nr, const uint64_t args[6], int64_t ret)
{
	if (ret < 0 && ret > -4096)
		return;
	if (nr == SYS_memfd_create || nr == SYS_userfaultfd)
		h->ours.fd = (int)ret;
	else if (nr == SYS_close && (int)args[0] == h->ours.fd)
		h->ours.fd = -1;
	else if (nr == SYS_mmap) {
		h->ours.start = (uint64_t)ret;
		h->ours.len = args[1];
	} else if (nr == SYS_munmap && args[0] == h->ours.start) {
		h->ours.len = 0;
	}
}

struct err *borrow_syscall(struct held *h, long nr, const uint64_t args[6], int64_t *ret)
{
	struct user_regs_struct regs;
	int err;

	borrow_call_regs(h, nr, args, &regs);
	err = FAULT_NEG(INJECT, pt_set_regs(h->pid, &regs));
	if (err)
		return borrow_lost(h, "set the registers", err);
	TRY(borrow_to_syscall(h)); /* entry */
	TRY(borrow_to_syscall(h)); /* exit */
	err = pt_get_regs(h->pid, &regs);
	if (err)
		return borrow_lost(h, "read the registers", err);
	int64_t value = arch_call_result(&regs);
	borrow_note_call(h, nr, args, value);
	TRY(borrow_to_signal_stop(h));
	*ret = value <= -ERESTART_FIRST && value >= -ERESTART_LAST ? -EINTR : value;
	return NULL;
}

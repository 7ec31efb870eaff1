/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Repairing what a killed keeper (or a killed CRIU) left in a process.  When the keeper is gone, a
 * running parasite restores the thread by itself, and only its mapping stays.  A keeper that was
 * killed earlier or later than that, in the middle of an injected call, leaves foreign registers in
 * a thread that has not run on since, because it is in a frozen cgroup, or stopped.  The journal
 * has the right ones.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "engine/arch/arch.h"
#include "engine/keeper/keeper_priv.h"

#define MAX_RANGES 64
/* A parasite that is about to end gets this long to finish. */
#define LEAVE_TIMEOUT_NS 5000000000ull
#define LEAVE_SLICE_NS 20000000l

struct residue {
	struct {
		uint64_t start, end;
	} map[MAX_RANGES];
	size_t nr;
};

static bool residue_map(const struct proc_map *m, void *arg)
{
	struct residue *r = arg;

	if (strncmp(m->name, PARASITE_MEMFD, strlen(PARASITE_MEMFD)))
		return true;
	if (r->nr && r->map[r->nr - 1].end == m->start) {
		r->map[r->nr - 1].end = m->end;
	} else if (r->nr < MAX_RANGES) {
		r->map[r->nr].start = m->start;
		r->map[r->nr++].end = m->end;
	}
	return true;
}

static bool inside(const struct residue *r, uint64_t ip)
{
	for (size_t i = 0; i < r->nr; i++)
		if (ip >= r->map[i].start && ip < r->map[i].end)
			return true;
	return false;
}

/* Is the leader where an injected call left it? */
static bool still_borrowed(const struct journal *j, const struct user_regs_struct *r)
{
	const struct user_regs_struct *o = &j->regs;

	uint64_t ip = arch_ip(r);

	if (j->stub_ip && ip - j->stub_ip < arch_stub.code)
		return true;

	return (ip == j->insn_ip || ip == j->insn_ip + ARCH_INSN_LEN) && arch_ip(o) != ip &&
	       arch_same_preserved(r, o);
}

/* stopped: by a SIGSTOP, so that what a dead dumper left in it cannot run to its end. */
static struct err *parasite_stays(pid_t pid, bool stopped)
{
	struct err *e = err_new(ERR_HARM, "a parasite still runs in %d", pid);

	if (stopped)
		e = err_hint(
			e,
			"it is stopped, and with it the parasite: `kill -CONT %d` lets it leave, then "
			"`rescue %d` again",
			pid, pid);
	return err_pid(e, pid);
}

/* Seizes when no thread is inside the residue any more. */
static struct err *seize_outside(pid_t pid, pid_t us, struct residue *r, struct held **ret)
{
	uint64_t deadline = pt_now_ns() + LEAVE_TIMEOUT_NS;

	for (;;) {
		struct timespec slice = { 0, LEAVE_SLICE_NS };
		struct held *h;
		bool busy = false;

		TRY(held_seize(pid, us, true, &h));
		r->nr = 0;
		kproc_each_map(pid, residue_map, r);
		for (size_t i = 0; i < h->nr && !busy; i++) {
			struct user_regs_struct regs;

			busy = !pt_get_regs(h->threads[i].tid, &regs) && inside(r, arch_ip(&regs));
		}
		if (!busy) {
			*ret = h;
			return NULL;
		}
		bool stopped = h->was_stopped;
		struct err *e = held_detach(h);

		held_free(h);
		TRY(e);
		if (pt_now_ns() > deadline)
			return parasite_stays(pid, stopped);
		nanosleep(&slice, NULL);
	}
}

/* The stub of a borrowed thread that has left by itself. */
static void clear_stub(struct held *h, const struct journal *j, FILE *report)
{
	uint8_t there[8], stub[ARCH_STUB_MAX];

	if (!j->stub_ip || pt_read(h->pid, j->stub_ip, there, sizeof(there)))
		return;
	arch_stub_make(&j->regs, j->sigmask, stub);
	if (memcmp(there, stub, sizeof(there)) != 0)
		return;
	h->own.stub_ip = j->stub_ip;
	borrow_stub(h, false);
	h->own.stub_ip = 0;
	fprintf(report, "borrowed bytes of the vDSO at 0x%lx: put back\n", j->stub_ip);
}

static void put_back_state(struct held *h, const struct journal *j, FILE *report)
{
	uint8_t text[JOURNAL_TEXT_LEN];
	struct user_regs_struct regs;

	if (!pt_read(h->pid, j->text_ip, text, sizeof(text)) &&
	    memcmp(text, j->text, sizeof(text)) &&
	    !pt_write(h->pid, j->text_ip, j->text, sizeof(text)))
		fprintf(report, "borrowed text at 0x%lx: put back\n", j->text_ip);
	if (pt_get_regs(h->pid, &regs) || !still_borrowed(j, &regs)) {
		clear_stub(h, j, report);
		return;
	}
	if (!pt_set_xstate(h->pid, j->xstate, j->xstate_len) && !pt_set_regs(h->pid, &j->regs) &&
	    !pt_set_sigmask(h->pid, j->sigmask))
		fprintf(report, "borrowed registers of the main thread: put back\n");
	clear_stub(h, j, report);
}

static struct err *unmap_all(struct held *h, const struct residue *r, FILE *report)
{
	struct err *e = NULL;

	if (!r->nr)
		return NULL;
	if (preflight_frozen(h->pid))
		return err_pid(err_hint(err_new(ERR_TARGET,
						"cannot remove the parasite's mapping from "
						"%d: its cgroup is frozen",
						h->pid),
					"thaw it, then rescue %d again", h->pid),
			       h->pid);
	TRY(borrow_begin(h));
	for (size_t i = 0; i < r->nr && !e; i++) {
		uint64_t args[6] = { r->map[i].start, r->map[i].end - r->map[i].start };
		int64_t ret;

		e = borrow_syscall(h, SYS_munmap, args, &ret);
		if (!e && ret)
			e = err_pid(err_sys((int)-ret, "cannot unmap 0x%lx from %d",
					    r->map[i].start, h->pid),
				    h->pid);
		if (!e)
			fprintf(report, "parasite mapping %lx-%lx: removed\n", r->map[i].start,
				r->map[i].end);
	}
	return err_first(e, borrow_end(h));
}

static struct err *put_right(pid_t pid, pid_t us, const struct journal *j, FILE *report)
{
	struct residue r = { .nr = 0 };
	struct held *h = NULL;

	TRY(seize_outside(pid, us, &r, &h));
	if (j)
		put_back_state(h, j, report);
	struct err *e = unmap_all(h, &r, report);
	e = err_first(e, held_detach(h));
	held_free(h);
	if (!e)
		journal_remove(pid);
	return e;
}

struct err *rescue(pid_t pid, pid_t us, bool remove, char **report_ret)
{
	struct residue r = { .nr = 0 };
	struct proc_stat stat;
	struct proc_status st;
	struct journal j;
	bool have_journal = false;
	char *text = NULL;
	size_t len;
	struct err *e = NULL;

	if (!kproc_stat(pid, &stat) || !kproc_status(pid, 0, &st)) {
		journal_remove(pid);
		return err_pid(err_new(ERR_TARGET, "cannot look at %d: no such process", pid), pid);
	}
	FILE *report = open_memstream(&text, &len);
	if (!report)
		return err_sys(ENOMEM, "cannot write the report about %d", pid);
	if (!st.tracer_pid) { /* otherwise it belongs to a dumper that is still running */
		e = journal_read(pid, &j, &have_journal);
		if (have_journal && j.start_time_ticks != stat.start_time_ticks) {
			fprintf(report, "journal of an earlier process %d: removed\n", pid);
			journal_remove(pid);
			have_journal = false;
		}
		kproc_each_map(pid, residue_map, &r);
		if (!e && remove && (r.nr || have_journal)) {
			e = put_right(pid, us, have_journal ? &j : NULL, report);
		} else {
			for (size_t i = 0; i < r.nr; i++)
				fprintf(report, "parasite mapping %lx-%lx\n", r.map[i].start,
					r.map[i].end);
			if (have_journal)
				fprintf(report, "journal of an interrupted infection\n");
		}
	}
	if (fclose(report) && !e)
		e = err_sys(ENOMEM, "cannot write the report about %d", pid);
	if (e)
		free(text);
	else
		*report_ret = text;
	return e;
}

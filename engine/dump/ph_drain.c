/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * drain: moves the pages of one ppb into its pipe, by reference.  For a task the parasite does it
 * (DUMPPAGES, the pipe's descriptor, the reply); a shared-memory object is spliced from its own
 * descriptor.
 * Mirrors: criu/mem.c drain_pages(); criu/pie/parasite.c dump_pages().
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "engine/dump/phases.h"
#include "engine/target/parasite_rpc.h"

#define MAX_WAITING_IOVS 256u

/* Which page stopped the splice, where it is, and what the kernel says about it. */
static struct err *drain_page_at_fault(struct dump *d, unsigned index, uint64_t bytes, int why)
{
	const struct page_pipe_buf *ppb = &d->pp.ppb[index];
	uint64_t addr = 0, raw = 0;
	char byte[PAGE_BYTES_MAX];
	size_t got = 0;

	for (unsigned i = ppb->moved_iov; i < ppb->nr_segs; i++) {
		addr = (uint64_t)ppb->iov[i].iov_base;
		if (bytes < ppb->iov[i].iov_len) {
			addr += bytes & ~(PAGE_BYTES - 1);
			break;
		}
		bytes -= ppb->iov[i].iov_len;
	}

	const struct target *t = dump_task(d)->t;
	ssize_t vi = vma_list_find(&t->vmas, addr);
	const struct vma *v = vi >= 0 ? &t->vmas.v[vi] : NULL;
	struct err *read_err = target_read(t, addr, byte, PAGE_BYTES, &got);
	struct err *e = err_sys(why,
				"drain ppb %u: the page at %lx in VMA %zd (%s%s%s) did not "
				"go into the pipe",
				index, addr, vi, v ? vma_kind(v) : "none", v && *v->name ? " " : "",
				v ? v->name : "");

	err_free(pagemap_read(t->pagemap_fd, addr, 1, &raw));
	if (why == EAGAIN)
		e = err_hint(e, "the pipe took fewer pages than its size says; `next` tries again");
	else if (raw & PM_GUARD_REGION)
		e = err_hint(e, "it is a guard page (MADV_GUARD_INSTALL)");
	else if ((raw & PM_SWAP) && read_err)
		e = err_hint(
			e,
			"pagemap calls it swapped, yet it cannot be read (%s): a poisoned page "
			"or another marker; the target must unmap or rewrite it",
			err_errno_name(read_err->sys_errno));
	else if (read_err)
		e = err_hint(e, "reading it through /proc/%d/mem fails too (%s)", t->pid,
			     err_errno_name(read_err->sys_errno));
	else
		e = err_hint(e,
			     "it can be read through /proc/%d/mem, so its protection is in the "
			     "way: a protection key, or a mapping that changed",
			     t->pid);
	err_free(read_err);
	return err_vaddr(e, addr);
}

/* Commands that one ppb needs: a message holds at most PARASITE_MAX_IOVS iovecs. */
static unsigned drain_batch(const struct page_pipe_buf *ppb, unsigned from)
{
	unsigned left = ppb->nr_segs - from;

	return left < PARASITE_MAX_IOVS ? left : PARASITE_MAX_IOVS;
}

static struct err *drain_send(struct dump *d, struct page_pipe_buf *ppb, unsigned from)
{
	return pc_dump_send(dump_task(d)->t->par.sock, ppb->iov + from, drain_batch(ppb, from),
			    ppb->p[1]);
}

/* Commands wait in the channel while they are this short; longer ones would fill it. */
static bool drain_can_wait(const struct page_pipe_buf *ppb)
{
	return ppb->nr_segs - ppb->moved_iov <= MAX_WAITING_IOVS;
}

/* Asks the parasite for the pages of ppb i and, looking ahead, of the ppbs after it. */
static struct err *drain_ask(struct dump *d, unsigned i, bool ahead)
{
	for (unsigned k = i; k < d->pp.nr_ppbs && (k == i || ahead); k++) {
		struct page_pipe_buf *ppb = &d->pp.ppb[k];

		if (k > i && !(drain_can_wait(&d->pp.ppb[i]) && drain_can_wait(ppb)))
			break;
		if (ppb->state != PPB_PLANNED || ppb->asked)
			continue;
		TRY(drain_send(d, ppb, ppb->moved_iov));
		ppb->asked = true;
		d->at.asked++;
	}
	return NULL;
}

/* Waits for the pages of ppb i, checks them against the plan and FIONREAD, and makes it DRAINED.
 * After a failure its pipe is empty, and the error names the page. */
static struct err *drain_wait(struct dump *d, unsigned i)
{
	struct page_pipe_buf *ppb = &d->pp.ppb[i];
	uint64_t have = 0;

	ppb->asked = false;
	d->at.asked--;
	for (unsigned at = ppb->moved_iov;;) {
		unsigned nr = drain_batch(ppb, at), bad_iov;
		uint64_t bytes;
		int why;

		TRY(pc_dump_wait(dump_task(d)->t->par.sock, &bytes, &bad_iov, &why));
		have += bytes;
		if (why || bytes != ppb_pages(ppb, at, at + nr) * PAGE_BYTES)
			return err_first(drain_page_at_fault(d, i, have, why),
					 page_pipe_empty(&d->pp, i));
		at += nr;
		if (at == ppb->nr_segs)
			break;
		TRY(drain_send(d, ppb, at));
	}

	ppb->state = PPB_DRAINED;

	uint64_t fact = page_pipe_in_pipe(ppb), want = page_pipe_expected(&d->pp, i);

	if (fact != want)
		return err_first(err_new(ERR_CHECK,
					 "drain ppb %u: planned %lu bytes, FIONREAD says %lu", i,
					 want, fact),
				 page_pipe_empty(&d->pp, i));
	return NULL;
}

/*
 * Takes the outstanding answers, so that none is mistaken for the answer to a later command; the
 * ppbs may hold their pages then.  If one does not come, the rest is not waited for.
 */
static struct err *drain_settle(struct dump *d, struct err *e)
{
	bool gone = e && e->code == ERR_TARGET;

	for (unsigned i = 0; d->at.asked && i < d->pp.nr_ppbs; i++) {
		if (!d->pp.ppb[i].asked)
			continue;
		if (gone) {
			d->pp.ppb[i].asked = false;
			d->at.asked--;
			continue;
		}
		struct err *e2 = drain_wait(d, i);

		gone = e2 && e2->code == ERR_TARGET;
		e = err_first(e, e2);
	}
	return e;
}

/* Moves at most `len` bytes of an object into a pipe, as splice() does.  From `whole` on, the
 * object fills its last page only in part: that page is copied, since images hold whole pages.  So
 * are the pages of an object that does not support splice, such as one on hugetlbfs. */
static ssize_t drain_splice_object(int fd, loff_t *off, int pipe_fd, size_t len, uint64_t whole)
{
	char page[PAGE_BYTES_MAX] = "";
	ssize_t n;

	if ((uint64_t)*off < whole) {
		n = splice(fd, off, pipe_fd, NULL,
			   len < whole - (uint64_t)*off ? len : whole - (uint64_t)*off,
			   SPLICE_F_NONBLOCK);
		if (n >= 0 || errno != EINVAL)
			return n;
	}
	n = pread(fd, page, PAGE_BYTES, *off);
	if (n > 0)
		n = write(pipe_fd, page, PAGE_BYTES);
	if (n > 0)
		*off += n;
	return n;
}

static struct err *drain_shmem(struct dump *d, unsigned index)
{
	struct page_pipe_buf *ppb = &d->pp.ppb[index];
	const struct shmem_info *o = dump_shmem(d);
	struct stat st;

	if (fstat(o->fd, &st))
		return err_sys(errno, "stat shared memory %lu", o->shmid);

	uint64_t whole = (uint64_t)st.st_size & ~(PAGE_BYTES - 1);

	for (unsigned i = ppb->moved_iov; i < ppb->nr_segs; i++) {
		loff_t off = (loff_t)(uint64_t)ppb->iov[i].iov_base;
		size_t left = ppb->iov[i].iov_len;

		while (left) {
			ssize_t n = RETRY(drain_splice_object(o->fd, &off, ppb->p[1], left, whole));

			if (n <= 0) {
				struct err *e = err_sys(n < 0 ? errno : EIO,
							"drain ppb %u: shared memory %lu "
							"at offset %lx",
							index, o->shmid, off);

				return err_first(e, page_pipe_empty(&d->pp, index));
			}
			left -= (size_t)n;
		}
	}
	ppb->state = PPB_DRAINED;
	return NULL;
}

static unsigned drain_first_planned(struct dump *d)
{
	while (d->at.drain < d->pp.nr_ppbs && d->pp.ppb[d->at.drain].state != PPB_PLANNED)
		d->at.drain++;
	return d->at.drain;
}

static void drain_next(struct dump *d, struct unit *u)
{
	unsigned i = drain_first_planned(d);

	if (i == d->pp.nr_ppbs)
		return;

	const struct page_pipe_buf *ppb = &d->pp.ppb[i];

	u->ppb = (int)i;
	u->start = (uint64_t)ppb->iov[0].iov_base;
	u->end = (uint64_t)ppb->iov[ppb->nr_segs - 1].iov_base + ppb->iov[ppb->nr_segs - 1].iov_len;
}

static struct err *drain_one(struct dump *d, unsigned i, bool flow)
{
	struct page_pipe_buf *ppb = &d->pp.ppb[i];
	uint64_t t0 = now_us();

	if (dump_shmem(d)) {
		TRY(drain_shmem(d, i));
	} else {
		TRY(drain_ask(d, i, flow));
		TRY(drain_wait(d, i));
	}
	ppb->drain_us = now_us() - t0;
	d->times.drain += ppb->drain_us;
	d->drained.ppbs++;
	d->drained.pages += ppb->pages_in;
	d->drained.us += ppb->drain_us;
	d->drained.passed_on |= flow;

	unsigned next = drain_first_planned(d);

	return flow && !dump_shmem(d) && next < d->pp.nr_ppbs ? drain_ask(d, next, true) : NULL;
}

/* Nothing is in the pipes: the pages count as transferred. */
static void drain_nothing(struct dump *d)
{
	for (unsigned i = 0; i < d->pp.nr_ppbs; i++)
		d->pp.ppb[i].state = PPB_SENT;
}

/*
 * In a flow a ppb is transferred as soon as it is drained.  Meanwhile the parasite fills the other
 * pipes, on another CPU, and need not be woken up for each.  vmsplice and splice never meet in one
 * pipe, and the target stays frozen until the last splice has returned.
 */
static struct err *drain_step(struct dump *d, enum pace pace)
{
	bool flow = pace == PACE_FLOW && !dump_keeps_pages(d);

	if (d->rehearsal)
		drain_nothing(d);

	unsigned i = drain_first_planned(d);

	if (i < d->pp.nr_ppbs) {
		struct err *e = drain_one(d, i, flow);

		if (e) {
			d->at.drain = 0; /* those that share its pipe may be planned again */
			return e;
		}
		if (!flow && drain_first_planned(d) < d->pp.nr_ppbs)
			return NULL;
	}
	if (dump_keeps_pages(d))
		return dump_next_item(d);
	d->phase = PH(XFER);
	return NULL;
}

static void drain_summary(const struct dump *d, const struct unit *u, char *buf, size_t len)
{
	const struct dump_drained *dr = &d->drained;

	if (u->ppb >= 0 && d->phase == PH(DRAIN)) {
		const struct page_pipe_buf *ppb = &d->pp.ppb[u->ppb];

		snprintf(buf, len, "ppb %d: spliced %u pages, %u iov%s, %.1f ms", u->ppb,
			 ppb->pages_in, ppb->nr_segs, ppb->nr_segs == 1 ? "" : "s",
			 (double)ppb->drain_us / 1000);
		return;
	}
	snprintf(buf, len, "%u ppb%s drained, %lu pages%s, %.1f ms", dr->ppbs,
		 dr->ppbs == 1 ? "" : "s", dr->pages,
		 dr->passed_on ? ", sent on meanwhile" : " in the pipes", (double)dr->us / 1000);
}

const struct phase_ops ph_drain = {
	.phase = PH(DRAIN),
	.name = "drain",
	.unit = "one ppb: DUMPPAGES command, pipe fd sent, reply",
	.effect = "none (pages are referenced by the pipes)",
	.undo = true,
	.mirrors = "drain_pages, parasite dump_pages",
	.takes_turns = true,
	.turns_with = PH(XFER),
	.next = drain_next,
	.step = drain_step,
	.settle = drain_settle,
	.summary = drain_summary,
};

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

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/io.h"
#include "base/mem.h"
#include "engine/dump/flow.h"
#include "engine/dump/phases.h"
#include "engine/target/parasite_rpc.h"

#define MAX_WAITING_IOVS 4096u

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
	AUTO_FREE char *seen =
		xasprintf("/proc/%d/pagemap: %016lx; /proc/%d/mem: %s", t->pid, raw, t->pid,
			  read_err ? err_errno_name(read_err->sys_errno) : "can be read");

	if (why == EAGAIN)
		e = err_cause(err_hint(e, "the pipe took fewer pages than its size says; `next` "
					  "tries again"),
			      "splice-eagain", "%s", seen);
	else if (raw & PM_GUARD_REGION)
		e = err_cause(err_hint(e, "it is a guard page (MADV_GUARD_INSTALL)"),
			      "unreadable-page", "%s", seen);
	else if ((raw & PM_SWAP) && read_err)
		e = err_cause(err_hint(e,
				       "a poisoned page or another marker: pagemap calls it "
				       "swapped, yet it cannot be read (%s); the target must unmap "
				       "or rewrite it",
				       err_errno_name(read_err->sys_errno)),
			      "unreadable-page", "%s", seen);
	else if (read_err)
		e = err_cause(e, "unreadable-page", "%s", seen);
	else if (v && v->pkey)
		e = err_cause(err_hint(e,
				       "the main thread may not read memory with protection "
				       "key %u; it has to allow it before (pkey_set)",
				       v->pkey),
			      "protection-key", "/proc/%d/smaps: ProtectionKey %u; %s", t->pid,
			      v->pkey, seen);
	else
		e = err_cause(err_hint(e, "a mapping that changed may be in the way"),
			      "unreadable-page", "%s", seen);
	err_free(read_err);
	return err_vaddr(e, addr);
}

/* A message holds at most PARASITE_MAX_IOVS iovecs, so a ppb may need several. */
static struct pc_pipe drain_part(const struct page_pipe_buf *ppb, unsigned from)
{
	unsigned left = ppb->nr_segs - from;

	return (struct pc_pipe){ .iov = ppb->iov + from,
				 .nr = left < PARASITE_MAX_IOVS ? left : PARASITE_MAX_IOVS,
				 .fd = ppb->p[1] };
}

static unsigned drain_left(const struct page_pipe_buf *ppb)
{
	return ppb->nr_segs - ppb->moved_iov;
}

/* Can ppb k be asked for in one message with others, after `sum` iovecs of theirs? */
static bool drain_fits(const struct dump *d, unsigned k, unsigned sum)
{
	const struct page_pipe_buf *ppb = &d->pp.ppb[k];

	return ppb->state == PPB_PLANNED && !ppb->asked &&
	       sum + drain_left(ppb) <= PARASITE_MAX_IOVS;
}

/* One message for ppb i and those right after it that fit, at most `most`.  *nr_ret: how many. */
static struct err *drain_send(struct dump *d, unsigned i, unsigned most, unsigned *nr_ret)
{
	struct pc_pipe pipe[PARASITE_MAX_PIPES];
	unsigned nr = 0, sum = 0;

	do {
		pipe[nr] = drain_part(&d->pp.ppb[i + nr], d->pp.ppb[i + nr].moved_iov);
		sum += drain_left(&d->pp.ppb[i + nr]);
		nr++;
	} while (nr < most && i + nr < d->pp.nr_ppbs && drain_fits(d, i + nr, sum));

	TRY(pc_dump_send(dump_task(d)->t->par.sock, pipe, nr));
	for (unsigned k = i; k < i + nr; k++)
		d->pp.ppb[k].asked = true;
	d->at.asked += nr;
	*nr_ret = nr;
	return NULL;
}

/* iovecs that the parasite has not answered for. */
static unsigned drain_outstanding(const struct dump *d)
{
	unsigned sum = 0;

	for (unsigned i = 0; d->at.asked && i < d->pp.nr_ppbs; i++)
		if (d->pp.ppb[i].asked)
			sum += drain_left(&d->pp.ppb[i]);
	return sum;
}

/*
 * Asks the parasite for the pages of ppb i and, looking ahead, of the ppbs after it: it fills them
 * while we transfer those before.  What waits in the channel is bounded, so that sending does not
 * block.
 */
static struct err *drain_ask(struct dump *d, unsigned i, bool ahead)
{
	unsigned most = ahead && !d->one_fd ? PARASITE_MAX_PIPES : 1, nr;

	for (unsigned k = i; k < d->pp.nr_ppbs && (k == i || ahead); k += nr) {
		struct page_pipe_buf *ppb = &d->pp.ppb[k];

		nr = 1;
		if (ppb->state != PPB_PLANNED || ppb->asked)
			continue;
		if (k > i && drain_outstanding(d) + drain_left(ppb) > MAX_WAITING_IOVS)
			break;
		/* The second message for a ppb must not come behind one for the next ppb. */
		if (k > i && drain_left(ppb) > PARASITE_MAX_IOVS)
			break;
		TRY(drain_send(d, k, most, &nr));
		if (drain_left(ppb) > PARASITE_MAX_IOVS)
			break;
	}
	return NULL;
}

/* Waits for the pages of ppb i, checks them against the plan and FIONREAD, and makes it DRAINED.
 * After a failure its pipe is empty, and the error names the page.  *refused_ret: the target had no
 * place for the descriptors of several pipes; the ppb is still PLANNED. */
static struct err *drain_take(struct dump *d, unsigned i, bool *refused_ret)
{
	struct page_pipe_buf *ppb = &d->pp.ppb[i];
	uint64_t have = 0;

	ppb->asked = false;
	d->at.asked--;
	for (unsigned at = ppb->moved_iov;;) {
		struct pc_pipe part = drain_part(ppb, at);
		unsigned bad_iov;
		uint64_t bytes;
		int why;

		TRY(pc_dump_wait(dump_task(d)->t->par.sock, &bytes, &bad_iov, &why));
		have += bytes;
		if (why == EMFILE && !have && !d->one_fd) {
			*refused_ret = true;
			return NULL;
		}
		if (why || bytes != ppb_pages(ppb, at, at + part.nr) * PAGE_BYTES)
			return err_first(drain_page_at_fault(d, i, have, why),
					 page_pipe_empty(&d->pp, i));
		at += part.nr;
		if (at == ppb->nr_segs)
			break;
		part = drain_part(ppb, at);
		TRY(pc_dump_send(dump_task(d)->t->par.sock, &part, 1));
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

/* The same; if the target has few descriptors left, from now on with one at a time. */
static struct err *drain_wait(struct dump *d, unsigned i)
{
	bool refused = false, ignored;
	unsigned nr;

	TRY(drain_take(d, i, &refused));
	if (!refused)
		return NULL;
	for (unsigned k = i + 1; d->at.asked && k < d->pp.nr_ppbs; k++)
		if (d->pp.ppb[k].asked)
			TRY(drain_take(d, k, &ignored));
	d->one_fd = true;
	TRY(drain_send(d, i, 1, &nr));
	return drain_take(d, i, &refused);
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
	return flow_settle(d, e);
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
			ssize_t n = FAULT(
				DRAIN_SHMEM,
				RETRY(drain_splice_object(o->fd, &off, ppb->p[1],
							  FAULT_LEN(DRAIN_SHMEM, left), whole)));

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

		snprintf(buf, len, "ppb %d: spliced %u pages, %u iov%s at off %u, %.1f ms", u->ppb,
			 ppb->pages_in, ppb->nr_segs, ppb->nr_segs == 1 ? "" : "s",
			 page_pipe_iovs_before(&d->pp, (unsigned)u->ppb),
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

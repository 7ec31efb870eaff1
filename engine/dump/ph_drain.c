/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * drain: the pages of one ppb come into its pipe, by reference.
 * For a task the parasite does it (DUMPPAGES, the pipe's descriptor, the reply); a shared-memory
 * object is spliced from its own descriptor.
 * Mirrors: criu/mem.c drain_pages(); criu/pie/parasite.c dump_pages().
 */
#include "engine/dump/ph_drain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/dump/ph_xfer.h"
#include "engine/target/parasite_rpc.h"

#define MAX_WAITING_IOVS 256u

/* Which page stopped the splice, where it lies, and what the kernel says of it. */
static struct err *page_at_fault(struct dump *d, const struct page_pipe_buf *ppb, unsigned first,
				 uint64_t bytes, int why)
{
	uint64_t addr = 0, raw = 0;
	char byte[PAGE_BYTES];
	size_t got = 0;

	for (unsigned i = first; i < ppb->nr_segs; i++) {
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
	struct err *read_err = target_read(t, addr, byte, sizeof(byte), &got);
	struct err *e = err_sys(why,
				"drain ppb %u: the page at %llx in VMA %zd (%s%s%s) did not "
				"go into the pipe",
				d->ppb, (unsigned long long)addr, vi, v ? vma_kind(v) : "none",
				v && *v->name ? " " : "", v ? v->name : "");

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
static unsigned batch_of(const struct page_pipe_buf *ppb, unsigned from)
{
	unsigned left = ppb->nr_segs - from;

	return left < PARASITE_MAX_IOVS ? left : PARASITE_MAX_IOVS;
}

struct err *drain_send(struct dump *d, struct page_pipe_buf *ppb)
{
	return pc_dump_send(dump_task(d)->t->par.sock, ppb->iov + ppb->moved_iov,
			    batch_of(ppb, ppb->moved_iov), ppb->p[1]);
}

struct err *drain_wait(struct dump *d, struct page_pipe_buf *ppb)
{
	uint64_t have = 0;

	for (unsigned at = ppb->moved_iov;;) {
		unsigned nr = batch_of(ppb, at), bad_iov;
		uint64_t bytes;
		int why;

		TRY(pc_dump_wait(dump_task(d)->t->par.sock, &bytes, &bad_iov, &why));
		have += bytes;
		if (why || bytes != ppb_pages(ppb, at, at + nr) * PAGE_BYTES)
			return err_first(page_at_fault(d, ppb, ppb->moved_iov, have, why),
					 page_pipe_empty(&d->pp, d->ppb));
		at += nr;
		if (at == ppb->nr_segs)
			break;
		TRY(pc_dump_send(dump_task(d)->t->par.sock, ppb->iov + at, batch_of(ppb, at),
				 ppb->p[1]));
	}

	ppb->state = PPB_DRAINED;

	uint64_t fact = page_pipe_in_pipe(ppb), want = page_pipe_expected(&d->pp, d->ppb);

	if (fact != want)
		return err_first(
			err_new(ERR_CHECK, "drain ppb %u: planned %llu bytes, FIONREAD says %llu",
				d->ppb, (unsigned long long)want, (unsigned long long)fact),
			page_pipe_empty(&d->pp, d->ppb));
	return NULL;
}

/* At most `len` bytes of an object into a pipe, as splice().  `whole` is where the last page begins
 * that the object fills only in part: that one is copied, since images hold whole pages.  So are the
 * pages of an object that cannot be spliced from, as those of hugetlbfs. */
static ssize_t splice_object(int fd, loff_t *off, int pipe_fd, size_t len, uint64_t whole)
{
	char page[PAGE_BYTES] = "";
	ssize_t n;

	if ((uint64_t)*off < whole) {
		n = splice(fd, off, pipe_fd, NULL,
			   len < whole - (uint64_t)*off ? len : whole - (uint64_t)*off,
			   SPLICE_F_NONBLOCK);
		if (n >= 0 || errno != EINVAL)
			return n;
	}
	n = pread(fd, page, sizeof(page), *off);
	if (n > 0)
		n = write(pipe_fd, page, sizeof(page));
	if (n > 0)
		*off += n;
	return n;
}

static struct err *drain_shmem(struct dump *d, struct page_pipe_buf *ppb)
{
	const struct shmem_info *o = dump_shmem(d);
	struct stat st;

	if (fstat(o->fd, &st))
		return err_sys(errno, "stat shared memory %llu", (unsigned long long)o->shmid);

	uint64_t whole = (uint64_t)st.st_size & ~(PAGE_BYTES - 1);

	for (unsigned i = ppb->moved_iov; i < ppb->nr_segs; i++) {
		loff_t off = (loff_t)(uint64_t)ppb->iov[i].iov_base;
		size_t left = ppb->iov[i].iov_len;

		while (left) {
			ssize_t n = splice_object(o->fd, &off, ppb->p[1], left, whole);

			if (n < 0 && errno == EINTR)
				continue;
			if (n <= 0) {
				struct err *e = err_sys(n < 0 ? errno : EIO,
							"drain ppb %u: shared memory %llu "
							"at offset %llx",
							d->ppb, (unsigned long long)o->shmid,
							(unsigned long long)off);

				return err_first(e, page_pipe_empty(&d->pp, d->ppb));
			}
			left -= (size_t)n;
		}
	}
	ppb->state = PPB_DRAINED;
	return NULL;
}

/* The first ppb from `i` on that has yet to be drained: after a failed transfer there may be
 * some behind it that still hold their pages. */
static unsigned next_planned(const struct dump *d, unsigned i)
{
	while (i < d->pp.nr_ppbs && d->pp.ppb[i].state != PPB_PLANNED)
		i++;
	return i;
}

static void drain_next(struct dump *d, struct unit *u)
{
	unsigned i = next_planned(d, d->ppb);

	if (i == d->pp.nr_ppbs)
		return;

	const struct page_pipe_buf *ppb = &d->pp.ppb[i];

	u->ppb = (int)i;
	u->start = (uint64_t)ppb->iov[0].iov_base;
	u->end = (uint64_t)ppb->iov[ppb->nr_segs - 1].iov_base + ppb->iov[ppb->nr_segs - 1].iov_len;
}

static struct err *drain_one(struct dump *d)
{
	struct page_pipe_buf *ppb = &d->pp.ppb[d->ppb];
	uint64_t t0 = now_us();

	if (dump_shmem(d)) {
		TRY(drain_shmem(d, ppb));
	} else {
		TRY(drain_send(d, ppb));
		TRY(drain_wait(d, ppb));
	}
	ppb->drain_us = now_us() - t0;
	d->times.drain += ppb->drain_us;
	return NULL;
}

/* Commands wait in the channel while they are this short; longer ones would fill it. */
static bool can_wait(const struct page_pipe_buf *ppb)
{
	return ppb->nr_segs - ppb->moved_iov <= MAX_WAITING_IOVS;
}

/* Asks for ppb i if that was not done, and for those behind it.  *sent: the first not asked for. */
static struct err *send_ahead(struct dump *d, unsigned i, unsigned *sent)
{
	while (*sent < d->pp.nr_ppbs &&
	       (*sent == i || (can_wait(&d->pp.ppb[i]) && can_wait(&d->pp.ppb[*sent])))) {
		TRY(drain_send(d, &d->pp.ppb[*sent]));
		*sent = next_planned(d, *sent + 1);
	}
	return NULL;
}

/* Takes the answers that are under way for ppbs [i, sent), so that none of them passes for
 * another one's; they may hold their pages then.  If one never comes, no other is waited for. */
static struct err *collect(struct dump *d, unsigned i, unsigned sent, struct err *e)
{
	unsigned failed = d->ppb;

	while (i < sent && e->code != ERR_TARGET) {
		d->ppb = i;
		struct err *e2 = drain_wait(d, &d->pp.ppb[i]);

		if (e2 && e2->code == ERR_TARGET)
			sent = i;
		e = err_first(e, e2);
		i = next_planned(d, i + 1);
	}
	d->ppb = failed;
	return e;
}

/*
 * All ppbs of the chunk: while one is transferred, the parasite fills the other pipes, on another
 * CPU, and need not be woken up for each.  vmsplice and splice never meet in one pipe, and the
 * target stays frozen until the last splice has returned.
 */
static struct err *flow(struct dump *d)
{
	unsigned i = next_planned(d, 0), sent = i, next;
	struct err *e = NULL;

	for (; i < d->pp.nr_ppbs && !e; i = next) {
		struct page_pipe_buf *ppb = &d->pp.ppb[i];
		uint64_t t0 = now_us();

		next = next_planned(d, i + 1);
		d->ppb = i;
		TRY(send_ahead(d, i, &sent));
		e = drain_wait(d, ppb);
		ppb->drain_us = now_us() - t0;
		d->times.drain += ppb->drain_us;
		if (!e) {
			d->ppb = next;
			e = send_ahead(d, next, &sent);
		}
		if (!e) {
			d->ppb = 0;
			e = xfer_ppb(d);
		}
		if (e)
			e = collect(d, next, sent, e);
	}
	return e;
}

static struct err *drain_step(struct dump *d, enum pace pace)
{
	d->ppb = next_planned(d, d->ppb);
	if (pace == PACE_FLOW && !dump_shmem(d) && !dump_keeps_pages(d)) {
		TRY(flow(d));
		d->ppb = d->pp.nr_ppbs;
	} else if (d->ppb < d->pp.nr_ppbs) {
		TRY(drain_one(d));
		d->ppb = next_planned(d, d->ppb + 1);
	}
	if (d->ppb < d->pp.nr_ppbs)
		return NULL;
	d->ppb = 0;
	if (dump_keeps_pages(d))
		return dump_next_item(d);
	d->phase = PH(XFER);
	return NULL;
}

static void drain_summary(const struct dump *d, const struct unit *u, char *buf, size_t len)
{
	uint64_t pages = 0, us = 0;
	unsigned drained = 0, sent = 0;

	for (unsigned i = 0; i < d->pp.nr_ppbs; i++)
		if (d->pp.ppb[i].state != PPB_PLANNED) {
			drained++;
			sent += d->pp.ppb[i].state == PPB_SENT;
			pages += d->pp.ppb[i].pages_in;
			us += d->pp.ppb[i].drain_us;
		}
	if (u->ppb >= 0 && d->phase == PH(DRAIN)) {
		const struct page_pipe_buf *ppb = &d->pp.ppb[u->ppb];

		snprintf(buf, len, "ppb %d: spliced %u pages, %u iov%s, %.1f ms", u->ppb,
			 ppb->pages_in, ppb->nr_segs, ppb->nr_segs == 1 ? "" : "s",
			 (double)ppb->drain_us / 1000);
		return;
	}
	snprintf(buf, len, "%u ppb%s drained, %llu pages%s, %.1f ms", drained,
		 drained == 1 ? "" : "s", (unsigned long long)pages,
		 sent ? ", sent on meanwhile" : " in the pipes", (double)us / 1000);
}

const struct phase_ops ph_drain = {
	.phase = PH(DRAIN),
	.name = "drain",
	.unit = "one ppb: DUMPPAGES command, pipe fd sent, reply",
	.effect = "none (pages are referenced by the pipes)",
	.undo = true,
	.mirrors = "drain_pages, parasite dump_pages",
	.next = drain_next,
	.step = drain_step,
	.summary = drain_summary,
};

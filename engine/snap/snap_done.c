/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What was done with a task's pages.  Once the tracker has begun again, a page can no longer be judged: what
 * was dirty counts as clean, and a target that runs has other pages.  Then the images tell, or the pipes of a
 * pre-dump that is not transferred yet.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "engine/image/page_read.h"
#include "engine/snap/snap_priv.h"

static void done_push(struct pagemap_image *pi, uint64_t vaddr, uint64_t nr_pages, uint32_t flags)
{
	*vec_push(pi->e, pi->nr) =
		(struct pagemap_entry){ .vaddr = vaddr, .nr_pages = nr_pages, .flags = flags };
}

static int done_by_address(const void *a, const void *b)
{
	const struct pagemap_entry *x = a, *y = b;

	return x->vaddr < y->vaddr ? -1 : x->vaddr > y->vaddr;
}

static void done_from_pipes(const struct page_pipe *pp, struct pagemap_image *pi)
{
	for (unsigned i = 0; i < pp->nr_ppbs; i++) {
		const struct page_pipe_buf *b = &pp->ppb[i];

		for (unsigned k = 0; k < b->nr_segs; k++)
			done_push(pi, (uint64_t)b->iov[k].iov_base, b->iov[k].iov_len / PAGE_BYTES,
				  PE_PRESENT | (b->flags & PPB_LAZY ? PE_LAZY : 0));
	}
	for (unsigned i = 0; i < pp->nr_holes; i++)
		done_push(pi, pp->hole[i].start, pp->hole[i].nr_pages, PE_PARENT);
	vec_sort(pi->e, pi->nr, done_by_address);
}

/* The record of a set at a page server has its holes as pages that the server holds. */
static void done_mark_holes(const struct task_dump *td, struct pagemap_image *pi)
{
	for (size_t i = 0; i < td->nr_holes_there; i++) {
		ssize_t at = pagemap_image_find(pi, td->holes_there[i]);

		if (at >= 0)
			pi->e[at].flags = PE_PARENT;
	}
}

static bool done_from_images(struct session *s, size_t task, struct pagemap_image *pi)
{
	const struct dump *d = &s->d;
	AUTO_CLOSE int fd = d->committed ? open(d->committed, O_RDONLY | O_DIRECTORY | O_CLOEXEC) :
			    d->staging   ? fcntl(staging_dirfd(d->staging), F_DUPFD_CLOEXEC, 0) :
					   -1;
	char name[IMAGE_NAME_MAX];
	bool at_server;

	if (fd < 0)
		return false;
	snprintf(name, sizeof(name), "pagemap-%d.img", d->task[task].ti.ns_pid);

	AUTO_ERR struct err *e = page_read_pagemap(fd, name, pi, &at_server);

	if (!e)
		e = pagemap_image_check(pi, name);
	if (e) {
		pagemap_image_deinit(pi);
		return false;
	}
	if (at_server)
		done_mark_holes(&d->task[task], pi);
	return true;
}

static bool done_has_pages(const struct page_pipe *pp)
{
	return pp->nr_ppbs || pp->nr_holes;
}

const struct page_pipe *snap_pages_in_pipes(const struct session *s)
{
	const struct dump *d = &s->d;
	const struct page_pipe *kept = d->kept ? &d->kept[session_task(s)] : NULL;

	if (!kept || !done_has_pages(kept) || (s->selected < 0 && done_has_pages(&d->pp)))
		return &d->pp;
	return kept;
}

const struct pagemap_image *snap_done(struct session *s)
{
	const struct dump *d = &s->d;
	size_t task = session_task(s);
	struct done_pages *done = &s->done;

	if (!snap_is_settled(d))
		return NULL;
	if (d->committed && done->known && done->uptime_us == d->uptime_us && done->task == task)
		return &done->pi;
	done_pages_forget(done);
	const struct page_pipe *pp = snap_pages_in_pipes(s);

	if (!d->committed && d->kept && done_has_pages(pp) && (pp != &d->pp || d->at.item == task))
		done_from_pipes(pp, &done->pi);
	else if (!done_from_images(s, task, &done->pi))
		return NULL;
	done->known = true;
	done->task = task;
	done->uptime_us = d->uptime_us;
	return &done->pi;
}

verdict_t snap_done_verdict(const struct pagemap_image *pi, verdict_t judged, uint64_t addr,
			    uint64_t *end)
{
	if (judged == VD(SHARED))
		return judged;

	size_t i = vec_first(pi->nr, k, pagemap_entry_end(&pi->e[k]) > addr);
	const struct pagemap_entry *e = i < pi->nr ? &pi->e[i] : NULL;

	if (!e || e->vaddr > addr) {
		if (e && e->vaddr < *end)
			*end = e->vaddr;
		return verdict_is_data(judged) || judged == VD(HOLE) ? VD(ABSENT) : judged;
	}
	if (pagemap_entry_end(e) < *end)
		*end = pagemap_entry_end(e);
	return e->flags & PE_PARENT ? VD(HOLE) : verdict_is_data(judged) ? judged : VD(DUMP);
}

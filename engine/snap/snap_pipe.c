/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The pipeline's structures in a snapshot: pmc, page_pipe, and the invariants. */
#include "engine/snap/snap_priv.h"

/* ---- pmc ------------------------------------------------------------------------------------------ */

static const struct {
	uint64_t bit;
	const char *name;
} categories[] = {
	{ PAGE_IS_WPALLOWED, "WPALLOWED" }, { PAGE_IS_WRITTEN, "WRITTEN" },
	{ PAGE_IS_FILE, "FILE" },           { PAGE_IS_PRESENT, "PRESENT" },
	{ PAGE_IS_SWAPPED, "SWAPPED" },     { PAGE_IS_PFNZERO, "PFNZERO" },
	{ PAGE_IS_HUGE, "HUGE" },           { PAGE_IS_SOFT_DIRTY, "SOFT_DIRTY" },
	{ PAGE_IS_GUARD, "GUARD" },
};

#define NR_CATEGORIES (sizeof(categories) / sizeof(categories[0]))
#define MAX_REGIONS 65536

void snap_region(uint64_t start, uint64_t end, uint64_t cats, Stepdump__Pmc *o)
{
	Stepdump__PmcRegion *r = MSG_PUSH(o, regions, pmc_region);

	r->start = start;
	r->end = end;
	r->categories = cats;
	r->category_names = xzalloc(NR_CATEGORIES * sizeof(char *));
	for (size_t i = 0; i < NR_CATEGORIES; i++)
		if (cats & categories[i].bit)
			r->category_names[r->n_category_names++] = xstrdup(categories[i].name);
}

static void snap_pmc_regions(struct pmc *p, Stepdump__Pmc *o)
{
	uint64_t end;

	for (uint64_t at = p->start; at < p->end && o->n_regions < MAX_REGIONS; at = end) {
		uint64_t cats = pmc_run(p, at, p->end, &end);

		if (cats)
			snap_region(at, end, cats, o);
	}
}

static void snap_pmc(struct session *s, bool regions, Stepdump__Snapshot *snap)
{
	struct pmc *p = &s->d.task[session_task(s)].pmc;
	Stepdump__Pmc *o = MSG_NEW(Stepdump__Pmc, pmc);

	snap->pmc = o;
	if (p->pagemap_fd < 0)
		return;
	o->mode = xstrdup(p->scan ? "scan" : "pread");
	SET(o, hits, p->hits);
	SET(o, misses, p->misses);
	SET(o, fills, p->fills);
	SET(o, nr_entries, p->nr);
	SET(o, buffer_bytes, p->cap * (p->scan ? sizeof(*p->region) : sizeof(*p->entry)));
	if (p->start == p->end)
		return;
	SET(o, cache_mode, p->cached);
	SET(o, start, p->start);
	SET(o, end, p->want_end);
	SET(o, walk_end, p->end);
	SET(o, nr_vmas, p->nr_vmas);
	o->last = xstrdup(p->last_hit ? "hit" : "miss");
	if (regions)
		snap_pmc_regions(p, o);
}

/* ---- page_pipe --------------------------------------------------------------------------------------- */

/* The VMA of an iov; -1: it is in a shared object. */
static ssize_t snap_vma_of_iov(struct session *s, uint64_t start)
{
	if (snap_pages_in_pipes(s) != &s->d.pp)
		return vma_list_find(&s->t[session_task(s)].vmas, start);
	return dump_shmem(&s->d) ? -1 : vma_list_find(&dump_task(&s->d)->t->vmas, start);
}

static void snap_iovs(struct session *s, const struct page_pipe_buf *b, uint32_t first,
		      uint32_t max, Stepdump__Ppb *o)
{
	uint32_t end = max && first + max < b->nr_segs ? first + max : b->nr_segs;
	uint64_t off = ppb_pages(b, 0, first < b->nr_segs ? first : b->nr_segs);

	for (uint32_t i = first; i < end; i++) {
		Stepdump__Iov *v = MSG_PUSH(o, iovs, iov);

		v->start = (uint64_t)b->iov[i].iov_base;
		v->nr_pages = (uint32_t)(b->iov[i].iov_len / PAGE_BYTES);
		SET(v, pipe_off_pages, off);
		off += v->nr_pages;
		ssize_t vma = snap_vma_of_iov(s, v->start);

		if (vma >= 0)
			SET(v, vma_index, (uint32_t)vma);
	}
}

static Stepdump__PpbState snap_ppb_state(enum ppb_state st)
{
	return st == PPB_PLANNED ? STEPDUMP__PPB_STATE__PLANNED :
	       st == PPB_DRAINED ? STEPDUMP__PPB_STATE__DRAINED :
				   STEPDUMP__PPB_STATE__SENT;
}

/* How it is filled.  before: iovs of the ppbs in front of it. */
static void snap_command(struct session *s, const struct page_pipe_buf *b, uint32_t before,
			 Stepdump__Ppb *o)
{
	SET(o, iovs_before, before);
	if (snap_pages_in_pipes(s) == &s->d.pp && dump_shmem(&s->d))
		o->splice = xstrdup("splice(object, off, pipe, SPLICE_F_NONBLOCK), by stepdump");
	else
		o->splice = xasprintf("vmsplice(pipe, pp->iovs + %u, %u, SPLICE_F_GIFT | "
				      "SPLICE_F_NONBLOCK), in the target",
				      before, b->nr_segs);
}

static void snap_ppb(struct session *s, const struct snap_request *req, uint32_t i, uint32_t before,
		     Stepdump__PagePipe *pp)
{
	const struct page_pipe *in = snap_pages_in_pipes(s);
	const struct page_pipe_buf *b = &in->ppb[i];
	Stepdump__Ppb *o = MSG_PUSH(pp, ppbs, ppb);
	bool shared = b->shares || (i + 1 < in->nr_ppbs && in->ppb[i + 1].shares);
	uint64_t in_pipe = in->no_pipes ? 0 : page_pipe_in_pipe(b);

	/* FIONREAD counts the whole pipe; in a shared one, this ppb's state decides. */
	if (shared)
		in_pipe = b->state == PPB_DRAINED ?
				  ppb_pages(b, b->moved_iov, b->nr_segs) * PAGE_BYTES :
				  0;
	o->index = i;
	o->pages_in = b->pages_in;
	o->pipe_size = b->pipe_size;
	SET(o, pipe_asked, b->pipe_asked);
	if (b->grow_errno)
		o->pipe_refused = xasprintf("%s: more than %u pages", err_errno_name(b->grow_errno),
					    b->pipe_size);
	if (!in->no_pipes) {
		SET(o, fd_read, b->p[0]);
		SET(o, fd_write, b->p[1]);
	}
	SET(o, shares_pipe, b->shares);
	SET(o, nr_segs, b->nr_segs);
	SET(o, state, snap_ppb_state(b->state));
	SET(o, in_pipe_bytes, in_pipe);
	SET(o, lazy, (b->flags & PPB_LAZY) != 0);
	SET(o, drain_us, b->drain_us);
	SET(o, pages_sent, ppb_pages(b, 0, b->moved_iov));
	pp->pages_planned += b->pages_in;
	pp->pages_in_pipes += in_pipe / PAGE_BYTES;
	if (req->parts & SNAP_IOVS && i >= req->ppb_first &&
	    (!req->ppb_nr || i - req->ppb_first < req->ppb_nr)) {
		snap_iovs(s, b, req->iov_first, req->iov_max, o);
		snap_command(s, b, before, o);
	}
}

static void snap_page_pipe(struct session *s, const struct snap_request *req,
			   Stepdump__Snapshot *snap)
{
	const struct page_pipe *pp = snap_pages_in_pipes(s);
	Stepdump__PagePipe *o = MSG_NEW(Stepdump__PagePipe, page_pipe);
	uint32_t iovs = 0, iovs_cap = 0;

	snap->page_pipe = o;
	SET(o, nr_pipes, pp->nr_pipes);
	SET(o, max_pipes, pp->max_pipes);
	SET(o, nr_holes, pp->nr_holes);
	SET(o, holes_cap, pp->cap_holes);
	SET(o, chunk_mode, pp->max_pipes != 0);
	o->has_pages_planned = o->has_pages_in_pipes = 1;
	for (uint32_t i = 0; i < pp->nr_ppbs; i++) {
		iovs += pp->ppb[i].nr_segs;
		iovs_cap += pp->ppb[i].cap_segs;
		snap_ppb(s, req, i, iovs - pp->ppb[i].nr_segs, o);
	}
	SET(o, nr_iovs, iovs);
	SET(o, nr_iovs_max, iovs_cap);

	for (uint32_t i = 0; req->parts & SNAP_HOLES && i < pp->nr_holes; i++) {
		Stepdump__Hole *h = MSG_PUSH(o, holes, hole);

		h->start = pp->hole[i].start;
		h->nr_pages = pp->hole[i].nr_pages;
		h->flags = xstrdup("PARENT");
	}
}

/* ---- invariants ------------------------------------------------------------------------------------------ */

static void snap_check(Stepdump__Snapshot *snap, const char *name, bool ok, char *detail)
{
	Stepdump__Check *c = MSG_PUSH(snap, checks, check);

	c->name = xstrdup(name);
	c->ok = ok;
	c->detail = detail;
}

static void snap_check_sum(struct session *s, Stepdump__Snapshot *snap)
{
	uint64_t sum = 0, all = 0;

	for (size_t i = 0; i < s->nr_tasks; i++) {
		all += s->t[i].vmas.nr_priv_pages;
		for (unsigned v = 0; v < NR_VERDICTS; v++)
			sum += s->d.task[i].total.pages[v];
	}
	snap_check(snap, "sum", sum == all,
		   xasprintf("%lu of %lu private pages accounted for", sum, all));
}

/* What is in page-pipes: that of the current item, and those that a pre-dump keeps. */
struct piped {
	uint64_t plan, fact; /* bytes */
	uint64_t pending;    /* pages that are not out yet */
	unsigned ppbs;
	bool sorted;
};

static void snap_add_pipes(const struct page_pipe *pp, struct piped *in)
{
	uint64_t last = 0;

	in->ppbs += pp->nr_ppbs;
	for (unsigned i = 0; i < pp->nr_ppbs; i++) {
		const struct page_pipe_buf *b = &pp->ppb[i];
		uint64_t left = ppb_pages(b, b->moved_iov, b->nr_segs);

		for (unsigned k = 0; k < b->nr_segs; k++) {
			in->sorted &= (uint64_t)b->iov[k].iov_base >= last;
			last = (uint64_t)b->iov[k].iov_base + b->iov[k].iov_len;
		}
		in->pending += left;
		if (b->state == PPB_DRAINED)
			in->plan += left * PAGE_BYTES;
		if (!b->shares && !pp->no_pipes)
			in->fact += page_pipe_in_pipe(b);
	}
}

static struct piped snap_all_pipes(const struct dump *d)
{
	struct piped in = { .sorted = true };

	snap_add_pipes(&d->pp, &in);
	for (size_t i = 0; d->kept && i < d->nr_tasks + d->shmem.nr; i++)
		snap_add_pipes(&d->kept[i], &in);
	in.plan -= d->xfer.partial; /* after a failed transfer */
	return in;
}

static void snap_check_pipes(const struct piped *in, Stepdump__Snapshot *snap)
{
	snap_check(snap, "iovs sorted", in->sorted, xasprintf("%u ppbs", in->ppbs));
	snap_check(snap, "FIONREAD = plan", in->plan == in->fact,
		   xasprintf("%lu bytes in the pipes, %lu planned", in->fact, in->plan));
}

/* Every selected page is planned, or already out, or was gone when a pre-dump read it. */
static void snap_check_out(const struct dump *d, const struct piped *in, Stepdump__Snapshot *snap)
{
	uint64_t selected = d->count.shpages_written;

	for (unsigned v = 0; v < NR_VERDICTS; v++)
		if (verdict_is_data((verdict_t)v))
			selected += dump_count(d, (verdict_t)v);
	snap_check(snap, "selected = planned + out",
		   selected == in->pending + d->xfer.pages + d->count.pages_vanished,
		   xasprintf("%lu selected, %lu in the page-pipe, %lu out", selected, in->pending,
			     d->xfer.pages));
}

static void snap_check_holes(struct session *s, Stepdump__Snapshot *snap)
{
	const struct dump *d = &s->d;

	if (d->parent.dirfd >= 0)
		snap_check(snap, "holes in parent", d->count.holes_checked == d->xfer.holes,
			   xasprintf("%lu of %lu", d->count.holes_checked, d->xfer.holes));
}

void snap_pipeline(struct session *s, const struct snap_request *req, Stepdump__Snapshot *snap)
{
	if (req->parts & SNAP_PMC)
		snap_pmc(s, req->parts & SNAP_PMC_REGIONS, snap);
	if (req->parts & (SNAP_PAGE_PIPE | SNAP_IOVS | SNAP_HOLES))
		snap_page_pipe(s, req, snap);
	if (req->parts & SNAP_SHMEM)
		snap_shmem(s, snap);
	if (req->parts & SNAP_XFER)
		snap_xfer(s, snap);
	if (req->parts & SNAP_PARENTS)
		snap_parents(s, req, snap);
	if (req->parts & SNAP_CHECKS && s->d.task[0].by_vma) {
		struct piped in = snap_all_pipes(&s->d);

		snap_check_sum(s, snap);
		snap_check_pipes(&in, snap);
		snap_check_out(&s->d, &in, snap);
		snap_check_holes(s, snap);
	}
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The pipeline's structures in a snapshot: pmc, page_pipe, shmem, xfer, and the invariants. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/vec.h"
#include "engine/net/client.h"
#include "engine/session/snap_priv.h"

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
		ssize_t vma = dump_shmem(&s->d) ?
				      -1 :
				      vma_list_find(&dump_task(&s->d)->t->vmas, v->start);

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
	if (dump_shmem(&s->d))
		o->splice = xstrdup("splice(object, off, pipe, SPLICE_F_NONBLOCK), by stepdump");
	else
		o->splice = xasprintf("vmsplice(pipe, pp->iovs + %u, %u, SPLICE_F_GIFT | "
				      "SPLICE_F_NONBLOCK), in the target",
				      before, b->nr_segs);
}

static void snap_ppb(struct session *s, const struct snap_request *req, uint32_t i, uint32_t before,
		     Stepdump__PagePipe *pp)
{
	const struct page_pipe_buf *b = &s->d.pp.ppb[i];
	Stepdump__Ppb *o = MSG_PUSH(pp, ppbs, ppb);
	bool shared = b->shares || (i + 1 < s->d.pp.nr_ppbs && s->d.pp.ppb[i + 1].shares);
	uint64_t in_pipe = s->d.pp.no_pipes ? 0 : page_pipe_in_pipe(b);

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
	if (!s->d.pp.no_pipes) {
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
	const struct page_pipe *pp = &s->d.pp;
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

/* ---- shmem ------------------------------------------------------------------------------------------ */

#define MAX_DATA_RUNS 4096

static void snap_data_runs(const struct shmem_info *i, Stepdump__Shmem *o)
{
	uint64_t start, end, at = 0, bytes = 0;

	while (o->n_data < MAX_DATA_RUNS) {
		struct err *e = shmem_next_data(i, at, &start, &end);

		if (e || start == end) {
			err_free(e);
			break;
		}
		Stepdump__PstateRun *r = MSG_PUSH(o, data, pstate_run);

		r->page = start / PAGE_BYTES;
		r->nr_pages = (end - start) / PAGE_BYTES;
		r->state = 1;
		bytes += end - start;
		at = end;
	}
	SET(o, data_bytes, bytes);
}

static void snap_push_state(Stepdump__PstateRun ***runs, size_t *nr, uint64_t page,
			    uint64_t nr_pages, uint32_t state)
{
	if (!state || *nr == MAX_DATA_RUNS)
		return;
	Stepdump__PstateRun *r = msg_push(runs, nr, sizeof(*r));

	stepdump__pstate_run__init(r);
	r->page = page;
	r->nr_pages = nr_pages;
	r->state = state;
}

static void snap_pstate(const struct shmem_info *in, Stepdump__Shmem *o)
{
	uint64_t pages = in->size / PAGE_BYTES, end;

	for (uint64_t page = 0; page < pages; page = end) {
		end = pstate_run(&in->pstate, page, pages);
		snap_push_state(&o->pstate, &o->n_pstate, page, end - page,
				pstate_get(&in->pstate, page));
	}
}

/* What one mapping contributes: the frozen task gives the same answer again. */
static void snap_contribution(struct session *s, const struct shmem_map *m,
			      Stepdump__PstateContribution *c)
{
	const struct task_dump *td = &s->d.task[m->task];
	uint64_t first = m->off_pages, at = m->start, end;
	struct pmc pmc;
	struct err *e = pmc_init(&pmc, td->t->pagemap_fd, &s->caps, s->opts.pmc, false);
	bool hit;

	while (!e && at < m->end) {
		if (!pmc_covers(&pmc, at, at + PAGE_BYTES))
			e = pmc_get_map(&pmc, &td->t->vmas, m->vma, at, &hit);
		if (e)
			break;
		uint64_t cats = pmc_run(&pmc, at, m->end, &end);

		snap_push_state(&c->runs, &c->n_runs, first + (at - m->start) / PAGE_BYTES,
				(end - at) / PAGE_BYTES, dump_pstate(td, cats));
		at = end;
	}
	pmc_deinit(&pmc);
	err_free(e);
}

static void snap_shmem(struct session *s, Stepdump__Snapshot *snap)
{
	for (size_t i = 0; i < s->d.shmem.nr; i++) {
		const struct shmem_info *in = &s->d.shmem.o[i];
		Stepdump__Shmem *o = MSG_PUSH(snap, shmem, shmem);

		o->shmid = in->shmid;
		SET(o, size_bytes, in->size);
		o->kind = xstrdup(in->kind);
		o->name = xstrdup(in->name);
		if (in->fd >= 0)
			snap_data_runs(in, o);
		SET(o, pages_dumped, in->pages_dumped);
		SET(o, done, in->done);
		if (in->how)
			o->how_read = xstrdup(in->how);
		for (size_t k = 0; k < in->nr_maps; k++) {
			const struct vma *v = &s->t[in->map[k].task].vmas.v[in->map[k].vma];
			Stepdump__PstateContribution *c = MSG_PUSH(o, maps, pstate_contribution);
			char prot[5];

			SET(c, pid, (uint32_t)in->map[k].pid);
			SET(c, vma_index, (uint32_t)in->map[k].vma);
			SET(c, off_pages, in->map[k].off_pages);
			SET(c, nr_pages, in->map[k].nr_pages);
			vma_prot_str(v->prot, v->vmf & VMF_SHARED, prot);
			c->prot = xstrdup(prot);
			if (in->tracked && !s->d.thawed)
				snap_contribution(s, &in->map[k], c);
		}
		if (in->tracked)
			snap_pstate(in, o);
	}
}

/* ---- xfer --------------------------------------------------------------------------------------------- */

static int snap_file_by_name(const void *a, const void *b)
{
	Stepdump__ImageFile *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

void snap_files(int dirfd, Stepdump__Xfer *o)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct stat st;

	if (!dir)
		return;
	for (struct dirent *de; (de = readdir(dir));) {
		if (fstatat(dirfd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
			continue;
		Stepdump__ImageFile *f = MSG_PUSH(o, files, image_file);

		f->name = xstrdup(de->d_name);
		SET(f, bytes, (uint64_t)st.st_size);
	}
	closedir(dir);
	vec_sort(o->files, o->n_files, snap_file_by_name);
}

static void snap_flag_names(uint32_t flags, char ***out, size_t *nr)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} names[] = { { PE_PARENT, "PARENT" }, { PE_LAZY, "LAZY" }, { PE_PRESENT, "PRESENT" } };

	*out = xzalloc(3 * sizeof(char *));
	for (size_t i = 0; i < 3; i++)
		if (flags & names[i].bit)
			(*out)[(*nr)++] = xstrdup(names[i].name);
}

void snap_entry(Stepdump__PagemapEntry *o, const struct pagemap_entry *e)
{
	o->vaddr = e->vaddr;
	o->nr_pages = e->nr_pages;
	snap_flag_names(e->flags, &o->flags, &o->n_flags);
	if (!(e->flags & PE_PARENT))
		SET(o, pages_off, e->pages_off);
}

static void snap_recent(const struct page_xfer *x, Stepdump__Xfer *o)
{
	uint64_t n = x->entries_here < XFER_RECENT ? x->entries_here : XFER_RECENT;

	for (uint64_t i = x->entries_here - n; i < x->entries_here; i++) {
		const struct xfer_entry *in = &x->recent[i % XFER_RECENT];
		Stepdump__PagemapEntry *e = MSG_PUSH(o, recent, pagemap_entry);

		e->vaddr = in->vaddr;
		e->nr_pages = in->nr_pages;
		snap_flag_names(in->flags, &e->flags, &e->n_flags);
		if (!(in->flags & PE_PARENT))
			SET(e, pages_off, in->pages_off);
	}
}

static void snap_server(const struct ps_client *c, Stepdump__Xfer *o)
{
	struct ps_client_stats st;

	ps_client_stats(c, &st);
	o->server = xstrdup(ps_client_where(c));
	if (st.wire != PS_WIRE_UNKNOWN)
		o->wire = xstrdup(ps_wire_name(st.wire));
	SET(o, messages, st.messages);
	SET(o, sent_bytes, st.bytes);
	SET(o, queued_bytes, st.queued);
	if (st.us)
		SET(o, sent_bytes_per_s, (double)st.bytes * 1e6 / (double)st.us);

	size_t n = st.talked < PS_TALK ? st.talked : PS_TALK;

	o->conversation = xcalloc(n, sizeof(*o->conversation));
	for (uint64_t i = st.talked - n; i < st.talked; i++)
		o->conversation[o->n_conversation++] = xstrdup(ps_client_line(c, i));
}

static void snap_xfer(struct session *s, Stepdump__Snapshot *snap)
{
	const struct page_xfer *x = &s->d.xfer;
	Stepdump__Xfer *o = MSG_NEW(Stepdump__Xfer, xfer);
	struct statvfs vfs;

	snap->xfer = o;
	o->kind = xstrdup(x->ops                      ? x->ops->name :
			  s->opts.xfer == XFER_NULL   ? "null" :
			  s->opts.xfer == XFER_SERVER ? "page-server" :
							"local");
	if (s->d.committed || s->opts.dir)
		o->dir = xstrdup(s->d.committed ? s->d.committed : s->opts.dir);
	SET(o, pages_written, x->pages);
	SET(o, bytes_written, x->pages * PAGE_BYTES);
	SET(o, entries, x->entries);
	SET(o, holes_written, x->holes);
	SET(o, holes_checked, s->d.count.holes_checked);
	if (x->object[0]) {
		o->object = xstrdup(x->object);
		SET(o, pages_id, x->pages_id);
	}
	SET(o, nr_open, x->calls.open);
	SET(o, nr_write_pagemap, x->calls.pagemap);
	SET(o, nr_write_pages, x->calls.pages);
	SET(o, nr_write_hole, x->calls.holes);
	SET(o, nr_close, x->calls.close);
	snap_recent(x, o);
	if (page_xfer_client(x))
		snap_server(page_xfer_client(x), o);
	if (!s->d.staging)
		return;
	o->staging = xstrdup(staging_path(s->d.staging));
	snap_files(staging_dirfd(s->d.staging), o);
	if (!fstatvfs(staging_dirfd(s->d.staging), &vfs))
		SET(o, fs_free_bytes, vfs.f_bavail * vfs.f_frsize);
}

/* ---- parents ------------------------------------------------------------------------------------------- */

static void snap_generation(const struct page_read *pr, size_t g, const struct snap_request *req,
			    Stepdump__Snapshot *snap)
{
	const struct pagemap_image *pi = page_read_image(pr, g);
	Stepdump__ParentGeneration *o = MSG_PUSH(snap, parents, parent_generation);
	size_t max = req->parent_runs_max ? req->parent_runs_max : SNAP_PARENT_RUNS_MAX;
	uint64_t holes = 0;

	o->dir = xstrdup(page_read_dir(pr, g));
	SET(o, entries, pi->nr);
	SET(o, pages_stored, pi->nr_present);
	o->at_server = page_read_server(pr, g);
	for (size_t i = 0; i < pi->nr; i++) {
		const struct pagemap_entry *e = &pi->e[i];
		bool inside = pagemap_entry_end(e) > req->runs_start &&
			      (!req->runs_end || e->vaddr < req->runs_end);

		if (e->flags & PE_PARENT)
			holes += e->nr_pages;
		if (!inside || o->n_runs == max)
			continue;
		Stepdump__PagemapEntry *r = MSG_PUSH(o, runs, pagemap_entry);

		r->vaddr = e->vaddr;
		r->nr_pages = e->nr_pages;
		snap_flag_names(e->flags, &r->flags, &r->n_flags);
		if (e->flags & PE_PRESENT && !o->at_server)
			SET(r, pages_off, e->pages_off);
	}
	SET(o, holes, holes);
}

static void snap_parents(struct session *s, const struct snap_request *req,
			 Stepdump__Snapshot *snap)
{
	const struct page_read *pr = s->d.task[session_task(s)].parent;

	for (size_t g = 0; pr && g < page_read_generations(pr); g++)
		snap_generation(pr, g, req, snap);
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

static void snap_check_pipes(struct session *s, Stepdump__Snapshot *snap)
{
	const struct page_pipe *pp = &s->d.pp;
	uint64_t last = 0, plan = 0, fact = 0;
	bool sorted = true;

	for (unsigned i = 0; i < pp->nr_ppbs; i++) {
		const struct page_pipe_buf *b = &pp->ppb[i];

		for (unsigned k = 0; k < b->nr_segs; k++) {
			sorted &= (uint64_t)b->iov[k].iov_base >= last;
			last = (uint64_t)b->iov[k].iov_base + b->iov[k].iov_len;
		}
		if (b->state == PPB_DRAINED)
			plan += ppb_pages(b, b->moved_iov, b->nr_segs) * PAGE_BYTES;
		if (!b->shares && !pp->no_pipes)
			fact += page_pipe_in_pipe(b);
	}
	snap_check(snap, "iovs sorted", sorted, xasprintf("%u ppbs", pp->nr_ppbs));
	plan -= s->d.xfer.partial; /* after a failed transfer */
	snap_check(snap, "FIONREAD = plan", plan == fact,
		   xasprintf("%lu bytes in the pipes, %lu planned", fact, plan));
}

/* Every selected page is planned, or already out. */
static void snap_check_out(struct session *s, Stepdump__Snapshot *snap)
{
	const struct dump *d = &s->d;
	uint64_t selected = d->count.shpages_written, pending = 0;

	for (unsigned v = 0; v < NR_VERDICTS; v++)
		if (verdict_is_data((verdict_t)v))
			selected += dump_count(d, (verdict_t)v);
	for (unsigned i = 0; i < d->pp.nr_ppbs; i++)
		pending += ppb_pages(&d->pp.ppb[i], d->pp.ppb[i].moved_iov, d->pp.ppb[i].nr_segs);
	snap_check(snap, "selected = planned + out", selected == pending + d->xfer.pages,
		   xasprintf("%lu selected, %lu in the page-pipe, %lu out", selected, pending,
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
		snap_check_sum(s, snap);
		snap_check_pipes(s, snap);
		snap_check_out(s, snap);
		snap_check_holes(s, snap);
	}
}

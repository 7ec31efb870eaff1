/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/watch/inside.h"

#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/vec.h"
#include "engine/watch/layout.h"
#include "engine/watch/uprobe.h"

enum {
	PP_NR_PIPES,
	PP_BUFS,
	PP_NR_IOVS,
	PP_FREE_IOV,
	PP_NR_HOLES,
	PP_FREE_HOLE,
	PP_HOLES,
	PP_HOLE_FLAGS,
	PP_FLAGS,
	NR_PP
};
enum { PPB_P, PPB_PIPE_SIZE, PPB_NR_SEGS, PPB_PAGES_IN, PPB_FLAGS, PPB_IOV, PPB_L, NR_PPB };
enum { LIST_PREV, LIST_NEXT, NR_LIST };

/* Older ones have no hole_flags, and no flags. */
static const char *const pp_names[NR_PP] = { "nr_pipes", "bufs",       "nr_iovs",
					     "free_iov", "nr_holes",   "free_hole",
					     "holes",    "hole_flags", "flags" };
static const char *const ppb_names[NR_PPB] = { "p",     "pipe_size", "nr_segs", "pages_in",
					       "flags", "iov",       "l" };
static const char *const list_names[NR_LIST] = { "prev", "next" };

#define HOLE_PARENT 1u /* PP_HOLE_PARENT */
#define FLAG_LAZY 1u   /* PPB_LAZY */
#define FLAG_CHUNK 1u  /* PP_CHUNK_MODE */

struct inside {
	struct field pp[NR_PP], ppb[NR_PPB], list[NR_LIST];
	struct uprobe *made, *gone;
};

static struct err *inside_look(pid_t pid, struct inside *in)
{
	struct layout *l;
	uint64_t made, gone;

	TRY(layout_open(pid, &l));
	struct err *e = layout_struct(l, "page_pipe", pp_names, NR_PP,
				      1u << PP_HOLE_FLAGS | 1u << PP_FLAGS, in->pp);

	if (!e)
		e = layout_struct(l, "page_pipe_buf", ppb_names, NR_PPB, 1u << PPB_FLAGS, in->ppb);
	if (!e)
		e = layout_struct(l, "list_head", list_names, NR_LIST, 0, in->list);
	if (!e)
		e = layout_function(l, "create_page_pipe", &made);
	if (!e)
		e = layout_function(l, "destroy_page_pipe", &gone);
	layout_close(l);
	if (!e)
		e = uprobe_open(pid, made, UPROBE_RETURNS, &in->made);
	return e ? e : uprobe_open(pid, gone, UPROBE_CALLED, &in->gone);
}

struct err *inside_new(pid_t pid, struct inside **ret)
{
	struct inside *in = xzalloc(sizeof(*in));
	struct err *e = inside_look(pid, in);

	if (e) {
		inside_free(in);
		return err_code(e, ERR_UNSUPPORTED);
	}
	*ret = in;
	return NULL;
}

void inside_free(struct inside *in)
{
	if (!in)
		return;
	uprobe_close(in->made);
	uprobe_close(in->gone);
	free(in);
}

void inside_pipe_deinit(struct inside_pipe *p)
{
	free(p->hole);
	free(p->ppb);
	*p = (struct inside_pipe){ 0 };
}

/* ---- reading ------------------------------------------------------------------------------------- */

static bool field_read(const struct tracee *t, uint64_t at, const struct field *f, uint64_t *ret)
{
	*ret = 0; /* little-endian, as both processors are */
	return f->bytes && f->bytes <= sizeof(*ret) &&
	       tracee_read(t, at + f->offset, ret, f->bytes) == f->bytes;
}

static bool holes_read(const struct inside *in, const struct tracee *t, struct inside_pipe *p)
{
	uint64_t nr, at, flags_at = 0;

	if (!field_read(t, p->at, &in->pp[PP_FREE_HOLE], &nr) || nr > INSIDE_MAX_HOLES ||
	    !field_read(t, p->at, &in->pp[PP_HOLES], &at))
		return false;
	bool has_flags = field_read(t, p->at, &in->pp[PP_HOLE_FLAGS], &flags_at);
	AUTO_FREE struct iovec *iov = xcalloc(nr + 1, sizeof(*iov));
	AUTO_FREE uint32_t *flags = xcalloc(nr + 1, sizeof(*flags));

	if (tracee_read(t, at, iov, nr * sizeof(*iov)) != nr * sizeof(*iov) ||
	    (has_flags &&
	     tracee_read(t, flags_at, flags, nr * sizeof(*flags)) != nr * sizeof(*flags)))
		return false;
	p->hole = xcalloc(nr + 1, sizeof(*p->hole));
	for (uint64_t i = 0; i < nr; i++)
		p->hole[i] = (struct inside_hole){
			.start = (uint64_t)iov[i].iov_base,
			.nr_pages = iov[i].iov_len / PAGE_BYTES,
			.parent = !has_flags || flags[i] & HOLE_PARENT,
		};
	p->nr_holes = nr;
	return true;
}

static bool ppb_read(const struct inside *in, const struct tracee *t, uint64_t at,
		     struct inside_ppb *b)
{
	uint64_t size, segs, flags;
	int fd[2];

	if (tracee_read(t, at + in->ppb[PPB_P].offset, fd, sizeof(fd)) != sizeof(fd) ||
	    !field_read(t, at, &in->ppb[PPB_PIPE_SIZE], &size) ||
	    !field_read(t, at, &in->ppb[PPB_NR_SEGS], &segs) ||
	    !field_read(t, at, &in->ppb[PPB_PAGES_IN], &b->pages_in) ||
	    !field_read(t, at, &in->ppb[PPB_IOV], &b->iov))
		return false;
	b->fd_read = fd[0];
	b->fd_write = fd[1];
	b->pipe_size = (uint32_t)size;
	b->nr_segs = (uint32_t)segs;
	b->lazy = field_read(t, at, &in->ppb[PPB_FLAGS], &flags) && flags & FLAG_LAZY;
	return true;
}

static bool ppbs_read(const struct inside *in, const struct tracee *t, struct inside_pipe *p)
{
	uint64_t head = p->at + in->pp[PP_BUFS].offset, at;
	const struct field *next = &in->list[LIST_NEXT];

	for (bool ok = field_read(t, head, next, &at); at != head;
	     ok = field_read(t, at, next, &at)) {
		struct inside_ppb b;

		if (!ok || !at || p->nr_ppbs >= INSIDE_MAX_PPBS ||
		    !ppb_read(in, t, at - in->ppb[PPB_L].offset, &b))
			return false;
		*vec_push(p->ppb, p->nr_ppbs) = b;
	}
	return true;
}

bool inside_read(struct inside *in, const struct tracee *t, struct inside_pipe *ret)
{
	struct uprobe_note made = uprobe_last(in->made), gone = uprobe_last(in->gone);
	struct inside_pipe p = { .at = made.value };
	uint64_t pipes, iovs, free_iov, holes, flags;

	if (!made.value || (gone.value == made.value && gone.time > made.time))
		return false;
	if (!field_read(t, p.at, &in->pp[PP_NR_PIPES], &pipes) ||
	    !field_read(t, p.at, &in->pp[PP_NR_IOVS], &iovs) ||
	    !field_read(t, p.at, &in->pp[PP_FREE_IOV], &free_iov) ||
	    !field_read(t, p.at, &in->pp[PP_NR_HOLES], &holes) || !holes_read(in, t, &p) ||
	    !ppbs_read(in, t, &p)) {
		inside_pipe_deinit(&p);
		return false;
	}
	p.nr_pipes = (uint32_t)pipes;
	p.nr_iovs = (uint32_t)iovs;
	p.free_iov = (uint32_t)free_iov;
	p.nr_holes_max = (uint32_t)holes;
	p.chunk_mode = field_read(t, p.at, &in->pp[PP_FLAGS], &flags) && flags & FLAG_CHUNK;
	*ret = p;
	return true;
}

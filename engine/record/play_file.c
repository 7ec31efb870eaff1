/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From a file to stops: reads a recording once, then rebuilds any of its stops. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "engine/record/play_priv.h"
#include "proto/message.h"

#define PAGES_MAX (1u << 21) /* whys and peeks kept: a file may claim anything */
#define STOPS_MAX (1u << 24)

static struct unit play_unit(const Stepdump__Unit *u, phase_t phase, unsigned chunk)
{
	struct unit o = { .phase = phase, .chunk = chunk, .vma = -1, .ppb = -1, .shmem = -1 };

	if (!u)
		return o;
	o.phase = u->phase;
	o.chunk = u->chunk;
	if (u->has_vma_index)
		o.vma = u->vma_index;
	if (u->has_ppb)
		o.ppb = (int)u->ppb;
	if (u->has_shmid)
		o.shmem = (int64_t)u->shmid;
	o.start = u->start;
	o.end = u->end;
	o.has_verdict = u->has_verdict;
	o.verdict = u->verdict;
	return o;
}

static const char *play_next_text(const Stepdump__Cursor *c)
{
	return c && c->next && c->next->text ? c->next->text : "";
}

/* The frame that a run ends with adds to the one of its last unit: it is the same stop. */
static bool play_same_stop(const struct play_stop *a, const char *a_text, const struct play_stop *b,
			   const char *b_text)
{
	return a->has_unit && b->has_unit && a->unit == b->unit && a->phase == b->phase &&
	       a->failed == b->failed && !strcmp(a_text, b_text);
}

static void play_keep_pages(struct player *p, Stepdump__Snapshot *s)
{
	size_t n = 0, m = 0;

	for (; n < s->n_whys && p->nr_whys < PAGES_MAX; n++)
		*vec_push(p->why, p->nr_whys) = (struct play_page){ .vaddr = s->whys[n]->vaddr,
								    .stop = p->nr,
								    .why = s->whys[n] };
	for (; m < s->n_peeks && p->nr_peeks < PAGES_MAX; m++)
		*vec_push(p->peek, p->nr_peeks) = (struct play_page){ .vaddr = s->peeks[m]->vaddr,
								      .stop = p->nr,
								      .peek = s->peeks[m] };
	/* What is kept has left the frame. */
	for (size_t i = n; i < s->n_whys; i++)
		stepdump__why__free_unpacked(s->whys[i], NULL);
	for (size_t i = m; i < s->n_peeks; i++)
		stepdump__peek__free_unpacked(s->peeks[i], NULL);
	s->n_whys = s->n_peeks = 0;
}

static void play_stop_deinit(struct play_stop *st)
{
	for (size_t i = 0; i < st->nr_lines; i++)
		free(st->lines[i]);
	free(st->lines);
}

/* p->now is what was known at the frame before; becomes that of this one. */
static void play_index_frame(struct player *p, Stepdump__Frame *f, uint64_t key, uint32_t after)
{
	AUTO_FREE char *before = xstrdup(play_next_text(p->now->cursor));
	struct play_stop st = { .key = key, .after = after };

	st.lines = f->lines;
	st.nr_lines = f->n_lines;
	f->lines = NULL;
	f->n_lines = 0;
	if (f->snap)
		play_keep_pages(p, f->snap);
	frame_apply(p->now, f);

	const Stepdump__Cursor *c = p->now->cursor;

	st.phase = c ? c->phase : PH(READY);
	st.chunk = c ? c->chunk : 0;
	st.has_unit = c && c->has_unit;
	st.unit = c ? c->unit : 0;
	st.failed = p->now->error != NULL;
	st.next = play_unit(c ? c->next : NULL, st.phase, st.chunk);
	st.last = play_unit(c ? c->last : NULL, PH(READY), 0);
	if (p->nr && play_same_stop(&p->stop[p->nr - 1], before, &st, play_next_text(c))) {
		/* Its pages are those of the stop that it completes. */
		for (size_t i = p->nr_whys; i-- > 0 && p->why[i].stop == p->nr;)
			p->why[i].stop--;
		for (size_t i = p->nr_peeks; i-- > 0 && p->peek[i].stop == p->nr;)
			p->peek[i].stop--;
		play_stop_deinit(&p->stop[p->nr - 1]);
		p->stop[p->nr - 1] = st;
		return;
	}
	*vec_push(p->stop, p->nr) = st;
}

static int play_page_order(const void *a, const void *b)
{
	const struct play_page *x = a, *y = b;

	if (x->vaddr != y->vaddr)
		return x->vaddr < y->vaddr ? -1 : 1;
	return x->stop < y->stop ? -1 : x->stop > y->stop;
}

static struct err *play_read_all(struct player *p)
{
	uint64_t key = 0, off;
	uint32_t after = 0;
	bool is_key;

	for (;;) {
		Stepdump__Frame *f;
		struct err *e = rec_next(p->file, &f, &off, &is_key);

		if (e) {
			if (!p->nr)
				return e;
			p->damaged = err_text(e); /* what came before it is good */
			err_free(e);
			break;
		}
		if (!f || p->nr == STOPS_MAX) {
			if (f)
				stepdump__frame__free_unpacked(f, NULL);
			break;
		}
		if (is_key) {
			key = off;
			after = 0;
		} else {
			after++;
		}
		play_index_frame(p, f, key, after);
	}
	p->cut = rec_cut_short(p->file);
	p->key = key;
	p->after = after;
	vec_sort(p->why, p->nr_whys, play_page_order);
	vec_sort(p->peek, p->nr_peeks, play_page_order);
	return p->nr ? NULL : err_new(ERR_FORMAT, "there is no complete stop in it");
}

struct err *player_open(const char *path, struct player **ret)
{
	struct player *p = xzalloc(sizeof(*p));
	struct err *e;

	p->path = xstrdup(path);
	p->now = MSG_NEW(Stepdump__Snapshot, snapshot);
	e = rec_open(path, &p->file);
	if (!e)
		e = play_read_all(p);
	if (!e && p->now->page_bytes != PAGE_BYTES)
		e = err_new(ERR_FORMAT, "it counts in pages of %u bytes, this machine's have %lu",
			    p->now->page_bytes, PAGE_BYTES);
	if (!e)
		e = player_go(p, 0);
	if (e) {
		player_free(p);
		return err_wrap(e, "recording %s", path);
	}
	*ret = p;
	return NULL;
}

struct err *player_go(struct player *p, size_t i)
{
	const struct play_stop *st = &p->stop[i];
	Stepdump__Frame *f;

	if (st->key != p->key || st->after < p->after) {
		stepdump__snapshot__free_unpacked(p->now, NULL);
		p->now = MSG_NEW(Stepdump__Snapshot, snapshot);
		rec_seek(p->file, st->key);
		TRY(rec_next(p->file, &f, NULL, NULL));
		if (!f)
			return err_new(ERR_FORMAT, "the recording has become shorter");
		frame_apply(p->now, f);
		p->key = st->key;
		p->after = 0;
	}
	for (; p->after < st->after; p->after++) {
		TRY(rec_next(p->file, &f, NULL, NULL));
		if (!f)
			return err_new(ERR_FORMAT, "the recording has become shorter");
		frame_apply(p->now, f);
	}
	p->at = i;
	return NULL;
}

const struct play_page *play_page_find(const struct play_page *v, size_t nr, uint64_t vaddr,
				       size_t stop)
{
	size_t i =
		vec_first(nr, k, v[k].vaddr > vaddr || (v[k].vaddr == vaddr && v[k].stop > stop));

	while (i-- > 0)
		if (v[i].stop <= stop)
			return &v[i];
	return NULL;
}

const Stepdump__Snapshot *play_now(const struct player *p)
{
	return p->now;
}

pid_t play_pid(const struct player *p)
{
	const Stepdump__Snapshot *s = p->now;

	return s->target && s->target->has_pid ? (pid_t)s->target->pid :
	       s->watch                        ? (pid_t)s->watch->pid :
						 0;
}

void player_free(struct player *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->nr; i++)
		play_stop_deinit(&p->stop[i]);
	for (size_t i = 0; i < p->nr_whys; i++)
		stepdump__why__free_unpacked(p->why[i].why, NULL);
	for (size_t i = 0; i < p->nr_peeks; i++)
		stepdump__peek__free_unpacked(p->peek[i].peek, NULL);
	free(p->stop);
	free(p->why);
	free(p->peek);
	free(p->path);
	free(p->damaged);
	rec_reader_close(p->file);
	stepdump__snapshot__free_unpacked(p->now, NULL);
	free(p);
}

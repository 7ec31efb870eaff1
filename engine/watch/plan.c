/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A ppb's plan, out of the area that criu shares with its parasite. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/num.h"
#include "engine/proc/proc.h"
#include "engine/watch/area.h"
#include "engine/watch/watch_priv.h"

#define AREA_SEARCH 262144 /* the blob and what follows it; the arguments begin within */

/* criu's mapping of what it shares with the present task's parasite: the last that was made. */
static bool find_area(struct watch *w)
{
	AUTO_FREE char *maps = NULL;
	unsigned long start, end;
	size_t len;
	char *save, perms[8];
	AUTO_ERR struct err *e = proc_read_file(w->t.pid, "maps", &maps, &len);

	if (e)
		return false;
	for (char *l = strtok_r(maps, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		if (strstr(l, "/memfd:CRIUMFD") &&
		    sscanf(l, "%lx-%lx %7s", &start, &end, perms) == 3 && perms[3] == 's') {
			w->area_map = start;
			w->area_len = end - start;
		}
	return w->area_map != 0;
}

/* Reads the head and this ppb's iovs; false: what is there is not consistent. */
static bool read_plan_at(struct watch *w, struct area_head *h, struct wppb *b)
{
	char head[24];
	uint64_t at = w->area_map + (uint64_t)w->area_off, pages = 0;

	if (tracee_read(&w->t, at, head, sizeof(head)) != sizeof(head) ||
	    !area_read_head(head, w->area_len - (uint64_t)w->area_off, w->area_head, h))
		return false;
	if (!h->nr_segs && !h->nr_pages)
		return true;
	if (h->nr_segs > WATCH_MAX_IOVS)
		return false;
	AUTO_FREE struct area_iov *v = xcalloc(h->nr_segs, sizeof(*v));
	size_t bytes = h->nr_segs * sizeof(*v);

	if (tracee_read(&w->t, at + area_iov_at(h, h->off), v, bytes) != bytes)
		return false;
	for (size_t i = 0; i < h->nr_segs; i++) {
		if (v[i].base % PAGE_BYTES || v[i].len % PAGE_BYTES || !v[i].len)
			return false;
		pages += v[i].len / PAGE_BYTES;
	}
	if (pages != h->nr_pages)
		return false;
	b->iov = xcalloc(h->nr_segs, sizeof(*b->iov));
	for (size_t i = 0; i < h->nr_segs; i++)
		b->iov[i] = (struct wiov){ v[i].base, v[i].len / PAGE_BYTES };
	return true;
}

static bool search_area(struct watch *w)
{
	AUTO_FREE char *buf = xzalloc(AREA_SEARCH + WATCH_MAX_IOVS);
	size_t want = w->area_len < AREA_SEARCH + WATCH_MAX_IOVS ? w->area_len :
								   AREA_SEARCH + WATCH_MAX_IOVS;
	size_t got = tracee_read(&w->t, w->area_map, buf, want);
	struct area_head h;
	long at = area_search(buf, got, 0, &h);

	if (at < 0 || at > AREA_SEARCH)
		return false;
	w->area_off = at;
	w->area_head = h.size;
	return true;
}

/* The offset is the same for all tasks of one criu, the mapping is not. */
bool plan_read(struct watch *w, struct area_head *h, struct wppb *b)
{
	if (!w->area_map && !find_area(w))
		return false;
	if (w->area_off >= 0 && read_plan_at(w, h, b))
		return true;
	return search_area(w) && read_plan_at(w, h, b);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/pages/page_walk.h"

#include "base/vec.h"

struct err *page_walk_fill(struct pmc *pmc, const struct vma_list *vmas, size_t idx, uint64_t from,
			   uint64_t end)
{
	struct vma clipped = vmas->v[idx];
	const struct vma_list one = { .v = &clipped, .nr = 1 };
	bool hit;

	if (end >= clipped.end)
		return pmc_get_map(pmc, vmas, idx, from, &hit);
	clipped.end = end;
	return pmc_get_map(pmc, &one, 0, from, &hit);
}

struct err *page_walk_next(struct page_walk *w, struct page_run *ret)
{
	const struct vma_list *l = w->vmas;

	*ret = (struct page_run){ 0 };
	if (!w->idx)
		w->idx = vec_first(l->nr, i, l->v[i].end > w->at);
	else if (w->idx < l->nr && l->v[w->idx].end <= w->at)
		w->idx++;
	if (w->at >= w->end || w->idx == l->nr || l->v[w->idx].start >= w->end)
		return NULL;

	const struct vma *v = &l->v[w->idx];
	uint64_t start = v->start > w->at ? v->start : w->at;
	uint64_t end = v->end < w->end ? v->end : w->end, cats = 0;

	if (vma_is_private(v) && !vma_always_dumped(v) && !vma_never_dumped(v)) {
		if (!pmc_covers(w->pmc, start, start + PAGE_BYTES))
			TRY(page_walk_fill(w->pmc, l, w->idx, start, end));
		cats = pmc_run(w->pmc, start, end, &end);
	}
	*ret = (struct page_run){ v, start, end, cats };
	w->at = end;
	return NULL;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Search, filter and jumps, which need the complete data. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "views/view_impl.h"

static bool find_vma_matches(const Stepdump__Vma *v, const char *text)
{
	char range[40];

	snprintf(range, sizeof(range), "%lx-%lx", v->start, v->end);
	return strcasestr(range, text) || strcasestr(v->kind, text) || strcasestr(v->prot, text) ||
	       (v->name && strcasestr(v->name, text));
}

static void find_apply_filter(struct ui *ui, const Stepdump__Snapshot *all)
{
	const char *text = ui->filter.text[VIEW_MAP];
	uint32_t nr = 0;

	free(ui->filter.vma);
	ui->filter.vma = NULL;
	ui->filter.nr = 0;
	if (!*text)
		return;
	ui->filter.vma = xcalloc((all->n_vmas ? all->n_vmas : 1), sizeof(*ui->filter.vma));
	for (size_t i = 0; i < all->n_vmas; i++)
		if (find_vma_matches(all->vmas[i], text))
			ui->filter.vma[nr++] = all->vmas[i]->index;
	ui->filter.nr = nr;
	if (nr) {
		ui_message(ui, TONE_NORMAL, "%u of %zu VMAs have \"%s\"", nr, all->n_vmas, text);
		return;
	}
	free(ui->filter.vma);
	ui->filter.vma = NULL;
	ui_message(ui, TONE_WARN, "no VMA has \"%s\": all are shown", text);
	ui->filter.text[VIEW_MAP][0] = '\0';
}

static bool find_go_to_addr(struct ui *ui, const Stepdump__Snapshot *all, uint64_t addr)
{
	for (size_t i = 0; i < all->n_vmas; i++) {
		const Stepdump__Vma *v = all->vmas[i];

		if (addr >= v->start && addr < v->end) {
			ui->place.vma = v->index;
			ui->place.addr = addr & ~(PAGE_BYTES - 1);
			return true;
		}
	}
	return false;
}

static void find_next(struct ui *ui, const Stepdump__Snapshot *all)
{
	size_t n = all->n_vmas, at = 0;
	char *end;
	uint64_t addr = strtoull(ui->find.text, &end, 16);

	if (end - ui->find.text >= 6 && !*end && find_go_to_addr(ui, all, addr))
		return;
	while (at < n && all->vmas[at]->index != ui->place.vma)
		at++;
	for (size_t k = 1; n && k <= n; k++) {
		const Stepdump__Vma *v = all->vmas[(at + (ui->find.back ? n - k % n : k)) % n];

		if (find_vma_matches(v, ui->find.text)) {
			ui->place.vma = v->index;
			ui->place.addr = v->start;
			return;
		}
	}
	ui_message(ui, TONE_WARN, "no VMA has \"%s\"", ui->find.text);
}

static bool find_iov_matches(const Stepdump__Snapshot *all, const Stepdump__Iov *iov,
			     const char *text)
{
	const Stepdump__Vma *v = iov->has_vma_index ? vma_by_index(all, iov->vma_index) : NULL;
	char *end;
	uint64_t addr = strtoull(text, &end, 16);

	if (end - text >= 6 && !*end)
		return addr >= iov->start && (addr - iov->start) / PAGE_BYTES < iov->nr_pages;
	return v && find_vma_matches(v, text);
}

/* The next iov, in any ppb. */
static void find_next_iov(struct ui *ui, const Stepdump__Snapshot *all)
{
	const Stepdump__PagePipe *pp = all->page_pipe;
	size_t nr = 0, at = 0;

	for (size_t i = 0; pp && i < pp->n_ppbs; i++) {
		if (i == ui->pipes.ppb)
			at = nr + ui->pipes.iov;
		nr += pp->ppbs[i]->n_iovs;
	}
	for (size_t k = 1; k <= nr; k++) {
		size_t n = (ui->find.back ? at + nr - k : at + k) % nr, ppb = 0;

		while (n >= pp->ppbs[ppb]->n_iovs)
			n -= pp->ppbs[ppb++]->n_iovs;
		if (!find_iov_matches(all, pp->ppbs[ppb]->iovs[n], ui->find.text))
			continue;
		ui->pipes.ppb = (uint32_t)ppb;
		ui->pipes.iov = (uint32_t)n;
		ui->pipes.in_iovs = true;
		return;
	}
	ui_message(ui, TONE_WARN, "no iov is in a VMA with \"%s\", or holds that address",
		   ui->find.text);
}

static void find_hole(struct ui *ui, const Stepdump__Snapshot *all)
{
	size_t n = all->n_vmas;

	for (size_t k = 1; k <= n; k++) {
		const Stepdump__Vma *v = all->vmas[(ui->place.vma + k) % n];

		if (!count_of(v->counts, v->n_counts, STEPDUMP__VERDICT__HOLE))
			continue;
		ui->place.vma = v->index;
		ui->place.addr = v->start;
		ui->find.to_hole = true;
		return;
	}
	ui_message(ui, TONE_WARN, "no VMA has holes so far: nothing is left to a parent");
}

uint32_t ui_find_needs(const struct ui *ui)
{
	bool iovs = ui->view == VIEW_PIPES && ui->find.what == FIND_TEXT;

	return SNAP_VMAS | (iovs ? SNAP_PAGE_PIPE | SNAP_IOVS : 0) |
	       (ui->find.what == FIND_HOLE ? SNAP_VMA_COUNTS : 0);
}

void ui_find(struct ui *ui, const Stepdump__Snapshot *all)
{
	switch (ui->find.what) {
	case FIND_TEXT:
		if (ui->view == VIEW_PIPES)
			find_next_iov(ui, all);
		else
			find_next(ui, all);
		break;
	case FIND_FILTER:
		find_apply_filter(ui, all);
		break;
	case FIND_HOLE:
		find_hole(ui, all);
		break;
	case FIND_ADDR:
		if (!find_go_to_addr(ui, all, ui->place.addr))
			ui_message(ui, TONE_WARN, "%lx is in no VMA", ui->place.addr);
	}
	ui->find.what = FIND_TEXT;
}

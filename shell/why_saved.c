/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `why` on a saved snapshot: what it holds of a page, in the form that the engine answers in. */
#include "shell/why_saved.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/vec.h"
#include "proto/message.h"
#include "proto/verdict.h"

static const Stepdump__VerdictRun *run_of(const Stepdump__Snapshot *s, uint64_t addr)
{
	for (size_t i = 0; i < s->n_runs; i++)
		if (addr >= s->runs[i]->start &&
		    addr < add_sat(s->runs[i]->start, mul_sat(s->runs[i]->nr_pages, PAGE_BYTES)))
			return s->runs[i];
	return NULL;
}

static const Stepdump__Vma *vma_of(const Stepdump__Snapshot *s, uint64_t addr)
{
	for (size_t i = 0; i < s->n_vmas; i++)
		if (addr >= s->vmas[i]->start && addr < s->vmas[i]->end)
			return s->vmas[i];
	return NULL;
}

static char *ppb_of(const Stepdump__Snapshot *s, uint64_t addr)
{
	for (size_t i = 0; s->page_pipe && i < s->page_pipe->n_ppbs; i++) {
		const Stepdump__Ppb *b = s->page_pipe->ppbs[i];

		for (size_t k = 0; k < b->n_iovs; k++)
			if (addr >= b->iovs[k]->start &&
			    addr < add_sat(b->iovs[k]->start, b->iovs[k]->nr_pages * PAGE_BYTES))
				return xasprintf("ppb %u, iov %zu", b->index, k);
	}
	return NULL;
}

static void saved_fact(Stepdump__Why *w, char *text)
{
	*vec_push(w->facts, w->n_facts) = text;
}

/* "pagemap: present, soft-dirty": the bits of the entries, in the order of the kernel's. */
static char *pagemap_fact(uint32_t categories)
{
	static const struct {
		uint32_t category;
		const char *name;
	} bits[] = { { 8, "present" }, { 16, "swap" },   { 4, "file" },        { 32, "zero page" },
		     { 256, "guard" }, { 2, "written" }, { 128, "soft-dirty" } };
	char *text = xstrdup("pagemap: ");

	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		if (categories & bits[i].category) {
			char *more = xasprintf("%s%s%s", text,
					       strcmp(text, "pagemap: ") ? ", " : "", bits[i].name);

			free(text);
			text = more;
		}
	return text;
}

/* The kernel's entry, as far as it was saved. */
static void saved_entry(const Stepdump__Snapshot *s, uint64_t addr, Stepdump__Why *w)
{
	size_t i = vec_first(s->n_pagemap_bits, k,
			     s->pagemap_bits[k]->start + s->pagemap_bits[k]->nr_pages * PAGE_BYTES >
				     addr);

	if (i >= s->n_pagemap_bits || s->pagemap_bits[i]->start > addr)
		return;
	SET(w, pagemap_raw, (uint64_t)s->pagemap_bits[i]->bits << 55);
	saved_fact(w,
		   xstrdup("of the pagemap entry, bits 55 to 63 were saved; not the page frame"));
}

void why_saved(const Stepdump__Snapshot *s, uint64_t addr, Stepdump__Why *w)
{
	const Stepdump__VerdictRun *r = run_of(s, addr);
	const Stepdump__Vma *v = vma_of(s, addr);

	w->vaddr = addr;
	w->verdict = r ? r->verdict : v ? VD(NOT_SCANNED) : VD(ABSENT);
	if (!v) {
		w->sentence = xasprintf("%lx: nothing was mapped here", addr);
		return;
	}
	SET(w, vma_index, v->index);
	saved_fact(w, xasprintf("VMA %u: %lx-%lx %s %s %s", v->index, v->start, v->end, v->prot,
				v->kind, v->name ? v->name : ""));
	if (!r) {
		w->sentence = xasprintf("%lx: the snapshot holds no verdict on it", addr);
		return;
	}
	saved_fact(w, xasprintf("in a run of %lu pages from %lx with one verdict: %s%s%s",
				r->nr_pages, r->start, r->present ? "present" : "not present",
				r->has_dirty ? r->dirty ? ", dirty" : ", clean" : "",
				r->lazy ? ", lazy" : ""));
	if (r->has_pagemap)
		saved_fact(w, pagemap_fact(r->pagemap));
	saved_entry(s, addr, w);
	if (s->error && s->error->has_vaddr && s->error->vaddr / PAGE_BYTES == addr / PAGE_BYTES) {
		saved_fact(w, xasprintf("failure: %s", s->error->message));
		if (s->error->evidence)
			saved_fact(w, xasprintf("seen: %s", s->error->evidence));
		if (s->error->cause) {
			saved_fact(w, xasprintf("cause: %s (`explain %s`)", s->error->title,
						s->error->cause));
			w->cause = xstrdup(s->error->cause);
		}
	}
	w->rule = xstrdup(verdict_info(r->verdict)->rule);
	if (verdict_is_data(r->verdict))
		w->held_by = ppb_of(s, addr);
	w->sentence = xasprintf("%lx: %s, when the snapshot was saved%s%s", addr,
				verdict_info(r->verdict)->why, w->held_by ? "; held by " : "",
				w->held_by ? w->held_by : "");
}

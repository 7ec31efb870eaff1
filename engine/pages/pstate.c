/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/pages/pstate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PER_WORD 32u

static struct err *pstate_expand(struct pstate *ps, uint64_t nr_pages)
{
	uint64_t have = ps->nr_pages / PER_WORD, want = (nr_pages + PER_WORD - 1) / PER_WORD;

	if (want <= have)
		return NULL;

	void *p = reallocarray(ps->word, want, sizeof(*ps->word));

	if (!p)
		return err_sys(ENOMEM,
			       "keeping the states of %lu pages of one shared object (%lu MiB)",
			       nr_pages, want * sizeof(*ps->word) >> 20);
	ps->word = p;
	memset(ps->word + have, 0, (want - have) * sizeof(*ps->word));
	ps->nr_pages = want * PER_WORD;
	return NULL;
}

struct err *pstate_or(struct pstate *ps, uint64_t page, uint64_t nr, enum pst state)
{
	if (state == PST_DONT_DUMP || !nr)
		return NULL;
	TRY(pstate_expand(ps, page + nr));
	for (uint64_t i = page; i < page + nr; i++)
		ps->word[i / PER_WORD] |= (uint64_t)state << (i % PER_WORD * 2);
	return NULL;
}

enum pst pstate_get(const struct pstate *ps, uint64_t page)
{
	if (page >= ps->nr_pages)
		return PST_DONT_DUMP;
	return (enum pst)(ps->word[page / PER_WORD] >> (page % PER_WORD * 2) & 3);
}

uint64_t pstate_run(const struct pstate *ps, uint64_t page, uint64_t end)
{
	enum pst state = pstate_get(ps, page);

	while (++page < end && pstate_get(ps, page) == state)
		if (page >= ps->nr_pages)
			return end;
	return page;
}

void pstate_deinit(struct pstate *ps)
{
	free(ps->word);
	*ps = (struct pstate){ 0 };
}

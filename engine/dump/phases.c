/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Mirrors the loop of criu/mem.c __parasite_dump_pages_seized(). */
#include "engine/dump/phases.h"

#define MAX_TURNS 256u /* then the caller looks for ^C, and shows progress */

const struct phase_ops *const phase_table[NR_PHASES] = {
	&ph_prepare, &ph_pmc_fill, &ph_generate_iovs, &ph_drain, &ph_xfer, &ph_reset,
};

const struct phase_ops *phase_ops(phase_t p)
{
	for (size_t i = 0; i < NR_PHASES; i++)
		if (phase_table[i]->phase == p)
			return phase_table[i];
	return NULL;
}

void phase_next_unit(struct dump *d, struct unit *u)
{
	const struct phase_ops *ops = phase_ops(d->phase);

	*u = (struct unit){
		.phase = d->phase, .chunk = d->at.chunk, .vma = -1, .ppb = -1, .shmem = -1
	};
	if (d->at.item < d->nr_tasks)
		u->task = d->at.item;
	else
		u->shmem = (int64_t)(d->at.item - d->nr_tasks);
	if (ops)
		ops->next(d, u);
}

struct err *phase_run(struct dump *d, enum pace pace, const struct phase_ops **last_ret)
{
	const struct phase_ops *first = phase_ops(d->phase), *ops = first;
	const struct phase_ops *other =
		pace == PACE_FLOW && ops->takes_turns ? phase_ops(ops->turns_with) : NULL;
	struct err *e = NULL;

	for (unsigned n = 1; !(e = ops->step(d, pace)); n++) {
		const struct phase_ops *next = ops == first ? other : first;

		d->count.units[ops->phase]++;
		if (!next || d->phase != next->phase || n == MAX_TURNS)
			break;
		ops = next;
	}
	if (e && !e->phase)
		e = err_phase(e, ops->name);
	*last_ret = ops;
	if (first->settle)
		return first->settle(d, e);
	return other && other->settle ? other->settle(d, e) : e;
}

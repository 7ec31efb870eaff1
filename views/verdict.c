/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Verdicts: their glyphs, and how their counts add up. */
#include "views/pane_impl.h"

static const struct {
	char glyph;
	enum tone tone;
} looks[] = {
	[STEPDUMP__VERDICT__NOT_SCANNED] = { '_', TONE_UNSCANNED },
	[STEPDUMP__VERDICT__DUMP] = { '#', TONE_DUMP },
	[STEPDUMP__VERDICT__DUMP_SWAPPED] = { 's', TONE_SWAP },
	[STEPDUMP__VERDICT__ALWAYS] = { '!', TONE_ALWAYS },
	[STEPDUMP__VERDICT__HOLE] = { '=', TONE_HOLE },
	[STEPDUMP__VERDICT__ZERO] = { 'z', TONE_ZERO },
	[STEPDUMP__VERDICT__FILE_CLEAN] = { 'f', TONE_FILE },
	[STEPDUMP__VERDICT__ABSENT] = { '.', TONE_ABSENT },
	[STEPDUMP__VERDICT__GUARD] = { 'g', TONE_GUARD },
	[STEPDUMP__VERDICT__NEVER] = { 'x', TONE_NEVER },
	[STEPDUMP__VERDICT__SHARED] = { 'S', TONE_DIM },
};

#define NR_LOOKS (sizeof(looks) / sizeof(*looks))

/* A snapshot may come from a newer stepdump: values without a look are shown as '?'. */
char verdict_glyph(Stepdump__Verdict v, bool lazy)
{
	if ((unsigned)v >= NR_LOOKS)
		return '?';
	return lazy && v == STEPDUMP__VERDICT__DUMP ? 'L' : looks[v].glyph;
}

enum tone verdict_tone(Stepdump__Verdict v, bool lazy)
{
	if ((unsigned)v >= NR_LOOKS)
		return TONE_WARN;
	return lazy && v == STEPDUMP__VERDICT__DUMP ? TONE_LAZY : looks[v].tone;
}

uint64_t count_of(Stepdump__VerdictCount *const *counts, size_t nr, Stepdump__Verdict v)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < nr; i++)
		if (counts[i]->verdict == v)
			sum = add_sat(sum, counts[i]->pages);
	return sum;
}

uint32_t verdicts_of(Stepdump__VerdictCount *const *counts, size_t nr)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < nr; i++)
		if (counts[i]->pages && (unsigned)counts[i]->verdict < NR_LOOKS)
			bits |= 1u << counts[i]->verdict;
	return bits;
}

struct tally tally_counters(const Stepdump__Counters *c)
{
	struct tally t = { .has_total = c->has_pages_total, .total = c->pages_total };
	bool counted_rest = false;

	for (size_t i = 0; i < c->n_verdicts; i++) {
		const Stepdump__VerdictCount *vc = c->verdicts[i];
		uint64_t *part;

		switch (vc->verdict) {
		case STEPDUMP__VERDICT__DUMP:
		case STEPDUMP__VERDICT__DUMP_SWAPPED:
		case STEPDUMP__VERDICT__ALWAYS:
			part = &t.to_pipe;
			break;
		case STEPDUMP__VERDICT__HOLE:
			part = &t.holes;
			break;
		case STEPDUMP__VERDICT__NOT_SCANNED:
			part = &t.to_scan;
			counted_rest = true;
			break;
		default:
			part = &t.skipped;
		}
		*part = add_sat(*part, vc->pages);
	}

	uint64_t scanned = add_sat(add_sat(t.to_pipe, t.holes), t.skipped);

	if (!t.has_total)
		t.total = add_sat(scanned, t.to_scan);
	else if (!counted_rest && scanned < t.total)
		t.to_scan = t.total - scanned;
	t.balanced = add_sat(scanned, t.to_scan) == t.total;
	return t;
}

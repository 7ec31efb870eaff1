/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Verdicts: their colours, and how their counts add up. */
#include "proto/verdict.h"
#include "views/pane_impl.h"

static const enum tone tones[NR_VERDICTS] = {
	[VD(NOT_SCANNED)] = TONE_UNSCANNED,
	[VD(DUMP)] = TONE_DUMP,
	[VD(DUMP_SWAPPED)] = TONE_SWAP,
	[VD(ALWAYS)] = TONE_ALWAYS,
	[VD(HOLE)] = TONE_HOLE,
	[VD(ZERO)] = TONE_ZERO,
	[VD(FILE_CLEAN)] = TONE_FILE,
	[VD(ABSENT)] = TONE_ABSENT,
	[VD(GUARD)] = TONE_GUARD,
	[VD(NEVER)] = TONE_NEVER,
	[VD(SHARED)] = TONE_DIM,
};

char verdict_glyph(Stepdump__Verdict v, bool lazy)
{
	return lazy && v == VD(DUMP) ? 'L' : verdict_info(v)->glyph;
}

enum tone verdict_tone(Stepdump__Verdict v, bool lazy)
{
	if ((unsigned)v >= NR_VERDICTS)
		return TONE_WARN;
	return lazy && v == VD(DUMP) ? TONE_LAZY : tones[v];
}

bool verdict_to_pipe(Stepdump__Verdict v)
{
	return v == STEPDUMP__VERDICT__DUMP || v == STEPDUMP__VERDICT__DUMP_SWAPPED ||
	       v == STEPDUMP__VERDICT__ALWAYS;
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
		if (counts[i]->pages && (unsigned)counts[i]->verdict < NR_VERDICTS)
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

		if (verdict_is_data(vc->verdict)) {
			part = &t.to_pipe;
		} else if (vc->verdict == VD(HOLE)) {
			part = &t.holes;
		} else if (vc->verdict == VD(NOT_SCANNED)) {
			part = &t.to_scan;
			counted_rest = true;
		} else {
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

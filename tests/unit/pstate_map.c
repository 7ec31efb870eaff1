/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The two bits per page of a shared object, against a plain array of states. */
#include "engine/pages/pstate.h"

#include "tests/lib/test.h"

#define PAGES 700

TEST(or_table)
{
	/* Rows: the present state; columns: the new one.  CRIU's numbers on purpose. */
	static const int want[4][4] = {
		{ 0, 1, 2, 3 }, { 1, 1, 3, 3 }, { 2, 3, 2, 3 }, { 3, 3, 3, 3 }
	};

	for (int a = 0; a < 4; a++)
		for (int b = 0; b < 4; b++) {
			struct pstate ps = { 0 };

			ok(pstate_or(&ps, 31, 2, (enum pst)a));
			ok(pstate_or(&ps, 31, 2, (enum pst)b));
			assert_int_equal(pstate_get(&ps, 30), PST_DONT_DUMP);
			assert_int_equal(pstate_get(&ps, 31), want[a][b]);
			assert_int_equal(pstate_get(&ps, 32), want[a][b]); /* the next word */
			assert_int_equal(pstate_get(&ps, 33), PST_DONT_DUMP);
			pstate_deinit(&ps);
		}
}

TEST(nothing_says_nothing)
{
	struct pstate ps = { 0 };

	ok(pstate_or(&ps, 1ull << 50, 1, PST_DONT_DUMP)); /* no bits, no memory */
	ok(pstate_or(&ps, 5, 0, PST_DIRTY));
	assert_null(ps.word);
	assert_int_equal(pstate_get(&ps, 1ull << 50), PST_DONT_DUMP);
	assert_int_equal(pstate_run(&ps, 3, 1ull << 50), 1ull << 50);
}

/* Mappings of one object at random offsets: growth, gaps and words that are cut. */
TEST(random_mappings)
{
	for (unsigned round = 0; round < rounds(300); round++) {
		uint8_t model[PAGES] = { 0 };
		struct pstate ps = { 0 };

		for (int i = 0; i < 20; i++) {
			uint64_t page = rnd(PAGES), nr = rnd(rnd(2) ? 5 : PAGES - page + 1);
			unsigned st = (unsigned)rnd(4);

			nr = nr < PAGES - page ? nr : PAGES - page;
			ok(pstate_or(&ps, page, nr, (enum pst)st));
			for (uint64_t p = page; p < page + nr; p++)
				model[p] |= (uint8_t)st;
		}
		for (uint64_t p = 0; p < PAGES; p++)
			assert_int_equal(pstate_get(&ps, p), model[p]);
		for (uint64_t p = 0; p < PAGES;) {
			uint64_t end = pstate_run(&ps, p, PAGES), want = p;

			while (want < PAGES && model[want] == model[p])
				want++;
			assert_int_equal(end, want);
			p = end;
		}
		/* Beyond the last page that was set, the state is DONT_DUMP. */
		uint64_t last = PAGES;

		while (last && !model[last - 1])
			last--;
		assert_int_equal(pstate_run(&ps, last, last + 100000), last + 100000);
		pstate_deinit(&ps);
	}
}

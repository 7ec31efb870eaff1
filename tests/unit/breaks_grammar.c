/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Breakpoints: what is accepted, what is refused, and which units each one stops before. */
#include "engine/session/breaks.h"

#include "tests/lib/test.h"

static struct brk_list l;
static unsigned number;

static int end(void **state)
{
	brk_list_deinit(&l);
	assert_null(l.b);
	return 0;
}

static struct brk *new_brk(const char *where)
{
	ok(brk_add(&l, where, false, &number));
	assert_string_equal(l.b[l.nr - 1].where, where);
	assert_int_equal(l.b[l.nr - 1].number, number);
	return &l.b[l.nr - 1];
}

/* ---- grammar ---------------------------------------------------------------------- */

TEST(every_phase_can_be_named, NULL, end)
{
	static const struct {
		const char *name;
		phase_t phase;
	} good[] = {
		{ "prepare", PH(PREPARE) },
		{ "pmc-fill", PH(PMC_FILL) },
		{ "generate-iovs", PH(GENERATE_IOVS) },
		{ "drain", PH(DRAIN) },
		{ "xfer", PH(XFER) },
		{ "reset", PH(RESET) },
	};

	for (size_t i = 0; i < 6; i++) {
		const struct brk *b = new_brk(good[i].name);

		assert_int_equal(b->kind, BRK_PHASE);
		assert_int_equal(b->phase, good[i].phase);
		assert_null(b->cond);
	}
	static const char *const bad[] = { "ready", "gate", "done" };

	for (size_t i = 0; i < 3; i++)
		fails(brk_add(&l, bad[i], false, &number), ERR_USAGE, bad[i]);
}

TEST(conditions, NULL, end)
{
	static const struct {
		const char *where, *cond;
	} good[] = {
		{ "drain if ppb == 5", "ppb == 5" },
		{ "drain if ppb==5", "ppb==5" },
		{ "  drain\tif  ppb == 5 ", "ppb == 5 " },
		{ "xfer if chunk==2 and shmem==1", "chunk==2 and shmem==1" },
		{ "generate-iovs if vma!=1 && chunk<2 && shmem>=4",
		  "vma!=1 && chunk<2 && shmem>=4" },
		{ "drain if ppb==1||chunk<=3 && shmem == 0 or ppb == 7",
		  "ppb==1||chunk<=3 && shmem == 0 or ppb == 7" },
		{ "drain if 5 < ppb", "5 < ppb" },
		{ "drain if ppb == 0x5", "ppb == 0x5" },
		{ "drain if ppb", "ppb" },
		{ "drain if !(ppb % 4) && (ppb >> 3 | chunk) != ~0",
		  "!(ppb % 4) && (ppb >> 3 | chunk) != ~0" },
		{ "generate-iovs if verdict != dump-swapped && pages > 100",
		  "verdict != dump-swapped && pages > 100" },
		{ "ppb 3", "ppb == 3" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		const struct brk *b = new_brk(good[i].where);

		assert_int_equal(b->kind, BRK_PHASE);
		assert_string_equal(b->cond, good[i].cond);
	}
}

TEST(addresses_vmas_verdicts_chunks, NULL, end)
{
	static const struct {
		const char *where;
		int kind;
		uint64_t value;
	} good[] = {
		{ "0x7f3a41c0c000", BRK_ADDR, 0x7f3a41c0c000 },
		{ "7f3a41c0c123", BRK_ADDR, 0x7f3a41c0c000 }, /* its page */
		{ "7F3A41C0C123", BRK_ADDR, 0x7f3a41c0c000 },
		{ "1000", BRK_ADDR, 0x1000 },
		{ "deadbeef", BRK_ADDR, 0xdeadb000 },
		{ "vma 0", BRK_VMA, 0 },
		{ "vma 12", BRK_VMA, 12 },
		{ "vma 999999", BRK_VMA, 999999 },
		{ "vma 7f3a41c0c000", BRK_VMA, 0x7f3a41c0c000 },
		{ "vma 0x7f3a41c0c000", BRK_VMA, 0x7f3a41c0c000 },
		{ "vma 0x1000", BRK_VMA, 0x1000 }, /* short, but clearly hexadecimal */
		{ "chunk 2", BRK_CHUNK, 2 },
		{ "fail", BRK_FAIL, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		const struct brk *b = new_brk(good[i].where);

		assert_int_equal(b->kind, good[i].kind);
		assert_int_equal(b->value, good[i].value);
	}
	for (int v = 0; v < NR_VERDICTS; v++) {
		char where[40];

		snprintf(where, sizeof(where), "verdict %s", verdict_name((verdict_t)v));
		assert_int_equal(new_brk(where)->kind, BRK_VERDICT);
		assert_int_equal(l.b[l.nr - 1].verdict, v);
	}
}

TEST(what_is_not_understood, NULL, end)
{
	static const char *const bad[] = {
		"",
		" ",
		"drai",
		"drain if",
		"drain if ppb ==",
		"drain if ppb = 5",
		"drain if == 5",
		"drain ppb == 5",
		"drain if ppb == x",
		"drain if ppb == 5 &&",
		"drain if ppb == 5 if chunk == 1",
		"drain if (ppb == 5",
		"drain if ppb == 5)",
		"drain if 1 / 0",
		"drain if ppb & & 5",
		"drain if 5 5",
		"drain if 08",
		"drain if ppbs == 5",
		"drain if pages > 5",
		"xfer if verdict == zero",
		"drain if ppb == 5 ||",
		"drain || ppb == 5",
		"drain if ppb == 5 vma == 1",
		"drain if pid == 5",
		"drain if ppb == 5 extra",
		"drain extra",
		"drain if ppb => 5",
		"drain if ppb =< 5",
		"drain if ppb <> 5",
		"drain > 2",
		"prepare if vma == 3", /* fields that no unit of the phase has */
		"prepare if chunk == 1",
		"pmc-fill if ppb == 1",
		"pmc-fill if shmem == 1",
		"generate-iovs if ppb == 1",
		"drain if vma == 0",
		"xfer if chunk == 1 && vma == 0",
		"drain if ppb == 99999999999999999999",
		"fail now",
		"chunk",
		"chunk 0", /* they count from 1 */
		"chunk x",
		"chunk 1 2",
		"vma",
		"vma x",
		"vma 1 2",
		"vma -1",
		"verdict",
		"verdict hole zero",
		"0",
		"fff",
		"-1000",
		"1000 2000",
		"0x",
		"0xzz",
		"10000000000000000000000",
		"==",
		"if ppb == 5",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		number = 77;
		struct err *e = brk_add(&l, bad[i], false, &number);

		if (!e)
			print_error("\"%s\" was understood\n", bad[i]);
		assert_non_null(e);
		assert_non_null(e->hint);
		fails(e, ERR_USAGE, bad[i]);
		assert_int_equal(number, 77);
	}
	fails(brk_add(&l, "verdict nothing", false, &number), ERR_USAGE, "nothing");
	assert_int_equal(l.nr, 0);
	new_brk("drain");
	assert_int_equal(number, 1); /* failures use up no numbers */
}

TEST(very_long_input, NULL, end)
{
	char line[4096] = "drain if";

	for (int i = 0; i < 300; i++)
		strcat(line, " ppb==1");
	fails(brk_add(&l, line, false, &number), ERR_USAGE, "no operator");
}

TEST(numbers_and_deletion, NULL, end)
{
	new_brk("drain");
	new_brk("xfer");
	new_brk("fail");
	assert_int_equal(number, 3);
	ok(brk_delete(&l, 2));
	assert_int_equal(l.nr, 2);
	assert_string_equal(l.b[0].where, "drain");
	assert_string_equal(l.b[1].where, "fail");
	fails(brk_delete(&l, 2), ERR_USAGE, "no breakpoint 2");
	new_brk("chunk 2");
	assert_int_equal(number, 4); /* never given twice */
	ok(brk_delete(&l, 0));
	assert_int_equal(l.nr, 0);
	ok(brk_delete(&l, 0));
	fails(brk_delete(&l, 1), ERR_USAGE, "no breakpoint 1");
}

/* ---- matching --------------------------------------------------------------------- */

static struct vma_list vmas;

static int two_vmas(void **state)
{
	struct vma v = { .start = 0x10000, .end = 0x20000 };

	vma_list_add(&vmas, &v, "");
	v.start = 0x7f0000000000;
	v.end = 0x7f0000010000;
	vma_list_add(&vmas, &v, "");
	return 0;
}

static int no_vmas(void **state)
{
	vma_list_deinit(&vmas);
	return 0;
}

#define UNIT(ph)                                                                                   \
	(struct unit)                                                                              \
	{                                                                                          \
		.phase = PH(ph), .chunk = 1, .vma = -1, .ppb = -1, .shmem = -1                     \
	}

#define SETTER(name, type, field)                                                                  \
	static struct unit name(struct unit u, type value)                                         \
	{                                                                                          \
		u.field = value;                                                                   \
		return u;                                                                          \
	}

SETTER(ppb, int, ppb)
SETTER(vma, int64_t, vma)
SETTER(chunk, unsigned, chunk)
SETTER(shmem, int64_t, shmem)

static struct unit range(struct unit u, uint64_t from, uint64_t to)
{
	u.start = from;
	u.end = to;
	return u;
}

static bool stops(const char *where, struct unit u, struct unit prev)
{
	new_brk(where);
	bool hit = brk_match(&l, &u, &prev, &vmas) != NULL;

	ok(brk_delete(&l, number));
	return hit;
}

TEST(a_phase_matches_where_it_begins, NULL, end)
{
	struct unit first = ppb(UNIT(DRAIN), 0), second = ppb(UNIT(DRAIN), 1);

	assert_true(stops("drain", first, UNIT(GENERATE_IOVS)));
	assert_false(stops("drain", second, first));
	assert_false(stops("drain", UNIT(XFER), second));
	assert_true(stops("xfer", UNIT(XFER), second));
}

TEST(conditions_match_units, NULL, end)
{
	struct unit prev = ppb(UNIT(DRAIN), 4), u = chunk(ppb(UNIT(DRAIN), 5), 2);

	assert_true(stops("drain if ppb == 5", u, prev));
	assert_false(stops("drain if ppb == 4", u, prev));
	assert_false(stops("xfer if ppb == 5", u, prev));
	assert_true(stops("drain if ppb == 5 && chunk == 2", u, prev));
	assert_false(stops("drain if ppb == 5 && chunk == 1", u, prev));
	assert_true(stops("drain if ppb == 9 || chunk == 2", u, prev));
	assert_true(stops("drain if ppb == 5 || chunk == 9", u, prev));
	assert_false(stops("drain if ppb == 9 || chunk == 9", u, prev));
	/* As in C, && binds more tightly. */
	assert_true(stops("drain if ppb == 5 || chunk == 2 && ppb == 9", u, prev));
	assert_false(stops("drain if ppb == 9 && chunk == 2 || ppb == 5 && chunk == 9", u, prev));
	assert_true(stops("drain if ppb == 9 && chunk == 9 || ppb == 5 && chunk == 2", u, prev));
	assert_false(stops("drain if shmem == 0", u, prev));
	assert_true(
		stops("drain if ppb > 4 && ppb >= 5 && ppb < 6 && ppb <= 5 && ppb != 4", u, prev));
	assert_false(stops("drain if ppb > 5", u, prev));
	assert_false(stops("drain if ppb >= 6", u, prev));
	assert_false(stops("drain if ppb < 5", u, prev));
	assert_false(stops("drain if ppb <= 4", u, prev));
	assert_false(stops("drain if ppb != 5", u, prev));
	assert_true(stops("drain if ppb", u, prev));
	assert_true(stops("drain if (ppb == 9 || chunk == 2) && ppb == 5", u, prev));
	assert_false(stops("drain if (ppb == 5 || chunk == 2) && ppb == 9", u, prev));
	assert_true(stops("drain if ppb * 2 + 1 == 11 && ppb % 3 == chunk", u, prev));
	assert_true(stops("drain if ppb - chunk * 2 == 1 && -ppb == 0 - 5", u, prev));
	assert_true(stops("drain if (ppb | 2) == 7 && (ppb & 4) == 4 && (ppb ^ 1) == 4", u, prev));
	assert_true(stops("drain if 1 << ppb == 32 && ppb >> 1 == 2 && ~ppb == -6", u, prev));
	assert_true(stops("drain if ppb & 1 == 1", u, prev)); /* == binds more tightly, as in C */
	assert_false(stops("drain if !ppb", u, prev));
	assert_true(stops("drain if !(ppb == 4)", u, prev));
	assert_true(stops("drain if 10 / (ppb - 5)", u,
			  prev)); /* cannot be evaluated: better to stop */
	assert_false(stops("drain if ppb == 4 && 10 / (ppb - 5)", u, prev)); /* not evaluated */
	/* a hole is in no ppb: neither < nor != is true for it */
	assert_false(stops("xfer if ppb < 3", UNIT(XFER), prev));
	assert_false(stops("xfer if ppb != 3", UNIT(XFER), prev));
	assert_false(stops("xfer if !(ppb < 3)", UNIT(XFER), prev));
	assert_true(stops("xfer if ppb != 3 || chunk == 1", UNIT(XFER), prev));
	assert_true(stops("xfer if pages == 4", range(UNIT(XFER), 0x10000, 0x14000), prev));
	assert_false(stops("xfer if pages >= 0", UNIT(XFER), prev));
	u.shmem = 0;
	assert_true(stops("drain if shmem == 0", u, prev));
	assert_true(stops("pmc-fill if vma == 1", vma(UNIT(PMC_FILL), 1), vma(UNIT(PMC_FILL), 0)));
}

TEST(an_address_matches_scan_and_transfer, NULL, end)
{
	struct unit u = vma(range(UNIT(GENERATE_IOVS), 0x10000, 0x14000), 0), prev = u;

	assert_true(stops("10000", u, prev));
	assert_true(stops("13fff", u, prev));
	assert_false(stops("14000", u, prev));
	assert_false(stops("f000", u, prev));
	u.phase = PH(XFER);
	assert_true(stops("12000", u, prev));
	u.phase = PH(PMC_FILL);
	assert_false(stops("12000", u, prev));
	u.phase = PH(DRAIN);
	assert_false(stops("12000", u, prev));
	u = shmem(range(UNIT(GENERATE_IOVS), 0x10000, 0x14000), 0); /* offsets */
	assert_false(stops("12000", u, prev));
}

TEST(a_vma_matches_by_index_and_by_address, NULL, end)
{
	struct unit u = vma(UNIT(PMC_FILL), 1), prev = vma(UNIT(GENERATE_IOVS), 0);

	assert_true(stops("vma 1", u, prev));
	assert_false(stops("vma 0", u, prev));
	assert_false(stops("vma 2", u, prev)); /* there is none */
	assert_true(stops("vma 7f0000008000", u, prev));
	assert_false(stops("vma 7f0000010000", u, prev));
	assert_false(stops("vma 0x10000", u, prev));
	u.vma = 0;
	assert_true(stops("vma 0x10000", u, prev));
	u.phase = PH(GENERATE_IOVS);
	assert_false(stops("vma 0", u, prev));
	u = UNIT(PMC_FILL); /* not about a VMA; 2000 is in none either */
	assert_false(stops("vma 0x2000000", u, prev));
}

TEST(a_verdict_matches_runs, NULL, end)
{
	struct unit u = vma(UNIT(GENERATE_IOVS), 0), prev = u;

	assert_false(stops("verdict not-scanned", u, prev)); /* no verdict known */
	u.has_verdict = true;
	u.verdict = VD(ZERO);
	assert_true(stops("verdict zero", u, prev));
	assert_true(stops("verdict ZERO", u, prev));
	assert_true(stops("generate-iovs if verdict == zero && vma == 0", u, prev));
	assert_true(stops("generate-iovs if verdict != dump-swapped", u, prev));
	assert_false(stops("generate-iovs if verdict == dump", u, prev));
	assert_false(stops("verdict hole", u, prev));
	u.phase = PH(XFER);
	assert_false(stops("verdict zero", u, prev));
}

TEST(a_chunk_matches_where_it_begins, NULL, end)
{
	struct unit last = chunk(UNIT(XFER), 1), u = chunk(UNIT(GENERATE_IOVS), 2);

	assert_true(stops("chunk 2", u, last));
	assert_false(stops("chunk 2", chunk(UNIT(PMC_FILL), 2), u));
	assert_false(stops("chunk 1", u, last));
	assert_true(stops("chunk 1", chunk(UNIT(PMC_FILL), 1), chunk(UNIT(PREPARE), 0)));
}

TEST(failures_match_no_unit, NULL, end)
{
	assert_false(brk_on_failure(&l));
	assert_false(stops("fail", UNIT(DRAIN), UNIT(XFER)));
	new_brk("fail");
	assert_true(brk_on_failure(&l));
}

TEST(the_first_of_several_is_named, NULL, end)
{
	struct unit u = ppb(UNIT(DRAIN), 0), prev = UNIT(GENERATE_IOVS);

	new_brk("xfer");
	new_brk("drain if ppb == 0");
	new_brk("drain");
	assert_int_equal(brk_match(&l, &u, &prev, &vmas)->number, 2);
	ok(brk_delete(&l, 2));
	assert_int_equal(brk_match(&l, &u, &prev, &vmas)->number, 3);
	ok(brk_delete(&l, 0));
	assert_null(brk_match(&l, &u, &prev, &vmas));
}

/* Which phases must go unit by unit: those in whose middle a breakpoint could match. */
TEST(bulk_is_allowed_where_nothing_can_match, NULL, end)
{
	static const struct {
		const char *where;
		bool generate, drain, xfer;
	} want[] = {
		{ "drain", false, false, false },
		{ "drain if ppb == 5", false, true, false },
		{ "xfer if ppb == 5", false, false, true },
		{ "12000", true, true, true },
		{ "verdict zero", true, true, true },
		{ "chunk 2", false, false, false },
		{ "vma 1", false, false, false },
		{ "fail", false, false, false },
	};

	assert_false(brk_fine_grained(&l, PH(XFER)));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		new_brk(want[i].where);
		assert_int_equal(brk_fine_grained(&l, PH(GENERATE_IOVS)), want[i].generate);
		assert_int_equal(brk_fine_grained(&l, PH(DRAIN)), want[i].drain);
		assert_int_equal(brk_fine_grained(&l, PH(XFER)), want[i].xfer);
		ok(brk_delete(&l, 0));
	}
}

GROUP(two_vmas, no_vmas);

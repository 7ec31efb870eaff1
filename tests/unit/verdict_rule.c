/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The rule that decides about a page, over all states and kinds of VMA; and the names. */
#include "engine/dump/phases.h"

#include "tests/lib/test.h"

#define REG VMA_AREA_REGULAR

static const struct vma anon = { .start = 0x10000,
				 .end = 0x20000,
				 .status = REG | VMA_ANON_PRIVATE,
				 .flags = MAP_PRIVATE | MAP_ANONYMOUS };
static const struct vma file = {
	.start = 0x10000, .end = 0x20000, .status = REG | VMA_FILE_PRIVATE, .flags = MAP_PRIVATE
};

#define P PAGE_IS_PRESENT
#define S PAGE_IS_SWAPPED
#define F PAGE_IS_FILE
#define Z PAGE_IS_PFNZERO
#define G PAGE_IS_GUARD
#define D PAGE_IS_SOFT_DIRTY
#define H PAGE_IS_HUGE
#define W PAGE_IS_WRITTEN

TEST(private_pages)
{
	static const struct {
		uint64_t categories;
		verdict_t want;
	} rule[] = {
		{ 0, VD(ABSENT) },
		{ D, VD(ABSENT) },
		{ F, VD(ABSENT) },
		{ W, VD(ABSENT) },
		{ P, VD(DUMP) },
		{ P | D, VD(DUMP) },
		{ P | H, VD(DUMP) },
		{ P | W, VD(DUMP) },
		{ S, VD(DUMP_SWAPPED) },
		{ S | D, VD(DUMP_SWAPPED) },
		{ P | F, VD(FILE_CLEAN) },
		{ P | F | D, VD(FILE_CLEAN) },
		{ P | Z, VD(ZERO) },
		{ P | Z | H, VD(ZERO) },
		{ P | Z | D, VD(ZERO) },
		{ P | F | Z | H, VD(ZERO) }, /* so the kernel describes the huge zero page */
		{ G, VD(GUARD) },
		{ G | S, VD(GUARD) },
		{ G | P, VD(GUARD) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rule); i++) {
		assert_int_equal(page_verdict(&anon, rule[i].categories), rule[i].want);
		assert_int_equal(page_verdict(&file, rule[i].categories), rule[i].want);
	}
}

/* The reference is the condition in CRIU's mem.c: take or skip. */
TEST(data_is_what_criu_takes)
{
	for (uint64_t c = 0; c < 512; c++) {
		bool take = !(c & G) && !(c & F) && !(c & Z) && (c & (P | S));

		assert_int_equal(verdict_is_data(page_verdict(&anon, c)), take);
		assert_int_equal(verdict_is_data(page_verdict(&file, c)), take);
	}
}

TEST(kinds_that_the_pagemap_does_not_decide)
{
	static const struct {
		uint32_t status, flags, vmf;
		verdict_t want;
	} kind[] = {
		{ REG | VMA_AREA_VDSO | VMA_ANON_PRIVATE, MAP_PRIVATE | MAP_ANONYMOUS, 0,
		  VD(ALWAYS) },
		{ VMA_AREA_AIORING, MAP_SHARED, 0, VD(ALWAYS) },
		{ REG | VMA_AREA_VVAR | VMA_ANON_PRIVATE, MAP_PRIVATE | MAP_ANONYMOUS, 0,
		  VD(NEVER) },
		{ REG | VMA_ANON_PRIVATE, MAP_ANONYMOUS | 0x8, VMF_DROPPABLE, VD(NEVER) },
		{ REG | VMA_ANON_SHARED, MAP_SHARED | MAP_ANONYMOUS, 0, VD(SHARED) },
		{ REG | VMA_FILE_SHARED, MAP_SHARED, 0, VD(SHARED) },
		{ REG | VMA_FILE_SHARED | VMA_AREA_MEMFD, MAP_SHARED, 0, VD(SHARED) },
		{ REG | VMA_ANON_SHARED | VMA_AREA_SYSVIPC, MAP_SHARED | MAP_ANONYMOUS, 0,
		  VD(SHARED) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(kind); i++)
		for (uint64_t c = 0; c < 512; c++) {
			struct vma v = { .start = 0x10000,
					 .end = 0x20000,
					 .status = kind[i].status,
					 .flags = kind[i].flags,
					 .vmf = kind[i].vmf };

			assert_int_equal(page_verdict(&v, c), kind[i].want);
		}
}

/* [vsyscall] lies above the task's addresses: it is listed, no page of it is dumped. */
TEST(vsyscall_is_never_dumped)
{
	struct vma v = { .start = 0xffffffffff600000,
			 .end = 0xffffffffff601000,
			 .status = REG | VMA_AREA_VSYSCALL | VMA_ANON_PRIVATE,
			 .flags = MAP_PRIVATE | MAP_ANONYMOUS };

	for (uint64_t c = 0; c < 512; c++)
		assert_int_equal(page_verdict(&v, c), VD(NEVER));
}

TEST(names_go_both_ways)
{
	static const char *const phases[] = { "ready",         "prepare", "pmc-fill",
					      "generate-iovs", "drain",   "xfer",
					      "gate",          "reset",   "done" };
	static const char *const verdicts[] = { "not-scanned", "dump",  "dump-swapped", "always",
						"hole",        "zero",  "file-clean",   "absent",
						"guard",       "never", "shared" };

	for (int i = 0; i < 9; i++) {
		assert_string_equal(phase_name((phase_t)i), phases[i]);
		assert_int_equal(phase_from_name(phases[i]), i);
		const struct phase_ops *ops = phase_ops((phase_t)i);

		assert_int_equal(ops != NULL, i != PH(READY) && i != PH(GATE) && i != PH(DONE));
		if (ops)
			assert_string_equal(ops->name, phases[i]);
	}
	for (int i = 0; i < NR_VERDICTS; i++) {
		assert_string_equal(verdict_name((verdict_t)i), verdicts[i]);
		assert_int_equal(verdict_from_name(verdicts[i]), i);
	}
	assert_int_equal(phase_from_name("Drain"), PH(DRAIN));
	assert_int_equal(phase_from_name("drains"), -1);
	assert_int_equal(phase_from_name(""), -1);
	assert_int_equal(verdict_from_name("holes"), -1);
	assert_int_equal(verdict_from_name(""), -1);
}
